"""What is added, updated, removed and left alone, for every state that source and documents can have."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from ingestion.sync import Held, Item, Known, Listing, Plan, Seen, Wanted, plan, to_look_at

HERE = Wanted("file://here/docs", "hb/", frozenset({"people"}), {"team": "people"})
PERSONS: Mapping[str, object] = {"team": "people"}


def items(*names: str) -> Listing:
    return Listing(tuple(Item(f"/{name}", name, "1") for name in names))


def document(
    name: str,
    sha256: str = "a",
    metadata: Mapping[str, object] = HERE.labels,
    groups: frozenset[str] = HERE.groups,
) -> Known:
    return Known(f"id of {name}", name, sha256, groups, metadata)


def planned(
    listing: Listing, *documents: Known, wanted: Wanted = HERE, adopt: bool = False, **sha256: str
) -> Plan:
    """Every item has the bytes `a`, or those given."""
    looked = {item.name: Seen(item.stamp, sha256.get(item.name, "a")) for item in listing.items}
    return plan(listing, looked, documents, wanted, adopt=adopt)


def test_what_is_new_is_added_and_nothing_of_it_needs_to_be_read_first() -> None:
    listing = items("a", "b")

    todo = plan(listing, {}, [], HERE, adopt=False)

    assert to_look_at(listing, [], HERE.prefix) == []
    assert [item.name for item in todo.add] == ["a", "b"]
    assert (todo.update, todo.remove, todo.unchanged) == ((), (), 0)


def test_only_what_has_a_document_is_looked_at() -> None:
    known = [document("hb/a"), document("b")]

    assert to_look_at(items("a", "b"), known, HERE.prefix) == list(items("a").items)


def test_the_same_bytes_are_no_work() -> None:
    todo = planned(items("a"), document("hb/a"))

    assert todo.work == 0
    assert todo.unchanged == 1


def test_other_bytes_labels_or_groups_are_an_update() -> None:
    others = [
        document("hb/a", sha256="b"),
        document("hb/a", metadata={**HERE.labels, "team": "sales"}),
        document("hb/a", groups=frozenset()),
    ]
    for other in others:
        assert [item.name for item in planned(items("a"), other).update] == ["a"]


def test_what_is_gone_is_removed_by_its_id() -> None:
    todo = planned(items("a"), document("hb/a"), document("hb/b"))

    assert [(gone.name, gone.id) for gone in todo.remove] == [("b", "id of hb/b")]


def test_a_document_of_a_person_is_neither_removed_nor_replaced() -> None:
    by_hand = document("hb/b", sha256="b", metadata=PERSONS)

    gone = planned(items("a"), document("hb/a"), by_hand)
    changed = planned(items("b"), by_hand)

    assert gone.remove == ()
    assert changed.work == 0
    assert "--adopt" in changed.held[0].reason
    assert changed.held[0].fault


def test_a_document_of_a_person_with_the_very_bytes_is_no_trouble() -> None:
    todo = planned(items("a"), document("hb/a", metadata=PERSONS))

    assert (todo.work, todo.held, todo.unchanged) == (0, (), 1)


def test_a_document_of_another_source_is_left_to_it_by_name() -> None:
    other = document("hb/a", sha256="b", metadata={"source": "s3://docs/"})

    todo = planned(items("a"), other)

    assert "'s3://docs/'" in todo.held[0].reason


def test_the_same_source_under_another_prefix_keeps_its_documents() -> None:
    everything = Wanted(HERE.source, "", HERE.groups, HERE.metadata)

    todo = planned(items("a"), document("hb/a"), document("hb/gone"), wanted=everything)

    assert todo.remove == ()
    assert [item.name for item in todo.add] == ["a"]


def test_adopting_takes_over_what_is_in_the_source_and_removes_nothing_else() -> None:
    todo = planned(
        items("a"),
        document("hb/a", metadata=PERSONS),
        document("hb/b", metadata=PERSONS),
        adopt=True,
    )

    assert [item.name for item in todo.update] == ["a"]
    assert todo.remove == ()


def test_what_cannot_be_read_now_stays_as_it_is() -> None:
    listing = Listing(items("a").items, (Held("b", "a link that leads out"),))
    looked = {"a": Held("a", "the disk is tired")}

    todo = plan(listing, looked, [document("hb/a"), document("hb/b")], HERE, adopt=False)

    assert todo.work == 0
    assert [held.name for held in todo.held] == ["b", "a"]


def test_what_went_while_it_was_looked_at_is_gone() -> None:
    todo = plan(items("a"), {"a": None}, [document("hb/a")], HERE, adopt=False)

    assert [gone.name for gone in todo.remove] == ["a"]
    assert (todo.add, todo.update) == ((), ())


def test_more_than_half_gone_is_drastic_and_half_is_not() -> None:
    two = [document("hb/a"), document("hb/b")]

    assert not planned(items("a"), *two).drastic
    assert planned(items(), *two).drastic
    assert planned(items("a"), *two, document("hb/c"), document("hb/d")).drastic
    assert not planned(items()).drastic


def test_documents_of_others_do_not_make_a_removal_less_drastic() -> None:
    others = [document(f"hb/{number}", metadata=PERSONS) for number in range(9)]

    assert planned(items(), document("hb/a"), *others).drastic


def test_a_persons_metadata_cannot_forge_the_label() -> None:
    forged = Wanted("file://here", "", frozenset(), {"source": "file://there"})

    assert forged.labels["source"] == "file://here"


NAMES = st.sampled_from("abcdef")
HASHES = st.sampled_from("xyz")
OWNERS = st.sampled_from([dict(HERE.labels), dict(PERSONS), {"source": "s3://docs/"}])


@given(
    st.dictionaries(NAMES, HASHES),
    st.dictionaries(NAMES, st.tuples(HASHES, OWNERS)),
    st.booleans(),
)
def test_afterwards_the_documents_equal_the_source_and_others_have_theirs(
    source: dict[str, str], before: dict[str, tuple[str, dict[str, object]]], adopt: bool
) -> None:
    listing = items(*source)
    looked = {name: Seen("1", sha256) for name, sha256 in source.items()}
    documents = [document(f"hb/{name}", *state) for name, state in before.items()]

    todo = plan(listing, looked, documents, HERE, adopt=adopt)
    after = dict(before)
    for gone in todo.remove:
        del after[gone.name]
    for item in (*todo.add, *todo.update):
        after[item.name] = (source[item.name], dict(HERE.labels))

    ours = {name: sha for name, (sha, labels) in after.items() if labels == HERE.labels}
    theirs = {name: state for name, state in before.items() if state[1] != HERE.labels}
    assert ours.items() <= source.items()
    for name, state in theirs.items():
        assert after[name] == state or (adopt and name in source)
    for name, sha256 in source.items():
        assert after[name][0] == sha256 or name in {held.name for held in todo.held}
    again = plan(
        listing,
        looked,
        [document(f"hb/{name}", *state) for name, state in after.items()],
        HERE,
        adopt=adopt,
    )
    assert again.work == 0
