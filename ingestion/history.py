"""What people change about a document's versions: stop one, send failed ones back, restore an older one."""

from __future__ import annotations

from contextlib import suppress
from typing import Protocol

from ingestion.documents import Document
from ingestion.sweep import Sweep
from retrieval.index import ChunkStore, IndexUnavailable, Scope


class History(Protocol):
    """A document's versions beyond their ingestion. Raises `RecordsUnavailable`."""

    async def cancel(self, scope: Scope, document_id: str) -> Document:
        """The newest version stops where it is; whoever works on it has lost it.

        Raises `DocumentMissing`, `NotCancellable`.
        """
        ...

    async def retry_failed(self, scope: Scope, kind: str | None) -> int:
        """Every failed document, or those with this kind of failure, back to the queue; how many."""
        ...

    async def restore(self, scope: Scope, document_id: str, number: int) -> Document:
        """An older version's bytes once more, as a new version that waits; the live one stays.

        Raises `DocumentMissing`, also for a version that is not kept any more; `NotRestorable`.
        """
        ...

    async def prune(self, document_id: str, keep: int) -> frozenset[str]:
        """Forgets superseded versions but the newest `keep`.

        Answers the keys of their files that no other version of the tenant's uses.
        """
        ...


class Versions:
    """What an editor may do about versions, so that records, queue and index follow."""

    def __init__(self, history: History, index: ChunkStore, sweep: Sweep) -> None:
        self._history = history
        self._index = index
        self._sweep = sweep

    async def cancel(self, scope: Scope, document_id: str) -> Document:
        """The live version goes on answering. Raises `DocumentMissing`, `NotCancellable`."""
        document = await self._history.cancel(scope, document_id)
        # Points of earlier attempts; a worker that is at it removes its own when it notices. What
        # cannot be removed now is left to the sweep.
        with suppress(IndexUnavailable):
            await self._index.remove(scope.tenant, document_id, document.newest.number)
        return document

    async def retry_failed(self, scope: Scope, kind: str | None = None) -> int:
        """All that failed, or failed in this way, back to the queue; answers how many."""
        sent = await self._history.retry_failed(scope, kind)
        self._sweep.hurry()
        return sent

    async def restore(self, scope: Scope, document_id: str, number: int) -> Document:
        """An older version as a new one. Raises `DocumentMissing`, `NotRestorable`."""
        document = await self._history.restore(scope, document_id, number)
        self._sweep.hurry()
        return document
