"""A folder of this machine as a source of documents."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import stat
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from ingestion.intake import BadName, check_name
from ingestion.sync import (
    Copy,
    Held,
    Item,
    ItemGone,
    ItemUnavailable,
    Listing,
    Seen,
    SourceUnavailable,
)

PAUSE_S = 3.0
SETTLED_S = 2.0
"""A file written to so lately may change again within one tick of its file system's clock (FAT has
two seconds), so its times say nothing yet."""
PIECE_BYTES = 1 << 20


class FolderSource:
    """`Source`: the files below a folder, named by their path in it. Hidden ones are left out."""

    pause_s = PAUSE_S

    def __init__(self, root: Path, clock: Callable[[], float] = time.time) -> None:
        self._root = root.resolve()
        self._clock = clock

    @property
    def id(self) -> str:
        # With the machine's name: two machines may have the same path and not the same files.
        return f"file://{socket.gethostname()}{self._root.as_posix()}"

    async def list(self) -> Listing:
        return await asyncio.to_thread(self._list)

    async def look(self, item: Item, seen: Seen | None) -> Seen:
        try:
            return Seen(item.stamp, await asyncio.to_thread(_sha256, self._root / item.key))
        except FileNotFoundError as error:
            raise ItemGone(f"{item.name!r} is gone.") from error
        except OSError as error:
            raise ItemUnavailable(f"{self._root / item.key}: {error.strerror}.") from error

    @asynccontextmanager
    async def copy(self, item: Item) -> AsyncIterator[Copy]:
        path = self._root / item.key
        try:
            path.open("rb").close()
        except FileNotFoundError as error:
            raise ItemGone(f"{item.name!r} is gone.") from error
        except OSError as error:
            raise ItemUnavailable(f"{path}: {error.strerror}.") from error
        yield Copy(path, item.stamp)

    def _list(self) -> Listing:
        items: list[Item] = []
        held: list[Held] = []
        now = self._clock()
        for path in _files(self._root):
            one = self._entry(path, now)
            if isinstance(one, Item):
                items.append(one)
            elif one is not None:
                held.append(one)
        return Listing(tuple(items), tuple(held))

    def _entry(self, path: Path, now: float) -> Item | Held | None:
        name = path.relative_to(self._root).as_posix()
        try:
            check_name(name)
            name.encode()
        except (BadName, UnicodeEncodeError):
            shown = name.encode("utf-8", "replace").decode()
            return Held(shown, "such a name cannot name a document", fault=False)
        try:
            if path.is_symlink() and not path.resolve().is_relative_to(self._root):
                return Held(name, "it is a link that leads out of the folder", fault=False)
            found = path.stat()
        except OSError as error:
            return Held(name, f"{error.strerror}")
        return Item(name, name, _stamp(found, now)) if stat.S_ISREG(found.st_mode) else None


def _files(root: Path) -> Iterator[Path]:
    """Sorted. Raises `SourceUnavailable` for a folder that cannot be read, whatever is below it."""

    def stop(error: OSError) -> None:
        raise SourceUnavailable(f"{error.filename}: {error.strerror}.") from error

    for folder, below, names in os.walk(root, onerror=stop):
        below[:] = sorted(name for name in below if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(folder, name)


def _stamp(found: os.stat_result, now: float) -> str:
    """Size and times. The inode's time too: a program may set back the file's, as `cp -p` does."""
    newest_s = max(found.st_mtime, found.st_ctime)
    if newest_s > now - SETTLED_S:
        return ""
    return f"{found.st_size}:{found.st_mtime_ns}:{found.st_ctime_ns}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
