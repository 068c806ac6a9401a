"""BM25 vectors: which texts share words, in which language, and with what weight."""

from __future__ import annotations

import pytest

from infra.bm25 import LANGUAGES, UNSPACED, Bm25


def shared(bm25: Bm25, question: str, text: str, language: str) -> int:
    """How many of the question's words the text has."""
    wanted = bm25.query(question, language).indices
    return len(set(wanted) & set(bm25.document(text, language).indices))


@pytest.fixture(scope="module")
def bm25() -> Bm25:
    return Bm25()


def test_forms_of_one_word_are_the_same_word(bm25: Bm25) -> None:
    assert shared(bm25, "running worlds", "he runs the world", "en") == 2
    assert shared(bm25, "die Häuser", "ein Haus am See", "de") == 1


def test_each_language_has_its_own_stemmer(bm25: Bm25) -> None:
    assert shared(bm25, "Häuser", "Haus", "de") == 1
    assert shared(bm25, "Häuser", "Haus", "en") == 0


def test_stop_words_are_not_words(bm25: Bm25) -> None:
    assert bm25.query("of the and", "en").indices == []


def test_a_repeated_word_weighs_more_but_less_than_twice(bm25: Bm25) -> None:
    (once,) = bm25.document("tea", "en").values
    (twice,) = bm25.document("tea tea", "en").values

    assert once < twice < 2 * once


def test_a_word_weighs_less_in_a_longer_text(bm25: Bm25) -> None:
    short = bm25.document("green tea", "en")
    long = bm25.document("green tea " + "harvest " * 400, "en")

    assert max(long.values) > min(short.values) > min(long.values)


def test_every_word_of_a_question_weighs_one(bm25: Bm25) -> None:
    assert bm25.query("green tea tea", "en").values == [1.0, 1.0]


@pytest.mark.parametrize(
    ("language", "question", "text"),
    [
        ("zh", "绿茶", "我喜欢绿茶和红茶"),
        ("ja", "日本語", "これは日本語の文章です"),
        ("th", "ชา", "ฉันชอบดื่มชา"),
    ],
)
def test_words_are_found_where_no_space_divides_them(
    bm25: Bm25, language: str, question: str, text: str
) -> None:
    assert shared(bm25, question, text, language) >= 1


@pytest.mark.parametrize("language", [*LANGUAGES, *sorted(UNSPACED)])
def test_every_listed_language_has_an_encoder(bm25: Bm25, language: str) -> None:
    assert bm25.document("Cairn 2025", language).indices


@pytest.mark.parametrize("language", ["cy", "", "xx"])
def test_a_language_without_rules_gets_the_english_ones(bm25: Bm25, language: str) -> None:
    assert bm25.document("running cats", language) == bm25.document("running cats", "en")


@pytest.mark.parametrize("language", ["de-AT", "de_CH", "DE"])
def test_a_region_does_not_change_the_language(bm25: Bm25, language: str) -> None:
    assert bm25.query("Häuser", language) == bm25.query("Häuser", "de")
