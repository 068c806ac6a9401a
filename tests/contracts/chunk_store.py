"""What every `ChunkStore` must do. Each adapter's tests subclass this and say how to open one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from retrieval.index import (
    AnyOf,
    Between,
    Chunk,
    ChunkStore,
    Condition,
    DocumentRef,
    EmbedderIdentity,
    Entry,
    Equals,
    Fusion,
    Hit,
    Holding,
    IndexMismatch,
    Metadata,
    Mode,
    Passage,
    Query,
    Scope,
    Vector,
)

IDENTITY = EmbedderIdentity("made-by-hand", 4, 256)
ANN = Scope("ann")

OpenStore = Callable[[EmbedderIdentity], AbstractAsyncContextManager[ChunkStore]]
"""Opens the same data each time it is called within one test."""


@contextmanager
def folder_in_memory() -> Iterator[Path]:
    """Where the system has one: the contract is not about the disk, and each write waits for it."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


def toward(*direction: float) -> Vector:
    """A unit vector of the four dimensions made by hand."""
    vector = np.zeros(IDENTITY.dimension, np.float32)
    vector[: len(direction)] = direction
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def document(
    document_id: str = "tea",
    *,
    tenant: str = "ann",
    version: int = 1,
    groups: tuple[str, ...] = (),
    metadata: Metadata | None = None,
) -> DocumentRef:
    return DocumentRef(
        tenant=tenant,
        document_id=document_id,
        version=version,
        name=f"{document_id}.pdf",
        title=document_id.title(),
        groups=frozenset(groups),
        metadata=metadata or {},
    )


def entry(
    of: DocumentRef,
    text: str = "green tea",
    ordinal: int = 0,
    *,
    vector: Vector | None = None,
    language: str = "en",
) -> Entry:
    chunk = Chunk(text, start=0, end=len(text), ordinal=ordinal, language=language)
    towards = toward(1) if vector is None else vector
    return Entry(of, chunk, fingerprint=f"sha of {text}", vector=towards)


def question(
    text: str = "green tea",
    *,
    vector: Vector | None = None,
    where: tuple[Condition, ...] = (),
    documents: frozenset[str] = frozenset(),
    mode: Mode = "hybrid",
    fusion: Fusion = "dbsf",
    language: str = "en",
) -> Query:
    towards = toward(1) if vector is None else vector
    return Query(text, towards, where, documents, mode, fusion, language=language)


ODD = 'odd "key".with [50%] \\ everything'

LIBRARY: dict[str, Metadata] = {
    "a": {"team": "people", "year": 2024, "draft": True, "tags": ("blue",), "date": "2024-06-30"},
    "b": {"team": "legal", "year": 2024.0, "draft": False, "tags": ("red", "blue")},
    "c": {"year": 2025, "date": "2025-01-01T10:00:00+02:00", ODD: "x"},
    "d": {"date": "2025-01-01"},
}

CONDITIONS: list[tuple[Condition, set[str]]] = [
    (Equals("team", "people"), {"a"}),
    (Equals("team", "peo"), set()),
    (Equals("year", 2024), {"a", "b"}),
    (Equals("year", 2025.0), {"c"}),
    (Equals("year", "2025"), set()),
    (Equals("draft", True), {"a"}),
    (Equals("draft", False), {"b"}),
    (Equals("draft", "true"), set()),
    (Equals("tags", "blue"), {"a", "b"}),
    (Equals("missing", 1), set()),
    (Equals(ODD, "x"), {"c"}),
    (AnyOf("team", ("people", "legal")), {"a", "b"}),
    (AnyOf("year", (2023, 2025)), {"c"}),
    (AnyOf("tags", ("red",)), {"b"}),
    (AnyOf("team", ()), set()),
    (Between("year", 2024.5, 2026), {"c"}),
    (Between("year", at_most=2024), {"a", "b"}),
    (Between("year", at_least=2024), {"a", "b", "c"}),
    (Between("date", datetime(2025, 1, 1, tzinfo=UTC)), {"c", "d"}),
    (Between("date", at_most=datetime(2025, 1, 1)), {"a", "d"}),  # noqa: DTZ001
    (Between("team", 0, 10), set()),
]


def names(hits: list[Hit]) -> list[str]:
    return [hit.passage.document.document_id for hit in hits]


