"""Taking documents in, sending failed ones back, taking them out with a receipt."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from ingestion.documents import Accepted, Document, DocumentRecords, Upload
from ingestion.files import Files
from ingestion.parse import Unreadable
from ingestion.sniff import sniff
from ingestion.sweep import Sweep
from retrieval.index import ChunkStore, Metadata, Scope

NAME_CHARACTERS = 400
FORBIDDEN_NAME = re.compile(r"[\x00-\x1f\x7f]|^\s|\s$|(^|/)\.{1,2}(/|$)|//|^/|/$")


class BadName(Exception):
    """The document's name cannot be used."""


class BadGroups(Exception):
    """A document can be restricted only to groups that its uploader belongs to."""


@dataclass(frozen=True, slots=True)
class Labels:
    """What an uploader says about a document."""

    groups: frozenset[str]
    metadata: Metadata


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a deletion removed, and that nothing is left."""

    document: Document
    deleted_at: float
    chunks: int
    versions: int
    files: int
    remaining_chunks: int


class Intake:
    """The door through which documents come and go."""

    def __init__(
        self,
        records: DocumentRecords,
        files: Files,
        index: ChunkStore,
        sweep: Sweep,
        limit_bytes: int,
    ) -> None:
        self._records = records
        self._files = files
        self._index = index
        self._sweep = sweep
        self._limit_bytes = limit_bytes

    async def accept(
        self, scope: Scope, name: str, data: AsyncIterator[bytes], labels: Labels
    ) -> Accepted:
        """Stores the bytes, tells what they are, and writes the version down as waiting.

        Raises `BadName`, `BadGroups`, `NameTaken`, `TooLarge`, `NothingToRead` for an empty file,
        `UnsupportedType`, `FilesUnavailable`, `RecordsUnavailable`.
        """
        check_name(name)
        _check_groups(scope, labels.groups)
        stored = await self._files.put(scope.tenant, data, self._limit_bytes)
        media_type = await self._kind(scope.tenant, name, stored.sha256)
        upload = Upload(
            name=name,
            sha256=stored.sha256,
            size_bytes=stored.size_bytes,
            media_type=media_type,
            groups=labels.groups,
            metadata=labels.metadata,
        )
        accepted = await self._records.accept(scope, upload)
        self._sweep.hurry()
        return accepted

    async def _kind(self, tenant: str, name: str, sha256: str) -> str:
        """The media type; a file that Cairn does not read is not kept."""
        try:
            async with self._files.local(tenant, sha256) as path:
                return await asyncio.to_thread(_sniffed, path, name)
        except Unreadable:
            if not await self._records.uses(tenant, sha256):
                await self._files.remove(tenant, sha256)
            raise

    async def retry(self, scope: Scope, document_id: str) -> Document:
        """What failed or was cancelled, back to the queue. Raises `DocumentMissing`, `NotRetryable`."""
        document = await self._records.retry(scope, document_id)
        self._sweep.hurry()
        return document

    async def delete(self, scope: Scope, document_id: str) -> Receipt:
        """The records first: from that moment no question reaches it. Raises `DocumentMissing`."""
        removed = await self._records.delete(scope, document_id)
        # The files before the points, which the sweep finds should the index be away.
        files = [await self._files.remove(scope.tenant, key) for key in sorted(removed.files)]
        chunks = await self._index.remove(scope.tenant, document_id)
        return Receipt(
            document=removed.document,
            deleted_at=time.time(),
            chunks=chunks,
            versions=removed.versions,
            files=sum(files),
            remaining_chunks=await self._index.count(scope.tenant, document_id),
        )


def _sniffed(path: Path, name: str) -> str:
    with path.open("rb") as file:
        return sniff(file, name)


def check_name(name: str) -> None:
    """Raises `BadName`. Slashes make folders; they may not climb out of them."""
    if not name or len(name) > NAME_CHARACTERS:
        raise BadName(f"A document's name has 1 to {NAME_CHARACTERS} characters, not {len(name)}.")
    if FORBIDDEN_NAME.search(name):
        raise BadName(
            f"{name!r} cannot name a document: no control characters, no spaces at the ends, "
            "no empty, `.` or `..` folders."
        )


def _check_groups(scope: Scope, groups: frozenset[str]) -> None:
    foreign = sorted(groups - scope.groups)
    if foreign:
        raise BadGroups(
            f"You do not belong to {', '.join(map(repr, foreign))}, so you could not see the "
            f"document yourself. Your groups: {', '.join(sorted(scope.groups)) or 'none'}."
        )
