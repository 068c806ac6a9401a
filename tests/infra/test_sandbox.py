"""The sandbox: what files may do to the reading process, and that nobody else notices."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from reportlab.pdfgen.canvas import Canvas

from infra.parsers.child import READERS
from infra.sandbox import Limits, SandboxedParser, open_sandbox
from ingestion import sniff
from ingestion.parse import (
    Parsed,
    ReadingTooBig,
    ReadingTooLong,
    Unreadable,
    UnsupportedType,
)

ROOT = Path(__file__).parents[2]


def unheard(done: int, total: int) -> None:
    """A report that nobody listens to."""


@pytest.fixture
async def sandbox() -> AsyncIterator[SandboxedParser]:
    async with open_sandbox(Limits(seconds=30)) as parser:
        yield parser


@pytest.fixture
def note(tmp_path: Path) -> Path:
    path = tmp_path / "note.txt"
    path.write_text("Hello there.")
    return path


async def read(parser: SandboxedParser, path: Path, kind: sniff.Kind = sniff.TEXT) -> Parsed:
    return await parser.parse(path, path.name, kind.media_type, unheard)


def slow_page(path: Path) -> Path:
    """A page whose reading takes half a minute: millions of elements."""
    path.write_bytes(b"<p><b>" * 2_000_000)
    return path


def pdf(path: Path, pages: int) -> Path:
    target = io.BytesIO()
    canvas = Canvas(target)
    for page in range(pages):
        canvas.drawString(72, 500, f"Page number {page} of the long report")
        canvas.showPage()
    canvas.save()
    path.write_bytes(target.getvalue())
    return path


def flate_bomb(path: Path, mebibytes: int) -> Path:
    """A PDF of a few kilobytes whose page unpacks to this many mebibytes."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(b" " * (1 << 20)) for _ in range(mebibytes)) + packer.flush()
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R>>",
        b"<</Length %d/Filter/FlateDecode>>stream\n%s\nendstream" % (len(packed), packed),
    ]
    body = b"%PDF-1.4\n"
    for number, content in enumerate(objects, 1):
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    path.write_bytes(body + b"trailer<</Root 1 0 R/Size 5>>\n%%EOF")
    return path


def children() -> set[int]:
    """The processes that this one has started and that still run."""
    listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    return {int(pid) for pid in listed.split()}


def test_every_kind_that_sniffing_knows_has_a_reader() -> None:
    assert set(READERS) == {kind.media_type for kind in sniff.KINDS}


async def test_a_file_is_read_and_what_it_says_comes_back_whole(
    sandbox: SandboxedParser, tmp_path: Path
) -> None:
    path = tmp_path / "page.html"
    path.write_text("<title>Ω</title><h2>Ünï\u0000code</h2><p>𝒳 marks the spot")

    document = await read(sandbox, path, sniff.HTML)

    assert document.title == "Ω"
    assert [(block.kind, block.level) for block in document.blocks] == [
        ("heading", 2), ("paragraph", 0),
    ]  # fmt: skip
    assert document.text[document.blocks[1].start : document.blocks[1].end] == "𝒳 marks the spot"


async def test_refusals_keep_their_kind_and_their_words(
    sandbox: SandboxedParser, tmp_path: Path, note: Path
) -> None:
    with pytest.raises(Unreadable, match="could not be opened"):
        await read(sandbox, tmp_path / "missing.txt")
    with pytest.raises(UnsupportedType, match="image/png"):
        await sandbox.parse(note, "note.png", "image/png", unheard)

    assert (await read(sandbox, note)).text == "Hello there."


async def test_progress_arrives_while_the_file_is_read(
    sandbox: SandboxedParser, tmp_path: Path
) -> None:
    heard: list[tuple[int, int]] = []
    path = pdf(tmp_path / "long.pdf", pages=400)

    await sandbox.parse(
        path, path.name, sniff.PDF.media_type, lambda done, total: heard.append((done, total))
    )

    assert heard[-1] == (400, 400)
    assert len(heard) > 1
    assert heard == sorted(heard)


async def test_a_file_that_takes_too_long_is_stopped_and_the_next_is_read(
    tmp_path: Path, note: Path
) -> None:
    async with open_sandbox(Limits(seconds=1)) as parser:
        started = time.monotonic()
        with pytest.raises(ReadingTooLong, match="longer than 1 seconds"):
            await read(parser, slow_page(tmp_path / "slow.html"), sniff.HTML)
        assert time.monotonic() - started < 5

        assert (await read(parser, note)).text == "Hello there."


async def test_a_file_that_takes_too_much_memory_is_stopped_and_the_next_is_read(
    tmp_path: Path, note: Path
) -> None:
    async with open_sandbox(Limits(seconds=30, memory_bytes=512 << 20)) as parser:
        with pytest.raises(ReadingTooBig, match="512 MiB of memory"):
            await read(parser, flate_bomb(tmp_path / "bomb.pdf", 600), sniff.PDF)

        assert (await read(parser, note)).text == "Hello there."


async def test_text_beyond_the_bounds_is_refused(note: Path) -> None:
    async with open_sandbox(Limits(characters=5)) as parser:
        with pytest.raises(ReadingTooBig, match="more than 5 characters"):
            await read(parser, note)


async def test_a_process_that_dies_meanwhile_is_replaced(
    sandbox: SandboxedParser, note: Path
) -> None:
    before = children()
    await read(sandbox, note)
    (child,) = children() - before
    os.kill(child, signal.SIGKILL)

    assert (await read(sandbox, note)).text == "Hello there."


