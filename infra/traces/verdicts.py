"""Verdicts: what readers think of an answer, beside its trace, and as a score for Langfuse."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from infra.traces.outbox import Parcel
from infra.traces.store import TraceStore
from retrieval.feedback import Rating

NAME = "user_feedback"
VALUES: dict[Rating, float] = {"up": 1.0, "down": 0.0}


class Verdicts:
    """Keeps the newest of a trace. Where there is an `environment`, it goes to Langfuse too."""

    def __init__(self, store: TraceStore, content: bool, environment: str | None) -> None:
        self._store = store
        self._content = content
        self._environment = environment

    def give(self, tenant: str, trace_id: str, rating: Rating, comment: str = "") -> bool:
        """False when the tenant has no such trace. Raises `sqlite3.Error`."""
        return self._store.rate(tenant, trace_id, rating, self._parcels(trace_id, rating, comment))

    def _parcels(self, trace_id: str, rating: Rating, comment: str) -> list[Parcel]:
        if self._environment is None:
            return []
        # The same id again makes the server replace the score, as the newest verdict counts here.
        score = {
            "id": f"{trace_id}-{NAME}",
            "traceId": trace_id,
            "name": NAME,
            "value": VALUES[rating],
            "dataType": "BOOLEAN",
            "environment": self._environment,
            "timestamp": datetime.now(UTC).isoformat(),
        }
        if comment and self._content:
            score["comment"] = comment
        return [Parcel("score", trace_id, str(score["id"]), json.dumps(score).encode())]
