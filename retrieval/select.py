"""Selection: the one to three sentences that answer best, in an order that reads well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from retrieval.candidates import Candidate
from retrieval.conversation import parted
from retrieval.evidence import in_full, keys_of, missing
from retrieval.hints import fits
from retrieval.index import Vector
from retrieval.search import Source
from retrieval.text.coverage import coverage, rarity, terms, weights
from retrieval.text.signs import years

SIMILARITY = 0.45
COVERAGE = 0.45
HINT = 0.08
RANK = 0.02
COMPLETE = 0.04
"""The shares of the score. On 200 questions of SQuAD 2.0 dev the sentence that they put first has
the answer in three of four cases; similarity alone gives fewer than two of three."""
TOPIC = 0.5
"""The weight of a word that a follow-up takes from earlier turns."""
MOST = 3
CLOSE = 0.06
"""How far below the best a further sentence may score."""
ENOUGH = 0.48
"""Nothing below this answers the question: of the right sentences, one in twenty scores less."""
ELSEWHERE = 0.15
MISSING = 0.12
"""Taken off when the whole passage lacks a name, year or identifier that the question has."""
OTHER_YEAR = 0.25
"""Taken off a sentence about 2026 when the question is about 2027."""
REPEATS = 0.6
"""Share of its words that a further sentence may have in common with one chosen before."""


def shortlist(question: str, found: Sequence[Candidate], most: int) -> list[Candidate]:
    """The candidates with the best coverage: what is worth the cost of embedding."""
    order = np.argsort(-np.array(_covered(question, found)), kind="stable")[:most]
    return [found[i] for i in sorted(order.tolist())]


def scores(
    question: str, found: Sequence[Candidate], asked: Vector, vectors: Vector
) -> list[float]:
    """One score each, about 0 to 1: similarity, coverage, the answer's kind, rank, wholeness.

    `asked` has the shape (dimension,), `vectors` (len(found), dimension), both of unit length.
    """
    similar = vectors @ asked
    covered = _covered(question, found)
    lacking = _lacking(question, {each.source.number: each.source for each in found})
    return [
        SIMILARITY * float(similar[i])
        + COVERAGE * covered[i]
        + HINT * fits(question, each.text)
        + RANK / each.source.number
        + (COMPLETE if each.complete else 0.0)
        - (ELSEWHERE if each.points_elsewhere else 0.0)
        - (MISSING if each.source.number in lacking else 0.0)
        - (OTHER_YEAR if _of_another_year(question, each.text) else 0.0)
        for i, each in enumerate(found)
    ]


def select(found: Sequence[Candidate], scored: Sequence[float]) -> list[Candidate]:
    """The best, and up to two more that are nearly as good and say something else."""
    order = sorted(range(len(found)), key=lambda i: -scored[i])
    if not order or scored[order[0]] < ENOUGH:
        return []
    floor = max(ENOUGH, scored[order[0]] - CLOSE)
    chosen: list[Candidate] = []
    for i in order:
        if len(chosen) < MOST and scored[i] >= floor and not _said(found[i], chosen):
            chosen.append(found[i])
    return _in_reading_order(chosen)


def _covered(question: str, found: Sequence[Candidate]) -> list[float]:
    said = [terms(each.text).all | _above(each) for each in found]
    weighed = rarity(_weighed(question), said)
    return [coverage(weighed, has) if weighed else 0.0 for has in said]


def _weighed(question: str) -> dict[str, float]:
    """What a follow-up asks itself counts more than what the conversation was about."""
    topic, asked = parted(question)
    return {term: TOPIC * weight for term, weight in weights(topic).items()} | weights(asked)


def _above(candidate: Candidate) -> frozenset[str]:
    """What a table's heading row or a question above says belongs to what stands below."""
    return terms(candidate.context).all if candidate.inherits else frozenset()


def _lacking(question: str, sources: Mapping[int, Source]) -> set[int]:
    keys = keys_of(question)
    return {n for n, source in sources.items() if missing(keys, terms(in_full(source)).all)}


def _of_another_year(question: str, text: str) -> bool:
    asked, told = years(question), years(text)
    return bool(asked and told) and not asked & told


def _said(candidate: Candidate, chosen: Sequence[Candidate]) -> bool:
    words = terms(candidate.text).all
    return any(
        len(words & other) >= REPEATS * min(len(words), len(other))
        for other in (terms(each.text).all for each in chosen)
    )


def _in_reading_order(chosen: list[Candidate]) -> list[Candidate]:
    """By source in the order in which the sources were chosen, within one as it reads."""
    sources = list(dict.fromkeys(each.source.number for each in chosen))
    return sorted(chosen, key=lambda each: (sources.index(each.source.number), each.place))
