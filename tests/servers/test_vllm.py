"""Answers from a real vLLM, and from servers that fail in ways which vLLM cannot be made to show."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from infra.vllm import Timeouts, VllmGenerator, open_vllm
from retrieval.generate import GeneratorRefused, GeneratorUnavailable, PromptTooLong, Usage
from retrieval.prompt import Message, Prompt
from retrieval.release import Release

if TYPE_CHECKING:
    from tests.servers.vllm import VllmServer

pytest_plugins = ["tests.servers.vllm"]

IMPATIENT = Timeouts(connect_s=1, first_token_s=0.3, total_s=2, attempts=3, backoff_s=0.01)
ABORTED_S = 3.0
"""A quiet machine takes 0.03 s; a third of the answer's length is proof enough on a busy one."""
LONG = Release(max_tokens=8000)
"""About ten seconds, so that there is a middle on a busy machine too."""

Reply = Callable[[asyncio.StreamWriter], Awaitable[None]]


# A real vLLM


@pytest.mark.server
@pytest.mark.timeout(400)
class TestRealVllm:
    async def test_text_comes_in_pieces_and_its_usage_last(self, vllm: VllmServer) -> None:
        async with _open(vllm) as generator:
            said = await _drain(generator, Release(max_tokens=30))

        *pieces, usage = said
        assert len(pieces) > 10
        assert all(isinstance(piece, str) and piece for piece in pieces)
        assert isinstance(usage, Usage)
        assert (usage.completion_tokens, usage.model) == (30, "tiny")
        assert usage.prompt_tokens > 5

    async def test_the_same_question_has_the_same_answer_at_temperature_zero(
        self, vllm: VllmServer
    ) -> None:
        async with _open(vllm) as generator:
            first, again = [await _drain(generator, Release(max_tokens=20)) for _ in range(2)]

        assert _text(first) == _text(again) != ""

    async def test_the_model_stops_when_its_readers_leave(self, vllm: VllmServer) -> None:
        async with _open(vllm) as generator:
            streams = [generator.stream(_prompt(), LONG) for _ in range(16)]
            await asyncio.gather(*(anext(each) for each in streams))
            assert await vllm.running_requests() == 16

            await asyncio.gather(*(each.aclose() for each in streams))
            await _until(vllm.running_requests, 0, within_s=ABORTED_S)

    async def test_the_model_stops_when_the_readers_task_is_cancelled(
        self, vllm: VllmServer
    ) -> None:
        begun = asyncio.Event()

        async def read(generator: VllmGenerator) -> None:
            async with aclosing(generator.stream(_prompt(), LONG)) as pieces:
                async for _ in pieces:
                    begun.set()

        async with _open(vllm) as generator:
            reading = asyncio.create_task(read(generator))
            await asyncio.wait_for(begun.wait(), 30)
            assert await vllm.running_requests() == 1

            reading.cancel()
            await _until(vllm.running_requests, 0, within_s=ABORTED_S)

    async def test_a_prompt_beyond_the_context_is_refused_with_both_lengths(
        self, vllm: VllmServer
    ) -> None:
        async with _open(vllm) as generator:
            with pytest.raises(PromptTooLong, match=r"8192 tokens.*8193 input tokens"):
                await _drain(generator, Release(), _prompt("tea " * 9000))

    async def test_a_prompt_that_is_far_too_long_is_refused_before_it_is_counted(
        self, vllm: VllmServer
    ) -> None:
        async with _open(vllm) as generator:
            with pytest.raises(PromptTooLong, match="contains 200028 characters"):
                await _drain(generator, Release(), _prompt("tea " * 50_000))

    async def test_an_unknown_model_is_refused_with_those_that_are_there(
        self, vllm: VllmServer
    ) -> None:
        async with _open(vllm) as generator:
            with pytest.raises(GeneratorRefused, match="no model 'huge'; it has 'tiny'"):
                await _drain(generator, Release(model="huge"))

    async def test_too_many_tokens_are_refused_in_the_servers_words(self, vllm: VllmServer) -> None:
        async with _open(vllm) as generator:
            with pytest.raises(GeneratorRefused, match="max_tokens=9999 cannot be greater"):
                await _drain(generator, Release(max_tokens=9999))

    async def test_a_wrong_key_is_refused(self, vllm: VllmServer) -> None:
        async with open_vllm(vllm.url, vllm.model, "guessed") as generator:
            with pytest.raises(GeneratorRefused, match=r"refuses the API key \(401\)"):
                await _drain(generator)

    async def test_an_address_without_its_path_is_named_as_the_reason(
        self, vllm: VllmServer
    ) -> None:
        async with open_vllm(vllm.url.removesuffix("/v1"), None, vllm.api_key) as generator:
            with pytest.raises(GeneratorRefused, match="Does its address end in /v1"):
                await generator.ping()

    async def test_a_ping_says_who_answers(self, vllm: VllmServer) -> None:
        async with _open(vllm) as generator:
            assert await generator.ping() == f"{vllm.url} serves 'tiny'"

    async def test_a_ping_finds_a_model_that_is_not_served(self, vllm: VllmServer) -> None:
        async with open_vllm(vllm.url, "huge", vllm.api_key) as generator:
            with pytest.raises(GeneratorRefused, match="no model 'huge'"):
                await generator.ping()

    async def test_a_full_server_is_asked_again_until_it_has_room(self, vllm: VllmServer) -> None:
        """64 requests may wait or run, so of 80 some are turned away at first."""
        patient = Timeouts(attempts=8, backoff_s=0.25)
        async with open_vllm(vllm.url, vllm.model, vllm.api_key, patient) as generator:
            asked = [_drain(generator, Release(max_tokens=100)) for _ in range(80)]
            answers = await asyncio.gather(*asked)

        assert all(isinstance(answer[-1], Usage) for answer in answers)
        assert await vllm.rejected_requests() > 0

    async def test_a_server_killed_in_the_middle_of_an_answer_is_unavailable(
        self, vllm: VllmServer
    ) -> None:
        """Last: the next test that asks for vLLM waits for another start."""
        async with _open(vllm) as generator:
            pieces = generator.stream(_prompt(), LONG)
            await anext(pieces)
            vllm.kill()
            with pytest.raises(GeneratorUnavailable, match="in the middle of its answer"):
                _ = [piece async for piece in pieces]
            with pytest.raises(GeneratorUnavailable, match=f"Nothing answers at {vllm.url}"):
                await generator.ping()


