"""What delivery to Langfuse costs and loses while its server hangs, beside the plain SDK.

All ways of tracing take turns, question by question, so that a busy machine slows all of them. Run as
`python -m evals.benchmarks.traces`; the exit code is 0 when Cairn has lost no span, a hanging server
adds less than 2 ms to what an answering one costs at the 99th percentile, and closing takes less
than 2 s.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median, quantiles

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from infra.traces.langfuse import Address
from infra.traces.opening import open_tracing
from infra.traces.shipping import open_shipping
from infra.traces.tracer import Tracer

KEYS = ("pk-lf-bench", "sk-lf-bench")
STEPS = 8
THINK_S = 0.002
"""Between two questions, so that whatever else wants to run does."""
PASSAGES = [{"text": "word " * 120, "score": 0.5} for _ in range(8)]
ADDED_LIMIT_MS, CLOSING_LIMIT_S = 2.0, 2.0
RECOVERY_S = 30.0
WARM_UP = 20

Ask = Callable[[], None]


@dataclass
class Server:
    """Takes spans, or takes requests and never answers."""

    hanging: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)
    bodies: list[bytes] = field(default_factory=list)
    url: str = ""

    def hang(self) -> None:
        self.released.clear()
        self.hanging.set()

    def answer(self) -> None:
        self.hanging.clear()
        self.released.set()

    def arrived(self) -> int:
        """Spans by their ids, so that none counts twice."""
        requests = map(ExportTraceServiceRequest.FromString, map(gzip.decompress, self.bodies))
        return len(
            {
                span.span_id
                for request in requests
                for resource in request.resource_spans
                for scope in resource.scope_spans
                for span in scope.spans
            }
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """One way of tracing, at one kind of server."""

    name: str
    ms: list[float]
    """What tracing took of each question."""
    closing_s: float
    spans: int
    arrived: int

    def line(self) -> str:
        percent = quantiles(self.ms, n=100)
        return (
            f"{self.name:<34}{median(self.ms):>8.2f}{percent[98]:>8.2f}{self.closing_s:>11.2f}"
            f"{self.spans:>9}{self.spans - self.arrived:>9}"
        )

    def p99_ms(self) -> float:
        return quantiles(self.ms, n=100)[98]


def asks(tracer: Tracer) -> Ask:
    """A question of the usual size, traced by Cairn."""

    def ask() -> None:
        root = tracer.trace("ask", "bench", input="How many days of leave do I have?")
        with root.current():
            for _ in range(STEPS - 1):
                with tracer.step("search", "retriever", input={"question": "leave"}) as step:
                    step.note(PASSAGES)
        root.end()

    return ask


@contextmanager
def plain(server: Server) -> Iterator[Ask]:
    """The same question, traced by the SDK with its defaults."""
    from langfuse import Langfuse
    from opentelemetry.sdk.trace import TracerProvider

    provider = TracerProvider(shutdown_on_exit=False)
    sdk = Langfuse(
        public_key=f"{KEYS[0]}-{time.time_ns()}",
        secret_key=KEYS[1],
        base_url=server.url,
        tracer_provider=provider,
    )

    def ask() -> None:
        begin = sdk.start_as_current_observation
        with begin(name="ask", as_type="chain", input="How many days of leave do I have?"):
            for _ in range(STEPS - 1):
                with begin(name="search", as_type="retriever", input={"question": "leave"}) as step:
                    step.update(output=PASSAGES)

    try:
        yield ask
    finally:
        sdk.shutdown()
        provider.shutdown()


@asynccontextmanager
async def cairn(folder: Path, server: Server, *, deliver: bool) -> AsyncIterator[Ask]:
    """As the service does it."""
    with open_tracing(folder / "traces.sqlite", deliver=deliver) as tracing:
        if not deliver:
            yield asks(tracing.tracer)
            return
        async with open_shipping(tracing.outbox, Address(server.url, *KEYS)):
            yield asks(tracing.tracer)


async def timed(ways: list[Ask], questions: int, think_s: float = THINK_S) -> list[list[float]]:
    """Milliseconds of each question. The ways take turns, so that a busy machine slows all."""
    took: list[list[float]] = [[] for _ in ways]
    for _ in range(questions):
        for ask, ms in zip(ways, took, strict=True):
            began = time.perf_counter()
            ask()
            ms.append((time.perf_counter() - began) * 1e3)
            await asyncio.sleep(think_s)
    return took


async def away(root: Path, questions: int) -> list[Outcome]:
    """The server hangs until all are closed. Then it answers, and what is left is sent to it."""
    folder, spans = _new(root), questions * STEPS
    with listening() as server, listening() as other, listening() as good:
        server.hang()
        other.hang()
        with plain(other) as of_sdk:
            async with (
                cairn(_new(root), good, deliver=False) as alone,
                cairn(_new(root), good, deliver=True) as usual,
                cairn(folder, server, deliver=True) as of_cairn,
            ):
                ways = [alone, usual, of_cairn, of_sdk]
                await timed(ways, WARM_UP)
                took = await timed(ways, questions - WARM_UP)
                began = time.perf_counter()
            closing_s = time.perf_counter() - began
            began = time.perf_counter()
        plain_s = time.perf_counter() - began
        server.answer()
        other.answer()
        async with cairn(folder, server, deliver=True):
            await _settled(server, spans)
        hangs = "server hangs, then answers"
        return [
            Outcome("Cairn, no Langfuse", took[0], 0.0, 0, 0),
            Outcome("Cairn, server answers", took[1], 0.0, spans, good.arrived()),
            Outcome(f"Cairn, {hangs}", took[2], closing_s, spans, server.arrived()),
            Outcome(f"SDK, {hangs}", took[3], plain_s, spans, other.arrived()),
        ]


async def burst(root: Path, questions: int) -> list[Outcome]:
    """Questions without a pause, to a server that answers at once."""
    spans = questions * STEPS
    with listening() as server, listening() as other:
        async with cairn(_new(root), server, deliver=True) as ask:
            (ms,) = await timed([ask], questions, 0.0)
            await _settled(server, spans)
            began = time.perf_counter()
        closing_s = time.perf_counter() - began
        with plain(other) as ask:
            (plain_ms,) = await timed([ask], questions, 0.0)
            began = time.perf_counter()
        plain_s = time.perf_counter() - began
        return [
            Outcome("Cairn, burst", ms, closing_s, spans, server.arrived()),
            Outcome("SDK, burst", plain_ms, plain_s, spans, other.arrived()),
        ]


async def measured(questions: int, burst_spans: int, root: Path) -> int:
    """Prints the table; the exit code."""
    local, usual, hung, plain_hung = await away(root, questions)
    rows = [local, usual, hung, plain_hung, *await burst(root, burst_spans // STEPS)]
    print(f"{'ms per question':<34}{'p50':>8}{'p99':>8}{'closing s':>11}{'spans':>9}{'lost':>9}")
    for row in rows:
        print(row.line())
    added_ms = hung.p99_ms() - usual.p99_ms()
    lost = sum(row.spans - row.arrived for row in rows if row.name.startswith("Cairn"))
    print(f"hanging adds {added_ms:.2f} ms at p99, closing {hung.closing_s:.2f} s, lost {lost}")
    return int(bool(lost) or added_ms > ADDED_LIMIT_MS or hung.closing_s > CLOSING_LIMIT_S)


@contextmanager
def listening() -> Iterator[Server]:
    """A server on a free port."""
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if server.hanging.is_set():
                server.released.wait()
                return
            server.bodies.append(body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """The table says it all."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    server.url = f"http://127.0.0.1:{http.server_port}"
    threading.Thread(target=http.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.answer()
        http.shutdown()
        http.server_close()


def main() -> None:
    """Measures, prints, and exits with 0 when the limits are kept."""
    asked = argparse.ArgumentParser(prog="evals.benchmarks.traces", description=__doc__)
    asked.add_argument("--questions", type=int, default=1000)
    asked.add_argument("--burst", type=int, default=20_000, help="spans without a pause")
    arguments = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="traces-") as root:
        sys.exit(asyncio.run(measured(arguments.questions, arguments.burst, Path(root))))


def _new(root: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=root))


async def _settled(server: Server, spans: int) -> None:
    deadline = time.monotonic() + RECOVERY_S
    while server.arrived() < spans and time.monotonic() < deadline:  # noqa: ASYNC110  # over HTTP
        await asyncio.sleep(0.2)


if __name__ == "__main__":
    main()
