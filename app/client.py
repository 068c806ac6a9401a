"""The command line's way to the service: the one that runs, or one of its own while a command lasts."""

from __future__ import annotations

import asyncio
import os
import socket
import traceback
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from app.logs import set_up_logs
from app.settings import BadSettings, Settings, read_settings

Tell = Callable[[str], None]
TIMEOUT = httpx.Timeout(60.0, read=300.0)


class Failed(Exception):
    """The service answered with a problem, or not at all. The message is for the person who asked."""

    def __init__(self, message: str, problem: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.problem = problem or {"title": message, "detail": message}


@dataclass(frozen=True, slots=True)
class Service:
    """A service that answers."""

    http: httpx.AsyncClient
    url: str

    async def call(self, method: str, path: str, **request: Any) -> Any:
        """The decoded JSON. Raises `Failed`."""
        try:
            answer = await self.http.request(method, path, **request)
        except httpx.HTTPError as error:
            raise Failed(f"{self.url} does not answer: {_words(error)}") from error
        return decoded(answer)

    async def events(self, path: str, **request: Any) -> AsyncIterator[tuple[str, Any]]:
        """(name, data) of each server-sent event. Raises `Failed`."""
        try:
            async with self.http.stream("POST", path, **request) as answer:
                if answer.is_error:
                    await answer.aread()
                    decoded(answer)
                name = ""
                async for line in answer.aiter_lines():
                    field, _, value = line.partition(": ")
                    if field == "event":
                        name = value
                    elif field == "data":
                        yield name, orjson.loads(value)
        except httpx.HTTPError as error:
            raise Failed(f"{self.url} broke off: {_words(error)}") from error


@asynccontextmanager
async def open_service(tell: Tell) -> AsyncIterator[Service]:
    """`CAIRN_URL`, or the service on this machine, or a new one in this process.

    Raises `Failed`, and `BadSettings` also for a URL that is none.
    """
    settings = read_settings()
    given = os.environ.get("CAIRN_URL")
    url = given or f"http://{_name(settings.host)}:{settings.port}"
    if given or await _answers(url):
        async with _connected(url) as service:
            await _ready(service, tell)
            yield service
        return
    async with _own(settings, tell) as service:
        yield service


def decoded(answer: httpx.Response) -> Any:
    """The JSON of an answer. Raises `Failed` with the words of its problem document."""
    try:
        content = orjson.loads(answer.content)
        if answer.is_success:
            return content
        message = content["detail"]
    except (ValueError, KeyError, TypeError):
        raise Failed(f"{answer.url} answered {answer.status_code}, but is not Cairn.") from None
    raise Failed(message, content)


def in_words(error: BaseException) -> str:
    """What a person at a terminal is told; of an error that nobody foresaw also where it arose."""
    from app.errors import PROBLEMS
    from infra.records.database import SchemaBehind
    from infra.redis_child import DataFolderInUse

    if isinstance(error, BaseExceptionGroup):
        return in_words(error.exceptions[0])
    if isinstance(error, (*PROBLEMS, SchemaBehind, DataFolderInUse, BadSettings, ValueError)):
        return str(error)
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}."
    place = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"An error inside Cairn: {type(error).__name__}: {error} "
        f"({place.filename}, line {place.lineno})."
    )


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Service]:
    key = os.environ.get("CAIRN_KEY")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        base = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise BadSettings(f"CAIRN_URL: {error}.") from error
    if base.scheme not in {"http", "https"} or not base.host:
        raise BadSettings(f"CAIRN_URL: {url!r} is no address; write http://host:8400.")
    async with httpx.AsyncClient(
        base_url=base, headers=headers, timeout=TIMEOUT, trust_env=False
    ) as http:
        yield Service(http, url)


@asynccontextmanager
async def _own(settings: Settings, tell: Tell) -> AsyncIterator[Service]:
    import uvicorn

    from app.api import create_app

    class Server(uvicorn.Server):
        """Leaves signals alone: Ctrl-C is for the command, which then stops the service."""

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    failures: list[BaseException] = []
    settings.data.mkdir(parents=True, exist_ok=True)
    set_up_logs(settings.log_level, settings.data / "cairn.log")
    local = settings.model_copy(update={"host": "127.0.0.1"})
    config = uvicorn.Config(
        create_app(local, on_failure=failures.append), log_config=None, access_log=False
    )
    server = Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            async with _connected(url) as service:
                await _ready(service, tell, failures)
                yield service
        finally:
            server.should_exit = True
            await serving


async def _ready(service: Service, tell: Tell, failures: Sequence[BaseException] = ()) -> None:
    """Waits until the models are loaded. What is away besides, the calls say when they need it."""
    while (stage := await _stage(service)) is not None:
        if failures:
            raise Failed(in_words(failures[0])) from failures[0]
        tell(stage)
        await asyncio.sleep(0.1)


async def _stage(service: Service) -> str | None:
    """What a service that starts is doing; None: it has started. Raises `Failed`."""
    try:
        answer = await service.http.get("/readyz")
        stage = orjson.loads(answer.content)["parts"].get("platform")
    except httpx.HTTPError as error:
        raise Failed(f"{service.url} does not answer: {_words(error)}") from error
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Failed(f"{service.url} answers, but is not Cairn.") from None
    return None if stage is None else str(stage)


async def _answers(url: str) -> bool:
    async with httpx.AsyncClient(timeout=2.0, trust_env=False) as http:
        try:
            return (await http.get(f"{url}/livez")).is_success
        except httpx.HTTPError:
            return False


def _name(host: str) -> str:
    if host in {"0.0.0.0", "::"}:
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
