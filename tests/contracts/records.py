"""What every `DocumentRecords` must do. Each adapter's tests subclass this and say how to open one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from hashlib import sha256

import pytest

from ingestion.backlog import Loads
from ingestion.documents import (
    Accepted,
    BadCursor,
    Changes,
    Document,
    DocumentMissing,
    DocumentRecords,
    Failure,
    NameTaken,
    NotCancellable,
    NotRestorable,
    NotRetryable,
    Upload,
)
from ingestion.history import History
from ingestion.leases import Claim, Due, LeaseLost, Leases, Readout
from retrieval.index import Metadata, Scope

ANN = Scope("acme", frozenset({"people", "board"}))
BOB = Scope("acme", frozenset({"sales"}))
EVE = Scope("other", frozenset({"people"}))
NOBODY = Scope("acme")

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Store:
    """All sides of one database: what uploaders and readers see, what workers and editors do."""

    records: DocumentRecords
    leases: Leases
    history: History
    loads: Loads

    async def upload(
        self,
        name: str = "tea.txt",
        content: str = "green",
        *,
        scope: Scope = ANN,
        groups: tuple[str, ...] = (),
        metadata: Metadata | None = None,
    ) -> Accepted:
        return await self.records.accept(
            scope,
            Upload(
                name=name,
                sha256=hashed(content),
                size_bytes=len(content),
                media_type="text/plain",
                groups=frozenset(groups),
                metadata=metadata or {},
            ),
        )

    async def claim(self, document: Document, owner: str = "worker", now: float = 0.0) -> Claim:
        due = Due(document.id, document.newest.number, 0)
        claim = await self.leases.claim(due, owner, now or time.time())
        assert claim is not None
        return claim

    async def write(self, claim: Claim, reading: str = "read") -> None:
        """All of a version's work but its publication."""
        now = time.time()
        await self.leases.advance(claim, "parsing", 0, 0, now)
        await self.leases.advance(claim, "chunking", 0, 0, now)
        await self.leases.write_down(claim, Readout(hashed(reading), "Tea", "en", 2, 5, ()), now)
        await self.leases.advance(claim, "embedding", 0, 5, now)
        await self.leases.advance(claim, "indexing", 5, 5, now)

    async def publish(self, document: Document, reading: str = "read") -> None:
        claim = await self.claim(document)
        await self.write(claim, reading)
        await self.leases.publish(claim, 0, time.time())

    async def editions(self, *contents: str) -> Document:
        """A document whose versions were published one after the other; the last one is live."""
        for content in contents:
            document = (await self.upload(content=content)).document
            await self.publish(document, f"read {content}")
        return await self.records.get(ANN, document.id)

    async def fail(self, document: Document, kind: str = "unreadable") -> None:
        claim = await self.claim(document)
        await self.leases.fail(claim, Failure(kind, "It is damaged."), time.time())


OpenStore = Callable[[Clock], AbstractAsyncContextManager[Store]]
"""Opens the same data each time it is called within one test."""


def hashed(content: str) -> str:
    return sha256(content.encode()).hexdigest()


