"""A reading's chunks with their vectors, batch by batch, one batch ahead of whoever writes them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence

from ingestion.chunk import embedded_text, fingerprint
from ingestion.reading import Reading
from retrieval.index import Chunk, Embedder, Vector

BATCH = 64
"""Chunks embedded and written at a time: enough to fill the model, few enough to report progress."""

Embedded = tuple[Chunk, str, Vector]
"""A chunk, the fingerprint of what was embedded of it, and the vector."""


async def embedded(
    embedder: Embedder, reading: Reading, known: Mapping[str, Vector]
) -> AsyncGenerator[list[Embedded], None]:
    """While one batch is being written, the model has the next; never more than that are held.

    Texts whose fingerprint is `known` are not embedded again. Raises `EmbedderUnavailable`.
    """
    chunks, title = reading.chunks, reading.parsed.title
    batches = [chunks[first : first + BATCH] for first in range(0, len(chunks), BATCH)]
    work = asyncio.create_task(_with_vectors(embedder, title, batches[0], known))
    try:
        for following in batches[1:]:
            done = await work
            work = asyncio.create_task(_with_vectors(embedder, title, following, known))
            yield done
        yield await work
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


async def _with_vectors(
    embedder: Embedder, title: str, batch: Sequence[Chunk], known: Mapping[str, Vector]
) -> list[Embedded]:
    texts = [embedded_text(title, chunk) for chunk in batch]
    prints = [fingerprint(text) for text in texts]
    new = {key: text for key, text in zip(prints, texts, strict=True) if key not in known}
    rows = await embedder.embed_passages(list(new.values())) if new else ()
    vectors = dict(zip(new, rows, strict=True))
    return [
        (chunk, key, known[key] if key in known else vectors[key])
        for chunk, key in zip(batch, prints, strict=True)
    ]
