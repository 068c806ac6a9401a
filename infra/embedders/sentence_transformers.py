"""Embeddings by sentence-transformers: any of its models, on a GPU or the processor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from infra.embedders.checkpoint import PACKAGED, folder_of
from infra.embedders.lanes import Lanes, Urgency, open_lanes
from infra.embedders.tokenizer import EstimatingTokenizer, FileTokenizer
from ingestion.chunk import Tokenizer
from retrieval.index import EmbedderIdentity, EmbedderUnavailable, Vector

DTYPES = {"fp32": "float32", "bf16": "bfloat16"}

SLICE = {"cpu": 8, "cuda": 256}
"""Texts that are embedded at once: a question waits for at most one slice."""


@dataclass(frozen=True, slots=True)
class _Job:
    texts: Sequence[str]
    urgency: Urgency


class SentenceTransformersEmbedder:
    """A model in torch, with the prompts it was trained with for questions and passages."""

    def __init__(
        self, identity: EmbedderIdentity, slice_texts: int, lanes: Lanes[_Job, Vector]
    ) -> None:
        self.identity = identity
        self._slice_texts = slice_texts
        self._lanes = lanes

    async def embed_passages(self, texts: Sequence[str]) -> Vector:
        """Shape (len(texts), dimension), rows of unit length, in the order given."""
        by_length = sorted(range(len(texts)), key=lambda place: -len(texts[place]))
        slices = [
            by_length[start : start + self._slice_texts]
            for start in range(0, len(texts), self._slice_texts)
        ]
        jobs = [_Job([texts[place] for place in places], Urgency.PASSAGE) for places in slices]
        vectors = np.empty((len(texts), self.identity.dimension), dtype=np.float32)
        with _translated():
            found = await self._lanes.run_all(jobs, Urgency.PASSAGE)
        for places, rows in zip(slices, found, strict=True):
            vectors[places] = rows
        return vectors

    async def embed_question(self, text: str) -> Vector:
        """Shape (dimension,), unit length."""
        with _translated():
            rows = await self._lanes.run(_Job([text], Urgency.QUESTION), Urgency.QUESTION)
        vector: Vector = rows[0]
        return vector


@asynccontextmanager
async def open_sentence_transformers(
    model: str, dtype: str = "fp32", device: str | None = None
) -> AsyncIterator[tuple[SentenceTransformersEmbedder, Tokenizer]]:
    """Loads a packaged model, one in a folder, or one by its name on the Hugging Face hub.

    `dtype` is one of `DTYPES`; `device` as torch names it, by default a GPU where there is one.
    """
    if dtype not in DTYPES:
        raise ValueError(f"dtype is {dtype!r}; choices are {', '.join(DTYPES)}.")
    with _translated():
        loaded = await asyncio.to_thread(_load, model, dtype, device)
    identity = EmbedderIdentity(
        name=f"{_name(model)}/torch-{dtype}",
        dimension=loaded.get_embedding_dimension(),
        window_tokens=loaded.max_seq_length,
    )

    def encode(job: _Job) -> Vector:
        way = {Urgency.QUESTION: loaded.encode_query, Urgency.PASSAGE: loaded.encode_document}
        rows = np.asarray(way[job.urgency](list(job.texts), show_progress_bar=False), np.float32)
        # Here rather than by the model, whose own arithmetic may be bf16.
        vectors: Vector = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return vectors

    with open_lanes([encode]) as lanes:
        slice_texts = SLICE.get(loaded.device.type, SLICE["cpu"])
        yield SentenceTransformersEmbedder(identity, slice_texts, lanes), _tokenizer(loaded)


def _load(model: str, dtype: str, device: str | None) -> Any:
    import torch
    from sentence_transformers import SentenceTransformer

    loaded = SentenceTransformer(str(folder_of(model) or model), device=device)
    return loaded.to(getattr(torch, DTYPES[dtype])).eval()


def _name(model: str) -> str:
    return model if model in PACKAGED or folder_of(model) is None else Path(model).name


def _tokenizer(loaded: Any) -> Tokenizer:
    """The model's own, where it is of the kind that knows offsets."""
    from tokenizers import Tokenizer as Rust

    backend = getattr(loaded.tokenizer, "backend_tokenizer", None)
    if backend is None:
        return EstimatingTokenizer()
    copy = Rust.from_str(backend.to_str())
    copy.no_truncation()
    copy.no_padding()
    return FileTokenizer(copy)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (RuntimeError, OSError, ImportError) as error:
        raise EmbedderUnavailable(f"sentence-transformers failed: {error}") from error
