"""Pages and sitemaps, read from a real server on loopback that a person allowed."""

from __future__ import annotations

import gzip
import hashlib
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from infra.sources.fetch import Bounds, Fetcher, Unfetchable, open_fetcher
from infra.sources.guard import Target, allowing
from infra.sources.opening import open_source
from infra.sources.robots import robots_of
from infra.sources.sitemap import BadSitemap, Sitemap, sitemap_of
from ingestion.sync import Item, ItemGone, ItemUnavailable, Source, SourceUnavailable
from tests.servers.site import Page, Site, site

ROBOTS = "/robots.txt"


@pytest.fixture
def there() -> Iterator[Site]:
    with site() as there:
        yield there


@asynccontextmanager
async def source(there: Site, path: str) -> AsyncIterator[Source]:
    async with open_source(there.url + path, ["127.0.0.1"]) as opened:
        yield opened


@pytest.fixture
async def fetcher() -> AsyncIterator[Fetcher]:
    async with open_fetcher(allowing(["127.0.0.1"])) as opened:
        yield opened


async def permit(_: Target) -> None:
    """No robots.txt."""


async def read(fetcher: Fetcher, url: str, bounds: Bounds | None = None) -> bytes:
    content = bytearray()
    await fetcher.fetch(url, content.extend, bounds or Bounds(1 << 20, 5.0), permit)
    return bytes(content)


async def items(opened: Source) -> dict[str, Item]:
    return {item.name: item for item in (await opened.list()).items}


# A page


async def test_a_page_is_named_by_its_address_and_its_bytes_come_in_a_file(there: Site) -> None:
    there.write("/docs/tea", "<h1>Tea</h1>")

    async with source(there, "/docs/tea") as opened:
        (item,) = (await opened.list()).items
        async with opened.copy(item) as copy:
            content = copy.path.read_bytes()

    assert item.name == f"{there.host}/docs/tea"
    assert content == b"<h1>Tea</h1>"
    assert not copy.path.exists()


async def test_loopback_is_not_read_unless_it_is_allowed(there: Site) -> None:
    there.write("/", "inside")

    with pytest.raises(ValueError, match="--allow-private 127.0.0.1"):
        async with open_source(there.url):
            pass

    assert there.asked == []


async def test_a_page_that_has_not_changed_is_asked_about_and_not_sent_again(there: Site) -> None:
    there.write("/tea", "green", ETag='"1"', Last_Modified="Mon, 02 Nov 2026 10:00:00 GMT")

    async with source(there, "/tea") as opened:
        (item,) = (await opened.list()).items
        first = await opened.look(item, None)
        again = await opened.look(item, first)
        there.write("/tea", "black", ETag='"2"')
        changed = await opened.look(item, again)

    assert first == again
    assert first.sha256 == hashlib.sha256(b"green").hexdigest()
    assert changed.sha256 == hashlib.sha256(b"black").hexdigest()


async def test_a_page_that_is_gone_is_not_one_that_cannot_be_read_now(there: Site) -> None:
    async with source(there, "/tea") as opened:
        (item,) = (await opened.list()).items
        for status in (404, 410):
            there.pages["/tea"] = Page(b"no", status)
            with pytest.raises(ItemGone):
                await opened.look(item, None)
        for status in (401, 403, 429, 500, 503, 304, 206):
            there.pages["/tea"] = Page(b"no", status)
            with pytest.raises(ItemUnavailable, match=str(status)):
                await opened.look(item, None)


# Bounds


async def test_five_redirects_are_followed_and_not_a_sixth(there: Site, fetcher: Fetcher) -> None:
    for number in range(6):
        there.redirect(f"/{number}", f"/{number + 1}", status=(301, 302, 303, 307, 308)[number % 5])
    there.write("/6", "arrived")

    assert await read(fetcher, f"{there.url}/1") == b"arrived"
    with pytest.raises(Unfetchable, match="more than 5 times"):
        await read(fetcher, f"{there.url}/0")


async def test_a_page_that_is_too_large_is_given_up_whatever_it_says_of_itself(
    there: Site, fetcher: Fetcher
) -> None:
    honest = Page(b"x" * 2000)
    silent = Page(b"x" * 2000, length=-1)
    bomb = Page(gzip.compress(bytes(4 << 20), 1), fields={"Content-Encoding": "gzip"})
    for page in (honest, silent, bomb):
        there.pages["/"] = page
        with pytest.raises(Unfetchable, match="larger than"):
            await read(fetcher, there.url, Bounds(1000))


