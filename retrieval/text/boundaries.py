"""Boundaries: where one sentence ends and the next begins, within a paragraph."""

from __future__ import annotations

import re
from collections.abc import Iterator

from retrieval.text.markers import run_at
from retrieval.text.stopwords import STOPWORDS, listed

_END = re.compile(r"(?P<wide>[。！？｡۔؟।]+)|[.!?…]+")
_CLOSERS = "\"'’”»›)]】」』*_"
_OPENERS = "\"'‘“„«‹([【「『*_¿¡-–—"
_LAST_WORD = re.compile(r"[^\s(\[\"“„«]+$")
_ABBREVIATIONS = listed(
    """
    dr mr mrs ms prof st sr jr rev gen col sgt capt lt hon pres gov vs viz cf al ca approx dept
    est fig figs inc ltd co corp no nos vol vols pp p ed eds ch sec art jan feb mar apr jun jul
    aug sep sept oct nov dec mon tue wed thu fri sat sun e.g i.e eg ie etc ph.d a.m p.m ave blvd
    tel ext max min incl excl nr bzw usw d.h z.b u.a o.ä v.a s.o s.u evtl ggf bspw zzgl abs mio
    mrd str hr fr dipl ing geb gest jh hrsg bd aufl vgl sog abb kap mme mlle mm env av boul éd
    vol chap sra srta dra ud uds pág págs núm ej p.ej aprox cía
    """
)
_ENDING_TOO = listed(
    """
    etc usw a.m p.m inc ltd co corp jr sr u.s u.k u.n e.u no st al ph.d jan feb mar apr jun jul
    aug sep sept oct nov dec max min ext
    """
)
"""Abbreviations that often are the last word of a sentence as well."""
_ORDINAL_NOUNS = listed(
    """
    januar februar märz april mai juni juli august september oktober november dezember jänner
    jahrhundert jahrhunderts quartal quartals stock etage klasse auflage kapitel semester
    lebensjahr monat tag woche januars
    """
)
_STARTERS = frozenset(word.capitalize() for words in STOPWORDS.values() for word in words)


def boundaries(text: str, start: int, end: int) -> Iterator[int]:
    """The end of every sentence of `text[start:end]`, closing quotes and markers included."""
    last = start
    for match in _END.finditer(text, start, end):
        if match.start() < last:
            continue
        at = _closed(text, match.end(), end)
        if at >= end:
            break
        if match["wide"] or _ends(text, match, at, start, end):
            last = at
            yield at
    if text[last:end].strip():
        yield end


def _closed(text: str, at: int, end: int) -> int:
    while at < end and text[at] in _CLOSERS:
        at += 1
    return min(run_at(text, at), end)


def _ends(text: str, match: re.Match[str], at: int, start: int, end: int) -> bool:
    if not text[at].isspace():
        return False
    following = text[at:end].lstrip().lstrip(_OPENERS).split(maxsplit=1)
    if not following or following[0][0].islower():
        return not following
    if match[0] != ".":
        return match[0] != "..." or following[0][0].isupper()
    before = _LAST_WORD.search(text, max(start, match.start() - 40), match.start())
    return before is None or _ends_after(before[0].lower(), before[0], following[0])


def _ends_after(word: str, written: str, following: str) -> bool:
    """Does the full stop after this word end a sentence, when that word follows?"""
    next_word = following.rstrip(".,;:!?)\"'”»")
    starter = next_word in _STARTERS
    if word in _ABBREVIATIONS:
        return word in _ENDING_TOO and starter
    if re.fullmatch(r"(?:\w\.)+\w", word) or (len(word) == 1 and word.isalpha()):
        return starter and not (len(word) == 1 and written.isupper() and next_word == "A")
    if re.fullmatch(r"\d{1,2}", word):
        return next_word.lower() not in _ORDINAL_NOUNS
    return True
