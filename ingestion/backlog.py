"""The queue as a whole: how much waits and is worked on, how fast it goes, when it will be done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ingestion.queue import Queue, QueueUnavailable
from retrieval.index import Scope

WINDOW_S = 300.0
"""What was finished in this time tells how fast it goes."""
ANSWER_S = 1.0
"""A queue that takes longer to answer a ping does not answer."""
KNOWN_S = 1.0
"""For so long a ping counts, so that a listing that is polled does not wait for each."""


@dataclass(frozen=True, slots=True)
class Load:
    """What the records know of the work, as numbers."""

    waiting: int
    running: int
    """Held by a worker that was heard of lately."""
    oldest_s: float | None
    """How long the one that waits longest has waited; None: none waits."""
    finished: int
    """Versions that became ready or failed lately."""
    done_bytes: float
    """Of those, and of the ones in work as far as they are embedded."""
    left_bytes: float
    over_s: float
    """The time in which that was done, from when the first of it could be begun."""

    @property
    def per_minute(self) -> float:
        return 60 * self.finished / self.over_s if self.finished and self.over_s > 0 else 0.0

    @property
    def eta_s(self) -> float | None:
        """Until all of it is done, at the speed of the last minutes; None: that is not known.

        By bytes, not by documents: a book among letters would be taken for one of them.
        """
        if not self.waiting + self.running:
            return 0.0
        return self.left_bytes * self.over_s / self.done_bytes if self.done_bytes else None


@dataclass(frozen=True, slots=True)
class Backlog:
    """All of it, as one who asks may see it."""

    load: Load
    """Of the whole tenant."""
    failures: Mapping[str, int]
    """Failed documents that the scope may see, by the kind of failure."""
    queue_answers: bool


class Loads(Protocol):
    """What the records know of the work. Raises `RecordsUnavailable`."""

    async def load(self, tenant: str | None, now: float, window_s: float) -> Load:
        """Of a tenant, or of all; `window_s` says what counts as lately."""
        ...

    async def failures(self, scope: Scope) -> Mapping[str, int]:
        """Failed documents by the kind of failure."""
        ...


class Lookout:
    """Looks at records and queue. A queue that is away is seen, not raised."""

    def __init__(self, loads: Loads, queue: Queue) -> None:
        self._loads = loads
        self._queue = queue
        self._answered = True
        self._asked_at = -KNOWN_S

    async def backlog(self, scope: Scope) -> Backlog:
        """Raises `RecordsUnavailable`."""
        return Backlog(
            load=await self._loads.load(scope.tenant, time.time(), WINDOW_S),
            failures=await self._loads.failures(scope),
            queue_answers=await self.queue_answers(),
        )

    async def all_tenants(self) -> Load:
        """Raises `RecordsUnavailable`."""
        return await self._loads.load(None, time.time(), WINDOW_S)

    async def queue_answers(self) -> bool:
        """Whether what waits can be told to a worker now."""
        if time.monotonic() - self._asked_at < KNOWN_S:
            return self._answered
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._queue.ping()
            self._answered = True
        except (QueueUnavailable, TimeoutError):
            self._answered = False
        self._asked_at = time.monotonic()
        return self._answered
