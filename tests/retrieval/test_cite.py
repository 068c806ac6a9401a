"""A citation's quote stands, to the character, where it says; what does not is no citation."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.cite import attribute, cite, prove, quote_in
from retrieval.index import Chunk, DocumentRef, Passage
from retrieval.search import Source

TEXT = (
    "Annual leave\n\nEveryone has 28 days of\nleave a year. Unused leave expires on 31 March. "
    "Managers approve leave within five days. Part-time staff get their share, rounded up."
)
START = 1_000


def source(number: int = 1, text: str = TEXT, document_id: str = "leave") -> Source:
    document = DocumentRef("ann", document_id, 3, "leave.pdf", "Leave")
    chunk = Chunk(text, START, START + len(text), 0, ("Leave",), page=4)
    return Source(number, Passage(document, chunk), 1.0, 0.5)


def quoted(claim: str, text: str = TEXT) -> str | None:
    span = quote_in(claim, text)
    return text[span[0] : span[1]] if span else None


def test_a_sentence_that_stands_word_for_word_is_its_own_quote() -> None:
    (citation,) = cite("Everyone has 28 days of leave a year [1].", 0, [source()])

    assert citation.quote == "Everyone has 28 days of\nleave a year."
    assert TEXT[citation.start - START : citation.end - START] == citation.quote
    assert (citation.page, citation.section, citation.document.version) == (4, ("Leave",), 3)


@pytest.mark.parametrize(
    ("claim", "quote"),
    [
        ("You can take 28 days of leave.", "Everyone has 28 days of\nleave a year."),
        ("Leave that is unused expires in March.", "Unused leave expires on 31 March."),
        ('It says "expires on 31 March", oddly.', "expires on 31 March."),
        ("Your share is rounded up.", "Part-time staff get their share, rounded up."),
    ],
)
def test_the_quote_is_the_sentence_that_supports_the_claim_best(claim: str, quote: str) -> None:
    assert quoted(claim) == quote


def test_two_neighbours_are_quoted_when_the_claim_needs_both() -> None:
    assert quoted("Unused leave expires on 31 March and managers approve within five days.") == (
        "Unused leave expires on 31 March. Managers approve leave within five days."
    )


def test_a_claim_that_shares_nothing_with_the_passage_is_not_cited() -> None:
    assert cite("Pilots fly to Peru [1].", 0, [source()]) == ()


def test_a_claim_in_another_language_is_tied_to_the_whole_passage() -> None:
    assert quoted("Das Dokument sagt, wie viel Urlaub man hat und wann er verfällt.") == TEXT


def test_every_source_in_a_marker_is_cited_once() -> None:
    other = source(2, "Staff have 28 days of leave in Brennholt.", "brennholt")

    found = cite("Everyone has 28 days of leave a year [1, 2][1].", 5, [source(), other])

    assert [(each.number, each.sentence) for each in found] == [(1, 5), (2, 5)]


def test_a_number_without_a_source_gives_nothing() -> None:
    assert cite("Everyone has 28 days of leave a year [7].", 0, [source()]) == ()


def test_a_citation_whose_quote_does_not_stand_there_is_dropped() -> None:
    (right,) = cite("Everyone has 28 days of leave a year [1].", 0, [source()])
    passages = {1: source().passage}
    wrong = [
        replace(right, start=right.start + 1, end=right.end + 1),
        replace(right, quote=right.quote.replace("28", "82")),
        replace(right, start=START - 5),
        replace(right, quote="", end=right.start),
        replace(right, number=2),
        replace(right, document=replace(right.document, version=4)),
    ]

    assert prove([right], passages) == (right,)
    assert prove(wrong, passages) == ()


@given(st.text(max_size=60), st.text(min_size=1, max_size=120))
def test_whatever_is_claimed_of_whatever_text_a_quote_is_a_span_of_it(
    claim: str, text: str
) -> None:
    found = cite(f"{claim} [1]", 0, [source(1, text)])

    assert all(text[each.start - START : each.end - START] == each.quote for each in found)


def test_a_sentence_without_a_marker_belongs_to_the_source_it_plainly_comes_from() -> None:
    other = source(2, "Boots are guaranteed for three years.", "boots")

    assert attribute("Boots have a guarantee of three years.", [source(), other]) == 2
    assert attribute("Pilots fly to Peru at night.", [source(), other]) is None
    assert attribute("Yes.", [source(), other]) is None
