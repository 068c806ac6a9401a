"""The local trace store: every ended span on disk before the next line runs, in one SQLite file.

Where traces are delivered to Langfuse, the file has an outbox too: see `infra.traces.outbox`.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from infra.traces import outbox
from infra.traces.outbox import Parcel
from infra.traces.spans import Row, otlp_of, row_of

log = logging.getLogger(__name__)

BUSY_TIMEOUT_MS = 2000
"""How long a span waits for another process that writes; then it is counted as lost."""
PRUNED_AT_ONCE = 500
"""Spans looked at per transaction while pruning, so that writers wait for milliseconds only."""
CHECKPOINT_EVERY_S = 1.0
"""Moving the log into the file waits for the disk, 10 ms and more: on a thread, not in a question."""
LOG_PAGES = 16_384
"""Where the thread does not keep up, whoever writes the page after these moves the log: 64 MiB."""
FREED_AT_ONCE = 1000
"""Pages given back to the file system per step, for the same reason."""

SCHEMA = """
create table if not exists span (
    trace_id text not null, span_id text not null, parent_id text, name text not null,
    type text not null, start_ns integer not null, end_ns integer not null,
    level text not null, status_message text,
    tenant text not null, kind text not null, is_root integer not null,
    subject text, question text, answer text, refused integer, release text, model text,
    total_tokens integer, error text, feedback text,
    attributes text not null,
    unique (trace_id, span_id)
);
create index if not exists span_by_kind on span (tenant, kind, start_ns, trace_id) where is_root;
create index if not exists span_by_tenant on span (tenant, start_ns, trace_id) where is_root;
create index if not exists span_by_age on span (end_ns);
create view if not exists trace as
    select trace_id, tenant, kind, name, subject, start_ns, end_ns, question, answer, refused,
        release, model, total_tokens, error, feedback
    from span where is_root;
"""
# The wide columns stand last: SQLite reads a row from its beginning and stops where it may.

COLUMNS = (
    "trace_id", "span_id", "parent_id", "name", "type", "start_ns", "end_ns", "level",
    "status_message", "tenant", "kind", "is_root", "subject", "question", "answer", "refused",
    "release", "model", "total_tokens", "error", "attributes",
)  # fmt: skip
INSERT = (
    f"insert or ignore into span ({', '.join(COLUMNS)}) "  # noqa: S608 - names from the line above
    f"values ({', '.join(':' + column for column in COLUMNS)})"
)


@contextmanager
def open_trace_store(path: Path) -> Iterator[TraceStore]:
    """The store in this file, made where there is none. Several processes may have it open."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    closing = threading.Event()
    checkpoints = threading.Thread(target=_checkpoint, args=(path, closing), daemon=True)
    try:
        _prepare(connection)
        checkpoints.start()
        yield TraceStore(connection)
    finally:
        closing.set()
        if checkpoints.is_alive():
            checkpoints.join()
        connection.close()


