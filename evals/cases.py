"""A suite: questions with what is expected of their answers, one case a line of JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError, model_validator

from app.wire.answers import MAX_TURNS, TurnIn
from app.wire.strict import Strict
from retrieval.answer import LONGEST_QUESTION

Words = Annotated[str, Field(pattern=r"\S")]
"""Text that is not blank."""


class BadSuite(Exception):
    """The suite cannot be used. The message has a line for every fault."""


class Case(Strict):
    """One question, and what a good answer has."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$")]
    question: Annotated[Words, Field(max_length=LONGEST_QUESTION)]
    conversation: Annotated[tuple[TurnIn, ...], Field(max_length=MAX_TURNS)] = ()
    """The turns before the question, oldest first."""
    answer: str = ""
    """In as few words as say it; a longer answer that has these words is right too."""
    documents: tuple[Words, ...] = ()
    """The names of all documents that the answer needs."""
    quotes: tuple[Words, ...] = ()
    """The passages that prove the answer, as they stand in those documents."""
    unanswerable: bool = False
    """No document has the answer: saying so is right, and everything else is wrong."""
    groups: tuple[Words, ...] = ()
    """Who asks is a member of these."""
    tags: tuple[Words, ...] = ()

    @model_validator(mode="after")
    def _proven_or_unanswerable(self) -> Case:
        expected = [name for name in ("answer", "documents", "quotes") if getattr(self, name)]
        if self.unanswerable and expected:
            raise ValueError(f"it is unanswerable, but has {' and '.join(expected)}")
        if not self.unanswerable and not expected:
            raise ValueError("give an answer, documents or quotes, or say that it is unanswerable")
        return self

    def canonical(self) -> str:
        """JSON with sorted keys and without defaults: the same case has the same text."""
        fields = self.model_dump(mode="json", exclude_defaults=True)
        return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Suite:
    """Cases with different ids, in the order of their lines."""

    name: str
    cases: tuple[Case, ...]

    @property
    def version(self) -> str:
        """SHA-256 of what the cases say; their order, and how the lines are written, do not count."""
        lines = [case.canonical() for case in sorted(self.cases, key=lambda case: case.id)]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def read_suite(path: Path) -> Suite:
    """The suite in a JSONL file, named after it, or after its folder where it is `suite.jsonl`.

    Raises `BadSuite` with every fault at once. Blank lines, and lines that begin with `//`, are left out.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadSuite(f"{path} cannot be read: {error}.") from error
    return parse_suite(path.absolute().parent.name if path.stem == "suite" else path.stem, text)


def parse_suite(name: str, text: str) -> Suite:
    """The suite that these lines are. Raises `BadSuite`."""
    cases: dict[int, Case] = {}
    faults: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("//"):
            continue
        try:
            cases[number] = Case.model_validate_json(line)
        except ValidationError as error:
            faults += [f"line {number}: {fault}" for fault in faults_of(error)]
    faults += _used_twice(cases)
    if not cases and not faults:
        faults = ["it has no cases"]
    if faults:
        raise BadSuite(f"The suite {name!r} cannot be used:\n" + "\n".join(faults))
    return Suite(name, tuple(cases.values()))


def faults_of(error: ValidationError) -> Sequence[str]:
    """Each fault in words: where, and what."""
    return [
        _fault(".".join(map(str, one["loc"])), one["type"], one["msg"]) for one in error.errors()
    ]


def _fault(place: str, kind: str, message: str) -> str:
    if kind == "json_invalid":
        return message.replace("Invalid JSON: ", "no JSON: ")
    if kind == "extra_forbidden":
        return f"there is no field {place!r}"
    message = message.removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


def _used_twice(cases: dict[int, Case]) -> Iterator[str]:
    first: dict[str, int] = {}
    for number, case in cases.items():
        before = first.setdefault(case.id, number)
        if before != number:
            yield f"line {number}: the id {case.id!r} is that of line {before} too"
