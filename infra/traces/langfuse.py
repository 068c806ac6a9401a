"""Langfuse's server: takes spans and scores over its public API, version 4.59 or newer."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

from infra.traces.outbox import Kind

if TYPE_CHECKING:
    import httpx

SPANS = "/api/public/otel/v1/traces"
SCORES = "/api/public/scores"
PROJECTS = "/api/public/projects"
GZIP_LEVEL = 5


class LangfuseUnavailable(Exception):
    """Nothing was taken, for a reason that lies in the server, the way to it, or the settings."""


class LangfuseAway(LangfuseUnavailable):
    """It does not answer, or asks to come back. Trying again later may help."""

    def __init__(self, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        """How long the server asks to wait."""


class LangfuseClosed(LangfuseUnavailable):
    """It answers, and lets nobody in like this. Somebody has to change the settings."""


class BatchRefused(Exception):
    """The server answers, and refuses these bytes. One bad element is enough for the whole batch."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a Langfuse project is, and its keys."""

    url: str
    public_key: str
    secret_key: str


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a request may take, in seconds."""

    connect_s: float = 5.0
    total_s: float = 20.0


class LangfuseServer:
    """Each method raises `LangfuseUnavailable`."""

    def __init__(self, client: httpx.AsyncClient, url: str, patience: Patience) -> None:
        self._client = client
        self._url = url
        self._patience = patience

    async def take(self, kind: Kind, bodies: Sequence[bytes]) -> None:
        """All of them, or `BatchRefused`. Taking the same again changes nothing."""
        if kind == "span":
            # Serialized requests joined end to end are one valid request.
            packed = await asyncio.to_thread(gzip.compress, b"".join(bodies), GZIP_LEVEL)
            kind_of_body = {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}
            await self._call("POST", SPANS, packed, kind_of_body)
            return
        scores = b"[" + b",".join(bodies) + b"]"
        answer = await self._call("POST", SCORES, scores, {"Content-Type": "application/json"})
        if answer.status_code == 207 and answer.json()["rejected"]:
            # It does not say which; those that it took may come again.
            raise BatchRefused(f"Langfuse at {self._url} refuses some of {len(bodies)} scores.")

    async def ping(self) -> str:
        """The project that the keys open."""
        projects = (await self._call("GET", PROJECTS)).json()["data"]
        return f"{self._url}, project {projects[0]['name']!r}"

    async def _call(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> httpx.Response:
        import httpx

        try:
            async with asyncio.timeout(self._patience.total_s):
                answer = await self._client.request(method, path, content=body, headers=headers)
        except TimeoutError as error:
            words = f"Langfuse at {self._url} does not answer within {self._patience.total_s:g} s."
            raise LangfuseAway(words) from error
        except httpx.HTTPError as error:
            words = f"Langfuse at {self._url} does not answer: {type(error).__name__}."
            raise LangfuseAway(words) from error
        # A page is what a server of another kind answers to anything.
        if not answer.is_success or "html" in answer.headers.get("Content-Type", ""):
            raise self._verdict(answer)
        return answer

    def _verdict(self, answer: httpx.Response) -> Exception:
        status = answer.status_code
        if status in {400, 413, 422}:
            return BatchRefused(f"Langfuse at {self._url} refuses a batch ({status}).")
        if status in {401, 403}:
            return LangfuseClosed(
                f"Langfuse at {self._url} refuses the keys ({status}). Check "
                "CAIRN_LANGFUSE_PUBLIC_KEY, CAIRN_LANGFUSE_SECRET_KEY and CAIRN_LANGFUSE_URL."
            )
        if status in {404, 405} or status < 400:
            return LangfuseClosed(
                f"There is no Langfuse at {self._url} ({status}). Check CAIRN_LANGFUSE_URL."
            )
        wait_s = _retry_after_s(answer.headers.get("Retry-After", ""))
        return LangfuseAway(f"Langfuse at {self._url} cannot take it now ({status}).", wait_s)


@asynccontextmanager
async def open_langfuse(
    address: Address, patience: Patience = Patience()
) -> AsyncIterator[LangfuseServer]:
    """Opens no connection yet: a server that is away now may come."""
    import httpx

    url = address.url.rstrip("/")
    async with httpx.AsyncClient(
        base_url=url,
        auth=httpx.BasicAuth(address.public_key, address.secret_key),
        timeout=httpx.Timeout(patience.total_s, connect=patience.connect_s),
        headers={
            "x-langfuse-sdk-name": "python",
            "x-langfuse-sdk-version": version("langfuse"),
            "x-langfuse-public-key": address.public_key,
            "x-langfuse-ingestion-version": "4",
        },
    ) as client:
        yield LangfuseServer(client, url, patience)


def _retry_after_s(written: str) -> float:
    """RFC 9110, 10.2.3: seconds, or a date. 0 for anything else."""
    if written.isascii() and written.isdecimal():
        return float(written)
    try:
        wait_s = (parsedate_to_datetime(written) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):  # no date, or one without a time zone
        return 0.0
    return max(0.0, wait_s)
