"""From rows to records."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Row

from ingestion.documents import BadCursor, Document, Failure, StageTime, Version


def version_of(row: Row[Any]) -> Version:
    failure = (
        Failure(row.failure_kind, row.failure_reason or "")
        if row.failure_kind is not None
        else None
    )
    return Version(
        number=row.number,
        status=row.status,
        sha256=row.sha256,
        media_type=row.media_type,
        size_bytes=row.size_bytes,
        created_at=row.created_at,
        updated_at=row.updated_at,
        attempts=row.attempts,
        done=row.done,
        total=row.total,
        stage_started_at=row.stage_started_at,
        failure=failure,
        timeline=tuple(StageTime(*stage) for stage in row.timeline),
        reading=row.reading,
        pages=row.pages,
        chunks=row.chunks,
        reused=row.reused,
        removed=row.removed,
        deaths=row.deaths,
        language=row.language,
        title=row.title,
        warnings=tuple(row.warnings),
        not_before=row.not_before,
    )


def document_of(row: Row[Any], newest: Version, groups: Iterable[str]) -> Document:
    metadata = {
        field: tuple(value) if isinstance(value, list) else value
        for field, value in row.metadata.items()
    }
    return Document(
        id=row.id,
        tenant=row.tenant,
        name=row.name,
        groups=frozenset(groups),
        metadata=metadata,
        live_version=row.live_version,
        created_at=row.document_created_at,
        newest=newest,
    )


def is_id(text: str) -> bool:
    """Whether it can be a document's id. Postgres fails on some texts that cannot."""
    return re.fullmatch(r"[0-9a-f]{32}", text) is not None


def cursor_of(created_at: float, document_id: str) -> str:
    return base64.urlsafe_b64encode(f"{created_at!r}|{document_id}".encode()).decode()


def place_of(cursor: str) -> tuple[float, str]:
    """Raises `BadCursor`."""
    try:
        created_at, document_id = base64.urlsafe_b64decode(cursor.encode()).decode().split("|")
        if not is_id(document_id):
            raise ValueError(document_id)
        return float(created_at), document_id
    except (ValueError, binascii.Error, UnicodeError) as error:
        raise BadCursor(f"{cursor!r} is not a cursor that a listing gave out.") from error
