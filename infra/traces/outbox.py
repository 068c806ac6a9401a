"""The outbox: what waits on the disk to be delivered to Langfuse.

A parcel is put in with the span or the verdict that it tells of, in one transaction, and taken out
with its delivery: its bytes are on the disk no longer than they are needed.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["span", "score"]
Write = Callable[[], AbstractContextManager[sqlite3.Connection]]
"""A transaction of the trace store, which lets one writer in at a time."""

SCHEMA = """
create table if not exists outbox (
    id integer primary key, kind text not null,
    trace_id text not null, item_id text not null, added_ns integer not null,
    tries integer not null default 0, parked integer not null default 0,
    body blob not null,
    unique (trace_id, kind, item_id)
);
create index if not exists outbox_next on outbox (kind, tries, id) where not parked;
create index if not exists outbox_parked on outbox (kind) where parked;
create table if not exists tally (
    kind text not null, outcome text not null, number integer not null,
    primary key (kind, outcome)
) without rowid;
"""

PUT = """insert or replace into outbox (kind, trace_id, item_id, added_ns, body)
    values (?, ?, ?, ?, ?)"""
COUNT = """insert into tally values (?, ?, ?)
    on conflict do update set number = number + excluded.number"""
NEXT = """select id, kind, trace_id, item_id, tries, added_ns, body from outbox
    where kind = ? and not parked order by tries, id limit ?"""
NEWEST = """select id, kind, trace_id, item_id, tries, added_ns, body from outbox
    where kind = ? and not parked order by tries, id desc limit 1"""
OLDEST = "select added_ns from outbox where not parked order by id limit 1"
WAITING = "select count(*) from outbox where kind = ? and not parked"
PARKED = "select count(*) from outbox where kind = ? and parked"
TOLD = "select number from tally where kind = ? and outcome = ?"
AT_ONCE = 64
"""Parcels taken out per transaction: a span that is written meanwhile waits for about 1 ms."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """One span or score, in the bytes that Langfuse takes."""

    kind: Kind
    trace_id: str
    item_id: str
    """A span's or a score's. A parcel replaces the one with the same ids that still waits."""
    body: bytes
    place: tuple[int, int] = (0, 0)
    """Its number in the outbox, once it is there, and its time: numbers are given out again."""
    tries: int = 0
    """How often it, and not its batch, was refused."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How many parcels of one kind there are."""

    delivered: int
    waiting: int
    parked: int
    """Refused too often. They stay on this machine, and are not sent again."""
    removed: int
    """Pruned with their traces before they could be delivered."""


class Outbox:
    """Parcels on disk, oldest first. Each method raises `sqlite3.Error` when the disk fails."""

    def __init__(self, path: Path, write: Write) -> None:
        self.path = path
        self._write = write

    def waiting(self, kind: Kind, most: int, most_bytes: int) -> list[Parcel]:
        """The next ones, within `most_bytes` together; a larger one comes alone.

        Those that were refused come after those that were not, so they are in nobody's way.
        """
        found: list[Parcel] = []
        with closing(self._reading()) as connection:
            for row in connection.execute(NEXT, (kind, most)):
                parcel = _parcel(row)
                most_bytes -= len(parcel.body)
                if found and most_bytes < 0:
                    break
                found.append(parcel)
        return found

    def newest(self, kind: Kind) -> Parcel | None:
        """The last that came in, of those that were refused least."""
        with closing(self._reading()) as connection:
            row = connection.execute(NEWEST, (kind,)).fetchone()
        return _parcel(row) if row else None

    def deliver(self, parcels: Sequence[Parcel]) -> None:
        """They have arrived: takes them out and counts them."""
        for start in range(0, len(parcels), AT_ONCE):
            some = parcels[start : start + AT_ONCE]
            with self._write() as connection:
                gone = connection.executemany(
                    "delete from outbox where id = ? and added_ns = ?",
                    [parcel.place for parcel in some],
                ).rowcount
                connection.execute(COUNT, (some[0].kind, "delivered", gone))

    def refuse(self, parcels: Iterable[Parcel], tries: int) -> list[Parcel]:
        """Counts a refusal of each. Gives those that are parked now, after this many."""
        refused = list(parcels)
        with self._write() as connection:
            connection.executemany(
                "update outbox set tries = tries + 1, parked = tries + 1 >= ? "
                "where id = ? and added_ns = ?",
                [(tries, *parcel.place) for parcel in refused],
            )
        return [parcel for parcel in refused if parcel.tries + 1 >= tries]

    def standing(self, kind: Kind) -> Standing:
        """The counts, which outlive this process."""
        with closing(self._reading()) as connection:
            told = [connection.execute(TOLD, (kind, of)).fetchone() for of in OUTCOMES]
            delivered, removed = (row[0] if row else 0 for row in told)
            (waiting,) = connection.execute(WAITING, (kind,)).fetchone()
            (parked,) = connection.execute(PARKED, (kind,)).fetchone()
        return Standing(delivered, waiting, parked, removed)

    def oldest_s(self) -> float:
        """For how long the oldest has waited; 0 where none waits."""
        with closing(self._reading()) as connection:
            row = connection.execute(OLDEST).fetchone()
        return max(0.0, (time.time_ns() - row[0]) / 1e9) if row else 0.0

    def _reading(self) -> sqlite3.Connection:
        """A reader never waits for the writer, nor lets it wait."""
        return sqlite3.connect(f"{self.path.resolve().as_uri()}?mode=ro", uri=True)


OUTCOMES = ("delivered", "removed")


def put(connection: sqlite3.Connection, parcels: Iterable[Parcel]) -> None:
    """Adds them, within the caller's transaction."""
    now_ns = time.time_ns()
    connection.executemany(
        PUT, [(each.kind, each.trace_id, each.item_id, now_ns, each.body) for each in parcels]
    )


def forget(connection: sqlite3.Connection, traces: str, values: Sequence[object]) -> None:
    """Removes what waits of the traces that this `select` names, within the caller's transaction."""
    which = f"trace_id in ({traces})"
    lost = f"select kind, count(*) from outbox where {which} and not parked group by kind"  # noqa: S608
    for kind, number in connection.execute(lost, values).fetchall():
        connection.execute(COUNT, (kind, "removed", number))
    connection.execute(f"delete from outbox where {which}", values)  # noqa: S608


def _parcel(row: tuple[int, Kind, str, str, int, int, bytes]) -> Parcel:
    number, kind, trace_id, item_id, tries, added_ns, body = row
    return Parcel(kind, trace_id, item_id, body, (number, added_ns), tries)
