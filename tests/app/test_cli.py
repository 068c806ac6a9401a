"""`cairn` on a terminal: what it says and where, its exit codes, and its processes when they are killed."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from app.cli import app
from app.settings import Settings
from tests.app.conftest import settled
from tests.processes import ROOT, cairn, free_port, process, until

DONE, FAILED, USAGE, REFUSED = 0, 1, 2, 3
COMMANDS = get_command(app).commands  # type: ignore[attr-defined]
PATHS = [
    (name, *more)
    for name, command in COMMANDS.items()
    for more in [(), *((inner,) for inner in getattr(command, "commands", ()))]
]


@pytest.fixture
def data(tmp_path: Path, models: Path) -> Path:
    """An empty data folder."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "models").symlink_to(models)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two documents that can be read, one below a folder, and one that is hidden."""
    folder = tmp_path / "documents"
    (folder / "deep").mkdir(parents=True)
    (folder / "roofs.md").write_text("# Roofs\n\nThe roof of the workshop is made of slate.\n")
    (folder / "deep" / "doors.txt").write_text("The door of the cellar is painted green.\n")
    (folder / ".hidden.txt").write_text("Nobody shall find this.")
    return folder


# What it offers


@pytest.mark.parametrize("path", [(), *PATHS], ids=" ".join)
def test_help_says_in_words_what_a_command_does(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "200"})

    assert result.exit_code == DONE
    lines = [line.strip(" │╭╰─╮╯") for line in result.output.splitlines() if line.strip()]
    assert len(lines[1]) > 20
    assert lines[1][0].isupper()
    assert lines[1].rstrip()[-1] in ".:"


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_every_argument_and_option_is_explained(path: tuple[str, ...]) -> None:
    command = COMMANDS[path[0]]
    for inner in path[1:]:
        command = command.commands[inner]

    assert [one.name for one in command.params if not getattr(one, "help", "")] == []


def test_settings_explains_every_setting() -> None:
    rows = cairn("settings", "--json").json()

    assert {row["name"] for row in rows} == {f"CAIRN_{n.upper()}" for n in Settings.model_fields}
    assert next(row for row in rows if row["name"] == "CAIRN_LEASE_S")["default"] == "30.0"


# The main job, against a service that runs


def test_files_and_folders_are_ingested_with_progress_on_standard_error(
    service_url: str, client: httpx.Client, folder: Path
) -> None:
    ended = cairn("ingest", str(folder), str(folder / "roofs.md"), url=service_url)

    assert ended.code == DONE
    assert ended.out == ""
    assert "Ingesting" in ended.err
    assert "2 of 2 documents are ready" in ended.err
    for name in ("roofs.md", "deep/doors.txt"):
        found = client.get("/v1/documents", params={"name": name}).json()["items"]
        assert [one["status"] for one in found if one["name"] == name] == ["ready"]
    assert client.get("/v1/documents", params={"name": "hidden"}).json()["items"] == []


