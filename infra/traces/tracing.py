"""Tracing wrappers: each has the shape of the port that it wraps, and notes what passes through."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from infra.traces.observation import Observation
from infra.traces.tracer import Tracer
from ingestion.parse import Parsed, Parser, Report
from retrieval.generate import Generator, Usage
from retrieval.ground import Grounder, Support
from retrieval.index import (
    ChunkIndex,
    ChunkStore,
    Embedder,
    EmbedderIdentity,
    Entry,
    Hit,
    Holding,
    Passage,
    Query,
    Scope,
    Vector,
)
from retrieval.prompt import Prompt
from retrieval.release import Release
from retrieval.search import Source

T = TypeVar("T")


class TracedIndex:
    """A `ChunkIndex` whose searches show what was found, and with which scores."""

    def __init__(self, index: ChunkIndex, tracer: Tracer) -> None:
        self._index = index
        self._tracer = tracer

    async def search(self, scope: Scope, query: Query, limit: int) -> list[Hit]:
        facts = {
            "mode": query.mode,
            "fusion": query.fusion,
            "candidates": query.candidates,
            "limit": limit,
            "conditions": len(query.where),
            "documents": len(query.documents),
        }
        asked = {"question": query.text}
        with self._tracer.step("search", "retriever", input=asked, facts=facts) as step:
            hits = await self._index.search(scope, query, limit)
            note_passages(step, hits, self._tracer)
        return hits

    async def ping(self) -> str:
        return await self._index.ping()


class TracedStore(TracedIndex):
    """A `ChunkStore`: what the writer does to the index, in numbers."""

    def __init__(self, store: ChunkStore, tracer: Tracer) -> None:
        super().__init__(store, tracer)
        self._store = store

    async def put(self, entries: Sequence[Entry]) -> None:
        with self._tracer.step("put", facts={"chunks": len(entries)}):
            await self._store.put(entries)

    async def vectors(self, tenant: str, document_id: str, version: int) -> dict[str, Vector]:
        with self._tracer.step("vectors", facts=_which(document_id, version)) as step:
            found = await self._store.vectors(tenant, document_id, version)
            step.note(facts={"vectors": len(found)})
        return found

    async def count(self, tenant: str, document_id: str, version: int | None = None) -> int:
        with self._tracer.step("count", facts=_which(document_id, version)) as step:
            count = await self._store.count(tenant, document_id, version)
            step.note(facts={"chunks": count})
        return count

    async def remove(self, tenant: str, document_id: str, version: int | None = None) -> int:
        with self._tracer.step("remove", facts=_which(document_id, version)) as step:
            removed = await self._store.remove(tenant, document_id, version)
            step.note(facts={"chunks": removed})
        return removed

    async def holdings(self) -> list[Holding]:
        return await self._store.holdings()

    def scan(self) -> AsyncIterator[Passage]:
        return self._store.scan()


class TracedEmbedder:
    """An `Embedder` that shows how much was embedded. Passages are counted, never copied."""

    def __init__(self, embedder: Embedder, tracer: Tracer) -> None:
        self._embedder = embedder
        self._tracer = tracer

    @property
    def identity(self) -> EmbedderIdentity:
        return self._embedder.identity

    async def embed_passages(self, texts: Sequence[str]) -> Vector:
        facts = {"texts": len(texts), "characters": sum(map(len, texts))}
        model = self.identity.name
        with self._tracer.step("embed passages", "embedding", facts=facts, model=model):
            return await self._embedder.embed_passages(texts)

    async def embed_question(self, text: str) -> Vector:
        facts, model = {"characters": len(text)}, self.identity.name
        with self._tracer.step("embed question", "embedding", input=text, facts=facts, model=model):
            return await self._embedder.embed_question(text)


class TracedGrounder:
    """A `Grounder` whose verdicts are evaluations, one for each sentence."""

    def __init__(self, grounder: Grounder, tracer: Tracer) -> None:
        self._grounder = grounder
        self._tracer = tracer

    async def support(self, sentence: str, passages: Sequence[str]) -> Support:
        asked, facts = {"sentence": sentence}, {"passages": len(passages)}
        with self._tracer.step("ground", "evaluator", input=asked, facts=facts) as step:
            support = await self._grounder.support(sentence, passages)
            verdict = {"score": support.score, "supported": support.supported}
            step.note(facts={**verdict, "signals": dict(support.signals)})
        return support


class TracedParser:
    """A `Parser` that shows what was read: sizes and warnings, not the text."""

    def __init__(self, parser: Parser, tracer: Tracer) -> None:
        self._parser = parser
        self._tracer = tracer

    async def parse(self, path: Path, name: str, media_type: str, report: Report) -> Parsed:
        facts = {"media_type": media_type}
        with self._tracer.step("parse", input={"name": name}, facts=facts) as step:
            parsed = await self._parser.parse(path, name, media_type, report)
            step.note({"title": parsed.title, "warnings": parsed.warnings}, _measured(parsed))
        return parsed


class TracedGenerator:
    """A `Generator` that shows the messages, the text, its tokens and when the first came."""

    def __init__(self, generator: Generator, tracer: Tracer) -> None:
        self._generator = generator
        self._tracer = tracer

    async def stream(self, prompt: Prompt, release: Release) -> AsyncGenerator[str | Usage, None]:
        observation = self._tracer.observe(
            "generate",
            "generation",
            input=[{"role": each.role, "content": each.content} for each in prompt.messages],
            facts={"sources": len(prompt.sources)},
            model=release.model,
            model_parameters={"temperature": release.temperature, "max_tokens": release.max_tokens},
        )
        heard = _Heard(observation)
        try:
            pieces = inside(lambda: observation, self._generator.stream(prompt, release))
            async with aclosing(pieces):
                async for piece in pieces:
                    heard.note(piece)
                    yield piece
        except BaseException as error:
            heard.stop(error)
            raise
        finally:
            heard.end()

    async def ping(self) -> str:
        return await self._generator.ping()


class _Heard:
    """What a generator has said so far. Its observation ends with the usage, before it goes on."""

    def __init__(self, observation: Observation) -> None:
        self._observation = observation
        self._pieces: list[str] = []
        self._first_text_at: datetime | None = None

    def note(self, piece: str | Usage) -> None:
        if isinstance(piece, Usage):
            tokens = {"input": piece.prompt_tokens, "output": piece.completion_tokens}
            self._observation.note_generation(piece.model, tokens, self._first_text_at)
            self.end()
            return
        self._first_text_at = self._first_text_at or datetime.now(UTC)
        self._pieces.append(piece)

    def stop(self, error: BaseException) -> None:
        self._tell()
        self._observation.stop(error)

    def end(self) -> None:
        self._tell()
        self._observation.end()

    def _tell(self) -> None:
        text = "".join(self._pieces)
        self._observation.note(text, facts={"characters": len(text), "pieces": len(self._pieces)})


async def inside(
    where: Callable[[], Observation], stream: AsyncIterator[T]
) -> AsyncGenerator[T, None]:
    """The stream, of which every step runs inside the observation that is `where` then.

    The context is set for each step and reset before the step's result is given out, so it never
    reaches whoever reads the stream. A reader who leaves closes the stream too.
    """
    try:
        while True:
            with where().current():
                item = await anext(stream, None)
            if item is None:
                return
            yield item
    finally:
        if isinstance(stream, AsyncGenerator):
            with where().current():
                await stream.aclose()


def note_passages(observation: Observation, found: Sequence[Hit | Source], tracer: Tracer) -> None:
    """What a retriever found, best first. With content off: ids and scores."""
    view = _shown if tracer.content else _told
    rows = [view(each) for each in found]
    observation.note(rows, facts={"passages": len(found)})
    if not tracer.content:
        observation.note(facts={"found": rows})


def _shown(found: Hit | Source) -> dict[str, object]:
    document, chunk = found.passage.document, found.passage.chunk
    return {
        "name": document.name,
        "page": chunk.page,
        "section": list(chunk.section),
        "text": chunk.text,
        **_told(found),
    }


def _told(found: Hit | Source) -> dict[str, object]:
    document, chunk = found.passage.document, found.passage.chunk
    return {
        "document_id": document.document_id,
        "version": document.version,
        "start": chunk.start,
        "end": chunk.end,
        "score": found.score,
        "similarity": found.similarity,
    }


def _measured(parsed: Parsed) -> dict[str, object]:
    return {
        "characters": len(parsed.text),
        "blocks": len(parsed.blocks),
        "pages": len(parsed.page_starts),
        "language": parsed.language,
    }


def _which(document_id: str, version: int | None) -> dict[str, object]:
    return {"document_id": document_id, "version": version}
