"""The report as one HTML file that needs nothing else: no scripts, no fonts, no network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import groupby

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from evals import charts, marks
from evals.compare import Difference
from evals.interval import Interval
from evals.reply import Reply, SeenSource
from evals.report import HEADLINES, Report, Shown
from evals.result import Figure
from evals.scorers import BY_NAME

WITH_SOURCES = 40
"""So many of the worst cases show their sources; with all, the file would be large."""
CHANGED = 6
WARNED = 0.9
"""A share below this is coloured by how far below."""


def page(report: Report) -> str:
    """The page. Every text of a case is escaped."""
    shown = report.worst_first()
    return _template().render(
        report=report,
        result=report.result,
        groups=_groups([one for one in report.figures() if one.metric.bounded]),
        costs=[one for one in report.figures() if not one.metric.bounded],
        headlines=HEADLINES,
        shown=shown,
        in_order=_in_order(report, shown),
        changed=report.changed_most(CHANGED),
        with_sources={one.row.case.id for one in shown[:WITH_SOURCES]},
        differences=_differences(report),
        draw=Draw(report),
        metric=BY_NAME.__getitem__,
        said=said,
        source_pieces=source_pieces,
        hue=hue,
        is_number=lambda value: value is not None and not math.isnan(value),
    )


@dataclass(frozen=True, slots=True)
class Draw:
    """The charts of one report."""

    report: Report

    def figure(self, one: Figure) -> Markup:
        """A share with its interval; a ring where the baseline's mean was."""
        found = self.report.difference(one.metric)
        before = _mean([pair.before for pair in found.pairs]) if found else math.nan
        words = f"{one.metric.title}: {_words(one.interval)}"
        return charts.whisker(one.interval, charts.SHARES, words, before=before)

    def cost(self, one: Figure) -> Markup:
        """All values, from 0 to the largest."""
        values = self.values(one)
        axis = charts.Axis(0.0, charts.rounded_up(max(values, default=0.0)) or 1.0)
        return charts.strip(values, axis, f"{one.metric.title} of every case")

    def difference(self, one: Difference, among: Sequence[Difference]) -> Markup:
        alike = [other.interval for other in among if other.metric.unit == one.metric.unit]
        kind = {"better": "good", "worse": "bad", "not shown": ""}[one.change]
        words = f"Change of {one.metric.title}: {_words(one.interval)}"
        return charts.whisker(one.interval, charts.around_zero(alike), words, kind)

    def values(self, one: Figure) -> list[float]:
        """Sorted, so that quantiles can be read off."""
        scores = (row.scores.get(one.metric.name) for row in self.report.result.rows)
        return sorted(score.number for score in scores if score and score.number is not None)

    def quantile(self, one: Figure, share: float) -> str:
        """The smallest value that this share of the cases does not exceed."""
        values = self.values(one)
        if not values:
            return "–"
        return one.metric.written(values[max(0, math.ceil(share * len(values)) - 1)])


def said(reply: Reply) -> Sequence[marks.Piece]:
    """The answer with its markers, and with the sentences that no source supports."""
    spans: list[marks.Span] = list(marks.numbers(reply.answer))
    at = 0
    for sentence in reply.sentences:
        start = reply.answer.find(sentence.text, at)
        if start < 0:
            continue
        at = start + len(sentence.text)
        if not sentence.supported:
            spans.append((start, at, "unsupported"))
    return marks.pieces(reply.answer, spans)


def source_pieces(shown: Shown, source: SeenSource) -> Sequence[marks.Piece]:
    """A source with what was cited of it and what was expected to be."""
    case, reply = shown.row.case, shown.row.asked.reply
    citations = reply.citations if reply else ()
    cited = [one.quote for one in citations if one.number == source.number]
    expected = case.quotes if not case.documents or source.name in case.documents else ()
    spans = [
        *marks.standing(source.text, cited, "cited"),
        *marks.standing(source.text, expected, "expected"),
    ]
    return marks.pieces(source.text, spans)


def hue(value: float | None) -> str:
    """A class for a share: how good it is, in four steps."""
    if value is None or math.isnan(value):
        return "none"
    if value < 0:
        return "lost"
    return next(name for least, name in STEPS if value >= least)


STEPS = ((0.999, "best"), (0.75, "fair"), (0.5, "poor"), (0.0, "worst"))


def _groups(figures: Sequence[Figure]) -> list[tuple[str, list[Figure]]]:
    return [(name, list(found)) for name, found in groupby(figures, lambda f: f.metric.group)]


def _in_order(report: Report, shown: Sequence[Shown]) -> Sequence[Shown]:
    """As the suite has them."""
    places = {row.case.id: i for i, row in enumerate(report.result.rows)}
    return sorted(shown, key=lambda one: places[one.row.case.id])


def _differences(report: Report) -> Sequence[Difference]:
    found = report.comparison.differences if report.comparison else ()
    return [one for one in found if one.pairs]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def _words(interval: Interval) -> str:
    return f"{interval.mean:.3f}, from {interval.low:.3f} to {interval.high:.3f}"


@lru_cache(maxsize=1)
def _template() -> Template:
    source = files("evals").joinpath("report.html").read_text("utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(source)
