"""A file about to be read: its bytes, its name and the bounds of reading it."""

from __future__ import annotations

from dataclasses import dataclass

from ingestion.parse import Report


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much text one file may become."""

    characters: int = 20_000_000
    pages: int = 10_000


@dataclass(frozen=True, slots=True)
class Source:
    """What every reader takes. A reader is a function `Source -> Parsed`."""

    data: bytes
    name: str
    """The uploader's; only its extension is looked at."""
    media_type: str
    bounds: Bounds
    report: Report
