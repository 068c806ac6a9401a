"""The kind of a file, from its first bytes, its ZIP or OLE directory, and its extension."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import BinaryIO

from ingestion.parse import Encrypted, NothingToRead, Unreadable, UnsupportedType

HEAD_BYTES = 8192
_DIRECTORY_BYTES = 1 << 20
_END_OF_DIRECTORY_BYTES = 22 + 65535
_OLE_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of file that Cairn reads."""

    media_type: str
    label: str
    extensions: tuple[str, ...]


PDF = Kind("application/pdf", "PDF", (".pdf",))
DOCX = Kind(
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "DOCX",
    (".docx", ".docm", ".dotx", ".dotm"),
)
PPTX = Kind(
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "PPTX",
    (".pptx", ".pptm", ".ppsx", ".potx"),
)
XLSX = Kind(
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "XLSX",
    (".xlsx", ".xlsm", ".xltx", ".xlsb"),
)
ODT = Kind("application/vnd.oasis.opendocument.text", "ODT", (".odt", ".ott"))
ODS = Kind("application/vnd.oasis.opendocument.spreadsheet", "ODS", (".ods", ".ots"))
ODP = Kind("application/vnd.oasis.opendocument.presentation", "ODP", (".odp", ".otp"))
EPUB = Kind("application/epub+zip", "EPUB", (".epub",))
DOC = Kind("application/msword", "DOC", (".doc", ".dot"))
XLS = Kind("application/vnd.ms-excel", "XLS", (".xls", ".xlt"))
PPT = Kind("application/vnd.ms-powerpoint", "PPT", (".ppt", ".pps", ".pot"))
MSG = Kind("application/vnd.ms-outlook", "MSG", (".msg",))
RTF = Kind("application/rtf", "RTF", (".rtf",))
EML = Kind("message/rfc822", "EML", (".eml",))
HTML = Kind("text/html", "HTML", (".html", ".htm", ".xhtml"))
MARKDOWN = Kind("text/markdown", "Markdown", (".md", ".mdx", ".markdown"))
CSV = Kind("text/csv", "CSV", (".csv", ".tsv", ".tab"))
JSON = Kind("application/json", "JSON", (".json", ".jsonl", ".ndjson"))
TEXT = Kind("text/plain", "text", (".txt", ".text", ".log", ".rst"))

KINDS = (
    *(PDF, DOCX, PPTX, XLSX, HTML, MARKDOWN, TEXT, CSV, JSON, EML, RTF),
    *(ODT, ODS, ODP, EPUB, DOC, XLS, PPT, MSG),
)
"""In the order in which messages list them."""

BY_EXTENSION: Mapping[str, Kind] = {end: kind for kind in KINDS for end in kind.extensions}

_READ_BY_EXTENSION = frozenset({MARKDOWN, CSV, JSON, TEXT, HTML, EML})

_FOREIGN = (
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"BM", "a BMP image"),
    (b"8BPS", "a Photoshop image"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"MZ", "a Windows program"),
    (b"\x7fELF", "a Linux program"),
    (b"\xcf\xfa\xed\xfe", "a macOS program"),
    (b"\xca\xfe\xba\xbe", "a program"),
    (b"\x00asm", "a WebAssembly program"),
    (b"#!/", "a script"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"OggS", "an audio or video file"),
    (b"ID3", "an audio file"),
    (b"fLaC", "an audio file"),
    (b"\x1aE\xdf\xa3", "a video"),
    (b"wOF", "a font"),
    (b"PAR1", "a Parquet file"),
    (b"%!PS", "a PostScript file"),
)
_CONTAINERS = {b"WEBP": "a WebP image", b"WAVE": "an audio file", b"AVI ": "a video"}
_BRANDS = {b"heic": "a HEIC image", b"heix": "a HEIC image", b"mif1": "a HEIC image",
           b"avif": "an AVIF image", b"M4A ": "an audio file"}  # fmt: skip

