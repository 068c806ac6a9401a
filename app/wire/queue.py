"""The queue as a whole, on the wire."""

from __future__ import annotations

from app.wire.strict import Strict
from ingestion.backlog import Backlog


class QueueOut(Strict):
    """The queue as a whole."""

    waiting: int
    running: int
    failed: int
    """Of the documents that you may see; the other numbers are of the whole tenant."""
    failures: dict[str, int]
    """The failed ones by the kind of failure, most first."""
    oldest_s: float | None
    """How long the one that waits longest has waited; null when none waits."""
    per_minute: float
    """Documents that became ready or failed, over the last few minutes."""
    eta_s: float | None
    """Until nothing waits or is worked on any more; null where nothing can be said yet."""
    queue_answers: bool
    """False: what waits cannot be told to a worker now, and will be later."""

    @classmethod
    def of(cls, backlog: Backlog) -> QueueOut:
        load = backlog.load
        return cls(
            waiting=load.waiting,
            running=load.running,
            failed=sum(backlog.failures.values()),
            failures=dict(backlog.failures),
            oldest_s=_rounded(load.oldest_s),
            per_minute=round(load.per_minute, 1),
            eta_s=_rounded(load.eta_s),
            queue_answers=backlog.queue_answers,
        )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
