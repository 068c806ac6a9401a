"""Stand-ins for ports, each named for how it behaves."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from math import log

import numpy as np
from numpy.typing import NDArray

from retrieval.generate import GeneratorUnavailable, Usage
from retrieval.ground import Support
from retrieval.index import (
    AnyOf,
    Between,
    Chunk,
    Condition,
    DocumentRef,
    EmbedderIdentity,
    EmbedderUnavailable,
    Entry,
    Equals,
    Hit,
    IndexUnavailable,
    Passage,
    Query,
    Scope,
    Vector,
)
from retrieval.prompt import Prompt
from retrieval.release import Release
from retrieval.text.words import content_words

DIMENSION = 512


class WordCounting:
    """An embedder for which texts are alike when they share content words."""

    identity = EmbedderIdentity("word-counting", DIMENSION, 10_000)

    async def embed_passages(self, texts: Sequence[str]) -> Vector:
        return np.array([_vector(text) for text in texts], np.float32).reshape(-1, DIMENSION)

    async def embed_question(self, text: str) -> Vector:
        return _vector(text)


class Asleep:
    """An embedder whose model is not loaded."""

    identity = WordCounting.identity

    async def embed_passages(self, texts: Sequence[str]) -> Vector:
        raise EmbedderUnavailable("the embedding model is not loaded yet")

    async def embed_question(self, text: str) -> Vector:
        raise EmbedderUnavailable("the embedding model is not loaded yet")


@dataclass
class Shelf:
    """An index in memory: cosine over the vectors plus BM25 over the words, exact."""

    entries: list[Entry] = field(default_factory=list)
    searches: int = 0

    async def search(self, scope: Scope, query: Query, limit: int) -> list[Hit]:
        self.searches += 1
        seen = [entry for entry in self.entries if _visible(entry, scope, query)]
        if not seen:
            return []
        cosines = np.array([entry.vector for entry in seen]) @ query.vector
        lexical = _bm25(query.text, [entry.chunk.text for entry in seen])
        both = cosines + lexical / (1 + lexical.max())
        scores = {"dense": cosines, "sparse": lexical, "hybrid": both}[query.mode]
        order = sorted(range(len(seen)), key=lambda i: (-scores[i], seen[i].id))[:limit]
        return [
            Hit(Passage(seen[i].document, seen[i].chunk), float(scores[i]), float(cosines[i]))
            for i in order
        ]

    async def ping(self) -> str:
        return f"a shelf with {len(self.entries)} chunks"


class Offline:
    """An index that does not answer."""

    async def search(self, scope: Scope, query: Query, limit: int) -> list[Hit]:
        raise IndexUnavailable("the vector index does not answer")

    async def ping(self) -> str:
        raise IndexUnavailable("the vector index does not answer")


@dataclass
class Register:
    """A catalog that can be changed from one moment to the next."""

    versions: dict[str, int] = field(default_factory=dict)
    leave_after: dict[str, int] = field(default_factory=dict)
    """Document to the number of times it is still answered for before it is deleted."""

    async def live(self, scope: Scope, document_ids: Collection[str]) -> Mapping[str, int]:
        standing = {d: v for d, v in self.versions.items() if d in document_ids}
        for document in document_ids & self.leave_after.keys():
            self.leave_after[document] -= 1
            if self.leave_after[document] < 0:
                standing.pop(document, None)
        return standing


@dataclass
class Babbling:
    """A generator that says what it was told to, whatever the prompt."""

    text: str
    prompts: list[Prompt] = field(default_factory=list)

    async def stream(self, prompt: Prompt, release: Release) -> AsyncIterator[str | Usage]:
        self.prompts.append(prompt)
        yield self.text
        yield Usage(100, len(self.text.split()), "babbling-1")

    async def ping(self) -> str:
        return "babbling"


@dataclass
class Chatty:
    """A generator that speaks in small pieces and can go on for ever; knows when it was closed."""

    text: str
    piece: int = 3
    forever: bool = False
    spoken: int = 0
    closed: bool = False
    started: asyncio.Event = field(default_factory=asyncio.Event)

    async def stream(self, prompt: Prompt, release: Release) -> AsyncIterator[str | Usage]:
        self.started.set()
        try:
            while True:
                for start in range(0, len(self.text), self.piece):
                    self.spoken += 1
                    yield self.text[start : start + self.piece]
                    await asyncio.sleep(0)
                if not self.forever:
                    break
            yield Usage(10, self.spoken, "chatty-1")
        finally:
            self.closed = True

    async def ping(self) -> str:
        return "chatty"


@dataclass
class Slow:
    """A generator that says a sentence and then thinks until it is allowed to go on."""

    first: str
    rest: str
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def stream(self, prompt: Prompt, release: Release) -> AsyncIterator[str | Usage]:
        yield self.first
        await self.go_on.wait()
        yield self.rest
        yield Usage(1, 1, "slow-1")

    async def ping(self) -> str:
        return "slow"


@dataclass
class Unreachable:
    """A generator that breaks off after what it has said."""

    said: str = ""

    async def stream(self, prompt: Prompt, release: Release) -> AsyncIterator[str | Usage]:
        if self.said:
            yield self.said
        raise GeneratorUnavailable("no model answers at http://127.0.0.1:9/v1")

    async def ping(self) -> str:
        raise GeneratorUnavailable("no model answers at http://127.0.0.1:9/v1")


class Doubting:
    """A grounder that believes nothing."""

    async def support(self, sentence: str, passages: Sequence[str]) -> Support:
        return Support(0.1, supported=False)


async def shelved(
    shelf: Shelf, register: Register, name: str, text: str, *, version: int = 1, offset: int = 0,
    page: int | None = None, section: tuple[str, ...] = (), tenant: str = "ann",
    groups: frozenset[str] = frozenset(), metadata: Mapping[str, str | int] | None = None,
) -> Passage:  # fmt: skip
    """Puts one chunk of a document on the shelf and makes its version the live one."""
    document = DocumentRef(tenant, name, version, f"{name}.txt", name, groups, metadata or {})
    ordinal = sum(entry.document == document for entry in shelf.entries)
    chunk = Chunk(text, offset, offset + len(text), ordinal, section, page)
    shelf.entries.append(Entry(document, chunk, f"{name}-{ordinal}", _vector(text)))
    register.versions[name] = version
    return Passage(document, chunk)


def _vector(text: str) -> Vector:
    vector = np.zeros(DIMENSION, np.float32)
    for word in content_words(text):
        vector[sum(ord(c) * 31**i for i, c in enumerate(word)) % DIMENSION] = 1.0
    norm = float(np.linalg.norm(vector))
    return vector / norm if norm else vector


def _visible(entry: Entry, scope: Scope, query: Query) -> bool:
    document = entry.document
    return (
        document.tenant == scope.tenant
        and (not document.groups or bool(document.groups & scope.groups))
        and (not query.documents or document.document_id in query.documents)
        and all(_holds(condition, document) for condition in query.where)
    )


def _holds(condition: Condition, document: DocumentRef) -> bool:
    value = document.metadata.get(condition.field)
    match condition:
        case Equals():
            return value == condition.value
        case AnyOf():
            return value in condition.values
        case Between(_, low, high):
            number = value if isinstance(value, int | float) else None
            return number is not None and not (
                (isinstance(low, int | float) and number < low)
                or (isinstance(high, int | float) and number > high)
            )


def _bm25(question: str, texts: Sequence[str]) -> NDArray[np.float64]:
    counts = [Counter(content_words(text)) for text in texts]
    mean = sum(sum(count.values()) for count in counts) / len(counts) or 1.0
    scores = np.zeros(len(texts))
    for word in set(content_words(question)):
        having = sum(word in count for count in counts)
        idf = log(1 + (len(texts) - having + 0.5) / (having + 0.5))
        for i, count in enumerate(counts):
            length = 0.6 + 0.4 * sum(count.values()) / mean
            scores[i] += idf * count[word] * 1.9 / (count[word] + 0.9 * length)
    return scores
