"""Tables as text: rows side by side, or rows that each carry the names of their columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

_NUMBER = re.compile(r"[-+(]?[\d.,:/%€$£\s-]+\)?")
_LONGEST_HEADER_CELL = 60


def is_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names the columns: all filled, all different, short, and no numbers."""
    if len(rows) < 2 or len(rows[0]) < 2:
        return False
    names = [cell.strip() for cell in rows[0]]
    return len(set(names)) == len(names) and all(_is_name(name) for name in names)


def record_lines(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """`Name: Ann; City: Rome`, one line a row: a passage of it still says what is what."""
    for row in rows:
        cells = [" ".join(cell.split()) for cell in row]
        named = [
            f"{name.strip()}: {cell}" for name, cell in zip(header, cells, strict=False) if cell
        ]
        yield "; ".join([*named, *filter(None, cells[len(header) :])])


def _is_name(cell: str) -> bool:
    return 0 < len(cell) <= _LONGEST_HEADER_CELL and not _NUMBER.fullmatch(cell)
