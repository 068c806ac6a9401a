"""Gates: what a file of rules may say, and what lets a result through and what does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evals.compare import compare
from evals.gate import Finding, judge
from evals.result import Result
from evals.rules import BadGate, Gate, Rule, read_gate
from evals.score import Score, unknown
from evals.scorers import unscored
from tests.evals.made import failed, result, results, row

RECALL = "citation_recall"
GOOD = [1.0] * 80


def gate(**rule: Any) -> Gate:
    return Gate(rules=(Rule.model_validate({"metric": RECALL, **rule}),))


def last(gate: Gate, after: Result, before: Result | None = None) -> Finding:
    """The finding of the gate's own rule."""
    return judge(gate, after, compare(before, after) if before else None).findings[-1]


def test_a_gate_is_read_from_yaml_and_from_json(tmp_path: Path) -> None:
    (tmp_path / "gate.yaml").write_text(
        "cases_at_least: 70\n"
        "rules:\n"
        "  - {metric: passage_recall_at_8, lower_bound_at_least: 0.9}\n"
        "  - {metric: latency_ms, upper_bound_at_most: 1500, cases_at_least: 50}\n"
        "  - {metric: answer_recall, not_worse_than_baseline_by: 0.02}\n"
    )
    read = read_gate(tmp_path / "gate.yaml")
    (tmp_path / "gate.json").write_text(read.model_dump_json())

    assert read_gate(tmp_path / "gate.json") == read
    assert read.cases_at_least == 70
    assert read.relative
    assert [rule.words() for rule in read.rules] == [
        "passage_recall_at_8: lower bound at least 0.9",
        "latency_ms: upper bound at most 1500",
        "answer_recall: not worse than baseline by more than 0.02",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("rules: [{metric: recal, lower_bound_at_least: 1}]", "there is no metric 'recal'"),
        ("rules: [{metric: mrr, lower_bound: 1}]", "there is no field 'rules.0.lower_bound'"),
        ("rules: [{metric: latency_ms}]", "exactly one of lower_bound_at_least"),
        (
            "rules: [{metric: tokens, lower_bound_at_least: 1, upper_bound_at_most: 2}]",
            "exactly one of",
        ),
        ("rules: [{metric: tokens, not_shown_worse_than_baseline: false}]", "only be true"),
        ("rules: [{metric: tokens, tag: x, not_worse_than_baseline_by: 1}]", "not over a tag"),
        ("rules: []", "rules: Tuple should have at least 1 item"),
        ("rules: [", "cannot be read"),
    ],
)
def test_a_gate_that_says_something_else_is_refused(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "gate.yaml").write_text(text)

    with pytest.raises(BadGate) as caught:
        read_gate(tmp_path / "gate.yaml")

    assert told in str(caught.value)


def test_the_lower_bound_counts_and_not_the_mean() -> None:
    few, many = results(RECALL, [1.0] * 12), results(RECALL, GOOD)

    assert not last(gate(lower_bound_at_least=0.9), few).passed
    found = last(gate(lower_bound_at_least=0.9), many)
    assert found.passed
    assert found.reason.startswith("It is 1.000, with 95 % confidence from 0.9")


def test_the_upper_bound_counts_where_less_is_better() -> None:
    times = results("latency_ms", [90.0, 110.0] * 20)

    strict = last(gate(metric="latency_ms", upper_bound_at_most=101), times)
    mild = last(gate(metric="latency_ms", upper_bound_at_most=110), times)

    assert (strict.passed, mild.passed) == (False, True)


def test_one_score_that_is_not_known_fails_the_rule_with_its_reason() -> None:
    values: list[float | Score | None] = [*GOOD, unknown("the judge was away")]

    found = last(gate(lower_bound_at_least=0.5), results(RECALL, values))

    assert not found.passed
    assert found.reason == "Cases without a score: 1 (the judge was away)."


def test_a_metric_that_an_old_result_does_not_have_fails() -> None:
    found = last(gate(metric="tokens", upper_bound_at_most=1e9), results(RECALL, GOOD))

    assert not found.passed
    assert "made before tokens was" in found.reason


