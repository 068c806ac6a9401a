"""Delivery to Langfuse: nothing lost, nothing twice, in nobody's way, whatever its server does."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, closing
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from infra.traces import outbox
from infra.traces.answering import TracedAnswerer
from infra.traces.langfuse import LangfuseUnavailable, Patience
from infra.traces.opening import Tracing, open_tracing
from infra.traces.outbox import Parcel, Standing
from infra.traces.shipping import Pace, Shipping, open_shipping
from infra.traces.tracing import TracedEmbedder, TracedGenerator, TracedGrounder, TracedIndex
from retrieval.answer import Answerer
from retrieval.ground import OverlapGrounder
from retrieval.index import Scope
from retrieval.release import Release
from retrieval.search import Searcher
from tests.fakes import Babbling, Register, Shelf, WordCounting, shelved
from tests.processes import process, until
from tests.servers.langfuse import PUBLIC_KEY, SCORES, SPANS, Fault, Langfuse, langfuse

FAST = Pace(
    poll_s=0.02, least_wait_s=0.01, most_wait_s=0.05, patience=Patience(connect_s=1, total_s=0.3)
)
WITHIN_S = 20.0
SAID = "The vault of the bank opens at nine in the morning."
CERTAIN = Release(model="babbling", evidence_threshold=0.0)
CANARY = "quagga-7731"
TYPES = {
    "ask": "chain",
    "retrieve": "retriever",
    "embed question": "embedding",
    "search": "retriever",
    "generate": "generation",
    "ground": "evaluator",
}
FAULTS = {
    "503": Fault(503),
    "503 with Retry-After": Fault(503, {"Retry-After": "0"}),
    "429": Fault(429),
    "500": Fault(500),
    "401": Fault(401),
    "404": Fault(404),
    "a page of another server": Fault(200, {"Content-Type": "text/html"}),
    "hangs": Fault(503, delay_s=60),
    "accepts, and answers too late": Fault(delay_s=60),
}
WRITES_AND_SHIPS = """
import asyncio, os, sys
from pathlib import Path
from infra.traces.langfuse import Address
from infra.traces.opening import open_tracing
from infra.traces.shipping import Pace, open_shipping

async def main():
    pace = Pace(poll_s=0.01, least_wait_s=0.01)
    with open_tracing(Path(sys.argv[1]), deliver=True) as tracing:
        async with open_shipping(tracing.outbox, Address(*sys.argv[2:]), pace):
            while True:
                trace = tracing.tracer.trace("ask", "acme", input="Is it durable?")
                with trace.current(), tracing.tracer.step("search", "retriever"):
                    await asyncio.sleep(0.001)
                trace.end()
                os.write(1, trace.trace_id.encode() + b"\\n")

