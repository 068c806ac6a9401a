"""Documents: in, listed, shown, out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, File, Path, Query, Request, Response, UploadFile
from fastapi.responses import StreamingResponse

from app.auth import Editor, Reader
from app.container import Platform
from app.errors import problem_of
from app.starting import platform_of
from app.wire.documents import (
    ChunksOut,
    ContentOut,
    DocumentOut,
    DocumentsOut,
    ReceiptOut,
    RetriedOut,
    UploadedOut,
    UploadsOut,
    metadata_of,
)
from ingestion.documents import BadCursor, Document, DocumentMissing, Version
from ingestion.files import TooLarge
from ingestion.intake import BadName, Labels
from ingestion.parse import Unreadable
from ingestion.reading import Reading, from_bytes
from retrieval.index import Scope

router = APIRouter(prefix="/v1/documents", tags=["documents"])
Here = Annotated[Platform, Depends(platform_of)]
Limit = Annotated[int, Query(ge=1, le=500)]
Number = Annotated[int | None, Query(ge=1, description="Default: the newest.")]

UPLOAD_ERRORS = (Unreadable, TooLarge, BadName)
"""What is wrong with one file and not with the others."""


class NotReadYet(DocumentMissing):
    """The version exists, but has not been read so far."""


async def labels_of(
    groups: Annotated[
        list[str], Query(description="Who may read it; none: the whole tenant.", max_length=50)
    ] = [],  # noqa: B006  # FastAPI copies defaults
    metadata: Annotated[
        str, Query(description='A flat JSON object, such as `{"team": "people"}`.')
    ] = "{}",
) -> Labels:
    """Raises `BadMetadata`."""
    return Labels(frozenset(groups), metadata_of(metadata))


Labelled = Annotated[Labels, Depends(labels_of)]


@router.put("/{name:path}", status_code=202, responses={200: {"model": DocumentOut}})
async def put_document(
    name: str, request: Request, response: Response, caller: Editor, here: Here, labels: Labelled
) -> DocumentOut:
    """Uploads the request's body under this name; 200 when these very bytes are there already."""
    accepted = await here.intake.accept(caller.scope, name, request.stream(), labels)
    response.status_code = 202 if accepted.work else 200
    response.headers["Location"] = f"/v1/documents/{accepted.document.id}"
    return DocumentOut.from_document(accepted.document)


@router.post("", status_code=202)
async def post_documents(
    files: Annotated[list[UploadFile], File()], caller: Editor, here: Here, labels: Labelled
) -> UploadsOut:
    """Uploads many files, each under its own name. One that is refused does not stop the others."""
    return UploadsOut(items=[await _upload(file, caller.scope, here, labels) for file in files])


@router.get("")
async def list_documents(
    caller: Reader,
    here: Here,
    status: Annotated[list[str], Query(description="Any of these.", max_length=20)] = [],  # noqa: B006
    name: Annotated[str | None, Query(max_length=400, description="A part of the name.")] = None,
    limit: Limit = 100,
    cursor: str | None = None,
) -> DocumentsOut:
    """Newest first."""
    page = await here.records.page(
        caller.scope, statuses=status, name=name, limit=limit, cursor=cursor
    )
    queue_answers = await _queue_answers(here, page.items)
    return DocumentsOut(
        items=[
            DocumentOut.from_document(document, queue_answers=queue_answers)
            for document in page.items
        ],
        next=page.cursor,
        counts=dict(await here.records.counts(caller.scope)),
    )


@router.get("/{document_id}")
async def show_document(document_id: str, caller: Reader, here: Here) -> DocumentOut:
    """Status, stages, versions, and the reason of a failure."""
    document = await here.records.get(caller.scope, document_id)
    return DocumentOut.from_document(
        document,
        await here.records.versions(caller.scope, document_id),
        queue_answers=await _queue_answers(here, [document]),
    )


@router.get("/{document_id}/content")
async def show_content(
    document_id: str, caller: Reader, here: Here, version: Number = None
) -> ContentOut:
    """The text that was read from a version, with its structure."""
    document, chosen, reading = await _reading(here, caller.scope, document_id, version)
    return ContentOut.of(document, chosen, reading)


