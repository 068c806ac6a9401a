"""The wrappers note what passes through a port, change nothing of it, and never mix requests up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from infra.traces.observation import Observation
from infra.traces.opening import Tracing, open_tracing
from infra.traces.reading import ObservationView, TraceReader
from infra.traces.tracing import (
    TracedEmbedder,
    TracedGenerator,
    TracedGrounder,
    TracedIndex,
    TracedParser,
)
from ingestion.parse import Block, Encrypted, Parsed, Report
from retrieval.generate import GeneratorUnavailable, Usage
from retrieval.ground import OverlapGrounder
from retrieval.index import (
    Chunk,
    DocumentRef,
    EmbedderIdentity,
    Hit,
    IndexUnavailable,
    Passage,
    Query,
    Scope,
    Vector,
)
from retrieval.prompt import Prompt, pack
from retrieval.release import Release
from retrieval.search import Source

SECRET = "The vault opens at nine."
CHUNK = Chunk(SECRET, 10, 34, ordinal=0, section=("Vault",), page=2)
PASSAGE = Passage(DocumentRef("acme", "d1", 1, "vault.pdf", "Vault"), CHUNK)
QUERY = Query("When does the vault open?", np.zeros(2, np.float32))
ASKED = (Scope("acme"), QUERY, 8)
RELEASE = Release(model="tiny")
PROMPT = pack("When does the vault open?", [Source(1, PASSAGE, 1.5, 0.7)], RELEASE)


class Shelf:
    """An index with one passage."""

    async def search(self, scope: Scope, query: Query, limit: int) -> list[Hit]:
        return [Hit(PASSAGE, 1.5, 0.7)]

    async def ping(self) -> str:
        return "a shelf"


class Away(Shelf):
    async def search(self, scope: Scope, query: Query, limit: int) -> list[Hit]:
        raise IndexUnavailable(f"Nobody answers about {SECRET!r}.")


class Slow(Shelf):
    async def search(self, scope: Scope, query: Query, limit: int) -> list[Hit]:
        await asyncio.sleep(60)
        return []


class Spelling:
    """A generator that says the question word by word, and reports its usage."""

    def __init__(self) -> None:
        self.closed = False

    async def stream(self, prompt: Prompt, release: Release) -> AsyncGenerator[str | Usage, None]:
        try:
            for word in prompt.question.split():
                await asyncio.sleep(0)
                yield f"{word} "
            yield Usage(9, len(prompt.question.split()), "tiny-1")
        finally:
            self.closed = True

    async def ping(self) -> str:
        return "spelling"


class Stumbling(Spelling):
    async def stream(self, prompt: Prompt, release: Release) -> AsyncGenerator[str | Usage, None]:
        yield "At "
        raise GeneratorUnavailable("The model went away.")


class Flat:
    """An embedder to which all texts are one."""

    identity = EmbedderIdentity("flat", 2, 256)

    async def embed_passages(self, texts: Sequence[str]) -> Vector:
        return np.ones((len(texts), 2), np.float32)

    async def embed_question(self, text: str) -> Vector:
        return np.ones(2, np.float32)


class Literal:
    """A parser that reads a file as it is, unless it is locked."""

    async def parse(self, path: Path, name: str, media_type: str, report: Report) -> Parsed:
        if name.startswith("locked"):
            raise Encrypted("The file asks for a password.")
        return Parsed(SECRET, (Block("paragraph", 0, len(SECRET)),), title="Vault")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "traces.db"


@pytest.fixture
def tracing(path: Path) -> Iterator[Tracing]:
    with open_tracing(path) as tracing:
        yield tracing


async def _seen(path: Path, trace: Observation) -> list[ObservationView]:
    """What was noted under the trace's root."""
    trace.end()
    return list((await TraceReader(path).trace("acme", trace.trace_id)).observations[1:])


async def test_a_search_shows_each_passage_with_its_scores(tracing: Tracing, path: Path) -> None:
    index = TracedIndex(Shelf(), tracing.tracer)
    trace = tracing.tracer.trace("ask", "acme")

    with trace.current():
        hits = await index.search(*ASKED)

    (search,) = await _seen(path, trace)
    assert hits == [Hit(PASSAGE, 1.5, 0.7)]
    assert (search.type, search.metadata["limit"]) == ("retriever", 8)
    (row,) = search.output
    shown = {name: row[name] for name in ("name", "page", "section", "score", "similarity", "text")}
    assert shown == {
        "name": "vault.pdf",
        "page": 2,
        "section": ["Vault"],
        "score": 1.5,
        "similarity": 0.7,
        "text": SECRET,
    }


