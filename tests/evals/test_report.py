"""Reports and the command: what people and machines are shown, and the exit codes they act on."""

from __future__ import annotations

import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner, Result

from evals import charts
from evals.cases import read_suite
from evals.command import app
from evals.compare import compare
from evals.gate import judge
from evals.interval import Interval
from evals.markdown import markdown
from evals.marks import pieces
from evals.report import Report
from evals.result import Asked, Row, read_result, write_result
from evals.rules import Gate, Rule, read_gate
from evals.scorers import scored, unscored
from evals.writing import write_report
from tests.evals.made import LEAVE, THEN, case, failed, refusal, reply, result, row, sentence

HANDBOOK = Path(__file__).parents[2] / "evals" / "handbook"
STRICT = Gate(rules=(Rule(metric="answer_recall", lower_bound_at_least=0.9),))
MADE_UP = "Everyone has 99 days in Atlantis [1]."


async def judged(gate: Gate = STRICT) -> Report:
    """A good case, one with a sentence made up, a refusal, and one that failed."""
    said = [
        (case("good"), reply()),
        (
            case("made-up", question="<b>How</b> many | days?", tags=["trap"]),
            reply(answer=MADE_UP, sentences=[sentence(MADE_UP, 1, supported=False)], citations=[]),
        ),
        (case("none", unanswerable=True, tags=["trap"]), refusal()),
    ]
    rows = [await _row(of, answer) for of, answer in said]
    after = result([*rows, failed("lost", "503: \x00 it is away", unscored("503"))])
    before = result([row.model_copy(update={"scores": rows[0].scores}) for row in rows])
    comparison = compare(before, after)
    return Report(after, judge(gate, after, comparison), comparison)


async def _row(of: Any, answer: Any) -> Row:
    found = await scored(of, answer)
    return Row(case=of, asked=Asked(reply=answer, attempts=1, asked_at=THEN), scores=found.scores)


class Seen(HTMLParser):
    """What a page is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.ids += [given["id"] or ""] if "id" in given else []
        self.targets += [given[name] or "" for name in ("src", "href") if name in given]


async def test_the_page_needs_nothing_else_and_leads_only_to_itself(tmp_path: Path) -> None:
    page, *_ = write_report(await judged(), tmp_path)

    text = page.read_text("utf-8")
    seen = Seen()
    seen.feed(text)
    assert not {"script", "link", "img", "iframe"} & set(seen.tags)
    assert "url(" not in text
    assert {target.removeprefix("#") for target in seen.targets} <= set(seen.ids)


async def test_the_page_has_every_case_once_the_worst_first(tmp_path: Path) -> None:
    page, *_ = write_report(await judged(), tmp_path)

    ids = re.findall(r'id="case-([a-z-]+)"', page.read_text("utf-8"))
    assert ids == ["lost", "made-up", "good", "none"]


async def test_texts_of_cases_are_no_markup(tmp_path: Path) -> None:
    page, words, *_ = write_report(await judged(), tmp_path)

    assert "<b>How</b>" not in page.read_text("utf-8")
    assert "&lt;b&gt;How&lt;/b&gt; many | days?" in page.read_text("utf-8")
    assert r"&lt;b&gt;How&lt;/b&gt; many \| days?" in words.read_text("utf-8")


async def test_a_sentence_that_no_source_supports_is_marked(tmp_path: Path) -> None:
    page, *_ = write_report(await judged(), tmp_path)

    text = page.read_text("utf-8")
    assert '<span class="unsupported">Everyone has 99 days in Atlantis </span>' in text
    assert '<span class="marker unsupported">[1]</span>' in text


async def test_what_was_cited_and_expected_is_marked_in_its_source(tmp_path: Path) -> None:
    page, *_ = write_report(await judged(), tmp_path)

    assert f'<span class="cited expected">{LEAVE}</span>' in page.read_text("utf-8")


async def test_the_page_says_which_rules_do_not_hold_and_why(tmp_path: Path) -> None:
    page, *_ = write_report(await judged(), tmp_path)

    text = page.read_text("utf-8")
    assert "made did not pass the gate" in text
    assert "1 of 4 are not: lost. The first: 503" in text
    assert "0123456789abcdef0123456789abcdef" in text


@pytest.mark.parametrize("scheme", ["color-scheme: light dark", "light-dark(#fff, #19201d)"])
async def test_the_page_is_light_and_dark(tmp_path: Path, scheme: str) -> None:
    page, *_ = write_report(await judged(), tmp_path)

    assert scheme in page.read_text("utf-8")


async def test_the_words_for_a_pull_request_have_outcome_figures_and_worst_cases() -> None:
    report = await judged()

    text = markdown(report)

    assert text.startswith("## made: ❌ did not pass the gate")
    assert "- **every case is evaluated**: 1 of 4 are not: lost." in text
    assert "| Answer recall | **0.750** |" in text
    assert len(re.findall(r"^- `", text, re.MULTILINE)) <= 5
    assert len(text) < 6_000


async def test_without_a_gate_and_a_baseline_there_is_a_report_too(tmp_path: Path) -> None:
    report = Report((await judged()).result)

    page, words, *_ = write_report(report, tmp_path)

    assert "No gate was set." in page.read_text("utf-8")
    assert words.read_text("utf-8").startswith("## Evaluation of made")


async def test_junit_has_a_failure_for_a_rule_and_an_error_for_a_case(tmp_path: Path) -> None:
    write_report(await judged(), tmp_path)

    root = ElementTree.parse(tmp_path / "junit.xml").getroot()  # noqa: S314  # our own file
    gate, cases = root.findall("testsuite")
    assert (gate.get("tests"), gate.get("failures")) == ("3", "2")
    assert (cases.get("tests"), cases.get("errors")) == ("4", "1")
    (error,) = cases.iter("error")
    assert error.get("message") == "503: � it is away"


async def test_the_summary_is_json_without_nan(tmp_path: Path) -> None:
    write_report(await judged(), tmp_path)

    def never(name: str) -> None:
        raise AssertionError(name)

    summary = json.loads((tmp_path / "summary.json").read_text(), parse_constant=never)
    assert summary["passed"] is False
    assert summary["cases"] == 4
    assert summary["evaluated"] == 3
    assert summary["metrics"]["answer_recall"]["unknown"] == 1
    assert summary["changes"]["answer_recall"]["pairs"] >= 1


def test_marks_may_overlap() -> None:
    found = pieces("abcdef", [(0, 4, "cited"), (2, 6, "expected")])

    assert [(piece.text, piece.kinds) for piece in found] == [
        ("ab", ("cited",)),
        ("cd", ("cited", "expected")),
        ("ef", ("expected",)),
    ]


def test_a_chart_stays_on_its_axis_and_says_in_words_what_it_shows() -> None:
    drawn = charts.whisker(Interval(0.5, -3.0, 1.0), charts.SHARES, 'a "half" & more')

    assert 'cx="50.00%"' in drawn
    assert 'x1="3.00%"' in drawn
    assert "a &#34;half&#34; &amp; more" in drawn
    assert "circle" not in charts.whisker(Interval(*[math.nan] * 3), charts.SHARES, "nothing")


@pytest.mark.parametrize(
    ("value", "up"), [(0.0, 0.0), (0.013, 0.02), (0.3, 0.5), (1.0, 1.0), (647, 1000), (240, 250)]
)
def test_an_axis_ends_at_a_round_number(value: float, up: float) -> None:
    assert charts.rounded_up(value) == pytest.approx(up)


def cairn_eval(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A result of forty cases that were all answered well."""
    path = tmp_path / "made" / "result.json"
    path.parent.mkdir()
    write_result(result([row(f"c{i}", {}) for i in range(40)]), path)
    return path


