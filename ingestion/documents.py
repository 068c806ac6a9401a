"""The record of a document: its versions, the moves its status may make, what a store must do."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from retrieval.index import Metadata, Scope

Status = Literal[
    "queued",
    "parsing",
    "chunking",
    "embedding",
    "indexing",
    "ready",
    "failed",
    "cancelled",
    "superseded",
]
Stage = Literal["queued", "parsing", "chunking", "embedding", "indexing"]

WORKING: frozenset[Status] = frozenset({"parsing", "chunking", "embedding", "indexing"})
PENDING: frozenset[Status] = WORKING | {"queued"}
RETRYABLE: frozenset[Status] = frozenset({"failed", "cancelled"})

_ENDS: frozenset[Status] = frozenset({"failed", "cancelled", "superseded"})
"""How work may end at every stage, other than well."""

MOVES: Mapping[Status, frozenset[Status]] = {
    "queued": _ENDS | {"parsing"},
    "parsing": _ENDS | {"chunking", "queued"},
    "chunking": _ENDS | {"embedding", "queued"},
    "embedding": _ENDS | {"indexing", "queued"},
    "indexing": _ENDS | {"ready", "queued"},
    "ready": frozenset({"superseded"}),
    "failed": frozenset({"queued", "superseded"}),
    "cancelled": frozenset({"queued", "superseded"}),
    "superseded": frozenset(),
}
"""From each status, those it may move to. A crash sends work back to `queued`, never forward."""


WORKER_DIED = "worker-died"
"""The kind of failure of an attempt that ended with its worker."""


class DocumentMissing(Exception):
    """No such document, or none that this scope may see: the two look the same from outside."""


class NameTaken(Exception):
    """The name belongs to a document that this scope may not see, so it may not replace it."""


class NotRetryable(Exception):
    """Only a failed or cancelled version can be sent back to the queue."""


class NotCancellable(Exception):
    """Only what waits or is worked on can be cancelled."""


class NotRestorable(Exception):
    """The version is the newest, or answers already, so there is nothing to bring back."""


class BadCursor(Exception):
    """The cursor of a listing was not one that a listing gave out."""


class RecordsUnavailable(Exception):
    """The database does not answer. Trying again later may help."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a version failed, or why its last attempt did."""

    kind: str
    """For programs, such as `unreadable` or `index-unavailable`."""
    reason: str
    """For the uploader: what happened and what to do."""


@dataclass(frozen=True, slots=True)
class StageTime:
    """How long one stage took, from the worker's own clock."""

    stage: Stage
    started_at: float
    """Seconds since the epoch, UTC, like every time in the records."""
    seconds: float


@dataclass(frozen=True, slots=True)
class Changes:
    """What a version has of the one that answered before it, in chunks."""

    kept: int
    """The same text stood in the version before."""
    added: int
    removed: int


@dataclass(frozen=True, slots=True)
class Version:
    """One upload of a document, and how far its ingestion has come."""

    number: int
    status: Status
    sha256: str
    media_type: str
    size_bytes: int
    created_at: float
    updated_at: float
    attempts: int = 0
    done: int = 0
    total: int = 0
    """Pages while parsing, chunks while embedding; 0 of 0 where not known yet."""
    stage_started_at: float | None = None
    failure: Failure | None = None
    timeline: tuple[StageTime, ...] = ()
    reading: str | None = None
    """The key of the stored reading (text, structure, chunks), once it is read."""
    pages: int | None = None
    chunks: int | None = None
    reused: int = 0
    """How many of the chunks kept their vectors from the version before."""
    removed: int | None = None
    """How many chunks of the version before are gone; None: it was the first, or is not ready."""
    deaths: int = 0
    """How many of the attempts ended with their worker."""
    language: str | None = None
    title: str = ""
    warnings: tuple[str, ...] = ()
    not_before: float = 0.0

    @property
    def changes(self) -> Changes | None:
        """None: there was no version before, or this one is not ready."""
        if self.removed is None or self.chunks is None:
            return None
        return Changes(self.reused, self.chunks - self.reused, self.removed)


@dataclass(frozen=True, slots=True)
class Document:
    """A named document of a tenant, with its newest version."""

    id: str
    tenant: str
    name: str
    groups: frozenset[str]
    metadata: Metadata
    live_version: int | None
    """The version that answers questions; stays until a newer one is ready."""
    created_at: float
    newest: Version

    @property
    def title(self) -> str:
        return self.newest.title or self.name


@dataclass(frozen=True, slots=True)
class Upload:
    """What an uploader hands in, its bytes already stored."""

    name: str
    sha256: str
    size_bytes: int
    media_type: str
    groups: frozenset[str] = frozenset()
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of an upload."""

    document: Document
    work: bool
    """False: the very same was there already, and nothing is to be done."""


@dataclass(frozen=True, slots=True)
class Removed:
    """What a deletion took out of the records, so that files and points can follow."""

    document: Document
    versions: int
    files: frozenset[str]
    """Keys that no other document of the tenant uses."""


@dataclass(frozen=True, slots=True)
class Page:
    """A stretch of a listing."""

    items: tuple[Document, ...]
    cursor: str | None
    """Where the next page begins; None at the end."""


class DocumentRecords(Protocol):
    """The truth about documents. Raises `RecordsUnavailable` and nothing of the database's own."""

    async def accept(self, scope: Scope, upload: Upload) -> Accepted:
        """One transaction: a new version, waiting; older waiting ones are superseded.

        Raises `NameTaken`.
        """
        ...

    async def get(self, scope: Scope, document_id: str) -> Document:
        """Raises `DocumentMissing`."""
        ...

    async def versions(self, scope: Scope, document_id: str) -> tuple[Version, ...]:
        """Newest first. Raises `DocumentMissing`."""
        ...

    async def page(
        self,
        scope: Scope,
        *,
        statuses: Collection[str],
        name: str | None,
        limit: int,
        cursor: str | None,
    ) -> Page:
        """Most recently created first, of any of the statuses (none given: of all).

        `name` matches any part, whatever the case.
        """
        ...

    async def counts(self, scope: Scope) -> Mapping[str, int]:
        """Documents by the status of their newest version."""
        ...

    async def retry(self, scope: Scope, document_id: str) -> Document:
        """A failed or cancelled version back to the queue. Raises `DocumentMissing`, `NotRetryable`."""
        ...

    async def delete(self, scope: Scope, document_id: str) -> Removed:
        """From here on no question reaches it. Raises `DocumentMissing`."""
        ...

    async def live(self, scope: Scope, document_ids: Sequence[str]) -> Mapping[str, int]:
        """The version of each that answers this scope's questions now; absent: gone or hidden."""
        ...

    async def uses(self, tenant: str, key: str) -> bool:
        """Whether some version of the tenant's has this stored file."""
        ...

    async def wanted(self) -> frozenset[tuple[str, int]]:
        """(document id, version) of all that may have points: live, or being written."""
        ...
