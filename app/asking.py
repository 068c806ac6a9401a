"""Asking on somebody's behalf: a permit, the release, the trace, the measurements."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from time import perf_counter

from fastapi import Request

from app.auth import Caller
from app.container import Platform
from app.limits import Permits
from app.metrics import Metrics
from app.wire.answers import AnswerOut, Question
from retrieval.answer import Answer, Delta, Event


@dataclass(frozen=True, slots=True)
class Asked:
    """One event of an answer, with the trace that it will be found under."""

    trace_id: str
    event: Event


Events = AsyncGenerator[Asked, None]


async def ask(request: Request, here: Platform, caller: Caller, asked: Question) -> Events:
    """The answerer's events. Raises `Overloaded`, and what the answerer raises."""
    permits: Permits = request.app.state.permits
    metrics: Metrics = request.app.state.metrics
    release = here.release
    if asked.options.sources is not None:
        release = replace(release, sources=asked.options.sources)
    async with permits.permit():
        with here.tracing.tracer.on_behalf_of(user=caller.key):
            stream = here.answerer.stream(
                caller.scope,
                asked.question,
                release,
                asked.turns(),
                tuple(one.condition() for one in asked.filters.metadata),
                frozenset(asked.filters.documents),
            )
        watch = _Watch(metrics, release.id)
        try:
            async with aclosing(stream):
                async for event in stream:
                    watch.note(event)
                    yield Asked(stream.trace_id, event)
        except Exception:
            watch.outcome = "failed"
            raise
        finally:
            watch.end()


async def opened(events: Events) -> Events:
    """The same events, the first of them already there: errors before it keep their status code."""
    first = await anext(events)

    async def all_of_them() -> Events:
        async with aclosing(events):
            yield first
            async for one in events:
                yield one

    return all_of_them()


async def whole(events: Events) -> AnswerOut:
    """The events, drained to the answer that ends them."""
    async with aclosing(events):
        async for one in events:
            if isinstance(one.event, Answer):
                return AnswerOut.of(one.event, one.trace_id)
    raise AssertionError("a stream of events ends with an answer")


class _Watch:
    """Measures one question."""

    def __init__(self, metrics: Metrics, release_id: str) -> None:
        self._metrics = metrics
        self._release_id = release_id
        self._began = perf_counter()
        self._spoke = False
        self.outcome = "abandoned"
        metrics.asking.inc()

    def note(self, event: Event) -> None:
        if isinstance(event, Delta) and not self._spoke:
            self._spoke = True
            self._metrics.first_text_seconds.observe(perf_counter() - self._began)
        if isinstance(event, Answer):
            self.outcome = "refused" if event.refused else "answered"
            self._metrics.tokens.labels("prompt").inc(event.usage.prompt_tokens)
            self._metrics.tokens.labels("completion").inc(event.usage.completion_tokens)

    def end(self) -> None:
        self._metrics.asking.dec()
        self._metrics.answers.labels(self.outcome, self._release_id).inc()
        self._metrics.answer_seconds.observe(perf_counter() - self._began)
