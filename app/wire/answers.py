"""Questions and answers on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, model_validator

from app.wire.strict import Strict
from retrieval.answer import Answer
from retrieval.cite import Citation
from retrieval.conversation import Turn
from retrieval.index import AnyOf, Between, Condition, Equals
from retrieval.search import Source

FIELD = r"^[A-Za-z0-9_-]{1,64}$"
MAX_TURNS = 50


class TurnIn(Strict):
    """An earlier turn of the conversation."""

    role: Literal["user", "assistant"]
    content: Annotated[str, Field(max_length=20_000)]


class ConditionIn(Strict):
    """What a metadata field must be: `equals`, or `any_of`, or between `at_least` and `at_most`."""

    field: Annotated[str, Field(pattern=FIELD)]
    equals: str | int | float | bool | None = None
    any_of: list[str] | list[int] | None = None
    at_least: float | datetime | None = None
    at_most: float | datetime | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> ConditionIn:
        between = self.at_least is not None or self.at_most is not None
        if [self.equals is not None, self.any_of is not None, between].count(True) != 1:
            raise ValueError("give one of equals, any_of, or at_least with at_most")
        return self

    def condition(self) -> Condition:
        if self.equals is not None:
            return Equals(self.field, self.equals)
        if self.any_of is not None:
            return AnyOf(self.field, tuple(self.any_of))  # type: ignore[arg-type]
        return Between(self.field, self.at_least, self.at_most)


class Filters(Strict):
    """Where to look."""

    documents: Annotated[list[str], Field(max_length=1000)] = []
    metadata: Annotated[list[ConditionIn], Field(max_length=20)] = []


class Options(Strict):
    """How to look."""

    sources: Annotated[int, Field(ge=1, le=50)] | None = None
    """How many passages are shown and may be cited; the release says how many by default."""


class Question(Strict):
    """A question, with what it may lean on."""

    question: str
    conversation: Annotated[list[TurnIn], Field(max_length=MAX_TURNS)] = []
    filters: Filters = Filters()
    options: Options = Options()
    stream: bool = False

    def turns(self) -> tuple[Turn, ...]:
        return tuple(Turn(turn.role, turn.content) for turn in self.conversation)


class Located(Strict):
    """A stretch of a version of a document: `text[start:end]` of its content."""

    number: int
    """The source's, as the answer's text has it."""
    document_id: str
    version: int
    name: str
    title: str
    page: int | None
    section: list[str]
    start: int
    end: int


class SourceOut(Located):
    """A passage that an answer may cite as `[number]`."""

    text: str
    score: float
    similarity: float

    @classmethod
    def of(cls, source: Source) -> SourceOut:
        document, chunk = source.passage.document, source.passage.chunk
        return cls(
            number=source.number,
            document_id=document.document_id,
            version=document.version,
            name=document.name,
            title=document.title,
            page=chunk.page,
            section=list(chunk.section),
            start=chunk.start,
            end=chunk.end,
            text=chunk.text,
            score=round(source.score, 4),
            similarity=round(source.similarity, 4),
        )


class CitationOut(Located):
    """The words of a document that prove one sentence."""

    sentence: int
    """The index into the answer's sentences, from 0."""
    quote: str

    @classmethod
    def of(cls, citation: Citation) -> CitationOut:
        document = citation.document
        return cls(
            number=citation.number,
            sentence=citation.sentence,
            document_id=document.document_id,
            version=document.version,
            name=document.name,
            title=document.title,
            page=citation.page,
            section=list(citation.section),
            start=citation.start,
            end=citation.end,
            quote=citation.quote,
        )


class SentenceOut(Strict):
    """A sentence of the answer, `answer[start:end]`, and whether its sources support it."""

    text: str
    start: int
    end: int
    citations: list[int]
    supported: bool
    support: float


class RefusalOut(Strict):
    """Why there is no answer."""

    reason: str
    looked_for: str
    evidence: float
    threshold: float


class UsageOut(Strict):
    """Tokens of the language model."""

    prompt_tokens: int
    completion_tokens: int


class TimingsOut(Strict):
    """Milliseconds since the question came."""

    retrieval: float
    first_text: float | None
    total: float


class AnswerOut(Strict):
    """An answer with its proof."""

    id: str
    trace_id: str
    release: str
    model: str
    question: str
    standalone_question: str
    answer: str
    refused: bool
    refusal: RefusalOut | None
    citations: list[CitationOut]
    sentences: list[SentenceOut]
    sources: list[SourceOut]
    usage: UsageOut
    timings_ms: TimingsOut

    @classmethod
    def of(cls, answer: Answer, trace_id: str) -> AnswerOut:
        refusal, usage = answer.refusal, answer.usage
        return cls(
            id=trace_id,
            trace_id=trace_id,
            release=answer.release_id,
            model=usage.model,
            question=answer.question,
            standalone_question=answer.standalone_question,
            answer=answer.text,
            refused=answer.refused,
            refusal=refusal
            and RefusalOut(
                reason=refusal.reason,
                looked_for=refusal.looked_for,
                evidence=round(refusal.evidence, 4),
                threshold=refusal.threshold,
            ),
            citations=[CitationOut.of(citation) for citation in answer.citations],
            sentences=[
                SentenceOut(
                    text=sentence.text,
                    start=sentence.start,
                    end=sentence.end,
                    citations=list(sentence.citations),
                    supported=sentence.supported,
                    support=round(sentence.support, 4),
                )
                for sentence in answer.sentences
            ],
            sources=[SourceOut.of(source) for source in answer.sources],
            usage=UsageOut(
                prompt_tokens=usage.prompt_tokens, completion_tokens=usage.completion_tokens
            ),
            timings_ms=TimingsOut(
                retrieval=round(answer.timings.retrieval_ms, 2),
                first_text=answer.timings.first_text_ms and round(answer.timings.first_text_ms, 2),
                total=round(answer.timings.total_ms, 2),
            ),
        )
