"""What a person does on the page, and the document they ask about."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import Locator, Page, expect

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


def forget_failed_loads(said: list[str]) -> None:
    """Chromium notes every answer of 400 and above; in these tests such an answer was the point."""
    said[:] = [text for text in said if not text.startswith("Failed to load resource")]
