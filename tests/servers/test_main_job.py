"""The main job on servers: Postgres, Redis, Qdrant over HTTP and S3, with workers that die and servers away.

Each process is a real one: `cairn migrate`, `cairn serve` and `cairn worker`, as in production.
"""

from __future__ import annotations

import json
import multiprocessing
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.processes import cairn, free_port, process, until

if TYPE_CHECKING:
    from tests.servers.postgres import Postgres
    from tests.servers.redis import RedisServer
    from tests.servers.s3 import S3Server
    from tests.servers.vllm import VllmServer

pytest_plugins = [
    "tests.servers.postgres",
    "tests.servers.redis",
    "tests.servers.s3",
    "tests.servers.vllm",
]
pytestmark = [pytest.mark.server, pytest.mark.timeout(400)]

TEA = "# Tea\n\nThe tea is kept in the {place}, beside the kettle.\n"
QUESTION = "Where is the tea kept?"


class Qdrant:
    """Its REST server in a process of its own, which can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._spawn = multiprocessing.get_context("spawn")
        self.url = f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Blocks until it answers."""
        self._stopping = self._spawn.Event()
        self._process = self._spawn.Process(
            target=_serve_qdrant, args=(self._folder, self._port, self._stopping)
        )
        self._process.start()
        until(lambda: _answers(self.url))

    def stop(self) -> None:
        self._stopping.set()
        self._process.join(30)


def _serve_qdrant(folder: Path, port: int, stopping: Any) -> None:
    from tests.servers.qdrant_rest import qdrant_rest

    with qdrant_rest(folder, port):
        stopping.wait()


