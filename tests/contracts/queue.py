"""What every `Queue` and its workers must do. Each adapter's tests subclass this and bring a server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

import pytest

from ingestion.leases import Due
from ingestion.queue import Queue, QueueUnavailable

TEA = Due("tea", 1, 0)
PATIENCE_S = 20.0


class Server(Protocol):
    """What the queue runs on, which tests may make to go away."""

    def stop(self) -> None: ...

    def start(self) -> None: ...


class Worker:
    """Notes what it was woken for; may be told to take its time, or to stumble."""

    def __init__(self) -> None:
        self.woken: list[Due] = []
        self.cancelled: list[Due] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.stumbles = False
        self._changed = asyncio.Condition()

    async def run(self, due: Due) -> None:
        async with self._changed:
            self.woken.append(due)
            self._changed.notify_all()
        if self.stumbles:
            raise RuntimeError("stumbled")
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled.append(due)
            raise

    async def wait_for(self, number: int) -> None:
        async with asyncio.timeout(PATIENCE_S), self._changed:
            await self._changed.wait_for(lambda: len(self.woken) >= number)


OpenQueue = Callable[[], AbstractAsyncContextManager[Queue]]
Work = Callable[[Worker, int], AbstractAsyncContextManager[None]]
"""Runs a worker, with so many jobs at once, for as long as the context lasts."""


class QueueContract:
    @pytest.fixture
    def open_queue(self) -> OpenQueue:
        raise NotImplementedError

    @pytest.fixture
    def work(self) -> Work:
        raise NotImplementedError

    @pytest.fixture
    def server(self) -> Server:
        raise NotImplementedError

    @pytest.fixture
    async def queue(self, open_queue: OpenQueue) -> AsyncIterator[Queue]:
        async with open_queue() as queue:
            yield queue

    async def test_a_word_reaches_a_worker(self, queue: Queue, work: Work) -> None:
        worker = Worker()

        async with work(worker, 2):
            await queue.wake(TEA)
            await worker.wait_for(1)

        assert worker.woken == [TEA]

    async def test_a_word_waits_for_a_worker(self, queue: Queue, work: Work) -> None:
        worker = Worker()
        await queue.wake(TEA)

        async with work(worker, 2):
            await worker.wait_for(1)

        assert worker.woken == [TEA]

    async def test_the_same_word_twice_is_one(self, queue: Queue, work: Work) -> None:
        worker = Worker()
        for due in (TEA, TEA, Due("tea", 1, 1), Due("tea", 2, 0), TEA):
            await queue.wake(due)

        async with work(worker, 8):
            await worker.wait_for(3)
            await asyncio.sleep(0.3)

        assert sorted(worker.woken, key=repr) == [TEA, Due("tea", 1, 1), Due("tea", 2, 0)]

    async def test_a_word_that_was_followed_can_be_given_again(
        self, queue: Queue, work: Work
    ) -> None:
        worker = Worker()

        async with work(worker, 2):
            for n in range(1, 4):
                await wake_until(queue, worker, n)

        assert worker.woken == 3 * [TEA]

    async def test_no_more_are_worked_on_at_once_than_was_said(
        self, queue: Queue, work: Work
    ) -> None:
        worker = Worker()
        worker.gate.clear()
        for n in range(5):
            await queue.wake(Due("tea", n, 0))

        async with work(worker, 2):
            await worker.wait_for(2)
            await asyncio.sleep(0.5)
            at_once = len(worker.woken)
            worker.gate.set()
            await worker.wait_for(5)

        assert at_once == 2

    async def test_two_workers_share_the_words(self, queue: Queue, work: Work) -> None:
        worker = Worker()
        words = [Due("tea", n, 0) for n in range(20)]

        async with work(worker, 2), work(worker, 2):
            for due in words:
                await queue.wake(due)
            await worker.wait_for(len(words))
            await asyncio.sleep(0.3)

        assert sorted(worker.woken, key=repr) == sorted(words, key=repr)

    async def test_a_job_that_ends_with_an_error_does_not_stop_the_others(
        self, queue: Queue, work: Work
    ) -> None:
        worker = Worker()
        worker.stumbles = True

        async with work(worker, 1):
            await queue.wake(TEA)
            await worker.wait_for(1)
            await queue.wake(Due("coffee", 1, 0))
            await worker.wait_for(2)

        assert worker.woken == [TEA, Due("coffee", 1, 0)]

    async def test_a_worker_that_stops_cancels_its_jobs_and_waits_for_them(
        self, queue: Queue, work: Work
    ) -> None:
        worker = Worker()
        worker.gate.clear()

        async with work(worker, 2):
            await queue.wake(TEA)
            await worker.wait_for(1)

        assert worker.cancelled == [TEA]

    async def test_a_server_that_is_away_is_said_in_words_and_waited_for(
        self, queue: Queue, work: Work, server: Server
    ) -> None:
        worker = Worker()
        async with work(worker, 2):
            await queue.wake(TEA)
            await worker.wait_for(1)
            await asyncio.sleep(0.2)

            server.stop()
            with pytest.raises(QueueUnavailable, match="does not answer"):
                await queue.wake(Due("coffee", 1, 0))
            with pytest.raises(QueueUnavailable, match="does not answer"):
                await queue.ping()
            server.start()

            await wake_until(queue, worker, 2, Due("coffee", 1, 0))

        assert worker.woken == [TEA, Due("coffee", 1, 0)]

    async def test_a_server_that_goes_away_under_a_job_costs_the_worker_nothing_else(
        self, queue: Queue, work: Work, server: Server
    ) -> None:
        worker = Worker()
        worker.gate.clear()
        async with work(worker, 3):
            for name in ("a", "b", "c"):
                await queue.wake(Due(name, 1, 0))
            await worker.wait_for(3)

            server.stop()
            await asyncio.sleep(0.5)
            server.start()
            worker.gate.set()

            await wake_until(queue, worker, 4, Due("d", 1, 0))

        assert Due("d", 1, 0) in worker.woken

    async def test_a_queue_may_be_opened_before_its_server_is_there(
        self, open_queue: OpenQueue, work: Work, server: Server
    ) -> None:
        worker = Worker()
        server.stop()
        async with open_queue() as queue, work(worker, 2):
            with pytest.raises(QueueUnavailable):
                await queue.wake(TEA)
            server.start()

            await wake_until(queue, worker, 1)

        assert TEA in worker.woken

    async def test_it_says_in_words_what_it_is(self, queue: Queue) -> None:
        await queue.wake(TEA)

        assert (await queue.ping()).endswith("1 waiting")


async def wake_until(queue: Queue, worker: Worker, number: int, due: Due = TEA) -> None:
    """As the sweep does: the word is given again until somebody follows it."""
    async with asyncio.timeout(PATIENCE_S):
        while len(worker.woken) < number:
            try:
                await queue.wake(due)
                await asyncio.sleep(0.1)
            except QueueUnavailable:
                await asyncio.sleep(0.1)


@asynccontextmanager
async def working(work: asyncio.Task[None]) -> AsyncIterator[None]:
    """Cancels the work when the context ends, unless it has ended by itself, which it must not."""
    try:
        yield
        assert not work.done()
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
