"""The composition root: `open_adapters` touches the world, `assemble` only puts together."""

from __future__ import annotations

import gc
import logging
import os
import socket
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.settings import Settings
from ingestion.backlog import Loads, Lookout
from ingestion.check import Check, Standings
from ingestion.chunk import Chunking, Sentences, Tokenizer
from ingestion.documents import DocumentRecords
from ingestion.files import Files
from ingestion.heartbeat import BEATS, HEARTBEAT_S, REPORT_EVERY_S
from ingestion.history import History, Versions
from ingestion.intake import Intake
from ingestion.leases import Leases
from ingestion.parse import Parser
from ingestion.pipeline import Pipeline, Tools
from ingestion.queue import Queue
from ingestion.sweep import Sweep
from retrieval.answer import Answerer
from retrieval.generate import Generator
from retrieval.ground import Grounder, OverlapGrounder
from retrieval.index import ChunkStore, Embedder
from retrieval.release import Release
from retrieval.search import Catalog, Searcher

if TYPE_CHECKING:
    from infra.records.database import Database
    from infra.records.feedback import SqlFeedback
    from infra.records.keys import SqlKeys
    from infra.traces.answering import TracedAnswerer
    from infra.traces.forgetting import Forgetting
    from infra.traces.ingesting import TracedPipeline
    from infra.traces.opening import Tracing
    from infra.traces.reading import TraceReader
    from infra.traces.shipping import Shipping

log = logging.getLogger("cairn.start")

