"""The tracer: starts traces, and the observations in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from opentelemetry import context as otel
from opentelemetry.trace import get_current_span

from infra.traces import spans
from infra.traces.observation import Content, Facts, Observation, Type, ending, written

if TYPE_CHECKING:
    from langfuse import Langfuse

Kind = Literal["ask", "ingest"]

STAMP = otel.create_key("cairn-stamp")
"""What every span of the trace in the current context carries."""
ANCHOR = otel.create_key("cairn-anchor")
LONGEST = 200
"""Characters of a propagated value; the SDK drops longer ones whole."""


@dataclass(slots=True)
class Anchor:
    """Where observations hang that are made by a job's tasks, while its stages change under them."""

    observation: Observation | None = None


class Tracer:
    """What the wrappers around ports use. Outside a trace, observations record nothing."""

    def __init__(self, langfuse: Langfuse, content: bool) -> None:
        self._langfuse = langfuse
        self.content = content
        """Whether words of people and documents are kept."""

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
        """The root of a new trace, whose every span carries tenant, kind and release.

        Started inside another trace, as an experiment does, it becomes a part of that one.
        `subject` names it in lists, where its kind says too little.
        """
        stamp = {spans.TENANT: tenant, spans.KIND: kind}
        named = {spans.SUBJECT: subject} if subject and self.content else {}
        with self._told(stamp, release):
            return self._start(
                {**stamp, **named, spans.ROOT: True},
                name=kind,
                as_type="chain",
                input=self._shown(input),
                metadata=facts,
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
        """A step of the current trace; `model` and `model_parameters` where a model does it."""
        stamp = otel.get_value(STAMP)
        if isinstance(stamp, Mapping):
            shown = self._shown(input)
            return self._start(
                stamp, name=name, as_type=as_type, input=shown, metadata=facts, **model
            )
        anchor = self.anchor()
        if anchor is None or anchor.observation is None:
            return Observation(None, otel.get_current(), self.content)
        with anchor.observation.current():
            return self.observe(name, as_type, input=input, facts=facts, **model)

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
        """Around work that streams nothing: current inside, ended after, errors noted and raised."""
        with ending(self.observe(name, as_type, input=input, facts=facts, **model)) as observation:
            yield observation

    @contextmanager
    def job(self, tenant: str, document: str, facts: Facts | None = None) -> Iterator[Observation]:
        """The trace of one ingestion job, where a plain `with` fits; `step` marks its stages."""
        with ending(self.trace("ingest", tenant, subject=document, facts=facts)) as root:
            yield root

    @contextmanager
    def anchored(self, anchor: Anchor) -> Iterator[None]:
        """Observations of this task, and of tasks it starts, hang on whatever the anchor holds."""
        token = otel.attach(otel.set_value(ANCHOR, anchor))
        try:
            yield
        finally:
            otel.detach(token)

    def anchor(self) -> Anchor | None:
        """The one this task works under, if any."""
        anchor = otel.get_value(ANCHOR)
        return anchor if isinstance(anchor, Anchor) else None

    def on_behalf_of(
        self, user: str | None = None, session: str | None = None, tags: Sequence[str] = ()
    ) -> AbstractContextManager[Any]:
        """Streams made inside are marked with the user, the conversation and the tags."""
        from langfuse import propagate_attributes

        return propagate_attributes(
            user_id=user and user[:LONGEST],
            session_id=session and session[:LONGEST],
            tags=[tag[:LONGEST] for tag in tags],
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
            return Observation(span, otel.get_current(), self.content)

    def _shown(self, content: Content) -> str | None:
        return written(content) if self.content else None
