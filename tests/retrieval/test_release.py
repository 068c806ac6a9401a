"""A release is named by its content."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from retrieval.release import Release


def test_equal_releases_have_equal_ids() -> None:
    assert Release().id == Release().id
    assert re.fullmatch(r"rel_[0-9a-f]{12}", Release().id)


@pytest.mark.parametrize(
    "changed",
    [
        {"temperature": 0.1},
        {"model": "llama"},
        {"sources": 3},
        {"fusion": "rrf"},
        {"groundedness": "drop"},
        {"prompt_template": "Answer."},
        {"embedder": "other"},
        {"chunking": "other"},
        {"evidence_threshold": 0.5},
    ],
)
def test_any_change_gives_another_id(changed: dict[str, object]) -> None:
    assert replace(Release(), **changed).id != Release().id  # type: ignore[arg-type]


def test_a_release_survives_being_written_and_read() -> None:
    release = Release(model="llama", groundedness="refuse", temperature=1.0)

    read = Release.of(json.loads(release.canonical()))

    assert read == release
    assert read.id == release.id


def test_a_whole_number_is_as_good_as_a_real_one() -> None:
    assert Release.of({"temperature": 0}).id == Release(temperature=0.0).id


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"temprature": 0.1}, r"no 'temprature'; it has prompt_version, "),
        ({"fusion": "sum"}, r"fusion of a release is 'sum'; allowed: dbsf, rrf"),
        ({"sources": 0}, r"sources of a release is 0; allowed: at least 1"),
        ({"temperature": 3.0}, r"allowed: 0 to 2"),
    ],
)
def test_what_a_release_cannot_have_is_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Release.of(values)
