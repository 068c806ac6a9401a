"""Traces, and feedback on the answers they led to."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from app.auth import Engineer, Reader
from app.container import Platform
from app.starting import platform_of
from app.wire.strict import Strict
from infra.traces.reading import Page, Trace
from retrieval.feedback import Feedback

router = APIRouter(prefix="/v1", tags=["traces"])
Here = Annotated[Platform, Depends(platform_of)]
TRACE_ID = r"^[0-9a-f]{32}$"


class FeedbackIn(Strict):
    """What somebody thinks of an answer."""

    trace_id: Annotated[str, Field(pattern=TRACE_ID)]
    rating: Literal["up", "down"]
    comment: Annotated[str, Field(max_length=5000)] = ""
    reasons: Annotated[
        list[Literal["wrong", "wrong_citation", "incomplete", "not_found", "unclear", "other"]],
        Field(max_length=6),
    ] = []
    correction: Annotated[str, Field(max_length=20_000)] = ""


class FeedbackOut(Strict):
    """Where the feedback is kept."""

    id: str


@router.get("/traces")
async def list_traces(
    caller: Engineer,
    here: Here,
    kind: Literal["ask", "ingest"] | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: str | None = None,
) -> Page:
    """Newest first."""
    return await here.traces.traces(caller.scope.tenant, kind, limit, cursor)


@router.get("/traces/{trace_id}")
async def show_trace(trace_id: str, caller: Engineer, here: Here) -> Trace:
    """One trace with all that was observed in it."""
    return await here.traces.trace(caller.scope.tenant, trace_id)


@router.post("/feedback", status_code=201)
async def give_feedback(given: FeedbackIn, caller: Reader, here: Here) -> FeedbackOut:
    """A thumb, and words if there are any. The newest counts; all are kept."""
    tenant = caller.scope.tenant
    await here.traces.trace(tenant, given.trace_id)  # 404 where there is no such trace
    feedback = Feedback(
        trace_id=given.trace_id,
        rating=given.rating,
        comment=given.comment,
        reasons=tuple(given.reasons),
        correction=given.correction,
        author=caller.key or "",
    )
    feedback_id = await here.feedback.add(tenant, feedback)
    await asyncio.to_thread(
        here.tracing.verdicts.give, tenant, given.trace_id, given.rating, given.comment
    )
    return FeedbackOut(id=feedback_id)
