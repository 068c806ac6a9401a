"""`cairn documents`: what is there, how it is coming along, its versions, and its removal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from app.client import Failed, Service
from app.commands.running import Json, out, print_json, run, say

app = typer.Typer(
    help="List, show, stop, retry, restore and delete documents.", no_args_is_help=True
)
TITLES = ("name", "status", "pages", "chunks", "size", "id")
ID_CHARACTERS = 32
Which = Annotated[str, typer.Argument(help="The document's id or name.")]


@app.command("list")
def list_(
    status: Annotated[
        list[str] | None, typer.Option(help="Only those, such as failed; repeatable.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Only names with this part.")] = None,
    json: Json = False,
) -> None:
    """What is there, newest first."""

    async def work(service: Service) -> int:
        documents = await all_documents(service, status=status, name=name)
        if json:
            print_json(documents)
            return 0
        table = Table(*(Column(title, overflow="fold") for title in TITLES), box=None)
        table.columns[-1].min_width = ID_CHARACTERS
        for one in documents:
            table.add_row(
                one["name"],
                one["status"],
                str(one["pages"] or ""),
                str(one["chunks"] or ""),
                f"{one['size_bytes'] / 1e3:,.0f} kB",
                one["id"],
            )
        out.print(table)
        return 0

    run(work, json=json)


@app.command()
def show(which: Which, json: Json = False) -> None:
    """One document: its status, stages and versions, and why it failed."""

    async def work(service: Service) -> int:
        document = await service.call("GET", f"/v1/documents/{await id_of(service, which)}")
        if json:
            print_json(document)
        else:
            _tell(document)
        return 0

    run(work, json=json)


@app.command()
def retry(
    which: Annotated[str | None, typer.Argument(help="The document's id or name.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Everything that failed.")] = False,
    kind: Annotated[
        str | None, typer.Option(help="With --all: only this kind of failure, such as time-limit.")
    ] = None,
    json: Json = False,
) -> None:
    """What failed or was cancelled, back to the queue."""
    if every is (which is not None):
        raise typer.BadParameter("Name a document, or say --all.")
    if kind is not None and not every:
        raise typer.BadParameter("--kind goes with --all.")

    async def work(service: Service) -> int:
        if which is None:
            params = {"kind": kind} if kind else {}
            done = await service.call("POST", "/v1/documents/retry", params=params)
            print_json(done) if json else say(f"{done['retried']} documents wait again.")
        else:
            await _change(service, which, "retry", json=json)
        return 0

    run(work, json=json)


@app.command()
def cancel(which: Which, json: Json = False) -> None:
    """Stops what waits or is worked on; the version before it goes on answering."""

    async def work(service: Service) -> int:
        await _change(service, which, "cancel", json=json)
        return 0

    run(work, json=json)


@app.command()
def restore(
    which: Which,
    version: Annotated[int, typer.Option(help="As `cairn documents show` lists them.", min=1)],
    json: Json = False,
) -> None:
    """Makes an older version current again, as a new one."""

    async def work(service: Service) -> int:
        await _change(service, which, f"versions/{version}/restore", json=json)
        return 0

    run(work, json=json)


@app.command()
def queue(json: Json = False) -> None:
    """How much waits, how fast it goes, and when it will be done."""

    async def work(service: Service) -> int:
        now = await service.call("GET", "/v1/queue")
        print_json(now) if json else _tell_queue(now)
        return 0

    run(work, json=json)


@app.command()
def delete(
    which: Which,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Without asking.")] = False,
    json: Json = False,
) -> None:
    """Removes a document for good, and shows the receipt."""
    if not yes:
        typer.confirm(f"Remove {which!r} with all its versions?", abort=True, err=True)

    async def work(service: Service) -> int:
        receipt = await service.call("DELETE", f"/v1/documents/{await id_of(service, which)}")
        if json:
            print_json(receipt)
            return 0
        removed = receipt["removed"]
        say(
            f"{receipt['name']} is gone: {removed['chunks']} chunks, {removed['versions']} versions, "
            f"{removed['files']} files; {receipt['remaining_chunks']} chunks remain. "
            f"Traces: {receipt['traces']}."
        )
        return 0

    run(work, json=json)


async def all_documents(
    service: Service, **narrow: str | Sequence[str] | None
) -> list[dict[str, Any]]:
    """As the service lists them, newest first; `status` and `name` narrow. Raises `Failed`."""
    given = {key: value for key, value in narrow.items() if value is not None}
    found: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        place = {"cursor": cursor} if cursor else {}
        params: dict[str, Any] = {**given, "limit": "500", **place}
        page = await service.call("GET", "/v1/documents", params=params)
        found += page["items"]
        cursor = page["next"]
    return found


async def id_of(service: Service, which: str) -> str:
    """The id of a document given by id or by name. Raises `Failed`."""
    named = [one for one in await all_documents(service, name=which) if one["name"] == which]
    if named:
        return str(named[0]["id"])
    if len(which) == ID_CHARACTERS:
        return which
    raise Failed(f"There is no document named {which!r}. `cairn documents list` shows them.")


async def _change(service: Service, which: str, act: str, *, json: bool) -> None:
    path = f"/v1/documents/{await id_of(service, which)}/{act}"
    document = await service.call("POST", path)
    if json:
        print_json(document)
    else:
        say(f"{document['name']} is {document['status']}, version {document['version']}.")


def _tell_queue(now: dict[str, Any]) -> None:
    out.print(f"{now['waiting']:,} waiting, {now['running']:,} in work, {now['failed']:,} failed")
    for kind, number in now["failures"].items():
        out.print(f"  {kind:<22}{number:>6,}")
    if now["oldest_s"] is not None:
        out.print(f"the oldest waits for {_span(now['oldest_s'])}")
    if now["waiting"] or now["running"]:
        eta = "unknown so far" if now["eta_s"] is None else f"about {_span(now['eta_s'])}"
        out.print(f"{now['per_minute']:,.1f} a minute; until all is done: {eta}")
    if not now["queue_answers"]:
        out.print("The queue (Redis) does not answer: what waits is begun when it is back.")


def _span(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


def _tell(document: dict[str, Any]) -> None:
    for field in ("name", "title", "id", "status", "version", "live_version", "media_type"):
        out.print(f"[bold]{field.replace('_', ' '):<14}[/]", end="")
        out.print(str(document[field]), markup=False)
    for field in ("pages", "chunks", "language", "groups", "metadata"):
        if document[field]:
            out.print(f"[bold]{field:<14}[/]", end="")
            out.print(str(document[field]), markup=False)
    for stage in document["timeline"]:
        out.print(f"  {stage['stage']:<12}{stage['seconds'] * 1000:>10,.0f} ms")
    for one in document["versions"]:
        changes = one["changes"]
        what = f"+{changes['added']} -{changes['removed']}" if changes else ""
        live = "answers" if one["version"] == document["live_version"] else ""
        out.print(f"  version {one['version']:<4}{one['status']:<12}{what:<12}{live}")
    for warning in document["warnings"]:
        out.print(f"  note: {warning}", markup=False)
    if document["failure"]:
        out.print(f"  failed: {document['failure']['reason']}", markup=False)
