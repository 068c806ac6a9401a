"""`cairn` as people run it: commands that end, and processes that go on until they are stopped."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parent.parent
PROGRAM = (sys.executable, "-m", "app.cli")
START_S = 60.0
END_S = 60.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


def cairn(*words: str, stdin: str = "", **settings: object) -> Ended:
    """Runs a command to its end, with these `CAIRN_*` settings. It must not show a stack trace."""
    ran = subprocess.run(
        [*PROGRAM, *words],
        cwd=ROOT,
        env=_environment(settings),
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=END_S,
    )
    assert "Traceback" not in ran.stderr + ran.stdout, ran.stderr
    return Ended(ran.returncode, ran.stdout, ran.stderr)


class Process:
    """A `cairn serve` or `cairn worker`."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log

    @property
    def said(self) -> str:
        return self._log.read_text(encoding="utf-8")

    @property
    def url(self) -> str:
        """Where the service listens."""
        return self.hear(r"listens on (http://\S+)")

    def hear(self, pattern: str) -> str:
        """Waits until it has said this; the last group of it."""
        until(lambda: re.search(pattern, self.said) or self._process.poll() is not None)
        found = re.search(pattern, self.said)
        assert found, f"it never said {pattern!r}: {self.said[-2000:]}"
        return found[found.re.groups]

    @contextmanager
    def client(self) -> Iterator[httpx.Client]:
        """For the service, once it is ready."""
        with httpx.Client(base_url=self.url, timeout=30.0, trust_env=False) as client:
            until(lambda: self._process.poll() is not None or client.get("/readyz").is_success)
            assert self._process.poll() is None, self.said[-2000:]
            yield client

    def kill(self) -> None:
        """As the kernel does when memory runs out: it has no time for anything."""
        self._process.kill()
        self._process.wait()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Asks it to end; (exit code, seconds until it did)."""
        began = time.monotonic()
        if self._process.poll() is None:
            self._process.send_signal(how)
        return self.wait(), time.monotonic() - began

    def wait(self) -> int:
        """Its exit code, once it has ended by itself. It must not show a stack trace."""
        try:
            code = self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGABRT)  # it then says where each thread is
            self._process.wait()
            raise AssertionError(f"it did not end: {self.said[-6000:]}") from None
        assert "Traceback" not in self.said, self.said
        return code


@contextmanager
def process(log: Path, *words: str, **settings: object) -> Iterator[Process]:
    """Starts it, and ends it with the block at the latest; what it says is in the file `log`."""
    with log.open("wb") as said:
        started = subprocess.Popen(
            [*PROGRAM, *words], cwd=ROOT, env=_environment(settings), stdout=said, stderr=said
        )
    running = Process(started, log)
    try:
        yield running
    finally:
        if started.poll() is None:
            running.kill()


def until(done: Callable[[], object], within_s: float = START_S) -> None:
    """Waits; `TimeoutError` when it takes longer."""
    deadline = time.monotonic() + within_s
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {within_s:g} s")
        time.sleep(0.05)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _environment(settings: dict[str, object]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CAIRN_")}
    given = {f"CAIRN_{name.upper()}": str(value) for name, value in settings.items()}
    return {**kept, "COLUMNS": "120", "PYTHONFAULTHANDLER": "1", **given}
