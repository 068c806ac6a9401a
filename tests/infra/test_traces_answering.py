"""A question leaves one trace, with all its steps, whoever else asks and however it ends."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncGenerator, Collection, Iterator, Mapping, Sequence
from contextlib import aclosing, closing
from pathlib import Path

import numpy as np
import pytest

from infra.traces.answering import TracedAnswerer, TracedStream
from infra.traces.opening import Tracing, open_tracing
from infra.traces.reading import ObservationView, Trace, TraceReader
from infra.traces.tracing import TracedEmbedder, TracedGenerator, TracedGrounder, TracedIndex
from retrieval.answer import Answer, Answerer, BadQuestion, Delta, Retrieved
from retrieval.conversation import Turn
from retrieval.generate import Generator, GeneratorUnavailable, Usage
from retrieval.ground import OverlapGrounder
from retrieval.index import (
    Chunk,
    ChunkIndex,
    DocumentRef,
    EmbedderIdentity,
    Hit,
    IndexUnavailable,
    Passage,
    Query,
    Scope,
    Vector,
)
from retrieval.prompt import Prompt
from retrieval.release import Release
from retrieval.search import Searcher

SAID = "The vault opens at nine. The lift is slow."
PASSAGE = Passage(
    DocumentRef("acme", "d1", 1, "vault.pdf", "Vault"), Chunk(SAID, 0, len(SAID), ordinal=0)
)
QUESTION = "When does the vault open?"
CERTAIN = Release(model="tiny", evidence_threshold=0.0)
DOUBTFUL = Release(model="tiny", evidence_threshold=1.0)


class Flat:
    """An embedder to which all texts are one."""

    identity = EmbedderIdentity("flat", 2, 256)

    async def embed_passages(self, texts: Sequence[str]) -> Vector:
        return np.ones((len(texts), 2), np.float32)

    async def embed_question(self, text: str) -> Vector:
        return np.ones(2, np.float32)


class Shelf:
    """An index with one passage."""

    async def search(self, scope: Scope, query: Query, limit: int) -> list[Hit]:
        await asyncio.sleep(0)
        return [Hit(PASSAGE, 1.5, 0.7)]

    async def ping(self) -> str:
        return "a shelf"


class Away(Shelf):
    async def search(self, scope: Scope, query: Query, limit: int) -> list[Hit]:
        raise IndexUnavailable("Nobody is there.")


class Everything:
    """A catalog in which each document is live in its first version."""

    async def live(self, scope: Scope, document_ids: Collection[str]) -> Mapping[str, int]:
        return dict.fromkeys(document_ids, 1)


class Quoting:
    """A generator that says what the source says, and then the question."""

    def __init__(self) -> None:
        self.closed = 0

    async def stream(self, prompt: Prompt, release: Release) -> AsyncGenerator[str | Usage, None]:
        try:
            for piece in ("The vault opens ", "at nine [1]. ", "The lift is ", "slow [1]. "):
                await asyncio.sleep(0)
                yield piece
            yield prompt.question
            yield Usage(9, 12, "tiny-1")
        finally:
            self.closed += 1

    async def ping(self) -> str:
        return "quoting"


class Stumbling(Quoting):
    async def stream(self, prompt: Prompt, release: Release) -> AsyncGenerator[str | Usage, None]:
        yield "The vault "
        raise GeneratorUnavailable("The model went away.")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "traces.db"


@pytest.fixture
def tracing(path: Path) -> Iterator[Tracing]:
    with open_tracing(path) as tracing:
        yield tracing


def _answerer(
    tracing: Tracing, generator: Generator | None = None, index: ChunkIndex | None = None
) -> TracedAnswerer:
    tracer = tracing.tracer
    searcher = Searcher(
        TracedEmbedder(Flat(), tracer), TracedIndex(index or Shelf(), tracer), Everything()
    )
    writing = TracedGenerator(generator or Quoting(), tracer)
    grounder = TracedGrounder(OverlapGrounder(), tracer)
    return TracedAnswerer(Answerer(searcher, writing, grounder), tracer)


async def _only(path: Path) -> Trace:
    reader = TraceReader(path)
    (line,) = (await reader.traces("acme", "ask")).items
    return await reader.trace("acme", line.trace_id)


def _named(trace: Trace, name: str) -> ObservationView:
    return next(each for each in trace.observations if each.name == name)


async def test_the_events_are_those_of_the_answerer(tracing: Tracing) -> None:
    stream = _answerer(tracing).stream(Scope("acme"), QUESTION, CERTAIN)

    events = [event async for event in stream]

    assert isinstance(events[0], Retrieved)
    assert isinstance(events[-1], Answer)
    assert all(isinstance(event, Delta) for event in events[1:-1])


async def test_the_trace_is_complete_when_the_answer_arrives(tracing: Tracing, path: Path) -> None:
    stream = _answerer(tracing).stream(Scope("acme"), QUESTION, CERTAIN)

    async with aclosing(stream):
        async for event in stream:
            if isinstance(event, Answer):
                trace = await TraceReader(path).trace("acme", stream.trace_id)
                answer = event

    assert (trace.question, trace.answer, trace.refused) == (QUESTION, answer.text, False)
    assert (trace.release, trace.model, trace.total_tokens) == (CERTAIN.id, "tiny-1", 21)
    assert trace.error is None


async def test_every_step_hangs_where_it_belongs(tracing: Tracing, path: Path) -> None:
    answer = await _answerer(tracing).ask(Scope("acme"), QUESTION, CERTAIN)

    trace = await _only(path)
    names = {each.id: each.name for each in trace.observations}
    parents = {each.name: names.get(each.parent_id or "") for each in trace.observations}
    assert parents == {
        "ask": None,
        "retrieve": "ask",
        "embed question": "retrieve",
        "search": "retrieve",
        "generate": "ask",
        "ground": "ask",
    }
    (source,) = _named(trace, "retrieve").output
    assert (source["name"], source["score"], source["similarity"]) == ("vault.pdf", 1.5, 0.7)
    root = trace.observations[0].metadata
    assert root["support"] == [sentence.support for sentence in answer.sentences]
    assert root["citations"] == len(answer.citations)


async def test_a_refusal_has_its_reason_and_no_model_call(tracing: Tracing, path: Path) -> None:
    answer = await _answerer(tracing).ask(Scope("acme"), QUESTION, DOUBTFUL)

    trace = await _only(path)
    assert (trace.refused, trace.answer) == (True, answer.text)
    assert trace.observations[0].metadata["reason"] == "no_evidence"
    assert [each.type for each in trace.observations].count("generation") == 0


async def test_the_conversation_is_in_the_trace(tracing: Tracing, path: Path) -> None:
    turns = (Turn("user", "Is there a vault?"), Turn("assistant", "There is."))

    await _answerer(tracing).ask(Scope("acme"), "When does it open?", CERTAIN, turns)

    trace = await _only(path)
    said = [turn["content"] for turn in trace.observations[0].metadata["conversation"]]
    assert said == ["Is there a vault?", "There is."]
    assert "vault" in _named(trace, "retrieve").metadata["standalone_question"]


async def test_user_session_and_tags_are_on_every_span(tracing: Tracing, path: Path) -> None:
    answerer = _answerer(tracing)
    with tracing.tracer.on_behalf_of(user="ann", session="s1", tags=["web"]):
        stream = answerer.stream(Scope("acme"), QUESTION, CERTAIN)

    _ = [event async for event in stream]

    with closing(sqlite3.connect(path)) as db:
        rows = [json.loads(row) for (row,) in db.execute("select attributes from span")]
    marks = ("user.id", "session.id", "langfuse.trace.tags", "cairn.tenant", "langfuse.version")
    assert len(rows) >= 6
    assert {tuple(str(row.get(mark)) for mark in marks) for row in rows} == {
        ("ann", "s1", "['web']", "acme", CERTAIN.id)
    }


async def test_what_a_reader_does_between_two_events_is_in_no_trace(
    tracing: Tracing, path: Path
) -> None:
    embedder = TracedEmbedder(Flat(), tracing.tracer)
    stream = _answerer(tracing).stream(Scope("acme"), QUESTION, CERTAIN)

    async for _ in stream:
        await embedder.embed_passages(["something else"])

    names = [each.name for each in (await _only(path)).observations]
    assert "embed passages" not in names


async def test_a_reader_who_leaves_ends_every_step_and_stops_the_model(
    tracing: Tracing, path: Path
) -> None:
    quoting = Quoting()
    stream = _answerer(tracing, quoting).stream(Scope("acme"), QUESTION, CERTAIN)

    async with aclosing(stream):
        async for event in stream:
            if isinstance(event, Delta):
                break

    trace = await _only(path)
    assert quoting.closed == 1
    assert trace.error == "The reader left before the end."
    assert _named(trace, "generate").status_message == "The reader left before the end."
    assert _named(trace, "generate").level == "WARNING"


async def test_a_reader_who_leaves_before_the_beginning_leaves_a_trace_too(
    tracing: Tracing, path: Path
) -> None:
    stream = _answerer(tracing).stream(Scope("acme"), QUESTION, CERTAIN)

    await stream.aclose()

    assert (await _only(path)).error == "The reader left before the end."


async def test_a_cancelled_request_says_so(tracing: Tracing, path: Path) -> None:
    task = asyncio.create_task(_answerer(tracing).ask(Scope("acme"), QUESTION, CERTAIN))
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    task.cancel()
    await asyncio.wait([task])

    assert (await _only(path)).error == "Cancelled before the end."


@pytest.mark.parametrize(
    ("generator", "index", "error", "at"),
    [
        (None, Away(), IndexUnavailable, "retrieve"),
        (Stumbling(), None, GeneratorUnavailable, "generate"),
    ],
)
async def test_a_failure_is_noted_where_it_happened_and_in_the_list(
    tracing: Tracing,
    path: Path,
    generator: Generator | None,
    index: ChunkIndex | None,
    error: type[Exception],
    at: str,
) -> None:
    with pytest.raises(error):
        await _answerer(tracing, generator, index).ask(Scope("acme"), QUESTION, CERTAIN)

    trace = await _only(path)
    assert (trace.error or "").startswith(error.__name__)
    assert _named(trace, at).level == "ERROR"


async def test_a_question_that_is_none_is_in_the_list(tracing: Tracing, path: Path) -> None:
    with pytest.raises(BadQuestion):
        await _answerer(tracing).ask(Scope("acme"), "?", CERTAIN)

    assert (await _only(path)).question == "?"


async def test_fifty_streams_read_in_turns_by_one_task_keep_their_steps_apart(
    tracing: Tracing, path: Path
) -> None:
    answerer = _answerer(tracing)
    asked = [f"When does the vault open, door {number}?" for number in range(50)]
    streams = [answerer.stream(Scope("acme"), question, CERTAIN) for question in asked]

    await _in_turns(streams)

    for stream, question in zip(streams, asked, strict=True):
        _check_whole(await TraceReader(path).trace("acme", stream.trace_id), question)


async def test_fifty_streams_in_fifty_tasks_keep_their_steps_apart(
    tracing: Tracing, path: Path
) -> None:
    answerer = _answerer(tracing)
    asked = [f"When does the vault open, door {number}?" for number in range(50)]

    await asyncio.gather(*(answerer.ask(Scope("acme"), question, CERTAIN) for question in asked))

    lines = (await TraceReader(path).traces("acme", limit=60)).items
    assert {line.question for line in lines} == set(asked)
    for line in lines:
        trace = await TraceReader(path).trace("acme", line.trace_id)
        _check_whole(trace, line.question or "")


async def _in_turns(streams: Sequence[TracedStream]) -> None:
    unread = list(streams)
    while unread:
        unread = [stream for stream in unread if await anext(stream, None)]


def _check_whole(trace: Trace, question: str) -> None:
    """Its own steps, all of them, each under a parent of the same trace."""
    ids = {each.id for each in trace.observations}
    assert all(each.parent_id in ids for each in trace.observations[1:])
    assert [each.name for each in trace.observations if each.name != "ground"] == [
        "ask",
        "retrieve",
        "embed question",
        "search",
        "generate",
    ]
    assert _named(trace, "search").input == {"question": question}
    assert question in _named(trace, "generate").output
