"""The rules drawn on a PDF page: straight lines along its axes, as strokes and as edges of boxes."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from infra.parsers.pdf_ink import Box, Drawn

TOUCHING = 3.0
"""Points between two rules that meet for the eye."""

_THIN = 3.0
"""Points. A box no wider than this is a line, however it was drawn."""
_SHORTEST = 5.0
_ASKEW = 1.0
_SAME = 2.0
_MOST_PATHS = 3_000
_MOST_POINTS = 10_000
_MOST_RULES = 400
"""Over these bounds the page is a drawing, a map or a chart."""

_LINE_TO, _CURVE_TO, _MOVE_TO = 0, 1, 2

Point = tuple[float, float]
Matrix = tuple[float, float, float, float, float, float]
"""The six numbers of a PDF transformation (ISO 32000-1, 8.3.3)."""


@dataclass(frozen=True, slots=True)
class Rule:
    """In points. One that runs across has its y in `at`, one that runs down its x."""

    at: float
    start: float
    end: float

    def covers(self, place: float) -> bool:
        return self.start - TOUCHING <= place <= self.end + TOUCHING


@dataclass(frozen=True, slots=True)
class Rules:
    across: tuple[Rule, ...] = ()
    down: tuple[Rule, ...] = ()


def rules_of(paths: Sequence[Drawn]) -> Rules:
    """None on a page with more paths than any table has."""
    if len(paths) > _MOST_PATHS:
        return Rules()
    across: list[Rule] = []
    down: list[Rule] = []
    for one, other in _edges(paths):
        if abs(one[1] - other[1]) <= _ASKEW and abs(one[0] - other[0]) >= _SHORTEST:
            across.append(Rule((one[1] + other[1]) / 2, *sorted((one[0], other[0]))))
        elif abs(one[0] - other[0]) <= _ASKEW and abs(one[1] - other[1]) >= _SHORTEST:
            down.append(Rule((one[0] + other[0]) / 2, *sorted((one[1], other[1]))))
    joined = Rules(_joined(across), _joined(down))
    crowded = max(len(joined.across), len(joined.down)) > _MOST_RULES
    return Rules() if crowded else joined


def _edges(paths: Sequence[Drawn]) -> Iterator[tuple[Point, Point]]:
    points = 0
    for path in paths:
        box = _bounds(path)
        width, height = box[2] - box[0], box[3] - box[1]
        if width < _SHORTEST and height < _SHORTEST:
            continue
        if height <= _THIN:
            yield (box[0], (box[1] + box[3]) / 2), (box[2], (box[1] + box[3]) / 2)
        elif width <= _THIN:
            yield ((box[0] + box[2]) / 2, box[1]), ((box[0] + box[2]) / 2, box[3])
        elif points < _MOST_POINTS:
            edges = _straight_edges(path)
            points += len(edges)
            yield from edges


def _bounds(path: Drawn) -> Box:
    import pypdfium2.raw as pdfium

    item, forms = path
    edges = [ctypes.c_float() for _ in range(4)]
    pdfium.FPDFPageObj_GetBounds(item, *edges)
    left, bottom, right, top = (edge.value for edge in edges)
    if not forms:
        return left, bottom, right, top
    corners = [_moved(corner, _matrix(forms)) for corner in ((left, bottom), (right, top))]
    xs, ys = zip(*corners, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def _straight_edges(path: Drawn) -> list[tuple[Point, Point]]:
    """The segments, the closing ones included, as they lie on the page; none of a shape with others."""
    import pypdfium2.raw as pdfium

    item, forms = path
    x, y = ctypes.c_float(), ctypes.c_float()
    matrix = _matrix((item, *forms))
    edges: list[tuple[Point, Point]] = []
    first = last = (0.0, 0.0)
    for at in range(min(pdfium.FPDFPath_CountSegments(item), _MOST_POINTS)):
        segment = pdfium.FPDFPath_GetPathSegment(item, at)
        kind = pdfium.FPDFPathSegment_GetType(segment)
        if kind == _CURVE_TO:
            return []
        pdfium.FPDFPathSegment_GetPoint(segment, x, y)
        point = _moved((x.value, y.value), matrix)
        if kind == _LINE_TO and not _is_straight(last, point):
            return []
        if kind == _LINE_TO:
            edges.append((last, point))
        elif kind == _MOVE_TO:
            first = point
        if pdfium.FPDFPathSegment_GetClose(segment):
            edges.append((point, first))
        last = point
    return edges


def _is_straight(one: Point, other: Point) -> bool:
    """Along an axis of the page."""
    return min(abs(one[0] - other[0]), abs(one[1] - other[1])) <= _ASKEW


def _matrix(items: Iterable[Any]) -> Matrix:
    """From the space in which the first of `items` is drawn to the page, through the others."""
    import pypdfium2.raw as pdfium

    whole: Matrix = (1, 0, 0, 1, 0, 0)
    part = pdfium.FS_MATRIX()
    for item in items:
        if pdfium.FPDFPageObj_GetMatrix(item, part):
            a, b, c, d, e, f = whole
            x, y = _moved((e, f), (part.a, part.b, part.c, part.d, part.e, part.f))
            whole = (
                part.a * a + part.c * b,
                part.b * a + part.d * b,
                part.a * c + part.c * d,
                part.b * c + part.d * d,
                x,
                y,
            )
    return whole


def _moved(point: Point, matrix: Matrix) -> Point:
    a, b, c, d, e, f = matrix
    return a * point[0] + c * point[1] + e, b * point[0] + d * point[1] + f


def _joined(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Pieces of one line as one rule."""
    found: list[Rule] = []
    lane: list[Rule] = []
    for rule in sorted(rules, key=lambda rule: rule.at):
        if lane and rule.at - lane[0].at > _SAME:
            found += _chained(lane)
            lane = []
        lane.append(rule)
    return tuple(found + _chained(lane))


def _chained(lane: Sequence[Rule]) -> list[Rule]:
    chained: list[Rule] = []
    for rule in sorted(lane, key=lambda rule: rule.start):
        if chained and rule.start <= chained[-1].end + TOUCHING:
            before = chained[-1]
            chained[-1] = Rule(before.at, before.start, max(before.end, rule.end))
        else:
            chained.append(rule)
    return chained
