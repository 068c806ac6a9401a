"""The scorers: every metric by name, each a small function of a case and its reply."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from evals import citing, costs, ranking, wording
from evals.cases import Case
from evals.grounding import groundedness
from evals.reply import Reply
from evals.score import Score, unknown
from retrieval.ground import OverlapGrounder

Scorer = Callable[[Case, Reply], Score | Awaitable[Score]]


@dataclass(frozen=True, slots=True)
class Metric:
    """A scorer with what a reader of its figures must know."""

    name: str
    title: str
    group: str
    about: str
    """What it is, in one line for people; the scorer's docstring has the formula's source."""
    scorer: Scorer
    headline: bool = False
    """It is among those that say how good one reply is."""
    unit: str = ""
    """Empty: a share from 0 to 1, of which more is better. Else a cost: less is better."""

    @property
    def bounded(self) -> bool:
        """Its scores lie from 0 to 1."""
        return not self.unit

    @property
    def higher_is_better(self) -> bool:
        return not self.unit

    def written(self, value: float, *, sign: bool = False) -> str:
        """A figure as it stands in reports: `0.953`, `366 ms`, `+0.020`."""
        plus = "+" if sign else ""
        return f"{value:{plus}.3f}" if self.bounded else f"{value:{plus},.0f} {self.unit}"


def _ranked(by: str, group: str, ranked: ranking.Ranked) -> Iterator[Metric]:
    for k in (1, 3, 5, 8):
        yield Metric(
            f"{by}_recall_at_{k}",
            f"Recall@{k}",
            group,
            f"Of the expected {by}s, the share among the first {k} found",
            ranking.scorer(ranked, partial(ranking.recall, k=k)),
            headline=(by, k) == ("passage", 8),
        )
    yield Metric(
        f"{by}_ndcg_at_10",
        "nDCG@10",
        group,
        f"How high the expected {by}s stand, against the best order there is",
        ranking.scorer(ranked, partial(ranking.ndcg, k=10)),
    )
    yield Metric(
        f"{by}_mrr",
        "MRR",
        group,
        f"One over the rank of the first expected {by}",
        ranking.scorer(ranked, ranking.reciprocal_rank),
    )


ANSWERS, PROOF, REFUSALS, COSTS = "Answers", "Proof", "Refusals", "Costs"
METRICS: Sequence[Metric] = (
    Metric(
        "answer_recall",
        "Answer recall",
        ANSWERS,
        "Of the expected answer's words, the share that is said",
        wording.scorer(wording.token_recall),
        headline=True,
    ),
    Metric(
        "token_f1",
        "Token F1",
        ANSWERS,
        "The same, against how much else is said",
        wording.scorer(wording.token_f1),
    ),
    Metric(
        "rouge_l",
        "ROUGE-L",
        ANSWERS,
        "The same, for words in the expected order",
        wording.scorer(wording.rouge_l),
    ),
    Metric(
        "exact_match",
        "Exact match",
        ANSWERS,
        "Nothing but the expected words is said",
        wording.scorer(wording.exact_match),
    ),
    Metric(
        "groundedness",
        "Groundedness",
        PROOF,
        "Of an answer's sentences, the share that its sources support",
        groundedness(OverlapGrounder()),
        headline=True,
    ),
    Metric(
        "citation_precision",
        "Citation precision",
        PROOF,
        "Of the citations, the share that quotes what was expected",
        citing.citation_precision,
        headline=True,
    ),
    Metric(
        "citation_recall",
        "Citation recall",
        PROOF,
        "Of the expected quotes, the share that is cited",
        citing.citation_recall,
        headline=True,
    ),
    Metric(
        "cited_document_precision",
        "Cited document precision",
        PROOF,
        "Of the cited documents, the share that was expected",
        citing.cited_document_precision,
    ),
    Metric(
        "cited_document_recall",
        "Cited document recall",
        PROOF,
        "Of the expected documents, the share that is cited",
        citing.cited_document_recall,
    ),
    Metric(
        "refusal_precision",
        "Refusal precision",
        REFUSALS,
        "Of the refused questions, the share that has no answer",
        citing.refusal_precision,
        headline=True,
    ),
    Metric(
        "refusal_recall",
        "Refusal recall",
        REFUSALS,
        "Of the questions without an answer, the share that was refused",
        citing.refusal_recall,
        headline=True,
    ),
    *_ranked("passage", "Retrieval, by passage", ranking.by_passage),
    *_ranked("document", "Retrieval, by document", ranking.by_document),
    Metric("latency_ms", "Latency", COSTS, "Until the whole answer", costs.latency, unit="ms"),
    Metric(
        "first_text_ms", "First text", COSTS, "Until the first text", costs.first_text, unit="ms"
    ),
    Metric("tokens", "Tokens", COSTS, "Of the language model", costs.tokens, unit="tokens"),
)
BY_NAME: Mapping[str, Metric] = {metric.name: metric for metric in METRICS}


@dataclass(frozen=True, slots=True)
class Scored:
    """All scores of one reply, and what crashed on the way to them."""

    scores: Mapping[str, Score]
    errors: tuple[str, ...]


async def scored(case: Case, reply: Reply, metrics: Sequence[Metric] = METRICS) -> Scored:
    """Every metric's score. A scorer that crashes gives NaN, and its error goes into the row."""
    scores: dict[str, Score] = {}
    errors: list[str] = []
    for metric in metrics:
        try:
            found = metric.scorer(case, reply)
            scores[metric.name] = await found if inspect.isawaitable(found) else found
        except Exception as error:  # noqa: BLE001  # one bad scorer must not cost the whole run
            words = f"{metric.name} crashed: {type(error).__name__}: {error}"
            scores[metric.name] = unknown(words)
            errors.append(words)
    return Scored(scores, tuple(errors))


def unscored(reason: str, metrics: Sequence[Metric] = METRICS) -> Mapping[str, Score]:
    """The scores of a case that got no reply: nothing is known of any."""
    return {metric.name: unknown(reason) for metric in metrics}
