"""An observation: one step of a trace, from its start until it ends on disk."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from opentelemetry import context as otel

if TYPE_CHECKING:
    from langfuse import LangfuseGeneration, LangfuseSpan

    Span = LangfuseSpan | LangfuseGeneration

Type = Literal["span", "generation", "embedding", "retriever", "chain", "guardrail", "evaluator"]
Facts = Mapping[str, object]
"""Sizes, ids, settings: written whether or not content is."""
Content = str | Mapping[str, object] | Sequence[object] | None
"""Words of people and documents: written only where content is on."""

LEFT: Mapping[type[BaseException], str] = {
    GeneratorExit: "The reader left before the end.",
    asyncio.CancelledError: "Cancelled before the end.",
}


class Observation:
    """Started and not yet ended. Outside a trace it has no span, and records nothing."""

    def __init__(self, span: Span | None, context: otel.Context, content: bool) -> None:
        self._span = span
        self._context = context
        self._content = content
        self._ended = span is None
        self.trace_id = span.trace_id if span else ""
        """32 hexadecimal digits; empty outside a trace."""

    @contextmanager
    def current(self) -> Iterator[None]:
        """Observations started inside become children. Never hold it across a stream's `yield`."""
        token = otel.attach(self._context)
        try:
            yield
        finally:
            otel.detach(token)

    def note(self, output: Content = None, facts: Facts | None = None) -> None:
        """What came out. Facts add to those noted before."""
        if self._span and not self._ended:
            shown = written(output) if self._content else None
            self._span.update(output=shown, metadata=facts)

    def note_generation(
        self, model: str, usage: Mapping[str, int], first_text_at: datetime | None
    ) -> None:
        """What a model tells of itself: its name, its tokens, and when its first text came."""
        if self._span and not self._ended:
            self._span.update(
                model=model, usage_details=dict(usage), completion_start_time=first_text_at
            )

    def warn(self, message: str) -> None:
        """It goes on, or went well otherwise, but somebody should know."""
        self._level("WARNING", message)

    def fail(self, message: str) -> None:
        """`message` is in words that hold no content."""
        self._level("ERROR", message)

    def stop(self, error: BaseException) -> None:
        """Ends early: a reader who left or a cancelled task is a warning, all else an error."""
        if left := LEFT.get(type(error)):
            self.warn(left)
        else:
            name, said = type(error).__name__, str(error) if self._content else ""
            self.fail(f"{name}: {said}" if said else name)
        self.end()

    def end(self) -> None:
        """On disk when it returns. A second time does nothing."""
        if self._span and not self._ended:
            self._ended = True
            self._span.end()

    def _level(self, level: Literal["WARNING", "ERROR"], message: str) -> None:
        if self._span and not self._ended:
            self._span.update(level=level, status_message=written(message))


@contextmanager
def ending(observation: Observation) -> Iterator[Observation]:
    """Current inside, ended after; what is raised is noted and goes on."""
    try:
        with observation.current():
            yield observation
    except BaseException as error:
        observation.stop(error)
        raise
    finally:
        observation.end()


def written(content: Content) -> str | None:
    """Text as it is, all else as JSON. Lone surrogates, which no encoding takes, become `?`."""
    if content is None:
        return None
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    # The SDK takes a text that is a data URI for a file, to be cut out and uploaded.
    guarded = f" {text}" if text.startswith("data:") else text
    return guarded.encode(errors="replace").decode()
