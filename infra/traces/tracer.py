"""The tracer: starts traces and the observations in them, through the Langfuse SDK, onto disk.

The SDK runs without keys and without a network: a span goes into the trace store while it ends,
and whatever else the SDK would ask of a server gets a plain 404 from inside the process. A trace
is current only inside `with` blocks that hold no `yield` of a stream, so that the OpenTelemetry
context of one request is never seen by another.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from opentelemetry import context as otel
from opentelemetry.trace import get_current_span

from infra.traces import spans
from infra.traces.store import OutboxExporter, TraceStore, open_trace_store

if TYPE_CHECKING:
    from langfuse import Langfuse, LangfuseGeneration, LangfuseSpan

    Span = LangfuseSpan | LangfuseGeneration

Kind = Literal["ask", "ingest"]
Type = Literal["span", "generation", "embedding", "retriever", "chain", "guardrail", "evaluator"]
Facts = Mapping[str, object]
"""Sizes, ids, settings: written whether or not content is."""
Content = str | Mapping[str, object] | Sequence[object] | None
"""Words of people and documents: written only where content is on."""

STAMP = otel.create_key("cairn-trace")
"""What every span of the trace in the current context carries."""
LONGEST = 200
"""Characters of a propagated value; the SDK drops longer ones whole."""

LEFT: Mapping[type[BaseException], str] = {
    GeneratorExit: "The reader left before the end.",
    asyncio.CancelledError: "Cancelled before the end.",
}


@dataclass(frozen=True, slots=True)
class Tracing:
    """An open trace store, and what writes into it."""

    tracer: Tracer
    store: TraceStore
    outbox: OutboxExporter


@contextmanager
def open_tracing(
    path: Path, *, content: bool = True, environment: str = "production"
) -> Iterator[Tracing]:
    """Traces into the file at `path`. With `content` off no question, passage or answer is kept.

    `environment` is Langfuse's: lower case, digits, `-` and `_`, such as `staging`.
    """
    with open_trace_store(path) as store:
        outbox = OutboxExporter(store)
        langfuse = _langfuse(outbox, environment)
        try:
            yield Tracing(Tracer(langfuse, content), store, outbox)
        finally:
            langfuse.shutdown()


class Observation:
    """One step of a trace, started and not yet ended. Outside a trace it records nothing."""

    def __init__(self, span: Span | None, context: otel.Context, content: bool) -> None:
        self._span = span
        self._context = context
        self._content = content

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits; empty outside a trace."""
        return self._span.trace_id if self._span else ""

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
        if self._span:
            self._span.update(output=_written(output) if self._content else None, metadata=facts)

    def note_generation(
        self, model: str, usage: Mapping[str, int], first_text_at: datetime | None
    ) -> None:
        """What a model reports about itself: its name and tokens, as `input` and `output`."""
        if self._span:
            self._span.update(
                model=model, usage_details=dict(usage), completion_start_time=first_text_at
            )

    def stop(self, error: BaseException) -> None:
        """Ends early: an error says itself, a reader who left or a cancelled task is a warning."""
        if self._span:
            level: Literal["WARNING", "ERROR"] = "WARNING" if type(error) in LEFT else "ERROR"
            self._span.update(level=level, status_message=self._words(error))
        self.end()

    def end(self) -> None:
        """On disk when it returns. A second time does nothing."""
        span, self._span = self._span, None
        if span:
            span.end()

    def _words(self, error: BaseException) -> str:
        name = type(error).__name__
        said = str(error) if self._content else ""
        return LEFT.get(type(error)) or (f"{name}: {said}" if said else name)