async def test_a_server_that_dawdles_is_given_up(there: Site, fetcher: Fetcher) -> None:
    there.pages["/"] = Page(b"at last", wait_s=1.0)

    with pytest.raises(Unfetchable, match=r"longer than 0\.1 s"):
        await read(fetcher, there.url, Bounds(1000, request_s=0.1))


async def test_a_kind_that_cairn_does_not_read_is_given_up_before_its_first_byte(
    there: Site, fetcher: Fetcher
) -> None:
    there.pages["/"] = Page(b"\x89PNG", fields={"Content-Type": "image/png"})

    with pytest.raises(Unfetchable, match="image/png"):
        await read(fetcher, there.url, Bounds(1000, types=frozenset({"text/html"})))


async def test_packed_pages_are_unpacked_and_cut_ones_refused(
    there: Site, fetcher: Fetcher
) -> None:
    packed = gzip.compress(b"tea " * 100_000)
    there.pages["/whole"] = Page(packed, fields={"Content-Encoding": "gzip"})
    there.pages["/cut"] = Page(packed[:-20], fields={"Content-Encoding": "gzip"})
    there.pages["/broken"] = Page(b"not gzip", fields={"Content-Encoding": "gzip"})
    there.pages["/odd"] = Page(b"?", fields={"Content-Encoding": "br"})
    there.pages["/short"] = Page(b"half", length=1000)

    assert await read(fetcher, f"{there.url}/whole") == b"tea " * 100_000
    for path in ("/cut", "/broken", "/odd", "/short"):
        with pytest.raises(Unfetchable):
            await read(fetcher, there.url + path)


async def test_a_server_that_is_away_is_said_in_words(fetcher: Fetcher) -> None:
    with pytest.raises(Unfetchable, match="does not answer"):
        await read(fetcher, "http://127.0.0.1:1/")


# robots.txt


async def test_a_page_that_robots_txt_forbids_is_not_asked_for(there: Site) -> None:
    there.write("/private/tea", "secret")
    there.write(ROBOTS, "User-agent: *\nDisallow: /private/")

    async with source(there, "/private/tea") as opened:
        listing = await opened.list()

    assert listing.items == ()
    assert [held.fault for held in listing.held] == [False]
    assert there.asked == [ROBOTS]


async def test_a_redirect_to_a_forbidden_page_is_not_followed(there: Site) -> None:
    there.write(ROBOTS, "User-agent: cairn\nDisallow: /private/")
    there.redirect("/tea", "/private/tea")

    async with source(there, "/tea") as opened:
        (item,) = (await opened.list()).items
        with pytest.raises(ItemUnavailable, match=r"robots\.txt"):
            await opened.look(item, None)

    assert "/private/tea" not in there.asked


async def test_where_robots_txt_fails_nothing_is_read(there: Site) -> None:
    there.pages[ROBOTS] = Page(b"", 503)

    async with source(there, "/tea") as opened:
        with pytest.raises(SourceUnavailable, match="503"):
            await opened.list()


async def test_a_site_that_keeps_its_robots_txt_to_itself_allows_everything(there: Site) -> None:
    there.pages[ROBOTS] = Page(b"", 403)

    async with source(there, "/tea") as opened:
        assert len((await opened.list()).items) == 1


RULES = """
User-agent: other
Disallow: /

User-agent: *
User-Agent: Cairn   # the same for both
Disallow: /shop/*/basket$
Disallow: /a
Allow: /a/open
Disallow: *.zip
Disallow:
Disallow: /%C3%B6
Crawl-delay: 99
"""


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/", True),
        ("/shop/7/basket", False),
        ("/shop/7/basket/", True),
        ("/shop//basket", False),
        ("/a", False),
        ("/about", False),
        ("/a/open/door", True),
        ("/b/file.zip?x=1", False),
        ("/ö", False),
        ("/robots.txt", True),
    ],
)
def test_the_longest_rule_decides(path: str, allowed: bool) -> None:
    assert robots_of(RULES).allow(path) is allowed


def test_an_own_group_goes_before_everybodys_and_a_pause_is_bounded() -> None:
    own = robots_of("User-agent: *\nDisallow: /\n\nUser-agent: cairn\nCrawl-delay: 2\nAllow: /")

    assert own.allow("/tea")
    assert (own.pause_s, robots_of(RULES).pause_s) == (2.0, 10.0)
    assert robots_of("<html>not found</html>\n::::\nDisallow: /").allow("/tea")


