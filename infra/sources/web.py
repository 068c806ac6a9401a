"""A page of the web, or all pages of a sitemap, as a source of documents."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import unquote

from infra.sources.fetch import Bounds, Denied, Fetcher, Missing, Unfetchable
from infra.sources.guard import Allowed, Forbidden, Target, target_of
from infra.sources.robots import LIMIT_BYTES as ROBOTS_BYTES
from infra.sources.robots import Robots, robots_of
from infra.sources.sitemap import LIMIT_BYTES as SITEMAP_BYTES
from infra.sources.sitemap import BadSitemap, Sitemap, sitemap_of
from ingestion.intake import BadName, check_name
from ingestion.sniff import KINDS
from ingestion.sync import (
    Copy,
    Held,
    Item,
    ItemGone,
    ItemUnavailable,
    Listing,
    Seen,
    SourceUnavailable,
)

PAUSE_S = 300.0
SITEMAPS = 500
PAGES = 50_000
"""Beyond these bounds nothing is read at all: half a listing would look like a removal."""
TYPES = frozenset(kind.media_type for kind in KINDS) | {
    *("application/xhtml+xml", "application/octet-stream", "application/x-ndjson"),
    *("text/x-markdown", "text/rtf", "application/csv", "text/tab-separated-values"),
}
PAGE = Bounds(size_bytes=64 << 20, types=TYPES)


class WebSource:
    """`Source`: one page, or those that a sitemap lists on its own site, named by their address."""

    pause_s = PAUSE_S

    def __init__(self, fetcher: Fetcher, allowed: Allowed, target: Target) -> None:
        self._fetcher = fetcher
        self._allowed = allowed
        self._target = target
        self._robots: dict[str, Robots] = {}
        self._turns: dict[str, float] = {}
        self._turn = asyncio.Lock()

    @property
    def id(self) -> str:
        return self._target.url

    async def list(self) -> Listing:
        self._robots.clear()
        items: dict[str, Item] = {}
        held: list[Held] = []
        try:
            for url in await self._urls():
                one = await self._entry(url)
                if isinstance(one, Held):
                    held.append(one)
                elif items.setdefault(one.name, one).key != one.key:
                    held.append(Held(one.key, "another page has the same name", fault=False))
        except Unfetchable as error:
            raise SourceUnavailable(str(error)) from error
        return Listing(tuple(items.values()), tuple(held))

    async def look(self, item: Item, seen: Seen | None) -> Seen:
        stamp = seen.stamp if seen is not None else ""
        with _translated(item):
            fetched = await self._fetcher.fetch(item.key, len, PAGE, self._permit, stamp)
        if seen is not None and not fetched.changed:
            return seen
        return Seen(fetched.stamp, fetched.sha256)

    @asynccontextmanager
    async def copy(self, item: Item) -> AsyncIterator[Copy]:
        handle, path = tempfile.mkstemp(prefix="cairn-")
        try:
            with os.fdopen(handle, "wb") as file, _translated(item):
                fetched = await self._fetcher.fetch(item.key, file.write, PAGE, self._permit)
            yield Copy(Path(path), fetched.stamp)
        finally:
            Path(path).unlink(missing_ok=True)

    async def _urls(self) -> Sequence[str]:
        """In order, each once."""
        if not is_sitemap(self._target):
            return [self._target.url]
        pages: dict[str, None] = {}
        sitemaps = {self._target.url: False}
        while waiting := [url for url, done in sitemaps.items() if not done]:
            sitemap = await self._sitemap(waiting[0])
            sitemaps[waiting[0]] = True
            pages |= dict.fromkeys(sitemap.pages)
            near = filter(self._near, sitemap.sitemaps[: SITEMAPS + 1])
            sitemaps |= {url: False for url in near if url not in sitemaps}
            if len(pages) > PAGES or len(sitemaps) > SITEMAPS:
                raise SourceUnavailable(
                    f"{self.id} lists more than {PAGES:,} pages or {SITEMAPS} sitemaps. Give one "
                    "of the sitemaps that it refers to."
                )
        return list(pages)

    async def _sitemap(self, url: str) -> Sitemap:
        content = bytearray()
        bounds = Bounds(size_bytes=SITEMAP_BYTES)
        try:
            await self._fetcher.fetch(url, content.extend, bounds, self._permit)
            return await asyncio.to_thread(sitemap_of, bytes(content))
        except BadSitemap as error:
            raise SourceUnavailable(f"{url} is no sitemap: {error}.") from error

    async def _entry(self, url: str) -> Item | Held:
        """Raises `Unfetchable` where the site's wishes cannot be learned."""
        try:
            target = target_of(url, self._allowed)
        except Forbidden as error:
            return Held(url, str(error), fault=False)
        if not self._near(url):
            return Held(url, "it is on another site than its sitemap", fault=False)
        name = _name(target)
        if name is None:
            return Held(url, "such an address cannot name a document", fault=False)
        if not (await self._wishes(target)).allow(target.path):
            return Held(name, "robots.txt asks not to read it", fault=False)
        return Item(target.url, name)

    def _near(self, url: str) -> bool:
        """On the sitemap's own site, as the protocol has it: a sitemap speaks for no other."""
        try:
            host = target_of(url, self._allowed).host
        except Forbidden:
            return False
        return host.removeprefix("www.") == self._target.host.removeprefix("www.")

    async def _permit(self, target: Target) -> None:
        robots = await self._wishes(target)
        if not robots.allow(target.path):
            raise Unfetchable(f"robots.txt of {target.origin} asks not to read {target.path}.")
        if robots.pause_s:
            async with self._turn:
                await asyncio.sleep(self._turns.get(target.origin, 0.0) - time.monotonic())
                self._turns[target.origin] = time.monotonic() + robots.pause_s

    async def _wishes(self, target: Target) -> Robots:
        """A site without the file allows everything; one that fails allows nothing (RFC 9309, 2.3)."""
        if target.origin not in self._robots:
            content = bytearray()
            bounds = Bounds(size_bytes=ROBOTS_BYTES)
            try:
                await self._fetcher.fetch(
                    f"{target.origin}/robots.txt", content.extend, bounds, _permit_all
                )
            except Denied:
                content.clear()
            self._robots[target.origin] = robots_of(content.decode("utf-8", "replace"))
        return self._robots[target.origin]


def is_sitemap(target: Target) -> bool:
    path = target.path.partition("?")[0].lower()
    return path.endswith((".xml", ".xml.gz"))


async def _permit_all(_: Target) -> None:
    """For robots.txt itself."""


def _name(target: Target) -> str | None:
    """Host and path, as a person would write them; None where no document can be called so."""
    path, mark, query = target.path.partition("?")
    place = target.origin.partition("://")[2] + path + ("index.html" if path.endswith("/") else "")
    for name in (unquote(place + mark + query), place + mark + query):
        try:
            check_name(name)
        except BadName:
            continue
        return name
    return None


@contextmanager
def _translated(item: Item) -> Iterator[None]:
    try:
        yield
    except Missing as error:
        raise ItemGone(str(error)) from error
    except Unfetchable as error:
        raise ItemUnavailable(str(error)) from error
