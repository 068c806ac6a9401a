"""A few threads that compute, where questions go before passages, and passages take turns."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Generic, Protocol, TypeVar

from retrieval.index import EmbedderUnavailable

Job = TypeVar("Job")
Result = TypeVar("Result")


class Urgency(IntEnum):
    """What goes first."""

    QUESTION = 0
    PASSAGE = 1
    CLOSING = 2
    """After all else, so that what was accepted is still answered."""


class Joining(Protocol[Job, Result]):
    """How small jobs of different callers are done as one."""

    def fits(self, jobs: Sequence[Job], another: Job) -> bool:
        """Whether together they are still as small as a job should be."""
        ...

    def joined(self, jobs: Sequence[Job]) -> Job: ...

    def parted(self, result: Result, jobs: Sequence[Job]) -> Sequence[Result]:
        """The result of the joined jobs, for each of them."""
        ...


@dataclass(order=True, slots=True)
class _Ticket(Generic[Job, Result]):
    urgency: Urgency
    turn: int
    number: int
    job: Job | None = field(compare=False)
    future: Future[Result] = field(compare=False)


class Lanes(Generic[Job, Result]):
    """One thread per worker; each takes the most urgent job when it is free.

    A job is not interrupted, so a question waits for at most one job of each kind: keep them small.
    Callers take turns, job by job: who brings a hundred does not hold up who brings one (start-time
    fair queueing, Goyal, Vin and Cheng, 1996). Where all lanes are busy, what waits is joined.
    """

    def __init__(
        self,
        workers: Sequence[Callable[[Job], Result]],
        joining: Joining[Job, Result] | None = None,
    ) -> None:
        self._waiting: list[_Ticket[Job, Result]] = []
        self._changed = threading.Condition()
        self._idle = 0
        self._turn = 0
        self._numbers = itertools.count()
        self._joining = joining
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, args=(worker,), name="embedding", daemon=True)
            for worker in workers
        ]

    async def run(self, job: Job, urgency: Urgency) -> Result:
        """What the worker makes of the job, or raises. Cancelled while it waits, it is not begun."""
        (result,) = await self.run_all([job], urgency)
        return result

    async def run_all(self, jobs: Sequence[Job], urgency: Urgency) -> list[Result]:
        """The results in the jobs' order. The first error ends it, and what waits is not begun."""
        if self._closed:
            raise EmbedderUnavailable("The embedding model is shut down.")
        waiting = [asyncio.wrap_future(future) for future in self._submit(jobs, urgency)]
        try:
            return await asyncio.gather(*waiting)
        finally:
            for future in waiting:
                future.cancel()

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Waits for the jobs that were accepted."""
        self._closed = True
        self._submit([None] * len(self._threads), Urgency.CLOSING)
        for thread in self._threads:
            thread.join()

    def _submit(self, jobs: Sequence[Job | None], urgency: Urgency) -> list[Future[Result]]:
        with self._changed:
            tickets = [
                _Ticket[Job, Result](urgency, turn, next(self._numbers), job, Future())
                for turn, job in enumerate(jobs, self._turn)
            ]
            for ticket in tickets:
                heapq.heappush(self._waiting, ticket)
            self._changed.notify(len(tickets))
        return [ticket.future for ticket in tickets]

    def _work(self, worker: Callable[[Job], Result]) -> None:
        while jobs := self._next():
            try:
                results = self._done(worker, list(jobs.values()))
            except Exception as error:  # noqa: BLE001 - the thread's boundary: who waits gets it
                for future in jobs:
                    future.set_exception(error)
            else:
                for future, result in zip(jobs, results, strict=True):
                    future.set_result(result)

    def _done(self, worker: Callable[[Job], Result], jobs: Sequence[Job]) -> Sequence[Result]:
        if self._joining is None or len(jobs) == 1:
            return [worker(job) for job in jobs]
        return self._joining.parted(worker(self._joining.joined(jobs)), jobs)

    def _next(self) -> dict[Future[Result], Job]:
        """One job, or several to be joined; none: the lanes are closed."""
        while True:
            tickets = self._taken()
            if any(ticket.job is None for ticket in tickets):
                return {}
            wanted = {
                ticket.future: ticket.job
                for ticket in tickets
                if ticket.job is not None and ticket.future.set_running_or_notify_cancel()
            }
            if wanted:
                return wanted

    def _taken(self) -> list[_Ticket[Job, Result]]:
        with self._changed:
            self._idle += 1
            while not self._waiting:
                self._changed.wait()
            self._idle -= 1
            first = heapq.heappop(self._waiting)
            self._turn = max(self._turn, first.turn)
            tickets = [first]
            while self._joins(tickets):
                tickets.append(heapq.heappop(self._waiting))
            return tickets

    def _joins(self, tickets: Sequence[_Ticket[Job, Result]]) -> bool:
        """Whether what waits next goes with these, and no idle lane would take it at once."""
        if self._joining is None or len(self._waiting) <= self._idle:
            return False
        following = self._waiting[0]
        jobs = [ticket.job for ticket in tickets if ticket.job is not None]
        return (
            tickets[0].urgency == following.urgency == Urgency.PASSAGE
            and following.job is not None
            and self._joining.fits(jobs, following.job)
        )


@contextmanager
def open_lanes(
    workers: Sequence[Callable[[Job], Result]], joining: Joining[Job, Result] | None = None
) -> Iterator[Lanes[Job, Result]]:
    """Starts the threads, and ends them when left."""
    lanes = Lanes(workers, joining)
    lanes.start()
    try:
        yield lanes
    finally:
        lanes.close()
