"""A PDF of 600 pages and fifty small files, to see whether the small ones have to wait for it."""

from __future__ import annotations

import random
from pathlib import Path

from infra.embedders.check_texts import CHECK_TEXTS

GIANT = "giant"
PAGES = 600
SMALL = 50
LINES = 40


def beside_small_ones(_data: Path, folder: Path, _documents: int) -> None:
    """Named so that the giant is uploaded first."""
    _write_giant(folder / "a-giant.pdf")
    for n in range(SMALL):
        (folder / f"small-{n:02}.md").write_text(
            f"# Note {n}\n\n{CHECK_TEXTS[n % len(CHECK_TEXTS)]}\n"
        )


def _write_giant(place: Path) -> None:
    from reportlab.pdfgen.canvas import Canvas

    chance = random.Random(7)  # noqa: S311 - not for secrets
    canvas = Canvas(str(place))
    words = " ".join(text for text in CHECK_TEXTS if text.isascii()).split()
    for page in range(1, PAGES + 1):
        lines = canvas.beginText(60, 780)
        lines.textLine(f"Chapter {page}")
        for _ in range(LINES):
            lines.textLine(" ".join(chance.choices(words, k=12)))
        canvas.drawText(lines)
        canvas.showPage()
    canvas.save()
