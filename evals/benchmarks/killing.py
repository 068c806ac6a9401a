"""Killing the service: the process, somebody who keeps it busy, and the blows it is dealt."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from redis import Redis

from ingestion.documents import PENDING

POINTS = (
    "after-claim",
    "after-parse",
    "after-embed",
    "mid-upsert",
    "before-publish",
    "after-publish",
    "before-cleanup",
)
ARMED_BEFORE = frozenset(POINTS) - {"before-cleanup"}
"""For these the last restart before is the armed one. Cleaning up comes too early for that: at the
start, before any job."""
REDIS = ("redis-killed", "redis-emptied")
ROUND = (*POINTS, "random", "random", "random", "during-upload", "during-delete", *REDIS)
BROKEN_OFF = "broken-off.md"
"""An upload that is never finished, so there must be no such document."""
BACKLOG = 8
"""Documents kept waiting, so that there is always work to be interrupted."""
CHANGED = 0.3
"""The share of uploads that replace a document."""
POINT_S = 20.0
"""How long a named point is waited for before the service is killed wherever it is."""
STARTED_S = 60.0
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Given:
    """A document to upload."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Blow:
    """One thing that was done to the service."""

    kind: str
    reached: bool
    """False: a named point was not come to in time, and the kill fell on some other moment."""
    recovery_s: float
    """From the restart until a job runs again; of Redis, from its end."""


@dataclass(slots=True)
class Told:
    """What the service has accepted, and must therefore have at the end."""

    documents: dict[str, str] = field(default_factory=dict)
    """SHA-256 of the bytes last accepted, by name."""
    refused: Counter[int] = field(default_factory=Counter)
    requests: int = 0
    repeated: int = 0
    """Requests that broke off with the service and were sent again."""


class Service:
    """`cairn serve` on a data folder, which can be killed and started again."""

    def __init__(self, folder: Path, log: Path) -> None:
        self.folder = folder
        self.log = log
        self._marks = itertools.count()
        self.armed = ""
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, crash_at: str = "") -> None:
        """Does not wait. With a point, the process kills itself there."""
        self.armed = crash_at
        environment = {k: v for k, v in os.environ.items() if not k.startswith("CAIRN_")}
        environment |= {"CAIRN_DATA": str(self.folder), "CAIRN_PORT": str(self._port)}
        module = ["app.cli", "serve"]
        if crash_at:
            marker = self.folder / f"crashed-{next(self._marks)}"
            module = ["tests.chaos.launcher"]
            environment |= {
                "CAIRN_TEST_CRASH_AT": crash_at,
                "CAIRN_TEST_CRASH_MARKER": str(marker),
            }
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *module], cwd=ROOT, env=environment, stdout=log, stderr=log
            )

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    async def ended(self) -> None:
        """Waits until it has killed itself."""
        assert self._process is not None  # noqa: S101  # started before
        while self._process.poll() is None:  # noqa: ASYNC110  # of a process there is no event
            await asyncio.sleep(0.02)

    def kill(self) -> None:
        """SIGKILL: no handler runs, nothing is handed back."""
        assert self._process is not None  # noqa: S101  # started before
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def redis(self) -> Redis:
        return Redis(unix_socket_path=str(self.folder / "redis" / "redis.sock"))

    def ran_since(self, moment: float) -> bool:
        """Whether a worker has taken, moved or finished a version since then."""
        return bool(
            self._ask(
                "SELECT count(*) FROM versions WHERE attempts > 0 AND updated_at > ? "
                "AND status != 'superseded'",
                moment,
            )
        )

    def claims(self) -> int:
        """How often a version was claimed, over all that there are."""
        return self._ask("SELECT coalesce(sum(fence), 0) FROM versions")

    def _ask(self, query: str, *values: float) -> int:
        file = f"file:{self.folder / 'cairn.sqlite'}?mode=ro"
        try:
            with closing(sqlite3.connect(file, uri=True)) as db:
                return int(db.execute(query, values).fetchone()[0])
        except sqlite3.OperationalError:
            return 0  # the first start has not made the database yet


