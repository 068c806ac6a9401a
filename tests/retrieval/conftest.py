"""A small library of documents, and answerers that read it."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from retrieval.answer import Answer, Answerer
from retrieval.conversation import Turn
from retrieval.extract import ExtractiveGenerator
from retrieval.generate import Generator
from retrieval.ground import Grounder, OverlapGrounder
from retrieval.index import Passage, Scope
from retrieval.release import Release
from retrieval.search import Searcher
from tests.fakes import Register, Shelf, WordCounting, shelved

ANN = Scope("ann")
RELEASE = Release(evidence_threshold=0.3)
"""Word counts give lower similarities than a model that knows meanings."""


@dataclass
class Library:
    """Documents of one tenant, and the parts that read them."""

    shelf: Shelf = field(default_factory=Shelf)
    register: Register = field(default_factory=Register)
    embedder: WordCounting = field(default_factory=WordCounting)

    @property
    def searcher(self) -> Searcher:
        return Searcher(self.embedder, self.shelf, self.register)

    def answerer(
        self, generator: Generator | None = None, grounder: Grounder | None = None
    ) -> Answerer:
        speaks = generator or ExtractiveGenerator(self.embedder)
        return Answerer(self.searcher, speaks, grounder or OverlapGrounder())

    async def ask(
        self,
        question: str,
        generator: Generator | None = None,
        release: Release = RELEASE,
        conversation: tuple[Turn, ...] = (),
    ) -> Answer:
        return await self.answerer(generator).ask(ANN, question, release, conversation)

    async def add(self, name: str, text: str, version: int = 1, offset: int = 0) -> Passage:
        return await shelved(
            self.shelf, self.register, name, text, version=version, offset=offset, page=2
        )


@pytest.fixture
async def library() -> Library:
    """Leave, tea and boots: three documents with nothing in common."""
    made = Library()
    await made.add(
        "leave",
        "Annual leave\n\nEveryone has 28 days of leave a year. Unused leave expires on 31 March. "
        "Managers approve leave within five working days.",
        offset=80,
    )
    await made.add(
        "tea",
        "Green tea is steeped at 80 degrees for two minutes. Black tea takes boiling water. "
        "The kitchen orders tea from Halden Traders every month.",
    )
    await made.add(
        "boots",
        "Boots are guaranteed for three years. The guarantee does not cover worn soles. "
        "Send boots to the workshop in Karrholm.",
    )
    return made
