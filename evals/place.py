"""The place that is asked: a service by its address, the one there is, or a fresh one of our own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from app.client import Failed, Service, open_service
from app.commands.ingest import ingest_all
from app.commands.running import err

ELSEWHERE = ("URL", "KEY", "RECORDS", "REDIS", "VECTORS", "FILES")
"""Settings that name a service or its servers. A fresh service has none of them, and keeps the
others: the model and the embedder are what is measured."""


@asynccontextmanager
async def asked_place(url: str | None, documents: Path | None) -> AsyncIterator[Service]:
    """The service to ask. With documents a fresh one that has these and no others.

    Raises `Failed`, also where a document cannot be ingested, and `BadSettings`.
    """
    if url is not None and documents is not None:
        raise Failed("Give --url or --documents: a fresh service has no address yet.")
    if documents is not None:
        async with _fresh() as service:
            if await ingest_all(service, [documents]):
                raise Failed(f"Not all of {documents} could be ingested, so nothing was asked.")
            yield service
        return
    with _environment({"CAIRN_URL": url} if url else {}):
        async with _opened() as service:
            yield service


@asynccontextmanager
async def _fresh() -> AsyncIterator[Service]:
    with tempfile.TemporaryDirectory(prefix="cairn-eval-") as data:
        # On port 0 no other service can be found in its place.
        changes: dict[str, str | None] = {f"CAIRN_{name}": None for name in ELSEWHERE}
        with _environment({**changes, "CAIRN_DATA": data, "CAIRN_PORT": "0"}):
            async with _opened() as service:
                yield service


@asynccontextmanager
async def _opened() -> AsyncIterator[Service]:
    with err.status("Connecting") as status:
        async with open_service(lambda stage: status.update(stage.capitalize())) as service:
            status.stop()
            yield service


@contextmanager
def _environment(changes: Mapping[str, str | None]) -> Iterator[None]:
    """The settings as they are changed; as they were again afterwards."""
    before = {name: os.environ.get(name) for name in changes}
    _set(changes)
    try:
        yield
    finally:
        _set(before)


def _set(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
