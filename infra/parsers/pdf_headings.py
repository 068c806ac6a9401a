"""Which passages of a PDF are headings: those its outline names, else those its fonts set apart."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from infra.parsers.pdf_layout import Passage, body_size
from infra.parsers.pdf_lines import Line

_LARGER = 1.12
_LONGEST = 160
_MOST_LINES = 3
_NO_HEADING_END = re.compile(r"[.,;]$")
_LETTER = re.compile(r"[^\W\d_]")
_NUMBER = re.compile(
    r"^(?:(?:chapter|section|part|appendix)\s+)?[\dA-Z]+(?:\.\d+)*\.?\s+", re.IGNORECASE
)
_OUTLINED = 3
"""An outline of fewer entries marks files of a bundle or slides, not the structure of the text."""


@dataclass(frozen=True, slots=True)
class OutlineEntry:
    title: str
    level: int
    """From 1."""
    page: int | None
    """From 0."""


class Headings:
    """Made once for a document, asked for each passage."""

    def __init__(self, pages: Iterable[Sequence[Line]], outline: Sequence[OutlineEntry]) -> None:
        lines = [line for page in pages for line in page]
        characters = sum(len(line.text) for line in lines)
        bold = sum(len(line.text) for line in lines if line.bold)
        self._body = body_size([lines])
        self._bold_means_heading = bold < 0.3 * characters
        sizes = {line.size for line in lines}
        larger = sorted((size for size in sizes if size >= self._body * _LARGER), reverse=True)
        self._ranks = {size: rank for rank, size in enumerate(larger, 1)}
        self._outline = _by_page(outline) if len(outline) >= _OUTLINED else {}

    def level(self, passage: Passage, page: int) -> int:
        """1 to 6, or 0 for no heading; `page` counts from 0."""
        if passage.lines > _MOST_LINES or len(passage.text) > _LONGEST or passage.item:
            return 0
        if self._outline:
            return self.outlined(passage.text, page)
        if not _LETTER.search(passage.text) or _NO_HEADING_END.search(passage.text):
            return 0
        if passage.size in self._ranks:
            return min(self._ranks[passage.size], 5)
        return self._bold_level(passage)

    def outlined(self, text: str, page: int) -> int:
        """The level that the outline gives this text on this page; 0 for none."""
        named = self._outline.get(page, {})
        return named.get(_key(text)) or named.get(_key(_NUMBER.sub("", text))) or 0

    def _bold_level(self, passage: Passage) -> int:
        stands_out = passage.bold and self._bold_means_heading and passage.size >= self._body
        return min(len(self._ranks) + 1, 6) if stands_out else 0


def _by_page(outline: Sequence[OutlineEntry]) -> Mapping[int, Mapping[str, int]]:
    pages: dict[int, dict[str, int]] = {}
    for entry in outline:
        if entry.page is not None:
            named = pages.setdefault(entry.page, {})
            for title in (entry.title, _NUMBER.sub("", entry.title)):
                named.setdefault(_key(title), min(entry.level, 6))
    return pages


def _key(text: str) -> str:
    return "".join(mark for mark in text.lower() if mark.isalnum())