class RecordsContract:
    @pytest.fixture
    def open_store(self) -> OpenStore:
        raise NotImplementedError

    @pytest.fixture
    async def store(self, open_store: OpenStore) -> AsyncIterator[Store]:
        async with open_store(time.time) as store:
            yield store

    # Coming in

    async def test_a_new_upload_waits_as_version_one(self, store: Store) -> None:
        accepted = await store.upload("tea.txt", metadata={"year": 2024, "tags": ("a", "b")})

        document = accepted.document
        assert accepted.work
        assert (document.name, document.newest.number, document.live_version) == (
            "tea.txt",
            1,
            None,
        )
        assert document.newest.status == "queued"
        assert dict(document.metadata) == {"year": 2024, "tags": ("a", "b")}
        assert await store.records.get(ANN, document.id) == document

    async def test_the_same_bytes_again_are_the_same_version_and_no_work(
        self, store: Store
    ) -> None:
        first = await store.upload(metadata={"year": 2024})

        again = await store.upload(metadata={"year": 2024})

        assert again == Accepted(first.document, work=False)

    async def test_the_same_bytes_are_no_work_either_once_they_are_live(self, store: Store) -> None:
        first = await store.upload()
        await store.publish(first.document)

        again = await store.upload()

        assert not again.work
        assert again.document.newest.status == "ready"

    async def test_the_same_bytes_are_work_again_when_they_failed_before(
        self, store: Store
    ) -> None:
        first = await store.upload()
        await store.fail(first.document)

        again = await store.upload()

        assert again.work
        assert (again.document.id, again.document.newest.number) == (first.document.id, 2)
        assert again.document.newest.status == "queued"

    @pytest.mark.parametrize(
        "change",
        [{"groups": ("people",)}, {"metadata": {"year": 2025}}],
        ids=["groups", "metadata"],
    )
    async def test_the_same_bytes_are_a_new_version_when_what_is_said_of_them_changed(
        self, store: Store, change: dict[str, tuple[str, ...]]
    ) -> None:
        await store.upload()

        again = await store.upload(**change)  # type: ignore[arg-type]  # one of the two keywords

        assert again.work
        assert again.document.newest.number == 2

    async def test_other_bytes_take_the_place_of_a_version_that_waits(self, store: Store) -> None:
        first = await store.upload(content="green")

        second = await store.upload(content="black")

        versions = await store.records.versions(ANN, first.document.id)
        assert second.document.id == first.document.id
        assert [(v.number, v.status) for v in versions] == [(2, "queued"), (1, "superseded")]

    async def test_other_bytes_leave_the_live_version_live_until_they_are_ready(
        self, store: Store
    ) -> None:
        first = await store.upload(content="green")
        await store.publish(first.document)

        second = await store.upload(content="black")

        versions = await store.records.versions(ANN, first.document.id)
        assert second.document.live_version == 1
        assert [(v.number, v.status) for v in versions] == [(2, "queued"), (1, "ready")]

    async def test_the_same_name_of_two_tenants_is_two_documents(self, store: Store) -> None:
        hers = await store.upload("tea.txt", scope=ANN)
        theirs = await store.upload("tea.txt", scope=EVE)

        assert hers.document.id != theirs.document.id
        assert hers.document.newest.number == theirs.document.newest.number == 1

    async def test_uploads_of_one_name_at_once_are_numbered_without_a_gap(
        self, store: Store
    ) -> None:
        accepted = await asyncio.gather(*(store.upload(content=f"tea {n}") for n in range(12)))

        document = await store.records.get(ANN, accepted[0].document.id)
        versions = await store.records.versions(ANN, document.id)
        assert {one.document.id for one in accepted} == {document.id}
        assert sorted(one.document.newest.number for one in accepted) == list(range(1, 13))
        assert [v.number for v in versions] == list(range(12, 0, -1))
        assert [v.status for v in versions] == ["queued"] + 11 * ["superseded"]

    async def test_the_same_bytes_many_times_at_once_are_one_version(self, store: Store) -> None:
        accepted = await asyncio.gather(*(store.upload() for _ in range(12)))

        assert sum(one.work for one in accepted) == 1
        assert {(one.document.id, one.document.newest.number) for one in accepted} == {
            (accepted[0].document.id, 1)
        }

    async def test_uploads_and_workers_at_once_do_not_stand_in_each_others_way(
        self, store: Store
    ) -> None:
        document = (await store.upload(content="tea 0")).document

        async def work() -> None:
            for _ in range(6):
                now = await store.records.get(ANN, document.id)
                due = Due(document.id, now.newest.number, now.newest.number)
                await store.leases.claim(due, "worker", time.time())

        await asyncio.gather(work(), work(), *(store.upload(content=f"tea {n}") for n in range(12)))

        versions = await store.records.versions(ANN, document.id)
        assert [v.status for v in versions[1:]] == (len(versions) - 1) * ["superseded"]

    # Who sees what

    async def test_a_document_of_a_group_is_missing_to_everyone_else(self, store: Store) -> None:
        document = (await store.upload(groups=("people",))).document
        await store.publish(document)

        for scope in (BOB, NOBODY, EVE):
            for ask in (store.records.get, store.records.versions, store.records.retry):
                with pytest.raises(DocumentMissing):
                    await ask(scope, document.id)
            with pytest.raises(DocumentMissing):
                await store.records.delete(scope, document.id)
            assert await store.records.live(scope, [document.id]) == {}
            assert await store.records.counts(scope) == {}
            assert (await listed(store, scope)) == []

        assert await store.records.live(ANN, [document.id]) == {document.id: 1}
        assert await store.records.counts(ANN) == {"ready": 1}
        assert (await listed(store, ANN)) == ["tea.txt"]

    async def test_a_member_of_one_of_its_groups_sees_a_document(self, store: Store) -> None:
        document = (await store.upload(groups=("board", "people"))).document

        seen = await store.records.get(Scope("acme", frozenset({"board"})), document.id)

        assert seen.groups == {"board", "people"}

    async def test_a_document_without_groups_is_seen_by_its_tenant_only(self, store: Store) -> None:
        document = (await store.upload()).document

        assert await store.records.get(NOBODY, document.id) == document
        with pytest.raises(DocumentMissing):
            await store.records.get(EVE, document.id)

    async def test_a_name_of_a_hidden_document_cannot_be_taken(self, store: Store) -> None:
        document = (await store.upload("pay.txt", groups=("people",))).document

        with pytest.raises(NameTaken, match=r"'pay\.txt'.*another name"):
            await store.upload("pay.txt", "mine now", scope=BOB)

        assert await store.records.get(ANN, document.id) == document

    async def test_groups_change_what_is_seen_at_once(self, store: Store) -> None:
        document = (await store.upload()).document
        await store.publish(document)

        await store.upload(groups=("people",))

        assert await store.records.live(BOB, [document.id]) == {}
        assert await store.records.live(ANN, [document.id]) == {document.id: 1}

    @pytest.mark.parametrize("document_id", ["", "nonsense", "0" * 32, "a\x00b", "ü" * 32])
    async def test_what_is_no_document_is_missing(self, store: Store, document_id: str) -> None:
        with pytest.raises(DocumentMissing, match=r"no document|may not see"):
            await store.records.get(ANN, document_id)

    # Listing

    async def test_pages_follow_each_other_without_gap_or_repetition_when_times_are_equal(
        self, open_store: OpenStore
    ) -> None:
        async with open_store(lambda: 1_700_000_000.123456) as store:
            for n in range(23):
                await store.upload(f"tea-{n}.txt")

            names, cursor, sizes = list[str](), None, []
            while True:
                page = await store.records.page(ANN, statuses=(), name=None, limit=5, cursor=cursor)
                names += [document.name for document in page.items]
                sizes.append(len(page.items))
                cursor = page.cursor
                if cursor is None:
                    break

        assert sorted(names) == sorted(f"tea-{n}.txt" for n in range(23))
        assert sizes == [5, 5, 5, 5, 3]

    async def test_the_newest_comes_first_and_new_ones_do_not_shift_the_pages(
        self, store: Store
    ) -> None:
        for n in range(4):
            await store.upload(f"{n}.txt")
        first = await store.records.page(ANN, statuses=(), name=None, limit=2, cursor=None)
        await store.upload("later.txt")

        second = await store.records.page(ANN, statuses=(), name=None, limit=2, cursor=first.cursor)

        assert [d.name for d in first.items] == ["3.txt", "2.txt"]
        assert [d.name for d in second.items] == ["1.txt", "0.txt"]
        assert second.cursor is None

    async def test_a_listing_may_be_of_one_status(self, store: Store) -> None:
        await store.fail((await store.upload("broken.txt")).document)
        await store.upload("waiting.txt")

        page = await store.records.page(ANN, statuses={"failed"}, name=None, limit=9, cursor=None)

        assert [document.name for document in page.items] == ["broken.txt"]
        assert page.items[0].newest.failure == Failure("unreadable", "It is damaged.")

    @pytest.mark.parametrize("part", ["übersicht", "ÜBER", "sicht.p", "2024_ü"])
    async def test_a_listing_may_be_of_names_with_a_part_whatever_the_case(
        self, store: Store, part: str
    ) -> None:
        await store.upload("Ablage/2024_Übersicht.pdf")
        await store.upload("Ablage/2024-anderes.pdf")

        page = await store.records.page(ANN, statuses=(), name=part, limit=9, cursor=None)

        assert [document.name for document in page.items] == ["Ablage/2024_Übersicht.pdf"]

    async def test_a_pattern_in_a_name_means_itself(self, store: Store) -> None:
        await store.upload("tea.txt")

        page = await store.records.page(ANN, statuses=(), name="t%a", limit=9, cursor=None)

        assert not page.items

    @pytest.mark.parametrize("cursor", ["", "?", "bm9wZQ==", "MS4wfAA=", "ünsinn"])
    async def test_a_cursor_that_no_listing_gave_out_is_refused(
        self, store: Store, cursor: str
    ) -> None:
        with pytest.raises(BadCursor):
            await store.records.page(ANN, statuses=(), name=None, limit=9, cursor=cursor)

    async def test_documents_are_counted_by_the_status_of_their_newest_version(
        self, store: Store
    ) -> None:
        for name in ("a.txt", "b.txt"):
            await store.publish((await store.upload(name)).document)
        await store.fail((await store.upload("c.txt")).document)
        await store.upload("b.txt", "and now for something else")

        assert await store.records.counts(ANN) == {"ready": 1, "failed": 1, "queued": 1}

    # Again, and away

    async def test_a_failed_document_that_is_retried_waits_again_with_all_its_attempts(
        self, store: Store
    ) -> None:
        document = (await store.upload()).document
        await store.fail(document)

        retried = await store.records.retry(ANN, document.id)

        assert (retried.newest.status, retried.newest.attempts) == ("queued", 0)
        assert [due.document_id for due in await store.leases.due(time.time(), 9)] == [document.id]

    async def test_only_what_failed_can_be_retried(self, store: Store) -> None:
        document = (await store.upload()).document

        with pytest.raises(NotRetryable, match=r"'tea\.txt' is queued"):
            await store.records.retry(ANN, document.id)

    async def test_what_is_deleted_is_gone_with_all_its_versions(self, store: Store) -> None:
        document = (await store.upload(content="green")).document
        await store.publish(document, reading="read green")
        await store.upload(content="black")

        removed = await store.records.delete(ANN, document.id)

        assert removed.versions == 2
        assert removed.files == {hashed("green"), hashed("read green"), hashed("black")}
        assert await store.records.live(ANN, [document.id]) == {}
        assert await store.records.wanted() == frozenset()
        with pytest.raises(DocumentMissing):
            await store.records.delete(ANN, document.id)

    async def test_a_name_is_free_again_after_its_document_is_deleted(self, store: Store) -> None:
        before = (await store.upload()).document
        await store.records.delete(ANN, before.id)

        after = await store.upload()

        assert after.work
        assert after.document.id != before.id

    async def test_a_file_that_another_document_of_the_tenant_has_stays(self, store: Store) -> None:
        shared = (await store.upload("a.txt", "same")).document
        other = (await store.upload("b.txt", "same")).document
        await store.upload("c.txt", "same", scope=EVE)

        first = await store.records.delete(ANN, shared.id)
        used = await store.records.uses("acme", hashed("same"))
        second = await store.records.delete(ANN, other.id)

        assert (first.files, used) == (frozenset(), True)
        assert second.files == {hashed("same")}
        assert not await store.records.uses("acme", hashed("same"))
        assert await store.records.uses("other", hashed("same"))

    # What answers questions

    async def test_only_what_is_published_is_live(self, store: Store) -> None:
        published = (await store.upload("a.txt")).document
        await store.publish(published)
        waiting = (await store.upload("b.txt")).document

        live = await store.records.live(ANN, [published.id, waiting.id, "nonsense"])

        assert live == {published.id: 1}

    async def test_what_is_live_or_in_work_is_wanted_in_the_index(self, store: Store) -> None:
        document = (await store.upload(content="green")).document
        await store.publish(document)
        await store.upload(content="black")
        await store.fail((await store.upload("broken.txt")).document)

        assert await store.records.wanted() == {(document.id, 1), (document.id, 2)}


