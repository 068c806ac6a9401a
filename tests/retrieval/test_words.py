"""Words, numbers, names and what they have in common with those of another text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.text.align import locate
from retrieval.text.coverage import coverage, terms, weights
from retrieval.text.signs import identifiers, names, negated, numbers, quotations, years
from retrieval.text.words import content_words, language_of, stem, words


@given(st.text(max_size=80))
def test_words_stand_where_they_say(text: str) -> None:
    assert all(text[word.start : word.end] == word.text for word in words(text))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("employees", "employee"),
        ("stopped", "stop"),
        ("policies", "policy"),
        ("moving", "move"),
        ("Urlaubstage", "Urlaubstag"),
        ("Prüfungen", "Prüfung"),
        ("créés", "crée"),
        ("naciones", "nación"),
        ("company's", "company"),
    ],
)
def test_inflections_have_one_stem(one: str, other: str) -> None:
    assert stem(one) == stem(other)


def test_content_words_leave_out_what_carries_no_meaning() -> None:
    assert content_words("How many of the days do I have for part-time work?") == (
        *content_words("many days part time work"),
    )
    assert content_words("Wie viele Tage habe ich?") == content_words("viele Tage", "de")


def test_chinese_and_japanese_are_compared_by_pairs_of_characters() -> None:
    assert coverage(weights("休暇は何日"), terms("年間の休暇は二十八日").all) > 0.3


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("How many days do I have?", "en"),
        ("Wie viele Tage habe ich?", "de"),
        ("Combien de jours est-ce que j'ai ?", "fr"),
        ("¿Cuántos días tengo para esto?", "es"),
        ("12345", "en"),
    ],
)
def test_the_language_is_told_by_its_small_words(text: str, language: str) -> None:
    assert language_of(text) == language


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,000 or 1.000 or 1000", {"1000"}),
        ("3,5 and 3.50 percent", {"3.5"}),
        ("twelve on the 28th in 1990", {"12", "28", "1990"}),
        ("E-017 with v2.3.1 and 2.3.1", set()),
        ("007 costs $4.2m", {"7", "4.2"}),
    ],
)
def test_numbers_are_read_in_all_their_writings(text: str, expected: set[str]) -> None:
    assert numbers(text) == expected


def test_identifiers_names_years_and_quotations_are_found() -> None:
    text = 'The Wren shows E-017 in Port Averin since 2025: "hold the round button".'

    assert identifiers(text) == {"e-017"}
    assert {stem("Wren"), stem("Averin")} <= names(text)
    assert years(text) == {"2025"}
    assert quotations(text) == ("hold the round button",)


@pytest.mark.parametrize("text", ["It isn't.", "Nobody came.", "Das gilt nicht.", "Jamais."])
def test_a_denial_is_noticed(text: str) -> None:
    assert negated(text)
    assert not negated("It is so.")


@pytest.mark.parametrize(
    ("needle", "haystack", "found"),
    [
        ("28 days of leave", "Everyone has 28 days\n of “leave”.", "28 days\n of “leave”."),
        ("hold the button", "(Hold the button.) Then", "(Hold the button.)"),
        ("hold it", "(Please hold it.)", "hold it."),
        ("hold it", '"Hold it and wait', "Hold it"),
        ("days", "holidays", None),
        ("a b", "a c b", None),
        ("!?", "!?", None),
    ],
)
def test_a_quote_is_found_whatever_its_spaces(
    needle: str, haystack: str, found: str | None
) -> None:
    span = locate(needle, haystack)

    assert (haystack[span[0] : span[1]] if span else None) == found


def test_names_and_numbers_weigh_more_than_small_talk() -> None:
    weighed = weights("What kind of display does the Wren use in 2026?")

    assert weighed[stem("Wren")] > weighed[stem("display")] > weighed[stem("kind")]
    assert coverage(weighed, terms("the Wren in 2026").all) > 0.5
