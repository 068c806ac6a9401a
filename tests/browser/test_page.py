"""The page as people use it: every test goes through Chromium and the running service."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, Request, Route, expect

from tests.browser.conftest import OpenPage

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
# One event loop for all: the browser lives in it, and starting one a test takes seconds.

QUOTE = "Everyone at Northwind has 28 days of annual leave a year."
HANDBOOK = f"""# Leave 🌿🌿

The kettle 🫖 is for everyone. <img src=x onerror="window.pwned = true"> is not a picture.

## Annual leave 🎒

{QUOTE} Public holidays come on top of that.

| Years here | Days |
|---|---|
| 0 to 4 | 28 |
| 10 and more | 33 |

## Sick leave

Tell your lead before ten o'clock on the first day. A doctor's note is needed from the fourth day on.
"""
QUESTION = "How many days of annual leave does everyone at Northwind have?"
UNANSWERABLE = "Which orchestra recorded the ninth symphony in Vienna?"


@pytest_asyncio.fixture(loop_scope="session")
async def handbook(service_url: str) -> str:
    """A document that answers `QUESTION`, ready; gives its id. The same bytes again are no work."""
    async with httpx.AsyncClient(base_url=service_url, trust_env=False, timeout=30) as client:
        put = await client.put("/v1/documents/page-leave.md", content=HANDBOOK.encode())
        document = put.raise_for_status().json()
        while document["status"] != "ready":
            assert document["status"] != "failed", document["failure"]
            await asyncio.sleep(0.1)
            document = (await client.get(f"/v1/documents/{document['id']}")).json()
    return str(document["id"])


async def test_a_chosen_file_is_uploaded_and_becomes_ready(page: OpenPage, tmp_path: Path) -> None:
    file = tmp_path / "page-kettles.md"
    file.write_text("# Kettles\n\nThe kettle in the kitchen boils a litre in three minutes.\n")
    tab = await page("/documents")

    await choose(tab, file)

    row = tab.locator("tbody", has_text="page-kettles.md")
    await expect(row.get_by_text("Ready")).to_be_visible()
    await row.get_by_role("link", name="page-kettles.md").click()
    await expect(tab.get_by_role("heading", name="Kettles").first).to_be_visible()
    await expect(tab.locator(".reading")).to_contain_text("boils a litre in three minutes")


async def test_a_file_that_cannot_be_read_says_why_and_can_be_retried(
    page: OpenPage, tmp_path: Path
) -> None:
    file = tmp_path / "page-broken.pdf"
    file.write_bytes(b"%PDF-1.7\nnothing that a PDF should have\n")
    tab = await page("/documents")

    await choose(tab, file)

    row = tab.locator("tbody", has_text="page-broken.pdf")
    await expect(row.get_by_text("Failed", exact=True)).to_be_visible()
    await expect(row.locator(".failure")).not_to_be_empty()
    await row.get_by_role("button", name="Retry page-broken.pdf").click()
    await expect(tab.locator("#notices")).to_contain_text("in the queue again")


async def test_a_file_of_a_kind_that_is_not_read_is_refused_in_words(
    page: OpenPage, tmp_path: Path, said: list[str]
) -> None:
    file = tmp_path / "page-photo.png"
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    tab = await page("/documents")

    await choose(tab, file)

    line = tab.locator(".uploads li", has_text="page-photo.png")
    await expect(line.locator(".upload-problem")).not_to_be_empty()
    forget_failed_loads(said)


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


async def test_what_a_document_says_never_becomes_markup(page: OpenPage, handbook: str) -> None:
    tab = await page(f"/documents/{handbook}")

    await expect(tab.locator(".reading")).to_contain_text("is not a picture")

    assert await tab.locator("main img").count() == 0
    assert await tab.evaluate("window.pwned") is None
    await expect(tab.get_by_role("cell", name="33")).to_be_visible()


async def test_the_chunks_of_a_document_are_outlined_where_they_are(
    page: OpenPage, handbook: str
) -> None:
    tab = await page(f"/documents/{handbook}")

    await tab.get_by_role("button", name="Outline chunks").click()

    await expect(tab.locator(".reading .edge").first).to_contain_text("characters")
    await expect(tab.get_by_text("Version 1", exact=True)).to_be_visible()
    await expect(tab.locator(".stages")).to_contain_text("Embedding")


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


async def test_a_deleted_document_is_gone_and_its_receipt_is_shown(
    page: OpenPage, tmp_path: Path
) -> None:
    file = tmp_path / "page-unwanted.md"
    file.write_text("# Unwanted\n\nNobody needs this sentence about unwanted things.\n")
    tab = await page("/documents")
    await choose(tab, file)
    row = tab.locator("tbody", has_text="page-unwanted.md")
    await expect(row.get_by_text("Ready")).to_be_visible()

    await row.get_by_role("button", name="Delete page-unwanted.md").click()
    await tab.get_by_role("dialog").get_by_role("button", name="Delete").click()

    receipt = tab.get_by_role("dialog")
    await expect(receipt).to_contain_text("page-unwanted.md is deleted")
    await expect(receipt).to_contain_text("none of its passages can be found")
    await expect(row).to_have_count(0)


async def test_the_list_narrows_by_name_and_status(page: OpenPage, handbook: str) -> None:
    tab = await page("/documents")

    await tab.get_by_role("searchbox").fill("page-leave")
    await expect(tab.locator("tbody")).to_have_count(1)
    await tab.get_by_role("button", name=re.compile("^Failed")).click()

    await expect(tab.get_by_text("No document matches this filter.")).to_be_visible()


async def test_asking_and_reading_a_source_needs_no_mouse(page: OpenPage, handbook: str) -> None:
    tab = await page()
    await expect(tab.get_by_role("textbox", name="Your question")).to_be_focused()
    await tab.keyboard.type(QUESTION)
    await tab.keyboard.press("Enter")
    chip = tab.locator(".answer[data-state=done] button.cite").first
    await chip.wait_for()

    await tab_to(tab, chip)
    await tab.keyboard.press("Enter")
    await expect(tab.locator("#panel-title")).to_be_focused()
    await tab.keyboard.press("Escape")

    await expect(chip).to_be_focused()
    await expect(tab.locator("#panel")).to_be_hidden()


async def test_the_first_stop_of_the_keyboard_skips_to_the_content(page: OpenPage) -> None:
    tab = await page("/documents")
    await tab.get_by_role("heading", name="Documents").wait_for()

    await tab.keyboard.press("Tab")
    await expect(tab.get_by_role("link", name="Skip to content")).to_be_focused()
    await tab.keyboard.press("Enter")

    await expect(tab.get_by_role("main")).to_be_focused()


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


async def test_a_lost_connection_is_told_in_words_and_can_be_tried_again(
    page: OpenPage, handbook: str, said: list[str]
) -> None:
    tab = await page()
    await tab.locator(".loaded p").wait_for()
    await tab.context.set_offline(True)
    await tab.get_by_role("textbox", name="Your question").fill(QUESTION)
    await tab.keyboard.press("Enter")
    await expect(tab.get_by_role("alert")).to_contain_text("cannot be reached")

    await tab.context.set_offline(False)
    await tab.get_by_role("button", name="Try again").click()

    await expect(tab.locator(".answer[data-state=done]")).to_contain_text("28 days")
    forget_failed_loads(said)


async def test_a_key_is_asked_for_once_and_kept_for_the_tab(
    page: OpenPage, said: list[str]
) -> None:
    tab = await page("/documents")
    await tab.context.route("**/v1/**", require_key)
    await tab.reload()

    await tab.get_by_label("API key").fill("cairn_mine")
    await tab.keyboard.press("Enter")

    await expect(tab.get_by_role("heading", name="Documents")).to_be_visible()
    assert await tab.evaluate("sessionStorage.getItem('cairn.key')") == "cairn_mine"
    assert await tab.evaluate("localStorage.getItem('cairn.key')") is None
    forget_failed_loads(said)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
async def test_every_view_fits_and_is_readable(
    page: OpenPage, handbook: str, scheme: str, width: int
) -> None:
    tab = await page(color_scheme=scheme, viewport={"width": width, "height": 844})
    await ask(tab, QUESTION)
    await assert_readable(tab)

    for address, landmark in [
        ("/documents", "tbody"),
        (f"/documents/{handbook}", ".reading p"),
        ("/traces", "tbody tr"),
        ("/chat", ".loaded p"),
    ]:
        await tab.evaluate("address => { location.hash = address }", address)
        await tab.locator(landmark).first.wait_for()
        await assert_readable(tab)


async def test_on_a_phone_a_passage_covers_the_page_and_gives_it_back(
    page: OpenPage, handbook: str
) -> None:
    tab = await page(viewport={"width": 390, "height": 844}, has_touch=True)
    turn = await ask(tab, QUESTION)

    await turn.locator("button.cite").first.tap()
    await expect(tab.locator("mark.quote").first).to_be_in_viewport()
    box = await tab.locator("#panel").bounding_box()
    await tab.get_by_role("button", name="Close").click()

    assert box is not None
    assert (box["width"], box["height"]) == (390, 844)
    await expect(turn.locator("button.cite").first).to_be_focused()


async def choose(tab: Page, file: Path) -> None:
    async with tab.expect_file_chooser() as chooser:
        await tab.get_by_role("button", name="choose them").click()
    await (await chooser.value).set_files(file)


async def ask(tab: Page, question: str) -> Locator:
    """Asks, and gives the turn when its answer is there."""
    await tab.get_by_role("textbox", name="Your question").fill(question)
    await tab.keyboard.press("Enter")
    turn = tab.locator("article.turn", has=tab.get_by_role("heading", name=question)).last
    await expect(
        turn.locator(".answer[data-state=done], .answer[data-state=refused]")
    ).to_be_visible()
    return turn


async def tab_to(tab: Page, target: Locator) -> None:
    """Presses Tab until the element has focus, at most once around."""
    for _ in range(60):
        if await target.evaluate("element => element === document.activeElement"):
            return
        await tab.keyboard.press("Tab")
    raise AssertionError("the element cannot be reached with Tab")


async def never_answer(route: Route) -> None:
    """A service that hangs."""


async def require_key(route: Route) -> None:
    """A service that wants a key: any will do, and it is not passed on."""
    headers = dict(route.request.headers)
    if headers.pop("authorization", None):
        await route.continue_(headers=headers)
    else:
        problem = json.dumps({"title": "A key is needed", "status": 401})
        await route.fulfill(status=401, content_type="application/problem+json", body=problem)


def forget_failed_loads(said: list[str]) -> None:
    """Chromium notes every answer of 400 and above; in these tests such an answer was the point."""
    said[:] = [text for text in said if not text.startswith("Failed to load resource")]


async def assert_readable(tab: Page) -> None:
    """Nothing sticks out sideways, and text has the contrast that WCAG 2.2 asks for at level AA."""
    assert await tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await tab.evaluate(LOW_CONTRAST) == []


RECORD_STATES = """() => {
  window.states = [];
  new MutationObserver(() => {
    const answer = document.querySelector(".answer");
    const passages = document.querySelector(".card") ? "passages" : "nothing";
    if (answer) window.states.push(`${answer.dataset.state} with ${passages}`);
  }).observe(document.querySelector("main"), { childList: true, subtree: true, attributes: true });
}"""

LOW_CONTRAST = """() => {
  const parse = (color) => (color.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
  const opaque = (color) => parse(color).length < 4 || parse(color)[3] > 0.9;
  const light = (channel) => channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  const luminance = (color) => {
    const [red, green, blue] = parse(color).map((part) => light(part / 255));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      if (opaque(getComputedStyle(at).backgroundColor)) return getComputedStyle(at).backgroundColor;
    }
    return "rgb(255, 255, 255)";
  };
  const low = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    const hidden = !element.checkVisibility() || element.closest(".visually-hidden, :disabled, noscript");
    if (!own || hidden) continue;
    const pair = [getComputedStyle(element).color, ground(element)].map(luminance).sort((a, b) => b - a);
    const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (ratio < 4.5) low.push(`${element.className}: ${element.textContent.slice(0, 30)} ${ratio}`);
  }
  return low;
}"""