_ZIP_MEMBERS = (
    (b"word/document", DOCX),
    (b"ppt/presentation", PPTX),
    (b"xl/workbook", XLSX),
    (b"META-INF/container.xml", EPUB),
)
_OLE_STREAMS = (
    ("__properties_version1.0", MSG),
    ("PowerPoint Document", PPT),
    ("WordDocument", DOC),
    ("Workbook", XLS),
    ("Book", XLS),
)
_HTML_START = re.compile(rb"<(?:!doctype\s+html|html|head|body|meta|title)\b", re.IGNORECASE)
_MARKUP_START = re.compile(rb"\s*(?:<!--.*?-->\s*|<\?xml[^>]*>\s*)*<(/?[!\w][\w:.-]*)", re.DOTALL)
_MAIL_START = re.compile(rb"(?:[\w-]+:[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*\r?\n){2,}", re.MULTILINE)
_MAIL_FIELD = re.compile(rb"^(?:from|received|return-path|message-id|mime-version):", re.I | re.M)


def sniff(file: BinaryIO, name: str) -> str:
    """The media type of a seekable file; `name` is the uploader's.

    Raises `UnsupportedType`, and `Encrypted`, `NothingToRead` or `Unreadable` where the first
    bytes already show it. Reads at most the head and the directory of the file.
    """
    file.seek(0)
    head = file.read(HEAD_BYTES)
    if not head.strip():
        raise NothingToRead(f"{name!r} is empty.")
    return _kind(file, head, name).media_type


def readable_kinds() -> str:
    """The kinds in words, for messages."""
    labels = [kind.label for kind in KINDS]
    return f"{', '.join(labels[:-1])} or {labels[-1]}"


def _kind(file: BinaryIO, head: bytes, name: str) -> Kind:
    # Readers of PDF accept up to 1,024 bytes before the header (ISO 32000-1, annex H.3.4.1).
    if b"%PDF-" in head[:1024]:
        return PDF
    if head.startswith(b"{\\rtf"):
        return RTF
    if head.startswith(b"PK\x03\x04") or head.startswith(b"PK\x05\x06"):
        return _zip_kind(file, head, name)
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return _ole_kind(file, name)
    _refuse_foreign(head, name)
    return _text_kind(head, name)


def _refuse_foreign(head: bytes, name: str) -> None:
    for magic, what in _FOREIGN:
        if head.startswith(magic) and not _is_prose(head, magic):
            raise _unsupported(name, what)
    if head.startswith(b"RIFF"):
        raise _unsupported(name, _CONTAINERS.get(head[8:12], "a media file"))
    if head[4:8] == b"ftyp":
        raise _unsupported(name, _BRANDS.get(head[8:12], "a video"))
    if head[257:262] == b"ustar":
        raise _unsupported(name, "a tar archive")


def _is_prose(head: bytes, magic: bytes) -> bool:
    """A note may begin with "BMI" or "MZ": short words count with binary bytes after them only."""
    is_word = len(magic) <= 4 and magic.isalnum()
    return is_word and b"\x00" not in head


def _unsupported(name: str, what: str) -> UnsupportedType:
    return UnsupportedType(
        f"{name!r} is {what}, which Cairn does not read. Upload {readable_kinds()} instead."
    )


def _zip_kind(file: BinaryIO, head: bytes, name: str) -> Kind:
    if head[30:38] == b"mimetype":
        declared = head[38:120]
        for kind in (EPUB, ODT, ODS, ODP):
            if declared.startswith(kind.media_type.encode()):
                return kind
    directory = _zip_directory(file)
    if directory is None:
        raise Unreadable(f"{name!r} is damaged: its end is missing. Was the copy cut short?")
    for member, kind in _ZIP_MEMBERS:
        if member in directory:
            return kind
    raise _unsupported(name, "a ZIP archive")


