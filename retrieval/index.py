"""The contract between the index's writer and its reader: chunks, queries, and how both sides fail."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
"""One row per text, unit length, or a single such row."""

Scalar = str | int | float | bool
Metadata = Mapping[str, Scalar | tuple[str, ...]]

NAMESPACE = uuid.UUID("6f1c9a52-4b0e-5d0b-9f57-2f0f6a2c7a11")


class IndexUnavailable(Exception):
    """The vector index does not answer. Trying again later may help."""


class IndexMismatch(Exception):
    """The collection was written by another embedder than the one configured."""


class EmbedderUnavailable(Exception):
    """The embedding model does not answer, or is not loaded yet. Trying again later may help."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Who asks. Nothing can be searched without one; only `app.auth` makes one from a request."""

    tenant: str
    groups: frozenset[str] = frozenset()
    """A document with an access list is seen by members of one of its groups only."""


@dataclass(frozen=True, slots=True)
class Place:
    """From `start` on, a document's text stands under these headings and on this page."""

    start: int
    section: tuple[str, ...]
    """The headings above, outermost first."""
    page: int | None
    """From 1, where the format has pages."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage small enough to quote, with the way back to where it came from."""

    text: str
    start: int
    end: int
    """`text` is `document[start:end]`, in characters, so a quote can be shown in place."""
    ordinal: int
    """The place among the document's chunks, from 0."""
    section: tuple[str, ...] = ()
    """The headings above all of it, outermost first."""
    page: int | None = None
    """The page on which it begins, from 1, where the format has pages."""
    language: str = "en"
    """ISO 639-1 code; chooses the BM25 stemmer."""
    places: tuple[Place, ...] = ()
    """Where a chunk runs over headings or pages: each place in it, in order; else empty."""

    def place_of(self, offset: int) -> Place:
        """The headings and the page of the character at `offset` of the document."""
        before = [place for place in self.places if place.start <= offset]
        return before[-1] if before else Place(self.start, self.section, self.page)


@dataclass(frozen=True, slots=True)
class DocumentRef:
    """One version of one document, as the index knows it."""

    tenant: str
    document_id: str
    version: int
    name: str
    title: str
    groups: frozenset[str] = frozenset()
    """Empty: the whole tenant may read it."""
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """One chunk on its way into the index."""

    document: DocumentRef
    chunk: Chunk
    fingerprint: str
    """SHA-256 of the text that was embedded. Equal fingerprints have equal vectors."""
    vector: Vector

    @property
    def id(self) -> str:
        """The same chunk of the same version has the same id, so writing twice is writing once."""
        document = self.document
        key = f"{document.tenant}|{document.document_id}|{document.version}|{self.chunk.ordinal}"
        return str(uuid.uuid5(NAMESPACE, key))


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk in its document, as the index returns it."""

    document: DocumentRef
    chunk: Chunk


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that a search found. Scores compare within one search only."""

    passage: Passage
    score: float
    similarity: float
    """Cosine between the question and the passage, −1 to 1: comparable between searches."""


@dataclass(frozen=True, slots=True)
class Equals:
    """The metadata field has this value, or has it among its values."""

    field: str
    value: Scalar


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The metadata field has one of these values."""

    field: str
    values: tuple[str, ...] | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Between:
    """The metadata field, a number or an ISO 8601 date, lies in this closed range."""

    field: str
    at_least: float | datetime | None = None
    at_most: float | datetime | None = None


Condition = Equals | AnyOf | Between
Fusion = Literal["dbsf", "rrf"]
Mode = Literal["hybrid", "dense", "sparse"]


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for: the words for BM25, their vector for the dense side."""

    text: str
    vector: Vector
    """Shape (dimension,), unit length."""
    where: tuple[Condition, ...] = ()
    """All must hold."""
    documents: frozenset[str] = frozenset()
    """Only in these documents; empty: in all."""
    mode: Mode = "hybrid"
    fusion: Fusion = "dbsf"
    candidates: int = 50
    """How many each side brings to the fusion."""
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Holding:
    """How many chunks of a document's version the index holds."""

    tenant: str
    document_id: str
    version: int
    chunks: int


class ChunkIndex(Protocol):
    """What the reader needs. Raises `IndexUnavailable` and nothing of the client's own."""

    async def search(self, scope: Scope, query: Query, limit: int) -> list[Hit]:
        """At most `limit` hits that the scope may see, best first; ties in the order of their ids."""
        ...

    async def ping(self) -> str:
        """What answers, in words, for `cairn doctor`."""
        ...


class ChunkStore(ChunkIndex, Protocol):
    """What the writer needs besides. What a method wrote is durable when it returns."""

    async def put(self, entries: Sequence[Entry]) -> None:
        """Writes or overwrites, by `Entry.id`."""
        ...

    async def vectors(self, tenant: str, document_id: str, version: int) -> dict[str, Vector]:
        """The vectors of one version by fingerprint, so that unchanged text is not embedded again."""
        ...

    async def count(self, tenant: str, document_id: str, version: int | None = None) -> int:
        """Chunks of one version, or of all versions."""
        ...

    async def remove(self, tenant: str, document_id: str, version: int | None = None) -> int:
        """Removes one version, or all; answers how many chunks were there."""
        ...

    async def holdings(self) -> list[Holding]:
        """Everything the index holds, over all tenants, in numbers, for the sweep."""
        ...

    def scan(self) -> AsyncIterator[Passage]:
        """Everything the index holds, over all tenants, point by point, for `cairn check`."""
        ...


@dataclass(frozen=True, slots=True)
class EmbedderIdentity:
    """What a collection remembers of its embedder. Another one gives nonsense, so it is refused."""

    name: str
    """The model and how it is computed, such as `all-MiniLM-L6-v2/openvino-int8`."""
    dimension: int
    window_tokens: int
    """Text beyond this many tokens is not seen by the model."""


class Embedder(Protocol):
    """Text to vectors. Raises `EmbedderUnavailable` and nothing of the model's own."""

    @property
    def identity(self) -> EmbedderIdentity: ...

    async def embed_passages(self, texts: Sequence[str]) -> Vector:
        """Shape (len(texts), dimension), rows of unit length, in the order given."""
        ...

    async def embed_question(self, text: str) -> Vector:
        """Shape (dimension,), unit length. Goes before waiting passages."""
        ...
