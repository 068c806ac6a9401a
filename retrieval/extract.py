"""The extractive generator: answers with sentences of the sources themselves, and needs no model."""

from __future__ import annotations

from collections.abc import AsyncIterator

import numpy as np

from retrieval.candidates import Candidate, candidates
from retrieval.conversation import parted
from retrieval.generate import GeneratorUnavailable, Usage
from retrieval.index import Embedder, EmbedderUnavailable, Vector
from retrieval.prompt import Prompt
from retrieval.release import NO_ANSWER, Release
from retrieval.select import scores, select, shortlist
from retrieval.text.markers import marked

EXTRACTIVE = "extractive"
EMBEDDED_SENTENCES = 24
"""What is embedded per question: about 30 ms on two cores."""
LONGEST_WITH_BEFORE = 500


class ExtractiveGenerator:
    """Answers with sentences of the sources themselves, each cited: no model, no invention.

    Raises `GeneratorUnavailable` when the embedder does not answer.
    """

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    async def stream(self, prompt: Prompt, release: Release) -> AsyncIterator[str | Usage]:
        """One piece a sentence; the words for `no answer` when no sentence is close enough."""
        chosen = await self._choose(prompt)
        for i, candidate in enumerate(chosen):
            yield (" " if i else "") + cited(candidate)
        if not chosen:
            yield NO_ANSWER
        yield Usage(0, 0, EXTRACTIVE)

    async def ping(self) -> str:
        """Names the embedder that ranks the sentences."""
        return f"{EXTRACTIVE}, ranked by {self._embedder.identity.name}"

    async def _choose(self, prompt: Prompt) -> list[Candidate]:
        found = [each for source in prompt.sources for each in candidates(source)]
        if not found:
            return []
        best = shortlist(prompt.question, found, EMBEDDED_SENTENCES)
        try:
            asked = await self._asked(prompt.question)
            vectors = await self._embedder.embed_passages([_embedded(each) for each in best])
        except EmbedderUnavailable as error:
            raise GeneratorUnavailable(str(error)) from error
        return select(best, scores(prompt.question, best, asked, vectors))

    async def _asked(self, question: str) -> Vector:
        """A follow-up counts twice: with what it leans on, and by itself."""
        whole = await self._embedder.embed_question(question)
        topic, alone = parted(question)
        if not topic:
            return whole
        both = whole + await self._embedder.embed_question(alone)
        unit: Vector = both / max(float(np.linalg.norm(both)), 1e-9)
        return unit


def cited(candidate: Candidate) -> str:
    """The sentence with its marker before the end mark; after the one it points back to."""
    marker = f" [{candidate.source.number}]"
    before = candidate.before
    if before and len(before) + len(candidate.text) <= LONGEST_WITH_BEFORE:
        return f"{marked(before, marker)} {marked(candidate.text, marker)}"
    return marked(candidate.text, marker)


def _embedded(candidate: Candidate) -> str:
    return f"{candidate.context} {candidate.text}" if candidate.inherits else candidate.text
