"""Coverage: how much of what one text says is found in another, heavy words counting more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import log

from retrieval.text.signs import identifiers, names, numbers
from retrieval.text.stopwords import GENERIC
from retrieval.text.words import content_words, stem

GENERIC_WEIGHT = 0.3
NAME_WEIGHT = 1.6
IDENTIFIER_WEIGHT = 3.0
NUMBER_WEIGHT = 1.6
COMMONEST = 0.2
"""What is left of a term's weight when every text of the pool has it."""
PREFIX = 5
"""Words that agree in this many first letters, and in most of their length, count as half alike."""
PREFIX_SHARE = 0.6
PREFIX_CREDIT = 0.6

_GENERIC = frozenset(stem(word) for word in GENERIC)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a text says, as far as words go."""

    stems: frozenset[str]
    numbers: frozenset[str]
    identifiers: frozenset[str]

    all: frozenset[str]
    """Stems, numbers and identifiers in one set, for looking up."""


@lru_cache(maxsize=1024)
def terms(text: str, language: str | None = None) -> Terms:
    """The content words, numbers and identifiers of a text.

    The last thousand are kept: an answer's sentences are all held against the same passages.
    """
    stems = frozenset(content_words(text, language))
    counted, coded = numbers(text), identifiers(text)
    return Terms(stems, counted, coded, stems | counted | coded)


def weights(text: str, language: str | None = None) -> dict[str, float]:
    """How much each term of a text matters: names, numbers and identifiers most."""
    said, named = terms(text, language), names(text)
    weighed = {word: _weight(word, named) for word in said.stems}
    weighed |= dict.fromkeys(said.numbers, NUMBER_WEIGHT)
    return weighed | dict.fromkeys(said.identifiers, IDENTIFIER_WEIGHT)


def rarity(weighed: Mapping[str, float], pool: Iterable[frozenset[str]]) -> dict[str, float]:
    """The weights times an inverse document frequency over a pool of texts.

    log(1 + (N - n + 0.5) / (n + 0.5)), as in BM25 (Robertson and Zaragoza, 2009), over its
    largest value, so that a term no text of the pool has keeps its whole weight.
    """
    texts = list(pool)
    most = _idf(0, len(texts))
    return {
        term: weight
        * (COMMONEST + (1 - COMMONEST) * _idf(sum(term in t for t in texts), len(texts)) / most)
        for term, weight in weighed.items()
    }


def coverage(weighed: Mapping[str, float], found: frozenset[str]) -> float:
    """The share, 0 to 1, of the weight that is found; 1 when there is nothing to find."""
    whole = sum(weighed.values())
    if whole == 0:
        return 1.0
    return sum(weight * credit(term, found) for term, weight in weighed.items()) / whole


def credit(term: str, found: frozenset[str]) -> float:
    """1 for a term that is there, a part for one that begins alike (`invent`, `invention`)."""
    if term in found:
        return 1.0
    if len(term) < PREFIX or not term.isalpha():
        return 0.0
    near = (other for other in found if other[:PREFIX] == term[:PREFIX])
    return PREFIX_CREDIT if any(_alike(term, other) for other in near) else 0.0


def _alike(one: str, other: str) -> bool:
    shared = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    length = min(len(one), len(other)) if shared is None else shared
    return length >= PREFIX_SHARE * max(len(one), len(other))


def _weight(word: str, named: frozenset[str]) -> float:
    if word in named:
        return NAME_WEIGHT
    return GENERIC_WEIGHT if word in _GENERIC else 1.0


def _idf(having: int, texts: int) -> float:
    return log(1 + (texts - having + 0.5) / (having + 0.5))
