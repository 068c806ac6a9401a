"""The summary: a report's figures as JSON, for programs."""

from __future__ import annotations

import json
import math
from typing import Any

from evals.compare import Difference
from evals.report import Report
from evals.result import Figure


def summary(report: Report) -> str:
    """What `summed` gives, as text."""
    return json.dumps(summed(report), indent=1, ensure_ascii=False) + "\n"


def summed(report: Report) -> dict[str, Any]:
    """The outcome and all means. A number that does not exist is null."""
    result, verdict = report.result, report.verdict
    return {
        "suite": result.suite,
        "suite_version": result.suite_version,
        **result.identity.model_dump(),
        "finished_at": result.finished_at.isoformat(timespec="seconds"),
        "cases": len(result.rows),
        "evaluated": sum(row.evaluated for row in result.rows),
        "passed": verdict and verdict.passed,
        "findings": verdict
        and [
            {"rule": one.rule, "passed": one.passed, "reason": one.reason}
            for one in verdict.findings
        ],
        "metrics": {one.metric.name: _figure(one) for one in report.figures()},
        "changes": report.comparison
        and {one.metric.name: _change(one) for one in report.comparison.differences},
    }


def _figure(one: Figure) -> dict[str, Any]:
    return {
        "mean": _number(one.interval.mean),
        "low": _number(one.interval.low),
        "high": _number(one.interval.high),
        "cases": one.counted,
        "unknown": one.unknown,
    }


def _change(one: Difference) -> dict[str, Any]:
    return {
        "mean": _number(one.interval.mean),
        "low": _number(one.interval.low),
        "high": _number(one.interval.high),
        "pairs": len(one.pairs),
        "p": _number(one.p),
        "p_adjusted": _number(one.p_adjusted),
        "detectable": _number(one.detectable),
        "change": one.change,
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 6)
