"""Reading files in processes that may die: bounded, without network, replaced when they break."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import infra
from infra.parsers.wire import (
    LENGTH_BYTES,
    Garbled,
    Message,
    error_of,
    length,
    packed,
    parsed_of,
    unpacked,
)
from ingestion.parse import Parsed, ReadingTooBig, ReadingTooLong, Report, Unreadable

log = logging.getLogger(__name__)

_BYTES_PER_CHARACTER = 12
"""The most that JSON makes of one: a pair of escaped surrogates."""
_ENVELOPE_BYTES = 64 << 20
_MEMORY_CRIES = (b"memory allocation of", b"bad_alloc", b"MemoryError", b"Out of memory")
_MEMORY_SIGNALS = frozenset({signal.SIGTRAP, signal.SIGILL, signal.SIGABRT, signal.SIGKILL})
"""How PDFium, Rust and the kernel end a process that gets no more memory."""
_LAST_WORDS_BYTES = 4096
_START_S = 30.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may take."""

    seconds: float = 120.0
    memory_bytes: int = 2 << 30
    """Address space of the reading process, of which its libraries take a quarter."""
    characters: int = 20_000_000
    pages: int = 10_000
    files_per_process: int = 200
    """Then it is replaced, so that what leaks or lingers stays small."""


class SandboxedParser:
    """The `Parser` port over a few reading processes. Made by `open_sandbox`."""

    def __init__(self, limits: Limits, processes: int) -> None:
        self._limits = limits
        self._processes: set[_Process] = set()
        self._free: asyncio.Queue[_Process | None] = asyncio.Queue()
        for _ in range(processes):
            self._free.put_nowait(None)

    async def parse(self, path: Path, name: str, media_type: str, report: Report) -> Parsed:
        """Waits for a free process. Cancelling kills the process and returns at once."""
        process = await self._free.get()
        try:
            process = await self._fit(process)
            return await process.read(path, name, media_type, report)
        finally:
            self._free.put_nowait(process)

    async def close(self) -> None:
        for process in list(self._processes):
            await process.kill()
        self._processes.clear()

    async def _fit(self, process: _Process | None) -> _Process:
        """The process, or a new one in its place when it died or has read its share."""
        if process is not None and await process.is_fit():
            return process
        if process is not None:
            self._processes.discard(process)
            await process.kill()
        fresh = await _start(self._limits)
        self._processes.add(fresh)
        return fresh


@asynccontextmanager
async def open_sandbox(
    limits: Limits | None = None, processes: int = 1
) -> AsyncIterator[SandboxedParser]:
    """Processes start with the first files; all are gone when the block is left."""
    parser = SandboxedParser(limits or Limits(), processes)
    try:
        yield parser
    finally:
        await parser.close()


