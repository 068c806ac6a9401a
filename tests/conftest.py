"""What all tests share: a real service on a real port, with an empty data folder."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn

from app.api import Open, create_app
from app.container import open_platform
from app.settings import Settings

# Failures in the contracts show what was compared, as those in the tests do.
pytest.register_assert_rewrite("tests.contracts")

READY_S = 60.0


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where exported models are kept between runs: exporting takes ten seconds."""
    kept = Path(__file__).parent.parent / ".cache" / "models"
    kept.mkdir(parents=True, exist_ok=True)
    return kept


@contextmanager
def running(settings: Settings, open_: Open = open_platform) -> Iterator[str]:
    """The service with these settings, in a thread of its own, ready; gives its URL."""
    failures: list[BaseException] = []
    config = uvicorn.Config(
        create_app(settings, open_, on_failure=failures.append), log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
        thread.start()
        try:
            _wait_until_ready(url, failures)
            yield url
        finally:
            server.should_exit = True
            thread.join(30)


def _wait_until_ready(url: str, failures: list[BaseException]) -> None:
    with httpx.Client(base_url=url, trust_env=False) as client:
        for _ in range(int(READY_S / 0.1)):
            if failures:
                raise failures[0]
            try:
                if client.get("/readyz").is_success:
                    return
            except httpx.TransportError:
                pass
            threading.Event().wait(0.1)
    raise TimeoutError(f"the service at {url} was not ready within {READY_S:g} s")


@pytest.fixture(scope="session")
def service_url(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[str]:
    """One service for the whole run."""
    data = tmp_path_factory.mktemp("service")
    (data / "models").symlink_to(models)
    with running(Settings(data=data)) as url:
        yield url


@pytest.fixture(scope="session")
def data_sets() -> Path:
    """The folder of public data sets; without it the test is skipped, aloud."""
    default = Path(__file__).parent.parent.parent / "shared" / "data"
    folder = Path(os.environ.get("CAIRN_TEST_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no data sets at {folder}; set CAIRN_TEST_DATA to the folder that has them")
    return folder
