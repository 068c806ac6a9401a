"""Charts: dots with whiskers and strips of ticks, as SVG that needs nothing around it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from evals.interval import Interval

EDGE = 3.0
"""Percent left free at both ends, so that a dot at 0 or 1 is whole."""
STEPS = (1.0, 2.0, 2.5, 5.0)


@dataclass(frozen=True, slots=True)
class Axis:
    """From which value to which one a chart goes."""

    low: float
    high: float

    def at(self, value: float) -> str:
        """The place of a value, in percent of the width; beyond the axis it is held at its end."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return f"{EDGE + share * (100 - 2 * EDGE):.2f}%"


SHARES = Axis(0.0, 1.0)


def around_zero(intervals: Sequence[Interval]) -> Axis:
    """An axis with 0 in the middle that has room for all of these."""
    ends = [abs(end) for one in intervals for end in (one.low, one.high) if not math.isnan(end)]
    far = rounded_up(max(ends, default=0.0)) or 1.0
    return Axis(-far, far)


def rounded_up(value: float) -> float:
    """The next number with one of the leading digits of `STEPS`."""
    if value <= 0:
        return 0.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (*STEPS, 10.0) if step * power >= value)


def whisker(
    interval: Interval, axis: Axis, words: str, kind: str = "", before: float | None = None
) -> Markup:
    """The mean as a dot, its interval as a line, and a ring where the baseline's mean was."""
    if math.isnan(interval.mean):
        return _drawing([], words)
    parts = [_line(axis.at(tick), "grid") for tick in _ticks(axis)]
    low, high = axis.at(interval.low), axis.at(interval.high)
    parts.append(f'<line class="range {escape(kind)}" x1="{low}" x2="{high}" y1="50%" y2="50%"/>')
    parts += [_line(end, f"end {kind}", "30%", "70%") for end in (low, high)]
    if before is not None and not math.isnan(before):
        parts.append(f'<circle class="before" cx="{axis.at(before)}" cy="50%" r="5.5"/>')
    mean = axis.at(interval.mean)
    parts.append(f'<circle class="dot {escape(kind)}" cx="{mean}" cy="50%" r="4.5"/>')
    return _drawing(parts, words)


def strip(values: Sequence[float], axis: Axis, words: str) -> Markup:
    """A tick for every value."""
    return _drawing([_line(axis.at(value), "tick", "18%", "82%") for value in values], words)


def _ticks(axis: Axis) -> Sequence[float]:
    return [axis.low + part * (axis.high - axis.low) / 4 for part in range(5)]


def _line(x: str, kind: str, y1: str = "0", y2: str = "100%") -> str:
    return f'<line class="{escape(kind)}" x1="{x}" x2="{x}" y1="{y1}" y2="{y2}"/>'


def _drawing(parts: Sequence[str], words: str) -> Markup:
    label = escape(words)
    return Markup(f'<svg class="chart" role="img" aria-label="{label}">{"".join(parts)}</svg>')  # noqa: S704  # numbers and escaped words
