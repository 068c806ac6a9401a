"""Columns on a PDF page that only white space sets apart: pieces of text, and what aligns them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from statistics import median

from infra.parsers.pdf_lines import Line, Word

_GUTTER = 0.7
"""Of the letters' size: two and a half times the usual space, more than justified lines stretch."""
_GUTTER_FIXED = 1.4
"""The same for typewriter faces, whose space alone is 0.6 wide."""
_FIXED = re.compile(r"courier|mono|consol|typewriter|code|cmtt|menlo", re.IGNORECASE)

_AIRY = 0.56
"""Points of width a letter, of its size. Prose takes 0.4 to 0.5, and more only across a gap."""
_AIRIER = 1.15
"""Than the page's long lines, where these are set tighter."""
_LONG_LINE = 30

_FARTHEST = 3.0
"""Between the baselines of two rows, of the letters' size."""
_STRAY_SHARE = 0.15
"""Of the rows may cross a gutter: titles that span columns."""
_STRAYS_FROM = 4
_MOST_BETWEEN = 2
"""Lines with text in one column only that a row may be wrapped into."""

_IN_LINE = 0.7
"""Of the cells of a column begin, or end, at the same place: titles may stand otherwise."""

Words = Callable[[int], Sequence[Word]]
"""The words of a line, by its number on the page."""

Span = tuple[float, float]
"""From left to right, in points."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Words that no gutter parts."""

    words: tuple[Word, ...]
    left: float
    right: float


@dataclass(frozen=True)
class Row:
    """Lines of text side by side."""

    lines: tuple[int, ...]
    baseline: float
    size: float
    gutter: float
    """In points, the least that parts two of its pieces."""
    words: tuple[Word, ...]

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """From left to right; the words of each in the order of reading."""
        order = {id(word): at for at, word in enumerate(self.words)}
        groups: list[list[Word]] = []
        edge = 0.0
        for word in sorted(self.words, key=lambda word: word.left):
            if groups and word.left - edge < self.gutter:
                groups[-1].append(word)
                edge = max(edge, word.right)
            else:
                groups.append([word])
                edge = word.right
        return tuple(
            Piece(
                tuple(sorted(group, key=lambda word: order[id(word)])),
                min(word.left for word in group),
                max(word.right for word in group),
            )
            for group in groups
        )


def row_of(numbers: Sequence[int], lines: Sequence[Line], words: Words) -> Row:
    first = lines[numbers[0]]
    gutter = _GUTTER_FIXED if _FIXED.search(first.font) else _GUTTER
    found = tuple(word for number in numbers for word in words(number))
    return Row(tuple(numbers), first.baseline, first.size, gutter * first.size, found)


def side_by_side(numbers: Iterable[int], lines: Sequence[Line]) -> list[list[int]]:
    """Lines that follow each other at the same height, together."""
    rows: list[list[int]] = []
    for number in numbers:
        last = rows[-1][-1] if rows else None
        if last == number - 1 and _is_beside(lines[number - 1], lines[number]):
            rows[-1].append(number)
        else:
            rows.append([number])
    return rows


def runs(numbers: Iterable[int], lines: Sequence[Line], words: Words) -> Iterator[list[Row]]:
    """Rows below each other with a gutter in common; the first and the last have two pieces."""
    places = side_by_side(numbers, lines)
    run: list[Row] = []
    for place in _worth_measuring(places, lines):
        row = row_of(place, lines, words)
        if run and not (run[-1].lines[-1] + 1 == place[0] and _goes_on(run, row)):
            yield _trimmed(run)
            run = []
        if run or len(row.pieces) > 1:
            run.append(row)
    if run:
        yield _trimmed(run)


def columns(rows: Sequence[Sequence[Span]], gutter: float) -> list[Span]:
    """Where text stands in most rows, from left to right; `gutter` is the least between two."""
    strays = max(_STRAY_SHARE * len(rows), 1) if len(rows) >= _STRAYS_FROM else 0
    choices = (_covered(rows, 0, gutter), _covered(rows, int(strays), gutter))
    return max(choices, key=lambda found: _cells(rows, found))