def _zip_directory(file: BinaryIO) -> bytes | None:
    """The names in the central directory, not parsed: a hostile one may claim millions."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _END_OF_DIRECTORY_BYTES))
    tail = file.read()
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) < end + 22:
        return None
    length, offset = struct.unpack_from("<II", tail, end + 12)
    file.seek(offset if offset < size else 0)
    return file.read(min(length, _DIRECTORY_BYTES))


def _ole_kind(file: BinaryIO, name: str) -> Kind:
    streams = _ole_streams(file)
    if "EncryptedPackage" in streams or "EncryptionInfo" in streams:
        raise Encrypted(f"{name!r} asks for a password. Save a copy without one and upload that.")
    found = [kind for stream, kind in _OLE_STREAMS if stream in streams]
    if not found:
        raise _unsupported(name, "an OLE container of another program")
    hinted = BY_EXTENSION.get(_extension(name))
    return hinted if hinted in found else found[0]


def _ole_streams(file: BinaryIO) -> frozenset[str]:
    """Names in the directory of a compound file ([MS-CFB] 2.6), following its sector chain."""
    file.seek(0)
    content = file.read(_OLE_BYTES)
    shift = struct.unpack_from("<H", content, 30)[0] if len(content) >= 512 else 0
    if shift not in (9, 12):
        return frozenset()
    size = 1 << shift
    fat = _ole_fat(content, size)
    names, sector, seen = set(), struct.unpack_from("<I", content, 48)[0], set[int]()
    while sector < len(fat) and sector not in seen:
        seen.add(sector)
        page = content[(sector + 1) * size : (sector + 2) * size]
        names |= {_ole_name(page[at : at + 128]) for at in range(0, len(page), 128)}
        sector = fat[sector]
    return frozenset(names)


def _ole_fat(content: bytes, size: int) -> list[int]:
    fat: list[int] = []
    for sector in struct.unpack_from("<109I", content, 76):
        page = content[(sector + 1) * size : (sector + 2) * size]
        fat += struct.unpack(f"<{len(page) // 4}I", page[: len(page) // 4 * 4])
    return fat


def _ole_name(entry: bytes) -> str:
    length = struct.unpack_from("<H", entry, 64)[0] if len(entry) == 128 else 0
    return entry[: max(0, min(length, 64) - 2)].decode("utf-16-le", "replace")


def _text_kind(head: bytes, name: str) -> Kind:
    if not _looks_like_text(head):
        raise _unsupported(name, "a binary file of unknown kind")
    narrow = head.replace(b"\x00", b"").lstrip(b"\xef\xbb\xbf\xff\xfe")
    hinted = BY_EXTENSION.get(_extension(name))
    if hinted in _READ_BY_EXTENSION and hinted is not TEXT:
        return hinted
    markup = _MARKUP_START.match(narrow)
    if markup:
        return _markup_kind(narrow, markup, name)
    # A mail saved as .txt is read as it stands.
    if hinted is not TEXT and _MAIL_START.match(narrow) and _MAIL_FIELD.search(narrow):
        return EML
    return TEXT


def _markup_kind(head: bytes, start: re.Match[bytes], name: str) -> Kind:
    tag = start[1].lower()
    if _HTML_START.search(head[start.start(1) - 1 :]):
        return HTML
    if tag == b"svg":
        raise _unsupported(name, "an SVG image")
    if head.lstrip().startswith((b"<?xml", b"<!DOCTYPE", b"<!doctype")):
        raise _unsupported(name, "an XML file")
    return TEXT


def _looks_like_text(head: bytes) -> bool:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    zeros = head.count(0)
    # UTF-16 without a mark: every second byte of Latin text is zero.
    if zeros and max(head[::2].count(0), head[1::2].count(0)) > 0.4 * len(head):
        return True
    return zeros == 0 or zeros < 0.05 * len(head)


def _extension(name: str) -> str:
    return PurePath(name).suffix.lower()
