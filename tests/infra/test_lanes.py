"""Turns in the embedder: who brings little does not wait for who brings much."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

from infra.embedders.lanes import Lanes, Urgency, open_lanes

Jobs = tuple[str, ...]


class Slow:
    """Does nothing until it is let; remembers what it was given, and in which order."""

    def __init__(self) -> None:
        self.done: list[Jobs] = []
        self.may = threading.Semaphore(0)
        self.has_begun = threading.Semaphore(0)

    def __call__(self, job: Jobs) -> Jobs:
        self.has_begun.release()
        self.may.acquire()
        self.done.append(job)
        return tuple(word.upper() for word in job)

    async def busy(self) -> None:
        await asyncio.to_thread(self.has_begun.acquire)


class Pairs:
    """Up to two words are done as one."""

    def fits(self, jobs: Sequence[Jobs], another: Jobs) -> bool:
        return sum(map(len, jobs)) + len(another) <= 2

    def joined(self, jobs: Sequence[Jobs]) -> Jobs:
        return tuple(word for job in jobs for word in job)

    def parted(self, result: Jobs, jobs: Sequence[Jobs]) -> Sequence[Jobs]:
        words = iter(result)
        return [tuple(next(words) for _ in job) for job in jobs]


def bring(
    lanes: Lanes[Jobs, Jobs], *words: str, urgency: Urgency = Urgency.PASSAGE
) -> asyncio.Task[list[Jobs]]:
    return asyncio.create_task(lanes.run_all([(word,) for word in words], urgency))


async def test_one_who_brings_little_is_done_before_the_rest_of_one_who_brought_much() -> None:
    slow = Slow()
    with open_lanes([slow]) as lanes:
        giant = bring(lanes, *(f"giant {n}" for n in range(9)))
        await slow.busy()
        small = bring(lanes, "small")
        await asyncio.sleep(0)
        slow.may.release(10)
        await asyncio.gather(giant, small)

    assert slow.done.index(("small",)) <= 2
    assert slow.done[-1] == ("giant 8",)


async def test_two_who_bring_much_take_turns() -> None:
    slow = Slow()
    with open_lanes([slow]) as lanes:
        first = bring(lanes, "first", *["a"] * 4)
        await slow.busy()
        second = bring(lanes, *["b"] * 4)
        await asyncio.sleep(0)
        slow.may.release(9)
        await asyncio.gather(first, second)

    order = [word for (word,) in slow.done]
    assert sorted(order[1:5]) == ["a", "a", "b", "b"]


async def test_small_jobs_that_wait_are_done_together_and_each_gets_its_own() -> None:
    slow = Slow()
    with open_lanes([slow], Pairs()) as lanes:
        first = bring(lanes, "first")
        await slow.busy()
        rest = [bring(lanes, word) for word in ("tea", "milk", "water")]
        await asyncio.sleep(0)
        slow.may.release(4)
        results = await asyncio.gather(first, *rest)

    assert slow.done == [("first",), ("tea", "milk"), ("water",)]
    assert results == [[("FIRST",)], [("TEA",)], [("MILK",)], [("WATER",)]]


async def test_a_question_is_never_joined_with_passages() -> None:
    slow = Slow()
    with open_lanes([slow], Pairs()) as lanes:
        first = bring(lanes, "first")
        await slow.busy()
        passage = bring(lanes, "passage")
        question = bring(lanes, "question", urgency=Urgency.QUESTION)
        await asyncio.sleep(0)
        slow.may.release(3)
        await asyncio.gather(first, passage, question)

    assert slow.done == [("first",), ("question",), ("passage",)]


async def test_what_was_cancelled_is_left_out_of_what_is_joined() -> None:
    slow = Slow()
    with open_lanes([slow], Pairs()) as lanes:
        first = bring(lanes, "first")
        await slow.busy()
        unwanted, wanted = bring(lanes, "unwanted"), bring(lanes, "wanted")
        await asyncio.sleep(0)
        unwanted.cancel()
        await asyncio.sleep(0)
        slow.may.release(2)
        await asyncio.gather(first, wanted)

    assert slow.done == [("first",), ("wanted",)]