async def test_an_error_goes_through_unchanged_and_is_noted(tracing: Tracing, path: Path) -> None:
    index = TracedIndex(Away(), tracing.tracer)
    trace = tracing.tracer.trace("ask", "acme")

    with trace.current(), pytest.raises(IndexUnavailable):
        await index.search(*ASKED)

    (search,) = await _seen(path, trace)
    assert search.level == "ERROR"
    assert search.status_message == f"IndexUnavailable: Nobody answers about {SECRET!r}."


async def test_a_cancelled_search_says_that_it_was_cancelled(tracing: Tracing, path: Path) -> None:
    trace = tracing.tracer.trace("ask", "acme")

    with trace.current(), pytest.raises(TimeoutError):
        await asyncio.wait_for(TracedIndex(Slow(), tracing.tracer).search(*ASKED), 0.01)

    (search,) = await _seen(path, trace)
    assert (search.level, search.status_message) == ("WARNING", "Cancelled before the end.")


async def test_outside_a_trace_nothing_is_recorded(tracing: Tracing, path: Path) -> None:
    index = TracedIndex(Shelf(), tracing.tracer)

    await index.search(*ASKED)

    assert await index.ping() == "a shelf"
    assert (await TraceReader(path).traces("acme")).items == ()
    assert tracing.store.prune(keep_s=0, keep_bytes=0) == 0


async def test_a_generation_shows_messages_text_tokens_and_the_first_of_them(
    tracing: Tracing, path: Path
) -> None:
    generator = TracedGenerator(Spelling(), tracing.tracer)
    trace = tracing.tracer.trace("ask", "acme")

    with trace.current():
        pieces = [piece async for piece in generator.stream(PROMPT, RELEASE)]

    (generation,) = await _seen(path, trace)
    assert pieces[-1] == Usage(9, 5, "tiny-1")
    assert [message["role"] for message in generation.input] == ["system", "user"]
    assert generation.output == "When does the vault open? "
    assert (generation.model, generation.usage) == ("tiny-1", {"input": 9, "output": 5})
    assert generation.first_token_ms is not None
    assert generation.level == "DEFAULT"


async def test_a_reader_who_leaves_closes_the_model_and_is_noted(
    tracing: Tracing, path: Path
) -> None:
    spelling = Spelling()
    trace = tracing.tracer.trace("ask", "acme")

    with trace.current():
        async with aclosing(TracedGenerator(spelling, tracing.tracer).stream(PROMPT, RELEASE)) as s:
            await anext(s)

    (generation,) = await _seen(path, trace)
    assert spelling.closed
    assert (generation.level, generation.output) == ("WARNING", "When ")
    assert generation.status_message == "The reader left before the end."


async def test_a_reader_who_leaves_after_the_usage_has_missed_nothing(
    tracing: Tracing, path: Path
) -> None:
    trace = tracing.tracer.trace("ask", "acme")

    with trace.current():
        async with aclosing(
            TracedGenerator(Spelling(), tracing.tracer).stream(PROMPT, RELEASE)
        ) as stream:
            async for piece in stream:
                if isinstance(piece, Usage):
                    break

    (generation,) = await _seen(path, trace)
    assert (generation.level, generation.status_message) == ("DEFAULT", None)


async def test_a_model_that_stops_in_the_middle_leaves_what_it_said(
    tracing: Tracing, path: Path
) -> None:
    trace = tracing.tracer.trace("ask", "acme")

    with trace.current(), pytest.raises(GeneratorUnavailable):
        async for _ in TracedGenerator(Stumbling(), tracing.tracer).stream(PROMPT, RELEASE):
            pass

    (generation,) = await _seen(path, trace)
    assert (generation.level, generation.output) == ("ERROR", "At ")
    assert generation.status_message == "GeneratorUnavailable: The model went away."


async def test_a_stream_leaves_no_context_with_its_reader(tracing: Tracing, path: Path) -> None:
    index = TracedIndex(Shelf(), tracing.tracer)
    trace = tracing.tracer.trace("ask", "acme")
    with trace.current():
        stream = TracedGenerator(Spelling(), tracing.tracer).stream(PROMPT, RELEASE)
        await anext(stream)

    await anext(stream)
    await index.search(*ASKED)
    await stream.aclose()

    assert [each.name for each in await _seen(path, trace)] == ["generate"]


