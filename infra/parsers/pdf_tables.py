"""Tables of a PDF page: rows of cells, from the rules around them or the white space between."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from infra.parsers.pdf_cells import (
    Cells,
    Texts,
    add,
    fill,
    in_reading_order,
    parted,
    texts,
    together,
    wrapped,
)
from infra.parsers.pdf_columns import (
    Row,
    Span,
    Words,
    aligned,
    columns,
    row_of,
    runs,
    side_by_side,
)
from infra.parsers.pdf_frames import Frame, frames
from infra.parsers.pdf_lines import Line, Word
from infra.parsers.pdf_rules import Rule, Rules

_LETTERS = re.compile(r"[^\W\d_]{2}|[\u2e80-\u9fff]")
_MARK = re.compile(r"[^\w\s]|\(?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,4})[.)]|\[[^\]\s]{1,12}\]|\d{1,3}")
"""What stands before the items of a list, the entries of a bibliography and lines of code."""
_LEADERS = re.compile(r"\.{4,}|(?:\. ){4,}")
_MOST_IN_GRID = 250
_MOST_IN_BANDS = 120
_MOST_IN_COLUMN = 45
"""Characters that a cell has on average; with more it is the layout of a page, or prose."""
_LEAST_ROWS = 3
_MIDDLE = 0.3
"""Of the letters' size, above the baseline: the middle of a line of text."""


@dataclass(frozen=True, slots=True)
class Table:
    rows: Texts
    lines: frozenset[int]
    """The numbers of the page's lines that it is made of, which belong to no other table."""


def find_tables(lines: Sequence[Line], words: Words, rules: Rules) -> tuple[Table, ...]:
    """`words` is asked only for lines that may be part of a table."""
    words = cache(words)
    found: list[Table] = []
    taken: set[int] = set()
    for frame in frames(rules):
        table = _framed(frame, lines, words)
        if table and taken.isdisjoint(table.lines):
            found.append(table)
            taken |= table.lines
    free = [at for at, line in enumerate(lines) if at not in taken and line.size]
    unframed = (_aligned(run, rules.across) for run in runs(free, lines, words))
    return (*found, *(table for table in unframed if table))


def _framed(frame: Frame, lines: Sequence[Line], words: Words) -> Table | None:
    inside = [at for at, line in enumerate(lines) if line.size and _is_inside(frame, line)]
    rows = [row_of(place, lines, words) for place in side_by_side(inside, lines)]
    left, right = frame.xs[0], frame.xs[-1]
    if any(not left <= _middle(word) <= right for row in rows for word in row.words):
        return None
    found = _between_rules(frame, rows) if len(frame.xs) > 2 else _in_bands(frame, rows)
    return Table(in_reading_order(found, rows), frozenset(inside)) if found else None


def _between_rules(frame: Frame, rows: Sequence[Row]) -> Texts | None:
    """A cell of several places has its text in the first: no rule parts it from those before."""
    cells: dict[int, Cells] = {}
    first = cache(lambda row, column: _first_place(frame, row, column))
    for row in rows:
        parts: dict[tuple[int, int], list[Word]] = {}
        for word in row.words:
            column = sum(edge <= _middle(word) for edge in frame.xs[1:-1])
            parts.setdefault(first(_band(frame, row), column), []).append(word)
        for (top, column), found in parts.items():
            add(cells.setdefault(top, {}), column, row, found)
    told = together(_told(cells, limits=frame.xs[1:]))
    return told if _is_grid(told, _MOST_IN_GRID) else None


def _in_bands(frame: Frame, rows: Sequence[Row]) -> Texts | None:
    """Rules part the rows, white space the columns."""
    spans = _columns(rows)
    if len(spans) < 2:
        return None
    cells: dict[int, Cells] = {}
    for row in rows:
        fill(cells.setdefault(_band(frame, row), {}), row, spans)
    told = _told(cells, limits=[*(left for left, _ in spans[1:]), frame.xs[-1]])
    return told if _is_grid(told, _MOST_IN_BANDS) and not _is_list(told) else None


def _told(cells: dict[int, Cells], limits: Sequence[float]) -> Texts:
    """From top to bottom. Prose stays together: its lines are no rows."""
    bands = [cells[at] for at in sorted(cells)]
    told = texts((part for band in bands for part in parted(band, limits)), len(limits))
    prose = len(told) > len(bands) and any(map(_is_prose, zip(*told, strict=True)))
    return texts(bands, len(limits)) if prose else told


