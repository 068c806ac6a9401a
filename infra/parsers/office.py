"""Office files and e-books, read by xberg: its document tree becomes blocks."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from infra.parsers.archive import ArchiveLimits, check_archive
from infra.parsers.manuscript import Manuscript
from infra.parsers.runs import without_hidden_runs
from infra.parsers.source import Source
from infra.parsers.tree import Tree
from ingestion.parse import Encrypted, Parsed, ReadingTooBig, Unreadable
from ingestion.sniff import DOCX, ODS, XLS, XLSX

_SPREADSHEETS = frozenset({XLSX.media_type, XLS.media_type, ODS.media_type})
_PASSWORD = re.compile(r"password|encrypt", re.IGNORECASE)
_TOO_BIG = re.compile(r"security|limit|exceed|too (?:large|many|deep)", re.IGNORECASE)
_LEGIBLE_SHARE = 0.75
"""A PDF cut short has often lost the table that says which letter each code means."""


def read_office(source: Source) -> Parsed:
    """Raises `Unreadable`, or `Encrypted` for a file that asks for a password."""
    sheet = Manuscript(source.bounds)
    data = source.data
    if data.startswith(b"PK"):
        check_archive(data, ArchiveLimits())
    if source.media_type == DOCX.media_type:
        data, removed = without_hidden_runs(data)
        if removed:
            sheet.warn(f"{removed:,} characters formatted as hidden were left out.")
    return _extracted(source, data, sheet)


def recover_pdf(source: Source) -> Parsed:
    """What can be read of a PDF that the strict reader refuses."""
    sheet = Manuscript(source.bounds)
    sheet.warn("The file is damaged. What could be recovered was read; compare it to the original.")
    parsed = _extracted(source, source.data, sheet)
    legible = sum(mark.isalpha() or mark.isspace() for mark in parsed.text)
    if legible < _LEGIBLE_SHARE * len(parsed.text):
        raise Unreadable("The PDF is damaged; what is left of its text is not legible.")
    return parsed


def _extracted(source: Source, data: bytes, sheet: Manuscript) -> Parsed:
    document = _extract(data, source)
    tree = document.document
    spoken = {page.page_number: page.speaker_notes or "" for page in document.pages or []}
    spreadsheet = source.media_type in _SPREADSHEETS
    Tree(sheet, spreadsheet, spoken).write(tree.nodes if tree else [])
    if not sheet.characters:
        sheet.paragraph(document.content)
    return sheet.finished(document.metadata.title or "")


def _extract(data: bytes, source: Source) -> Any:
    """One `xberg.ExtractedDocument`."""
    from xberg import ExtractInput, ExtractInputKind, extract

    given = ExtractInput(
        kind=ExtractInputKind.BYTES, bytes=data, mime_type=source.media_type, filename="upload"
    )
    try:
        result = asyncio.run(extract(given, _config(source)))
    except RuntimeError as error:
        raise _translated(str(error)) from error
    if not result.results:
        raise _translated("; ".join(item.message for item in result.errors))
    return result.results[0]


def _config(source: Source) -> Any:
    """Nothing but text: no cache, no OCR, no pictures, nothing inside attachments, one thread."""
    from xberg import (
        ConcurrencyConfig,
        ContentFilterConfig,
        ExtractionConfig,
        PageConfig,
        SecurityLimits,
    )

    return ExtractionConfig(
        use_cache=False,
        enable_quality_processing=False,
        disable_ocr=True,
        include_document_structure=True,
        extraction_timeout_secs=None,
        max_archive_depth=0,
        # Only with this output does the tree of slides know headings and tables.
        output_format="markdown",
        pages=PageConfig(extract_pages=True),
        concurrency=ConcurrencyConfig(max_threads=1),
        content_filter=ContentFilterConfig(include_footnotes=True, strip_repeating_text=False),
        security_limits=SecurityLimits(
            max_content_size=4 * source.bounds.characters,
            max_table_cells=2_000_000,
            max_compression_ratio=1_000_000,  # `check_archive` has looked, and forgives small parts
        ),
    )


def _translated(message: str) -> Unreadable:
    if _PASSWORD.search(message):
        return Encrypted("The file asks for a password. Save a copy without one and upload that.")
    if _TOO_BIG.search(message):
        return ReadingTooBig("The file unpacks to more than may be read. Split it into several.")
    return Unreadable("The file is damaged or not what its name says: it could not be read.")
