"""Shipping: what waits in the outbox goes to Langfuse, at least once, and in nobody's way."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import random
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import IO, Protocol

from infra.traces.langfuse import (
    Address,
    BatchRefused,
    LangfuseAway,
    LangfuseClosed,
    LangfuseUnavailable,
    Patience,
    open_langfuse,
)
from infra.traces.outbox import Kind, Outbox, Parcel
from infra.traces.reading import TracesUnavailable

log = logging.getLogger(__name__)

MOST: Mapping[Kind, tuple[int, int]] = {"span": (256, 4_000_000), "score": (15, 900_000)}
"""Parcels and bytes per request. A body of scores may have 1 MiB; spans go in compressed."""
REFUSALS = 16
"""Single parcels that one round tries in vain before it asks whether the server takes anything."""
LONGEST_S = 300.0
"""What a server may ask to wait at most."""


class Taker(Protocol):
    """What is shipped to: `infra.traces.langfuse.LangfuseServer`."""

    async def take(self, kind: Kind, bodies: Sequence[bytes]) -> None: ...
    async def ping(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How often, and how patiently. Times are in seconds."""

    poll_s: float = 1.0
    """Between two looks at an empty outbox, and at a lease that another process holds."""
    least_wait_s: float = 0.2
    most_wait_s: float = 30.0
    """After a first failure, and after many: doubled in between, less a random part."""
    tries: int = 3
    """Refusals after which a parcel is parked."""
    farewell_s: float = 1.0
    """How long closing waits for the rest to go out."""
    patience: Patience = field(default_factory=Patience)


@dataclass(slots=True)
class _Round:
    """What became of one batch."""

    taken: int = 0
    refused: list[Parcel] = field(default_factory=list)

    @property
    def hopeless(self) -> bool:
        return not self.taken and len(self.refused) >= REFUSALS


class Shipper:
    """Ships one kind, so that the other goes on when the server does not take this one."""

    def __init__(self, kind: Kind, outbox: Outbox, server: Taker, pace: Pace) -> None:
        self._kind = kind
        self._outbox = outbox
        self._server = server
        self._pace = pace
        self._failures = 0
        self._told: type[Exception] | None = None

    async def run(self, closing: asyncio.Event) -> None:
        """Until it is closing and nothing waits, or nothing gets through."""
        while True:
            rest_s = await self._go()
            if rest_s and closing.is_set():
                return
            if rest_s:
                await _within(closing, rest_s)

    async def _go(self) -> float:
        """One batch; seconds until the next."""
        try:
            shipped = await self._ship()
        except LangfuseUnavailable as error:
            return self._failed(error)
        except Exception as error:
            # The boundary of the task: a full disk or a fault of ours must not end delivery for
            # good, and nobody waits for this task who could hear of it.
            log.exception("%ss could not be delivered", self._kind)
            return self._failed(error)
        if not shipped:
            return self._pace.poll_s
        self._failures = 0
        if self._told:
            self._told = None
            log.warning("%ss are delivered again", self._kind)
        return 0.0

    async def _ship(self) -> bool:
        """True when some of the batch was taken."""
        batch = await asyncio.to_thread(self._outbox.waiting, self._kind, *MOST[self._kind])
        if not batch:
            return False
        round_ = _Round()
        await self._send(batch, round_)
        if round_.refused:
            await self._blame(round_)
        return round_.taken > 0

    async def _send(self, batch: Sequence[Parcel], round_: _Round) -> None:
        """Splits what is refused, down to the parcels that the server does not take."""
        if round_.hopeless:
            return
        try:
            await self._server.take(self._kind, [parcel.body for parcel in batch])
        except BatchRefused:
            if len(batch) == 1:
                round_.refused += batch
                return
            middle = len(batch) // 2
            await self._send(batch[:middle], round_)
            await self._send(batch[middle:], round_)
            return
        await asyncio.to_thread(self._outbox.deliver, batch)
        round_.taken += len(batch)

    async def _blame(self, round_: _Round) -> None:
        """Counts the refusals, if it is the parcels: a server that refuses everything is no judge."""
        if not (round_.taken or all(parcel.tries for parcel in round_.refused)):
            await self._probe(round_)
        parked = await asyncio.to_thread(self._outbox.refuse, round_.refused, self._pace.tries)
        for parcel in parked:
            ids = {"trace_id": parcel.trace_id, f"{self._kind}_id": parcel.item_id}
            log.warning("Langfuse refuses a %s; it stays here", self._kind, extra=ids)

    async def _probe(self, round_: _Round) -> None:
        newest = await asyncio.to_thread(self._outbox.newest, self._kind)
        if newest and newest not in round_.refused:
            await self._send([newest], probe := _Round())
            round_.taken += probe.taken
        if not round_.taken:
            raise LangfuseClosed(f"Langfuse refuses every {self._kind} that waits.")

    def _failed(self, error: Exception) -> float:
        self._failures += 1
        if self._told is not type(error):  # once per kind of failure, not once per try
            self._told = type(error)
            log.warning("%ss wait on this machine: %s", self._kind, error)
        most_s = self._pace.most_wait_s
        if isinstance(error, LangfuseClosed):
            return most_s
        doubled_s = self._pace.least_wait_s * 2.0 ** min(self._failures - 1, 30)
        wait_s = min(most_s, doubled_s) * random.uniform(0.5, 1.0)  # noqa: S311 - not a secret
        asked_s = error.retry_after_s if isinstance(error, LangfuseAway) else 0.0
        return max(wait_s, min(asked_s, LONGEST_S))


