"""One question, answered as JSON or as a stream of events."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request, Response

from app.asking import Asked, Events, ask, opened, whole
from app.auth import Reader
from app.container import Platform
from app.errors import problem_of
from app.events import EventStream, event, while_connected
from app.starting import platform_of
from app.wire.answers import AnswerOut, Question, SourceOut
from retrieval.answer import Answer, Delta, Retrieved

router = APIRouter(prefix="/v1", tags=["ask"])
Here = Annotated[Platform, Depends(platform_of)]


@router.post("/ask", response_model=AnswerOut)
async def post_ask(
    asked: Question,
    request: Request,
    caller: Reader,
    here: Here,
    accept: Annotated[str, Header()] = "",
) -> AnswerOut | Response:
    """A cited answer, or an honest refusal."""
    events = ask(request, here, caller, asked)
    if asked.stream or "text/event-stream" in accept:
        return EventStream(_frames(await opened(events)))
    return await while_connected(request, whole(events))


async def _frames(events: Events) -> AsyncGenerator[bytes, None]:
    try:
        async with aclosing(events):
            async for one in events:
                yield _frame(one)
    except Exception as error:  # noqa: BLE001  # the status is sent: the reader must hear it here
        yield event("error", problem_of(error))


def _frame(one: Asked) -> bytes:
    match one.event:
        case Retrieved(sources=sources):
            shown = [SourceOut.of(source).model_dump() for source in sources]
            return event("sources", {"trace_id": one.trace_id, "sources": shown})
        case Delta(text=text):
            return event("delta", {"text": text})
        case Answer():
            return event("answer", AnswerOut.of(one.event, one.trace_id).model_dump())
