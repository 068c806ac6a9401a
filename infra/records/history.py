"""Versions stopped, sent back, restored and forgotten, in SQL."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, delete, select, tuple_
from sqlalchemy import update as sql_update
from sqlalchemy.ext.asyncio import AsyncConnection

from infra.records.database import Database
from infra.records.documents import NEWEST, again, append, hold, seen_by, used, visible
from infra.records.stages import moved
from infra.records.tables import documents, versions
from ingestion.documents import (
    PENDING,
    RETRYABLE,
    Document,
    DocumentMissing,
    NotCancellable,
    NotRestorable,
    Upload,
)
from retrieval.index import Scope


class SqlHistory:
    """`History` over SQLAlchemy, the same for SQLite and Postgres."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    async def cancel(self, scope: Scope, document_id: str) -> Document:
        async with self._database.write() as connection:
            await hold(connection, documents.c.id == document_id)
            document = await visible(connection, scope, document_id)
            row = await _row(connection, document_id, document.newest.number)
            if row is None or row.status not in PENDING:
                raise NotCancellable(
                    f"{document.name!r} is {document.newest.status}; only what waits or is worked "
                    "on can be cancelled."
                )
            now = self._clock()
            # The lease stays until it ends: a worker may be at it for another second.
            changes = moved(row, "cancelled", now) | {"updated_at": now}
            await connection.execute(
                sql_update(versions)
                .where(_is(document_id, row.number))
                .values(
                    fence=versions.c.fence + 1, failure_kind=None, failure_reason=None, **changes
                )
            )
            return await visible(connection, scope, document_id)

    async def retry_failed(self, scope: Scope, kind: str | None) -> int:
        newest = select(documents.c.id, versions.c.number).join(versions, NEWEST)
        failed = seen_by(newest, scope).where(versions.c.status == "failed")
        if kind is not None:
            failed = failed.where(versions.c.failure_kind == kind)
        async with self._database.write() as connection:
            sent = await connection.execute(
                sql_update(versions)
                .where(
                    tuple_(versions.c.document_id, versions.c.number).in_(failed),
                    versions.c.status == "failed",
                )
                .values(**again(self._clock()))
            )
            return int(sent.rowcount)

    async def restore(self, scope: Scope, document_id: str, number: int) -> Document:
        async with self._database.write() as connection:
            await hold(connection, documents.c.id == document_id)
            document = await visible(connection, scope, document_id)
            old = await _row(connection, document_id, number)
            if old is None:
                raise DocumentMissing(
                    f"{document.name!r} has no version {number}, or not any more: only the last "
                    "ones are kept."
                )
            _check_restorable(document, old)
            upload = Upload(document.name, old.sha256, old.size_bytes, old.media_type)
            await append(connection, document, upload, self._clock())
            return await visible(connection, scope, document_id)

    async def prune(self, document_id: str, keep: int) -> frozenset[str]:
        async with self._database.write() as connection:
            await hold(connection, documents.c.id == document_id)
            query = (
                select(documents.c.tenant, versions.c.number, versions.c.sha256, versions.c.reading)
                .join(documents, versions.c.document_id == documents.c.id)
                .where(versions.c.document_id == document_id, versions.c.status == "superseded")
                .order_by(versions.c.number.desc())
                .offset(keep)
            )
            old = (await connection.execute(query)).all()
            if not old:
                return frozenset()
            numbers = [row.number for row in old]
            await connection.execute(
                delete(versions).where(
                    versions.c.document_id == document_id, versions.c.number.in_(numbers)
                )
            )
            files = {key for row in old for key in (row.sha256, row.reading) if key is not None}
            return frozenset(files - await used(connection, old[0].tenant, files))


def _check_restorable(document: Document, old: Row[Any]) -> None:
    if old.number == document.live_version:
        raise NotRestorable(f"{document.name!r} version {old.number} answers questions already.")
    if old.status in PENDING:
        raise NotRestorable(f"{document.name!r} version {old.number} is on its way: {old.status}.")
    if old.status in RETRYABLE:
        raise NotRestorable(
            f"{document.name!r} version {old.number} was never ready: it {_WAS[old.status]}. "
            "Retry it instead."
        )


_WAS = {"failed": "failed", "cancelled": "was cancelled"}


async def _row(connection: AsyncConnection, document_id: str, number: int) -> Row[Any] | None:
    query = select(versions).where(_is(document_id, number)).with_for_update()
    return (await connection.execute(query)).one_or_none()


def _is(document_id: str, number: int) -> ColumnElement[bool]:
    return and_(versions.c.document_id == document_id, versions.c.number == number)