asyncio.run(main())
"""


@pytest.fixture
def server() -> Iterator[Langfuse]:
    with langfuse() as server:
        yield server


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "traces.sqlite"


@pytest.fixture
def tracing(path: Path) -> Iterator[Tracing]:
    with open_tracing(path, environment="staging", deliver=True) as tracing:
        yield tracing


def _ship(
    tracing: Tracing, server: Langfuse, pace: Pace = FAST
) -> AbstractAsyncContextManager[Shipping]:
    return open_shipping(tracing.outbox, server.address, pace)


def _traces(tracing: Tracing, count: int, name: str = "search") -> list[str]:
    """Of two spans each; their ids."""
    ids = []
    for _ in range(count):
        trace = tracing.tracer.trace("ask", "acme", input="Why?")
        with trace.current(), tracing.tracer.step(name, "retriever"):
            pass
        trace.end()
        ids.append(trace.trace_id)
    return ids


def _written(path: Path) -> set[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as db:
        return set(db.execute("select trace_id, span_id from span"))


def _burst(tracing: Tracing, count: int) -> None:
    """Spans that are only in the outbox: as many as nobody asks questions in a test."""
    parcels = []
    for number in range(1, count + 1):
        request = ExportTraceServiceRequest()
        span = request.resource_spans.add().scope_spans.add().spans.add(name="search")
        span.trace_id, span.span_id = number.to_bytes(16, "big"), number.to_bytes(8, "big")
        body = request.SerializeToString()
        parcels.append(Parcel("span", span.trace_id.hex(), span.span_id.hex(), body))
    with tracing.store.transaction() as connection:
        outbox.put(connection, parcels)


async def _answerer(tracing: Tracing, said: str = SAID) -> TracedAnswerer:
    """Knows one passage, and quotes it."""
    shelf, register, tracer = Shelf(), Register(), tracing.tracer
    await shelved(shelf, register, "bank", said, tenant="acme")
    searcher = Searcher(
        TracedEmbedder(WordCounting(), tracer), TracedIndex(shelf, tracer), register
    )
    generator = TracedGenerator(Babbling(f"{said} [1]."), tracer)
    grounder = TracedGrounder(OverlapGrounder(), tracer)
    return TracedAnswerer(Answerer(searcher, generator, grounder), tracer)


def _attributes(span: Span) -> dict[str, str]:
    return {each.key: each.value.string_value for each in span.attributes}


def _spans(tracing: Tracing) -> Standing:
    return tracing.outbox.standing("span")


async def _until(done: Callable[[], object]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not done():  # noqa: ASYNC110  # of a server in another thread
            await asyncio.sleep(0.01)


async def _empty(tracing: Tracing) -> None:
    await _until(lambda: not _spans(tracing).waiting)
    await _until(lambda: not tracing.outbox.standing("score").waiting)


# What arrives


async def test_every_span_arrives_once_and_its_bytes_leave_the_disk(
    tracing: Tracing, server: Langfuse, path: Path
) -> None:
    _traces(tracing, 50)

    async with _ship(tracing, server):
        await _empty(tracing)

    assert server.taken.spans.keys() == _written(path)
    assert server.taken.receipts == 100
    assert _spans(tracing) == Standing(delivered=100, waiting=0, parked=0, removed=0)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("select count(*) from outbox").fetchone() == (0,)


async def test_requests_are_as_langfuse_wants_them(tracing: Tracing, server: Langfuse) -> None:
    _traces(tracing, 1)

    async with _ship(tracing, server):
        await _empty(tracing)

    _, headers = server.taken.calls[0]
    assert headers["content-type"] == "application/x-protobuf"
    assert headers["content-encoding"] == "gzip"
    assert headers["x-langfuse-sdk-name"] == "python"
    assert headers["x-langfuse-sdk-version"].startswith("5.")
    assert headers["x-langfuse-public-key"] == PUBLIC_KEY
    assert headers["x-langfuse-ingestion-version"] == "4"


async def test_a_burst_of_20_000_spans_arrives_whole(tracing: Tracing, server: Langfuse) -> None:
    _burst(tracing, 20_000)

    async with _ship(tracing, server, replace(FAST, patience=Patience())):
        await _empty(tracing)

    assert len(server.taken.spans) == server.taken.receipts == 20_000
    assert server.called(SPANS) <= 20_000 / 256 + 1


async def test_a_question_has_its_types_usage_and_who_asked_on_every_span(
    tracing: Tracing, server: Langfuse
) -> None:
    answerer = await _answerer(tracing)
    with tracing.tracer.on_behalf_of(user="ann", session="monday"):
        stream = answerer.stream(Scope("acme"), "When does the vault open?", CERTAIN)
    async for _ in stream:
        pass

    async with _ship(tracing, server):
        await _empty(tracing)

    spans = {span.name: _attributes(span) for span in server.taken.spans.values()}
    assert {name: told["langfuse.observation.type"] for name, told in spans.items()} == TYPES
    for told in spans.values():
        assert told["user.id"] == "ann"
        assert told["session.id"] == "monday"
        assert told["langfuse.environment"] == "staging"
        assert json.loads(told["langfuse.trace.metadata.tenant"]) == "acme"
        assert told["langfuse.trace.name"] == "ask"
    generation = spans["generate"]
    usage = json.loads(generation["langfuse.observation.usage_details"])
    assert usage.keys() == {"input", "output"}
    assert generation["langfuse.observation.model.name"]
    roots = [name for name, told in spans.items() if "langfuse.internal.is_app_root" in told]
    assert roots == ["ask"]


@pytest.mark.parametrize("content", [True, False])
async def test_words_leave_this_machine_only_where_content_is_traced(
    path: Path, server: Langfuse, *, content: bool
) -> None:
    with open_tracing(path, content=content, deliver=True) as tracing:
        answerer = await _answerer(tracing, f"{SAID} {CANARY}")
        stream = answerer.stream(Scope("acme"), f"Is the vault {CANARY}?", CERTAIN)
        async for _ in stream:
            pass
        tracing.verdicts.give("acme", stream.trace_id, "down", f"I know of {CANARY}.")
        async with _ship(tracing, server):
            await _empty(tracing)

    assert server.taken.spans
    assert server.taken.scores
    assert [CANARY.encode() in body for body in server.taken.bodies] == [content, content]


# What goes wrong


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
async def test_no_span_is_lost_while_the_server_fails_and_all_arrive_when_it_recovers(
    tracing: Tracing, server: Langfuse, path: Path, fault: Fault
) -> None:
    server.fail(fault)

    async with _ship(tracing, server):
        _traces(tracing, 20)
        await _until(lambda: server.called(SPANS) >= 2)
        waiting = _spans(tracing).waiting
        server.heal()
        _traces(tracing, 5)
        await _empty(tracing)

    assert waiting == 40
    assert server.taken.spans.keys() == _written(path)
    assert _spans(tracing) == Standing(delivered=50, waiting=0, parked=0, removed=0)
    assert tracing.exporter.lost == 0


async def test_a_server_that_is_not_there_yet_gets_all_when_it_comes(
    tracing: Tracing, server: Langfuse, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.down()

    async with _ship(tracing, server):
        _traces(tracing, 20)
        await asyncio.sleep(0.2)
        server.up()
        await _empty(tracing)

    assert server.taken.spans.keys() == _written(path)
    assert caplog.text.count("spans wait on this machine") == 1
    assert caplog.text.count("spans are delivered again") == 1


async def test_keys_that_are_refused_are_told_once_and_tried_slowly(
    tracing: Tracing, server: Langfuse, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = replace(server.address, secret_key="sk-lf-canary")
    _traces(tracing, 1)

    async with open_shipping(tracing.outbox, wrong, replace(FAST, most_wait_s=0.2)):
        await _until(lambda: server.called(SPANS) == 3)

    assert caplog.text.count("refuses the keys (401). Check CAIRN_LANGFUSE_PUBLIC_KEY") == 1
    assert "canary" not in caplog.text


@pytest.mark.parametrize("a_date", [False, True])
async def test_a_server_that_asks_to_wait_is_left_alone_for_so_long(
    tracing: Tracing, server: Langfuse, *, a_date: bool
) -> None:
    until = int(time.time()) + 2
    server.fail(Fault(429, {"Retry-After": formatdate(until, usegmt=True) if a_date else "1"}))
    _traces(tracing, 1)

    async with _ship(tracing, server):
        await _until(lambda: server.called(SPANS) == 1)
        first = time.time()
        server.heal()
        await _empty(tracing)

    assert time.time() >= (until if a_date else first + 1)
    assert server.called(SPANS) == 2


async def test_a_span_that_is_refused_is_parked_and_told_by_its_ids_while_all_others_arrive(
    tracing: Tracing, server: Langfuse, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.poisonous = lambda span: span.name == "poison"
    _traces(tracing, 30)
    (poisoned,) = _traces(tracing, 1, "poison")
    _traces(tracing, 30)

    async with _ship(tracing, server):
        await _empty(tracing)

    assert _spans(tracing) == Standing(delivered=121, waiting=0, parked=1, removed=0)
    assert len(_written(path) - server.taken.spans.keys()) == 1
    (told,) = [record for record in caplog.records if "refuses a span" in record.getMessage()]
    assert vars(told)["trace_id"] == poisoned
    assert "poison" not in told.getMessage()


async def test_many_refused_spans_in_front_keep_nothing_back(
    tracing: Tracing, server: Langfuse
) -> None:
    server.poisonous = lambda span: span.name == "poison"
    for _ in range(300):
        with tracing.tracer.trace("ask", "acme").current():
            tracing.tracer.observe("poison").end()

    async with _ship(tracing, server):
        for arrived in (2, 4, 6):
            _traces(tracing, 1)
            await _until(lambda arrived=arrived: len(server.taken.spans) == arrived)

    assert not any(span.name == "poison" for span in server.taken.spans.values())


async def test_a_server_that_refuses_everything_parks_nothing(
    tracing: Tracing, server: Langfuse, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.poisonous = lambda _: True
    _traces(tracing, 30)

    async with _ship(tracing, server):
        await _until(lambda: "refuses every span" in caplog.text)
        calls = server.called(SPANS)
        await _until(lambda: server.called(SPANS) > calls + 50)
        parked = _spans(tracing).parked
        server.poisonous = lambda _: False
        await _empty(tracing)

    assert parked == 0
    assert server.taken.spans.keys() == _written(path)


async def test_batches_that_are_too_large_are_split(tracing: Tracing, server: Langfuse) -> None:
    server.limit_bytes = 2000
    _traces(tracing, 40)

    async with _ship(tracing, server):
        await _empty(tracing)

    assert _spans(tracing) == Standing(delivered=80, waiting=0, parked=0, removed=0)


# Processes


def test_a_process_that_is_killed_and_started_again_loses_no_span(
    server: Langfuse, path: Path
) -> None:
    address = server.address
    command = [sys.executable, "-c", WRITES_AND_SHIPS, str(path)]
    ended: set[str] = set()
    for _ in range(3):
        process = subprocess.Popen(
            [*command, address.url, address.public_key, address.secret_key], stdout=subprocess.PIPE
        )
        assert process.stdout
        lines = [process.stdout.readline() for _ in range(5)]
        time.sleep(random.uniform(0.0, 0.5))
        os.kill(process.pid, signal.SIGKILL)
        ended |= {line.decode().strip() for line in [*lines, *process.stdout] if len(line) == 33}
        process.communicate()

    with open_tracing(path, deliver=True) as tracing:
        asyncio.run(_drain(tracing, server))

    assert ended <= {trace_id for trace_id, _ in server.taken.spans}
    assert server.taken.spans.keys() == _written(path)


async def test_of_two_on_one_file_one_ships_and_the_other_takes_over(
    tracing: Tracing, server: Langfuse, path: Path
) -> None:
    with open_tracing(path, deliver=True) as other:
        async with _ship(other, server):
            async with _ship(tracing, server):
                _traces(tracing, 100)
                await _empty(tracing)
                one_at_a_time = server.taken.receipts
                async with _ship(tracing, server):
                    pass
            _traces(tracing, 100)
            await _empty(other)

    assert one_at_a_time == 200
    assert server.taken.receipts == len(server.taken.spans) == 400


@pytest.mark.parametrize("fault", [None, Fault(503), Fault(503, delay_s=60)])
async def test_closing_waits_for_no_server_and_takes_with_it_what_a_good_one_takes(
    tracing: Tracing, server: Langfuse, fault: Fault | None
) -> None:
    if fault:
        server.fail(fault)
    patient = Pace(farewell_s=0.5)

    async with asyncio.timeout(4):
        async with _ship(tracing, server, patient):
            await asyncio.sleep(0.05)
            _traces(tracing, 5)

    stands = _spans(tracing)
    assert (stands.delivered, stands.waiting) == ((0, 10) if fault else (10, 0))


# Verdicts


async def test_a_verdict_is_a_score_and_a_new_one_replaces_it(
    tracing: Tracing, server: Langfuse
) -> None:
    (trace_id,) = _traces(tracing, 1)
    tracing.verdicts.give("acme", trace_id, "up")
    async with _ship(tracing, server):
        await _empty(tracing)
        first = dict(server.taken.scores)
        tracing.verdicts.give("acme", trace_id, "down", "It is closed on Mondays.")
        await _empty(tracing)

    (before,), (score,) = first.values(), server.taken.scores.values()
    assert (before["value"], "comment" in before) == (1, False)
    assert score["id"] == before["id"]
    assert (score["name"], score["value"]) == ("user_feedback", 0)
    assert (score["traceId"], score["environment"]) == (trace_id, "staging")
    assert score["comment"] == "It is closed on Mondays."


async def test_a_verdict_on_a_foreign_trace_is_no_score(tracing: Tracing) -> None:
    (trace_id,) = _traces(tracing, 1)

    given = tracing.verdicts.give("other", trace_id, "up")

    assert not given
    assert tracing.outbox.standing("score").waiting == 0


async def test_a_score_that_is_refused_keeps_no_other_back(
    tracing: Tracing, server: Langfuse
) -> None:
    for trace_id in _traces(tracing, 20):
        tracing.verdicts.give("acme", trace_id, "up")
    with tracing.store.transaction() as connection:
        outbox.put(connection, [Parcel("score", "0" * 32, "bad", b'{"id": "bad"}')])

    async with _ship(tracing, server):
        await _empty(tracing)

    assert len(server.taken.scores) == 20
    assert tracing.outbox.standing("score") == Standing(20, 0, parked=1, removed=0)


async def test_a_server_that_takes_no_scores_still_gets_the_spans(
    tracing: Tracing, server: Langfuse
) -> None:
    server.fail(Fault(400, path=SCORES))
    for trace_id in _traces(tracing, 3):
        tracing.verdicts.give("acme", trace_id, "up")

    async with _ship(tracing, server, replace(FAST, most_wait_s=60)):
        await _until(lambda: server.called(SCORES))
        _traces(tracing, 300)
        await _until(lambda: not _spans(tracing).waiting)

    assert len(server.taken.spans) == 606
    assert tracing.outbox.standing("score").parked == 0


# What stays


async def test_without_delivery_nothing_waits_and_what_was_traced_then_stays_here(
    path: Path, server: Langfuse
) -> None:
    with open_tracing(path) as alone:
        (old,) = _traces(alone, 1)
        alone.verdicts.give("acme", old, "up")
        assert _spans(alone).waiting == alone.outbox.standing("score").waiting == 0
    with open_tracing(path, deliver=True) as tracing:
        (new,) = _traces(tracing, 1)

        async with _ship(tracing, server):
            await _empty(tracing)

    assert {trace_id for trace_id, _ in server.taken.spans} == {new}


async def test_traces_that_are_pruned_while_they_wait_are_counted(tracing: Tracing) -> None:
    _traces(tracing, 10)

    tracing.store.prune(keep_s=0, keep_bytes=2**30)

    assert _spans(tracing) == Standing(delivered=0, waiting=0, parked=0, removed=20)


async def test_a_trace_that_is_deleted_while_it_waits_is_not_sent(
    tracing: Tracing, server: Langfuse
) -> None:
    gone, stays = _traces(tracing, 2)
    tracing.store.remove([gone])

    async with _ship(tracing, server):
        await _empty(tracing)

    assert {trace_id for trace_id, _ in server.taken.spans} == {stays}


async def test_a_ping_tells_the_project_and_what_waits(tracing: Tracing, server: Langfuse) -> None:
    _traces(tracing, 2)
    async with _ship(tracing, server) as shipping:
        await _empty(tracing)
        told = await shipping.ping()
        server.down()
        _traces(tracing, 1)
        with pytest.raises(LangfuseUnavailable, match="does not answer.*4 spans.*2 wait"):
            await shipping.ping()

    assert told == (
        f"{server.address.url}, project 'contract'; 4 spans and 0 scores delivered, 0 wait"
    )


def test_a_service_delivers_its_questions_and_goes_on_without_langfuse(
    server: Langfuse, tmp_path: Path, models: Path
) -> None:
    (tmp_path / "models").symlink_to(models)
    address = server.address
    settings = {
        "data": tmp_path,
        "port": 0,
        "langfuse_url": address.url,
        "langfuse_public_key": address.public_key,
        "langfuse_secret_key": address.secret_key,
        "environment": "ci",
    }

    with process(tmp_path / "log", "serve", **settings) as service, service.client() as client:
        asked = client.post("/v1/ask", json={"question": "When does the vault open?"}).json()
        client.post("/v1/feedback", json={"trace_id": asked["trace_id"], "rating": "down"})
        until(lambda: server.taken.scores and server.taken.spans)
        there = _behind_langfuse(client)
        server.down()
        away, ready = _behind_langfuse(client), client.get("/readyz")
        metrics = client.get("/metrics").text
        service.stop()

    assert {trace_id for trace_id, _ in server.taken.spans} == {asked["trace_id"]}
    assert (there["ok"], away["ok"]) == (True, False)
    assert "project 'contract'" in there["detail"]
    assert ready.status_code == 200
    assert "langfuse" not in ready.json()["parts"]
    assert f'cairn_traces_delivered{{kind="span"}} {len(server.taken.spans)}.0' in metrics
    assert 'cairn_traces_lost{reason="undelivered"} 0.0' in metrics
    assert address.secret_key not in service.said


def _behind_langfuse(client: httpx.Client) -> dict[str, Any]:
    return next(part for part in client.get("/v1/doctor").json() if part["port"] == "langfuse")


async def _drain(tracing: Tracing, server: Langfuse) -> None:
    async with _ship(tracing, server):
        await _empty(tracing)
