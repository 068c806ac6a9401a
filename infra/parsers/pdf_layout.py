"""Lines of a PDF's pages to paragraphs: what repeats goes, what was broken is joined."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from infra.parsers.pdf_lines import Line

_DIGITS = re.compile(r"\d+|\b[ivxlc]+\b")
_BULLET = re.compile(r"^[•◦▪●■‣∙·➢✓\uf0b7\uf0a7–]\s*(?=\S)")
_NUMBERED = re.compile(r"^(?:\(?[0-9]{1,2}[.)]|\([a-z]\))\s+\S")
_SENTENCE_END = re.compile(r"[.!?:;…。！？][\"'”’)\]]?$")
_WIDE = re.compile("[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\u3040-\u30ff]")
_WORD_END = re.compile(r"[\w-]+$")
_WORD_START = re.compile(r"^\w+")
_WORD = re.compile(r"\w+(?:-\w+)+|\w+")

_REPEATED_SHARE = 0.5
_REPEATED_PAGES = 3
_LOOSE = 1.4
"""A gap this many times the usual line distance parts paragraphs."""
_SHORT = 0.82
"""A line that ends before this share of its column's width ends a paragraph or a row."""
_NEIGHBOURS = 4


@dataclass(frozen=True, slots=True)
class Passage:
    """Lines that belong together, joined: a paragraph, an item or a heading."""

    text: str
    size: float
    bold: bool
    item: bool
    lines: int


class Vocabulary:
    """The words of the whole document, which settle whether a hyphen at a line's end is real."""

    def __init__(self, pages: Iterable[Sequence[Line]]) -> None:
        lines = (line.text for page in pages for line in page)
        self._words = Counter(word.lower() for line in lines for word in _WORD.findall(line))

    def joined(self, before: str, after: str) -> str:
        """`before` and `after` as one word, or with the hyphen where the document writes it."""
        head, tail = _WORD_END.search(before), _WORD_START.search(after)
        if not head or not tail:
            return before + after
        glued = f"{head[0]}{tail[0]}".lower()
        hyphened = f"{head[0]}-{tail[0]}".lower()
        real = "-" in head[0] or not tail[0][0].islower() or head[0][-1].isdigit()
        if self._words[hyphened] > self._words[glued] or (real and not self._words[glued]):
            return f"{before}-{after}"
        return before + after


def running_heads(pages: Sequence[Sequence[Line]]) -> dict[str, int]:
    """Lines in the margins of at least half the pages, digits aside, and on how many they stand."""
    if len(pages) < _REPEATED_PAGES:
        return {}
    size = body_size(pages)
    counts = Counter(
        key for page in pages for key in {key_of(line) for line in page if _may_run(line, size)}
    )
    least = max(_REPEATED_PAGES, _REPEATED_SHARE * len(pages))
    return {key: count for key, count in counts.items() if key and count >= least}


def is_running_head(line: Line, heads: dict[str, int]) -> bool:
    return line.in_margin and key_of(line) in heads


def body_size(pages: Iterable[Sequence[Line]]) -> float:
    """The size, in points, of most of the text."""
    sizes: Counter[float] = Counter()
    for page in pages:
        for line in page:
            sizes[line.size] += len(line.text)
    return sizes.most_common(1)[0][0] if sizes else 0.0


def key_of(line: Line) -> str:
    """Equal for the same running head of different pages."""
    return " ".join(_DIGITS.sub("#", line.text.lower()).split())


def passages(page: Sequence[Line], words: Vocabulary) -> list[Passage]:
    """In the order of the lines."""
    pitch = _pitch(page)
    found: list[Passage] = []
    for at, line in enumerate(page):
        before = page[at - 1] if at else None
        if before is None or _parts(before, line, pitch, _is_short(page, at - 1)):
            found.append(_begun(line))
        else:
            found[-1] = _extended(found[-1], before, line, _is_short(page, at - 1), words)
    return found


def _may_run(line: Line, body: float) -> bool:
    """Running heads are set small; the same large title on every slide belongs to the slides."""
    return line.in_margin and line.size <= body * 1.1


def _pitch(page: Sequence[Line]) -> float:
    """The usual distance of lines, in points."""
    steps = [above.baseline - below.baseline for above, below in pairwise(page)]
    usual = [step for step, line in zip(steps, page, strict=False) if 0 < step < 3 * line.size]
    return median(usual) if usual else 14.0


def _parts(before: Line, line: Line, pitch: float, short: bool) -> bool:
    """Whether a new passage begins with `line`."""
    step = before.baseline - line.baseline
    if before.hyphenated:
        return False
    if _BULLET.match(line.text) or _NUMBERED.match(line.text):
        return True
    if _is_same_row(before, line):
        return False
    ended = bool(_SENTENCE_END.search(before.text))
    if step < 0:  # the next column, where a sentence may go on
        return ended or not line.text[:1].islower() or _differs(before, line)
    return _differs(before, line) or step > _LOOSE * max(pitch, line.size) or (ended and short)


def _is_same_row(before: Line, line: Line) -> bool:
    """Cells of a table, or a word that PDFium cut off."""
    return abs(before.baseline - line.baseline) < 0.4 * max(line.size, 1)


def _differs(before: Line, line: Line) -> bool:
    fonts = before.font and line.font and before.font != line.font
    return (
        bool(fonts) or before.bold != line.bold or abs(line.size - before.size) > 0.1 * before.size
    )


def _is_short(page: Sequence[Line], at: int) -> bool:
    """Whether the line ends well before its column does."""
    line = page[at]
    near = page[max(0, at - _NEIGHBOURS) : at + _NEIGHBOURS + 1]
    column = [other for other in near if other.left <= line.right and line.left <= other.right]
    left, right = min(other.left for other in column), max(other.right for other in column)
    return line.right - left < _SHORT * (right - left)


def _begun(line: Line) -> Passage:
    text = _BULLET.sub("", line.text)
    return Passage(text, line.size, line.bold, item=text != line.text, lines=1)


def _extended(
    passage: Passage, before: Line, line: Line, short: bool, words: Vocabulary
) -> Passage:
    if before.hyphenated:
        text = words.joined(passage.text, line.text)
    elif passage.text.endswith("-") and line.text[:1].islower():
        text = words.joined(passage.text[:-1], line.text)
    elif _WIDE.match(passage.text[-1:]) and _WIDE.match(line.text):
        text = passage.text + line.text
    else:
        joint = "\n" if short and not _is_same_row(before, line) else " "
        text = f"{passage.text}{joint}{line.text}"
    size, bold = max(passage.size, line.size), passage.bold and line.bold
    return Passage(text, size, bold, passage.item, passage.lines + 1)
