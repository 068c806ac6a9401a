"""Killing the service at every moment of its work, and counting what is lost: nothing.

A service on an empty data folder is given documents without a pause, and is killed, again and again:
at random moments, at each named point of ingestion, during an upload and a deletion; its Redis is
killed and emptied. Afterwards records, index and files must agree, every upload that was accepted
must be ready or failed with a reason, and every document must be as it was last uploaded. Run as
`python -m evals.benchmarks.chaos --data FOLDER`; the exit code is 0 when all of that holds.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import gzip
import hashlib
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import quantiles

from evals.benchmarks.killing import REDIS, ROOT, ROUND, Blow, Feeder, Given, Harness, Service, say

FILE_LIMIT_BYTES = 300_000
SETTLE_S = 300.0


async def verdict(feeder: Feeder) -> tuple[Counter[str], list[str]]:
    """How the documents ended, and in words what is not as it should be."""
    wrong = []
    deadline = time.monotonic() + SETTLE_S
    while await feeder.count() and time.monotonic() < deadline:  # noqa: ASYNC110  # over HTTP
        await asyncio.sleep(0.2)
    ends: Counter[str] = Counter()
    there = {document["name"]: document async for document in feeder.listed()}
    told = feeder.told.documents
    wrong += [f"{name!r} was accepted and is gone" for name in told.keys() - there.keys()]
    wrong += [f"{name!r} was never accepted, or deleted" for name in there.keys() - told.keys()]
    for name in told.keys() & there.keys():
        document = there[name]
        failure = document["failure"] or {}
        ends[f"failed: {failure.get('kind')}" if failure else document["status"]] += 1
        if document["status"] != "ready" and not failure.get("reason"):
            wrong.append(f"{name!r} is {document['status']} without a reason")
        original = await feeder.http.get(f"/v1/documents/{document['id']}/original")
        if hashlib.sha256(original.content).hexdigest() != told[name]:
            wrong.append(f"{name!r} has other bytes than were last accepted")
    return ends, wrong


async def checked(service: Service) -> tuple[int, str]:
    """`cairn check`: its exit code and what it says."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app.cli", "check"),
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if not k.startswith("CAIRN_")}
        | {"CAIRN_URL": service.url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode().strip()


def documents_of(data: Path, number: int, chance: random.Random) -> list[Given]:
    """A fifth of many formats, the rest pages of technical documentation; in a random order."""
    formats = data / "doc-formats"
    with (formats / "manifest.csv").open(encoding="utf-8", newline="") as manifest:
        paths = [
            formats / row["path"]
            for row in csv.DictReader(manifest)
            if int(row["bytes"]) < FILE_LIMIT_BYTES
        ]
    files = [path for path in sorted(paths) if path.is_file()]
    with gzip.open(data / "aws-docs-small" / "corpus.jsonl.gz", "rt", encoding="utf-8") as lines:
        pages = [json.loads(line) for line in lines]
    chosen = chance.sample(files, min(len(files), number // 5))
    given = [Given(f"formats/{path.name}", path.read_bytes()) for path in chosen]
    for page in chance.sample(pages, number - len(given)):
        given.append(Given(page["_id"].removesuffix(".md") + ".md", page["text"].encode()))
    chance.shuffle(given)
    return given


def rounds(kills: int, chance: random.Random) -> list[str]:
    """Kinds of blows, each round in another order, so that all come about equally often."""
    kinds: list[str] = []
    while len(kinds) < kills:
        kinds += chance.sample(ROUND, len(ROUND))
    return kinds[:kills]


def table(blows: list[Blow]) -> Iterator[str]:
    """Recovery times by kind, in seconds."""
    yield f"{'blow':<18}{'times':>6}{'reached':>9}{'p50':>7}{'p95':>7}{'most':>7}"
    restarts = [blow for blow in blows if blow.kind not in REDIS]
    kinds = {kind: [blow for blow in blows if blow.kind == kind] for kind in dict.fromkeys(ROUND)}
    for kind, these in [*kinds.items(), ("all restarts", restarts)]:
        if these:
            times = sorted(blow.recovery_s for blow in these)
            reached = sum(blow.reached for blow in these)
            yield (
                f"{kind:<18}{len(these):>6}{reached:>9}{_quantile(times, 50):>7.1f}"
                f"{_quantile(times, 95):>7.1f}{times[-1]:>7.1f}"
            )


async def measured(arguments: argparse.Namespace, folder: Path) -> int:
    """Does it all; the exit code."""
    chance = random.Random(arguments.seed)  # noqa: S311  # to be repeatable
    arguments.models.mkdir(parents=True, exist_ok=True)
    (folder / "models").symlink_to(arguments.models.absolute())
    service = Service(folder, folder / "service.log")
    feeder = Feeder(service, documents_of(arguments.data, arguments.documents, chance), chance)
    feeder.start()
    began = time.monotonic()
    try:
        blows = await Harness(service, feeder, chance).deal(rounds(arguments.kills, chance))
        await feeder.stop()
        ends, wrong = await verdict(feeder)
        code, said = await checked(service)
    finally:
        service.kill()
    told = feeder.told
    for line in table(blows):
        say(line)
    say(f"{told.requests} requests, {told.repeated} sent again; refused {dict(told.refused)}")
    say(f"{len(told.documents)} documents: {dict(ends)}; {time.monotonic() - began:.0f} s in all")
    for words in wrong:
        say(f"wrong: {words}")
    say(said)
    return 1 if wrong or code else 0


def main() -> None:
    """Kills, prints, and exits with 0 when nothing is lost."""
    asked = argparse.ArgumentParser(prog="evals.benchmarks.chaos", description=__doc__)
    asked.add_argument("--data", type=Path, required=True, help="the folder of data sets")
    asked.add_argument("--kills", type=int, default=100)
    asked.add_argument("--documents", type=int, default=300)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--models", type=Path, default=Path("data/models"), help="exported models")
    arguments = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as folder:
        sys.exit(asyncio.run(measured(arguments, Path(folder))))


def _quantile(times: list[float], percent: int) -> float:
    return quantiles(times, n=100, method="inclusive")[percent - 1] if len(times) > 1 else times[0]


if __name__ == "__main__":
    main()