class TraceStore:
    """Spans on disk. Safe in threads; each method raises `sqlite3.Error` when the disk fails."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._removed: set[str] = set()
        """Of a trace that was removed before its end, the rest comes later, and is not wanted."""

    def add(self, rows: Sequence[Row], parcels: Sequence[Parcel] = ()) -> None:
        """Committed when it returns: a killed process has lost none of them (a power cut may).

        A span that is there already stays as it is. The parcels wait for delivery.
        """
        gone = self._removed
        with self.transaction() as connection:
            connection.executemany(INSERT, [row for row in rows if row["trace_id"] not in gone])
            outbox.put(connection, [one for one in parcels if one.trace_id not in gone])

    def rate(
        self,
        tenant: str,
        trace_id: str,
        rating: Literal["up", "down"] | None,
        parcels: Sequence[Parcel] = (),
    ) -> bool:
        """Notes a reader's verdict beside the trace; False when the tenant has no such trace."""
        with self.transaction() as connection:
            update = "update span set feedback = ? where trace_id = ? and tenant = ? and is_root"
            known = connection.execute(update, (rating, trace_id, tenant)).rowcount > 0
            outbox.put(connection, parcels if known else ())
            return known

    def prune(self, keep_s: float, keep_bytes: int) -> int:
        """Removes whole traces, oldest first, until all are young and few enough; counts spans.

        Delivered or not: a server that has been away for longer than that is not worth the disk.
        """
        before_ns = time.time_ns() - int(keep_s * 1e9)
        removed = 0
        while gone := self._remove_oldest(before_ns, keep_bytes):
            removed += gone
        while self._give_back():
            pass
        return removed

    def remove(self, trace_ids: Sequence[str]) -> None:
        """These traces, delivered or not. One transaction each, so that writers wait for one only."""
        self._removed.update(trace_ids)
        for trace_id in trace_ids:
            with self.transaction() as connection:
                connection.execute("delete from outbox where trace_id = ?", (trace_id,))
                connection.execute("delete from span where trace_id = ?", (trace_id,))

    def size_bytes(self) -> int:
        """Bytes of pages in use; the file may be larger by what was pruned a moment ago."""
        with self._lock:
            pages, free, page_bytes = (
                self._connection.execute(f"pragma {name}").fetchone()[0]
                for name in ("page_count", "freelist_count", "page_size")
            )
        return int((pages - free) * page_bytes)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commits what is done inside; one at a time, also between processes."""
        with self._lock:
            self._connection.execute("begin immediate")
            try:
                yield self._connection
                self._connection.execute("commit")
            except BaseException:
                # A full disk may have ended the transaction already.
                if self._connection.in_transaction:
                    self._connection.execute("rollback")
                raise

    def _remove_oldest(self, before_ns: int, keep_bytes: int) -> int:
        limit_ns = before_ns if self.size_bytes() <= keep_bytes else time.time_ns()
        oldest = "select trace_id from span where end_ns < ? order by end_ns limit ?"
        with self.transaction() as connection:
            outbox.forget(connection, oldest, (limit_ns, PRUNED_AT_ONCE))
            delete = f"delete from span where trace_id in ({oldest})"  # noqa: S608 - two constants
            return connection.execute(delete, (limit_ns, PRUNED_AT_ONCE)).rowcount

    def _give_back(self) -> bool:
        with self._lock:
            self._connection.execute(f"pragma incremental_vacuum({FREED_AT_ONCE})").fetchall()
            return bool(self._connection.execute("pragma freelist_count").fetchone()[0])


class DiskExporter(SpanExporter):
    """Writes spans before `end()` returns, and never fails its caller: a lost span is counted."""

    def __init__(self, store: TraceStore, deliver: bool) -> None:
        self._store = store
        self._deliver = deliver
        self._failing = False
        self.lost = 0
        """Spans that could not be written since the start."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            rows = [row_of(span) for span in spans]
            self._store.add(rows, self._parcels(spans, rows))
        except (sqlite3.Error, ValueError, TypeError) as error:
            self._count(len(spans), error)
            return SpanExportResult.FAILURE
        if self._failing:
            self._failing = False
            log.warning("traces are written again; %d spans were lost", self.lost)
        return SpanExportResult.SUCCESS

    def _parcels(self, spans: Sequence[ReadableSpan], rows: Sequence[Row]) -> list[Parcel]:
        # The bytes say again what the columns say, in twice the room.
        if not self._deliver:
            return []
        return [
            Parcel("span", row["trace_id"], row["span_id"], otlp_of(span))
            for span, row in zip(spans, rows, strict=True)
        ]

    def _count(self, spans: int, error: Exception) -> None:
        self.lost += spans
        if not self._failing:
            self._failing = True
            log.error("traces cannot be written (%s); questions are answered without", error)


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute(f"pragma busy_timeout = {BUSY_TIMEOUT_MS}")
    connection.execute("pragma auto_vacuum = incremental")
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = normal")
    connection.execute(f"pragma wal_autocheckpoint = {LOG_PAGES}")
    connection.executescript(SCHEMA + outbox.SCHEMA)


def _checkpoint(path: Path, closing: threading.Event) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        while not closing.wait(CHECKPOINT_EVERY_S):
            # What the disk does not take now, it may take next time; whoever writes hears of it.
            with contextlib.suppress(sqlite3.Error):
                connection.execute("pragma wal_checkpoint(passive)").fetchall()
