"""Words: a text's words as they stand, and what they come down to when texts are compared."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from retrieval.text.stopwords import STOPWORDS, listed

_WORD = re.compile(r"[^\W_]+(?:[-'’._/@+][^\W_]+)*", re.UNICODE)
_MIXED = re.compile(r"\d.*[^\W\d_]|[^\W\d_].*\d")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+")
_SUFFIXES = tuple(
    sorted(
        listed(
            """
            ingly edly ings ing ies ied ed es s ly ungen ung en er em e aciones amente mente os
            as a o
            """
        ),
        key=len,
        reverse=True,
    )
)
_SHORT = frozenset({"s", "es", "ed", "ing", "ies", "ied", "e", "ly"})


@dataclass(frozen=True, slots=True)
class Word:
    """A word where it stands."""

    text: str
    start: int
    end: int

    @property
    def capitalised(self) -> bool:
        """It begins with an upper-case letter."""
        return self.text[0].isupper()

    @property
    def mixed(self) -> bool:
        """It has letters and digits, as identifiers such as `E-017` have."""
        return not self.text.isalpha() and _MIXED.search(self.text) is not None


def words(text: str) -> Iterator[Word]:
    """Every word in order. Languages written without spaces give pairs of characters."""
    for match in _WORD.finditer(text):
        if not match[0].isascii() and _CJK.search(match[0]):
            yield from _pairs(match[0], match.start())
            continue
        yield Word(match[0], match.start(), match.end())


def fold(text: str) -> str:
    """Compatibility forms unified, case folded, accents removed: for comparing, not showing."""
    decomposed = unicodedata.normalize("NFKD", text.replace("’", "'").casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c))


@lru_cache(maxsize=16_384)
def stem(word: str) -> str:
    """A light stem: one inflection taken off, whichever of four languages it belongs to.

    Identifiers and words of up to three letters stay whole. Not a word of the language, and
    good for nothing but comparing with another stem.
    """
    folded = fold(word).removesuffix("'s")
    if len(folded) <= 3 or not folded.isalpha():
        return folded
    for suffix in _SUFFIXES:
        room = 3 if suffix in _SHORT else 4
        if folded.endswith(suffix) and len(folded) - len(suffix) >= room:
            return _ending(folded.removesuffix(suffix) + ("y" if suffix in {"ies", "ied"} else ""))
    return _ending(folded)


def content_words(text: str, language: str | None = None) -> tuple[str, ...]:
    """Stems of the words that carry meaning, in order, repeated as they are.

    `part-time` counts as its two parts, `E-017` as one. Without a language it is guessed.
    """
    return tuple(stem(part) for word in content(text, language) for part in _parts(word))


def content(text: str, language: str | None = None) -> list[Word]:
    """The words that carry meaning, where they stand."""
    stops = STOPWORDS.get(language or language_of(text), STOPWORDS["en"])
    return [word for word in words(text) if word.text.lower().replace("’", "'") not in stops]


def language_of(text: str) -> str:
    """`en`, `de`, `fr` or `es`, by stop-words; `en` when they do not tell."""
    found = [match[0].lower() for match in _WORD.finditer(text)]
    hits = {language: sum(w in stops for w in found) for language, stops in STOPWORDS.items()}
    return max(hits, key=lambda language: hits[language])


def _parts(word: Word) -> list[str]:
    return [word.text] if word.mixed else re.split(r"[-/_]", word.text)


def _pairs(run: str, at: int) -> Iterator[Word]:
    if len(run) == 1:
        yield Word(run, at, at + 1)
    for i in range(len(run) - 1):
        yield Word(run[i : i + 2], at + i, at + i + 2)


def _ending(root: str) -> str:
    """`stopp` and `stop` agree, and so do `studi` and `study`, `office` and `offic`."""
    if len(root) > 4 and root[-1] == root[-2] and root[-1] not in "aeiousl":
        root = root[:-1]
    if len(root) > 3 and root[-1] == "e":
        root = root[:-1]
    return root[:-1] + "y" if root[-1] == "i" else root
