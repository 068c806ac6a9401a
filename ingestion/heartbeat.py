"""What goes on beside the work on a version: keeping the lease, and telling how far it is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from ingestion.documents import RecordsUnavailable, Stage
from ingestion.leases import Claim, LeaseLost, Leases
from ingestion.parse import Report

HEARTBEAT_S = 1.0
"""Also how soon a worker hears that its version was cancelled."""
BEATS = 6
"""At least so many renewals in the length of a lease: some may fail, and it is kept all the same."""
REPORT_EVERY_S = 0.5
FIRST_BEAT_S = 0.5
"""By then people who look should see that work has begun; most documents are done before."""


async def beat(leases: Leases, claim: Claim, every_s: float) -> None:
    """Renews the lease until it is lost; then returns. Stages that wait are written with it."""
    wait_s = min(FIRST_BEAT_S, every_s)
    while True:
        await asyncio.sleep(wait_s)
        wait_s = every_s
        try:
            await leases.renew(claim, time.time())
        except LeaseLost:
            return
        except RecordsUnavailable:
            continue  # the fence decides, should another worker take over meanwhile


@asynccontextmanager
async def reporting(leases: Leases, claim: Claim, stage: Stage) -> AsyncIterator[Report]:
    """Gives a callback for (done, total), and writes the newest of what it was told twice a second."""
    told: tuple[int, int] | None = None

    def report(done: int, total: int) -> None:
        nonlocal told
        told = done, total

    async def write() -> None:
        written = None
        while True:
            await asyncio.sleep(REPORT_EVERY_S)
            if told is not None and told != written:
                with suppress(RecordsUnavailable, LeaseLost):  # the work itself will notice
                    await leases.advance(claim, stage, *told, time.time())
                written = told

    task = asyncio.create_task(write())
    try:
        yield report
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
