"""One version's way into the index, also when what it needs is away, or the worker dies on the way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from ingestion.documents import Changes, Failure
from ingestion.embedding import BATCH
from ingestion.heartbeat import HEARTBEAT_S
from ingestion.leases import Due
from ingestion.parse import Encrypted, NothingToRead, ReadingTooBig, ReadingTooLong, Unreadable
from ingestion.pipeline import MAX_ATTEMPTS, Pipeline
from ingestion.reading import from_bytes
from tests.ingestion.fakes import (
    ANN,
    KEEP,
    Crash,
    Endless,
    Fuse,
    Impatient,
    World,
    open_world,
    sections,
)

LONG_S = 3600.0


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as world:
        yield world


# As it should go


async def test_an_upload_is_published_with_all_its_chunks(world: World) -> None:
    accepted = await world.upload(sections("tea", "water", "milk"), metadata={"year": 2024})

    outcomes = await world.run()

    document = await world.get(accepted)
    assert outcomes == ["published"]
    assert (document.live_version, document.newest.status, document.newest.chunks) == (
        1,
        "ready",
        3,
    )
    assert world.held() == {(document.id, 1, n) for n in range(3)}
    entry = next(iter(world.index.points.values()))
    assert (entry.document.title, entry.document.metadata) == ("tea.txt", {"year": 2024})


async def test_what_was_read_is_kept_to_be_shown(world: World) -> None:
    text = sections("tea", "water")
    accepted = await world.upload(text)

    await world.run()

    newest = (await world.get(accepted)).newest
    assert newest.reading is not None
    reading = from_bytes(await world.tools.files.read("acme", newest.reading))
    assert reading.parsed.text == text
    assert [chunk.text for chunk in reading.chunks] == [
        entry.chunk.text for entry in world.index.points.values()
    ]


async def test_the_stages_stand_in_the_timeline(world: World) -> None:
    accepted = await world.upload(sections("tea"))

    await world.run()

    timeline = (await world.get(accepted)).newest.timeline
    assert [stage.stage for stage in timeline] == [
        *("queued", "parsing", "chunking", "embedding", "indexing")
    ]


async def test_doing_it_twice_is_doing_it_once(world: World) -> None:
    accepted = await world.upload(sections("tea", "water"))
    due = Due(accepted.document.id, 1, 0)

    outcomes = await asyncio.gather(*(world.pipeline(f"worker {n}").run(due) for n in range(4)))

    assert sorted(outcomes) == ["nothing", "nothing", "nothing", "published"]
    assert await world.pipeline().run(due) == "nothing"
    assert len(world.embedder.embedded) == len(world.index.points) == 2


async def test_many_documents_at_once_do_not_mix(world: World) -> None:
    accepted = [await world.upload(sections(f"tea {n}"), f"{n}.txt") for n in range(8)]
    due = await world.tools.leases.due(time.time(), 100)

    await asyncio.gather(*(world.pipeline().run(one) for one in due))

    assert world.held() == {(one.document.id, 1, 0) for one in accepted}


# Again, with changes


async def test_only_what_changed_is_embedded_again(world: World) -> None:
    await world.upload(sections("tea", "water", "milk"))
    await world.run()
    before = vectors(world)
    world.embedder.embedded.clear()

    accepted = await world.upload(sections("tea", "lemon", "milk"))
    await world.run()

    document = await world.get(accepted)
    after = vectors(world)
    assert [text.splitlines()[0] for text in world.embedder.embedded] == ["# lemon"]
    assert document.newest.reused == 2
    assert len(before.items() & after.items()) == 2


def vectors(world: World) -> dict[str, tuple[float, ...]]:
    return {e.chunk.text: tuple(e.vector.tolist()) for e in world.index.points.values()}


async def test_a_new_version_takes_the_place_of_the_old_one(world: World) -> None:
    first = await world.upload(sections("tea", "water", "milk"))
    await world.run()

    await world.upload(sections("coffee"))
    await world.run()

    document = await world.get(first)
    assert document.live_version == 2
    assert world.held() == {(document.id, 2, 0)}


async def test_the_old_version_answers_until_the_new_one_is_complete(world: World) -> None:
    first = await world.upload(sections("tea", "water"))
    await world.run()
    await world.upload(sections("coffee"))
    world.embedder.gate.clear()
    world.embedder.reached.clear()

    work = asyncio.create_task(world.run())
    await world.embedder.reached.wait()
    document = await world.get(first)
    during = world.held()
    world.embedder.gate.set()
    await work

    assert (document.live_version, document.newest.status) == (1, "embedding")
    assert during == {(document.id, 1, 0), (document.id, 1, 1)}


async def test_an_older_version_comes_back_with_the_vectors_that_are_live(world: World) -> None:
    first = await world.upload(sections("tea", "water"))
    await world.run()
    await world.upload(sections("tea", "lemon"))
    await world.run()
    world.embedder.embedded.clear()

    await world.versions.restore(ANN, first.document.id, 1)
    outcomes = await world.run()

    document = await world.get(first)
    assert outcomes == ["published"]
    assert [text.splitlines()[0] for text in world.embedder.embedded] == ["# water"]
    assert document.newest.changes == Changes(kept=1, added=1, removed=1)
    assert world.held() == {(document.id, 3, n) for n in range(2)}


async def test_versions_beyond_those_kept_go_with_their_files(world: World) -> None:
    for number in range(KEEP + 3):
        accepted = await world.upload(sections(f"tea {number}"))
        await world.run()

    left = await world.tools.records.versions(ANN, accepted.document.id)
    files = {key for version in left for key in (version.sha256, version.reading)}
    assert [version.number for version in left] == list(range(KEEP + 3, 2, -1))
    assert set(world.kept()) == files


# What cannot be read


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Unreadable, "unreadable"),
        (Encrypted, "encrypted"),
        (NothingToRead, "nothing-to-read"),
        (ReadingTooLong, "time-limit"),
        (ReadingTooBig, "out-of-memory"),
    ],
)
async def test_what_cannot_be_read_fails_for_good_with_its_reason(
    world: World, error: type[Unreadable], kind: str
) -> None:
    accepted = await world.upload(sections("tea"))
    world.parser.error = error("In words for its uploader.")

    outcomes = await world.run()

    newest = (await world.get(accepted)).newest
    assert outcomes == ["failed"]
    assert newest.failure == Failure(kind, "In words for its uploader.")
    assert (newest.status, newest.attempts) == ("failed", 1)


async def test_a_file_of_which_no_text_is_left_has_nothing_to_read(world: World) -> None:
    accepted = await world.upload("// to be written\n")

    await world.run()

    failure = (await world.get(accepted)).newest.failure
    assert failure == Failure("nothing-to-read", "'tea.txt' has no text in it.")


async def test_a_version_that_fails_leaves_the_live_one_alone(world: World) -> None:
    accepted = await world.upload(sections("tea"))
    await world.run()

    await world.upload("! damaged")
    await world.run()

    document = await world.get(accepted)
    assert (document.live_version, document.newest.status) == (1, "failed")
    assert world.held() == {(document.id, 1, 0)}


async def test_a_failed_version_that_is_retried_is_published(world: World) -> None:
    accepted = await world.upload(sections("tea"))
    world.parser.error = Unreadable("Not today.")
    await world.run()
    world.parser.error = None

    await world.intake.retry(ANN, accepted.document.id)

    assert await world.run() == ["published"]


# What is away


async def test_an_index_that_is_away_is_tried_again_later(world: World) -> None:
    accepted = await world.upload(sections("tea"))
    world.index.away = True

    began = time.time()
    outcomes = await world.run()

    newest = (await world.get(accepted)).newest
    assert outcomes == ["put back"]
    assert newest.status == "queued"
    assert newest.failure == Failure(
        "index-unavailable", "The vector index does not answer: it sleeps"
    )
    assert began + 1 < newest.not_before < time.time() + 3
    assert await world.run() == []

    world.index.away = False
    due = await world.tools.leases.due(newest.not_before + 0.1, 1)
    await asyncio.sleep(max(0.0, newest.not_before - time.time()) + 0.05)
    assert [await world.pipeline().run(one) for one in due] == ["published"]
    assert (await world.get(accepted)).newest.failure is None


async def test_what_fails_six_times_is_given_up(world: World) -> None:
    accepted = await world.upload(sections("tea"))
    world.embedder.away = True
    pipeline = Pipeline(replace(world.tools, leases=Impatient(world.database)), "worker")

    outcomes = [(await world.run(pipeline))[0] for _ in range(MAX_ATTEMPTS)]

    failure = (await world.get(accepted)).newest.failure
    assert outcomes == ["put back"] * 5 + ["failed"]
    assert failure is not None
    assert failure.kind == "embedder-unavailable"
    assert failure.reason.endswith("it sleeps Given up after 6 attempts.")


async def test_an_error_that_nobody_foresaw_is_retried_and_logged_not_raised(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    accepted = await world.upload(sections("tea"))
    world.parser.error = KeyError("tea leaves")

    outcomes = await world.run()

    failure = (await world.get(accepted)).newest.failure
    assert outcomes == ["put back"]
    assert failure == Failure("internal", "An error inside Cairn (KeyError); its log says more.")
    assert "ingestion error" in caplog.text


async def test_a_document_that_takes_its_worker_along_each_time_is_given_up(world: World) -> None:
    accepted = await world.upload(sections("tea"))
    for _ in range(MAX_ATTEMPTS):
        with pytest.raises(Crash):
            await world.run(world.mortal(Fuse(4)))

    outcomes = await world.run()

    newest = (await world.get(accepted)).newest
    assert outcomes == ["failed"]
    assert newest.failure is not None
    assert newest.failure.kind == "worker-died"
    assert "Given up after 6 attempts" in newest.failure.reason
    assert newest.deaths == MAX_ATTEMPTS


async def test_attempts_that_failed_otherwise_are_no_deaths(world: World) -> None:
    accepted = await world.upload(sections("tea"))
    world.embedder.away = True
    impatient = Pipeline(replace(world.tools, leases=Impatient(world.database)), "worker")
    for _ in range(MAX_ATTEMPTS - 1):
        await world.run(impatient)
    with pytest.raises(Crash):
        await world.run(world.mortal(Fuse(4)))
    world.embedder.away = False

    outcomes = await world.run()

    newest = (await world.get(accepted)).newest
    assert outcomes == ["published"]
    assert (newest.deaths, newest.failure) == (1, None)


async def test_an_index_that_holds_less_than_it_was_given_is_not_published(world: World) -> None:
    accepted = await world.upload(sections("tea", "water"))
    world.index.loses = True

    outcomes = await world.run()

    document = await world.get(accepted)
    assert outcomes == ["put back"]
    assert document.live_version is None
    assert document.newest.failure is not None
    assert document.newest.failure.reason.endswith("The index holds 1 of 2 chunks.")


# What happens meanwhile


async def paused(world: World) -> asyncio.Task[list[object]]:
    """A worker in the middle of embedding, that goes on when the gate is opened."""
    world.embedder.gate.clear()
    world.embedder.reached.clear()
    work = asyncio.create_task(world.run())
    await world.embedder.reached.wait()
    return work  # type: ignore[return-value]  # outcomes are words


async def test_what_is_deleted_while_it_is_worked_on_leaves_nothing_behind(world: World) -> None:
    accepted = await world.upload(sections("tea", "water"))
    work = await paused(world)

    receipt = await world.intake.delete(ANN, accepted.document.id)
    world.embedder.gate.set()

    assert await work == ["lost"]
    assert receipt.remaining_chunks == 0
    assert (world.held(), world.kept()) == (set(), [])


async def test_a_heartbeat_that_finds_the_document_gone_stops_the_work_and_clears_up(
    world: World,
) -> None:
    accepted = await world.upload(sections(*(f"tea {n}" for n in range(BATCH + 1))))
    due = (await world.tools.leases.due(time.time(), 1))[0]
    world.embedder.closes_after = BATCH
    work = asyncio.create_task(world.pipeline(heartbeat_s=0.05).run(due))
    while len(world.held()) < BATCH:  # noqa: ASYNC110  # a dictionary rings no bell
        await asyncio.sleep(0.01)

    await world.tools.records.delete(ANN, accepted.document.id)

    assert await asyncio.wait_for(work, 5) == "lost"
    assert world.held() == set()


async def test_what_is_replaced_while_it_is_worked_on_gives_way_to_the_new_version(
    world: World,
) -> None:
    accepted = await world.upload(sections("tea", "water"))
    work = await paused(world)

    await world.upload(sections("coffee"))
    world.embedder.gate.set()

    assert await work == ["lost"]
    assert world.held() == set()
    assert await world.run() == ["published"]
    assert world.held() == {(accepted.document.id, 2, 0)}


async def test_what_is_cancelled_while_it_is_read_stops_its_reader_within_two_seconds(
    world: World,
) -> None:
    endless = Endless()
    pipeline = Pipeline(replace(world.tools, parser=endless), "worker")
    accepted = await world.upload(sections("tea"))
    work = asyncio.create_task(world.run(pipeline))
    await endless.reading.wait()

    await world.versions.cancel(ANN, accepted.document.id)

    assert await asyncio.wait_for(work, 2) == ["lost"]
    assert endless.stopped
    assert (await world.get(accepted)).newest.status == "cancelled"


async def test_what_is_cancelled_while_it_is_written_leaves_no_points_and_can_be_retried(
    world: World,
) -> None:
    first = await world.upload(sections("water"))
    await world.run()
    await world.upload(sections(*(f"tea {n}" for n in range(BATCH + 1))))
    world.embedder.closes_after = 1 + BATCH
    work = asyncio.create_task(world.run(world.pipeline(heartbeat_s=HEARTBEAT_S)))
    while len(world.held()) < 1 + BATCH:  # noqa: ASYNC110  # a dictionary rings no bell
        await asyncio.sleep(0.01)

    stopped = await world.versions.cancel(ANN, first.document.id)
    outcome = await asyncio.wait_for(work, 2)
    held = world.held()
    world.embedder.closes_after = None
    world.embedder.gate.set()
    await world.intake.retry(ANN, first.document.id)

    assert (stopped.live_version, outcome) == (1, ["lost"])
    assert held == {(first.document.id, 1, 0)}
    assert await world.run() == ["published"]
    assert len(world.held()) == BATCH + 1


async def test_what_is_cancelled_after_an_attempt_leaves_no_points(world: World) -> None:
    accepted = await world.upload(sections("tea", "water"))
    world.index.loses = True
    await world.run()
    before = world.held()

    await world.versions.cancel(ANN, accepted.document.id)

    assert (len(before), world.held()) == (1, set())


async def test_a_worker_that_is_cancelled_hands_its_version_back_uncounted(world: World) -> None:
    accepted = await world.upload(sections("tea"))
    work = await paused(world)

    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work

    newest = (await world.get(accepted)).newest
    assert (newest.status, newest.attempts, newest.failure) == ("queued", 0, None)
    world.embedder.gate.set()
    assert await world.run() == ["published"]


async def test_a_worker_that_was_overtaken_publishes_nothing_and_removes_nothing(
    world: World,
) -> None:
    accepted = await world.upload(sections("tea", "water"))
    work = await paused(world)
    due = Due(accepted.document.id, 1, 1)
    claim = await world.tools.leases.claim(due, "other", time.time() + LONG_S)

    world.embedder.gate.set()

    assert claim is not None
    assert await work == ["lost"]
    assert (await world.get(accepted)).live_version is None
    assert world.held() == {(accepted.document.id, 1, n) for n in range(2)}


# What a crash leaves


async def test_after_a_crash_at_any_step_there_is_exactly_one_set_of_chunks(world: World) -> None:
    crashes = 0
    for calls in count():
        name = f"{calls}.txt"
        accepted = await world.upload(sections("tea", "water", "milk"), name)
        await world.run()
        await world.upload(sections("tea", "lemon"), name)

        try:
            await world.run(world.mortal(Fuse(calls)))
            survived = True
        except Crash:
            survived = False
            crashes += 1
        await world.run()
        await world.sweep.remove_orphans()

        document = await world.get(accepted)
        held = {point for point in world.held() if point[0] == document.id}
        assert (document.live_version, document.newest.status) == (2, "ready"), f"step {calls}"
        assert held == {(document.id, 2, n) for n in range(2)}, f"step {calls}"
        if survived:
            break

    assert crashes >= 14
