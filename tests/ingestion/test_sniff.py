"""The kind of a file: bytes before names, and refusals that say what the file is."""

from __future__ import annotations

import io
import zipfile

import pytest

from ingestion.parse import Encrypted, NothingToRead, Unreadable, UnsupportedType
from ingestion.sniff import BY_EXTENSION, DOCX, EPUB, KINDS, ODT, PPTX, XLSX, readable_kinds, sniff

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def kind_of(data: bytes, name: str) -> str:
    return sniff(io.BytesIO(data), name)


def packed(*names: str, stored: tuple[str, bytes] | None = None) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        if stored:
            archive.writestr(stored[0], stored[1])
        for name in names:
            archive.writestr(name, b"<x/>")
    return target.getvalue()


def compound(*streams: str) -> bytes:
    """The smallest compound file: one FAT sector, one directory sector of up to four entries."""
    header = bytearray(512)
    header[:8] = OLE
    header[30:32] = (9).to_bytes(2, "little")
    header[48:52] = (1).to_bytes(4, "little")
    header[76:512] = b"\xff" * 436
    header[76:80] = (0).to_bytes(4, "little")
    fat = bytearray(b"\xff" * 512)
    fat[0:8] = b"\xfd\xff\xff\xff\xfe\xff\xff\xff"
    directory = b""
    for stream in ("Root Entry", *streams):
        name = stream.encode("utf-16-le")
        directory += name.ljust(64, b"\0") + (len(name) + 2).to_bytes(2, "little") + b"\0" * 62
    return bytes(header) + bytes(fat) + directory.ljust(512, b"\0")


@pytest.mark.parametrize(
    ("data", "name", "media_type"),
    [
        (b"%PDF-1.7\n", "a.pdf", "application/pdf"),
        (b"\n\n%PDF-1.4\n", "late-header.pdf", "application/pdf"),
        (b"{\\rtf1 hi}", "a.doc", "application/rtf"),
        (b"<!DOCTYPE html><p>hi", "a.html", "text/html"),
        (b"# Title\n", "a.md", "text/markdown"),
        (b"a,b\n1,2\n", "a.csv", "text/csv"),
        (b'{"a": 1}', "a.json", "application/json"),
        (b"just words", "a.txt", "text/plain"),
        (b"just words", "NOTES", "text/plain"),
        (b"From: a@b.c\nTo: d@e.f\nSubject: x\n\nHi", "a.eml", "message/rfc822"),
        (b"From: a@b.c\nTo: d@e.f\nSubject: x\n\nHi", "saved", "message/rfc822"),
        ("Grüße".encode("utf-16"), "a.txt", "text/plain"),
    ],
)
def test_each_kind_is_known_by_its_bytes_and_text_by_its_extension(
    data: bytes, name: str, media_type: str
) -> None:
    assert kind_of(data, name) == media_type


def test_office_files_are_known_by_the_directory_of_their_archive() -> None:
    assert kind_of(packed("[Content_Types].xml", "word/document.xml"), "x") == DOCX.media_type
    assert kind_of(packed("ppt/presentation.xml"), "x.docx") == PPTX.media_type
    assert kind_of(packed("xl/workbook.xml"), "x.zip") == XLSX.media_type
    assert kind_of(packed(stored=("mimetype", ODT.media_type.encode())), "x") == ODT.media_type
    assert kind_of(packed("META-INF/container.xml"), "x") == EPUB.media_type


def test_old_office_files_are_known_by_their_streams() -> None:
    assert kind_of(compound("WordDocument"), "x") == "application/msword"
    assert kind_of(compound("Workbook"), "x.doc") == "application/vnd.ms-excel"
    assert kind_of(compound("__properties_version1.0"), "x") == "application/vnd.ms-outlook"


def test_a_spreadsheet_with_a_document_inside_is_what_its_name_says() -> None:
    both = compound("WordDocument", "Workbook")

    assert kind_of(both, "x.xls") == "application/vnd.ms-excel"
    assert kind_of(both, "x.doc") == "application/msword"


def test_a_page_renamed_to_pdf_is_a_page() -> None:
    assert kind_of(b"<html><body>not a pdf</body></html>", "report.pdf") == "text/html"


def test_words_that_begin_like_a_program_are_still_words() -> None:
    assert kind_of(b"MZ is what programs begin with.", "a.txt") == "text/plain"
    assert kind_of(b"BMI tables for adults", "a.md") == "text/markdown"


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0", "a PNG image"),
        (b"\xff\xd8\xff\xe0\0", "a JPEG image"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "a WebP image"),
        (b"\0\0\0\x18ftypheic\0\0", "a HEIC image"),
        (b"\x1f\x8b\x08\0", "a gzip archive"),
        (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
        (b"MZ\x90\0\x03\0", "a Windows program"),
        (b"\x7fELF\x02", "a Linux program"),
        (b"#!/bin/sh\nrm -rf /", "a script"),
        (b"<svg xmlns='x'><text>t</text></svg>", "an SVG image"),
        (b"<?xml version='1.0'?><a/>", "an XML file"),
        (bytes(range(256)) * 4 + b"\0" * 500, "a binary file"),
        (packed("a.txt"), "a ZIP archive"),
        (compound("SomethingElse"), "another program"),
    ],
)
def test_what_is_not_read_is_refused_by_name(data: bytes, what: str) -> None:
    with pytest.raises(UnsupportedType) as refusal:
        kind_of(data, "upload.bin")

    assert what in str(refusal.value)
    assert "'upload.bin'" in str(refusal.value)
    assert readable_kinds() in str(refusal.value)


def test_a_password_shows_before_the_file_is_read() -> None:
    with pytest.raises(Encrypted, match="password"):
        kind_of(compound("EncryptionInfo", "EncryptedPackage"), "secret.docx")


@pytest.mark.parametrize("data", [b"", b" \n\t "])
def test_an_empty_file_is_called_empty(data: bytes) -> None:
    with pytest.raises(NothingToRead, match="is empty"):
        kind_of(data, "empty.pdf")


def test_an_archive_cut_short_is_called_damaged() -> None:
    whole = packed("word/document.xml")

    with pytest.raises(Unreadable, match="its end is missing"):
        kind_of(whole[:40], "cut.docx")


def test_lies_in_headers_do_not_lead_out_of_the_file() -> None:
    liar = bytearray(packed("word/document.xml"))
    liar[-10:-2] = b"\xff" * 8
    looped = bytearray(compound("WordDocument"))
    looped[516:520] = (1).to_bytes(4, "little")

    assert kind_of(bytes(liar), "liar.docx") == DOCX.media_type
    assert kind_of(bytes(looped), "loop.doc") == "application/msword"
    with pytest.raises(UnsupportedType):
        kind_of(OLE + b"\xff" * 600, "noise.doc")


def test_no_extension_and_no_media_type_stands_for_two_kinds() -> None:
    extensions = [extension for kind in KINDS for extension in kind.extensions]

    assert len(BY_EXTENSION) == len(extensions)
    assert len({kind.media_type for kind in KINDS}) == len(KINDS)
