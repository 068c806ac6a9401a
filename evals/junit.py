"""The report as JUnit XML, for the test tab of a build server."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from evals.report import Report
from evals.result import Row

_NOT_XML = re.compile(r"[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(report: Report) -> str:
    """Two suites: the gate, where a rule that does not hold is a failure; and the cases, where one
    that could not be evaluated is an error. How good a case is, the gate judges over all of them.
    """
    root = ElementTree.Element("testsuites", name=f"cairn-eval {report.result.suite}")
    _gate(root, report)
    _cases(root, report)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, "unicode") + "\n"


def _gate(root: ElementTree.Element, report: Report) -> None:
    findings = report.verdict.findings if report.verdict else ()
    failures = sum(not finding.passed for finding in findings)
    suite = _suite(root, "gate", len(findings), failures=failures, errors=0)
    for finding in findings:
        case = ElementTree.SubElement(suite, "testcase", classname="gate", name=_text(finding.rule))
        if not finding.passed:
            ElementTree.SubElement(case, "failure", message=_text(finding.reason))


def _cases(root: ElementTree.Element, report: Report) -> None:
    rows = report.result.rows
    suite = _suite(root, "cases", len(rows), 0, sum(not row.evaluated for row in rows))
    for row in rows:
        latency_ms = row.asked.reply.latency_ms if row.asked.reply else 0.0
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=_text(report.result.suite),
            name=row.case.id,
            time=f"{latency_ms / 1e3:.3f}",
        )
        for message in _errors(row):
            ElementTree.SubElement(case, "error", message=_text(message))
        _scores(case, row)


def _scores(case: ElementTree.Element, row: Row) -> None:
    numbers = {name: score.number for name, score in row.scores.items()}
    properties = ElementTree.SubElement(case, "properties")
    for name, number in numbers.items():
        if number is not None:
            ElementTree.SubElement(properties, "property", name=name, value=f"{number:g}")


def _errors(row: Row) -> list[str]:
    return [row.asked.error] if row.asked.error else list(row.errors)


def _suite(
    root: ElementTree.Element, name: str, tests: int, failures: int, errors: int
) -> ElementTree.Element:
    counts = {"tests": str(tests), "failures": str(failures), "errors": str(errors)}
    return ElementTree.SubElement(root, "testsuite", {"name": name, **counts})


def _text(text: str) -> str:
    """Without the characters that XML 1.0 does not allow (section 2.2)."""
    return _NOT_XML.sub("�", text)
