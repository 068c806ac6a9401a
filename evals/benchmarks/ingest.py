"""How fast `cairn ingest` makes a folder searchable, against a plain LlamaIndex script.

Both take turns, round by round, on the same folder and with the same embedding model, so that a busy
machine slows both: read the ratio rather than the absolute figures. What the plain script does and
leaves out is said in `evals.benchmarks.plain`; Cairn also checks, stores and traces every file,
reads it in a process of its own, indexes it for words too, and serves meanwhile. Run as
`python -m evals.benchmarks.ingest --data FOLDER`; the last line is `ratio N.NN`, of the wall times.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from evals.benchmarks.giant import GIANT, beside_small_ones
from evals.benchmarks.retrieval import aws_docs
from evals.benchmarks.watched import read_seen
from infra.embedders.check_texts import CHECK_TEXTS

START_S = 180.0
IDLE_S = 3.0
WARM = "warm.txt"
STAGES = ("parsing", "chunking", "embedding", "indexing")


@dataclass(frozen=True, slots=True)
class Took:
    """One ingestion of a folder through the product."""

    seconds: float
    documents: list[dict[str, Any]]
    """As the service lists them afterwards."""
    lag_ms: tuple[float, float]
    """99th percentile and worst lateness of the service's event loop."""
    idle_ms: tuple[float, float]
    """The same while the service had nothing to do: what others on this machine cause."""
    busy: float
    """The share of the time in which the model had work."""
    peak_mb: float
    """Of the service's process."""

    @property
    def ready(self) -> list[dict[str, Any]]:
        return [document for document in self.documents if document["status"] == "ready"]

    def total(self, field: str) -> int:
        return sum(document[field] or 0 for document in self.ready)

    def stage_seconds(self) -> Mapping[str, float]:
        stages: Counter[str] = Counter()
        for document in self.ready:
            for stage in document["timeline"]:
                stages[stage["stage"]] += stage["seconds"]
        return stages


def write_pages(data: Path, folder: Path, documents: int) -> None:
    """Pages of product documentation, evenly chosen, each a Markdown file."""
    pages = sorted(aws_docs(data / "aws-docs-small").documents.items())
    step = max(1, len(pages) // documents) if documents else 1
    for name, text in pages[::step][: documents or None]:
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)


def write_pdfs(data: Path, folder: Path, _documents: int) -> None:
    """The PDF files among the documents of several formats; some cannot be read, and shall not."""
    for place in (data / "doc-formats").rglob("*.pdf"):
        shutil.copy(place, folder / f"{place.parent.parent.name}-{place.name}")


WRITERS: Mapping[str, Callable[[Path, Path, int], None]] = {
    "pages": write_pages,
    "pdfs": write_pdfs,
    GIANT: beside_small_ones,
}


def through_cairn(folder: Path, models: Path) -> Took:
    """The very command that people use, on a service that was started for it."""
    with tempfile.TemporaryDirectory(prefix="cairn-bench-") as data:
        (Path(data) / "models").symlink_to(models)
        seen_in = Path(data) / "seen.json"
        with _service(Path(data), seen_in) as (process, url):
            _warm(url)
            warm = time.time()
            time.sleep(IDLE_S)
            began = time.time()
            command = [sys.executable, "-m", "app.cli", "ingest", str(folder)]
            environment = {**os.environ, "CAIRN_URL": url}
            subprocess.run(command, env=environment, check=False, capture_output=True)
            ended = time.time()
            documents = list(_listed(url))
            peak_mb = _peak_mb(process.pid)
        seen = read_seen(seen_in)
    return Took(
        seconds=ended - began,
        documents=documents,
        lag_ms=seen.lateness_ms(began, ended),
        idle_ms=seen.lateness_ms(warm, began),
        busy=seen.busy_share(began, ended),
        peak_mb=peak_mb,
    )


def plainly(folder: Path) -> dict[str, float]:
    """Seconds, files and chunks of the plain script."""
    command = [sys.executable, "-m", "evals.benchmarks.plain", str(folder)]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return found


