"""`cairn-eval`, the command: a suite asked, compared, judged and reported."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from app.client import Failed, Service, in_words
from app.commands.ingest import progress_bars
from app.commands.running import Json, err, out, print_json, say
from app.settings import BadSettings
from evals.cases import BadSuite, Suite, read_suite
from evals.compare import compare
from evals.gate import judge
from evals.place import asked_place
from evals.report import HEADLINES, Report
from evals.result import BadResult, Result, figure, read_result
from evals.rules import BadGate, Gate, read_gate
from evals.run import Moved, Pace, rescored, run
from evals.summary import summed
from evals.writing import RESULT, write_report

PASSED, FAILED, NOT_EVALUATED = 0, 1, 2
TOLD = (BadSuite, BadGate, BadResult, BadSettings, Failed, Moved)
"""What is wrong with what was given, or with the service; their messages say all."""

Against = Annotated[
    Path | None, typer.Option(help=f"The baseline: the {RESULT} of an earlier run.", exists=True)
]
GateFile = Annotated[
    Path | None, typer.Option("--gate", help="Rules that must hold, YAML or JSON.", exists=True)
]
Out = Annotated[Path, typer.Option("--out", help="The folder for the reports.")]
REPORTS = Path("build/eval")

app = typer.Typer(
    name="cairn-eval",
    help="Measures a Cairn service with questions whose answers are known.\n\n"
    "Exit codes: 0 the gate was passed (or none was set), 1 it was not, 2 nothing could be "
    "evaluated.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


@dataclass(frozen=True, slots=True)
class Yardstick:
    """What a result is held against, read before anything is asked."""

    gate: Gate | None
    baseline: Result | None

    async def report(self, result: Result) -> Report:
        """The baseline's replies are scored anew, so that both are measured alike."""
        earlier = await rescored(self.baseline) if self.baseline else None
        comparison = compare(earlier, result) if earlier else None
        verdict = judge(self.gate, result, comparison) if self.gate else None
        return Report(result, verdict, comparison)


@app.command("run")
def run_(  # noqa: PLR0913, PLR0917  # each is an option
    suite: Annotated[Path, typer.Argument(help="Cases as JSONL.", exists=True)],
    against: Against = None,
    gate: GateFile = None,
    out_folder: Out = REPORTS,
    url: Annotated[str | None, typer.Option(help="The service; else as `cairn` finds it.")] = None,
    documents: Annotated[
        Path | None,
        typer.Option(
            help="Asks a fresh service of its own, which has the documents in this folder.",
            exists=True,
        ),
    ] = None,
    at_once: Annotated[int, typer.Option(help="Questions asked at a time.", min=1, max=64)] = 2,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Also asks what a run broken off was answered.")
    ] = False,
    json: Json = False,
) -> None:
    """Asks every case of SUITE, scores the replies, and writes the reports.

    A run that was broken off goes on where it was, if the suite, the release and the documents
    are the same.
    """

    async def work() -> Report:
        cases, yardstick = read_suite(suite), _yardstick(gate, against)
        journal = out_folder / "journal.jsonl"
        out_folder.mkdir(parents=True, exist_ok=True)
        if fresh:
            journal.unlink(missing_ok=True)
        async with asked_place(url, documents) as service:
            result = await _asked(service, cases, Pace(at_once, journal=journal))
        return await yardstick.report(result)

    _finish(work, out_folder, json=json)


@app.command("report")
def report_(
    result: Annotated[Path, typer.Argument(help=f"The {RESULT} of a run.", exists=True)],
    against: Against = None,
    gate: GateFile = None,
    out_folder: Out = REPORTS,
    json: Json = False,
) -> None:
    """Scores, compares and judges the replies of an earlier run again, without asking anything."""

    async def work() -> Report:
        return await _yardstick(gate, against).report(await rescored(read_result(result)))

    _finish(work, out_folder, json=json)


def main() -> None:
    """The console script."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)


def _yardstick(gate: Path | None, against: Path | None) -> Yardstick:
    """Raises `BadGate` and `BadResult`."""
    rules = read_gate(gate) if gate else None
    if rules and rules.relative and against is None:
        raise BadGate(f"{gate} has rules about a baseline. Give one with --against {RESULT}.")
    return Yardstick(rules, read_result(against) if against else None)


async def _asked(service: Service, suite: Suite, pace: Pace) -> Result:
    with progress_bars() as bars:
        bar = bars.add_task("Asking", total=len(suite.cases))
        return await run(service, suite, pace, done=lambda: bars.advance(bar))


def _finish(work: Callable[[], Awaitable[Report]], folder: Path, *, json: bool) -> None:
    """Does the work, writes and tells its report, and exits with its code."""
    raise typer.Exit(_guarded(lambda: _told(asyncio.run(_awaited(work)), folder, json=json)))


async def _awaited(work: Callable[[], Awaitable[Report]]) -> Report:
    return await work()


def _guarded(work: Callable[[], int]) -> int:
    try:
        return work()
    except TOLD as error:
        say(str(error))
    except Exception as error:  # noqa: BLE001
        # The boundary to the person at the terminal, who is told in words what it was.
        say(in_words(error))
    return NOT_EVALUATED


def _told(report: Report, folder: Path, *, json: bool) -> int:
    page, *_ = write_report(report, folder)
    if json:
        print_json(summed(report))
    else:
        _show(report)
    err.print(f"The report is {page}.", markup=False)
    return _code(report)


def _code(report: Report) -> int:
    if not any(row.evaluated for row in report.result.rows):
        return NOT_EVALUATED
    return FAILED if report.verdict and not report.verdict.passed else PASSED


def _show(report: Report) -> None:
    """The headlines, and the rules that do not hold."""
    for metric in HEADLINES:
        one = figure(report.result, metric)
        low, high = metric.written(one.interval.low), metric.written(one.interval.high)
        mean = metric.written(one.interval.mean)
        out.print(f"{metric.name:<22} {mean}  [{low}, {high}]  n = {one.counted}", markup=False)
    for finding in report.verdict.findings if report.verdict else ():
        sign = "holds" if finding.passed else "FAILS"
        out.print(f"{sign}  {finding.rule}. {finding.reason}", markup=False)
    out.print(report.headline(), markup=False)
