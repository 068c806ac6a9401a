"""The wake-up for workers. It may lose or repeat a word: the records are the truth."""

from __future__ import annotations

from typing import Protocol

from ingestion.leases import Due


class QueueUnavailable(Exception):
    """The queue does not answer. What is due stays in the records and is told later."""


class Queue(Protocol):
    """Raises `QueueUnavailable` and nothing of the client's own."""

    async def wake(self, due: Due) -> None:
        """Tells some worker that this version waits."""
        ...

    async def ping(self) -> str:
        """What answers, in words, for `cairn doctor`."""
        ...
