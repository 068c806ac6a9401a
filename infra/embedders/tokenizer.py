"""Where a model's tokens begin and end, and how much of a text fits into its window."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ingestion.chunk import SPECIAL_TOKENS, Tokenizer

if TYPE_CHECKING:
    import tokenizers

SLICE_CHARACTERS = 20_000
"""Long texts are tokenized in slices, on all cores, cut after white space."""

SLICE = re.compile(
    rf"[\s\S]{{1,{SLICE_CHARACTERS}}}(?:(?<=\s)(?=\S)|\Z)|[\s\S]{{1,{SLICE_CHARACTERS}}}"
)

PIECE = re.compile(r"[A-Za-z0-9]{1,3}|\S")
"""English runs at four to five letters a token. Three, and one for any other character, is on the
safe side for the tokenizers of embedding models."""


@dataclass(frozen=True, slots=True)
class FileTokenizer:
    """A tokenizer as models ship it, in a `tokenizer.json`. Neither truncates nor pads."""

    tokenizer: tokenizers.Tokenizer

    def spans(self, text: str) -> NDArray[np.int32]:
        """Shape (tokens, 2): character offsets, without the model's special tokens."""
        bounds = [0, *(match.end() for match in SLICE.finditer(text))]
        slices = [text[start:end] for start, end in pairwise(bounds)]
        encodings = self.tokenizer.encode_batch(slices, add_special_tokens=False)
        found = [
            np.asarray(encoding.offsets, dtype=np.int32).reshape(-1, 2) + start
            for encoding, start in zip(encodings, bounds, strict=False)
        ]
        return np.concatenate(found) if found else np.empty((0, 2), dtype=np.int32)


@dataclass(frozen=True, slots=True)
class EstimatingTokenizer:
    """For a model whose tokenizer is not at hand: counts more tokens than it would, seldom fewer."""

    def spans(self, text: str) -> NDArray[np.int32]:
        found = [match.span() for match in PIECE.finditer(text)]
        return np.asarray(found, dtype=np.int32).reshape(-1, 2)


def open_tokenizer(file: Path) -> FileTokenizer:
    """Raises `OSError` where the file is missing, `ValueError` where it is no tokenizer."""
    from tokenizers import Tokenizer as Rust

    text = file.read_text()
    try:
        tokenizer = Rust.from_str(text)
    except Exception as error:  # the library raises nothing more precise
        raise ValueError(f"{str(file)!r} is not a tokenizer: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return FileTokenizer(tokenizer)


def clipped(text: str, tokenizer: Tokenizer, window_tokens: int) -> str:
    """The beginning of the text that a model with this window sees."""
    room = window_tokens - SPECIAL_TOKENS
    # No tokenizer in use makes one token of more than about twenty characters, save of white space.
    spans = tokenizer.spans(text[: 20 * window_tokens])
    return text if len(spans) <= room else text[: spans[room][0]]
