"""Whether the service lives, whether it is ready, what it counts, who one is, what is behind it."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from app.auth import Engineer, Reader
from app.container import Ping, Platform
from app.errors import PROBLEMS
from app.metrics import Metrics
from app.starting import Boot, platform_of
from app.wire.strict import Strict
from retrieval.index import Scope

router = APIRouter(tags=["service"])
Here = Annotated[Platform, Depends(platform_of)]
PING_S = 5.0


class Me(Strict):
    """Who calls, and what answers."""

    tenant: str
    role: str
    groups: list[str]
    key: str | None
    version: str
    model: str
    release: str


class Part(Strict):
    """What is behind one port."""

    port: str
    ok: bool
    detail: str
    ms: float


class Ready(Strict):
    """Whether questions are answered now."""

    ready: bool
    parts: dict[str, str]


@router.get("/livez")
async def live() -> dict[str, bool]:
    """The process answers. Says nothing of what it needs."""
    return {"live": True}


@router.get("/readyz", responses={503: {"model": Ready}})
async def ready(request: Request, response: Response) -> Ready:
    """Pings all that the service needs; 503 while one of them is away, or while it starts."""
    boot: Boot = request.app.state.boot
    if boot.platform is None:
        response.status_code = 503
        return Ready(ready=False, parts={"platform": boot.stage})
    parts = await ping_all(boot.platform.pings)
    fine = all(part.ok for part in parts)
    response.status_code = 200 if fine else 503
    # Details may name hosts, and this route asks for no key: only an engineer gets them.
    return Ready(ready=fine, parts={part.port: "ok" if part.ok else "away" for part in parts})


@router.get("/metrics", response_class=Response)
async def metrics(request: Request) -> Response:
    """Prometheus' text format."""
    counted: Metrics = request.app.state.metrics
    platform = request.app.state.boot.platform
    if platform is not None:
        local = Scope(platform.settings.tenant)
        for status, number in (await platform.records.counts(local)).items():
            counted.documents.labels(status).set(number)
        with suppress(sqlite3.Error):  # all the other numbers are worth having
            await asyncio.to_thread(counted.note_traces, platform.tracing)
        load = await platform.lookout.all_tenants()
        counted.queue_waiting.set(load.waiting)
        counted.queue_running.set(load.running)
        counted.queue_oldest_seconds.set(load.oldest_s or 0.0)
    return Response(counted.page(), media_type="text/plain; version=0.0.4; charset=utf-8")


@router.get("/v1/me")
async def me(caller: Reader, here: Here) -> Me:
    """Who the key makes you, and what answers."""
    return Me(
        tenant=caller.scope.tenant,
        role=caller.role,
        groups=sorted(caller.scope.groups),
        key=caller.key,
        version=version("cairn"),
        model=here.release.model,
        release=here.release.id,
    )


@router.get("/v1/doctor")
async def doctor(caller: Engineer, here: Here) -> list[Part]:
    """What is behind every port, pinged."""
    return await ping_all({**here.pings, **here.watched})


async def ping_all(pings: Mapping[str, Ping]) -> list[Part]:
    """All at once, each with a time limit."""
    return await asyncio.gather(*(_ping(port, ping) for port, ping in pings.items()))


async def _ping(port: str, ping: Ping) -> Part:
    began = time.perf_counter()
    try:
        async with asyncio.timeout(PING_S):
            ok, detail = True, await ping()
    except TimeoutError:
        ok, detail = False, f"It does not answer within {PING_S:g} s."
    except tuple(PROBLEMS) as error:
        ok, detail = False, str(error)
    return Part(port=port, ok=ok, detail=detail, ms=round((time.perf_counter() - began) * 1e3, 1))
