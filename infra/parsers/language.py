"""The language a text is written in: by its script, then by its most frequent small words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

FALLBACK = "en"

_SAMPLE_CHARACTERS = 6_000
_SAMPLES = 4
_LEAST_DISTINCT = 3
"""With fewer different small words, a label or a table of names would be guessed at random."""

_LEAST_SHARE = 0.08
"""Of all words. In prose of any of these languages it is above a fifth."""

_SCRIPTS = (
    ("ja", re.compile("[\u3040-\u30ff]")),
    ("ko", re.compile("[\uac00-\ud7af\u1100-\u11ff]")),
    ("zh", re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")),
    ("ar", re.compile("[\u0600-\u06ff\u0750-\u077f\ufb50-\ufdff\ufe70-\ufeff]")),
    ("he", re.compile("[\u0590-\u05ff]")),
    ("el", re.compile("[\u0370-\u03ff\u1f00-\u1fff]")),
    ("ru", re.compile("[\u0400-\u04ff]")),
    ("hi", re.compile("[\u0900-\u097f]")),
    ("th", re.compile("[\u0e00-\u0e7f]")),
    ("latin", re.compile("[A-Za-z\u00c0-\u024f\u1e00-\u1eff]")),
)
_WEIGHTS = {"zh": 3, "ko": 2, "ja": 2}
"""A character of these scripts carries about as much as this many letters."""

_WORD = re.compile(r"[^\W\d_]+")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SMALL_WORDS: Mapping[str, frozenset[str]] = {
    "en": _words(
        "the of and to in is that for it with as was on be by this are or from at which an not "
        "have has but they you his her their we can will been were if would there all when who what"
    ),
    "de": _words(
        "der die das und ist in den von zu mit sich auf für nicht ein eine einer eines dem des im "
        "auch es an werden wird aus sind als bei nach oder wie über durch kann haben hat nur sie"
    ),
    "fr": _words(
        "le la les de des du et est un une dans que qui pour par sur pas plus avec ce cette ne se "
        "au aux il elle nous vous sont ou mais être à été leur son ses ont comme"
    ),
    "es": _words(
        "el la los las de del y en que un una por con para es se no al lo como más su sus este "
        "ha son o pero fue está entre cuando muy sin sobre también hasta hay donde ser usted"
    ),
    "it": _words(
        "il lo la i gli le di del della dei delle e è che un una in per con non si da dal al alla "
        "sono come anche più ha o questo questa nel nella ma essere stato su dell degli tra ai"
    ),
    "pt": _words(
        "o a os as de do da dos das e em que um uma para com não no na nos nas por se ao à é mais "
        "como mas foi são seu sua ou ser está também pelo pela até isso entre você há"
    ),
    "nl": _words(
        "de het een en van in is dat op te zijn met voor niet aan er om ook als door bij naar dan "
        "of maar heeft wordt worden kan deze dit uit nog over wij je u was werd hij zij meer geen"
    ),
    "sv": _words(
        "och i att det som en på är av för med den till inte om ett har de var från vid eller kan "
        "jag men så när hur också efter ska skall än sin under mot blir sig detta dessa vi mycket"
    ),
    "da": _words(
        "og i at det som en på er af for med den til ikke om et har de var fra ved eller kan jeg "
        "men så når hvor også efter skal end sin under mod bliver sig dette disse vi meget hvad"
    ),
    "no": _words(
        "og i å det som en på er av for med den til ikke om et har de var fra ved eller kan jeg "
        "så når hvor også etter skal enn sin under mot blir seg dette disse vi mye ble hva bare"
    ),
    "fi": _words(
        "ja on ei että se oli ovat hän mutta tai kun niin myös joka mitä sen ole voi jos olla kuin "
        "tämä jotka sekä vain mukaan ennen jälkeen kanssa kaikki nyt ovat tässä minä sinä eivät"
    ),
    "tr": _words(
        "ve bir bu için ile da de olarak daha en çok gibi kadar olan sonra değil ama ya ne o her "
        "veya ise olduğu tarafından göre mi mı var yok ancak bütün içinde şey diye"
    ),
    "pl": _words(
        "i w na z się nie do że jest to o jak po przez dla od ale za co są tym tego był jego oraz "
        "może czy lub które który która został"
    ),
    "cs": _words(
        "a v na je se že s z do o to pro jako za od jsou ale by bylo nebo která který které jeho "
        "byl při také až podle tak není"
    ),
}


def detect(text: str) -> str:
    """ISO 639-1 code of most of `text`; `FALLBACK` when it is too little to tell."""
    sample = _sample(text)
    counts = {code: len(pattern.findall(sample)) for code, pattern in _SCRIPTS}
    weighed = {code: count * _WEIGHTS.get(code, 1) for code, count in counts.items()}
    script = max(weighed, key=lambda code: weighed[code])
    if script == "latin" or not counts[script]:
        return _by_small_words(sample)
    # Japanese prose mixes kana into Han characters; a fifth of kana is never Chinese.
    if script == "zh" and counts["ja"] * 5 > counts["zh"]:
        return "ja"
    return script


def _sample(text: str) -> str:
    """A few stretches over the whole text: front matter may be in another language."""
    if len(text) <= _SAMPLE_CHARACTERS * _SAMPLES:
        return text
    step = len(text) // _SAMPLES
    return " ".join(text[at * step : at * step + _SAMPLE_CHARACTERS] for at in range(_SAMPLES))


def _by_small_words(sample: str) -> str:
    words = Counter(_WORD.findall(sample.lower()))
    hits = {code: sum(words[word] for word in small) for code, small in _SMALL_WORDS.items()}
    best = max(hits, key=lambda code: hits[code])
    distinct = sum(word in words for word in _SMALL_WORDS[best])
    told = distinct >= _LEAST_DISTINCT and hits[best] >= _LEAST_SHARE * words.total()
    return best if told else FALLBACK
