"""Chunks get their vectors a batch ahead of whoever writes them."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from ingestion.chunk import embedded_text, fingerprint
from ingestion.embedding import BATCH, Embedded, embedded
from ingestion.parse import Parsed
from ingestion.reading import Reading
from retrieval.index import Chunk, EmbedderUnavailable
from tests.ingestion.fakes import WatchedEmbedder


def reading(chunks: int) -> Reading:
    texts = [f"tea {n}" for n in range(chunks)]
    made = tuple(Chunk(text, 0, len(text), n) for n, text in enumerate(texts))
    return Reading(Parsed("\n".join(texts), (), title=""), made)


async def drained(embedder: WatchedEmbedder, given: Reading) -> list[list[Embedded]]:
    return [batch async for batch in embedded(embedder, given, {})]


@pytest.mark.parametrize("chunks", [1, BATCH, BATCH + 1, 3 * BATCH])
async def test_every_chunk_comes_once_in_order_in_full_batches(chunks: int) -> None:
    batches = await drained(WatchedEmbedder(), reading(chunks))

    assert [chunk.ordinal for batch in batches for chunk, _, _ in batch] == list(range(chunks))
    assert all(len(batch) == BATCH for batch in batches[:-1])


async def test_the_model_has_the_next_batch_while_one_is_written() -> None:
    embedder = WatchedEmbedder()
    async with aclosing(embedded(embedder, reading(3 * BATCH), {})) as batches:
        await anext(batches)
        while len(embedder.embedded) < 2 * BATCH:  # noqa: ASYNC110  # a list rings no bell
            await asyncio.sleep(0)

        await asyncio.sleep(0.02)

    assert len(embedder.embedded) == 2 * BATCH


async def test_what_has_a_vector_already_is_not_embedded() -> None:
    embedder, given = WatchedEmbedder(), reading(2)
    first = fingerprint(embedded_text("", given.chunks[0]))
    known = {first: await embedder.embed_question("as it was")}

    (batch,) = [batch async for batch in embedded(embedder, given, known)]

    assert embedder.embedded == ["tea 1"]
    assert batch[0][2] is known[first]


async def test_who_leaves_stops_what_was_begun_ahead() -> None:
    embedder = WatchedEmbedder()
    embedder.closes_after = BATCH
    async with aclosing(embedded(embedder, reading(2 * BATCH), {})) as batches:
        await anext(batches)

    embedder.gate.set()
    await asyncio.sleep(0)
    assert len(embedder.embedded) == BATCH


async def test_an_embedder_that_is_away_is_told_to_who_writes() -> None:
    embedder = WatchedEmbedder()
    embedder.away = True

    with pytest.raises(EmbedderUnavailable):
        await drained(embedder, reading(1))
