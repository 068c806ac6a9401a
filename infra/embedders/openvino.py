"""Embeddings by OpenVINO on the processor: int8 weights, activations quantized as they come."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from infra.embedders.checkpoint import Checkpoint
from infra.embedders.lanes import Lanes, Urgency, open_lanes
from retrieval.index import EmbedderIdentity, EmbedderUnavailable, Vector

MODEL_FILE = "model.xml"
TOKENIZER_FILE = "tokenizer.json"

PRECISION = "openvino-int8"

BATCH_TOKENS = 512
"""Padding included. 256 is as fast on long passages and 1,024 on short ones; a question waits for
at most one batch, some 50 ms."""

PAD_TO = 8
"""Lengths are padded to multiples of this, so that few shapes are compiled and kept."""

SHORT_CHARACTERS = 2_000
"""Up to this length a text is tokenized at once, in less time than handing it to a thread."""

TokenIds = list[int]


class OpenVinoEmbedder:
    """The exported model on all cores. A question goes before the passages that wait."""

    def __init__(
        self, checkpoint: Checkpoint, runner: Runner, lanes: Lanes[Sequence[TokenIds], Vector]
    ) -> None:
        self._checkpoint = checkpoint
        self._runner = runner
        self._lanes = lanes
        self.identity = EmbedderIdentity(
            f"{checkpoint.name}/{PRECISION}", checkpoint.dimension, checkpoint.window_tokens
        )

    async def embed_passages(self, texts: Sequence[str]) -> Vector:
        """Shape (len(texts), dimension), rows of unit length, in the order given."""
        prefixed = [self._checkpoint.passage_prefix + text for text in texts]
        ids = await self._token_ids(prefixed)
        batches = list(_batches(ids))
        vectors = np.empty((len(texts), self.identity.dimension), dtype=np.float32)
        jobs = [[ids[place] for place in batch] for batch in batches]
        with _translated():
            found = await self._lanes.run_all(jobs, Urgency.PASSAGE)
        for batch, rows in zip(batches, found, strict=True):
            vectors[batch] = rows
        return vectors

    async def embed_question(self, text: str) -> Vector:
        """Shape (dimension,), unit length. Waits for at most one batch of passages."""
        prefixed = self._checkpoint.question_prefix + text
        ids = await self._token_ids([prefixed])
        with _translated():
            rows = await self._lanes.run(ids, Urgency.QUESTION)
        vector: Vector = rows[0]
        return vector

    async def _token_ids(self, texts: Sequence[str]) -> list[TokenIds]:
        if sum(map(len, texts)) <= SHORT_CHARACTERS:
            return self._runner.token_ids(texts)
        return await asyncio.to_thread(self._runner.token_ids, texts)


@asynccontextmanager
async def open_openvino(
    folder: Path, checkpoint: Checkpoint, streams: int | None = None
) -> AsyncIterator[OpenVinoEmbedder]:
    """Serves the artefact in the folder, by default with one stream per core this process has."""
    streams = streams or len(os.sched_getaffinity(0))
    with _translated():
        runner = await asyncio.to_thread(open_runner, folder, checkpoint.window_tokens, streams)
    workers = [partial(runner.infer, request=runner.new_request()) for _ in range(streams)]
    with open_lanes(workers, JoinedBatches()) as lanes:
        yield OpenVinoEmbedder(checkpoint, runner, lanes)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # what OpenVINO raises, whatever it is
        raise EmbedderUnavailable(f"OpenVINO could not compute the embedding: {error}") from error


def _batches(ids: Sequence[TokenIds]) -> Iterator[list[int]]:
    """Places in `ids`, texts of like length together, longest first."""
    batch: list[int] = []
    for place in sorted(range(len(ids)), key=lambda place: -len(ids[place])):
        if batch and (len(batch) + 1) * len(ids[batch[0]]) > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


class JoinedBatches:
    """What small documents bring fills batches together: a passage of 25 tokens alone takes 1.7
    times as long as one of many, one of 100 takes 1.2 times."""

    def fits(self, jobs: Sequence[Sequence[TokenIds]], another: Sequence[TokenIds]) -> bool:
        rows = [tokens for job in (*jobs, another) for tokens in job]
        return len(rows) * max(map(len, rows)) <= BATCH_TOKENS

    def joined(self, jobs: Sequence[Sequence[TokenIds]]) -> Sequence[TokenIds]:
        return [tokens for job in jobs for tokens in job]

    def parted(self, result: Vector, jobs: Sequence[Sequence[TokenIds]]) -> Sequence[Vector]:
        ends = np.cumsum([len(job) for job in jobs])[:-1]
        return np.split(result, ends)


@dataclass(frozen=True, slots=True)
class Runner:
    """A compiled model with its tokenizer."""

    tokenizer: Any
    compiled: Any

    def token_ids(self, texts: Sequence[str]) -> list[TokenIds]:
        """Special tokens included, cut at the model's window."""
        return [encoding.ids for encoding in self.tokenizer.encode_batch_fast(list(texts))]

    def new_request(self) -> Any:
        """For one thread at a time; as many run at once as there are streams."""
        return self.compiled.create_infer_request()

    def infer(self, batch: Sequence[TokenIds], request: Any) -> Vector:
        """Shape (len(batch), dimension), rows of unit length."""
        longest = -(-max(map(len, batch)) // PAD_TO) * PAD_TO
        ids = np.zeros((len(batch), longest), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, tokens in enumerate(batch):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        found = request.infer({"input_ids": ids, "attention_mask": mask}, share_inputs=True)
        vectors: Vector = np.array(found[0], dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors


def open_runner(folder: Path, window_tokens: int, streams: int) -> Runner:
    """Loads and compiles, in about half a second. Blocks, so call it in a thread."""
    import openvino
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
    tokenizer.enable_truncation(window_tokens)
    tokenizer.no_padding()
    core = openvino.Core()
    bf16 = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    settings = {
        "PERFORMANCE_HINT": "THROUGHPUT",
        "NUM_STREAMS": streams,
        "INFERENCE_NUM_THREADS": streams,
        # Said outright: left to itself OpenVINO chooses by processor.
        "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": "128",
        # Pinned, two processes would compute on the same core, at half the speed.
        "ENABLE_CPU_PINNING": False,
    }
    runner = Runner(tokenizer, core.compile_model(folder / MODEL_FILE, "CPU", settings))
    # Once before there are threads: the first inference fills static tables in OpenVINO's bindings,
    # and of two threads that come at once one waits for the table with the GIL that the other needs
    # to fill it. The whole process then stands still (13 of 25 times, with eager thread switches).
    runner.infer(runner.token_ids(["first"]), runner.new_request())
    return runner
