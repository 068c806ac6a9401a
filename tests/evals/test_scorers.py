"""Scorers: each formula on an example worked by hand, and what becomes of scorers that cannot score."""

from __future__ import annotations

import math
from typing import Any

import pytest

from evals import citing, wording
from evals.cases import Case
from evals.overlap import overlap
from evals.reply import Reply
from evals.score import Score
from evals.scorers import BY_NAME, METRICS, Metric, scored, unscored
from tests.evals.made import LEAVE, PARKING, case, citation, refusal, reply, sentence, source


async def value(metric: str, of: Case, said: Reply) -> float | None:
    return (await scored(of, said, [BY_NAME[metric]])).scores[metric].value


TWO_QUOTES: dict[str, Any] = {"documents": ["leave.md", "parking.md"], "quotes": [LEAVE, PARKING]}
RANKED = [
    source(1, "other.md", "Nothing of it."),
    source(2, "leave.md", f"{LEAVE} And more."),
    source(3, "leave.md", f"Again: {LEAVE}"),
    source(4, "parking.md", PARKING),
]


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("passage_recall_at_1", 0.0),
        ("passage_recall_at_3", 0.5),
        ("passage_recall_at_5", 1.0),
        ("passage_mrr", 1 / 2),
        ("document_recall_at_1", 0.0),
        ("document_recall_at_3", 1.0),
        ("document_mrr", 1 / 2),
        (
            "passage_ndcg_at_10",
            (1 / math.log2(3) + 1 / math.log2(5)) / (1 / math.log2(2) + 1 / math.log2(3)),
        ),
        (
            "document_ndcg_at_10",
            (1 / math.log2(3) + 1 / math.log2(4)) / (1 / math.log2(2) + 1 / math.log2(3)),
        ),
    ],
)
async def test_ranks_are_those_of_the_first_to_show_something_new(
    metric: str, expected: float
) -> None:
    found = await value(metric, case(**TWO_QUOTES), reply(sources=RANKED))

    assert found == pytest.approx(expected)


async def test_what_is_missed_counts_in_the_best_ranking() -> None:
    found = await value("passage_ndcg_at_10", case(**TWO_QUOTES), reply(sources=RANKED[1:2]))

    assert found == pytest.approx(1 / (1 + 1 / math.log2(3)))


async def test_nothing_found_is_0() -> None:
    for metric in ("passage_recall_at_8", "passage_mrr", "passage_ndcg_at_10", "document_mrr"):
        assert await value(metric, case(), reply(sources=[])) == 0.0


async def test_the_same_words_in_a_document_that_is_not_expected_prove_nothing() -> None:
    said = reply(sources=[source(1, "leave-2019.md", LEAVE)])

    assert await value("passage_recall_at_8", case(), said) == 0.0
    assert await value("passage_recall_at_8", case(documents=[]), said) == 1.0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("28 days of paid leave", "Every employee has 28 days of paid leave.", True),
        ("28  DAYS,\nof paid “leave”", "has 28 days of paid leave.", True),
        ("the end of a long quote that is cut in two", "long quote that is cut in", True),
        ("5 years | 1 day", "15 years | 4 days", False),
        ("four words in common and then more", "four words in common but nothing else", False),
        ("", "anything", False),
        ("年次休暇は二十八日です", "規則：年次休暇は二十八日です。", True),
    ],
)
def test_texts_overlap_when_one_has_the_other_or_they_share_half_of_it(
    one: str, other: str, same: bool
) -> None:
    assert overlap(one, other) is same
    assert overlap(other, one) is same


async def test_citations_are_right_when_they_overlap_what_is_expected() -> None:
    said = reply(
        citations=[
            citation("leave.md", "28 days of paid leave"),
            citation("leave.md", "Leave is paid out at the end of March."),
            citation("other.md", LEAVE),
        ]
    )

    assert citing.citation_precision(case(**TWO_QUOTES), said).value == pytest.approx(1 / 3)
    assert citing.citation_recall(case(**TWO_QUOTES), said).value == pytest.approx(1 / 2)
    assert citing.cited_document_precision(case(**TWO_QUOTES), said).value == 1 / 2
    assert citing.cited_document_recall(case(**TWO_QUOTES), said).value == 1 / 2


async def test_an_answer_that_cites_nothing_pays_in_recall_only() -> None:
    said = reply(citations=[])

    assert citing.citation_precision(case(), said).value is None
    assert citing.citation_recall(case(), said).value == 0.0


