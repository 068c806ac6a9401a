"""The check: whether records, index and files agree about every document, and what mends it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from ingestion.documents import DocumentRecords
from ingestion.files import FileMissing, Files
from ingestion.findings import (
    FAULTS,
    INGESTED_ANEW,
    Address,
    Finding,
    Listing,
    Place,
    Report,
    Sight,
    Standing,
    Tally,
    compared,
    found_in,
    unwanted_files,
    unwanted_points,
)
from ingestion.reading import Reading, from_bytes
from retrieval.index import ChunkStore

GRACE_S = 3600.0
"""A younger file that no record has may belong to an upload that is just being accepted."""
BREATH = 256
"""Points after which others get their turn: an index in this process never waits by itself."""


class Standings(Protocol):
    """The records over all tenants. Raises `RecordsUnavailable`."""

    async def all(self) -> list[Standing]:
        """Every version that the records have."""
        ...

    async def redo(self, document_id: str, version: int) -> bool:
        """A live version's bytes once more, as a new version that waits; the live one stays.

        False: it is live no more, or something newer is on its way.
        """
        ...


@dataclass(frozen=True, slots=True)
class Repair:
    """What was found, and what was done about it."""

    report: Report
    points: int
    """Removed from the index."""
    files: int
    """Removed from the file store."""
    sent_back: int
    """Versions that are ingested anew. What is there of them answers questions meanwhile."""


class Check:
    """Compares and mends. What moves meanwhile is not judged; points stream by and are not kept."""

    def __init__(
        self,
        standings: Standings,
        records: DocumentRecords,
        files: Files,
        index: ChunkStore,
        alone_since: float | None = None,
    ) -> None:
        """`alone_since`: from when on nobody but this process has put files into the store."""
        self._standings = standings
        self._records = records
        self._files = files
        self._index = index
        self._alone_since = alone_since

    async def look(self) -> Report:
        """Raises `RecordsUnavailable`, `IndexUnavailable`, `FilesUnavailable`."""
        sight = await self._see()
        findings = [*unwanted_points(sight), *unwanted_files(sight)]
        steady = sight.steady()
        for standing in steady:
            tally = sight.tallies.get(standing.place, Tally())
            findings += await self._judge(standing, tally, sight.listing.missing)
        return Report(
            live=len(steady),
            points=sum(tally.points for tally in sight.tallies.values()),
            files=sight.listing.files,
            findings=tuple(sorted(findings, key=lambda one: FAULTS.index(one.fault))),
        )

    async def repair(self) -> Repair:
        """Removes what no record wants; what is not whole is ingested anew, from its original.

        Raises as `look` does. What was mended by then stays mended.
        """
        report = await self.look()
        found = report.findings
        unwanted = [one for one in found if one.fault not in INGESTED_ANEW]
        sick = {one.place for one in found if one.fault in INGESTED_ANEW}
        sick -= {one.place for one in found if not one.mendable}
        return Repair(
            report=report,
            points=sum([await self._remove_points(one) for one in unwanted if not one.file]),
            files=sum([await self._remove_file(one.tenant, one.file) for one in unwanted]),
            sent_back=sum([await self._standings.redo(*place[1:]) for place in sorted(sick)]),
        )

    async def remove_leftovers(self) -> int:
        """Files of uploads and deletions that died with an earlier process; answers how many.

        Only where nobody else can have put them there: else that is left to `repair`.
        """
        if self._alone_since is None:
            return 0
        listing = await self._list(await self._standings.all())
        return sum([await self._remove_file(one.tenant, one.sha256) for one in listing.strangers])

    async def _see(self) -> Sight:
        before = await self._standings.all()
        listing = await self._list(before)
        tallies: dict[Place, Tally] = {}
        points = 0
        async for passage in self._index.scan():
            of = passage.document
            place = (of.tenant, of.document_id, of.version)
            tallies.setdefault(place, Tally()).add(passage.chunk)
            points += 1
            if points % BREATH == 0:
                await asyncio.sleep(0)
        after = await self._standings.all()
        return Sight(_by_place(before), _by_place(after), listing, tallies)

    async def _list(self, standings: Iterable[Standing]) -> Listing:
        wanted = {address for standing in standings for address in standing.files}
        missing = set(wanted)
        born = max(time.time() - GRACE_S, self._alone_since or 0.0)
        strangers, files = [], 0
        async for kept in self._files.kept():
            files += 1
            missing.discard((kept.tenant, kept.sha256))
            if (kept.tenant, kept.sha256) not in wanted and kept.stored_at < born:
                strangers.append(kept)
        return Listing(files, tuple(strangers), frozenset(missing))

    async def _judge(
        self, standing: Standing, tally: Tally, missing: frozenset[Address]
    ) -> list[Finding]:
        """What is wrong with a live version."""
        findings = []
        if standing.original in missing:
            words = "Its original file is gone: upload it again."
            findings.append(found_in(standing, "lost", words, standing.sha256, mendable=False))
        reading = await self._reading(standing)
        if reading is None:
            words = "Its stored reading is gone or damaged."
            findings.append(found_in(standing, "lost", words, standing.reading or ""))
        findings += compared(standing, tally, reading)
        return findings

    async def _reading(self, standing: Standing) -> Reading | None:
        """None: it is gone, or its bytes are not those that were written."""
        try:
            data = await self._files.read(standing.tenant, standing.reading or "")
        except FileMissing:
            return None
        if sha256(data).hexdigest() != standing.reading:
            return None
        return await asyncio.to_thread(from_bytes, data)

    async def _remove_points(self, finding: Finding) -> int:
        wanted = await self._records.wanted()
        owned = finding.fault == "orphan" and (finding.document_id, finding.version) in wanted
        if owned:
            return 0  # retried since
        return await self._index.remove(*finding.place)

    async def _remove_file(self, tenant: str, key: str) -> bool:
        if not key or await self._records.uses(tenant, key):
            return False
        return await self._files.remove(tenant, key)


def _by_place(standings: Iterable[Standing]) -> dict[Place, Standing]:
    return {standing.place: standing for standing in standings}
