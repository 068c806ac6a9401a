"""A version's reading: text, structure and chunks as they are stored, so they can be shown later."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass

from ingestion.parse import Block, Parsed
from retrieval.index import Chunk, Place


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read from one version of a document, and how it was cut."""

    parsed: Parsed
    chunks: tuple[Chunk, ...]


def to_bytes(reading: Reading) -> bytes:
    """Compressed JSON; chunks are offsets only, since their text stands in the document's."""
    parsed = reading.parsed
    record = {
        "text": parsed.text,
        "title": parsed.title,
        "language": parsed.language,
        "page_starts": parsed.page_starts,
        "warnings": parsed.warnings,
        "blocks": [(b.kind, b.start, b.end, b.level) for b in parsed.blocks],
        "chunks": [
            (c.start, c.end, c.section, c.page, [(p.start, p.section, p.page) for p in c.places])
            for c in reading.chunks
        ],
    }
    # mtime=0: equal readings have equal bytes, so the store keeps one.
    return gzip.compress(json.dumps(record, ensure_ascii=False).encode(), 6, mtime=0)


def from_bytes(data: bytes) -> Reading:
    """The inverse of `to_bytes`."""
    record = json.loads(gzip.decompress(data))
    parsed = Parsed(
        text=record["text"],
        blocks=tuple(Block(*block) for block in record["blocks"]),
        title=record["title"],
        page_starts=tuple(record["page_starts"]),
        language=record["language"],
        warnings=tuple(record["warnings"]),
    )
    return Reading(parsed, _chunks(parsed, record["chunks"]))


PlaceRow = tuple[int, list[str], int | None]
ChunkRow = tuple[int, int, list[str], int | None, list[PlaceRow]]


def _chunks(parsed: Parsed, rows: Sequence[ChunkRow]) -> tuple[Chunk, ...]:
    return tuple(
        Chunk(
            text=parsed.text[start:end],
            start=start,
            end=end,
            ordinal=ordinal,
            section=tuple(section),
            page=page,
            language=parsed.language,
            places=tuple(Place(at, tuple(path), on) for at, path, on in places),
        )
        for ordinal, (start, end, section, page, places) in enumerate(rows)
    )