def gate_file(folder: Path, rule: str) -> Path:
    (folder / "gate.yaml").write_text(f"rules:\n  - {{{rule}}}\n")
    return folder / "gate.yaml"


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ("metric: answer_recall, lower_bound_at_least: 0.9", 0),
        ("metric: answer_recall, lower_bound_at_least: 0.9, cases_at_least: 41", 1),
        ("metric: latency_ms, upper_bound_at_most: 1", 1),
        ("metric: answer_recall, not_worse_than_baseline_by: 0", 2),
        ("metric: nonsense, lower_bound_at_least: 0.9", 2),
    ],
)
def test_the_exit_code_is_the_gate_s_verdict(
    tmp_path: Path, made: Path, rule: str, code: int
) -> None:
    ended = cairn_eval("report", made, "--gate", gate_file(tmp_path, rule), "--out", tmp_path)

    assert ended.exit_code == code, ended.output


def test_a_result_is_compared_with_an_earlier_one(tmp_path: Path, made: Path) -> None:
    rule = "metric: answer_recall, not_worse_than_baseline_by: 0.02"

    ended = cairn_eval(
        "report", made, "--against", made, "--gate", gate_file(tmp_path, rule), "--out", tmp_path,
        "--json",
    )  # fmt: skip

    assert ended.exit_code == 0, ended.output
    summary = json.loads(ended.stdout)
    assert summary["passed"] is True
    assert summary["changes"]["answer_recall"]["mean"] == 0.0


def test_where_no_case_was_answered_nothing_was_evaluated(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write_result(result([failed("a", "503: away", unscored("503"))]), path)

    assert cairn_eval("report", path, "--out", tmp_path / "out").exit_code == 2


def test_a_service_that_does_not_answer_is_told_and_is_no_verdict(tmp_path: Path) -> None:
    ended = cairn_eval(
        "run", HANDBOOK / "suite.jsonl", "--url", "http://127.0.0.1:9", "--out", tmp_path
    )

    assert ended.exit_code == 2
    assert "does not answer" in ended.stderr


def test_a_suite_that_cannot_be_used_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text('{"id": "x"}\n')

    ended = cairn_eval("run", tmp_path / "bad.jsonl", "--out", tmp_path)

    assert ended.exit_code == 2
    assert "line 1: question: Field required" in ended.stderr


def test_the_command_asks_a_service_and_writes_its_reports(
    tmp_path: Path, service_url: str
) -> None:
    suite = tmp_path / "opera.jsonl"
    suite.write_text('{"id": "opera", "question": "Who sang Tosca?", "unanswerable": true}\n')

    ended = cairn_eval("run", suite, "--url", service_url, "--out", tmp_path / "out", "--json")

    assert ended.exit_code == 0, ended.output
    assert json.loads(ended.stdout)["metrics"]["refusal_recall"]["mean"] == 1.0
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "junit.xml",
        "report.html",
        "report.md",
        "result.json",
        "summary.json",
    ]
    assert read_result(tmp_path / "out" / "result.json").suite == "opera"


def test_the_gate_of_the_handbook_can_be_read() -> None:
    gate = read_gate(HANDBOOK / "gate.yaml")

    assert gate.cases_at_least == len(read_suite(HANDBOOK / "suite.jsonl").cases)
    assert not gate.relative
