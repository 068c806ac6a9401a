"""Clients of the one running service, and documents that are ready to be asked about."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import pytest

READY_S = 30.0
LEAVE = """# Leave

## Annual leave

Everyone at Example Works has 28 days of paid annual leave a year. Leave that is left over on
31 December can be carried over until the end of March.

## Parental leave

Parental leave lasts 14 weeks and is paid in full. It is requested from the people team at least
eight weeks before it begins.
"""
PARKING = """# Parking

The car park behind the workshop has 40 places. A place in the car park costs 15 euros a month, and
is given out by Maria Lindqvist at the reception.
"""


@pytest.fixture
def client(service_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service_url, timeout=30.0, trust_env=False) as client:
        yield client


@pytest.fixture
async def aclient(service_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=service_url, timeout=30.0, trust_env=False) as client:
        yield client


Upload = Callable[..., dict[str, object]]


@pytest.fixture
def upload(client: httpx.Client) -> Upload:
    """Uploads a text and waits until it is ready or failed."""

    def upload(name: str, text: str | bytes, **params: str | list[str]) -> dict[str, object]:
        content = text.encode() if isinstance(text, str) else text
        answer = client.put(f"/v1/documents/{name}", content=content, params=params)
        assert answer.status_code in {200, 202}, answer.text
        return settled(client, answer.json()["id"])

    return upload


def settled(client: httpx.Client, document_id: str) -> dict[str, object]:
    """The document once its newest version is ready or failed."""
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        document: dict[str, object] = client.get(f"/v1/documents/{document_id}").json()
        if document["status"] in {"ready", "failed"}:
            return document
        time.sleep(0.05)
    raise TimeoutError(f"still {document['status']} after {READY_S:g} s")


@pytest.fixture(scope="session")
def handbook(service_url: str) -> dict[str, str]:
    """Two documents that are there for the whole run: their ids by name."""
    with httpx.Client(base_url=service_url, timeout=30.0, trust_env=False) as client:
        ids = {}
        for name, text in (("leave.md", LEAVE), ("parking.md", PARKING)):
            ids[name] = client.put(f"/v1/documents/{name}", content=text.encode()).json()["id"]
            assert settled(client, ids[name])["status"] == "ready"
        return ids
