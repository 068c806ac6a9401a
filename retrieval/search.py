"""Search: from a question to the numbered sources that may answer it now."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from retrieval.index import ChunkIndex, Condition, Embedder, Hit, Passage, Query, Scope
from retrieval.release import Release
from retrieval.text.words import content_words, language_of

OVERSAMPLING = 3
"""Hits asked for per source wanted, to make up for stale versions and near-duplicates."""
LEAST_HITS = 24
ROUNDS = 3
"""How often a search that came back crowded with stale chunks is widened."""
SAME = 0.9
"""Share of content words that two passages must have in common to count as one (Jaccard)."""


class Catalog(Protocol):
    """What is published. Raises `CatalogUnavailable` and nothing of the client's own."""

    async def live(self, scope: Scope, document_ids: Collection[str]) -> Mapping[str, int]:
        """The version of each document that answers questions now and the scope may see.

        A document that is not in the mapping is gone, or hidden from the scope.
        """
        ...


class CatalogUnavailable(Exception):
    """The records of what is published cannot be read. Trying again later may help."""


@dataclass(frozen=True, slots=True)
class Source:
    """A passage with the number by which an answer cites it, from 1."""

    number: int
    passage: Passage
    score: float
    """Compares within one search only."""
    similarity: float
    """Cosine between the question and the passage, −1 to 1."""


class Searcher:
    """Finds sources. A document replaced or deleted a moment ago is never among them."""

    def __init__(self, embedder: Embedder, index: ChunkIndex, catalog: Catalog) -> None:
        self._embedder = embedder
        self._index = index
        self._catalog = catalog

    async def find(
        self,
        scope: Scope,
        question: str,
        release: Release,
        where: tuple[Condition, ...] = (),
        documents: frozenset[str] = frozenset(),
    ) -> tuple[Source, ...]:
        """At most `release.sources`, best first.

        Raises `EmbedderUnavailable`, `IndexUnavailable`, `CatalogUnavailable`.
        """
        query = Query(
            text=question,
            vector=await self._embedder.embed_question(question),
            where=where,
            documents=documents,
            mode=release.mode,
            fusion=release.fusion,
            candidates=release.candidates,
            language=language_of(question),
        )
        return _numbered(await self._hits(scope, query, release.sources))

    async def live(self, scope: Scope, sources: Sequence[Source]) -> tuple[Source, ...]:
        """Those of the sources whose document still stands as it was found."""
        versions = await self._versions(scope, [source.passage for source in sources])
        return tuple(source for source in sources if _stands(source.passage, versions))

    async def _hits(self, scope: Scope, query: Query, wanted: int) -> list[Hit]:
        limit = max(wanted * OVERSAMPLING, LEAST_HITS)
        hits: list[Hit] = []
        for _ in range(ROUNDS):
            wide = replace(query, candidates=max(query.candidates, limit))
            found = await self._index.search(scope, wide, limit)
            versions = await self._versions(scope, [hit.passage for hit in found])
            hits = _distinct(hit for hit in found if _stands(hit.passage, versions))
            if len(hits) >= wanted or len(found) < limit:
                break
            limit *= OVERSAMPLING
        return hits[:wanted]

    async def _versions(self, scope: Scope, passages: Iterable[Passage]) -> Mapping[str, int]:
        asked = frozenset(passage.document.document_id for passage in passages)
        return await self._catalog.live(scope, asked) if asked else {}


def _stands(passage: Passage, versions: Mapping[str, int]) -> bool:
    document = passage.document
    return versions.get(document.document_id) == document.version


def _distinct(hits: Iterable[Hit]) -> list[Hit]:
    """Without passages that say what a better one has said."""
    kept: list[Hit] = []
    said: list[frozenset[str]] = []
    for hit in hits:
        now = frozenset(content_words(hit.passage.chunk.text))
        if not any(_alike(now, before) for before in said):
            kept.append(hit)
            said.append(now)
    return kept


def _alike(one: frozenset[str], other: frozenset[str]) -> bool:
    either = len(one | other)
    return either > 0 and len(one & other) / either >= SAME


def _numbered(hits: Sequence[Hit]) -> tuple[Source, ...]:
    return tuple(
        Source(number, hit.passage, hit.score, hit.similarity)
        for number, hit in enumerate(hits, start=1)
    )
