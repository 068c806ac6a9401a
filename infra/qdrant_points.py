"""Chunks as Qdrant's points, and what a reader may see and asks for as Qdrant's filters."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import numpy as np
from qdrant_client import models

from infra.bm25 import Bm25
from retrieval.index import (
    AnyOf,
    Between,
    Chunk,
    Condition,
    DocumentRef,
    Entry,
    Equals,
    Holding,
    Metadata,
    Passage,
    Place,
    Query,
    Scalar,
    Scope,
)

DENSE = "dense"
SPARSE = "bm25"
HOLDING = "holding"
FINGERPRINT = "fingerprint"

INDEXES = {
    "tenant": models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True),
    "document_id": models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD),
    "version": models.PayloadSchemaType.INTEGER,
    "groups": models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD),
    HOLDING: models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD),
}
"""The payload fields that filters of every search, and of the writer, go through."""

EVERYONE = "everyone"
"""Stands in the place of groups in a document without an access list. Groups are stored behind a
prefix, so none can be called this."""

ESCAPED = str.maketrans({"%": "%25", '"': "%22", "\\": "%5C"})
"""What cannot stand in a quoted key of a JSON path."""


def point(entry: Entry, bm25: Bm25) -> models.PointStruct:
    """Raises `ValueError` for a vector with a value that is not a finite number."""
    if not np.isfinite(entry.vector).all():
        name, ordinal = entry.document.name, entry.chunk.ordinal
        raise ValueError(
            f"The vector of chunk {ordinal} of {name!r} has a value that is no number."
        )
    words = bm25.document(entry.chunk.text, entry.chunk.language)
    return models.PointStruct(
        id=entry.id,
        vector={DENSE: entry.vector.tolist(), SPARSE: words},
        payload=_payload(entry),
    )


def passage(payload: dict[str, Any]) -> Passage:
    """The way back from `point`."""
    document = DocumentRef(
        tenant=payload["tenant"],
        document_id=payload["document_id"],
        version=payload["version"],
        name=payload["name"],
        title=payload["title"],
        groups=frozenset(_group_names(payload["groups"])),
        metadata=_metadata(payload),
    )
    chunk = Chunk(
        text=payload["text"],
        start=payload["start"],
        end=payload["end"],
        ordinal=payload["ordinal"],
        section=tuple(payload["section"]),
        page=payload["page"],
        language=payload["language"],
        places=tuple(Place(at, tuple(path), page) for at, path, page in payload["places"]),
    )
    return Passage(document, chunk)


def holding(key: str, chunks: int) -> Holding:
    """From the value of the field `HOLDING` and the number of its points."""
    tenant, document_id, version = json.loads(key)
    return Holding(tenant, document_id, version, chunks)


def visible_to(scope: Scope, query: Query) -> models.Filter:
    """What this scope may see of what the query asks for: the only filter a search is made with."""
    readers = [EVERYONE, *(_keyword(group) for group in sorted(scope.groups))]
    must: list[models.Condition] = [_is("tenant", scope.tenant), _is_any("groups", readers)]
    if query.documents:
        must.append(_is_any("document_id", sorted(query.documents)))
    return models.Filter(must=[*must, *(_holds(condition) for condition in query.where)])


def whole_tenant(scope: Scope) -> models.Filter:
    """Over which IDF is counted, so that no tenant's texts change the scores of another's."""
    return models.Filter(must=[_is("tenant", scope.tenant)])


def of_document(tenant: str, document_id: str, version: int | None) -> models.Filter:
    """One version, or all, for the writer."""
    must: list[models.Condition] = [_is("tenant", tenant), _is("document_id", document_id)]
    if version is not None:
        must.append(_is("version", version))
    return models.Filter(must=must)


def _payload(entry: Entry) -> dict[str, Any]:
    document, chunk = entry.document, entry.chunk
    metadata = document.metadata.items()
    return {
        "tenant": document.tenant,
        "document_id": document.document_id,
        "version": document.version,
        HOLDING: json.dumps([document.tenant, document.document_id, document.version]),
        "groups": [_keyword(group) for group in sorted(document.groups)] or [EVERYONE],
        "name": document.name,
        "title": document.title,
        FINGERPRINT: entry.fingerprint,
        "ordinal": chunk.ordinal,
        "text": chunk.text,
        "start": chunk.start,
        "end": chunk.end,
        "section": list(chunk.section),
        "page": chunk.page,
        "places": [[place.start, list(place.section), place.page] for place in chunk.places],
        "language": chunk.language,
        "meta": {k.translate(ESCAPED): _json(v) for k, v in metadata if not isinstance(v, bool)},
        # The embedded engine matches no bools, and as keywords among the rest they could not be
        # told from strings.
        "flags": {k.translate(ESCAPED): _flag(v) for k, v in metadata if isinstance(v, bool)},
    }


def _metadata(payload: dict[str, Any]) -> Metadata:
    values = {
        unquote(k): tuple(v) if isinstance(v, list) else v for k, v in payload["meta"].items()
    }
    flags = {unquote(k): v == _flag(True) for k, v in payload["flags"].items()}
    return values | flags


def _json(value: Scalar | tuple[str, ...]) -> Scalar | list[str]:
    return list(value) if isinstance(value, tuple) else value


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _keyword(group: str) -> str:
    return f"group:{group}"


def _group_names(keywords: list[str]) -> list[str]:
    return [keyword.removeprefix("group:") for keyword in keywords if keyword != EVERYONE]


def _holds(condition: Condition) -> models.Condition:
    match condition:
        case Equals(field, value):
            return _equals(field, value)
        case AnyOf(field, values) if all(isinstance(value, str) for value in values):
            return _is_any(_path("meta", field), [str(value) for value in values])
        case AnyOf(field, values):
            return models.Filter(should=[_equals(field, value) for value in values])
        case Between(field, low, high):
            return models.FieldCondition(key=_path("meta", field), range=_range(low, high))


def _equals(field: str, value: Scalar) -> models.Condition:
    """Numbers are equal by value, as 2024 and 2024.0 are, within the precision of a float."""
    if isinstance(value, bool):
        return _is(_path("flags", field), _flag(value))
    if isinstance(value, str):
        return _is(_path("meta", field), value)
    return models.FieldCondition(key=_path("meta", field), range=_range(value, value))


def _range(
    low: float | datetime | None, high: float | datetime | None
) -> models.Range | models.DatetimeRange:
    if isinstance(low, datetime) or isinstance(high, datetime):
        return models.DatetimeRange(gte=_moment(low), lte=_moment(high))
    return models.Range(gte=low, lte=high)


def _moment(bound: float | datetime | None) -> datetime | None:
    """A time without a zone is taken as UTC, as Qdrant takes the stored ones."""
    if bound is None or isinstance(bound, datetime):
        return bound if bound is None or bound.tzinfo else bound.replace(tzinfo=UTC)
    raise ValueError(f"A range has a date at one end and the number {bound!r} at the other.")


def _path(root: str, field: str) -> str:
    return f'{root}."{field.translate(ESCAPED)}"'


def _is(key: str, value: str | int) -> models.FieldCondition:
    return models.FieldCondition(key=key, match=models.MatchValue(value=value))


def _is_any(key: str, values: list[str]) -> models.FieldCondition:
    """None of no values: an empty list matches nothing."""
    return models.FieldCondition(key=key, match=models.MatchAny(any=values))
