"""The life of a document over HTTP: versions, changes, cancelling, dead letters, the queue, the end."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.container import Adapters, Platform, Tell, assemble, open_adapters
from app.settings import Settings
from ingestion.leases import Due
from ingestion.queue import QueueUnavailable
from retrieval.generate import Usage
from retrieval.prompt import Prompt
from retrieval.release import Release
from tests.app.conftest import Upload, settled
from tests.conftest import running
from tests.processes import cairn, until

KEEP = 2
PATIENCE_S = 20.0


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[tuple[str, Path]]:
    """A service of its own, so that nobody else's documents are in its queue."""
    data = tmp_path_factory.mktemp("lifecycle")
    (data / "models").symlink_to(models)
    with running(Settings(data=data, keep_versions=KEEP, jobs=1)) as url:
        yield url, data


@pytest.fixture(scope="module")
def service_url(service: tuple[str, Path]) -> str:
    return service[0]


def section(number: int, words: str = "Sentence") -> str:
    return f"# Part {number}\n\n" + f"{words} number {number} of the text. " * 30


def parts(*sections: str) -> str:
    return "\n\n".join(sections)


def book(sentences: int = 20_000) -> str:
    """What takes much longer than a test to embed."""
    return "\n\n".join(
        f"In year {n} the harvest was {n * 7} tonnes of barley." * 3 for n in range(sentences)
    )


def versions(client: httpx.Client, document_id: object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"/v1/documents/{document_id}").json()["versions"]
    return found


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


# Versions, and what changed


def test_a_version_says_what_it_kept_added_and_removed(
    client: httpx.Client, upload: Upload
) -> None:
    upload("changes.md", parts(section(1), section(2), section(3)))

    document = upload("changes.md", parts(section(1), section(2), section(4), section(5)))

    newest, first = versions(client, document["id"])
    changes = newest["changes"]
    assert first["changes"] is None
    assert changes["kept"] > 0
    assert changes["added"] > 0
    assert changes["kept"] + changes["added"] == newest["chunks"]
    assert changes["kept"] + changes["removed"] == first["chunks"]


def test_an_older_version_is_restored_as_a_new_one_without_embedding_what_is_live(
    client: httpx.Client, upload: Upload
) -> None:
    first = upload("restored.md", parts(section(1), "# Keys\n\nThe key is under the mat."))
    upload("restored.md", parts(section(1), "# Keys\n\nThe key is with Maria."))

    answer = client.post(f"/v1/documents/{first['id']}/versions/1/restore")

    assert (answer.status_code, answer.json()["version"]) == (202, 3)
    document = settled(client, str(first["id"]))
    newest, _, oldest = versions(client, first["id"])
    assert document["live_version"] == 3
    assert newest["sha256"] == oldest["sha256"]
    assert newest["reused_chunks"] > 0
    asked = client.post("/v1/ask", json={"question": "Where is the key?"}).json()
    assert "under the mat" in asked["answer"]


def test_what_cannot_be_restored_is_said_in_words(client: httpx.Client, upload: Upload) -> None:
    document = upload("unrestored.md", "# One\n\nOnly one version of this.")
    broken = upload("broken-restore.pdf", b"%PDF-1.7\n nothing of a PDF")

    live = client.post(f"/v1/documents/{document['id']}/versions/1/restore")
    missing = client.post(f"/v1/documents/{document['id']}/versions/7/restore")
    failed = client.post(f"/v1/documents/{broken['id']}/versions/1/restore")

    assert problem(live) == problem(failed) == (409, "not-restorable")
    assert problem(missing) == (404, "document-missing")
    assert "Retry it instead" in failed.json()["detail"]


def test_versions_beyond_those_kept_go_with_their_files(
    client: httpx.Client, upload: Upload, service: tuple[str, Path]
) -> None:
    document: dict[str, object] = {}
    for number in range(KEEP + 3):
        document = upload("pruned.md", f"# Pruned\n\nThis is edition {number}.")

    kept = versions(client, document["id"])
    read = client.get(f"/v1/documents/{document['id']}/content", params={"version": 3})
    gone = client.post(f"/v1/documents/{document['id']}/versions/1/restore")

    assert [one["version"] for one in kept] == [5, 4, 3]
    assert "edition 2" in read.json()["text"]
    assert problem(gone) == (404, "document-missing")
    assert client.get("/v1/check").json()["clean"]


# Cancelling