class ChunkStoreContract:
    @pytest.fixture
    def open_store(self) -> OpenStore:
        raise NotImplementedError

    @pytest.fixture
    async def store(self, open_store: OpenStore) -> AsyncIterator[ChunkStore]:
        async with open_store(IDENTITY) as store:
            yield store

    # Who sees what

    @pytest.mark.parametrize("mode", ["hybrid", "dense", "sparse"])
    async def test_a_tenant_sees_nothing_of_another(self, store: ChunkStore, mode: Mode) -> None:
        await store.put([entry(document("hers", tenant="ann")), entry(document(tenant="bob"))])

        hits = await store.search(ANN, question(mode=mode), 10)

        assert names(hits) == ["hers"]

    @pytest.mark.parametrize("mode", ["hybrid", "dense", "sparse"])
    async def test_a_document_with_an_access_list_is_seen_by_members_of_one_of_its_groups(
        self, store: ChunkStore, mode: Mode
    ) -> None:
        await store.put([entry(document(groups=("people", "board")))])

        member = await store.search(
            Scope("ann", frozenset({"board", "tea"})), question(mode=mode), 5
        )
        stranger = await store.search(Scope("ann", frozenset({"tea"})), question(mode=mode), 5)
        nobody = await store.search(ANN, question(mode=mode), 5)

        assert names(member) == ["tea"]
        assert stranger == nobody == []

    async def test_a_document_without_an_access_list_is_seen_by_the_whole_tenant(
        self, store: ChunkStore
    ) -> None:
        await store.put([entry(document())])

        assert names(await store.search(ANN, question(), 5)) == ["tea"]
        assert names(await store.search(Scope("ann", frozenset({"board"})), question(), 5)) == [
            "tea"
        ]

    @pytest.mark.parametrize("group", ["everyone", "public", "*", ""])
    async def test_no_name_of_a_group_opens_it_to_everyone(
        self, store: ChunkStore, group: str
    ) -> None:
        await store.put([entry(document(groups=(group,)))])

        assert await store.search(ANN, question(), 5) == []

    async def test_the_texts_of_one_tenant_do_not_change_the_scores_of_another(
        self, store: ChunkStore
    ) -> None:
        await store.put([entry(document(), "green tea"), entry(document(), "black coffee", 1)])
        before = await store.search(ANN, question("green tea", mode="sparse"), 5)

        crowd = [entry(document(tenant="bob"), f"green harvest {i}", i) for i in range(50)]
        await store.put(crowd)

        after = await store.search(ANN, question("green tea", mode="sparse"), 5)
        assert [hit.score for hit in after] == pytest.approx([hit.score for hit in before])

    # What is found

    async def test_words_and_meaning_both_find(self, store: ChunkStore) -> None:
        by_word = entry(document("word"), "the zephyr clause", vector=toward(0, 1))
        by_meaning = entry(document("meaning"), "a soft western wind", vector=toward(1, 0.1))
        neither = entry(document("neither"), "payroll", vector=toward(0, 0, 1))
        await store.put([by_word, by_meaning, neither])

        hybrid = await store.search(ANN, question("zephyr"), 2)
        dense = await store.search(ANN, question("zephyr", mode="dense"), 1)
        sparse = await store.search(ANN, question("zephyr", mode="sparse"), 3)

        assert set(names(hybrid)) == {"word", "meaning"}
        assert names(dense) == ["meaning"]
        assert names(sparse) == ["word"]

    @pytest.mark.parametrize("fusion", ["dbsf", "rrf"])
    async def test_what_both_sides_find_comes_first(
        self, store: ChunkStore, fusion: Fusion
    ) -> None:
        both = entry(document("both"), "green tea", vector=toward(1))
        words = entry(document("words"), "green tea leaves of spring", vector=toward(0, 1))
        meaning = entry(document("meaning"), "a hot drink", vector=toward(1, 0.5))
        await store.put([words, meaning, both])

        hits = await store.search(ANN, question(fusion=fusion), 3)

        assert names(hits)[0] == "both"

    async def test_words_are_stemmed_in_the_language_of_the_text(self, store: ChunkStore) -> None:
        german = entry(document("haus"), "Häuser am See", vector=toward(0, 1), language="de")
        english = entry(document("house"), "houses by the lake", vector=toward(0, 1))
        await store.put([german, english])

        in_german = await store.search(ANN, question("Haus", mode="sparse", language="de"), 5)
        in_english = await store.search(ANN, question("house", mode="sparse"), 5)

        assert names(in_german) == ["haus"]
        assert names(in_english) == ["house"]

    async def test_a_question_of_stop_words_finds_by_meaning(self, store: ChunkStore) -> None:
        await store.put([entry(document())])

        assert names(await store.search(ANN, question("what is the"), 5)) == ["tea"]
        assert await store.search(ANN, question("what is the", mode="sparse"), 5) == []

    async def test_only_the_documents_asked_for_are_searched(self, store: ChunkStore) -> None:
        await store.put([entry(document(name)) for name in ("one", "two", "three")])

        hits = await store.search(ANN, question(documents=frozenset({"one", "three", "gone"})), 5)

        assert sorted(names(hits)) == ["one", "three"]

    async def test_naming_another_tenants_document_does_not_show_it(
        self, store: ChunkStore
    ) -> None:
        await store.put([entry(document("theirs", tenant="bob"))])

        assert await store.search(ANN, question(documents=frozenset({"theirs"})), 5) == []

    async def test_a_condition_on_metadata_chooses_documents(self, store: ChunkStore) -> None:
        for name, metadata in LIBRARY.items():
            await store.put([entry(document(name, metadata=metadata))])

        found = {
            condition: set(names(await store.search(ANN, question(where=(condition,)), 5)))
            for condition, _ in CONDITIONS
        }

        assert found == dict(CONDITIONS)

    async def test_all_conditions_must_hold(self, store: ChunkStore) -> None:
        await store.put([entry(document("a", metadata={"team": "people", "year": 2024}))])
        await store.put([entry(document("b", metadata={"team": "people", "year": 2025}))])
        where = (Equals("team", "people"), Between("year", at_least=2025))

        assert names(await store.search(ANN, question(where=where), 5)) == ["b"]

    # In which order, with which scores

    @pytest.mark.parametrize("mode", ["hybrid", "dense", "sparse"])
    async def test_the_best_come_first_and_no_more_than_asked_for(
        self, store: ChunkStore, mode: Mode
    ) -> None:
        texts = ["green tea", "green tea and much else to drink", "green grass"]
        vectors = [toward(1), toward(1, 1), toward(1, 4)]
        for number, (text, vector) in enumerate(zip(texts, vectors, strict=True)):
            await store.put([entry(document(str(number)), text, vector=vector)])

        three = await store.search(ANN, question(mode=mode), 10)
        two = await store.search(ANN, question(mode=mode), 2)

        assert names(three) == ["0", "1", "2"]
        assert names(two) == ["0", "1"]
        assert all(first.score > second.score for first, second in pairwise(three))

    @pytest.mark.parametrize("mode", ["hybrid", "dense", "sparse"])
    async def test_similarity_is_the_cosine_however_the_passage_was_found(
        self, store: ChunkStore, mode: Mode
    ) -> None:
        for name, cosine in (("same", 1.0), ("near", 0.6), ("against", -1.0)):
            vector = toward(cosine, (1 - cosine**2) ** 0.5)
            await store.put([entry(document(name), vector=vector)])

        hits = await store.search(ANN, question(mode=mode), 5)

        found = {hit.passage.document.document_id: hit.similarity for hit in hits}
        assert found == pytest.approx({"same": 1.0, "near": 0.6, "against": -1.0}, abs=1e-5)

    @pytest.mark.parametrize("mode", ["hybrid", "dense", "sparse"])
    async def test_equals_come_in_the_order_of_their_ids(
        self, store: ChunkStore, mode: Mode
    ) -> None:
        equals = [entry(document(f"copy-{number}")) for number in range(10)]
        await store.put(equals)
        expected = [one.document for one in sorted(equals, key=lambda one: one.id)]

        for limit in (3, 10):
            hits = await store.search(ANN, question(mode=mode), limit)
            assert [hit.passage.document for hit in hits] == expected[:limit]

    async def test_a_passage_comes_back_as_it_was_written(self, store: ChunkStore) -> None:
        about: Metadata = {"on": True, "off": False, "n": 7, "tags": ("a", "b"), ODD: "50%25"}
        chunk = Chunk("Grüner Tee 🍵", 120, 132, 3, ("Tea", "Kinds"), page=2, language="de")
        written = Entry(document(groups=("people",), metadata=about), chunk, "sha", toward(1))
        await store.put([written])

        (hit,) = await store.search(Scope("ann", frozenset({"people"})), question(), 1)

        assert hit.passage.document == written.document
        assert hit.passage.chunk == chunk

    # What the writer does

    async def test_writing_a_chunk_again_overwrites_it(self, store: ChunkStore) -> None:
        await store.put([entry(document(), "green tea")])
        await store.put([entry(document(), "black tea")])

        (hit,) = await store.search(ANN, question(), 5)

        assert hit.passage.chunk.text == "black tea"
        assert await store.count("ann", "tea") == 1

    async def test_more_chunks_than_one_batch_are_all_written(self, store: ChunkStore) -> None:
        await store.put([entry(document(), f"leaf {number}", number) for number in range(300)])

        assert await store.count("ann", "tea", 1) == 300
        assert len(await store.vectors("ann", "tea", 1)) == 300

    async def test_two_versions_stand_side_by_side_until_one_is_removed(
        self, store: ChunkStore
    ) -> None:
        old, new = document(version=1), document(version=2)
        await store.put([entry(old, "old", 0), entry(old, "older", 1), entry(new, "new", 0)])

        removed = await store.remove("ann", "tea", 1)

        assert removed == 2
        assert await store.count("ann", "tea", 1) == 0
        assert await store.count("ann", "tea") == await store.count("ann", "tea", 2) == 1
        (hit,) = await store.search(ANN, question(), 5)
        assert hit.passage.document == new

    async def test_removing_a_document_leaves_all_others(self, store: ChunkStore) -> None:
        await store.put([entry(document(version=1)), entry(document(version=2))])
        await store.put([entry(document("coffee")), entry(document(tenant="bob"))])

        assert await store.remove("ann", "tea") == 2
        assert await store.remove("ann", "tea") == 0
        assert await store.count("ann", "coffee") == await store.count("bob", "tea") == 1

    async def test_the_vectors_of_a_version_are_known_by_fingerprint(
        self, store: ChunkStore
    ) -> None:
        await store.put([entry(document(), "a", 0, vector=toward(3, 4))])
        await store.put([entry(document(), "b", 1), entry(document(version=2), "c")])
        await store.put([entry(document(tenant="bob"), "d")])

        vectors = await store.vectors("ann", "tea", 1)

        assert vectors.keys() == {"sha of a", "sha of b"}
        np.testing.assert_allclose(vectors["sha of a"], [0.6, 0.8, 0, 0], atol=1e-6)
        assert vectors["sha of a"].dtype == np.float32

    async def test_holdings_count_the_chunks_of_every_version_of_every_tenant(
        self, store: ChunkStore
    ) -> None:
        await store.put([entry(document(), "a", 0), entry(document(), "b", 1)])
        await store.put([entry(document(version=2)), entry(document('a|b "c"', tenant="bob"))])

        holdings = await store.holdings()

        assert sorted(holdings, key=lambda holding: (holding.tenant, holding.version)) == [
            Holding("ann", "tea", 1, 2),
            Holding("ann", "tea", 2, 1),
            Holding("bob", 'a|b "c"', 1, 1),
        ]

    async def test_a_scan_gives_every_point_of_every_tenant_once(self, store: ChunkStore) -> None:
        many = [entry(document(), f"leaf {number}", number) for number in range(300)]
        others = [entry(document(version=2), "new"), entry(document(tenant="bob"), "bob's")]
        await store.put([*many, *others])

        scanned = [passage async for passage in store.scan()]

        def place(passage: Passage) -> tuple[str, int, int]:
            return passage.document.tenant, passage.document.version, passage.chunk.ordinal

        expected = [Passage(one.document, one.chunk) for one in (*many, *others)]
        assert sorted(scanned, key=place) == sorted(expected, key=place)

    async def test_an_empty_store_answers(self, store: ChunkStore) -> None:
        await store.put([])

        assert await store.search(ANN, question(), 5) == []
        assert await store.vectors("ann", "tea", 1) == {}
        assert await store.holdings() == []
        assert [passage async for passage in store.scan()] == []
        assert await store.remove("ann", "tea") == 0

    async def test_a_vector_that_is_not_finite_is_refused(self, store: ChunkStore) -> None:
        broken = toward(1) * np.float32("nan")

        with pytest.raises(ValueError, match=r"chunk 0 of 'tea\.pdf'"):
            await store.put([entry(document(), vector=broken)])

        assert await store.count("ann", "tea") == 0

    # What stays

    async def test_what_was_written_is_there_after_reopening(self, open_store: OpenStore) -> None:
        async with open_store(IDENTITY) as store:
            await store.put([entry(document()), entry(document(), "gone", 1)])
            await store.put([entry(document("coffee"))])
            await store.remove("ann", "coffee")

        async with open_store(IDENTITY) as store:
            assert await store.count("ann", "tea") == 2
            assert await store.count("ann", "coffee") == 0
            assert names(await store.search(ANN, question("gone", mode="sparse"), 5)) == ["tea"]

    @pytest.mark.parametrize("change", [{"name": "other"}, {"dimension": 8}, {"window_tokens": 64}])
    async def test_another_embedder_is_refused_and_both_are_named(
        self, open_store: OpenStore, change: dict[str, str | int]
    ) -> None:
        other = replace(IDENTITY, **change)  # type: ignore[arg-type]
        async with open_store(IDENTITY):
            pass

        with pytest.raises(IndexMismatch) as refusal:
            async with open_store(other):
                pass

        assert "made-by-hand (4 dimensions, 256 tokens)" in str(refusal.value)
        assert f"{other.name} ({other.dimension} dimensions" in str(refusal.value)

    async def test_ping_says_what_answers_and_how_much_it_holds(self, store: ChunkStore) -> None:
        await store.put([entry(document())])

        assert "1 chunk" in await store.ping()
