"""What stands in the records, as `cairn check` compares it with the index and the files."""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import false, func, or_, select

from infra.records.database import Database
from infra.records.documents import append, load
from infra.records.tables import documents, versions
from ingestion.documents import PENDING, Upload
from ingestion.findings import Standing


class SqlStandings:
    """`Standings` over SQLAlchemy, the same for SQLite and Postgres."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    async def all(self) -> list[Standing]:
        live = versions.c.number == documents.c.live_version
        leased = versions.c.lease_until > self._clock()
        query = select(
            documents.c.tenant,
            versions.c.document_id,
            versions.c.number,
            func.coalesce(live, false()),
            or_(versions.c.status.in_(PENDING), func.coalesce(leased, false())),
            versions.c.chunks,
            versions.c.sha256,
            versions.c.reading,
        ).join(documents, versions.c.document_id == documents.c.id)
        async with self._database.read() as connection:
            return [Standing(*row) for row in await connection.execute(query)]

    async def redo(self, document_id: str, version: int) -> bool:
        async with self._database.write() as connection:
            document = await load(connection, documents.c.id == document_id)
            if document is None or document.live_version != version:
                return False
            if document.newest.status in PENDING:
                return False
            its = (versions.c.document_id == document_id) & (versions.c.number == version)
            live = (await connection.execute(select(versions).where(its))).one()
            upload = Upload(document.name, live.sha256, live.size_bytes, live.media_type)
            await append(connection, document, upload, self._clock())
            return True
