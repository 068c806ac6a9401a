"""Asking on the page: streamed, cited, refused, stopped, kept, judged, traced."""

from __future__ import annotations

import json
import re

import pytest
from playwright.async_api import Request, Route, expect

from tests.browser.acts import QUESTION, QUOTE, UNANSWERABLE, ask
from tests.browser.conftest import OpenPage

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_passages_are_shown_before_the_answer_is_complete(
    page: OpenPage, handbook: str
) -> None:
    tab = await page()
    await tab.evaluate(RECORD_STATES)

    await ask(tab, QUESTION)

    states = await tab.evaluate("window.states")
    assert "writing with passages" in states
    assert states[-1] == "done with passages"


async def test_a_citation_opens_the_quote_in_its_place(page: OpenPage, handbook: str) -> None:
    tab = await page()
    turn = await ask(tab, QUESTION)

    await turn.locator("button.cite").first.click()

    panel = tab.get_by_role("complementary")
    await expect(panel.locator("mark.quote").first).to_be_in_viewport()
    quote = "".join(await panel.locator("mark.quote").all_text_contents())
    assert quote.strip() == QUOTE
    await expect(panel).to_contain_text("Annual leave")
    await panel.get_by_role("link", name="Open document").click()
    await expect(tab.locator(".document mark.quote").first).to_be_in_viewport()


async def test_a_refusal_looks_like_one_and_shows_the_nearest_passages(
    page: OpenPage, handbook: str
) -> None:
    tab = await page()

    turn = await ask(tab, UNANSWERABLE)

    await expect(turn.locator(".answer")).to_have_attribute("data-state", "refused")
    await expect(turn.get_by_text("Not in the documents").first).to_be_visible()
    await expect(turn.locator("button.cite")).to_have_count(0)


async def test_a_follow_up_carries_the_conversation(page: OpenPage, handbook: str) -> None:
    tab = await page()
    await ask(tab, QUESTION)
    asked: list[Request] = []
    tab.on("request", lambda one: asked.append(one) if one.url.endswith("/v1/ask") else None)

    await ask(tab, "And when somebody is ill?")

    body = json.loads(asked[0].post_data or "")
    assert [turn["role"] for turn in body["conversation"]] == ["user", "assistant"]
    assert body["conversation"][0]["content"] == QUESTION


async def test_feedback_with_a_comment_reaches_the_trace(page: OpenPage, handbook: str) -> None:
    tab = await page()
    turn = await ask(tab, QUESTION)

    await turn.get_by_role("button", name="Bad answer").click()
    await turn.get_by_label("Something is missing").check()
    await turn.get_by_role("textbox", name="Comment").fill("Say what part-time colleagues have.")
    await turn.get_by_role("button", name="Send").click()

    await expect(tab.locator("#notices")).to_contain_text("Thank you")
    await turn.get_by_role("link", name="Trace of this answer").click()
    await expect(tab.locator(".trace-facts").first).to_contain_text("Bad")


async def test_a_trace_shows_its_steps_and_the_passages_with_scores(
    page: OpenPage, handbook: str
) -> None:
    tab = await page()
    turn = await ask(tab, QUESTION)
    await turn.get_by_role("link", name="Trace of this answer").click()

    await tab.locator("[data-type=retriever]").first.click()

    await expect(tab.locator(".scored li").first).to_contain_text("similarity")
    steps = tab.get_by_role("option")
    assert await steps.count() >= 3
    await steps.first.focus()
    await tab.keyboard.press("End")
    await expect(steps.last).to_have_attribute("aria-selected", "true")


