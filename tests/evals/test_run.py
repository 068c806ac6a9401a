"""Runs: every case gets its row, whatever the service does, and a run broken off goes on."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.client import Service
from evals.asking import Patience
from evals.cases import Suite
from evals.result import BadResult, Result, figure, figures, read_result, write_result
from evals.run import Moved, Pace, rescored, run
from evals.scorers import BY_NAME
from tests.evals.made import LEAVE, RELEASE, body, case, result, row

HASTE = Patience(attempts=3, first_wait_s=0.0)
BUSY = (503, {"detail": "All places are taken."}, {"Retry-After": "0"})
Answer = tuple[int, Any, dict[str, str]]


@dataclass
class Moody:
    """A service that answers each question with what was laid out for it, then with good answers."""

    moods: dict[str, list[Answer | Exception]] = field(default_factory=dict)
    documents: list[dict[str, Any]] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    pause_s: float = 0.0
    hear: Callable[[str], None] = lambda _: None
    asked: Counter[str] = field(default_factory=Counter)
    at_once: int = 0
    most_at_once: int = 0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/me":
            me = {"release": RELEASE, "model": "extractive", "groups": self.groups}
            return httpx.Response(200, json={**me, "version": "0.1.0"})
        if request.url.path == "/v1/documents":
            return self._page(int(request.url.params.get("cursor", 0)))
        return await self._answer(json.loads(request.content)["question"])

    def _page(self, at: int) -> httpx.Response:
        """One document a page."""
        after = at + 1 if at + 1 < len(self.documents) else None
        page = {"items": self.documents[at : at + 1], "next": after and str(after)}
        return httpx.Response(200, json=page)

    async def _answer(self, question: str) -> httpx.Response:
        self.asked[question] += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(self.pause_s)
        self.at_once -= 1
        self.hear(question)
        laid_out = self.moods.get(question)
        if not laid_out:
            return httpx.Response(200, json=body())
        mood = laid_out.pop(0)
        if isinstance(mood, Exception):
            raise mood
        status, content, headers = mood
        return httpx.Response(status, json=content, headers=headers)


@asynccontextmanager
async def serving(moody: Moody) -> AsyncIterator[Service]:
    transport = httpx.MockTransport(moody)
    async with httpx.AsyncClient(transport=transport, base_url="http://moody") as http:
        yield Service(http, "http://moody")


def suite(*questions: str) -> Suite:
    return Suite("made", tuple(case(question, question=question) for question in questions))


async def asked(moody: Moody, cases: Suite, **pace: Any) -> Result:
    async with serving(moody) as service:
        return await run(service, cases, Pace(**{"patience": HASTE, **pace}))


def document(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        "version": 1,
        "live_version": 1,
        "sha256": "0" * 64,
        "chunks": 3,
        **fields,
    }


async def test_a_running_service_is_asked_and_its_replies_are_scored(
    aclient: httpx.AsyncClient, leave: str
) -> None:
    cases = Suite(
        "leave",
        (
            case("days", question="How many days of leave has every employee?", documents=[leave]),
            case("opera", question="Who sang Tosca in Vienna in 1957?", unanswerable=True),
        ),
    )

    found = await run(Service(aclient, str(aclient.base_url)), cases)

    days, opera = found.rows
    assert found.about(cases)
    assert found.identity.release.startswith("rel_")
    assert found.identity.documents >= 1
    assert found.started_at <= days.asked.asked_at <= found.finished_at <= datetime.now(UTC)
    assert days.scores["passage_recall_at_8"].value == 1.0
    assert days.scores["answer_recall"].value == 1.0
    assert days.scores["citation_recall"].value == 1.0
    assert opera.scores["refusal_recall"].value == 1.0
    assert opera.asked.reply is not None
    assert len(opera.asked.reply.trace_id) == 32


@pytest.mark.parametrize("status", [429, 503])
async def test_a_busy_service_is_asked_again(status: int) -> None:
    moody = Moody({"a": [(status, {"detail": "Later."}, {"Retry-After": "0"})] * 2})

    found = await asked(moody, suite("a", "b"))

    assert [row.asked.attempts for row in found.rows] == [3, 1]
    assert all(row.evaluated for row in found.rows)


async def test_a_broken_connection_is_asked_again() -> None:
    moody = Moody({"a": [httpx.ConnectError("refused")]})

    found = await asked(moody, suite("a"))

    assert found.rows[0].evaluated


@pytest.mark.parametrize("status", [401, 403, 422, 500, 502])
async def test_what_will_not_change_is_not_asked_again(status: int) -> None:
    moody = Moody({"a": [(status, {"detail": "No."}, {})]})

    found = await asked(moody, suite("a", "b"))

    assert moody.asked["a"] == 1
    assert found.rows[0].asked.error == f"{status}: No."
    assert found.rows[1].evaluated


async def test_a_case_that_fails_is_a_row_of_which_nothing_is_known() -> None:
    moody = Moody({"b": [BUSY] * 9})

    found = await asked(moody, suite("a", "b", "c"))

    failed = found.rows[1]
    assert [row.case.id for row in found.rows] == ["a", "b", "c"]
    assert failed.asked.attempts == 3
    assert failed.asked.error == "503: All places are taken."
    assert all(score.unknown for score in failed.scores.values())
    assert figure(found, BY_NAME["answer_recall"]).unknown == 1


@pytest.mark.parametrize(
    ("told", "wait_s"), [(None, 2.0), ("7", 7.0), ("900", 30.0), ("Wed, 21 Oct 2026", 2.0)]
)
def test_the_wait_is_the_one_the_service_tells(told: str | None, wait_s: float) -> None:
    assert Patience().wait_s(2, told) == wait_s


async def test_an_answer_of_another_release_is_not_taken() -> None:
    moody = Moody({"a": [(200, body(release="rel_other"), {})]})

    found = await asked(moody, suite("a"))

    assert found.rows[0].asked.error == f"answered by rel_other, while {RELEASE} is measured"


@pytest.mark.parametrize("content", [{"answer": "28"}, [1], "hello"])
async def test_what_is_no_answer_of_cairn_is_an_error(content: object) -> None:
    found = await asked(Moody({"a": [(200, content, {})]}), suite("a"))

    assert "the answer is not one of Cairn's" in found.rows[0].asked.error


async def test_no_more_are_asked_at_once_than_was_said() -> None:
    moody = Moody(pause_s=0.002)

    await asked(moody, suite(*"abcdefghij"), at_once=3)

    assert moody.most_at_once == 3


async def test_every_case_that_is_done_is_told() -> None:
    done: list[bool] = []

    async with serving(Moody({"a": [(422, {"detail": "No."}, {})]})) as service:
        await run(service, suite("a", "b"), Pace(), done=lambda: done.append(True))

    assert len(done) == 2


async def test_a_case_of_a_group_that_the_key_is_not_in_is_not_asked() -> None:
    moody = Moody(groups=["people"])
    cases = Suite("made", (case("a", groups=["people"]), case("b", groups=["board"])))

    found = await asked(moody, cases)

    assert found.rows[0].evaluated
    assert found.rows[1].asked.error == "the key is no member of board, as the case has it"


async def test_the_index_is_named_by_what_is_in_it() -> None:
    plain = [document("a.md"), document("b.md")]
    changed = [document("a.md"), document("b.md", sha256="1" * 64)]
    waiting = [*plain, document("c.md", live_version=None)]
    old = [document("a.md"), document("b.md", version=2)]
    recut = [document("a.md"), document("b.md", chunks=4)]

    names = [
        (await asked(Moody(documents=each), suite("a"))).identity
        for each in (plain, plain[::-1], waiting, changed, old, recut)
    ]

    assert names[0] == names[1] == names[2]
    assert names[0].documents == 2
    assert len({one.index for one in names}) == 4


async def test_documents_that_change_meanwhile_make_the_run_worthless() -> None:
    moody = Moody(documents=[document("a.md")])
    moody.hear = lambda _: moody.documents.append(document("late.md"))

    with pytest.raises(Moved, match=r"\(1 documents\) became .* \(2 documents\)"):
        await asked(moody, suite("a"))


async def test_a_run_broken_off_goes_on_where_it_was(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    _journal(journal, suite("a", "b", "c"), ["a", "b"])

    moody = Moody()
    found = await asked(moody, suite("a", "b", "c"), journal=journal)

    assert set(moody.asked) == {"c"}
    assert found.reused == 2
    assert all(row.evaluated for row in found.rows)
    assert not journal.exists()


async def test_answers_are_kept_as_they_come_and_failures_are_not(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    moody = Moody({"b": [(422, {"detail": "No."}, {})]})
    moody.hear = lambda question: moody.documents.append(document(question))

    with pytest.raises(Moved):
        await asked(moody, suite("a", "b", "c"), journal=journal)

    kept = [json.loads(line)["case"] for line in journal.read_text().splitlines()]
    assert sorted(kept) == ["a", "c"]


async def test_a_torn_line_is_asked_again_and_swallows_no_other(tmp_path: Path) -> None:
    journal, cases = tmp_path / "journal.jsonl", suite("a", "b", "c")
    _journal(journal, cases, ["a", "b"])
    journal.write_bytes(journal.read_bytes()[:-40])
    moody = Moody()
    moody.hear = lambda question: moody.documents.append(document(question))
    with pytest.raises(Moved):
        await asked(moody, cases, journal=journal)

    again = Moody()
    found = await asked(again, cases, journal=journal)

    assert set(moody.asked) == {"b", "c"}
    assert not again.asked
    assert found.reused == 3


@pytest.mark.parametrize(
    "other", [{"suite": "0" * 64}, {"release": "rel_other"}, {"index": "idx_other"}]
)
async def test_answers_of_another_suite_release_or_index_are_not_taken_up(
    tmp_path: Path, other: dict[str, str]
) -> None:
    journal = tmp_path / "journal.jsonl"
    _journal(journal, suite("a"), ["a"], **other)
    moody = Moody()

    found = await asked(moody, suite("a"), journal=journal)

    assert moody.asked["a"] == 1
    assert found.reused == 0


async def test_a_result_is_the_same_after_it_was_written_and_read(tmp_path: Path) -> None:
    found = await asked(Moody({"b": [(422, {"detail": "No."}, {})]}), suite("a", "b"))

    write_result(found, tmp_path / "result.json")
    again = read_result(tmp_path / "result.json")

    assert again.model_dump_json() == found.model_dump_json()
    assert again.rows[1].scores["tokens"].unknown


async def test_an_earlier_result_gets_the_scores_of_today() -> None:
    stale = result([row("a", {"token_f1": 0.25}), row("b", {})])

    again = await rescored(stale)

    assert again.rows[0].scores.keys() == BY_NAME.keys()
    assert next(one.counted for one in figures(again)) == 2


@pytest.mark.parametrize("content", ["", "{}", '{"format": "other"}'])
def test_a_file_that_is_no_result_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "result.json").write_text(content)

    with pytest.raises(BadResult, match=r"no result of cairn-eval"):
        read_result(tmp_path / "result.json")


def _journal(path: Path, of: Suite, answered: Sequence[str], **other: str) -> None:
    """What a run of this suite on an empty index leaves when it is broken off after these."""
    entry = {
        "suite": of.version,
        "release": RELEASE,
        "index": "idx_4f53cda18c2b",
        "asked": {
            "reply": {**body(), "latency_ms": 10.0},
            "attempts": 1,
            "asked_at": "2026-03-01T12:00:00Z",
        },
        **other,
    }
    lines = [json.dumps({**entry, "case": name}) for name in answered]
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
async def aclient(service_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=service_url, timeout=30.0, trust_env=False) as client:
        yield client


@pytest.fixture
async def leave(aclient: httpx.AsyncClient) -> str:
    """A document that is ready to be asked about; its name."""
    name = "evals-leave.md"
    text = f"# Leave\n\n{LEAVE}\n"
    put = (await aclient.put(f"/v1/documents/{name}", content=text.encode())).json()
    while put["status"] != "ready":
        assert put["status"] != "failed", put["failure"]
        await asyncio.sleep(0.05)
        put = (await aclient.get(f"/v1/documents/{put['id']}")).json()
    return name
