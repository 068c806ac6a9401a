"""Beside the work: the lease is kept, progress is told; and the moves that a status may make."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ingestion.documents import MOVES, PENDING, WORKING
from ingestion.heartbeat import REPORT_EVERY_S, beat, reporting
from ingestion.leases import Claim, Due
from tests.ingestion.fakes import ANN, World, open_world

LONG_S = 3600.0


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as world:
        yield world


async def claimed(world: World, now: float) -> Claim:
    accepted = await world.upload("green tea")
    claim = await world.tools.leases.claim(Due(accepted.document.id, 1, 0), "worker", now)
    assert claim is not None
    return claim


async def test_a_heartbeat_keeps_the_lease(world: World) -> None:
    almost_over = time.time() - 29.8
    claim = await claimed(world, almost_over)

    beating = asyncio.create_task(beat(world.tools.leases, claim, every_s=0.05))
    await asyncio.sleep(0.5)

    due = Due(claim.document.id, 1, 1)
    assert await world.tools.leases.claim(due, "other", time.time()) is None
    assert not beating.done()
    beating.cancel()
    await asyncio.gather(beating, return_exceptions=True)


async def test_a_heartbeat_ends_when_the_lease_is_lost(world: World) -> None:
    claim = await claimed(world, time.time())
    await world.tools.leases.claim(Due(claim.document.id, 1, 1), "other", time.time() + LONG_S)

    await asyncio.wait_for(beat(world.tools.leases, claim, every_s=0.01), 5)


async def test_progress_is_written_from_time_to_time_the_newest_only(world: World) -> None:
    claim = await claimed(world, time.time())
    await world.tools.leases.advance(claim, "parsing", 0, 0, time.time())

    async with reporting(world.tools.leases, claim, "parsing") as report:
        for page in range(1, 1000):
            report(page, 1000)
        await asyncio.sleep(1.5 * REPORT_EVERY_S)

    newest = (await world.tools.records.get(ANN, claim.document.id)).newest
    assert (newest.status, newest.done, newest.total) == ("parsing", 999, 1000)


async def test_progress_of_what_was_deleted_disturbs_nobody(world: World) -> None:
    claim = await claimed(world, time.time())
    await world.tools.records.delete(ANN, claim.document.id)

    async with reporting(world.tools.leases, claim, "parsing") as report:
        report(1, 2)
        await asyncio.sleep(1.2 * REPORT_EVERY_S)


def test_every_status_has_its_moves() -> None:
    assert {status for moves in MOVES.values() for status in moves} <= MOVES.keys()


@pytest.mark.parametrize("status", sorted(WORKING))
def test_work_may_go_back_fail_be_cancelled_or_replaced_at_every_stage(status: str) -> None:
    moves = MOVES[status]  # type: ignore[index]  # a status, which parametrize does not know

    assert {"queued", "failed", "cancelled", "superseded"} <= moves


def test_nothing_leads_out_of_history() -> None:
    assert MOVES["superseded"] == frozenset()
    assert MOVES["ready"] == {"superseded"}
    assert MOVES["failed"] & PENDING == MOVES["cancelled"] & PENDING == {"queued"}
