"""Files in a folder of this machine, and what every store of files does with an upload."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import IO

from ingestion.files import HEAD_BYTES, FileMissing, FilesUnavailable, Kept, Stored, TooLarge

INCOMING = ".incoming-"
SPOOL_BYTES = 256 << 10
"""Held before it is written: a web server gives a body in small pieces, and each way to a thread
costs more than writing one."""
ABANDONED_S = 24 * 3600.0
"""An upload that was not written to for so long died with its process."""


class FolderFiles:
    """`Files` in a folder: `tenant/ab/abcdef…`. Written beside, synced, then renamed into place."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def put(self, tenant: str, data: AsyncIterator[bytes], limit_bytes: int) -> Stored:
        folder = self._root / namespace(tenant)
        with _translated(folder):
            folder.mkdir(parents=True, exist_ok=True)
            handle, path = tempfile.mkstemp(dir=folder, prefix=INCOMING)
        try:
            with _translated(folder), os.fdopen(handle, "wb") as file:
                stored = await spool(data, file, limit_bytes)
                place = self._place(tenant, stored.sha256)
                await asyncio.to_thread(_settle, file, Path(path), place)
            return stored
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

    async def kept(self) -> AsyncIterator[Kept]:
        with _translated(self._root):
            for folder in await asyncio.to_thread(lambda: sorted(self._root.glob("*/??"))):
                for kept in await asyncio.to_thread(_kept, folder):
                    yield kept

    async def ping(self) -> str:
        with _translated(self._root):
            self._root.mkdir(parents=True, exist_ok=True)
            room = os.statvfs(self._root)
        return f"{self._root} ({room.f_bavail * room.f_frsize / 1e9:,.0f} GB free)"

    def _place(self, tenant: str, sha256: str) -> Path:
        return self._root / address(tenant, sha256)


@asynccontextmanager
async def open_folder(root: Path) -> AsyncIterator[FolderFiles]:
    """Removes what uploads left behind that died with their process. Raises `FilesUnavailable`."""
    with _translated(root):
        for path in root.glob(f"*/{INCOMING}*"):
            if path.stat().st_mtime < time.time() - ABANDONED_S:
                path.unlink(missing_ok=True)
    yield FolderFiles(root)


async def spool(data: AsyncIterator[bytes], file: IO[bytes], limit_bytes: int) -> Stored:
    """Writes what streams in and hashes it on the way. Raises `TooLarge`."""
    digest, size, head, held = hashlib.sha256(), 0, b"", 0
    pieces: list[bytes] = []
    async for piece in data:
        size += len(piece)
        if size > limit_bytes:
            raise TooLarge(f"It is larger than {limit_bytes / 1e6:,.0f} MB.")
        head += piece[: HEAD_BYTES - len(head)]
        digest.update(piece)
        pieces.append(piece)
        held += len(piece)
        if held >= SPOOL_BYTES:
            await asyncio.to_thread(file.writelines, pieces)
            pieces, held = [], 0
    await asyncio.to_thread(_written, file, pieces)
    return Stored(digest.hexdigest(), size, head)


def _written(file: IO[bytes], pieces: Sequence[bytes]) -> None:
    file.writelines(pieces)
    file.flush()


def address(tenant: str, sha256: str) -> str:
    """`tenant/ab/abcdef…`. Raises `FileMissing` for what cannot be a file's hash."""
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise FileMissing(f"{sha256!r} is not the address of a stored file.")
    return f"{namespace(tenant)}/{sha256[:2]}/{sha256}"


def namespace(tenant: str) -> str:
    """The folder of a tenant. Raises `ValueError` for a name that could lead out of it."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", tenant):
        raise ValueError(f"{tenant!r} cannot name a tenant's folder")
    return tenant


def _kept(folder: Path) -> list[Kept]:
    """The files of one of a tenant's folders, less those that vanish meanwhile."""
    found = []
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            found.append(Kept(folder.parent.name, path.name, path.stat().st_mtime))
    return found


def _settle(file: IO[bytes], path: Path, place: Path) -> None:
    """To the disk and into place, and the name to the disk too: the records will rely on it."""
    os.fsync(file.fileno())
    place.parent.mkdir(parents=True, exist_ok=True)
    os.replace(path, place)
    folder = os.open(place.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def _translated(place: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise FileMissing(f"The stored file {place.name} is gone from {place.parent}.") from error
    except OSError as error:
        raise FilesUnavailable(f"The file store at {place} fails: {error.strerror}.") from error
