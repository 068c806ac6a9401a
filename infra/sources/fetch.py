"""Fetching one address: guarded, bounded in size, time and type, each redirect checked like the first."""

from __future__ import annotations

import asyncio
import hashlib
import json
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urljoin

import httpcore

from infra.sources.guard import (
    Allowed,
    Forbidden,
    GuardedBackend,
    Resolve,
    Target,
    resolve,
    target_of,
)

AGENT = "cairn/0.1 (reads documents to answer from; robots.txt: cairn)"
REDIRECTS = 5
REDIRECT = frozenset({301, 302, 303, 307, 308})
GONE = frozenset({404, 410})
LATER = 429
CONNECTIONS = 4
QUIET_S = 20.0
"""Without a byte for so long a server counts as away."""
PIECE_BYTES = 64 << 10
_WBITS_GZIP = 31

Permit = Callable[[Target], Awaitable[None]]
"""Asked before every request. Raises `Unfetchable` to forbid it, and may wait."""
Write = Callable[[bytes], object]


class Unfetchable(Exception):
    """The address gives nothing that can be used. The message says why."""


class Denied(Unfetchable):
    """The server says that this is not for us (400 to 499, but not "later", 429)."""


class Missing(Denied):
    """The server says that there is no such page, or no longer (404, 410)."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is read at most."""

    size_bytes: int
    """Unpacked."""
    request_s: float = 60.0
    """From one request to the end of its answer."""
    types: frozenset[str] | None = None
    """Media types; None: any."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What an address gave."""

    changed: bool
    """False: the same as when it had the stamp that was sent along."""
    stamp: str
    """Its entity tag and date, where the server gives them; else empty."""
    sha256: str = ""


class Fetcher:
    """Fetches. No cookies, no credentials, no proxy. Raises `Unfetchable` and nothing else."""

    def __init__(self, pool: httpcore.AsyncConnectionPool, allowed: Allowed) -> None:
        self._pool = pool
        self._allowed = allowed

    async def fetch(
        self, url: str, write: Write, bounds: Bounds, permit: Permit, stamp: str = ""
    ) -> Fetched:
        """Gives the content to `write`, piece by piece; nothing, if it still has this stamp."""
        target = self._target(url)
        for _ in range(REDIRECTS + 1):
            await permit(target)
            answer = await self._bounded(target, write, bounds, stamp)
            if isinstance(answer, Fetched):
                return answer
            target = self._target(_joined(target, answer))
        raise Unfetchable(f"{url} redirects more than {REDIRECTS} times.")

    def _target(self, url: str) -> Target:
        try:
            return target_of(url, self._allowed)
        except Forbidden as error:
            raise Unfetchable(str(error)) from error

    async def _bounded(
        self, target: Target, write: Write, bounds: Bounds, stamp: str
    ) -> Fetched | str:
        try:
            async with asyncio.timeout(bounds.request_s):
                return await self._request(target, write, bounds, stamp)
        except TimeoutError as error:
            raise Unfetchable(f"{target.url} took longer than {bounds.request_s:g} s.") from error
        except Forbidden as error:
            raise Unfetchable(str(error)) from error
        except zlib.error as error:
            raise Unfetchable(f"{target.url} came damaged.") from error
        except (
            httpcore.NetworkError,
            httpcore.ProtocolError,
            httpcore.TimeoutException,
        ) as error:
            words = str(error) or type(error).__name__
            raise Unfetchable(f"{target.origin} does not answer: {words}.") from error

    async def _request(
        self, target: Target, write: Write, bounds: Bounds, stamp: str
    ) -> Fetched | str:
        """A redirect's goal, or what was fetched."""
        async with self._pool.stream(
            "GET",
            httpcore.URL(
                scheme=target.scheme, host=target.host, port=target.port, target=target.path
            ),
            headers=_headers(target, stamp),
            extensions={"timeout": {"connect": QUIET_S, "read": QUIET_S, "write": QUIET_S}},
        ) as response:
            fields = {name.lower(): value.decode("latin-1") for name, value in response.headers}
            if response.status in REDIRECT and b"location" in fields:
                return fields[b"location"]
            if response.status == 304 and stamp:
                return Fetched(changed=False, stamp=stamp)
            _check(response.status, fields, target, bounds)
            packed = fields.get(b"content-encoding", "identity").lower()
            digest = await _read(_unpacked(response, packed, target), write, target, bounds)
            return Fetched(changed=True, stamp=_stamp(fields), sha256=digest)


