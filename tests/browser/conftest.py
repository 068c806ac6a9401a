"""A browser for the page's tests: one Chromium, a fresh window a test, nothing said on its console."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any, Protocol

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright, expect

from tests.browser.acts import HANDBOOK

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WAIT_MS = 15_000


class OpenPage(Protocol):
    """Opens the page at an address behind `#`, in a window of its own."""

    async def __call__(self, address: str = "/chat", **context: Any) -> Page: ...


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's path. Without one the test is skipped, aloud; on CI it fails instead."""
    path = os.environ.get("CAIRN_CHROMIUM") or shutil.which("chromium")
    if path is None:
        absent = pytest.fail if os.environ.get("CI") else pytest.skip
        absent(
            "no Chromium: install it (apt-get install chromium) or set CAIRN_CHROMIUM to its path"
        )
    return path


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium: str) -> AsyncIterator[Browser]:
    """One for all tests, which share its event loop: starting one a test takes seconds."""
    expect.set_options(timeout=WAIT_MS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture
def said() -> list[str]:
    """What the page complained of: errors, violations of the content security policy, exceptions."""
    return []


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, service_url: str, said: list[str]) -> AsyncIterator[OpenPage]:
    """Opens pages. A test may look at `said`; whatever is left there at its end fails it."""
    async with AsyncExitStack() as stack:

        async def open_(address: str = "/chat", **context: Any) -> Page:
            window = await browser.new_context(
                **{
                    "viewport": {"width": 1280, "height": 860},
                    "reduced_motion": "reduce",
                    **context,
                }
            )
            stack.push_async_callback(window.close)
            window.set_default_timeout(WAIT_MS)
            tab = await window.new_page()
            tab.on("console", _listen(said))
            tab.on("pageerror", lambda error: said.append(str(error)))
            await tab.goto(f"{service_url}/#{address}")
            return tab

        yield open_
    assert said == []


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


def _listen(said: list[str]) -> Callable[[ConsoleMessage], None]:
    def hear(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            said.append(message.text)

    return hear
