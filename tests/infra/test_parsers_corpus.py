"""Real and hostile files through the sandbox: each is read, or refused in a sentence."""

from __future__ import annotations

import csv
import html
import os
import re
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from infra.sandbox import Limits, SandboxedParser, open_sandbox
from ingestion.parse import Encrypted, NothingToRead, Parsed, Unreadable
from ingestion.sniff import sniff

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("CAIRN_TEST_DATA", ROOT / "../shared/data"))
pytestmark = pytest.mark.shared_data

RECALL = {
    "docx": 0.92,
    "html": 0.94,
    "pdf": 0.93,
    "pptx": 0.88,
    "md": 0.97,
    "csv": 0.99,
    "xlsx": 0.78,
}
"""Share of the reference's words that must be found: measured, less two points or three.

The reference of spreadsheets and slides repeats the numbers behind each chart, and merged cells.
"""
ENCRYPTED = {"protect.xlsx", "testWORD_protected_passtika.docx", "fake-encrypted.eml",
             "password.pdf", "2206.01062_pg3.pdf"}  # fmt: skip
SCANNED = {"testOCR.pdf", "single_table.pdf", "nemotron_multipage.pdf", "ocr_test.pdf",
           "ocr_test_rotated_90.pdf", "ocr_test_rotated_180.pdf", "ocr_test_rotated_270.pdf",
           "sample_with_rotation_mismatch.pdf"}  # fmt: skip
OTHERWISE_REFUSED = {"testWORD_truncated.docx", "empty.eml", "example_image_01.png",
                     "qr_bill_example.jpg"}  # fmt: skip

Outcome = Parsed | Unreadable


def folder(name: str) -> Path:
    if not (DATA / name).is_dir():
        pytest.skip(f"no {name!r} in {DATA}: set CAIRN_TEST_DATA to the folder of test data")
    return DATA / name


@pytest.fixture
async def sandbox() -> AsyncIterator[SandboxedParser]:
    async with open_sandbox(Limits(seconds=20, memory_bytes=1 << 30)) as parser:
        yield parser


async def outcome(parser: SandboxedParser, path: Path) -> Outcome:
    try:
        with path.open("rb") as file:
            media_type = sniff(file, path.name)
        return await parser.parse(path, path.name, media_type, lambda done, total: None)
    except Unreadable as refusal:
        return refusal


def is_sound(document: Parsed) -> bool:
    """Blocks in order and apart, pages in order, text that any database takes."""
    edges = [edge for block in document.blocks for edge in (block.start, block.end)]
    stripped = [document.text[block.start : block.end].strip() for block in document.blocks]
    return (
        edges == sorted(edges)
        and all(stripped)
        and list(document.page_starts) == sorted(document.page_starts)
        and "\x00" not in document.text
        and "\r" not in document.text
        and document.text.encode() != b""
    )


def words(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", text.lower()))


def reference(row: dict[str, str], root: Path) -> Counter[str]:
    """The words of the reference text; links' targets and comments are not shown to readers."""
    for name in row["groundtruth"].split(";"):
        if name.endswith(".md") and (root / name).exists():
            shown = re.sub(r"\]\([^)]*\)|<!--.*?-->", "", (root / name).read_text())
            return words(html.unescape(shown).replace("\\_", "_"))
    return Counter()


async def test_every_real_file_is_read_or_refused_in_words(sandbox: SandboxedParser) -> None:
    root = folder("doc-formats")
    rows = list(csv.DictReader((root / "manifest.csv").read_text().splitlines()))
    shares: dict[str, list[float]] = {}
    refused: dict[str, Unreadable] = {}

    for row in rows:
        read = await outcome(sandbox, root / row["path"])
        if isinstance(read, Unreadable):
            refused[Path(row["path"]).name] = read
            continue
        assert is_sound(read), row["path"]
        if row["pages"]:
            assert len(read.page_starts) == int(row["pages"]), row["path"]
        if expected := reference(row, root):
            found = (expected & words(read.text)).total() / expected.total()
            shares.setdefault(row["ext"], []).append(found)

    assert set(refused) == ENCRYPTED | SCANNED | OTHERWISE_REFUSED
    assert all(isinstance(refused[name], Encrypted) for name in ENCRYPTED)
    assert all(isinstance(refused[name], NothingToRead) for name in SCANNED)
    means = {ext: sum(found) / len(found) for ext, found in shares.items()}
    assert {ext: share for ext, share in RECALL.items() if means[ext] < share} == {}


async def test_every_hostile_file_is_refused_in_words_or_read_without_harm(
    sandbox: SandboxedParser,
) -> None:
    root = folder("malicious")
    files = [path for path in sorted(root.iterdir()) if path.suffix != ".json"]

    outcomes = {path.name: await outcome(sandbox, path) for path in files}

    read = {name: found for name, found in outcomes.items() if isinstance(found, Parsed)}
    assert set(read) == {"hidden-injection.html", "html-renamed.pdf", "nul-and-controls.txt"}
    assert all(is_sound(document) for document in read.values())
    assert "PWNED" not in read["hidden-injection.html"].text
    assert "system prompt" not in read["hidden-injection.html"].text
    assert not any("root:" in document.text for document in read.values())
    assert "decompression bomb" in str(outcomes["zip-bomb-300MB.docx"])
    assert "declares XML entities" in str(outcomes["xxe-file.docx"])
    assert "declares XML entities" in str(outcomes["billion-laughs.docx"])