def test_a_document_that_takes_long_is_cancelled_while_the_version_before_answers(
    client: httpx.Client, upload: Upload
) -> None:
    document = upload("long.md", "# Harvest\n\nThe harvest of barley was good in every year.")
    document_id = str(document["id"])
    client.put("/v1/documents/long.md", content=book().encode())
    until(lambda: client.get(f"/v1/documents/{document_id}").json()["status"] == "embedding")

    answer = client.post(f"/v1/documents/{document_id}/cancel")
    began = time.monotonic()
    until(lambda: _given_up(client, "long.md"), PATIENCE_S)

    assert answer.json()["status"] == "cancelled"
    assert time.monotonic() - began < 2
    now = client.get(f"/v1/documents/{document_id}").json()
    assert (now["status"], now["live_version"]) == ("cancelled", 1)
    assert client.get("/v1/check").json()["points"] == _chunks(client)
    asked = client.post("/v1/ask", json={"question": "How was the harvest of barley?"}).json()
    assert "good in every year" in asked["answer"]
    assert asked["citations"][0]["version"] == 1


def test_what_is_cancelled_can_be_retried_and_what_is_ready_cannot_be_cancelled(
    client: httpx.Client, upload: Upload
) -> None:
    blocker = client.put("/v1/documents/blocker.md", content=book().encode()).json()["id"]
    waiting = client.put("/v1/documents/waiting.md", content=b"# Wait\n\nIt waits.").json()["id"]

    stopped = [client.post(f"/v1/documents/{one}/cancel").json() for one in (waiting, blocker)]
    retried = client.post(f"/v1/documents/{waiting}/retry")

    assert {one["status"] for one in stopped} == {"cancelled"}
    assert retried.status_code == 202
    assert settled(client, waiting)["status"] == "ready"
    assert problem(client.post(f"/v1/documents/{waiting}/cancel")) == (409, "not-cancellable")


def _given_up(client: httpx.Client, name: str) -> bool:
    """Whether the worker has left the version: the trace of its attempt is at its end."""
    traces = client.get("/v1/traces", params={"kind": "ingest"}).json()["items"]
    return any(one["name"] == name and one["error"] for one in traces)


def _chunks(client: httpx.Client) -> int:
    """Of all live versions, as the records have them."""
    items = client.get("/v1/documents", params={"limit": 500}).json()["items"]
    live = [
        one
        for item in items
        for one in versions(client, item["id"])
        if one["version"] == item["live_version"]
    ]
    return sum(one["chunks"] for one in live)


# Dead letters


def test_what_failed_is_sent_back_at_once_or_by_its_kind(
    client: httpx.Client, upload: Upload
) -> None:
    client.post("/v1/documents/retry")
    names = ("dead-1.pdf", "dead-2.pdf")
    ids = [
        str(upload(name, b"%PDF-1.7\n nothing of a PDF " + name.encode())["id"]) for name in names
    ]

    other = client.post("/v1/documents/retry", params={"kind": "encrypted"}).json()
    every = client.post("/v1/documents/retry", params={"kind": "unreadable"}).json()

    assert other == {"retried": 0}
    assert every["retried"] >= 2
    assert [settled(client, one)["status"] for one in ids] == ["failed", "failed"]
    queue = client.get("/v1/queue").json()
    assert queue["failed"] == queue["failures"]["unreadable"] >= 2


def test_several_statuses_may_be_listed_together(client: httpx.Client, upload: Upload) -> None:
    upload("both/ready.md", "# Ready\n\nIt is ready.")
    upload("both/failed.pdf", b"%PDF-1.7\n nothing of a PDF at all")

    def names(*statuses: str) -> set[str]:
        params = {"name": "both/", "status": list(statuses)}
        return {one["name"] for one in client.get("/v1/documents", params=params).json()["items"]}

    assert names("ready", "failed") == names() == {"both/ready.md", "both/failed.pdf"}
    assert names("failed") == {"both/failed.pdf"}
    assert names("queued", "parsing") == set()


# The queue


def test_the_queue_tells_what_waits_and_when_it_will_be_done(
    client: httpx.Client, upload: Upload
) -> None:
    upload("quick.md", "# Quick\n\nThis was quick.")
    ids = [
        client.put(f"/v1/documents/{name}.md", content=(book() + name).encode()).json()["id"]
        for name in ("one", "two")
    ]
    until(lambda: client.get("/v1/queue").json()["running"] == 1, PATIENCE_S)

    queue = client.get("/v1/queue").json()
    gauges = client.get("/metrics").text
    for one in ids:
        client.post(f"/v1/documents/{one}/cancel")

    assert (queue["waiting"], queue["queue_answers"]) == (1, True)
    assert queue["oldest_s"] >= 0
    assert queue["per_minute"] > 0
    assert queue["eta_s"] > 0
    assert "cairn_queue_waiting 1.0" in gauges
    assert "cairn_queue_running 1.0" in gauges
    assert "cairn_queue_oldest_seconds" in gauges
    done = client.get("/v1/queue").json()
    assert (done["waiting"], done["running"], done["eta_s"]) == (0, 0, 0)