@router.get("/{document_id}/chunks")
async def show_chunks(
    document_id: str,
    caller: Reader,
    here: Here,
    version: Number = None,
    limit: Limit = 100,
    cursor: str | None = None,
) -> ChunksOut:
    """The passages that a version was cut into."""
    _, _, reading = await _reading(here, caller.scope, document_id, version)
    if cursor is not None and not cursor.isdigit():
        raise BadCursor(f"{cursor!r} is not a cursor that a listing gave out.")
    return ChunksOut.of(reading, int(cursor or 0), limit)


@router.get("/{document_id}/original", response_class=StreamingResponse)
async def show_original(
    document_id: str, caller: Reader, here: Here, version: Number = None
) -> Response:
    """The bytes as they were uploaded."""
    document = await here.records.get(caller.scope, document_id)
    chosen = await _version(here, caller.scope, document, version)
    data = await here.files.read(caller.scope.tenant, chosen.sha256)
    name = quote(document.name.rpartition("/")[2])
    # Always a download and never shown in place: an uploaded page must not run with our origin.
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
    return Response(data, media_type=chosen.media_type, headers=headers)


@router.post("/retry", status_code=202)
async def retry_documents(
    caller: Editor,
    here: Here,
    kind: Annotated[
        str | None, Query(max_length=64, description="Only this kind of failure.")
    ] = None,
) -> RetriedOut:
    """Sends every failed document back to the queue."""
    return RetriedOut(retried=await here.versions.retry_failed(caller.scope, kind))


@router.post("/{document_id}/retry", status_code=202)
async def retry_document(document_id: str, caller: Editor, here: Here) -> DocumentOut:
    """Sends a document that failed or was cancelled back to the queue."""
    return DocumentOut.from_document(await here.intake.retry(caller.scope, document_id))


@router.post("/{document_id}/cancel")
async def cancel_document(document_id: str, caller: Editor, here: Here) -> DocumentOut:
    """Stops what waits or is worked on. The version that answers goes on answering."""
    return DocumentOut.from_document(await here.versions.cancel(caller.scope, document_id))


@router.post("/{document_id}/versions/{version}/restore", status_code=202)
async def restore_version(
    document_id: str, version: Annotated[int, Path(ge=1)], caller: Editor, here: Here
) -> DocumentOut:
    """Makes an older version current again, as a new one with the same bytes."""
    return DocumentOut.from_document(
        await here.versions.restore(caller.scope, document_id, version)
    )


@router.delete("/{document_id}")
async def delete_document(document_id: str, caller: Editor, here: Here) -> ReceiptOut:
    """Removes a document for good. After the answer, no question reaches it."""
    receipt = await here.intake.delete(caller.scope, document_id)
    return ReceiptOut.of(
        receipt, await here.forgetting.forget(caller.scope.tenant, receipt.document.id)
    )


async def _upload(file: UploadFile, scope: Scope, here: Platform, labels: Labels) -> UploadedOut:
    name = file.filename or ""
    try:
        accepted = await here.intake.accept(scope, name, _pieces(file), labels)
    except UPLOAD_ERRORS as error:
        problem = problem_of(error)
        return UploadedOut(name=name, status=int(str(problem["status"])), problem=problem)
    document = DocumentOut.from_document(accepted.document)
    return UploadedOut(name=name, status=202 if accepted.work else 200, document=document)


async def _pieces(file: UploadFile) -> AsyncIterator[bytes]:
    while piece := await file.read(1 << 20):
        yield piece


async def _queue_answers(here: Platform, documents: Sequence[Document]) -> bool:
    """Asked only when something waits for it."""
    waiting = any(document.newest.status == "queued" for document in documents)
    return not waiting or await here.lookout.queue_answers()


async def _version(here: Platform, scope: Scope, document: Document, number: int | None) -> Version:
    if number is None or number == document.newest.number:
        return document.newest
    for version in await here.records.versions(scope, document.id):
        if version.number == number:
            return version
    raise DocumentMissing(f"{document.name!r} has no version {number}.")


async def _reading(
    here: Platform, scope: Scope, document_id: str, number: int | None
) -> tuple[Document, Version, Reading]:
    document = await here.records.get(scope, document_id)
    version = await _version(here, scope, document, number)
    if version.reading is None:
        raise NotReadYet(
            f"{document.name!r} version {version.number} has not been read: it is {version.status}."
        )
    return document, version, from_bytes(await here.files.read(scope.tenant, version.reading))
