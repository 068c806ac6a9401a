"""A source as a PDF: A4 pages with an outline, page numbers and ruled tables."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import (
    Flowable,
    ListFlowable,
    Paragraph,
    SimpleDocTemplate,
    Table,
)

from evals.handbook.markup import Grid, Heading, Part, Points, Prose, Source

INK, SHADE = "#1f4e4a", "#e8efee"
MARGIN = 25 * mm
FRAME_PADDING = 6
"""Points that reportlab leaves free inside its frame."""

HEADINGS = {
    1: {"fontSize": 21, "leading": 26, "spaceAfter": 8},
    2: {"fontSize": 14, "leading": 18, "spaceBefore": 14, "spaceAfter": 4},
    3: {"fontSize": 11, "leading": 15, "spaceBefore": 8, "spaceAfter": 4},
}
PROSE = {"fontSize": 10, "leading": 14.5, "spaceAfter": 6}
ITEM = {"fontSize": 10, "leading": 14.5, "spaceAfter": 2}
CELL = {"fontSize": 9, "leading": 12}
TABLE = [
    ("BACKGROUND", (0, 0), (-1, 0), INK),
    ("ROWBACKGROUNDS", (0, 1), (-1, -1), ["white", SHADE]),
    ("LINEBELOW", (0, -1), (-1, -1), 0.8, INK),
    ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
]


def write_pdf(source: Source, target: Path, author: str) -> None:
    """The same bytes again: no times, no random identifiers, and no compression to vary."""
    document = SimpleDocTemplate(
        str(target),
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=22 * mm,
        bottomMargin=24 * mm,
        title=source.title,
        author=author,
        lang="en",
        invariant=1,
        pageCompression=0,
    )
    document.build(
        [_flowable(part) for part in source.parts], onFirstPage=_foot, onLaterPages=_foot
    )


def _foot(canvas: Any, document: Any) -> None:
    canvas.saveState()
    canvas.setFont("Helvetica", 8)
    canvas.setFillColor(INK)
    left, width = MARGIN + FRAME_PADDING, document.pagesize[0]
    canvas.drawString(left, 36, document.title)
    canvas.drawRightString(width - left, 36, f"Page {document.page}")
    canvas.restoreState()


def _flowable(part: Part) -> Flowable:
    if isinstance(part, Heading):
        return OutlinedHeading(part)
    if isinstance(part, Prose):
        return _paragraph(part.text, PROSE)
    if isinstance(part, Points):
        return _list(part)
    return _table(part)


class OutlinedHeading(Paragraph):  # type: ignore[misc]
    """A heading that enters itself in the outline when it is drawn."""

    def __init__(self, heading: Heading) -> None:
        look = HEADINGS[heading.level] | {"fontName": "Helvetica-Bold", "textColor": INK}
        super().__init__(escape(heading.text), ParagraphStyle("heading", **look, keepWithNext=1))
        self.heading = heading

    def draw(self) -> None:
        if self.heading.level > 1:
            name = self.heading.text
            self.canv.bookmarkPage(name)
            self.canv.addOutlineEntry(name, name, self.heading.level - 2)
        super().draw()


def _paragraph(text: str, look: dict[str, Any]) -> Paragraph:
    return Paragraph(escape(text, quote=False), ParagraphStyle("text", **look))


def _list(points: Points) -> Flowable:
    items = [_paragraph(item, ITEM) for item in points.items]
    bullet = "1" if points.numbered else "bullet"
    return ListFlowable(items, bulletType=bullet, leftIndent=16, bulletColor=INK)


def _table(grid: Grid) -> Flowable:
    head, *body = grid.rows
    cells = [[_paragraph(cell, CELL | {"textColor": "white"}) for cell in head]]
    cells += [[_paragraph(cell, CELL) for cell in row] for row in body]
    widths = _column_widths(grid, total=A4[0] - 2 * MARGIN - 2 * FRAME_PADDING)
    return Table(cells, colWidths=widths, repeatRows=1, style=TABLE, spaceBefore=4, spaceAfter=12)


def _column_widths(grid: Grid, total: float) -> list[float]:
    """In points, in proportion to each column's longest cell, so that cells stay on one line."""
    longest = [max(map(len, column)) + 3 for column in zip(*grid.rows, strict=True)]
    return [total * length / sum(longest) for length in longest]
