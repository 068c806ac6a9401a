"""Alignment: where a text stands in another one that spaces and punctuates it differently."""

from __future__ import annotations

import re

_TOKEN = re.compile(r"\w+", re.UNICODE)
_OPENING = "[(\\[\"“„«'‘]"
_CLOSING = "[\"”»'’)\\]]"
LONGEST = 400
"""Words: a longer needle is not a quote."""


def locate(needle: str, haystack: str) -> tuple[int, int] | None:
    """The first place where the words of `needle` stand in `haystack`, one after the other.

    Case, spaces, line breaks and punctuation between the words may differ; the words may not.
    The closing punctuation after the last word belongs to it, and so does an opening bracket
    or quotation mark before the first one.
    """
    found = _TOKEN.findall(needle)
    if not found or len(found) > LONGEST:
        return None
    run = r"[\W_]{0,8}".join(re.escape(word) for word in found)
    pattern = rf"(?<!\w){_OPENING}?{run}(?!\w)[.!?…。！？]?{_CLOSING}?"
    match = re.search(pattern, haystack, re.IGNORECASE)
    return None if match is None else _trimmed(match[0], match.start())


def _trimmed(found: str, start: int) -> tuple[int, int]:
    """Without a bracket or quotation mark whose other half lies outside."""
    for opening, closing in ("()", "[]", "“”", "«»", '""', "„”"):
        if found.startswith(opening) and closing not in found[1:]:
            found, start = found[1:], start + 1
        if found.endswith(closing) and opening not in found[:-1]:
            found = found[:-1]
    return start, start + len(found)
