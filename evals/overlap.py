"""Overlap: whether two texts of one document have a passage in common."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher
from functools import lru_cache

from evals.cases import Case
from retrieval.text.words import fold, words

LEAST_RUN = 5
"""Words in a row that two texts must share where neither stands whole in the other."""


def overlap(one: str, other: str) -> bool:
    """One stands in the other word for word, or they share half of the shorter, in one run.

    Case, accents, spaces and punctuation between words do not count. The run is for quotes that
    are cut in two where one chunk ends and the next begins.
    """
    short, long = sorted((_words(one), _words(other)), key=len)
    if not short:
        return False
    matcher = SequenceMatcher(None, short, long, autojunk=False)
    run = matcher.find_longest_match().size
    return run == len(short) or run >= max(LEAST_RUN, len(short) / 2)


def quotes_in(case: Case, document: str, text: str) -> frozenset[str]:
    """The expected quotes that this text of this document shows.

    A text of a document that the case does not name shows none, whatever its words: the same
    line of a table may stand in last year's edition. A case without documents takes any.
    """
    if case.documents and document not in case.documents:
        return frozenset()
    return frozenset(quote for quote in case.quotes if overlap(text, quote))


def quotes_in_all(case: Case, texts: Iterable[tuple[str, str]]) -> frozenset[str]:
    """The expected quotes that these (document, text) show together."""
    return frozenset().union(*(quotes_in(case, document, text) for document, text in texts))


@lru_cache(maxsize=4096)
def _words(text: str) -> tuple[str, ...]:
    return tuple(fold(word.text) for word in words(text))
