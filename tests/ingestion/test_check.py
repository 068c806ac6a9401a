"""The check on real records, files and points: what it finds, what it leaves alone, what it mends."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from ingestion.check import GRACE_S
from ingestion.documents import Accepted
from ingestion.findings import Fault, Finding
from ingestion.leases import Due
from retrieval.index import Chunk, Entry
from tests.chaos.world import Machine, open_machine
from tests.ingestion.fakes import ANN, Crash, Fuse, sections

GREEN, BLACK = sections("green tea", "white tea", "oolong"), sections("black tea", "puer")


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    async with open_machine(tmp_path) as machine:
        yield machine


@pytest.fixture
async def tea(machine: Machine) -> Accepted:
    """A document of three chunks that is ready."""
    accepted = await machine.world.upload(GREEN)
    await machine.settle()
    return accepted


async def faults(machine: Machine) -> list[Fault]:
    return [finding.fault for finding in await machine.findings()]


async def entries(machine: Machine) -> list[Entry]:
    """The points of the index, as they were written."""
    vector = np.ones(8, np.float32) / np.sqrt(np.float32(8))
    return [
        Entry(passage.document, passage.chunk, f"{passage.chunk.ordinal}", vector)
        async for passage in machine.index.scan()
    ]


async def lose_a_point(machine: Machine) -> None:
    """The index forgets the last chunk."""
    kept = sorted(await entries(machine), key=lambda entry: entry.chunk.ordinal)[:-1]
    of = kept[0].document
    await machine.index.remove(of.tenant, of.document_id)
    await machine.index.put(kept)


async def write(machine: Machine, chunk: Chunk, **other: object) -> None:
    """One more point beside those of the only document."""
    some = (await entries(machine))[0]
    ref = replace(some.document, **other)  # type: ignore[arg-type]
    await machine.index.put([replace(some, document=ref, chunk=chunk)])


def original_of(machine: Machine, text: str) -> Path:
    return next(machine.world.folder.rglob(sha256(text.encode()).hexdigest()))


def aged(path: Path) -> None:
    long_ago = time.time() - 2 * GRACE_S
    os.utime(path, (long_ago, long_ago))


# What is found


async def test_an_empty_installation_is_clean(machine: Machine) -> None:
    report = await machine.check.look()

    assert report.clean
    assert (report.live, report.points, report.files) == (0, 0, 0)


async def test_a_document_that_is_ready_is_clean(machine: Machine, tea: Accepted) -> None:
    report = await machine.check.look()

    assert report.clean
    assert (report.live, report.points, report.files) == (1, 3, 2)


async def test_a_point_that_is_gone_is_lost(machine: Machine, tea: Accepted) -> None:
    await lose_a_point(machine)

    assert await machine.findings() == (
        Finding("lost", "acme", "1 of its 3 chunks have no point.", tea.document.id, 1),
    )


async def test_an_index_that_was_emptied_is_lost(machine: Machine, tea: Accepted) -> None:
    await machine.index.remove("acme", tea.document.id)

    assert await faults(machine) == ["lost"]


async def test_an_original_that_is_gone_is_lost_and_only_its_uploader_can_help(
    machine: Machine, tea: Accepted
) -> None:
    original_of(machine, GREEN).unlink()

    (finding,) = await machine.findings()

    assert (finding.fault, finding.mendable) == ("lost", False)
    assert finding.file == sha256(GREEN.encode()).hexdigest()


@pytest.mark.parametrize("damage", [b"", b"not the bytes that were written"])
async def test_a_reading_that_is_gone_or_damaged_is_lost(
    machine: Machine, tea: Accepted, damage: bytes
) -> None:
    (version,) = await machine.world.tools.records.versions(ANN, tea.document.id)
    reading = next(machine.world.folder.rglob(str(version.reading)))
    reading.write_bytes(damage) if damage else reading.unlink()

    (finding,) = await machine.findings()

    assert (finding.fault, finding.file) == ("lost", version.reading)


async def test_two_points_for_one_chunk_are_duplicates(machine: Machine, tea: Accepted) -> None:
    await write(machine, Chunk("a chunk too many", 0, 16, ordinal=3))

    assert await machine.findings() == (
        Finding("duplicate", "acme", "1 points more than its 3 chunks.", tea.document.id, 1),
    )


async def test_a_point_that_says_something_else_has_drifted(
    machine: Machine, tea: Accepted
) -> None:
    await write(machine, Chunk("The words of nobody.", 0, 20, ordinal=1))

    assert await faults(machine) == ["drifted"]


async def test_a_point_that_stands_elsewhere_has_drifted(machine: Machine, tea: Accepted) -> None:
    (second,) = [e.chunk for e in await entries(machine) if e.chunk.ordinal == 1]
    await write(machine, replace(second, start=second.start + 1, end=second.end + 1))

    assert await faults(machine) == ["drifted"]


async def test_points_of_an_unknown_document_are_orphans(machine: Machine, tea: Accepted) -> None:
    await write(machine, Chunk("nobody's", 0, 8, ordinal=0), document_id="f" * 32)

    assert await machine.findings() == (
        Finding("orphan", "acme", "1 points of a version that answers no questions.", "f" * 32, 1),
    )


async def test_points_of_a_replaced_version_are_orphans(machine: Machine, tea: Accepted) -> None:
    before = await entries(machine)
    await machine.world.upload(BLACK)
    await machine.settle()

    await machine.index.put(before)

    assert await faults(machine) == ["orphan"]


async def test_points_under_another_tenant_are_told_apart_from_orphans(
    machine: Machine, tea: Accepted
) -> None:
    await write(machine, Chunk("overheard", 0, 9, ordinal=0), tenant="globex")

    assert await machine.findings() == (
        Finding(
            "cross-tenant",
            "globex",
            "1 points are another tenant's than their document.",
            tea.document.id,
            1,
        ),
    )


async def test_an_old_file_of_no_version_is_an_orphan(machine: Machine, tea: Accepted) -> None:
    stored = await machine.world.tools.files.put("acme", _once(b"leftover"), 100)
    aged(next(machine.world.folder.rglob(stored.sha256)))

    (finding,) = await machine.findings()

    assert (finding.fault, finding.file) == ("orphan", stored.sha256)


# What is left alone


async def test_a_file_that_may_be_of_an_upload_just_being_accepted_is_none(
    machine: Machine,
) -> None:
    await machine.world.tools.files.put("acme", _once(b"just now"), 100)

    assert await faults(machine) == []


@pytest.mark.parametrize("calls", range(0, 12, 2))
async def test_a_version_in_work_is_never_found_wanting(machine: Machine, calls: int) -> None:
    accepted = await machine.world.upload(GREEN)
    with pytest.raises(Crash):
        await machine.mortal(Fuse(calls)).run(Due(accepted.document.id, 1, 0))

    assert await faults(machine) == []


async def test_a_version_that_was_replaced_under_its_worker_is_left_to_it(
    machine: Machine,
) -> None:
    accepted = await machine.world.upload(GREEN)
    with pytest.raises(Crash):
        await machine.mortal(Fuse(11)).run(Due(accepted.document.id, 1, 0))
    assert await entries(machine)

    await machine.world.upload(BLACK)

    assert await faults(machine) == []


async def test_what_failed_is_not_lost(machine: Machine) -> None:
    await machine.world.upload("! damaged")
    await machine.settle()

    assert await faults(machine) == []


# What is mended


async def test_what_is_clean_is_left_as_it_is(machine: Machine, tea: Accepted) -> None:
    repair = await machine.check.repair()

    assert repair.report.clean
    assert (repair.points, repair.files, repair.sent_back) == (0, 0, 0)


async def test_what_is_lost_is_ingested_anew_while_the_rest_answers(
    machine: Machine, tea: Accepted
) -> None:
    await lose_a_point(machine)

    repair = await machine.check.repair()

    assert repair.sent_back == 1
    assert len(await machine.everything()) == 2
    await machine.settle()
    assert await faults(machine) == []
    assert len(await machine.everything()) == 3


@pytest.mark.parametrize("ordinal", [1, 7])
async def test_what_drifted_or_is_there_twice_is_ingested_anew(
    machine: Machine, tea: Accepted, ordinal: int
) -> None:
    await write(machine, Chunk("The words of nobody.", 0, 20, ordinal=ordinal))

    repair = await machine.check.repair()
    await machine.settle()

    assert repair.sent_back == 1
    assert await faults(machine) == []
    assert not await machine.ask("nobody")


async def test_a_repair_that_comes_twice_is_one(machine: Machine, tea: Accepted) -> None:
    await lose_a_point(machine)
    await machine.check.repair()

    again = await machine.check.repair()

    assert again.sent_back == 0
    assert (await machine.world.get(tea)).newest.number == 2


async def test_orphans_and_strangers_points_are_removed(machine: Machine, tea: Accepted) -> None:
    chunk = Chunk("nobody's", 0, 8, ordinal=0)
    await write(machine, chunk, document_id="f" * 32)
    await write(machine, chunk, tenant="globex")
    stored = await machine.world.tools.files.put("acme", _once(b"leftover"), 100)
    aged(next(machine.world.folder.rglob(stored.sha256)))

    repair = await machine.check.repair()

    assert (repair.points, repair.files, repair.sent_back) == (2, 1, 0)
    assert await faults(machine) == []
    assert len(await machine.everything()) == 3


async def test_without_its_original_a_version_is_left_to_answer_as_it_can(
    machine: Machine, tea: Accepted
) -> None:
    original_of(machine, GREEN).unlink()
    await lose_a_point(machine)

    repair = await machine.check.repair()

    assert repair.sent_back == 0
    assert len(await machine.everything()) == 2
    await machine.world.upload(GREEN)
    assert (await machine.check.repair()).sent_back == 1
    await machine.settle()
    assert await faults(machine) == []


# What an earlier process left behind


async def test_files_of_a_process_that_died_are_removed_by_the_next_one(tmp_path: Path) -> None:
    async with open_machine(tmp_path) as machine:
        await machine.world.upload(GREEN)
        stored = await machine.world.tools.files.put("acme", _once(b"leftover"), 100)

    async with open_machine(tmp_path) as machine:
        removed = await machine.alone.remove_leftovers()

        assert removed == 1
        assert stored.sha256 not in machine.world.kept()
        await machine.settle()
        assert await faults(machine) == []


async def test_where_others_may_be_at_work_no_file_is_removed_unasked(machine: Machine) -> None:
    stored = await machine.world.tools.files.put("acme", _once(b"leftover"), 100)
    aged(next(machine.world.folder.rglob(stored.sha256)))

    assert await machine.check.remove_leftovers() == 0


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
