"""`cairn sync`: makes the documents equal to a folder, a bucket or a site."""

from __future__ import annotations

import asyncio
import json as jsonlib
import os
import time
from typing import Annotated, Any

import typer

from app.client import Failed, Service
from app.commands.ingest import EXAMPLE, json_object
from app.commands.running import FAILED, REFUSED, Json, out, print_json, run, say
from app.syncing import Manner, Report, Syncing
from infra.sources.opening import open_source
from infra.sources.remembered import cache_folder, open_remembered
from ingestion.sync import Held, Wanted

SHOWN = 10
"""Of what is skipped in every run alike, not more are named."""
REST = 9.0
"""Watching rests nine times as long as a look took: at most a tenth of one processor."""


def sync(  # noqa: PLR0913, PLR0917  # each is an option
    source: Annotated[
        str,
        typer.Argument(
            help="A folder, s3://bucket/prefix, https://…/page or https://…/sitemap.xml."
        ),
    ],
    prefix: Annotated[str, typer.Option(help="What the documents' names begin with: NAME/.")] = "",
    group: Annotated[
        list[str] | None, typer.Option(help="Who may read them; none: the whole tenant.")
    ] = None,
    metadata: Annotated[
        str, typer.Option(help=f"A flat JSON object: {EXAMPLE}.", callback=json_object)
    ] = "{}",
    watch: Annotated[bool, typer.Option("--watch", help="Goes on until Ctrl-C.")] = False,
    every: Annotated[
        float, typer.Option(help="Seconds between two looks; 0: what suits the source.", min=0)
    ] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only says what it would do.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Even if more than half would be removed.")
    ] = False,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Takes over documents of the same name.")
    ] = False,
    allow_private: Annotated[
        list[str] | None,
        typer.Option(help="HOST or HOST:PORT of an intranet that may be read; repeatable."),
    ] = None,
    known_as: Annotated[
        str, typer.Option("--as", help="What the source is called; else its address.")
    ] = "",
    json: Json = False,
) -> None:
    """Adds what is new in SOURCE, updates what changed, and removes what is gone from it.

    It replaces and removes only what it put there itself. Again is no work; interrupted, it goes on
    the next time. Exit code 1: something could not be read; 3: more than half would be removed.
    """

    async def work(service: Service) -> int:
        async with open_source(source, allow_private or ()) as opened:
            place = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
            labels = jsonlib.loads(metadata)
            wanted = Wanted(known_as or opened.id, place, frozenset(group or ()), labels)
            manner = Manner(wanted, dry_run, force, adopt)
            remembered = open_remembered(cache_folder(os.environ), opened.id)
            syncing = Syncing(service, opened, remembered, manner)
            if watch:
                return await _watch(syncing, manner, every or opened.pause_s, json=json)
            return _tell(await syncing.once(), manner, json=json)

    run(work, json=json)


async def _watch(syncing: Syncing, manner: Manner, every_s: float, *, json: bool) -> int:
    """Until it is interrupted. What is wrong is told once, and again when it is something else."""
    say(f"Watching, every {every_s:g} s. Ctrl-C ends it.")
    told = ""
    while True:
        started = time.monotonic()
        told, idle = await _look(syncing, manner, told, json=json)
        took_s = time.monotonic() - started
        await asyncio.sleep(max(every_s, REST * took_s) if idle else every_s)


async def _look(syncing: Syncing, manner: Manner, told: str, *, json: bool) -> tuple[str, bool]:
    """What is wrong, in words, and whether nothing was done."""
    try:
        report = await syncing.once()
    except Failed as error:
        if str(error) != told:
            say(str(error))
        return str(error), True
    words = "\n".join(_troubles(report, manner))
    idle = not report.done or not any(report.acts.values())
    if words != told or not idle:
        _tell(report, manner, json=json)
    return words, idle


def _tell(report: Report, manner: Manner, *, json: bool) -> int:
    """Says what was done, or would be; answers the exit code."""
    if json:
        print_json(_for_programs(report, manner))
    else:
        _say(report, manner)
    if _refused(report, manner):
        return REFUSED
    return FAILED if any(one.fault for one in report.held) else 0


def _say(report: Report, manner: Manner) -> None:
    acts = report.acts
    for act, names in acts.items():
        for name in names if manner.dry_run else ():
            out.print(f"{act:<7} {manner.wanted.prefix}{name}", markup=False)
    for name in acts["remove"] if report.done else ():
        say(f"  removed  {manner.wanted.prefix}{name}")
    for line in _troubles(report, manner):
        say(line)
    words = ("added", "updated", "removed") if report.done else ("to add", "to update", "to remove")
    numbers = [f"{len(names)} {word}" for names, word in zip(acts.values(), words, strict=True)]
    say(f"{', '.join(numbers)}, {report.plan.unchanged} unchanged.")


def _troubles(report: Report, manner: Manner) -> list[str]:
    """What is not as it should be, in lines for a person."""
    skipped = [one for one in report.held if not one.fault]
    lines = [_line("skipped", one) for one in skipped[:SHOWN]]
    if len(skipped) > SHOWN:
        lines.append(f"  … and {len(skipped) - SHOWN} more that are skipped; --json names all.")
    lines += [_line("failed", one) for one in report.held if one.fault]
    if _refused(report, manner):
        lines.append(
            f"{len(report.plan.remove)} of the {report.plan.owned} documents of "
            f"{manner.wanted.source} are not there any more: more than half. Nothing was changed. "
            "Is the source all there? If so, say --force."
        )
    return lines


def _line(what: str, held: Held) -> str:
    return f"  {what:<8} {held.name}: {held.reason}"


def _refused(report: Report, manner: Manner) -> bool:
    return report.plan.drastic and not manner.force


def _for_programs(report: Report, manner: Manner) -> dict[str, Any]:
    """Names are the documents' own, with the prefix."""
    prefix = manner.wanted.prefix
    held = [
        {"name": prefix + one.name, "reason": one.reason, "fault": one.fault} for one in report.held
    ]
    acts = {act: [prefix + name for name in names] for act, names in report.acts.items()}
    return {
        "source": manner.wanted.source,
        "done": report.done,
        "refused": _refused(report, manner),
        **acts,
        "unchanged": report.plan.unchanged,
        "held": held,
    }
