"""The wake-up queue on Redis, through arq: JSON on the wire, ids only, never the only copy."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from arq import ArqRedis, Worker, func
from arq.connections import RedisSettings
from arq.constants import in_progress_key_prefix, job_key_prefix, retry_key_prefix
from redis.exceptions import RedisError

from ingestion.leases import Due
from ingestion.queue import QueueUnavailable

QUEUE = "cairn:ingestion"
JOB = "ingest"
JOB_TIMEOUT_S = 6 * 3600
"""Only a last resort: the parser has its own time limit, the lease its own end."""
EXPIRES_S = 30 * 24 * 3600
ANSWER_S = 5.0
RESTART_S = 1.0
STUCK_S = 30.0
"""A word taken this long ago, of a version that is due all the same, was taken by a dead worker."""

log = logging.getLogger("cairn.queue")
Run = Callable[[Due], Awaitable[object]]


class ArqQueue:
    """`Queue` over arq."""

    def __init__(self, redis: ArqRedis, url: str) -> None:
        self._redis = redis
        self._url = url

    async def wake(self, due: Due) -> None:
        job_id = f"{due.document_id}:{due.version}:{due.fence}"
        with self._translated():
            if not await self._enqueue(job_id, due) and await self._stuck(job_id):
                keys = (job_key_prefix, in_progress_key_prefix, retry_key_prefix)
                await self._redis.delete(*(prefix + job_id for prefix in keys))
                await self._enqueue(job_id, due)

    async def _enqueue(self, job_id: str, due: Due) -> bool:
        """False: the very same word waits already, or is being followed."""
        job = await self._redis.enqueue_job(
            JOB,
            due.document_id,
            due.version,
            due.fence,
            _job_id=job_id,
            _queue_name=QUEUE,
            _expires=EXPIRES_S,
        )
        return bool(job is not None)

    async def _stuck(self, job_id: str) -> bool:
        """A worker took the word and died before it claimed the version, which had moved the fence."""
        left_ms = int(await self._redis.pttl(in_progress_key_prefix + job_id))
        return 0 < left_ms < (JOB_TIMEOUT_S - STUCK_S) * 1000

    async def ping(self) -> str:
        with self._translated():
            version = (await self._redis.info("server"))["redis_version"]
            waiting = await self._redis.zcard(QUEUE)
        return f"Redis {version} at {self._url}, {waiting} waiting"

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (RedisError, OSError) as error:
            raise QueueUnavailable(f"The queue at {self._url} does not answer.") from error


@asynccontextmanager
async def open_queue(url: str) -> AsyncIterator[ArqQueue]:
    """`redis://`, `rediss://` or `unix://`. Redis may be away now and come back."""
    redis = _redis(url)
    try:
        yield ArqQueue(redis, url.rpartition("@")[2])
    finally:
        await redis.aclose(close_connection_pool=True)


async def work(url: str, run: Run, jobs: int) -> None:
    """Takes jobs until cancelled; arq's worker ends when Redis goes away, so it is started again."""
    while True:
        redis = _redis(url)
        try:
            await _work(_worker(redis, run, jobs))
        except (RedisError, OSError) as error:
            log.warning("worker waits for Redis", extra={"reason": type(error).__name__})
        finally:
            await redis.aclose(close_connection_pool=True)
        await asyncio.sleep(RESTART_S)


async def _work(worker: Worker) -> None:
    polling = asyncio.create_task(worker.main())
    try:
        # Not awaited itself, since our cancellation would go there and can get lost on the way.
        await asyncio.wait({polling})
        polling.result()
    finally:
        await _finish(worker, polling)


async def _finish(worker: Worker, polling: asyncio.Task[None]) -> None:
    """Stops polling, cancels the jobs and waits for them.

    Not `Worker.close()`: it stops waiting at the first job that ends with an error, lets a job's
    cancellation pass for our own, and leaves what is just being written to Redis behind.
    """
    told: set[asyncio.Task[Any]] = set()
    while running := {task for task in (polling, *worker.tasks.values()) if not task.done()}:
        polling.cancel()  # each time: one that comes as a job begins gets lost in arq (seen)
        for job in set(worker.job_tasks.values()) - told:
            job.cancel()
            told.add(job)
        await asyncio.wait(running, timeout=0.05)
    await asyncio.gather(polling, *worker.tasks.values(), return_exceptions=True)


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


def _redis(url: str) -> ArqRedis:
    """Connects when it is first used, unlike arq's own `create_pool`."""
    settings = RedisSettings.from_dsn(url)
    return ArqRedis(
        host=settings.host,
        port=settings.port,
        unix_socket_path=settings.unix_socket_path,
        db=settings.database,
        username=settings.username,
        password=settings.password,
        ssl=settings.ssl,
        socket_connect_timeout=ANSWER_S,
        socket_timeout=ANSWER_S,
        default_queue_name=QUEUE,
        job_serializer=_serialize,
        job_deserializer=json.loads,
    )


def _serialize(job: dict[str, Any]) -> bytes:
    # A job's result may be an exception, which JSON has no form for; its name is enough.
    return json.dumps(job, default=repr).encode()
