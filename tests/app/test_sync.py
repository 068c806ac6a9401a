"""`cairn sync` against the running service: what it changes, what it leaves alone, and how it ends."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from app.cli import app
from app.client import Service
from app.syncing import Manner, Syncing
from infra.sources.remembered import open_remembered
from ingestion.sync import Copy, Item, Listing, Seen, Wanted
from tests.servers.site import Page, Site, site

FAILED, USAGE, REFUSED = 1, 2, 3
LONG_AGO_S = 1_600_000_000
NUMBERS = itertools.count()


@pytest.fixture
def prefix() -> str:
    """Where this test's documents are, so that no other test sees them."""
    return f"sync-{next(NUMBERS)}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    for name in ("tea", "coffee", "cocoa"):
        write(folder / f"{name}.md", f"# {name}\n\nA cup of {name} costs two euros.")
    return folder


def write(path: Path, text: str) -> None:
    """As if it had lain there for long."""
    path.write_text(text)
    os.utime(path, (LONG_AGO_S, LONG_AGO_S))


Sync = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def environment(service_url: str, tmp_path: Path) -> dict[str, str]:
    return {"CAIRN_URL": service_url, "XDG_CACHE_HOME": str(tmp_path / "cache"), "COLUMNS": "120"}


@pytest.fixture
def sync(environment: dict[str, str], prefix: str) -> Sync:
    """Runs it; the exit code and what it says to programs, or to people, in `said`."""

    def sync(source: Path | str, *options: str) -> tuple[int, dict[str, Any]]:
        words = ["sync", str(source), "--prefix", prefix, *options]
        ended = CliRunner().invoke(app, words, env=environment)
        assert ended.exception is None or isinstance(ended.exception, SystemExit), ended.output
        told = json.loads(ended.stdout) if "--json" in options else {}
        return ended.exit_code, told | {"said": ended.output}

    return sync


@pytest.fixture
def documents(client: httpx.Client, prefix: str) -> Callable[[], dict[str, dict[str, Any]]]:
    """By name, without the prefix."""

    def documents() -> dict[str, dict[str, Any]]:
        found = client.get("/v1/documents", params={"name": f"{prefix}/", "limit": 500}).json()
        return {one["name"].removeprefix(f"{prefix}/"): one for one in found["items"]}

    return documents


Documents = Callable[[], dict[str, dict[str, Any]]]


def test_the_documents_follow_the_folder(folder: Path, sync: Sync, documents: Documents) -> None:
    code, first = sync(folder, "--json")
    before = documents()
    write(folder / "tea.md", "# Tea\n\nTea is free now.")
    (folder / "coffee.md").unlink()
    write(folder / "milk.md", "# Milk\n\nMilk is white.")
    again, second = sync(folder, "--json")
    after = documents()

    assert (code, again) == (0, 0)
    assert [len(first[act]) for act in ("add", "update", "remove")] == [3, 0, 0]
    assert [
        one.rpartition("/")[2] for act in ("add", "update", "remove") for one in second[act]
    ] == [
        "milk.md",
        "tea.md",
        "coffee.md",
    ]
    assert second["unchanged"] == 1
    assert set(after) == {"tea.md", "milk.md", "cocoa.md"}
    assert {one["status"] for one in after.values()} == {"ready"}
    assert after["tea.md"]["version"] == 2
    assert after["cocoa.md"]["updated_at"] == before["cocoa.md"]["updated_at"]


def test_a_second_run_reads_no_file_and_changes_nothing(
    folder: Path, sync: Sync, environment: dict[str, str]
) -> None:
    time.sleep(2.1)  # of what was written to just now, the times say nothing yet
    nothing = "0 added, 0 updated, 0 removed, 3 unchanged.\n"
    sync(folder)

    _, again = sync(folder)
    shutil.rmtree(environment["XDG_CACHE_HOME"])
    _, without_cache = sync(folder)
    _, with_cache = sync(folder)

    assert again["said"] == with_cache["said"] == nothing
    assert "Comparing" in without_cache["said"]
    assert without_cache["said"].endswith(nothing)


def test_a_dry_run_prints_the_plan_and_changes_nothing(
    folder: Path, sync: Sync, documents: Documents, prefix: str
) -> None:
    code, told = sync(folder, "--dry-run")

    assert code == 0
    assert f"add     {prefix}/cocoa.md\n" in told["said"]
    assert "3 to add, 0 to update, 0 to remove" in told["said"]
    assert documents() == {}


