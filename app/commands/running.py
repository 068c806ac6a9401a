"""How a command runs: its event loop, its words on the terminal, its exit code."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console

from app.client import Failed, Service, in_words, open_service
from app.settings import BadSettings

Json = Annotated[bool, typer.Option("--json", help="For programs: JSON on standard output.")]

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

FAILED, USAGE, REFUSED = 1, 2, 3


def run(work: Callable[[Service], Awaitable[int]], *, json: bool = False) -> None:
    """Runs the work against a service and exits with its code; failures come out in words."""

    async def connected() -> int:
        with err.status("Connecting") as status:
            async with open_service(lambda stage: status.update(stage.capitalize())) as service:
                status.stop()
                return await work(service)

    raise typer.Exit(guarded(lambda: asyncio.run(connected()), json=json))


def guarded(work: Callable[[], int], *, json: bool = False) -> int:
    """The work's exit code; what goes wrong is told, never traced."""
    try:
        return work()
    except Failed as error:
        if json:
            print_json(error.problem)
        else:
            say(str(error))
        return FAILED
    except (BadSettings, ValueError) as error:
        say(str(error))
        return USAGE
    except Exception as error:  # noqa: BLE001
        # The boundary to the person at the terminal, who is told in words what it was.
        say(in_words(error))
        return FAILED


def say(text: str) -> None:
    """To the person, on standard error."""
    err.print(text, markup=False)


def print_json(value: Any) -> None:
    """To the program, on standard output."""
    out.print(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode(), markup=False)
