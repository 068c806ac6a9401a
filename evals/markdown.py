"""The report as Markdown, short enough for a comment on a pull request."""

from __future__ import annotations

import math

from evals.compare import Difference
from evals.gate import Finding
from evals.report import Report, Shown
from evals.result import Figure

WORST = 5
LONGEST = 200
"""Characters of an answer that are shown."""


def markdown(report: Report) -> str:
    """GitHub's flavour. Texts of cases are fenced off, so that they cannot become markup."""
    parts = [
        f"## {_title(report)}",
        report.headline(),
        _findings(report),
        _figures(report),
        _worst(report),
        _origin(report),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _title(report: Report) -> str:
    if report.verdict is None:
        return f"Evaluation of {report.result.suite}"
    passed = "✅ passed" if report.verdict.passed else "❌ did not pass"
    return f"{report.result.suite}: {passed} the gate"


def _findings(report: Report) -> str:
    """Those that do not hold; all that hold are one line."""
    verdict = report.verdict
    if verdict is None or verdict.passed:
        return ""
    return "\n".join(["**What does not hold:**", "", *map(_finding, verdict.failures)])


def _finding(finding: Finding) -> str:
    return f"- **{plain(finding.rule)}**: {plain(finding.reason)}"


def _figures(report: Report) -> str:
    shown = [one for one in report.figures() if _worth_showing(one)]
    compared = report.comparison is not None
    head = "| metric | mean | 95 % interval | cases |" + (
        " change | 95 % interval |" if compared else ""
    )
    rule = "|---|---|---|---|" + ("---|---|" if compared else "")
    return "\n".join([head, rule, *(_row(report, one) for one in shown)])


def _worth_showing(one: Figure) -> bool:
    return one.metric.headline or not one.metric.bounded or one.unknown > 0


def _row(report: Report, one: Figure) -> str:
    metric, interval = one.metric, one.interval
    cells = [
        f"{metric.title}" + (f" ({metric.group.lower()})" if "@" in metric.title else ""),
        f"**{_number(one, interval.mean)}**",
        f"{_number(one, interval.low)} to {_number(one, interval.high)}",
        str(one.counted) + (f" (+{one.unknown} unknown)" if one.unknown else ""),
    ]
    if report.comparison is not None:
        cells += _change(report.difference(metric))
    return f"| {' | '.join(cells)} |"


def _change(found: Difference | None) -> list[str]:
    if found is None or not found.pairs:
        return ["", ""]
    sign = {"better": "🟢 ", "worse": "🔴 ", "not shown": ""}[found.change]
    mean, low, high = (
        found.metric.written(value, sign=True)
        for value in (found.interval.mean, found.interval.low, found.interval.high)
    )
    return [f"{sign}{mean}", f"{low} to {high}"]


def _number(one: Figure, value: float) -> str:
    return "–" if math.isnan(value) else one.metric.written(value)


def _worst(report: Report) -> str:
    worst = [one for one in report.worst_first() if one.goodness < 1][:WORST]
    if not worst:
        return ""
    lines = [line for one in worst for line in _case(one)]
    title = f"<details><summary>The {len(worst)} worst cases</summary>"
    return "\n".join([title, "", *lines, "", "</details>"])


def _case(one: Shown) -> list[str]:
    case, asked = one.row.case, one.row.asked
    said = asked.reply.answer if asked.reply else asked.error
    expected = "a refusal" if case.unanswerable else case.answer or ", ".join(case.documents)
    trace = f" · trace `{asked.reply.trace_id}`" if asked.reply else ""
    return [
        f"- `{case.id}`{trace}",
        f"  - asked: {plain(case.question)}",
        f"  - expected: {plain(expected)}",
        f"  - {'answered' if asked.reply else 'failed'}: {plain(said)}",
    ]


def _origin(report: Report) -> str:
    one = report.result.identity
    against = report.comparison.before.identity if report.comparison else None
    compared = f", compared with `{against.release}` on `{against.index}`" if against else ""
    version = report.result.suite_version[:12]
    return (
        f"<sub>`{one.release}` ({plain(one.model)}) on `{one.index}` ({one.documents} documents)"
        f"{compared}; suite `{version}`; {report.result.finished_at:%Y-%m-%d %H:%M} UTC</sub>"
    )


def plain(text: str) -> str:
    """On one line, cut where it is long, with everything escaped that Markdown or HTML would read."""
    line = " ".join(text.split())
    line = line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{c}" if c in r"\`*_[]|#~@!" else c for c in line)
