"""The embedded engine: the store's contract, and what only a data folder can go through."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from qdrant_client import models

from infra.qdrant import open_qdrant
from infra.qdrant_edge import EdgeFailure, EdgeQdrant, open_edge
from retrieval.index import ChunkStore, EmbedderIdentity, IndexUnavailable
from tests.contracts.chunk_store import (
    ANN,
    IDENTITY,
    ChunkStoreContract,
    OpenStore,
    document,
    entry,
    folder_in_memory,
    question,
    toward,
)

ROOT = Path(__file__).parents[2]

WRITER = """
import asyncio, sys
from infra.qdrant import open_qdrant
from tests.contracts.chunk_store import IDENTITY, document, entry

async def write():
    async with open_qdrant(sys.argv[1], "cairn", IDENTITY) as store:
        for number in range(100_000):
            await store.put([entry(document(), f"leaf {number}", number)])
            print(number, flush=True)

asyncio.run(write())
"""
"""Says the number of each chunk once it is written, until it is killed."""


def open_in(folder: Path) -> OpenStore:
    def opened(identity: EmbedderIdentity) -> AbstractAsyncContextManager[ChunkStore]:
        return open_qdrant(f"edge://{folder}", "cairn", identity)

    return opened


class TestEmbedded(ChunkStoreContract):
    @pytest.fixture
    def open_store(self) -> Iterator[OpenStore]:
        with folder_in_memory() as folder:
            yield open_in(folder)


async def test_nothing_written_is_lost_when_the_writer_is_killed() -> None:
    with folder_in_memory() as folder:
        with writer(folder) as process:
            assert process.stdout is not None
            last = [int(process.stdout.readline()) for _ in range(20)][-1]
            process.send_signal(signal.SIGKILL)
            said = [int(line) for line in process.stdout if line.endswith("\n")]
        written = max([last, *said]) + 1

        async with open_in(folder)(IDENTITY) as store:
            held = await store.count("ann", "tea")
            (hit,) = await store.search(ANN, question("19", mode="sparse"), 5)

    # The chunk after the last may have been written without a word of it.
    assert held in (written, written + 1)
    assert hit.passage.chunk.ordinal == 19


async def test_a_folder_that_another_process_holds_is_refused_naming_that_process() -> None:
    with folder_in_memory() as folder:
        with writer(folder) as process:
            assert process.stdout is not None
            process.stdout.readline()

            with pytest.raises(IndexUnavailable, match=rf"pid {process.pid}.*{folder}"):
                async with open_in(folder)(IDENTITY):
                    pass

            process.kill()

        async with open_in(folder)(IDENTITY) as store:
            assert await store.count("ann", "tea") > 0


async def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    async with open_in(tmp_path / "my data, 50%25 #1?")(IDENTITY) as store:
        await store.put([entry(document())])

    assert [folder.name for folder in tmp_path.iterdir()] == ["my data, 50%25 #1?"]


async def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(IndexUnavailable):
        async with open_in(tmp_path / "file" / "folder")(IDENTITY):
            pass


async def test_a_collection_whose_making_was_interrupted_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / ".cairn.unfinished" / "segments").mkdir(parents=True)

    async with open_in(tmp_path)(IDENTITY) as store:
        await store.put([entry(document())])
        assert await store.count("ann", "tea") == 1


async def test_deleted_chunks_are_dropped_when_nothing_but_health_checks_happens(
    tmp_path: Path,
) -> None:
    async with open_edge(tmp_path, idle_s=0.05) as client:
        await client.create_collection("tea", DENSE, {})
        await client.upsert("tea", [point(number) for number in range(1000)])
        before = size_of(tmp_path / "tea" / "segments")
        await client.delete("tea", models.FilterSelector(filter=models.Filter()))

        for _health_check in range(30):
            await client.get_collection("tea")
            await asyncio.sleep(0.01)

        assert size_of(tmp_path / "tea" / "segments") < before / 2


class TestRefused:
    """What the engine would answer wrongly without a word."""

    @pytest.fixture
    async def client(self, tmp_path: Path) -> AsyncIterator[EdgeQdrant]:
        async with open_edge(tmp_path) as client:
            await client.create_collection("tea", DENSE, {})
            yield client

    async def test_a_vector_with_nan(self, client: EdgeQdrant) -> None:
        nan = models.PointStruct(id=1, vector={"dense": [float("nan"), 0, 0, 0]}, payload={})

        with pytest.raises(ValueError, match="finite"):
            await client.upsert("tea", [nan])

    async def test_a_question_with_nan(self, client: EdgeQdrant) -> None:
        with pytest.raises(ValueError, match="finite"):
            await client.query_points(
                "tea", models.NearestQuery(nearest=[float("inf"), 0, 0, 0]), using="dense"
            )

    async def test_a_match_of_a_bool(self, client: EdgeQdrant) -> None:
        condition = models.FieldCondition(key="draft", match=models.MatchValue(value=True))

        with pytest.raises(ValueError, match="value=True"):
            await client.count("tea", models.Filter(must=[condition]))

    @pytest.mark.parametrize(
        "unsupported",
        [
            models.Filter(must_not=[models.HasIdCondition(has_id=[1])]),
            models.Filter(must=[models.HasIdCondition(has_id=[1])]),
            models.Filter(
                must=[models.FieldCondition(key="text", match=models.MatchText(text="tea"))]
            ),
            models.Filter(
                must=[models.FieldCondition(key="n", values_count=models.ValuesCount(gt=1))]
            ),
        ],
    )
    async def test_a_condition_it_is_not_made_for(
        self, client: EdgeQdrant, unsupported: models.Filter
    ) -> None:
        with pytest.raises(ValueError, match="use a Qdrant server"):
            await client.count("tea", unsupported)

    async def test_an_id_that_is_neither_number_nor_uuid(self, client: EdgeQdrant) -> None:
        with pytest.raises(ValueError, match="leaf"):
            await client.upsert("tea", [models.PointStruct(id="leaf", vector={}, payload={})])

    async def test_a_collection_that_is_not_there(self, client: EdgeQdrant) -> None:
        with pytest.raises(EdgeFailure):
            await client.count("coffee")

    async def test_a_vector_of_another_dimension(self, client: EdgeQdrant) -> None:
        with pytest.raises(EdgeFailure, match="dim"):
            await client.upsert("tea", [models.PointStruct(id=1, vector={"dense": [1.0]})])


DENSE = {"dense": models.VectorParams(size=4, distance=models.Distance.COSINE)}


def point(number: int) -> models.PointStruct:
    vector = {"dense": toward(1, number).tolist()}
    return models.PointStruct(
        id=number, vector=vector, payload={"text": random.randbytes(500).hex()}
    )


def size_of(folder: Path) -> int:
    """On the disk: the engine's files have holes."""
    return sum(file.stat().st_blocks * 512 for file in folder.rglob("*") if file.is_file())


def writer(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, f"edge://{folder}"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
