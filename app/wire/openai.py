"""The shapes of OpenAI's chat completions, as far as Cairn speaks them."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.wire.answers import MAX_TURNS, AnswerOut, Question, TurnIn

MODEL = "cairn"


class NoQuestion(Exception):
    """The messages do not end with a question of the user's."""


class TextPart(BaseModel):
    """A part of a message; only text is read."""

    type: Literal["text"]
    text: str


class MessageIn(BaseModel):
    """A message. `system` and `developer` messages are not followed: the release has the prompt."""

    model_config = ConfigDict(extra="ignore")

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart]

    def text(self) -> str:
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content)


class StreamOptions(BaseModel):
    """Whether usage comes at the end of a stream."""

    include_usage: bool = False


class Completion(BaseModel):
    """A request. Sampling parameters are accepted and left to the release, which was evaluated."""

    model_config = ConfigDict(extra="ignore")

    model: str = MODEL
    messages: Annotated[list[MessageIn], Field(min_length=1, max_length=2 * MAX_TURNS)]
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()

    def question(self) -> Question:
        """The last message asks; those before it are the conversation. Raises `NoQuestion`."""
        spoken = [one for one in self.messages if one.role in {"user", "assistant"}]
        if not spoken or spoken[-1].role != "user":
            raise NoQuestion("The last message must be the user's question.")
        turns = [
            TurnIn(role="user" if one.role == "user" else "assistant", content=one.text()[:20_000])
            for one in spoken[:-1][-MAX_TURNS:]
        ]
        return Question(question=spoken[-1].text(), conversation=turns)


def proof(answer: AnswerOut) -> dict[str, Any]:
    """Cairn's own fields beside OpenAI's."""
    return answer.model_dump(
        include={"citations", "sources", "sentences", "trace_id", "release", "refused", "refusal"}
    )


def usage(answer: AnswerOut) -> dict[str, int]:
    tokens = answer.usage
    return {
        "prompt_tokens": tokens.prompt_tokens,
        "completion_tokens": tokens.completion_tokens,
        "total_tokens": tokens.prompt_tokens + tokens.completion_tokens,
    }


def completion(answer: AnswerOut) -> dict[str, Any]:
    """A `chat.completion`."""
    return {
        "id": f"chatcmpl-{answer.trace_id}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": MODEL,
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": answer.answer, **proof(answer)},
            }
        ],
        "usage": usage(answer),
    }


def chunk(
    trace_id: str, delta: dict[str, Any] | None, finish: str | None = None, **more: Any
) -> dict[str, Any]:
    """A `chat.completion.chunk`; without a delta, one that carries usage only."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return {
        "id": f"chatcmpl-{trace_id}",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": MODEL,
        "choices": choices,
        **more,
    }
