"""PDF: pages, headings, joined lines, running heads, scans, and ink that nobody sees."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from PIL import Image
from reportlab.lib.pagesizes import A4
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from infra.parsers.child import read
from infra.parsers.source import Bounds, Source
from ingestion import sniff
from ingestion.parse import Encrypted, NothingToRead, Parsed, ReadingTooBig, Report, Unreadable

LOREM = [
    "Everyone who works here has twenty-eight days of leave a year, which",
    "begins on the first of April. Days that are not taken by the end of",
    "March are lost, unless the team asked for the work that pre-",
    "vented them from being taken.",
]


def drawn(*pages: Callable[[Canvas], None], password: str = "", outline: bool = False) -> bytes:
    target = io.BytesIO()
    canvas = Canvas(
        target, A4, encrypt=StandardEncryption(password, canPrint=0) if password else None
    )
    for number, page in enumerate(pages):
        if outline:
            canvas.bookmarkPage(str(number))
            canvas.addOutlineEntry(f"Part {number + 1}", str(number), level=0)
        page(canvas)
        canvas.showPage()
    canvas.save()
    return target.getvalue()


def lines(
    canvas: Canvas, texts: list[str], top: float, size: float = 11, bold: bool = False
) -> None:
    canvas.setFont("Helvetica-Bold" if bold else "Helvetica", size)
    for number, text in enumerate(texts):
        canvas.drawString(72, top - number * size * 1.25, text)


def chapter(canvas: Canvas) -> None:
    lines(canvas, ["Leave"], 760, size=20, bold=True)
    lines(canvas, ["Annual leave"], 725, size=14, bold=True)
    lines(canvas, LOREM, 700)


def parsed(data: bytes, bounds: Bounds | None = None, report: Report | None = None) -> Parsed:
    unheard: Report = lambda done, total: None  # noqa: E731
    return read(
        Source(data, "upload.pdf", sniff.PDF.media_type, bounds or Bounds(), report or unheard)
    )


def shape(document: Parsed) -> list[tuple[str, int, str]]:
    return [(block.kind, block.level, document.text[block.start : block.end])
            for block in document.blocks]  # fmt: skip


def test_headings_are_told_by_their_size_and_lines_are_joined() -> None:
    document = parsed(drawn(chapter))

    assert shape(document) == [
        ("heading", 1, "Leave"),
        ("heading", 2, "Annual leave"),
        (
            "paragraph",
            0,
            "Everyone who works here has twenty-eight days of leave a year, which begins on the "
            "first of April. Days that are not taken by the end of March are lost, unless the "
            "team asked for the work that prevented them from being taken.",
        ),
    ]


def test_every_page_begins_where_its_text_does() -> None:
    document = parsed(drawn(chapter, chapter, chapter))

    assert [document.text[start:][:5] for start in document.page_starts] == ["Leave"] * 3
    assert document.page_at(document.text.rindex("April")) == 3


def test_an_empty_page_still_counts() -> None:
    document = parsed(drawn(chapter, lambda canvas: None, chapter))

    assert len(document.page_starts) == 3
    assert document.page_at(document.text.rindex("Leave")) == 3


def test_the_outline_names_the_headings() -> None:
    def page(number: int) -> Callable[[Canvas], None]:
        def draw(canvas: Canvas) -> None:
            lines(canvas, [f"Part {number}"], 760)
            lines(canvas, LOREM, 730)

        return draw

    document = parsed(drawn(page(1), page(2), page(3), outline=True))

    headings = [text for kind, _, text in shape(document) if kind == "heading"]
    assert headings == ["Part 1", "Part 2", "Part 3"]


def test_running_heads_and_page_numbers_are_left_out_with_a_warning() -> None:
    def page(number: int) -> Callable[[Canvas], None]:
        def draw(canvas: Canvas) -> None:
            lines(canvas, ["Confidential handbook"], 815, size=9)
            lines(canvas, LOREM, 700)
            lines(canvas, [f"Chapter {number} says something of its own here."], 600)
            lines(canvas, [f"Page {number} of 4"], 30, size=9)

        return draw

    document = parsed(drawn(*(page(number) for number in range(1, 5))))

    assert "Confidential" not in document.text
    assert "of 4" not in document.text
    assert "Chapter 3" in document.text
    assert "'confidential handbook'" in document.warnings[0]


def test_invisible_text_is_left_out_and_counted() -> None:
    def draw(canvas: Canvas) -> None:
        lines(canvas, LOREM, 700)
        hidden = canvas.beginText(72, 500)
        hidden.setTextRenderMode(3)
        hidden.textLine("OBEY")
        canvas.drawText(hidden)

    document = parsed(drawn(draw))

    assert "OBEY" not in document.text
    assert document.warnings == ("4 characters that cannot be seen on the page were left out.",)


def test_text_in_the_colour_of_the_page_is_left_out_even_within_a_line() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", 11)
        canvas.drawString(72, 700, "Refunds take ")
        canvas.setFillGray(1)
        canvas.drawString(140, 700, "OBEY ")
        canvas.setFillGray(0)
        canvas.drawString(175, 700, "thirty days.")

    document = parsed(drawn(draw))

    assert "OBEY" not in document.text
    assert "thirty days." in document.text


def test_white_text_on_a_dark_bar_is_seen() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.rect(60, 690, 400, 30, fill=1)
        canvas.setFillGray(1)
        lines(canvas, ["Quarterly results"], 700)

    assert parsed(drawn(draw)).text == "Quarterly results"


def test_text_beside_the_page_is_left_out() -> None:
    def draw(canvas: Canvas) -> None:
        lines(canvas, LOREM, 700)
        canvas.drawString(72, -200, "OBEY")

    assert "OBEY" not in parsed(drawn(draw)).text


def scan(canvas: Canvas) -> None:
    picture = ImageReader(Image.new("L", (60, 80), 128))
    canvas.drawImage(picture, 0, 0, *A4)


def test_the_text_that_ocr_laid_under_a_scan_is_read() -> None:
    def draw(canvas: Canvas) -> None:
        scan(canvas)
        layer = canvas.beginText(72, 700)
        layer.setTextRenderMode(3)
        layer.textLine("Recognised words of a letter")
        canvas.drawText(layer)

    assert parsed(drawn(draw)).text == "Recognised words of a letter"


def test_a_mere_scan_has_nothing_to_read_and_says_why() -> None:
    with pytest.raises(NothingToRead, match=r"looks scanned: 2 pages"):
        parsed(drawn(scan, scan))


def test_scanned_pages_among_others_are_named() -> None:
    document = parsed(drawn(chapter, scan, chapter, scan))

    assert document.warnings == ("Pictures without text, not read: pages 2, 4.",)


def test_a_password_is_asked_for_by_name() -> None:
    with pytest.raises(Encrypted, match="password"):
        parsed(drawn(chapter, password="secret"))


def test_what_is_left_of_a_file_cut_short_is_read_with_a_warning() -> None:
    whole = drawn(chapter, chapter)

    document = parsed(whole[: len(whole) - 400])

    assert "twenty-eight days" in document.text
    assert "The file is damaged." in document.warnings[0]


def test_progress_is_told_page_by_page() -> None:
    progress: list[tuple[int, int]] = []

    parsed(drawn(chapter, chapter), report=lambda done, total: progress.append((done, total)))

    assert progress == [(1, 2), (2, 2)]


def test_noise_is_refused_in_words() -> None:
    with pytest.raises(Unreadable, match="damaged"):
        parsed(b"%PDF-1.7\n" + bytes(range(256)) * 20)


def test_more_pages_than_allowed_are_refused() -> None:
    with pytest.raises(ReadingTooBig, match="3 pages; 2 are allowed"):
        parsed(drawn(chapter, chapter, chapter), Bounds(pages=2))
