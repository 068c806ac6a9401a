"""Inline Markdown to the words a reader sees."""

from __future__ import annotations

import re
from html import unescape

_CODE = re.compile(r"(`+)(.+?)(?<!`)\1(?!`)", re.DOTALL)
_IMAGE = re.compile(r"!\[([^\[\]]*)\](?:\([^()]*(?:\([^()]*\)[^()]*)*\)|\[[^\[\]]*\])")
_LINK = re.compile(r"\[([^\[\]]+)\](?:\([^()]*(?:\([^()]*\)[^()]*)*\)|\[[^\[\]]*\])")
_AUTOLINK = re.compile(r"<((?:https?|mailto):[^<>\s]+)>")
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")
_STRONG = re.compile(r"(\*\*\*|\*\*|\*|~~)(?=\S)(.+?)(?<=\S)\1")
_UNDERLINED = re.compile(r"(?<!\w)(___|__|_)(?=\S)(.+?)(?<=\S)\1(?!\w)")
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_KEPT_START = 0xE000
"""Code and escaped characters wait in the private use area, where no other pattern sees them."""
_KEPT = re.compile("[\ue000-\uf8ff]")
_KEPT_LIMIT = 0xF8FF - _KEPT_START
_LONGEST = 8_000
"""Characters. Marks without a partner cost quadratic time, and no paragraph is longer than this."""


def plain(text: str) -> str:
    """Emphasis, links and tags go, what they enclose stays; code spans stay as they are."""
    if len(text) > _LONGEST:
        return unescape(text)
    kept: list[str] = []

    def keep(words: str) -> str:
        if len(kept) >= _KEPT_LIMIT:
            return words
        kept.append(words)
        return chr(_KEPT_START + len(kept) - 1)

    text = _KEPT.sub("", text)
    text = _CODE.sub(lambda found: keep(found[2].strip()), text)
    text = _ESCAPED.sub(lambda found: keep(found[1]), text)
    text = _AUTOLINK.sub(lambda found: keep(found[1]), text)
    text = _LINK.sub(r"\1", _IMAGE.sub(r"\1", text))
    text = _LINK.sub(r"\1", text)
    text = _TAG.sub("", _BREAK.sub(" ", text))
    for pattern in (_STRONG, _STRONG, _UNDERLINED):
        text = pattern.sub(r"\2", text)
    text = unescape(text)
    return _KEPT.sub(lambda found: _restored(found[0], kept), text)


def _restored(character: str, kept: list[str]) -> str:
    place = ord(character) - _KEPT_START
    return kept[place] if place < len(kept) else ""
