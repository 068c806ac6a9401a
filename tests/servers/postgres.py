"""A real Postgres of our own, started once for all the tests that need one.

A test module asks for it with `pytest_plugins = ["tests.servers.postgres"]` and the fixture `postgres`.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

USER = "cairn"
START_S = 30
UNPRIVILEGED = ("postgres", "nobody")
"""Postgres refuses to run as root; these are whom it may run as instead."""


class Postgres:
    """A server that can be stopped and started again; what was committed stays."""

    def __init__(self, binaries: Path, folder: Path, port: int) -> None:
        self._binaries = binaries
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.port = port

    def url(self, database: str = "postgres") -> str:
        return f"postgresql+asyncpg://{USER}@127.0.0.1:{self.port}/{database}"

    def create(self) -> None:
        self._run(
            "initdb", "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"
        )

    def create_database(self, name: str) -> None:
        host = ("-h", "127.0.0.1", "-p", str(self.port), "-U", USER)
        subprocess.run([self._binaries / "createdb", *host, name], check=True, capture_output=True)

    def start(self) -> None:
        """Blocks until the server takes connections."""
        settings = (
            "listen_addresses=127.0.0.1",
            "fsync=off",
            f"unix_socket_directories={self._folder}",
        )
        self._process = subprocess.Popen(
            [
                *(str(self._binaries / "postgres"), "-D", str(self._folder / "data")),
                *("-p", str(self.port)),
                *(word for setting in settings for word in ("-c", setting)),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=_unprivileged_id(),
        )
        self._wait(self._process)

    def stop(self) -> None:
        """At once, and without a word to its clients."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(START_S)

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        """Not for the port alone: a server that recovers has it open and refuses."""
        ask = [str(self._binaries / "pg_isready"), "-h", "127.0.0.1", "-p", str(self.port)]
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and process.poll() is None:
            if subprocess.run(ask, check=False, capture_output=True).returncode == 0:
                return
            time.sleep(0.02)
        raise RuntimeError(f"Postgres did not start on port {self.port}")

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._binaries / program), "-D", str(self._folder / "data"), *arguments]
        subprocess.run(command, check=True, capture_output=True, user=_unprivileged_id())


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    binaries = _binaries()
    # Not in pytest's own folder, into which the unprivileged user may not look.
    folder = Path(tempfile.mkdtemp(prefix="cairn-postgres-"))
    if os.getuid() == 0:
        shutil.chown(folder, _unprivileged())
    server = Postgres(binaries, folder, free_port())
    try:
        server.create()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _binaries() -> Path:
    """Debian keeps them outside of PATH, one folder for each version."""
    debian = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name)
    )
    on_path = shutil.which("initdb")
    found = [*reversed(debian), *([Path(on_path).resolve().parent] if on_path else [])]
    if not found:
        # In CI a test that silently does not run is a broken promise; on a desk it is a choice.
        message = "Postgres is not installed; enable these tests with: apt-get install postgresql"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    return found[0]


def _unprivileged_id() -> int | None:
    """Whom Postgres runs as; None: as we do."""
    return pwd.getpwnam(_unprivileged()).pw_uid if os.getuid() == 0 else None


def _unprivileged() -> str:
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in UNPRIVILEGED if name in known)