async def test_a_process_that_dies_while_reading_costs_that_file_only(
    sandbox: SandboxedParser, tmp_path: Path, note: Path
) -> None:
    before = children()
    await read(sandbox, note)
    (child,) = children() - before
    reading = asyncio.create_task(read(sandbox, slow_page(tmp_path / "slow.html"), sniff.HTML))
    await asyncio.sleep(0.3)
    os.kill(child, signal.SIGSEGV)

    with pytest.raises(Unreadable, match="crashed the reader"):
        await reading
    assert (await read(sandbox, note)).text == "Hello there."


async def test_cancelling_kills_the_process_at_once_and_frees_its_place(
    sandbox: SandboxedParser, tmp_path: Path, note: Path
) -> None:
    await read(sandbox, note)
    reading = asyncio.create_task(read(sandbox, slow_page(tmp_path / "slow.html"), sniff.HTML))
    await asyncio.sleep(0.3)

    started = time.monotonic()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading

    assert (await read(sandbox, note)).text == "Hello there."
    assert time.monotonic() - started < 3


async def test_cancelling_at_any_moment_never_mixes_up_answers(
    sandbox: SandboxedParser, tmp_path: Path, note: Path
) -> None:
    other = tmp_path / "other.txt"
    other.write_text("Something else.")
    for moment in range(12):
        reading = asyncio.create_task(read(sandbox, other))
        await asyncio.sleep(moment / 4000)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)

        assert (await read(sandbox, note)).text == "Hello there."


async def test_a_process_killed_in_the_middle_of_a_long_answer_leaves_no_pipe_open(
    tmp_path: Path, note: Path
) -> None:
    long = tmp_path / "long.txt"
    long.write_text("A line of a long book that is read in a moment.\n" * 100_000)
    before = len(list(Path("/proc/self/fd").iterdir()))
    async with open_sandbox(Limits(seconds=30)) as parser:
        await read(parser, long)
        began = time.monotonic()
        await read(parser, long)
        takes_s = time.monotonic() - began
        for moment in (0.75, 0.85, 0.95):
            reading = asyncio.create_task(read(parser, long))
            await asyncio.sleep(takes_s * moment)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            await read(parser, note)
    await asyncio.sleep(0.05)  # a transport closes in the next round of the loop

    assert len(list(Path("/proc/self/fd").iterdir())) <= before


async def test_a_process_that_cannot_start_says_why(note: Path) -> None:
    async with open_sandbox(Limits(memory_bytes=1 << 70)) as parser:
        with pytest.raises(RuntimeError, match="does not start"):
            await read(parser, note)


async def test_files_wait_for_a_free_process(tmp_path: Path, note: Path) -> None:
    async with open_sandbox(Limits(), processes=2) as parser:
        documents = await asyncio.gather(*(read(parser, note) for _ in range(8)))

    assert {document.text for document in documents} == {"Hello there."}


async def test_a_process_is_replaced_after_its_share_of_files(note: Path) -> None:
    before = children()
    async with open_sandbox(Limits(files_per_process=2)) as parser:
        seen = set()
        for _ in range(5):
            await read(parser, note)
            seen |= children() - before

    assert len(seen) == 3


async def test_no_process_is_left_when_the_sandbox_is_closed(note: Path) -> None:
    before = children()

    async with open_sandbox() as parser:
        await read(parser, note)

    assert children() == before


async def test_the_process_knows_no_secret_of_its_parent(
    sandbox: SandboxedParser, note: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAIRN_SECRET", "swordfish")
    before = children()

    await read(sandbox, note)

    (child,) = children() - before
    environment = Path(f"/proc/{child}/environ")
    if os.access(environment, os.R_OK):
        assert b"swordfish" not in environment.read_bytes()


CONFINED = """
import socket, subprocess, sys
from infra.parsers.confine import confine
missing = confine(1 << 30)
def refused(act):
    try:
        act()
    except (OSError, MemoryError) as error:
        return type(error).__name__
    return "done"
print(missing)
print(refused(lambda: socket.socket()))
print(refused(lambda: subprocess.run(["true"])))
print(refused(lambda: open("{path}", "wb", buffering=0).write(b"x")))
print(refused(lambda: bytearray(2 << 30)))
"""


def test_a_confined_process_has_no_sockets_no_programs_no_files_to_write_and_little_memory(
    tmp_path: Path,
) -> None:
    written = tmp_path / "written"
    script = CONFINED.replace("{path}", str(written))

    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )

    missing, sockets, programs, files, memory = result.stdout.splitlines()
    if "system call filter" in missing:
        pytest.skip("this machine has no system call filter: run on Linux, x86_64 or aarch64")
    assert sockets == "PermissionError"
    assert programs == "PermissionError"
    assert files == "OSError"
    assert memory == "MemoryError"
    assert not written.exists() or not written.read_bytes()


def test_the_process_dies_with_its_parent(note: Path) -> None:
    script = (
        "import asyncio, os, sys\n"
        "from pathlib import Path\n"
        "from infra.sandbox import open_sandbox\n"
        "async def main():\n"
        "    async with open_sandbox() as parser:\n"
        "        path = Path(sys.argv[1])\n"
        "        await parser.parse(path, 'n.txt', 'text/plain', lambda done, total: None)\n"
        "        print(Path(f'/proc/self/task/{os.getpid()}/children').read_text(), flush=True)\n"
        "        os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())\n"
    )

    result = subprocess.run(
        [sys.executable, "-c", script, str(note)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    child = Path(f"/proc/{int(result.stdout)}")
    for _ in range(50):
        if not child.exists():
            break
        time.sleep(0.05)
    assert not child.exists()
