"""One page of a PDF as lines: text with its place, its size, and nothing that the eye cannot see."""

from __future__ import annotations

import ctypes
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from infra.parsers.pdf_ink import Ink

_LINE_END = re.compile("\r\n|\r|\n|\ufffe|\x02")
_WORD = re.compile(r"\S+")
_UNSEEN = "\x00"
_HYPHENS = ("\ufffe", "\x02")
"""What PDFium writes for a hyphen at the end of a line, in place of the line end."""

_BOLD_NAME = re.compile(r"bold|black|heavy|demi|-medi|(?:cm|sf)bx", re.IGNORECASE)
_FORCE_BOLD = 1 << 18
_NAME_BYTES = 128
_MARGIN = 0.12
"""Of the page's height."""

_ON_ITS_SIDE = 0.2
"""Radians. Watermarks and margin notes are no headings, however large."""

_LEAST_HEIGHT = 1.5
"""Points. Letters lower than this are no footnote but a secret."""


@dataclass(frozen=True, slots=True)
class Line:
    """Coordinates are in points from the lower left of the page."""

    text: str
    left: float
    right: float
    baseline: float
    size: float
    """0 for text that stands on its side."""
    font: str
    """Its name, if the line is set in one font; else empty."""
    bold: bool
    in_margin: bool
    """Near the upper or lower edge of the page, where running heads stand."""
    hyphenated: bool = False
    """A word goes on in the next line."""


@dataclass(frozen=True, slots=True)
class Word:
    """A run of characters without space, on the page like its line."""

    text: str
    left: float
    right: float
    hyphenated: bool = False
    """It goes on in the next line."""


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A line in the page's text."""

    text: str
    """With `_UNSEEN` in place of what cannot be seen."""
    units: int
    """Where it starts in UTF-16, in which PDFium counts."""
    hyphenated: bool


