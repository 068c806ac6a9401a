"""A report: a result, what it is compared with and what the gate says, ready to be shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evals.compare import Comparison, Difference
from evals.gate import Verdict
from evals.result import Figure, Result, Row, figure, figures
from evals.scorers import METRICS, Metric

HEADLINES = tuple(metric for metric in METRICS if metric.headline)


@dataclass(frozen=True, slots=True)
class Shown:
    """A row with what orders the rows: how good it is, and how good it was."""

    row: Row
    goodness: float
    """0 to 1: the mean of its headline scores. −1: it could not be evaluated."""
    before: float | None = None
    """The same in the baseline, where it is the same case."""

    @property
    def gain(self) -> float:
        return 0.0 if self.before is None else self.goodness - self.before


@dataclass(frozen=True, slots=True)
class Report:
    """What all the formats show."""

    result: Result
    verdict: Verdict | None = None
    comparison: Comparison | None = None

    def figures(self) -> Sequence[Figure]:
        return figures(self.result)

    def headlines(self, tag: str) -> Sequence[Figure]:
        return [figure(self.result, metric, tag) for metric in HEADLINES]

    def difference(self, metric: Metric) -> Difference | None:
        return self.comparison.of(metric.name) if self.comparison else None

    def tags(self) -> Mapping[str, int]:
        """How many cases have each tag; the most frequent first."""
        return dict(Counter(tag for row in self.result.rows for tag in row.case.tags).most_common())

    def worst_first(self) -> Sequence[Shown]:
        """All rows; those that could not be evaluated come first."""
        earlier = self._before()
        shown = [Shown(row, goodness(row), earlier.get(row.case.id)) for row in self.result.rows]
        return sorted(shown, key=lambda one: one.goodness)

    def changed_most(self, count: int) -> tuple[Sequence[Shown], Sequence[Shown]]:
        """At most so many that lost, and that gained, against the baseline; the largest first."""
        ordered = sorted(self.worst_first(), key=lambda one: one.gain)
        lost = [one for one in ordered if one.gain < 0][:count]
        gained = [one for one in reversed(ordered) if one.gain > 0][:count]
        return lost, gained

    def headline(self) -> str:
        """The outcome in one sentence."""
        count = len(self.result.rows)
        failed = sum(not row.evaluated for row in self.result.rows)
        asked = f"{count} questions were asked of {self.result.identity.release}"
        lost = f", and {failed} could not be evaluated" if failed else ""
        if self.verdict is None:
            return f"{asked}{lost}. No gate was set."
        kept = len(self.verdict.findings) - len(self.verdict.failures)
        return f"{asked}{lost}. It keeps {kept} of the gate's {len(self.verdict.findings)} rules."

    def _before(self) -> Mapping[str, float]:
        if self.comparison is None:
            return {}
        left_out = set(self.comparison.left_out)
        rows = self.comparison.before.rows
        return {row.case.id: goodness(row) for row in rows if row.case.id not in left_out}


def goodness(row: Row) -> float:
    """The mean of the headline scores that apply to the row; −1 where one of them is not known."""
    scores = [row.scores[metric.name] for metric in HEADLINES if metric.name in row.scores]
    numbers = [score.number for score in scores if score.number is not None]
    if not row.evaluated or not numbers or any(score.unknown for score in scores):
        return -1.0
    return sum(numbers) / len(numbers)
