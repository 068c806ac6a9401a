"""The page for everyone: without a mouse, without a connection, with a key, in the dark, on a phone."""

from __future__ import annotations

import json

import pytest
from playwright.async_api import Locator, Page, Route, expect

from tests.browser.acts import QUESTION, ask, forget_failed_loads
from tests.browser.conftest import OpenPage

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


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


async def require_key(route: Route) -> None:
    """A service that wants a key: any will do, and it is not passed on."""
    headers = dict(route.request.headers)
    if headers.pop("authorization", None):
        await route.continue_(headers=headers)
    else:
        problem = json.dumps({"title": "A key is needed", "status": 401})
        await route.fulfill(status=401, content_type="application/problem+json", body=problem)


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


async def tab_to(tab: Page, target: Locator) -> None:
    """Presses Tab until the element has focus, at most once around."""
    for _ in range(60):
        if await target.evaluate("element => element === document.activeElement"):
            return
        await tab.keyboard.press("Tab")
    raise AssertionError("the element cannot be reached with Tab")


async def assert_readable(tab: Page) -> None:
    """Nothing sticks out sideways, and text has the contrast that WCAG 2.2 asks for at level AA."""
    assert await tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await tab.evaluate(LOW_CONTRAST) == []


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
