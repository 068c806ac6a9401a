"""Making documents equal to a source: what a source is, and what to add, update and remove."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

SOURCE = "source"
SOURCE_PREFIX = "source_prefix"


class SourceUnavailable(Exception):
    """The source cannot be listed now, so nothing follows from what is missing in it."""


class ItemUnavailable(Exception):
    """One item cannot be read now. Its document stays as it is."""


class ItemGone(Exception):
    """The item was listed, and is not in the source any more."""


@dataclass(frozen=True, slots=True)
class Item:
    """Something in a source that is to be a document."""

    key: str
    """Where the source finds it: a path, an object's key, a URL."""
    name: str
    """What its document is called; slashes make folders."""
    stamp: str = ""
    """Other bytes, another stamp. Empty: only looking at the bytes tells."""


@dataclass(frozen=True, slots=True)
class Held:
    """Something in a source that cannot be a document now. A document of its name stays as it is."""

    name: str
    reason: str
    fault: bool = True
    """False: nothing is wrong, it is only not for Cairn, such as an image."""


@dataclass(frozen=True, slots=True)
class Listing:
    """All that is in a source. Names occur once."""

    items: tuple[Item, ...]
    held: tuple[Held, ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """What an item's bytes were when its stamp was this one."""

    stamp: str
    sha256: str
    """64 hexadecimal digits; empty where the bytes were refused."""
    refusal: str = ""
    """Why Cairn cannot read these bytes, in words."""


@dataclass(frozen=True, slots=True)
class Copy:
    """An item's bytes in a file, and the stamp that belongs to them."""

    path: Path
    stamp: str


class Source(Protocol):
    """A place with files or pages. Raises what stands above, and nothing of a client's own."""

    @property
    def id(self) -> str:
        """Its address without secrets: the same place, the same id."""
        ...

    @property
    def pause_s(self) -> float:
        """How long to leave it alone between two looks."""
        ...

    async def list(self) -> Listing:
        """Everything, or `SourceUnavailable`: half a listing would look like a removal."""
        ...

    async def look(self, item: Item, seen: Seen | None) -> Seen:
        """The hash of the bytes as they are now; `seen` may spare the reading.

        Raises `ItemGone`, `ItemUnavailable`.
        """
        ...

    def copy(self, item: Item) -> AbstractAsyncContextManager[Copy]:
        """The bytes in a file, for as long as the block lasts. Raises as `look`."""
        ...


@dataclass(frozen=True, slots=True)
class Known:
    """A document as the service knows it."""

    id: str
    name: str
    sha256: str
    """Of the newest version's bytes."""
    groups: frozenset[str]
    metadata: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Wanted:
    """How the documents of one source are named and labelled."""

    source: str
    prefix: str
    """Empty, or with a slash at its end."""
    groups: frozenset[str]
    metadata: Mapping[str, object]
    """What a person adds to the source's own label."""

    @property
    def labels(self) -> Mapping[str, object]:
        """The metadata of every document of this source, and of no other document."""
        # With the prefix: else the same source under two prefixes would remove what is its own.
        place = {SOURCE_PREFIX: self.prefix} if self.prefix else {}
        return {**self.metadata, SOURCE: self.source, **place}

    def owns(self, document: Known) -> bool:
        """Whether this source put it there, so that it may replace and remove it."""
        mark = (document.metadata.get(SOURCE), document.metadata.get(SOURCE_PREFIX, ""))
        return mark == (self.source, self.prefix)

    def fits(self, document: Known) -> bool:
        """Whether nothing but the bytes could be different from what is wanted."""
        return document.groups == self.groups and dict(document.metadata) == dict(self.labels)


@dataclass(frozen=True, slots=True)
class Gone:
    """A document whose item is not in the source any more."""

    name: str
    """The item's, without the prefix."""
    id: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What makes the documents equal to the source."""

    add: tuple[Item, ...]
    update: tuple[Item, ...]
    remove: tuple[Gone, ...]
    unchanged: int
    held: tuple[Held, ...]
    """What stays as it is, and why."""
    owned: int
    """How many documents the source has now."""

    @property
    def work(self) -> int:
        return len(self.add) + len(self.update) + len(self.remove)

    @property
    def drastic(self) -> bool:
        """More than half would go: rather an unmounted folder than somebody's wish."""
        return 2 * len(self.remove) > self.owned


Looked = Mapping[str, Seen | Held | None]
"""By an item's name, what a look at it gave; None: it is gone."""


def to_look_at(listing: Listing, documents: Sequence[Known], prefix: str) -> list[Item]:
    """The items whose hash decides something: those that have a document."""
    names = {document.name for document in documents}
    return [item for item in listing.items if prefix + item.name in names]


def plan(
    listing: Listing, looked: Looked, documents: Sequence[Known], wanted: Wanted, *, adopt: bool
) -> Plan:
    """`documents` are those under the prefix; `looked` has at least the names of `to_look_at`.

    `adopt`: documents of the same name that others uploaded become this source's.
    """
    known = {document.name: document for document in documents}
    add: list[Item] = []
    update: list[Item] = []
    held = list(listing.held)
    unchanged = 0
    for item in listing.items:
        document, look = known.get(wanted.prefix + item.name), looked.get(item.name)
        if isinstance(look, Held):
            held.append(look)
        elif document is None:
            add.append(item)
        elif look is None:
            continue
        elif not (adopt or wanted.owns(document)):
            unchanged += look.sha256 == document.sha256
            held += _taken(item, look, document)
        elif look.sha256 == document.sha256 and wanted.fits(document):
            unchanged += 1
        else:
            update.append(item)
    present = _present(listing, looked, wanted.prefix)
    owned = [document for document in documents if wanted.owns(document)]
    remove = [
        Gone(document.name[len(wanted.prefix) :], document.id)
        for document in owned
        if document.name not in present
    ]
    return Plan(tuple(add), tuple(update), tuple(remove), unchanged, tuple(held), len(owned))


def _present(listing: Listing, looked: Looked, prefix: str) -> set[str]:
    items = [item.name for item in listing.items if looked.get(item.name, item) is not None]
    return {prefix + name for name in (*items, *(held.name for held in listing.held))}


def _taken(item: Item, look: Seen, document: Known) -> list[Held]:
    """Of another's document: nothing where the bytes are the same, else why it is left alone."""
    if look.sha256 == document.sha256:
        return []
    owner = document.metadata.get(SOURCE)
    whose = f"belongs to the source {owner!r}" if owner else "was uploaded by somebody"
    return [Held(item.name, f"a document of this name {whose}; --adopt takes it over")]
