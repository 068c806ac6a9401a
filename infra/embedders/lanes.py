"""A few threads that compute, where questions go before the passages that wait."""

from __future__ import annotations

import asyncio
import itertools
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Generic, TypeVar

from retrieval.index import EmbedderUnavailable

Job = TypeVar("Job")
Result = TypeVar("Result")


class Urgency(IntEnum):
    """What goes first."""

    QUESTION = 0
    PASSAGE = 1
    CLOSING = 2
    """After all else, so that what was accepted is still answered."""


@dataclass(order=True, slots=True)
class _Ticket(Generic[Job, Result]):
    urgency: Urgency
    number: int
    job: Job | None = field(compare=False)
    future: Future[Result] = field(compare=False)


class Lanes(Generic[Job, Result]):
    """One thread per worker; each takes the most urgent job when it is free.

    A job is not interrupted, so a question waits for at most one job of each kind: keep them small.
    """

    def __init__(self, workers: Sequence[Callable[[Job], Result]]) -> None:
        self._tickets: queue.PriorityQueue[_Ticket[Job, Result]] = queue.PriorityQueue()
        self._numbers = itertools.count()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, args=(worker,), name="embedding", daemon=True)
            for worker in workers
        ]

    async def run(self, job: Job, urgency: Urgency) -> Result:
        """What the worker makes of the job, or raises. Cancelled while it waits, it is not begun."""
        if self._closed:
            raise EmbedderUnavailable("The embedding model is shut down.")
        return await asyncio.wrap_future(self._submit(job, urgency))

    async def run_all(self, jobs: Sequence[Job], urgency: Urgency) -> list[Result]:
        """The results in the jobs' order. The first error ends it, and what waits is not begun."""
        tasks = [asyncio.ensure_future(self.run(job, urgency)) for job in jobs]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Waits for the jobs that were accepted."""
        self._closed = True
        for _ in self._threads:
            self._submit(None, Urgency.CLOSING)
        for thread in self._threads:
            thread.join()

    def _submit(self, job: Job | None, urgency: Urgency) -> Future[Result]:
        future: Future[Result] = Future()
        self._tickets.put(_Ticket(urgency, next(self._numbers), job, future))
        return future

    def _work(self, worker: Callable[[Job], Result]) -> None:
        while (ticket := self._tickets.get()).job is not None:
            if not ticket.future.set_running_or_notify_cancel():
                continue
            try:
                ticket.future.set_result(worker(ticket.job))
            except Exception as error:  # noqa: BLE001 - the thread's boundary: who waits gets it
                ticket.future.set_exception(error)


@contextmanager
def open_lanes(workers: Sequence[Callable[[Job], Result]]) -> Iterator[Lanes[Job, Result]]:
    """Starts the threads, and ends them when left."""
    lanes = Lanes(workers)
    lanes.start()
    try:
        yield lanes
    finally:
        lanes.close()