def test_what_cannot_be_ingested_is_told_with_its_reason_and_the_others_go_on(
    service_url: str, folder: Path
) -> None:
    (folder / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")

    told = cairn("ingest", str(folder), url=service_url)
    for_programs = cairn("ingest", str(folder), "--json", url=service_url)

    assert told.code == for_programs.code == FAILED
    assert "refused  photo.png: " in told.err
    assert "failed   broken.pdf: " in told.err
    assert "2 of 4 documents are ready" in told.err
    outcome = for_programs.json()
    assert [one["name"] for one in outcome["failed"]] == ["broken.pdf"]
    problems = {
        one["name"]: one["problem"]["status"] for one in outcome["files"] if "problem" in one
    }
    assert problems == {"photo.png": 415}


def test_a_name_that_is_no_utf_8_keeps_nothing_out(service_url: str, tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.txt")).write_text("The coffee of the reception is black.")

    ended = cairn("ingest", str(tmp_path), "--json", url=service_url)

    assert ended.code == DONE
    assert [one["name"] for one in ended.json()["files"]] == ["caf\ufffd.txt"]


def test_an_answer_comes_with_its_proof_and_a_refusal_with_exit_code_3(
    service_url: str, handbook: dict[str, str]
) -> None:
    question = "How many places has the car park behind the workshop?"

    answered = cairn("ask", question, url=service_url)
    narrowed = cairn("ask", question, "--document", "leave.md", "--json", url=service_url)

    assert answered.code == DONE
    assert "40 places" in answered.out
    assert "[1] parking.md" in answered.out
    assert narrowed.code == REFUSED
    assert narrowed.json()["refused"]
    assert {source["name"] for source in narrowed.json()["sources"]} <= {"leave.md"}


def test_documents_are_shown_and_deleted_by_name_or_id_after_asking(
    service_url: str, client: httpx.Client
) -> None:
    ids = [client.put(f"/v1/documents/old-{n}.md", content=b"Old.").json()["id"] for n in (1, 2)]
    for one in ids:
        settled(client, one)

    shown = cairn("documents", "show", "old-1.md", "--json", url=service_url)
    unsure = cairn("documents", "delete", "old-1.md", stdin="n\n", url=service_url)
    sure = cairn("documents", "delete", "old-1.md", stdin="y\n", url=service_url)
    told = cairn("documents", "delete", ids[1], "--yes", "--json", url=service_url)
    left = cairn("documents", "list", "--name", "old-", "--json", url=service_url)

    assert (shown.code, shown.json()["id"]) == (DONE, ids[0])
    assert unsure.code == FAILED
    assert "Remove 'old-1.md'" in unsure.err
    assert sure.code == DONE
    assert "old-1.md is gone: 1 chunks, 1 versions" in sure.err
    assert told.json()["remaining_chunks"] == 0
    assert left.json() == []


def test_a_listing_shows_whole_ids(service_url: str, handbook: dict[str, str]) -> None:
    listed = cairn("documents", "list", "--name", "leave.md", url=service_url)

    assert handbook["leave.md"] in listed.out


def test_doctor_shows_what_is_behind_every_port(service_url: str) -> None:
    ended = cairn("doctor", "--json", url=service_url)

    assert ended.code == DONE
    ports = {part["port"]: part["ok"] for part in ended.json()}
    assert ports == dict.fromkeys(
        ("records", "files", "queue", "index", "embedder", "generator"), True
    )


# What goes wrong


@pytest.mark.parametrize(
    ("words", "settings", "said", "code"),
    [
        (["ask", "Why?"], {"prot": "8401"}, "Did you mean CAIRN_PORT?", USAGE),
        (["ask", "Why?"], {"url": "localhost:8400"}, "write http://host:8400", USAGE),
        (["ingest", "nowhere.pdf"], {}, "does not exist", USAGE),
        (["ingest", ".", "--metadata", "[1]"], {}, "is no JSON object", USAGE),
        (["keys", "list"], {"records": "mysql://x"}, "none of sqlite+aiosqlite", USAGE),
        (["worker"], {}, "the service is its own worker", USAGE),
        (["serve"], {"data": "/proc/cairn"}, "/proc/cairn: No such file or directory", FAILED),
        (
            ["migrate"],
            {"records": "postgresql+asyncpg://cairn@127.0.0.1:9/cairn"},
            "The database does not answer",
            FAILED,
        ),
    ],
)
def test_what_cannot_work_is_told_in_words(
    words: list[str], settings: dict[str, str], said: str, code: int, tmp_path: Path
) -> None:
    ended = cairn(*words, **{"data": str(tmp_path), "port": "0", **settings})

    assert said in " ".join(ended.err.replace("│", " ").split())
    assert ended.code == code


def test_two_files_that_would_have_one_name_are_refused(tmp_path: Path) -> None:
    for inner in ("a", "b"):
        (tmp_path / inner).mkdir()
        (tmp_path / inner / "x.txt").write_text(inner)

    ended = cairn("ingest", str(tmp_path / "a"), str(tmp_path / "b"))

    assert ended.code == USAGE
    assert "would both be named 'x.txt'" in " ".join(ended.err.replace("│", " ").split())


def test_a_service_that_does_not_answer_is_told_and_in_json_too(tmp_path: Path) -> None:
    away = f"http://127.0.0.1:{free_port()}"

    told = cairn("documents", "list", url=away)
    for_programs = cairn("ask", "Why?", "--json", url=away)

    assert told.code == for_programs.code == FAILED
    assert f"{away} does not answer" in told.err
    assert "does not answer" in for_programs.json()["title"]


def test_a_document_that_is_not_there_is_told_in_words(service_url: str) -> None:
    ended = cairn("documents", "show", "no-such.pdf", url=service_url)

    assert ended.code == FAILED
    assert "There is no document named 'no-such.pdf'" in ended.err


def test_another_website_is_not_taken_for_cairn() -> None:
    with _website({"/readyz": b"<h1>Welcome</h1>"}) as url:
        ended = cairn("documents", "list", url=url)

    assert ended.code == FAILED
    assert "is not Cairn" in ended.err


def test_an_answer_is_shown_as_it_is_written_and_one_that_breaks_off_is_no_answer(
    tmp_path: Path,
) -> None:
    delta = b'event: delta\ndata: {"text": "The first words"}\n\n'
    pages = {"/readyz": b'{"ready": true, "parts": {}}', "/v1/ask": delta}
    go_on = threading.Event()

    with (
        _website(pages, go_on) as url,
        process(tmp_path / "said", "ask", "Why?", url=url) as asking,
    ):
        asking.hear("The first words")
        go_on.set()
        code = asking.wait()

    assert "before it was complete" in asking.said
    assert code == FAILED


# On its own, with a data folder


def test_keys_are_made_listed_and_revoked_without_a_service(tmp_path: Path) -> None:
    made = cairn("keys", "create", "--role", "editor", "--name", "Ann", "--json", data=tmp_path)
    again = cairn("keys", "revoke", made.json()["id"], "--json", data=tmp_path)
    unknown = cairn("keys", "revoke", "nobody", data=tmp_path)
    listed = cairn("keys", "list", "--json", data=tmp_path)

    assert made.json()["key"].startswith("cairn_")
    assert again.json()["state"] == "revoked"
    assert (unknown.code, unknown.out) == (FAILED, "")
    assert "nobody" in unknown.err
    (row,) = listed.json()
    assert (row["name"], row["role"], row["state"]) == ("Ann", "editor", "revoked")
    assert made.json()["key"] not in listed.out


def test_where_no_service_runs_a_command_brings_its_own(data: Path) -> None:
    documents = ROOT / "evals" / "handbook" / "documents"

    ended = cairn("demo", str(documents), data=data, port=free_port())

    assert ended.code == DONE
    assert "13 of 13 documents are ready" in ended.err
    assert "[1] leave-policy.pdf, page 1" in ended.out
    assert "I found nothing in the documents that answers this." in ended.out


class TestServe:
    """A service of one's own, in a process that can be killed."""

    def test_a_second_one_on_the_same_folder_or_port_says_what_is_in_its_way(
        self, data: Path, tmp_path: Path
    ) -> None:
        with process(tmp_path / "log", "serve", "--port", "0", data=data) as first:
            first.hear('"ready"')
            port = first.url.rpartition(":")[2]

            folder = cairn("serve", "--port", "0", data=data)
            taken = cairn("serve", "--port", port, data=tmp_path)
            command = cairn("documents", "list", data=data, port=free_port())

        assert folder.code == taken.code == command.code == FAILED
        for second in (folder, command):
            assert f"Another Cairn process works on {data}." in second.err
        assert f"Cannot listen on 127.0.0.1:{port}: Address already in use" in taken.err

    def test_after_a_kill_in_the_middle_everything_becomes_ready_and_nothing_twice(
        self, data: Path, tmp_path: Path
    ) -> None:
        given = {"data": data, "lease_s": 1}
        with process(tmp_path / "first", "serve", "--port", "0", **given) as first:
            with first.client() as client:
                _put_long_ones(client)
                until(lambda: _statuses(client) & {"chunking", "embedding", "indexing"})
            first.kill()

        with (
            process(tmp_path / "second", "serve", "--port", "0", **given) as second,
            second.client() as client,
        ):
            until(lambda: _statuses(client) == {"ready"})
            chunks = sum(one["chunks"] for one in client.get("/v1/documents").json()["items"])
            index = _behind(client, "index")

        assert f", {chunks} chunks" in index

    def test_ctrl_c_ends_it_in_seconds_and_hands_back_what_was_in_work(
        self, data: Path, tmp_path: Path
    ) -> None:
        given = {"data": data, "lease_s": 600}
        with process(tmp_path / "first", "serve", "--port", "0", **given) as first:
            with first.client() as client:
                _put_long_ones(client)
                until(lambda: _statuses(client) & {"chunking", "embedding", "indexing"})
            code, seconds = first.stop(signal.SIGINT)

        with (
            process(tmp_path / "second", "serve", "--port", "0", **given) as second,
            second.client() as client,
        ):
            # Under a lease that was not handed back they would wait for ten minutes.
            until(lambda: _statuses(client) == {"ready"})
            attempts = {one["attempts"] for one in client.get("/v1/documents").json()["items"]}

        assert code in {0, 130}
        assert seconds < 10
        assert attempts == {1}

    def test_it_can_be_stopped_while_it_starts(self, data: Path, tmp_path: Path) -> None:
        with process(tmp_path / "log", "serve", "--port", "0", data=data) as starting:
            starting.hear("loading the embedding model")
            code, seconds = starting.stop(signal.SIGTERM)

        assert code in {0, -signal.SIGTERM}
        assert seconds < 10


def _put_long_ones(client: httpx.Client) -> None:
    for number in range(2):
        words = (
            f"In year {n} of book {number} the harvest was {n * 7} tonnes. " for n in range(900)
        )
        client.put(f"/v1/documents/book-{number}.txt", content="".join(words).encode())


def _statuses(client: httpx.Client) -> set[str]:
    answer = client.get("/v1/documents")
    assert answer.is_success, answer.text
    return {one["status"] for one in answer.json()["items"]}


def _behind(client: httpx.Client, port: str) -> str:
    parts = client.get("/v1/doctor").json()
    return next(str(part["detail"]) for part in parts if part["port"] == port)


@contextmanager
def _website(pages: dict[str, bytes], go_on: threading.Event | None = None) -> Iterator[str]:
    """A server with these pages, which ends an answer only when told to."""

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(pages[self.path])

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()
            assert go_on is not None
            go_on.wait(30)

        def log_message(self, format: str, *args: object) -> None:
            """Silent: the tests' output is for the tests."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
