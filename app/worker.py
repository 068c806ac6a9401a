"""The worker: takes due versions from the queue and runs them, beside the sweep that finds them."""

from __future__ import annotations

import asyncio
import logging
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
    settings = platform.settings
    while True:
        removed = await asyncio.to_thread(
            platform.tracing.store.prune,
            settings.trace_days * 86400,
            settings.trace_limit_mb << 20,
        )
        if removed:
            log.info("old traces removed", extra={"spans": removed})
        await asyncio.sleep(PRUNE_EVERY_S)
