"""Anything that may happen to documents, in any order, against a dictionary that remembers them."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ingestion.documents import NotRetryable
from ingestion.leases import Due
from ingestion.pipeline import Outcome
from retrieval.index import Passage
from tests.chaos.world import Machine, Stopped, open_machine
from tests.contracts.chunk_store import folder_in_memory
from tests.ingestion.fakes import ANN, Crash, Fuse, sections

T = TypeVar("T")

STEPS = int(os.environ.get("CAIRN_TEST_STEPS", "2000" if "CI" in os.environ else "400"))
"""More for a night: CAIRN_TEST_STEPS=50000."""
STEPS_OF_ONE = 50

NAMES = st.sampled_from(["leave.txt", "travel.txt", "notes/team.txt"])
BIRDS = st.sampled_from(["kestrel", "magpie", "wren"])
TOPICS = st.lists(BIRDS, min_size=1, max_size=3, unique=True)
"""So few that documents often have the same text, and versions the same chunks."""
CALLS = st.sampled_from(range(13))
"""After so many calls to its ports a worker dies or is stopped: at any step of its work."""
DAMAGED = "! damaged"


class Documents(RuleBasedStateMachine):
    """Uploads, replacements and deletions, workers that die or come back late, a queue that forgets."""

    template: ClassVar[Path]
    """A machine that was opened once and closed: copying it is faster than making it."""

    def __init__(self) -> None:
        super().__init__()
        self.given: dict[str, str] = {}
        """By name: what was uploaded last."""
        self.live: dict[str, str] = {}
        """By name: what answers questions once everything is worked on."""
        self.ids: dict[str, str] = {}
        self.late: list[tuple[Stopped, asyncio.Task[Outcome]]] = []
        self.loop = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.machine: Machine

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run(work)

    @initialize()
    def open(self) -> None:
        folder = self.stack.enter_context(folder_in_memory())
        shutil.copytree(self.template, folder, dirs_exist_ok=True)
        self.machine = self.run(self.stack.enter_async_context(open_machine(folder)))

    @rule(texts=st.dictionaries(NAMES, TOPICS, min_size=1))
    def upload(self, texts: dict[str, list[str]]) -> None:
        for name, topics in texts.items():
            self._upload(name, sections(*topics))
            self.live[name] = self.given[name]

    @rule(name=NAMES)
    def upload_damaged(self, name: str) -> None:
        """What answered goes on answering; where nothing did, nothing does."""
        self.settle()
        self._upload(name, DAMAGED)

    @precondition(lambda self: self.given)
    @rule(data=st.data())
    def upload_again(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.given)))
        self._upload(name, self.given[name])

    @precondition(lambda self: self.given)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        self._delete(data.draw(st.sampled_from(sorted(self.given))))

    def _delete(self, name: str) -> None:
        receipt = self.run(self.machine.world.intake.delete(ANN, self.ids.pop(name)))
        del self.given[name]
        self.live.pop(name, None)
        assert receipt.remaining_chunks == 0

    @precondition(lambda self: self.given)
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.given)))
        try:
            self.run(self.machine.world.intake.retry(ANN, self.ids[name]))
        except NotRetryable:
            return
        assert self.given[name] == DAMAGED

    @rule()
    def sweep(self) -> None:
        self.run(self.machine.world.sweep.remove_orphans())

    @rule()
    def work(self) -> None:
        self.run(self.machine.work())

    @rule(calls=CALLS)
    def die_at_work(self, calls: int) -> None:
        """Nobody hands anything back: the lease runs on, and half a batch may be written."""
        for due in self._taken():
            try:
                self.run(self.machine.mortal(Fuse(calls)).run(due))
            except Crash:
                return

    @rule(calls=CALLS)
    def fall_asleep_at_work(self, calls: int) -> None:
        """A worker that stops in the middle, and does not know how long."""
        for due in self._taken():
            self.late.append(self.run(self._begun(Stopped(calls), due)))

    @rule(name=NAMES, topics=TOPICS, calls=CALLS, gone=st.booleans())
    def be_overtaken(self, name: str, topics: list[str], calls: int, gone: bool) -> None:
        """A worker sleeps while its document is deleted, or worked on by another, and wakes up."""
        self.settle()
        self.upload({name: topics})
        self.fall_asleep_at_work(calls)
        if gone:
            self._delete(name)
        self.settle()
        if self.late:
            self.wake_up()

    @precondition(lambda self: self.late)
    @rule()
    def wake_up(self) -> None:
        """It goes on as if nothing had happened since."""
        stopped, task = self.late.pop(0)
        stopped.end()
        self.run(asyncio.wait_for(task, 10))

    @rule()
    def hours_pass(self) -> None:
        self.run(self.machine.hours_later())
        self.run(self.machine.world.sweep.tell())

    @precondition(lambda self: not self.late)
    @rule()
    def restart(self) -> None:
        """The only process there is has died, and comes back."""
        self.run(self.machine.world.tools.leases.free())
        self.run(self.machine.alone.remove_leftovers())
        self.run(self.machine.world.sweep.tell())

    @rule()
    def lose_the_queue(self) -> None:
        self.machine.world.queue.told.clear()

    @rule(topic=BIRDS)
    def ask(self, topic: str) -> None:
        """At any moment: what is found was uploaded under its name, and is not deleted."""
        for passage in self.run(self.machine.ask(topic)):
            assert passage.document.name in self.given
            assert topic in passage.chunk.text

    @rule()
    def settle(self) -> None:
        """Whatever has happened: when all is worked on, everything is whole, and as it was given."""
        self.run(self.machine.settle())
        if self.run(self._revived()):
            self.run(self.machine.settle())

        assert self.run(self.machine.findings()) == ()
        assert by_name(self.run(self.machine.everything())) == {
            name: closed_up(text) for name, text in self.live.items()
        }

    def teardown(self) -> None:
        while self.late:
            self.wake_up()
        self.settle()
        self.restart()
        assert self.run(self.machine.alone.look()).clean
        self.run(self.stack.aclose())
        self.loop.close()

    def _upload(self, name: str, text: str) -> None:
        accepted = self.run(self.machine.world.upload(text, name))
        self.given[name] = text
        self.ids[name] = accepted.document.id
        self.run(self.machine.world.sweep.tell())

    def _taken(self) -> list[Due]:
        queue = self.machine.world.queue.told
        return [queue.pop(0)] if queue else []

    async def _revived(self) -> int:
        """Retries what was given up because too many workers died over it; answers how many."""
        revived = 0
        for name, document_id in self.ids.items():
            newest = (await self.machine.world.tools.records.get(ANN, document_id)).newest
            if newest.failure and self.given[name] != DAMAGED:
                assert newest.failure.kind == "worker-died"
                await self.machine.world.intake.retry(ANN, document_id)
                revived += 1
        return revived

    async def _begun(self, stopped: Stopped, due: Due) -> tuple[Stopped, asyncio.Task[Outcome]]:
        task = asyncio.create_task(self.machine.sleepy(stopped).run(due))
        reached = asyncio.create_task(stopped.reached.wait())
        await asyncio.wait({task, reached}, return_when=asyncio.FIRST_COMPLETED)
        reached.cancel()
        return stopped, task


def by_name(passages: list[Passage]) -> dict[str, str]:
    """What stands in the index under each name, in order."""
    texts: dict[str, str] = {}
    for passage in sorted(passages, key=lambda passage: passage.chunk.start):
        name = passage.document.name
        texts[name] = texts.get(name, "") + closed_up(passage.chunk.text)
    return texts


def closed_up(text: str) -> str:
    """Without the space, which chunks may leave out where they meet."""
    return "".join(text.split())


def test_whatever_happens_nothing_is_lost_doubled_or_mixed_up(tmp_path: Path) -> None:
    async def make() -> None:
        async with open_machine(tmp_path):
            pass

    asyncio.run(make())
    Documents.template = tmp_path

    run_state_machine_as_test(
        Documents,
        settings=settings(
            max_examples=max(1, STEPS // STEPS_OF_ONE),
            stateful_step_count=STEPS_OF_ONE,
            deadline=None,
            database=None,
            # Not `shrink`: it takes minutes, in which the test would be stopped without a word.
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
