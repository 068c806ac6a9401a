"""Qdrant as the vector index: one collection of all tenants' chunks, found by meaning and by words.

The same code runs on a Qdrant server and on the engine inside the process; `open_qdrant` picks one
by the URL's scheme.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import asdict
from http import HTTPStatus
from json import JSONDecodeError
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import numpy as np
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException, UnexpectedResponse
from qdrant_client.http.models import QueryResponse

from infra.bm25 import Bm25
from infra.qdrant_points import (
    DENSE,
    FINGERPRINT,
    HOLDING,
    INDEXES,
    SPARSE,
    holding,
    of_document,
    passage,
    point,
    visible_to,
    whole_tenant,
)
from retrieval.index import (
    EmbedderIdentity,
    Entry,
    Hit,
    Holding,
    IndexMismatch,
    IndexUnavailable,
    Passage,
    Query,
    Scope,
    Vector,
)

BATCH = 128
"""Points per write: 128 of 4,096 dimensions are about 12 MB as JSON, under the server's 32 MB."""

TIE_MARGIN = 8
"""Hits asked for beyond the limit, so that among equal scores the lowest ids stay."""

EMBEDDER = "embedder"
"""The key of the collection's metadata under which it remembers who wrote its vectors."""

FUSIONS = {"dbsf": models.Fusion.DBSF, "rrf": models.Fusion.RRF}
ONE_SIDE = {"dense": DENSE, "sparse": SPARSE}


CLIENT_ERRORS = (
    ApiException,
    QdrantException,
    TimeoutError,
    OSError,
    # Raised by the client itself over an answer that is no JSON, or holds no result.
    JSONDecodeError,
    UnicodeDecodeError,
    AssertionError,
)
"""The roots of all that a client raises because it, its server or its disk does not answer."""


class VectorClient(Protocol):
    """The calls of `AsyncQdrantClient` that the index makes. Any may raise `CLIENT_ERRORS`."""

    async def info(self) -> models.VersionInfo: ...
    async def collection_exists(self, collection_name: str) -> bool: ...
    async def get_collection(self, collection_name: str) -> models.CollectionInfo: ...

    async def create_collection(
        self,
        collection_name: str,
        vectors_config: Mapping[str, models.VectorParams],
        sparse_vectors_config: Mapping[str, models.SparseVectorParams],
        *,
        hnsw_config: models.HnswConfigDiff,
        metadata: models.Payload,
    ) -> bool: ...

    async def create_payload_index(
        self, collection_name: str, field_name: str, field_schema: Any
    ) -> models.UpdateResult: ...

    async def upsert(
        self, collection_name: str, points: list[models.PointStruct], wait: bool
    ) -> models.UpdateResult: ...

    async def delete(
        self, collection_name: str, points_selector: models.FilterSelector, wait: bool
    ) -> models.UpdateResult: ...

    async def query_points(
        self,
        collection_name: str,
        query: models.NearestQuery | models.FusionQuery,
        *,
        using: str | None = None,
        prefetch: list[models.Prefetch] | None = None,
        query_filter: models.Filter,
        search_params: models.SearchParams | None = None,
        limit: int,
        with_vectors: list[str],
    ) -> QueryResponse: ...

    async def scroll(
        self,
        collection_name: str,
        scroll_filter: models.Filter,
        limit: int,
        *,
        offset: Any,
        with_payload: bool | list[str],
        with_vectors: bool | list[str],
    ) -> tuple[list[models.Record], Any]: ...

    async def count(
        self, collection_name: str, count_filter: models.Filter
    ) -> models.CountResult: ...

    async def facet(
        self, collection_name: str, key: str, *, limit: int, exact: bool
    ) -> models.FacetResponse: ...


