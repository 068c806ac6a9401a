"""Evidence: how strongly the sources found support answering the question at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp

from retrieval.search import Source
from retrieval.text.coverage import coverage, rarity, terms, weights
from retrieval.text.words import content

SIMILARITY_WEIGHT = 7.0
COVERAGE_WEIGHT = 4.5
BIAS = -5.0
LOOKED_FOR_WORDS = 12


@dataclass(frozen=True, slots=True)
class Evidence:
    """The score and what it was made of, so that a refusal can be understood."""

    score: float
    """0 to 1."""
    similarity: float
    """The best cosine between the question and a source."""
    coverage: float
    """The share of the question's weighted words that the best source has."""


def weigh(question: str, sources: Sequence[Source]) -> Evidence:
    """How likely the sources can answer: 1 / (1 + exp(-(b + s * similarity + c * coverage))).

    The similarity is the best cosine; the coverage is that of one source, the best, with each
    word of the question weighted by its kind (identifiers, names and numbers most) and by its
    rarity among the sources. A logistic regression over both, fitted on questions with and
    without an answer in the corpus.
    """
    if not sources:
        return Evidence(0.0, 0.0, 0.0)
    found = [terms(_with_heading(source)).all for source in sources]
    weighed = rarity(weights(question), found)
    similarity = max(source.similarity for source in sources)
    covered = max(coverage(weighed, has) for has in found) if weighed else 0.0
    score = 1 / (1 + exp(-(BIAS + SIMILARITY_WEIGHT * similarity + COVERAGE_WEIGHT * covered)))
    return Evidence(score, similarity, covered)


def looked_for(question: str) -> str:
    """The words of the question that carry it, for telling what was looked for."""
    kept = content(question)[:LOOKED_FOR_WORDS]
    return " ".join(dict.fromkeys(word.text for word in kept)) or question.strip()


def _with_heading(source: Source) -> str:
    passage = source.passage
    return "\n".join([passage.document.title, *passage.chunk.section, passage.chunk.text])
