"""Who may do what: every route, every role, and nobody without a key beyond loopback."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.api import create_app
from app.auth import ROLES
from app.settings import Settings
from infra.records.database import open_database
from infra.records.keys import SqlKeys
from tests.conftest import running

NOBODY = "0" * 32
ROUTES: dict[tuple[str, str], str | None] = {
    ("GET", "/livez"): None,
    ("GET", "/readyz"): None,
    ("GET", "/metrics"): None,
    ("GET", "/v1/me"): "reader",
    ("GET", "/v1/doctor"): "engineer",
    ("GET", "/v1/check"): "engineer",
    ("POST", "/v1/check/repair"): "admin",
    ("POST", "/v1/ask"): "reader",
    ("POST", "/v1/chat/completions"): "reader",
    ("GET", "/v1/models"): "reader",
    ("GET", "/v1/documents"): "reader",
    ("GET", "/v1/documents/{document_id}"): "reader",
    ("GET", "/v1/documents/{document_id}/content"): "reader",
    ("GET", "/v1/documents/{document_id}/chunks"): "reader",
    ("GET", "/v1/documents/{document_id}/original"): "reader",
    ("PUT", "/v1/documents/{name}"): "editor",
    ("POST", "/v1/documents"): "editor",
    ("POST", "/v1/documents/{document_id}/retry"): "editor",
    ("POST", "/v1/documents/{document_id}/cancel"): "editor",
    ("POST", "/v1/documents/{document_id}/versions/{version}/restore"): "editor",
    ("POST", "/v1/documents/retry"): "editor",
    ("GET", "/v1/queue"): "reader",
    ("DELETE", "/v1/documents/{document_id}"): "editor",
    ("GET", "/v1/traces"): "engineer",
    ("GET", "/v1/traces/{trace_id}"): "engineer",
    ("POST", "/v1/feedback"): "reader",
}
"""The least role for each route; None: open to all. A new route fails the first test below."""


def test_every_route_stands_in_the_matrix() -> None:
    paths = create_app(Settings()).openapi()["paths"]

    there = {(method.upper(), path) for path, methods in paths.items() for method in methods}

    assert there == set(ROUTES)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[str]:
    """A service that believes it listens beyond this machine."""
    data = tmp_path_factory.mktemp("guarded")
    (data / "models").symlink_to(models)
    with running(Settings(data=data, host="0.0.0.0")) as url:
        yield url


@pytest.fixture(scope="module")
def data(guarded: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return next(tmp_path_factory.getbasetemp().glob("guarded*"))


@pytest.fixture(scope="module")
def keys(data: Path) -> dict[str, str]:
    """A key for each role."""

    async def make() -> dict[str, str]:
        async with open_database(f"sqlite+aiosqlite:///{data}/cairn.sqlite", migrate=True) as db:
            keys = SqlKeys(db)
            made = {role: await keys.create("acme", role, role, frozenset()) for role in ROLES}
            made["other"] = await keys.create("globex", "other", "admin", frozenset())
            made["board"] = await keys.create("acme", "board", "editor", frozenset({"board"}))
            made["expired"] = await keys.create("acme", "old", "admin", frozenset(), 1.0)
            return {name: text for name, (_, text) in made.items()}

    return asyncio.run(make())


def call(url: str, route: tuple[str, str], key: str | None) -> httpx.Response:
    method, path = route
    path = re.sub(r"\{[^}]*\}", NOBODY, path)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with httpx.Client(base_url=url, trust_env=False, headers=headers) as client:
        return client.request(method, path)


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
def test_without_a_key_only_the_open_routes_answer(guarded: str, route: tuple[str, str]) -> None:
    status = call(guarded, route, None).status_code

    assert (status == 401) is (ROUTES[route] is not None)


@pytest.mark.parametrize("route", [r for r in ROUTES if ROUTES[r]], ids=" ".join)
def test_a_role_may_do_exactly_what_it_and_those_below_it_may(
    guarded: str, keys: dict[str, str], route: tuple[str, str]
) -> None:
    least = str(ROUTES[route])
    for role in ROLES:
        answer = call(guarded, route, keys[role])

        allowed = ROLES.index(role) >= ROLES.index(least)  # type: ignore[arg-type]
        assert (answer.status_code != 403) is allowed, (role, answer.text)
        assert answer.status_code != 401


def test_on_loopback_a_filler_in_place_of_a_key_is_nobodys_key(client: httpx.Client) -> None:
    answer = client.get("/v1/me", headers={"Authorization": "Bearer none"})

    assert answer.json()["key"] is None


@pytest.mark.parametrize("key", ["nonsense", "cairn_000000000000_" + "a" * 43])
def test_a_key_that_is_none_is_refused(guarded: str, key: str) -> None:
    answer = call(guarded, ("GET", "/v1/me"), key)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


def test_an_expired_key_is_refused(guarded: str, keys: dict[str, str]) -> None:
    assert call(guarded, ("GET", "/v1/me"), keys["expired"]).status_code == 401


def test_a_revoked_key_is_refused_from_then_on(guarded: str, data: Path) -> None:
    async def make_and_revoke() -> str:
        async with open_database(f"sqlite+aiosqlite:///{data}/cairn.sqlite", migrate=True) as db:
            key, text = await SqlKeys(db).create("acme", "gone", "admin", frozenset())
            await SqlKeys(db).revoke(key.id)
            return text

    assert call(guarded, ("GET", "/v1/me"), asyncio.run(make_and_revoke())).status_code == 401


def test_what_one_tenant_uploads_no_other_sees(guarded: str, keys: dict[str, str]) -> None:
    document = _upload(guarded, keys["editor"], "orchids.txt", "Orchids need bright shade.")

    for path in ("", "/content", "/chunks", "/original"):
        url = f"{guarded}/v1/documents/{document}{path}"
        assert _get(url, keys["other"]).status_code == 404
    assert _ask(guarded, keys["other"], "What do orchids need?")["sources"] == []
    assert _ask(guarded, keys["editor"], "What do orchids need?")["sources"] != []


def test_what_is_for_a_group_only_its_members_see(guarded: str, keys: dict[str, str]) -> None:
    document = _upload(guarded, keys["board"], "minutes.txt", "The merger is on Friday.", "board")

    assert _get(f"{guarded}/v1/documents/{document}", keys["admin"]).status_code == 404
    assert _ask(guarded, keys["admin"], "When is the merger?")["refused"]
    assert "Friday" in _ask(guarded, keys["board"], "When is the merger?")["answer"]


def test_on_loopback_nobody_needs_a_key(client: httpx.Client) -> None:
    me = client.get("/v1/me").json()

    assert (me["tenant"], me["role"], me["key"]) == ("local", "admin", None)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "cairn.example.com"},
        {"Origin": "https://evil.example.com"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "null"},
    ],
)
def test_a_foreign_page_cannot_pose_as_the_user_of_this_machine(
    client: httpx.Client, headers: dict[str, str]
) -> None:
    assert client.get("/v1/me", headers=headers).status_code == 401


def test_a_wrong_key_is_refused_on_loopback_too(client: httpx.Client) -> None:
    answer = client.get("/v1/me", headers={"Authorization": "Bearer cairn_nonsense"})

    assert answer.status_code == 401


def _upload(url: str, key: str, name: str, text: str, group: str | None = None) -> str:
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=url, headers=headers, trust_env=False) as client:
        params = {"groups": group} if group else {}
        put = client.put(f"/v1/documents/{name}", content=text.encode(), params=params)
        assert put.status_code == 202, put.text
        document_id = str(put.json()["id"])
        while client.get(f"/v1/documents/{document_id}").json()["status"] != "ready":
            pass
        return document_id


def _get(url: str, key: str) -> httpx.Response:
    return httpx.get(url, headers={"Authorization": f"Bearer {key}"}, trust_env=False)


def _ask(url: str, key: str, question: str) -> dict[str, object]:
    headers = {"Authorization": f"Bearer {key}"}
    answer = httpx.post(
        f"{url}/v1/ask", json={"question": question}, headers=headers, trust_env=False
    )
    whole: dict[str, object] = answer.json()
    return whole
