"""Tracing ingestion: one trace for each attempt at a version, one step for each of its stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from infra.traces.observation import Facts, Observation
from infra.traces.tracer import Anchor, Tracer
from ingestion.documents import Failure, Stage
from ingestion.leases import Claim, Due, Leases, Readout
from ingestion.pipeline import Outcome

LOST = "Another worker has this version now, or it was deleted, replaced or cancelled."


class Runs(Protocol):
    """What a pipeline does for its worker."""

    async def run(self, due: Due) -> Outcome: ...


@dataclass(slots=True)
class Job(Anchor):
    """An attempt. Its trace begins with the claim, since who the tenant is stands there."""

    root: Observation | None = None
    stage: Stage | None = None

    def begin(self, root: Observation) -> None:
        self.root = self.observation = root

    def enter(self, stage: Stage, tracer: Tracer) -> None:
        """What follows hangs on this stage. Progress within one stage is no new one."""
        if self.root is None or stage == self.stage:
            return
        self._leave()
        self.stage = stage
        with self.root.current():
            self.observation = tracer.observe(stage)

    def fail(self, message: str) -> None:
        for each in (self.observation, self.root):
            if each:
                each.fail(message)

    def end(self, outcome: Outcome) -> None:
        self._leave()
        if self.root:
            if outcome == "lost":
                self.root.warn(LOST)
            self.root.note(facts={"outcome": outcome})
            self.root.end()

    def stop(self, error: BaseException) -> None:
        for each in (self.observation, self.root):
            if each:
                each.stop(error)

    def _leave(self) -> None:
        if self.observation and self.observation is not self.root:
            self.observation.end()
        self.observation = self.root


class TracedPipeline:
    """Runs versions, each under a trace. A version that there was nothing to do for leaves none."""

    def __init__(self, pipeline: Runs, tracer: Tracer) -> None:
        self._pipeline = pipeline
        self._tracer = tracer

    async def run(self, due: Due) -> Outcome:
        job = Job()
        with self._tracer.anchored(job):
            try:
                outcome = await self._pipeline.run(due)
            except BaseException as error:
                job.stop(error)
                raise
            job.end(outcome)
            return outcome


class TracedLeases:
    """`Leases` from which the trace learns what is worked on, at which stage, and how it ended."""

    def __init__(self, leases: Leases, tracer: Tracer) -> None:
        self._leases = leases
        self._tracer = tracer

    async def due(self, now: float, limit: int) -> list[Due]:
        return await self._leases.due(now, limit)

    async def told(self, due: Sequence[Due], now: float) -> None:
        await self._leases.told(due, now)

    async def claim(self, due: Due, owner: str, now: float) -> Claim | None:
        claim = await self._leases.claim(due, owner, now)
        if claim and (job := self._job()):
            job.begin(self._trace(claim))
        return claim

    async def free(self) -> int:
        return await self._leases.free()

    async def renew(self, claim: Claim, now: float) -> None:
        await self._leases.renew(claim, now)

    async def advance(self, claim: Claim, stage: Stage, done: int, total: int, now: float) -> None:
        if job := self._job():
            job.enter(stage, self._tracer)
        await self._leases.advance(claim, stage, done, total, now)

    async def write_down(self, claim: Claim, readout: Readout, now: float) -> None:
        self._note({"pages": readout.pages, "chunks": readout.chunks, "language": readout.language})
        await self._leases.write_down(claim, readout, now)

    async def publish(self, claim: Claim, reused: int, now: float) -> None:
        self._note({"reused": reused})
        await self._leases.publish(claim, reused, now)

    async def put_back(self, claim: Claim, failure: Failure | None, not_before: float) -> None:
        self._failed(failure)
        await self._leases.put_back(claim, failure, not_before)

    async def fail(self, claim: Claim, failure: Failure, now: float) -> None:
        self._failed(failure)
        await self._leases.fail(claim, failure, now)

    def _trace(self, claim: Claim) -> Observation:
        document, version = claim.document, claim.document.newest
        return self._tracer.trace(
            "ingest",
            document.tenant,
            subject=document.name,
            facts={
                "document_id": document.id,
                "version": version.number,
                "attempt": version.attempts,
                "media_type": version.media_type,
                "size_bytes": version.size_bytes,
                "owner": claim.owner,
            },
        )

    def _note(self, facts: Facts) -> None:
        if (job := self._job()) and job.root:
            job.root.note(facts=facts)

    def _failed(self, failure: Failure | None) -> None:
        if failure and (job := self._job()):
            job.fail(failure.reason if self._tracer.content else failure.kind)

    def _job(self) -> Job | None:
        anchor = self._tracer.anchor()
        return anchor if isinstance(anchor, Job) else None
