"""A reply: what the service answered, as far as it is measured and shown."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Seen(BaseModel):
    """Frozen. Fields that are not measured are left out, so a newer service can be measured too."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class SeenSource(Seen):
    """A passage that was shown."""

    number: int
    name: str
    """The document's."""
    page: int | None = None
    section: tuple[str, ...] = ()
    text: str


class SeenCitation(Seen):
    """Words of a document that were given as proof of one sentence."""

    number: int
    sentence: int
    name: str
    """The document's."""
    page: int | None = None
    quote: str


class SeenSentence(Seen):
    """A sentence of the answer, with its markers, and whether the service found it supported."""

    text: str
    citations: tuple[int, ...] = ()
    supported: bool


class SeenUsage(Seen):
    """Tokens of the language model; the extractive one uses none."""

    prompt_tokens: int
    completion_tokens: int


class SeenTimings(Seen):
    """Milliseconds, by the service's clock, since the question came in."""

    retrieval: float
    first_text: float | None = None
    total: float


class Reply(Seen):
    """An answer or a refusal."""

    trace_id: str
    release: str
    model: str
    standalone_question: str
    answer: str
    refused: bool
    citations: tuple[SeenCitation, ...] = ()
    sentences: tuple[SeenSentence, ...] = ()
    sources: tuple[SeenSource, ...] = ()
    """Best first."""
    usage: SeenUsage
    timings_ms: SeenTimings
    latency_ms: float
    """By the asker's clock, of the attempt that was answered."""

    @classmethod
    def of(cls, body: dict[str, Any], latency_ms: float) -> Reply:
        """From the body of `POST /v1/ask`. Raises pydantic's `ValidationError`."""
        return cls.model_validate({**body, "latency_ms": round(latency_ms, 2)})
