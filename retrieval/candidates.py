"""Candidates: what the sources say that could be an answer, so that each reads by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from retrieval.rows import Rows, Told
from retrieval.search import Source
from retrieval.text.sentences import Sentence, body, sentences

LEAST_WORDS = 4
LONGEST_CHARACTERS = 500
LIST_ITEMS = 7
"""A list longer than this is cut when it is read out in one sentence."""

_DANGLING = re.compile(
    r"(?:it|its|they|their|them|this|that|these|those|he|she|his|her|such|both|here|there|however"
    r"|also|then|therefore|thus|moreover|furthermore|in addition|as a result|otherwise|instead"
    r"|er|sie|es|dies|diese|dieser|dieses|das|dabei|dadurch|jedoch|il|elle|ils|elles|cela|ceci"
    r"|este|esta|esto|ellos|ellas)\b",
    re.IGNORECASE,
)
_ELSEWHERE = re.compile(
    r"(?:for (?:more|further|additional|detailed) (?:information|details|help)|see (?:also )?"
    r"|learn (?:more|how)|to learn more|refer to|(?:this|the following|these) (?:topic|section"
    r"|chapter|page|guide|tutorial|document|video|example|table|list|step|procedure|article)s?\b"
    r"|weitere informationen|siehe|mehr dazu|pour (?:plus|en savoir)|voir|para (?:más|obtener más)"
    r"|consulte|véase)",
    re.IGNORECASE,
)
_CODE = re.compile(
    r"(?:from [\w.]+ import|import [\w.]+|def \w+\(|class \w+[(:]|\w+(?:\.\w+)+\(|\$ |>>> |[{}<])"
    r"|.*(?:\w\([^)]*\)\s+\w+(?:\.\w+)*\(|\w = \w+\()"
)
"""Lines of a program, where nothing marks them as such."""
_MARKUP = re.compile(r"!?\[([^\]\n]*)\]\([^)\s]*\)|<[^>\n]{1,80}>|\*{1,3}(?=\S)|(?<=\S)\*{1,3}")


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something a source says that could be (a part of) the answer."""

    source: Source
    place: int
    """Its order of reading within the source."""
    text: str
    """Readable by itself, on one line, ending as a sentence does."""
    context: str = ""
    """The question, lead-in or heading right above it, which says what it is about."""
    inherits: bool = False
    """The context's words count as its own: it is a table's row, or answers a question above."""
    before: str = ""
    """The sentence before it, where it opens with a word that points back."""
    points_elsewhere: bool = False
    """It says where to read on (`For more information, see …`), which is seldom an answer."""
    complete: bool = True
    """Neither its beginning nor its end is cut off by the passage's."""


def candidates(source: Source) -> Iterator[Candidate]:
    """The sentences, list items, whole lists and table rows of a source, in reading order.

    Headings, code, questions, lone words and lines of a table without words are left out.
    """
    said = sentences(source.passage.chunk.text)
    above, before = _heading(source), ""
    rows = Rows(begins_inside=source.passage.chunk.start > 0)
    for place, sentence in enumerate(said):
        if sentence.kind == "row":
            yield from _row(source, place, rows.tell(sentence.text), above)
            continue
        rows.end()
        if sentence.kind == "heading" or sentence.text.endswith("?"):
            yield from _list(source, place, said)
            above, before = body(sentence), ""
            continue
        if sentence.kind != "code" and not _CODE.match(sentence.text):
            yield from _sentence(source, place, sentence, above, before)
            before = body(sentence) if sentence.complete else ""


def _sentence(
    source: Source, place: int, sentence: Sentence, above: str, before: str
) -> Iterator[Candidate]:
    text = readable(body(sentence))
    if len(text.split()) < LEAST_WORDS or len(text) > LONGEST_CHARACTERS:
        return
    points_back = _DANGLING.match(text) is not None
    complete = sentence.complete or sentence.kind == "item"
    yield Candidate(
        source=source,
        place=place,
        text=text,
        context=above,
        inherits=above.endswith(("?", ":")),
        before=readable(before) if points_back else "",
        points_elsewhere=_ELSEWHERE.match(text) is not None,
        complete=complete,
    )


def _row(source: Source, place: int, row: Told | None, above: str) -> Iterator[Candidate]:
    if row is None or len(row.text) > LONGEST_CHARACTERS:
        return
    context = f"{above} {row.context}".strip()
    yield Candidate(source, place, readable(row.text), context, inherits=True)


def _list(source: Source, place: int, said: Sequence[Sentence]) -> Iterator[Candidate]:
    """A lead-in that ends in a colon, with the items below it, as one sentence."""
    lead = body(said[place]).rstrip()
    items = []
    for sentence in said[place + 1 :]:
        if sentence.kind != "item":
            break
        items.append(sentence.text if _numbered(sentence.text) else body(sentence))
    if not lead.endswith(":") or len(items) < 2:
        return
    told = "; ".join(_item(text) for text in items[:LIST_ITEMS])
    text = readable(f"{lead} {told}")
    if len(text) <= LONGEST_CHARACTERS:
        yield Candidate(source, place, text, _heading(source))


def _numbered(item: str) -> bool:
    return re.match(r"\(?\d", item) is not None


def _item(text: str) -> str:
    """One item without its end mark; `1. Press` becomes `(1) Press`, which ends no sentence."""
    one_line = " ".join(text.split()).rstrip(".;, ")
    return re.sub(r"^\(?(\d{1,3})[.)]\s+", r"(\1) ", one_line)


def readable(text: str) -> str:
    """On one line, without links' targets, tags and emphasis, and ending with an end mark."""
    plain = " ".join(_MARKUP.sub(r"\1", text).split()).rstrip(" ;,:")
    if not plain or plain[-1] in ".!?…。！？" or re.search(r"[.!?][\"”’»)]$", plain):
        return plain
    return f"{plain}."


def _heading(source: Source) -> str:
    section = source.passage.chunk.section
    return section[-1] if section else source.passage.document.title
