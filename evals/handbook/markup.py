"""The parts of a handbook source: headings, paragraphs, lists and tables in plain Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

ITEM = re.compile(r"(?:-|\d+\.) ")


@dataclass(frozen=True, slots=True)
class Heading:
    """Level 1 is the document's title."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Prose:
    """One paragraph."""

    text: str


@dataclass(frozen=True, slots=True)
class Points:
    """A flat list."""

    items: tuple[str, ...]
    numbered: bool


@dataclass(frozen=True, slots=True)
class Grid:
    """A table; the first row names the columns."""

    rows: tuple[tuple[str, ...], ...]


Part = Heading | Prose | Points | Grid


@dataclass(frozen=True, slots=True)
class Source:
    """One document before it has a format."""

    title: str
    parts: tuple[Part, ...]


def read_source(markdown: str) -> Source:
    """The first heading is the title. An empty line ends a part; nothing is nested."""
    parts = tuple(_parts(markdown))
    title = next(part.text for part in parts if isinstance(part, Heading))
    return Source(title, parts)


def _parts(markdown: str) -> Iterator[Part]:
    for block in markdown.strip().split("\n\n"):
        lines = block.splitlines()
        if block.startswith("#"):
            marks, text = block.split(" ", 1)
            yield Heading(len(marks), text)
        elif block.startswith("|"):
            yield Grid(tuple(_cells(line) for line in lines if not line.startswith("|--")))
        elif ITEM.match(block):
            items = tuple(ITEM.sub("", line, count=1) for line in lines)
            yield Points(items, numbered=block[0].isdigit())
        else:
            yield Prose(" ".join(lines))


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in line.strip("|").split("|"))
