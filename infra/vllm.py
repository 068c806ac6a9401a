"""A generator behind an OpenAI-compatible API: vLLM, or any server that speaks as it does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from retrieval.generate import GeneratorRefused, GeneratorUnavailable, PromptTooLong, Usage
from retrieval.prompt import Prompt
from retrieval.release import Release

if TYPE_CHECKING:
    import openai
    from openai.types import CompletionUsage
    from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam

NO_SERVER_MODEL = frozenset({"", "extractive"})
"""Values of `Release.model` that leave the choice of a model to the settings, or to the server."""

TOO_LONG = ("maximum context length", "context_length_exceeded", "available context size")
"""How vLLM, OpenAI and llama.cpp say that a prompt exceeds the context."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long to wait for a model, and how often to ask again."""

    connect_s: float = 5.0
    first_token_s: float = 60.0
    """From one request to its first token: the server's queue, and its reading of the prompt."""
    total_s: float = 180.0
    """Of one answer, with all attempts and the time that its reader takes."""
    attempts: int = 3
    backoff_s: float = 0.25
    """Before the second attempt; doubled before each further one."""


@asynccontextmanager
async def open_vllm(
    url: str,
    model: str | None = None,
    api_key: str | None = None,
    timeouts: Timeouts | None = None,
) -> AsyncIterator[VllmGenerator]:
    """A generator on the server at `url`, which ends in `/v1`. Connects at the first question.

    Without a `model`, a server that has exactly one is asked for that one.
    """
    import httpx
    from openai import AsyncOpenAI

    patience = timeouts or Timeouts()
    limits = httpx.Timeout(patience.total_s, connect=patience.connect_s)
    client = AsyncOpenAI(base_url=url, api_key=api_key or "none", max_retries=0, timeout=limits)
    async with client:
        yield VllmGenerator(client, url, model, patience)


class VllmGenerator:
    """Streams answers of a chat model. A `Generator`: closing a stream aborts the request."""

    def __init__(
        self, client: openai.AsyncOpenAI, url: str, model: str | None, timeouts: Timeouts
    ) -> None:
        # Taken out here, for the client imports them at first use: 0.3 s of a first question.
        self._chat = client.chat.completions
        self._models = client.models
        self._url = url
        self._model = model
        self._timeouts = timeouts

    async def stream(self, prompt: Prompt, release: Release) -> AsyncGenerator[str | Usage, None]:
        """Pieces of text, then one `Usage`. Asks again only while nothing has been said.

        A server that does not report usage is taken to have read 0 tokens and to have written
        one per piece. Raises `PromptTooLong`, `GeneratorRefused` and `GeneratorUnavailable`.
        """
        deadline = asyncio.get_running_loop().time() + self._timeouts.total_s
        for attempt in range(1, self._timeouts.attempts + 1):
            said = False
            try:
                async with aclosing(self._attempt(prompt, release, deadline)) as pieces:
                    async for piece in pieces:
                        said = True
                        yield piece
                return
            except GeneratorUnavailable as error:
                timed_out = isinstance(error.__cause__, TimeoutError)
                if said or timed_out or attempt == self._timeouts.attempts:
                    raise
            await asyncio.sleep(self._timeouts.backoff_s * 2 ** (attempt - 1))

    async def ping(self) -> str:
        """The server's address and its models. Raises as `stream` does."""
        served = await self._served()
        if self._model and self._model not in served:
            raise self._no_model(self._model, served)
        return f"{self._url} serves {_listed(served)}"

    async def _attempt(
        self, prompt: Prompt, release: Release, deadline: float
    ) -> AsyncGenerator[str | Usage, None]:
        import openai

        reply = _Reply(await self._model_for(release), self._url)
        try:
            with reply.translating():
                async with aclosing(self._chunks(reply, prompt, release, deadline)) as chunks:
                    async for chunk in chunks:
                        if text := reply.read(chunk):
                            yield text
        except openai.NotFoundError as error:
            raise self._no_model(reply.model, await self._served()) from error
        yield reply.usage()

    async def _chunks(
        self, reply: _Reply, prompt: Prompt, release: Release, deadline: float
    ) -> AsyncGenerator[ChatCompletionChunk, None]:
        """The raw stream under both limits. Neither is held across a `yield`."""
        patience = self._timeouts
        soon = asyncio.get_running_loop().time() + patience.first_token_s
        silent = f"said nothing for {patience.first_token_s:g} s"
        endless = f"did not finish within {patience.total_s:g} s"
        limit, complaint = (soon, silent) if soon < deadline else (deadline, endless)
        async with reply.within(limit, complaint):
            chunks = await self._create(reply.model, prompt, release)
        async with chunks:
            while True:
                async with reply.within(limit, complaint):
                    chunk = await anext(chunks, None)
                if chunk is None:
                    return
                if _has_token(chunk):
                    limit, complaint = deadline, endless
                yield chunk

    async def _create(
        self, model: str, prompt: Prompt, release: Release
    ) -> openai.AsyncStream[ChatCompletionChunk]:
        messages = [{"role": each.role, "content": each.content} for each in prompt.messages]
        return await self._chat.create(
            model=model,
            messages=cast("list[ChatCompletionMessageParam]", messages),
            temperature=release.temperature,
            max_tokens=release.max_tokens,
            stream=True,
            stream_options={"include_usage": True},
        )

    async def _model_for(self, release: Release) -> str:
        if release.model not in NO_SERVER_MODEL:
            return release.model
        if self._model is None:
            self._model = self._only(await self._served())
        return self._model

    def _only(self, served: tuple[str, ...]) -> str:
        if len(served) == 1:
            return served[0]
        raise GeneratorRefused(
            f"The server at {self._url} has {_listed(served)}: configure which one answers."
        )

    async def _served(self) -> tuple[str, ...]:
        import openai

        reply = _Reply("the list of models", self._url)
        try:
            with reply.translating():
                models = await self._models.list(timeout=self._timeouts.connect_s)
        except openai.NotFoundError as error:
            raise GeneratorRefused(
                f"{self._url} is not an OpenAI-compatible API: it has no models (404). "
                "Does its address end in /v1?"
            ) from error
        return tuple(sorted(each.id for each in models.data))

    def _no_model(self, model: str, served: tuple[str, ...]) -> GeneratorRefused:
        if model in served:
            return GeneratorRefused(f"{model!r} at {self._url} is not a model for chat (404).")
        return GeneratorRefused(
            f"The server at {self._url} has no model {model!r}; it has {_listed(served)}."
        )


