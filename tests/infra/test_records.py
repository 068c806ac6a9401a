"""The records on SQLite and on a real Postgres: the contracts, migrations, and a database that goes away."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, delete, inspect, select, text

from infra.records.backlog import SqlLoads
from infra.records.catalog import RecordsCatalog
from infra.records.database import MIGRATIONS, SchemaBehind, open_database
from infra.records.documents import SqlDocuments
from infra.records.feedback import SqlFeedback
from infra.records.history import SqlHistory
from infra.records.keys import KeyMissing, SqlKeys
from infra.records.leases import SqlLeases
from infra.records.tables import feedback, metadata
from ingestion.documents import RecordsUnavailable
from retrieval.feedback import Feedback
from retrieval.search import CatalogUnavailable
from tests.contracts.leases import LeasesContract
from tests.contracts.records import (
    ANN,
    Clock,
    HistoryContract,
    OpenStore,
    RecordsContract,
    Store,
)

if TYPE_CHECKING:
    from tests.servers.postgres import Postgres

pytest_plugins = ["tests.servers.postgres"]

NUMBERS = itertools.count()


def open_on(url: str, *, migrate: bool = True) -> OpenStore:
    @asynccontextmanager
    async def opened(clock: Clock) -> AsyncIterator[Store]:
        async with open_database(url, migrate=migrate) as database:
            yield Store(
                SqlDocuments(database, clock),
                SqlLeases(database),
                SqlHistory(database, clock),
                SqlLoads(database),
            )

    return opened


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'cairn.sqlite'}"


@pytest.fixture
def postgres_url(postgres: Postgres) -> str:
    """A database that is empty."""
    name = f"test_{next(NUMBERS)}"
    postgres.create_database(name)
    return postgres.url(name)


@pytest.fixture(scope="session")
def migrated(postgres: Postgres) -> str:
    postgres.create_database("migrated")
    asyncio.run(_migrate(postgres.url("migrated")))
    return postgres.url("migrated")


@pytest.fixture
async def postgres_store(migrated: str) -> OpenStore:
    """One database for all, emptied for each: making one takes longer than most of the tests."""
    async with open_database(migrated, migrate=False) as database, database.write() as connection:
        for table in reversed(metadata.sorted_tables):
            await connection.execute(delete(table))
    return open_on(migrated, migrate=False)


class OnSqlite:
    @pytest.fixture
    def open_store(self, sqlite_url: str) -> OpenStore:
        return open_on(sqlite_url)


@pytest.mark.server
class OnPostgres:
    @pytest.fixture
    def open_store(self, postgres_store: OpenStore) -> OpenStore:
        return postgres_store


class TestDocumentsOnSqlite(OnSqlite, RecordsContract):
    pass


class TestLeasesOnSqlite(OnSqlite, LeasesContract):
    pass


class TestHistoryOnSqlite(OnSqlite, HistoryContract):
    pass


class TestHistoryOnPostgres(OnPostgres, HistoryContract):
    pass


class TestDocumentsOnPostgres(OnPostgres, RecordsContract):
    pass


class TestLeasesOnPostgres(OnPostgres, LeasesContract):
    pass


class DatabaseContract:
    """Opening, migrating, and the smaller nouns, on either database."""

    @pytest.fixture
    def url(self) -> str:
        raise NotImplementedError

    async def test_migrations_make_the_very_tables_that_the_code_knows(self, url: str) -> None:
        async with open_database(url, migrate=True) as database, database.read() as connection:
            differences = await connection.run_sync(differing)

        assert differences == []

    async def test_migrations_go_down_to_nothing_and_up_again(self, url: str) -> None:
        async with open_on(url)(lambda: 1.0) as store:
            await store.publish((await store.upload(groups=("people",))).document)
        async with open_database(url, migrate=True) as database:
            async with database.write() as connection:
                await connection.run_sync(lambda sync: command.downgrade(config(sync), "base"))
            async with database.read() as connection:
                left = await connection.run_sync(lambda sync: inspect(sync).get_table_names())

        async with open_on(url)(lambda: 1.0) as store:
            again = await store.upload()

        assert left == ["alembic_version"]
        assert again.work

    async def test_the_schema_before_knows_no_cancelled_versions_and_keeps_all_others(
        self, url: str
    ) -> None:
        async with open_on(url)(lambda: 1.0) as store:
            ready = (await store.upload("ready.txt")).document
            await store.publish(ready)
            stopped = (await store.upload("stopped.txt")).document
            await store.history.cancel(ANN, stopped.id)

        async with open_database(url, migrate=True) as database, database.write() as connection:
            await connection.run_sync(lambda sync: command.downgrade(config(sync), "0001"))

        async with open_on(url)(lambda: 1.0) as store:
            newest = (await store.records.get(ANN, stopped.id)).newest
            assert (newest.status, newest.deaths) == ("failed", 0)
            assert await store.records.live(ANN, [ready.id]) == {ready.id: 1}

    async def test_migrating_twice_keeps_what_is_there(self, url: str) -> None:
        async with open_on(url)(lambda: 1.0) as store:
            document = (await store.upload()).document

        async with open_on(url)(lambda: 1.0) as store:
            assert await store.records.get(ANN, document.id) == document

    async def test_several_that_migrate_at_once_migrate_once(self, url: str) -> None:
        async def start() -> str:
            async with open_database(url, migrate=True) as database:
                return await database.ping()

        pings = await asyncio.gather(*(start() for _ in range(4)))

        assert len(set(pings)) == 1

    async def test_an_empty_database_is_behind(self, url: str) -> None:
        with pytest.raises(SchemaBehind, match=r"at schema none.*Run `cairn migrate` first"):
            async with open_database(url, migrate=False):
                pass

    @pytest.mark.parametrize("migrate", [True, False])
    async def test_a_newer_schema_is_left_alone(self, url: str, migrate: bool) -> None:
        async with open_database(url, migrate=True) as database, database.write() as connection:
            await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

        with pytest.raises(SchemaBehind, match=r"at schema 9999, which this Cairn does not know"):
            async with open_database(url, migrate=migrate):
                pass

    async def test_a_key_is_recognised_and_only_its_hash_is_kept(self, url: str) -> None:
        async with open_database(url, migrate=True) as database:
            keys = SqlKeys(database)
            made, secret = await keys.create("acme", "ci", "reader", frozenset({"people"}))

            assert await keys.recognise(secret) == made
            assert await keys.recognise(secret[:-1] + ("A" if secret[-1] != "A" else "B")) is None
            assert await keys.recognise("nonsense") is None
            assert await keys.all("acme") == (made,)
            assert await keys.all("other") == ()
            async with database.read() as connection:
                row = (await connection.execute(text("SELECT * FROM api_keys"))).one()
            assert secret.rpartition("_")[2] not in str(tuple(row))

    async def test_a_key_that_was_revoked_or_is_too_old_is_none(self, url: str) -> None:
        async with open_database(url, migrate=True) as database:
            keys = SqlKeys(database)
            revoked, first = await keys.create("acme", "one", "reader", frozenset())
            _, old = await keys.create("acme", "two", "reader", frozenset(), expires_at=1.0)

            await keys.revoke(revoked.id)
            await keys.revoke(revoked.id)

            assert await keys.recognise(first) is None
            assert await keys.recognise(old) is None
            with pytest.raises(KeyMissing, match="no key 'nonsense'"):
                await keys.revoke("nonsense")

    async def test_feedback_is_kept_word_for_word(self, url: str) -> None:
        async with open_database(url, migrate=True) as database:
            given = Feedback("t1", "down", "wrong page", ("wrong_citation",), "Page 3.", "ann")

            feedback_id = await SqlFeedback(database).add("acme", given)

            async with database.read() as connection:
                row = (await connection.execute(select(feedback))).one()
        assert (row.id, row.tenant, row.reasons) == (feedback_id, "acme", ["wrong_citation"])
        assert (row.trace_id, row.rating, row.comment) == ("t1", "down", "wrong page")
        assert (row.correction, row.author) == ("Page 3.", "ann")


class TestSqlite(DatabaseContract):
    @pytest.fixture
    def url(self, sqlite_url: str) -> str:
        return sqlite_url

    async def test_a_reader_is_not_held_up_by_a_writer(self, url: str) -> None:
        async with open_database(url, migrate=True) as database:
            records = SqlDocuments(database)
            async with database.write() as connection, asyncio.timeout(2):
                await connection.execute(text("DELETE FROM documents"))

                assert await records.counts(ANN) == {}

    async def test_a_folder_that_is_not_there_is_said_in_words(self, tmp_path: Path) -> None:
        url = f"sqlite+aiosqlite:///{tmp_path / 'nowhere' / 'cairn.sqlite'}"

        with pytest.raises(RecordsUnavailable, match="unable to open database file"):
            async with open_database(url, migrate=True):
                pass
        await asyncio.sleep(0.1)  # aiosqlite's thread still has a word for this loop

    async def test_another_scheme_is_refused_with_the_choices(self) -> None:
        with pytest.raises(ValueError, match=r"'mysql' is none of sqlite\+aiosqlite, postgresql"):
            async with open_database("mysql://localhost/cairn", migrate=True):
                pass


@pytest.mark.server
class TestPostgres(DatabaseContract):
    @pytest.fixture
    def url(self, postgres_url: str) -> str:
        return postgres_url

    async def test_a_server_that_goes_away_and_comes_back_is_waited_for(
        self, url: str, stopping: Postgres
    ) -> None:
        async with open_on(url)(lambda: 1.0) as store:
            document = (await store.upload()).document
            catalog = RecordsCatalog(store.records)

            stopping.stop()
            with pytest.raises(RecordsUnavailable, match="does not answer"):
                await store.records.get(ANN, document.id)
            with pytest.raises(RecordsUnavailable):
                await store.upload(content="black")
            with pytest.raises(CatalogUnavailable):
                await catalog.live(ANN, [document.id])
            stopping.start()

            assert await store.records.get(ANN, document.id) == document
            assert (await store.upload(content="black")).document.newest.number == 2

    async def test_a_server_that_stops_in_the_middle_of_a_transaction_keeps_none_of_it(
        self, url: str, stopping: Postgres
    ) -> None:
        async with open_database(url, migrate=True) as database:

            async def change() -> None:
                async with database.write() as connection:
                    await connection.execute(text("DELETE FROM alembic_version"))
                    stopping.stop()
                    await connection.execute(text("DELETE FROM documents"))

            with pytest.raises(RecordsUnavailable):
                await change()
            stopping.start()

            async with database.read() as connection:
                rows = (await connection.execute(text("SELECT * FROM alembic_version"))).all()
        assert len(rows) == 1

    @pytest.mark.parametrize("wrong", ["port", "database", "host"])
    async def test_what_cannot_be_reached_is_said_in_words(
        self, postgres: Postgres, wrong: str
    ) -> None:
        url = {
            "port": postgres.url().replace(f":{postgres.port}/", ":1/"),
            "database": postgres.url("nowhere"),
            "host": postgres.url().replace("127.0.0.1", "nowhere.invalid"),
        }[wrong]

        with pytest.raises(RecordsUnavailable, match="does not answer"):
            async with open_database(url, migrate=True):
                pass

    async def test_a_ping_does_not_tell_the_password(self, url: str) -> None:
        secret = url.replace("cairn@", "cairn:hush@")
        async with open_database(secret, migrate=True) as database:
            assert "hush" not in await database.ping()


@pytest.fixture
def stopping(postgres: Postgres) -> Iterator[Postgres]:
    """For a test that stops the server: the next one finds it running whatever happened."""
    yield postgres
    postgres.stop()
    postgres.start()


async def _migrate(url: str) -> None:
    async with open_database(url, migrate=True):
        pass


def config(connection: Connection) -> Config:
    ours = Config()
    ours.set_main_option("script_location", str(MIGRATIONS))
    ours.attributes["connection"] = connection
    return ours


def differing(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, metadata))
