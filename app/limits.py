"""How many questions at a time: a permit, or a refusal after a short wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Overloaded(Exception):
    """As many questions as this service takes are being answered. Trying again in a moment helps."""

    retry_after_s = 1


class Permits:
    """A bounded number of places with a bounded wait for one."""

    def __init__(self, places: int, wait_s: float) -> None:
        self._places = places
        self._wait_s = wait_s
        self._free = asyncio.Semaphore(places)
        self.taken = 0

    @asynccontextmanager
    async def permit(self) -> AsyncIterator[None]:
        """Raises `Overloaded`."""
        try:
            async with asyncio.timeout(self._wait_s):
                await self._free.acquire()
        except TimeoutError as error:
            raise Overloaded(
                f"{self._places} questions are being answered, and this one found no place within "
                f"{self._wait_s:g} s. Try again in a moment."
            ) from error
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1
            self._free.release()
