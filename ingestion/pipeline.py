"""One version's way into the index: parse, chunk, embed, upsert, publish."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any, Literal

from ingestion.chunk import Chunking, Sentences, Tokenizer, split
from ingestion.documents import (
    WORKER_DIED,
    Document,
    DocumentRecords,
    Failure,
    RecordsUnavailable,
    Stage,
)
from ingestion.embedding import embedded
from ingestion.files import FileMissing, Files, FilesUnavailable
from ingestion.heartbeat import HEARTBEAT_S, beat, reporting
from ingestion.history import History
from ingestion.leases import Claim, Due, LeaseLost, Leases, Readout
from ingestion.parse import (
    Encrypted,
    NothingToRead,
    Parser,
    ReadingTooBig,
    ReadingTooLong,
    Unreadable,
    UnsupportedType,
)
from ingestion.reading import Reading, to_bytes
from retrieval.index import (
    ChunkStore,
    DocumentRef,
    Embedder,
    EmbedderUnavailable,
    Entry,
    IndexUnavailable,
    Vector,
)

MAX_ATTEMPTS = 6
BACKOFF_S = (2.0, 5.0, 15.0, 60.0, 300.0)

Outcome = Literal["published", "failed", "put back", "lost", "nothing"]

FINAL: tuple[tuple[type[Unreadable], str], ...] = (
    (UnsupportedType, "unsupported-type"),
    (Encrypted, "encrypted"),
    (NothingToRead, "nothing-to-read"),
    (ReadingTooLong, "time-limit"),
    (ReadingTooBig, "out-of-memory"),
    (Unreadable, "unreadable"),
)
TRANSIENT: tuple[tuple[type[Exception], str, str], ...] = (
    (IndexUnavailable, "index-unavailable", "The vector index does not answer"),
    (EmbedderUnavailable, "embedder-unavailable", "The embedding model does not answer"),
    (FilesUnavailable, "files-unavailable", "The file store does not answer"),
    (FileMissing, "file-missing", "The uploaded file is gone from the file store"),
)

log = logging.getLogger("cairn.ingestion")


class Incomplete(IndexUnavailable):
    """The index holds another number of chunks than were written."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What a pipeline works with."""

    records: DocumentRecords
    leases: Leases
    files: Files
    parser: Parser
    tokenizer: Tokenizer
    sentences: Sentences
    chunking: Chunking
    embedder: Embedder
    index: ChunkStore
    history: History
    keep_versions: int
    """Of each document, so many versions before the live one."""


