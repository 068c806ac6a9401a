"""The broom: nothing waits unheard, nothing stays that nobody knows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from infra.records.leases import SqlLeases
from ingestion.embedding import BATCH
from ingestion.leases import Due
from ingestion.queue import QueueUnavailable
from tests.ingestion.fakes import ANN, World, open_world, sections

PATIENCE_S = 5.0


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as world:
        yield world


async def test_what_is_due_is_told_once(world: World) -> None:
    accepted = [await world.upload("green tea", f"{n}.txt") for n in range(3)]

    first, second = await world.sweep.tell(), await world.sweep.tell()

    assert (first, second) == (3, 0)
    assert world.queue.told == [Due(one.document.id, 1, 0) for one in accepted]


async def test_what_a_worker_has_is_not_told(world: World) -> None:
    accepted = await world.upload("green tea")
    await world.tools.leases.claim(Due(accepted.document.id, 1, 0), "worker", time.time())

    assert await world.sweep.tell() == 0


async def test_what_a_dead_worker_had_is_told_again(world: World) -> None:
    accepted = await world.upload("green tea")
    await world.sweep.tell()
    brief = SqlLeases(world.database, lease_s=0.0)
    await brief.claim(Due(accepted.document.id, 1, 0), "dead", time.time())

    assert await world.sweep.tell() == 1
    assert world.queue.told[-1] == Due(accepted.document.id, 1, 1)


async def test_what_could_not_be_told_is_told_later(world: World) -> None:
    await world.upload("green tea")
    world.queue.away = True
    with pytest.raises(QueueUnavailable):
        await world.sweep.tell()

    world.queue.away = False

    assert await world.sweep.tell() == 1


async def test_points_that_no_record_knows_are_removed(world: World) -> None:
    gone = await world.upload(sections("tea", "water"), "gone.txt")
    stays = await world.upload(sections("milk"), "stays.txt")
    await world.run()
    await world.tools.records.delete(ANN, gone.document.id)

    removed = await world.sweep.remove_orphans()

    assert removed == 2
    assert world.held() == {(stays.document.id, 1, 0)}
    assert await world.sweep.remove_orphans() == 0


async def test_points_of_a_version_in_work_and_of_the_live_one_stay(world: World) -> None:
    accepted = await world.upload(sections("tea"))
    await world.run()
    await world.upload(sections(*(f"{n} coffees" for n in range(BATCH + 1))))
    world.embedder.closes_after = 1 + BATCH
    work = asyncio.create_task(world.run())
    while len(world.held()) < 1 + BATCH:  # noqa: ASYNC110  # a dictionary rings no bell
        await asyncio.sleep(0.01)

    removed = await world.sweep.remove_orphans()
    world.embedder.closes_after = None
    world.embedder.gate.set()
    await work

    assert removed == 0
    assert world.held() == {(accepted.document.id, 2, n) for n in range(BATCH + 1)}


async def test_it_hurries_when_something_comes_in(world: World) -> None:
    sweeping = asyncio.create_task(world.sweep.run())
    await asyncio.sleep(0.1)
    began = time.monotonic()

    await world.upload("green tea")
    await until_told(world, 1)

    assert time.monotonic() - began < 0.9  # it sleeps for a second between rounds
    await stop(sweeping)


async def test_it_goes_on_after_a_store_was_away(world: World) -> None:
    world.queue.away = world.index.away = True
    sweeping = asyncio.create_task(world.sweep.run())
    await world.upload("green tea")
    await asyncio.sleep(0.1)

    world.queue.away = world.index.away = False
    world.sweep.hurry()
    await until_told(world, 1)

    await stop(sweeping)


async def until_told(world: World, number: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while len(world.queue.told) < number:  # noqa: ASYNC110  # a list rings no bell
            await asyncio.sleep(0.01)


async def stop(task: asyncio.Task[None]) -> None:
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
