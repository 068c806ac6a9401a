"""A source as a Word file, in Word's own styles: headings, lists and tables are what they seem."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import docx
from docx.document import Document

from evals.handbook.markup import Grid, Heading, Part, Points, Prose, Source

MADE = datetime(2026, 1, 1, tzinfo=UTC)


def write_docx(source: Source, target: Path, author: str) -> None:
    """The same bytes again: the times in the properties and in the archive are fixed."""
    document = docx.Document()
    properties = document.core_properties
    properties.title, properties.author, properties.comments = source.title, author, ""
    properties.created = properties.modified = MADE
    for part in source.parts:
        _add(document, part)
    saved = io.BytesIO()
    document.save(saved)
    target.write_bytes(_without_times(saved))


def _add(document: Document, part: Part) -> None:
    if isinstance(part, Heading):
        document.add_heading(part.text, level=part.level - 1)
    elif isinstance(part, Prose):
        document.add_paragraph(part.text)
    elif isinstance(part, Points):
        _add_list(document, part)
    else:
        _add_table(document, part)


def _add_list(document: Document, points: Points) -> None:
    style = "List Number" if points.numbered else "List Bullet"
    for item in points.items:
        document.add_paragraph(item, style=style)


def _add_table(document: Document, grid: Grid) -> None:
    table = document.add_table(0, len(grid.rows[0]), style="Light Grid Accent 1")
    for row in grid.rows:
        for cell, text in zip(table.add_row().cells, row, strict=True):
            cell.text = text
    document.add_paragraph()


def _without_times(archive: io.BytesIO) -> bytes:
    """A zip notes when each member was written; here it was always the first day zip knows."""
    repacked = io.BytesIO()
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(repacked, "w") as new:
        for name in old.namelist():
            member = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            new.writestr(member, old.read(name), zipfile.ZIP_DEFLATED)
    return repacked.getvalue()
