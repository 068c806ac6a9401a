"""What every `Leases` must do. Each adapter's tests subclass this and say how to open one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from ingestion.documents import Failure
from ingestion.leases import Claim, Due, LeaseLost, Leases, Readout
from tests.contracts.records import ANN, EVE, OpenStore, Store, hashed

LONG_S = 3600.0
"""Longer than any lease."""

Write = Callable[[Leases, Claim], Awaitable[object]]

NOW = 0.0
WRITES: dict[str, Write] = {
    "renew": lambda leases, claim: leases.renew(claim, NOW),
    "advance": lambda leases, claim: leases.advance(claim, "parsing", 0, 0, NOW),
    "write_down": lambda leases, claim: leases.write_down(
        claim, Readout(hashed("read"), "Tea", "en", None, 1, ()), NOW
    ),
    "publish": lambda leases, claim: leases.publish(claim, 0, NOW),
    "put_back": lambda leases, claim: leases.put_back(claim, None, NOW),
    "fail": lambda leases, claim: leases.fail(claim, Failure("unreadable", "Damaged."), NOW),
}


class LeasesContract:
    @pytest.fixture
    def open_store(self) -> OpenStore:
        raise NotImplementedError

    @pytest.fixture
    async def store(self, open_store: OpenStore) -> AsyncIterator[Store]:
        async with open_store(time.time) as store:
            yield store

    # What waits

    async def test_what_waits_is_due_oldest_first(self, store: Store) -> None:
        documents = [(await store.upload(f"{n}.txt")).document for n in range(3)]

        due = await store.leases.due(time.time(), limit=2)

        assert due == [Due(document.id, 1, 0) for document in documents[:2]]

    async def test_tenants_take_turns_whoever_came_first_with_much(self, store: Store) -> None:
        for n in range(3):
            await store.upload(f"{n}.txt", scope=ANN)
        late = (await store.upload("late.txt", scope=EVE)).document

        due = await store.leases.due(time.time(), limit=4)

        assert due[1].document_id == late.id

    async def test_no_more_is_due_while_half_the_limit_waits_to_be_followed(
        self, store: Store
    ) -> None:
        documents = [(await store.upload(f"{n}.txt")).document for n in range(4)]
        now = time.time()
        await store.leases.told([Due(document.id, 1, 0) for document in documents[:2]], now)

        waiting = await store.leases.due(now, limit=4)
        await store.claim(documents[0], now=now)

        assert waiting == []
        assert [one.document_id for one in await store.leases.due(now, limit=4)] == [
            document.id for document in documents[2:]
        ]

    async def test_what_was_told_is_due_again_only_after_a_while(self, store: Store) -> None:
        await store.upload()
        now = time.time()
        due = await store.leases.due(now, 9)

        await store.leases.told(due, now)

        assert await store.leases.due(now + 1, 9) == []
        assert await store.leases.due(now + LONG_S, 9) == due

    async def test_what_is_claimed_is_due_again_when_its_lease_has_run_out(
        self, store: Store
    ) -> None:
        document = (await store.upload()).document
        now = time.time()
        await store.claim(document, now=now)

        assert await store.leases.due(now + 1, 9) == []
        assert await store.leases.due(now + LONG_S, 9) == [Due(document.id, 1, 1)]

    async def test_a_word_noted_late_does_not_hide_the_claim_that_followed_it(
        self, store: Store
    ) -> None:
        document = (await store.upload()).document
        now = time.time()
        due = await store.leases.due(now, 9)
        await store.claim(document, now=now)

        await store.leases.told(due, now)

        lease_over = now + 45  # and before a word that was noted would be given again
        assert await store.leases.due(lease_over, 9) == [Due(document.id, 1, 1)]

    async def test_a_version_that_was_replaced_is_not_due(self, store: Store) -> None:
        document = (await store.upload(content="green")).document
        await store.upload(content="black")

        assert await store.leases.due(time.time(), 9) == [Due(document.id, 2, 0)]

    # Who has it

    async def test_of_twenty_who_claim_at_once_one_has_it(self, store: Store) -> None:
        document = (await store.upload()).document
        due, now = Due(document.id, 1, 0), time.time()

        claims = await asyncio.gather(
            *(store.leases.claim(due, f"worker {n}", now) for n in range(20))
        )

        held = [claim for claim in claims if claim is not None]
        assert len(held) == 1
        assert (held[0].fence, held[0].document.newest.attempts) == (1, 1)

    async def test_what_is_no_longer_there_cannot_be_claimed(self, store: Store) -> None:
        document = (await store.upload()).document
        await store.records.delete(ANN, document.id)

        assert await store.leases.claim(Due(document.id, 1, 0), "worker", time.time()) is None

    async def test_what_is_finished_cannot_be_claimed(self, store: Store) -> None:
        document = (await store.upload()).document
        await store.publish(document)

        claim = await store.leases.claim(Due(document.id, 1, 0), "worker", time.time() + LONG_S)

        assert claim is None

    async def test_a_renewed_lease_is_not_taken_over(self, store: Store) -> None:
        document = (await store.upload()).document
        now = time.time()
        claim = await store.claim(document, now=now)

        await store.leases.renew(claim, now + LONG_S)

        later = await store.leases.claim(Due(document.id, 1, 1), "other", now + LONG_S + 1)
        assert later is None

    async def test_a_lease_that_ran_out_is_taken_over_with_a_higher_fence(
        self, store: Store
    ) -> None:
        document = (await store.upload()).document
        now = time.time()
        old = await store.claim(document, "old", now)
        await store.leases.advance(old, "parsing", 3, 9, now)

        new = await store.claim(document, "new", now + LONG_S)

        assert (new.fence, new.owner) == (old.fence + 1, "new")
        assert (new.document.newest.status, new.document.newest.attempts) == ("queued", 2)

    @pytest.mark.parametrize("write", WRITES)
    async def test_who_was_overtaken_cannot_write(self, store: Store, write: str) -> None:
        document = (await store.upload()).document
        now = time.time()
        old = await store.claim(document, "old", now)
        await store.claim(document, "new", now + LONG_S)
        before = await store.records.get(ANN, document.id)

        with pytest.raises(LeaseLost, match=r"'tea\.txt' version 1 is no longer old's"):
            await WRITES[write](store.leases, old)

        assert await store.records.get(ANN, document.id) == before

    @pytest.mark.parametrize("write", WRITES)
    async def test_who_works_on_what_was_deleted_cannot_write(
        self, store: Store, write: str
    ) -> None:
        document = (await store.upload()).document
        claim = await store.claim(document)
        await store.records.delete(ANN, document.id)

        with pytest.raises(LeaseLost):
            await WRITES[write](store.leases, claim)

    @pytest.mark.parametrize("write", WRITES)
    async def test_who_works_on_what_was_replaced_cannot_write(
        self, store: Store, write: str
    ) -> None:
        document = (await store.upload(content="green")).document
        claim = await store.claim(document)
        await store.upload(content="black")

        with pytest.raises(LeaseLost):
            await WRITES[write](store.leases, claim)

        newest = (await store.records.get(ANN, document.id)).newest
        assert (newest.number, newest.status) == (2, "queued")

    async def test_who_is_alone_may_end_the_leases_of_the_dead(self, store: Store) -> None:
        held = (await store.upload("held.txt")).document
        told = (await store.upload("told.txt")).document
        await store.publish((await store.upload("ready.txt")).document)
        now = time.time()
        dead = await store.claim(held, "dead", now)
        await store.leases.told([Due(told.id, 1, 0)], now)

        freed = await store.leases.free()

        due = await store.leases.due(now, 9)
        assert freed == 2
        assert [one.document_id for one in due] == [held.id, told.id]
        assert all(one.fence > 0 for one in due)
        with pytest.raises(LeaseLost):
            await store.leases.publish(dead, 0, now)

    # How far it is

    async def test_progress_and_stages_are_seen_by_readers(self, store: Store) -> None:
        document = (await store.upload()).document
        now = document.created_at
        claim = await store.claim(document, now=now + 1)

        await store.leases.advance(claim, "parsing", 0, 0, now + 2)
        await store.leases.advance(claim, "parsing", 3, 9, now + 3)
        await store.leases.advance(claim, "chunking", 0, 0, now + 6)

        newest = (await store.records.get(ANN, document.id)).newest
        assert (newest.status, newest.done, newest.total) == ("chunking", 0, 0)
        assert newest.stage_started_at == pytest.approx(now + 6)
        assert [stage.stage for stage in newest.timeline] == ["queued", "parsing"]
        parsing = newest.timeline[1]
        assert (parsing.started_at, parsing.seconds) == pytest.approx((now + 2, 4))

    async def test_a_stage_cannot_be_skipped(self, store: Store) -> None:
        claim = await store.claim((await store.upload()).document)

        with pytest.raises(ValueError, match="from queued to indexing"):
            await store.leases.advance(claim, "indexing", 0, 0, time.time())

        newest = (await store.records.get(ANN, claim.document.id)).newest
        assert newest.status == "queued"

    async def test_what_was_not_written_to_the_index_cannot_be_published(
        self, store: Store
    ) -> None:
        claim = await store.claim((await store.upload()).document)

        with pytest.raises(ValueError, match="from queued to ready"):
            await store.leases.publish(claim, 0, time.time())

        assert await store.records.live(ANN, [claim.document.id]) == {}

    async def test_what_was_read_is_written_down(self, store: Store) -> None:
        claim = await store.claim((await store.upload()).document)
        readout = Readout(hashed("read"), "On Tea", "de", 12, 40, ("a picture was left out",))

        await store.leases.write_down(claim, readout, time.time())

        document = await store.records.get(ANN, claim.document.id)
        newest = document.newest
        assert (document.title, newest.language, newest.pages, newest.chunks) == (
            "On Tea",
            "de",
            12,
            40,
        )
        assert (newest.reading, newest.warnings) == (hashed("read"), ("a picture was left out",))

    # How it ends

    async def test_publishing_makes_a_version_live_and_the_one_before_it_history(
        self, store: Store
    ) -> None:
        document = (await store.upload(content="green")).document
        await store.publish(document)
        second = (await store.upload(content="black")).document
        claim = await store.claim(second)
        await store.write(claim)
        before = await store.records.live(ANN, [document.id])

        await store.leases.publish(claim, 3, time.time())

        versions = await store.records.versions(ANN, document.id)
        assert before == {document.id: 1}
        assert await store.records.live(ANN, [document.id]) == {document.id: 2}
        assert [(v.number, v.status) for v in versions] == [(2, "ready"), (1, "superseded")]
        assert versions[0].reused == 3
        assert await store.records.wanted() == {(document.id, 2)}

    async def test_a_failed_attempt_waits_until_its_time_and_says_why(self, store: Store) -> None:
        document = (await store.upload()).document
        now = time.time()
        claim = await store.claim(document, now=now)
        failure = Failure("index-unavailable", "The index does not answer.")

        await store.leases.put_back(claim, failure, now + 60)

        newest = (await store.records.get(ANN, document.id)).newest
        assert (newest.status, newest.attempts, newest.failure) == ("queued", 1, failure)
        assert await store.leases.due(now + 59, 9) == []
        assert await store.leases.claim(Due(document.id, 1, 1), "early", now + 59) is None
        assert await store.leases.due(now + 61, 9) == [Due(document.id, 1, 1)]
        assert (await store.claim(document, now=now + 61)).document.newest.attempts == 2

    async def test_an_attempt_that_is_handed_back_does_not_count_and_is_due_at_once(
        self, store: Store
    ) -> None:
        document = (await store.upload()).document
        claim = await store.claim(document)
        await store.leases.told([Due(document.id, 1, 1)], time.time())

        await store.leases.put_back(claim, None, 0.0)

        newest = (await store.records.get(ANN, document.id)).newest
        assert (newest.status, newest.attempts, newest.failure) == ("queued", 0, None)
        assert await store.leases.due(time.time(), 9) == [Due(document.id, 1, 1)]

    async def test_a_failure_for_good_is_final_until_somebody_retries(self, store: Store) -> None:
        document = (await store.upload()).document
        failure = Failure("encrypted", "It asks for a password.")

        await store.leases.fail(await store.claim(document), failure, time.time())

        newest = (await store.records.get(ANN, document.id)).newest
        assert (newest.status, newest.failure) == ("failed", failure)
        assert await store.leases.due(time.time() + LONG_S, 9) == []

    async def test_a_failure_of_before_is_forgotten_when_it_works(self, store: Store) -> None:
        document = (await store.upload()).document
        claim = await store.claim(document)
        await store.leases.put_back(claim, Failure("internal", "An error."), 0.0)

        await store.publish(document)

        newest = (await store.records.get(ANN, document.id)).newest
        assert (newest.status, newest.failure) == ("ready", None)
