"""A document being written down: blocks go in, are cleaned, and come out with exact offsets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from infra.parsers.clean import clean
from infra.parsers.language import detect
from infra.parsers.source import Bounds
from ingestion.parse import Block, BlockKind, NothingToRead, Parsed, ReadingTooBig

_BLANKS = re.compile(r"[ \t]+")
_LINE_EDGES = re.compile(r" *\n *")
_GAPS = re.compile(r"\n{3,}")
_DEEPEST_HEADING = 6
_TITLE_CHARACTERS = 300


class Manuscript:
    """Blocks are parted by an empty line, items of a list and rows of a table by a line end."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._parts: list[str] = []
        self._length = 0
        self._blocks: list[Block] = []
        self._page_starts: list[int] = []
        self._turned = 0
        self._hidden = 0
        self._first_heading = ""
        self._warnings: dict[str, None] = {}

    @property
    def characters(self) -> int:
        return self._length

    def page(self) -> None:
        """What follows stands on a new page."""
        self._turned += 1
        if len(self._page_starts) + self._turned > self._bounds.pages:
            raise ReadingTooBig(f"The file has more than {self._bounds.pages:,} pages.")

    def heading(self, text: str, level: int) -> None:
        line = _BLANKS.sub(" ", self._cleaned(text).replace("\n", " ")).strip()
        self._add("heading", line, min(max(level, 1), _DEEPEST_HEADING))
        self._first_heading = self._first_heading or line

    def paragraph(self, text: str) -> None:
        """Runs of blanks become one; single line ends stay."""
        self._add("paragraph", _tidied(self._cleaned(text)))

    def code(self, text: str) -> None:
        """Kept as it is, blanks included."""
        self._add("code", self._cleaned(text).strip("\n").rstrip())

    def item(self, text: str, mark: str = "-", depth: int = 0) -> None:
        """One item; items that follow each other are one list block."""
        body = _tidied(self._cleaned(text)).replace("\n", " ")
        if body:
            self._add("list", f"{'  ' * min(depth, 8)}{mark} {body}", joined=True)

    def table(self, rows: Iterable[Sequence[str]]) -> None:
        """Rows as `| a | b |`; rows and columns without any text are left out."""
        self.lines("table", table_lines([[self._cell(cell) for cell in row] for row in rows]))

    def lines(self, kind: BlockKind, lines: Iterable[str]) -> None:
        """Lines that are one block. Each is checked against the bounds as it comes."""
        for line in lines:
            self._add(kind, self._cleaned(line).replace("\n", " ").rstrip(), joined=True)
        self._closed = True

    def warn(self, sentence: str) -> None:
        self._warnings.setdefault(sentence)

    def finished(self, title: str = "") -> Parsed:
        """Raises `NothingToRead` when nothing was written."""
        text = "".join(self._parts)
        if not text:
            raise NothingToRead("The file has no text in it.")
        self._turn_pages(self._length)
        if self._hidden:
            self.warn(f"Hidden characters were removed from the text: {self._hidden:,}.")
        title = _BLANKS.sub(" ", self._cleaned(title).replace("\n", " ")).strip()
        return Parsed(
            text=text,
            blocks=tuple(self._blocks),
            title=(title or self._first_heading)[:_TITLE_CHARACTERS],
            page_starts=tuple(self._page_starts),
            language=detect(text),
            warnings=tuple(self._warnings),
        )

    _closed = True

    def _add(self, kind: BlockKind, text: str, level: int = 0, joined: bool = False) -> None:
        if not text.strip():
            return
        continues = joined and not self._closed and self._blocks[-1].kind == kind
        gap = "" if not self._length else "\n" if continues and not self._turned else "\n\n"
        start = self._length + len(gap)
        self._length = start + len(text)
        self._check_length()
        self._turn_pages(start)
        self._parts += (gap, text)
        if gap == "\n":
            start = self._blocks.pop().start
        self._blocks.append(Block(kind, start, self._length, level))
        self._closed = not joined

    def _turn_pages(self, start: int) -> None:
        self._page_starts += [start] * self._turned
        self._turned = 0

    def _check_length(self) -> None:
        if self._length > self._bounds.characters:
            raise ReadingTooBig(
                f"The file has more than {self._bounds.characters:,} characters of text. "
                "Split it into several files."
            )

    def _cleaned(self, text: str) -> str:
        cleaned = clean(text)
        self._hidden += cleaned.hidden
        return cleaned.text

    def _cell(self, text: str) -> str:
        return _BLANKS.sub(" ", self._cleaned(text).replace("\n", " ")).strip()


def table_lines(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as Markdown-like lines, all of the same width."""
    width = max((len(row) for row in rows), default=0)
    full = [[*row, *[""] * (width - len(row))] for row in rows if any(row)]
    kept = [column for column in range(width) if any(row[column] for row in full)]
    return ["| " + " | ".join(row[column] for column in kept) + " |" for row in full]


def _tidied(text: str) -> str:
    return _GAPS.sub("\n\n", _LINE_EDGES.sub("\n", _BLANKS.sub(" ", text))).strip()
