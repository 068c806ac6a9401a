"""A document cut into chunks: along its structure, at exact offsets, none over the model's window."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ingestion.parse import Block, Parsed
from retrieval.index import Chunk, Place

CONTEXT_BYTES = 120
"""Title and headings are cut to this before they are embedded. No tokenizer makes more tokens of a
text than it has bytes, so a chunk's budget holds without counting when it is embedded."""

BELOW = " > "

SPECIAL_TOKENS = 2
"""What a model adds around a text, such as [CLS] and [SEP]."""

LONG_WORD = re.compile(r"\w{61,}")
"""Cut apart, such a run can make more tokens than it did whole (WordPiece makes one [UNK] of a word
over 100 characters), so it is counted by characters."""


class Tokenizer(Protocol):
    """The embedding model's view of a text."""

    def spans(self, text: str) -> NDArray[np.int32]:
        """Shape (tokens, 2): where each token begins and ends, in characters and in order."""
        ...


class Sentences(Protocol):
    """Where sentences begin and end."""

    def __call__(self, text: str) -> list[tuple[int, int]]:
        """(start, end) of each sentence, in characters, in order and without overlap."""
        ...


@dataclass(frozen=True, slots=True)
class Chunking:
    """How documents are cut. Part of an index's identity: another one means another index."""

    budget_tokens: int = 200
    """A chunk and the headings embedded with it have at most this many tokens, the model's own
    special tokens aside. Measured with all-MiniLM-L6-v2 on the articles of SQuAD, 2,000 questions:
    MRR@10 is 0.736 with 200, 0.722 with 252, 0.730 with 160, and 0.727 when chunks of 200 overlap
    by 40; so they do not overlap."""
    min_tokens: int = 48
    """A smaller chunk is put together with a neighbour where both fit into the budget."""

    def __post_init__(self) -> None:
        if self.budget_tokens <= CONTEXT_BYTES:
            raise ValueError(
                f"budget_tokens is {self.budget_tokens}; it must be over {CONTEXT_BYTES}, "
                "which the headings may take."
            )
        if not 0 <= self.min_tokens <= self.budget_tokens // 2:
            raise ValueError(
                f"min_tokens is {self.min_tokens}; it must be 0 to {self.budget_tokens // 2}, "
                "half of budget_tokens."
            )

    @classmethod
    def within(cls, window_tokens: int) -> Chunking:
        """The default, or as much of it as a model with a smaller window can see."""
        return cls(budget_tokens=min(cls().budget_tokens, window_tokens - SPECIAL_TOKENS))

    @property
    def identity(self) -> str:
        """What an index remembers, such as `structure-1/200/48`: the method, budget and minimum."""
        return f"structure-1/{self.budget_tokens}/{self.min_tokens}"


def split(
    parsed: Parsed, chunking: Chunking, tokenizer: Tokenizer, sentences: Sentences
) -> tuple[Chunk, ...]:
    """Chunks in order, without overlap, which hold every character of the text that is not space.

    The text of each is `parsed.text[start:end]`, and `embedded_text(parsed.title, chunk)` has at
    most `chunking.budget_tokens` tokens.
    """
    sections = _sections(parsed)
    ruler = _Ruler(parsed, sections, chunking, tokenizer)
    scissors = _Scissors(parsed, ruler, chunking, sentences)
    pieces = [piece for section in sections for piece in scissors.cut(section)]
    places = _places(parsed, sections)
    return tuple(
        Chunk(
            text=parsed.text[piece.start : piece.end],
            start=piece.start,
            end=piece.end,
            ordinal=ordinal,
            section=piece.path,
            page=parsed.page_at(piece.start),
            language=parsed.language,
            places=_within(places, piece),
        )
        for ordinal, piece in enumerate(_merged(pieces, ruler, chunking))
    )


def embedded_text(title: str, chunk: Chunk) -> str:
    """What the model sees of a chunk: the document's title, the headings above it, its text.

    A heading with which the text itself begins is not said twice. `title` is `Parsed.title`.
    """
    above = _context(title, chunk.section)
    opening = " ".join(chunk.text[: 2 * CONTEXT_BYTES].split()).lstrip("# ") + " "
    depths = range(len(above))
    said = next((i for i in depths if opening.startswith(" ".join(above[i:]) + " ")), None)
    return "\n".join(filter(None, [BELOW.join(above[:said]), chunk.text]))


def fingerprint(text: str) -> str:
    """SHA-256 of the UTF-8 text, in hexadecimal: equal fingerprints need one embedding."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of the text under one heading."""

    start: int
    end: int
    path: tuple[str, ...]


