"""The write path over the engines that a single machine runs: SQLite, a folder, Qdrant Edge."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any, cast

from sqlalchemy import update

from infra.qdrant import QdrantIndex, open_qdrant
from infra.records.standings import SqlStandings
from infra.records.tables import versions
from ingestion.check import Check
from ingestion.findings import Finding
from ingestion.intake import Intake
from ingestion.pipeline import Pipeline
from ingestion.sweep import Sweep
from retrieval.index import Entry, Passage, Query, Scope
from tests.ingestion.fakes import (
    ANN,
    LIMIT,
    Fuse,
    Mortal,
    WatchedEmbedder,
    World,
    open_world,
)

EVERYTHING = 10_000
DAY_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Machine:
    """A world whose index is real, and which can be checked."""

    world: World
    index: QdrantIndex
    check: Check
    """As it is where others may be at work too."""
    alone: Check
    """As it is where nobody else can be: no file is too young to be judged."""

    async def settle(self) -> None:
        """Hours pass, in which everything that is due is worked on."""
        await self.hours_later()
        while await self.world.sweep.tell():
            await self.work()
            await self.hours_later()
        await self.world.sweep.remove_orphans()

    async def work(self, pipeline: Pipeline | None = None) -> None:
        """Follows every word in the queue."""
        while self.world.queue.told:
            await (pipeline or self.world.pipeline()).run(self.world.queue.told.pop(0))

    async def hours_later(self) -> None:
        """Leases have run out, waits are over, and what was told long ago may be told again."""
        async with self.world.database.write() as connection:
            await connection.execute(
                update(versions).values(lease_until=None, told_at=None, not_before=0.0)
            )

    def mortal(self, fuse: Fuse) -> Pipeline:
        """A worker whose process ends with the fuse. Its lease does not."""
        tools = self.world.tools
        mortal = replace(
            tools,
            records=cast(Any, Mortal(tools.records, fuse)),
            leases=cast(Any, Mortal(tools.leases, fuse)),
            files=cast(Any, Mortal(tools.files, fuse)),
            embedder=cast(Any, Mortal(tools.embedder, fuse)),
            index=cast(Any, HalfWritten(self.index, fuse)),
        )
        return Pipeline(mortal, "mortal")

    def sleepy(self, stopped: Stopped) -> Pipeline:
        """A worker that stops for a while, and goes on as if nothing had happened."""
        tools = self.world.tools
        sleepy = replace(
            tools,
            records=cast(Any, Sleepy(tools.records, stopped)),
            leases=cast(Any, Sleepy(tools.leases, stopped)),
            files=cast(Any, Sleepy(tools.files, stopped)),
            embedder=cast(Any, Sleepy(tools.embedder, stopped)),
            index=cast(Any, Sleepy(self.index, stopped)),
        )
        return Pipeline(sleepy, "sleepy")

    async def findings(self) -> tuple[Finding, ...]:
        return (await self.check.look()).findings

    async def everything(self, scope: Scope = ANN) -> list[Passage]:
        """All that any question could find now."""
        vector = await self.world.embedder.embed_question("anything")
        query = Query("anything", vector, candidates=EVERYTHING, mode="dense")
        return await self._live(scope, query)

    async def ask(self, words: str, scope: Scope = ANN) -> list[Passage]:
        """What is found by these words."""
        vector = await self.world.embedder.embed_question(words)
        return await self._live(scope, Query(words, vector, mode="sparse"))

    async def _live(self, scope: Scope, query: Query) -> list[Passage]:
        hits = await self.index.search(scope, query, EVERYTHING)
        found = [hit.passage for hit in hits]
        live = await self.world.tools.records.live(scope, [p.document.document_id for p in found])
        return [p for p in found if live.get(p.document.document_id) == p.document.version]


class Stopped:
    """A worker's sleep: it begins after so many calls, and lasts until it is ended."""

    def __init__(self, calls: int) -> None:
        self._calls = calls
        self.reached = asyncio.Event()
        self._over = asyncio.Event()

    async def pause(self) -> None:
        self._calls -= 1
        if self._calls < 0:
            self.reached.set()
            await self._over.wait()

    def end(self) -> None:
        self._over.set()


class Sleepy:
    """Any port, of a worker that may be stopped before any call."""

    def __init__(self, port: object, stopped: Stopped) -> None:
        self._port = port
        self._stopped = stopped

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._port, name)
        if not iscoroutinefunction(attribute):
            return attribute

        async def call(*arguments: object, **named: object) -> object:
            await self._stopped.pause()
            return await attribute(*arguments, **named)

        return call


class HalfWritten:
    """An index whose writer may die in the middle of a write: half of it is there then."""

    def __init__(self, index: QdrantIndex, fuse: Fuse) -> None:
        self._index = index
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        return getattr(Mortal(self._index, self._fuse), name)

    async def put(self, entries: Sequence[Entry]) -> None:
        await self._index.put(entries[: len(entries) // 2])
        self._fuse.burn()
        await self._index.put(entries)


@asynccontextmanager
async def open_machine(folder: Path) -> AsyncIterator[Machine]:
    url = f"edge://{folder / 'qdrant'}"
    async with (
        open_qdrant(url, "cairn", WatchedEmbedder.identity) as index,
        open_world(folder) as world,
    ):
        tools = replace(world.tools, index=index)
        sweep = Sweep(tools.records, tools.leases, world.queue, index)
        intake = Intake(tools.records, tools.files, index, sweep, LIMIT)
        ports = (SqlStandings(world.database), tools.records, tools.files, index)
        whole = replace(world, tools=tools, index=cast(Any, index), sweep=sweep, intake=intake)
        yield Machine(whole, index, Check(*ports), Check(*ports, alone_since=time.time() + DAY_S))
