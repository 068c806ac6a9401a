"""Qdrant Edge, the engine inside this process, behind the calls of `AsyncQdrantClient`.

The same `qdrant_client.models` go in and come out, so `infra.qdrant` runs unchanged on both. What
the engine would answer wrongly without a word (bool matches, vectors with NaN) is refused here.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import shutil
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import version
from pathlib import Path

import qdrant_edge as engine
from qdrant_client import models
from qdrant_client.http.exceptions import ApiException
from qdrant_client.http.models import QueryResponse

from infra.qdrant_edge_models import (
    PointId,
    dense_config,
    from_id,
    from_info,
    from_vectors,
    index_config,
    sparse_config,
    to_filter,
    to_params,
    to_point,
    to_prefetch,
    to_query,
)

logger = logging.getLogger(__name__)

ABOUT = "about.json"
"""The file in a collection's folder that holds the metadata given at its creation."""

OPTIMIZERS = engine.EdgeOptimizersConfig(
    indexing_threshold=10**9,
    default_segment_number=1,
    deleted_threshold=0.1,
    vacuum_min_vector_number=100,
)
"""Exact search: building a graph would hold the interpreter lock for minutes, and scanning 200,000
vectors takes 16 ms. What remains of `optimize()` is merging, and dropping what was deleted."""


FLUSH_IDLE_S = 1.0
FLUSH_AFTER_S = 10.0
"""What is written survives a killed process by the write-ahead log. Flushing bounds what a power cut
can take, and how much of the log is replayed at the next start (47,000 points took 3.5 s). It holds
the interpreter lock and waits for the disk, 15 to 150 ms: once a second that was a quarter of
the time of a folder of small files. So it waits for a pause in writing, though not for ever."""


class EdgeFailure(ApiException):
    """The engine refused or failed. One of the client's own kind, so it is caught with them."""


@asynccontextmanager
async def open_edge(folder: Path, idle_s: float = 60.0) -> AsyncIterator[EdgeQdrant]:
    """Holds the folder alone until closed. Raises `EdgeFailure` when another process holds it.

    Space of deleted chunks is reclaimed at the start, and after `idle_s` seconds in which
    nothing was searched or written; health checks do not count.
    """
    with _held(folder):
        client = EdgeQdrant(folder)
        client.vacuum()
        chores = [
            asyncio.create_task(client.vacuum_when_idle(idle_s)),
            asyncio.create_task(client.flush_in_pauses(FLUSH_IDLE_S, FLUSH_AFTER_S)),
        ]
        try:
            yield client
        finally:
            for chore in chores:
                chore.cancel()
            await asyncio.gather(*chores, return_exceptions=True)
            await client.close()


