"""Documents on the wire."""

from __future__ import annotations

import json
import re
import time
from dataclasses import asdict

from pydantic import TypeAdapter, ValidationError

from app.wire.answers import FIELD
from app.wire.strict import Strict, Time
from infra.traces.forgetting import Fate
from ingestion.documents import PENDING, Document, Version
from ingestion.intake import Receipt
from ingestion.reading import Reading
from retrieval.index import Metadata

Labels = dict[str, str | int | float | bool | list[str]]
LABELS: TypeAdapter[Labels] = TypeAdapter(Labels)


class BadMetadata(Exception):
    """The metadata of an upload is not a flat JSON object."""


class Progress(Strict):
    """How far the newest version is in its stage."""

    stage: str
    done: int
    total: int
    eta_s: float | None
    """For this stage, from its own rate so far; null where nothing can be said yet."""
    waits_for: str | None
    """While queued: `queue`, which is away; `retry`, after a failed attempt; else `worker`."""


class StageOut(Strict):
    """A stage that is over."""

    stage: str
    started_at: Time
    seconds: float


class FailureOut(Strict):
    """Why the newest version failed, or why its last attempt did."""

    kind: str
    reason: str


class ChangesOut(Strict):
    """Chunks, compared with the version that answered before."""

    kept: int
    added: int
    removed: int


class VersionOut(Strict):
    """One upload of a document."""

    version: int
    status: str
    sha256: str
    media_type: str
    size_bytes: int
    pages: int | None
    chunks: int | None
    reused_chunks: int
    """Of these, how many kept their vectors from the version before."""
    changes: ChangesOut | None
    """Once it is ready; null when there was no version before."""
    language: str | None
    failure: FailureOut | None
    warnings: list[str]
    timeline: list[StageOut]
    attempts: int
    created_at: Time
    updated_at: Time

    @classmethod
    def of(cls, version: Version) -> VersionOut:
        return cls(
            version=version.number,
            status=version.status,
            sha256=version.sha256,
            media_type=version.media_type,
            size_bytes=version.size_bytes,
            pages=version.pages,
            chunks=version.chunks,
            reused_chunks=version.reused,
            changes=version.changes and ChangesOut(**asdict(version.changes)),
            language=version.language,
            failure=version.failure
            and FailureOut(kind=version.failure.kind, reason=version.failure.reason),
            warnings=list(version.warnings),
            timeline=[
                StageOut(stage=one.stage, started_at=one.started_at, seconds=one.seconds)
                for one in version.timeline
            ],
            attempts=version.attempts,
            created_at=version.created_at,
            updated_at=version.updated_at,
        )


class DocumentOut(VersionOut):
    """A document, with all that is known of its newest version."""

    id: str
    name: str
    title: str
    live_version: int | None
    progress: Progress | None
    groups: list[str]
    metadata: Labels
    versions: list[VersionOut] | None = None

    @classmethod
    def from_document(
        cls,
        document: Document,
        versions: tuple[Version, ...] | None = None,
        *,
        queue_answers: bool = True,
    ) -> DocumentOut:
        newest = VersionOut.of(document.newest)
        return cls(
            **dict(newest),
            id=document.id,
            name=document.name,
            title=document.title,
            live_version=document.live_version,
            progress=_progress(document.newest, queue_answers=queue_answers),
            groups=sorted(document.groups),
            metadata={
                field: list(value) if isinstance(value, tuple) else value
                for field, value in document.metadata.items()
            },
            versions=versions and [VersionOut.of(version) for version in versions],
        )


class DocumentsOut(Strict):
    """A page of documents."""

    items: list[DocumentOut]
    next: str | None
    counts: dict[str, int]


class UploadedOut(Strict):
    """What became of one file of several."""

    name: str
    status: int
    document: DocumentOut | None = None
    problem: dict[str, object] | None = None


class UploadsOut(Strict):
    """What became of several files."""

    items: list[UploadedOut]


class BlockOut(Strict):
    """A stretch of the text with one role."""

    kind: str
    start: int
    end: int
    level: int


