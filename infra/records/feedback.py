"""Feedback on answers, in SQL."""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import insert, select

from infra.records.database import Database
from infra.records.tables import feedback

Rating = Literal["up", "down"]


@dataclass(frozen=True, slots=True)
class Feedback:
    """What somebody thought of an answer."""

    trace_id: str
    rating: Rating
    comment: str = ""
    reasons: tuple[str, ...] = ()
    correction: str = ""
    author: str = ""
    """The name of the key that gave it."""


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

    async def ratings(self, tenant: str, trace_ids: Collection[str]) -> Mapping[str, Rating]:
        """The newest rating of each trace that has one."""
        query = (
            select(feedback.c.trace_id, feedback.c.rating)
            .where(feedback.c.tenant == tenant, feedback.c.trace_id.in_(set(trace_ids)))
            .order_by(feedback.c.created_at)
        )
        async with self._database.read() as connection:
            return {row.trace_id: row.rating for row in await connection.execute(query)}