class _Reply:
    """What has come of one request so far, and what to say if nothing more comes."""

    def __init__(self, model: str, url: str) -> None:
        self.model = model
        self._url = url
        self._pieces = 0
        self._ending: str | None = None
        self._reported: CompletionUsage | None = None

    def read(self, chunk: ChatCompletionChunk) -> str:
        """The chunk's text. The chunk that carries the usage has no choices."""
        self.model = chunk.model or self.model
        self._reported = chunk.usage or self._reported
        if not chunk.choices:
            return ""
        choice = chunk.choices[0]
        self._ending = choice.finish_reason or self._ending
        text = choice.delta.content or ""
        self._pieces += bool(text)
        return text

    def usage(self) -> Usage:
        """After the last chunk. Raises when the model did not come to an end of its own."""
        if self._ending == "content_filter":
            raise GeneratorRefused(f"{self._named()} was stopped by its server's content filter.")
        if self._ending in {None, "abort", "error"}:
            raise self.broken("the stream ended early")
        if self._reported is None:
            return Usage(0, self._pieces, self.model)
        spent = self._reported
        return Usage(spent.prompt_tokens, spent.completion_tokens, self.model)

    def broken(self, why: object) -> GeneratorUnavailable:
        place = "in the middle of its answer" if self._pieces else "before its first word"
        return GeneratorUnavailable(f"{self._named()} broke off {place}: {why}.")

    @asynccontextmanager
    async def within(self, deadline: float, complaint: str) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout_at(deadline):
                yield
        except TimeoutError as error:
            raise GeneratorUnavailable(f"{self._named()} {complaint}.") from error

    @contextmanager
    def translating(self) -> Iterator[None]:
        """The client's errors become the port's, but for 404, whose reason must be asked for."""
        import httpx
        import openai

        try:
            yield
        except openai.NotFoundError:
            raise
        except openai.APIConnectionError as error:
            raise GeneratorUnavailable(
                f"Nothing answers at {self._url}: {_cause(error)}."
            ) from error
        except openai.APIError as error:
            raise self._told(error) from error
        except (httpx.HTTPError, ValueError) as error:
            raise self.broken(error) from error

    def _told(self, error: openai.APIError) -> Exception:
        status, words = _status(error), _words(error)
        if any(phrase in f"{words} {error.code}" for phrase in TOO_LONG):
            return PromptTooLong(f"The prompt does not fit into {self.model!r}: {words}")
        if status in {401, 403}:
            return GeneratorRefused(f"The server at {self._url} refuses the API key ({status}).")
        if status in {408, 429} or status >= 500:
            return GeneratorUnavailable(f"{self._named()} failed ({status}): {words}")
        return GeneratorRefused(f"{self._named()} rejected the request ({status}): {words}")

    def _named(self) -> str:
        return f"{self.model!r} at {self._url}"


def _has_token(chunk: ChatCompletionChunk) -> bool:
    """Some servers name the role before they read the prompt; reasoning comes in extra fields."""
    if not chunk.choices:
        return False
    choice = chunk.choices[0]
    extra = choice.delta.model_extra or {}
    return bool(choice.delta.content or choice.finish_reason or any(extra.values()))


def _status(error: openai.APIError) -> int:
    """An error inside a stream has no HTTP status; vLLM puts one into its `code`."""
    said = str(getattr(error, "status_code", None) or error.code)
    return int(said) if said.isdigit() else 500


def _words(error: openai.APIError) -> str:
    """The server's own sentence, without the client's prefix and vLLM's repetition at its end."""
    body = error.body
    said = body.get("message") if isinstance(body, dict) else body
    return str(said or error.message).partition(" (parameter=")[0]


def _cause(error: Exception) -> object:
    return error.__cause__ or error


def _listed(models: tuple[str, ...]) -> str:
    return ", ".join(map(repr, models)) or "no model"