@pytest.mark.parametrize(
    ("of", "said", "precision", "recall"),
    [
        (case("a"), reply(), None, None),
        (case("b"), refusal(), 0.0, None),
        (case("c", unanswerable=True), reply(), None, 0.0),
        (case("d", unanswerable=True), refusal(), 1.0, 1.0),
    ],
)
def test_refusals_are_right_where_there_is_no_answer(
    of: Case, said: Reply, precision: float | None, recall: float | None
) -> None:
    assert citing.refusal_precision(of, said).value == precision
    assert citing.refusal_recall(of, said).value == recall


@pytest.mark.parametrize(
    ("measure", "said", "expected", "score"),
    [
        (wording.exact_match, "The 28 days.", "28 days", 1.0),
        (wording.exact_match, "28 days a year of it", "28 days", 0.0),
        (wording.token_f1, "You have 28 days", "28 days", 2 * (2 / 4) * 1 / (2 / 4 + 1)),
        (wording.token_f1, "days days days", "28 days", 2 * 1 / 5),
        (wording.token_recall, "You have 28 days of leave a year [1].", "28 days", 1.0),
        (wording.token_recall, "You have 30 days", "28 days", 0.5),
        (wording.rouge_l, "police kill gunman", "police killed gunman", 2 / 3),
        (wording.rouge_l, "days 28", "28 days", 1 / 2),
        (wording.rouge_l, "nothing", "28 days", 0.0),
    ],
)
def test_wording_is_measured_on_normal_tokens(
    measure: wording.Measure, said: str, expected: str, score: float
) -> None:
    assert measure(wording.normal(said), wording.normal(expected)) == pytest.approx(score)


async def test_a_refused_answer_says_nothing_of_what_was_expected() -> None:
    assert await value("token_f1", case(), refusal()) == 0.0
    assert await value("citation_recall", case(), refusal()) == 0.0
    assert await value("groundedness", case(), refusal()) is None


async def test_groundedness_is_the_share_of_sentences_their_sources_support() -> None:
    said = reply(
        sentences=[
            sentence(f"{LEAVE[:-1]} [1].", 1),
            sentence("The car park has 4000 places on the roof [2].", 2),
            sentence("These are the steps:"),
        ]
    )

    assert await value("groundedness", case(), said) == 0.5


async def test_a_sentence_is_held_against_the_sources_that_it_cites() -> None:
    said = reply(sentences=[sentence(f"{LEAVE[:-1]} [2].", 2)])

    assert await value("groundedness", case(), said) == 0.0


async def test_an_answer_without_sentences_is_unknown_and_not_0() -> None:
    found = (await scored(case(), reply(sentences=[]))).scores["groundedness"]

    assert found.unknown
    assert "no sentence" in found.reason


async def test_times_and_tokens_are_told_as_they_are() -> None:
    assert await value("latency_ms", case(), reply(latency_ms=12.5)) == 12.5
    assert await value("first_text_ms", case(), reply()) == 6.0
    assert await value("tokens", case(), reply()) == 12.0


async def test_what_a_case_does_not_name_is_not_held_against_it() -> None:
    bare: dict[str, Any] = {"answer": "28 days", "documents": [], "quotes": []}

    found = (await scored(case(**bare), reply())).scores

    named = {name for name, score in found.items() if score.value is not None}
    assert named >= {"answer_recall", "groundedness", "latency_ms"}
    assert not [name for name in named if name.startswith(("passage", "document", "cit"))]
    assert not any(score.unknown for score in found.values())


def _divides(_: Case, reply: Reply) -> Score:
    return Score(value=1 / (len(reply.citations) - 1))


async def test_a_scorer_that_crashes_gives_nan_and_the_error_and_costs_no_other() -> None:
    found = await scored(case(), reply(), [Metric("broken", "Broken", "", "", _divides), *METRICS])

    assert found.errors == ("broken crashed: ZeroDivisionError: division by zero",)
    assert found.scores["broken"].unknown
    assert found.scores["broken"].reason == found.errors[0]
    assert found.scores["answer_recall"].value == 1.0


def test_of_a_case_without_a_reply_nothing_is_known() -> None:
    assert all(score.unknown for score in unscored("503: away").values())
    assert unscored("503: away").keys() == BY_NAME.keys()


def test_a_score_that_is_nan_stays_so_in_json() -> None:
    nan = Score(value=math.nan, reason="why")

    again = Score.model_validate_json(nan.model_dump_json())

    assert again.unknown
    assert again.reason == "why"
