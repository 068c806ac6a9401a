"""Citation markers in a text, and sentences out of a stream however it is cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.stream import SentenceStream
from retrieval.text.markers import marked, markers, rewritten, without

ANSWER = (
    "You have 28 days [1, 2]. Dr. Lee approves it within 3.5 days. [3] See the U.S. rules 【2】!\n\n"
    "- One item [1]\n- Another one [1][2].\nIs that all? [2] Yes"
)
CUTS = st.lists(st.integers(0, len(ANSWER)), max_size=30).map(sorted)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("a [1]", [(1,)]),
        ("a [1, 2] and [3;4]", [(1, 2), (3, 4)]),
        ("a [1][2]", [(1,), (2,)]),
        ("a 【1】【2†source】", [(1,), (2,)]),
        ("a [Source 3] and [^4]", [(3,), (4,)]),
        ("a [1-3]", [(1, 2, 3)]),
        ("the year [2024], the code `x[1]`, a [link], []", []),
    ],
)
def test_markers_are_read_in_all_their_shapes(text: str, numbers: list[tuple[int, ...]]) -> None:
    assert [marker.numbers for marker in markers(text)] == numbers


def test_markers_are_written_in_one_way_and_unwanted_numbers_go() -> None:
    text = "Days [1, 9]. Tea 【2】. See [9]. More [7][1]."

    assert rewritten(text, frozenset({1, 2})) == "Days [1]. Tea [2]. See. More[1]."


@given(st.text(max_size=60))
def test_a_text_without_its_markers_has_none_left_and_nothing_else_is_lost(text: str) -> None:
    plain = without(text)

    if not markers(text):
        assert plain == text
    assert len(plain) <= len(text)


def test_a_marker_goes_before_the_end_mark() -> None:
    assert marked("Everyone has 28 days.", " [1]") == "Everyone has 28 days [1]."


@given(CUTS)
def test_the_sentences_of_a_stream_do_not_depend_on_how_it_is_cut(cuts: list[int]) -> None:
    whole, pieces = SentenceStream(), SentenceStream()

    expected = [*whole.feed(ANSWER), *whole.rest()]
    edges = [0, *cuts, len(ANSWER)]
    found = [s for a, b in pairwise(edges) for s in pieces.feed(ANSWER[a:b])]

    assert found + list(pieces.rest()) == expected
    assert "".join(expected) == ANSWER


@given(st.lists(st.text(st.sampled_from(list("ab .!?[1]【2】\n-,")), max_size=8), max_size=20))
def test_nothing_that_was_streamed_is_lost_or_reordered(pieces: list[str]) -> None:
    held = SentenceStream()

    given_out = [sentence for piece in pieces for sentence in held.feed(piece)]

    assert "".join([*given_out, *held.rest()]) == "".join(pieces)


def test_a_sentence_is_given_as_soon_as_the_next_word_shows_that_it_ended() -> None:
    held = SentenceStream()

    assert list(held.feed("First one [1]. ")) == []
    assert list(held.feed("Second ")) == ["First one [1]. "]


def test_a_sentence_waits_for_the_marker_that_follows_its_full_stop() -> None:
    held = SentenceStream()

    assert list(held.feed("First one. [1, ")) == []
    assert list(held.feed("2] Second ")) == ["First one. [1, 2] "]
