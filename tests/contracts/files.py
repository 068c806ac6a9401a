"""What every `Files` must do. Each adapter's tests subclass this and say how to open one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from hashlib import sha256

import pytest

from ingestion.files import HEAD_BYTES, FileMissing, Files, Stored, TooLarge

LIMIT = 1 << 20
NOWHERE = "0" * 64


async def pieces(data: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


class Broken(Exception):
    """What an uploader's connection does in the middle."""


async def breaking_off(data: bytes) -> AsyncIterator[bytes]:
    yield data
    raise Broken


class FilesContract:
    @pytest.fixture
    def store(self) -> AbstractAsyncContextManager[Files]:
        raise NotImplementedError

    @pytest.fixture
    async def files(self, store: AbstractAsyncContextManager[Files]) -> AsyncIterator[Files]:
        async with store as files:
            yield files

    async def test_what_is_put_is_read_back_under_its_hash(self, files: Files) -> None:
        data = bytes(range(256)) * 100

        stored = await files.put("acme", pieces(data), LIMIT)

        assert stored == Stored(sha256(data).hexdigest(), len(data), data[:HEAD_BYTES])
        assert await files.read("acme", stored.sha256) == data

    async def test_a_file_may_be_empty(self, files: Files) -> None:
        stored = await files.put("acme", pieces(b""), LIMIT)

        assert stored == Stored(sha256(b"").hexdigest(), 0, b"")
        assert await files.read("acme", stored.sha256) == b""

    async def test_the_same_bytes_twice_are_one_file(self, files: Files) -> None:
        first = await files.put("acme", pieces(b"tea"), LIMIT)
        second = await files.put("acme", pieces(b"tea"), LIMIT)

        assert first == second
        assert await files.remove("acme", first.sha256)
        assert not await files.remove("acme", first.sha256)

    async def test_the_same_bytes_at_once_are_one_file(self, files: Files) -> None:
        data = b"tea" * 10_000

        stored = await asyncio.gather(*(files.put("acme", pieces(data), LIMIT) for _ in range(8)))

        assert len(set(stored)) == 1
        assert await files.read("acme", stored[0].sha256) == data

    async def test_tenants_do_not_see_each_others_files(self, files: Files) -> None:
        stored = await files.put("acme", pieces(b"tea"), LIMIT)

        with pytest.raises(FileMissing):
            await files.read("other", stored.sha256)
        assert not await files.remove("other", stored.sha256)
        assert await files.read("acme", stored.sha256) == b"tea"

    async def test_an_upload_may_have_just_the_limit(self, files: Files) -> None:
        stored = await files.put("acme", pieces(b"x" * 5000), 5000)

        assert stored.size_bytes == 5000

    async def test_an_upload_over_the_limit_is_stopped_there_and_not_kept(
        self, files: Files
    ) -> None:
        taken = 0

        async def endless() -> AsyncIterator[bytes]:
            nonlocal taken
            while True:
                taken += 1000
                yield b"x" * 1000

        with pytest.raises(TooLarge, match="larger than 2 MB"):
            await files.put("acme", endless(), 2_000_000)

        assert taken == 2_001_000
        with pytest.raises(FileMissing):
            await files.read("acme", sha256(b"x" * 2_000_000).hexdigest())

    async def test_an_upload_that_breaks_off_is_not_kept(self, files: Files) -> None:
        with pytest.raises(Broken):
            await files.put("acme", breaking_off(b"half"), LIMIT)

        with pytest.raises(FileMissing):
            await files.read("acme", sha256(b"half").hexdigest())

    async def test_a_file_is_on_this_machine_while_it_is_asked_for(self, files: Files) -> None:
        stored = await files.put("acme", pieces(b"tea"), LIMIT)

        async with files.local("acme", stored.sha256) as path:
            assert path.read_bytes() == b"tea"

    @pytest.mark.parametrize("address", [NOWHERE, "", "../../etc/passwd", "A" * 64])
    async def test_what_is_not_there_is_missing(self, files: Files, address: str) -> None:
        with pytest.raises(FileMissing, match="not the address|is gone"):
            await files.read("acme", address)
        with pytest.raises(FileMissing):
            async with files.local("acme", address):
                pass

    @pytest.mark.parametrize("tenant", ["", "..", "../other", "a/b", "A", "a" * 65, "acme\n"])
    async def test_a_tenant_cannot_lead_out_of_its_own_place(
        self, files: Files, tenant: str
    ) -> None:
        with pytest.raises(ValueError, match="cannot name a tenant"):
            await files.put(tenant, pieces(b"tea"), LIMIT)
        with pytest.raises(ValueError, match="cannot name a tenant"):
            await files.read(tenant, NOWHERE)

    async def test_everything_it_has_is_listed(self, files: Files) -> None:
        hers = await files.put("acme", pieces(b"tea"), LIMIT)
        theirs = await files.put("other", pieces(b"coffee"), LIMIT)

        kept = [one async for one in files.kept()]

        assert {(one.tenant, one.sha256) for one in kept} == {
            ("acme", hers.sha256),
            ("other", theirs.sha256),
        }
        assert all(abs(one.stored_at - time.time()) < 60 for one in kept)

    async def test_a_store_that_has_nothing_lists_nothing(self, files: Files) -> None:
        assert [one async for one in files.kept()] == []

    async def test_it_says_in_words_what_it_is(self, files: Files) -> None:
        assert " " in await files.ping()
