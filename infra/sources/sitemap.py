"""A sitemap (sitemaps.org, protocol 0.9): the pages of a site, or the sitemaps that list them."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from xml.parsers import expat

LIMIT_BYTES = 50 << 20
"""Of one sitemap, unpacked: the protocol's own bound."""
GZIP = b"\x1f\x8b"
_WBITS_GZIP = 31


class BadSitemap(Exception):
    """The bytes are not a sitemap, or one that unpacks to more than a sitemap may have."""


@dataclass(frozen=True, slots=True)
class Sitemap:
    """What a sitemap lists, in its order."""

    pages: tuple[str, ...]
    sitemaps: tuple[str, ...]


def sitemap_of(data: bytes) -> Sitemap:
    """Reads XML, packed with gzip or not. Raises `BadSitemap`."""
    listed: dict[str, list[str]] = {"url": [], "sitemap": []}
    reader = _Reader(listed)
    try:
        reader.feed(unpacked(data, LIMIT_BYTES) if data.startswith(GZIP) else data)
    except expat.ExpatError as error:
        raise BadSitemap(f"it is no XML: {error}") from error
    if reader.root not in {"urlset", "sitemapindex"}:
        raise BadSitemap(f"it begins with <{reader.root}>, not <urlset> or <sitemapindex>")
    return Sitemap(tuple(listed["url"]), tuple(listed["sitemap"]))


def unpacked(data: bytes, limit_bytes: int) -> bytes:
    """What gzip packed. Raises `BadSitemap` where it is damaged or longer than the limit."""
    unpacker = zlib.decompressobj(_WBITS_GZIP)
    try:
        content = unpacker.decompress(data, limit_bytes)
    except zlib.error as error:
        raise BadSitemap(f"it cannot be unpacked: {error}") from error
    if not unpacker.eof:
        raise BadSitemap(f"it is cut short, or unpacks to more than {limit_bytes >> 20} MB")
    return content


class _Reader:
    """Collects the text of `<loc>` straight below `<url>` and `<sitemap>`."""

    def __init__(self, listed: dict[str, list[str]]) -> None:
        self.root = ""
        self._listed = listed
        self._path: list[str] = []
        self._text: list[str] = []

    def feed(self, data: bytes) -> None:
        parser = expat.ParserCreate()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text.append
        parser.StartDoctypeDeclHandler = _refuse_doctype
        parser.Parse(data, True)

    def _start(self, name: str, _: dict[str, str]) -> None:
        self._path.append(name.rpartition(":")[2])
        self.root = self.root or self._path[0]
        self._text.clear()

    def _end(self, _: str) -> None:
        parent = self._path[-2] if len(self._path) == 3 else ""
        if self._path.pop() == "loc" and parent in self._listed:
            self._listed[parent].append("".join(self._text).strip())
        self._text.clear()


def _refuse_doctype(*_: object) -> None:
    """Sitemaps have none, and entities are how a small file becomes a large one."""
    raise BadSitemap("it declares a document type, which sitemaps do not have")
