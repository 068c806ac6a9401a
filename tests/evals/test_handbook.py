"""The sample handbook: its questions are provable, and its made files can be made again."""

from __future__ import annotations

import email
import email.policy
import json
import zipfile
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pypdfium2
import pytest

from evals.handbook.build import WRITERS, build
from evals.handbook.markup import Grid, Heading, Points, Prose, read_source

HANDBOOK = Path(__file__).parents[2] / "evals" / "handbook"
DOCUMENTS = sorted(path for path in (HANDBOOK / "documents").iterdir() if path.is_file())
CASES: list[dict[str, Any]] = [
    json.loads(line) for line in (HANDBOOK / "suite.jsonl").read_text("utf-8").splitlines()
]
ANSWERABLE = [case for case in CASES if not case["unanswerable"]]
WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"


def test_every_case_has_its_fields_and_no_others() -> None:
    required = {"id", "question", "answer", "documents", "quotes", "unanswerable", "tags"}

    for case in CASES:
        assert required <= set(case) <= required | {"conversation"}, case["id"]
        assert case["question"].strip() == case["question"] != ""
        assert case["tags"]


def test_ids_and_questions_are_not_used_twice() -> None:
    ids = Counter(case["id"] for case in CASES)
    asked = Counter((case["question"], str(case.get("conversation"))) for case in CASES)

    assert max(ids.values()) == 1
    assert max(asked.values()) == 1


def test_a_case_is_proven_or_says_that_nothing_proves_it() -> None:
    for case in CASES:
        parts = [bool(case[name]) for name in ("answer", "documents", "quotes")]

        assert set(parts) == {not case["unanswerable"]}, case["id"]
        assert ("unanswerable" in case["tags"]) == case["unanswerable"], case["id"]


@pytest.mark.parametrize("case", ANSWERABLE, ids=lambda case: case["id"])
def test_every_quote_stands_in_a_document_of_its_case(case: dict[str, Any]) -> None:
    texts = {name: readable(HANDBOOK / "documents" / name) for name in case["documents"]}

    for quote in case["quotes"]:
        assert any(quote in text for text in texts.values()), quote
    for name, text in texts.items():
        assert any(quote in text for quote in case["quotes"]), f"nothing is quoted from {name}"


def test_earlier_turns_alternate_and_end_with_the_assistant() -> None:
    for case in CASES:
        roles = [turn["role"] for turn in case.get("conversation", [])]

        assert roles == ["user", "assistant"] * (len(roles) // 2), case["id"]
        assert bool(roles) == ("follow-up" in case["tags"]), case["id"]


def test_a_multi_document_case_names_two_documents_or_more() -> None:
    for case in CASES:
        assert (len(case["documents"]) > 1) == ("multi-document" in case["tags"]), case["id"]


@pytest.mark.parametrize(
    ("tag", "at_least"),
    [
        ("unanswerable", 10),
        ("near-miss", 5),
        ("off-topic", 3),
        ("multi-document", 6),
        ("follow-up", 4),
        ("identifier", 4),
        ("table", 3),
    ],
)
def test_the_suite_has_enough_of_every_kind(tag: str, at_least: int) -> None:
    assert sum(tag in case["tags"] for case in CASES) >= at_least


def test_every_document_is_asked_about() -> None:
    asked = {name for case in CASES for name in case["documents"]}

    assert asked == {path.name for path in DOCUMENTS}


def test_the_documents_are_small_enough_to_ship() -> None:
    assert sum(path.stat().st_size for path in DOCUMENTS) < 400_000


def test_building_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    first = build(tmp_path / "first")
    second = build(tmp_path / "second")

    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_the_made_files_are_those_of_their_sources(tmp_path: Path) -> None:
    for path in build(tmp_path):
        assert contents(path) == contents(HANDBOOK / "documents" / path.name), (
            f"{path.name} differs from its source: run `python -m evals.handbook.build`"
        )


def test_every_source_is_made_into_a_document() -> None:
    sources = {path.stem for path in (HANDBOOK / "sources").iterdir()}

    assert sources == {Path(name).stem for name in WRITERS}


@pytest.mark.parametrize("name", [name for name in WRITERS if name.endswith(".pdf")])
def test_a_pdf_has_a_title_an_outline_and_numbered_pages(name: str) -> None:
    with pypdfium2.PdfDocument(HANDBOOK / "documents" / name) as pdf:
        source = read_source((HANDBOOK / "sources" / name).with_suffix(".md").read_text("utf-8"))
        headings = [part for part in source.parts if isinstance(part, Heading) and part.level > 1]

        outline = [(mark.level + 2, mark.get_title()) for mark in pdf.get_toc()]
        pages = [page.get_textpage().get_text_range() for page in pdf]

        assert outline == [(heading.level, heading.text) for heading in headings]
        assert pdf.get_metadata_value("Title") == source.title
        assert all(f"Page {number}" in text for number, text in enumerate(pages, start=1))
        assert len(pages) > 1


def test_a_source_is_read_into_its_parts() -> None:
    source = read_source(
        "# Rain\n\nIt rains\noften.\n\n- wet\n- cold\n\n1. wait\n\n| a | b |\n|---|---|\n| c | d |\n"
    )

    assert source.title == "Rain"
    assert source.parts == (
        Heading(1, "Rain"),
        Prose("It rains often."),
        Points(("wet", "cold"), numbered=False),
        Points(("wait",), numbered=True),
        Grid((("a", "b"), ("c", "d"))),
    )


def contents(path: Path) -> bytes | dict[str, bytes]:
    """The bytes; of a Word file those of its members, since zlib builds compress differently."""
    if path.suffix != ".docx":
        return path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def readable(path: Path) -> str:
    """What a person reads in the file, with single spaces."""
    return " ".join(READERS[path.suffix](path).split())


def _plain(path: Path) -> str:
    return path.read_text("utf-8")


def _pdf(path: Path) -> str:
    with pypdfium2.PdfDocument(path) as pdf:
        return "\n".join(page.get_textpage().get_text_range() for page in pdf)


def _docx(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        body = ElementTree.fromstring(archive.read("word/document.xml"))  # noqa: S314 - our own file
    paragraphs = body.iter(f"{WORD}p")
    return "\n".join("".join(run.text or "" for run in p.iter(f"{WORD}t")) for p in paragraphs)


def _html(path: Path) -> str:
    visible = VisibleText()
    visible.feed(path.read_text("utf-8"))
    return "".join(visible.pieces)


class VisibleText(HTMLParser):
    """Collects what stands between the tags."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)


def _eml(path: Path) -> str:
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    return str(message["Subject"]) + "\n" + str(message.get_content())


def _json(path: Path) -> str:
    return "\n".join(_values(json.loads(path.read_text("utf-8"))))


def _values(node: object) -> list[str]:
    if isinstance(node, dict):
        return [text for child in node.values() for text in _values(child)]
    if isinstance(node, list):
        return [text for child in node for text in _values(child)]
    return [str(node)]


READERS: dict[str, Callable[[Path], str]] = {
    ".csv": _plain,
    ".docx": _docx,
    ".eml": _eml,
    ".html": _html,
    ".json": _json,
    ".md": _plain,
    ".pdf": _pdf,
    ".txt": _plain,
}