def test_a_metric_that_applies_to_too_few_cases_fails() -> None:
    values = [*GOOD, None, None]

    found = last(gate(lower_bound_at_least=0.5, cases_at_least=81), results(RECALL, values))

    assert not found.passed
    assert found.reason == "It applies to 80 cases, not to 81."
    assert last(gate(lower_bound_at_least=0.5, cases_at_least=80), results(RECALL, values)).passed


def test_a_case_that_failed_fails_the_gate_whatever_its_rules_are_about() -> None:
    rows = [row(f"c{i}", {RECALL: 1.0}) for i in range(80)]
    lost = failed("lost", "503: the index does not answer", unscored("503"))

    verdict = judge(gate(lower_bound_at_least=0.5), result([*rows, lost]))

    coverage = verdict.findings[1]
    assert not verdict.passed
    assert coverage.reason == (
        "1 of 81 are not: lost. The first: 503: the index does not answer"
    )  # fmt: skip


def test_a_scorer_that_crashed_fails_the_gate() -> None:
    crashed = row("c", {RECALL: 1.0}).model_copy(update={"errors": ("tokens crashed: Oh",)})

    verdict = judge(gate(lower_bound_at_least=0.0), result([crashed]))

    assert verdict.failures[0].reason.endswith("tokens crashed: Oh")


def test_a_suite_that_is_too_small_fails() -> None:
    demanding = Gate(cases_at_least=100, rules=gate(lower_bound_at_least=0.5).rules)

    verdict = judge(demanding, results(RECALL, GOOD))

    assert [finding.rule for finding in verdict.failures] == ["at least 100 cases"]
    assert verdict.failures[0].reason == "There are 80."


def test_a_rule_may_be_about_a_tag() -> None:
    rows = [row(f"t{i}", {RECALL: 0.0}, tags=["table"]) for i in range(20)]
    rows += [row(f"f{i}", {RECALL: 1.0}, tags=["fact"]) for i in range(80)]

    tables = last(gate(lower_bound_at_least=0.5, tag="table"), result(rows))
    facts = last(gate(lower_bound_at_least=0.5, tag="fact"), result(rows))

    assert (tables.passed, facts.passed) == (False, True)
    assert "where tagged 'table'" in tables.rule


def test_not_worse_has_to_be_shown() -> None:
    before = results(RECALL, [0.5] * 40)
    same, wavering = results(RECALL, [0.5] * 40), results(RECALL, [0.0, 1.0] * 20)

    assert last(gate(not_worse_than_baseline_by=0.02), same, before).passed
    unclear = last(gate(not_worse_than_baseline_by=0.02), wavering, before)
    assert not unclear.passed
    assert "It changed by +0.000, with 95 % confidence from -0.15" in unclear.reason


def test_not_shown_worse_passes_what_is_unclear_and_fails_what_is_clear() -> None:
    before = results(RECALL, [0.5] * 40)
    wavering, worse = results(RECALL, [0.0, 1.0] * 20), results(RECALL, [0.3] * 40)

    assert last(gate(not_shown_worse_than_baseline=True), wavering, before).passed
    assert not last(gate(not_shown_worse_than_baseline=True), worse, before).passed


def test_a_slower_release_is_worse() -> None:
    before = results("latency_ms", [100.0 + i for i in range(40)])
    after = results("latency_ms", [180.0 + i for i in range(40)])
    rule = gate(metric="latency_ms", not_worse_than_baseline_by=50)

    assert not last(rule, after, before).passed
    assert last(rule, before, after).passed


def test_without_a_baseline_nothing_is_shown() -> None:
    found = last(gate(not_worse_than_baseline_by=0.5), results(RECALL, GOOD))

    assert not found.passed
    assert found.reason == "There is no baseline to compare with."


def test_a_baseline_of_which_something_is_not_known_shows_nothing() -> None:
    before = results(RECALL, [*GOOD[:-1], unknown("503")])

    found = last(gate(not_worse_than_baseline_by=0.5), results(RECALL, GOOD), before)

    assert found.reason == "Cases without a score here or in the baseline: 1."
