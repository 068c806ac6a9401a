"""The stages of a version in work: the moves between them, and those that wait to be written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ingestion.documents import MOVES, Stage, Status
from ingestion.leases import Claim

Key = tuple[str, int, int]


class Standing(Protocol):
    """Where a version stands: a row of the table, or what a row will be."""

    @property
    def status(self) -> Any: ...
    @property
    def stage_started_at(self) -> Any: ...
    @property
    def created_at(self) -> Any: ...
    @property
    def timeline(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class Move:
    """A stage that was entered, or progress in it."""

    stage: Stage
    at: float
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class After:
    """A version as it stands after some moves."""

    status: Status
    stage_started_at: float | None
    created_at: float
    timeline: Sequence[Any]
    changes: dict[str, object]
    """Of the row, to get there."""


def moved(row: Standing, status: Status, now: float) -> dict[str, object]:
    """The columns of a move to another status, closing the stage before it in the timeline."""
    if status not in MOVES[row.status]:
        raise ValueError(f"a version cannot move from {row.status} to {status}")
    began = row.stage_started_at or row.created_at
    timeline = [*row.timeline, (row.status, began, round(now - began, 4))]
    return {"status": status, "stage_started_at": now, "timeline": timeline}


def after(row: Standing, moves: Sequence[Move]) -> After:
    """Makes the moves that the row has not made yet. Raises `ValueError` where one is not allowed."""
    there = After(row.status, row.stage_started_at, row.created_at, row.timeline, {})
    for move in moves[_written(row, moves) :]:
        changes: dict[str, Any] = {"done": move.done, "total": move.total, "updated_at": move.at}
        if move.stage != there.status:
            changes |= moved(there, move.stage, move.at)
        there = After(
            changes.get("status", there.status),
            changes.get("stage_started_at", there.stage_started_at),
            row.created_at,
            changes.get("timeline", there.timeline),
            there.changes | changes,
        )
    return there


def _written(row: Standing, moves: Sequence[Move]) -> int:
    """How many of the first moves another write of the same worker has made meanwhile."""
    here = (row.status, row.stage_started_at)
    made = (n for n, move in enumerate(moves, 1) if (move.stage, move.at) == here)
    return max(made, default=0)


@dataclass(slots=True)
class _Draft:
    written_at: float
    moves: list[Move] = field(default_factory=list)


class Drafts:
    """Of each claim in work, the moves that were not written yet."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._drafts: dict[Key, _Draft] = {}

    def begin(self, claim: Claim, now: float) -> None:
        self._drafts[_key(claim)] = _Draft(now)

    def keep(self, claim: Claim, move: Move) -> bool:
        """Notes a move; True when it can wait, since the claim was written a moment ago."""
        draft = self._drafts.setdefault(_key(claim), _Draft(0.0))
        draft.moves.append(move)
        return 0 <= move.at - draft.written_at < self._patience_s

    def of(self, claim: Claim) -> tuple[Move, ...]:
        draft = self._drafts.get(_key(claim))
        return tuple(draft.moves) if draft else ()

    def written(self, claim: Claim, moves: Sequence[Move], now: float) -> None:
        if draft := self._drafts.get(_key(claim)):
            draft.written_at = now
            del draft.moves[: len(moves)]

    def end(self, claim: Claim) -> None:
        self._drafts.pop(_key(claim), None)


def _key(claim: Claim) -> Key:
    return claim.document.id, claim.version, claim.fence