async def test_conversations_are_kept_renamed_and_deleted(page: OpenPage, handbook: str) -> None:
    tab = await page()
    await ask(tab, QUESTION)
    history = tab.get_by_role("navigation", name="Conversations")
    await tab.reload()
    await expect(tab.locator(".answer[data-state=done]")).to_contain_text("28 days")

    await history.get_by_role("listitem").hover()
    await history.get_by_role("button", name=re.compile("^Rename")).click()
    await tab.get_by_role("textbox", name="Name", exact=True).fill("Days off")
    await tab.keyboard.press("Enter")
    await expect(history.get_by_role("link", name="Days off")).to_be_visible()
    await history.get_by_role("listitem").hover()
    await history.get_by_role("button", name="Delete “Days off”").click()
    await tab.get_by_role("dialog").get_by_role("button", name="Delete").click()

    await expect(tab.get_by_role("heading", name="What would you like to know?")).to_be_visible()
    await expect(history.get_by_role("listitem")).to_have_count(0)


async def test_an_answer_can_be_stopped(page: OpenPage) -> None:
    tab = await page()
    await tab.route("**/v1/ask", never_answer)
    await tab.get_by_role("textbox", name="Your question").fill(QUESTION)
    await tab.keyboard.press("Enter")

    await tab.get_by_role("button", name="Stop").click()

    await expect(tab.get_by_text("Stopped before the end")).to_be_visible()
    await expect(tab.get_by_role("button", name="Send")).to_be_visible()


async def test_what_no_passage_supports_is_marked_and_markdown_stays_harmless(
    page: OpenPage,
) -> None:
    tab = await page()
    await tab.route("**/v1/ask", stray)

    turn = await ask(tab, "Is the kettle for everyone?")

    await expect(turn.locator(".unsupported").first).to_contain_text("It is made of")
    await expect(turn.get_by_text("not supported", exact=True)).to_have_count(1)
    await expect(turn.locator("strong", has_text="gold")).to_be_visible()
    await expect(turn.get_by_text("](https://example.com)")).to_be_visible()
    assert await turn.locator(".answer-text :is(a, img, script)").count() == 0


async def test_two_tabs_do_not_undo_each_others_conversations(
    page: OpenPage, handbook: str
) -> None:
    first = await page()
    second = await first.context.new_page()
    await second.goto(first.url)
    await second.locator(".loaded p").wait_for()
    await ask(first, QUESTION)

    await ask(second, "What does sick leave need?")
    await second.reload()

    history = second.get_by_role("navigation", name="Conversations").get_by_role("listitem")
    await expect(history).to_have_count(2)


async def never_answer(route: Route) -> None:
    """A service that hangs."""


async def stray(route: Route) -> None:
    """A model that adds what no passage says, and tries to get markup onto the page."""
    text = "The kettle is for everyone [1]. It is made of **gold** ![x](https://example.com)."
    first = text.index("It is")
    source = {"number": 1, "document_id": "d", "version": 1, "name": "k.md", "title": "Kettles"}
    place: dict[str, object] = {
        "page": None,
        "section": [],
        "start": 0,
        "end": 27,
        "text": "The kettle is for everyone.",
    }
    sources = [{**source, **place, "score": 1.0, "similarity": 0.9}]
    sentences = [
        {"text": text[: first - 1], "start": 0, "end": first - 1, "supported": True},
        {"text": text[first:], "start": first, "end": len(text), "supported": False},
    ]
    answer = {
        "trace_id": "0" * 32,
        "model": "stray",
        "answer": text,
        "refused": False,
        "citations": [],
        "sentences": [{**one, "citations": [], "support": 0.5} for one in sentences],
        "sources": sources,
    }
    events = [("sources", {"trace_id": "0" * 32, "sources": sources}), ("answer", answer)]
    body = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in events)
    await route.fulfill(content_type="text/event-stream", body=body)


RECORD_STATES = """() => {
  window.states = [];
  new MutationObserver(() => {
    const answer = document.querySelector(".answer");
    const passages = document.querySelector(".card") ? "passages" : "nothing";
    if (answer) window.states.push(`${answer.dataset.state} with ${passages}`);
  }).observe(document.querySelector("main"), { childList: true, subtree: true, attributes: true });
}"""
