"""From a question to an answer that proves itself, through the one flow that there is."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest

from retrieval.answer import LONGEST_QUESTION, Answer, Answerer, BadQuestion, Delta, Retrieved
from retrieval.conversation import Turn
from retrieval.generate import Generator, GeneratorUnavailable
from retrieval.ground import OverlapGrounder
from retrieval.index import EmbedderUnavailable, IndexUnavailable, Scope
from retrieval.search import Searcher
from tests.fakes import (
    Asleep,
    Babbling,
    Chatty,
    Doubting,
    Offline,
    Slow,
    Unreachable,
)
from tests.retrieval.conftest import ANN, RELEASE, Library

LEAVE = "How many days of leave does everyone have?"
DROP = replace(RELEASE, groundedness="drop")
REFUSE = replace(RELEASE, groundedness="refuse")


async def events(
    library: Library, question: str, generator: Generator | None = None
) -> list[Retrieved | Delta | Answer]:
    return [each async for each in library.answerer(generator).stream(ANN, question, RELEASE)]


async def test_an_answer_is_cited_and_its_quote_stands_in_the_document(library: Library) -> None:
    answer = await library.ask(LEAVE)

    citation = answer.citations[0]
    assert answer.text == "Everyone has 28 days of leave a year [1]."
    assert citation.quote == "Everyone has 28 days of leave a year."
    assert (citation.start, citation.end, citation.page) == (94, 131, 2)
    assert answer.sentences[0].supported
    assert answer.sentences[0].citations == (1,)
    assert not answer.refused
    assert answer.release_id == RELEASE.id


async def test_sources_come_first_and_exactly_one_answer_comes_last(library: Library) -> None:
    seen = await events(library, LEAVE)

    assert isinstance(seen[0], Retrieved)
    assert isinstance(seen[-1], Answer)
    assert all(isinstance(each, Delta) for each in seen[1:-1])
    assert "".join(each.text for each in seen if isinstance(each, Delta)) == seen[-1].text
    assert seen[-1].timings.retrieval_ms <= seen[-1].timings.first_text_ms
    assert seen[-1].timings.first_text_ms <= seen[-1].timings.total_ms


async def test_sentences_have_their_places_in_the_text(library: Library) -> None:
    told = "  Everyone has 28 days of leave [1].\n\nUnused leave expires on 31 March [1][9]. "

    answer = await library.ask(LEAVE, Babbling(told))

    assert [each.text for each in answer.sentences] == [
        "Everyone has 28 days of leave [1].",
        "Unused leave expires on 31 March [1].",
    ]
    assert all(answer.text[each.start : each.end] == each.text for each in answer.sentences)
    assert [citation.sentence for citation in answer.citations] == [0, 1]


async def test_a_marker_that_points_at_nothing_is_dropped(library: Library) -> None:
    answer = await library.ask(LEAVE, Babbling("See [9]."))

    assert answer.text == "See."
    assert not answer.citations


async def test_a_sentence_without_a_marker_gets_that_of_the_source_it_comes_from(
    library: Library,
) -> None:
    answer = await library.ask(LEAVE, Babbling("Everyone has 28 days of leave a year."))

    assert answer.text == "Everyone has 28 days of leave a year [1]."
    assert answer.citations[0].document.document_id == "leave"


async def test_nothing_near_enough_is_a_refusal_and_no_model_is_asked(library: Library) -> None:
    babbling = Babbling("Rome [1].")

    answer = await library.ask("Which mountain is the highest in Peru?", babbling)

    assert not babbling.prompts
    assert answer.refusal is not None
    assert answer.refusal.reason == "no_evidence"
    assert answer.refusal.evidence < answer.refusal.threshold
    assert answer.text.startswith("I found nothing in the documents")
    assert "mountain" in answer.refusal.looked_for
    assert answer.sources
    assert not answer.citations


async def test_an_empty_library_refuses() -> None:
    answer = await Library().ask(LEAVE)

    assert answer.refused
    assert answer.sources == ()


@pytest.mark.parametrize(
    "words",
    [
        "The sources do not contain the answer.",
        "I'm sorry. The provided documents don't mention who signs it.",
        "Die Quellen enthalten dazu keine Angaben.",
        "There is no information about that in the sources [1].",
    ],
)
async def test_a_model_that_says_the_sources_lack_it_has_refused(
    library: Library, words: str
) -> None:
    answer = await library.ask(LEAVE, Babbling(words.removeprefix("I'm sorry. ")))

    assert answer.refusal is not None
    assert answer.refusal.reason == "not_in_sources"
    assert answer.usage.model == "babbling-1"


async def test_saying_what_is_missing_beside_an_answer_is_not_a_refusal(library: Library) -> None:
    told = "The sources do not say who pays. Everyone has 28 days of leave a year [1]."

    answer = await library.ask(LEAVE, Babbling(told))

    assert not answer.refused
    assert answer.text == told


async def test_an_unsupported_sentence_is_marked(library: Library) -> None:
    answer = await library.ask(LEAVE, Babbling("Everyone has 35 days of leave a year [1]."))

    assert answer.text == "Everyone has 35 days of leave a year [1]."
    assert [each.supported for each in answer.sentences] == [False]


async def test_an_unsupported_sentence_is_dropped_when_the_release_says_so(
    library: Library,
) -> None:
    told = "Everyone has 28 days of leave a year [1]. Pilots get 99 camels [1]. "

    answer = await library.ask(LEAVE, Babbling(told), DROP)

    assert answer.text == "Everyone has 28 days of leave a year [1]."


async def test_one_unsupported_sentence_refuses_all_when_the_release_says_so(
    library: Library,
) -> None:
    told = "Everyone has 28 days of leave a year [1]. Pilots get 99 camels [1]."
    answerer = library.answerer(Babbling(told))

    seen = [each async for each in answerer.stream(ANN, LEAVE, REFUSE)]

    answer = seen[-1]
    assert isinstance(answer, Answer)
    assert answer.refusal is not None
    assert answer.refusal.reason == "unsupported"
    assert [each.text for each in seen if isinstance(each, Delta)] == [answer.text]


async def test_nothing_left_after_dropping_is_a_refusal(library: Library) -> None:
    answerer = library.answerer(Babbling("Everyone has 28 days [1]."), Doubting())

    answer = await answerer.ask(ANN, LEAVE, DROP)

    assert answer.refused
    assert not answer.citations


async def test_a_document_deleted_while_the_model_speaks_is_not_cited(library: Library) -> None:
    library.register.leave_after["leave"] = 3

    told = "Everyone has 28 days of leave a year [1]. Unused leave expires on 31 March [1]."
    answer = await library.ask(LEAVE, Babbling(told))

    assert not answer.citations
    assert "28" not in answer.text
    assert all(source.passage.document.document_id != "leave" for source in answer.sources)


async def test_only_what_rests_on_a_deleted_document_goes(library: Library) -> None:
    question = "days of leave for everyone, and minutes for green tea"
    before = await library.ask(question)
    number = {s.passage.document.document_id: s.number for s in before.sources}
    library.register.leave_after["tea"] = 3
    told = (
        f"Everyone has 28 days of leave a year [{number['leave']}]. "
        f"Green tea is steeped for two minutes [{number['tea']}]."
    )

    answer = await library.ask(question, Babbling(told))

    assert answer.text == f"Everyone has 28 days of leave a year [{number['leave']}]."
    assert {each.document.document_id for each in answer.citations} == {"leave"}


async def test_the_first_sentence_goes_out_while_the_model_still_thinks(library: Library) -> None:
    slow = Slow(
        "Everyone has 28 days of leave a year [1]. Unused ", "leave expires on 31 March [1]."
    )
    shown: list[str] = []

    async with aclosing(library.answerer(slow).stream(ANN, LEAVE, RELEASE)) as stream:
        async for event in stream:
            if isinstance(event, Delta):
                shown.append(event.text)
                slow.go_on.set()

    assert shown[0] == "Everyone has 28 days of leave a year [1]. "


async def test_a_reader_who_leaves_stops_the_model(library: Library) -> None:
    chatty = Chatty("Everyone has 28 days of leave a year [1]. ", forever=True)

    async with aclosing(library.answerer(chatty).stream(ANN, LEAVE, RELEASE)) as stream:
        async for event in stream:
            if isinstance(event, Delta):
                break

    assert chatty.closed


async def test_a_cancelled_question_stops_the_model(library: Library) -> None:
    chatty = Chatty("And so on and on ", forever=True)
    task = asyncio.create_task(library.ask(LEAVE, chatty))
    await chatty.started.wait()

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert chatty.closed


async def test_a_model_that_breaks_off_is_an_error_after_what_it_said(library: Library) -> None:
    broken = Unreachable("Everyone has 28 days of leave a year [1]. Unused leave ")
    shown: list[str] = []

    async def read() -> None:
        async for event in library.answerer(broken).stream(ANN, LEAVE, RELEASE):
            shown.extend([event.text] if isinstance(event, Delta) else [])

    with pytest.raises(GeneratorUnavailable):
        await read()

    assert shown == ["Everyone has 28 days of leave a year [1]. "]


async def test_a_follow_up_is_answered_as_the_question_it_stands_for(library: Library) -> None:
    before = (Turn("user", "How many days of leave does everyone have?"),)

    answer = await library.ask("When does it expire?", conversation=before)

    assert answer.question == "When does it expire?"
    assert "leave" in answer.standalone_question
    assert "31 March" in answer.text


@pytest.mark.parametrize("question", ["", "  \n", "?!", "x" * (LONGEST_QUESTION + 1)])
async def test_an_empty_or_endless_question_is_an_error_in_words(
    library: Library, question: str
) -> None:
    with pytest.raises(BadQuestion, match=r"question (is empty|has 4,001 characters)"):
        await library.ask(question)


async def test_a_sleeping_embedder_comes_through_as_it_is(library: Library) -> None:
    searcher = Searcher(Asleep(), library.shelf, library.register)

    with pytest.raises(EmbedderUnavailable):
        await Answerer(searcher, Babbling(""), OverlapGrounder()).ask(ANN, LEAVE, RELEASE)


async def test_an_index_that_is_offline_comes_through_as_it_is(library: Library) -> None:
    searcher = Searcher(library.embedder, Offline(), library.register)

    with pytest.raises(IndexUnavailable):
        await Answerer(searcher, Babbling(""), OverlapGrounder()).ask(ANN, LEAVE, RELEASE)


async def test_another_tenant_finds_nothing(library: Library) -> None:
    answer = await library.answerer().ask(Scope("bob"), LEAVE, RELEASE)

    assert answer.refused
    assert answer.sources == ()


async def test_a_refusal_speaks_the_language_of_the_question(library: Library) -> None:
    answer = await library.ask("Welches ist der höchste Berg in der Schweiz und wo ist er?")

    assert answer.text.startswith("In den Dokumenten habe ich nichts gefunden")
