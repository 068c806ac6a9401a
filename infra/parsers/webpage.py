"""HTML to blocks: what a browser would show, in the order of the page."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

from infra.parsers.elements import BLOCKS, HEADINGS, LISTS, OpenElements
from infra.parsers.encoding import decode
from infra.parsers.manuscript import Manuscript
from infra.parsers.source import Source
from ingestion.parse import Parsed

_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?([\w-]+)", re.IGNORECASE)
_CHARSET_BYTES = 2048
_BLANK = re.compile(r"\s+")
_BREAK = "\0"
_CELLS = frozenset({"td", "th"})


@dataclass(slots=True)
class _List:
    ordered: bool
    number: int = 0

    def mark(self) -> str:
        self.number += 1
        return f"{self.number}." if self.ordered else "-"


@dataclass(slots=True)
class _Table:
    rows: list[list[str]] = field(default_factory=list)
    depth: int = 1
    """How many tables are open; the inner ones become text of their cell."""


def read_html(source: Source) -> Parsed:
    """Hidden text is left out and counted in a warning."""
    sheet = Manuscript(source.bounds)
    declared = _CHARSET.search(source.data[:_CHARSET_BYTES])
    text, _ = decode(source.data, declared[1].decode("ascii") if declared else None)
    page = Page(sheet)
    page.write(text)
    return sheet.finished(page.title)


class Page(HTMLParser):
    """Writes visible text of HTML into a manuscript: of pages, and inside mails and Markdown."""

    def __init__(self, sheet: Manuscript) -> None:
        super().__init__(convert_charrefs=True)
        self.title = ""
        self._sheet = sheet
        self._open = OpenElements()
        self._raw: list[str] = []
        self._text: list[str] = []
        self._lists: list[_List] = []
        self._mark = ""
        self._table: _Table | None = None
        self._hidden = 0

    def write(self, html: str) -> None:
        """Writes a whole page, or a fragment."""
        self.feed(html)
        self.close()
        self._end_table()
        self._flush()
        if self._hidden:
            self._sheet.warn(f"{self._hidden:,} characters that the page hides were left out.")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for ended in self._open.implied_ends(tag):
            self._end(ended)
        attributes = {name: value or "" for name, value in attrs}
        self._begin(tag, attributes)
        self._open.open(tag, attributes)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # HTML closes only void elements by themselves: `<div/>` opens a division.
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        for ended in self._open.close(tag):
            self._end(ended)

    def handle_data(self, data: str) -> None:
        if self._open.innermost in ("style", "title"):
            self._raw.append(data)
        elif not self._open.hidden:
            self._text.append(data)
        elif not self._open.unseen:
            self._hidden += len(data.strip())

    def _begin(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "br":
            self._text.append(_BREAK)
        elif tag == "img":
            self._name_picture(attributes.get("alt", ""))
        elif tag == "table":
            self._begin_table()
        elif self._table is not None:
            self._begin_cell(tag, self._table)
        elif tag in LISTS:
            self._flush()
            self._lists.append(_List(tag == "ol"))
        elif tag == "li":
            self._flush()
            self._mark = self._lists[-1].mark() if self._lists else "-"
        elif tag in BLOCKS:
            self._part()

    def _end(self, tag: str) -> None:
        if tag in ("style", "title"):
            self._end_raw(tag)
        elif tag == "table":
            self._close_table()
        elif self._table is not None:
            self._end_in_table(tag, self._table)
        elif tag in HEADINGS:
            self._sheet.heading(self._taken(), HEADINGS[tag])
        elif tag == "pre":
            self._sheet.code(self._taken_raw().replace(_BREAK, "\n"))
        elif tag in LISTS:
            self._flush()
            self._lists = self._lists[:-1]
        elif tag == "li":
            self._flush()
            self._mark = ""
        elif tag in BLOCKS:
            self._part()

    def _name_picture(self, alternative: str) -> None:
        """A picture amid text speaks with its alternative text; by itself it says nothing."""
        if not self._open.hidden and any(not part.isspace() for part in self._text):
            self._text.append(f" {alternative} ")

    def _end_raw(self, tag: str) -> None:
        content, self._raw = "".join(self._raw), []
        if tag == "style":
            self._open.selectors.learn(content)
        elif "svg" not in self._open:
            self.title = self.title or _BLANK.sub(" ", content).strip()

    def _taken_raw(self) -> str:
        text, self._text = "".join(self._text), []
        return text

    def _taken(self) -> str:
        lines = self._taken_raw().split(_BREAK)
        return "\n".join(_BLANK.sub(" ", line) for line in lines)

    def _part(self) -> None:
        """A block begins or ends: a paragraph, unless inside a heading or preformatted text."""
        if self._open.in_heading:
            self._text.append(" ")
        elif "pre" in self._open:
            self._text.append("\n")
        else:
            self._flush()

    def _flush(self) -> None:
        if self._table is not None:
            return
        text = self._taken()
        if not text.strip():
            return
        if self._lists and self._mark:
            self._sheet.item(text, self._mark, len(self._lists) - 1)
            self._mark = " "
        else:
            self._sheet.paragraph(text)

    def _begin_table(self) -> None:
        if self._table is not None:
            self._table.depth += 1
            return
        self._flush()
        self._table = _Table()

    def _begin_cell(self, tag: str, table: _Table) -> None:
        if table.depth > 1 or (tag in BLOCKS or tag == "li"):
            self._text.append(" ")
        elif tag == "tr":
            table.rows.append([])
        elif tag in _CELLS:
            self._text = []

    def _end_in_table(self, tag: str, table: _Table) -> None:
        if tag in _CELLS and table.depth == 1:
            table.rows = table.rows or [[]]
            table.rows[-1].append(self._taken())
        elif tag == "caption" and table.depth == 1:
            self._sheet.paragraph(self._taken())
        elif tag in BLOCKS or tag in _CELLS or tag in ("li", "tr"):
            self._text.append(" ")

    def _close_table(self) -> None:
        if self._table is None:
            return
        self._table.depth -= 1
        self._text.append(" ")
        if not self._table.depth:
            self._end_table()

    def _end_table(self) -> None:
        table, self._table = self._table, None
        if table is None:
            return
        cells = [[cell for cell in row if cell.strip()] for row in table.rows]
        if all(len(row) <= 1 for row in cells):  # a table for the sake of layout
            for row in cells:
                self._sheet.paragraph("".join(row))
        else:
            self._sheet.table(table.rows)
        self._flush()
