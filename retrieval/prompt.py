"""The prompt: numbered sources packed into a token budget, fenced so that they stay data."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from retrieval.conversation import Turn
from retrieval.release import Release
from retrieval.search import Source
from retrieval.text.sentences import sentences

Count = Callable[[str], int]
"""Text to a number of tokens, by the model's own tokenizer where one is known."""

MESSAGE_TOKENS = 8
"""What a chat template puts around one message."""
SMALLEST_CUT_TOKENS = 48
"""A source is shortened to no less than this; with less room left it stays out."""
EARLIER_TURNS = 4
EARLIER_CHARACTERS = 400

_CONTROL = re.compile(
    r"<\|[^|>\n]{0,40}\|>|</?s>|\[/?INST\]|<</?SYS>>|</?(?:start|end)_of_turn>"
    r"|</?(?:system|user|assistant|think|tool_call|tool_response)>",
    re.IGNORECASE,
)
_FENCE = re.compile(r"^[ \t]*(?:-{3,}|={3,}|<{3,}|>{3,})", re.MULTILINE)
_NUMBERED = re.compile(r"[\[【]\s?(\d{1,3}(?:\s?[,–-]\s?\d{1,3})*)\s?[\]】]")
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\U000e0000-\U000e007f]")


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat, as models take them."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a generator gets: the question, the sources that fitted, and both as messages."""

    question: str
    """It stands alone."""
    sources: tuple[Source, ...]
    """Those in the messages, with the numbers they have there."""
    messages: tuple[Message, ...]


def estimate_tokens(text: str) -> int:
    """A count that is rather too high: three characters a token, one for CJK and other scripts."""
    ascii_only = sum(map(str.isascii, text))
    return ascii_only // 3 + (len(text) - ascii_only) + 1


def pack(
    question: str,
    sources: Sequence[Source],
    release: Release,
    conversation: Sequence[Turn] = (),
    count: Count = estimate_tokens,
) -> Prompt:
    """The best sources first, as many as fit; the last one may be cut at the end of a sentence.

    The best source is always there, at least its beginning: without it there is no prompt.
    """
    marker = _marker(question, sources)
    system = release.prompt_template.replace("{marker}", marker)
    ask = _request(question, conversation)
    room = release.budget_tokens - count(system) - count(ask) - 2 * MESSAGE_TOKENS
    packed: list[tuple[Source, str]] = []
    for source in sources:
        fitting = _fitted(source, marker, room, count, needed=not packed)
        if fitting is None:
            break
        packed.append((source, fitting))
        room -= count(fitting)
    blocks = "\n".join(block for _, block in packed)
    messages = (Message("system", system), Message("user", f"{blocks}\n\n{ask}"))
    return Prompt(question, tuple(source for source, _ in packed), messages)


def neutral(text: str) -> str:
    """Text that cannot be taken for a fence, a citation marker, or a control word of a template.

    Nothing is lost for a reader: `[3]` becomes `(3)`, a control word loses its brackets.
    """
    text = _INVISIBLE.sub("", text)
    text = _CONTROL.sub(lambda match: match[0].strip("<>|[]/"), text)
    text = _NUMBERED.sub(r"(\1)", text)
    return _FENCE.sub("—", text)


def _marker(question: str, sources: Sequence[Source]) -> str:
    """Random for every request: whoever wrote a source cannot have known it."""
    while True:
        marker = secrets.token_hex(6)
        if not any(marker in text for text in (question, *_texts(sources))):
            return marker


def _texts(sources: Sequence[Source]) -> list[str]:
    return [source.passage.chunk.text for source in sources]


def _fitted(source: Source, marker: str, room: int, count: Count, *, needed: bool) -> str | None:
    """The source's block, whole or shortened, or None when too little of it would be left."""
    text = neutral(source.passage.chunk.text)
    whole = _block(source, marker, text)
    if count(whole) <= room:
        return whole
    if room < SMALLEST_CUT_TOKENS and not needed:
        return None
    room = max(room, SMALLEST_CUT_TOKENS) - count(_block(source, marker, ""))
    kept = ""
    for sentence in sentences(text):
        if count(text[: sentence.end]) > room:
            break
        kept = text[: sentence.end]
    if not kept and needed:
        kept = text[: max(1, room)]
    return _block(source, marker, kept) if kept else None


def _block(source: Source, marker: str, text: str) -> str:
    passage = source.passage
    where = [passage.document.title or passage.document.name, *passage.chunk.section]
    if passage.chunk.page is not None:
        where.append(f"page {passage.chunk.page}")
    heading = " > ".join(neutral(" ".join(part.split())) for part in where)
    number = source.number
    return f"--- {marker} source [{number}] {heading}\n{text}\n--- {marker} end [{number}]"


def _request(question: str, conversation: Sequence[Turn]) -> str:
    earlier = "\n".join(
        f"{turn.role}: {neutral(' '.join(turn.content.split()))[:EARLIER_CHARACTERS]}"
        for turn in conversation[-EARLIER_TURNS:]
    )
    ask = f"Question: {neutral(question)}"
    if not earlier:
        return ask
    return f"Earlier in this conversation, which is not a source:\n{earlier}\n\n{ask}"
