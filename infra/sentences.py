"""Where sentences end, by the Punkt model that comes with LlamaIndex."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING

from ingestion.chunk import Sentences

if TYPE_CHECKING:
    from nltk.tokenize.punkt import PunktParameters  # type: ignore[import-untyped]

MODEL = "_static/nltk_cache/tokenizers/punkt_tab/english"


def open_sentences() -> Sentences:
    """Loads the model, in about a second; nothing is downloaded.

    By itself LlamaIndex cuts with an untrained Punkt, which ends a sentence after "Mr.". The
    trained model lies beside it (Kiss and Strunk, "Unsupervised Multilingual Sentence Boundary
    Detection", 2006).
    """
    from llama_index.core.node_parser.text.utils import split_by_sentence_tokenizer_internal
    from nltk.tokenize.punkt import PunktSentenceTokenizer

    punkt = PunktSentenceTokenizer(_parameters(files("llama_index.core") / MODEL))
    return lambda text: _spans(
        text, lambda whole: split_by_sentence_tokenizer_internal(whole, punkt)
    )


def _parameters(folder: Traversable) -> PunktParameters:
    """Read here, because NLTK's own loader wants them in NLTK's own folders."""
    from nltk.tokenize.punkt import PunktParameters

    def rows(name: str) -> list[list[str]]:
        return [line.split("\t") for line in (folder / name).read_text("utf-8").splitlines()]

    parameters = PunktParameters()
    parameters.abbrev_types = {abbreviation for (abbreviation,) in rows("abbrev_types.txt")}
    parameters.sent_starters = {starter for (starter,) in rows("sent_starters.txt")}
    parameters.collocations = {(first, second) for first, second in rows("collocations.tab")}
    parameters.ortho_context = defaultdict(
        int, {word: int(flags) for word, flags in rows("ortho_context.tab")}
    )
    return parameters


def _spans(text: str, cut: Callable[[str], list[str]]) -> list[tuple[int, int]]:
    """Offsets from the lengths of the parts, which is exact where searching for a part is not."""
    parts = cut(text)
    start = len(text) - sum(map(len, parts))
    spans = []
    for part in parts:
        if not text.startswith(part, start):
            raise AssertionError("the sentence tokenizer changed the text it was given")
        spans.append((start + len(part) - len(part.lstrip()), start + len(part.rstrip())))
        start += len(part)
    return spans
