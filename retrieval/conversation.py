"""The conversation: from a question that leans on earlier turns to one that stands alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from retrieval.text.markers import without
from retrieval.text.stopwords import GENERIC, listed
from retrieval.text.words import Word, content, stem, words

LOOK_BACK = 6
"""User turns: what was asked before these is no longer what the conversation is about."""
SHORT_WORDS = 2
"""A question with fewer content words than this, and no name among them, leans on earlier ones."""
TOPIC_PHRASES = 2

_ABOUT = "About "
_ASKS = ": "
_LEANS = listed(
    """
    it its they them their theirs that those this these there he him his she her hers one ones
    same former latter otherwise instead es sie ihn ihm ihr ihre ihren deren dessen diese dieser
    dieses diesen diesem das davon dafür dazu damit darin darüber dort er sein seine il elle ils
    elles celui celle ceux cela ça lui leur y en ello eso esa ese esos esas esto él ella ellos
    ellas su sus allí
    """
)
_PEOPLE = listed("he him his she her hers er ihm ihn il elle lui él ella")
_OPENS = re.compile(
    r"\s*(?:and|but|or|so|also|then|what about|how about|what if|why not|why\W*$|how\W*$|when\W*$"
    r"|und|aber|oder|wie sieht es|was ist mit|et|mais|ou|alors|qu'en est|y|pero|o|entonces)\b",
    re.IGNORECASE,
)
_LINKS = listed(
    """
    of for in on at to the a an with and der die das des dem den von für im in am zum zur mit
    und du de la le les des pour dans en au aux del el los las para con y
    """
)
_FILLERS = frozenset(
    stem(word)
    for word in listed(
        """
        tell explain describe show give say know need want help thanks thank hello hi work many
        much long often big large old far sage erkläre zeige brauche möchte danke hallo dis
        explique montre besoin merci bonjour dime explica necesito gracias hola
        """
    )
)


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side said."""

    role: Literal["user", "assistant"]
    content: str


def standalone(question: str, conversation: Sequence[Turn]) -> str:
    """The question unchanged, or led by what it leans on: `About days of leave: and half-days?`.

    It leans when it has a pronoun with nothing before it to point at, opens as a follow-up does,
    or is very short. What the last turns were about is carried over: the phrases of the last
    question that stood alone, and for a person the name in the last answer. Rules only, so the
    same conversation always gives the same question.
    """
    asked = [turn.content for turn in conversation if turn.role == "user"][-LOOK_BACK:]
    if not asked or not leans(question):
        return question
    phrases = _topic(asked, question) + _people(question, conversation)
    topic = ", ".join(dict.fromkeys(phrases))
    return f"{_ABOUT}{topic}{_ASKS}{question}" if topic else question


def parted(question: str) -> tuple[str, str]:
    """What `standalone` put before a question, or nothing, and what was asked."""
    topic, asks, asked = question.partition(_ASKS)
    if asks and topic.startswith(_ABOUT):
        return topic.removeprefix(_ABOUT), asked
    return "", question


def leans(question: str) -> bool:
    """It cannot be understood without what was said before."""
    said = [word.text.lower() for word in words(question)]
    if _OPENS.match(question) or not said:
        return True
    named = any(_names(word) for word in content(question) if word.start > 0)
    meant = [word for word in content(question) if stem(word.text) not in _GENERIC]
    if not named and len(meant) < SHORT_WORDS:
        return True
    return not named and any(word in _LEANS for word in _pronouns(said))


def _pronouns(said: list[str]) -> list[str]:
    """Without `that` where it joins clauses (`the form that I need`), and without `is there`."""
    return [
        word
        for before, word in zip(["", *said], said, strict=False)
        if not (word == "there" and before in {"is", "are", "was", "were"})
        and not (
            word in {"that", "das", "this", "one"} and before and before not in _BEFORE_PRONOUN
        )
    ]


_BEFORE_PRONOUN = listed(
    """
    about does is do did was of for with like if after before than on to and at by from can
    would will should ist über mit von für
    """
)
_GENERIC = frozenset(stem(word) for word in GENERIC) | _FILLERS


def _topic(asked: list[str], question: str) -> list[str]:
    """Phrases of the last question that stood alone, then of what was asked since."""
    since = next((i for i in range(len(asked) - 1, -1, -1) if not leans(asked[i])), 0)
    here = {stem(word.text) for word in content(question)}
    own = any(_coded(word) for word in content(question))
    found: list[str] = []
    for earlier in (asked[since], *asked[since + 1 :][-1:]):
        fresh = [phrase for phrase in _phrases(earlier, own_codes=own) if _adds(phrase, here)]
        found += fresh[:TOPIC_PHRASES]
    return found


def _phrases(question: str, *, own_codes: bool) -> list[str]:
    """The longest runs of content words and the small words between them: `days of leave`.

    Asked about `E-018`, nobody still means `E-017`, and asked about 2025 nobody means 2026: what
    has digits goes when the question has its own.
    """
    kept = [
        word
        for word in content(question)
        if stem(word.text) not in _GENERIC and not (own_codes and _coded(word))
    ]
    runs: list[tuple[int, int]] = []
    for word in kept:
        if runs and _linked(question[runs[-1][1] : word.start]):
            runs[-1] = (runs[-1][0], word.end)
        else:
            runs.append((word.start, word.end))
    longest = sorted(runs, key=lambda run: run[0] - run[1])[:TOPIC_PHRASES]
    return [question[start:end] for start, end in sorted(longest)]


def _linked(between: str) -> bool:
    return all(word in _LINKS for word in between.lower().split())


def _adds(phrase: str, here: set[str]) -> bool:
    return any(stem(word.text) not in here for word in content(phrase))


def _people(question: str, conversation: Sequence[Turn]) -> list[str]:
    """The first name in the last answer, when the question asks about `her` or `him`."""
    answers = [without(turn.content) for turn in conversation if turn.role == "assistant"]
    pronouns = {word.text.lower() for word in words(question)}
    if not answers or not pronouns & _PEOPLE:
        return []
    return re.findall(r"\b[^\W\d_a-z]\w+(?:[ -](?:\w\. )?[^\W\d_a-z]\w+)+", answers[-1])[:1]


def _names(word: Word) -> bool:
    return word.capitalised or word.mixed


def _coded(word: Word) -> bool:
    return any(character.isdigit() for character in word.text)
