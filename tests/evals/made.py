"""Cases, replies and results to test with, as short as they can be said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from evals.cases import Case
from evals.reply import Reply
from evals.result import Asked, Identity, Result, Row
from evals.score import Score

THEN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
RELEASE = "rel_000000000001"
LEAVE = "Every employee has 28 days of paid leave."
PARKING = "A place in the car park costs 15 euros a month."


def case(name: str = "leave", **fields: Any) -> Case:
    """An answerable question, if nothing else is said."""
    expected = {"answer": "28 days", "documents": ["leave.md"], "quotes": [LEAVE]}
    given = {} if fields.get("unanswerable") else expected
    return Case.model_validate({"id": name, "question": "How many days?", **given, **fields})


def source(number: int, name: str, text: str) -> dict[str, Any]:
    return {"number": number, "name": name, "text": text}


def citation(name: str, quote: str, number: int = 1, sentence: int = 0) -> dict[str, Any]:
    return {"number": number, "sentence": sentence, "name": name, "quote": quote}


def sentence(text: str, *citations: int, supported: bool = True) -> dict[str, Any]:
    return {"text": text, "citations": citations, "supported": supported}


def body(**fields: Any) -> dict[str, Any]:
    """What the service sends for a good answer, if nothing else is said."""
    return {
        "trace_id": "0123456789abcdef0123456789abcdef",
        "release": RELEASE,
        "model": "extractive",
        "standalone_question": "How many days?",
        "answer": f"{LEAVE[:-1]} [1].",
        "refused": False,
        "citations": [citation("leave.md", LEAVE)],
        "sentences": [sentence(f"{LEAVE[:-1]} [1].", 1)],
        "sources": [source(1, "leave.md", LEAVE), source(2, "parking.md", PARKING)],
        "usage": {"prompt_tokens": 7, "completion_tokens": 5},
        "timings_ms": {"retrieval": 4.0, "first_text": 6.0, "total": 8.0},
        **fields,
    }


def reply(latency_ms: float = 10.0, **fields: Any) -> Reply:
    return Reply.of(body(**fields), latency_ms)


def refusal(**fields: Any) -> Reply:
    return reply(answer="They do not say.", refused=True, citations=[], sentences=[], **fields)


def row(name: str, scores: Mapping[str, float | Score | None], **fields: Any) -> Row:
    """A case that was answered and got these scores."""
    return Row(
        case=case(name, **fields),
        asked=Asked(reply=reply(), attempts=1, asked_at=THEN),
        scores={
            metric: score if isinstance(score, Score) else Score(value=score)
            for metric, score in scores.items()
        },
    )


def failed(name: str, error: str, scores: Mapping[str, Score]) -> Row:
    """A case that got no reply."""
    return Row(case=case(name), asked=Asked(error=error, attempts=5, asked_at=THEN), scores=scores)


def result(rows: Sequence[Row], release: str = RELEASE) -> Result:
    return Result(
        suite="made",
        suite_version="0" * 64,
        identity=Identity(
            release=release, model="extractive", index="idx_000000000001", documents=2
        ),
        versions={"service": "0.1.0", "cairn": "0.1.0", "python": "3.11"},
        started_at=THEN,
        finished_at=THEN,
        rows=tuple(rows),
    )


def results(metric: str, values: Sequence[float | Score | None]) -> Result:
    """One metric's score of each case `c0`, `c1`, …"""
    return result([row(f"c{i}", {metric: value}) for i, value in enumerate(values)])
