"""Alignment: where a text stands in another one that spaces and punctuates it differently."""

from __future__ import annotations

import re

_TOKEN = re.compile(r"\w+", re.UNICODE)
_OPENING = "[(\\[\"“„«'‘]"
_CLOSING = "[\"”»'’)\\]]"
_MARK = "[.!?…。！？]"
_PAIRS = {")": "(", "]": "[", "”": "“„", "»": "«", '"': '"', "’": "‘"}
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
    pattern = rf"(?<!\w){_OPENING}?{run}(?!\w){_MARK}?{_CLOSING}?{_MARK}?"
    match = re.search(pattern, haystack, re.IGNORECASE)
    return None if match is None else _trimmed(match[0], match.start())


def _trimmed(found: str, start: int) -> tuple[int, int]:
    """Without a bracket or quotation mark whose other half lies outside."""
    body = found.rstrip(".!?…。！？")
    closing = body[-1:]
    if closing in _PAIRS and not any(opening in body[:-1] for opening in _PAIRS[closing]):
        found = body[:-1]
    for closing, openings in _PAIRS.items():
        if found[:1] in openings and closing not in found[1:]:
            return start + 1, start + len(found)
    return start, start + len(found)
