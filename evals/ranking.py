"""Retrieval: where in the ranking of the sources the expected documents and quotes stand."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from evals.cases import Case
from evals.overlap import quotes_in
from evals.reply import Reply
from evals.score import Score, inapplicable


@dataclass(frozen=True, slots=True)
class Ranking:
    """How many expected things are shown for the first time at each rank."""

    gains: tuple[int, ...]
    expected: int

    @property
    def missed(self) -> int:
        return self.expected - sum(self.gains)


Ranked = Callable[[Case, Reply], Ranking]


def by_document(case: Case, reply: Reply) -> Ranking:
    """Ranks are those of documents: several passages of one document take one place, the best."""
    shown = dict.fromkeys(source.name for source in reply.sources)
    return Ranking(tuple(int(name in case.documents) for name in shown), len(set(case.documents)))


def by_passage(case: Case, reply: Reply) -> Ranking:
    """Ranks are those of sources. A source counts for every quote that no better one showed."""
    found: frozenset[str] = frozenset()
    gains: list[int] = []
    for source in reply.sources:
        new = quotes_in(case, source.name, source.text) - found
        found |= new
        gains.append(len(new))
    return Ranking(tuple(gains), len(set(case.quotes)))


def recall(ranking: Ranking, k: int) -> float:
    """Recall@k: the share of what is expected that the first k show (Manning et al. 2008, 8.4)."""
    return sum(ranking.gains[:k]) / ranking.expected


def ndcg(ranking: Ranking, k: int) -> float:
    """nDCG@k with binary gains (Järvelin and Kekäläinen 2002), discount log2(1 + rank).

    Relevant are the places that show something new. The best ranking has all of these first,
    and a place for each expected thing that was missed.
    """
    gain = sum(_discount(rank) for rank, new in enumerate(ranking.gains[:k], start=1) if new)
    relevant = sum(new > 0 for new in ranking.gains) + ranking.missed
    best = sum(_discount(rank) for rank in range(1, min(k, relevant) + 1))
    return gain / best


def reciprocal_rank(ranking: Ranking) -> float:
    """1 over the rank of the first that is expected, 0 where none is (Voorhees 1999, TREC-8 QA)."""
    return next((1 / rank for rank, new in enumerate(ranking.gains, start=1) if new), 0.0)


def scorer(ranked: Ranked, measure: Callable[[Ranking], float]) -> Callable[[Case, Reply], Score]:
    """The measure of that ranking, for cases that say what is expected."""

    def score(case: Case, reply: Reply) -> Score:
        ranking = ranked(case, reply)
        if not ranking.expected:
            return inapplicable("the case names nothing that should be found")
        return Score(value=measure(ranking), reason=_found(ranking))

    return score


def _found(ranking: Ranking) -> str:
    places = [str(rank) for rank, new in enumerate(ranking.gains, start=1) if new]
    at = f" at {', '.join(places)}" if places else ""
    return f"{ranking.expected - ranking.missed} of {ranking.expected} found{at}"


def _discount(rank: int) -> float:
    return 1 / math.log2(1 + rank)
