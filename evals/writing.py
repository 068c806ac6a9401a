"""Writing a report: one file a format, in one folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from evals.junit import junit
from evals.markdown import markdown
from evals.page import page
from evals.report import Report
from evals.result import write_result
from evals.summary import summary

FORMATS: Mapping[str, Callable[[Report], str]] = {
    "report.html": page,
    "report.md": markdown,
    "junit.xml": junit,
    "summary.json": summary,
}
RESULT = "result.json"


def write_report(report: Report, folder: Path) -> tuple[Path, ...]:
    """Writes the result and every format; answers where they are, the page first."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, render in FORMATS.items():
        (folder / name).write_text(render(report), "utf-8")
    write_result(report.result, folder / RESULT)
    return tuple(folder / name for name in (*FORMATS, RESULT))