def _context(title: str, section: Sequence[str]) -> list[str]:
    """Outer headings go first when all do not fit: the title and the nearest heading say most."""
    parts = [part for part in (" ".join(title.split()), *section) if part]
    if len(parts) > 1 and parts[0] == parts[1]:
        parts.pop(0)
    while len(parts) > 2 and len(BELOW.join(parts).encode()) > CONTEXT_BYTES:
        parts.pop(1)
    return BELOW.join(parts).encode()[:CONTEXT_BYTES].decode(errors="ignore").split(BELOW)


def _sections(parsed: Parsed) -> list[_Piece]:
    """The whole text in order; each heading with text below it opens a section."""
    path: list[tuple[int, str]] = []
    opened: list[tuple[int, tuple[str, ...]]] = [(0, ())]
    bare = False
    for block in parsed.blocks:
        name = _heading(parsed, block)
        if not name:
            bare = False
            continue
        path = [(level, above) for level, above in path if level < block.level]
        path.append((block.level, name))
        names = tuple(name for _, name in path)
        if bare and names[: len(opened[-1][1])] == opened[-1][1]:
            opened[-1] = (opened[-1][0], names)
        else:
            opened.append((block.start, names))
        bare = True
    ends = [start for start, _ in opened[1:]] + [len(parsed.text)]
    pieces = [_Piece(start, end, path) for (start, path), end in zip(opened, ends, strict=True)]
    return [trimmed for piece in pieces if (trimmed := _trimmed(parsed.text, piece))]


def _places(parsed: Parsed, sections: Sequence[_Piece]) -> tuple[Place, ...]:
    """Every place where the section or the page changes, in order."""
    starts = [section.start for section in sections]
    changes = sorted({*starts, *parsed.page_starts})
    paths = [
        sections[max(0, bisect_right(starts, at) - 1)].path if sections else () for at in changes
    ]
    return tuple(
        Place(at, path, parsed.page_at(at)) for at, path in zip(changes, paths, strict=True)
    )


def _within(places: Sequence[Place], piece: _Piece) -> tuple[Place, ...]:
    """The places that a piece has part in; none where it lies in one, which its own fields tell."""
    first = max(0, bisect_right(places, piece.start, key=lambda place: place.start) - 1)
    last = bisect_left(places, piece.end, key=lambda place: place.start)
    inside = tuple(places[first:last])
    return inside if len(inside) > 1 else ()


def _heading(parsed: Parsed, block: Block) -> str:
    if block.kind != "heading":
        return ""
    return " ".join(parsed.text[block.start : block.end].split()).strip("# ")


def _trimmed(text: str, piece: _Piece) -> _Piece | None:
    """Without the space around it. Looks at places only: a copy at each cut would be quadratic."""
    start, end = piece.start, piece.end
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return _Piece(start, end, piece.path) if start < end else None


class _Ruler:
    """Counts tokens between any two offsets, from one pass of the tokenizer."""

    def __init__(
        self, parsed: Parsed, sections: list[_Piece], chunking: Chunking, tokenizer: Tokenizer
    ) -> None:
        """The headings to be embedded are measured in the same pass, on lines after the text."""
        paths = {piece.path[:depth] for piece in sections for depth in range(len(piece.path) + 1)}
        contexts = {path: BELOW.join(_context(parsed.title, path)) for path in sorted(paths)}
        text = "\n".join([parsed.text, *contexts.values()])
        spans = _long_words_by_character(text, tokenizer.spans(text))
        self._starts: list[int] = spans[:, 0].tolist()
        self._ends: list[int] = np.maximum.accumulate(spans[:, 1]).tolist()
        self._room: dict[tuple[str, ...], int] = {}
        offset = len(parsed.text)
        for path, context in contexts.items():
            taken = self.count(offset + 1, offset + 1 + len(context))
            self._room[path] = chunking.budget_tokens - taken
            offset += 1 + len(context)

    def count(self, start: int, end: int) -> int:
        """Tokens that touch the stretch from `start` to `end`."""
        return bisect_left(self._starts, end) - bisect_right(self._ends, start)

    def reach(self, start: int, tokens: int) -> int:
        """How far at most `tokens` tokens go from `start`."""
        beyond = bisect_right(self._ends, start) + tokens
        return self._starts[beyond] if beyond < len(self._starts) else self._ends[-1]

    def room(self, path: tuple[str, ...]) -> int:
        """Tokens left for text below these headings."""
        return self._room[path]


def _long_words_by_character(text: str, spans: NDArray[np.int32]) -> NDArray[np.int32]:
    parts: list[NDArray[np.int32]] = []
    done = 0
    for word in LONG_WORD.finditer(text):
        first, last = np.searchsorted(spans[:, 0], word.span())
        letters = np.arange(*word.span(), dtype=np.int32)
        parts += [spans[done:first], np.stack([letters, letters + 1], axis=1)]
        done = int(last)
    return np.concatenate([*parts, spans[done:]]) if parts else spans


