"""Embeddings from a server that speaks OpenAI's API, such as vLLM."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import numpy as np

from infra.embedders.tokenizer import clipped
from ingestion.chunk import Tokenizer
from retrieval.index import EmbedderIdentity, EmbedderUnavailable, Vector

if TYPE_CHECKING:
    from openai import AsyncOpenAI

BATCH_TEXTS = 64
CONCURRENT_BATCHES = 4
"""Of passages. Questions do not wait for them here, and the server has its own queue."""

QUESTION_TIMEOUT_S = 10.0
PASSAGES_TIMEOUT_S = 120.0


class OpenAIEmbedder:
    """A model behind `/embeddings`. Texts are cut here, as servers refuse what is too long."""

    def __init__(
        self, client: AsyncOpenAI, model: str, identity: EmbedderIdentity, tokenizer: Tokenizer
    ) -> None:
        self.identity = identity
        self._client = client
        self._model = model
        self._tokenizer = tokenizer
        self._permits = asyncio.Semaphore(CONCURRENT_BATCHES)

    async def embed_passages(self, texts: Sequence[str]) -> Vector:
        """Shape (len(texts), dimension), rows of unit length, in the order given."""
        batches = [texts[at : at + BATCH_TEXTS] for at in range(0, len(texts), BATCH_TEXTS)]
        tasks = [asyncio.ensure_future(self._permitted(batch)) for batch in batches]
        try:
            found = await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
        return np.concatenate([np.empty((0, self.identity.dimension), np.float32), *found])

    async def embed_question(self, text: str) -> Vector:
        """Shape (dimension,), unit length."""
        vector: Vector = (await self._embed([text], QUESTION_TIMEOUT_S))[0]
        return vector

    async def _permitted(self, texts: Sequence[str]) -> Vector:
        async with self._permits:
            return await self._embed(texts, PASSAGES_TIMEOUT_S)

    async def _embed(self, texts: Sequence[str], timeout_s: float) -> Vector:
        seen = await asyncio.to_thread(self._clipped, texts)
        with _translated(str(self._client.base_url)):
            answer = await self._client.embeddings.create(
                model=self._model, input=seen, encoding_format="float", timeout=timeout_s
            )
        rows = [item.embedding for item in sorted(answer.data, key=lambda item: item.index)]
        shapes = {len(row) for row in rows}
        if len(rows) != len(texts) or shapes != {self.identity.dimension}:
            raise EmbedderUnavailable(
                f"{self._model!r} answered {len(rows)} vectors of dimension {sorted(shapes)} to "
                f"{len(texts)} texts; the URL says dimension={self.identity.dimension}."
            )
        vectors: Vector = np.asarray(rows, dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors

    def _clipped(self, texts: Sequence[str]) -> list[str]:
        window = self.identity.window_tokens
        # Servers refuse an empty text, too.
        return [clipped(text, self._tokenizer, window) or " " for text in texts]


@asynccontextmanager
async def open_openai(
    base_url: str, model: str, identity: EmbedderIdentity, tokenizer: Tokenizer, api_key: str
) -> AsyncIterator[OpenAIEmbedder]:
    """Opens a pool of connections; the server is asked first when something is embedded."""
    from openai import AsyncOpenAI

    async with AsyncOpenAI(base_url=base_url, api_key=api_key or "none", max_retries=2) as client:
        yield OpenAIEmbedder(client, model, identity, tokenizer)


@contextmanager
def _translated(address: str) -> Iterator[None]:
    from openai import OpenAIError

    try:
        yield
    except OpenAIError as error:
        raise EmbedderUnavailable(f"The embedding server {address} failed: {error}") from error
