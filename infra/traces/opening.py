"""Opening traces: the Langfuse SDK without keys and without a network, writing onto the local disk.

A span is in the trace store when its `end()` returns. Whatever else the SDK would ask of a server
(prompts, data sets, scores) gets a plain 404 from inside the process.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from infra.traces.outbox import Outbox
from infra.traces.store import DiskExporter, TraceStore, open_trace_store
from infra.traces.tracer import Tracer
from infra.traces.verdicts import Verdicts

if TYPE_CHECKING:
    import httpx
    from langfuse import Langfuse
    from opentelemetry.sdk.trace import TracerProvider


@dataclass(frozen=True, slots=True)
class Tracing:
    """An open trace store, and what writes into it."""

    tracer: Tracer
    store: TraceStore
    exporter: DiskExporter
    outbox: Outbox
    verdicts: Verdicts


@contextmanager
def open_tracing(
    path: Path, *, content: bool = True, environment: str = "production", deliver: bool = False
) -> Iterator[Tracing]:
    """Traces into the file at `path`. With `content` off no question, passage or answer is kept.

    `environment` is Langfuse's: lower case, digits, `-` and `_`, such as `staging`. With `deliver`,
    what is traced from now on waits in the outbox; all else stays on this machine.
    """
    with open_trace_store(path) as store:
        exporter = DiskExporter(store, deliver)
        outbox = Outbox(path, store.transaction)
        verdicts = Verdicts(store, content, environment if deliver else None)
        provider = _provider()
        langfuse = _langfuse(provider, exporter, environment)
        try:
            yield Tracing(Tracer(langfuse, content), store, exporter, outbox, verdicts)
        finally:
            langfuse.shutdown()
            provider.shutdown()


def _provider() -> TracerProvider:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanLimits, TracerProvider
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    # All is said here: what is not said would be read from OTEL_* variables.
    return TracerProvider(
        sampler=ALWAYS_ON,
        resource=Resource({"service.name": "cairn"}),
        span_limits=SpanLimits(),
        shutdown_on_exit=False,
    )


def _langfuse(provider: TracerProvider, exporter: DiskExporter, environment: str) -> Langfuse:
    from langfuse import Langfuse
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    langfuse = Langfuse(
        # The SDK keeps one client per key for the life of the process, closed or not.
        public_key=f"pk-lf-local-{uuid.uuid4().hex[:8]}",
        secret_key="sk-lf-local",  # noqa: S106 - opens nothing
        base_url="http://langfuse.invalid",
        environment=environment,
        tracer_provider=provider,
        span_exporter=exporter,
        # The SDK's own processor only completes spans as they start. It would hand them over from
        # a thread, up to 5 s after their end, and a killed process would lose them.
        should_export_span=lambda span: False,
        httpx_client=_no_server(),
    )
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return langfuse


def _no_server() -> httpx.Client:
    import httpx

    class NoServer(httpx.BaseTransport):
        """404 is what the SDK does not try again; a refused connection costs it seconds."""

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(404, json={"message": "no Langfuse server"}, request=request)

    return httpx.Client(transport=NoServer())
