"""A result: every case of a suite with its reply and scores, and what was measured when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, ValidationError

from app.wire.strict import Strict
from evals.cases import Case, Suite
from evals.interval import Interval, of_shares, of_values
from evals.reply import Reply
from evals.score import Score
from evals.scorers import METRICS, Metric


class BadResult(Exception):
    """The file is no result of an evaluation, or one that cannot be read any more."""


class Asked(Strict):
    """What came of asking one case."""

    reply: Reply | None = None
    error: str = ""
    """Why there is no reply."""
    attempts: int
    asked_at: datetime


class Row(Strict):
    """One case. A case that failed is a row too."""

    model_config = ConfigDict(ser_json_inf_nan="strings")

    case: Case
    asked: Asked
    scores: Mapping[str, Score]
    errors: tuple[str, ...] = ()
    """Of scorers that crashed."""

    @property
    def evaluated(self) -> bool:
        """It was answered, and every scorer came to its end."""
        return self.asked.reply is not None and not self.errors


class Identity(Strict):
    """What answers: two measurements of the same identity measure the same thing."""

    release: str
    model: str
    index: str
    """`idx_` and 12 hexadecimal digits: of all documents' names, bytes and numbers
    of chunks, so that another way of reading or cutting them gives another one."""
    documents: int


class Result(Strict):
    """A whole evaluation."""

    model_config = ConfigDict(ser_json_inf_nan="strings")

    format: Literal["cairn-eval-1"] = "cairn-eval-1"
    suite: str
    suite_version: str
    """SHA-256 of the suite's content."""
    identity: Identity
    versions: Mapping[str, str]
    """Of the service, of what measures it, of Python."""
    started_at: datetime
    finished_at: datetime
    reused: int = 0
    """Rows asked by an earlier run that was broken off."""
    rows: tuple[Row, ...]
    """In the order of the suite, one for every case."""

    def about(self, suite: Suite) -> bool:
        """It has a row for every case of this very suite."""
        return self.suite_version == suite.version and len(self.rows) == len(suite.cases)


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric over all cases it applies to."""

    metric: Metric
    interval: Interval
    counted: int
    unknown: int
    """Cases that ought to have a score and have none."""
    reasons: tuple[str, ...]
    """Why, each once."""


def figure(result: Result, metric: Metric, tag: str | None = None) -> Figure:
    """The metric's mean with its interval, over all cases or over those with a tag."""
    rows = [row for row in result.rows if tag is None or tag in row.case.tags]
    scores = [_score(row, metric) for row in rows]
    values = [score.number for score in scores if score.number is not None]
    unknown = [score.reason for score in scores if score.unknown]
    interval = of_shares(values) if metric.bounded else of_values(values)
    return Figure(metric, interval, len(values), len(unknown), tuple(dict.fromkeys(unknown)))


def figures(result: Result, metrics: Sequence[Metric] = METRICS) -> tuple[Figure, ...]:
    return tuple(figure(result, metric) for metric in metrics)


def _score(row: Row, metric: Metric) -> Score:
    """A metric that an older result does not have yet is unknown there, not left out."""
    missing = Score(value=float("nan"), reason=f"the result was made before {metric.name} was")
    return row.scores.get(metric.name, missing)


def read_result(path: Path) -> Result:
    """Raises `BadResult`."""
    try:
        return Result.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BadResult(f"{path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise BadResult(f"{path} is no result of cairn-eval: {place}: {first['msg']}.") from error


def write_result(result: Result, path: Path) -> None:
    path.write_text(result.model_dump_json(indent=1) + "\n", "utf-8")
