"""Documents over HTTP: in, ready, shown, replaced, refused, out."""

from __future__ import annotations

import json

import httpx

from tests.app.conftest import LEAVE, Upload, settled


def test_an_upload_is_accepted_at_once_and_becomes_ready(client: httpx.Client) -> None:
    answer = client.put("/v1/documents/trees.md", content=b"# Trees\n\nOaks live 600 years.\n")

    assert answer.status_code == 202
    document = settled(client, answer.json()["id"])
    assert answer.headers["location"] == f"/v1/documents/{document['id']}"
    assert document["status"] == "ready"
    assert document["live_version"] == 1
    assert document["title"] == "Trees"
    stages = [stage["stage"] for stage in document["timeline"]]  # type: ignore[attr-defined]
    assert stages == ["queued", "parsing", "chunking", "embedding", "indexing"]


def test_the_same_bytes_again_are_no_work(client: httpx.Client, upload: Upload) -> None:
    first = upload("same.md", "The same words.")

    again = client.put("/v1/documents/same.md", content=b"The same words.")

    assert again.status_code == 200
    assert again.json()["id"] == first["id"]
    assert again.json()["version"] == 1


def test_other_bytes_under_the_same_name_are_a_new_version_that_keeps_what_is_unchanged(
    client: httpx.Client, upload: Upload
) -> None:
    sections = [f"# Part {n}\n\n" + f"Sentence number {n} of the text. " * 30 for n in range(4)]
    upload("parts.md", "\n\n".join(sections))
    sections[2] = "# Part 2\n\n" + "Something else entirely is said here. " * 30

    document = upload("parts.md", "\n\n".join(sections))

    assert document["version"] == document["live_version"] == 2
    newest, older = document["versions"]  # type: ignore[misc]
    assert older["status"] == "superseded"
    assert 0 < newest["reused_chunks"] < newest["chunks"]


def test_what_was_read_is_shown_with_exact_offsets(
    client: httpx.Client, handbook: dict[str, str]
) -> None:
    content = client.get(f"/v1/documents/{handbook['leave.md']}/content").json()
    chunks = client.get(f"/v1/documents/{handbook['leave.md']}/chunks").json()

    assert "28 days of paid annual leave" in content["text"]
    assert {block["kind"] for block in content["blocks"]} == {"heading", "paragraph"}
    assert chunks["items"]
    for chunk in chunks["items"]:
        assert content["text"][chunk["start"] : chunk["end"]] == chunk["text"]


def test_the_original_comes_back_as_a_download(
    client: httpx.Client, handbook: dict[str, str]
) -> None:
    answer = client.get(f"/v1/documents/{handbook['leave.md']}/original")

    assert answer.content == LEAVE.encode()
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''leave.md"


def test_a_listing_is_paged_filtered_and_counted(client: httpx.Client, upload: Upload) -> None:
    for number in range(3):
        upload(f"listing/number-{number}.txt", f"Document number {number} of a listing.")

    first = client.get("/v1/documents", params={"name": "listing/", "limit": 2}).json()
    rest = client.get(
        "/v1/documents", params={"name": "listing/", "limit": 2, "cursor": first["next"]}
    ).json()

    names = [item["name"] for item in first["items"] + rest["items"]]
    assert names == [f"listing/number-{n}.txt" for n in (2, 1, 0)]
    assert rest["next"] is None
    assert first["counts"]["ready"] >= 3


def test_a_deletion_answers_with_a_receipt_and_nothing_remains(
    client: httpx.Client, upload: Upload
) -> None:
    document = upload("secret.md", "# Secret\n\nThe password of the vault is Rumpelstilzchen.")

    receipt = client.delete(f"/v1/documents/{document['id']}").json()

    assert receipt["removed"] == {"chunks": 1, "versions": 1, "files": 2, "traces": 0}
    assert receipt["remaining_chunks"] == 0
    assert client.get(f"/v1/documents/{document['id']}").status_code == 404
    asked = client.post("/v1/ask", json={"question": "What is the password of the vault?"}).json()
    assert "Rumpelstilzchen" not in json.dumps(asked)


def test_several_files_at_once_each_have_their_own_outcome(client: httpx.Client) -> None:
    files = [
        ("files", ("one.txt", b"One is a number.")),
        ("files", ("photo.png", b"\x89PNG\r\n\x1a\n" + bytes(40))),
        ("files", ("empty.txt", b"")),
    ]

    answer = client.post("/v1/documents", files=files)

    assert answer.status_code == 202
    statuses = {one["name"]: one["status"] for one in answer.json()["items"]}
    assert statuses == {"one.txt": 202, "photo.png": 415, "empty.txt": 422}


def test_every_bad_upload_is_refused_in_words(client: httpx.Client) -> None:
    png = b"\x89PNG\r\n\x1a\n" + bytes(40)
    cases = [
        ("photo.png", png, {}, 415, "urn:cairn:problem:unsupported-type"),
        ("empty.pdf", b"", {}, 422, "urn:cairn:problem:nothing-to-read"),
        ("a.txt", b"a", {"metadata": "[1]"}, 422, "urn:cairn:problem:bad-metadata"),
        ("a.txt", b"a", {"metadata": '{"a b": 1}'}, 422, "urn:cairn:problem:bad-metadata"),
        ("a.txt", b"a", {"groups": "board"}, 422, "urn:cairn:problem:bad-groups"),
        ("n" * 401, b"a", {}, 422, "urn:cairn:problem:bad-name"),
    ]
    for name, content, params, status, kind in cases:
        answer = client.put(f"/v1/documents/{name}", content=content, params=params)

        assert (answer.status_code, answer.json()["type"]) == (status, kind)
        assert len(answer.json()["detail"]) > 20
        assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_a_file_that_turns_out_unreadable_says_why_and_can_be_retried(
    client: httpx.Client, upload: Upload
) -> None:
    document = upload("broken.pdf", b"%PDF-1.7\n" + b"not really a document" * 20)

    assert document["status"] == "failed"
    assert document["failure"]["kind"] == "unreadable"  # type: ignore[index]
    again = client.post(f"/v1/documents/{document['id']}/retry")
    assert again.status_code == 202
    assert settled(client, str(document["id"]))["status"] == "failed"


def test_what_is_ready_cannot_be_retried(client: httpx.Client, handbook: dict[str, str]) -> None:
    answer = client.post(f"/v1/documents/{handbook['leave.md']}/retry")

    assert answer.status_code == 409


def test_an_unknown_document_and_an_unknown_version_are_not_found(
    client: httpx.Client, handbook: dict[str, str]
) -> None:
    for path in (f"{'0' * 32}", f"{handbook['leave.md']}/content?version=7"):
        answer = client.get(f"/v1/documents/{path}")

        assert answer.status_code == 404
        assert answer.json()["type"] == "urn:cairn:problem:document-missing"


def test_a_cursor_that_nobody_gave_out_is_refused(client: httpx.Client) -> None:
    assert client.get("/v1/documents", params={"cursor": "zzz"}).status_code == 422


def test_a_bad_document_does_not_hold_up_the_others(client: httpx.Client, upload: Upload) -> None:
    client.put("/v1/documents/bad.pdf", content=b"%PDF-1.4 nothing")

    assert upload("good.txt", "All is well.")["status"] == "ready"
