"""Wording: how much of the expected answer an answer says, and how much else."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence

from evals.cases import Case
from evals.reply import Reply
from evals.score import Score, inapplicable
from retrieval.text.markers import without

Measure = Callable[[Sequence[str], Sequence[str]], float]
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normal(text: str) -> tuple[str, ...]:
    """The tokens of SQuAD's normalisation (Rajpurkar et al. 2016): lower case, without punctuation
    and English articles, split at spaces. Citation markers go before."""
    plain = without(text).lower().translate(_PUNCTUATION)
    return tuple(_ARTICLES.sub(" ", plain).split())


def exact_match(said: Sequence[str], expected: Sequence[str]) -> float:
    """1 when the tokens are the same (SQuAD). Answers in whole sentences rarely are."""
    return float(tuple(said) == tuple(expected))


def token_f1(said: Sequence[str], expected: Sequence[str]) -> float:
    """Harmonic mean of token precision and recall (SQuAD)."""
    return _f1(_shared(said, expected), len(said), len(expected))


def token_recall(said: Sequence[str], expected: Sequence[str]) -> float:
    """Share of the expected tokens that are said: does not punish whole sentences, and goes best
    with people's judgement of correctness (Adlakha et al. 2024, "Evaluating correctness and
    faithfulness of instruction-following models for question answering")."""
    return _shared(said, expected) / len(expected)


def rouge_l(said: Sequence[str], expected: Sequence[str]) -> float:
    """F1 over the longest common subsequence of tokens (Lin 2004, with beta 1)."""
    return _f1(_longest_common(said, expected), len(said), len(expected))


def scorer(measure: Measure) -> Callable[[Case, Reply], Score]:
    """The measure for cases with an expected answer. A refusal says nothing of it: 0."""

    def score(case: Case, reply: Reply) -> Score:
        expected = normal(case.answer)
        if not expected:
            return inapplicable("the case has no expected answer")
        if reply.refused:
            return Score(value=0.0, reason="it was refused")
        return Score(value=measure(normal(reply.answer), expected))

    return score


def _shared(said: Sequence[str], expected: Sequence[str]) -> int:
    return (Counter(said) & Counter(expected)).total()


def _f1(shared: int, said: int, expected: int) -> float:
    return 2 * shared / (said + expected) if shared else 0.0


def _longest_common(one: Sequence[str], other: Sequence[str]) -> int:
    """The length of the longest common subsequence, row by row of its table."""
    row = [0] * (len(other) + 1)
    for a in one:
        above = row
        row = [0]
        for i, b in enumerate(other):
            row.append(above[i] + 1 if a == b else max(above[i + 1], row[i]))
    return row[-1]
