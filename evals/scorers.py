"""The scorers: every metric by name, each a small function of a case and its reply."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from evals import citing, ranking, wording
from evals.cases import Case
from evals.reply import Reply, SeenSentence
from evals.score import Score, inapplicable, unknown
from retrieval.ground import Grounder, OverlapGrounder

Scorer = Callable[[Case, Reply], Score | Awaitable[Score]]


@dataclass(frozen=True, slots=True)
class Metric:
    """A scorer with what a reader of its figures must know."""

    name: str
    title: str
    scorer: Scorer
    higher_is_better: bool = True
    unit: str = ""
    """Empty: a share, from 0 to 1."""
    headline: bool = False
    """It is among those that say how good one reply is."""

    @property
    def bounded(self) -> bool:
        """Its scores lie from 0 to 1."""
        return not self.unit

    def written(self, value: float, *, sign: bool = False) -> str:
        """A figure as it stands in reports: `0.953`, `366 ms`, `+0.020`."""
        plus = "+" if sign else ""
        return f"{value:{plus}.3f}" if self.bounded else f"{value:{plus},.0f} {self.unit}"


def groundedness(grounder: Grounder) -> Scorer:
    """Of the answer's sentences, the share that the sources support: faithfulness (Es et al. 2024,
    Ragas) with sentences for claims, and the grounder of the product for the judge.

    A sentence is held against the sources it cites, or against all where it cites none.
    """

    async def score(_: Case, reply: Reply) -> Score:
        claims = [sentence for sentence in reply.sentences if not _leads_in(sentence.text)]
        if reply.refused:
            return inapplicable("a refusal claims nothing")
        if not claims:
            return unknown("the answer has no sentence to check")
        supports = [await grounder.support(one.text, _sources(one, reply)) for one in claims]
        supported = sum(support.supported for support in supports)
        reason = f"{supported} of {len(claims)} sentences are supported"
        return Score(value=supported / len(claims), reason=reason)

    return score


def latency(_: Case, reply: Reply) -> Score:
    """Milliseconds from the question to the whole answer, as the asker waited."""
    return Score(value=reply.latency_ms)


def first_text(_: Case, reply: Reply) -> Score:
    """Milliseconds until the first text could be shown, by the service's clock."""
    if reply.timings_ms.first_text is None:
        return unknown("the service does not say when its first text was there")
    return Score(value=reply.timings_ms.first_text)


def tokens(_: Case, reply: Reply) -> Score:
    """Tokens of the prompt and of the completion."""
    return Score(value=float(reply.usage.prompt_tokens + reply.usage.completion_tokens))


def _ranked(by: str, title: str, ranked: ranking.Ranked) -> tuple[Metric, ...]:
    def metric(name: str, words: str, measure: Callable[[ranking.Ranking], float]) -> Metric:
        return Metric(
            f"{by}_{name}",
            f"{title} {words}",
            ranking.scorer(ranked, measure),
            headline=f"{by}_{name}" == "passage_recall_at_8",
        )

    return (
        *(
            metric(f"recall_at_{k}", f"recall@{k}", partial(ranking.recall, k=k))
            for k in (1, 3, 5, 8)
        ),
        metric("ndcg_at_10", "nDCG@10", partial(ranking.ndcg, k=10)),
        metric("mrr", "MRR", ranking.reciprocal_rank),
    )


METRICS: Sequence[Metric] = (
    Metric("answer_recall", "Answer recall", wording.scorer(wording.token_recall), headline=True),
    Metric("token_f1", "Token F1", wording.scorer(wording.token_f1)),
    Metric("rouge_l", "ROUGE-L", wording.scorer(wording.rouge_l)),
    Metric("exact_match", "Exact match", wording.scorer(wording.exact_match)),
    Metric("groundedness", "Groundedness", groundedness(OverlapGrounder()), headline=True),
    Metric("citation_precision", "Citation precision", citing.citation_precision, headline=True),
    Metric("citation_recall", "Citation recall", citing.citation_recall, headline=True),
    Metric("cited_document_precision", "Cited document precision", citing.cited_document_precision),
    Metric("cited_document_recall", "Cited document recall", citing.cited_document_recall),
    Metric("refusal_precision", "Refusal precision", citing.refusal_precision, headline=True),
    Metric("refusal_recall", "Refusal recall", citing.refusal_recall, headline=True),
    *_ranked("passage", "Passage", ranking.by_passage),
    *_ranked("document", "Document", ranking.by_document),
    Metric("latency_ms", "Latency", latency, higher_is_better=False, unit="ms"),
    Metric("first_text_ms", "First text", first_text, higher_is_better=False, unit="ms"),
    Metric("tokens", "Tokens", tokens, higher_is_better=False, unit="tokens"),
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


def _sources(sentence: SeenSentence, reply: Reply) -> list[str]:
    cited = sentence.citations
    return [source.text for source in reply.sources if not cited or source.number in cited]


def _leads_in(sentence: str) -> bool:
    """`These are the steps:` claims nothing; with a number in it, it might."""
    return sentence.endswith((":", "：")) and not any(c.isdigit() for c in sentence)