class _Scissors:
    """Cuts a section that is over the budget at the best place it can find."""

    def __init__(
        self, parsed: Parsed, ruler: _Ruler, chunking: Chunking, sentences: Sentences
    ) -> None:
        self._parsed = parsed
        self._ruler = ruler
        self._chunking = chunking
        self._sentences = sentences
        self._sentences_of: dict[int, list[int]] = {}

    def cut(self, section: _Piece) -> Iterator[_Piece]:
        rest: _Piece | None = section
        room = self._ruler.room(section.path)
        while rest and (left := self._ruler.count(rest.start, rest.end)) > room:
            if rest.end - rest.start == 1:
                break
            # The last but one leaves enough for the last to be more than a crumb.
            tokens = min(room, max(left // 2, left - self._chunking.min_tokens))
            end = self._boundary(rest.start, tokens)
            head = _trimmed(self._parsed.text, _Piece(rest.start, end, rest.path))
            if head:
                yield head
            rest = _trimmed(self._parsed.text, _Piece(end, rest.end, rest.path))
        if rest:
            yield rest

    def _boundary(self, start: int, tokens: int) -> int:
        """The last block start, else row, sentence, word, or character that `tokens` reach.

        A quarter is filled at least: a better kind of place does not excuse a crumb.
        """
        # A start inside a token reaches back to that token's own start, so this side is held too.
        low = max(start, self._ruler.reach(start, tokens // 4))
        high = max(start + 1, self._ruler.reach(start, tokens))
        return (
            _last(self._block_starts, low, high)
            or self._inside_block(low, high)
            or self._between_words(low, high)
            or high
        )

    @cached_property
    def _block_starts(self) -> list[int]:
        """Where a chunk may begin: not right after a heading, which stays with its text."""
        blocks = self._parsed.blocks
        return [
            block.start
            for above, block in zip([None, *blocks], blocks, strict=False)
            if above is None or above.kind != "heading"
        ]

    def _inside_block(self, low: int, high: int) -> int | None:
        place = bisect_left(self._parsed.blocks, high, key=lambda block: block.start) - 1
        kind = self._parsed.blocks[place].kind if place >= 0 else "paragraph"
        row = self._parsed.text.rfind("\n", low, high)
        if kind in ("table", "code", "list") and row >= 0:
            return row + 1
        return _last(self._sentence_starts(place), low, high)

    def _sentence_starts(self, place: int) -> list[int]:
        if place not in self._sentences_of:
            blocks, text = self._parsed.blocks, self._parsed.text
            start = blocks[place].start if place >= 0 else 0
            end = blocks[place + 1].start if place + 1 < len(blocks) else len(text)
            self._sentences_of[place] = [start + s for s, _ in self._sentences(text[start:end])]
        return self._sentences_of[place]

    def _between_words(self, low: int, high: int) -> int | None:
        text = self._parsed.text
        places = range(high, low, -1)
        space = next((place for place in places if text[place - 1].isspace()), None)
        return space or next((place for place in places if not _glued(text, place)), None)


def _last(places: list[int], low: int, high: int) -> int | None:
    """The last of the sorted places after `low` and not after `high`."""
    place = bisect_right(places, high) - 1
    return places[place] if place >= 0 and places[place] > low else None


def _glued(text: str, place: int) -> bool:
    """Two letters, or a letter and its accent, stand on both sides."""
    before, after = text[place - 1], text[place]
    return (before.isalnum() and after.isalnum()) or unicodedata.category(after)[0] == "M"


def _merged(pieces: list[_Piece], ruler: _Ruler, chunking: Chunking) -> list[_Piece]:
    """Small pieces joined with a neighbour: the nearest of kin, by their headings, first."""
    for depth in range(max((len(piece.path) for piece in pieces), default=0), -1, -1):
        merged: list[_Piece] = []
        for piece in pieces:
            joined = _joined(merged[-1], piece, depth, ruler, chunking) if merged else None
            if joined:
                merged[-1] = joined
            else:
                merged.append(piece)
        pieces = merged
    return pieces


def _joined(
    one: _Piece, two: _Piece, depth: int, ruler: _Ruler, chunking: Chunking
) -> _Piece | None:
    shared = sum(1 for _ in _shared(one.path, two.path))
    sizes = ruler.count(one.start, one.end), ruler.count(two.start, two.end)
    if shared < depth or min(sizes) >= chunking.min_tokens:
        return None
    path = one.path[:shared]
    fits = ruler.count(one.start, two.end) <= ruler.room(path)
    return _Piece(one.start, two.end, path) if fits else None


def _shared(one: tuple[str, ...], two: tuple[str, ...]) -> Iterator[str]:
    for left, right in zip(one, two, strict=False):
        if left != right:
            return
        yield left
