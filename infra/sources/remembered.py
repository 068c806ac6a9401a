"""The hash cache: what was seen of a source's items, so that unchanged ones are not read again."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

from ingestion.sniff import readable_kinds
from ingestion.sync import Item, Seen


class Remembered:
    """By an item's key, what was last seen of it. A cache: without it all is read once more."""

    def __init__(self, path: Path, entries: Mapping[str, Seen]) -> None:
        self._path = path
        self._entries = dict(entries)
        self._saved = dict(entries)

    def of(self, item: Item) -> Seen | None:
        return self._entries.get(item.key)

    def still(self, item: Item) -> Seen | None:
        """What holds for the item as it is now, by its stamp."""
        seen = self._entries.get(item.key)
        return seen if seen is not None and item.stamp and seen.stamp == item.stamp else None

    def note(self, item: Item, seen: Seen) -> None:
        """What cannot be recognised later is not kept."""
        if seen.stamp:
            self._entries[item.key] = seen
        else:
            self._entries.pop(item.key, None)

    def keep(self, keys: Collection[str]) -> None:
        """Forgets what is not in the source any more."""
        for key in self._entries.keys() - keys:
            del self._entries[key]

    def save(self) -> None:
        """Beside, then renamed into place. Raises `OSError`."""
        if self._entries == self._saved:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle, path = tempfile.mkstemp(dir=self._path.parent)
        with os.fdopen(handle, "w") as file:
            json.dump({"kinds": readable_kinds(), "items": _rows(self._entries)}, file)
        os.replace(path, self._path)
        self._saved = dict(self._entries)


def open_remembered(folder: Path, source_id: str) -> Remembered:
    """One file for each source. A file that cannot be read, or is an older Cairn's, counts as none."""
    path = folder / f"{hashlib.sha256(source_id.encode()).hexdigest()[:32]}.json"
    try:
        content = json.loads(path.read_bytes())
        # A refusal holds only as long as Cairn reads the same kinds of files.
        rows = content["items"] if content["kinds"] == readable_kinds() else {}
        entries = {str(key): Seen(*map(str, row)) for key, row in rows.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        entries = {}
    return Remembered(path, entries)


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Where this user's programs keep what they can do without (XDG Base Directory, 0.8)."""
    cache = environment.get("XDG_CACHE_HOME", "")
    root = Path(cache) if cache.startswith("/") else Path.home() / ".cache"
    return root / "cairn" / "sync"


def _rows(entries: Mapping[str, Seen]) -> dict[str, tuple[str, str, str]]:
    return {key: (seen.stamp, seen.sha256, seen.refusal) for key, seen in entries.items()}
