"""A run: every case of a suite asked of a service, a few at a time, and every reply scored."""

from __future__ import annotations

import asyncio
import hashlib
import json
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from app.client import Service
from evals.asking import Asker, Patience
from evals.cases import Case, Suite
from evals.journal import Journal
from evals.result import Asked, Identity, Result, Row
from evals.scorers import scored, unscored

Done = Callable[[], None]
"""Called for each case that is done."""
PAGE = 100


class Moved(Exception):
    """The release or the documents changed while they were measured, so nothing was measured."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How a run goes about it."""

    at_once: int = 2
    """Questions asked at a time. More are faster in all, and each is slower."""
    patience: Patience = field(default_factory=Patience)
    journal: Path | None = None
    """Where answers are kept until the run is complete; None: nowhere."""


async def run(
    service: Service, suite: Suite, pace: Pace | None = None, done: Done = lambda: None
) -> Result:
    """Raises `Moved`, and `Failed` where the service cannot say what it is.

    What goes wrong with a case is in its row.
    """
    pace = pace or Pace()
    started_at = datetime.now(UTC)
    me = await service.call("GET", "/v1/me")
    identity = await identify(service)
    journal = _journal(pace, suite, identity)
    known = journal.answered() if journal else {}
    asker = Asker(service.http, identity.release, pace.patience)
    work = _Work(asker, frozenset(me["groups"]), known, journal, asyncio.Semaphore(pace.at_once))
    rows = await asyncio.gather(*(work.row(case, done) for case in suite.cases))
    if (now := await identify(service)) != identity:
        raise Moved(_moved(identity, now))
    if journal:
        journal.close()
    return Result(
        suite=suite.name,
        suite_version=suite.version,
        identity=identity,
        versions=_versions(str(me["version"])),
        started_at=started_at,
        finished_at=datetime.now(UTC),
        reused=sum(case.id in known for case in suite.cases),
        rows=tuple(rows),
    )


async def identify(service: Service) -> Identity:
    """What answers now. Raises `Failed`."""
    me = await service.call("GET", "/v1/me")
    documents = await _documents(service)
    kept = sorted(map(_content, documents))
    digest = hashlib.sha256(json.dumps(kept).encode()).hexdigest()
    return Identity(
        release=me["release"],
        model=me["model"],
        index=f"idx_{digest[:12]}",
        documents=len(kept),
    )


async def rescored(result: Result) -> Result:
    """The same replies with the scores of today's scorers."""
    rows = [await _scored(row.case, row.asked) for row in result.rows]
    return result.model_copy(update={"rows": tuple(rows)})


@dataclass(frozen=True, slots=True)
class _Work:
    asker: Asker
    groups: frozenset[str]
    known: Mapping[str, Asked]
    journal: Journal | None
    places: asyncio.Semaphore

    async def row(self, case: Case, done: Done) -> Row:
        async with self.places:
            row = await _scored(case, await self._asked(case))
        done()
        return row

    async def _asked(self, case: Case) -> Asked:
        if case.id in self.known:
            return self.known[case.id]
        if missing := sorted(set(case.groups) - self.groups):
            words = f"the key is no member of {', '.join(missing)}, as the case has it"
            return Asked(error=words, attempts=0, asked_at=datetime.now(UTC))
        asked = await self.asker.ask(case)
        if self.journal:
            self.journal.add(case.id, asked)
        return asked


async def _scored(case: Case, asked: Asked) -> Row:
    if asked.reply is None:
        return Row(case=case, asked=asked, scores=unscored(asked.error))
    found = await scored(case, asked.reply)
    return Row(case=case, asked=asked, scores=found.scores, errors=found.errors)


async def _documents(service: Service) -> list[dict[str, Any]]:
    """All that answer questions."""
    found: list[dict[str, Any]] = []
    query: dict[str, Any] = {"limit": PAGE}
    while True:
        page = await service.call("GET", "/v1/documents", params=query)
        found += [one for one in page["items"] if one["live_version"] is not None]
        if page["next"] is None:
            return found
        query["cursor"] = page["next"]


def _content(document: dict[str, Any]) -> tuple[str, str, int, int]:
    """What is the same wherever the same documents were read alike: name, bytes, number of chunks.

    `sha256` is of the newest version. Where an older one is live, its number tells them apart.
    """
    live, newest = document["live_version"], document["version"]
    older = 0 if live == newest else live
    return document["name"], document["sha256"], document["chunks"] or 0, older


def _journal(pace: Pace, suite: Suite, identity: Identity) -> Journal | None:
    if pace.journal is None:
        return None
    return Journal(pace.journal, suite.version, identity.release, identity.index)


def _versions(service: str) -> dict[str, str]:
    return {"service": service, "cairn": version("cairn"), "python": platform.python_version()}


def _moved(before: Identity, after: Identity) -> str:
    return (
        f"While it was measured, {before.release} on {before.index} ({before.documents} documents) "
        f"became {after.release} on {after.index} ({after.documents} documents). Run it again when "
        "nothing is ingested and no release is activated."
    )
