"""The service around its answers: alive, ready, counted, identified, guarded, and how it starts and ends."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient

from app.api import create_app
from app.container import Platform, Tell
from app.settings import Settings
from ingestion.queue import QueueUnavailable


@asynccontextmanager
async def endless(_: Settings, tell: Tell) -> AsyncIterator[Platform]:
    """A start that never comes to its end."""
    tell("loading the embedding model")
    await asyncio.Event().wait()
    yield  # type: ignore[misc]


@asynccontextmanager
async def broken(_: Settings, tell: Tell) -> AsyncIterator[Platform]:
    """A start that fails."""
    tell("opening the queue")
    raise QueueUnavailable("redis-server did not start.")
    yield  # type: ignore[unreachable]


@contextmanager
def starting() -> Iterator[TestClient]:
    with TestClient(create_app(Settings(data=Path("nowhere")), endless)) as client:
        yield client


# Alive and ready


def test_while_it_starts_it_lives_and_says_what_it_is_doing() -> None:
    with starting() as client:
        live, ready = client.get("/livez"), client.get("/readyz")

    assert (live.status_code, live.json()) == (200, {"live": True})
    assert ready.status_code == 503
    assert ready.json() == {"ready": False, "parts": {"platform": "loading the embedding model"}}


def test_while_it_starts_questions_are_asked_to_come_back_and_the_page_is_there() -> None:
    with starting() as client:
        asked = client.post("/v1/ask", json={"question": "Why?"})
        page = client.get("/")
        metrics = client.get("/metrics")

    assert asked.status_code == 503
    assert asked.json()["type"] == "urn:cairn:problem:starting"
    assert asked.json()["detail"] == "Cairn is starting: loading the embedding model."
    assert int(asked.headers["retry-after"]) > 0
    assert page.status_code == metrics.status_code == 200


def test_a_start_that_fails_is_heard() -> None:
    failures: list[BaseException] = []

    with TestClient(create_app(Settings(data=Path("nowhere")), broken, failures.append)) as client:
        assert client.get("/readyz").status_code == 503

    assert [str(failure) for failure in failures] == ["redis-server did not start."]


def test_once_started_every_part_is_pinged(client: httpx.Client) -> None:
    ready = client.get("/readyz")

    assert ready.status_code == 200
    parts = ("records", "files", "queue", "index", "embedder", "generator")
    assert ready.json() == {"ready": True, "parts": dict.fromkeys(parts, "ok")}


def test_me_says_who_one_is_and_what_answers(client: httpx.Client) -> None:
    me = client.get("/v1/me").json()

    assert (me["tenant"], me["role"], me["key"]) == ("local", "admin", None)
    assert me["model"] == "extractive"
    assert re.fullmatch(r"rel_[0-9a-f]{12}", me["release"])


# Counted


def test_requests_answers_and_documents_are_counted(
    client: httpx.Client, handbook: dict[str, str]
) -> None:
    before = metrics(client)

    client.post("/v1/ask", json={"question": "How many days of annual leave do I have?"})
    client.get("/v1/documents/no-such-document")
    after = metrics(client)

    def grew(name: str, *labels: str) -> float:
        return total(after, name, *labels) - total(before, name, *labels)

    assert grew("cairn_answers_total", 'outcome="answered"') == 1
    assert grew("cairn_answer_first_text_seconds_count") == 1
    assert grew("cairn_http_requests_total", 'route="/v1/ask"', 'status="200"') == 1
    assert grew("cairn_http_requests_total", 'status="404"') == 1
    assert total(after, "cairn_questions_in_progress") == 0
    assert total(after, "cairn_documents", 'status="ready"') >= len(handbook)


def test_names_of_documents_stay_out_of_the_labels(client: httpx.Client) -> None:
    client.get("/v1/documents/a-telling-name")
    client.get("/a/page/that/is/not/there")

    assert "a-telling-name" not in metrics(client)
    assert "a/page" not in metrics(client)


# Identified


@pytest.mark.parametrize(
    ("given", "kept"),
    [("a-proxys.id_42", True), ("short", False), ("x" * 65, False), ("spaces and\ttabs", False)],
)
def test_a_request_keeps_a_plain_id_and_gets_a_new_one_for_any_other(
    client: httpx.Client, given: str, *, kept: bool
) -> None:
    answer = client.get("/livez", headers={"X-Request-Id": given})

    identity = answer.headers["x-request-id"]
    assert (identity == given) == kept
    assert kept or re.fullmatch("[0-9a-f]{32}", identity)


def test_a_problem_names_the_request_it_happened_in(client: httpx.Client) -> None:
    answer = client.get("/v1/documents/none", headers={"X-Request-Id": "request-0001"})

    assert answer.json()["request_id"] == answer.headers["x-request-id"] == "request-0001"


# Guarded


@pytest.mark.parametrize("path", ["/", "/livez", "/v1/me", "/v1/documents/none", "/no/such/page"])
def test_every_answer_has_the_security_headers(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'")
    assert "unsafe" not in policy


def test_the_page_and_all_that_it_loads_come_from_here(client: httpx.Client) -> None:
    page = client.get("/")

    assert page.headers["content-type"].startswith("text/html")
    own = re.findall(r'(?:src|href)="([^"#]+)"', page.text)
    assert own
    for path in own:
        assert not path.startswith(("http:", "https:", "//"))
        assert client.get(path).status_code == 200, path


@pytest.mark.parametrize("path", ["/../settings.py", "/%2e%2e/settings.py", "/js/..%2f..%2fapi.py"])
def test_nothing_beside_the_page_is_served(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 404


def test_the_contract_is_served_without_a_page_that_loads_scripts(client: httpx.Client) -> None:
    assert client.get("/openapi.json").json()["info"]["title"] == "Cairn"
    assert client.get("/docs").status_code == client.get("/redoc").status_code == 404


def metrics(client: httpx.Client) -> str:
    return client.get("/metrics").text


def total(page: str, name: str, *labels: str) -> float:
    """The sum of a metric's lines that carry these labels."""
    lines = [line for line in page.splitlines() if re.match(rf"{name}(\{{| )", line)]
    return sum(
        float(line.rpartition(" ")[2]) for line in lines if all(label in line for label in labels)
    )
