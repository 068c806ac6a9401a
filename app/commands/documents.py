"""`cairn documents`: what is there, what was read from it, and its removal."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Column, Table

from app.client import Failed, Service
from app.commands.running import Json, out, print_json, run, say

app = typer.Typer(help="List, show, retry and delete documents.", no_args_is_help=True)
TITLES = ("name", "status", "pages", "chunks", "size", "id")
ID_CHARACTERS = 32
Which = Annotated[str, typer.Argument(help="The document's id or name.")]


@app.command("list")
def list_(
    status: Annotated[str | None, typer.Option(help="Only those, such as failed.")] = None,
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
def retry(which: Which, json: Json = False) -> None:
    """A failed document back to the queue."""

    async def work(service: Service) -> int:
        document = await service.call("POST", f"/v1/documents/{await id_of(service, which)}/retry")
        print_json(document) if json else say(f"{document['name']} is {document['status']}.")
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
            f"{removed['files']} files; {receipt['remaining_chunks']} chunks remain."
        )
        return 0

    run(work, json=json)


async def all_documents(service: Service, **narrow: str | None) -> list[dict[str, Any]]:
    """As the service lists them, newest first; `status` and `name` narrow. Raises `Failed`."""
    given = {key: value for key, value in narrow.items() if value is not None}
    found: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        params = {**given, "limit": "500"} | ({"cursor": cursor} if cursor else {})
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
    for warning in document["warnings"]:
        out.print(f"  note: {warning}", markup=False)
    if document["failure"]:
        out.print(f"  failed: {document['failure']['reason']}", markup=False)
