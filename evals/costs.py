"""Costs: how long an answer took, and how many tokens."""

from __future__ import annotations

from evals.cases import Case
from evals.reply import Reply
from evals.score import Score, unknown


def latency(_: Case, reply: Reply) -> Score:
    """Milliseconds from the question to the whole answer, as the asker waited."""
    return Score(value=reply.latency_ms)


def first_text(_: Case, reply: Reply) -> Score:
    """Milliseconds until the first text could be shown, by the service's clock."""
    if reply.timings_ms.first_text is None:
        return unknown("the service does not say when its first text was there")
    return Score(value=reply.timings_ms.first_text)


def tokens(_: Case, reply: Reply) -> Score:
    """Tokens of the prompt and of the completion."""
    return Score(value=float(reply.usage.prompt_tokens + reply.usage.completion_tokens))
