"""Citation markers: `[1]` in all the shapes in which models write them."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NUMBERS = r"\d{1,3}(?:\s?(?:,|;|&|and|und|–|-)\s?\d{1,3})*"
_LABEL = r"(?:\^|(?:[Ss]ources?|[Qq]uellen?|[Dd]oc(?:ument)?s?|[Pp]assages?)\s*:?\s*)?"
MARKER = rf"(?:\[\s?{_LABEL}{_NUMBERS}\s?\]|【\s?{_LABEL}{_NUMBERS}(?:†[^】\n]{{0,40}})?\s?】)"
"""One marker, for other patterns to build on."""
_MARKER = re.compile(MARKER)
_RUN = re.compile(rf"\s*{MARKER}(?:\s*{MARKER})*")
_UNFINISHED = re.compile(rf"\s*(?:{MARKER}\s*)*[\[【]?[\w\s,;:&^†–-]{{0,48}}$")
_CODE = re.compile(r"`[^`\n]+`")
LONGEST_RANGE = 20


@dataclass(frozen=True, slots=True)
class Marker:
    """One or several numbers, where they stand in a text."""

    numbers: tuple[int, ...]
    start: int
    end: int


def markers(text: str) -> tuple[Marker, ...]:
    """Every marker outside of `code`, in order. `[1-3]` has the numbers 1, 2 and 3."""
    code = [match.span() for match in _CODE.finditer(text)]
    return tuple(
        Marker(_numbers(match[0]), match.start(), match.end())
        for match in _MARKER.finditer(text)
        if not any(start <= match.start() < end for start, end in code)
    )


def rewritten(text: str, keep: frozenset[int]) -> str:
    """The text with its markers written as `[1][3]`; numbers not to keep are taken out.

    A marker with nothing left goes, with the space before it.
    """
    pieces: list[str] = []
    at = 0
    for marker in markers(text):
        kept = "".join(f"[{n}]" for n in marker.numbers if n in keep)
        before = text[at : marker.start]
        pieces += [before if kept else before.rstrip(" "), kept]
        at = marker.end
    return "".join(pieces) + text[at:]


def without(text: str) -> str:
    """The text with no markers at all."""
    return rewritten(text, frozenset())


def marked(sentence: str, marker: str) -> str:
    """`Everyone has 28 days [1].`: the marker before the end mark, or after a closing quote."""
    end = re.search(r"[.!?…。！？]+$", sentence)
    at = end.start() if end else len(sentence)
    return sentence[:at] + marker + sentence[at:]


def run_at(text: str, at: int) -> int:
    """Where the markers that follow position `at` end; `at` itself when none do."""
    match = _RUN.match(text, at)
    return match.end() if match else at


def may_become_marker(text: str) -> bool:
    """The text has begun a marker that is not closed yet, or has nothing in it to tell."""
    stripped = text.strip()
    return not stripped or (stripped[0] in "[【" and _UNFINISHED.fullmatch(text) is not None)


def _numbers(marker: str) -> tuple[int, ...]:
    found: list[int] = []
    for first, last in re.findall(r"(\d{1,3})(?:\s?[–-]\s?(\d{1,3}))?", marker.partition("†")[0]):
        low, high = int(first), int(last or first)
        found += range(low, min(high, low + LONGEST_RANGE) + 1) if high >= low else (low, high)
    return tuple(dict.fromkeys(found))
