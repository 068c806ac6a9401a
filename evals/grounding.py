"""Groundedness: is what an answer says said by its sources, whether or not it was expected."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from evals.cases import Case
from evals.reply import Reply, SeenSentence
from evals.score import Score, inapplicable, unknown
from retrieval.ground import Grounder


def groundedness(grounder: Grounder) -> Callable[[Case, Reply], Awaitable[Score]]:
    """Of the answer's sentences, the share that the sources support: faithfulness (Es et al. 2024,
    Ragas), with sentences for claims and this grounder for the judge.

    A sentence is held against the sources it cites, or against all where it cites none.
    """

    async def score(_: Case, reply: Reply) -> Score:
        if reply.refused:
            return inapplicable("a refusal claims nothing")
        claims = [sentence for sentence in reply.sentences if not _leads_in(sentence.text)]
        if not claims:
            return unknown("the answer has no sentence to check")
        supports = [await grounder.support(one.text, _sources(one, reply)) for one in claims]
        supported = sum(support.supported for support in supports)
        reason = f"{supported} of {len(claims)} sentences are supported"
        return Score(value=supported / len(claims), reason=reason)

    return score


def _sources(sentence: SeenSentence, reply: Reply) -> list[str]:
    cited = sentence.citations
    return [source.text for source in reply.sources if not cited or source.number in cited]


def _leads_in(sentence: str) -> bool:
    """`These are the steps:` claims nothing; with a number in it, it might."""
    return sentence.endswith((":", "：")) and not any(c.isdigit() for c in sentence)
