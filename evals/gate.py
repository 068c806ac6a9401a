"""The gate's verdict: which rules a result keeps, and in words why or why not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from evals.compare import Comparison, Difference
from evals.result import Figure, Result, figure
from evals.rules import Gate, Rule
from evals.scorers import BY_NAME

NAMED = 3
"""So many cases are named in a reason; the rows have all."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule, and what became of it."""

    rule: str
    passed: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate says."""

    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        return all(finding.passed for finding in self.findings)

    @property
    def failures(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if not finding.passed)


def judge(gate: Gate, result: Result, comparison: Comparison | None = None) -> Verdict:
    """Every rule's finding, those of every gate first. Never raises.

    What is not known fails: a gate lets through what was shown, and nothing else.
    """
    findings = [_enough(gate, result), _covered(result)]
    for rule in gate.rules:
        passed, reason = _relative(rule, comparison) if rule.relative else _absolute(rule, result)
        findings.append(Finding(rule.words(), passed, reason))
    return Verdict(tuple(findings))


Judged = tuple[bool, str]


def _enough(gate: Gate, result: Result) -> Finding:
    count = len(result.rows)
    rule = f"at least {gate.cases_at_least} cases"
    return Finding(rule, count >= gate.cases_at_least, f"There are {count}.")


def _covered(result: Result) -> Finding:
    missing = [row for row in result.rows if not row.evaluated]
    if not missing:
        return Finding("every case is evaluated", True, f"All {len(result.rows)} are.")
    first = missing[0]
    why = first.asked.error or first.errors[0]
    names = _names([row.case.id for row in missing])
    reason = f"{len(missing)} of {len(result.rows)} are not: {names}. The first: {why}"
    return Finding("every case is evaluated", False, reason)


def _absolute(rule: Rule, result: Result) -> Judged:
    found = figure(result, BY_NAME[rule.metric], rule.tag)
    if found.unknown:
        return (
            False,
            f"Cases without a score: {found.unknown} ({'; '.join(found.reasons[:NAMED])}).",
        )
    if found.counted < rule.cases_at_least:
        return False, f"It applies to {found.counted} cases, not to {rule.cases_at_least}."
    return ABSOLUTE[rule.kind](rule, found), f"It is {_told(found)}."


def _relative(rule: Rule, comparison: Comparison | None) -> Judged:
    found = comparison.of(rule.metric) if comparison else None
    if comparison is None or found is None:
        return False, "There is no baseline to compare with."
    if found.unknown:
        return False, f"Cases without a score here or in the baseline: {found.unknown}."
    if len(found.pairs) < rule.cases_at_least:
        return False, f"{len(found.pairs)} cases can be compared, not {rule.cases_at_least}."
    return RELATIVE[rule.kind](rule, found), _compared(found)


def _lower(rule: Rule, found: Figure) -> bool:
    return rule.lower_bound_at_least is not None and found.interval.low >= rule.lower_bound_at_least


def _upper(rule: Rule, found: Figure) -> bool:
    return rule.upper_bound_at_most is not None and found.interval.high <= rule.upper_bound_at_most


def _not_worse(rule: Rule, found: Difference) -> bool:
    margin = rule.not_worse_than_baseline_by
    return margin is not None and found.gain.low >= -margin


def _not_shown_worse(_: Rule, found: Difference) -> bool:
    return found.change != "worse"


ABSOLUTE: Mapping[str, Callable[[Rule, Figure], bool]] = {
    "lower_bound_at_least": _lower,
    "upper_bound_at_most": _upper,
}
RELATIVE: Mapping[str, Callable[[Rule, Difference], bool]] = {
    "not_worse_than_baseline_by": _not_worse,
    "not_shown_worse_than_baseline": _not_shown_worse,
}


def _told(found: Figure) -> str:
    mean, low, high = (
        found.metric.written(value)
        for value in (found.interval.mean, found.interval.low, found.interval.high)
    )
    return f"{mean}, with 95 % confidence from {low} to {high}, over {found.counted} cases"


def _compared(found: Difference) -> str:
    mean, low, high = (
        found.metric.written(value, sign=True)
        for value in (found.interval.mean, found.interval.low, found.interval.high)
    )
    return (
        f"It changed by {mean}, with 95 % confidence from {low} to {high}, over "
        f"{len(found.pairs)} pairs (p = {found.p_adjusted:.3f} after Holm's correction)."
    )


def _names(ids: Sequence[str]) -> str:
    more = len(ids) - NAMED
    return ", ".join(ids[:NAMED]) + (f" and {more} more" if more > 0 else "")
