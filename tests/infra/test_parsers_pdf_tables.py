"""Tables in PDF: rows of cells by their rules or by the white space between, and nothing else."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Table

from infra.parsers.child import read
from infra.parsers.source import Bounds, Source
from ingestion import sniff
from ingestion.parse import Parsed

GRID = ("GRID", (0, 0), (-1, -1), 0.5, "black")
ZEBRA = [
    ("BACKGROUND", (0, 0), (-1, 0), "#1f4e4a"),
    ("TEXTCOLOR", (0, 0), (-1, 0), "white"),
    ("ROWBACKGROUNDS", (0, 1), (-1, -1), ["white", "#e8efee"]),
    ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
]
LEAVE = [["Years of service", "Extra days"], ["5 years", "1 day"], ["10 years", "3 days"]]
PRICES = [
    ("Article", "Name", "Price"),
    ("HK-75", "Salt kit", "14.90"),
    ("W40-STD", "Pocket weather meter", "189.00"),
    ("LP-20", "Battery for the Pro", "24.50"),
    ("TC-1", "Tripod clamp", "1,019.00"),
]
PROSE = [
    "The works council meets on the first",
    "Tuesday of every month and answers",
    "questions about leave, about hours of",
    "work and about the closing days. Its",
    "minutes are put up next to the door",
    "of the canteen, where they stay for a",
    "month before they are filed.",
]
OTHER_PROSE = [
    "Visitors sign the book at the gate and",
    "are met there by whoever invited them",
    "to the house. Nobody walks through the",
    "halls alone, because cranes move above",
    "the paths at any time of the day. Every",
    "visitor wears the shoes that are lent",
    "out at the gate for nothing.",
]


def parsed(data: bytes) -> Parsed:
    media_type = sniff.PDF.media_type
    return read(Source(data, "upload.pdf", media_type, Bounds(), lambda done, total: None))


def drawn(*pages: Callable[[Canvas], None]) -> Parsed:
    target = io.BytesIO()
    canvas = Canvas(target, A4)
    for page in pages:
        canvas.setFont("Helvetica", 10)
        page(canvas)
        canvas.showPage()
    canvas.save()
    return parsed(target.getvalue())


def laid_out(*flowables: Flowable) -> Parsed:
    target = io.BytesIO()
    SimpleDocTemplate(target, pagesize=A4).build(list(flowables))
    return parsed(target.getvalue())


def cell(text: str) -> Paragraph:
    return Paragraph(text, ParagraphStyle("cell", fontSize=9, leading=11))


def column(canvas: Canvas, texts: Sequence[str], x: float, top: float = 700) -> None:
    for row, text in enumerate(texts):
        canvas.drawString(x, top - 14 * row, text)


def tables(document: Parsed) -> list[list[str]]:
    """The lines of each table."""
    return [
        document.text[block.start : block.end].splitlines()
        for block in document.blocks
        if block.kind == "table"
    ]


def test_a_ruled_table_is_rows_of_cells() -> None:
    document = laid_out(Table(LEAVE, style=[GRID]))

    assert tables(document) == [
        ["| Years of service | Extra days |", "| 5 years | 1 day |", "| 10 years | 3 days |"]
    ]


def test_the_text_around_a_table_stays_text_in_its_place() -> None:
    document = laid_out(cell("Before it."), Table(LEAVE, style=[GRID]), cell("After it."))

    assert [block.kind for block in document.blocks] == ["paragraph", "table", "paragraph"]
    assert document.text.startswith("Before it.\n\n| Years")
    assert document.text.endswith("3 days |\n\nAfter it.")


def test_a_grid_drawn_as_one_path_is_a_table() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.grid([72, 200, 300], [700, 680, 660])
        column(canvas, ["Hall", "Store"], 80, 686)
        column(canvas, ["12 gates", "3 gates"], 210, 686)

    # The second baseline is 14 below the first, within the second row of the grid.
    assert tables(drawn(draw)) == [["| Hall | 12 gates |", "| Store | 3 gates |"]]


def test_a_table_within_a_form_stands_where_the_form_is_drawn() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.beginForm("rules")
        canvas.grid([0, 120, 240], [0, 20, 40])
        canvas.endForm()
        canvas.translate(72, 640)
        canvas.doForm("rules")
        column(canvas, ["Hall"], 8, 26)
        column(canvas, ["12 gates"], 130, 26)
        column(canvas, ["Store"], 8, 6)
        column(canvas, ["3 gates"], 130, 6)

    assert tables(drawn(draw)) == [["| Hall | 12 gates |", "| Store | 3 gates |"]]


def test_lines_of_one_cell_are_joined() -> None:
    long = "Stays on the display until the round button is pressed for two seconds"
    rows = [["Code", "Meaning"], ["E-003", cell(long)], ["E-008", cell(long.upper())]]

    document = laid_out(Table(rows, colWidths=[60, 120], style=[GRID]))

    assert tables(document) == [
        ["| Code | Meaning |", f"| E-003 | {long} |", f"| E-008 | {long.upper()} |"]
    ]


def test_a_merged_cell_fills_its_first_place_only() -> None:
    rows = [["Offices", "", ""], ["Karrholm", "Ground floor", "12"], ["", "First floor", "40"]]
    spans = [
        ("SPAN", (0, 0), (-1, 0)),
        ("SPAN", (0, 1), (0, 2)),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ]

    document = laid_out(Table(rows, style=[GRID, *spans]))

    assert tables(document) == [
        ["| Offices |  |  |", "| Karrholm | Ground floor | 12 |", "|  | First floor | 40 |"]
    ]


def test_rows_that_no_rule_parts_are_rows_all_the_same() -> None:
    rows = [["Layers", "Score"], ["6", "0.965"], ["4", "0.938"], ["2", "0.923"]]
    rules = [("BOX", (0, 0), (-1, -1), 0.5, "black"), ("LINEBELOW", (0, 0), (-1, 0), 0.5, "black"),
             ("LINEAFTER", (0, 0), (0, -1), 0.5, "black")]  # fmt: skip

    document = laid_out(Table(rows, style=rules))

    assert tables(document) == [
        ["| Layers | Score |", "| 6 | 0.965 |", "| 4 | 0.938 |", "| 2 | 0.923 |"]
    ]


def test_stripes_part_rows_and_white_space_parts_columns() -> None:
    rows = [
        ["Occasion", "Days", "Condition"],
        ["Moving house", "1 day", "Once in 24 months"],
        [cell("Death of a partner, of a parent or of a child"), "5 days", "May be split"],
    ]

    document = laid_out(Table(rows, colWidths=[120, 70, 150], style=ZEBRA))

    assert tables(document) == [
        [
            "| Occasion | Days | Condition |",
            "| Moving house | 1 day | Once in 24 months |",
            "| Death of a partner, of a parent or of a child | 5 days | May be split |",
        ]
    ]


def test_a_price_list_without_rules_is_a_table_with_its_numbers_to_the_right() -> None:
    def draw(canvas: Canvas) -> None:
        for row, (article, name, price) in enumerate(PRICES):
            canvas.drawString(72, 700 - 15 * row, article)
            canvas.drawString(150, 700 - 15 * row, name)
            canvas.drawRightString(330, 700 - 15 * row, price)

    assert tables(drawn(draw)) == [[f"| {' | '.join(row)} |" for row in PRICES]]


def test_a_line_that_a_cell_is_wrapped_into_belongs_to_its_row() -> None:
    rows = [("Sensor", "Ready"), ("Impeller", "Rinse in fresh water and"), ("", "turn it by hand"),
            ("Battery", "Charge it"), ("Vane", "Fit it")]  # fmt: skip

    def draw(canvas: Canvas) -> None:
        for row, (part, care) in enumerate(rows):
            column(canvas, [part], 72, 700 - 14 * row)
            column(canvas, [care], 180, 700 - 14 * row)

    assert tables(drawn(draw)) == [
        [
            "| Sensor | Ready |",
            "| Impeller | Rinse in fresh water and turn it by hand |",
            "| Battery | Charge it |",
            "| Vane | Fit it |",
        ]
    ]


def test_prose_in_two_columns_is_no_table_and_keeps_its_order() -> None:
    def draw(canvas: Canvas) -> None:
        column(canvas, PROSE, 72)
        column(canvas, OTHER_PROSE, 320)

    document = drawn(draw)

    assert [block.kind for block in document.blocks] == ["paragraph", "paragraph"]
    assert document.text == f"{' '.join(PROSE)}\n\n{' '.join(OTHER_PROSE)}"


def test_prose_in_two_columns_is_no_table_when_it_was_drawn_line_by_line() -> None:
    def draw(canvas: Canvas) -> None:
        for row, (left, right) in enumerate(zip(PROSE, OTHER_PROSE, strict=True)):
            canvas.drawString(72, 700 - 14 * row, left)
            canvas.drawString(320, 700 - 14 * row, right)

    assert tables(drawn(draw)) == []


def test_prose_between_the_rules_of_a_page_is_no_table() -> None:
    def draw(canvas: Canvas) -> None:
        for y in (780, 720, 560):
            canvas.line(72, y, 520, y)
        column(canvas, PROSE, 72)
        column(canvas, OTHER_PROSE, 320)

    assert tables(drawn(draw)) == []


def test_a_list_with_hanging_numbers_is_no_table() -> None:
    def draw(canvas: Canvas) -> None:
        column(canvas, ["1.", "2.", "3.", "4."], 72)
        column(canvas, ["Open the door", "Take out the cell", "Wipe it", "Close the door"], 110)

    assert tables(drawn(draw)) == []


def test_a_frame_around_text_is_no_table() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.rect(60, 590, 300, 130)
        column(canvas, PROSE, 72)

    assert tables(drawn(draw)) == []


def test_the_titles_that_the_next_page_repeats_are_told_once() -> None:
    rows = [["Code", "Meaning"], *([f"E-{row:03}", f"Fault of part {row}"] for row in range(60))]

    document = laid_out(Table(rows, repeatRows=1, style=[GRID]))

    first, second = tables(document)
    assert first[0] == "| Code | Meaning |"
    assert len(first) + len(second) == 61
    assert document.text.count("Meaning") == 1
    assert document.page_at(document.text.index(second[0])) == 2


def test_text_that_nobody_sees_stays_out_of_tables() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.grid([72, 200, 300], [700, 680, 660])
        column(canvas, ["Hall", "Store"], 80, 686)
        column(canvas, ["12 gates", "3 gates"], 210, 686)
        canvas.setFillGray(1)
        canvas.drawString(120, 686, "OBEY")

    document = drawn(draw)

    assert tables(document) == [["| Hall | 12 gates |", "| Store | 3 gates |"]]
    assert document.warnings == ("4 characters that cannot be seen on the page were left out.",)
