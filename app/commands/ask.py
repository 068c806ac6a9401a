"""`cairn ask`: a question, its answer as it is written, and the quotes that prove it."""

from __future__ import annotations

import textwrap
from typing import Annotated, Any

import typer
from rich.markup import escape

from app.client import Failed, Service
from app.commands.documents import id_of
from app.commands.running import REFUSED, Json, out, print_json, run


def ask(
    question: Annotated[str, typer.Argument(help="In plain words.")],
    document: Annotated[
        list[str] | None, typer.Option(help="Only in this document, by name or id; repeatable.")
    ] = None,
    json: Json = False,
) -> None:
    """Asks a question. Exit code 3: the documents do not say."""

    async def work(service: Service) -> int:
        only = [await id_of(service, which) for which in document or []]
        return await ask_one(service, question, only, json=json)

    run(work, json=json)


async def ask_one(
    service: Service, question: str, documents: list[str], *, json: bool = False
) -> int:
    """Streams the answer to the terminal; answers the exit code."""
    body = {"question": question, "filters": {"documents": documents}, "stream": True}
    answer: dict[str, Any] | None = None
    async for name, data in service.events("/v1/ask", json=body):
        if name == "delta" and not json:
            out.print(data["text"], end="", markup=False)
        elif name == "answer":
            answer = data
        elif name == "error":
            raise Failed(data["detail"], data)
    if answer is None:
        raise Failed("The service ended the answer before it was complete. Ask again.")
    if json:
        print_json(answer)
    else:
        show_proof(answer)
    return REFUSED if answer["refused"] else 0


def show_proof(answer: dict[str, Any]) -> None:
    """The quotes behind an answer, or what came nearest to one."""
    out.print()
    if answer["refused"]:
        nearest = dict.fromkeys(_place(source) for source in answer["sources"][:3])
        if nearest:
            out.print("\n[dim]Nearest, but not enough:[/]")
        for place in nearest:
            out.print(f"[dim]  · {escape(place)}[/]")
    else:
        out.print()
    for citation in answer["citations"]:
        out.print(f"  [bold cyan]\\[{citation['number']}][/] {escape(_place(citation))}")
        quote = " ".join(citation["quote"].split())
        out.print(textwrap.indent(textwrap.fill(f"“{quote}”", 92), "      "), markup=False)
    timings = answer["timings_ms"]
    out.print(
        f"\n[dim]{timings['total']:.0f} ms · {escape(answer['model'])} · {answer['release']} · "
        f"trace {answer['trace_id']}[/]"
    )


def _place(at: dict[str, Any]) -> str:
    page = f", page {at['page']}" if at["page"] else ""
    section = f" — {' › '.join(at['section'])}" if at["section"] else ""
    return f"{at['name']}{page}{section}"
