"""The worker: takes due versions from the queue and runs them, beside the sweep that finds them."""

from __future__ import annotations

import asyncio
import gc
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from app.container import Platform, works_alone
from ingestion.documents import RecordsUnavailable
from ingestion.files import FilesUnavailable
from ingestion.leases import Due
from ingestion.pipeline import Outcome

PRUNE_EVERY_S = 3600.0

log = logging.getLogger("cairn.worker")


async def run_worker(platform: Platform) -> None:
    """Until cancelled; then the versions in work are handed back."""
    from infra.arq_queue import work

    settings = platform.settings
    if works_alone(settings):
        await _take_over(platform)
    await _together(
        work(platform.adapters.redis_url, _following(platform), settings.jobs),
        platform.sweep.run(),
        _prune(platform),
        _tidy(platform),
    )


def _following(platform: Platform) -> Callable[[Due], Awaitable[Outcome]]:
    """Runs what is due, and has the sweep tell of more."""
    loaded = False

    async def run(due: Due) -> Outcome:
        nonlocal loaded
        try:
            return await platform.pipeline.run(due)
        finally:
            platform.sweep.hurry()
            if not loaded:
                # All libraries are in memory now, to stay. Looked through for garbage, as they are
                # otherwise each few seconds, they hold up the event loop for 140 to 250 ms.
                gc.freeze()
                loaded = True

    return run


async def _take_over(platform: Platform) -> None:
    """What an earlier process had in work is due at once: it cannot live, so no lease is waited for."""
    try:
        waiting = await platform.adapters.leases.free()
    except RecordsUnavailable as error:  # then the leases run out by themselves
        log.warning("leases stay", extra={"reason": str(error)})
        return
    if waiting:
        log.info("taken over", extra={"versions": waiting})


async def _tidy(platform: Platform) -> None:
    """Files of uploads and deletions that an earlier process died over."""
    try:
        removed = await platform.check.remove_leftovers()
    except (RecordsUnavailable, FilesUnavailable) as error:
        log.warning("leftover files stay", extra={"reason": str(error)})
        return
    if removed:
        log.info("leftover files removed", extra={"files": removed})


async def _together(*work: Coroutine[Any, Any, None]) -> None:
    async with asyncio.TaskGroup() as group:
        for one in work:
            group.create_task(one)


async def _prune(platform: Platform) -> None:
    """Keeps the local traces within their age and size."""
    keep_s = platform.settings.trace_days * 86400
    keep_bytes = platform.settings.trace_limit_mb << 20
    while True:
        try:
            removed = await asyncio.to_thread(platform.tracing.store.prune, keep_s, keep_bytes)
            if removed:
                log.info("old traces removed", extra={"spans": removed})
        except sqlite3.Error as error:  # a full disk: no reason to stop ingesting
            log.warning("old traces stay", extra={"reason": str(error)})
        await asyncio.sleep(PRUNE_EVERY_S)
