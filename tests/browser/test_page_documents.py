"""Documents on the page: uploaded, watched, read, narrowed down, deleted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.browser.acts import choose, forget_failed_loads
from tests.browser.conftest import OpenPage

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


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


async def test_files_may_be_dropped_anywhere_on_the_documents_page(page: OpenPage) -> None:
    tab = await page("/documents")
    await tab.get_by_role("heading", name="Documents", exact=True).wait_for()
    files = await tab.evaluate_handle(
        """() => {
          const files = new DataTransfer();
          files.items.add(new File(["# Dropped\\n\\nIt fell."], "page-dropped.md"));
          return files;
        }"""
    )

    await tab.dispatch_event("main", "drop", {"dataTransfer": files})

    row = tab.locator("tbody", has_text="page-dropped.md")
    await expect(row.get_by_text("Ready")).to_be_visible()


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


async def test_what_is_being_read_shows_in_the_queue_and_can_be_cancelled(
    page: OpenPage, tmp_path: Path
) -> None:
    file = tmp_path / "page-endless.md"
    file.write_text(
        "\n\n".join(f"In year {n} there were {n * 7} tonnes of it." for n in range(30_000))
    )
    tab = await page("/documents")

    await choose(tab, file)

    row = tab.locator("tbody", has_text="page-endless.md")
    await expect(tab.locator(".queue-work")).to_contain_text("in work")
    await row.get_by_role("button", name="Cancel page-endless.md").click()
    await expect(row.get_by_text("Cancelled", exact=True)).to_be_visible()
    await expect(row.get_by_role("button", name="Retry page-endless.md")).to_be_visible()
    await expect(tab.locator(".queue-work")).to_be_hidden()


async def test_an_older_version_is_restored_and_what_changed_is_shown(
    page: OpenPage, tmp_path: Path
) -> None:
    file = tmp_path / "page-editions.md"
    tab = await page("/documents")
    row = tab.locator("tbody", has_text="page-editions.md")
    for edition in ("first", "second"):
        file.write_text(f"# The {edition} edition\n\nThese are the words of the {edition} one.\n")
        await choose(tab, file)
        await expect(row.get_by_text(f"The {edition} edition")).to_be_visible()
        await expect(row.get_by_text("Ready")).to_be_visible()
    await row.get_by_role("link", name="page-editions.md").click()

    await tab.get_by_role("button", name="Restore version 1").click()

    versions = tab.locator(".versions li")
    await expect(versions).to_have_count(3)
    await expect(versions.first).to_contain_text("answers")
    await expect(versions.first.locator(".changes")).to_contain_text("+1 −1")
    await expect(tab.locator(".reading")).to_contain_text("the words of the first one")


async def test_what_failed_is_summed_up_and_sent_back_at_once(
    page: OpenPage, tmp_path: Path
) -> None:
    file = tmp_path / "page-torn.pdf"
    file.write_bytes(b"%PDF-1.7\nalso nothing that a PDF should have\n")
    tab = await page("/documents")
    await choose(tab, file)
    await expect(tab.locator(".queue-failed")).to_contain_text(
        re.compile(r"\d+ failed: .*\d+ unreadable")
    )

    await tab.get_by_role("button", name="Retry all").click()

    await expect(tab.locator("#notices")).to_contain_text("in the queue again")
