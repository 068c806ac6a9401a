"""A follow-up becomes a question that stands alone, by rules."""

from __future__ import annotations

import pytest

from retrieval.conversation import Turn, parted, standalone


def talk(*said: str) -> list[Turn]:
    return [Turn("assistant" if i % 2 else "user", each) for i, each in enumerate(said)]


@pytest.mark.parametrize(
    ("before", "question", "carried"),
    [
        ("How many days of leave do I have?", "And for part-time staff?", "days of leave"),
        ("How many days of leave do I have?", "Can I carry them over?", "days of leave"),
        ("Can I book first class trains?", "Who approves that?", "first class trains"),
        ("What is the notice period in Germany?", "Why?", "notice period in Germany"),
        ("Wie viele Urlaubstage habe ich?", "Und für Teilzeit?", "Urlaubstage"),
        ("Combien de jours de congé ai-je ?", "Et pour les stagiaires ?", "jours de congé"),
    ],
)
def test_what_the_last_question_was_about_is_carried_over(
    before: str, question: str, carried: str
) -> None:
    whole = standalone(question, talk(before, "…"))

    topic, asked = parted(whole)
    assert carried in topic
    assert asked == question


@pytest.mark.parametrize(
    "question",
    [
        "How long is the guarantee for boots from Karrholm?",
        "What does error E-018 mean?",
        "Which form do I need that shows my yearly income?",
        "Is there a limit for hotel costs abroad?",
    ],
)
def test_a_question_that_stands_alone_is_left_alone(question: str) -> None:
    assert standalone(question, talk("How many days of leave do I have?", "28 [1].")) == question


def test_without_earlier_turns_nothing_is_carried_over() -> None:
    assert standalone("And for them?", []) == "And for them?"


def test_a_person_of_the_last_answer_is_meant_by_her() -> None:
    turns = talk("Who founded the company?", "It was founded by Ada Karlsson in 1990 [1].")

    assert "Ada Karlsson" in standalone("When was she born?", turns)


def test_another_error_code_replaces_the_earlier_one() -> None:
    whole = standalone("And E-018?", talk("What does error E-017 mean?", "…"))

    assert "E-017" not in whole
    assert "error" in whole


def test_another_year_replaces_the_earlier_one() -> None:
    whole = standalone("And in 2025?", talk("How many days of leave are there in 2026?", "28."))

    assert "2026" not in whole


def test_a_chain_of_follow_ups_keeps_the_first_topic() -> None:
    turns = talk("What does error E-017 mean?", "…", "And E-018?", "…")

    whole = standalone("How do I fix it?", turns)

    assert "E-018" in whole
    assert parted(whole)[1] == "How do I fix it?"


def test_a_question_with_a_colon_of_its_own_is_not_taken_apart() -> None:
    assert parted("Error: what now?") == ("", "Error: what now?")
