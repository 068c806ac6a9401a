"""A server that speaks Langfuse's public API, as far as Cairn calls it, and checks what Langfuse checks.

Written from the API's documentation: Basic auth, OTLP over HTTP in protobuf and gzip, one span
without valid ids refuses the whole batch, scores as a JSON array with an answer per element. Spans
collapse by their id and scores by theirs. It can be told to fail in every way that a server fails.
"""

from __future__ import annotations

import base64
import gzip
import json
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from infra.traces.langfuse import Address

PUBLIC_KEY, SECRET_KEY = "pk-lf-contract", "sk-lf-contract"
SPANS, SCORES, PROJECTS = (
    "/api/public/otel/v1/traces", "/api/public/scores", "/api/public/projects",
)  # fmt: skip
Headers = Mapping[str, str]
Ids = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with requests to a path, until it is taken away."""

    status: int = 0
    """0: the request is handled, and only its answer is late."""
    headers: Headers = field(default_factory=dict)
    delay_s: float = 0.0
    """Before the answer, or until the fault is taken away."""
    path: str = "/"


@dataclass
class Taken:
    """What has arrived."""

    spans: dict[Ids, Span] = field(default_factory=dict)
    """By trace and span id, collapsed."""
    receipts: int = 0
    """Spans as they came, the same one perhaps twice."""
    scores: dict[str, dict[str, Any]] = field(default_factory=dict)
    bodies: list[bytes] = field(default_factory=list)
    """Uncompressed."""
    calls: list[tuple[str, Headers]] = field(default_factory=list)
    """Path and headers, in lower case, of all requests, also of those that were refused."""


class Langfuse:
    """The server's controls. It listens on the same port whenever it is up."""

    def __init__(self) -> None:
        self.taken = Taken()
        self.fault: Fault | None = None
        self.healed = threading.Event()
        self.poisonous: Callable[[Span], bool] = lambda _: False
        self.limit_bytes = 64 << 20
        self._lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None
        self._port = 0

    @property
    def address(self) -> Address:
        return Address(f"http://127.0.0.1:{self._port}", PUBLIC_KEY, SECRET_KEY)

    def up(self) -> None:
        self._server = _Server(("127.0.0.1", self._port), _handler(self))
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def down(self) -> None:
        """Connections are refused from now on."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def fail(self, fault: Fault) -> None:
        self.healed.clear()
        self.fault = fault

    def heal(self) -> None:
        self.fault = None
        self.healed.set()

    def called(self, path: str) -> int:
        return sum(called == path for called, _ in self.taken.calls)

    def answer(self, path: str, headers: Headers, body: bytes) -> tuple[int, object]:
        """What Langfuse would answer to a request."""
        if headers.get("authorization") != _basic():
            return 401, {"message": "Invalid credentials. Confirm that you've configured the host."}
        if path == PROJECTS:
            return 200, {"data": [{"id": "p1", "name": "contract", "metadata": {}}]}
        if len(body) > self.limit_bytes:
            return 413, {"message": "Body exceeded the limit"}
        with self._lock:
            if path == SPANS:
                return self._spans(headers, body)
            if path == SCORES:
                return self._scores(body)
        return 404, {"message": "Not found"}

    def _spans(self, headers: Headers, body: bytes) -> tuple[int, object]:
        if "application/x-protobuf" not in headers.get("content-type", ""):
            return 400, {"error": "Invalid content type"}
        if not headers.get("x-langfuse-ingestion-version", "").isdecimal():
            return 400, {"error": "Invalid ingestion version"}
        try:
            plain = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
            request = ExportTraceServiceRequest.FromString(plain)
        except (OSError, EOFError, zlib.error, DecodeError):
            return 400, {"error": "Failed to parse OTel Protobuf Trace"}
        scopes = [scope for each in request.resource_spans for scope in each.scope_spans]
        for scope in scopes:
            keys = {a.value.string_value for a in scope.scope.attributes if a.key == "public_key"}
            if keys - {PUBLIC_KEY}:
                return 403, {"error": "A span has another public key than its request"}
        spans = [span for scope in scopes for span in scope.spans]
        if not all(_valid(span) for span in spans) or any(map(self.poisonous, spans)):
            return 400, {"error": "Invalid trace or span id"}
        self.taken.bodies.append(plain)
        self.taken.receipts += len(spans)
        self.taken.spans |= {(span.trace_id.hex(), span.span_id.hex()): span for span in spans}
        return 200, {}

    def _scores(self, body: bytes) -> tuple[int, object]:
        scores = json.loads(body)
        if not isinstance(scores, list):
            return 400, {"message": "expected array, received object"}
        good = [score for score in scores if _is_score(score)]
        self.taken.bodies.append(body)
        self.taken.scores |= {score["id"]: score for score in good}
        if len(good) < len(scores):
            errors = [{"message": "invalid score"}] * (len(scores) - len(good))
            return 207, {"accepted": len(good), "rejected": len(errors), "errors": errors}
        return 202, {"message": "Accepted"}


@contextmanager
def langfuse() -> Iterator[Langfuse]:
    """Up on a free port; down when the block ends."""
    server = Langfuse()
    server.up()
    try:
        yield server
    finally:
        server.heal()
        server.down()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that does not wait for its answer is no error here."""


def _handler(server: Langfuse) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            server.taken.calls.append((self.path, headers))
            fault = server.fault
            if fault is None or not self.path.startswith(fault.path):
                self._say(*server.answer(self.path, headers, body))
                return
            status, told = fault.status, {"message": "a fault"}
            if not status:
                status, told = server.answer(self.path, headers, body)  # type: ignore[assignment]
            server.healed.wait(fault.delay_s)
            self._say(status, told, fault.headers)

        def _say(self, status: int, told: object, headers: Headers | None = None) -> None:
            body = json.dumps(told).encode()
            usual = {"Content-Type": "application/json", "Content-Length": str(len(body))}
            self.send_response(status)
            for name, value in {**usual, **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Requests are kept, not printed."""

        do_GET = do_POST = handle_any  # noqa: N815  # the base class looks for these names

    return Handler


def _basic() -> str:
    return "Basic " + base64.b64encode(f"{PUBLIC_KEY}:{SECRET_KEY}".encode()).decode()


def _valid(span: Span) -> bool:
    ids = ((span.trace_id, 16), (span.span_id, 8))
    return all(len(each) == length and any(each) for each, length in ids)


def _is_score(score: Mapping[str, Any]) -> bool:
    named = bool(score.get("name")) and bool(score.get("traceId"))
    return named and score.get("value") in {0, 1} and score.get("dataType") == "BOOLEAN"
