"""What happens to every request: an id, a log line, a measurement, and the page's security headers.

A plain ASGI middleware: Starlette's own base class hides from the application that a reader has left.
"""

from __future__ import annotations

import logging
import re
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import problem_of, problem_response
from app.logs import request_id
from app.metrics import Metrics

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "font-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
SECURITY = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
NOTHING_SENT = 499
"""The status of a request whose client left before an answer began (nginx's number for it)."""
QUIET = frozenset({"/livez", "/readyz", "/metrics"})

log = logging.getLogger("cairn.http")


class Requests:
    """Wraps the application."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        token = request_id.set(given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex)
        began, status = time.perf_counter(), NOTHING_SENT
        identity = str(request_id.get())

        async def stamped(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = identity
                for name, value in SECURITY.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, stamped)
        except Exception as error:  # noqa: BLE001  # the boundary of a request: nobody else catches it
            document = problem_of(error)
            if status == NOTHING_SENT:
                await problem_response(document)(scope, receive, stamped)
        finally:
            self._note(scope, status, time.perf_counter() - began)
            request_id.reset(token)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        # The route's pattern, not the path: names of documents stay out of logs and labels.
        route = getattr(scope.get("route"), "path", "none")
        self._metrics.requests.labels(route, scope["method"], status).inc()
        self._metrics.request_seconds.labels(route).observe(seconds)
        if route not in QUIET:
            log.info(
                "request",
                extra={
                    "method": scope["method"],
                    "route": route,
                    "status": status,
                    "ms": round(seconds * 1000, 1),
                },
            )
