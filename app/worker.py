"""The worker: takes due versions from the queue and runs them, beside the sweep that finds them."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Coroutine
from typing import Any

from app.container import Platform

PRUNE_EVERY_S = 3600.0

log = logging.getLogger("cairn.worker")


async def run_worker(platform: Platform) -> None:
    """Until cancelled; then the versions in work are handed back."""
    from infra.arq_queue import work

    settings = platform.settings
    await _together(
        work(platform.adapters.redis_url, platform.pipeline.run, settings.jobs),
        platform.sweep.run(),
        _prune(platform),
    )


async def _together(*forever: Coroutine[Any, Any, None]) -> None:
    async with asyncio.TaskGroup() as group:
        for one in forever:
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
