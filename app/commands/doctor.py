"""`cairn doctor` and `cairn settings`: what is behind every port, and what can be set."""

from __future__ import annotations

import inspect
import re
from typing import Any

from rich.table import Table

from app.client import Service
from app.commands.running import FAILED, Json, out, print_json, run, say
from app.settings import PREFIX, Settings


def doctor(json: Json = False) -> None:
    """What is behind every port, pinged. Exit code 1: something does not answer."""

    async def work(service: Service) -> int:
        parts = await service.call("GET", "/v1/doctor")
        if json:
            print_json(parts)
        else:
            _tell(service, parts)
        return 0 if all(part["ok"] for part in parts) else FAILED

    run(work, json=json)


def settings(json: Json = False) -> None:
    """Every setting, its default, and what it is for."""
    texts = _descriptions()
    rows = [
        {"name": PREFIX + name.upper(), "default": str(field.default), "is": texts.get(name, "")}
        for name, field in Settings.model_fields.items()
    ]
    if json:
        print_json(rows)
        return
    for row in rows:
        out.print(f"[bold]{row['name']}[/] = {row['default']!r}")
        if row["is"]:
            out.print(f"    {row['is']}", markup=False)


def _tell(service: Service, parts: list[dict[str, Any]]) -> None:
    table = Table("port", "", "behind it", "ms", box=None)
    for part in parts:
        mark = "[green]ok[/]" if part["ok"] else "[red]away[/]"
        table.add_row(part["port"], mark, part["detail"], f"{part['ms']:.1f}")
    say(f"The service at {service.url}")
    out.print(table)


def _descriptions() -> dict[str, str]:
    """The text under each field of `Settings`, read from its source: written once."""
    found = re.finditer(
        r'^    (\w+): [^\n]*\n    """(.*?)"""',
        inspect.getsource(Settings),
        re.MULTILINE | re.DOTALL,
    )
    return {match[1]: " ".join(match[2].split()) for match in found}
