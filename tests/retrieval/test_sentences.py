"""Sentences: exact offsets, and boundaries where readers see them."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from retrieval.text.sentences import body, cells, sentences

PROSE = st.text(
    st.sampled_from(list("aB é1。.!?;:,'\"“”()[]【】|#-*\t\n \u3000中あ\u2028\x1c")), max_size=120
)


def cut(text: str) -> list[str]:
    return [sentence.text for sentence in sentences(text)]


@given(PROSE | st.text(max_size=80))
@example("```\ncode\n```")
@example("1. a. B\n\n2. c")
def test_every_character_that_is_not_space_is_in_exactly_one_sentence(text: str) -> None:
    found = sentences(text)

    covered = [i for sentence in found for i in range(sentence.start, sentence.end)]
    assert covered == sorted(set(covered))
    assert {i for i, c in enumerate(text) if not c.isspace()} <= set(covered)
    assert all(text[each.start : each.end] == each.text == each.text.strip() for each in found)


@pytest.mark.parametrize(
    "text",
    [
        "Dr. J. K. Smith pays 3.5 percent, e.g. for rent.",
        "It begins at 9 a.m. on Monday in St. Gallen.",
        "Am 3. Mai kommt Herr Dr. Maier z.B. nach Bonn.",
        "M. Dupont et Mme. Curie sont d'accord.",
        "Open https://docs.example.org/a.b for version 2.3.1 and file.txt now.",
        "Really... no.",
        "See Fig. 3 and pp. 4-5 of vol. 2 for it.",
    ],
)
def test_a_full_stop_inside_a_sentence_does_not_end_it(text: str) -> None:
    assert cut(text) == [text]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("He lives in the U.S. The end.", ["He lives in the U.S.", "The end."]),
        ("That was 2010. Then it ended.", ["That was 2010.", "Then it ended."]),
        ('She said "Stop." He left.', ['She said "Stop."', "He left."]),
        ("A fact. [1] Another [2]. End.", ["A fact. [1]", "Another [2].", "End."]),
        ("これは文です。次の文です！", ["これは文です。", "次の文です！"]),
        ("Ends in etc. The next.", ["Ends in etc.", "The next."]),
        ("¿Cuándo? El lunes.", ["¿Cuándo?", "El lunes."]),
    ],
)
def test_sentences_end_where_readers_see_an_end(text: str, expected: list[str]) -> None:
    assert cut(text) == expected


def test_lines_of_a_wrapped_paragraph_run_on_and_headings_stand_alone() -> None:
    text = "Annual leave\nEveryone may take the whole of the leave that is left in\nMarch. Ask."

    found = sentences(text)

    assert [each.kind for each in found] == ["heading", "sentence", "sentence"]
    assert found[1].text.endswith("left in\nMarch.")


def test_list_items_are_kept_apart_and_lose_their_bullets_in_the_body() -> None:
    found = sentences("Bring:\n- a map\n- two litres of water\n1. Walk. Then rest.")

    assert [each.kind for each in found] == ["heading", "item", "item", "item", "item"]
    assert [body(each) for each in found] == [
        "Bring:", "a map", "two litres of water", "Walk.", "Then rest."
    ]  # fmt: skip


def test_table_rows_have_cells() -> None:
    found = sentences("| Part | Price |\n|---|---|\n| Strap | 12 € |\nA\tB\nx: 1; y: 2")

    rows = [cells(each.text) for each in found if each.kind == "row"]
    assert rows == [("Part", "Price"), ("Strap", "12 €"), ("A", "B"), ("x: 1", "y: 2")]


def test_a_sentence_cut_off_at_either_end_is_not_complete() -> None:
    found = sentences("of the last page. A whole one. The next begins and")

    assert [each.complete for each in found] == [False, True, False]
