"""`cairn check`: whether records, index and files agree, and the repair of what does not."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table

from app.client import Service
from app.commands.running import FAILED, Json, out, print_json, run, say


def check(
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend what is found; what answers goes on answering.")
    ] = False,
    json: Json = False,
) -> None:
    """Compares records, index and files of all tenants: nothing lost, doubled, orphaned or drifted.

    Exit code 1: something was found, also when it was mended; check again when it is ingested.
    """

    async def work(service: Service) -> int:
        if repair:
            done = await service.call("POST", "/v1/check/repair")
            report, answer = done["found"], done
        else:
            report = answer = await service.call("GET", "/v1/check")
        if json:
            print_json(answer)
        else:
            _tell(report)
            _tell_repair(answer.get("repaired"))
        return 0 if report["clean"] else FAILED

    run(work, json=json)


def _tell(report: dict[str, Any]) -> None:
    table = Table("fault", "document", "version", "what", box=None)
    for finding in report["findings"]:
        which = finding["document_id"] or finding["file"]
        version = str(finding["version"] or "")
        table.add_row(finding["fault"], f"{finding['tenant']}/{which}", version, finding["detail"])
    if report["findings"]:
        out.print(table)
    counts = ", ".join(f"{number} {fault}" for fault, number in report["counts"].items())
    say(
        f"{report['live']:,} live versions, {report['points']:,} points, "
        f"{report['files']:,} files: {counts}."
    )


def _tell_repair(repaired: dict[str, int] | None) -> None:
    if repaired is None:
        return
    say(
        f"{repaired['points_removed']} points and {repaired['files_removed']} files removed, "
        f"{repaired['sent_back']} versions sent back to be ingested anew."
    )
    if repaired["beyond_repair"]:
        say(f"{repaired['beyond_repair']} originals are gone: upload those documents again.")
