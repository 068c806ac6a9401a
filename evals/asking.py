"""Asking one case: the request, what is tried again and after how long, and what is not."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
from pydantic import ValidationError

from app.client import Failed, decoded
from evals.cases import Case
from evals.reply import Reply
from evals.result import Asked

BUSY = frozenset({429, 503})
"""Too many questions, or a part that is away: it says when to come again. All else stays wrong."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a case is asked, and how long is waited between."""

    attempts: int = 5
    first_wait_s: float = 1.0
    """Where the service does not say how long; doubled each time."""
    longest_wait_s: float = 30.0

    def wait_s(self, attempt: int, told: str | None) -> float:
        """Seconds before the next attempt; `told` is the header `Retry-After`, in seconds."""
        wait_s = self.first_wait_s * 2.0 ** (attempt - 1)
        if told is not None and told.strip().isdigit():
            wait_s = float(told)
        return min(wait_s, self.longest_wait_s)


class Asker:
    """Asks cases of one service, and takes answers of one release only."""

    def __init__(self, http: httpx.AsyncClient, release: str, patience: Patience) -> None:
        self._http = http
        self._release = release
        self._patience = patience

    async def ask(self, case: Case) -> Asked:
        """Never raises for what the service does: a failure is an answer without a reply."""
        asked_at = datetime.now(UTC)
        attempt = 0
        while True:
            attempt += 1
            outcome = await self._attempt(case)
            if isinstance(outcome, Reply):
                return Asked(reply=outcome, attempts=attempt, asked_at=asked_at)
            if not outcome.again or attempt >= self._patience.attempts:
                return Asked(error=outcome.words, attempts=attempt, asked_at=asked_at)
            await asyncio.sleep(self._patience.wait_s(attempt, outcome.retry_after))

    async def _attempt(self, case: Case) -> Reply | _Failure:
        began = time.perf_counter()
        try:
            answer = await self._http.post("/v1/ask", json=_body(case))
        except httpx.TransportError as error:
            return _Failure(f"no answer: {str(error) or type(error).__name__}", again=True)
        latency_ms = (time.perf_counter() - began) * 1e3
        try:
            reply = Reply.of(decoded(answer), latency_ms)
        except Failed as error:
            again, told = answer.status_code in BUSY, answer.headers.get("Retry-After")
            return _Failure(f"{answer.status_code}: {error}", again, told)
        except (ValidationError, TypeError) as error:
            return _Failure(f"the answer is not one of Cairn's: {error}", again=False)
        if reply.release != self._release:
            words = f"answered by {reply.release}, while {self._release} is measured"
            return _Failure(words, again=False)
        return reply


@dataclass(frozen=True, slots=True)
class _Failure:
    words: str
    again: bool
    retry_after: str | None = None


def _body(case: Case) -> dict[str, Any]:
    turns = [turn.model_dump() for turn in case.conversation]
    return {"question": case.question, "conversation": turns}
