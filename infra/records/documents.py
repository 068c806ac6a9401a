"""Documents and their versions in SQL: the side that uploaders and readers see."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, delete, exists, func, insert, or_, select
from sqlalchemy import update as sql_update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from infra.records.database import Database
from infra.records.rows import cursor_of, document_of, is_id, place_of, version_of
from infra.records.tables import document_groups, documents, versions
from ingestion.documents import (
    PENDING,
    RETRYABLE,
    Accepted,
    Document,
    DocumentMissing,
    NameTaken,
    NotRetryable,
    Page,
    Removed,
    Upload,
    Version,
)
from retrieval.index import Scope

NEWEST = and_(
    versions.c.document_id == documents.c.id, versions.c.number == documents.c.newest_version
)
DOCUMENT = (
    select(
        documents.c.id,
        documents.c.tenant,
        documents.c.name,
        documents.c.live_version,
        documents.c.metadata,
        documents.c.created_at.label("document_created_at"),
        versions,
    )
    .select_from(documents)
    .join(versions, NEWEST)
)


class SqlDocuments:
    """`DocumentRecords` over SQLAlchemy, the same for SQLite and Postgres."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    async def accept(self, scope: Scope, upload: Upload) -> Accepted:
        try:
            return await self._accept(scope, upload)
        except IntegrityError:
            # Somebody uploaded under the same name in this very moment; now there is a row to see.
            return await self._accept(scope, upload)

    async def _accept(self, scope: Scope, upload: Upload) -> Accepted:
        async with self._database.write_briefly() as connection:
            there = await load(connection, _named(scope.tenant, upload.name))
            if there is not None and there.groups and not there.groups & scope.groups:
                raise NameTaken(
                    f"{upload.name!r} names a document that you may not see. Choose another name."
                )
            if there is not None and _same(there, upload):
                return Accepted(there, work=False)
            now = self._clock()
            if there is None:
                document_id = uuid.uuid4().hex
                await connection.execute(
                    insert(documents).values(
                        id=document_id,
                        tenant=scope.tenant,
                        name=upload.name,
                        newest_version=1,
                        metadata=dict(upload.metadata),
                        created_at=now,
                    )
                )
                await connection.execute(
                    insert(versions).values(**_fresh(document_id, 1, upload, now))
                )
            else:
                document_id = there.id
                await connection.execute(
                    sql_update(documents)
                    .where(documents.c.id == document_id)
                    .values(metadata=dict(upload.metadata))
                )
                await append(connection, there, upload, now)
            await _regroup(connection, document_id, upload.groups)
            document = await load(connection, documents.c.id == document_id)
            assert document is not None  # noqa: S101  # inserted two lines above
            return Accepted(document, work=True)

    async def get(self, scope: Scope, document_id: str) -> Document:
        async with self._database.read() as connection:
            return await visible(connection, scope, document_id)

    async def versions(self, scope: Scope, document_id: str) -> tuple[Version, ...]:
        async with self._database.read() as connection:
            await visible(connection, scope, document_id)
            rows = await connection.execute(
                select(versions)
                .where(versions.c.document_id == document_id)
                .order_by(versions.c.number.desc())
            )
            return tuple(version_of(row) for row in rows)

    async def page(
        self,
        scope: Scope,
        *,
        statuses: Collection[str],
        name: str | None,
        limit: int,
        cursor: str | None,
    ) -> Page:
        query = seen_by(DOCUMENT, scope)
        if statuses:
            query = query.where(versions.c.status.in_(statuses))
        if name is not None:
            query = query.where(documents.c.name.icontains(name, autoescape=True))
        if cursor is not None:
            created_at, document_id = place_of(cursor)
            query = query.where(
                or_(
                    documents.c.created_at < created_at,
                    and_(documents.c.created_at == created_at, documents.c.id < document_id),
                )
            )
        query = query.order_by(documents.c.created_at.desc(), documents.c.id.desc())
        async with self._database.read() as connection:
            rows = (await connection.execute(query.limit(limit + 1))).all()
            items = await _documents(connection, rows[:limit])
        last = items[-1] if len(rows) > limit else None
        return Page(items, cursor_of(last.created_at, last.id) if last else None)

    async def counts(self, scope: Scope) -> Mapping[str, int]:
        query = seen_by(
            select(versions.c.status, func.count().label("newest"))
            .select_from(documents)
            .join(versions, NEWEST),
            scope,
        ).group_by(versions.c.status)
        async with self._database.read() as connection:
            return {row.status: row.newest for row in await connection.execute(query)}

    async def retry(self, scope: Scope, document_id: str) -> Document:
        async with self._database.write() as connection:
            await hold(connection, documents.c.id == document_id)
            document = await visible(connection, scope, document_id)
            if document.newest.status not in RETRYABLE:
                raise NotRetryable(
                    f"{document.name!r} is {document.newest.status}; only what failed or was "
                    "cancelled can be retried."
                )
            await connection.execute(
                sql_update(versions)
                .where(
                    versions.c.document_id == document_id,
                    versions.c.number == document.newest.number,
                )
                .values(**again(self._clock()))
            )
            return await visible(connection, scope, document_id)

    async def delete(self, scope: Scope, document_id: str) -> Removed:
        async with self._database.write() as connection:
            await hold(connection, documents.c.id == document_id)
            document = await visible(connection, scope, document_id)
            rows = (
                await connection.execute(
                    select(versions.c.sha256, versions.c.reading).where(
                        versions.c.document_id == document_id
                    )
                )
            ).all()
            # Children first: SQLite cascades only where foreign keys are on.
            for table in (document_groups, versions):
                await connection.execute(delete(table).where(table.c.document_id == document_id))
            await connection.execute(delete(documents).where(documents.c.id == document_id))
            files = {key for row in rows for key in (row.sha256, row.reading) if key is not None}
            unused = files - await used(connection, document.tenant, files)
            return Removed(document, versions=len(rows), files=frozenset(unused))

    async def live(self, scope: Scope, document_ids: Sequence[str]) -> Mapping[str, int]:
        query = seen_by(select(documents.c.id, documents.c.live_version), scope).where(
            documents.c.id.in_(set(document_ids)), documents.c.live_version.is_not(None)
        )
        async with self._database.read() as connection:
            return {row.id: row.live_version for row in await connection.execute(query)}

    async def uses(self, tenant: str, key: str) -> bool:
        async with self._database.read() as connection:
            return bool(await used(connection, tenant, {key}))

    async def wanted(self) -> frozenset[tuple[str, int]]:
        query = (
            select(versions.c.document_id, versions.c.number)
            .join(documents, versions.c.document_id == documents.c.id)
            .where(
                or_(
                    versions.c.number == documents.c.live_version,
                    versions.c.status.in_(PENDING),
                )
            )
        )
        async with self._database.read() as connection:
            return frozenset(
                (row.document_id, row.number) for row in await connection.execute(query)
            )


