"""Text as it may be stored, searched and shown: normalised, without what a reader cannot see."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_LINE_ENDS = re.compile("\r\n|[\r\v\f\x1c\x1d\x1e\x85\u2028\u2029]")
_SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_SOFT = re.compile("[\u00ad\u200e\u200f\ufeff]")
"""Invisible and innocent: soft hyphens, direction marks of single characters, byte order marks."""

_HIDDEN = re.compile(
    "[\u180e\u200b\u2060-\u2064\u206a-\u206f"  # zero-width
    "\u202a-\u202e\u2066-\u2069"  # bidi embedding, override and isolation
    "\U000e0000-\U000e0fff"  # tags, and the selectors that can carry bytes
    "\u115f\u1160\u3164\uffa0]"  # letters without a shape
)
_JOINERS = re.compile("(?<=[\x00-\u02ff])[\u200c\u200d]|[\u200c\u200d](?=[\x00-\u02ff]|$)")
"""Joiners mean something in Persian, Indic scripts and emoji, and nothing beside Latin letters."""
_SELECTORS = re.compile("[\ufe00-\ufe0f]{2,}")

_LIGATURES = str.maketrans(
    {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
)


@dataclass(frozen=True, slots=True)
class Cleaned:
    """Text that is NFC, with `\\n` for every line end, and how many hidden characters went."""

    text: str
    hidden: int


def clean(text: str) -> Cleaned:
    """Idempotent: cleaning what is clean changes nothing."""
    if text.isascii() and text.isprintable():
        return Cleaned(text, 0)
    text = _LINE_ENDS.sub("\n", text)
    text = _SOFT.sub("", _CONTROLS.sub("", _SPACES.sub(" ", text)))
    hidden = 0
    for pattern in (_HIDDEN, _JOINERS, _SELECTORS):
        text, removed = pattern.subn("", text)
        hidden += removed
    return Cleaned(unicodedata.normalize("NFC", text.translate(_LIGATURES)), hidden)
