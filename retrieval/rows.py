"""Rows: a line of a table, a record or a JSON document, told so that it reads by itself."""

from __future__ import annotations

import re
from dataclasses import dataclass

from retrieval.text.sentences import cells

_PATH = re.compile(r"(?P<thing>[\w\[\].-]+)\.(?P<key>[\w-]+): (?P<value>.+)")

_AMOUNT = re.compile(r"\d[\d.,]*\s?(?:[%€$£°]|[^\W\d]{1,3}\b)|^\W*[\d.,]+\W*$|[€$£]\s?\d")
LONGEST_TITLE = 40


@dataclass(frozen=True, slots=True)
class Told:
    """A row in words."""

    text: str
    context: str
    """The column titles, or the key: words that belong to it without being said."""


class Rows:
    """Reads the rows of one table after the other and remembers what the first one says.

    The first row of a table has the titles; the first value of a thing in a JSON document names
    the thing.
    """

    def __init__(self, *, begins_inside: bool = False) -> None:
        """`begins_inside`: the first row may be one from the middle of a table, and no titles."""
        self._untitled = begins_inside
        self._titles: tuple[str, ...] = ()
        self._subjects: dict[str, str] = {}

    def end(self) -> None:
        """Something else than a row came: the next row begins another table."""
        self._titles = ()
        self._untitled = False

    def tell(self, row: str) -> Told | None:
        """The row in words, or None when it says nothing by itself."""
        if not any(character.isalnum() for character in row):
            return None
        if "|" in row or "\t" in row:
            return self._under_titles(cells(row))
        path = _PATH.fullmatch(" ".join(row.split()))
        if path:
            return self._value(path["thing"], path["key"], path["value"])
        return Told(" ".join(row.split()), "")

    def _under_titles(self, values: tuple[str, ...]) -> Told | None:
        """`Strap; price: 12 €`: every cell but the first under its title."""
        if not (self._titles or self._untitled) and _are_titles(values):
            self._titles = values
            return None
        titles = self._titles
        if len(titles) != len(values):
            titles = ("",) * len(values)
        told = [
            f"{title}: {value}" if title and place else value
            for place, (title, value) in enumerate(zip(titles, values, strict=True))
            if value
        ]
        return Told("; ".join(told), " ".join(titles)) if len(told) > 1 else None

    def _value(self, thing: str, key: str, value: str) -> Told | None:
        """`Port Averin, telephone: 0990 555 0120`; a value that is a sentence stays as it is."""
        subject = self._subjects.setdefault(thing, value)
        if value == subject:
            return None
        if value.endswith((".", "!", "?")):
            return Told(value, f"{subject} {key}")
        return Told(f"{subject}, {key}: {value}", key)


def _are_titles(cells: tuple[str, ...]) -> bool:
    """Short and without amounts: a passage may begin in the middle of a table, with a row."""
    return all(len(cell) <= LONGEST_TITLE and not _AMOUNT.search(cell) for cell in cells)