@asynccontextmanager
async def open_fetcher(
    allowed: Allowed,
    resolving: Resolve = resolve,
    connect: httpcore.AsyncNetworkBackend | None = None,
) -> AsyncIterator[Fetcher]:
    """`connect` opens the sockets; it is given addresses that were checked, and no names."""
    import httpx

    pool = httpcore.AsyncConnectionPool(
        # Trusts what SSL_CERT_FILE says too: an intranet has its own authority.
        ssl_context=httpx.create_ssl_context(),
        max_connections=CONNECTIONS,
        network_backend=GuardedBackend(allowed, resolving, connect or httpcore.AnyIOBackend()),
    )
    async with pool:
        yield Fetcher(pool, allowed)


def _joined(target: Target, goal: str) -> str:
    try:
        return urljoin(target.url, goal)
    except ValueError as error:
        raise Unfetchable(f"{target.url} redirects to {goal!r}, which is no address.") from error


def _headers(target: Target, stamp: str) -> list[tuple[str, str]]:
    entity_tag, modified = json.loads(stamp) if stamp else ("", "")
    return [
        ("Host", target.origin.partition("://")[2]),
        ("User-Agent", AGENT),
        ("Accept-Encoding", "gzip"),
        *([("If-None-Match", entity_tag)] if entity_tag else []),
        *([("If-Modified-Since", modified)] if modified else []),
    ]


def _stamp(fields: dict[bytes, str]) -> str:
    validators = (fields.get(b"etag", ""), fields.get(b"last-modified", ""))
    return json.dumps(validators) if any(validators) else ""


def _check(status: int, fields: dict[bytes, str], target: Target, bounds: Bounds) -> None:
    """Before the first byte of the content is read."""
    if status in GONE:
        raise Missing(f"{target.url} is not there ({status}).")
    if 400 <= status < 500 and status != LATER:
        raise Denied(f"{target.url} answered {status}.")
    if status != 200:
        raise Unfetchable(f"{target.url} answered {status}.")
    kind = fields.get(b"content-type", "").partition(";")[0].strip().lower()
    if kind and bounds.types is not None and kind not in bounds.types:
        raise Unfetchable(f"{target.url} is {kind}, which Cairn does not read.")
    length = fields.get(b"content-length", "0")
    if length.isdecimal() and int(length) > bounds.size_bytes:
        raise _too_large(target, bounds)


async def _read(
    pieces: AsyncGenerator[bytes, None], write: Write, target: Target, bounds: Bounds
) -> str:
    """The hash of what was written."""
    digest, size = hashlib.sha256(), 0
    async with aclosing(pieces):
        async for piece in pieces:
            size += len(piece)
            if size > bounds.size_bytes:
                raise _too_large(target, bounds)
            digest.update(piece)
            await asyncio.to_thread(write, piece)
    return digest.hexdigest()


async def _unpacked(
    response: httpcore.Response, packed: str, target: Target
) -> AsyncGenerator[bytes, None]:
    """A small piece may unpack to a large one, so it is unpacked a piece at a time."""
    if packed == "identity":
        async for piece in response.aiter_stream():
            yield piece
        return
    if packed not in {"gzip", "x-gzip"}:
        raise Unfetchable(f"{target.url} came packed as {packed!r}, which was not asked for.")
    unpacker = zlib.decompressobj(_WBITS_GZIP)
    async for piece in response.aiter_stream():
        rest = piece
        while rest and not unpacker.eof:
            yield unpacker.decompress(rest, PIECE_BYTES)
            rest = unpacker.unconsumed_tail
    if not unpacker.eof:
        raise Unfetchable(f"{target.url} came cut short.")


def _too_large(target: Target, bounds: Bounds) -> Unfetchable:
    return Unfetchable(f"{target.url} is larger than {bounds.size_bytes / 1e6:,.0f} MB.")
