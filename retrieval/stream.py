"""The held sentence: a stream of pieces becomes whole sentences, however the pieces are cut."""

from __future__ import annotations

from collections.abc import Iterator

from retrieval.text.markers import may_become_marker
from retrieval.text.sentences import sentences

LONGEST_HELD = 2_000
"""Characters: text that never ends a sentence is let go at a space after this many."""


class SentenceStream:
    """Takes pieces of text and gives sentences, each with the space that follows it.

    A sentence is given once the first word of the next has been read to its end, because only
    then is it sure that the full stop was one and that no marker follows. Looked at word by
    word, so the same text in other pieces gives the same sentences. What is given, put
    together, is what was taken.
    """

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> Iterator[str]:
        """The sentences that the piece completes."""
        for character in piece:
            self._held += character
            if character.isspace():
                yield from self._complete()

    def rest(self) -> Iterator[str]:
        """What is left at the end, complete or not."""
        held, self._held = self._held, ""
        found = sentences(held)
        ends = [sentence.start for sentence in found[1:]] + [len(held)]
        start = 0
        for end in ends:
            if held[start:end]:
                yield held[start:end]
            start = end

    def _complete(self) -> Iterator[str]:
        found = sentences(self._held)
        if len(found) > 1 and not may_become_marker(self._held[found[0].end :]):
            end = found[1].start
        elif len(self._held) >= LONGEST_HELD:
            end = len(self._held)
        else:
            return
        yield self._held[:end]
        self._held = self._held[end:]
