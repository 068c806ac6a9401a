"""The worker's right to one version: claimed for a while, renewed by heartbeat, proven by a fence number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ingestion.documents import Document, Failure, Stage


class LeaseLost(Exception):
    """Another worker has this version, or it was deleted, replaced or cancelled: leave no trace."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on one version until the lease ends."""

    document: Document
    """As it was when claimed; its newest version is the one claimed."""
    owner: str
    fence: int
    """Grows with each claim. A worker with an older one has been overtaken."""

    @property
    def version(self) -> int:
        return self.document.newest.number


@dataclass(frozen=True, slots=True)
class Due:
    """A version that waits for a worker."""

    document_id: str
    version: int
    fence: int


@dataclass(frozen=True, slots=True)
class Readout:
    """What is known once a file is read and cut."""

    reading: str
    """The key of the stored reading."""
    title: str
    language: str
    pages: int | None
    chunks: int
    warnings: tuple[str, ...]


class Leases(Protocol):
    """Who works on what. Raises `RecordsUnavailable`; with a claim that is no longer the newest, `LeaseLost`.

    Times are seconds since the epoch and come from the caller's clock.
    """

    async def due(self, now: float, limit: int) -> list[Due]:
        """Pending versions that nobody holds and nobody was told of lately: tenants in turn, of
        each the oldest first.

        None while half of `limit` was told of and waits: what the queue has keeps its order, and
        who comes with one document should not wait behind another's ten thousand.
        """
        ...

    async def told(self, due: Sequence[Due], now: float) -> None:
        """The queue has been told of these."""
        ...

    async def claim(self, due: Due, owner: str, now: float) -> Claim | None:
        """Takes the lease; None: nothing to do, not yet, or another worker has it."""
        ...

    async def free(self) -> int:
        """Ends every lease, and what the queue was told is forgotten; answers how many wait now.

        Only for a process that knows that no other works on these records.
        """
        ...

    async def renew(self, claim: Claim, now: float) -> None: ...

    async def advance(self, claim: Claim, stage: Stage, done: int, total: int, now: float) -> None:
        """Moves to a stage, or reports progress in it. May be written with a later call only."""
        ...

    async def write_down(self, claim: Claim, readout: Readout, now: float) -> None: ...

    async def publish(self, claim: Claim, reused: int, now: float) -> None:
        """One transaction: this version answers questions from now on."""
        ...

    async def put_back(self, claim: Claim, failure: Failure | None, not_before: float) -> None:
        """The attempt failed and is tried again then; without a failure it does not count as one."""
        ...

    async def fail(self, claim: Claim, failure: Failure, now: float) -> None:
        """For good, until somebody retries."""
        ...