@contextmanager
def _service(data: Path, seen_in: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    port = 20_000 + os.getpid() % 10_000
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CAIRN_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "evals.benchmarks.watched", str(seen_in)],
        env={**kept, "CAIRN_DATA": str(data), "CAIRN_PORT": str(port)},
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _until_ready(process, url)
        yield process, url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _until_ready(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/readyz", trust_env=False).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise TimeoutError("the service does not start")


def _warm(url: str) -> None:
    """A document that is not counted: the plain script too has everything loaded at its start."""
    text = " ".join(CHECK_TEXTS).encode()
    address = httpx.put(f"{url}/v1/documents/{WARM}", content=text, trust_env=False).headers
    place = f"{url}{address['Location']}"
    while httpx.get(place, trust_env=False).json()["status"] not in {"ready", "failed"}:
        time.sleep(0.1)


def _listed(url: str) -> Iterator[dict[str, Any]]:
    cursor = None
    while True:
        params = {"limit": 500} | ({"cursor": cursor} if cursor else {})
        page = httpx.get(f"{url}/v1/documents", params=params, trust_env=False, timeout=30).json()
        yield from (item for item in page["items"] if item["name"] != WARM)
        if not (cursor := page["next"]):
            return


def _peak_mb(pid: int) -> float:
    """The most memory that the process ever had; 0 where the kernel does not tell."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return 0.0
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def measure(name: str, data: Path, documents: int, rounds: int, models: Path) -> float:
    """Prints a table's rows; answers the ratio."""
    with tempfile.TemporaryDirectory(prefix="cairn-bench-") as made:
        folder = Path(made)
        WRITERS[name](data, folder, documents)
        megabytes = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) / 1e6
        ratios: list[float] = []
        for _ in range(rounds):
            plain = plainly(folder)
            took = through_cairn(folder, models)
            ratios.append(plain["seconds"] / took.seconds)
            _show(name, took, plain, megabytes)
            if name == GIANT:
                print(_waits(took))
    return median(ratios)


def _show(name: str, took: Took, plain: Mapping[str, float], megabytes: float) -> None:
    ready, chunks, seconds = len(took.ready), took.total("chunks"), took.seconds
    stages = " / ".join(f"{took.stage_seconds()[stage]:.1f}" for stage in STAGES)
    print(
        f"| {name} | {ready} of {len(took.documents)} | {took.total('pages')} | {chunks:,} | "
        f"{seconds:.1f} | {ready / seconds:.1f} | {megabytes / seconds:.2f} | "
        f"{chunks / seconds:.1f} | {stages} | {took.busy:.0%} | "
        f"{took.lag_ms[0]:.0f} / {took.lag_ms[1]:.0f} | "
        f"{took.idle_ms[0]:.0f} / {took.idle_ms[1]:.0f} | {took.peak_mb:,.0f} | "
        f"{plain['seconds']:.1f} ({plain['chunks']:,.0f}) | {plain['seconds'] / seconds:.2f} |",
        flush=True,
    )


def _waits(took: Took) -> str:
    begun = min(_time(one["created_at"]) for one in took.ready)
    ready = sorted((_time(one["updated_at"]) - begun, one["name"]) for one in took.ready)
    small = [seconds for seconds, name in ready if not name.endswith(".pdf")]
    giant = next(seconds for seconds, name in ready if name.endswith(".pdf"))
    return (
        f"\nOf {len(small)} small files the first was ready after {small[0]:.1f} s, half after "
        f"{median(small):.1f} s, the last after {small[-1]:.1f} s, the giant after {giant:.1f} s.\n"
    )


def _time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def main() -> None:
    """Prints a table; the last line is the headline."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder of data sets")
    parser.add_argument("--sets", nargs="*", choices=[*WRITERS], default=["pages", "pdfs"])
    parser.add_argument("--documents", type=int, default=300, help="of the pages; 0: all 2,757")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--models", type=Path, default=Path("data/models"), help="exported models")
    given = parser.parse_args()
    given.models.mkdir(parents=True, exist_ok=True)
    load = os.getloadavg()[0]
    print(
        f"{len(os.sched_getaffinity(0))} cores, of others' making at the start: load {load:.1f}\n"
    )
    print(
        "| data | ready | pages | chunks | wall s | documents/s | MB/s | chunks/s | "
        "parse / chunk / embed / index s, of all documents | model at work | "
        "loop late ms p99 / worst | when idle | peak MB | plain script s (chunks) | ratio |"
    )
    print("|---" * 15 + "|")
    ratios = [
        measure(name, given.data, given.documents, given.rounds, given.models.absolute())
        for name in given.sets
    ]
    print(f"ratio {median(ratios):.2f}")


if __name__ == "__main__":
    main()
