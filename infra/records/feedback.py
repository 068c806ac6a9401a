"""Feedback on answers, in SQL."""

from __future__ import annotations

import time
import uuid

from sqlalchemy import insert

from infra.records.database import Database
from infra.records.tables import feedback
from retrieval.feedback import Feedback


class SqlFeedback:
    """Keeps every word; the newest rating of a trace is the one that counts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, tenant: str, given: Feedback) -> str:
        """Answers its id. Raises `RecordsUnavailable`."""
        feedback_id = uuid.uuid4().hex
        async with self._database.write() as connection:
            await connection.execute(
                insert(feedback).values(
                    id=feedback_id,
                    tenant=tenant,
                    trace_id=given.trace_id,
                    rating=given.rating,
                    comment=given.comment,
                    reasons=list(given.reasons),
                    correction=given.correction,
                    author=given.author,
                    created_at=time.time(),
                )
            )
        return feedback_id