def test_what_a_person_uploaded_stays(
    folder: Path, sync: Sync, documents: Documents, client: httpx.Client, prefix: str
) -> None:
    client.put(f"/v1/documents/{prefix}/by-hand.txt", content=b"Mine.")
    client.put(f"/v1/documents/{prefix}/tea.md", content=b"My own tea.")

    code, told = sync(folder, "--json")
    mine = documents()
    adopted, _ = sync(folder, "--adopt")

    assert code == FAILED
    assert [held["name"] for held in told["held"]] == [f"{prefix}/tea.md"]
    assert mine["tea.md"]["metadata"] == {}
    assert mine["tea.md"]["version"] == 1
    assert adopted == 0
    assert documents()["tea.md"]["metadata"]["source"] == told["source"]
    assert "by-hand.txt" in documents()


def test_an_unmounted_folder_empties_nothing(
    folder: Path, sync: Sync, documents: Documents
) -> None:
    sync(folder)
    for file in folder.iterdir():
        file.unlink()

    code, told = sync(folder)
    there = documents()
    dry, _ = sync(folder, "--dry-run")
    forced, _ = sync(folder, "--force")

    assert (code, dry, forced) == (REFUSED, REFUSED, 0)
    assert "3 of the 3 documents" in told["said"]
    assert len(there) == 3
    assert documents() == {}


def test_a_folder_that_is_not_there_is_an_error(
    folder: Path, sync: Sync, documents: Documents
) -> None:
    sync(folder)
    folder.rename(folder.with_name("elsewhere"))

    code, told = sync(folder)

    assert code == FAILED
    assert "No such file or directory" in told["said"]
    assert len(documents()) == 3


