"""The redis-server of our own: it starts, comes back, keeps what it was told, and ends with us."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from arq.connections import RedisSettings
from redis import Redis
from redis.exceptions import RedisError

from infra.redis_child import SOCKET_PATH_LIMIT, DataFolderInUse, open_redis_child
from ingestion.queue import QueueUnavailable

BACK_WITHIN_S = 2.0
HOLDS_ONE = """
import asyncio, sys
from pathlib import Path
from infra.redis_child import open_redis_child

async def hold():
    async with open_redis_child(Path(sys.argv[1])) as url:
        print(url, flush=True)
        await asyncio.sleep(60)

asyncio.run(hold())
"""


def pid_of(url: str) -> int:
    with Redis.from_url(url) as redis:
        return int(redis.info("server")["process_id"])


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def until(condition: Callable[[], bool], within_s: float) -> float:
    """How long it took, in seconds."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < within_s
        await asyncio.sleep(0.02)
    return time.monotonic() - began


def answers(url: str) -> bool:
    try:
        with Redis.from_url(url) as redis:
            return bool(redis.ping())
    except (RedisError, OSError):
        return False


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another process with a server in `tmp_path`, and the server's URL."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS_ONE, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
        process.kill()


async def test_it_starts_and_ends_with_its_context(tmp_path: Path) -> None:
    async with open_redis_child(tmp_path / "redis") as url:
        pid = pid_of(url)

    assert url == f"unix://{tmp_path / 'redis' / 'redis.sock'}"
    assert not runs(pid)


async def test_nobody_else_on_the_machine_may_use_it(tmp_path: Path) -> None:
    async with open_redis_child(tmp_path) as url:
        socket = Path(url.removeprefix("unix://"))

        assert stat.S_IMODE(socket.stat().st_mode) == 0o700
        with Redis.from_url(url) as redis:
            assert redis.config_get("port") == {"port": "0"}


async def test_what_it_was_told_is_there_the_next_time(tmp_path: Path) -> None:
    async with open_redis_child(tmp_path) as url:
        with Redis.from_url(url) as redis:
            redis.set("tea", "green")

    async with open_redis_child(tmp_path) as url:
        with Redis.from_url(url) as redis:
            assert redis.get("tea") == b"green"


async def test_a_server_that_is_killed_comes_back_with_what_it_was_told(tmp_path: Path) -> None:
    async with open_redis_child(tmp_path) as url:
        with Redis.from_url(url) as redis:
            redis.set("tea", "green")

        for _ in range(2):
            os.kill(pid_of(url), signal.SIGKILL)
            await until(lambda: not answers(url), BACK_WITHIN_S)
            await until(lambda: answers(url), BACK_WITHIN_S)

        with Redis.from_url(url) as redis:
            assert redis.get("tea") == b"green"


async def test_a_second_process_on_the_folder_is_told_so_in_words(
    tmp_path: Path, holder: tuple[subprocess.Popen[str], str]
) -> None:
    folder = re.escape(str(tmp_path.parent))

    with pytest.raises(DataFolderInUse, match=f"works on {folder}. Stop it, or point CAIRN_DATA"):
        async with open_redis_child(tmp_path):
            pass

    assert answers(holder[1])


async def test_the_server_of_a_process_that_is_killed_ends_and_its_folder_is_free(
    tmp_path: Path, holder: tuple[subprocess.Popen[str], str]
) -> None:
    process, url = holder
    pid = pid_of(url)

    process.kill()
    process.wait()

    await until(lambda: not runs(pid), BACK_WITHIN_S)
    async with open_redis_child(tmp_path) as again:
        assert answers(again)


@pytest.mark.parametrize("name", [SOCKET_PATH_LIMIT * "long", "with ? and #", "mit Ümläuten 🍵"])
async def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name[:200] / "redis"

    async with open_redis_child(folder) as url:
        with Redis(unix_socket_path=RedisSettings.from_dsn(url).unix_socket_path) as redis:
            redis.set("tea", "green")

    assert (folder / "appendonly.aof").exists()
    assert not Path(url.removeprefix("unix://")).exists()


async def test_a_server_that_cannot_start_is_said_in_words_and_at_once(tmp_path: Path) -> None:
    (tmp_path / "appendonly.aof").mkdir()

    began = time.monotonic()
    with pytest.raises(QueueUnavailable, match=r"did not start; .*redis\.log says why"):
        async with open_redis_child(tmp_path):
            pass

    assert time.monotonic() - began < BACK_WITHIN_S
