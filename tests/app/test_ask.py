"""Questions over HTTP: cited, streamed, refused, filtered, and through OpenAI's own client."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.app.conftest import Upload

QUESTION = "How many days of annual leave are there?"
PARKING = "What does a place in the car park cost?"
OFF_TOPIC = "Who won the chess championship in Reykjavik?"


def events(answer: httpx.Response) -> list[tuple[str, Any]]:
    frames = [frame for frame in answer.text.split("\n\n") if frame.startswith("event")]
    return [
        (name.removeprefix("event: "), json.loads(data.removeprefix("data: ")))
        for name, data in (frame.split("\n") for frame in frames)
    ]


def test_an_answer_proves_itself(client: httpx.Client, handbook: dict[str, str]) -> None:
    answer = client.post("/v1/ask", json={"question": QUESTION}).json()

    assert not answer["refused"]
    assert "28 days" in answer["answer"]
    citation = answer["citations"][0]
    assert citation["document_id"] == handbook["leave.md"]
    assert f"[{citation['number']}]" in answer["answer"]
    path = f"/v1/documents/{citation['document_id']}/content"
    content = client.get(path, params={"version": citation["version"]}).json()
    assert content["text"][citation["start"] : citation["end"]] == citation["quote"]
    assert "28 days" in citation["quote"]
    assert citation["section"] == ["Leave", "Annual leave"]


def test_every_answer_names_its_release_and_its_trace(
    client: httpx.Client, handbook: dict[str, str]
) -> None:
    answer = client.post("/v1/ask", json={"question": QUESTION}).json()

    assert answer["release"] == client.get("/v1/me").json()["release"]
    trace = client.get(f"/v1/traces/{answer['trace_id']}").json()
    assert trace["question"] == QUESTION
    assert trace["release"] == answer["release"]
    types = {one["type"] for one in trace["observations"]}
    assert {"embedding", "retriever", "generation"} <= types


def test_the_same_comes_as_events_in_order(client: httpx.Client, handbook: dict[str, str]) -> None:
    answer = client.post("/v1/ask", json={"question": QUESTION, "stream": True})

    assert answer.headers["content-type"].startswith("text/event-stream")
    received = events(answer)
    names = [name for name, _ in received]
    assert names[0] == "sources"
    assert names[-1] == "answer"
    assert set(names[1:-1]) == {"delta"}
    text = "".join(data["text"] for name, data in received if name == "delta")
    assert text == received[-1][1]["answer"]
    assert received[0][1]["trace_id"] == received[-1][1]["trace_id"]


def test_what_the_documents_do_not_say_is_refused(
    client: httpx.Client, handbook: dict[str, str]
) -> None:
    answer = client.post("/v1/ask", json={"question": OFF_TOPIC}).json()

    assert answer["refused"]
    assert not answer["citations"]
    assert answer["refusal"]["reason"] == "no_evidence"
    assert answer["refusal"]["evidence"] < answer["refusal"]["threshold"]
    assert "chess" in answer["refusal"]["looked_for"]


def test_a_follow_up_is_understood(client: httpx.Client, handbook: dict[str, str]) -> None:
    conversation = [
        {"role": "user", "content": "How long is parental leave?"},
        {"role": "assistant", "content": "Parental leave lasts 14 weeks [1]."},
    ]

    answer = client.post(
        "/v1/ask", json={"question": "Is it paid?", "conversation": conversation}
    ).json()

    assert "parental" in answer["standalone_question"].lower()
    assert "paid in full" in answer["answer"]


def test_filters_narrow_where_is_looked(
    client: httpx.Client, upload: Upload, handbook: dict[str, str]
) -> None:
    for year, trees in ((2024, 26), (2025, 27)):
        text = f"# Trees in {year}\n\nIn {year} we planted {trees} trees."
        upload(f"trees-{year}.md", text, metadata=json.dumps({"year": year}))

    def sources(**filters: Any) -> set[str]:
        body = {"question": "How many trees were planted?", "filters": filters}
        return {one["name"] for one in client.post("/v1/ask", json=body).json()["sources"]}

    assert sources(metadata=[{"field": "year", "equals": 2024}]) == {"trees-2024.md"}
    both = {"trees-2024.md", "trees-2025.md"}
    assert sources(metadata=[{"field": "year", "any_of": [2024, 2025]}]) == both
    assert sources(metadata=[{"field": "year", "at_least": 2025}]) == {"trees-2025.md"}
    assert sources(documents=[handbook["parking.md"]]) == {"parking.md"}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"question": ""}, "bad-question"),
        ({"question": "?!"}, "bad-question"),
        ({"question": "why " * 2000}, "bad-question"),
        ({}, "invalid"),
        ({"question": "x", "temperature": 2}, "invalid"),
        ({"question": "x", "filters": {"metadata": [{"field": "y"}]}}, "invalid"),
        ({"question": "x", "options": {"sources": 0}}, "invalid"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_bad_question_is_refused_in_words_also_when_streaming(
    client: httpx.Client, body: dict[str, Any], kind: str, stream: bool
) -> None:
    answer = client.post("/v1/ask", json={**body, "stream": stream})

    assert answer.status_code == 422
    assert answer.json()["type"] == f"urn:cairn:problem:{kind}"


def test_openais_client_gets_an_answer_with_citations(
    service_url: str, handbook: dict[str, str]
) -> None:
    with OpenAI(base_url=f"{service_url}/v1", api_key="none") as client:
        model = client.models.list().data[0].id
        answer = client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": PARKING}]
        )

    message = answer.choices[0].message
    assert message.content
    assert "15 euros" in message.content
    assert message.model_extra
    assert message.model_extra["citations"][0]["name"] == "parking.md"


async def test_openais_client_streams(service_url: str, handbook: dict[str, str]) -> None:
    async with AsyncOpenAI(base_url=f"{service_url}/v1", api_key="none") as client:
        stream = await client.chat.completions.create(
            model="cairn",
            messages=[
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": PARKING},
            ],
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in stream]

    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert "15 euros" in text
    assert chunks[-1].usage is not None
    last = next(chunk for chunk in chunks if chunk.choices and chunk.choices[0].finish_reason)
    assert last.choices[0].delta.model_extra
    assert last.choices[0].delta.model_extra["citations"][0]["quote"]


def test_messages_without_a_question_are_refused(client: httpx.Client) -> None:
    messages = [{"role": "assistant", "content": "Hello."}]

    answer = client.post("/v1/chat/completions", json={"messages": messages})

    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:cairn:problem:no-question"


def test_feedback_is_kept_beside_the_trace(client: httpx.Client, handbook: dict[str, str]) -> None:
    trace_id = client.post("/v1/ask", json={"question": QUESTION}).json()["trace_id"]

    given = {"trace_id": trace_id, "rating": "down", "comment": "no", "reasons": ["incomplete"]}
    answer = client.post("/v1/feedback", json=given)

    assert answer.status_code == 201
    assert client.get(f"/v1/traces/{trace_id}").json()["feedback"] == "down"


def test_feedback_on_no_trace_is_not_found(client: httpx.Client) -> None:
    answer = client.post("/v1/feedback", json={"trace_id": "0" * 32, "rating": "up"})

    assert answer.status_code == 404


def test_a_reader_who_leaves_is_counted_and_leaves_his_place(
    client: httpx.Client, service_url: str, handbook: dict[str, str]
) -> None:
    host, port = service_url.removeprefix("http://").split(":")
    body = json.dumps({"question": QUESTION, "stream": True}).encode()
    head = f"POST /v1/ask HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
    for _ in range(20):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    time.sleep(0.5)
    assert "cairn_questions_in_progress 0.0" in client.get("/metrics").text
    assert client.post("/v1/ask", json={"question": QUESTION}).status_code == 200


def test_traces_are_listed_newest_first_and_by_kind(
    client: httpx.Client, handbook: dict[str, str]
) -> None:
    client.post("/v1/ask", json={"question": PARKING})

    asked = client.get("/v1/traces", params={"kind": "ask", "limit": 1}).json()
    ingested = client.get("/v1/traces", params={"kind": "ingest"}).json()

    assert asked["items"][0]["question"] == PARKING
    assert {"leave.md", "parking.md"} <= {item["name"] for item in ingested["items"]}


def test_a_request_that_is_far_too_large_is_not_read_to_its_end(client: httpx.Client) -> None:
    body = b'{"question": "' + b"why " * 1_500_000 + b'"}'

    answer = client.post("/v1/ask", content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["connection"] == "close"
