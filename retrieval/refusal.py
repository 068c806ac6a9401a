"""Refusals: saying that the documents do not answer, and noticing when a model says so."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from retrieval.text.words import language_of

Reason = Literal["no_evidence", "not_in_sources", "unsupported"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a question was not answered."""

    reason: Reason
    """`no_evidence`: nothing found is near enough, and no model was asked. `not_in_sources`: the
    model said that the sources do not have it. `unsupported`: what the model said did not hold."""
    looked_for: str
    evidence: float
    """0 to 1, as `retrieval.evidence` has it."""
    threshold: float
    """The release's."""


_WORDS: dict[str, dict[Reason, str]] = {
    "en": {
        "no_evidence": "I found nothing in the documents that answers this. "
        "I looked for: {looked_for}.",
        "not_in_sources": "The documents I found do not say. I looked for: {looked_for}.",
        "unsupported": "The documents do not support an answer that I could stand behind. "
        "I looked for: {looked_for}.",
    },
    "de": {
        "no_evidence": "In den Dokumenten habe ich nichts gefunden, was das beantwortet. "
        "Gesucht habe ich nach: {looked_for}.",
        "not_in_sources": "Die gefundenen Dokumente sagen das nicht. "
        "Gesucht habe ich nach: {looked_for}.",
        "unsupported": "Die Dokumente stützen keine Antwort, für die ich einstehen könnte. "
        "Gesucht habe ich nach: {looked_for}.",
    },
    "fr": {
        "no_evidence": "Je n'ai rien trouvé dans les documents qui y réponde. "
        "J'ai cherché : {looked_for}.",
        "not_in_sources": "Les documents trouvés ne le disent pas. J'ai cherché : {looked_for}.",
        "unsupported": "Les documents ne soutiennent aucune réponse dont je puisse répondre. "
        "J'ai cherché : {looked_for}.",
    },
    "es": {
        "no_evidence": "No he encontrado nada en los documentos que lo responda. "
        "He buscado: {looked_for}.",
        "not_in_sources": "Los documentos encontrados no lo dicen. He buscado: {looked_for}.",
        "unsupported": "Los documentos no sostienen una respuesta que pueda defender. "
        "He buscado: {looked_for}.",
    },
}

_SOURCES = r"(?:sources?|documents?|passages?|context|text|information|material|excerpts?)"
_DECLINES = re.compile(
    rf"\b{_SOURCES}\b[^.]{{0,60}}\b(?:(?:do|does|did)(?: not|n't)|cannot|fails? to)\b[^.]{{0,30}}"
    r"\b(?:contain|provide|mention|include|say|specify|state|answer|cover|address|give|discuss)"
    rf"|\bno (?:information|mention|answer|evidence)\b[^.]{{0,60}}\b{_SOURCES}\b"
    r"|\b(?:i|we) (?:do not|don't|cannot|can't|could not|couldn't|am unable to|am not able to)"
    r" (?:know|find|answer|determine|tell|say)\b"
    rf"|\bnot (?:mentioned|specified|provided|stated|given|covered|found|available) (?:in|by)"
    rf" (?:the |these |any of the )?(?:provided |given )?{_SOURCES}"
    r"|\b(?:quellen?|dokumente?n?|texte?)\b[^.]{0,60}\b(?:nicht|keine?n?|nichts)\b"
    r"|\b(?:sources?|documents?|passages?)\b[^.]{0,20}\bne\b[^.]{0,30}\bpas\b"
    r"|\b(?:fuentes?|documentos?)\b[^.]{0,20}\bno (?:contiene|menciona|dice|indica|especifica)",
    re.IGNORECASE,
)


def declines(sentence: str) -> bool:
    """The sentence says that the sources do not contain what was asked."""
    return _DECLINES.search(sentence.replace("’", "'")) is not None


def in_words(refusal: Refusal, question: str) -> str:
    """The refusal for the person who asked, in the language of the question."""
    return _WORDS[language_of(question)][refusal.reason].format(looked_for=refusal.looked_for)
