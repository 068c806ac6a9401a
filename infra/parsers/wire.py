"""What parent and child of the sandbox say to each other: JSON, each message after its length."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any, BinaryIO

from ingestion.parse import (
    Block,
    Encrypted,
    NothingToRead,
    Parsed,
    ReadingTooBig,
    ReadingTooLong,
    Unreadable,
    UnsupportedType,
)

LENGTH_BYTES = 4
_KINDS = frozenset({"heading", "paragraph", "list", "table", "code"})
_ERRORS: Mapping[str, type[Unreadable]] = {
    error.__name__: error
    for error in (
        *(Unreadable, UnsupportedType, Encrypted),
        *(NothingToRead, ReadingTooLong, ReadingTooBig),
    )
}

Message = Mapping[str, Any]


class Garbled(Exception):
    """The other side does not speak as agreed: it is broken, or taken over."""


def packed(message: Message) -> bytes:
    body = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
    return struct.pack(">I", len(body)) + body


def length(prefix: bytes) -> int:
    size: int = struct.unpack(">I", prefix)[0]
    return size


def receive(stream: BinaryIO) -> Message | None:
    """The next message; None at the end of the stream."""
    prefix = stream.read(LENGTH_BYTES)
    return unpacked(stream.read(length(prefix))) if len(prefix) == LENGTH_BYTES else None


def unpacked(body: bytes) -> Message:
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Garbled("no JSON") from error
    if not isinstance(message, dict):
        raise Garbled("no object")
    return message


def parsed_message(parsed: Parsed) -> Message:
    return {
        "text": parsed.text,
        "blocks": [[block.kind, block.start, block.end, block.level] for block in parsed.blocks],
        "title": parsed.title,
        "page_starts": parsed.page_starts,
        "language": parsed.language,
        "warnings": parsed.warnings,
    }


def parsed_of(message: Message) -> Parsed:
    """Checked as an answer of a process that reads hostile files must be. Raises `Garbled`."""
    try:
        parsed = Parsed(
            text=str(message["text"]),
            blocks=tuple(
                Block(kind, int(start), int(end), int(level))
                for kind, start, end, level in message["blocks"]
            ),
            title=str(message["title"]),
            page_starts=tuple(int(start) for start in message["page_starts"]),
            language=str(message["language"]),
            warnings=tuple(str(warning) for warning in message["warnings"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Garbled("no parsed file") from error
    if not _holds_together(parsed):
        raise Garbled("offsets that do not fit")
    return parsed


def error_message(error: Unreadable) -> Message:
    return {"error": type(error).__name__, "reason": str(error)}


def error_of(message: Message) -> Unreadable:
    return _ERRORS.get(str(message["error"]), Unreadable)(str(message.get("reason", "")))


def _holds_together(parsed: Parsed) -> bool:
    """Blocks in order, apart, inside the text; pages in order from 0."""
    end = 0
    for block in parsed.blocks:
        if block.kind not in _KINDS or not end <= block.start < block.end <= len(parsed.text):
            return False
        end = block.end
    pages = parsed.page_starts
    in_order = list(pages) == sorted(pages) and (not pages or pages[0] == 0)
    return in_order and all(start <= len(parsed.text) for start in pages)