def test_the_commands_cancel_restore_retry_and_show_the_queue(
    client: httpx.Client, upload: Upload, service_url: str
) -> None:
    upload("told.md", "# Told\n\nThe first words.")
    upload("told.md", "# Told\n\nThe second words.")
    upload("told.pdf", b"%PDF-1.7\n nothing of a PDF here")

    restored = cairn("documents", "restore", "told.md", "--version", "1", url=service_url)
    retried = cairn(
        "documents", "retry", "--all", "--kind", "unreadable", "--json", url=service_url
    )
    ready = cairn("documents", "cancel", "told.md", url=service_url)
    queue = cairn("documents", "queue", url=service_url)
    unsaid = cairn("documents", "retry", url=service_url)

    assert "told.md is queued, version 3" in restored.err
    assert retried.json()["retried"] >= 1
    assert ready.code in {0, 1}
    assert "waiting" in queue.out
    assert unsaid.code == 2


def test_a_document_that_waits_because_the_queue_is_away_says_so(
    models: Path, tmp_path: Path
) -> None:
    (tmp_path / "models").symlink_to(models)
    queue = Fickle()
    with changed(
        Settings(data=tmp_path), lambda adapters: replace(adapters, queue=queue)
    ) as client:
        queue.away = True
        document = client.put("/v1/documents/a.md", content=b"# A\n\nIt waits.").json()

        shown = client.get(f"/v1/documents/{document['id']}").json()
        seen = client.get("/v1/queue").json()

    assert (shown["progress"]["stage"], shown["progress"]["waits_for"]) == ("queued", "queue")
    assert (seen["waiting"], seen["queue_answers"]) == (1, False)


# The end


@dataclass
class Hesitating:
    """A generator that cites its first source, and says more only when it may."""

    began: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    async def stream(self, prompt: Prompt, release: Release) -> AsyncIterator[str | Usage]:
        yield "The vault opens with Rumpelstilzchen [1]. "
        self.began.set()
        await asyncio.to_thread(self.go_on.wait, PATIENCE_S)
        yield "The password of the vault is Rumpelstilzchen [1]."
        yield Usage(1, 1, "hesitating")

    async def ping(self) -> str:
        return "hesitating"


class Fickle:
    """A queue that tells nobody, and after a while does not answer either."""

    def __init__(self) -> None:
        self.away = False

    async def wake(self, due: Due) -> None:
        raise QueueUnavailable("it sleeps")

    async def ping(self) -> str:
        if self.away:
            raise QueueUnavailable("it sleeps")
        return "awake"


Change = Callable[[Adapters], Adapters]


@contextmanager
def changed(settings: Settings, change: Change) -> Iterator[httpx.Client]:
    """A service of which a part was swapped, and a client for it."""

    @asynccontextmanager
    async def open_(settings: Settings, tell: Tell) -> AsyncIterator[Platform]:
        async with AsyncExitStack() as stack:
            yield assemble(change(await open_adapters(settings, stack, tell)))

    with (
        running(settings, open_) as url,
        httpx.Client(base_url=url, timeout=30.0, trust_env=False) as client,
    ):
        yield client


@pytest.mark.parametrize("delete_traces", [False, True])
def test_an_answer_under_way_does_not_cite_what_is_deleted_meanwhile(
    models: Path, tmp_path: Path, delete_traces: bool
) -> None:
    (tmp_path / "models").symlink_to(models)
    slow = Hesitating()
    settings = Settings(data=tmp_path, delete_traces=delete_traces, trace_days=9)
    question = {"question": "What is the password of the vault?"}
    with (
        changed(settings, lambda adapters: replace(adapters, generator=slow)) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        text = b"# Vault\n\nThe password of the vault is Rumpelstilzchen."
        document = client.put("/v1/documents/vault.md", content=text).json()
        settled(client, document["id"])
        slow.go_on.set()
        before = client.post("/v1/ask", json=question).json()
        slow.began.clear()
        slow.go_on.clear()
        asking = pool.submit(client.post, "/v1/ask", json=question)
        assert slow.began.wait(PATIENCE_S)

        receipt = client.delete(f"/v1/documents/{document['id']}").json()
        slow.go_on.set()
        answer = asking.result().json()
        left = client.get("/v1/traces").json()["items"]

    assert before["citations"]
    assert answer["citations"] == answer["sources"] == []
    assert "Rumpelstilzchen" not in answer["answer"]
    assert receipt["remaining_chunks"] == 0
    if delete_traces:
        assert (receipt["traces"], receipt["removed"]["traces"]) == ("removed", 3)
        assert left == []
    else:
        assert (receipt["traces"], receipt["removed"]["traces"]) == ("kept for 9 days", 0)
        assert before["trace_id"] in {one["trace_id"] for one in left}