class QdrantIndex:
    """The chunks of one collection, for the reader and the writer: a `ChunkStore`."""

    def __init__(self, client: VectorClient, collection: str, bm25: Bm25) -> None:
        self._client = client
        self._collection = collection
        self._bm25 = bm25

    async def search(self, scope: Scope, query: Query, limit: int) -> list[Hit]:
        """One round trip. The vectors of the hits come with them, for their cosines."""
        with _translated():
            found = await self._ask(scope, query, limit + TIE_MARGIN)
        points = sorted(found.points, key=lambda point: (-point.score, str(point.id)))[:limit]
        cosines = _cosines(query.vector, [_dense(point.vector) for point in points])
        return [
            Hit(passage(found.payload or {}), found.score, cosine)
            for found, cosine in zip(points, cosines, strict=True)
        ]

    async def put(self, entries: Sequence[Entry]) -> None:
        for start in range(0, len(entries), BATCH):
            points = [point(entry, self._bm25) for entry in entries[start : start + BATCH]]
            with _translated():
                await self._client.upsert(self._collection, points, wait=True)

    async def vectors(self, tenant: str, document_id: str, version: int) -> dict[str, Vector]:
        chosen = of_document(tenant, document_id, version)
        by_fingerprint: dict[str, Vector] = {}
        offset = None
        while True:
            with _translated():
                records, offset = await self._client.scroll(
                    self._collection,
                    chosen,
                    BATCH,
                    offset=offset,
                    with_payload=[FINGERPRINT],
                    with_vectors=[DENSE],
                )
            for record in records:
                fingerprint = (record.payload or {})[FINGERPRINT]
                by_fingerprint[fingerprint] = np.asarray(_dense(record.vector), np.float32)
            if offset is None:
                return by_fingerprint

    async def count(self, tenant: str, document_id: str, version: int | None = None) -> int:
        with _translated():
            chosen = of_document(tenant, document_id, version)
            return (await self._client.count(self._collection, chosen)).count

    async def remove(self, tenant: str, document_id: str, version: int | None = None) -> int:
        there = await self.count(tenant, document_id, version)
        chosen = models.FilterSelector(filter=of_document(tenant, document_id, version))
        with _translated():
            await self._client.delete(self._collection, chosen, wait=True)
        return there

    async def holdings(self) -> list[Holding]:
        """Counted by the engine: 21 ms for 50,000 chunks, where paging through them takes 150."""
        with _translated():
            chunks = (await self._client.count(self._collection, models.Filter())).count
            found = await self._client.facet(
                self._collection, HOLDING, limit=chunks + BATCH, exact=True
            )
        return [holding(str(hit.value), hit.count) for hit in found.hits]

    async def scan(self) -> AsyncIterator[Passage]:
        """A page at a time, in the order of the points' ids."""
        offset = None
        while True:
            with _translated():
                records, offset = await self._client.scroll(
                    self._collection,
                    models.Filter(),
                    BATCH,
                    offset=offset,
                    with_payload=True,
                    with_vectors=False,
                )
            for record in records:
                yield passage(record.payload or {})
            if offset is None:
                return

    async def ping(self) -> str:
        with _translated():
            engine = await self._client.info()
            chunks = (await self._client.get_collection(self._collection)).points_count or 0
        return (
            f"{engine.title} {engine.version}, collection {self._collection!r}, {chunks:,} chunks"
        )

    async def _ask(self, scope: Scope, query: Query, limit: int) -> QueryResponse:
        allowed = visible_to(scope, query)
        if query.mode in ONE_SIDE:
            side = ONE_SIDE[query.mode]
            return await self._client.query_points(
                self._collection,
                self._nearest(side, query),
                using=side,
                query_filter=allowed,
                search_params=_params(side, scope),
                limit=limit,
                with_vectors=[DENSE],
            )
        return await self._client.query_points(
            self._collection,
            models.FusionQuery(fusion=FUSIONS[query.fusion]),
            prefetch=[self._prefetch(side, scope, query, limit) for side in (DENSE, SPARSE)],
            query_filter=allowed,
            limit=limit,
            with_vectors=[DENSE],
        )

    def _prefetch(self, side: str, scope: Scope, query: Query, limit: int) -> models.Prefetch:
        return models.Prefetch(
            query=self._nearest(side, query),
            using=side,
            filter=visible_to(scope, query),
            params=_params(side, scope),
            limit=max(query.candidates, limit),
        )

    def _nearest(self, side: str, query: Query) -> models.NearestQuery:
        if side == DENSE:
            return models.NearestQuery(nearest=query.vector.tolist())
        return models.NearestQuery(nearest=self._bm25.query(query.text, query.language))


