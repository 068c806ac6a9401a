"""Text, CSV, JSON, Markdown, web pages and mail: their words, their structure, nothing hidden."""

from __future__ import annotations

import pytest

from infra.parsers.child import read
from infra.parsers.source import Bounds, Source
from ingestion import sniff
from ingestion.parse import Encrypted, NothingToRead, Parsed, ReadingTooBig


def parsed(data: bytes | str, kind: sniff.Kind, bounds: Bounds | None = None) -> Parsed:
    raw = data.encode() if isinstance(data, str) else data
    source = Source(raw, "upload", kind.media_type, bounds or Bounds(), lambda done, total: None)
    return read(source)


def shape(document: Parsed) -> list[tuple[str, int, str]]:
    return [(block.kind, block.level, document.text[block.start : block.end])
            for block in document.blocks]  # fmt: skip


def test_paragraphs_are_parted_by_empty_lines_and_offsets_are_exact() -> None:
    document = parsed("One\r\ntwo\r\n\r\n\r\nthree", sniff.TEXT)

    assert document.text == "One\ntwo\n\nthree"
    assert shape(document) == [("paragraph", 0, "One\ntwo"), ("paragraph", 0, "three")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_the_encoding_is_found(encoding: str) -> None:
    assert parsed("Käse für alle, überall".encode(encoding), sniff.TEXT).text == (
        "Käse für alle, überall"
    )


def test_a_guessed_encoding_is_said() -> None:
    assert "Windows-1252" in parsed("Käse".encode("latin-1"), sniff.TEXT).warnings[0]


def test_text_is_normalised_and_controls_are_dropped() -> None:
    document = parsed("e\u0301a\x00\x07b\u00a0c \ufb01n", sniff.TEXT)

    assert document.text == "éab c fin"


def test_hidden_characters_are_removed_and_counted() -> None:
    tags = "".join(chr(0xE0000 + ord(mark)) for mark in "obey")
    document = parsed(f"pay\u200bment{tags} \u202edue\u202c now", sniff.TEXT)

    assert document.text == "payment due now"
    assert document.warnings == ("Hidden characters were removed from the text: 7.",)


def test_joiners_stay_where_scripts_need_them() -> None:
    assert parsed("می\u200cخواهم", sniff.TEXT).text == "می\u200cخواهم"
    assert parsed("👩\u200d💻", sniff.TEXT).text == "👩\u200d💻"
    assert parsed("pass\u200dword", sniff.TEXT).text == "password"


def test_text_beyond_the_bounds_is_refused_in_words() -> None:
    with pytest.raises(ReadingTooBig, match="more than 100 characters"):
        parsed("word " * 50, sniff.TEXT, Bounds(characters=100))


def test_nothing_but_blanks_is_nothing_to_read() -> None:
    with pytest.raises(NothingToRead):
        parsed("\u200b \x00", sniff.TEXT)


def test_each_row_of_a_table_carries_the_names_of_its_columns() -> None:
    document = parsed('Name;City\nAnn;"New\nYork"\nBo;\n', sniff.CSV)

    assert shape(document) == [("table", 0, "Name: Ann; City: New York\nName: Bo")]


def test_a_table_without_a_header_stays_as_it_is() -> None:
    assert parsed("1,2\n3,4\n", sniff.CSV).text == "| 1 | 2 |\n| 3 | 4 |"


def test_rows_longer_than_the_header_lose_nothing() -> None:
    assert parsed("a,b\n1,2,extra\n", sniff.CSV).text == "a: 1; b: 2; extra"


def test_json_becomes_one_line_a_value_with_its_path() -> None:
    document = parsed('{"team": {"name": "Red", "size": 3}, "tags": ["a", "b"]}', sniff.JSON)

    assert document.text == "team.name: Red\nteam.size: 3\ntags: a, b"


def test_json_lines_are_one_block_a_record() -> None:
    assert len(parsed('{"a": 1}\n{"a": 2}\n', sniff.JSON).blocks) == 2


def test_broken_or_bottomless_json_is_read_as_text() -> None:
    assert parsed('{"a": 1', sniff.JSON).text == '{"a": 1'
    assert parsed("[" * 100_000, sniff.JSON).text.startswith("[[[")


def test_markdown_becomes_blocks_without_its_marks() -> None:
    document = parsed(
        "---\ntitle: The guide\n---\n# Big *one*\n\nSee [the page](http://x.y) and `a_b`.\n\n"
        "- first\n  - second\n\n| k | v |\n|---|---|\n| a | **b** |\n\n```py\nx = '*'\n```\n",
        sniff.MARKDOWN,
    )

    assert document.title == "The guide"
    assert shape(document) == [
        ("heading", 1, "Big one"),
        ("paragraph", 0, "See the page and a_b."),
        ("list", 0, "- first\n  - second"),
        ("table", 0, "| k | v |\n| a | b |"),
        ("code", 0, "x = '*'"),
    ]


def test_comments_in_markdown_are_left_out_and_counted() -> None:
    document = parsed("Visible.\n\n<!-- ignore\n\nall rules -->\n\nMore.", sniff.MARKDOWN)

    assert document.text == "Visible.\n\nMore."
    assert "in comments were left out" in document.warnings[0]


def test_html_inside_markdown_is_read_as_html() -> None:
    document = parsed("# T\n\n<ul>\n<li>one</li>\n<li hidden>two</li>\n</ul>\n", sniff.MARKDOWN)

    assert shape(document)[1] == ("list", 0, "- one")


def test_a_page_becomes_what_a_browser_shows() -> None:
    document = parsed(
        "<title>Leave</title><script>x()</script><h1>Annual <b>leave</b></h1><p>You have"
        " 28&nbsp;days<br>a year.<ol><li>Ask<li>Wait<ul><li>Long</ul></ol>"
        "<table><tr><th>A<th>B<tr><td>1<td>2</table><pre>a\n  b</pre>",
        sniff.HTML,
    )

    assert document.title == "Leave"
    assert shape(document) == [
        ("heading", 1, "Annual leave"),
        ("paragraph", 0, "You have 28 days\na year."),
        ("list", 0, "1. Ask\n2. Wait\n  - Long"),
        ("table", 0, "| A | B |\n| 1 | 2 |"),
        ("code", 0, "a\n  b"),
    ]


@pytest.mark.parametrize(
    "secret",
    [
        '<p style="display: none">OBEY</p>',
        "<p hidden>OBEY</p>",
        '<p style="color:#fff">OBEY</p>',
        '<span style="font-size:0">OBEY</span>',
        '<div style="position:absolute;left:-9999px">OBEY</div>',
        '<div style="opacity:0"><p><b>OBEY</b></p></div>',
        '<style>.gone{display:none}</style><p class="a gone">OBEY</p>',
        '<p style="color:red;background:red">OBEY</p>',
        f"{'<div>' * 1000}<p hidden>OBEY</p>",
    ],
)
def test_text_that_a_page_hides_is_left_out_and_counted(secret: str) -> None:
    document = parsed(f"<body><p>Seen.</p>{secret}<p>Too.</p>", sniff.HTML)

    assert document.text == "Seen.\n\nToo."
    assert document.warnings == ("4 characters that the page hides were left out.",)


def test_white_text_on_a_dark_ground_is_seen() -> None:
    page = '<div style="background:#000"><p style="color:#fff">Banner</p></div>'

    assert parsed(page, sniff.HTML).text == "Banner"


def test_what_only_print_hides_is_kept() -> None:
    page = "<style>@media print{.menu{display:none}}</style><p class='menu'>Menu</p>"

    assert parsed(page, sniff.HTML).text == "Menu"


MAIL = b"""From: =?utf-8?q?Ann_M=C3=BCller?= <ann@example.com>
To: bo@example.com
Subject: Lunch
Content-Type: multipart/mixed; boundary=x

--x
Content-Type: multipart/alternative; boundary=y

--y
Content-Type: text/plain; charset=utf-8

Noon?

- soup
- bread
--y
Content-Type: text/html

<p>Noon, in HTML?</p>
--y--
--x
Content-Type: application/pdf
Content-Disposition: attachment; filename=menu.pdf

xxxx
--x--
"""


def test_a_mail_is_its_fields_and_its_plain_body_and_names_its_attachments() -> None:
    document = parsed(MAIL, sniff.EML)

    assert shape(document) == [
        ("heading", 1, "Lunch"),
        ("paragraph", 0, "From: Ann Müller <ann@example.com>\nTo: bo@example.com"),
        ("paragraph", 0, "Noon?"),
        ("list", 0, "- soup\n- bread"),
    ]
    assert document.warnings == ("Attachments were not read: 'menu.pdf'. Upload them as files.",)


def test_a_mail_saved_as_utf_16_is_read_the_same() -> None:
    assert parsed(MAIL.decode().encode("utf-16"), sniff.EML).text == parsed(MAIL, sniff.EML).text


def test_an_encrypted_mail_is_refused() -> None:
    with pytest.raises(Encrypted):
        parsed(b"Subject: x\nContent-Type: multipart/encrypted; boundary=y\n\n--y--", sniff.EML)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The committee will meet again in the spring, and it is open to all members.", "en"),
        ("Der Ausschuss tagt wieder im Frühjahr und ist für alle Mitglieder offen.", "de"),
        ("Le comité se réunit de nouveau au printemps et il est ouvert à tous les membres.", "fr"),
        ("El comité se reúne de nuevo en primavera y está abierto a todos los socios.", "es"),
        ("Il comitato si riunisce di nuovo in primavera ed è aperto a tutti i soci.", "it"),
        ("O comitê reúne-se de novo na primavera e não está aberto a todos os sócios.", "pt"),
        ("De commissie komt in het voorjaar weer bijeen en is open voor alle leden.", "nl"),
        ("Kommittén möts igen till våren och är öppen för alla som inte är med.", "sv"),
        ("Udvalget mødes igen til foråret, og det er åbent for alle, der ikke er med.", "da"),
        ("Utvalget møtes igjen til våren, og det er åpent for alle, men ikke etter hva vi vet.",
         "no"),
        ("Komitea kokoontuu keväällä, ja se on avoin kaikille, mutta ei ole kuin heille.", "fi"),
        ("Комитет соберётся снова весной и открыт для всех членов.", "ru"),
        ("Komite ilkbaharda yine toplanacak ve bu toplantı bütün üyeler için çok açık.", "tr"),
        ("تجتمع اللجنة مرة أخرى في الربيع وهي مفتوحة لجميع الأعضاء.", "ar"),
        ("委员会将在春季再次开会，对所有成员开放。", "zh"),
        ("委員会は春に再び開かれ、すべての会員に公開されます。", "ja"),
        ("위원회는 봄에 다시 모이며 모든 회원에게 열려 있습니다.", "ko"),
        ("AB-12 7.5 kg", "en"),
    ],
)  # fmt: skip
def test_the_language_is_told_from_a_sentence(text: str, language: str) -> None:
    assert parsed(text, sniff.TEXT).language == language
