"""Cells of a table in a PDF: lines of text gathered by row and column, and told as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from infra.parsers.pdf_columns import Row, Span, column_of
from infra.parsers.pdf_lines import Word

_SPACE = 0.3
_LEVEL = 0.3
"""Of the letters' size: the width of a space, and how far apart lines side by side may stand."""
_TITLES = 2
_MOST_LINES = 300
"""In a cell, that may be rows which no rule parts. Over it, looking for them would take long."""


@dataclass(frozen=True, slots=True)
class CellLine:
    """What one row of text has in one cell. Never without words."""

    baseline: float
    size: float
    words: tuple[Word, ...]

    @property
    def span(self) -> Span:
        return min(word.left for word in self.words), max(word.right for word in self.words)

    def leaves_room_for(self, word: Word, limit: float) -> bool:
        """Whether the word would have stood on this line, had it not been meant for the next."""
        return self.span[1] + _SPACE * self.size + word.right - word.left <= limit


Cells = dict[int, list[CellLine]]
"""A row of the table by column, each cell from top to bottom."""

Texts = tuple[tuple[str, ...], ...]
"""Rows of one length. A cell that spans several places has its text in the first."""


def add(cells: Cells, column: int, row: Row, words: Iterable[Word]) -> None:
    """Text at the height of what is there already stands on the same line of the cell."""
    stack = cells.setdefault(column, [])
    beside = stack and _is_level(stack[-1], row.baseline)
    before = stack.pop().words if beside else ()
    stack.append(CellLine(row.baseline, row.size, (*before, *words)))


def fill(cells: Cells, row: Row, spans: Sequence[Span]) -> None:
    """Each piece of the row goes to the column in which it begins."""
    for piece in row.pieces:
        add(cells, column_of((piece.left, piece.right), spans), row, piece.words)


def parted(cells: Cells, limits: Sequence[float]) -> Iterator[Cells]:
    """The rows between two rules: several where lines are level and no text runs on in the next.

    `limits` is how far to the right each column's text may go. A cell of one line beside several
    rows belongs to all of them, and stands in the first.
    """
    tall = {column: stack for column, stack in cells.items() if len(stack) > 1}
    levels = [line.baseline for line in max(tall.values(), key=len, default=[])]
    if len(tall) < 2 or len(levels) > _MOST_LINES or not _are_apart(tall, levels, limits):
        yield cells
        return
    rows: list[Cells] = [{} for _ in levels]
    for column, stack in cells.items():
        for line in stack:
            rows[_level(line, levels) or 0].setdefault(column, []).append(line)
    yield from rows


def wrapped(run: Iterable[Row], spans: Sequence[Span]) -> list[Cells]:
    """Rows of text as rows of the table: lines that only go on with what is above are joined."""
    rows: list[Cells] = []
    for row in run:
        cells: Cells = {}
        fill(cells, row, spans)
        if rows and _continues(rows[-1], cells, spans):
            for column, stack in cells.items():
                rows[-1][column] += stack
        else:
            rows.append(cells)
    return rows


def texts(rows: Iterable[Cells], width: int) -> Texts:
    return tuple(
        tuple(_text(row.get(column, [])) for column in range(width)) for row in rows if row
    )


def together(rows: Texts) -> Texts:
    """Without columns that only hold what is not quite above its own: titles of merged cells."""
    columns: list[tuple[str, ...]] = []
    for column in zip(*rows, strict=True):
        if columns and _complement(columns[-1], column):
            pairs = zip(columns[-1], column, strict=True)
            columns[-1] = tuple(one or other for one, other in pairs)
        else:
            columns.append(column)
    return tuple(zip(*columns, strict=True))


def in_reading_order(rows: Texts, run: Iterable[Row]) -> Texts:
    """Arabic and Hebrew begin on the right."""
    pairs = [pair for row in run for pair in pairwise(row.words)]
    leftward = 2 * sum(after.left < before.left for before, after in pairs) > len(pairs)
    return tuple(row[::-1] for row in rows) if leftward else rows


def _are_apart(tall: Cells, levels: Sequence[float], limits: Sequence[float]) -> bool:
    """Numbers stand below each other, or all lines end where more would have fit."""
    if any(_level(line, levels) is None for stack in tall.values() for line in stack):
        return False
    return any(map(_are_numbers, tall.values())) or all(
        one.leaves_room_for(other.words[0], limits[column])
        for column, stack in tall.items()
        for one, other in pairwise(stack)
    )


def _are_numbers(stack: Iterable[CellLine]) -> bool:
    return not any(mark.isalpha() for line in stack for word in line.words for mark in word.text)


def _level(line: CellLine, levels: Sequence[float]) -> int | None:
    return next((at for at, level in enumerate(levels) if _is_level(line, level)), None)


def _is_level(line: CellLine, baseline: float) -> bool:
    return abs(line.baseline - baseline) < _LEVEL * line.size


def _continues(above: Cells, cells: Cells, spans: Sequence[Span]) -> bool:
    """Whether each of these cells goes on with the one above, which had no room for more."""
    if not cells.keys() <= above.keys() or len(cells) == len(above):
        return False
    if 0 in cells and not cells[0][0].words[0].text[:1].islower():
        return False
    return not any(
        above[column][-1].leaves_room_for(stack[0].words[0], spans[column][1])
        for column, stack in cells.items()
    )


def _text(stack: Iterable[CellLine]) -> str:
    text, hyphenated = "", False
    for word in (word for line in stack for word in line.words):
        text += word.text if hyphenated or not text else f" {word.text}"
        hyphenated = word.hyphenated
    return text + "-" * hyphenated


def _complement(one: Sequence[str], other: Sequence[str]) -> bool:
    """One of them has no more than titles, and never beside text in the other."""
    counts = (sum(map(bool, one)), sum(map(bool, other)))
    apart = not any(a and b for a, b in zip(one, other, strict=True))
    return apart and min(counts) <= _TITLES
