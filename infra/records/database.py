"""The database behind the records: one engine, read and write transactions, migrations."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Literal

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from infra.records.inline import InlineConnection
from ingestion.documents import RecordsUnavailable

MIGRATIONS = Path(__file__).parent.parent / "migrations"
SCHEMES = ("sqlite+aiosqlite", "postgresql+asyncpg")
Write = Literal["briefly", "at length"]
MIGRATION_LOCK = 0x636169726E
"""Any number that no other program locks in this database: `cairn` in ASCII."""


class SchemaBehind(Exception):
    """The database was made by another version of Cairn. The message says what to do."""


class Database:
    """Transactions over one engine. All failures come out as `RecordsUnavailable`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        # SQLite lets waiting writers poll, with sleeps between; queueing them here is fair and quick.
        one_writer = engine.dialect.name == "sqlite"
        self._turn: AbstractAsyncContextManager[object] = (
            asyncio.Lock() if one_writer else nullcontext()
        )

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        with _translated():
            async with self._engine.connect() as connection:
                yield connection

    def write(self) -> AbstractAsyncContextManager[AsyncConnection]:
        return self._write("at length")

    def write_briefly(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A write that finds all its rows by key: SQLite does it on the event loop, not in a thread."""
        return self._write("briefly")

    @asynccontextmanager
    async def _write(self, how: Write) -> AsyncIterator[AsyncConnection]:
        with _translated():
            async with self._turn, self._engine.connect() as connection:
                await connection.execution_options(cairn_write=how)
                async with connection.begin():
                    yield connection

    async def ping(self) -> str:
        async with self.read() as connection:
            await connection.execute(text("SELECT 1"))
        return str(self._engine.url.render_as_string(hide_password=True))


@asynccontextmanager
async def open_database(url: str, *, migrate: bool) -> AsyncIterator[Database]:
    """Opens `sqlite+aiosqlite:///file` or `postgresql+asyncpg://…`; migrates it, or checks that it is.

    Raises `SchemaBehind`, `RecordsUnavailable`, `ValueError` for another scheme.
    """
    engine = _engine(url)
    try:
        database = Database(engine)
        async with database.write() if migrate else database.read() as connection:
            await connection.run_sync(_upgrade if migrate else _check)
        yield database
    finally:
        await engine.dispose()


def _engine(url: str) -> AsyncEngine:
    scheme = make_url(url).drivername
    if scheme not in SCHEMES:
        raise ValueError(f"records: {scheme!r} is none of {', '.join(SCHEMES)}")
    if scheme == SCHEMES[0]:
        engine = create_async_engine(url, connect_args={"async_creator_fn": InlineConnection.open})
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
        return engine
    return create_async_engine(
        url, pool_size=10, max_overflow=10, pool_timeout=5, pool_pre_ping=True
    )


def _prepare_sqlite(connection: object, _record: object) -> None:
    connection.isolation_level = None  # type: ignore[attr-defined]  # we begin ourselves, below
    cursor = connection.cursor()  # type: ignore[attr-defined]
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "busy_timeout=10000",
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
    # SQLite's own folds ASCII only.
    connection.create_function("lower", 1, _lower, deterministic=True)  # type: ignore[attr-defined]


def _lower(text: object) -> object:
    return text.lower() if isinstance(text, str) else text


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads and then writes must take the write lock first: SQLite refuses the
    # upgrade at once, whatever the busy timeout, when somebody wrote in between.
    how: Write | None = connection.get_execution_options().get("cairn_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if how else "BEGIN")
    if how == "briefly":
        connection.connection.driver_connection.go_inline()  # type: ignore[union-attr]


class _translated:
    """Turns the database's own errors into ours, once."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, IntegrityError):
            return  # a constraint spoke: the caller's own affair
        if isinstance(error, DBAPIError | PoolTimeout | OSError):
            raise RecordsUnavailable(
                f"The database does not answer: {_first_line(error)}"
            ) from error
        if isinstance(error, SQLAlchemyError):
            raise RecordsUnavailable("The database refused a statement.") from error


def _first_line(error: BaseException) -> str:
    original = getattr(error, "orig", None) or error
    return str(original).splitlines()[0][:200] if str(original) else type(original).__name__


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        # Of several that start at once, one migrates and the others wait.
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
    _refuse_newer(connection)
    command.upgrade(_config(connection), "head")


def _check(connection: Connection) -> None:
    here = _refuse_newer(connection)
    head = ScriptDirectory.from_config(_config(connection)).get_current_head()
    if here != head:
        raise SchemaBehind(
            f"The database is at schema {here or 'none'}, this Cairn needs {head}. "
            "Run `cairn migrate` first."
        )


def _refuse_newer(connection: Connection) -> str | None:
    """The schema's revision, if this Cairn knows it."""
    here = MigrationContext.configure(connection).get_current_revision()
    known = {
        script.revision
        for script in ScriptDirectory.from_config(_config(connection)).walk_revisions()
    }
    if here is not None and here not in known:
        raise SchemaBehind(
            f"The database is at schema {here}, which this Cairn does not know: a newer one made "
            "it. Run that one, or restore a backup from before it."
        )
    return here
