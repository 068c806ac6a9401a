"""What becomes of the traces of a document that is deleted: they stay until they expire, or go too."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from dataclasses import dataclass

from infra.traces.reading import TraceReader, TracesUnavailable
from infra.traces.store import TraceStore

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Fate:
    """For the receipt of a deletion."""

    removed: int
    """Traces."""
    words: str


class Forgetting:
    """The policy for traces that name a document: questions, and its own ingestion."""

    def __init__(
        self, reader: TraceReader, store: TraceStore, keep_days: float, *, at_once: bool
    ) -> None:
        self._reader = reader
        self._store = store
        self._keep_days = keep_days
        self._at_once = at_once

    async def forget(self, tenant: str, document_id: str) -> Fate:
        """Never fails: the document is gone by now, so what could not be removed is only told."""
        kept = f"kept for {self._keep_days:g} days"
        if not self._at_once:
            return Fate(0, kept)
        try:
            found = await self._reader.naming(tenant, document_id)
            await asyncio.to_thread(self._store.remove, found)
        except (TracesUnavailable, sqlite3.Error) as error:
            log.warning("traces of a deleted document stay: %s", error)
            return Fate(0, f"{kept}: the trace store does not answer")
        return Fate(len(found), "removed")
