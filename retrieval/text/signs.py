"""Signs: the numbers, names, negations and quotations in a text, which must not be got wrong."""

from __future__ import annotations

import re

from retrieval.text.stopwords import listed
from retrieval.text.words import Word, fold, stem, words

_NUMBER = re.compile(r"(?<![\d.])\d{1,3}(?:[,.'’\u00a0\u202f]\d{3})+(?!\d)|\d+(?:[.,]\d+)?")
_DIGIT = re.compile(r"\d")
_VERSION = re.compile(r"[vV]?\d+(?:\.\d+){2,}|\b[vV]\d+(?:\.\d+)*")
_QUOTATION = re.compile('["“„«‹]([^"“”„«»‹›\n]{3,400})["”“»›]')
_BETWEEN = " \t([\"“„«'‘*#_-"
_NEGATIONS = listed(
    """
    not no never none nobody nothing neither nor without cannot unable kein keine keinen keinem
    keiner nicht nie niemals nichts ohne pas jamais aucun aucune sans rien nunca sin tampoco
    ningún ninguna nadie
    """
)
_NUMERALS = {
    word: value
    for value, spelled in enumerate(
        str.split("""zero/cero - two/zwei/deux/dos three/drei/trois/tres four/vier/quatre/cuatro
        five/fünf/cinq/cinco six/sechs/seis seven/sieben/sept/siete eight/acht/huit/ocho
        nine/neun/neuf/nueve ten/zehn/dix/diez eleven/elf/onze twelve/zwölf/douze/doce
        thirteen/dreizehn fourteen/vierzehn fifteen/fünfzehn""")
    )
    for word in spelled.split("/")
} | {"twenty": 20, "zwanzig": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60,
     "seventy": 70, "eighty": 80, "ninety": 90, "hundred": 100, "thousand": 1000}  # fmt: skip


def numbers(text: str) -> frozenset[str]:
    """The numbers, in one way of writing: `1,000`, `1.000` and `1000` are equal, `3,5` is `3.5`.

    Numerals are included (`twelve` is `12`), versions and the digits of identifiers are not.
    """
    plain = _VERSION.sub(" ", text)
    for word in words(plain) if _DIGIT.search(plain) else ():
        if word.mixed and not _measure(word.text):
            plain = plain[: word.start] + " " * len(word.text) + plain[word.end :]
    found = {_written(match[0]) for match in _NUMBER.finditer(plain)}
    spelled = (w for w in re.findall(r"[^\W\d]+", plain.lower()) if w in _NUMERALS)
    return frozenset(found | {str(_NUMERALS[word]) for word in spelled})


def years(text: str) -> frozenset[str]:
    """The numbers that are years of the last century or this one."""
    return frozenset(each for each in numbers(text) if re.fullmatch(r"(?:19|20)\d\d", each))


def identifiers(text: str) -> frozenset[str]:
    """Error codes, model names, versions: words with letters and digits, and `2.3.1`. Folded."""
    if not _DIGIT.search(text):
        return frozenset()
    coded = {fold(w.text) for w in words(text) if w.mixed and not _measure(w.text)}
    return frozenset(coded | {fold(match[0]) for match in _VERSION.finditer(text)})


def names(text: str) -> frozenset[str]:
    """Stems of capitalised words that do not begin a sentence, and of all-capital words."""
    return frozenset(stem(word.text) for word in words(text) if _names(word, text))


def negated(text: str) -> bool:
    """Something in it is denied."""
    lowered = text.lower().replace("’", "'")
    return "n't" in lowered or any(word in _NEGATIONS for word in re.findall(r"\w+", lowered))


def quotations(text: str) -> tuple[str, ...]:
    """What stands between quotation marks and has three words or more."""
    inside = (match[1].strip() for match in _QUOTATION.finditer(text))
    return tuple(quoted for quoted in inside if len(quoted.split()) >= 3)


def _names(word: Word, text: str) -> bool:
    if len(word.text) < 2 or not word.capitalised:
        return False
    return (word.text.isupper() and word.text.isalpha()) or not _begins(word, text)


def _begins(word: Word, text: str) -> bool:
    """It is the first word of a sentence, a line or a heading."""
    at = word.start - 1
    while at >= 0 and text[at] in _BETWEEN:
        at -= 1
    return at < 0 or text[at] in ".!?:\n。！？"


def _measure(word: str) -> bool:
    """`28th`, `40m`, `10kg` and `1990s` are numbers with something attached."""
    return re.fullmatch(r"\d[\d.,]*[^\W\d]{1,3}", word) is not None


def _written(number: str) -> str:
    grouped = re.fullmatch(r"\d{1,3}(?:[,.'’\u00a0\u202f]\d{3})+", number)
    if grouped and not number.startswith("0"):
        return re.sub(r"\D", "", number)
    whole, _, fraction = number.replace(",", ".").partition(".")
    fraction = fraction.rstrip("0")
    return f"{whole.lstrip('0') or '0'}.{fraction}" if fraction else whole.lstrip("0") or "0"
