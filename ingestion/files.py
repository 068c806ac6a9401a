"""Where bytes lie: content-addressed, one namespace per tenant."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class FilesUnavailable(Exception):
    """The file store does not answer, or has no room. Trying again later may help."""


class TooLarge(Exception):
    """The upload is over the limit. Nothing of it was kept."""


class FileMissing(Exception):
    """The file store does not have this file."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A file as it was stored."""

    sha256: str
    size_bytes: int
    head: bytes
    """Its first bytes, enough to tell what kind of file it is."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that the store has."""

    tenant: str
    sha256: str
    stored_at: float
    """Seconds since the epoch, by the store's clock; the same bytes again count anew."""


HEAD_BYTES = 8192


class Files(Protocol):
    """Bytes by their SHA-256. Raises `FilesUnavailable` and nothing of the store's own."""

    async def put(self, tenant: str, data: AsyncIterator[bytes], limit_bytes: int) -> Stored:
        """Hashed while it streams in; whole or not at all. Raises `TooLarge`."""
        ...

    async def read(self, tenant: str, sha256: str) -> bytes:
        """Raises `FileMissing`."""
        ...

    def local(self, tenant: str, sha256: str) -> AbstractAsyncContextManager[Path]:
        """The file as a path on this machine, for as long as the context lasts."""
        ...

    async def remove(self, tenant: str, sha256: str) -> bool:
        """False: it was not there."""
        ...

    def kept(self) -> AsyncIterator[Kept]:
        """Everything the store has, over all tenants, for `cairn check`."""
        ...

    async def ping(self) -> str:
        """What answers, in words, for `cairn doctor`."""
        ...
