"""Sentences: where each begins and ends in a text, to the character, and what kind it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from retrieval.text.boundaries import boundaries

Kind = Literal["sentence", "heading", "item", "row", "code"]

_BULLET = re.compile(r"\s*(?:[-*+•‣◦▪–]|\(?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,4})[.)])[ \t]+(?=\S)")
_RECORD = re.compile(r"[^:;|]{1,40}: [^;]+(?:; [^:;]{1,40}: [^;]+)+;?$")
"""`article: HK-75; price: 14.90`: how a table's row is written where it has no table around it."""
_PATH = re.compile(r"\w[\w-]*(?:\[\d+\]|\.[\w-]+)+: (?=\S)")
"""`offices[1].town: Karrholm`: how a value of a JSON document is written."""
_HASHES = re.compile(r"\s*#{1,6}\s")
_FENCE = re.compile(r"\s*(?:```|~~~)")
_ENDS = re.compile(r"[.!?…。！？;:,、，；：]['\"’”»)\]】]*\s*(?:\[\d[\d, ]*\]\s*)*$")
HEADING_WORDS = 12
SHORT_LINE = 0.6
"""A line this much shorter than its paragraph's longest, without an end mark, is a line of its own:
text wrapped by hand or by a page fills its lines."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """`text` is `whole[start:end]`, without space around it."""

    text: str
    start: int
    end: int
    kind: Kind = "sentence"

    @property
    def complete(self) -> bool:
        """It ends as sentences end, and does not begin in the middle of one."""
        return _ENDS.search(self.text) is not None and not self.text[:1].islower()


@dataclass(frozen=True, slots=True)
class _Line:
    start: int
    end: int
    kind: Kind


def sentences(text: str) -> tuple[Sentence, ...]:
    """All of the text in order: every character that is not space is in exactly one of them.

    Headings, list items, table rows and lines of code stand alone. Knows the abbreviations,
    initials, decimals and ordinals of English, German, French and Spanish, and the end marks
    of Chinese and Japanese.
    """
    return tuple(
        Sentence(text[start:end], start, end, line.kind)
        for line in _blocks(text)
        for start, end in _cut(text, line)
    )


def body(sentence: Sentence) -> str:
    """The sentence without its bullet or number, hashes or emphasis, on one line."""
    plain = _BULLET.sub("", sentence.text, count=1) if sentence.kind == "item" else sentence.text
    plain = _HASHES.sub("", plain) if sentence.kind == "heading" else plain
    return " ".join(re.sub(r"\*\*|__|`", "", plain).split())


def cells(row: str) -> tuple[str, ...]:
    """The cells of a table row, written with bars or tabs, or as a record."""
    if "|" not in row and "\t" not in row:
        return tuple(part.strip() for part in row.split("; "))
    inner = row.strip().removeprefix("|").removesuffix("|")
    parts = re.split(r"\t+", inner) if "|" not in inner else inner.split("|")
    return tuple(part.strip() for part in parts)


def _cut(text: str, block: _Line) -> Iterator[tuple[int, int]]:
    if block.kind in ("row", "code", "heading"):
        yield _stripped(text, block.start, block.end)
        return
    bullet = _BULLET.match(text, block.start, block.end)
    begin = block.start
    for end in boundaries(text, bullet.end() if bullet else block.start, block.end):
        yield _stripped(text, begin, end)
        begin = end


def _blocks(text: str) -> Iterator[_Line]:
    """Lines joined where a sentence may run on from one to the next."""
    plain: list[_Line] = []
    for line in _lines(text):
        if line.kind == "sentence":
            plain.append(line)
        elif line.kind == "item":
            yield from _paragraph(text, plain)
            plain = [line]
        else:
            yield from _paragraph(text, plain)
            plain = []
            if text[line.start : line.end].strip():
                yield line
    yield from _paragraph(text, plain)


def _lines(text: str) -> Iterator[_Line]:
    """Each line with its kind; an empty line comes as an empty heading, which ends a paragraph."""
    at, fenced = 0, False
    for raw in text.splitlines(keepends=True):
        start, at = at, at + len(raw)
        fence = _FENCE.match(raw) is not None
        yield _Line(start, at, "code" if fence or fenced else _kind(raw))
        fenced ^= fence


def _kind(line: str) -> Kind:
    stripped = line.strip()
    if not stripped or _HASHES.match(line) or not any(c.isalnum() for c in stripped):
        return "heading"
    if stripped[0] == "|" or "\t" in stripped or stripped.count(" | ") >= 2:
        return "row"
    if _PATH.match(stripped) or _RECORD.match(stripped):
        return "row"
    return "item" if _BULLET.match(line) else "sentence"


def _paragraph(text: str, lines: list[_Line]) -> Iterator[_Line]:
    """The paragraph's lines, joined where they run on and apart where one clearly ends."""
    width = max((len(text[line.start : line.end].rstrip()) for line in lines), default=0)
    begun: _Line | None = None
    for i, line in enumerate(lines):
        begun = _Line(begun.start, line.end, begun.kind) if begun else line
        if i + 1 == len(lines) or _stands_alone(text, line, lines[i + 1], width):
            yield _titled(text, begun)
            begun = None


def _stands_alone(text: str, line: _Line, after: _Line, width: int) -> bool:
    written = text[line.start : line.end].rstrip()
    begins = text[after.start : after.end].lstrip()[:1]
    short = len(written) < SHORT_LINE * width
    return short and not begins.islower() and _ENDS.search(written) is None


def _titled(text: str, block: _Line) -> _Line:
    """A short line without an end mark is a heading; so is a lead-in that ends in a colon."""
    written = text[block.start : block.end].strip()
    if block.kind != "sentence" or "\n" in written or len(written.split()) > HEADING_WORDS:
        return block
    open_ended = _ENDS.search(written) is None or written.endswith((":", "："))
    if open_ended and len(list(boundaries(written, 0, len(written)))) == 1:
        return _Line(block.start, block.end, "heading")
    return block


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    part = text[start:end]
    return start + len(part) - len(part.lstrip()), start + len(part.rstrip())
