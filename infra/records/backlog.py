"""How much waits, is worked on, was finished and failed, counted in SQL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Float, Select, and_, case, cast, func, not_, select, true

from infra.records.database import Database
from infra.records.documents import NEWEST, seen_by
from infra.records.tables import documents, versions
from ingestion.backlog import Load
from ingestion.documents import PENDING
from retrieval.index import Scope

SIZE = cast(versions.c.size_bytes, Float)
"""Postgres makes decimals of sums of big integers."""
SINCE = func.coalesce(versions.c.stage_started_at, versions.c.created_at)


class SqlLoads:
    """`Loads` over SQLAlchemy, the same for SQLite and Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self, tenant: str | None, now: float, window_s: float) -> Load:
        whose = _whose(tenant)
        async with self._database.read() as connection:
            left = (await connection.execute(_left(now).where(whose))).one()
            done = (await connection.execute(_done(now - window_s).where(whose))).one()
        begun = [first for first in (left.first, done.first) if first is not None]
        return Load(
            waiting=left.waiting or 0,
            running=left.running or 0,
            oldest_s=None if left.oldest is None else max(0.0, now - left.oldest),
            finished=done.finished,
            done_bytes=(done.bytes or 0) + (left.embedded or 0.0),
            left_bytes=max(0.0, (left.bytes or 0) - (left.embedded or 0.0)),
            over_s=now - max(min(begun, default=now), now - window_s),
        )

    async def failures(self, scope: Scope) -> Mapping[str, int]:
        query = (
            select(versions.c.failure_kind, func.count().label("newest"))
            .select_from(documents)
            .join(versions, NEWEST)
            .where(versions.c.status == "failed")
            .group_by(versions.c.failure_kind)
            .order_by(func.count().desc(), versions.c.failure_kind)
        )
        async with self._database.read() as connection:
            rows = await connection.execute(seen_by(query, scope))
            return {row.failure_kind: row.newest for row in rows}


def _left(now: float) -> Select[Any]:
    held: ColumnElement[bool] = and_(
        versions.c.lease_until.is_not(None), versions.c.lease_until > now
    )
    embedding = and_(versions.c.status.in_(("embedding", "indexing")), versions.c.total > 0)
    share = cast(versions.c.done, Float) / func.nullif(versions.c.total, 0)
    return select(
        func.sum(case((held, 0), else_=1)).label("waiting"),
        func.sum(case((held, 1), else_=0)).label("running"),
        func.min(case((not_(held), SINCE))).label("oldest"),
        func.min(case((held, versions.c.created_at))).label("first"),
        func.sum(SIZE).label("bytes"),
        func.sum(case((embedding, SIZE * share), else_=0.0)).label("embedded"),
    ).where(versions.c.status.in_(PENDING))


def _done(since: float) -> Select[int, Any, Any]:
    return select(
        func.count().label("finished"),
        func.sum(SIZE).label("bytes"),
        func.min(versions.c.created_at).label("first"),
    ).where(versions.c.updated_at > since, versions.c.status.in_(("ready", "failed")))


def _whose(tenant: str | None) -> ColumnElement[bool]:
    if tenant is None:
        return true()
    return versions.c.document_id.in_(select(documents.c.id).where(documents.c.tenant == tenant))
