"""Extracted answers: the sentence that answers, readable by itself."""

from __future__ import annotations

import pytest

from retrieval.evidence import looked_for, weigh
from retrieval.extract import ExtractiveGenerator
from retrieval.generate import GeneratorUnavailable, Usage
from retrieval.prompt import pack
from retrieval.release import NO_ANSWER
from retrieval.rows import Rows
from tests.fakes import Asleep
from tests.retrieval.conftest import ANN, RELEASE, Library


async def said(library: Library, question: str) -> str:
    sources = await library.searcher.find(ANN, question, RELEASE)
    stream = ExtractiveGenerator(library.embedder).stream(pack(question, sources, RELEASE), RELEASE)
    return "".join([piece async for piece in stream if isinstance(piece, str)])


async def only(name: str, text: str) -> Library:
    library = Library()
    await library.add(name, text)
    return library


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("When does unused leave expire?", "Unused leave expires on 31 March [1]."),
        ("How long are boots guaranteed?", "Boots are guaranteed for three years [1]."),
        ("Who delivers the kitchen's tea?", "The kitchen orders tea from Halden Traders"),
    ],
)
async def test_the_sentence_that_answers_is_chosen(
    library: Library, question: str, expected: str
) -> None:
    assert (await said(library, question)).startswith(expected)


async def test_no_sentence_near_enough_gives_the_words_for_no_answer(library: Library) -> None:
    assert await said(library, "Who won the regatta?") == NO_ANSWER


async def test_a_table_row_is_told_with_its_titles() -> None:
    library = await only(
        "prices", "| Part | Price | Stock |\n| Strap | 12 € | 40 |\n| Case | 9 € | 3 |"
    )

    assert await said(library, "What is the price of the strap?") == (
        "Strap; Price: 12 €; Stock: 40 [1]."
    )


def test_a_row_from_the_middle_of_a_table_gives_its_cells_to_no_other_row() -> None:
    rows = Rows(begins_inside=True)

    told = [rows.tell(row) for row in ("| E-018 | Clock lost |", "| E-022 | Sensor wet |")]

    assert [one and one.text for one in told] == ["E-018; Clock lost", "E-022; Sensor wet"]


async def test_a_record_and_a_value_of_a_json_document_are_told_readably() -> None:
    library = await only(
        "offices",
        "offices[1].town: Karrholm\noffices[1].telephone: 0990 555 0100\n"
        "offices[2].town: Averin\noffices[2].telephone: 0990 555 0120",
    )

    assert await said(library, "What is the telephone number of Averin?") == (
        "Averin, telephone: 0990 555 0120 [1]."
    )


async def test_a_list_is_read_out_with_its_lead_in() -> None:
    library = await only(
        "reset", "To reset the meter:\n1. Hold the button.\n2. Wait ten seconds.\n\nThe end came."
    )

    assert await said(library, "How do I reset the meter?") == (
        "To reset the meter: (1) Hold the button; (2) Wait ten seconds [1]."
    )


async def test_what_stands_under_a_question_answers_it() -> None:
    library = await only(
        "faq", "May I bring my dog to the office?\nYes, on Fridays, if it is quiet."
    )

    assert await said(library, "May I bring a dog to the office?") == (
        "Yes, on Fridays, if it is quiet [1]."
    )


async def test_a_sentence_that_points_back_brings_the_one_before() -> None:
    library = await only(
        "bridge", "The Halden bridge was closed for repair. It opened again in May 2021 for trams."
    )

    assert await said(library, "When was the bridge opened again for trams?") == (
        "The Halden bridge was closed for repair [1]. It opened again in May 2021 for trams [1]."
    )


async def test_a_sentence_about_another_year_does_not_answer() -> None:
    library = await only("rates", "The mileage rate is 0.34 euros in 2026. Cars are washed weekly.")

    assert await said(library, "What is the mileage rate in 2026?") == (
        "The mileage rate is 0.34 euros in 2026 [1]."
    )
    assert "0.34" not in await said(library, "What is the mileage rate in 2027?")


async def test_headings_and_code_are_never_an_answer() -> None:
    library = await only(
        "guide", "# Green tea temperature\n\n```\ngreen tea temperature\n```\nWater boils at 100."
    )

    assert "Green tea temperature [1]" not in await said(library, "green tea temperature")


async def test_it_says_what_it_cost_and_who_it_is(library: Library) -> None:
    generator = ExtractiveGenerator(library.embedder)
    prompt = pack("tea", await library.searcher.find(ANN, "tea", RELEASE), RELEASE)

    pieces = [piece async for piece in generator.stream(prompt, RELEASE)]

    assert pieces[-1] == Usage(0, 0, "extractive")
    assert await generator.ping() == "extractive, ranked by word-counting"


async def test_an_embedder_that_sleeps_makes_the_generator_unavailable(library: Library) -> None:
    prompt = pack("tea", await library.searcher.find(ANN, "tea", RELEASE), RELEASE)

    with pytest.raises(GeneratorUnavailable, match="not loaded"):
        async for _ in ExtractiveGenerator(Asleep()).stream(prompt, RELEASE):
            pass


async def test_evidence_is_strong_on_topic_and_weak_off_it(library: Library) -> None:
    async def evidence(question: str) -> float:
        return weigh(question, await library.searcher.find(ANN, question, RELEASE)).score

    on_topic = await evidence("How many days of leave does everyone have a year?")

    assert on_topic > 0.8
    assert await evidence("Which mountain is the highest in Peru?") < 0.1
    assert await evidence("What does E-999 mean for leave?") < on_topic
    assert weigh("anything", ()).score == 0


def test_what_was_looked_for_are_the_words_that_carry_the_question() -> None:
    assert looked_for("How many days of leave do I have?") == "many days leave"
    assert looked_for("And?") == "And?"
