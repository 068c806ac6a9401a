"""From `[2]` in an answer to the passage it points at, and the proof that it stands there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from retrieval.index import DocumentRef, Passage
from retrieval.search import Source
from retrieval.text.align import locate
from retrieval.text.coverage import coverage, terms, weights
from retrieval.text.markers import markers, without
from retrieval.text.sentences import Sentence, sentences
from retrieval.text.signs import quotations
from retrieval.text.words import language_of

SECOND_SENTENCE_ADDS = 0.15
"""A neighbour joins the quote when it covers this much more of what the answer says."""
LEAST_CLAIM_WORDS = 3
PLAINLY_FROM = 0.8
LONGEST_QUOTE = 600
"""Characters: a longer pair of sentences is not shown as one quote."""


@dataclass(frozen=True, slots=True)
class Citation:
    """One sentence of an answer, and the words of one document that prove it."""

    number: int
    """The source's, as in the answer's text."""
    sentence: int
    """The index into the answer's sentences, from 0."""
    document: DocumentRef
    page: int | None
    section: tuple[str, ...]
    start: int
    end: int
    """`quote` is `document[start:end]`, in characters of the document's whole text."""
    quote: str


def cite(text: str, sentence: int, sources: Sequence[Source]) -> tuple[Citation, ...]:
    """A citation for every number in the sentence's markers that points at a source.

    A number that points at nothing, or at a passage which has nothing to do with the sentence,
    gives none.
    """
    by_number = {source.number: source for source in sources}
    cited = dict.fromkeys(number for marker in markers(text) for number in marker.numbers)
    claim = without(text)
    made = (_cited(claim, sentence, by_number[n]) for n in cited if n in by_number)
    passages = {source.number: source.passage for source in sources}
    return prove([citation for citation in made if citation], passages)


def attribute(claim: str, sources: Sequence[Source]) -> int | None:
    """The number of the source that a sentence without markers plainly comes from, if one does.

    It has to say something (three content words), and the source most of it.
    """
    weighed = weights(claim)
    if len(weighed) < LEAST_CLAIM_WORDS:
        return None
    covered = {s.number: coverage(weighed, terms(s.passage.chunk.text).all) for s in sources}
    best = max(covered, key=lambda number: covered[number], default=None)
    return best if best is not None and covered[best] >= PLAINLY_FROM else None


def prove(citations: Sequence[Citation], passages: Mapping[int, Passage]) -> tuple[Citation, ...]:
    """The citations whose quote stands, to the character, where they say it does."""
    return tuple(each for each in citations if _stands(each, passages.get(each.number)))


def _stands(citation: Citation, passage: Passage | None) -> bool:
    if passage is None or passage.document != citation.document or not citation.quote:
        return False
    chunk = passage.chunk
    inside = chunk.start <= citation.start < citation.end <= chunk.end
    found = chunk.text[citation.start - chunk.start : citation.end - chunk.start]
    return inside and found == citation.quote


def _cited(claim: str, sentence: int, source: Source) -> Citation | None:
    chunk = source.passage.chunk
    span = quote_in(claim, chunk.text)
    if span is None:
        return None
    start, end = span
    place = chunk.place_of(chunk.start + start)
    return Citation(
        number=source.number,
        sentence=sentence,
        document=source.passage.document,
        page=place.page,
        section=place.section,
        start=chunk.start + start,
        end=chunk.start + end,
        quote=chunk.text[start:end],
    )


def quote_in(claim: str, passage: str) -> tuple[int, int] | None:
    """The span of the passage that best supports the claim, or None when nothing does.

    What the claim has between quotation marks, or the whole claim, where it stands word for
    word; else the sentence that covers most of the claim's weighted words, with a neighbour
    when that adds to it. A claim in another language than the passage shares few words with
    it, so there the whole passage is the quote.
    """
    for verbatim in (*quotations(claim), claim):
        if (span := locate(verbatim, passage)) is not None:
            return span
    span = _best(claim, sentences(passage))
    if span is None and language_of(claim) != language_of(passage):
        return _whole(passage)
    return span


def _best(claim: str, candidates: Sequence[Sentence]) -> tuple[int, int] | None:
    weighed = weights(claim)
    found = [terms(each.text).all for each in candidates]
    scores = [coverage(weighed, has) if weighed else 0.0 for has in found]
    if not scores or max(scores) == 0:
        return None
    best = scores.index(max(scores))
    start, end = candidates[best].start, candidates[best].end
    for near in (best + 1, best - 1):
        if not 0 <= near < len(candidates):
            continue
        gain = coverage(weighed, found[best] | found[near]) - scores[best]
        first, last = min(start, candidates[near].start), max(end, candidates[near].end)
        if gain >= SECOND_SENTENCE_ADDS and last - first <= LONGEST_QUOTE:
            return first, last
    return start, end


def _whole(passage: str) -> tuple[int, int] | None:
    text = passage.strip()
    start = passage.find(text)
    return (start, start + len(text)) if text else None
