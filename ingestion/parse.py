"""What reading a file gives: its text, the structure in it, and the ways in which reading fails."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

BlockKind = Literal["heading", "paragraph", "list", "table", "code"]


class Unreadable(Exception):
    """The file cannot be read, and trying again will not help. The message is for its uploader."""


class UnsupportedType(Unreadable):
    """Cairn does not read this kind of file."""


class Encrypted(Unreadable):
    """The file asks for a password."""


class NothingToRead(Unreadable):
    """The file has no text in it."""


class ReadingTooLong(Unreadable):
    """Reading went over its time limit and was stopped."""


class ReadingTooBig(Unreadable):
    """Reading went over its memory limit and was stopped."""


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of the text with one role. Blocks are in order and do not overlap."""

    kind: BlockKind
    start: int
    end: int
    level: int = 0
    """Of a heading: 1 (outermost) to 6."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A file's text and structure. All offsets are characters of `text`."""

    text: str
    blocks: tuple[Block, ...]
    title: str
    """From the file's own properties or its first heading; else empty."""
    page_starts: tuple[int, ...] = ()
    """Where each page begins; empty where the format has no pages."""
    language: str = "en"
    """ISO 639-1, detected."""
    warnings: tuple[str, ...] = ()
    """What was left out or repaired, in words for the uploader."""

    def page_at(self, offset: int) -> int | None:
        """The page, from 1, that holds the character at `offset`."""
        return bisect_right(self.page_starts, offset) if self.page_starts else None


Report = Callable[[int, int], None]
"""Called with (done, total) pages or parts while a file is read."""


class Parser(Protocol):
    """Reads a file in a bounded place. Raises `Unreadable` or one of its kinds, nothing else."""

    async def parse(self, path: Path, name: str, media_type: str, report: Report) -> Parsed:
        """`name` is the uploader's, whose extension settles what the bytes leave open."""
        ...
