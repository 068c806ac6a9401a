"""Marks: a text in pieces, each with what it is marked as."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from retrieval.text.align import locate
from retrieval.text.markers import markers


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a text, and the kinds of marks on it, sorted."""

    text: str
    kinds: tuple[str, ...]


Span = tuple[int, int, str]


def pieces(text: str, spans: Iterable[Span]) -> Sequence[Piece]:
    """The whole text, cut wherever a mark begins or ends. Marks may overlap."""
    kept = [(max(0, a), min(len(text), b), kind) for a, b, kind in spans]
    cuts = sorted({0, len(text), *(cut for a, b, _ in kept for cut in (a, b))})
    return [
        Piece(text[a:b], tuple(sorted({kind for x, y, kind in kept if x <= a and b <= y})))
        for a, b in pairwise(cuts)
    ]


def standing(text: str, quotes: Iterable[str], kind: str) -> Iterable[Span]:
    """Where these quotes stand in the text, for those that do."""
    for quote in quotes:
        if (span := locate(quote, text)) is not None:
            yield (*span, kind)


def numbers(text: str) -> Iterable[Span]:
    """Where the citation markers of an answer stand."""
    return ((marker.start, marker.end, "marker") for marker in markers(text))
