"""The same contract through `AsyncQdrantClient` over HTTP, and servers that misbehave."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from infra.qdrant import open_qdrant
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
)
from tests.servers.qdrant_rest import qdrant_rest


def http(status: str, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


REPLIES = {
    "not found": http("404 Not Found", b"{}"),
    "an error page": http("502 Bad Gateway", b"<html/>"),
    "a page": http("200 OK", b"<html/>"),
    "bytes that are no text": http("200 OK", b"\xff\xfe\xfd"),
    "another answer": http("200 OK", b'{"result": "yes"}'),
    "no result": http("200 OK", b'{"result": null}'),
    "too many requests": http("429 Too Many Requests", b"{}", "Retry-After: 1"),
    "too many, back soon": http("429 Too Many Requests", b"{}", "Retry-After: soon"),
    "nothing": b"",
}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with folder_in_memory() as folder, qdrant_rest(folder) as url:
        yield url


class TestOverHttp(ChunkStoreContract):
    @pytest.fixture
    def open_store(self, url: str) -> OpenStore:
        collection = f"cairn-{uuid.uuid4()}"

        def opened(identity: EmbedderIdentity) -> AbstractAsyncContextManager[ChunkStore]:
            return open_qdrant(url, collection, identity)

        return opened

    async def test_processes_that_start_at_the_same_moment_share_one_collection(
        self, open_store: OpenStore
    ) -> None:
        async def write(number: int) -> None:
            async with open_store(IDENTITY) as store:
                await store.put([entry(document(), ordinal=number)])

        await asyncio.gather(*(write(number) for number in range(4)))

        async with open_store(IDENTITY) as store:
            assert await store.count("ann", "tea") == 4


async def test_a_server_that_stops_is_unavailable_and_answers_again_when_it_is_back(
    tmp_path: Path,
) -> None:
    with qdrant_rest(tmp_path) as url:
        async with open_qdrant(url, "cairn", IDENTITY) as store:
            await store.put([entry(document())])
    port = int(url.rpartition(":")[2])

    with pytest.raises(IndexUnavailable):
        async with open_qdrant(url, "cairn", IDENTITY):
            pass

    with qdrant_rest(tmp_path, port) as again:
        async with open_qdrant(again, "cairn", IDENTITY) as store:
            assert len(await store.search(ANN, question(), 5)) == 1


@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)
async def test_whatever_a_server_answers_the_index_is_unavailable(reply: bytes) -> None:
    async with answering(reply) as url:
        with pytest.raises(IndexUnavailable) as failure:
            async with open_qdrant(url, "cairn", IDENTITY):
                pass

    assert failure.value.__cause__ is not None


async def test_a_server_that_never_answers_is_given_up_after_the_time_limit() -> None:
    async with answering(None) as url:
        async with asyncio.timeout(5):
            with pytest.raises(IndexUnavailable):
                async with open_qdrant(url, "cairn", IDENTITY, timeout_s=1):
                    pass


@asynccontextmanager
async def answering(reply: bytes | None) -> AsyncIterator[str]:
    """A server that gives everyone this reply, or (`None`) never says a word."""
    until_closed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if reply is None:
            await until_closed.wait()
        writer.write(reply or b"")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield "http://127.0.0.1:{1}".format(*server.sockets[0].getsockname())
        until_closed.set()