class EdgeQdrant:
    """One folder per collection. Calls run inline: the engine never lets go of the interpreter
    lock, so a thread would gain nothing, and most calls take less than a millisecond."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shards: dict[str, engine.EdgeShard] = {}
        self._untidy: set[str] = set()
        self._unflushed: set[str] = set()
        self._last_use = time.monotonic()
        self._last_write = self._last_use

    async def info(self) -> models.VersionInfo:
        return models.VersionInfo(title="Qdrant Edge", version=version("qdrant-edge-py"))

    async def close(self) -> None:
        with _engine_errors():
            for shard in self._shards.values():
                shard.flush()
                shard.close()
        self._shards.clear()

    async def collection_exists(self, collection_name: str) -> bool:
        return (self._folder / collection_name).is_dir()

    async def create_collection(
        self,
        collection_name: str,
        vectors_config: Mapping[str, models.VectorParams],
        sparse_vectors_config: Mapping[str, models.SparseVectorParams],
        hnsw_config: models.HnswConfigDiff | None = None,
        metadata: models.Payload | None = None,
    ) -> bool:
        """Built beside its place and moved there whole, so a crash leaves no half collection."""
        unfinished = self._folder / f".{collection_name}.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        with _engine_errors():
            config = engine.EdgeConfig(
                vectors={name: dense_config(v) for name, v in vectors_config.items()},
                sparse_vectors={
                    name: sparse_config(v) for name, v in sparse_vectors_config.items()
                },
                optimizers=OPTIMIZERS,
            )
            engine.EdgeShard.create(str(unfinished), config).close()
            (unfinished / ABOUT).write_text(json.dumps(metadata or {}), encoding="utf-8")
            unfinished.rename(self._folder / collection_name)
        return True

    async def get_collection(self, collection_name: str) -> models.CollectionInfo:
        with _engine_errors():
            found = self._shard(collection_name).info()
            about = (self._folder / collection_name / ABOUT).read_text(encoding="utf-8")
        return from_info(found, json.loads(about))

    async def create_payload_index(
        self,
        collection_name: str,
        field_name: str,
        field_schema: models.KeywordIndexParams | models.PayloadSchemaType,
    ) -> models.UpdateResult:
        operation = engine.UpdateOperation.create_field_index(
            field_name, index_config(field_schema)
        )
        return self._update(collection_name, operation)

    async def upsert(
        self, collection_name: str, points: Sequence[models.PointStruct], wait: bool = True
    ) -> models.UpdateResult:
        operation = engine.UpdateOperation.upsert_points([to_point(point) for point in points])
        return self._update(collection_name, operation)

    async def delete(
        self, collection_name: str, points_selector: models.FilterSelector, wait: bool = True
    ) -> models.UpdateResult:
        chosen = to_filter(points_selector.filter)
        operation = engine.UpdateOperation.delete_points_by_filter(chosen)
        return self._update(collection_name, operation)

    async def query_points(  # noqa: PLR0913, PLR0917 the client's own signature
        self,
        collection_name: str,
        query: models.Query | None = None,
        using: str | None = None,
        prefetch: Sequence[models.Prefetch] | None = None,
        query_filter: models.Filter | None = None,
        search_params: models.SearchParams | None = None,
        limit: int = 10,
        with_payload: bool | list[str] = True,
        with_vectors: bool | list[str] = False,
    ) -> QueryResponse:
        request = engine.QueryRequest(
            limit,
            query=to_query(query, using),
            prefetches=[to_prefetch(side) for side in prefetch or ()],
            filter=to_filter(query_filter),
            params=to_params(search_params),
            with_payload=with_payload,
            with_vector=with_vectors,
        )
        self._last_use = time.monotonic()
        with _engine_errors():
            found = self._shard(collection_name).query(request)
        return QueryResponse(
            points=[
                models.ScoredPoint(
                    id=from_id(point.id),
                    version=point.version,
                    score=point.score,
                    payload=point.payload,
                    vector=from_vectors(point.vector),
                )
                for point in found
            ]
        )

    async def scroll(
        self,
        collection_name: str,
        scroll_filter: models.Filter | None = None,
        limit: int = 10,
        offset: PointId | None = None,
        with_payload: bool | list[str] = True,
        with_vectors: bool | list[str] = False,
    ) -> tuple[list[models.Record], PointId | None]:
        request = engine.ScrollRequest(
            offset=offset,
            limit=limit,
            filter=to_filter(scroll_filter),
            with_payload=with_payload,
            with_vector=with_vectors,
        )
        with _engine_errors():
            found, following = self._shard(collection_name).scroll(request)
        records = [
            models.Record(id=from_id(p.id), payload=p.payload, vector=from_vectors(p.vector))
            for p in found
        ]
        return records, None if following is None else from_id(following)

    async def count(
        self, collection_name: str, count_filter: models.Filter | None = None, exact: bool = True
    ) -> models.CountResult:
        request = engine.CountRequest(exact, to_filter(count_filter))
        with _engine_errors():
            return models.CountResult(count=self._shard(collection_name).count(request))

    async def facet(
        self,
        collection_name: str,
        key: str,
        facet_filter: models.Filter | None = None,
        limit: int = 10,
        exact: bool = False,
    ) -> models.FacetResponse:
        request = engine.FacetRequest(key, limit, exact, to_filter(facet_filter))
        with _engine_errors():
            hits = self._shard(collection_name).facet(request).hits
        return models.FacetResponse(
            hits=[models.FacetValueHit(value=hit.value, count=hit.count) for hit in hits]
        )

    def vacuum(self) -> None:
        """Merges segments and drops deleted points. Takes about 2 s for 50,000 chunks, while
        nothing else in the process runs."""
        for about in self._folder.glob(f"[!.]*/{ABOUT}"):
            with _engine_errors():
                shard = self._shard(about.parent.name)
                shard.optimize()
                shard.flush()  # only then do the files of the old segments go
        self._untidy.clear()

    async def vacuum_when_idle(self, idle_s: float) -> None:
        """Runs until cancelled."""
        while True:
            await asyncio.sleep(idle_s)
            if self._untidy and time.monotonic() - self._last_use >= idle_s:
                try:
                    self.vacuum()
                except EdgeFailure:
                    logger.exception("reclaiming the space of deleted chunks failed")

    async def flush_in_pauses(self, idle_s: float, after_s: float) -> None:
        """Runs until cancelled. Flushes when nothing was written for a while, or it gets late."""
        late_at = time.monotonic() + after_s
        while True:
            await asyncio.sleep(idle_s)
            now = time.monotonic()
            if now - self._last_write < idle_s and now < late_at:
                continue
            late_at = now + after_s
            while self._unflushed:
                try:
                    with _engine_errors():
                        self._shard(self._unflushed.pop()).flush()
                except EdgeFailure:
                    logger.exception("flushing the index failed")

    def _shard(self, name: str) -> engine.EdgeShard:
        if name not in self._shards:
            self._shards[name] = engine.EdgeShard.load(str(self._folder / name))
        return self._shards[name]

    def _update(self, name: str, operation: engine.UpdateOperation) -> models.UpdateResult:
        self._last_use = self._last_write = time.monotonic()
        with _engine_errors():
            self._shard(name).update(operation)
        self._untidy.add(name)
        self._unflushed.add(name)
        return models.UpdateResult(status=models.UpdateStatus.COMPLETED)


@contextmanager
def _engine_errors() -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError):
        raise
    except Exception as error:  # the engine raises bare `Exception`, nothing more specific
        raise EdgeFailure(str(error)) from error


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """The operating system drops the lock with its holder, however that one ends."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            raise EdgeFailure(
                f"Another Cairn process (pid {holder}) holds the data folder '{folder}'. Stop it "
                "first, or use a Qdrant server, which several processes can share."
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
