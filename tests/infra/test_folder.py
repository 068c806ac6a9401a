"""Files in a folder: the contract, and what a disk can do to it."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from infra.files import open_files
from ingestion.files import Files, FilesUnavailable, TooLarge
from tests.contracts.files import LIMIT, Broken, FilesContract, breaking_off, pieces

DAY_S = 24 * 3600


def held(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


class TestFolder(FilesContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> AbstractAsyncContextManager[Files]:
        return open_files("", tmp_path / "files")


async def test_nothing_is_left_of_an_upload_that_was_not_kept(tmp_path: Path) -> None:
    async with open_files("", tmp_path) as files:
        with pytest.raises(Broken):
            await files.put("acme", breaking_off(b"half"), LIMIT)
        with pytest.raises(TooLarge):
            await files.put("acme", pieces(b"x" * 100), 99)

    assert held(tmp_path) == []


async def test_what_dead_processes_left_behind_is_removed_when_it_is_a_day_old(
    tmp_path: Path,
) -> None:
    (tmp_path / "acme").mkdir()
    old, new = tmp_path / "acme" / ".incoming-old", tmp_path / "acme" / ".incoming-new"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, 2 * (time.time() - 2 * DAY_S,))

    async with open_files("", tmp_path) as files:
        stored = await files.put("acme", pieces(b"tea"), LIMIT)

    assert held(tmp_path) == sorted([".incoming-new", stored.sha256])


async def test_a_folder_that_cannot_be_one_is_said_in_words(tmp_path: Path) -> None:
    async with open_files("", tmp_path / "not" / "a" / "folder") as files:
        (tmp_path / "not").write_text("a file where the folder should be")

        with pytest.raises(FilesUnavailable, match="Not a directory"):
            await files.put("acme", pieces(b"tea"), LIMIT)
        with pytest.raises(FilesUnavailable, match="Not a directory"):
            await files.ping()


async def test_a_file_of_a_store_that_was_emptied_can_be_put_again(tmp_path: Path) -> None:
    async with open_files("", tmp_path) as files:
        await files.put("acme", pieces(b"tea"), LIMIT)
        shutil.rmtree(tmp_path / "acme")

        stored = await files.put("acme", pieces(b"tea"), LIMIT)

        assert await files.read("acme", stored.sha256) == b"tea"


async def test_another_scheme_is_refused_with_the_choices(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'ftp' is no kind of file store. Choices: s3://"):
        open_files("ftp://host/files", tmp_path)