# Servers that fail


async def test_a_server_that_is_not_started_is_named_by_its_address() -> None:
    async with _serving() as url:
        pass

    async with open_vllm(url, "tiny", timeouts=IMPATIENT) as generator:
        with pytest.raises(GeneratorUnavailable, match=f"Nothing answers at {url}"):
            await _drain(generator)


async def test_a_server_that_says_nothing_is_given_up_without_another_try() -> None:
    async with _asking(_silent) as generator:
        with pytest.raises(GeneratorUnavailable, match=r"'tiny' at .* said nothing for 0\.3 s"):
            await _drain(generator)


async def test_naming_the_role_is_not_a_first_token() -> None:
    role = _chunk({"role": "assistant", "content": ""})

    async with _asking(_streaming(role, then=_silent)) as generator:
        with pytest.raises(GeneratorUnavailable, match=r"said nothing for 0\.3 s"):
            await _drain(generator)


async def test_an_answer_that_never_ends_is_given_up_at_the_deadline() -> None:
    async with _asking(_endless) as generator:
        started = time.monotonic()
        with pytest.raises(GeneratorUnavailable, match="did not finish within 2 s"):
            await _drain(generator)

    assert 1.5 < time.monotonic() - started < 3


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_busy_server_is_asked_again(status: int) -> None:
    replies = [_failing(status), _failing(status), _answering("Tea.")]

    async with _asking(*replies) as generator:
        said = await _drain(generator)

    assert _text(said) == "Tea."


async def test_a_server_that_stays_busy_is_unavailable_in_its_own_words() -> None:
    async with _asking(_failing(503, "the queue is full")) as generator:
        with pytest.raises(GeneratorUnavailable, match=r"failed \(503\): the queue is full"):
            await _drain(generator)


async def test_a_connection_lost_before_the_first_word_is_tried_again() -> None:
    role = _chunk({"role": "assistant", "content": ""})

    async with _asking(_hanging_up, _streaming(role), _answering("Tea.")) as generator:
        assert _text(await _drain(generator)) == "Tea."


async def test_after_the_first_word_nothing_is_tried_again() -> None:
    begun = _streaming(_chunk({"content": "Green "}))

    async with _asking(begun, _answering("Tea.")) as generator:
        pieces = generator.stream(_prompt(), Release())
        assert await anext(pieces) == "Green "
        with pytest.raises(GeneratorUnavailable, match="in the middle of its answer"):
            await anext(pieces)


async def test_an_error_inside_the_stream_is_told_in_its_words() -> None:
    error = {"error": {"message": "the engine died", "code": 500}}

    async with _asking(_streaming(_chunk({"content": "Green "}), error)) as generator:
        with pytest.raises(GeneratorUnavailable, match=r"failed \(500\): the engine died"):
            await _drain(generator)


async def test_an_answer_cut_by_a_shutdown_is_not_taken_for_a_whole_one() -> None:
    cut = _streaming(_chunk({"content": "Green "}), _chunk({}, "abort"))

    async with _asking(cut) as generator:
        with pytest.raises(GeneratorUnavailable, match="in the middle of its answer"):
            await _drain(generator)


async def test_a_content_filter_is_a_refusal() -> None:
    async with _asking(_streaming(_chunk({}, "content_filter"))) as generator:
        with pytest.raises(GeneratorRefused, match="content filter"):
            await _drain(generator)


async def test_a_page_that_is_no_stream_is_unavailable() -> None:
    async with _asking(_streaming("<html>Welcome")) as generator:
        with pytest.raises(GeneratorUnavailable, match="before its first word"):
            await _drain(generator)


