"""The service in a process that kills itself, once, at a named point of ingestion.

`CAIRN_TEST_CRASH_AT` names the point, and `CAIRN_TEST_CRASH_MARKER` a file that is made when it is
reached: where it exists already, nothing happens. Run as `python -m tests.chaos.launcher`.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import uvicorn

from app.api import create_app
from app.container import Platform, Tell, assemble, open_adapters
from app.logs import set_up_logs
from app.settings import Settings, read_settings
from ingestion.documents import Stage
from ingestion.leases import Claim, Due
from retrieval.index import Entry, Vector

POINTS = (
    "after-claim",
    "after-parse",
    "after-embed",
    "mid-upsert",
    "before-publish",
    "after-publish",
    "before-cleanup",
)


@dataclass(frozen=True, slots=True)
class Crash:
    """A death at one point, which comes once."""

    at: str
    marker: Path

    def reach(self, point: str) -> None:
        """Does not return when this is the point."""
        if point == self.at and not self.marker.exists():
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)


class _Wrapped:
    """Hands through what a subclass does not do itself."""

    def __init__(self, inner: Any, crash: Crash) -> None:
        self._inner = inner
        self._crash = crash

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class CrashingLeases(_Wrapped):
    async def claim(self, due: Due, owner: str, now: float) -> Claim | None:
        claim: Claim | None = await self._inner.claim(due, owner, now)
        if claim is not None:
            self._crash.reach("after-claim")
        return claim

    async def advance(self, claim: Claim, stage: Stage, done: int, total: int, now: float) -> None:
        if stage == "chunking":
            self._crash.reach("after-parse")
        await self._inner.advance(claim, stage, done, total, now)

    async def publish(self, claim: Claim, reused: int, now: float) -> None:
        self._crash.reach("before-publish")
        await self._inner.publish(claim, reused, now)
        self._crash.reach("after-publish")


class CrashingEmbedder(_Wrapped):
    async def embed_passages(self, texts: Sequence[str]) -> Vector:
        vectors: Vector = await self._inner.embed_passages(texts)
        self._crash.reach("after-embed")
        return vectors


class CrashingStore(_Wrapped):
    async def put(self, entries: Sequence[Entry]) -> None:
        if len(entries) > 1:
            await self._inner.put(entries[: len(entries) // 2])
            self._crash.reach("mid-upsert")
        await self._inner.put(entries)

    async def remove(self, tenant: str, document_id: str, version: int | None = None) -> int:
        self._crash.reach("before-cleanup")
        removed: int = await self._inner.remove(tenant, document_id, version)
        return removed


@asynccontextmanager
async def open_crashing(settings: Settings, tell: Tell) -> AsyncIterator[Platform]:
    """The platform, its ports wrapped."""
    crash = Crash(os.environ["CAIRN_TEST_CRASH_AT"], Path(os.environ["CAIRN_TEST_CRASH_MARKER"]))
    async with AsyncExitStack() as stack:
        adapters = await open_adapters(settings, stack, tell)
        yield assemble(
            replace(
                adapters,
                leases=CrashingLeases(adapters.leases, crash),
                embedder=CrashingEmbedder(adapters.embedder, crash),
                index=CrashingStore(adapters.index, crash),
            )
        )


def main() -> None:
    settings = read_settings()
    if os.environ["CAIRN_TEST_CRASH_AT"] not in POINTS:
        sys.exit(f"CAIRN_TEST_CRASH_AT is none of {', '.join(POINTS)}")
    set_up_logs(settings.log_level)
    app = create_app(settings, open_crashing)
    uvicorn.run(app, host=settings.host, port=settings.port, log_config=None, access_log=False)


if __name__ == "__main__":
    main()
