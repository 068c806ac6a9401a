"""Feedback: what somebody thought of an answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Rating = Literal["up", "down"]


@dataclass(frozen=True, slots=True)
class Feedback:
    """A thumb on the answer that a trace tells of, and words if there are any."""

    trace_id: str
    rating: Rating
    comment: str = ""
    reasons: tuple[str, ...] = ()
    correction: str = ""
    """The answer that should have come."""
    author: str = ""
    """The name of the key that gave it."""
