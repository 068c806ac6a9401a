"""Hints: what kind of thing a question asks for, and whether a sentence has one."""

from __future__ import annotations

import re
from collections.abc import Callable

from retrieval.text.signs import names, numbers
from retrieval.text.words import stem, words

NEUTRAL = 0.5
"""For a question whose words do not tell what would answer it."""

_DATE = re.compile(
    r"\b(?:1[0-9]|20)\d\d\b|\b\d{1,2}[./:]\d{2}|\b\d{1,2}(?:st|nd|rd|th)\b|\b(?:century|noon|midnight"
    r"|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|januar|februar|märz|mai|juni|juli|okt|dez"
    r"|janvier|février|mars|avril|juin|juillet|août|enero|febrero|marzo|abril|mayo|junio|julio"
    r"|monday|tuesday|wednesday|thursday|friday|saturday|sunday|day|week|month|year|hour|minute"
    r"|when|tag|woche|monat|jahr|stunde|jour|semaine|mois|an|heure|día|semana|mes|año|hora)",
    re.IGNORECASE,
)
_REASON = re.compile(
    r"\b(?:because|since|due to|so that|in order to|as a result|caused? by|therefore|reason|owing"
    r"|weil|da|damit|deshalb|wegen|grund|parce que|car|afin|raison|porque|debido|para que)\b",
    re.IGNORECASE,
)
_PLACE = re.compile(
    r"\b(?:in|at|on|near|from|to|under|inside|between|auf|bei|nach|im|am|à|dans|en)\b",
    re.IGNORECASE,
)
_DEFINITION = re.compile(
    r"(?:what|was|qué)(?:'s| is| are| does| ist| sind| es| son) (?:an? |the |eine? |der |die |das "
    r"|una? )?(?P<thing>[^?]{2,40}?)(?: mean| do)?\?*$",
    re.IGNORECASE,
)
_STEP = re.compile(
    r"\b(?:to|by|use|using|run|select|choose|click|press|open|set|enter|go|call|create|add|install"
    r"|must|should|can|need|drücken|wählen|öffnen|mit|durch)\b",
    re.IGNORECASE,
)

_MONEY = re.compile(
    r"[€$£¥]|\b(?:euros?|dollars?|pounds?|francs?|cents?|kronor|yen|eur|usd|gbp|chf"
    r"|free of charge|kostenlos|gratuit|gratis)\b",
    re.IGNORECASE,
)

_KINDS: tuple[tuple[re.Pattern[str], Callable[[str, str], bool]], ...] = (
    (
        re.compile(
            r"\b(?:what|how much)\b.*\b(?:costs?|prices?|fees?|pays?|paid|charged?|expensive)\b"
            r"|\bwas kostet\b|\bwie teuer\b|\bcombien coûte\b|\bcuánto cuesta\b",
            re.IGNORECASE | re.DOTALL,
        ),
        lambda _, text: _MONEY.search(text) is not None,
    ),
    (
        re.compile(
            r"\b(?:how (?:many|much|old|long|far|tall|big|large|high|often|fast|deep|heavy)"
            r"|(?:what|which) (?:[a-z]+ )?(?:percent\w*|numbers?|amount|price|fee|cost|rate|size"
            r"|distance|temperature)"
            r"|wie (?:viele?|lange?|hoch|alt|oft|weit|groß|teuer)|combien|cuánt\w+)\b",
            re.IGNORECASE,
        ),
        lambda asked, text: bool(numbers(text) - numbers(asked)),
    ),
    (
        re.compile(
            r"\b(?:when|(?:what|which|in what|in which) (?:year|date|day|month|century|time|decade)"
            r"|by when|wann|quand|cuándo)\b",
            re.IGNORECASE,
        ),
        lambda _, text: _DATE.search(text) is not None,
    ),
    (
        re.compile(r"\b(?:who|whom|whose|wer|wem|wen|qui|quién\w*)\b", re.IGNORECASE),
        lambda asked, text: bool(names(text) - _stems(asked)),
    ),
    (
        re.compile(r"\b(?:where|wo|wohin|où|dónde)\b", re.IGNORECASE),
        lambda asked, text: _PLACE.search(text) is not None and bool(names(text) - _stems(asked)),
    ),
    (
        re.compile(r"\b(?:why|what (?:caused|is the reason)|warum|wieso|pourquoi|por qué)\b", re.I),
        lambda _, text: _REASON.search(text) is not None,
    ),
    (
        re.compile(r"\b(?:how (?:do|can|to|should|would)|wie (?:kann|mache)|comment|cómo)\b", re.I),
        lambda _, text: _STEP.search(text) is not None,
    ),
)


def fits(question: str, text: str) -> float:
    """1 when the text has what the question asks for (a number, a date, a name…), 0 when not.

    What the question itself says does not count: `Wren 40` is no answer to `How heavy is it?`.
    """
    for asks, has in _KINDS:
        if asks.search(question):
            return 1.0 if has(question, text) else 0.0
    if (definition := _DEFINITION.match(question.strip())) is not None:
        return 1.0 if _defines(definition["thing"], text) else NEUTRAL
    return NEUTRAL


def _defines(thing: str, text: str) -> bool:
    """The text begins with the thing and says what it is or does."""
    verbs = (
        r"is|are|means|refers to|allows?|lets?|checks?|provides?|appears|ist|sind|bedeutet|es|son"
    )
    pattern = rf"(?:an? |the |eine? |der |die |das |una? )?{re.escape(thing)}s?:? (?:{verbs})\b"
    return re.match(pattern, text, re.IGNORECASE) is not None


def _stems(text: str) -> frozenset[str]:
    return frozenset(stem(word.text) for word in words(text))
