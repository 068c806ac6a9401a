"""Comparisons: the pairing, and by simulation that what the statistics promise is kept."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from evals.compare import Pair, adjusted, compare, detectable, holm, p_value, paired
from evals.interval import Interval, of_shares, of_values
from evals.score import unknown
from evals.scorers import BY_NAME
from tests.evals.made import result, results, row

RECALL = BY_NAME["citation_recall"]
LATENCY = BY_NAME["latency_ms"]
Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]


def _right(probability: float) -> Draw:
    return lambda random, n: (random.random(n) < probability).astype(float)


def _mixed(random: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Seven in ten are right, the rest is something in between."""
    return np.where(random.random(n) < 0.7, 1.0, random.random(n))


def _changes(random: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Most cases stay as they are, as between two like releases."""
    return random.choice((-1.0, -0.5, 0.0, 0.5, 1.0), n, p=(0.05, 0.05, 0.8, 0.05, 0.05))


def _milliseconds(random: np.random.Generator, n: int) -> NDArray[np.float64]:
    return random.gamma(4.0, 100.0, n)


@pytest.mark.parametrize(
    ("interval", "draw", "truth", "n"),
    [
        (of_shares, _right(0.9), 0.9, 60),
        (of_shares, _right(0.5), 0.5, 40),
        (of_shares, _mixed, 0.85, 60),
        (of_values, _changes, 0.0, 76),
        (of_values, _milliseconds, 400.0, 76),
    ],
)
def test_intervals_cover_the_true_mean_in_about_95_of_100_samples(
    interval: Callable[[list[float]], Interval], draw: Draw, truth: float, n: int
) -> None:
    random = np.random.default_rng(7)

    found = [interval(draw(random, n).tolist()) for _ in range(400)]

    covered = sum(one.low <= truth <= one.high for one in found) / len(found)
    assert 0.93 <= covered <= 0.97


@pytest.mark.parametrize(("probability", "n"), [(0.97, 60), (0.9, 16)])
def test_nearly_perfect_shares_are_covered_too(probability: float, n: int) -> None:
    random = np.random.default_rng(7)

    found = [of_shares(_right(probability)(random, n).tolist()) for _ in range(200)]

    assert sum(one.low <= probability <= one.high for one in found) / len(found) >= 0.94


def test_sixteen_right_of_sixteen_are_no_certainty() -> None:
    found = of_shares([1.0] * 16)

    assert found.mean == found.high == 1.0
    assert 0.8 < found.low < 0.9


def test_the_same_values_give_the_same_interval() -> None:
    assert of_shares([0.0, 1.0, 1.0]) == of_shares([0.0, 1.0, 1.0])


def test_without_values_there_is_no_interval() -> None:
    assert math.isnan(of_shares([]).mean)
    assert math.isnan(of_values([]).low)


def _pairs(changes: NDArray[np.float64]) -> list[Pair]:
    return [Pair(f"c{i}", 0.0, float(change)) for i, change in enumerate(changes)]


def test_false_alarms_of_worse_are_at_most_5_in_100() -> None:
    random = np.random.default_rng(11)

    alarms = [
        adjusted([paired(RECALL, _pairs(_changes(random, 76)))])[0].change == "worse"
        for _ in range(400)
    ]

    assert sum(alarms) / len(alarms) <= 0.05


def test_many_metrics_together_raise_no_more_false_alarms() -> None:
    random = np.random.default_rng(12)

    alarms = [
        any(
            one.change != "not shown"
            for one in adjusted([
                paired(metric, _pairs(_changes(random, 60)))
                for metric in list(BY_NAME.values())[:8]
            ])
        )
        for _ in range(80)
    ]  # fmt: skip

    assert sum(alarms) / len(alarms) <= 0.08  # 5 %, and 1.2 standard errors of 80 runs


def test_a_difference_as_large_as_announced_is_found_with_the_announced_power() -> None:
    random = np.random.default_rng(13)
    announced = detectable(_changes(random, 76).tolist())

    found = [
        p_value((_changes(random, 76) - announced).tolist()) < 0.05 for _ in range(200)
    ]  # fmt: skip

    assert 0.72 <= sum(found) / len(found) <= 0.9  # the variance is estimated from one sample


def test_the_detectable_difference_shrinks_with_the_root_of_the_cases() -> None:
    changes = [0.1, -0.1] * 50

    assert detectable(changes * 4) == pytest.approx(detectable(changes) / 2, rel=0.01)
    assert detectable(changes) == pytest.approx(2.8 * 0.1 / 10, rel=0.01)


@pytest.mark.parametrize("changes", [[], [0.5], [0.0] * 20])
def test_where_nothing_is_known_of_changes_nothing_is_announced(changes: list[float]) -> None:
    assert math.isnan(detectable(changes))


def test_the_sign_flip_test_is_exact_on_a_small_sample() -> None:
    # All three changes have one sign: 2 of the 8 ways to flip them are as extreme.
    assert p_value([1.0, 1.0, 1.0]) == pytest.approx(2 / 8, abs=0.02)
    assert p_value([0.0, 0.0]) == 1.0


def test_holm_multiplies_the_smallest_by_all_and_never_falls() -> None:
    found = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.5})

    assert found == pytest.approx({"a": 0.04, "c": 0.09, "b": 0.09, "d": 0.5})


def test_a_metric_without_pairs_does_not_count_among_the_others() -> None:
    found = holm({"a": 0.01, "none": math.nan, "b": 0.02})

    assert found["a"] == pytest.approx(0.02)
    assert math.isnan(found["none"])


def test_metrics_that_explain_do_not_hide_what_headlines_lost() -> None:
    clear = _pairs(np.full(12, -0.5))  # by itself p = 0.0005
    unclear = [paired(BY_NAME[f"document_recall_at_{k}"], _pairs(np.zeros(12))) for k in (1, 3, 5)]

    found = adjusted([*unclear, paired(RECALL, clear)])

    assert found[-1].p_adjusted == found[-1].p
    assert [one.change for one in found] == ["not shown"] * 3 + ["worse"]


def test_a_case_is_compared_with_itself() -> None:
    before = results("citation_recall", [0.0, 1.0, 0.5])
    after = results("citation_recall", [1.0, 1.0, 0.0])

    found = compare(before, after, [RECALL]).differences[0]

    assert [(pair.case, pair.before, pair.after) for pair in found.pairs] == [
        ("c0", 0.0, 1.0),
        ("c1", 1.0, 1.0),
        ("c2", 0.5, 0.0),
    ]
    assert found.interval.mean == pytest.approx(1 / 6)


def test_cases_that_came_went_or_changed_are_left_out_by_name() -> None:
    scores = {"citation_recall": 1.0}
    before = result([row("same", scores), row("gone", scores), row("other", scores)])
    after = result([row("same", scores), row("new", scores), row("other", scores, answer="29")])

    found = compare(before, after, [RECALL])

    assert found.paired == 1
    assert found.left_out == ("gone", "new", "other")


def test_unknown_scores_are_counted_and_inapplicable_ones_are_not() -> None:
    before = results("citation_recall", [1.0, unknown("503"), None, 1.0])
    after = results("citation_recall", [unknown("503"), 1.0, 1.0, 1.0])

    found = compare(before, after, [RECALL]).differences[0]

    assert found.unknown == 2
    assert [pair.case for pair in found.pairs] == ["c3"]


def test_of_times_less_is_better() -> None:
    slow = results("latency_ms", [100.0 + i for i in range(30)])
    fast = results("latency_ms", [50.0 + i / 2 for i in range(30)])

    quicker = compare(slow, fast, [LATENCY]).differences[0]
    slower = compare(fast, slow, [LATENCY]).differences[0]

    assert (quicker.change, slower.change) == ("better", "worse")
    assert quicker.interval.high < 0 < quicker.gain.low