class _Process:
    """One reading process and the pipe to it."""

    def __init__(self, child: asyncio.subprocess.Process, limits: Limits) -> None:
        self._child = child
        self._limits = limits
        self._files = 0
        self._spent = False
        """It is reading, was stopped, or met a failure that may have left traces in it."""
        self._last_words = asyncio.create_task(_last_words(child))

    async def is_fit(self) -> bool:
        """Whether it may read another file: asked, since it may have died unnoticed."""
        if self._spent or self._files >= self._limits.files_per_process:
            return False
        self._spent = True  # should this be cancelled, an answer would be left in the pipe
        try:
            async with asyncio.timeout(_START_S):
                self._spent = "ready" not in await self._exchange({"hello": True}, _unheard)
        except (TimeoutError, Garbled, asyncio.IncompleteReadError, ConnectionError):
            return False
        return not self._spent

    async def read(self, path: Path, name: str, media_type: str, report: Report) -> Parsed:
        self._files += 1
        self._spent = True
        try:
            async with asyncio.timeout(self._limits.seconds):
                answer = await self._exchange(self._request(path, name, media_type), report)
            outcome = error_of(answer) if "error" in answer else parsed_of(answer)
        except TimeoutError as error:
            await self.kill()
            raise ReadingTooLong(
                f"Reading took longer than {self._limits.seconds:g} seconds and was stopped."
            ) from error
        except (Garbled, asyncio.IncompleteReadError, ConnectionError) as error:
            raise await self._death(error) from error
        except asyncio.CancelledError:
            self._stop()
            raise
        self._spent = "cause" in answer
        if isinstance(outcome, Unreadable):
            log.info("file not read: %s (%s)", answer["error"], answer.get("cause", "in words"))
            raise outcome
        return outcome

    async def kill(self) -> None:
        self._stop()
        await self._child.wait()
        await self._last_words
        assert self._child.stdout is not None  # noqa: S101
        # What it was about to say: a pipe with unread bytes would stay open. Where somebody still
        # reads, there are none.
        with suppress(RuntimeError):
            await self._child.stdout.read()

    async def hello(self) -> None:
        """Raises `RuntimeError` when it does not start: no fault of any file, and worth a retry."""
        try:
            async with asyncio.timeout(_START_S):
                greeting = await self._receive()
        except (TimeoutError, Garbled, asyncio.IncompleteReadError) as error:
            await self.kill()
            words = (await self._last_words).decode("utf-8", "replace")
            raise RuntimeError(f"the reading process does not start: {words}") from error
        for missing in greeting.get("missing", ()):
            log.warning("the reading process runs without a %s", missing)

    def _stop(self) -> None:
        self._spent = True
        with suppress(ProcessLookupError):
            self._child.kill()

    def _request(self, path: Path, name: str, media_type: str) -> Message:
        return {
            "path": str(path.absolute()),
            "name": name,
            "media_type": media_type,
            "characters": self._limits.characters,
            "pages": self._limits.pages,
            "seconds": int(self._limits.seconds) + 5,
        }

    async def _exchange(self, request: Message, report: Report) -> Message:
        assert self._child.stdin is not None  # noqa: S101  (asked for at the start)
        self._child.stdin.write(packed(request))
        await self._child.stdin.drain()
        while "done" in (message := await self._receive()):
            report(int(message["done"]), int(message["total"]))
        return message

    async def _receive(self) -> Message:
        assert self._child.stdout is not None  # noqa: S101
        size = length(await self._child.stdout.readexactly(LENGTH_BYTES))
        if size > self._limits.characters * _BYTES_PER_CHARACTER + _ENVELOPE_BYTES:
            raise Garbled("an answer beyond all bounds")
        return unpacked(await self._child.stdout.readexactly(size))

    async def _death(self, error: Exception) -> Unreadable:
        """What to say of a process that died or babbles, by its signal and its last words."""
        if isinstance(error, Garbled):
            await self.kill()
            return Unreadable("Reading the file broke the reader. It may be damaged or hostile.")
        words = await self._last_words
        code = await self._child.wait()
        await self.kill()
        log.warning("a reading process died with %s", code)
        if -code == signal.SIGXCPU:
            return ReadingTooLong("Reading took too much processor time and was stopped.")
        if -code in _MEMORY_SIGNALS or any(cry in words for cry in _MEMORY_CRIES):
            return ReadingTooBig(
                f"Reading takes more than {self._limits.memory_bytes >> 20:,} MiB of memory "
                "and was stopped."
            )
        return Unreadable("Reading the file crashed the reader. It may be damaged or hostile.")


def _unheard(done: int, total: int) -> None:
    """A report that nobody waits for."""


async def _start(limits: Limits) -> _Process:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "infra.parsers.child",
        str(limits.memory_bytes),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=_environment(),
        cwd="/",
        start_new_session=True,
    )
    process = _Process(child, limits)
    try:
        await process.hello()
    except BaseException:
        await process.kill()
        raise
    return process


async def _last_words(child: asyncio.subprocess.Process) -> bytes:
    """Reads the child's errors all the time, as a full pipe would halt it; keeps the end."""
    assert child.stderr is not None  # noqa: S101
    words = b""
    while chunk := await child.stderr.read(_LAST_WORDS_BYTES):
        words = (words + chunk)[-_LAST_WORDS_BYTES:]
    return words


def _environment() -> dict[str, str]:
    """Nothing of the parent's, which holds keys; what makes the process small and quiet instead."""
    home = str(Path(infra.__file__).parents[1])
    return {
        "PATH": os.defpath,
        "PYTHONPATH": home,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
        "LANG": "C.UTF-8",
        # Each thread's own heap would take 64 MiB of the address space.
        "MALLOC_ARENA_MAX": "1",
        "TOKIO_WORKER_THREADS": "1",
        "RAYON_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
