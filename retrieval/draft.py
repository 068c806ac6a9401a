"""The draft: an answer as it grows, every sentence cited, proven and checked before it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from retrieval.cite import Citation, attribute, cite
from retrieval.ground import Grounder, Support
from retrieval.index import Scope
from retrieval.refusal import Reason, declines
from retrieval.release import Release
from retrieval.search import Searcher, Source
from retrieval.text.markers import marked, markers, rewritten
from retrieval.text.signs import identifiers, numbers


@dataclass(frozen=True, slots=True)
class Statement:
    """One sentence of an answer, and whether it may be believed."""

    text: str
    start: int
    end: int
    """`text` is `answer.text[start:end]`."""
    citations: tuple[int, ...]
    """Numbers of the sources that it cites."""
    supported: bool
    support: float
    """0 to 1, as the grounder has it."""


@dataclass(frozen=True, slots=True)
class _Kept:
    text: str
    space: str
    """What stood between it and the next sentence."""
    citations: tuple[Citation, ...]
    support: Support
    lost: bool = False
    """It was cited, and every document that it cited has gone since."""


class Draft:
    """Takes a model's sentences one at a time and says what of each may be shown now."""

    def __init__(
        self,
        searcher: Searcher,
        grounder: Grounder,
        scope: Scope,
        release: Release,
        sources: Sequence[Source],
    ) -> None:
        self._searcher = searcher
        self._grounder = grounder
        self._scope = scope
        self._policy = release.groundedness
        self._sources = tuple(sources)
        self._kept: list[_Kept] = []
        self._declining: list[_Kept] = []
        self._dropped = 0
        self._lost = 0

    async def add(self, sentence: str) -> str:
        """The text to show now: empty when the sentence is held back, dropped or declines.

        A sentence that says the sources lack something is shown only beside one that answers;
        under the policy `refuse` nothing is shown before all of the answer has passed.
        """
        text = sentence.rstrip()
        space = sentence[len(text) :]
        if declines(text):
            return self._decline(rewritten(text, frozenset()), space)
        kept = await self._checked(text, space)
        if kept.lost:
            self._lost += 1
            return ""
        if not kept.support.supported and self._policy != "mark":
            self._dropped += 1
            return ""
        fresh = [*self._declining, kept]
        self._declining = []
        self._kept += fresh
        return "" if self._policy == "refuse" else _joined(fresh)

    async def settle(self) -> None:
        """Looks once more which documents stand, and takes out what rests on those that do not."""
        live = await self._searcher.live(self._scope, self._sources)
        standing = {source.number for source in live}
        settled = [_without_gone(kept, standing) for kept in self._kept]
        self._lost += sum(kept.lost for kept in settled)
        self._kept = [kept for kept in settled if not kept.lost]
        self._sources = live

    @property
    def text(self) -> str:
        """The answer as far as it stands."""
        return _joined(self._kept).rstrip()

    @property
    def refused(self) -> Reason | None:
        """Why this is not an answer, or None when it is one."""
        if self._policy == "refuse" and self._dropped:
            return "unsupported"
        if self._kept:
            return None
        if self._declining:
            return "not_in_sources"
        return "no_evidence" if self._lost else "unsupported"

    def citations(self) -> tuple[Citation, ...]:
        """In the order of the sentences; `sentence` counts those that are kept."""
        return tuple(
            replace(citation, sentence=i)
            for i, kept in enumerate(self._kept)
            for citation in kept.citations
        )

    def statements(self) -> tuple[Statement, ...]:
        """The sentences with their places in `text`."""
        made: list[Statement] = []
        at = 0
        for kept in self._kept:
            start = at + len(kept.text) - len(kept.text.lstrip())
            end = at + len(kept.text)
            numbers = tuple(citation.number for citation in kept.citations)
            support = kept.support
            made.append(
                Statement(kept.text.lstrip(), start, end, numbers, support.supported, support.score)
            )
            at = end + len(kept.space)
        return tuple(made)

    def _decline(self, text: str, space: str) -> str:
        kept = _Kept(text, space, (), Support(1.0, supported=True))
        if not any(each.citations for each in self._kept):
            self._declining.append(kept)
            return ""
        self._kept.append(kept)
        return "" if self._policy == "refuse" else _joined([kept])

    async def _checked(self, text: str, space: str) -> _Kept:
        live = await self._searcher.live(self._scope, self._sources)
        meant = {number for marker in markers(text) for number in marker.numbers}
        lost = bool(meant & _numbers(self._sources)) and not meant & _numbers(live)
        citations = cite(text, 0, live)
        clean = rewritten(text, frozenset(citation.number for citation in citations))
        if not citations and not lost and (nearest := attribute(clean, live)) is not None:
            clean = marked(clean, f" [{nearest}]")
            citations = cite(clean, 0, live)
        return _Kept(clean, space, citations, await self._support(clean, citations, live), lost)

    async def _support(
        self, text: str, citations: Sequence[Citation], live: Sequence[Source]
    ) -> Support:
        if _leads_in(text):
            return Support(1.0, supported=True)
        cited = {citation.number for citation in citations}
        passages = [
            source.passage.chunk.text for source in live if not cited or source.number in cited
        ]
        return await self._grounder.support(text, passages)


def _numbers(sources: Sequence[Source]) -> set[int]:
    return {source.number for source in sources}


def _leads_in(text: str) -> bool:
    """`These are the steps:` claims nothing; with a number in it, it might."""
    return text.endswith((":", "：")) and not numbers(text) and not identifiers(text)


def _joined(kept: Sequence[_Kept]) -> str:
    return "".join(each.text + each.space for each in kept)


def _without_gone(kept: _Kept, standing: set[int]) -> _Kept:
    citations = tuple(each for each in kept.citations if each.number in standing)
    if len(citations) == len(kept.citations):
        return kept
    text = rewritten(kept.text, frozenset(each.number for each in citations))
    return replace(kept, text=text, citations=citations, lost=not citations)
