"""The queue over arq: the contract on the embedded Redis and on a server's, and what is on the wire."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from infra.arq_queue import JOB_TIMEOUT_S, open_queue, work
from infra.redis_child import open_redis_child
from ingestion.leases import Due
from ingestion.queue import Queue
from tests.contracts.queue import (
    TEA,
    OpenQueue,
    QueueContract,
    Server,
    Work,
    Worker,
    working,
)

if TYPE_CHECKING:
    from tests.servers.redis import RedisServer

pytest_plugins = ["tests.servers.redis"]


class Arq:
    """The contract's fixtures, for whatever `url` names."""

    @pytest.fixture
    def open_queue(self, url: str) -> OpenQueue:
        return lambda: open_queue(url)

    @pytest.fixture
    def work(self, url: str) -> Work:
        def worked(worker: Worker, jobs: int) -> AbstractAsyncContextManager[None]:
            return working(asyncio.create_task(work(url, worker.run, jobs)))

        return worked


class Killed:
    """A child whose keeper starts it again: `stop` is a kill, `start` is patience."""

    def __init__(self, url: str) -> None:
        self._url = url

    def stop(self) -> None:
        with Redis.from_url(self._url) as redis:
            os.kill(redis.info("server")["process_id"], signal.SIGKILL)

    def start(self) -> None:
        """Nothing to do: it comes back by itself."""


class TestEmbedded(Arq, QueueContract):
    @pytest.fixture
    async def url(self, tmp_path: Path) -> AsyncIterator[str]:
        async with open_redis_child(tmp_path) as url:
            yield url

    @pytest.fixture
    def server(self, url: str) -> Server:
        return Killed(url)

    async def test_a_word_that_a_dead_worker_took_is_given_to_another(
        self, queue: Queue, url: str, work: Work
    ) -> None:
        worker = Worker()
        await queue.wake(TEA)
        with Redis.from_url(url) as redis:
            taken_ago_s = 60
            left_s = JOB_TIMEOUT_S + 10 - taken_ago_s
            redis.set("arq:in-progress:tea:1:0", "1", ex=left_s)

        async with work(worker, 2):
            await asyncio.sleep(0.5)
            before = list(worker.woken)
            await queue.wake(TEA)
            await worker.wait_for(1)

        assert (before, worker.woken) == ([], [TEA])

    async def test_a_word_that_was_taken_just_now_is_not_given_to_another(
        self, queue: Queue, work: Work
    ) -> None:
        worker = Worker()
        worker.gate.clear()

        async with work(worker, 2):
            await queue.wake(TEA)
            await worker.wait_for(1)
            await queue.wake(TEA)
            await asyncio.sleep(0.5)

        assert worker.woken == [TEA]

    async def test_words_are_json_on_the_wire(self, queue: Queue, url: str) -> None:
        await queue.wake(Due("tea", 3, 7))

        with Redis.from_url(url) as redis:
            job = json.loads(redis.get("arq:job:tea:3:7"))
        assert job["a"] == ["tea", 3, 7]

    async def test_nothing_is_kept_of_a_word_that_was_followed(
        self, queue: Queue, url: str, work: Work
    ) -> None:
        worker = Worker()
        async with work(worker, 2):
            await queue.wake(TEA)
            await worker.wait_for(1)
            await asyncio.sleep(0.3)

        with Redis.from_url(url) as redis:
            keys = redis.keys("*tea*")
        assert keys == []


@pytest.mark.server
class TestServer(Arq, QueueContract):
    @pytest.fixture
    def url(self, redis_server: RedisServer) -> str:
        with Redis.from_url(redis_server.url) as redis:
            redis.flushall()
        return redis_server.url

    @pytest.fixture
    def server(self, redis_server: RedisServer) -> Iterator[RedisServer]:
        """The next test finds it running, whatever happened."""
        yield redis_server
        redis_server.stop()
        redis_server.start()
