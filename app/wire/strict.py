"""What all shapes on the wire have in common."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, PlainSerializer


class Strict(BaseModel):
    """Frozen, and refuses fields that it does not know: a misspelt one must not be lost silently."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


Time = Annotated[float, PlainSerializer(_rfc3339, return_type=str)]
"""Seconds since the epoch inside, RFC 3339 in UTC on the wire."""
