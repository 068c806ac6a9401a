"""A mail: who wrote to whom about what and when, then the body; attachments are named, not read."""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Iterator
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message

from infra.parsers.encoding import decode
from infra.parsers.manuscript import Manuscript
from infra.parsers.source import Source
from infra.parsers.webpage import Page
from ingestion.parse import Encrypted, Parsed

_FIELDS = ("From", "To", "Cc", "Date")
_GAP = re.compile(r"\n[ \t]*\n+")
_ITEM = re.compile(r"^\s*[-*•]\s+(.*)$")
_DEEPEST = 8
_LONGEST_FIELD = 2_000


def read_mail(source: Source) -> Parsed:
    """Raises `Encrypted` for a mail whose body is encrypted."""
    message = email.message_from_bytes(_narrow(source.data), policy=email.policy.compat32)
    if message.get_content_type() in ("multipart/encrypted", "application/pkcs7-mime"):
        raise Encrypted("The mail is encrypted. Save a readable copy and upload that.")
    sheet = Manuscript(source.bounds)
    attachments: list[str] = []
    _write(message, sheet, attachments, depth=0)
    if attachments:
        sheet.warn(f"Attachments were not read: {', '.join(attachments)}. Upload them as files.")
    return sheet.finished(_field(message, "Subject"))


def _narrow(data: bytes) -> bytes:
    """Mail is ASCII outside its bodies; a file saved as UTF-16 is brought back to that."""
    text, encoding = decode(data)
    wide = encoding.startswith(("utf-16", "utf-32"))
    return text.encode() if wide else data.removeprefix(b"\xef\xbb\xbf").lstrip()


def _write(message: Message, sheet: Manuscript, attachments: list[str], depth: int) -> None:
    sheet.heading(_field(message, "Subject"), depth + 1)
    fields = [(name, _field(message, name)) for name in _FIELDS]
    sheet.lines("paragraph", [f"{name}: {value}" for name, value in fields if value])
    for part in _parts(message, attachments):
        if part.get_content_type() == "message/rfc822" and depth < _DEEPEST:
            for inner in part.get_payload():
                if isinstance(inner, Message):
                    _write(inner, sheet, attachments, depth + 1)
        elif part.get_content_type() == "text/html":
            Page(sheet).write(_text(part))
        else:
            _write_plain(_text(part), sheet)


def _parts(message: Message, attachments: list[str]) -> Iterator[Message]:
    """The parts to show, in order; of alternatives the plain one, unless it is empty."""
    kind = message.get_content_maintype()
    if kind != "multipart":
        if _is_shown(message):
            yield message
        else:
            attachments.append(_name(message))
    elif message.get_content_subtype() == "alternative":
        shown = [inner for part in _children(message) for inner in _parts(part, attachments)]
        plain = [part for part in shown if _is_plain(part) and _text(part).strip()]
        yield from plain or shown
    else:
        for part in _children(message):
            yield from [part] if _is_mail(part) else _parts(part, attachments)


def _children(message: Message) -> list[Message]:
    payload = message.get_payload()
    return (
        [part for part in payload if isinstance(part, Message)] if isinstance(payload, list) else []
    )


def _is_mail(part: Message) -> bool:
    return part.get_content_type() == "message/rfc822"


def _is_plain(part: Message) -> bool:
    return part.get_content_type() == "text/plain"


def _is_shown(part: Message) -> bool:
    shown = part.get_content_type() in ("text/plain", "text/html", "message/rfc822")
    return shown and part.get_content_disposition() != "attachment"


def _name(part: Message) -> str:
    return (
        repr(_decoded(part.get_filename() or "")[:100])
        if part.get_filename()
        else (f"one of type {part.get_content_type()}")
    )


def _text(part: Message) -> str:
    payload = part.get_payload(decode=True)
    return decode(payload, part.get_content_charset())[0] if isinstance(payload, bytes) else ""


def _field(message: Message, name: str) -> str:
    return " ".join(_decoded(str(message.get(name) or "")).split())[:_LONGEST_FIELD]


def _decoded(value: str) -> str:
    """Encoded words (RFC 2047) as text; broken ones as they stand."""
    try:
        return str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, UnicodeError, ValueError):
        return value


def _write_plain(text: str, sheet: Manuscript) -> None:
    for paragraph in _GAP.split(text.replace("\r\n", "\n").replace("\r", "\n")):
        lines = paragraph.split("\n")
        items = [found[1] for line in lines if (found := _ITEM.match(line))]
        if len(items) == len(lines):
            for item in items:
                sheet.item(item)
        else:
            sheet.paragraph(paragraph)
