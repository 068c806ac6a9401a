"""Each attempt at a version leaves one trace, with its stages and how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from infra.traces.ingesting import LOST, TracedLeases, TracedPipeline
from infra.traces.opening import Tracing, open_tracing
from infra.traces.reading import Trace, TraceReader
from infra.traces.tracing import TracedParser
from ingestion.documents import Document, Failure, Stage, Version
from ingestion.leases import Claim, Due, LeaseLost, Leases, Readout
from ingestion.parse import Block, Parsed, Parser, Report
from ingestion.pipeline import Outcome

DUE = Due("d1", 1, 0)
VERSION = Version(1, "queued", "00", "text/plain", 5, 0.0, 0.0, attempts=1)
DOCUMENT = Document("d1", "acme", "leave.txt", frozenset(), {}, None, 0.0, VERSION)


class Desk:
    """Leases on one document, for whoever comes."""

    def __init__(self, claim: Claim | None) -> None:
        self.open = claim

    async def due(self, now: float, limit: int) -> list[Due]:
        return [DUE]

    async def told(self, due: Sequence[Due], now: float) -> None: ...

    async def claim(self, due: Due, owner: str, now: float) -> Claim | None:
        return self.open

    async def renew(self, claim: Claim, now: float) -> None: ...

    async def advance(
        self, claim: Claim, stage: Stage, done: int, total: int, now: float
    ) -> None: ...

    async def write_down(self, claim: Claim, readout: Readout, now: float) -> None: ...

    async def publish(self, claim: Claim, reused: int, now: float) -> None: ...

    async def put_back(self, claim: Claim, failure: Failure | None, not_before: float) -> None: ...

    async def fail(self, claim: Claim, failure: Failure, now: float) -> None: ...


class Reads:
    """A parser for which every file says hello."""

    async def parse(self, path: Path, name: str, media_type: str, report: Report) -> Parsed:
        return Parsed("Hello", (Block("paragraph", 0, 5),), title="")


class Line:
    """A pipeline that parses in a task of its own, as the real one does, and ends as it is told."""

    def __init__(self, leases: Leases, parser: Parser, outcome: Outcome = "published") -> None:
        self._leases = leases
        self._parser = parser
        self._outcome = outcome

    async def run(self, due: Due) -> Outcome:
        claim = await self._leases.claim(due, "worker", 0.0)
        return await asyncio.create_task(self._work(claim)) if claim else "nothing"

    async def _work(self, claim: Claim) -> Outcome:
        await self._leases.advance(claim, "parsing", 0, 0, 0.0)
        await self._parser.parse(Path("f"), "leave.txt", "text/plain", lambda *_: None)
        await self._leases.advance(claim, "parsing", 1, 1, 0.0)
        await self._leases.advance(claim, "embedding", 0, 1, 0.0)
        if self._outcome == "failed":
            await self._leases.fail(claim, Failure("unreadable", "It is torn."), 0.0)
        else:
            await self._leases.publish(claim, 0, 0.0)
        return self._outcome


class Crashing(Line):
    async def _work(self, claim: Claim) -> Outcome:
        await self._leases.advance(claim, "parsing", 0, 0, 0.0)
        raise LeaseLost


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "traces.db"


@pytest.fixture
def tracing(path: Path) -> Iterator[Tracing]:
    with open_tracing(path) as tracing:
        yield tracing


def _line(tracing: Tracing, kind: type[Line] = Line, outcome: Outcome = "published") -> Line:
    leases = TracedLeases(Desk(Claim(DOCUMENT, "worker", 1)), tracing.tracer)
    return kind(leases, TracedParser(Reads(), tracing.tracer), outcome)


async def _traces(path: Path) -> list[Trace]:
    reader = TraceReader(path)
    page = await reader.traces("acme", "ingest")
    return [await reader.trace("acme", line.trace_id) for line in page.items]


async def test_what_a_stage_does_hangs_on_that_stage(tracing: Tracing, path: Path) -> None:
    outcome = await TracedPipeline(_line(tracing), tracing.tracer).run(DUE)

    (trace,) = await _traces(path)
    root, parsing, parse, embedding = trace.observations
    assert (outcome, trace.name, trace.error) == ("published", "leave.txt", None)
    assert [each.name for each in (parsing, parse, embedding)] == ["parsing", "parse", "embedding"]
    assert (parsing.parent_id, parse.parent_id) == (root.id, parsing.id)
    assert embedding.parent_id == root.id
    assert root.metadata["outcome"] == "published"
    assert root.metadata["document_id"] == "d1"


async def test_a_failure_names_its_reason_at_the_stage_and_in_the_list(
    tracing: Tracing, path: Path
) -> None:
    await TracedPipeline(_line(tracing, outcome="failed"), tracing.tracer).run(DUE)

    (trace,) = await _traces(path)
    levels = {each.name: each.level for each in trace.observations}
    assert trace.error == "It is torn."
    assert levels == {
        "ingest": "ERROR",
        "parsing": "DEFAULT",
        "parse": "DEFAULT",
        "embedding": "ERROR",
    }


async def test_a_worker_that_was_overtaken_leaves_a_trace_that_says_so(
    tracing: Tracing, path: Path
) -> None:
    await TracedPipeline(_line(tracing, outcome="lost"), tracing.tracer).run(DUE)

    (trace,) = await _traces(path)
    assert trace.error == LOST


async def test_a_crash_ends_the_trace_and_goes_on_to_the_worker(
    tracing: Tracing, path: Path
) -> None:
    with pytest.raises(LeaseLost):
        await TracedPipeline(_line(tracing, Crashing), tracing.tracer).run(DUE)

    (trace,) = await _traces(path)
    assert trace.error == "LeaseLost"


async def test_a_version_with_nothing_to_do_leaves_no_trace(tracing: Tracing, path: Path) -> None:
    line = Line(TracedLeases(Desk(None), tracing.tracer), Reads())

    outcome = await TracedPipeline(line, tracing.tracer).run(DUE)

    assert (outcome, await _traces(path)) == ("nothing", [])


async def test_jobs_at_the_same_time_have_a_trace_each(tracing: Tracing, path: Path) -> None:
    pipelines = [TracedPipeline(_line(tracing), tracing.tracer) for _ in range(10)]

    await asyncio.gather(*(pipeline.run(DUE) for pipeline in pipelines))

    traces = await _traces(path)
    assert [len(trace.observations) for trace in traces] == [4] * 10


async def test_work_after_a_job_is_in_no_trace(tracing: Tracing, path: Path) -> None:
    parser = TracedParser(Reads(), tracing.tracer)
    await TracedPipeline(_line(tracing), tracing.tracer).run(DUE)

    await parser.parse(Path("f"), "other.txt", "text/plain", lambda *_: None)

    (trace,) = await _traces(path)
    assert len(trace.observations) == 4
