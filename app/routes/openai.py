"""OpenAI's chat completions, so that its clients and any chat page work unchanged."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from app.asking import Events, ask, opened, whole
from app.auth import Reader
from app.container import Platform
from app.errors import problem_of
from app.events import EventStream, while_connected
from app.starting import platform_of
from app.wire.answers import AnswerOut
from app.wire.openai import MODEL, Completion, chunk, completion, proof, usage
from retrieval.answer import Answer, Delta, Retrieved

router = APIRouter(prefix="/v1", tags=["openai"])
Here = Annotated[Platform, Depends(platform_of)]


@router.get("/models")
async def models(caller: Reader, here: Here) -> dict[str, Any]:
    """The one model there is: Cairn, with the release that answers."""
    model = {"id": MODEL, "object": "model", "created": 0, "owned_by": here.release.id}
    return {"object": "list", "data": [model]}


@router.post("/chat/completions", response_model=None)
async def chat_completions(
    asked: Completion, request: Request, caller: Reader, here: Here
) -> Response:
    """A chat completion whose text carries `[n]`, and whose message carries the citations."""
    events = ask(request, here, caller, asked.question())
    if asked.stream:
        with_usage = asked.stream_options.include_usage
        return EventStream(_frames(await opened(events), with_usage=with_usage))
    return JSONResponse(completion(await while_connected(request, whole(events))))


async def _frames(events: Events, *, with_usage: bool) -> AsyncGenerator[bytes, None]:
    try:
        async with aclosing(events):
            async for one in events:
                match one.event:
                    case Retrieved():
                        yield _data(chunk(one.trace_id, {"role": "assistant", "content": ""}))
                    case Delta(text=text):
                        yield _data(chunk(one.trace_id, {"content": text}))
                    case Answer():
                        answer = AnswerOut.of(one.event, one.trace_id)
                        yield _data(chunk(one.trace_id, proof(answer), "stop"))
                        if with_usage:
                            yield _data(chunk(one.trace_id, None, usage=usage(answer)))
    except Exception as error:  # noqa: BLE001  # the status is sent: the reader must hear it here
        problem = problem_of(error)
        yield _data({"error": {"message": problem["detail"], "type": problem["type"]}})
    yield b"data: [DONE]\n\n"


def _data(value: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"
