"""What the service counts and times, for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from infra.traces.opening import Tracing
    from infra.traces.outbox import Kind

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """One registry per service, so that two in one process (as in tests) do not collide."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "cairn_http_requests",
            "Requests by route, method and status.",
            ("route", "method", "status"),
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "cairn_http_request_seconds",
            "From the request to the last byte of its answer.",
            ("route",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.answers = Counter(
            "cairn_answers",
            "Answers by outcome: answered, refused, failed, abandoned.",
            ("outcome", "release"),
            registry=self.registry,
        )
        self.first_text_seconds = Histogram(
            "cairn_answer_first_text_seconds",
            "From the question to the first text of its answer.",
            buckets=SECONDS,
            registry=self.registry,
        )
        self.answer_seconds = Histogram(
            "cairn_answer_seconds",
            "From the question to the end of its answer.",
            buckets=SECONDS,
            registry=self.registry,
        )
        self.tokens = Counter(
            "cairn_tokens", "Tokens of the language model.", ("kind",), registry=self.registry
        )
        self.asking = Gauge(
            "cairn_questions_in_progress",
            "Questions being answered now.",
            registry=self.registry,
        )
        self.documents = Gauge(
            "cairn_documents",
            "Documents of the local tenant by status.",
            ("status",),
            registry=self.registry,
        )
        self.queue_waiting = Gauge(
            "cairn_queue_waiting",
            "Documents of all tenants that wait for a worker.",
            registry=self.registry,
        )
        self.queue_running = Gauge(
            "cairn_queue_running",
            "Documents of all tenants that a worker has.",
            registry=self.registry,
        )
        self.queue_oldest_seconds = Gauge(
            "cairn_queue_oldest_seconds",
            "How long the document that waits longest has waited; 0 when none waits.",
            registry=self.registry,
        )
        self.waiting = Gauge(
            "cairn_traces_waiting",
            "Spans and scores on this machine that wait to be delivered to Langfuse.",
            ("kind",),
            registry=self.registry,
        )
        self.parked = Gauge(
            "cairn_traces_parked",
            "Spans and scores that Langfuse refused, each by itself. They stay on this machine.",
            ("kind",),
            registry=self.registry,
        )
        self.delivered = Gauge(
            "cairn_traces_delivered",
            "Spans and scores delivered to Langfuse from this machine, ever.",
            ("kind",),
            registry=self.registry,
        )
        self.oldest_seconds = Gauge(
            "cairn_traces_oldest_waiting_seconds",
            "For how long the oldest of those that wait has waited.",
            registry=self.registry,
        )
        self.lost = Gauge(
            "cairn_traces_lost",
            "Spans and scores lost: the disk did not take them (since the start), or they grew too "
            "old before they could be delivered (ever).",
            ("reason",),
            registry=self.registry,
        )

    def note_traces(self, tracing: Tracing) -> None:
        """Reads how delivery stands. Raises `sqlite3.Error`."""
        kinds: tuple[Kind, ...] = ("span", "score")
        standing = {kind: tracing.outbox.standing(kind) for kind in kinds}
        for kind, stands in standing.items():
            self.waiting.labels(kind).set(stands.waiting)
            self.parked.labels(kind).set(stands.parked)
            self.delivered.labels(kind).set(stands.delivered)
        self.oldest_seconds.set(tracing.outbox.oldest_s())
        self.lost.labels("unwritten").set(tracing.exporter.lost)
        self.lost.labels("undelivered").set(sum(each.removed for each in standing.values()))

    def page(self) -> bytes:
        """The text exposition format."""
        return generate_latest(self.registry)