async def test_a_model_that_cannot_chat_is_told_from_one_that_is_not_there() -> None:
    async with _asking(_failing(404), _listing("tiny")) as generator:
        with pytest.raises(GeneratorRefused, match=r"'tiny' at .* is not a model for chat"):
            await _drain(generator)


async def test_a_long_thought_counts_as_a_first_token() -> None:
    thinking = _streaming(_chunk({"reasoning": "Hm."}), then=_late_tea)

    async with _asking(thinking) as generator:
        assert _text(await _drain(generator)) == "Tea."


async def test_pieces_are_counted_where_the_server_reports_no_usage() -> None:
    async with _asking(_answering("Green ", "tea.")) as generator:
        *pieces, usage = await _drain(generator)

    assert pieces == ["Green ", "tea."]
    assert usage == Usage(prompt_tokens=0, completion_tokens=2, model="tiny")


async def test_without_a_configured_model_the_only_one_is_asked() -> None:
    async with _asking(_listing("tiny"), _answering("Tea."), model=None) as generator:
        assert _text(await _drain(generator)) == "Tea."


async def test_without_a_configured_model_several_are_a_question() -> None:
    async with _asking(_listing("large", "small"), model=None) as generator:
        with pytest.raises(GeneratorRefused, match="has 'large', 'small': configure which"):
            await _drain(generator)


# Asking


@asynccontextmanager
async def _open(server: VllmServer) -> AsyncIterator[VllmGenerator]:
    async with open_vllm(server.url, server.model, server.api_key) as generator:
        yield generator


def _prompt(question: str = "How many days of leave do I have?") -> Prompt:
    return Prompt(question, (), (Message("user", question),))


async def _drain(
    generator: VllmGenerator, release: Release | None = None, prompt: Prompt | None = None
) -> list[str | Usage]:
    async with aclosing(generator.stream(prompt or _prompt(), release or Release())) as said:
        return [each async for each in said]


def _text(said: list[str | Usage]) -> str:
    return "".join(each for each in said if isinstance(each, str))


async def _until(count: Callable[[], Awaitable[int]], expected: int, within_s: float) -> None:
    async with asyncio.timeout(within_s):
        while await count() != expected:  # noqa: ASYNC110 - the count is another process's
            await asyncio.sleep(0.02)


# Servers made of a socket


@asynccontextmanager
async def _asking(*replies: Reply, model: str | None = "tiny") -> AsyncIterator[VllmGenerator]:
    async with _serving(*replies) as url, open_vllm(url, model, timeouts=IMPATIENT) as generator:
        yield generator


@asynccontextmanager
async def _serving(*replies: Reply) -> AsyncIterator[str]:
    """An address that gives these replies, one to a connection; the last one again and again."""
    left = list(replies)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _read_request(reader)
            await (left.pop(0) if len(left) > 1 else left[0])(writer)
            await writer.drain()
        except ConnectionError:
            pass  # the client has left
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.close()


async def _read_request(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    for length in lengths:
        await reader.readexactly(int(length.partition(b":")[2]))


async def _silent(_: asyncio.StreamWriter) -> None:
    await asyncio.sleep(1)


async def _hanging_up(_: asyncio.StreamWriter) -> None:
    """Closes without a word, as a server does that is being restarted."""


async def _late_tea(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(0.5)
    _send(writer, _chunk({"content": "Tea."}, "stop"))


async def _endless(writer: asyncio.StreamWriter) -> None:
    _begin(writer)
    while True:
        _send(writer, _chunk({"content": "tea "}))
        await writer.drain()
        await asyncio.sleep(0.05)


def _failing(status: int, message: str = "later") -> Reply:
    return _document({"error": {"message": message, "code": status}}, status)


def _listing(*models: str) -> Reply:
    listed = [{"id": each, "object": "model", "created": 0, "owned_by": "us"} for each in models]
    return _document({"object": "list", "data": listed})


def _answering(*pieces: str) -> Reply:
    return _streaming(*(_chunk({"content": piece}) for piece in pieces), _chunk({}, "stop"))


def _document(body: object, status: int = 200) -> Reply:
    async def reply(writer: asyncio.StreamWriter) -> None:
        payload = json.dumps(body).encode()
        head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\n"
        writer.write(f"{head}content-length: {len(payload)}\r\n\r\n".encode() + payload)

    return reply


def _streaming(*events: object, then: Reply | None = None) -> Reply:
    async def reply(writer: asyncio.StreamWriter) -> None:
        _begin(writer)
        for event in events:
            _send(writer, event)
        await writer.drain()
        if then:
            await then(writer)

    return reply


def _begin(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")


def _send(writer: asyncio.StreamWriter, event: object) -> None:
    data = event if isinstance(event, str) else json.dumps(event)
    writer.write(f"data: {data}\n\n".encode())


def _chunk(delta: dict[str, str], finish: str | None = None) -> dict[str, object]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    base = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "tiny"}
    return {**base, "choices": [choice]}
