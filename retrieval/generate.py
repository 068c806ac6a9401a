"""The generator: what turns a prompt into text, how it reports usage, and how it fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from retrieval.prompt import Prompt
from retrieval.release import Release


class GeneratorUnavailable(Exception):
    """The model does not answer, or stopped in the middle. Trying again later may help."""


class GeneratorRefused(Exception):
    """The model's server rejected the request; the message has its reason in words."""


class PromptTooLong(Exception):
    """The prompt does not fit into the model's context. Fewer or shorter sources may."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What an answer cost."""

    prompt_tokens: int
    completion_tokens: int
    model: str
    """The name by which the server knows the model that answered."""


class Generator(Protocol):
    """Writes an answer. Raises the errors above and nothing of the client's own."""

    def stream(self, prompt: Prompt, release: Release) -> AsyncIterator[str | Usage]:
        """Pieces of text as they come, then one `Usage`, last. Closing it stops the model."""
        ...

    async def ping(self) -> str:
        """What answers, in words, for `cairn doctor`."""
        ...
