"""A journal: the replies of a run that goes on, so that one broken off can go on where it was."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from app.wire.strict import Strict
from evals.result import Asked


class Entry(Strict):
    """One case that was answered, and what it was an answer of."""

    suite: str
    release: str
    index: str
    case: str
    asked: Asked


class Journal:
    """A JSONL file, written line by line. Only of the same suite, release and index is it taken up."""

    def __init__(self, path: Path, suite: str, release: str, index: str) -> None:
        self._path = path
        self._of = (suite, release, index)

    def answered(self) -> Mapping[str, Asked]:
        """What an earlier run was answered, by case. A line that was cut off counts as not written."""
        if not self._path.exists():
            return {}
        entries = filter(None, map(_entry, self._path.read_text("utf-8").splitlines()))
        return {one.case: one.asked for one in entries if self._mine(one)}

    def add(self, case: str, asked: Asked) -> None:
        """Notes an answer. What failed is not noted: the next run asks it again."""
        if asked.reply is None:
            return
        suite, release, index = self._of
        entry = Entry(suite=suite, release=release, index=index, case=case, asked=asked)
        with self._path.open("a+b") as file:
            # A torn last line must not swallow this one.
            torn = file.tell() > 0 and not _ends_a_line(self._path)
            file.write(b"\n" * torn + entry.model_dump_json().encode() + b"\n")

    def close(self) -> None:
        """The run is complete: the next one asks everything anew."""
        self._path.unlink(missing_ok=True)

    def _mine(self, entry: Entry) -> bool:
        return (entry.suite, entry.release, entry.index) == self._of


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read() == b"\n"


def _entry(line: str) -> Entry | None:
    try:
        return Entry.model_validate_json(line)
    except ValidationError:
        return None
