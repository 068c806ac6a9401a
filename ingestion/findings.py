"""What the check can find, told from what was seen in the records, the index and the file store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Literal

from ingestion.files import Kept
from ingestion.reading import Reading
from retrieval.index import Chunk

Fault = Literal["lost", "duplicate", "orphan", "cross-tenant", "drifted"]
FAULTS: tuple[Fault, ...] = ("lost", "duplicate", "orphan", "cross-tenant", "drifted")
INGESTED_ANEW = frozenset({"lost", "duplicate", "drifted"})

Place = tuple[str, str, int]
"""Tenant, document id and version."""
Address = tuple[str, str]
"""Tenant and SHA-256 of a stored file."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One version of any tenant's, as the records have it."""

    tenant: str
    document_id: str
    version: int
    live: bool
    """It answers questions."""
    working: bool
    """It waits for a worker, or one may still be at it."""
    chunks: int | None
    sha256: str
    reading: str | None

    @property
    def place(self) -> Place:
        return self.tenant, self.document_id, self.version

    @property
    def original(self) -> Address:
        return self.tenant, self.sha256

    @property
    def files(self) -> set[Address]:
        return {(self.tenant, key) for key in (self.sha256, self.reading) if key is not None}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be."""

    fault: Fault
    tenant: str
    detail: str
    document_id: str = ""
    version: int = 0
    """With the document's id: the version. Without: it is about a file."""
    file: str = ""
    """The SHA-256 of the file that is missing, damaged or unwanted."""
    mendable: bool = True
    """False: the original is gone, so only another upload helps."""

    @property
    def place(self) -> Place:
        return self.tenant, self.document_id, self.version


@dataclass(frozen=True, slots=True)
class Report:
    """What was compared, and what was found."""

    live: int
    """Versions that answered questions all the while."""
    points: int
    files: int
    findings: tuple[Finding, ...]

    @property
    def clean(self) -> bool:
        return not self.findings


@dataclass(slots=True)
class Tally:
    """A version's points as they stream by: a few bytes, however many there are."""

    points: int = 0
    seen: int = 0
    """Bit n: there was a point of chunk n."""
    repeated: int = 0
    digest: int = 0
    """The sum of the points' hashes: equal for equal points, in any order."""

    def add(self, chunk: Chunk) -> None:
        bit = 1 << chunk.ordinal
        self.points += 1
        self.repeated += bool(self.seen & bit)
        self.seen |= bit
        said = f"{chunk.ordinal}|{chunk.start}|{chunk.end}|{chunk.text}".encode()
        self.digest += int.from_bytes(blake2b(said, digest_size=16).digest())


@dataclass(frozen=True, slots=True)
class Listing:
    """What the file store has, against what the records want of it."""

    files: int
    strangers: tuple[Kept, ...]
    """Old enough, and of no version."""
    missing: frozenset[Address]
    """Of some version, and not there."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What index and file store have, seen between two looks at the records."""

    before: Mapping[Place, Standing]
    after: Mapping[Place, Standing]
    listing: Listing
    tallies: Mapping[Place, Tally] = field(default_factory=dict)

    def steady(self) -> list[Standing]:
        """The versions that were live in both looks: only these can be found incomplete."""
        return [
            standing
            for place, standing in self.after.items()
            if standing.live and place in self.before and self.before[place].live
        ]

    def wants(self, place: Place) -> bool:
        """Whether a version could have points in either look."""
        looks = (self.before.get(place), self.after.get(place))
        return any(look is not None and (look.live or look.working) for look in looks)

    def owners(self) -> dict[str, str]:
        """The tenant of each document."""
        return {document: tenant for tenant, document, _ in (*self.before, *self.after)}


def found_in(
    standing: Standing, fault: Fault, detail: str, file: str = "", *, mendable: bool = True
) -> Finding:
    return Finding(fault, standing.tenant, detail, *standing.place[1:], file, mendable)


def unwanted_points(sight: Sight) -> Iterator[Finding]:
    owners = sight.owners()
    for place, tally in sight.tallies.items():
        tenant, document_id, version = place
        owner = owners.get(document_id, tenant)
        if owner != tenant:
            words = f"{tally.points} points are another tenant's than their document."
            yield Finding("cross-tenant", tenant, words, document_id, version)
        elif not sight.wants(place):
            words = f"{tally.points} points of a version that answers no questions."
            yield Finding("orphan", tenant, words, document_id, version)


def unwanted_files(sight: Sight) -> Iterator[Finding]:
    wanted = {address for standing in sight.after.values() for address in standing.files}
    for kept in sight.listing.strangers:
        if (kept.tenant, kept.sha256) not in wanted:
            yield Finding("orphan", kept.tenant, "A file of no version.", file=kept.sha256)


def compared(standing: Standing, tally: Tally, reading: Reading | None) -> Iterator[Finding]:
    """A version's points against its record, and against the text that was read from it."""
    chunks = standing.chunks or 0
    short = chunks - (tally.seen & ((1 << chunks) - 1)).bit_count()
    if short > 0:
        yield found_in(standing, "lost", f"{short} of its {chunks} chunks have no point.")
    more = tally.repeated + (tally.seen >> chunks).bit_count()
    if more:
        yield found_in(standing, "duplicate", f"{more} points more than its {chunks} chunks.")
    if reading is None or short or more:
        return
    read = Tally()
    for chunk in reading.chunks:
        read.add(chunk)
    if read.digest != tally.digest:
        yield found_in(standing, "drifted", "Its points do not say what was read from it.")
