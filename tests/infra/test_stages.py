"""Stages that wait for the next write, and short transactions on the event loop."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, event

from infra.records.backlog import SqlLoads
from infra.records.database import Database, open_database
from infra.records.documents import SqlDocuments
from infra.records.history import SqlHistory
from infra.records.leases import SqlLeases
from ingestion.documents import Failure
from ingestion.leases import Claim, LeaseLost
from tests.contracts.records import ANN, Store

PATIENCE_S = 0.5
STAGES = ["queued", "parsing", "chunking", "embedding", "indexing"]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_database(f"sqlite+aiosqlite:///{tmp_path / 'db'}", migrate=True) as database:
        yield database


@pytest.fixture
def store(database: Database) -> Store:
    """With leases that are patient."""
    leases = SqlLeases(database, patience_s=PATIENCE_S)
    return Store(SqlDocuments(database), leases, SqlHistory(database), SqlLoads(database))


async def status(store: Store, claim: Claim) -> str:
    return (await store.records.get(ANN, claim.document.id)).newest.status


@pytest.fixture
def commits() -> Iterator[list[Connection]]:
    """Of all databases, as they come."""
    seen: list[Connection] = []

    def hear(connection: Connection) -> None:
        seen.append(connection)

    event.listen(Engine, "commit", hear)
    yield seen
    event.remove(Engine, "commit", hear)


async def test_a_small_document_is_written_three_times_and_keeps_its_timeline(
    store: Store, commits: list[Connection]
) -> None:
    document = (await store.upload()).document
    commits.clear()

    await store.publish(document)

    written = len(commits)
    newest = (await store.records.get(ANN, document.id)).newest
    assert written == 3
    assert newest.status == "ready"
    assert [stage.stage for stage in newest.timeline] == STAGES
    assert all(stage.seconds >= 0 for stage in newest.timeline)


async def test_a_stage_is_written_with_the_heartbeat_at_the_latest(store: Store) -> None:
    claim = await store.claim((await store.upload()).document)
    await store.leases.advance(claim, "parsing", 1, 9, time.time())
    before = await status(store, claim)

    await store.leases.renew(claim, time.time())

    newest = (await store.records.get(ANN, claim.document.id)).newest
    assert (before, newest.status, newest.done, newest.total) == ("queued", "parsing", 1, 9)


async def test_a_stage_is_written_at_once_when_the_last_write_is_a_while_ago(store: Store) -> None:
    claim = await store.claim((await store.upload()).document)
    later = time.time() + PATIENCE_S

    await store.leases.advance(claim, "parsing", 0, 0, later)

    assert await status(store, claim) == "parsing"


async def test_a_failure_stands_after_the_stage_in_which_it_came(store: Store) -> None:
    claim = await store.claim((await store.upload()).document)
    await store.leases.advance(claim, "parsing", 0, 0, time.time())

    await store.leases.fail(claim, Failure("unreadable", "Damaged."), time.time())

    newest = (await store.records.get(ANN, claim.document.id)).newest
    assert newest.status == "failed"
    assert [stage.stage for stage in newest.timeline] == ["queued", "parsing"]


async def test_stages_of_who_was_overtaken_are_never_written(store: Store) -> None:
    document = (await store.upload()).document
    old = await store.claim(document)
    await store.leases.advance(old, "parsing", 0, 0, time.time())
    await store.claim(document, "new", time.time() + 3600)

    with pytest.raises(LeaseLost):
        await store.leases.renew(old, time.time())

    assert await status(store, old) == "queued"


async def test_moves_that_two_writes_carry_are_made_once(store: Store) -> None:
    claim = await store.claim((await store.upload()).document)
    now = time.time()
    await store.leases.advance(claim, "parsing", 0, 0, now)
    await store.leases.advance(claim, "chunking", 0, 0, now)

    await asyncio.gather(*(store.leases.renew(claim, now + n) for n in range(5)))

    newest = (await store.records.get(ANN, claim.document.id)).newest
    assert newest.status == "chunking"
    assert [stage.stage for stage in newest.timeline] == ["queued", "parsing"]


async def test_who_waits_for_another_process_to_write_does_not_hold_up_the_loop(
    store: Store, tmp_path: Path
) -> None:
    other = sqlite3.connect(tmp_path / "db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    upload = asyncio.create_task(store.upload())

    longest = 0.0
    for _ in range(20):
        began = time.perf_counter()
        await asyncio.sleep(0.01)
        longest = max(longest, time.perf_counter() - began)
    still_waits = not upload.done()
    other.execute("COMMIT")
    other.close()

    assert (await upload).work
    assert still_waits
    assert longest < 1.0
