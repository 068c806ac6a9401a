"""Permits: a bounded number of places with a bounded wait."""

from __future__ import annotations

import asyncio
import time

import pytest

from app.limits import Overloaded, Permits


async def test_one_more_than_there_are_places_is_refused_after_the_wait() -> None:
    permits = Permits(places=1, wait_s=0.05)

    async with permits.permit():
        began = time.monotonic()
        with pytest.raises(Overloaded, match="1 questions"):
            async with permits.permit():
                raise AssertionError("there was no place")

    assert 0.04 < time.monotonic() - began < 1.0


async def test_a_place_that_frees_in_time_is_taken() -> None:
    permits = Permits(places=1, wait_s=5.0)

    async def hold() -> None:
        async with permits.permit():
            await asyncio.sleep(0.05)

    holding = asyncio.create_task(hold())
    await asyncio.sleep(0)
    async with permits.permit():
        assert permits.taken == 1
    await holding


async def test_whoever_fails_or_leaves_gives_the_place_back() -> None:
    permits = Permits(places=1, wait_s=0.05)

    with pytest.raises(RuntimeError):
        async with permits.permit():
            raise RuntimeError("failed")

    async with permits.permit():
        assert permits.taken == 1
    assert permits.taken == 0


async def test_with_no_wait_a_free_place_is_still_taken() -> None:
    async with Permits(places=1, wait_s=0).permit():
        pass
