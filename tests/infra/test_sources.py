"""Folders and buckets as sources of documents, and the cache of what was seen in them."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra.s3 import client_of, place_of
from infra.sources.folder import FolderSource
from infra.sources.opening import open_source
from infra.sources.remembered import cache_folder, open_remembered
from ingestion.sync import Item, ItemGone, ItemUnavailable, Listing, Seen, SourceUnavailable

if TYPE_CHECKING:
    from tests.servers.s3 import S3Server

pytest_plugins = ["tests.servers.s3"]

LONG_AGO_S = 1_600_000_000
NUMBERS = itertools.count()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    return folder


async def listing(address: Path | str) -> Listing:
    async with open_source(str(address)) as source:
        return await source.list()


def names(found: Listing) -> list[str]:
    return [item.name for item in found.items]


# Folders


async def test_a_folder_lists_its_files_by_their_path_in_it(root: Path) -> None:
    for name in ("b.md", "deep/er/a.txt", ".hidden", ".git/config", "grün ☂.md"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)

    found = await listing(root)

    assert names(found) == ["b.md", "grün ☂.md", "deep/er/a.txt"]
    assert found.held == ()


async def test_a_folder_that_is_not_there_is_not_an_empty_one(root: Path) -> None:
    for missing in (root / "nowhere", root / "file"):
        (root / "file").write_text("a file")
        with pytest.raises(SourceUnavailable, match=str(missing)):
            await listing(missing)


async def test_a_folder_below_that_cannot_be_read_stops_the_listing(root: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("the superuser may read everything; run the tests as another user")
    (root / "closed").mkdir(mode=0o000)

    with pytest.raises(SourceUnavailable, match="closed"):
        await listing(root)


async def test_links_are_followed_inside_the_folder_and_not_out_of_it(root: Path) -> None:
    secret = root.parent / "secret.txt"
    secret.write_text("the password")
    (root / "a.txt").write_text("a")
    (root / "inside.txt").symlink_to(root / "a.txt")
    (root / "outside.txt").symlink_to(secret)
    (root / "dangling.txt").symlink_to(root / "nothing")
    (root / "folder").symlink_to(root.parent)
    os.mkfifo(root / "pipe")

    found = await listing(root)

    assert names(found) == ["a.txt", "inside.txt"]
    assert {held.name: held.fault for held in found.held} == {
        "dangling.txt": True,
        "outside.txt": False,
    }


async def test_names_that_no_document_can_have_are_said(root: Path) -> None:
    (root / "two\nlines.txt").write_text("a")
    (root / os.fsdecode(b"latin\xe9.txt")).write_text("a")

    found = await listing(root)

    assert names(found) == []
    assert sorted(held.name for held in found.held) == ["latin?.txt", "two\nlines.txt"]


def _append(path: Path) -> None:
    path.write_text(path.read_text() + "more")
    os.utime(path, (LONG_AGO_S, LONG_AGO_S))


def _set_back(path: Path) -> None:
    size = path.stat().st_size
    path.write_text("x" * size)
    os.utime(path, (LONG_AGO_S, LONG_AGO_S))


def _replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_text("y" * path.stat().st_size)
    os.utime(other, (LONG_AGO_S, LONG_AGO_S))
    other.replace(path)


@pytest.mark.parametrize("change", [_append, _set_back, _replace])
async def test_other_bytes_have_another_stamp_also_when_size_and_time_are_the_same(
    root: Path, change: Callable[[Path], None]
) -> None:
    file = root / "a.txt"
    file.write_text("some words")
    os.utime(file, (LONG_AGO_S, LONG_AGO_S))
    source = FolderSource(root, clock=lambda: time.time() + 60)
    (before,) = (await source.list()).items

    change(file)

    (after,) = (await source.list()).items
    assert before.stamp
    assert after.stamp not in {"", before.stamp}


async def test_a_file_written_to_just_now_has_no_stamp_yet(root: Path) -> None:
    (root / "a.txt").write_text("some words")

    assert [item.stamp for item in (await listing(root)).items] == [""]


async def test_a_file_is_looked_at_copied_and_gone(root: Path) -> None:
    (root / "a.txt").write_text("some words")
    async with open_source(str(root)) as source:
        (item,) = (await source.list()).items
        seen = await source.look(item, None)
        async with source.copy(item) as copy:
            content = copy.path.read_text()
        (root / "a.txt").unlink()
        with pytest.raises(ItemGone):
            await source.look(item, None)
        with pytest.raises(ItemGone):
            async with source.copy(item):
                pass
        (root / "a.txt").mkdir()
        with pytest.raises(ItemUnavailable):
            await source.look(item, None)

    assert content == "some words"
    assert seen.sha256 == hashlib.sha256(b"some words").hexdigest()


async def test_the_same_folder_has_the_same_id_however_it_is_written(root: Path) -> None:
    (root.parent / "link").symlink_to(root)
    ids = set()
    for address in (root, f"{root}/", root / ".." / "docs", root.parent / "link"):
        async with open_source(str(address)) as source:
            ids.add(source.id)

    (only,) = ids
    assert only.startswith("file://")
    assert only.endswith(str(root))


@pytest.mark.parametrize("address", ["ftp://host/", "file:///etc", "postgresql://host/db"])
def test_another_scheme_is_refused_with_the_choices(address: str) -> None:
    with pytest.raises(ValueError, match="s3://, http://, https://"):
        open_source(address)


# Buckets


class Bucket:
    """A bucket that others write to."""

    def __init__(self, server: S3Server) -> None:
        name = f"source-{next(NUMBERS)}"
        server.make_bucket(name)
        self.url = server.url(name, "docs")
        self._place = place_of(self.url)

    async def put(self, data: bytes, *keys: str) -> None:
        async with client_of(self._place) as client:
            place = {"Bucket": self._place.bucket, "Body": data}
            await asyncio.gather(*(client.put_object(**place, Key=key) for key in keys))

    async def delete(self, key: str) -> None:
        async with client_of(self._place) as client:
            await client.delete_object(Bucket=self._place.bucket, Key=key)


@pytest.fixture
def bucket(s3_server: S3Server) -> Bucket:
    return Bucket(s3_server)


@pytest.mark.server
async def test_a_bucket_lists_what_is_below_its_prefix(bucket: Bucket) -> None:
    shown = ("docs/a.txt", "docs/deep/b.md")
    await bucket.put(b"x", *shown, "docs/.hidden", "docs/folder/", "other/c.txt")

    found = await listing(bucket.url)

    assert names(found) == ["a.txt", "deep/b.md"]


@pytest.mark.server
async def test_more_objects_than_one_page_of_a_listing_are_all_there(bucket: Bucket) -> None:
    await bucket.put(b"x", *(f"docs/{number:04}.txt" for number in range(1003)))

    assert len(names(await listing(bucket.url))) == 1003


@pytest.mark.server
async def test_an_objects_stamp_changes_with_its_bytes(bucket: Bucket) -> None:
    await bucket.put(b"green", "docs/a.txt")
    async with open_source(bucket.url) as source:
        (item,) = (await source.list()).items
        seen = await source.look(item, None)
        async with source.copy(item) as copy:
            content = copy.path.read_bytes()
        await bucket.put(b"black", "docs/a.txt")
        (other,) = (await source.list()).items
        with pytest.raises(ItemUnavailable, match="PreconditionFailed"):
            await source.look(item, None)
        await bucket.delete("docs/a.txt")
        with pytest.raises(ItemGone):
            await source.look(other, None)

    assert content == b"green"
    assert not copy.path.exists()
    assert seen == Seen(item.stamp, hashlib.sha256(b"green").hexdigest())
    assert other.stamp != item.stamp


@pytest.mark.server
async def test_a_buckets_id_holds_no_secret(bucket: Bucket) -> None:
    async with open_source(bucket.url) as source:
        assert "somebody" in bucket.url
        assert "somebody" not in source.id
        assert "secret" not in source.id
        assert source.id.startswith("s3://source-")


@pytest.mark.server
async def test_a_bucket_that_is_not_there_is_not_an_empty_one(s3_server: S3Server) -> None:
    with pytest.raises(SourceUnavailable, match="NoSuchBucket"):
        await listing(s3_server.url("nowhere"))
    away = "s3://id:key@docs/?endpoint=http://127.0.0.1:1&region=eu-west-1"
    with pytest.raises(SourceUnavailable, match="does not answer"):
        await listing(away)


# The cache of hashes


def test_what_was_seen_is_remembered_for_as_long_as_the_stamp_is_the_same(tmp_path: Path) -> None:
    item = Item("a.txt", "a.txt", "12:34")
    remembered = open_remembered(tmp_path, "file://here/docs")
    remembered.note(item, Seen("12:34", "ab" * 32))
    remembered.save()

    again = open_remembered(tmp_path, "file://here/docs")

    assert again.still(item) == Seen("12:34", "ab" * 32)
    assert again.still(Item("a.txt", "a.txt", "12:35")) is None
    assert again.still(Item("a.txt", "a.txt", "")) is None
    assert open_remembered(tmp_path, "file://there/docs").of(item) is None


def test_what_has_no_stamp_or_is_gone_is_forgotten(tmp_path: Path) -> None:
    first, second = Item("a", "a", "1"), Item("b", "b", "1")
    remembered = open_remembered(tmp_path, "here")
    remembered.note(first, Seen("1", "ab"))
    remembered.note(second, Seen("1", "cd"))

    remembered.note(first, Seen("", "ef"))
    remembered.keep({"a"})

    assert remembered.of(first) is None
    assert remembered.of(second) is None


@pytest.mark.parametrize("content", [b"", b"\x00", b"[]", b"{}", b'{"kinds": "old", "items": {}}'])
def test_a_cache_that_cannot_be_read_counts_as_none(tmp_path: Path, content: bytes) -> None:
    item = Item("a", "a", "1")
    remembered = open_remembered(tmp_path, "here")
    remembered.note(item, Seen("1", "ab"))
    remembered.save()
    (file,) = tmp_path.iterdir()
    file.write_bytes(content)

    assert open_remembered(tmp_path, "here").of(item) is None


def test_the_cache_is_where_the_desktop_keeps_such_things(tmp_path: Path) -> None:
    assert cache_folder({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "cairn" / "sync"
    assert cache_folder({"XDG_CACHE_HOME": "relative"}).is_relative_to(Path.home())
