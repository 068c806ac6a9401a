"""Tracing answers: one trace for each question, from what was asked to what was answered."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Protocol

from infra.traces.observation import Content, Observation
from infra.traces.tracer import Tracer
from infra.traces.tracing import inside, note_passages
from retrieval.answer import Answer, Event, Retrieved, drained
from retrieval.conversation import Turn
from retrieval.index import Condition, Scope
from retrieval.release import Release


class Answers(Protocol):
    """What is wrapped: `retrieval.answer.Answerer`."""

    def stream(
        self,
        scope: Scope,
        question: str,
        release: Release,
        conversation: Sequence[Turn] = (),
        where: tuple[Condition, ...] = (),
        documents: frozenset[str] = frozenset(),
    ) -> AsyncGenerator[Event, None]: ...


class TracedAnswerer:
    """An answerer whose streams know their trace. The trace is on disk before the answer is out."""

    def __init__(self, answerer: Answers, tracer: Tracer) -> None:
        self._answerer = answerer
        self._tracer = tracer

    async def ask(
        self,
        scope: Scope,
        question: str,
        release: Release,
        conversation: Sequence[Turn] = (),
        where: tuple[Condition, ...] = (),
        documents: frozenset[str] = frozenset(),
    ) -> Answer:
        """`stream()`, drained."""
        return await drained(self.stream(scope, question, release, conversation, where, documents))

    def stream(
        self,
        scope: Scope,
        question: str,
        release: Release,
        conversation: Sequence[Turn] = (),
        where: tuple[Condition, ...] = (),
        documents: frozenset[str] = frozenset(),
    ) -> TracedStream:
        """The trace begins here, on behalf of whom `Tracer.on_behalf_of` says, read where it may."""
        root = self._tracer.trace(
            "ask",
            scope.tenant,
            release=release.id,
            input=question,
            facts={
                "characters": len(question),
                "turns": len(conversation),
                "conditions": len(where),
                "documents": len(documents),
            },
        )
        if conversation and self._tracer.content:
            turns = [{"role": turn.role, "content": turn.content} for turn in conversation]
            root.note(facts={"conversation": turns})
        events = self._answerer.stream(scope, question, release, conversation, where, documents)
        return TracedStream(events, _Asking(root, question, self._tracer))


class TracedStream(AsyncIterator[Event]):
    """The answerer's events, and the id of the trace that they leave. Close it when leaving early."""

    def __init__(self, events: AsyncGenerator[Event, None], asking: _Asking) -> None:
        self._asking = asking
        self._events = self._noted(events)
        self.trace_id = asking.root.trace_id
        """32 hexadecimal digits."""

    async def __anext__(self) -> Event:
        return await anext(self._events)

    async def aclose(self) -> None:
        """Closes the answerer's stream too, and with it the model's."""
        try:
            await self._events.aclose()
        finally:
            # A stream that was never begun has no `finally` of its own to run.
            self._asking.stop(GeneratorExit())

    async def _noted(self, events: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
        self._asking.begin()
        try:
            async with aclosing(inside(self._asking.now, events)) as steps:
                async for event in steps:
                    self._asking.note(event)
                    yield event
        except BaseException as error:
            self._asking.stop(error)
            raise
        finally:
            self._asking.end()


class _Asking:
    """One question on its way: the observation it is in, and what has been noted."""

    def __init__(self, root: Observation, question: str, tracer: Tracer) -> None:
        self.root = root
        self._question = question
        self._tracer = tracer
        self._step = root

    def begin(self) -> None:
        asked: Content = {"question": self._question}
        with self.root.current():
            self._step = self._tracer.observe("retrieve", "retriever", input=asked)

    def now(self) -> Observation:
        return self._step

    def note(self, event: Event) -> None:
        if isinstance(event, Retrieved):
            self._retrieved(event)
        if isinstance(event, Answer):
            self.root.note(event.text, facts=_told(event))
            self.end()

    def stop(self, error: BaseException) -> None:
        """Without effect on what has ended already."""
        for each in (self._step, self.root):
            each.stop(error)

    def end(self) -> None:
        for each in (self._step, self.root):
            each.end()

    def _retrieved(self, event: Retrieved) -> None:
        note_passages(self._step, event.sources, self._tracer)
        if self._tracer.content:
            self._step.note(facts={"standalone_question": event.standalone_question})
        self._step.end()
        self._step = self.root


def _told(answer: Answer) -> dict[str, object]:
    usage, timings, refusal = answer.usage, answer.timings, answer.refusal
    refused = {"reason": refusal.reason, "evidence": refusal.evidence} if refusal else {}
    return {
        "refused": answer.refused,
        **refused,
        "model": usage.model,
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "citations": len(answer.citations),
        "sentences": len(answer.sentences),
        "supported": sum(sentence.supported for sentence in answer.sentences),
        "support": [sentence.support for sentence in answer.sentences],
        "retrieval_ms": timings.retrieval_ms,
        "first_text_ms": timings.first_text_ms,
        "total_ms": timings.total_ms,
    }
