"""The rules of a gate, as they are written in its file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from app.wire.strict import Strict
from evals.cases import faults_of
from evals.scorers import BY_NAME

KINDS = (
    "lower_bound_at_least",
    "upper_bound_at_most",
    "not_worse_than_baseline_by",
    "not_shown_worse_than_baseline",
)


class BadGate(Exception):
    """The gate cannot be used. The message has a line for every fault."""


class Rule(Strict):
    """One metric, and one thing that must hold for it: exactly one of the last four fields."""

    metric: str
    tag: str | None = None
    """Only the cases with this tag."""
    cases_at_least: Annotated[int, Field(ge=1)] = 1
    """With fewer scores than these, the rule fails."""

    lower_bound_at_least: float | None = None
    """Of the 95 % interval around the mean."""
    upper_bound_at_most: float | None = None
    """Of the same interval, for metrics of which less is better."""
    not_worse_than_baseline_by: Annotated[float, Field(ge=0)] | None = None
    """The 95 % interval of the paired difference lies above minus this: it is shown that not more
    was lost. A suite too small to show it fails. Where no case changed, it passes."""
    not_shown_worse_than_baseline: bool | None = None
    """The difference is not shown to be for the worse, at 5 % (with Holm's correction). A suite too
    small to show anything passes."""

    @field_validator("metric")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in BY_NAME:
            raise ValueError(f"there is no metric {name!r}; there are {', '.join(BY_NAME)}")
        return name

    @model_validator(mode="after")
    def _one_kind(self) -> Rule:
        given = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(f"a rule has exactly one of {', '.join(KINDS)}")
        if self.not_shown_worse_than_baseline is False:
            raise ValueError("not_shown_worse_than_baseline can only be true; else leave it out")
        if self.relative and self.tag is not None:
            raise ValueError("a comparison with the baseline is over all cases, not over a tag")
        return self

    @property
    def kind(self) -> str:
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def relative(self) -> bool:
        """It needs a baseline."""
        return "baseline" in self.kind

    def words(self) -> str:
        """The rule as a person would say it."""
        subject = self.metric + (f" where tagged {self.tag!r}" if self.tag else "")
        value = getattr(self, self.kind)
        bare = self.kind.replace("_", " ").replace(" by", " by more than")
        told = bare if value is True else f"{bare} {value:g}"
        return f"{subject}: {told}"


class Gate(Strict):
    """All must hold. That every case is evaluated is a rule of every gate, and not to be left out."""

    cases_at_least: Annotated[int, Field(ge=1)] = 1
    """Of the whole suite."""
    rules: Annotated[tuple[Rule, ...], Field(min_length=1)]

    @property
    def relative(self) -> bool:
        """It needs a baseline."""
        return any(rule.relative for rule in self.rules)


def read_gate(path: Path) -> Gate:
    """From YAML or JSON, as the file's ending says. Raises `BadGate`."""
    try:
        text = path.read_text("utf-8")
        content = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
        return Gate.model_validate(content)
    except ValidationError as error:
        raise BadGate("\n".join([f"{path} is no gate:", *faults_of(error)])) from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise BadGate(f"{path} cannot be read: {error}") from error
