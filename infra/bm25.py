"""The words of a text as the sparse vector that BM25 scores, stemmed in the text's own language."""

from __future__ import annotations

import qdrant_edge
from qdrant_client import models

TYPICAL_WORDS = 170
"""BM25's average document length: the words in a chunk of about 256 word pieces. Retrieval quality
hardly depends on it."""

LANGUAGES = {
    "ar": "arabic",
    "az": "azerbaijani",
    "bn": "bengali",
    "ca": "catalan",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "eu": "basque",
    "fi": "finnish",
    "fr": "french",
    "he": "hebrew",
    "hu": "hungarian",
    "id": "indonesian",
    "it": "italian",
    "kk": "kazakh",
    "nb": "norwegian",
    "ne": "nepali",
    "nl": "dutch",
    "nn": "norwegian",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sl": "slovene",
    "sv": "swedish",
    "tg": "tajik",
    "tr": "turkish",
}
"""ISO 639-1 codes and the engine's names for the languages it has stop words or a stemmer for."""

UNSPACED = frozenset({"ja", "km", "ko", "lo", "my", "th", "zh"})
"""Written without spaces between words, or (Korean) with particles joined to them."""

FALLBACK = "en"


class Bm25:
    """Texts to sparse vectors, equal to those of Qdrant's own `Qdrant/bm25` inference model.

    A document's weights are term frequencies, saturated and normalised by length (Robertson and
    Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009; k = 1.2, b = 0.75).
    A query's weights are 1. The collection's IDF modifier brings the other factor at query time.
    """

    def __init__(self) -> None:
        self._encoders: dict[str, qdrant_edge.Bm25] = {}

    def document(self, text: str, language: str) -> models.SparseVector:
        """The vector to store. `language` is an ISO 639-1 code, with or without a region."""
        return _plain(self._encoder(language).embed_document(text))

    def query(self, text: str, language: str) -> models.SparseVector:
        """The vector to search with; empty when the text is stop words only."""
        return _plain(self._encoder(language).embed_query(text))

    def _encoder(self, language: str) -> qdrant_edge.Bm25:
        code = known(language)
        if code not in self._encoders:
            self._encoders[code] = _build(code)
        return self._encoders[code]


def known(language: str) -> str:
    """The code whose rules are used for a language.

    A language without rules of its own gets the English ones: detection errs on short texts, and a
    passage taken for Welsh must still be found by an English question.
    """
    code = language.replace("_", "-").partition("-")[0].lower()
    return code if code in LANGUAGES or code in UNSPACED else FALLBACK


def _build(code: str) -> qdrant_edge.Bm25:
    if code in UNSPACED:
        config = qdrant_edge.Bm25Config(
            avg_len=TYPICAL_WORDS,
            tokenizer=qdrant_edge.TokenizerType.Multilingual,
            stopwords=qdrant_edge.StopwordsSet(),
            stemmer=qdrant_edge.DisabledStemmer(),
        )
    else:
        config = qdrant_edge.Bm25Config(avg_len=TYPICAL_WORDS, language=LANGUAGES[code])
    return qdrant_edge.Bm25(config)


def _plain(vector: qdrant_edge.SparseVector) -> models.SparseVector:
    return models.SparseVector(indices=list(vector.indices), values=list(vector.values))
