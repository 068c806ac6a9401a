"""The answer: the one flow from a question to text that proves itself, or to a refusal."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Protocol

from retrieval.cite import Citation
from retrieval.conversation import Turn, standalone
from retrieval.draft import Draft, Statement
from retrieval.evidence import Evidence, looked_for, weigh
from retrieval.generate import Generator, Usage
from retrieval.ground import Grounder
from retrieval.index import Condition, Scope
from retrieval.prompt import Count, Prompt, estimate_tokens, pack
from retrieval.refusal import Reason, Refusal, in_words
from retrieval.release import Release
from retrieval.search import Searcher, Source
from retrieval.stream import SentenceStream

LONGEST_QUESTION = 4_000
"""Characters."""


class BadQuestion(Exception):
    """The question is empty or too long; the message says which."""


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds since the question came in."""

    retrieval_ms: float
    """Until the sources were known."""
    first_text_ms: float
    """Until the first text could be shown."""
    total_ms: float


@dataclass(frozen=True, slots=True)
class Retrieved:
    """The sources, before there is any text."""

    standalone_question: str
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class Delta:
    """Text to show: a whole sentence that has passed, markers and all."""

    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """All of it. Where a document went meanwhile, `text` has less than the deltas had."""

    question: str
    standalone_question: str
    text: str
    refused: bool
    refusal: Refusal | None
    citations: tuple[Citation, ...]
    """One for each pair of a sentence and a source that it cites."""
    sentences: tuple[Statement, ...]
    sources: tuple[Source, ...]
    """What was found; of a refusal, the nearest that there was."""
    usage: Usage
    release_id: str
    timings: Timings


Event = Retrieved | Delta | Answer


class Answerer:
    """Answers questions. What a port raises comes through as it is."""

    def __init__(
        self,
        searcher: Searcher,
        generator: Generator,
        grounder: Grounder,
        count: Count = estimate_tokens,
    ) -> None:
        self._searcher = searcher
        self._generator = generator
        self._grounder = grounder
        self._count = count

    async def ask(
        self,
        scope: Scope,
        question: str,
        release: Release,
        conversation: Sequence[Turn] = (),
        where: tuple[Condition, ...] = (),
        documents: frozenset[str] = frozenset(),
    ) -> Answer:
        """`stream()`, drained."""
        return await drained(self.stream(scope, question, release, conversation, where, documents))

    async def stream(
        self,
        scope: Scope,
        question: str,
        release: Release,
        conversation: Sequence[Turn] = (),
        where: tuple[Condition, ...] = (),
        documents: frozenset[str] = frozenset(),
    ) -> AsyncGenerator[Event, None]:
        """`Retrieved` first, then any number of `Delta`, then exactly one `Answer`, last.

        Raises `BadQuestion` before anything else, and the errors of the searcher, the generator
        and the grounder. Closing it closes the generator's stream, so the model stops.
        """
        run = _Run(checked(question), release, conversation)
        sources = await self._searcher.find(scope, run.standalone, release, where, documents)
        run.found(sources)
        yield Retrieved(run.standalone, sources)
        if run.evidence.score < release.evidence_threshold:
            answer = run.refused("no_evidence", sources)
            yield Delta(answer.text)
            yield answer
            return
        prompt = pack(run.standalone, sources, release, conversation, self._count)
        draft = Draft(self._searcher, self._grounder, scope, release, prompt.sources)
        async with aclosing(self._written(prompt, run)) as sentences:
            async for sentence in sentences:
                if text := await draft.add(sentence):
                    yield run.showing(text)
        await draft.settle()
        answer = run.answered(draft, await self._searcher.live(scope, sources))
        if not run.first_text_ms:
            yield run.showing(answer.text)
        yield run.timed(answer)

    async def _written(self, prompt: Prompt, run: _Run) -> AsyncGenerator[str, None]:
        """The model's text in sentences, markers complete; its usage goes to the run."""
        held = SentenceStream()
        async with _closing(self._generator.stream(prompt, run.release)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Usage):
                    run.usage = piece
                    continue
                for sentence in held.feed(piece):
                    yield sentence
        for sentence in held.rest():
            yield sentence


@asynccontextmanager
async def _closing(
    pieces: AsyncIterator[str | Usage],
) -> AsyncIterator[AsyncIterator[str | Usage]]:
    """Closes a stream that can be closed, as generators can, when its reader leaves."""
    try:
        yield pieces
    finally:
        if isinstance(pieces, AsyncGenerator):
            await pieces.aclose()


class Stream(Protocol):
    """Events that can be left early."""

    def __aiter__(self) -> AsyncIterator[Event]: ...

    async def aclose(self) -> None: ...


async def drained(events: Stream) -> Answer:
    """The answer with which every stream of events ends."""
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Answer):
                return event
    raise AssertionError("a stream of events ends with an answer")


def checked(question: str) -> str:
    """The question without space around it. Raises `BadQuestion`."""
    asked = question.strip()
    if not any(character.isalnum() for character in asked):
        raise BadQuestion("The question is empty. Write what you would like to know.")
    if len(asked) > LONGEST_QUESTION:
        raise BadQuestion(
            f"The question has {len(asked):,} characters; at most {LONGEST_QUESTION:,} are read. "
            "Shorten it, or upload the text as a document and ask about it."
        )
    return asked


class _Run:
    """One question on its way: what is known of it so far, and since when."""

    def __init__(self, question: str, release: Release, conversation: Sequence[Turn]) -> None:
        self._started = perf_counter()
        self.release = release
        self.question = question
        self.standalone = standalone(question, conversation)
        self.evidence = Evidence(0.0, 0.0, 0.0)
        self.usage = Usage(0, 0, release.model)
        self.retrieval_ms = 0.0
        self.first_text_ms = 0.0

    def found(self, sources: Sequence[Source]) -> None:
        self.evidence = weigh(self.standalone, sources)
        self.retrieval_ms = self._now_ms()

    def showing(self, text: str) -> Delta:
        self.first_text_ms = self.first_text_ms or self._now_ms()
        return Delta(text)

    def answered(self, draft: Draft, sources: tuple[Source, ...]) -> Answer:
        if draft.refused:
            return self.refused(draft.refused, sources)
        return self._answer(
            text=draft.text,
            refusal=None,
            sources=sources,
            citations=draft.citations(),
            sentences=draft.statements(),
        )

    def refused(self, reason: Reason, sources: tuple[Source, ...]) -> Answer:
        sought = looked_for(self.standalone)
        threshold = self.release.evidence_threshold
        refusal = Refusal(reason, sought, self.evidence.score, threshold)
        return self._answer(in_words(refusal, self.question), refusal, sources)

    def timed(self, answer: Answer) -> Answer:
        """The answer with the times as they are now."""
        return replace(answer, timings=self._timings())

    def _answer(
        self,
        text: str,
        refusal: Refusal | None,
        sources: tuple[Source, ...],
        citations: tuple[Citation, ...] = (),
        sentences: tuple[Statement, ...] = (),
    ) -> Answer:
        return Answer(
            question=self.question,
            standalone_question=self.standalone,
            text=text,
            refused=refusal is not None,
            refusal=refusal,
            citations=citations,
            sentences=sentences,
            sources=sources,
            usage=self.usage,
            release_id=self.release.id,
            timings=self._timings(),
        )

    def _timings(self) -> Timings:
        now = self._now_ms()
        return Timings(self.retrieval_ms, self.first_text_ms or now, now)

    def _now_ms(self) -> float:
        return round((perf_counter() - self._started) * 1000, 3)