def column_of(piece: Span, found: Sequence[Span]) -> int:
    """The first that the piece touches, else the nearest."""
    touched = (at for at, span in enumerate(found) if piece[0] < span[1] and span[0] < piece[1])
    distances = [max(span[0] - piece[1], piece[0] - span[1]) for span in found]
    return next(touched, distances.index(min(distances)))


def aligned(cells: Sequence[Span], size: float, centred: bool) -> bool:
    """Whether most of the cells begin or end at one place, or are `centred` on one."""
    edges = [[left for left, _ in cells], [right for _, right in cells]]
    if centred:
        edges.append([(left + right) / 2 for left, right in cells])
    return any(_in_line(places, 0.3 * size) for places in edges)


def _is_beside(one: Line, other: Line) -> bool:
    level = abs(one.baseline - other.baseline) < 0.4 * max(one.size, other.size, 1)
    return level and (other.left >= one.right or other.right <= one.left)


def _worth_measuring(places: Sequence[list[int]], lines: Sequence[Line]) -> Iterator[list[int]]:
    """Airy rows near each other, and their neighbours: to ask for words is dear."""
    long = [_pitch(line) for line in lines if len(line.text) >= _LONG_LINE and line.size]
    least = min(_AIRY, _AIRIER * median(long)) if long else _AIRY
    airy = [
        len(place) > 1 or (" " in lines[place[0]].text and _pitch(lines[place[0]]) > least)
        for place in places
    ]
    near: set[int] = set()
    for at, is_airy in enumerate(airy):
        if is_airy and sum(airy[max(0, at - 2) : at + 3]) > 1:
            near |= {at - 1, at, at + 1}
    return (place for at, place in enumerate(places) if at in near)


def _pitch(line: Line) -> float:
    return (line.right - line.left) / len(line.text) / max(line.size, 1)


def _goes_on(run: Sequence[Row], row: Row) -> bool:
    step = run[-1].baseline - row.baseline
    if not 0 < step <= _FARTHEST * max(row.size, run[-1].size):
        return False
    between = next(at for at, before in enumerate(reversed(run)) if len(before.pieces) > 1)
    whole = run[-1 - between]
    if len(row.pieces) < 2 and between >= _MOST_BETWEEN:
        return False
    return len(_covered([_spans(whole), _spans(row)], 0, row.gutter)) > 1


def _spans(row: Row) -> list[Span]:
    return [(piece.left, piece.right) for piece in row.pieces]


def _trimmed(run: list[Row]) -> list[Row]:
    while run and len(run[-1].pieces) < 2:
        run.pop()
    return run


def _covered(rows: Sequence[Sequence[Span]], strays: int, gutter: float) -> list[Span]:
    """Where more than `strays` rows have text, joined over less than a gutter."""
    edges = sorted(edge for row in rows for left, right in row for edge in ((left, 1), (right, -1)))
    found: list[Span] = []
    depth = 0
    for (place, change), (after, _) in pairwise(edges):
        depth += change
        if depth <= strays:
            continue
        if found and place - found[-1][1] < gutter:
            found[-1] = (found[-1][0], after)
        else:
            found.append((place, after))
    return found


def _cells(rows: Sequence[Sequence[Span]], found: Sequence[Span]) -> int:
    """How many the rows have in these columns."""
    return sum(len({column_of(piece, found) for piece in row}) for row in rows) if found else 0


def _in_line(places: Sequence[float], tolerance: float) -> bool:
    """Whether most lie within twice the tolerance."""
    ordered = sorted(places)
    most = first = 0
    for at, place in enumerate(ordered):
        while place - ordered[first] > 2 * tolerance:
            first += 1
        most = max(most, at - first + 1)
    return most >= _IN_LINE * len(ordered)
