"""Retrieval quality through the product: a corpus by `cairn ingest`, questions through the API.

nDCG@10 and recall@10 by document (Järvelin and Kekäläinen 2002, binary gains), with a bootstrap
interval over the questions.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.client import Service, open_service

DEPTH = 10
PASSAGES = 50
"""Asked for per question, since several passages may come from one document."""
RESAMPLES = 2000
AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class DataSet:
    """Documents by file name, questions, and which documents answer each."""

    title: str
    documents: Mapping[str, str]
    questions: Mapping[str, str]
    relevant: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Scored:
    """One question's figures."""

    ndcg: float
    recall: float
    seconds: float


def scifact(folder: Path) -> DataSet:
    """BEIR SciFact, test split."""
    relevant: dict[str, set[str]] = {}
    for line in (folder / "qrels" / "test.tsv").read_text().splitlines()[1:]:
        question, document, score = line.split("\t")
        if int(score) > 0:
            relevant.setdefault(question, set()).add(f"{document}.md")
    texts = {row["_id"]: row["text"] for row in _rows(folder / "queries.jsonl")}
    return DataSet(
        "SciFact test",
        {
            f"{r['_id']}.md": f"# {r['title']}\n\n{r['text']}\n"
            for r in _rows(folder / "corpus.jsonl.gz")
        },
        {key: texts[key] for key in relevant},
        {key: frozenset(names) for key, names in relevant.items()},
    )


def aws_docs(folder: Path) -> DataSet:
    """Pages of product documentation and customers' questions."""
    asked = list(_rows(folder / "qa_dev.jsonl"))
    return DataSet(
        "aws-docs-small",
        {row["_id"]: row["text"] for row in _rows(folder / "corpus.jsonl.gz")},
        {row["_id"]: row["question"] for row in asked},
        {row["_id"]: frozenset({row["doc"]}) for row in asked},
    )


SETS: Mapping[str, Callable[[Path], DataSet]] = {"scifact": scifact, "aws-docs-small": aws_docs}


def ndcg(ranked: Sequence[str], relevant: frozenset[str], depth: int = DEPTH) -> float:
    """Discounted cumulative gain of the first `depth`, over that of a perfect ranking."""
    gain = sum(1 / math.log2(i + 2) for i, name in enumerate(ranked[:depth]) if name in relevant)
    best = sum(1 / math.log2(i + 2) for i in range(min(depth, len(relevant))))
    return gain / best


def recall(ranked: Sequence[str], relevant: frozenset[str], depth: int = DEPTH) -> float:
    """The share of the relevant that stand among the first `depth`."""
    return len(relevant.intersection(ranked[:depth])) / len(relevant)


def interval(values: Sequence[float]) -> tuple[float, float]:
    """95 % percentile bootstrap of the mean (Efron 1979), with a fixed seed."""
    rows = np.asarray(values)
    picks = np.random.default_rng(0).integers(0, len(rows), (RESAMPLES, len(rows)))
    low, high = np.percentile(rows[picks].mean(axis=1), (2.5, 97.5))
    return float(low), float(high)


async def measure(data_set: DataSet) -> tuple[list[Scored], float, int]:
    """The figures of every question, the seconds of the ingestion, the chunks it made."""
    with tempfile.TemporaryDirectory() as folder:
        _write(data_set.documents, Path(folder))
        async with open_service(lambda _: None) as service:
            began = time.perf_counter()
            await _ingest(Path(folder), service.url)
            ingested_s = time.perf_counter() - began
            places = asyncio.Semaphore(AT_ONCE)

            async def one(key: str) -> Scored:
                async with places:
                    return await _score(service, data_set, key)

            scored = list(await asyncio.gather(*map(one, data_set.questions)))
            index = next(p for p in await service.call("GET", "/v1/doctor") if p["port"] == "index")
            chunks = int(index["detail"].rpartition(", ")[2].split()[0].replace(",", ""))
        return scored, ingested_s, chunks


async def _ingest(folder: Path, url: str) -> None:
    """The very command that people use."""
    command = [sys.executable, "-m", "app.cli", "ingest", str(folder)]
    process = await asyncio.create_subprocess_exec(*command, env={**os.environ, "CAIRN_URL": url})
    if await process.wait():
        raise subprocess.CalledProcessError(process.returncode or 1, command)


async def _score(service: Service, data_set: DataSet, key: str) -> Scored:
    body = {"question": data_set.questions[key], "options": {"sources": PASSAGES}}
    began = time.perf_counter()
    answer: dict[str, Any] = await service.call("POST", "/v1/ask", json=body)
    seconds = time.perf_counter() - began
    ranked = list(dict.fromkeys(source["name"] for source in answer["sources"]))
    relevant = data_set.relevant[key]
    return Scored(ndcg(ranked, relevant), recall(ranked, relevant), seconds)


def _write(documents: Mapping[str, str], folder: Path) -> None:
    for name, text in documents.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        yield from map(json.loads, lines)


def _show(title: str, scored: Sequence[Scored], ingested_s: float, chunks: int) -> float:
    ndcgs, recalls = [one.ndcg for one in scored], [one.recall for one in scored]
    low, high = interval(ndcgs)
    p50, p95 = np.percentile([one.seconds * 1e3 for one in scored], (50, 95))
    mean = float(np.mean(ndcgs))
    print(
        f"| {title} | {len(scored)} | {mean:.4f} [{low:.3f}, {high:.3f}] | {np.mean(recalls):.4f} | "
        f"{chunks:,} | {ingested_s:.0f} | {p50:.0f} / {p95:.0f} |",
        flush=True,
    )
    return mean


def main() -> None:
    """Prints a table; the last line is the headline."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder of data sets")
    parser.add_argument("--sets", nargs="*", choices=[*SETS], default=[*SETS])
    given = parser.parse_args()
    print(
        "| data | questions | nDCG@10 [95 %] | recall@10 | chunks | ingest s | ask ms p50 / p95 |"
    )
    print("|---|---|---|---|---|---|---|")
    means = {}
    for name in given.sets:
        if not (given.data / name).is_dir():
            print(f"{given.data / name} is not there: skipped", file=sys.stderr)
            continue
        data_set = SETS[name](given.data / name)
        with tempfile.TemporaryDirectory(prefix="cairn-bench-") as data:
            os.environ["CAIRN_DATA"] = data
            os.environ.pop("CAIRN_URL", None)
            means[name] = _show(data_set.title, *asyncio.run(measure(data_set)))
    print("nDCG@10 " + ", ".join(f"{name} {mean:.3f}" for name, mean in means.items()))


if __name__ == "__main__":
    main()
