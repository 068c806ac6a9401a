"""Files in a folder of this machine."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from ingestion.files import HEAD_BYTES, FileMissing, FilesUnavailable, Stored, TooLarge


class FolderFiles:
    """`Files` in a folder: `tenant/ab/abcdef…`. Written beside, synced, then renamed into place."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def put(self, tenant: str, data: AsyncIterator[bytes], limit_bytes: int) -> Stored:
        folder = self._root / _safe(tenant)
        with _translated(folder):
            folder.mkdir(parents=True, exist_ok=True)
            handle, path = tempfile.mkstemp(dir=folder, prefix=".incoming-")
        try:
            with _translated(folder), os.fdopen(handle, "wb") as file:
                digest, size, head = hashlib.sha256(), 0, b""
                async for piece in data:
                    size += len(piece)
                    if size > limit_bytes:
                        raise TooLarge(f"It is larger than {limit_bytes / 1e6:,.0f} MB.")
                    head += piece[: HEAD_BYTES - len(head)]
                    digest.update(piece)
                    await asyncio.to_thread(file.write, piece)
                file.flush()
                await asyncio.to_thread(os.fsync, file.fileno())
                place = self._place(tenant, digest.hexdigest())
                place.parent.mkdir(parents=True, exist_ok=True)
                os.replace(path, place)
            return Stored(digest.hexdigest(), size, head)
        finally:
            Path(path).unlink(missing_ok=True)

    async def read(self, tenant: str, sha256: str) -> bytes:
        place = self._place(tenant, sha256)
        with _translated(place):
            return await asyncio.to_thread(place.read_bytes)

    @asynccontextmanager
    async def local(self, tenant: str, sha256: str) -> AsyncIterator[Path]:
        place = self._place(tenant, sha256)
        if not place.exists():
            raise FileMissing(f"The stored file {sha256} is gone from {self._root}.")
        yield place

    async def remove(self, tenant: str, sha256: str) -> bool:
        place = self._place(tenant, sha256)
        with _translated(place):
            try:
                place.unlink()
            except FileNotFoundError:
                return False
            return True

    async def ping(self) -> str:
        with _translated(self._root):
            self._root.mkdir(parents=True, exist_ok=True)
            room = os.statvfs(self._root)
        return f"{self._root} ({room.f_bavail * room.f_frsize / 1e9:,.0f} GB free)"

    def _place(self, tenant: str, sha256: str) -> Path:
        if not re.fullmatch(r"[0-9a-f]{64}", sha256):
            raise FileMissing(f"{sha256!r} is not the address of a stored file.")
        return self._root / _safe(tenant) / sha256[:2] / sha256


def _safe(tenant: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", tenant):
        raise ValueError(f"{tenant!r} cannot name a tenant's folder")
    return tenant


@contextmanager
def _translated(place: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise FileMissing(f"The stored file {place.name} is gone from {place.parent}.") from error
    except OSError as error:
        raise FilesUnavailable(f"The file store at {place} fails: {error.strerror}.") from error
