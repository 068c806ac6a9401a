"""Files in a bucket: the contract over real HTTP, large files, and a server that goes away."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import aiobotocore.session
import pytest

from infra.files import open_files
from infra.s3 import ONE_PUT_BYTES, Place, place_of
from ingestion.files import FileMissing, Files, FilesUnavailable, TooLarge
from tests.contracts.files import LIMIT, Broken, FilesContract, breaking_off, pieces

if TYPE_CHECKING:
    from tests.servers.s3 import S3Server

pytest_plugins = ["tests.servers.s3"]
pytestmark = pytest.mark.server

NUMBERS = itertools.count()
NOT_USED = Path("not-used")


@pytest.fixture
def url(s3_server: S3Server) -> str:
    """A bucket that is empty."""
    bucket = f"bucket-{next(NUMBERS)}"
    s3_server.make_bucket(bucket)
    return s3_server.url(bucket)


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    """Where temporary files go during the test."""
    before, tempfile.tempdir = tempfile.tempdir, str(tmp_path)
    yield tmp_path
    tempfile.tempdir = before


class TestBucket(FilesContract):
    @pytest.fixture
    def store(self, url: str) -> AbstractAsyncContextManager[Files]:
        return open_files(url, NOT_USED)


async def test_a_large_file_goes_up_in_parts(url: str) -> None:
    data = bytes(range(256)) * ((ONE_PUT_BYTES >> 8) + 1)

    async with open_files(url, NOT_USED) as files:
        stored = await files.put("acme", pieces(data, 1 << 20), 2 * ONE_PUT_BYTES)

        assert await files.read("acme", stored.sha256) == data
    assert await keys(url) == [f"files/acme/{stored.sha256[:2]}/{stored.sha256}"]


async def test_a_local_copy_is_removed_afterwards(url: str, scratch: Path) -> None:
    async with open_files(url, NOT_USED) as files:
        stored = await files.put("acme", pieces(b"tea" * 10_000), LIMIT)

        async with files.local("acme", stored.sha256) as path:
            during = path.read_bytes()
        with pytest.raises(FileMissing):
            async with files.local("acme", "0" * 64):
                pass

    assert during == b"tea" * 10_000
    assert list(scratch.iterdir()) == []


async def test_nothing_is_left_of_an_upload_that_was_not_kept(url: str, scratch: Path) -> None:
    async with open_files(url, NOT_USED) as files:
        with pytest.raises(Broken):
            await files.put("acme", breaking_off(b"half"), LIMIT)
        with pytest.raises(TooLarge):
            await files.put("acme", pieces(b"x" * 100), 99)

    assert list(scratch.iterdir()) == []
    assert await keys(url) == []


async def test_a_bucket_that_is_not_there_is_said_in_words(s3_server: S3Server) -> None:
    async with open_files(s3_server.url("nowhere"), NOT_USED) as files:
        with pytest.raises(FilesUnavailable, match="bucket 'nowhere'"):
            await files.ping()
        with pytest.raises(FilesUnavailable, match="bucket 'nowhere': NoSuchBucket"):
            await files.put("acme", pieces(b"tea"), LIMIT)
        with pytest.raises(FilesUnavailable, match="NoSuchBucket"):
            await files.read("acme", "0" * 64)


async def test_a_server_that_goes_away_is_said_in_words(url: str, stopping: S3Server) -> None:
    async with open_files(url, NOT_USED) as files:
        stored = await files.put("acme", pieces(b"tea"), LIMIT)

        stopping.stop()

        with pytest.raises(FilesUnavailable, match="does not answer"):
            await files.read("acme", stored.sha256)
        with pytest.raises(FilesUnavailable):
            await files.put("acme", pieces(b"tea"), LIMIT)
        with pytest.raises(FilesUnavailable):
            await files.remove("acme", stored.sha256)
        with pytest.raises(FilesUnavailable):
            await files.ping()


@pytest.fixture
def stopping(s3_server: S3Server) -> Iterator[S3Server]:
    """For a test that stops the server: the next one finds it running whatever happened."""
    yield s3_server
    s3_server.stop()
    s3_server.start()


async def test_a_ping_names_the_place_and_not_the_secret(url: str) -> None:
    async with open_files(url, NOT_USED) as files:
        words = await files.ping()

    assert words.startswith("s3://bucket-")
    assert "secret" not in words


def test_a_url_says_all_there_is_to_know() -> None:
    place = place_of("s3://id:a%2Fb@docs/in/here/?endpoint=https://minio:9000&region=eu-west-1")

    assert place == Place("docs", "in/here/", "https://minio:9000", "eu-west-1", "id", "a/b")
    assert place_of("s3://docs") == Place("docs", "", None, None, None, None)


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("s3://", "names no bucket"),
        ("s3:///prefix", "names no bucket"),
        ("s3://docs?end_point=https://minio", "end_point is unknown"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_in_words(url: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        place_of(url)


async def keys(url: str) -> list[str]:
    place = place_of(url)
    client = aiobotocore.session.get_session().create_client(
        "s3",
        endpoint_url=place.endpoint,
        region_name=place.region,
        aws_access_key_id=place.key_id,
        aws_secret_access_key=place.secret,
    )
    async with client as opened:
        found = await opened.list_objects_v2(Bucket=place.bucket)
    return [one["Key"] for one in found.get("Contents", [])]