class Tracer:
    """Starts traces and observations. The wrappers of `infra.traces.tracing` are its users."""

    def __init__(self, langfuse: Langfuse, content: bool) -> None:
        self._langfuse = langfuse
        self._content = content

    def trace(
        self,
        kind: Kind,
        tenant: str,
        *,
        release: str | None = None,
        subject: str | None = None,
        input: Content = None,
        facts: Facts | None = None,
    ) -> Observation:
        """The root of a new trace, of which every span carries tenant, kind and release.

        Started inside another trace, as in an experiment, it becomes a part of that one.
        """
        stamp = {spans.TENANT: tenant, spans.KIND: kind}
        root = {**stamp, spans.ROOT: True, **({spans.SUBJECT: subject} if subject else {})}
        with self._told(stamp, release):
            return self._start(
                root, name=kind, as_type="chain", input=self._shown(input), metadata=facts
            )

    def observe(
        self,
        name: str,
        as_type: Type = "span",
        *,
        input: Content = None,
        facts: Facts | None = None,
        **model: Any,
    ) -> Observation:
        """A step of the current trace; `model` and `model_parameters` for generations."""
        stamp = otel.get_value(STAMP)
        if not isinstance(stamp, Mapping):
            return Observation(None, otel.get_current(), self._content)
        return self._start(
            stamp, name=name, as_type=as_type, input=self._shown(input), metadata=facts, **model
        )

    @contextmanager
    def step(
        self,
        name: str,
        as_type: Type = "span",
        *,
        input: Content = None,
        facts: Facts | None = None,
        **model: Any,
    ) -> Iterator[Observation]:
        """Around work that yields nothing: current inside, ended after, errors noted and raised."""
        observation = self.observe(name, as_type, input=input, facts=facts, **model)
        with _ended(observation):
            yield observation

    @contextmanager
    def job(self, tenant: str, document: str, facts: Facts | None = None) -> Iterator[Observation]:
        """The trace of one ingestion job; `step` inside it marks its stages."""
        subject = document if self._content else None
        with _ended(self.trace("ingest", tenant, subject=subject, facts=facts)) as root:
            yield root

    def on_behalf_of(
        self, user: str | None = None, session: str | None = None, tags: Sequence[str] = ()
    ) -> AbstractContextManager[Any]:
        """Answers asked for inside are marked with the user, the conversation and the tags."""
        from langfuse import propagate_attributes

        return propagate_attributes(
            user_id=_cut(user), session_id=_cut(session), tags=[tag[:LONGEST] for tag in tags]
        )

    @contextmanager
    def _told(self, stamp: Mapping[str, str], release: str | None) -> Iterator[None]:
        """Tenant and kind also in Langfuse's own words, to filter by in its pages."""
        from langfuse import propagate_attributes

        told = {name.removeprefix("cairn."): value[: LONGEST - 2] for name, value in stamp.items()}
        token = otel.attach(otel.set_value(STAMP, stamp))
        try:
            with propagate_attributes(metadata=told, version=release, trace_name=stamp[spans.KIND]):
                yield
        finally:
            otel.detach(token)

    def _start(self, stamp: Mapping[str, Any], **arguments: Any) -> Observation:
        with self._langfuse.start_as_current_observation(end_on_exit=False, **arguments) as span:
            get_current_span().set_attributes(stamp)
            return Observation(span, otel.get_current(), self._content)

    def _shown(self, content: Content) -> str | None:
        return _written(content) if self._content else None


@contextmanager
def _ended(observation: Observation) -> Iterator[Observation]:
    try:
        with observation.current():
            yield observation
    except BaseException as error:
        observation.stop(error)
        raise
    finally:
        observation.end()


def _written(content: Content) -> str | None:
    """Text as it is, all else as JSON. Lone surrogates, which no encoding takes, become `?`."""
    if content is None:
        return None
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    # The SDK takes a text that is a data URI for a file, to be uploaded and cut out.
    guarded = f" {text}" if text.startswith("data:") else text
    return guarded.encode(errors="replace").decode()


def _cut(text: str | None) -> str | None:
    return text and text[:LONGEST]


def _langfuse(outbox: OutboxExporter, environment: str) -> Langfuse:
    import httpx
    from langfuse import Langfuse
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanLimits, TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    class NoServer(httpx.BaseTransport):
        """404 is what the SDK does not try again; a refused connection costs it seconds."""

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(404, json={"message": "no Langfuse server"}, request=request)

    # All is said here: what is not said would be read from OTEL_* and LANGFUSE_* variables.
    provider = TracerProvider(
        sampler=ALWAYS_ON,
        resource=Resource({"service.name": "cairn"}),
        span_limits=SpanLimits(),
        shutdown_on_exit=False,
    )
    langfuse = Langfuse(
        # The SDK keeps one client per key for the life of the process, closed or not.
        public_key=f"pk-lf-local-{uuid.uuid4().hex[:8]}",
        secret_key="sk-lf-local",  # noqa: S106 - opens nothing
        base_url="http://langfuse.invalid",
        environment=environment,
        tracer_provider=provider,
        span_exporter=outbox,
        # Its own processor only marks spans as they start. It would hand them over from a thread,
        # up to 5 s after their end, and a killed process would lose them.
        should_export_span=lambda span: False,
        httpx_client=httpx.Client(transport=NoServer()),
    )
    provider.add_span_processor(SimpleSpanProcessor(outbox))
    return langfuse