def test_what_cairn_does_not_read_is_not_sent_and_no_fault(
    folder: Path, sync: Sync, documents: Documents
) -> None:
    (folder / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    (folder / "empty.txt").touch()

    code, told = sync(folder, "--json")

    assert code == 0
    assert sorted(held["name"].rpartition("/")[2] for held in told["held"]) == [
        "empty.txt",
        "photo.png",
    ]
    assert not any(held["fault"] for held in told["held"])
    assert len(documents()) == 3


def test_what_is_refused_or_fails_is_said_and_does_not_stop_the_others(
    folder: Path, sync: Sync, documents: Documents
) -> None:
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7\n" + b"not really a document" * 20)

    code, told = sync(folder)
    foreign, refused = sync(folder, "--group", "board")

    assert (code, foreign) == (FAILED, FAILED)
    assert "failed   broken.pdf" in told["said"]
    assert "3 added" in told["said"]
    assert "You do not belong to 'board'" in refused["said"]
    assert documents()["tea.md"]["status"] == "ready"


def test_labels_that_change_are_an_update(folder: Path, sync: Sync, documents: Documents) -> None:
    sync(folder)

    code, told = sync(folder, "--metadata", '{"team": "people"}', "--json")

    assert code == 0
    assert len(told["update"]) == 3
    assert documents()["tea.md"]["metadata"]["team"] == "people"
    assert documents()["tea.md"]["metadata"]["source"].endswith(str(folder))


def test_a_source_keeps_its_documents_when_it_moves_under_the_same_name(
    folder: Path, sync: Sync, documents: Documents
) -> None:
    sync(folder, "--as", "handbook")
    moved = folder.rename(folder.with_name("moved"))
    (moved / "tea.md").unlink()

    code, told = sync(moved, "--as", "handbook", "--json")

    assert code == 0
    assert (len(told["remove"]), told["unchanged"]) == (1, 2)
    assert set(documents()) == {"coffee.md", "cocoa.md"}


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("ftp://host/", "no kind of source"),
        ("http://10.0.0.1/", "--allow-private 10.0.0.1"),
        ("http://169.254.169.254/latest", "never read"),
        ("https://ann:secret@example.com/", "user name"),
        ("s3:///", "names no bucket"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_in_words(
    sync: Sync, source: str, words: str
) -> None:
    code, told = sync(source)

    assert code == USAGE
    assert words in told["said"]


# The web


@pytest.fixture
def there() -> Iterator[Site]:
    with site() as there:
        yield there


def test_the_documents_follow_a_sitemap(there: Site, sync: Sync, documents: Documents) -> None:
    there.sitemap("/sitemap.xml", "/tea", "/coffee", "/cocoa", "/a-dead-link")
    for name in ("tea", "coffee", "cocoa"):
        there.write(f"/{name}", f"<html><h1>{name}</h1><p>Hot.</p></html>", ETag=f'"{name}"')
    address = (f"{there.url}/sitemap.xml", "--allow-private", "127.0.0.1", "--json")

    first, _ = sync(*address)
    again, same = sync(*address)
    there.write("/tea", "<html><h1>tea</h1><p>Iced.</p></html>", ETag='"iced"')
    there.pages.pop("/coffee")
    last, changed = sync(*address)

    assert (first, again, last) == (0, 0, 0)
    assert same["unchanged"] == 3
    assert [len(changed[act]) for act in ("add", "update", "remove")] == [0, 1, 1]
    assert set(documents()) == {f"{there.host}/tea", f"{there.host}/cocoa"}
    assert documents()[f"{there.host}/tea"]["version"] == 2


def test_a_site_that_is_down_removes_nothing(there: Site, sync: Sync, documents: Documents) -> None:
    there.write("/tea", "<html><h1>Tea</h1><p>Hot.</p></html>")
    address = (f"{there.url}/tea", "--allow-private", there.host)
    sync(*address)
    there.pages["/tea"] = there.pages["/robots.txt"] = Page(b"", 503)

    code, told = sync(*address)

    assert code == FAILED
    assert "503" in told["said"]
    assert len(documents()) == 1


# How it ends


@contextmanager
def process(environment: dict[str, str], *words: str) -> Iterator[subprocess.Popen[bytes]]:
    root = Path(__file__).parent.parent.parent
    program = (sys.executable, "-m", "app.cli", "sync", *words)
    started = subprocess.Popen(
        program, cwd=root, env=os.environ | environment, stderr=subprocess.PIPE
    )
    try:
        yield started
    finally:
        started.kill()
        started.communicate()


def until(done: Callable[[], object], within_s: float = 30.0) -> None:
    deadline = time.monotonic() + within_s
    while not done():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)


def test_a_run_that_is_killed_goes_on_the_next_time(
    folder: Path, sync: Sync, documents: Documents, environment: dict[str, str], prefix: str
) -> None:
    for number in range(40):
        write(folder / f"{number}.txt", f"The number {number} is a number.")
    with process(environment, str(folder), "--prefix", prefix) as killed:
        until(documents)
        killed.kill()
    begun = len(documents())

    code, told = sync(folder, "--json")

    assert code == 0
    assert len(told["add"]) + told["unchanged"] == len(documents()) == 43
    assert len(told["add"]) <= 43 - begun


def test_watching_follows_the_folder_until_ctrl_c(
    folder: Path, documents: Documents, environment: dict[str, str], prefix: str
) -> None:
    words = (str(folder), "--prefix", prefix, "--watch", "--every", "0.2")
    with process(environment, *words) as watching:
        until(lambda: len(documents()) == 3)
        write(folder / "milk.md", "# Milk\n\nMilk is white.")
        until(lambda: "milk.md" in documents())
        (folder / "tea.md").unlink()
        until(lambda: "tea.md" not in documents())
        folder.rename(folder.with_name("unmounted"))
        time.sleep(1.0)
        folder.with_name("unmounted").rename(folder)
        write(folder / "juice.md", "# Juice\n\nJuice is sweet.")
        until(lambda: "juice.md" in documents())
        started = time.monotonic()
        watching.send_signal(signal.SIGINT)
        _, said = watching.communicate(timeout=30)
        ended_s = time.monotonic() - started

    assert watching.returncode == 130
    assert ended_s < 5.0
    assert b"Traceback" not in said
    assert said.count(b"No such file or directory") == 1
    assert set(documents()) == {"coffee.md", "cocoa.md", "milk.md", "juice.md"}


class Meddled:
    """A source during whose upload a person replaces the document that is to be removed."""

    id = "meddled"
    pause_s = 1.0

    def __init__(self, folder: Path, meddle: Callable[[], object]) -> None:
        self.names = ["old.txt"]
        self._folder = folder
        self._meddle = meddle

    async def list(self) -> Listing:
        return Listing(tuple(Item(name, name) for name in self.names))

    async def look(self, item: Item, seen: Seen | None) -> Seen:
        raise AssertionError("what has no document is not looked at")

    @asynccontextmanager
    async def copy(self, item: Item) -> AsyncIterator[Copy]:
        if item.name != "old.txt":
            self._meddle()
        path = self._folder / item.name
        path.write_text(f"This is {item.name}.")
        yield Copy(path, "")


async def test_what_a_person_puts_in_its_place_meanwhile_is_not_removed(
    tmp_path: Path,
    service_url: str,
    aclient: httpx.AsyncClient,
    client: httpx.Client,
    documents: Documents,
    prefix: str,
) -> None:
    place = f"/v1/documents/{prefix}/old.txt"
    source = Meddled(tmp_path, lambda: client.put(place, content=b"A person's own."))
    manner = Manner(Wanted("meddled", f"{prefix}/", frozenset(), {}), force=True)
    service = Service(aclient, service_url)
    syncing = Syncing(service, source, open_remembered(tmp_path, "meddled"), manner)
    await syncing.once()
    source.names = ["new.txt"]

    report = await syncing.once()

    assert [gone.name for gone in report.plan.remove] == ["old.txt"]
    assert set(documents()) == {"old.txt", "new.txt"}
    assert documents()["old.txt"]["metadata"] == {}
