"""What the service counts and times, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

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

    def page(self) -> bytes:
        """The text exposition format."""
        return generate_latest(self.registry)
