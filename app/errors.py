"""From exceptions to problem documents (RFC 9457): one table, and the only place that knows HTTP codes."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from app.auth import NotAllowed, NotAuthenticated
from app.limits import Overloaded
from app.logs import request_id
from app.starting import Starting
from app.wire.documents import BadMetadata
from app.wire.openai import NoQuestion
from infra.traces.langfuse import LangfuseUnavailable
from infra.traces.reading import TraceMissing, TracesUnavailable
from ingestion.documents import (
    BadCursor,
    DocumentMissing,
    NameTaken,
    NotCancellable,
    NotRestorable,
    NotRetryable,
    RecordsUnavailable,
)
from ingestion.files import FileMissing, FilesUnavailable, TooLarge
from ingestion.intake import BadGroups, BadName
from ingestion.leases import LeaseLost
from ingestion.parse import (
    Encrypted,
    NothingToRead,
    ReadingTooBig,
    ReadingTooLong,
    Unreadable,
    UnsupportedType,
)
from ingestion.pipeline import Incomplete
from ingestion.queue import QueueUnavailable
from retrieval.answer import BadQuestion
from retrieval.generate import GeneratorRefused, GeneratorUnavailable, PromptTooLong
from retrieval.ground import GrounderUnavailable
from retrieval.index import EmbedderUnavailable, IndexMismatch, IndexUnavailable
from retrieval.search import CatalogUnavailable

PROBLEMS: Mapping[type[Exception], tuple[int, str, str]] = {
    NotAuthenticated: (401, "not-authenticated", "A valid key is needed"),
    NotAllowed: (403, "not-allowed", "This key may not do this"),
    DocumentMissing: (404, "document-missing", "No such document"),
    TraceMissing: (404, "trace-missing", "No such trace"),
    FileMissing: (404, "file-missing", "The stored file is gone"),
    NameTaken: (409, "name-taken", "Another document has this name"),
    NotRetryable: (409, "not-retryable", "Only what failed or was cancelled can be retried"),
    NotCancellable: (409, "not-cancellable", "Only what waits or is worked on can be cancelled"),
    NotRestorable: (409, "not-restorable", "This version cannot be restored"),
    LeaseLost: (409, "lease-lost", "Another worker has taken over"),
    TooLarge: (413, "too-large", "The upload is too large"),
    UnsupportedType: (415, "unsupported-type", "Cairn does not read this kind of file"),
    Encrypted: (422, "encrypted", "The file asks for a password"),
    NothingToRead: (422, "nothing-to-read", "The file has nothing to read"),
    ReadingTooLong: (422, "time-limit", "Reading the file takes too long"),
    ReadingTooBig: (422, "out-of-memory", "Reading the file takes too much memory"),
    Unreadable: (422, "unreadable", "The file cannot be read"),
    BadName: (422, "bad-name", "The document's name cannot be used"),
    BadGroups: (422, "bad-groups", "The document cannot be restricted to these groups"),
    BadCursor: (422, "bad-cursor", "The cursor is not one of ours"),
    BadMetadata: (422, "bad-metadata", "The metadata cannot be used"),
    NoQuestion: (422, "no-question", "There is no question"),
    BadQuestion: (422, "bad-question", "The question cannot be asked"),
    PromptTooLong: (422, "prompt-too-long", "The question and its sources are too long"),
    GeneratorRefused: (502, "model-refused", "The model server refused the request"),
    IndexMismatch: (503, "index-mismatch", "The index was written by another embedder"),
    Overloaded: (503, "overloaded", "Too many questions at once"),
    Starting: (503, "starting", "Cairn is starting"),
    RecordsUnavailable: (503, "records-unavailable", "The database does not answer"),
    CatalogUnavailable: (503, "records-unavailable", "The database does not answer"),
    TracesUnavailable: (503, "traces-unavailable", "The traces cannot be read"),
    LangfuseUnavailable: (503, "langfuse-unavailable", "Langfuse does not answer"),
    FilesUnavailable: (503, "files-unavailable", "The file store does not answer"),
    QueueUnavailable: (503, "queue-unavailable", "The queue does not answer"),
    IndexUnavailable: (503, "index-unavailable", "The vector index does not answer"),
    Incomplete: (503, "index-unavailable", "The vector index does not answer"),
    EmbedderUnavailable: (503, "embedder-unavailable", "The embedding model does not answer"),
    GrounderUnavailable: (503, "grounder-unavailable", "The groundedness check does not answer"),
    GeneratorUnavailable: (503, "model-unavailable", "The language model does not answer"),
}
RETRY_AFTER_S = 3

log = logging.getLogger("cairn.api")


def problem_of(error: Exception) -> dict[str, object]:
    """The problem document of any exception; of one that is not in the table, an internal error."""
    found = next((PROBLEMS[kind] for kind in type(error).__mro__ if kind in PROBLEMS), None)
    if found is None:
        log.error("unforeseen error", exc_info=error)
        words = "Something went wrong inside Cairn. Its log has the details under this request id."
        return problem(500, "internal", "Internal error", words)
    return problem(*found, str(error))


def problem(status: int, kind: str, title: str, detail: str, **more: object) -> dict[str, object]:
    """A problem document with the id of the current request."""
    return {
        "type": f"urn:cairn:problem:{kind}",
        "title": title,
        "status": status,
        "detail": detail,
        "request_id": request_id.get(),
        **more,
    }


def problem_response(document: Mapping[str, object]) -> Response:
    status = int(str(document["status"]))
    headers = {"Retry-After": str(RETRY_AFTER_S)} if status in {429, 503} else {}
    if status == 413:
        headers["Connection"] = "close"  # else the rest of the body would have to be read
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(
        orjson.dumps(document),
        status_code=status,
        headers=headers,
        media_type="application/problem+json",
    )


def handle_errors(app: FastAPI) -> None:
    """Every foreseen error leaves the service as a problem document; `app.requests` has the rest."""

    async def known(_: Request, error: Exception) -> Response:
        return problem_response(problem_of(error))

    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101  # registered for it below
        faults = [_fault(one) for one in error.errors()]
        detail = "; ".join(f"{fault['field']}: {fault['message']}" for fault in faults)
        return problem_response(
            problem(422, "invalid", "The request is not valid", detail, errors=faults)
        )

    async def http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101  # registered for it below
        return problem_response(
            problem(error.status_code, f"http-{error.status_code}", error.detail, error.detail)
        )

    for kind in PROBLEMS:
        app.add_exception_handler(kind, known)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)


def _fault(error: Mapping[str, object]) -> dict[str, object]:
    place = error["loc"]
    path = [str(part) for part in place] if isinstance(place, tuple) else []
    return {"field": ".".join(path[1:]) or path[0], "message": str(error["msg"])}