class PageReading:
    """The state of reading one page: from offsets in its text to characters on it."""

    def __init__(self, page: Any, textpage: Any) -> None:
        """Of pypdfium2: a `PdfPage` and its `PdfTextPage`, which outlives the reading."""
        import pypdfium2.raw as pdfium

        self._pdfium = pdfium
        self._textpage = textpage.raw
        self._text: str = textpage.get_text_range()
        self._stretches: list[_Stretch] = []
        self._edges = page.get_bbox()
        self._turned: bool = page.get_rotation() != 0
        self._corners = [ctypes.c_double() for _ in range(4)]
        self._name = ctypes.create_string_buffer(_NAME_BYTES)
        self.ink = Ink(page)
        self.hidden = 0

    @property
    def turned(self) -> bool:
        """The page is shown on its side or on its head."""
        return self._turned

    def lines(self) -> Iterator[Line]:
        start, units = 0, 0
        for end in [*_LINE_END.finditer(self._text), None]:
            stop = end.start() if end else len(self._text)
            stretch = _Stretch(
                self._masked(self._text[start:stop], units),
                units,
                hyphenated=bool(end and end[0] in _HYPHENS),
            )
            line = self._line(stretch)
            if line:
                self._stretches.append(stretch)
                yield line
            following = end.end() if end else stop
            units += _units(self._text[start:following])
            start = following

    def words(self, line: int) -> list[Word]:
        """In their order, of the line that `lines()` gave as the `line`th, from 0."""
        stretch = self._stretches[line]
        found, units, at = [], stretch.units, 0
        for match in _WORD.finditer(stretch.text):
            units, at = units + _units(stretch.text[at : match.start()]), match.start()
            shown = match[0].replace(_UNSEEN, "")
            if shown:
                found.append(self._word(shown, units, units + _units(match[0]) - 1))
        if stretch.hyphenated and found:
            found[-1] = replace(found[-1], hyphenated=True)
        return found

    def _word(self, text: str, first: int, last: int) -> Word:
        starts = self._box(self._index(first))
        ends = self._box(self._index(last)) if last > first else starts
        return Word(text, min(starts[0], ends[0]), max(starts[2], ends[2]))

    def _line(self, stretch: _Stretch) -> Line | None:
        text = stretch.text.replace(_UNSEEN, "").strip()
        if not text:
            return None
        seen = stretch.text.replace(_UNSEEN, " ")
        first = self._index(stretch.units + len(seen) - len(seen.lstrip()))
        last = self._index(stretch.units + _units(seen.rstrip()) - 1)
        line = self._placed(text, first, last, stretch.hyphenated)
        if self._is_out_of_sight(line, first):
            self.hidden += len(line.text)
            return None
        return line

    def _index(self, unit: int) -> int:
        index: int = self._pdfium.FPDFText_GetCharIndexFromTextIndex(self._textpage, unit)
        return max(index, 0)

    def _placed(self, text: str, first: int, last: int, hyphenated: bool) -> Line:
        starts, ends = self._box(first), self._box(last)
        left, right = min(starts[0], ends[0]), max(starts[2], ends[2])  # either way of writing
        x, y = ctypes.c_double(), ctypes.c_double()
        self._pdfium.FPDFText_GetCharOrigin(self._textpage, first, *map(ctypes.byref, (x, y)))
        (font, bold), (last_font, last_bold) = self._font(first), self._font(last)
        return Line(
            text=text,
            left=left,
            right=right,
            baseline=y.value,
            size=self._size(first, last),
            font=font if font == last_font else "",
            bold=bold and last_bold,
            in_margin=self._is_in_margin(y.value),
            hyphenated=hyphenated,
        )

    def _is_in_margin(self, baseline: float) -> bool:
        bottom, top = float(self._edges[1]), float(self._edges[3])
        margin = _MARGIN * (top - bottom)
        return not bottom + margin <= baseline <= top - margin

    def _box(self, index: int) -> tuple[float, float, float, float]:
        self._pdfium.FPDFText_GetCharBox(self._textpage, index, *self._corners)
        left, right, bottom, top = self._corners
        return left.value, bottom.value, right.value, top.value

    def _size(self, first: int, last: int) -> float:
        """The median of three characters: bullets and footnote marks have sizes of their own."""
        angle = self._pdfium.FPDFText_GetCharAngle(self._textpage, first)
        if not self._turned and _ON_ITS_SIDE < angle < math.tau - _ON_ITS_SIDE:
            return 0.0
        return sorted(map(self._size_at, (first, (first + last) // 2, last)))[1]

    def _size_at(self, index: int) -> float:
        """In points on the page: the font's size times the scale it is drawn with."""
        matrix = self._pdfium.FS_MATRIX()
        size: float = self._pdfium.FPDFText_GetFontSize(self._textpage, index)
        if self._pdfium.FPDFText_GetMatrix(self._textpage, index, matrix):
            size *= math.hypot(matrix.c, matrix.d) or 1
        return round(size * 2) / 2

    def _font(self, index: int) -> tuple[str, bool]:
        """Its name and whether it is bold."""
        flags = ctypes.c_int()
        self._pdfium.FPDFText_GetFontInfo(
            self._textpage, index, self._name, _NAME_BYTES, ctypes.byref(flags)
        )
        name = self._name.value.decode("latin-1")
        return name, bool(flags.value & _FORCE_BOLD or _BOLD_NAME.search(name))

    def _is_out_of_sight(self, line: Line, first: int) -> bool:
        left, bottom, right, top = self._edges
        if line.left > right or line.right < left or not bottom <= line.baseline <= top:
            return True
        height = self._box(first)[3] - self._box(first)[1]
        return line.text[0].isalnum() and 0 < max(height, line.size) < _LEAST_HEIGHT

    def _masked(self, text: str, units: int) -> str:
        """`units` is where the text starts in UTF-16."""
        if not self.ink.is_suspicious:
            return text
        kept, unit = [], units
        for mark in text:
            shown = mark.isspace() or self._is_shown(self._index(unit))
            kept.append(mark if shown else _UNSEEN * _units(mark))
            self.hidden += not shown
            unit += _units(mark)
        return "".join(kept)

    def _is_shown(self, index: int) -> bool:
        text_object = self._pdfium.FPDFText_GetTextObject(self._textpage, index)
        return self.ink.shows(text_object, self._box(index))


def _units(text: str) -> int:
    """Its length in UTF-16."""
    return len(text) if text.isascii() else len(text) + sum(mark > "\uffff" for mark in text)
