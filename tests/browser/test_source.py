"""The page's source keeps what its security rests on, whatever a browser would forgive."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

WEB = Path(__file__).parents[2] / "app" / "web"
SCRIPTS = sorted(WEB.glob("js/**/*.js"))
STYLES = sorted(WEB.glob("css/*.css"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_no_script_turns_text_into_markup_or_code(script: Path) -> None:
    ways = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\(|new Function"

    assert not re.search(ways, script.read_text())


@pytest.mark.parametrize(
    "file", [*SCRIPTS, *STYLES, WEB / "index.html"], ids=lambda path: path.name
)
def test_nothing_is_loaded_from_elsewhere(file: Path) -> None:
    addresses = re.findall(r"https?://[^\s\"'`)]+", file.read_text())

    assert set(addresses) <= {"http://www.w3.org/2000/svg"}


def test_the_page_has_no_inline_script_and_no_inline_style() -> None:
    html = (WEB / "index.html").read_text()

    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", html)


def test_every_vendored_font_comes_with_its_licence() -> None:
    for folder in (WEB / "vendor").iterdir():
        assert "SIL Open Font License" in (folder / "LICENSE").read_text()


def test_every_file_the_page_names_is_there() -> None:
    for file in [*SCRIPTS, *STYLES, WEB / "index.html"]:
        named = re.findall(
            r"(?:from |url\(|href=|src=)\"(\.{0,2}/?[\w./-]+\.\w+)\"", file.read_text()
        )
        for address in named:
            assert (file.parent / address).is_file(), f"{file.name} names {address}"
