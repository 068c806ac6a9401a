"""A page of a PDF, read: its lines, the tables among them, and what could not be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from infra.parsers.pdf_lines import Line, PageReading
from infra.parsers.pdf_rules import rules_of
from infra.parsers.pdf_tables import Table, find_tables

_SCANNED_CHARACTERS = 20


@dataclass(frozen=True, slots=True)
class Page:
    lines: tuple[Line, ...]
    """All of them, also those that a table is made of."""
    tables: tuple[Table, ...]
    hidden: int
    """How many characters were left out because nobody can see them."""
    scanned: bool
    """Nothing but a picture: no text to speak of, and an image."""
    broken: bool = False


BROKEN = Page((), (), 0, scanned=False, broken=True)


def read_page(page: Any) -> Page:
    """`page` is a `pypdfium2.PdfPage`."""
    textpage = page.get_textpage()
    try:
        reading = PageReading(page, textpage)
        lines = tuple(reading.lines())
        shown = sum(len(line.text) for line in lines)
        scanned = shown < _SCANNED_CHARACTERS and reading.ink.has_image
        return Page(lines, _tables(reading, lines), reading.hidden, scanned)
    finally:
        textpage.close()


def _tables(reading: PageReading, lines: tuple[Line, ...]) -> tuple[Table, ...]:
    """None on a page that is turned, where lines run upwards."""
    if reading.turned:
        return ()
    return find_tables(lines, reading.words, rules_of(reading.ink.paths))
