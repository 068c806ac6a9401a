"""Search gives only what stands now and the asker may see."""

from __future__ import annotations

from dataclasses import replace

from retrieval.index import AnyOf, Equals, Scope
from tests.fakes import shelved
from tests.retrieval.conftest import ANN, RELEASE, Library


async def test_sources_are_numbered_from_one_best_first(library: Library) -> None:
    sources = await library.searcher.find(ANN, "green tea", RELEASE)

    assert [source.number for source in sources] == [1, 2, 3]
    assert sources[0].passage.document.document_id == "tea"
    assert sources[0].similarity > sources[1].similarity


async def test_no_more_than_the_release_says(library: Library) -> None:
    sources = await library.searcher.find(ANN, "green tea", replace(RELEASE, sources=2))

    assert len(sources) == 2


async def test_a_document_deleted_a_moment_ago_is_not_found(library: Library) -> None:
    del library.register.versions["tea"]

    sources = await library.searcher.find(ANN, "green tea", RELEASE)

    assert "tea" not in {source.passage.document.document_id for source in sources}


async def test_only_the_live_version_of_a_replaced_document_is_found(library: Library) -> None:
    await library.add("tea", "Green tea is steeped at 70 degrees.", version=2)

    sources = await library.searcher.find(ANN, "green tea degrees", RELEASE)

    tea = [s.passage for s in sources if s.passage.document.document_id == "tea"]
    assert [passage.document.version for passage in tea] == [2]


async def test_many_stale_chunks_do_not_crowd_out_what_stands(library: Library) -> None:
    for version in range(2, 40):
        await library.add("tea", f"Green tea note {version} green tea", version=version)
    library.register.versions["tea"] = 1

    sources = await library.searcher.find(ANN, "green tea", replace(RELEASE, sources=1))

    assert sources[0].passage.document.version == 1


async def test_the_same_text_in_two_documents_is_one_source(library: Library) -> None:
    original = next(e.chunk.text for e in library.shelf.entries if "Halden" in e.chunk.text)
    await library.add("tea-copy", original.replace(".", "!"))

    sources = await library.searcher.find(ANN, "green tea degrees", RELEASE)

    found = [source.passage.document.document_id for source in sources]
    assert len([each for each in found if each.startswith("tea")]) == 1


async def test_a_closed_document_is_found_by_its_groups_only(library: Library) -> None:
    await shelved(
        library.shelf, library.register, "pay", "Salaries of the board", groups=frozenset({"hr"})
    )

    outsider = await library.searcher.find(ANN, "salaries of the board", RELEASE)
    insider = await library.searcher.find(
        Scope("ann", frozenset({"hr"})), "salaries of the board", RELEASE
    )

    assert "pay" not in {source.passage.document.document_id for source in outsider}
    assert insider[0].passage.document.document_id == "pay"


async def test_conditions_and_chosen_documents_narrow_the_search(library: Library) -> None:
    await shelved(library.shelf, library.register, "old", "Green tea", metadata={"year": 2020})
    where = (Equals("year", 2020), AnyOf("year", (2019, 2020)))

    by_field = await library.searcher.find(ANN, "tea", RELEASE, where=where)
    by_name = await library.searcher.find(ANN, "tea", RELEASE, documents=frozenset({"boots"}))

    assert [source.passage.document.document_id for source in by_field] == ["old"]
    assert [source.passage.document.document_id for source in by_name] == ["boots"]
