"""Every error of the domain has a row in the table, and no stack trace leaves the service."""

from __future__ import annotations

import importlib
import inspect
import json
import logging
import pkgutil

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

import ingestion
import retrieval
from app.errors import PROBLEMS, handle_errors, problem_of
from app.metrics import Metrics
from app.requests import Requests
from ingestion.documents import DocumentMissing
from retrieval.index import IndexUnavailable

INTERNAL = frozenset({"SourceUnavailable", "ItemUnavailable", "ItemGone"})
"""Errors that never pass through the service: `cairn sync` meets them on its own side."""


def _errors() -> list[type[Exception]]:
    found = []
    for package in (ingestion, retrieval):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            for _, kind in inspect.getmembers(
                importlib.import_module(module.name), inspect.isclass
            ):
                if issubclass(kind, Exception) and kind.__module__ == module.name:
                    found.append(kind)
    return found


@pytest.mark.parametrize("kind", _errors(), ids=lambda kind: kind.__name__)
def test_every_error_of_the_domain_has_a_row(kind: type[Exception]) -> None:
    assert kind in PROBLEMS or kind.__name__ in INTERNAL


def test_the_walk_finds_errors() -> None:
    assert {DocumentMissing, IndexUnavailable} <= set(_errors())


@pytest.fixture
def client() -> TestClient:
    app = FastAPI()
    handle_errors(app)
    app.add_middleware(Requests, metrics=Metrics())

    @app.get("/away")
    async def away() -> None:
        raise IndexUnavailable("The index at edge:///data does not answer.")

    @app.get("/bug")
    async def bug() -> None:
        raise RuntimeError("the secret is 42")

    @app.get("/number")
    async def number(n: int) -> int:
        return n

    return TestClient(app)


def test_a_known_error_becomes_its_problem_with_retry_after(client: TestClient) -> None:
    answer = client.get("/away")

    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["type"] == "urn:cairn:problem:index-unavailable"
    assert answer.json()["detail"] == "The index at edge:///data does not answer."


def test_an_unforeseen_error_tells_the_client_nothing_of_itself(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = client.get("/bug")

    assert answer.status_code == 500
    assert "42" not in answer.text
    assert "Traceback" not in answer.text
    assert "unforeseen error" in caplog.text


def test_a_bad_field_is_named(client: TestClient) -> None:
    answer = client.get("/number", params={"n": "many"})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "n"


def test_a_path_that_does_not_exist_is_a_problem_too(client: TestClient) -> None:
    answer = client.get("/nowhere")

    assert answer.status_code == 404
    assert answer.json()["type"] == "urn:cairn:problem:http-404"


def test_a_subclass_has_the_row_of_what_it_is() -> None:
    class Gone(DocumentMissing):
        """A special case."""

    assert problem_of(Gone("no"))["status"] == 404


def test_a_problem_is_json_through_and_through() -> None:
    assert json.loads(json.dumps(problem_of(DocumentMissing("no"))))["status"] == 404