async def test_embeddings_are_counted_and_passages_not_copied(tracing: Tracing, path: Path) -> None:
    embedder = TracedEmbedder(Flat(), tracing.tracer)
    trace = tracing.tracer.trace("ask", "acme")

    with trace.current():
        rows = await embedder.embed_passages([SECRET, "b"])
        await embedder.embed_question("Why?")

    passages, question = await _seen(path, trace)
    assert rows.shape == (2, 2)
    assert (passages.type, passages.model) == ("embedding", "flat")
    assert (passages.input, passages.metadata) == (None, {"texts": 2, "characters": 25})
    assert question.input == "Why?"


async def test_each_sentence_is_an_evaluation_with_its_score(tracing: Tracing, path: Path) -> None:
    grounder = TracedGrounder(OverlapGrounder(), tracing.tracer)
    trace = tracing.tracer.trace("ask", "acme")

    with trace.current():
        support = await grounder.support(SECRET, [SECRET])

    (ground,) = await _seen(path, trace)
    assert (ground.type, ground.metadata["score"]) == ("evaluator", support.score)
    assert ground.metadata["supported"] is True


async def test_a_parser_shows_sizes_and_why_a_file_could_not_be_read(
    tracing: Tracing, path: Path, tmp_path: Path
) -> None:
    parser = TracedParser(Literal(), tracing.tracer)
    with tracing.tracer.job("acme", "vault.pdf") as trace:
        await parser.parse(tmp_path, "vault.pdf", "application/pdf", lambda done, total: None)
        with pytest.raises(Encrypted):
            await parser.parse(tmp_path, "locked.pdf", "application/pdf", lambda *_: None)

    read, locked = await _seen(path, trace)

    assert read.metadata["characters"] == len(SECRET)
    assert locked.status_message == "Encrypted: The file asks for a password."


async def test_with_content_off_no_word_of_anybody_is_on_disk(path: Path, tmp_path: Path) -> None:
    with open_tracing(path, content=False) as tracing:
        tracer = tracing.tracer
        trace = tracer.trace("ask", "acme", input=SECRET)
        with trace.current():
            await TracedIndex(Shelf(), tracer).search(Scope("acme"), replace(QUERY, text=SECRET), 8)
            await TracedEmbedder(Flat(), tracer).embed_question(SECRET)
            await TracedGrounder(OverlapGrounder(), tracer).support(SECRET, [SECRET])
            prompt = replace(PROMPT, question=SECRET)
            _ = [
                piece async for piece in TracedGenerator(Spelling(), tracer).stream(prompt, RELEASE)
            ]
            with pytest.raises(IndexUnavailable):
                await TracedIndex(Away(), tracer).search(*ASKED)
        trace.note(SECRET)
        seen = await _seen(path, trace)
        with tracer.job("acme", "vault.pdf"):
            await TracedParser(Literal(), tracer).parse(
                tmp_path, "vault.pdf", "application/pdf", lambda *_: None
            )

    data = b"".join(file.read_bytes() for file in tmp_path.glob("traces.db*"))
    assert [secret for secret in (b"vault", b"Vault") if secret in data] == []
    assert seen[0].metadata["found"][0]["score"] == 1.5
    assert seen[3].usage == {"input": 9, "output": 5}
    assert seen[4].status_message == "IndexUnavailable"


async def test_fifty_streams_at_once_keep_their_children_apart(
    tracing: Tracing, path: Path
) -> None:
    generator = TracedGenerator(Spelling(), tracing.tracer)
    index = TracedIndex(Shelf(), tracing.tracer)

    async def ask(number: int) -> tuple[Observation, str]:
        trace = tracing.tracer.trace("ask", "acme", input=f"{number}")
        said = f"question {number}"
        with trace.current():
            await index.search(Scope("acme"), replace(QUERY, text=said), 8)
            async for _ in generator.stream(replace(PROMPT, question=said), RELEASE):
                await asyncio.sleep(0)
        return trace, said

    asked = await asyncio.gather(*(ask(number) for number in range(50)))

    for trace, said in asked:
        search, generation = await _seen(path, trace)
        assert (search.input, generation.output.strip()) == ({"question": said}, said)