class Shipping:
    """All that goes to Langfuse from one outbox. One process at a time ships: who has the lease."""

    def __init__(self, outbox: Outbox, server: Taker, lease: IO[bytes], pace: Pace) -> None:
        self._outbox = outbox
        self._server = server
        self._lease = lease
        self._pace = pace
        self._shippers = [Shipper(kind, outbox, server, pace) for kind in MOST]
        self._closing = asyncio.Event()

    async def run(self) -> None:
        """Until it is closed or cancelled. What is on its way then is sent again at the next start."""
        while not _locked(self._lease):
            if await _within(self._closing, self._pace.poll_s):
                return
        await asyncio.gather(*(shipper.run(self._closing) for shipper in self._shippers))

    def close(self) -> None:
        """Makes `run` end as soon as nothing waits, or nothing gets through."""
        self._closing.set()

    async def ping(self) -> str:
        """What is behind it, and what waits. Raises `LangfuseUnavailable`, `TracesUnavailable`."""
        try:
            standing = await asyncio.to_thread(self._standing)
        except sqlite3.Error as error:
            raise TracesUnavailable("The trace store cannot be read.") from error
        try:
            return f"{await self._server.ping()}; {standing}"
        except LangfuseUnavailable as error:
            raise LangfuseUnavailable(f"{error} So far: {standing}.") from error

    def _standing(self) -> str:
        spans, scores = self._outbox.standing("span"), self._outbox.standing("score")
        waiting, parked = spans.waiting + scores.waiting, spans.parked + scores.parked
        return (
            f"{spans.delivered:,} spans and {scores.delivered:,} scores delivered, {waiting:,} wait"
            + (f" (the oldest for {self._outbox.oldest_s():,.0f} s)" if waiting else "")
            + (f", {parked:,} refused" if parked else "")
        )


@asynccontextmanager
async def open_shipping(
    outbox: Outbox, address: Address, pace: Pace = Pace()
) -> AsyncIterator[Shipping]:
    """Ships while it is open. Closing takes `farewell_s` at most; the rest waits for the next start."""
    with outbox.path.with_suffix(".shipping").open("ab") as lease:
        async with open_langfuse(address, pace.patience) as server:
            shipping = Shipping(outbox, server, lease, pace)
            task = asyncio.create_task(shipping.run())
            try:
                yield shipping
            finally:
                shipping.close()
                await asyncio.wait({task}, timeout=pace.farewell_s)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


async def _within(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True


def _locked(lease: IO[bytes]) -> bool:
    """The kernel takes the lease back from a process that is killed."""
    try:
        fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
