"""`cairn ingest`: files and folders into the index, with progress."""

from __future__ import annotations

import asyncio
import json as jsonlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from app.client import Failed, Service
from app.commands.running import FAILED, Json, err, print_json, run, say

T = TypeVar("T")
R = TypeVar("R")
UPLOADS_AT_ONCE = 4
POLL_S = 0.3
WAITING = frozenset({"queued", "parsing", "chunking", "embedding", "indexing"})
WATCHED = 4
"""A round of asking ends at so many that still wait: the worker takes the oldest first, and so do
we. Each question costs the service as much as a tenth of a small document's ingestion."""
ASKED = 50
"""Or at so many in all, so that the bar moves."""
EXAMPLE = """'{"team": "people"}'"""


@dataclass(frozen=True, slots=True)
class Given:
    """A file to upload, and the name it gets."""

    path: Path
    name: str


def json_object(text: str) -> str:
    """For an option that takes one. Raises `typer.BadParameter`."""
    try:
        fine = isinstance(jsonlib.loads(text), dict)
    except ValueError:
        fine = False
    if not fine:
        raise typer.BadParameter(f"{text!r} is no JSON object, such as {EXAMPLE}.")
    return text


def ingest(
    paths: Annotated[
        list[Path], typer.Argument(help="Files, and folders with all that is in them.", exists=True)
    ],
    group: Annotated[
        list[str] | None, typer.Option(help="Who may read them; none: the whole tenant.")
    ] = None,
    metadata: Annotated[
        str, typer.Option(help=f"A flat JSON object: {EXAMPLE}.", callback=json_object)
    ] = "{}",
    wait: Annotated[bool, typer.Option(help="Until all are ready or failed.")] = True,
    json: Json = False,
) -> None:
    """Uploads files and folders, and shows how far their ingestion is.

    The same file again is no work; a changed one becomes a new version. Exit code 1: some failed.
    """
    files = _named(paths)
    options: dict[str, Any] = {"groups": group or [], "metadata": metadata}

    async def work(service: Service) -> int:
        return await _ingest(service, files, options, wait=wait, json=json)

    run(work, json=json)


async def ingest_all(service: Service, paths: Sequence[Path]) -> int:
    """What `cairn ingest` does; answers its exit code."""
    return await _ingest(service, _named(paths), {}, wait=True, json=False)


def _named(paths: Sequence[Path]) -> list[Given]:
    """Every file once. Two under one name would be two versions of one document: refused."""
    files: dict[str, Given] = {}
    for given in _files(paths):
        other = files.setdefault(given.name, given)
        if other.path.resolve() != given.path.resolve():
            raise typer.BadParameter(
                f"{other.path} and {given.path} would both be named {given.name!r}. Ingest the "
                "folder above them: its documents are named by their path in it."
            )
    return list(files.values())


def _files(paths: Sequence[Path]) -> Iterator[Given]:
    for path in paths:
        if not path.is_dir():
            yield Given(path, _told(path.name))
            continue
        for file in sorted(path.rglob("*")):
            inside = file.relative_to(path)
            if file.is_file() and not any(part.startswith(".") for part in inside.parts):
                yield Given(file, _told(inside.as_posix()))


def _told(name: str) -> str:
    """The name with a mark for each byte that is no UTF-8, as old archives have them."""
    return os.fsencode(name).decode("utf-8", "replace")


async def _ingest(
    service: Service, files: Sequence[Given], options: dict[str, Any], *, wait: bool, json: bool
) -> int:
    if not files:
        raise Failed("There is no file in what was given.")
    with progress_bars() as bars:
        outcomes = await _upload_all(service, files, options, bars)
        accepted = [one["document"]["id"] for one in outcomes if "document" in one]
        failed = await until_settled(service, accepted, bars) if wait else []
    refused = [one for one in outcomes if "problem" in one]
    if json:
        print_json({"files": outcomes, "failed": failed})
    else:
        _tell(outcomes, refused, failed, wait=wait)
    return FAILED if refused or failed else 0


class Remaining(TimeRemainingColumn):
    """The service's estimate where it gives one, as it knows what else waits; else the bar's own."""

    def render(self, task: Task) -> Text:
        if "eta_s" not in task.fields:
            return super().render(task)
        eta_s = task.fields["eta_s"]
        words = "-:--:--" if eta_s is None else str(timedelta(seconds=round(eta_s)))
        return Text(words, style="progress.remaining")


def progress_bars() -> Progress:
    """How far what takes long is, with the time it will still take."""
    return Progress(
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        Remaining(),
        console=err,
        transient=False,
    )


async def _upload_all(
    service: Service, files: Sequence[Given], options: dict[str, Any], bars: Progress
) -> list[dict[str, Any]]:
    return await at_once(bars, "Uploading", files, lambda given: upload(service, given, options))


async def at_once(
    bars: Progress, title: str, things: Sequence[T], work: Callable[[T], Awaitable[R]]
) -> list[R]:
    """The work on each, a few at a time, under a bar of this title; in the order given."""
    bar = bars.add_task(title, total=len(things))
    places = asyncio.Semaphore(UPLOADS_AT_ONCE)

    async def one(thing: T) -> R:
        async with places:
            outcome = await work(thing)
        bars.advance(bar)
        return outcome

    return list(await asyncio.gather(*map(one, things)))


async def upload(service: Service, given: Given, options: dict[str, Any]) -> dict[str, Any]:
    """The document as the service answers it, or the problem with it."""
    try:
        document = await service.call(
            "PUT",
            f"/v1/documents/{quote(given.name)}",
            content=_bytes(given.path),
            params=options,
        )
    except Failed as error:
        return {"name": given.name, "problem": error.problem}
    except OSError as error:
        return {"name": given.name, "problem": {"detail": f"{given.path}: {error.strerror}."}}
    return {"name": given.name, "document": document}


async def _bytes(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, 1 << 20):
            yield piece


async def until_settled(
    service: Service, ids: Sequence[str], bars: Progress
) -> list[dict[str, Any]]:
    """Until none of these waits any more; answers those that did not become ready."""
    bar = bars.add_task("Ingesting", total=len(ids), eta_s=None)
    left, failed = list(ids), []
    while True:
        for document in await _settled(service, left[:ASKED]):
            left.remove(document["id"])
            if document["status"] != "ready":
                failed.append(document)
        queue = await service.call("GET", "/v1/queue")
        bars.update(bar, completed=len(ids) - len(left), eta_s=queue["eta_s"])
        if not left:
            return failed
        await asyncio.sleep(POLL_S)


async def _settled(service: Service, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Those of the first that wait no more."""
    settled: list[dict[str, Any]] = []
    for place, document_id in enumerate(ids):
        document = await service.call("GET", f"/v1/documents/{document_id}")
        if document["status"] not in WAITING:
            settled.append(document)
        elif place - len(settled) + 1 == WATCHED:
            break
    return settled


def reason_of(document: dict[str, Any]) -> str:
    """Why it did not become ready, in words."""
    failure = document["failure"] or {"reason": f"It was {document['status']} by somebody."}
    return str(failure["reason"])


def _tell(
    outcomes: list[dict[str, Any]],
    refused: list[dict[str, Any]],
    failed: list[dict[str, Any]],
    *,
    wait: bool,
) -> None:
    for one in refused:
        say(f"  refused  {one['name']}: {one['problem'].get('detail', '')}")
    for document in failed:
        say(f"  {document['status']:<8} {document['name']}: {reason_of(document)}")
    done = len(outcomes) - len(refused) - len(failed)
    say(f"{done} of {len(outcomes)} documents {'are ready' if wait else 'were accepted'}.")
