"""What holds for the code as a whole."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("app", "evals", "infra", "ingestion", "retrieval")
VAGUE = {"utils", "helpers", "common", "base", "manager", "misc"}


def _modules() -> list[Path]:
    return [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]


def test_imports_only_point_right() -> None:
    linted = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert linted.returncode == 0, linted.stdout


@pytest.mark.parametrize("module", _modules(), ids=lambda file: str(file.relative_to(ROOT)))
def test_every_module_says_in_its_first_line_what_it_is(module: Path) -> None:
    assert re.match(r'(#.*\n)*"""\S', module.read_text()), "the first line is no docstring"
    assert module.stem not in VAGUE


def test_the_pure_packages_import_only_the_standard_library_and_numpy() -> None:
    allowed = set(sys.stdlib_module_names) | {"numpy", "ingestion", "retrieval"}
    for package in ("ingestion", "retrieval"):
        for file in (ROOT / package).rglob("*.py"):
            names = re.findall(r"^\s*(?:from|import) ([a-z_0-9]+)", file.read_text(), re.MULTILINE)
            assert set(names) <= allowed, file


def test_importing_the_service_is_light() -> None:
    code = (
        "import sys, app.api\n"
        "heavy = {'torch', 'transformers', 'openvino', 'qdrant_client', 'llama_index', 'langfuse',"
        " 'sqlalchemy', 'nncf', 'openai'}\n"
        "print(*sorted(heavy & set(sys.modules)))"
    )

    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert loaded.stdout.split() == []
