"""The time between the open port and the loaded models."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request

from app.container import Platform


class Starting(Exception):
    """The service listens, but is not ready yet. Trying again in a few seconds helps."""


@dataclass(slots=True)
class Boot:
    """How far starting has come. The one thing in the service that changes."""

    platform: Platform | None = None
    stage: str = "starting"
    """What is being done, for people who wait."""


def platform_of(request: Request) -> Platform:
    """Raises `Starting`."""
    boot: Boot = request.app.state.boot
    if boot.platform is None:
        raise Starting(f"Cairn is starting: {boot.stage}.")
    return boot.platform
