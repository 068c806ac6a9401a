"""`cairn keys`: who may do what. Works on the database itself, so it needs no key and no service."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from app.client import Failed
from app.commands.running import Json, guarded, out, print_json, say
from app.settings import read_settings

if TYPE_CHECKING:
    from infra.records.keys import ApiKey, SqlKeys

app = typer.Typer(help="Create, list and revoke API keys.", no_args_is_help=True)


class RoleName(StrEnum):
    """Each may do all that the ones before it may."""

    reader = "reader"
    editor = "editor"
    engineer = "engineer"
    admin = "admin"


@app.command()
def create(
    role: Annotated[RoleName, typer.Option(help="What the key may do.")],
    name: Annotated[str, typer.Option(help="Whose it is.")] = "unnamed",
    tenant: Annotated[str | None, typer.Option(help="Default: CAIRN_TENANT.")] = None,
    group: Annotated[
        list[str] | None, typer.Option(help="Groups whose documents it may see; repeatable.")
    ] = None,
    days: Annotated[float | None, typer.Option(help="Until it expires; default: never.")] = None,
    json: Json = False,
) -> None:
    """Makes a key and shows it, this once."""
    settings = read_settings()
    expires_at = None if days is None else time.time() + days * 86400

    async def work(keys: SqlKeys) -> int:
        key, text = await keys.create(
            tenant or settings.tenant, name, role.value, frozenset(group or ()), expires_at
        )
        if json:
            print_json({**_row(key), "key": text})
        else:
            out.print(text, markup=False)
            say("This is the only time the key is shown; only its hash is kept.")
        return 0

    _run(work, json=json)


@app.command("list")
def list_(json: Json = False) -> None:
    """The keys there are; never the keys themselves."""

    async def work(keys: SqlKeys) -> int:
        found = await keys.all()
        if json:
            print_json([_row(key) for key in found])
            return 0
        table = Table("id", "name", "tenant", "role", "groups", "state", box=None)
        for key in found:
            groups = ", ".join(sorted(key.groups))
            table.add_row(key.id, key.name, key.tenant, key.role, groups, _state(key))
        out.print(table)
        return 0

    _run(work, json=json)


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="As `list` shows it.")], json: Json = False
) -> None:
    """Makes a key worthless, at once."""

    async def work(keys: SqlKeys) -> int:
        await keys.revoke(key_id)
        print_json({"id": key_id, "state": "revoked"}) if json else say(f"{key_id} is revoked.")
        return 0

    _run(work, json=json)


def _run(work: Callable[[SqlKeys], Awaitable[int]], *, json: bool) -> None:
    async def opened() -> int:
        from app.container import records_url
        from infra.records.database import open_database
        from infra.records.keys import KeyMissing, SqlKeys

        settings = read_settings()
        settings.data.mkdir(parents=True, exist_ok=True)
        async with open_database(records_url(settings), migrate=not settings.records) as database:
            try:
                return await work(SqlKeys(database))
            except KeyMissing as error:
                raise Failed(str(error)) from error

    raise typer.Exit(guarded(lambda: asyncio.run(opened()), json=json))


def _row(key: ApiKey) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "tenant": key.tenant,
        "role": key.role,
        "groups": sorted(key.groups),
        "created_at": datetime.fromtimestamp(key.created_at, UTC).isoformat(timespec="seconds"),
        "state": _state(key),
    }


def _state(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "valid" if key.valid(time.time()) else "expired"