@pytest.fixture(scope="module")
def qdrant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Qdrant]:
    server = Qdrant(tmp_path_factory.mktemp("qdrant"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def settings(
    postgres: Postgres,
    redis_server: RedisServer,
    qdrant: Qdrant,
    s3_server: S3Server,
    models: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, str]:
    """What every process is told; nothing but the models and the traces is in its folder."""
    data = tmp_path_factory.mktemp("data")
    (data / "models").symlink_to(models)
    postgres.create_database("main_job")
    s3_server.make_bucket("main-job")
    return {
        "data": str(data),
        "records": postgres.url("main_job"),
        "redis": redis_server.url,
        "vectors": qdrant.url,
        "files": s3_server.url("main-job"),
        "lease_s": "2",
    }


@pytest.fixture(scope="module")
def migrated(settings: dict[str, str]) -> tuple[str, str]:
    """What the service said before `cairn migrate`, and what that said."""
    early = cairn("serve", "--port", "0", **settings)
    return early.err, cairn("migrate", **settings).err


@pytest.fixture(scope="module")
def api(
    settings: dict[str, str],
    migrated: tuple[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[httpx.Client]:
    log = tmp_path_factory.mktemp("api") / "log"
    with process(log, "serve", "--port", "0", **settings) as serving, serving.client() as client:
        yield client
        assert serving.stop()[1] < 10


class Worker:
    """The one worker there is; when it is killed, another takes its place."""

    def __init__(self, settings: dict[str, str], folder: Path, stack: ExitStack) -> None:
        self._settings = settings
        self._folder = folder
        self._stack = stack
        self._started = 0

    def start(self) -> None:
        self._started += 1
        log = self._folder / f"worker-{self._started}"
        self._process = self._stack.enter_context(process(log, "worker", **self._settings))
        self._process.hear("The worker runs")

    def kill(self) -> None:
        self._process.kill()

    def stop(self) -> tuple[int, float]:
        return self._process.stop()


@pytest.fixture(scope="module")
def worker(
    settings: dict[str, str],
    migrated: tuple[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Worker]:
    with ExitStack() as stack:
        worker = Worker(settings, tmp_path_factory.mktemp("worker"), stack)
        worker.start()
        yield worker
        code, seconds = worker.stop()
        assert (code, seconds < 10) == (0, True)


def test_without_migrations_the_service_says_what_to_run(migrated: tuple[str, str]) -> None:
    before, migrate = migrated

    assert "Run `cairn migrate` first." in before
    assert "is at this version's schema" in migrate


@pytest.mark.usefixtures("worker")
def test_a_document_goes_in_answers_is_replaced_and_is_gone(api: httpx.Client) -> None:
    put(api, "tea.md", TEA.format(place="second cupboard"))
    document = ready(api, "tea.md")
    first = ask(api)
    put(api, "tea.md", TEA.format(place="blue tin"))
    until(lambda: ready(api, "tea.md")["live_version"] == 2)
    second = ask(api)
    receipt = api.delete(f"/v1/documents/{document['id']}").json()
    third = ask(api)

    (citation,) = first["citations"]
    assert citation["quote"] == "The tea is kept in the second cupboard, beside the kettle."
    assert "blue tin" in second["answer"]
    assert second["citations"][0]["version"] == 2
    assert receipt["remaining_chunks"] == 0
    assert receipt["removed"]["files"] == 4
    assert third["refused"]


def test_what_a_killed_worker_had_in_work_another_makes_ready(
    api: httpx.Client, worker: Worker
) -> None:
    sentences = (f"In year {n} the harvest was {n * 7} tonnes. " for n in range(2000))
    put(api, "harvest.txt", "".join(sentences))
    until(lambda: document_of(api, "harvest.txt")["status"] in {"chunking", "embedding"})

    worker.kill()
    killed = document_of(api, "harvest.txt")
    worker.start()
    document = ready(api, "harvest.txt")

    assert killed["status"] in {"chunking", "embedding"}
    assert document["attempts"] == 2
    chunks = sum(item["chunks"] for item in api.get("/v1/documents").json()["items"])
    assert f", {chunks} chunks" in behind(api, "index")


@pytest.mark.usefixtures("worker")
def test_an_upload_while_redis_is_away_is_accepted_and_becomes_ready_when_it_is_back(
    api: httpx.Client, redis_server: RedisServer
) -> None:
    redis_server.stop()
    try:
        put(api, "patience.md", "# Patience\n\nThis waits for Redis.\n")
        doctor = cairn("doctor", "--json", url=str(api.base_url))
        waiting = document_of(api, "patience.md")
    finally:
        redis_server.start()
    document = ready(api, "patience.md")

    assert doctor.code == 1
    assert [part["port"] for part in doctor.json() if not part["ok"]] == ["queue"]
    assert waiting["status"] == "queued"
    assert document["live_version"] == 1


@pytest.mark.usefixtures("worker")
def test_while_qdrant_is_away_questions_get_503_in_words_and_are_answered_when_it_is_back(
    api: httpx.Client, qdrant: Qdrant
) -> None:
    put(api, "kettle.md", "# Kettle\n\nThe kettle is descaled every Friday by Maria.\n")
    ready(api, "kettle.md")

    qdrant.stop()
    try:
        away = api.post("/v1/ask", json={"question": "When is the kettle descaled?"})
        readiness = api.get("/readyz")
        put(api, "toaster.md", "# Toaster\n\nThe toaster is cleaned every Monday.\n")
        until(lambda: document_of(api, "toaster.md")["failure"])
        waiting = document_of(api, "toaster.md")
    finally:
        qdrant.start()
    answer = ask(api, "When is the kettle descaled?")
    late = ready(api, "toaster.md")

    assert away.status_code == readiness.status_code == 503
    assert away.headers["retry-after"]
    assert "The vector index does not answer" in away.json()["detail"]
    assert readiness.json()["parts"]["index"] == "away"
    assert waiting["status"] == "queued"
    assert waiting["failure"]["kind"] == "index-unavailable"
    assert "every Friday" in answer["answer"]
    assert late["live_version"] == 1


@pytest.mark.usefixtures("worker")
def test_vllm_writes_the_answer_and_its_usage_is_in_the_trace(
    settings: dict[str, str], api: httpx.Client, vllm: VllmServer, tmp_path: Path
) -> None:
    put(api, "biscuits.md", "# Biscuits\n\nThe biscuits are kept in the green box.\n")
    ready(api, "biscuits.md")
    model = {"generator": vllm.url, "generator_api_key": vllm.api_key}

    with process(tmp_path / "log", "serve", "--port", "0", **settings, **model) as serving:
        with serving.client() as client:
            events = stream(client, "Where are the biscuits kept?")
            answer = events[-1][1]
            trace = client.get(f"/v1/traces/{answer['trace_id']}").json()
        serving.stop()

    names = [name for name, _ in events]
    assert (names[0], names[-1], names.count("answer")) == ("sources", "answer", 1)
    assert answer["model"] == vllm.model
    assert answer["usage"]["completion_tokens"] > 0
    (generation,) = [one for one in trace["observations"] if one["type"] == "generation"]
    assert generation["model"] == vllm.model
    assert generation["usage"]["output"] == answer["usage"]["completion_tokens"]


def put(api: httpx.Client, name: str, text: str) -> None:
    answer = api.put(f"/v1/documents/{name}", content=text.encode())
    assert answer.status_code == 202, answer.text


def document_of(api: httpx.Client, name: str) -> dict[str, Any]:
    items = api.get("/v1/documents", params={"name": name}).json()["items"]
    return next(item for item in items if item["name"] == name)


def ready(api: httpx.Client, name: str) -> dict[str, Any]:
    until(lambda: document_of(api, name)["status"] in {"ready", "failed"})
    document = document_of(api, name)
    assert document["status"] == "ready", document["failure"]
    return document


def ask(api: httpx.Client, question: str = QUESTION) -> dict[str, Any]:
    answer = api.post("/v1/ask", json={"question": question})
    assert answer.is_success, answer.text
    return dict(answer.json())


def stream(api: httpx.Client, question: str) -> list[tuple[str, Any]]:
    """(name, data) of each event."""
    asked = api.post("/v1/ask", json={"question": question, "stream": True}, timeout=120)
    found = re.findall(r"^event: (.+)\ndata: (.+)$", asked.text, re.MULTILINE)
    return [(name, json.loads(data)) for name, data in found]


def behind(api: httpx.Client, port: str) -> str:
    parts = api.get("/v1/doctor").json()
    return next(str(part["detail"]) for part in parts if part["port"] == port)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.TransportError:
        return False
