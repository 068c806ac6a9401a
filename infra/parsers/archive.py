"""The check of a ZIP-based file before anything in it is unpacked: bombs, stray paths, entities."""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import dataclass

from ingestion.parse import ReadingTooBig, Unreadable

_DOCTYPE = re.compile(rb"<!(?:DOCTYPE|ENTITY)\b", re.IGNORECASE)
_ENTITY = re.compile(rb"<!ENTITY\b", re.IGNORECASE)
_MARKUP = (".xml", ".rels", ".vml", ".opf", ".ncx", ".xhtml", ".html", ".htm")
_PROLOG_BYTES = 64 << 10
"""A document type declaration stands before the root element, so the start of a part shows it."""


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """OWASP's advice on uploads of archives: entries, unpacked size and ratio are all bounded."""

    entries: int = 10_000
    unpacked_bytes: int = 500 << 20
    ratio: int = 100
    ratio_floor_bytes: int = 20 << 20
    """Below this size a high ratio harms nobody: sparse sheets reach 200 in honest files."""


def check_archive(data: bytes, limits: ArchiveLimits) -> None:
    """Raises `Unreadable` or `ReadingTooBig` with the reason in words."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            _check_sizes(members, limits)
            _check_paths(members)
            _check_markup(archive, members)
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError) as error:
        raise Unreadable("The file is damaged: its parts cannot be unpacked.") from error
    except RuntimeError as error:  # what zipfile raises for an encrypted member
        raise Unreadable("The file has parts that ask for a password.") from error


def _check_sizes(members: list[zipfile.ZipInfo], limits: ArchiveLimits) -> None:
    if len(members) > limits.entries:
        raise ReadingTooBig(f"The file has {len(members):,} parts; {limits.entries:,} are allowed.")
    unpacked = sum(member.file_size for member in members)
    if unpacked > limits.unpacked_bytes:
        raise ReadingTooBig(
            f"The file would unpack to {unpacked >> 20:,} MiB; "
            f"{limits.unpacked_bytes >> 20:,} MiB are allowed."
        )
    for member in members:
        ratio = member.file_size / max(member.compress_size, 1)
        if member.file_size > limits.ratio_floor_bytes and ratio > limits.ratio:
            raise ReadingTooBig(
                f"The part {member.filename[:100]!r} is packed {ratio:,.0f} to 1, as only a "
                f"decompression bomb is; {limits.ratio} to 1 is allowed."
            )


def _check_paths(members: list[zipfile.ZipInfo]) -> None:
    for member in members:
        path = member.filename.replace("\\", "/")
        if path.startswith("/") or ".." in path.split("/") or path[1:2] == ":":
            raise Unreadable(f"The file has a part with a path outside of it: {path[:100]!r}.")


def _check_markup(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> None:
    """Office formats never declare document types; EPUB may name one, but no entities."""
    is_book = any(member.filename == "META-INF/container.xml" for member in members)
    refused = _ENTITY if is_book else _DOCTYPE
    for member in members:
        if not member.filename.lower().endswith(_MARKUP):
            continue
        with archive.open(member) as part:
            prolog = part.read(_PROLOG_BYTES)
        if refused.search(prolog.replace(b"\x00", b"")):
            raise Unreadable(
                f"The part {member.filename[:100]!r} declares XML entities or a document type, "
                "which such files never need and attacks do."
            )
