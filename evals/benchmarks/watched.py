"""`cairn serve` with a watch on it: how late its event loop is, when its model works, its memory.

Run as `python -m evals.benchmarks.watched FILE`; ended by SIGTERM, it writes what it saw into FILE.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from app.api import create_app
from app.container import Platform, Tell, assemble, open_adapters
from app.logs import set_up_logs
from app.settings import Settings, read_settings
from retrieval.index import Embedder, EmbedderIdentity, Vector

TICK_S = 0.005
"""A loop that is free wakes up so often."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen over the life of a service. Times are seconds since the epoch."""

    ticks: list[tuple[float, float]]
    """When the loop should have woken up, and how many seconds later it did."""
    busy: list[tuple[float, float]]
    """From when to when passages were with the embedder."""

    def lateness_ms(self, began: float, ended: float) -> tuple[float, float]:
        """The 99th percentile and the worst, over that time."""
        late = [late for at, late in self.ticks if began <= at <= ended] or [0.0]
        return float(np.percentile(late, 99)) * 1e3, max(late) * 1e3

    def busy_share(self, began: float, ended: float) -> float:
        """The part of that time in which the model had work."""
        spans = [(max(start, began), min(end, ended)) for start, end in self.busy]
        return sum(end - start for start, end in spans if end > start) / (ended - began)


def read_seen(path: Path) -> Seen:
    found = json.loads(path.read_text())
    return Seen([(a, b) for a, b in found["ticks"]], [(a, b) for a, b in found["busy"]])


class Watched:
    """An embedder that notes when it has work; overlapping calls are one stretch of it."""

    def __init__(self, embedder: Embedder, busy: list[tuple[float, float]]) -> None:
        self._embedder = embedder
        self._busy = busy
        self._calls = 0
        self._since = 0.0

    @property
    def identity(self) -> EmbedderIdentity:
        return self._embedder.identity

    async def embed_passages(self, texts: Sequence[str]) -> Vector:
        if self._calls == 0:
            self._since = time.time()
        self._calls += 1
        try:
            return await self._embedder.embed_passages(texts)
        finally:
            self._calls -= 1
            if self._calls == 0:
                self._busy.append((self._since, time.time()))

    async def embed_question(self, text: str) -> Vector:
        return await self._embedder.embed_question(text)


async def watch(ticks: list[tuple[float, float]]) -> None:
    """Until cancelled."""
    while True:
        due = time.time() + TICK_S
        await asyncio.sleep(TICK_S)
        ticks.append((due, time.time() - due))


async def serve(place: Path) -> None:
    """Until SIGTERM; then writes what was seen."""
    import uvicorn

    seen = Seen([], [])

    @asynccontextmanager
    async def opened(settings: Settings, tell: Tell) -> AsyncIterator[Platform]:
        async with AsyncExitStack() as stack:
            adapters = await open_adapters(settings, stack, tell)
            # Here rather than after the server, which ends by the very signal that it was sent.
            stack.callback(lambda: place.write_text(json.dumps(asdict(seen))))
            yield assemble(replace(adapters, embedder=Watched(adapters.embedder, seen.busy)))

    settings = read_settings()
    app = create_app(settings, opened)
    config = uvicorn.Config(
        app, host=settings.host, port=settings.port, log_config=None, access_log=False
    )
    watching = asyncio.create_task(watch(seen.ticks))
    try:
        await uvicorn.Server(config).serve()
    finally:
        watching.cancel()


def main() -> None:
    """Serves."""
    set_up_logs("WARNING")
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(serve(Path(sys.argv[1])))


def _loop_factory() -> type[asyncio.AbstractEventLoop]:
    """The one that `cairn serve` runs on."""
    import uvloop

    return uvloop.Loop


if __name__ == "__main__":
    main()
