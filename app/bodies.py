"""How much of a request's body is read: a bound that holds while it streams in."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

JSON_BYTES = 4_000_000
FORM_FILES = 100
"""Of the largest size, in one form."""
UPLOADS = "/v1/documents"


class Bodies:
    """Wraps the application. One file's own limit is the intake's, which says so better."""

    def __init__(self, app: ASGIApp, upload_limit_bytes: int) -> None:
        self._app = app
        self._upload_limit_bytes = upload_limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit, taken = self._limit(scope), 0

        async def bounded() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > limit:
                # FastAPI lets this kind through where it reads bodies, and no other.
                raise HTTPException(413, f"The request is larger than {limit / 1e6:,.0f} MB.")
            return message

        await self._app(scope, bounded, send)

    def _limit(self, scope: Scope) -> int:
        path: str = scope["path"]
        if path.rstrip("/") == UPLOADS:
            return FORM_FILES * self._upload_limit_bytes
        if path.startswith(UPLOADS):
            return 2 * self._upload_limit_bytes
        return JSON_BYTES
