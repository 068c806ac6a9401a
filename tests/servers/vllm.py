"""A real vLLM on the CPU, started once for all the tests that need one.

A test module asks for it with `pytest_plugins = ["tests.servers.vllm"]` and the fixture `vllm`.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.servers.tiny_model import CONTEXT_TOKENS, write_tiny_model

ROOT = Path(__file__).parents[2]
ENVIRONMENT = ROOT / ".venv-vllm"
SERVE = ROOT / "infra" / "deploy" / "vllm" / "serve.sh"
MODEL = "tiny"
API_KEY = "a-key-for-tests"
START_S = 300
"""40 s on two idle cores, 116 s on busy ones: three processes import vLLM one after the other."""


@dataclass(frozen=True, slots=True)
class VllmServer:
    """A server that is up, with the arguments that production is given."""

    port: int
    log: Path
    process: subprocess.Popen[bytes]
    model: str = MODEL
    api_key: str = API_KEY
    context_tokens: int = CONTEXT_TOKENS

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        """As the kernel does when memory runs out: no goodbye, and its workers with it."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    async def running_requests(self) -> int:
        """Those that vLLM works on at this moment, by its own count."""
        return await self._metric("vllm:num_requests_running")

    async def rejected_requests(self) -> int:
        """Those that found the queue full, since the start."""
        return await self._metric("vllm:admission_rejections_total")

    async def _metric(self, name: str) -> int:
        """The sum over its labels."""
        async with httpx.AsyncClient(trust_env=False) as client:
            page = await client.get(f"http://127.0.0.1:{self.port}/metrics")
        lines = [line for line in page.text.splitlines() if line.startswith(f"{name}{{")]
        return int(sum(float(line.rpartition(" ")[2]) for line in lines))


class VllmKeeper:
    """Starts the server when first asked, and again after a test has killed it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server: VllmServer | None = None

    def server(self) -> VllmServer:
        if self._server is None or not self._server.alive:
            self._server = start_vllm(self._folder)
        return self._server

    def stop(self) -> None:
        if self._server is not None and self._server.alive:
            self._server.kill()


@pytest.fixture(scope="session")
def vllm_keeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmKeeper]:
    if not ENVIRONMENT.joinpath("bin", "python").exists():
        _not_installed()
    keeper = VllmKeeper(tmp_path_factory.mktemp("vllm"))
    yield keeper
    keeper.stop()


@pytest.fixture
def vllm(vllm_keeper: VllmKeeper) -> VllmServer:
    return vllm_keeper.server()


def start_vllm(folder: Path) -> VllmServer:
    """Blocks until the server answers. RuntimeError with the end of its log when it does not."""
    port, log = free_port(), folder / "vllm.log"
    arguments = [
        *(str(SERVE), str(write_tiny_model(folder / MODEL))),
        *("--served-model-name", MODEL, "--port", str(port)),
        *("--dtype", "float32", "--enforce-eager"),
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(
            arguments,
            env=_environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = VllmServer(port, log, process)
    _wait_until_up(server)
    return server


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _environment() -> dict[str, str]:
    ours = {
        "VLLM_API_KEY": API_KEY,
        "VLLM_PYTHON": str(ENVIRONMENT / "bin" / "python"),
        "VLLM_CACHE_ROOT": str(ENVIRONMENT / "cache"),
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "HF_HUB_OFFLINE": "1",
    }
    return {**os.environ, **ours}


def _wait_until_up(server: VllmServer) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and server.alive:
        if _healthy(server.port):
            return
        time.sleep(0.2)
    if server.alive:
        server.kill()
    end = "\n".join(server.log.read_text(errors="replace").splitlines()[-30:])
    raise RuntimeError(f"vLLM did not start; the end of its log:\n{end}")


def _healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _not_installed() -> None:
    """In CI a test that silently does not run is a broken promise; on a desk it is a choice."""
    message = "vLLM is not installed; enable these tests with: make vllm-cpu (2 GB)"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)
