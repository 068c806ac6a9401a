"""A score: one number about one reply, or in words why there is none."""

from __future__ import annotations

import math

from pydantic import ConfigDict

from app.wire.strict import Strict


class Score(Strict):
    """Three things can be: a number; NaN, which ought to be one; None, where the metric is of others."""

    model_config = ConfigDict(ser_json_inf_nan="strings")

    value: float | None
    """NaN: it could not be evaluated. None: it does not apply to this case and reply."""
    reason: str = ""
    """Why it is NaN or None, or what stands behind the number."""

    @property
    def number(self) -> float | None:
        """The value where there is one to count with."""
        return None if self.value is None or math.isnan(self.value) else self.value

    @property
    def unknown(self) -> bool:
        """It ought to have been evaluated and was not."""
        return self.value is not None and math.isnan(self.value)


def unknown(reason: str) -> Score:
    """The score of what could not be evaluated: NaN, never 0."""
    return Score(value=math.nan, reason=reason)


def inapplicable(reason: str) -> Score:
    """The metric says nothing about this: neither good nor bad."""
    return Score(value=None, reason=reason)