class Feeder:
    """Keeps documents waiting: new ones, changed ones, and some that are deleted again."""

    def __init__(self, service: Service, documents: list[Given], chance: random.Random) -> None:
        self._service = service
        self._chance = chance
        self._new = iter(documents)
        self._texts = [one for one in documents if one.name.endswith(".md")]
        self._revisions = itertools.count(1)
        self._one_at_a_time = asyncio.Lock()
        self.told = Told()
        self.http = httpx.AsyncClient(base_url=service.url, timeout=20.0, trust_env=False)

    def start(self) -> None:
        """Begins to feed."""
        self._feeding = asyncio.create_task(self._feed())

    def check(self) -> None:
        """Raises what ended the feeding, if something did."""
        if self._feeding.done():
            self._feeding.result()

    async def stop(self) -> None:
        """Lets what is under way come to its end: what was sent must be known to be there or not."""
        self.check()
        async with self._one_at_a_time:
            self._feeding.cancel()

    async def _feed(self) -> None:
        while True:
            for _ in range(max(0, BACKLOG - await self.count())):
                await self.put(self._next())
            await asyncio.sleep(0.05)

    def _next(self) -> Given:
        """Now and then a new version of something: only that has an older one to clean up."""
        if self.told.documents and self._chance.random() < CHANGED:
            return self.changed()
        return next(self._new, None) or self.changed()

    async def count(self) -> int:
        """Documents that wait or are in work."""
        answer = await self._send("GET", "/v1/documents?limit=1")
        return sum(n for status, n in answer.json()["counts"].items() if status in PENDING)

    def changed(self) -> Given:
        """A document that was given before, with other words at its end."""
        there = [one for one in self._texts if one.name in self.told.documents]
        old = self._chance.choice(there or self._texts)
        return Given(old.name, old.data + f"\n\nRevision {next(self._revisions)}.\n".encode())

    async def listed(self) -> AsyncIterator[dict[str, Any]]:
        """Every document that the service has."""
        cursor: str | None = ""
        while cursor is not None:
            more = f"&cursor={quote(cursor)}" if cursor else ""
            page = (await self._send("GET", f"/v1/documents?limit=500{more}")).json()
            for document in page["items"]:
                yield document
            cursor = page["next"]

    async def put(self, given: Given) -> None:
        async with self._one_at_a_time:
            await self._put(given)

    async def _put(self, given: Given) -> None:
        answer = await self._send("PUT", _path(given.name), given.data)
        if answer.is_success:
            self.told.documents[given.name] = hashlib.sha256(given.data).hexdigest()
        else:
            self.told.refused[answer.status_code] += 1

    async def delete(self, name: str) -> None:
        async with self._one_at_a_time:
            answer = await self._send("GET", f"/v1/documents?name={quote(name, safe='')}")
            for document in answer.json()["items"]:
                if document["name"] == name:
                    await self._send("DELETE", f"/v1/documents/{document['id']}")
            self.told.documents.pop(name, None)

    async def _send(self, method: str, path: str, data: bytes | None = None) -> httpx.Response:
        """Until there is an answer that is not for the moment only."""
        self.told.requests += 1
        while True:
            with suppress(httpx.TransportError):
                answer = await self.http.request(method, path, content=data)
                if answer.status_code < 500:
                    return answer
                if answer.status_code != 503:
                    raise RuntimeError(f"{method} {path} was answered: {answer.text}")
            self.told.repeated += 1
            await asyncio.sleep(0.05)


class Harness:
    """Deals the blows."""

    def __init__(self, service: Service, feeder: Feeder, chance: random.Random) -> None:
        self._service = service
        self._feeder = feeder
        self._chance = chance
        self._following = ""

    async def deal(self, kinds: list[str]) -> list[Blow]:
        """One after the other, each when a job runs. Starts the service, and leaves it running."""
        blows: list[Blow] = []
        self._following = kinds[0]
        await self._restarted()
        for kind, self._following in itertools.pairwise([*kinds, ""]):
            blows.append(await self._one(kind))
            say(f"{len(blows)}/{len(kinds)}  {kind:<16}{blows[-1].recovery_s:6.1f} s")
        return blows

    async def _one(self, kind: str) -> Blow:
        if kind in POINTS:
            return await self._at_point(kind)
        if kind in REDIS:
            return await self._at_redis(kind)
        disturbed = asyncio.create_task(self._disturb(kind))
        await asyncio.sleep(self._chance.uniform(0.05, 1.0))
        self._service.kill()
        recovery_s = await self._restarted()
        await disturbed
        return Blow(kind, reached=True, recovery_s=recovery_s)

    async def _disturb(self, kind: str) -> None:
        """What is under way when the kill falls."""
        if kind == "during-upload":
            with suppress(httpx.TransportError):
                await self._feeder.http.put(_path(BROKEN_OFF), content=_slowly())
        if kind == "during-delete":
            names = sorted(self._feeder.told.documents)
            for name in self._chance.sample(names, min(3, len(names))):
                await self._feeder.delete(name)

    async def _at_point(self, point: str) -> Blow:
        if self._service.armed != point:
            self._service.kill()
            self._service.start(point)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._service.ended(), POINT_S)
        reached = not self._service.alive
        self._service.kill()
        return Blow(point, reached, await self._restarted())

    async def _at_redis(self, kind: str) -> Blow:
        began, claims = time.time(), self._service.claims()
        with closing(self._service.redis()) as redis:
            if kind == "redis-killed":
                server: Any = redis.info("server")
                os.kill(server["process_id"], signal.SIGKILL)
            else:
                redis.flushall()
        while self._service.claims() <= claims:
            self._give_up(began)
            await asyncio.sleep(0.02)
        return Blow(kind, reached=True, recovery_s=time.time() - began)

    async def _restarted(self) -> float:
        began = time.time()
        self._service.start(self._following if self._following in ARMED_BEFORE else "")
        return await self._ran(began)

    async def _ran(self, began: float) -> float:
        """Seconds until a job ran."""
        while not self._service.ran_since(began):
            self._give_up(began)
            await asyncio.sleep(0.02)
        return time.time() - began

    def _give_up(self, began: float) -> None:
        """Raises when the service does not come back, unless it may have killed itself already."""
        self._feeder.check()
        dead = not self._service.alive and not self._service.armed
        if dead or time.time() - began > STARTED_S:
            raise RuntimeError(f"The service did not come back; {self._service.log} says why.")


def say(line: str) -> None:
    """To standard output, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def _slowly() -> AsyncIterator[bytes]:
    for _ in range(200):
        yield b"A line of an upload that takes its time.\n" * 100
        await asyncio.sleep(0.01)


def _path(name: str) -> str:
    return f"/v1/documents/{quote(name)}"
