"""The wake-up queue on Redis, through arq: JSON on the wire, ids only, never the only copy."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from arq import ArqRedis, Worker, create_pool, func
from arq.connections import RedisSettings
from redis.exceptions import RedisError

from ingestion.leases import Due
from ingestion.queue import QueueUnavailable

QUEUE = "cairn:ingestion"
JOB = "ingest"
JOB_TIMEOUT_S = 6 * 3600
"""Only a last resort: the parser has its own time limit, the lease its own end."""
EXPIRES_MS = 30 * 24 * 3600 * 1000
RESTART_S = 1.0

log = logging.getLogger("cairn.queue")
Run = Callable[[Due], Awaitable[object]]


class ArqQueue:
    """`Queue` over arq."""

    def __init__(self, redis: ArqRedis, url: str) -> None:
        self._redis = redis
        self._url = url

    async def wake(self, due: Due) -> None:
        try:
            await self._redis.enqueue_job(
                JOB,
                due.document_id,
                due.version,
                due.fence,
                _job_id=f"{due.document_id}:{due.version}:{due.fence}",
                _queue_name=QUEUE,
                _expires=EXPIRES_MS / 1000,
            )
        except (RedisError, OSError) as error:
            raise QueueUnavailable(f"The queue at {self._url} does not answer.") from error

    async def ping(self) -> str:
        try:
            version = (await self._redis.info("server"))["redis_version"]
            waiting = await self._redis.zcard(QUEUE)
        except (RedisError, OSError) as error:
            raise QueueUnavailable(f"The queue at {self._url} does not answer.") from error
        return f"Redis {version} at {self._url}, {waiting} waiting"


@asynccontextmanager
async def open_queue(url: str) -> AsyncIterator[ArqQueue]:
    """`redis://`, `rediss://` or `unix://`. Redis may be away now and come back."""
    redis = await _pool(url)
    try:
        yield ArqQueue(redis, url.rpartition("@")[2])
    finally:
        await redis.aclose(close_connection_pool=True)


async def work(url: str, run: Run, jobs: int) -> None:
    """Takes jobs until cancelled; arq's worker ends when Redis goes away, so it is started again."""
    while True:
        try:
            worker = _worker(await _pool(url), run, jobs)
            try:
                await worker.async_run()
            finally:
                await _close(worker)
        except (RedisError, OSError, QueueUnavailable) as error:
            log.warning("worker waits for Redis", extra={"reason": type(error).__name__})
        await asyncio.sleep(RESTART_S)


def _worker(redis: ArqRedis, run: Run, jobs: int) -> Worker:
    async def ingest(_: dict[Any, Any], document_id: str, version: int, fence: int) -> None:
        await run(Due(document_id, version, fence))

    return Worker(
        functions=[func(ingest, name=JOB, keep_result=0, timeout=JOB_TIMEOUT_S, max_tries=1)],
        redis_pool=redis,
        queue_name=QUEUE,
        max_jobs=jobs,
        poll_delay=0.1,
        handle_signals=False,
        # Ids of jobs that died with their worker stay at the head of the queue; read past them.
        queue_read_limit=1000,
        health_check_interval=10,
        job_serializer=_serialize,
        job_deserializer=json.loads,
    )


async def _close(worker: Worker) -> None:
    try:
        await worker.close()
    except (RedisError, OSError):
        pass  # it is the connection that just failed


async def _pool(url: str) -> ArqRedis:
    settings = RedisSettings.from_dsn(url)
    settings.conn_retries = 0
    settings.retry_on_timeout = True
    try:
        return await create_pool(
            settings,
            default_queue_name=QUEUE,
            job_serializer=_serialize,
            job_deserializer=json.loads,
        )
    except (RedisError, OSError) as error:
        raise QueueUnavailable(f"The queue at {url.rpartition('@')[2]} does not answer.") from error


def _serialize(job: dict[str, Any]) -> bytes:
    # A job's result may be an exception, which JSON has no form for; its name is enough.
    return json.dumps(job, default=repr).encode()
