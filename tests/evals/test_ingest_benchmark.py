"""The figures of the ingestion benchmark, from what its watch wrote down."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from evals.benchmarks.ingest import Took
from evals.benchmarks.watched import Seen, Watched, read_seen, watch
from tests.ingestion.fakes import WatchedEmbedder


def test_only_what_was_late_in_the_time_asked_for_counts() -> None:
    seen = Seen([(float(at), 0.001) for at in range(100)] + [(50.5, 0.2), (200.0, 9.0)], [])

    p99, worst = seen.lateness_ms(0, 100)

    assert p99 == pytest.approx(1.0)
    assert worst == pytest.approx(200.0)


def test_the_model_is_at_work_while_it_has_work_within_the_time_asked_for() -> None:
    seen = Seen([], [(0.0, 4.0), (6.0, 20.0), (30.0, 40.0)])

    assert seen.busy_share(2.0, 12.0) == pytest.approx(0.8)


def test_what_was_seen_survives_its_file(tmp_path: Path) -> None:
    seen = Seen([(1.0, 0.5)], [(2.0, 3.0)])
    (tmp_path / "seen").write_text(json.dumps(asdict(seen)))

    assert read_seen(tmp_path / "seen") == seen


async def test_a_loop_that_is_held_up_is_seen_to_be_late() -> None:
    seen = Seen([], [])
    began = time.time()
    watching = asyncio.create_task(watch(seen.ticks))
    await asyncio.sleep(0.02)

    time.sleep(0.1)  # noqa: ASYNC251 - the very thing that is to be seen
    await asyncio.sleep(0.02)
    watching.cancel()

    assert seen.lateness_ms(began, time.time())[1] > 80


async def test_calls_that_overlap_are_one_stretch_of_work() -> None:
    slow = WatchedEmbedder()
    slow.gate.clear()
    busy: list[tuple[float, float]] = []
    watched = Watched(slow, busy)
    calls = [asyncio.create_task(watched.embed_passages([text])) for text in ("tea", "milk")]
    await slow.reached.wait()

    slow.gate.set()
    await asyncio.gather(*calls)
    await watched.embed_question("tea?")

    assert len(busy) == 1


def test_seconds_and_chunks_are_those_of_the_documents_that_became_ready() -> None:
    took = Took(1.0, [document("ready", 3), document("failed", None)], (0, 0), (0, 0), 1.0, 1.0)

    assert (took.total("chunks"), took.stage_seconds()["parsing"]) == (3, 0.5)


def document(status: str, chunks: int | None) -> dict[str, Any]:
    timeline = [{"stage": "parsing", "started_at": "", "seconds": 0.5}]
    return {"status": status, "chunks": chunks, "timeline": timeline}