@asynccontextmanager
async def open_qdrant(
    url: str,
    collection: str,
    identity: EmbedderIdentity,
    *,
    api_key: str | None = None,
    timeout_s: int = 10,
) -> AsyncIterator[QdrantIndex]:
    """The collection at `edge:///folder` or at a server's `http(s)://`, made where it is missing.

    Raises `IndexMismatch` when another embedder wrote it, and `IndexUnavailable` when nothing
    answers or another process holds the folder.
    """
    scheme = urlsplit(url).scheme
    if scheme not in OPENERS:
        raise ValueError(f"{url!r} is no address of Qdrant: it begins with none of {[*OPENERS]}.")
    async with AsyncExitStack() as stack:
        with _translated():
            client = await stack.enter_async_context(OPENERS[scheme](url, api_key, timeout_s))
            await _prepare(client, collection, identity)
        yield QdrantIndex(client, collection, Bm25())


def _open_embedded(
    url: str, _api_key: str | None, _timeout_s: int
) -> AbstractAsyncContextManager[VectorClient]:
    from infra.qdrant_edge import open_edge

    return open_edge(Path(url.removeprefix("edge://")))  # as it is: a folder may have any name


@asynccontextmanager
async def _open_server(
    url: str, api_key: str | None, timeout_s: int
) -> AsyncIterator[VectorClient]:
    # The version check would block the event loop's start for a server that is away.
    client = AsyncQdrantClient(
        url=url, api_key=api_key, timeout=timeout_s, check_compatibility=False
    )
    try:
        yield client
    finally:
        await client.close()


OPENERS = {"edge": _open_embedded, "http": _open_server, "https": _open_server}


async def _prepare(client: VectorClient, collection: str, identity: EmbedderIdentity) -> None:
    if not await client.collection_exists(collection):
        await _create(client, collection, identity)
    info = await client.get_collection(collection)
    _check(collection, identity, (info.config.metadata or {}).get(EMBEDDER))
    for field, schema in INDEXES.items():
        if field not in info.payload_schema:
            await client.create_payload_index(collection, field, field_schema=schema)


async def _create(client: VectorClient, collection: str, identity: EmbedderIdentity) -> None:
    """For many tenants: a graph per tenant and none over all, as Qdrant's guide to
    multitenancy advises. The embedded engine has no graph."""
    try:
        await client.create_collection(
            collection,
            {DENSE: models.VectorParams(size=identity.dimension, distance=models.Distance.COSINE)},
            {SPARSE: models.SparseVectorParams(modifier=models.Modifier.IDF)},
            hnsw_config=models.HnswConfigDiff(m=0, payload_m=16),
            metadata={EMBEDDER: asdict(identity)},
        )
    except UnexpectedResponse as error:
        if error.status_code != HTTPStatus.CONFLICT:
            raise  # a conflict: another process that started at the same time was faster


def _check(collection: str, configured: EmbedderIdentity, written: object) -> None:
    if written == asdict(configured):
        return
    writer = _described(written) if isinstance(written, Mapping) else "something other than Cairn"
    raise IndexMismatch(
        f"The collection {collection!r} was written by {writer}, but the embedder configured is "
        f"{_described(asdict(configured))}. Configure the first one again, or choose another name "
        "for the collection and index the documents into it."
    )


def _described(identity: Mapping[str, object]) -> str:
    return "{name} ({dimension} dimensions, {window_tokens} tokens)".format_map(identity)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except CLIENT_ERRORS as error:
        raise IndexUnavailable(f"The vector index does not answer: {error}") from error


def _params(side: str, scope: Scope) -> models.SearchParams | None:
    if side == DENSE:
        return None
    corpus = models.IdfCorpusParams(corpus=whole_tenant(scope))
    return models.SearchParams(idf=corpus)


def _dense(vectors: object) -> list[float]:
    if not isinstance(vectors, Mapping):
        raise IndexUnavailable(f"The vector index answered without the vector {DENSE!r}.")
    return list(vectors[DENSE])


def _cosines(question: Vector, rows: list[list[float]]) -> list[float]:
    """Shape of `rows`: (hits, dimension). A vector of zeros is like nothing: its cosine is 0."""
    if not rows:
        return []
    matrix = np.asarray(rows, np.float32)
    lengths = np.linalg.norm(matrix, axis=1) * np.linalg.norm(question)
    cosines = matrix @ question / np.maximum(lengths, np.finfo(np.float32).tiny)
    return [float(cosine) for cosine in cosines.clip(-1.0, 1.0)]