class Pipeline:
    """Runs versions. Doing one twice is doing it once: ids are deterministic, publishing is fenced."""

    def __init__(self, tools: Tools, owner: str, heartbeat_s: float = HEARTBEAT_S) -> None:
        self._tools = tools
        self._owner = owner
        self._heartbeat_s = heartbeat_s

    async def run(self, due: Due) -> Outcome:
        """Claims the version and works on it under a heartbeat; fails the document, never the caller."""
        try:
            claim = await self._tools.leases.claim(due, self._owner, time.time())
        except RecordsUnavailable:
            return "nothing"  # it is still due, and told again
        if claim is None:
            return "nothing"
        work = asyncio.create_task(self._settle(claim))
        pulse = asyncio.create_task(beat(self._tools.leases, claim, self._heartbeat_s))
        try:
            await asyncio.wait({work, pulse}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
            await _stop(work)
            await self._clean_up_after_loss(claim)
            return "lost"
        except asyncio.CancelledError:
            await _stop(work)
            await self._hand_back(claim)
            raise
        finally:
            await _stop(work, pulse)

    async def _settle(self, claim: Claim) -> Outcome:
        """Makes one attempt; a lease that was lost under it leaves no trace."""
        try:
            return await self._attempt(claim)
        except LeaseLost:
            await self._clean_up_after_loss(claim)
            return "lost"
        except RecordsUnavailable:
            return "lost"  # the lease runs out, and whoever sweeps next finds the version waiting

    async def _attempt(self, claim: Claim) -> Outcome:
        """Does the work and writes down how it ended."""
        if claim.document.newest.deaths >= MAX_ATTEMPTS:
            return await self._bury(claim)
        try:
            await self._ingest(claim)
            return "published"
        except Unreadable as error:
            kind = next(kind for type_, kind in FINAL if isinstance(error, type_))
            await self._tools.leases.fail(claim, Failure(kind, str(error)), time.time())
            return "failed"
        except tuple(type_ for type_, *_ in TRANSIENT) as error:
            return await self._again(claim, _transient(error))
        except (LeaseLost, RecordsUnavailable):
            raise
        except Exception as error:
            # The boundary of a document's work: one that we did not foresee must not stop the
            # others, and must not be retried for ever.
            log.exception("ingestion error", extra={"document_id": claim.document.id})
            words = f"An error inside Cairn ({type(error).__name__}); its log says more."
            return await self._again(claim, Failure("internal", words))

    async def _bury(self, claim: Claim) -> Outcome:
        """Every attempt so far ended with its worker: the next would take this one along."""
        words = (
            f"Given up after {MAX_ATTEMPTS} attempts: each time the worker was killed or lost its "
            "machine. Perhaps the document takes more memory than there is."
        )
        await self._tools.leases.fail(claim, Failure(WORKER_DIED, words), time.time())
        return "failed"

    async def _again(self, claim: Claim, failure: Failure) -> Outcome:
        newest = claim.document.newest
        attempts = newest.attempts - newest.deaths
        if attempts >= MAX_ATTEMPTS:
            last = Failure(failure.kind, f"{failure.reason} Given up after {attempts} attempts.")
            await self._tools.leases.fail(claim, last, time.time())
            return "failed"
        wait_s = BACKOFF_S[min(attempts, len(BACKOFF_S)) - 1]
        await self._tools.leases.put_back(claim, failure, time.time() + wait_s)
        return "put back"

    async def _ingest(self, claim: Claim) -> None:
        reading = await self._read(claim)
        reused = await self._write(claim, reading)
        total = len(reading.chunks)
        await self._advance(claim, "indexing", total, total)
        await self._check_count(claim, total)
        await self._tools.leases.publish(claim, reused, time.time())
        await self._remove_older(claim)
        await self._forget_oldest(claim.document)

    async def _read(self, claim: Claim) -> Reading:
        tools, document = self._tools, claim.document
        await self._advance(claim, "parsing", 0, 0)
        async with (
            tools.files.local(document.tenant, document.newest.sha256) as path,
            reporting(tools.leases, claim, "parsing") as report,
        ):
            parsed = await tools.parser.parse(
                path, document.name, document.newest.media_type, report
            )
        await self._advance(claim, "chunking", 0, 0)
        chunks = await asyncio.to_thread(
            split, parsed, tools.chunking, tools.tokenizer, tools.sentences
        )
        if not chunks:
            raise NothingToRead(f"{document.name!r} has no text in it.")
        reading = Reading(parsed, chunks)
        await self._write_down(claim, reading)
        return reading

    async def _write_down(self, claim: Claim, reading: Reading) -> None:
        data = await asyncio.to_thread(to_bytes, reading)
        stored = await self._tools.files.put(claim.document.tenant, _once(data), len(data))
        parsed = reading.parsed
        readout = Readout(
            reading=stored.sha256,
            title=parsed.title.strip(),
            language=parsed.language,
            pages=len(parsed.page_starts) or None,
            chunks=len(reading.chunks),
            warnings=parsed.warnings,
        )
        try:
            await self._tools.leases.write_down(claim, readout, time.time())
        except LeaseLost:
            await self._forget(claim.document, stored.sha256)
            raise

    async def _forget(self, document: Document, reading: str) -> None:
        """The reading of a document that was deleted meanwhile: nobody else would remove it."""
        records = self._tools.records
        with suppress(FilesUnavailable, RecordsUnavailable):
            deleted = all(document.id != wanted for wanted, _ in await records.wanted())
            if deleted and not await records.uses(document.tenant, reading):
                await self._tools.files.remove(document.tenant, reading)

    async def _write(self, claim: Claim, reading: Reading) -> int:
        """Embeds what is new and writes all; answers how many vectors were reused."""
        ref = _ref(claim, reading)
        old = await self._old_vectors(claim.document)
        total, done, reused = len(reading.chunks), 0, 0
        await self._advance(claim, "embedding", done, total)
        async with aclosing(embedded(self._tools.embedder, reading, old)) as batches:
            async for batch in batches:
                await self._tools.index.put([Entry(ref, *each) for each in batch])
                reused += sum(key in old for _, key, _ in batch)
                done += len(batch)
                await self._advance(claim, "embedding", done, total)
        return reused

    async def _old_vectors(self, document: Document) -> dict[str, Vector]:
        if document.live_version is None:
            return {}
        return await self._tools.index.vectors(document.tenant, document.id, document.live_version)

    async def _check_count(self, claim: Claim, expected: int) -> None:
        document = claim.document
        held = await self._tools.index.count(document.tenant, document.id, claim.version)
        if held > expected:
            # An earlier attempt at this version cut the file into more chunks, under other settings.
            await self._tools.index.remove(document.tenant, document.id, claim.version)
        if held != expected:
            raise Incomplete(f"The index holds {held} of {expected} chunks.")

    async def _remove_older(self, claim: Claim) -> None:
        """After publishing; what fails here is left to the sweep."""
        document = claim.document
        with suppress(IndexUnavailable):
            for version in range(document.live_version or 1, claim.version):
                await self._tools.index.remove(document.tenant, document.id, version)

    async def _forget_oldest(self, document: Document) -> None:
        """Versions that are too old to keep; what fails here is left to the next publication."""
        tools = self._tools
        with suppress(RecordsUnavailable, FilesUnavailable):
            for key in sorted(await tools.history.prune(document.id, tools.keep_versions)):
                await tools.files.remove(document.tenant, key)

    async def _clean_up_after_loss(self, claim: Claim) -> None:
        """Points of a version that was deleted, replaced or cancelled while we wrote them."""
        document = claim.document
        with suppress(IndexUnavailable, RecordsUnavailable):
            wanted = await self._tools.records.wanted()
            if (document.id, claim.version) not in wanted:
                await self._tools.index.remove(document.tenant, document.id, claim.version)

    async def _hand_back(self, claim: Claim) -> None:
        """The worker leaves: the version waits for another at once, and the attempt does not count."""
        with suppress(LeaseLost, RecordsUnavailable):
            await self._tools.leases.put_back(claim, None, 0.0)

    async def _advance(self, claim: Claim, stage: Stage, done: int, total: int) -> None:
        await self._tools.leases.advance(claim, stage, done, total, time.time())


def _ref(claim: Claim, reading: Reading) -> DocumentRef:
    document = claim.document
    return DocumentRef(
        tenant=document.tenant,
        document_id=document.id,
        version=claim.version,
        name=document.name,
        title=reading.parsed.title.strip() or document.name,
        groups=document.groups,
        metadata=document.metadata,
    )


def _transient(error: Exception) -> Failure:
    kind, words = next(
        (kind, words) for type_, kind, words in TRANSIENT if isinstance(error, type_)
    )
    return Failure(kind, f"{words}: {error}")


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _stop(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
