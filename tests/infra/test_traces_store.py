"""The trace store: durable at once, shared between processes, bounded, and never in the way."""

from __future__ import annotations

import json
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from infra.traces.opening import Tracing, open_tracing
from infra.traces.reading import TraceMissing, TraceReader

DAY_S = 86_400
GIB = 2**30

WRITES_FOR_EVER = """
import os, sys
from pathlib import Path
from infra.traces.opening import open_tracing

with open_tracing(Path(sys.argv[1])) as tracing:
    os.write(1, b"open\\n")
    while True:
        trace = tracing.tracer.trace("ask", "acme", input="Is it durable?")
        with trace.current():
            for _ in range(5):
                with tracing.tracer.step("search", "retriever") as step:
                    step.note([{"text": "word " * 100}])
        trace.end()
        os.write(1, trace.trace_id.encode() + b"\\n")
"""
WRITES_A_HUNDRED = """
import sys
from pathlib import Path
from infra.traces.opening import open_tracing

with open_tracing(Path(sys.argv[1])) as tracing:
    for _ in range(100):
        tracing.tracer.trace("ask", sys.argv[2]).end()
    print(tracing.exporter.lost)
"""
WRITES_WHERE_FILES_MAY_NOT_GROW = """
import logging, resource, sys
from pathlib import Path
from infra.traces.opening import open_tracing

logging.basicConfig(format="%(name)s %(message)s")
with open_tracing(Path(sys.argv[1])) as tracing:
    size = Path(sys.argv[1] + "-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    for _ in range(3):
        tracing.tracer.trace("ask", "acme", input="word " * 2000).end()
    lost = tracing.exporter.lost
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    trace = tracing.tracer.trace("ask", "acme")
    trace.end()
    print(lost, tracing.exporter.lost, trace.trace_id)
"""
REFUSES_THE_NETWORK = """
import logging, socket, sys
from pathlib import Path

asked = []
def refuse(self, address, *rest):
    asked.append(address)
    raise OSError("no network in this test")
socket.socket.connect = socket.socket.connect_ex = refuse
socket.getaddrinfo = lambda *address, **rest: refuse(None, address)
logging.disable(logging.CRITICAL)

from infra.traces.opening import open_tracing

with open_tracing(Path(sys.argv[1])) as tracing:
    trace = tracing.tracer.trace("ask", "acme", input="data:image/png;base64,iVBORw0KGgo=")
    with trace.current(), tracing.tracer.step("search", "retriever"):
        pass
    trace.end()

    from langfuse import get_client
    sdk = get_client()
    sdk.create_score(name="helpful", value=1.0, trace_id=trace.trace_id)
    sdk.get_prompt("answer", fallback="Answer.", max_retries=0)
    sdk.flush()
print(asked)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "traces.db"


@pytest.fixture
def tracing(path: Path) -> Iterator[Tracing]:
    with open_tracing(path) as tracing:
        yield tracing


def _python(script: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(sql).fetchall()


def _traces(tracing: Tracing, count: int, words: int = 1) -> list[str]:
    made = [tracing.tracer.trace("ask", "acme", input="word " * words) for _ in range(count)]
    for trace in made:
        trace.end()
    return [trace.trace_id for trace in made]


async def test_a_span_is_in_the_file_when_its_end_returns(tracing: Tracing, path: Path) -> None:
    trace = tracing.tracer.trace("ask", "acme", release="rel_1", input="Why?")
    trace.note("Because [1].", facts={"refused": False, "model": "tiny", "total_tokens": 12})

    trace.end()

    told = "select tenant, kind, question, answer, refused, release, model, total_tokens from span"
    assert _rows(path, told) == [("acme", "ask", "Why?", "Because [1].", 0, "rel_1", "tiny", 12)]


async def test_waiting_bytes_joined_end_to_end_are_one_request_that_langfuse_takes(
    path: Path,
) -> None:
    with open_tracing(path, deliver=True) as tracing:
        ids = _traces(tracing, 3)

    blobs = b"".join(bytes(body) for (body,) in _rows(path, "select body from outbox"))

    request = ExportTraceServiceRequest.FromString(blobs)
    spans = [s for r in request.resource_spans for scope in r.scope_spans for s in scope.spans]
    assert [span.trace_id.hex() for span in spans] == ids


def test_a_killed_process_has_lost_no_span_that_ended(path: Path) -> None:
    process = _python(WRITES_FOR_EVER, path)
    assert process.stdout
    lines = [process.stdout.readline() for _ in range(40)]

    os.kill(process.pid, signal.SIGKILL)
    ended = {line.strip() for line in [*lines, *process.stdout] if len(line) == 33}

    process.communicate()
    counted = "select trace_id from span group by trace_id having count(*) = 6"
    assert ended
    assert ended <= {trace_id for (trace_id,) in _rows(path, counted)}


def test_several_processes_write_one_file(path: Path) -> None:
    writers = [_python(WRITES_A_HUNDRED, path, tenant) for tenant in ("ann", "bob", "cid")]

    lost = [writer.communicate(timeout=60)[0].strip() for writer in writers]

    assert lost == ["0", "0", "0"]
    assert _rows(path, "select tenant, count(*) from trace group by tenant") == [
        ("ann", 100),
        ("bob", 100),
        ("cid", 100),
    ]


def test_several_threads_write_one_store(tracing: Tracing, path: Path) -> None:
    threads = [threading.Thread(target=_traces, args=(tracing, 50)) for _ in range(4)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert _rows(path, "select count(*) from trace") == [(200,)]


def test_a_full_disk_is_counted_and_logged_once_and_stops_nobody(path: Path) -> None:
    process = _python(WRITES_WHERE_FILES_MAY_NOT_GROW, path)

    out, err = process.communicate(timeout=60)

    lost, lost_after, trace_id = out.split()
    assert (lost, lost_after) == ("3", "3")
    assert err.count("traces cannot be written") == 1
    assert err.count("traces are written again; 3 spans were lost") == 1
    assert _rows(path, "select trace_id from trace") == [(trace_id,)]


def test_nothing_goes_to_a_network(path: Path) -> None:
    process = _python(REFUSES_THE_NETWORK, path)

    out, err = process.communicate(timeout=60)

    assert (out.strip(), err) == ("[]", "")
    assert _rows(path, "select name from span order by name") == [("ask",), ("search",)]
    assert _rows(path, "select question from trace") == [(" data:image/png;base64,iVBORw0KGgo=",)]


def test_old_traces_are_pruned_whole_and_young_ones_stay(tracing: Tracing, path: Path) -> None:
    trace = tracing.tracer.trace("ask", "acme")
    with trace.current(), tracing.tracer.step("search"):
        pass
    trace.end()
    time.sleep(0.05)
    young = _traces(tracing, 1)

    removed = tracing.store.prune(keep_s=0.04, keep_bytes=GIB)

    assert removed == 2
    assert _rows(path, "select trace_id from span") == [(young[0],)]


def test_the_oldest_traces_go_when_the_store_is_too_big(tracing: Tracing, path: Path) -> None:
    ids = _traces(tracing, 1500, words=100)
    before = tracing.store.size_bytes()

    tracing.store.prune(keep_s=DAY_S, keep_bytes=before // 2)

    assert 0 < tracing.store.size_bytes() <= before // 2
    left = [trace_id for (trace_id,) in _rows(path, "select trace_id from span order by end_ns")]
    assert left == ids[-len(left) :]


def test_pruning_twice_removes_nothing_more(tracing: Tracing) -> None:
    _traces(tracing, 3)
    tracing.store.prune(keep_s=0, keep_bytes=GIB)

    removed = tracing.store.prune(keep_s=0, keep_bytes=GIB)

    assert removed == 0


async def test_text_that_no_encoding_takes_is_written_with_marks_in_its_place(
    tracing: Tracing, path: Path
) -> None:
    trace = tracing.tracer.trace("ask", "acme", input=json.loads('"half a pair: \\ud83d"'))

    trace.end()

    assert tracing.exporter.lost == 0
    assert _rows(path, "select question from trace") == [("half a pair: ?",)]


async def test_a_verdict_is_noted_beside_its_trace_and_for_its_tenant_only(
    tracing: Tracing, path: Path
) -> None:
    (trace_id,) = _traces(tracing, 1)

    noted = tracing.store.rate("acme", trace_id, "up")
    foreign = tracing.store.rate("other", trace_id, "down")

    assert (noted, foreign) == (True, False)
    assert (await TraceReader(path).trace("acme", trace_id)).feedback == "up"


async def test_closing_and_opening_again_goes_on_in_the_same_file(path: Path) -> None:
    for _ in range(2):
        with open_tracing(path) as tracing:
            _traces(tracing, 1)

    page = await TraceReader(path).traces("acme")

    assert len(page.items) == 2


async def test_a_trace_that_ends_after_closing_is_dropped_with_a_word_in_the_log(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with open_tracing(path) as tracing:
        late = tracing.tracer.trace("ask", "acme")

    with caplog.at_level(logging.WARNING):
        late.end()

    assert "already shutdown" in caplog.text
    with pytest.raises(TraceMissing):
        await TraceReader(path).trace("acme", late.trace_id)
