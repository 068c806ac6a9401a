"""Frames on a PDF page: the parts of it that rules cut into rows, or into rows and columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from infra.parsers.pdf_rules import TOUCHING, Rule, Rules


@dataclass(frozen=True, slots=True)
class Frame:
    """A part of a page that rules cut into rows, and where it has inner `xs`, into columns."""

    xs: tuple[float, ...]
    """From left to right, the outer edges included."""
    ys: tuple[float, ...]
    """From top to bottom, the outer edges included."""
    rules: Rules

    def parts_columns(self, column: int, y: float) -> bool:
        """Whether a rule stands right of the column at this height."""
        edge = self.xs[column + 1]
        return any(abs(rule.at - edge) <= TOUCHING and rule.covers(y) for rule in self.rules.down)

    def parts_rows(self, row: int, x: float) -> bool:
        """Whether a rule lies below the row at this place."""
        edge = self.ys[row + 1]
        return any(abs(rule.at - edge) <= TOUCHING and rule.covers(x) for rule in self.rules.across)


def frames(rules: Rules) -> list[Frame]:
    """Grids of rules that touch, and stacks of rules of one length. At least two rows each."""
    found: list[Frame] = []
    loose: list[Rule] = []
    for grid in _grids(rules):
        xs = _places([rule.at for rule in grid.down], grid.across)
        ys = _places([rule.at for rule in grid.across], grid.down)
        if len(xs) > 2 and len(ys) > 2:
            found.append(Frame(tuple(xs), tuple(reversed(ys)), grid))
        else:
            loose += grid.across
    return found + _stacks(loose)


def _grids(rules: Rules) -> list[Rules]:
    """Rules that touch each other, directly or through others."""
    group = list(range(len(rules.across) + len(rules.down)))

    def root(at: int) -> int:
        while group[at] != at:
            group[at] = at = group[group[at]]
        return at

    for i, across in enumerate(rules.across):
        for j, down in enumerate(rules.down, len(rules.across)):
            if down.covers(across.at) and across.covers(down.at):
                group[root(i)] = root(j)
    grids: dict[int, tuple[list[Rule], list[Rule]]] = {}
    for at, rule in enumerate((*rules.across, *rules.down)):
        grids.setdefault(root(at), ([], []))[at >= len(rules.across)].append(rule)
    return [Rules(tuple(across), tuple(down)) for across, down in grids.values()]


def _places(at: Iterable[float], crossing: Iterable[Rule]) -> list[float]:
    """Where rules lie and where those that cross them end, each place once, in order."""
    places = sorted([*at, *(end for rule in crossing for end in (rule.start, rule.end))])
    apart: list[float] = []
    for place in places:
        if not apart or place - apart[-1] > TOUCHING:
            apart.append(place)
    return apart


def _stacks(across: Iterable[Rule]) -> list[Frame]:
    """Rules of the same length above each other, with at least one between the outer ones."""
    stacks: list[list[Rule]] = []
    for rule in sorted(across, key=lambda rule: -rule.at):
        stack = next((stack for stack in stacks if _is_as_long(stack[0], rule)), None)
        if stack is None:
            stacks.append([rule])
        elif stack[-1].at - rule.at > TOUCHING:
            stack.append(rule)
    return [
        Frame(
            (stack[0].start, stack[0].end),
            tuple(rule.at for rule in stack),
            Rules(tuple(stack)),
        )
        for stack in stacks
        if len(stack) > 2
    ]


def _is_as_long(one: Rule, other: Rule) -> bool:
    return max(abs(one.start - other.start), abs(one.end - other.end)) <= TOUCHING
