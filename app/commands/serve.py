"""`cairn serve`, `cairn worker`, `cairn migrate`: the processes."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from typing import Annotated

import typer

from app.client import in_words
from app.commands.running import FAILED, USAGE, err, guarded, say
from app.settings import Settings, read_settings


def serve(
    host: Annotated[str | None, typer.Option(help="CAIRN_HOST for this once.")] = None,
    port: Annotated[int | None, typer.Option(help="CAIRN_PORT for this once.")] = None,
) -> None:
    """Runs the service: the API, the page, and on one machine the worker too."""
    raise typer.Exit(guarded(lambda: _serve(_settings(host, port))))


def worker() -> None:
    """Runs a worker beside a service that uses servers; any number, on any machine."""
    raise typer.Exit(guarded(lambda: asyncio.run(_work(read_settings()))))


def migrate() -> None:
    """Brings the database to this version's schema."""
    raise typer.Exit(guarded(lambda: asyncio.run(_migrate(read_settings()))))


def _settings(host: str | None, port: int | None) -> Settings:
    changes = {"host": host, "port": port}
    return read_settings(
        os.environ, **{name: value for name, value in changes.items() if value is not None}
    )


def _serve(settings: Settings) -> int:
    import uvicorn

    from app.api import create_app
    from app.logs import set_up_logs

    try:
        listener = _listener(settings)
    except OSError as error:
        say(
            f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}. "
            "CAIRN_HOST and CAIRN_PORT choose another place."
        )
        return FAILED
    set_up_logs(settings.log_level)
    failures: list[BaseException] = []

    def failed(error: BaseException) -> None:
        failures.append(error)
        server.should_exit = True

    app = create_app(settings, on_failure=failed)
    config = uvicorn.Config(
        app, log_config=None, access_log=False, timeout_graceful_shutdown=20, server_header=False
    )
    server = uvicorn.Server(config)
    err.print(f"Cairn listens on [bold]http://{settings.host}:{listener.getsockname()[1]}[/]")
    if not settings.loopback:
        say("It listens beyond this machine, so every request needs a key: cairn keys create")
    server.run(sockets=[listener])
    if failures:
        say(f"Cairn could not go on: {in_words(failures[0])}")
        return FAILED
    return 0


def _listener(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    return socket.create_server((settings.host, settings.port), family=family)


async def _work(settings: Settings) -> int:
    from app.logs import set_up_logs

    if settings.embedded:
        say(
            "With Qdrant's engine in the service's process, the service is its own worker. "
            "Set CAIRN_VECTORS to a Qdrant server to run workers of their own."
        )
        return USAGE
    set_up_logs(settings.log_level)
    working = asyncio.create_task(_open_and_work(settings))
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, working.cancel)
    await asyncio.wait({working})
    if not working.cancelled():
        working.result()
    return 0


async def _open_and_work(settings: Settings) -> None:
    from app.container import open_platform
    from app.worker import run_worker

    async with open_platform(settings) as platform:
        say("The worker runs.")
        await run_worker(platform)


async def _migrate(settings: Settings) -> int:
    from app.container import records_url
    from infra.records.database import open_database

    settings.data.mkdir(parents=True, exist_ok=True)
    async with open_database(records_url(settings), migrate=True) as database:
        say(f"{await database.ping()} is at this version's schema.")
    return 0
