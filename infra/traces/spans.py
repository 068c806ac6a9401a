"""A span as a row, which traces are found by, and in the bytes that Langfuse takes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, format_span_id, format_trace_id

TENANT = "cairn.tenant"
KIND = "cairn.kind"
SUBJECT = "cairn.subject"
"""What a root is called in the list where its span's name says too little: a document's name."""

ROOT = "langfuse.internal.is_app_root"
TYPE = "langfuse.observation.type"
LEVEL = "langfuse.observation.level"
STATUS_MESSAGE = "langfuse.observation.status_message"
INPUT = "langfuse.observation.input"
OUTPUT = "langfuse.observation.output"
MODEL = "langfuse.observation.model.name"
USAGE = "langfuse.observation.usage_details"
FIRST_TEXT_AT = "langfuse.observation.completion_start_time"
METADATA = "langfuse.observation.metadata."
RELEASE = "langfuse.version"

SHORT = 500
"""Characters of a question and an answer that the list shows."""

Row = dict[str, Any]


def row_of(span: ReadableSpan) -> Row:
    """The columns of `infra.traces.store`."""
    attributes = dict(span.attributes or {})
    return {
        **_place(span),
        "type": attributes.get(TYPE, "span"),
        "level": attributes.get(LEVEL, "DEFAULT"),
        "status_message": attributes.get(STATUS_MESSAGE),
        "tenant": attributes.get(TENANT, ""),
        "kind": attributes.get(KIND, ""),
        **_summary(attributes),
        "attributes": json.dumps(attributes, default=str),
    }


def otlp_of(span: ReadableSpan) -> bytes:
    """A whole `ExportTraceServiceRequest`. Joined end to end, several are one valid request.

    (Protocol Buffers: repeated fields concatenate.) ValueError when the span cannot be encoded.
    """
    request = encode_spans([span])
    for resource in request.resource_spans:
        for part in resource.scope_spans:
            # It names the stand-in for a key that the SDK was given here; some servers refuse
            # spans whose key is not the one that they came with.
            part.scope.ClearField("attributes")
    return bytes(request.SerializeToString())


def fact(attributes: Mapping[str, Any], name: str) -> Any:
    """One value of an observation's metadata, which the SDK writes as JSON; None if absent."""
    text = attributes.get(METADATA + name)
    return None if text is None else json.loads(text)


def _place(span: ReadableSpan) -> Row:
    context = span.context or SpanContext(0, 0, is_remote=False)
    return {
        "trace_id": format_trace_id(context.trace_id),
        "span_id": format_span_id(context.span_id),
        "parent_id": format_span_id(span.parent.span_id) if span.parent else None,
        "name": span.name,
        "start_ns": span.start_time,
        "end_ns": span.end_time,
    }


def _summary(attributes: Mapping[str, Any]) -> Row:
    is_root = bool(attributes.get(ROOT))
    shown = attributes if is_root else {}
    asked = shown if attributes.get(KIND) == "ask" else {}
    failed = shown.get(LEVEL, "DEFAULT") != "DEFAULT"
    return {
        "is_root": is_root,
        "subject": shown.get(SUBJECT),
        "question": _short(asked.get(INPUT)),
        "answer": _short(asked.get(OUTPUT)),
        "refused": fact(shown, "refused"),
        "release": shown.get(RELEASE),
        "model": fact(shown, "model"),
        "total_tokens": fact(shown, "total_tokens"),
        "error": shown.get(STATUS_MESSAGE) if failed else None,
    }


def _short(text: str | None) -> str | None:
    return None if text is None else text[:SHORT]
