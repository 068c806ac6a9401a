"""One question, answered as JSON or as a stream of events."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request, Response

from app.asking import ask, opened
from app.auth import Reader
from app.container import Platform
from app.events import EventStream, while_connected
from app.starting import platform_of
from app.wire.answers import AnswerOut, Question

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
    frames = ask(request, here, caller, asked)
    if asked.stream or "text/event-stream" in accept:
        return EventStream(_events(await opened(frames)), {})
    return await while_connected(request, _whole(frames))
