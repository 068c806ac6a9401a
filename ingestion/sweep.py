"""The broom: tells the queue what waits, gives expired leases back, removes points nobody knows."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress

from ingestion.documents import DocumentRecords, RecordsUnavailable
from ingestion.leases import Leases
from ingestion.queue import Queue, QueueUnavailable
from retrieval.index import ChunkStore, IndexUnavailable

EVERY_S = 1.0
ORPHANS_EVERY_S = 600.0
AHEAD = 64
"""Words that wait in the queue at most: enough for a second of small documents."""
REST = 9
"""A round rests for so many times as long as it took, since it looks at all that waits."""

log = logging.getLogger("cairn.sweep")


class Sweep:
    """Runs for as long as the service does; any number may run side by side."""

    def __init__(
        self, records: DocumentRecords, leases: Leases, queue: Queue, index: ChunkStore
    ) -> None:
        self._records = records
        self._leases = leases
        self._queue = queue
        self._index = index
        self._hurry = asyncio.Event()

    def hurry(self) -> None:
        """Something new waits, or the queue has room: do not sleep until the next round."""
        self._hurry.set()

    async def run(self) -> None:
        """Until cancelled. A store that is away is tried again in the next round."""
        orphans_at = 0.0
        while True:
            began = time.monotonic()
            try:
                await self.tell()
                if time.monotonic() >= orphans_at:
                    await self.remove_orphans()
                    orphans_at = time.monotonic() + ORPHANS_EVERY_S
            except (RecordsUnavailable, QueueUnavailable, IndexUnavailable) as error:
                log.warning("sweep waits", extra={"reason": type(error).__name__})
            await asyncio.sleep(min(EVERY_S, REST * (time.monotonic() - began)))
            # Not `wait_for`: in Python 3.11 it may answer "hurry" to a cancellation and swallow it.
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY_S):
                    await self._hurry.wait()
            self._hurry.clear()

    async def tell(self) -> int:
        """Wakes a worker for everything that is due; answers how many."""
        now = time.time()
        due = await self._leases.due(now, AHEAD)
        for one in due:
            await self._queue.wake(one)
        if due:
            await self._leases.told(due, now)
        return len(due)

    async def remove_orphans(self) -> int:
        """Points of versions that no record wants; answers how many points."""
        holdings = await self._index.holdings()
        # Read after the index: a version that began meanwhile is then among the wanted.
        wanted = await self._records.wanted()
        removed = 0
        for held in holdings:
            if (held.document_id, held.version) not in wanted:
                removed += await self._index.remove(held.tenant, held.document_id, held.version)
        if removed:
            log.info("orphans removed", extra={"chunks": removed})
        return removed
