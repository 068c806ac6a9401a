"""Traces come back in the shapes that the API promises, to their own tenant only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from infra.traces.opening import Tracing, open_tracing
from infra.traces.reading import UNFINISHED, TraceMissing, TraceReader, TracesUnavailable
from ingestion.documents import BadCursor


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "traces.db"


@pytest.fixture
def tracing(path: Path) -> Iterator[Tracing]:
    with open_tracing(path) as tracing:
        yield tracing


@pytest.fixture
def reader(path: Path) -> TraceReader:
    return TraceReader(path)


def _asked(tracing: Tracing, question: str, tenant: str = "acme") -> str:
    trace = tracing.tracer.trace("ask", tenant, release="rel_1", input=question)
    with trace.current():
        with tracing.tracer.step("search", "retriever", facts={"limit": 8}) as step:
            step.note([{"name": "leave.pdf", "score": 1.5}])
        model = tracing.tracer.observe("generate", "generation", input=[{"role": "user"}])
        model.note_generation("tiny", {"input": 9, "output": 3}, datetime.now(UTC))
        model.note('{"looks": "like JSON"}')
        model.end()
    trace.note("28 days [1].", {"refused": False, "model": "tiny", "total_tokens": 12})
    trace.end()
    return trace.trace_id


async def test_a_line_of_the_list_has_the_fields_of_the_api(
    tracing: Tracing, reader: TraceReader
) -> None:
    trace_id = _asked(tracing, "How many days?")

    (line,) = (await reader.traces("acme", "ask")).items

    assert timedelta(0) <= datetime.now(UTC) - line.started_at < timedelta(seconds=10)
    assert line.duration_ms > 0
    told = asdict(line)
    assert [told.pop(name) for name in ("started_at", "duration_ms")]
    assert told == {
        "trace_id": trace_id,
        "kind": "ask",
        "name": "ask",
        "question": "How many days?",
        "answer": "28 days [1].",
        "refused": False,
        "release": "rel_1",
        "model": "tiny",
        "total_tokens": 12,
        "error": None,
        "feedback": None,
    }


async def test_a_trace_has_its_observations_in_order_of_start(
    tracing: Tracing, reader: TraceReader
) -> None:
    trace = await reader.trace("acme", _asked(tracing, "How many days?"))

    root, search, generate = trace.observations
    assert [each.type for each in trace.observations] == ["chain", "retriever", "generation"]
    assert (root.parent_id, search.parent_id, generate.parent_id) == (None, root.id, root.id)
    assert 0 == root.start_ms <= search.start_ms <= generate.start_ms <= root.duration_ms
    assert (search.output, search.metadata) == (
        [{"name": "leave.pdf", "score": 1.5}],
        {"limit": 8},
    )
    assert (generate.model, generate.usage) == ("tiny", {"input": 9, "output": 3})
    assert generate.first_token_ms is not None
    assert 0 <= generate.first_token_ms <= generate.duration_ms


async def test_a_text_that_looks_like_json_stays_a_text(
    tracing: Tracing, reader: TraceReader
) -> None:
    trace = await reader.trace("acme", _asked(tracing, '["a", "b"]'))

    assert trace.observations[0].input == '["a", "b"]'
    assert trace.observations[2].output == '{"looks": "like JSON"}'
    assert trace.observations[2].input == [{"role": "user"}]


async def test_a_trace_of_another_tenant_is_not_found(
    tracing: Tracing, reader: TraceReader
) -> None:
    trace_id = _asked(tracing, "How many days?", tenant="acme")

    with pytest.raises(TraceMissing):
        await reader.trace("other", trace_id)

    assert (await reader.traces("other")).items == ()


async def test_a_tenant_whose_name_no_header_could_hold_sees_its_traces(
    tracing: Tracing, reader: TraceReader
) -> None:
    tenant = 'ÄÖÜ "quoted" 株式会社' * 30

    _asked(tracing, "How many days?", tenant=tenant)

    assert len((await reader.traces(tenant)).items) == 1


async def test_pages_follow_each_other_newest_first_without_gap_or_repeat(
    tracing: Tracing, reader: TraceReader
) -> None:
    ids = [_asked(tracing, f"Question {number}") for number in range(7)]

    seen, cursor = [], None
    while True:
        page = await reader.traces("acme", limit=3, cursor=cursor)
        seen += [line.trace_id for line in page.items]
        cursor = page.next
        if cursor is None:
            break

    assert seen == ids[::-1]


async def test_a_list_of_one_kind_leaves_out_the_others(
    tracing: Tracing, reader: TraceReader
) -> None:
    _asked(tracing, "How many days?")
    with tracing.tracer.job("acme", "leave.pdf"), tracing.tracer.step("parse"):
        pass

    ingested = (await reader.traces("acme", "ingest")).items

    assert [(line.kind, line.name, line.question) for line in ingested] == [
        ("ingest", "leave.pdf", None)
    ]
    assert len((await reader.traces("acme")).items) == 2


async def test_a_long_question_is_short_in_the_list_and_whole_in_its_trace(
    tracing: Tracing, reader: TraceReader
) -> None:
    question = "why " * 1000

    trace = await reader.trace("acme", _asked(tracing, question))

    assert trace.question == question[:500]
    assert trace.observations[0].input == question


async def test_a_trace_that_has_not_ended_shows_what_is_there(
    tracing: Tracing, reader: TraceReader
) -> None:
    trace = tracing.tracer.trace("ask", "acme", input="Why?")
    with trace.current(), tracing.tracer.step("search", "retriever"):
        pass

    running = await reader.trace("acme", trace.trace_id)

    assert (running.kind, running.name, running.error) == ("ask", "ask", UNFINISHED)
    assert [each.name for each in running.observations] == ["search"]
    assert (await reader.traces("acme")).items == ()


@pytest.mark.parametrize("cursor", ["", "12", "x-y", "-1-abc", "²-a", "9" * 40 + "-a"])
async def test_a_cursor_that_no_listing_gave_out_is_refused(
    tracing: Tracing, reader: TraceReader, cursor: str
) -> None:
    with pytest.raises(BadCursor):
        await reader.traces("acme", cursor=cursor)


async def test_a_store_that_cannot_be_read_says_so_in_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(TracesUnavailable):
        await TraceReader(tmp_path / "nowhere.db").traces("acme")