def _named(tenant: str, name: str) -> ColumnElement[bool]:
    return and_(documents.c.tenant == tenant, documents.c.name == name)


def seen_by(query: Select[Any], scope: Scope) -> Select[Any]:
    """Narrows any query over `documents` to what the scope may see."""
    listed = exists().where(document_groups.c.document_id == documents.c.id)
    member = listed.where(document_groups.c.member.in_(scope.groups))
    return query.where(documents.c.tenant == scope.tenant, or_(~listed, member))


def _same(document: Document, upload: Upload) -> bool:
    return (
        document.newest.sha256 == upload.sha256
        and document.newest.status not in RETRYABLE
        and document.groups == upload.groups
        and dict(document.metadata) == dict(upload.metadata)
    )


def _fresh(document_id: str, number: int, upload: Upload, now: float) -> dict[str, object]:
    return {
        "document_id": document_id,
        "number": number,
        "status": "queued",
        "sha256": upload.sha256,
        "media_type": upload.media_type,
        "size_bytes": upload.size_bytes,
        "created_at": now,
        "updated_at": now,
        "attempts": 0,
        "done": 0,
        "total": 0,
        "stage_started_at": now,
        "timeline": [],
        "reused": 0,
        "title": "",
        "warnings": [],
        "fence": 0,
        "not_before": 0.0,
    }


