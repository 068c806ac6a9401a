"""Citations and refusals: is what is given as proof the proof, and what is refused unanswerable."""

from __future__ import annotations

from evals.cases import Case
from evals.overlap import quotes_in, quotes_in_all
from evals.reply import Reply
from evals.score import Score, inapplicable

NOTHING_EXPECTED = "the case names nothing that should be cited"
NOTHING_CITED = "nothing is cited"


def citation_precision(case: Case, reply: Reply) -> Score:
    """Citations whose quote overlaps an expected one, over citations (after ALCE: Gao et al. 2023).

    Without citations there is nothing to be precise about; `citation_recall` is 0 then.
    """
    if not case.quotes:
        return inapplicable(NOTHING_EXPECTED)
    if not reply.citations:
        return inapplicable(NOTHING_CITED)
    right = sum(bool(quotes_in(case, cited.name, cited.quote)) for cited in reply.citations)
    return _share(right, len(reply.citations), "citations are expected")


def citation_recall(case: Case, reply: Reply) -> Score:
    """Expected quotes that a citation overlaps, over expected quotes (after ALCE: Gao et al. 2023).

    0 where an answerable question was refused.
    """
    if not case.quotes:
        return inapplicable(NOTHING_EXPECTED)
    cited = quotes_in_all(case, ((one.name, one.quote) for one in reply.citations))
    return _share(len(cited), len(set(case.quotes)), "expected quotes are cited")


def cited_document_precision(case: Case, reply: Reply) -> Score:
    """Cited documents that are expected, over cited documents."""
    if not case.documents:
        return inapplicable(NOTHING_EXPECTED)
    cited = {one.name for one in reply.citations}
    if not cited:
        return inapplicable(NOTHING_CITED)
    return _share(len(cited & set(case.documents)), len(cited), "cited documents are expected")


def cited_document_recall(case: Case, reply: Reply) -> Score:
    """Expected documents that are cited, over expected documents."""
    if not case.documents:
        return inapplicable(NOTHING_EXPECTED)
    cited = {one.name for one in reply.citations}
    expected = set(case.documents)
    return _share(len(cited & expected), len(expected), "expected documents are cited")


def refusal_precision(case: Case, reply: Reply) -> Score:
    """Of the refused questions, the share without an answer (Rajpurkar et al. 2018, SQuAD 2.0)."""
    if not reply.refused:
        return inapplicable("it was answered")
    return _right(case.unanswerable, "it has no answer", "it has an answer, and was refused")


def refusal_recall(case: Case, reply: Reply) -> Score:
    """Of the questions without an answer, the share that was refused (the same source)."""
    if not case.unanswerable:
        return inapplicable("it has an answer")
    return _right(reply.refused, "it was refused", "it has no answer, and got one")


def _right(right: bool, good: str, bad: str) -> Score:
    return Score(value=float(right), reason=good if right else bad)


def _share(part: int, whole: int, words: str) -> Score:
    return Score(value=part / whole, reason=f"{part} of {whole} {words}")
