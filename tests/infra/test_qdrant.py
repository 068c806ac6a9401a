"""The index over either engine: how it fails, what it refuses, and filters against a plain model."""

from __future__ import annotations

import asyncio
import inspect
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qdrant_client.common import client_exceptions
from qdrant_client.http import exceptions

from infra.bm25 import Bm25
from infra.qdrant import CLIENT_ERRORS, QdrantIndex, open_qdrant
from infra.qdrant_edge import EdgeFailure
from retrieval.index import (
    AnyOf,
    Between,
    Condition,
    DocumentRef,
    Equals,
    IndexUnavailable,
    Query,
    Scope,
)
from tests.contracts.chunk_store import (
    ANN,
    IDENTITY,
    document,
    entry,
    folder_in_memory,
    question,
    toward,
)

CALLS: dict[str, Callable[[QdrantIndex], Awaitable[object]]] = {
    "search": lambda index: index.search(ANN, question(), 5),
    "put": lambda index: index.put([entry(document())]),
    "vectors": lambda index: index.vectors("ann", "tea", 1),
    "count": lambda index: index.count("ann", "tea"),
    "remove": lambda index: index.remove("ann", "tea"),
    "holdings": lambda index: index.holdings(),
    "scan": lambda index: anext(index.scan()),
    "ping": lambda index: index.ping(),
}

FAILURES = [
    exceptions.UnexpectedResponse(500, "Internal Server Error", b"", {}),  # type: ignore[arg-type]
    exceptions.ResponseHandlingException(ConnectionRefusedError()),
    client_exceptions.ResourceExhaustedResponse("slow down", 1),
    EdgeFailure("no space left on device"),
    TimeoutError(),
    ConnectionResetError(),
]


class Failing:
    """A client whose every call raises this error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, _name: str) -> Any:
        async def call(*_args: object, **_options: object) -> None:
            raise self._error

        return call


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("method", CALLS)
async def test_every_failure_of_every_call_is_translated_and_chained(
    method: str, error: Exception
) -> None:
    client: Any = Failing(error)

    with pytest.raises(IndexUnavailable) as failure:
        await CALLS[method](QdrantIndex(client, "cairn", Bm25()))

    assert failure.value.__cause__ is error


def test_the_calls_above_are_all_that_the_index_has() -> None:
    public = {name for name in vars(QdrantIndex) if not name.startswith("_")}

    assert public == CALLS.keys()


@pytest.mark.parametrize("module", [exceptions, client_exceptions])
def test_no_error_of_the_client_is_forgotten(module: object) -> None:
    own = [
        error
        for _, error in inspect.getmembers(module, inspect.isclass)
        if issubclass(error, Exception)
    ]

    assert own
    assert all(issubclass(error, CLIENT_ERRORS) for error in own)


async def test_an_unknown_address_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ValueError, match=r"'qdrant://host'.*edge.*http.*https"):
        async with open_qdrant("qdrant://host", "cairn", IDENTITY):
            pass


async def test_a_range_from_a_date_to_a_number_is_refused(tmp_path: Path) -> None:
    where = (Between("year", datetime(2025, 1, 1, tzinfo=UTC), 2026),)

    async with open_qdrant(f"edge://{tmp_path}", "cairn", IDENTITY) as index:
        with pytest.raises(ValueError, match="2026"):
            await index.search(ANN, question(where=where), 5)


# Random filters against a plain reading of the same conditions

Where = tuple[Condition, ...]

TENANTS = st.sampled_from(["ann", "bob"])
GROUPS = st.frozensets(st.sampled_from(["people", "board", "everyone"]))
FIELDS = st.sampled_from(["team", "year", "date", "a.b", 'x"[]'])
DAYS = st.integers(0, 5).map(lambda days: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days))
WORDS = st.sampled_from(["people", "2025", "true", "2025-01-03", ""])
NUMBERS = st.integers(-2, 2) | st.sampled_from([0.5, 1.0, -2.0])
TUPLES = st.lists(WORDS, max_size=3).map(tuple)
VALUES = WORDS | NUMBERS | st.booleans() | DAYS.map(datetime.isoformat) | TUPLES
BETWEEN = st.builds(
    Between, FIELDS, NUMBERS.map(float), st.none() | NUMBERS.map(float)
) | st.builds(Between, FIELDS, st.none() | DAYS, DAYS)
CONDITIONS = (
    st.builds(Equals, FIELDS, WORDS | NUMBERS | st.booleans())
    | st.builds(AnyOf, FIELDS, TUPLES | st.lists(st.integers(-2, 2), max_size=3).map(tuple))
    | BETWEEN
)
METADATA = st.dictionaries(FIELDS, VALUES, max_size=4)
DOCUMENTS = st.lists(st.tuples(TENANTS, GROUPS.map(tuple), METADATA), min_size=1, max_size=12).map(
    lambda rows: [
        document(str(number), tenant=tenant, groups=groups, metadata=metadata)
        for number, (tenant, groups, metadata) in enumerate(rows)
    ]
)
QUESTIONS = st.lists(
    st.tuples(st.builds(Scope, TENANTS, GROUPS), st.lists(CONDITIONS, max_size=2).map(tuple)),
    min_size=1,
    max_size=8,
)


def test_random_filters_find_what_a_plain_reading_of_them_finds() -> None:
    examples = itertools.count()

    @settings(max_examples=50, deadline=None)
    @given(documents=DOCUMENTS, questions=QUESTIONS)
    def compare(documents: list[DocumentRef], questions: list[tuple[Scope, Where]]) -> None:
        example = next(examples)
        written = [of_example(example, one) for one in documents]
        runner.run(index.put([entry(one) for one in written]))

        for asked, where in questions:
            scope = of_example(example, asked)
            hits = runner.run(index.search(scope, Query("tea", toward(1), where), 50))
            expected = [one for one in written if readable(scope, where, one)]
            assert {hit.passage.document.document_id for hit in hits} == {
                one.document_id for one in expected
            }, (scope, where)

    with folder_in_memory() as folder, asyncio.Runner() as runner:
        opening = open_qdrant(f"edge://{folder}", "cairn", IDENTITY)
        index = runner.run(opening.__aenter__())
        compare()
        runner.run(opening.__aexit__(None, None, None))


Of = TypeVar("Of", DocumentRef, Scope)


def of_example(example: int, of: Of) -> Of:
    """Its own tenants, so that examples share one index without seeing each other."""
    return replace(of, tenant=f"{of.tenant} {example}")


def readable(scope: Scope, where: Where, of: DocumentRef) -> bool:
    if of.tenant != scope.tenant or (of.groups and not of.groups & scope.groups):
        return False
    return all(holds(condition, of.metadata.get(condition.field)) for condition in where)


def holds(condition: Condition, stored: object) -> bool:
    values = stored if isinstance(stored, tuple) else (stored,)
    match condition:
        case Equals(_, value):
            return any(equal(one, value) for one in values)
        case AnyOf(_, wanted):
            return any(equal(one, value) for one in values for value in wanted)
        case Between(_, low, high):
            dated = isinstance(low if high is None else high, datetime)
            return any(lies(moment(one) if dated else one, low, high) for one in values)


def equal(stored: object, wanted: object) -> bool:
    """Python takes True for 1; a reader does not."""
    return stored == wanted and isinstance(stored, bool) == isinstance(wanted, bool)


def lies(value: Any, low: Any, high: Any) -> bool:
    if isinstance(value, bool | str | None):
        return False
    return (low is None or low <= value) and (high is None or value <= high)


def moment(stored: object) -> datetime | None:
    try:
        read = datetime.fromisoformat(str(stored))
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)