def again(now: float) -> dict[str, object]:
    """The columns of a version that waits anew, with all its attempts; no lease of before counts."""
    return {
        "status": "queued",
        "attempts": 0,
        "deaths": 0,
        "owner": None,
        "lease_until": None,
        "not_before": 0.0,
        "told_at": None,
        "done": 0,
        "total": 0,
        "timeline": [],
        "stage_started_at": now,
    }


async def hold(connection: AsyncConnection, where: ColumnElement[bool]) -> None:
    """Locks a document until the transaction ends: before its versions, so nobody waits in a ring."""
    await connection.execute(select(documents.c.id).where(where).with_for_update())


async def load(connection: AsyncConnection, where: ColumnElement[bool]) -> Document | None:
    """One document, held against others' changes until the transaction ends."""
    # Two statements: one that waited for the lock would join the document as it is now with the
    # versions as they were before, and find nothing (Postgres, read committed).
    await hold(connection, where)
    row = (await connection.execute(DOCUMENT.where(where))).one_or_none()
    return (await _documents(connection, [row]))[0] if row is not None else None


async def append(
    connection: AsyncConnection, document: Document, upload: Upload, now: float
) -> None:
    """A new version that waits, in the place of those that still did."""
    number = document.newest.number + 1
    await _supersede(connection, document.id, now)
    await connection.execute(
        sql_update(documents).where(documents.c.id == document.id).values(newest_version=number)
    )
    await connection.execute(insert(versions).values(**_fresh(document.id, number, upload, now)))


async def visible(connection: AsyncConnection, scope: Scope, document_id: str) -> Document:
    query = seen_by(DOCUMENT, scope).where(documents.c.id == document_id)
    row = (await connection.execute(query)).one_or_none() if is_id(document_id) else None
    if row is None:
        raise DocumentMissing(f"There is no document {document_id!r}, or you may not see it.")
    return (await _documents(connection, [row]))[0]


async def _documents(connection: AsyncConnection, rows: Iterable[Row[Any]]) -> tuple[Document, ...]:
    rows = list(rows)
    members: dict[str, list[str]] = {row.id: [] for row in rows}
    found = await connection.execute(
        select(document_groups).where(document_groups.c.document_id.in_(members))
    )
    for row in found:
        members[row.document_id].append(row.member)
    return tuple(document_of(row, version_of(row), members[row.id]) for row in rows)


async def _supersede(connection: AsyncConnection, document_id: str, now: float) -> None:
    await connection.execute(
        sql_update(versions)
        .where(versions.c.document_id == document_id, versions.c.status.in_(PENDING | RETRYABLE))
        .values(status="superseded", updated_at=now)
    )


async def _regroup(connection: AsyncConnection, document_id: str, groups: Iterable[str]) -> None:
    await connection.execute(
        delete(document_groups).where(document_groups.c.document_id == document_id)
    )
    rows = [{"document_id": document_id, "member": member} for member in sorted(groups)]
    if rows:
        await connection.execute(insert(document_groups), rows)


async def used(connection: AsyncConnection, tenant: str, files: set[str]) -> set[str]:
    query = (
        select(versions.c.sha256, versions.c.reading)
        .join(documents, versions.c.document_id == documents.c.id)
        .where(
            documents.c.tenant == tenant,
            or_(versions.c.sha256.in_(files), versions.c.reading.in_(files)),
        )
    )
    return {key for row in await connection.execute(query) for key in row}
