"""Reading traces back: the list, and one trace with all that happened in it, as the API shows them."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

from infra.traces import spans
from ingestion.documents import BadCursor

Rating = Literal["up", "down"]
T = TypeVar("T")

UNFINISHED = "Not finished: it is still running, or its process was stopped."
PLAIN = frozenset(
    {("chain", "input"), ("chain", "output"), ("generation", "output"), ("embedding", "input")}
)
"""Observations whose input or output is text, and stays text even if it looks like JSON."""

ALL = """select * from trace where tenant = :tenant
    and (start_ns, trace_id) < (:before, :before_id) order by start_ns desc, trace_id desc limit :limit"""
OF_KIND = """select * from trace where tenant = :tenant and kind = :kind
    and (start_ns, trace_id) < (:before, :before_id) order by start_ns desc, trace_id desc limit :limit"""
ONE = """select * from span where trace_id = :trace_id and tenant = :tenant
    order by start_ns, is_root desc, rowid"""
NAMING = """select distinct trace_id from span
    where tenant = :tenant and instr(attributes, :text)"""
SAME = (
    "trace_id", "kind", "question", "answer", "release", "model", "total_tokens", "error", "feedback",
)  # fmt: skip
"""Fields of a summary that are columns as they are."""


class TraceMissing(Exception):
    """No such trace, or one of another tenant: the two look the same from outside."""


class TracesUnavailable(Exception):
    """The trace store cannot be read. Trying again later may help."""


@dataclass(frozen=True, slots=True)
class TraceSummary:
    """One line of the list. `question` and `answer` are cut short, and None where content is off."""

    trace_id: str
    kind: str
    name: str
    started_at: datetime
    duration_ms: float
    question: str | None
    answer: str | None
    refused: bool | None
    release: str | None
    model: str | None
    total_tokens: int | None
    error: str | None
    feedback: Rating | None


@dataclass(frozen=True, slots=True)
class ObservationView:
    """One step of a trace. `start_ms` counts from the trace's start."""

    id: str
    parent_id: str | None
    type: str
    name: str
    start_ms: float
    duration_ms: float
    level: str
    status_message: str | None
    input: Any
    output: Any
    metadata: Mapping[str, Any]
    model: str | None
    usage: Mapping[str, int] | None
    first_token_ms: float | None
    """From the observation's own start."""


@dataclass(frozen=True, slots=True)
class Trace(TraceSummary):
    """A trace and its observations, in order of start."""

    observations: tuple[ObservationView, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """Newest first. `next` is the cursor of the page after this one, if there is one."""

    items: tuple[TraceSummary, ...]
    next: str | None


class TraceReader:
    """Reads the file that a trace store writes, from a thread. Raises `TracesUnavailable`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def traces(
        self, tenant: str, kind: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> Page:
        """A tenant's finished traces. Raises `BadCursor`."""
        before, before_id = _parsed(cursor)
        values = {
            "tenant": tenant, "kind": kind, "before": before, "before_id": before_id,
            "limit": limit + 1,
        }  # fmt: skip
        rows = await self._rows(OF_KIND if kind else ALL, values)
        more = rows[limit - 1] if len(rows) > limit else None
        following = f"{more['start_ns']}-{more['trace_id']}" if more else None
        return Page(tuple(TraceSummary(**_summary(row)) for row in rows[:limit]), following)

    async def trace(self, tenant: str, trace_id: str) -> Trace:
        """One trace, finished or not. Raises `TraceMissing`."""
        rows = await self._rows(ONE, {"tenant": tenant, "trace_id": trace_id})
        if not rows:
            raise TraceMissing(f"There is no trace {trace_id!r}.")
        root = next((row for row in rows if row["is_root"]), None)
        told = _summary(root) if root else _unfinished(rows)
        origin_ns = (root or rows[0])["start_ns"]
        return Trace(**told, observations=tuple(_observation(row, origin_ns) for row in rows))

    async def naming(self, tenant: str, text: str) -> list[str]:
        """The ids of a tenant's traces in which this stands, such as a document's id."""
        return [
            row["trace_id"] for row in await self._rows(NAMING, {"tenant": tenant, "text": text})
        ]

    async def _rows(self, sql: str, values: Mapping[str, object]) -> list[sqlite3.Row]:
        return await asyncio.to_thread(self._read, lambda db: db.execute(sql, values).fetchall())

    def _read(self, read: Callable[[sqlite3.Connection], T]) -> T:
        with (
            _translated(),
            closing(sqlite3.connect(f"{self._path.resolve().as_uri()}?mode=ro", uri=True)) as db,
        ):
            db.row_factory = sqlite3.Row
            return read(db)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise TracesUnavailable("The trace store cannot be read.") from error


def _parsed(cursor: str | None) -> tuple[int, str]:
    if cursor is None:
        return 2**63 - 1, ""
    start_ns, dash, trace_id = cursor.partition("-")
    if not (start_ns.isdecimal() and start_ns.isascii() and len(start_ns) < 20 and dash):
        raise BadCursor(f"{cursor!r} is not a cursor that a listing gave out.")
    return int(start_ns), trace_id


def _summary(row: sqlite3.Row) -> dict[str, Any]:
    return {
        **{name: row[name] for name in SAME},
        "name": row["subject"] or row["name"],
        "started_at": _time(row["start_ns"]),
        "duration_ms": _ms(row["end_ns"] - row["start_ns"]),
        "refused": None if row["refused"] is None else bool(row["refused"]),
    }


def _unfinished(rows: Sequence[sqlite3.Row]) -> dict[str, Any]:
    lasted_ns = max(row["end_ns"] for row in rows) - rows[0]["start_ns"]
    told = {**_summary(rows[0]), "duration_ms": _ms(lasted_ns), "error": UNFINISHED}
    return {**told, "name": rows[0]["kind"]}


def _observation(row: sqlite3.Row, origin_ns: int) -> ObservationView:
    attributes = json.loads(row["attributes"])
    usage = attributes.get(spans.USAGE)
    return ObservationView(
        id=row["span_id"],
        parent_id=None if row["is_root"] else row["parent_id"],
        type=row["type"],
        name=row["name"],
        start_ms=_ms(row["start_ns"] - origin_ns),
        duration_ms=_ms(row["end_ns"] - row["start_ns"]),
        level=row["level"],
        status_message=row["status_message"],
        input=_content(row["type"], "input", attributes.get(spans.INPUT)),
        output=_content(row["type"], "output", attributes.get(spans.OUTPUT)),
        metadata=_metadata(attributes),
        model=attributes.get(spans.MODEL),
        usage=json.loads(usage) if usage else None,
        first_token_ms=_first_token_ms(attributes.get(spans.FIRST_TEXT_AT), row["start_ns"]),
    )


def _content(type_: str, field: str, text: str | None) -> Any:
    if text is None or (type_, field) in PLAIN:
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _metadata(attributes: Mapping[str, Any]) -> dict[str, Any]:
    prefix = spans.METADATA
    return {
        name.removeprefix(prefix): json.loads(value)
        for name, value in attributes.items()
        if name.startswith(prefix)
    }


def _first_token_ms(written: str | None, start_ns: int) -> float | None:
    if written is None:
        return None
    return round(
        (datetime.fromisoformat(json.loads(written)) - _time(start_ns)).total_seconds() * 1e3, 3
    )


def _time(ns: int) -> datetime:
    return datetime.fromtimestamp(ns / 1e9, UTC)


def _ms(ns: int) -> float:
    return round(ns / 1e6, 3)
