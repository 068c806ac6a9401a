"""The handbook's PDF and Word files, made anew: `python -m evals.handbook.build [folder]`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from evals.handbook.markup import Source, read_source
from evals.handbook.pdf import write_pdf
from evals.handbook.word import write_docx

HERE = Path(__file__).parent
AUTHOR = "Fernweh Instruments"
WRITERS: dict[str, Callable[[Source, Path, str], None]] = {
    "leave-policy.pdf": write_pdf,
    "wren-40-manual.pdf": write_pdf,
    "expenses-and-travel.docx": write_docx,
    "onboarding.docx": write_docx,
    "support-escalation.docx": write_docx,
}


def build(folder: Path) -> list[Path]:
    """Writes every made document into `folder` and answers with their paths.

    The same sources give the same bytes. Files of the same name are replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [_build_one(folder / name) for name in WRITERS]


def _build_one(target: Path) -> Path:
    markdown = HERE / "sources" / f"{target.stem}.md"
    WRITERS[target.name](read_source(markdown.read_text("utf-8")), target, AUTHOR)
    return target


if __name__ == "__main__":
    into = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "documents"
    for path in build(into):
        sys.stdout.write(f"{path.name}: {path.stat().st_size} bytes\n")
