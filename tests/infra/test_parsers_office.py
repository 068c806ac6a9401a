"""Office files: structure, hidden runs, and archives that are no honest file."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import docx
import pytest
from docx.shared import RGBColor

from infra.parsers.child import read
from infra.parsers.source import Bounds, Source
from ingestion import sniff
from ingestion.parse import Parsed, ReadingTooBig, Unreadable


def parsed(data: bytes, kind: sniff.Kind = sniff.DOCX) -> Parsed:
    return read(Source(data, "upload", kind.media_type, Bounds(), lambda done, total: None))


def written(write: Callable[[docx.document.Document], None]) -> bytes:
    document = docx.Document()
    write(document)
    target = io.BytesIO()
    document.save(target)
    return target.getvalue()


def handbook(document: docx.document.Document) -> None:
    document.core_properties.title = "Handbook"
    document.add_heading("Leave", 1)
    document.add_paragraph("Everyone has 28 days.")
    document.add_heading("Asking", 2)
    document.add_paragraph("Ask early", style="List Bullet")
    document.add_paragraph("Ask kindly", style="List Bullet")
    table = document.add_table(2, 2)
    for cell, text in zip(
        [*table.rows[0].cells, *table.rows[1].cells], ["Team", "Days", "Red", "30"], strict=True
    ):
        cell.text = text


def with_part(data: bytes, name: str, content: bytes) -> bytes:
    """The archive with one part more, or in place of its own."""
    target = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as source,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as copy,
    ):
        for member in source.namelist():
            if member != name:
                copy.writestr(member, source.read(member))
        copy.writestr(name, content)
    return target.getvalue()


def test_a_word_document_becomes_its_structure() -> None:
    document = parsed(written(handbook))

    assert document.title == "Handbook"
    assert document.page_starts == (0,)
    assert [
        (block.kind, block.level, document.text[block.start : block.end])
        for block in document.blocks
    ] == [
        ("heading", 1, "Leave"),
        ("paragraph", 0, "Everyone has 28 days."),
        ("heading", 2, "Asking"),
        ("list", 0, "- Ask early\n- Ask kindly"),
        ("table", 0, "| Team | Days |\n| Red | 30 |"),
    ]


def test_hidden_and_white_runs_are_left_out_and_counted() -> None:
    def write(document: docx.document.Document) -> None:
        paragraph = document.add_paragraph("Seen ")
        paragraph.add_run("VANISHED").font.hidden = True
        paragraph.add_run("WHITE").font.color.rgb = RGBColor(255, 255, 255)
        paragraph.add_run("too")

    document = parsed(written(write))

    assert document.text == "Seen too"
    assert document.warnings == ("13 characters formatted as hidden were left out.",)


def test_white_text_on_shading_is_seen() -> None:
    def write(document: docx.document.Document) -> None:
        run = document.add_paragraph().add_run("Header")
        run.font.color.rgb = RGBColor(255, 255, 255)
        run.font.highlight_color = docx.enum.text.WD_COLOR_INDEX.BLACK

    assert parsed(written(write)).text == "Header"


def test_an_archive_that_unpacks_to_a_flood_is_refused() -> None:
    bomb = with_part(written(handbook), "word/media/zero.bin", b"\0" * (30 << 20))

    with pytest.raises(ReadingTooBig, match="decompression bomb"):
        parsed(bomb)


def test_honest_repetition_is_no_bomb() -> None:
    sparse = with_part(written(handbook), "word/media/zero.bin", b"\0" * (5 << 20))

    assert "28 days" in parsed(sparse).text


@pytest.mark.parametrize("path", ["../../etc/cron.d/x", "/etc/x", "word/..\\..\\x", "C:/x"])
def test_a_part_that_points_outside_is_refused(path: str) -> None:
    with pytest.raises(Unreadable, match="outside of it"):
        parsed(with_part(written(handbook), path, b"x"))


@pytest.mark.parametrize(
    "declaration",
    [
        b'<!DOCTYPE d SYSTEM "http://attacker.example/x.dtd">',
        b'<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
    ],
)
def test_document_types_and_entities_are_refused(declaration: bytes) -> None:
    hostile = b'<?xml version="1.0"?>' + declaration + b"<d>&x;</d>"

    with pytest.raises(Unreadable, match="declares XML entities"):
        parsed(with_part(written(handbook), "word/document.xml", hostile))
    with pytest.raises(Unreadable, match="declares XML entities"):
        parsed(with_part(written(handbook), "word/document.xml", hostile.decode().encode("utf-16")))


def test_too_many_parts_are_refused() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for number in range(10_001):
            archive.writestr(f"word/{number}", b"")

    with pytest.raises(ReadingTooBig, match="10,001 parts"):
        parsed(target.getvalue())


@pytest.mark.parametrize("kind", [sniff.DOCX, sniff.XLSX, sniff.DOC, sniff.MSG, sniff.EPUB])
def test_what_is_no_such_file_is_called_damaged(kind: sniff.Kind) -> None:
    with pytest.raises(Unreadable):
        parsed(b"PK\x03\x04 nothing of the kind", kind)


def test_nothing_is_written_where_the_reader_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    parsed(written(handbook))

    assert not list(tmp_path.iterdir())
