"""How fast Cairn embeds, against a plain `SentenceTransformer.encode` in fp32.

Both take turns, round by round, so that a busy machine slows both. Read the ratios rather than the
absolute figures. Run as `python -m evals.benchmarks.embed`; the last line is `ratio N.NN`: Cairn's
speed over the plain one's, on passages of mixed length.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from infra.embedders.check_texts import CHECK_TEXTS
from infra.embedders.checkpoint import DEFAULT_MODEL, folder_of
from infra.embedders.opening import open_embedder
from infra.embedders.tokenizer import clipped
from ingestion.chunk import Tokenizer
from retrieval.index import Vector

MIXED = "mixed"
LENGTHS: dict[str, tuple[int, int]] = {
    "64": (64, 64),
    "128": (128, 128),
    "256": (256, 256),
    MIXED: (36, 256),
}
"""Tokens per passage: least and most."""

QUESTIONS = 20

Embed = Callable[[Sequence[str]], Awaitable[Vector]]


@dataclass(frozen=True, slots=True)
class Timing:
    """One engine in one round: seconds for all passages, or for each question."""

    engine: str
    task: str
    seconds: float


def main() -> None:
    """Measures and prints."""
    asked = argparse.ArgumentParser(prog="evals.benchmarks.embed", description=__doc__)
    asked.add_argument("--embedder", default="auto:", help="what is measured, as in CAIRN_EMBEDDER")
    asked.add_argument("--models", type=Path, default=Path("data/models"), help="exported models")
    asked.add_argument("--rounds", type=int, default=5)
    asked.add_argument("--passages", type=int, default=64, help="of each length, in each round")
    arguments = asked.parse_args()
    report = asyncio.run(
        measured(arguments.embedder, arguments.models, arguments.rounds, arguments.passages)
    )
    sys.stdout.write(report + "\n")


async def measured(url: str, models: Path, rounds: int, passages: int) -> str:
    """The table, and the ratio on its last line."""
    plain = await asyncio.to_thread(_plain)
    async with open_embedder(url, models, _say) as opened:
        engines: dict[str, Embed] = {"plain": plain, "cairn": opened.embedder.embed_passages}
        tasks = {name: _passages(opened.tokenizer, *LENGTHS[name], passages) for name in LENGTHS}
        for embed in engines.values():
            await embed(tasks[MIXED][:8])
        timings = [
            timing
            for _ in range(rounds)
            for task, texts in tasks.items()
            for engine, embed in engines.items()
            for timing in await _timed(engine, task, embed, texts)
        ]
        agreement = await _agreement(plain, opened.embedder.embed_passages)
        return _table(opened.embedder.identity.name, timings, passages, agreement)


def _plain() -> Embed:
    """As most people embed: the class, its method, its defaults."""
    from sentence_transformers import SentenceTransformer

    model: Any = SentenceTransformer(str(folder_of(DEFAULT_MODEL)), device="cpu")

    async def embed(texts: Sequence[str]) -> Vector:
        vectors: Vector = await asyncio.to_thread(
            model.encode, list(texts), show_progress_bar=False
        )
        return vectors

    return embed


def _passages(tokenizer: Tokenizer, least: int, most: int, count: int) -> list[str]:
    """Sentences of the check texts in an order of chance, cut to length; the same in every run."""
    chance = random.Random(7)  # noqa: S311 - not for secrets
    lengths = np.linspace(least, most, count).round().astype(int).tolist()
    chance.shuffle(lengths)
    return [
        clipped(" ".join(chance.sample(CHECK_TEXTS, len(CHECK_TEXTS))), tokenizer, length)
        for length in lengths
    ]


async def _timed(engine: str, task: str, embed: Embed, texts: list[str]) -> list[Timing]:
    started = time.perf_counter()
    await embed(texts)
    timings = [Timing(engine, task, time.perf_counter() - started)]
    if task == MIXED:
        for text in CHECK_TEXTS[:QUESTIONS]:
            started = time.perf_counter()
            await embed([text[:60]])
            timings.append(Timing(engine, "question", time.perf_counter() - started))
    return timings


async def _agreement(plain: Embed, cairn: Embed) -> Vector:
    """Cosine per check text."""
    cosines: Vector = np.sum(await plain(CHECK_TEXTS) * await cairn(CHECK_TEXTS), axis=1)
    return cosines


def _table(name: str, timings: list[Timing], passages: int, agreement: Vector) -> str:
    def typical(engine: str, task: str) -> float:
        return median(t.seconds for t in timings if (t.engine, t.task) == (engine, task))

    def ratio(task: str) -> float:
        """Of the rounds' ratios, so that a slow spell counts once."""
        pairs = zip(
            (t.seconds for t in timings if (t.engine, t.task) == ("plain", task)),
            (t.seconds for t in timings if (t.engine, t.task) == ("cairn", task)),
            strict=True,
        )
        return median(plain / cairn for plain, cairn in pairs)

    lines = [f"{name} against SentenceTransformer.encode, fp32", ""]
    lines.append(f"{'':24}{'plain':>10}{'cairn':>10}{'ratio':>8}")
    for task in LENGTHS:
        plain, cairn = (passages / typical(engine, task) for engine in ("plain", "cairn"))
        lines.append(
            f"{task + ' tokens, passages/s':24}{plain:10.1f}{cairn:10.1f}{ratio(task):8.2f}"
        )
    plain, cairn = (1000 * typical(engine, "question") for engine in ("plain", "cairn"))
    lines.append(f"{'question, ms p50':24}{plain:10.1f}{cairn:10.1f}{ratio('question'):8.2f}")
    lines.append(f"cosine: mean {agreement.mean():.4f}, least {agreement.min():.4f}")
    return "\n".join([*lines, f"ratio {ratio(MIXED):.2f}"])


def _say(words: str) -> None:
    sys.stdout.write(words + "\n")


if __name__ == "__main__":
    main()