class ContentOut(Strict):
    """What was read from a version."""

    document_id: str
    version: int
    name: str
    title: str
    language: str
    text: str
    blocks: list[BlockOut]
    page_starts: list[int]

    @classmethod
    def of(cls, document: Document, version: Version, reading: Reading) -> ContentOut:
        parsed = reading.parsed
        return cls(
            document_id=document.id,
            version=version.number,
            name=document.name,
            title=version.title or document.name,
            language=parsed.language,
            text=parsed.text,
            blocks=[
                BlockOut(kind=block.kind, start=block.start, end=block.end, level=block.level)
                for block in parsed.blocks
            ],
            page_starts=list(parsed.page_starts),
        )


class ChunkOut(Strict):
    """A passage: `text[start:end]` of the content."""

    ordinal: int
    start: int
    end: int
    page: int | None
    section: list[str]
    text: str


class ChunksOut(Strict):
    """A page of chunks."""

    items: list[ChunkOut]
    next: str | None

    @classmethod
    def of(cls, reading: Reading, first: int, limit: int) -> ChunksOut:
        chunks = reading.chunks[first : first + limit]
        more = first + limit < len(reading.chunks)
        return cls(
            items=[
                ChunkOut(
                    ordinal=chunk.ordinal,
                    start=chunk.start,
                    end=chunk.end,
                    page=chunk.page,
                    section=list(chunk.section),
                    text=chunk.text,
                )
                for chunk in chunks
            ],
            next=str(first + limit) if more else None,
        )


class RetriedOut(Strict):
    """How many documents went back to the queue."""

    retried: int


class RemovedOut(Strict):
    """What was removed from where."""

    chunks: int
    versions: int
    files: int
    traces: int


class ReceiptOut(Strict):
    """The proof of a deletion."""

    document_id: str
    name: str
    deleted_at: Time
    removed: RemovedOut
    remaining_chunks: int
    traces: str
    """What becomes of the traces whose passages are of it: `removed`, or for how long they stay."""

    @classmethod
    def of(cls, receipt: Receipt, traces: Fate) -> ReceiptOut:
        return cls(
            document_id=receipt.document.id,
            name=receipt.document.name,
            deleted_at=receipt.deleted_at,
            removed=RemovedOut(
                chunks=receipt.chunks,
                versions=receipt.versions,
                files=receipt.files,
                traces=traces.removed,
            ),
            remaining_chunks=receipt.remaining_chunks,
            traces=traces.words,
        )


def metadata_of(text: str) -> Metadata:
    """From the JSON of a query parameter. Raises `BadMetadata`."""
    try:
        given = LABELS.validate_python(json.loads(text), strict=True)
    except (ValidationError, ValueError) as error:
        raise BadMetadata(
            "metadata is not a flat JSON object of texts, numbers, booleans and lists of texts."
        ) from error
    for field in given:
        if not re.fullmatch(FIELD, field):
            raise BadMetadata(
                f"{field!r} cannot name a metadata field: 1 to 64 of A-Z a-z 0-9 _ -."
            )
    return {
        field: tuple(value) if isinstance(value, list) else value for field, value in given.items()
    }


def _progress(version: Version, *, queue_answers: bool) -> Progress | None:
    if version.status not in PENDING:
        return None
    waits = version.status == "queued"
    return Progress(
        stage=version.status,
        done=0 if waits else version.done,
        total=0 if waits else version.total,
        eta_s=None if waits else _eta_s(version, time.time()),
        waits_for=_waits_for(version, queue_answers=queue_answers) if waits else None,
    )


def _waits_for(version: Version, *, queue_answers: bool) -> str:
    if not queue_answers:
        return "queue"
    return "retry" if version.not_before > time.time() else "worker"


def _eta_s(version: Version, now: float) -> float | None:
    if not version.done or not version.total or version.stage_started_at is None:
        return None
    per_part = (now - version.stage_started_at) / version.done
    return round(per_part * (version.total - version.done), 1)
