"""PDF to blocks with pages, on PDFium: reading order, headings, no running heads, no hidden text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from infra.parsers.manuscript import Manuscript
from infra.parsers.office import recover_pdf
from infra.parsers.pdf_headings import Headings, OutlineEntry
from infra.parsers.pdf_layout import Passage, Vocabulary, is_running_head, passages, running_heads
from infra.parsers.pdf_lines import Line
from infra.parsers.pdf_page import BROKEN, Page, read_page
from infra.parsers.pdf_tables import Table
from infra.parsers.source import Source
from ingestion.parse import Encrypted, NothingToRead, Parsed, ReadingTooBig, Unreadable

_PASSWORD = re.compile(r"password|security", re.IGNORECASE)
_NO_TITLE = re.compile(
    r"^(?:untitled|presentation\d*|document\d*|microsoft .*|powerpoint presentation|.*\.\w{2,4})?$",
    re.IGNORECASE,
)
_MOST_OUTLINE_ENTRIES = 5_000
_NAMED_PAGES = 20


def read_pdf(source: Source) -> Parsed:
    """Raises `Encrypted`, `NothingToRead` for a mere scan, `ReadingTooBig` for too many pages."""
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(source.data)
    except pypdfium2.PdfiumError as error:
        if _PASSWORD.search(str(error)):
            raise Encrypted(
                "The PDF asks for a password. Save a copy without one and upload that."
            ) from error
        return recover_pdf(source)
    try:
        return _read(document, source)
    finally:
        document.close()


def _read(document: Any, source: Source) -> Parsed:
    if len(document) > source.bounds.pages:
        raise ReadingTooBig(
            f"The PDF has {len(document):,} pages; {source.bounds.pages:,} are allowed."
        )
    pages = _pages(document, source)
    headings = Headings([page.lines for page in pages], _outline(document))
    heads = running_heads([page.lines for page in pages])
    sheet = Manuscript(source.bounds)
    _write(sheet, _bodies(pages, headings, heads), headings)
    _warn(sheet, pages, heads)
    return sheet.finished(_title(document))


Body = list[list[Line] | Table]
"""What stays of a page: lines that follow each other, and the tables between them."""


def _bodies(pages: Sequence[Page], headings: Headings, heads: dict[str, int]) -> list[Body]:
    """Without running heads. A chapter's name on its first page is none."""

    def stays(line: Line, page: int) -> bool:
        return not is_running_head(line, heads) or headings.outlined(line.text, page) > 0

    return [_body(page, [stays(line, at) for line in page.lines]) for at, page in enumerate(pages)]


def _body(page: Page, stays: Sequence[bool]) -> Body:
    """A table stands where its first line did, and stays when one of its lines does."""
    tables = {at: table for table in page.tables for at in table.lines}
    body: Body = [[]]
    for at, line in enumerate(page.lines):
        table = tables.get(at)
        if table is None and stays[at] and isinstance(body[-1], list):
            body[-1].append(line)
        elif table and at == min(table.lines) and any(stays[other] for other in table.lines):
            body += [table, []]
    return body


def _write(sheet: Manuscript, bodies: Sequence[Body], headings: Headings) -> None:
    words = Vocabulary(part for body in bodies for part in body if isinstance(part, list))
    names: Sequence[str] = ()
    titled = False
    for number, body in enumerate(bodies):
        sheet.page()
        for part in body:
            if isinstance(part, Table):
                sheet.table(part.rows[1:] if part.rows[0] == names else part.rows)
                names = part.rows[0]
                continue
            names = () if part else names
            for passage in passages(part, words):
                titled |= _write_passage(sheet, passage, headings.level(passage, number), titled)


def _write_passage(sheet: Manuscript, passage: Passage, level: int, titled: bool) -> bool:
    """Whether it is a heading. What comes first is the title, however modestly it is set."""
    if level:
        sheet.heading(passage.text, level if titled else 1)
    elif passage.item:
        sheet.item(passage.text)
    else:
        sheet.paragraph(passage.text)
    return level > 0


def _pages(document: Any, source: Source) -> list[Page]:
    found, characters = [], 0
    for number in range(len(document)):
        found.append(_page(document, number))
        characters += sum(len(line.text) for line in found[-1].lines)
        if characters > source.bounds.characters:
            raise ReadingTooBig(
                f"The PDF has more than {source.bounds.characters:,} characters of text."
            )
        source.report(number + 1, len(document))
    if all(page.broken for page in found):
        raise Unreadable("The PDF is damaged: none of its pages can be read.")
    scans = sum(page.scanned for page in found)
    if scans and not characters:
        raise NothingToRead(
            f"The PDF looks scanned: {_counted(scans, 'page')} with a picture and no text. "
            "Run text recognition (OCR) on it and upload the result."
        )
    return found


def _page(document: Any, number: int) -> Page:
    """One broken page does not cost the others."""
    import pypdfium2

    try:
        page = document[number]
    except pypdfium2.PdfiumError:
        return BROKEN
    try:
        return read_page(page)
    except pypdfium2.PdfiumError:
        return BROKEN
    finally:
        page.close()


def _warn(sheet: Manuscript, pages: Sequence[Page], heads: dict[str, int]) -> None:
    scans = [number for number, page in enumerate(pages, 1) if page.scanned]
    if scans:
        sheet.warn(f"Pictures without text, not read: {_listed(scans)}.")
    broken = [number for number, page in enumerate(pages, 1) if page.broken]
    if broken:
        sheet.warn(f"Damaged, not read: {_listed(broken)}.")
    hidden = sum(page.hidden for page in pages)
    if hidden:
        sheet.warn(f"{hidden:,} characters that cannot be seen on the page were left out.")
    if heads:
        shown = "; ".join(repr(head[:60]) for head in list(heads)[:3])
        sheet.warn(f"Lines repeated at the edge of most pages were left out: {shown}.")


def _outline(document: Any) -> list[OutlineEntry]:
    entries: list[OutlineEntry] = []
    for item in document.get_toc(max_depth=6):
        target = item.get_dest()
        page = target.get_index() if target else None
        entries.append(OutlineEntry(item.get_title(), item.level + 1, page))
        if len(entries) >= _MOST_OUTLINE_ENTRIES:
            break
    return entries


def _title(document: Any) -> str:
    """The file's own, unless a program filled it in."""
    title: str = document.get_metadata_value("Title").strip()
    return "" if _NO_TITLE.match(title) else title


def _listed(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:_NAMED_PAGES]))
    more = len(numbers) - _NAMED_PAGES
    return f"{'page' if len(numbers) == 1 else 'pages'} {shown}" + (
        f" and {more} more" if more > 0 else ""
    )


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