class HistoryContract:
    """What editors do to versions, and the work as a whole."""

    @pytest.fixture
    def open_store(self) -> OpenStore:
        raise NotImplementedError

    @pytest.fixture
    async def store(self, open_store: OpenStore) -> AsyncIterator[Store]:
        async with open_store(time.time) as store:
            yield store

    # Stopping

    async def test_what_is_cancelled_waits_no_more_and_is_lost_to_its_worker(
        self, store: Store
    ) -> None:
        waiting = (await store.upload("waiting.txt")).document
        claim = await store.claim((await store.upload("running.txt")).document)
        await store.leases.advance(claim, "parsing", 1, 2, time.time())

        await store.history.cancel(ANN, waiting.id)
        stopped = await store.history.cancel(ANN, claim.document.id)

        assert stopped.newest.status == "cancelled"
        assert [stage.stage for stage in stopped.newest.timeline] == ["queued", "parsing"]
        assert await store.leases.due(time.time() + 3600, 9) == []
        assert await store.records.wanted() == frozenset()
        with pytest.raises(LeaseLost):
            await store.leases.advance(claim, "chunking", 0, 0, time.time())

    async def test_what_is_cancelled_and_retried_is_not_its_old_workers(self, store: Store) -> None:
        claim = await store.claim((await store.upload()).document)
        await store.history.cancel(ANN, claim.document.id)

        retried = await store.records.retry(ANN, claim.document.id)

        assert (retried.newest.status, retried.newest.deaths) == ("queued", 0)
        with pytest.raises(LeaseLost):
            await store.leases.renew(claim, time.time())
        again = await store.claim(retried, "other")
        assert (again.document.newest.attempts, again.document.newest.failure) == (1, None)

    async def test_the_live_version_stays_live_when_the_one_after_it_is_cancelled(
        self, store: Store
    ) -> None:
        document = (await store.upload(content="green")).document
        await store.publish(document)
        await store.upload(content="black")

        await store.history.cancel(ANN, document.id)

        assert await store.records.live(ANN, [document.id]) == {document.id: 1}
        assert (await store.upload(content="black")).work

    async def test_only_what_is_on_its_way_and_seen_can_be_cancelled(self, store: Store) -> None:
        document = (await store.upload(groups=("people",))).document
        await store.publish(document)

        with pytest.raises(NotCancellable, match="is ready"):
            await store.history.cancel(ANN, document.id)
        for act in (
            store.history.cancel(BOB, document.id),
            store.history.restore(BOB, document.id, 1),
        ):
            with pytest.raises(DocumentMissing):
                await act

    # Sending back

    async def test_all_that_failed_goes_back_or_one_kind_of_it(self, store: Store) -> None:
        for kind in ("unreadable", "encrypted", "encrypted"):
            document = (await store.upload(f"{kind}-{time.time_ns()}.txt")).document
            await store.fail(document, kind)
        await store.fail((await store.upload("theirs.txt", scope=EVE)).document, "encrypted")
        before = await store.loads.failures(ANN)

        encrypted = await store.history.retry_failed(ANN, "encrypted")
        left = await store.loads.failures(ANN)
        others = await store.history.retry_failed(ANN, None)

        assert before == {"encrypted": 2, "unreadable": 1}
        assert (encrypted, left, others) == (2, {"unreadable": 1}, 1)
        assert len(await store.leases.due(time.time(), 9)) == 3
        assert await store.loads.failures(EVE) == {"encrypted": 1}

    async def test_what_is_hidden_is_not_sent_back(self, store: Store) -> None:
        await store.fail((await store.upload(groups=("people",))).document)

        assert await store.history.retry_failed(BOB, None) == 0
        assert await store.loads.failures(BOB) == {}

    # Bringing back, and forgetting

    async def test_an_older_version_comes_back_as_a_new_one(self, store: Store) -> None:
        document = await store.editions("green", "black")

        restored = await store.history.restore(ANN, document.id, 1)

        assert (restored.newest.number, restored.newest.status) == (3, "queued")
        assert restored.newest.sha256 == hashed("green")
        assert restored.live_version == 2

    async def test_what_is_live_on_its_way_or_was_never_ready_is_not_restored(
        self, store: Store
    ) -> None:
        document = await store.editions("green", "black")
        await store.upload(content="white")

        for number, words in ((2, "already"), (3, "on its way")):
            with pytest.raises(NotRestorable, match=words):
                await store.history.restore(ANN, document.id, number)
        await store.history.cancel(ANN, document.id)
        with pytest.raises(NotRestorable, match="was cancelled"):
            await store.history.restore(ANN, document.id, 3)
        with pytest.raises(DocumentMissing, match="no version 9"):
            await store.history.restore(ANN, document.id, 9)

    async def test_only_the_last_superseded_versions_are_kept(self, store: Store) -> None:
        document = await store.editions("green", "black", "green", "white")

        files = await store.history.prune(document.id, 1)
        again = await store.history.prune(document.id, 1)

        left = await store.records.versions(ANN, document.id)
        assert [version.number for version in left] == [4, 3]
        assert files == {hashed("black"), hashed("read black")}
        assert again == frozenset()

    async def test_a_version_tells_what_it_has_of_the_one_before(self, store: Store) -> None:
        document = (await store.upload(content="green")).document
        await store.publish(document)
        second = (await store.upload(content="black")).document
        claim = await store.claim(second)
        await store.write(claim)

        await store.leases.publish(claim, 3, time.time())

        newest, first = await store.records.versions(ANN, document.id)
        assert (newest.changes, first.changes) == (Changes(kept=3, added=2, removed=2), None)

    # Workers that die

    async def test_a_worker_that_died_is_told_by_the_attempt_after_it(self, store: Store) -> None:
        document = (await store.upload()).document
        now = time.time()
        await store.claim(document, "dead", now)

        claim = await store.claim(document, "other", now + 3600)

        newest = claim.document.newest
        assert (newest.deaths, newest.attempts) == (1, 2)
        assert newest.failure == Failure(
            "worker-died", "The worker was killed or lost its machine; attempt 2."
        )

    async def test_who_takes_over_at_the_start_tells_it_too_but_not_of_who_left_in_order(
        self, store: Store
    ) -> None:
        killed = await store.claim((await store.upload("killed.txt")).document)
        left = await store.claim((await store.upload("left.txt")).document)
        await store.leases.put_back(left, None, 0.0)

        await store.leases.free()

        after = [
            (await store.claim(claim.document, "new")).document.newest for claim in (killed, left)
        ]
        assert [one.deaths for one in after] == [1, 0]
        assert [one.failure and one.failure.kind for one in after] == ["worker-died", None]

    # The work as a whole

    async def test_the_load_counts_what_waits_what_is_held_and_what_was_done(
        self, open_store: OpenStore
    ) -> None:
        began = time.time()
        async with open_store(lambda: began - 60) as store:
            await store.publish((await store.upload("done.txt", "x" * 100)).document)
            held = await store.claim((await store.upload("held.txt", "x" * 200)).document)
            await store.leases.advance(held, "parsing", 0, 0, began)
            await store.leases.advance(held, "chunking", 0, 0, began)
            await store.leases.advance(held, "embedding", 1, 4, began)
            await store.upload("waiting.txt", "x" * 50)
            await store.upload("theirs.txt", scope=EVE)

            load = await store.loads.load("acme", began, 300.0)
            every = await store.loads.load(None, began, 300.0)

        assert (load.waiting, load.running, load.finished) == (1, 1, 1)
        assert (load.done_bytes, load.left_bytes) == (150, 200)
        assert load.oldest_s == pytest.approx(60)
        assert load.per_minute == pytest.approx(1.0)
        assert load.eta_s == pytest.approx(80)
        assert every.waiting == 2

    async def test_where_nothing_was_done_lately_nobody_knows_how_long_it_takes(
        self, store: Store
    ) -> None:
        nothing = await store.loads.load("acme", time.time(), 300.0)
        await store.upload()

        waiting = await store.loads.load("acme", time.time(), 300.0)

        assert (nothing.eta_s, nothing.oldest_s) == (0.0, None)
        assert (waiting.eta_s, waiting.per_minute) == (None, 0.0)


async def listed(store: Store, scope: Scope) -> list[str]:
    page = await store.records.page(scope, statuses=(), name=None, limit=99, cursor=None)
    return [document.name for document in page.items]