def test_a_rule_of_many_stars_costs_no_time() -> None:
    stars = robots_of("User-agent: *\nDisallow: /" + "a*" * 500 + "b$")

    assert stars.allow("/" + "a" * 1900)


# Sitemaps


async def test_an_index_of_sitemaps_packed_or_not_lists_every_page_once(there: Site) -> None:
    there.sitemap("/sitemap.xml", "/one.xml", "/two.xml.gz", kind="sitemap")
    there.sitemap("/one.xml", "/tea", "/coffee/", "/tea")
    there.sitemap("/two.xml", "/tea", "/tea?cup=2")
    packed = gzip.compress(there.pages["/two.xml"].body)
    there.pages["/two.xml.gz"] = Page(packed, fields={"Content-Type": "application/gzip"})

    async with source(there, "/sitemap.xml") as opened:
        names = list(await items(opened))

    paths = ("tea", "coffee/index.html", "tea?cup=2")
    assert names == [f"{there.host}/{path}" for path in paths]


async def test_a_sitemap_speaks_for_its_own_site_only(there: Site) -> None:
    strangers = ("http://10.0.0.1/", "https://public.example/", "file:///etc/passwd")
    there.sitemap("/sitemap.xml", *strangers, "/tea")

    async with source(there, "/sitemap.xml") as opened:
        listing = await opened.list()

    assert [item.name for item in listing.items] == [f"{there.host}/tea"]
    assert [held.name for held in listing.held] == list(strangers)
    assert not any(held.fault for held in listing.held)


async def test_half_a_sitemap_is_none(there: Site) -> None:
    there.sitemap("/sitemap.xml", "/one.xml", "/two.xml", kind="sitemap")
    there.sitemap("/one.xml", "/tea")
    for broken in (Page(b"", 500), Page(b"", 404), Page(b"<html/>"), Page(b"<urlset><url>")):
        there.pages["/two.xml"] = broken
        async with source(there, "/sitemap.xml") as opened:
            with pytest.raises(SourceUnavailable):
                await opened.list()


async def test_sitemaps_that_list_each_other_come_to_an_end(there: Site) -> None:
    there.sitemap("/sitemap.xml", "/other.xml", kind="sitemap")
    there.sitemap("/other.xml", "/sitemap.xml", kind="sitemap")

    async with source(there, "/sitemap.xml") as opened:
        assert await items(opened) == {}

    assert there.asked.count("/sitemap.xml") == 1


async def test_a_sitemap_beyond_the_bounds_is_refused_whole(there: Site) -> None:
    there.sitemap("/sitemap.xml", *(f"/{number}.xml" for number in range(501)), kind="sitemap")

    async with source(there, "/sitemap.xml") as opened:
        with pytest.raises(SourceUnavailable, match="500 sitemaps"):
            await opened.list()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no xml",
        b"<html><body/></html>",
        b'<!DOCTYPE u [<!ENTITY a "aaaa">]><urlset><url><loc>&a;</loc></url></urlset>',
        b'<!DOCTYPE u SYSTEM "file:///etc/passwd"><urlset/>',
        gzip.compress(b"<urlset/>")[:-9],
        b"\x1f\x8bnothing",
        gzip.compress(b"<urlset>" + b" " * (51 << 20), 1),
    ],
)
def test_what_is_no_sitemap_is_refused(data: bytes) -> None:
    with pytest.raises(BadSitemap):
        sitemap_of(data)


def test_only_the_places_of_pages_are_taken_from_a_sitemap() -> None:
    data = b"""<s:urlset xmlns:s="x" xmlns:i="y"><s:url><s:loc> http://a/?b=1&amp;c=2 </s:loc>
    <i:image><i:loc>http://a/picture</i:loc></i:image></s:url></s:urlset>"""

    assert sitemap_of(data) == Sitemap(("http://a/?b=1&c=2",), ())


async def test_a_site_that_asks_for_pauses_gets_them(there: Site) -> None:
    there.write(ROBOTS, "User-agent: *\nCrawl-delay: 0.2")
    there.write("/tea", "green")

    async with source(there, "/tea") as opened:
        (item,) = (await opened.list()).items
        started = time.monotonic()
        for _ in range(3):
            await opened.look(item, None)
        took_s = time.monotonic() - started

    assert took_s >= 0.4
