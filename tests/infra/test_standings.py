"""What stands in the records, over all tenants, on SQLite and on a real Postgres."""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra.records.backlog import SqlLoads
from infra.records.database import open_database
from infra.records.documents import SqlDocuments
from infra.records.history import SqlHistory
from infra.records.leases import SqlLeases
from infra.records.standings import SqlStandings
from ingestion.check import Standings
from ingestion.findings import Standing
from ingestion.leases import Due
from tests.contracts.records import ANN, EVE, Store, hashed

if TYPE_CHECKING:
    from tests.servers.postgres import Postgres

pytest_plugins = ["tests.servers.postgres"]

NUMBERS = itertools.count()


@dataclass(frozen=True, slots=True)
class Desk:
    """All sides of one database."""

    store: Store
    standings: Standings


class StandingsContract:
    @pytest.fixture
    def url(self) -> str:
        raise NotImplementedError

    @pytest.fixture
    async def desk(self, url: str) -> AsyncIterator[Desk]:
        async with AsyncExitStack() as stack:
            database = await stack.enter_async_context(open_database(url, migrate=True))
            store = Store(
                SqlDocuments(database),
                SqlLeases(database),
                SqlHistory(database),
                SqlLoads(database),
            )
            yield Desk(store, SqlStandings(database))

    async def test_every_version_of_every_tenant_is_told(self, desk: Desk) -> None:
        tea = (await desk.store.upload(content="green")).document
        await desk.store.publish(tea, reading="read")
        await desk.store.upload(content="black")
        other = (await desk.store.upload(scope=EVE)).document

        told = await desk.standings.all()

        green, black, read = hashed("green"), hashed("black"), hashed("read")
        assert sorted(told, key=lambda one: (one.tenant, one.version)) == [
            Standing("acme", tea.id, 1, True, False, 5, green, read),
            Standing("acme", tea.id, 2, False, True, None, black, None),
            Standing("other", other.id, 1, False, True, None, green, None),
        ]

    async def test_a_replaced_version_is_in_work_until_its_workers_lease_is_over(
        self, desk: Desk
    ) -> None:
        tea = (await desk.store.upload(content="green")).document
        await desk.store.claim(tea)
        await desk.store.upload(content="black")

        first, _ = sorted(await desk.standings.all(), key=lambda one: one.version)

        assert (first.live, first.working) == (False, True)

    async def test_what_failed_is_neither_live_nor_in_work(self, desk: Desk) -> None:
        await desk.store.fail((await desk.store.upload()).document)

        (failed,) = await desk.standings.all()

        assert (failed.live, failed.working) == (False, False)

    async def test_a_live_version_is_done_once_more_as_a_new_one_while_it_stays(
        self, desk: Desk
    ) -> None:
        tea = (await desk.store.upload(content="green", groups=("people",))).document
        await desk.store.publish(tea)

        assert await desk.standings.redo(tea.id, 1)

        now = await desk.store.records.get(ANN, tea.id)
        assert (now.live_version, now.newest.number, now.newest.status) == (1, 2, "queued")
        assert (now.newest.sha256, now.groups) == (hashed("green"), {"people"})
        assert await desk.store.leases.due(time.time(), 9) == [Due(tea.id, 2, 0)]

    @pytest.mark.parametrize(("document_id", "version"), [("f" * 32, 1), (None, 2), (None, 1)])
    async def test_what_is_not_live_or_already_on_its_way_is_not_done_again(
        self, desk: Desk, document_id: str | None, version: int
    ) -> None:
        tea = (await desk.store.upload(content="green")).document
        await desk.store.publish(tea)
        await desk.store.upload(content="black")

        assert not await desk.standings.redo(document_id or tea.id, version)

        assert (await desk.store.records.get(ANN, tea.id)).newest.number == 2

    async def test_all_leases_are_freed_at_once_and_their_holders_overtaken(
        self, desk: Desk
    ) -> None:
        tea = (await desk.store.upload("tea.txt")).document
        told = (await desk.store.upload("told.txt")).document
        done = (await desk.store.upload("done.txt")).document
        await desk.store.publish(done)
        now = time.time()
        claim = await desk.store.claim(tea)
        await desk.store.leases.told([Due(told.id, 1, 0)], now)
        assert await desk.store.leases.due(now, 9) == []

        freed = await desk.store.leases.free()

        assert freed == 2
        due = await desk.store.leases.due(now, 9)
        assert due == [Due(tea.id, 1, claim.fence + 1), Due(told.id, 1, 1)]


class TestOnSqlite(StandingsContract):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite+aiosqlite:///{tmp_path / 'cairn.sqlite'}"


@pytest.mark.server
class TestOnPostgres(StandingsContract):
    @pytest.fixture
    def url(self, postgres: Postgres) -> str:
        name = f"standings_{next(NUMBERS)}"
        postgres.create_database(name)
        return postgres.url(name)
