"""A comparison: the same cases before and after, case by case, and what can be concluded."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Literal

import numpy as np

from evals.interval import Interval, of_values
from evals.result import Result, Row
from evals.scorers import METRICS, Metric

Change = Literal["better", "worse", "not shown"]
SIGNIFICANCE = 0.05
POWER = 0.8
FLIPS = 10_000
SEED = 30_000


@dataclass(frozen=True, slots=True)
class Pair:
    """One case's scores under both."""

    case: str
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Difference:
    """One metric, after minus before."""

    metric: Metric
    interval: Interval
    """Of the mean paired difference."""
    pairs: tuple[Pair, ...]
    unknown: int
    """Cases that ought to have a score under both and lack one."""
    p: float
    """Of a difference so large where there is none; NaN without pairs."""
    p_adjusted: float
    """Holm's, over all headlines, or over all other metrics."""
    detectable: float
    """The smallest true difference that this suite shows with a power of 80 %; NaN: unknown."""

    @property
    def change(self) -> Change:
        """What is shown at 5 %."""
        if not self.p_adjusted < SIGNIFICANCE:
            return "not shown"
        return "better" if (self.interval.mean > 0) == self.metric.higher_is_better else "worse"

    @property
    def gain(self) -> Interval:
        """The interval with its sign turned so that more is better."""
        one = self.interval
        if self.metric.higher_is_better:
            return one
        return Interval(-one.mean, -one.high, -one.low)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two results over the cases that both have, unchanged."""

    before: Result
    after: Result
    differences: tuple[Difference, ...]
    paired: int
    left_out: tuple[str, ...]
    """Ids of cases that only one result has, or that were changed between them."""

    def of(self, metric: str) -> Difference | None:
        return next((one for one in self.differences if one.metric.name == metric), None)


def compare(before: Result, after: Result, metrics: Sequence[Metric] = METRICS) -> Comparison:
    """Pairs by case. Cases are the same when all their content is."""
    earlier = {row.case.id: row for row in before.rows}
    later = {row.case.id: row for row in after.rows}
    same = [
        (earlier[name], row)
        for name, row in later.items()
        if name in earlier and earlier[name].case == row.case
    ]
    kept = {row.case.id for _, row in same}
    return Comparison(
        before=before,
        after=after,
        differences=adjusted([difference(metric, same) for metric in metrics]),
        paired=len(same),
        left_out=tuple(sorted((earlier.keys() | later.keys()) - kept)),
    )


def difference(metric: Metric, rows: Sequence[tuple[Row, Row]]) -> Difference:
    """One metric's, over pairs of rows (before, after); its p-value is not adjusted yet."""
    pairs: list[Pair] = []
    unknown = 0
    for before, after in rows:
        old, new = before.scores.get(metric.name), after.scores.get(metric.name)
        if old is None or new is None or old.unknown or new.unknown:
            unknown += 1
        elif old.number is not None and new.number is not None:
            pairs.append(Pair(after.case.id, old.number, new.number))
    return paired(metric, pairs, unknown)


def paired(metric: Metric, pairs: Sequence[Pair], unknown: int = 0) -> Difference:
    """The statistics of these pairs."""
    changes = [pair.after - pair.before for pair in pairs]
    p = p_value(changes)
    return Difference(metric, of_values(changes), tuple(pairs), unknown, p, p, detectable(changes))


def p_value(changes: Sequence[float]) -> float:
    """Two-sided sign-flip test of a mean of 0 (Fisher 1935): exact when before and after are alike.

    With 10,000 random flips and the one that was observed (Phipson and Smyth 2010), so never 0.
    """
    if not changes:
        return math.nan
    array = np.asarray(changes, float)
    array = array[array != 0]  # a case that did not change is the same on both sides of the coin
    turned = np.random.default_rng(SEED).integers(0, 2, (FLIPS, len(array)), np.int8).astype(float)
    sums = array.sum() - 2 * (turned @ array)
    # Sums of the same numbers in another order differ in their last digits.
    least = abs(array.sum()) - 1e-9
    return float((1 + (np.abs(sums) >= least).sum()) / (1 + FLIPS))


def detectable(changes: Sequence[float]) -> float:
    """The minimum detectable difference, (z(0.975) + z(0.8)) · s / √n (Cohen 1988, 2.5).

    s is the standard deviation of the paired differences. NaN with fewer than two pairs, and
    where no case changed: of how cases change, nothing is known then.
    """
    if len(changes) < 2 or (spread := float(np.std(changes, ddof=1))) == 0:
        return math.nan
    normal = NormalDist()
    z = normal.inv_cdf(1 - SIGNIFICANCE / 2) + normal.inv_cdf(POWER)
    return z * spread / math.sqrt(len(changes))


def adjusted(differences: Sequence[Difference]) -> tuple[Difference, ...]:
    """With Holm's p-values: so 5 % is the chance of one false alarm among all metrics together.

    Those that are decided on, the headlines, are one family, and those that explain are another:
    a dozen ways to look at a ranking must not hide what the answers lost.
    """
    families = (
        {d.metric.name: d.p for d in differences if d.metric.headline is headline}
        for headline in (True, False)
    )
    corrected = {name: p for family in families for name, p in holm(family).items()}
    return tuple(replace(one, p_adjusted=corrected[one.metric.name]) for one in differences)


def holm(p_values: Mapping[str, float]) -> Mapping[str, float]:
    """Adjusted p-values, by the step-down procedure of Holm (1979). NaN stays so and does not count."""
    found = {name: p for name, p in p_values.items() if math.isnan(p)}
    known = sorted(p_values.keys() - found, key=lambda name: (p_values[name], name))
    highest = 0.0
    for rank, name in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * p_values[name]))
        found[name] = highest
    return found
