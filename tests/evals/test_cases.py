"""Suites: what a case may be, every fault with its line, and a version that changes with the content."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evals.cases import BadSuite, parse_suite, read_suite

HANDBOOK = Path(__file__).parents[2] / "evals" / "handbook" / "suite.jsonl"
LEAVE = {"id": "leave", "question": "How many days?", "answer": "28 days", "documents": ["a.md"]}
NONE = {"id": "none", "question": "Who sings?", "unanswerable": True}


def lines(*cases: object) -> str:
    return "\n".join(json.dumps(case) for case in cases)


def test_the_handbook_is_a_suite() -> None:
    suite = read_suite(HANDBOOK)

    assert suite.name == "handbook"
    assert len(suite.cases) == len(HANDBOOK.read_text("utf-8").splitlines())
    assert any(case.conversation for case in suite.cases)


def test_every_fault_is_told_at_once_with_its_line() -> None:
    text = "\n".join(
        [
            json.dumps(LEAVE),
            '{"id": "open',
            json.dumps({**NONE, "documets": ["a.md"]}),
            json.dumps({"id": "bare", "question": "What?"}),
            json.dumps({**NONE, "id": "both", "answer": "Freya"}),
            json.dumps({**LEAVE, "id": "blank", "question": "  "}),
            json.dumps(LEAVE),
        ]
    )

    with pytest.raises(BadSuite) as caught:
        parse_suite("leave", text)

    told = str(caught.value).splitlines()[1:]
    assert [line.partition(":")[0] for line in told] == [f"line {n}" for n in range(2, 8)]
    assert "no JSON" in told[0]
    assert "there is no field 'documets'" in told[1]
    assert "give an answer, documents or quotes" in told[2]
    assert "unanswerable, but has answer" in told[3]
    assert told[4].startswith("line 6: question:")
    assert told[5] == "line 7: the id 'leave' is that of line 1 too"


def test_a_suite_without_cases_is_refused() -> None:
    with pytest.raises(BadSuite, match="no cases"):
        parse_suite("empty", "\n// nothing yet\n")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSuite, match=r"nowhere\.jsonl cannot be read"):
        read_suite(tmp_path / "nowhere.jsonl")


def test_the_version_is_of_the_content_and_of_nothing_else() -> None:
    plain = parse_suite("one", lines(LEAVE, NONE))
    reordered = {key: LEAVE[key] for key in reversed(LEAVE)} | {"unanswerable": False, "tags": []}

    same = parse_suite("two", "// a comment\n\n" + lines(NONE, reordered))

    assert same.version == plain.version
    assert len(plain.version) == 64


@pytest.mark.parametrize(
    "change",
    [{"answer": "28 days."}, {"quotes": ["28"]}, {"tags": ["fact"]}, {"groups": ["people"]}],
)
def test_the_version_changes_with_every_field(change: dict[str, object]) -> None:
    plain = parse_suite("one", lines(LEAVE))

    changed = parse_suite("one", lines({**LEAVE, **change}))

    assert changed.version != plain.version


def test_a_case_may_have_earlier_turns_and_groups() -> None:
    turns = [{"role": "user", "content": "And?"}, {"role": "assistant", "content": "So."}]

    (case,) = parse_suite("one", lines({**LEAVE, "conversation": turns, "groups": ["hr"]})).cases

    assert [turn.role for turn in case.conversation] == ["user", "assistant"]
    assert case.groups == ("hr",)
