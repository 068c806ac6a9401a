"""The door: what may come in, what is kept of it, and a receipt for what goes."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ingestion.documents import DocumentMissing, NameTaken, Upload
from ingestion.files import TooLarge
from ingestion.intake import NAME_CHARACTERS, BadGroups, BadName
from ingestion.parse import NothingToRead, UnsupportedType
from retrieval.index import IndexUnavailable, Scope
from tests.ingestion.fakes import ANN, LIMIT, World, open_world, sections

BOB = Scope("acme", frozenset({"sales"}))
ZIP = "PK\x05\x06" + 18 * "\x00"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as world:
        yield world


async def test_what_comes_in_is_kept_and_waits(world: World) -> None:
    accepted = await world.upload("green tea", "notes/tea.md", groups=("people",))

    newest = accepted.document.newest
    assert (newest.status, newest.media_type, newest.size_bytes) == ("queued", "text/markdown", 9)
    assert accepted.document.groups == {"people"}
    assert world.kept() == [newest.sha256]


async def test_the_same_again_is_no_work(world: World) -> None:
    first = await world.upload("green tea")

    again = await world.upload("green tea")

    assert (again.document, again.work) == (first.document, False)


@pytest.mark.parametrize(
    "name",
    [
        *("", " tea", "tea ", "a\x00b", "tea\n", ".", "..", "../tea", "a/../b", "a//b", "/a", "a/"),
        "a" * (NAME_CHARACTERS + 1),
    ],
)
async def test_a_name_that_cannot_be_one_is_refused_before_a_byte_is_kept(
    world: World, name: str
) -> None:
    with pytest.raises(BadName):
        await world.upload("green tea", name)

    assert world.kept() == []


@pytest.mark.parametrize("name", ["tea", "a/b/c.txt", "...txt", "Übersicht 2024.txt", "茶.txt"])
async def test_other_names_are_fine(world: World, name: str) -> None:
    accepted = await world.upload("green tea", name)

    assert accepted.document.name == name


async def test_a_document_can_be_restricted_to_ones_own_groups_only(world: World) -> None:
    with pytest.raises(BadGroups, match=r"not belong to 'board'.* Your groups: people\."):
        await world.upload("green tea", groups=("board", "people"))

    assert world.kept() == []


async def test_a_hidden_document_cannot_be_replaced(world: World) -> None:
    await world.upload("what we pay", "pay.txt", groups=("people",))

    with pytest.raises(NameTaken):
        await world.upload("what we do not pay", "pay.txt", scope=BOB)


async def test_an_empty_file_is_refused_and_not_kept(world: World) -> None:
    with pytest.raises(NothingToRead, match=r"'tea\.txt' is empty"):
        await world.upload("")

    assert world.kept() == []


async def test_a_kind_of_file_that_is_not_read_is_refused_and_not_kept(world: World) -> None:
    with pytest.raises(UnsupportedType, match=r"'tea\.zip'"):
        await world.upload(ZIP, "tea.zip")

    assert world.kept() == []


async def test_a_refused_file_that_a_document_from_before_has_stays(world: World) -> None:
    sha256 = hashlib.sha256(ZIP.encode()).hexdigest()
    before = Upload("old.zip", sha256, len(ZIP), "application/zip")
    await world.tools.records.accept(ANN, before)

    with pytest.raises(UnsupportedType):
        await world.upload(ZIP, "new.zip")

    assert world.kept() == [sha256]


async def test_what_is_too_large_is_refused_and_not_kept(world: World) -> None:
    with pytest.raises(TooLarge):
        await world.upload("x" * (LIMIT + 1))

    assert world.kept() == []


async def test_a_deletion_answers_with_a_receipt_that_nothing_is_left(world: World) -> None:
    accepted = await world.upload(sections("tea", "water"))
    await world.run()
    await world.upload(sections("tea"))

    receipt = await world.intake.delete(ANN, accepted.document.id)

    assert (receipt.chunks, receipt.versions, receipt.files, receipt.remaining_chunks) == (
        *(2, 2, 3),
        0,
    )
    assert (world.held(), world.kept()) == (set(), [])
    with pytest.raises(DocumentMissing):
        await world.intake.delete(ANN, accepted.document.id)


async def test_a_deletion_leaves_what_others_share(world: World) -> None:
    first = await world.upload(sections("tea"), "a.txt")
    await world.upload(sections("tea"), "b.txt")
    await world.run()

    receipt = await world.intake.delete(ANN, first.document.id)

    assert receipt.files == 0
    assert len(world.held()) == 1
    assert len(world.kept()) == 2


async def test_a_deletion_while_the_index_is_away_leaves_only_points_which_the_sweep_finds(
    world: World,
) -> None:
    accepted = await world.upload(sections("tea", "water"))
    await world.run()
    world.index.away = True

    with pytest.raises(IndexUnavailable):
        await world.intake.delete(ANN, accepted.document.id)
    world.index.away = False

    assert world.kept() == []
    assert await world.tools.records.live(ANN, [accepted.document.id]) == {}
    assert await world.sweep.remove_orphans() == 2


async def test_only_who_sees_a_document_can_delete_it(world: World) -> None:
    accepted = await world.upload(sections("tea"), groups=("people",))
    await world.run()

    with pytest.raises(DocumentMissing):
        await world.intake.delete(BOB, accepted.document.id)

    assert len(world.held()) == 1