def _is_inside(frame: Frame, line: Line) -> bool:
    height = line.baseline + _MIDDLE * line.size
    left, right = frame.xs[0], frame.xs[-1]
    return frame.ys[-1] < height < frame.ys[0] and line.left < right and left < line.right


def _first_place(frame: Frame, row: int, column: int) -> tuple[int, int]:
    y = (frame.ys[row] + frame.ys[row + 1]) / 2
    while column and not frame.parts_columns(column - 1, y):
        column -= 1
    x = (frame.xs[column] + frame.xs[column + 1]) / 2
    while row and not frame.parts_rows(row - 1, x):
        row -= 1
    return row, column


def _band(frame: Frame, row: Row) -> int:
    height = row.baseline + _MIDDLE * row.size
    return sum(height < edge for edge in frame.ys[1:-1])


def _middle(word: Word) -> float:
    return (word.left + word.right) / 2


def _aligned(run: Sequence[Row], across: Sequence[Rule]) -> Table | None:
    """A run of rows that nothing but white space parts into columns."""
    spans = _columns(run)
    if len(run) < _LEAST_ROWS or len(spans) < 2:
        return None
    rows = wrapped(run, spans)
    told = texts(rows, len(spans))
    if not _are_straight(rows, len(spans), _has_rule(run, across)) or not _is_tabular(told):
        return None
    return Table(in_reading_order(told, run), frozenset(at for row in run for at in row.lines))


def _columns(rows: Sequence[Row]) -> list[Span]:
    gutter = max((row.gutter for row in rows), default=0)
    return columns([[(piece.left, piece.right) for piece in row.pieces] for row in rows], gutter)


def _has_rule(run: Sequence[Row], across: Iterable[Rule]) -> bool:
    """Whether a rule about as wide as the rows lies between or next to them."""
    left = min(piece.left for row in run for piece in row.pieces)
    right = max(piece.right for row in run for piece in row.pieces)
    margin, least = 2 * run[0].size, 0.8 * (right - left)
    low, high = run[-1].baseline - margin, run[0].baseline + margin
    return any(
        low <= rule.at <= high and min(rule.end, right) - max(rule.start, left) > least
        for rule in across
    )


def _are_straight(rows: Sequence[Cells], width: int, ruled: bool) -> bool:
    """At least two columns are filled in most rows, and aligned; with a rule, centred will do."""
    straight = 0
    for column in range(width):
        first = [row[column][0] for row in rows if column in row]
        filled = 2 * len(first) > len(rows) and len(first) >= _LEAST_ROWS
        straight += filled and aligned([line.span for line in first], first[0].size, centred=ruled)
    return straight > 1


def _is_grid(rows: Texts, most: int) -> bool:
    """Two rows and columns with text in them, and not the layout of a page."""
    cells = [cell for row in rows for cell in row if cell]
    full = len(_full(rows))
    filled = sum(any(column) for column in zip(*rows, strict=True))
    return min(full, filled) > 1 and 2 * full >= len(rows) and _mean_length(cells) <= most


def _is_tabular(rows: Texts) -> bool:
    """Neither prose in columns, nor a list, a table of contents or numbers of a chart."""
    return (
        len(_full(rows)) >= _LEAST_ROWS
        and not any(map(_is_prose, zip(*rows, strict=True)))
        and not _is_list(rows)
        and any(_LETTERS.search(cell) for row in rows for cell in row)
        and not any(_LEADERS.search(cell) for row in rows for cell in row)
    )


def _is_prose(column: Iterable[str]) -> bool:
    """Long cells, or cells that go on in the next."""
    cells = [cell for cell in column if cell]
    wordy = sum(cell.count(" ") for cell in cells) >= 3 * len(cells)
    going_on = sum(cell[0].islower() or cell[-1] == "-" for cell in cells)
    return _mean_length(cells) > _MOST_IN_COLUMN or (wordy and 2 * going_on >= len(cells))


def _is_list(rows: Texts) -> bool:
    """Items behind their marks. Numbers behind numbers are none."""
    if len(rows[0]) != 2:
        return False
    marked = sum(bool(_MARK.fullmatch(mark)) for mark, _ in rows)
    told = sum(bool(_LETTERS.search(text)) for _, text in rows)
    return min(marked, told) >= 0.8 * len(rows)


def _full(rows: Texts) -> Texts:
    return tuple(row for row in rows if sum(map(bool, row)) > 1)


def _mean_length(cells: Sequence[str]) -> float:
    return sum(map(len, cells)) / max(len(cells), 1)
