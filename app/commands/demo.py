"""`cairn demo`: the main job in a minute, on the documents that come with the project."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from app.client import Service
from app.commands.ask import ask_one
from app.commands.ingest import ingest_all
from app.commands.running import FAILED, REFUSED, out, run

QUESTIONS = (
    ("How many days of paid annual leave does a full-time employee have in 2026?", 0),
    ("What is the mileage rate for my own car in 2026?", 0),
    ("Does the company pay for dental treatment?", REFUSED),
)


def demo(
    documents: Annotated[Path, typer.Argument(help="The folder to ingest.", exists=True)],
) -> None:
    """Ingests sample documents, asks three questions, and shows where to look further.

    The third is not answered by the documents. Exit code 1: something did not go as it should.
    """
    began = time.monotonic()

    async def work(service: Service) -> int:
        out.print(f"\n[bold]1. Ingesting {documents}[/]")
        code = await ingest_all(service, [documents])
        for number, (question, expected) in enumerate(QUESTIONS, start=2):
            out.print(f"\n[bold]{number}. {question}[/]\n")
            if await ask_one(service, question, []) != expected:
                code = FAILED
            if number == 2:
                out.print(f"[dim]First answer {time.monotonic() - began:.1f} s after the start.[/]")
        out.print(
            "\n[bold]Now:[/] `make serve`, then open http://127.0.0.1:8400 for the page; "
            "Traces there shows every step of these answers."
        )
        return code

    run(work)
