"""The service over HTTP: routes, errors, and a start that opens the port before it loads the models."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Response
from fastapi.staticfiles import StaticFiles

from app.bodies import Bodies
from app.container import Platform, Tell, open_platform
from app.errors import handle_errors
from app.limits import Permits
from app.metrics import Metrics
from app.requests import Requests
from app.routes import ask, check, documents, openai, queue, service, traces
from app.settings import Settings
from app.starting import Boot
from app.worker import run_worker

WEB = Path(__file__).parent / "web"
GRACE_S = 10.0

log = logging.getLogger("cairn.start")
Open = Callable[[Settings, Tell], AbstractAsyncContextManager[Platform]]


def create_app(
    settings: Settings,
    open_: Open = open_platform,
    on_failure: Callable[[BaseException], None] = lambda _: None,
) -> FastAPI:
    """The application. `on_failure` hears why starting failed, which is after the port is open."""
    boot = Boot()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        stop = asyncio.Event()
        life = asyncio.create_task(_live(boot, settings, open_, on_failure, stop))
        try:
            yield
        finally:
            stop.set()
            if boot.platform is None:
                life.cancel()  # it still opens, and would hear of the stop only when all is open
            await asyncio.gather(life, return_exceptions=True)

    app = FastAPI(
        title="Cairn",
        version=version("cairn"),
        summary="Answers from your documents that prove themselves.",
        lifespan=lifespan,
        docs_url=None,  # its page loads scripts from elsewhere; /openapi.json is the contract
        redoc_url=None,
    )
    app.state.boot = boot
    app.state.metrics = Metrics()
    app.state.permits = Permits(settings.asks, settings.ask_wait_s)
    for routes in (ask, openai, documents, queue, traces, check, service):
        app.include_router(routes.router)
    app.mount("/", Fresh(directory=WEB, html=True), name="page")
    handle_errors(app)
    app.add_middleware(Bodies, upload_limit_bytes=int(settings.upload_limit_mb * 1e6))
    app.add_middleware(Requests, metrics=app.state.metrics)
    return app


class Fresh(StaticFiles):
    """Files that a browser asks about before it uses them again: no old module beside a new one."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response


async def _live(
    boot: Boot,
    settings: Settings,
    open_: Open,
    on_failure: Callable[[BaseException], None],
    stop: asyncio.Event,
) -> None:
    """Opens the platform behind the open port, works until told to stop, closes it."""

    def tell(stage: str) -> None:
        boot.stage = stage
        log.info("starting", extra={"stage": stage})

    try:
        async with open_(settings, tell) as platform:
            worker = asyncio.create_task(run_worker(platform)) if settings.embedded else None
            boot.platform = platform
            log.info("ready")
            await _until(stop, worker)
            boot.platform = None
            if worker is not None:
                worker.cancel()
                await asyncio.wait({worker}, timeout=GRACE_S)
    except Exception as error:  # noqa: BLE001
        # The boundary of the service's life: whatever it was, the operator must hear it in words.
        on_failure(error)


async def _until(stop: asyncio.Event, worker: asyncio.Task[None] | None) -> None:
    """Until told to stop. A worker that ends by itself is a fault, and ends the service."""
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({stopping, worker} if worker else {stopping}, return_when="FIRST_COMPLETED")
    if worker is not None and worker.done():
        worker.result()
    with contextlib.suppress(asyncio.CancelledError):
        stopping.cancel()
        await stopping