Tell = Callable[[str], None]
Ping = Callable[[], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Adapters:
    """The leaves. Tests swap one: `assemble(replace(adapters, generator=Babbling()))`."""

    settings: Settings
    database: Database
    records: DocumentRecords
    history: History
    loads: Loads
    standings: Standings
    leases: Leases
    catalog: Catalog
    keys: SqlKeys
    feedback: SqlFeedback
    files: Files
    queue: Queue
    redis_url: str
    index: ChunkStore
    embedder: Embedder
    tokenizer: Tokenizer
    sentences: Sentences
    parser: Parser
    generator: Generator
    grounder: Grounder
    tracing: Tracing
    traces: TraceReader
    shipping: Shipping | None
    """None: traces stay on this machine."""
    opened_at: float
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Platform:
    """Everything that routes, commands and evals use."""

    settings: Settings
    adapters: Adapters
    release: Release
    answerer: TracedAnswerer
    intake: Intake
    versions: Versions
    pipeline: TracedPipeline
    sweep: Sweep
    lookout: Lookout
    check: Check
    records: DocumentRecords
    files: Files
    keys: SqlKeys
    feedback: SqlFeedback
    tracing: Tracing
    traces: TraceReader
    forgetting: Forgetting
    pings: Mapping[str, Ping]
    """By port: says in words what is behind it, or raises."""
    watched: Mapping[str, Ping]
    """The same for what Cairn goes on without."""


@asynccontextmanager
async def open_platform(settings: Settings, tell: Tell = lambda _: None) -> AsyncIterator[Platform]:
    """The whole product. `tell` hears what is being opened, for people who wait."""
    async with AsyncExitStack() as stack:
        yield assemble(await open_adapters(settings, stack, tell))


async def open_adapters(settings: Settings, stack: AsyncExitStack, tell: Tell) -> Adapters:
    """Opens what the settings name; the stack closes it. Third-party clients are imported here."""
    from infra.arq_queue import open_queue
    from infra.embedders.opening import open_embedder
    from infra.files import open_files
    from infra.qdrant import open_qdrant
    from infra.records.backlog import SqlLoads
    from infra.records.catalog import RecordsCatalog
    from infra.records.database import open_database
    from infra.records.documents import SqlDocuments
    from infra.records.feedback import SqlFeedback
    from infra.records.history import SqlHistory
    from infra.records.keys import SqlKeys
    from infra.records.leases import SqlLeases
    from infra.records.standings import SqlStandings
    from infra.redis_child import open_redis_child
    from infra.sandbox import Limits, open_sandbox
    from infra.traces.opening import open_tracing
    from infra.traces.reading import TraceReader

    data = settings.data.absolute()
    data.mkdir(parents=True, exist_ok=True)
    tell("opening the queue")
    redis_url = settings.redis or await stack.enter_async_context(open_redis_child(data / "redis"))
    queue = await stack.enter_async_context(open_queue(redis_url))
    tell("opening the database")
    database = await stack.enter_async_context(
        open_database(records_url(settings), migrate=not settings.records)
    )
    records = SqlDocuments(database)
    files = await stack.enter_async_context(open_files(settings.files, data / "files"))
    tell("loading the embedding model")
    opened = await stack.enter_async_context(
        open_embedder(
            settings.embedder,
            data / "models",
            tell,
            api_key=settings.embedder_api_key.get_secret_value(),
        )
    )
    tell("opening the vector index")
    index = await stack.enter_async_context(
        open_qdrant(
            settings.vectors or f"edge://{data / 'qdrant'}",
            settings.collection,
            opened.embedder.identity,
            api_key=settings.vectors_api_key.get_secret_value() or None,
        )
    )
    limits = Limits(seconds=settings.parse_limit_s, memory_bytes=settings.parse_limit_mb << 20)
    parser = await stack.enter_async_context(open_sandbox(limits, _readers(settings.jobs)))
    tracing = stack.enter_context(
        open_tracing(
            data / "traces.sqlite",
            content=settings.trace_content,
            environment=settings.environment,
            deliver=bool(settings.langfuse_url),
        )
    )
    return Adapters(
        settings=settings,
        database=database,
        records=records,
        history=SqlHistory(database),
        loads=SqlLoads(database),
        standings=SqlStandings(database),
        leases=SqlLeases(database, settings.lease_s, REPORT_EVERY_S),
        catalog=RecordsCatalog(records),
        keys=SqlKeys(database),
        feedback=SqlFeedback(database),
        files=files,
        queue=queue,
        redis_url=redis_url,
        index=index,
        embedder=opened.embedder,
        tokenizer=opened.tokenizer,
        sentences=_LazySentences(),
        parser=parser,
        generator=await _open_generator(settings, opened.embedder, stack),
        grounder=OverlapGrounder(),
        tracing=tracing,
        traces=TraceReader(data / "traces.sqlite"),
        shipping=await _open_shipping(settings, tracing, stack),
        opened_at=time.time(),
    )


def assemble(adapters: Adapters) -> Platform:
    """Puts the parts together. Touches nothing."""
    from infra.traces.answering import TracedAnswerer
    from infra.traces.forgetting import Forgetting
    from infra.traces.ingesting import TracedLeases, TracedPipeline
    from infra.traces.tracing import (
        TracedEmbedder,
        TracedGenerator,
        TracedGrounder,
        TracedParser,
        TracedStore,
    )

    settings, tracer = adapters.settings, adapters.tracing.tracer
    chunking = Chunking.within(adapters.embedder.identity.window_tokens)
    embedder = TracedEmbedder(adapters.embedder, tracer)
    index = TracedStore(adapters.index, tracer)
    searcher = Searcher(embedder, index, adapters.catalog)
    generator = TracedGenerator(adapters.generator, tracer)
    grounder = TracedGrounder(adapters.grounder, tracer)
    sweep = Sweep(adapters.records, adapters.leases, adapters.queue, adapters.index)
    heartbeat_s = min(HEARTBEAT_S, settings.lease_s / BEATS)
    tools = Tools(
        records=adapters.records,
        leases=TracedLeases(adapters.leases, tracer),
        files=adapters.files,
        parser=TracedParser(adapters.parser, tracer),
        tokenizer=adapters.tokenizer,
        sentences=adapters.sentences,
        chunking=chunking,
        embedder=embedder,
        index=index,
        history=adapters.history,
        keep_versions=settings.keep_versions,
    )
    return Platform(
        settings=settings,
        adapters=adapters,
        release=Release(
            model=_model_name(settings),
            embedder=adapters.embedder.identity.name,
            chunking=chunking.identity,
        ),
        answerer=TracedAnswerer(Answerer(searcher, generator, grounder), tracer),
        intake=Intake(
            adapters.records,
            adapters.files,
            adapters.index,
            sweep,
            int(settings.upload_limit_mb * 1e6),
        ),
        versions=Versions(adapters.history, adapters.index, sweep),
        pipeline=TracedPipeline(Pipeline(tools, owner_name(), heartbeat_s), tracer),
        sweep=sweep,
        lookout=Lookout(adapters.loads, adapters.queue),
        check=_check(adapters),
        records=adapters.records,
        files=adapters.files,
        keys=adapters.keys,
        feedback=adapters.feedback,
        tracing=adapters.tracing,
        traces=adapters.traces,
        forgetting=Forgetting(
            adapters.traces,
            adapters.tracing.store,
            settings.trace_days,
            at_once=settings.delete_traces,
        ),
        pings=_pings(adapters),
        watched={"langfuse": adapters.shipping.ping} if adapters.shipping else {},
    )


def _readers(jobs: int) -> int:
    """Processes that read files: one per core, and two at least, so that a giant is not alone."""
    return min(jobs, max(2, len(os.sched_getaffinity(0))))


def works_alone(settings: Settings) -> bool:
    """The records lie in the data folder, and the engine's lock on it lets no other process in."""
    return settings.embedded and not settings.records


def records_url(settings: Settings) -> str:
    """Where the records are, as SQLAlchemy writes it."""
    return settings.records or f"sqlite+aiosqlite:///{settings.data.absolute() / 'cairn.sqlite'}"


def owner_name() -> str:
    """Who holds a lease: this worker and no other, also after a restart."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def _check(adapters: Adapters) -> Check:
    settings = adapters.settings
    # A bucket may hold other installations' files too, so only in our own folder are we alone.
    alone = works_alone(settings) and not settings.files
    return Check(
        adapters.standings,
        adapters.records,
        adapters.files,
        adapters.index,
        adapters.opened_at if alone else None,
    )


def _model_name(settings: Settings) -> str:
    return settings.model if settings.generator.startswith("http") else "extractive"


async def _open_generator(
    settings: Settings, embedder: Embedder, stack: AsyncExitStack
) -> Generator:
    scheme = settings.generator.partition(":")[0]
    if scheme == "extractive":
        from retrieval.extract import ExtractiveGenerator

        return ExtractiveGenerator(embedder)
    if scheme in {"http", "https"}:
        from infra.vllm import Timeouts, open_vllm

        return await stack.enter_async_context(
            open_vllm(
                settings.generator,
                settings.model or None,
                settings.generator_api_key.get_secret_value() or None,
                Timeouts(total_s=settings.answer_deadline_s),
            )
        )
    raise ValueError(
        f"CAIRN_GENERATOR: {scheme!r} is no kind of generator. Choices: extractive:, http(s)://…/v1"
    )


async def _open_shipping(
    settings: Settings, tracing: Tracing, stack: AsyncExitStack
) -> Shipping | None:
    """In every process that traces, so that each delivers its own where they share no disk."""
    if not settings.langfuse_url:
        return None
    from infra.traces.langfuse import Address
    from infra.traces.shipping import open_shipping

    address = Address(
        settings.langfuse_url,
        settings.langfuse_public_key,
        settings.langfuse_secret_key.get_secret_value(),
    )
    return await stack.enter_async_context(open_shipping(tracing.outbox, address))


def _pings(adapters: Adapters) -> Mapping[str, Ping]:
    async def embedder() -> str:
        await adapters.embedder.embed_question("ping")
        identity = adapters.embedder.identity
        return f"{identity.name}, {identity.dimension} dimensions, {identity.window_tokens} tokens"

    return {
        "records": adapters.database.ping,
        "files": adapters.files.ping,
        "queue": adapters.queue.ping,
        "index": adapters.index.ping,
        "embedder": embedder,
        "generator": adapters.generator.ping,
    }


class _LazySentences:
    """Loads LlamaIndex's sentence model when a document first needs it: a second and 100 MB."""

    def __init__(self) -> None:
        self._loaded: Sentences | None = None

    def __call__(self, text: str) -> list[tuple[int, int]]:
        if self._loaded is None:
            from infra.sentences import open_sentences

            self._loaded = open_sentences()
            gc.freeze()  # half a million objects that stay: see the worker
        return self._loaded(text)
