"""Which source an address names."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from ingestion.sync import Source

Open = Callable[[str, Sequence[str]], AbstractAsyncContextManager[Source]]


def open_source(
    address: str, allow_private: Sequence[str] = ()
) -> AbstractAsyncContextManager[Source]:
    """A folder's path, `s3://bucket/prefix`, `https://…/page` or `https://…/sitemap.xml`.

    `allow_private`: hosts, or host:port, that may lead to private addresses. Raises `ValueError`
    for another scheme, an address that may not be read, or where a client is not installed.
    """
    scheme, mark, _ = address.partition("://")
    kind = scheme.lower() if mark else ""
    if kind not in SOURCES:
        choices = ", ".join(f"{name}://" for name in SOURCES if name)
        raise ValueError(f"{scheme!r} is no kind of source. Choices: a folder, {choices}")
    return SOURCES[kind](address, allow_private)


@asynccontextmanager
async def _folder(address: str, _: Sequence[str]) -> AsyncIterator[Source]:
    from infra.sources.folder import FolderSource

    yield FolderSource(Path(address).expanduser())


@asynccontextmanager
async def _bucket(address: str, _: Sequence[str]) -> AsyncIterator[Source]:
    try:
        from infra.sources.bucket import open_bucket
    except ModuleNotFoundError as error:
        raise ValueError(
            f"s3:// needs {error.name}, which is not installed: pip install 'cairn[s3]'"
        ) from error
    async with open_bucket(address) as source:
        yield source


@asynccontextmanager
async def _web(address: str, allow_private: Sequence[str]) -> AsyncIterator[Source]:
    from infra.sources.fetch import open_fetcher
    from infra.sources.guard import Forbidden, allowing, target_of
    from infra.sources.web import WebSource

    try:
        allowed = allowing(allow_private)
        target = target_of(address, allowed)
    except Forbidden as error:
        raise ValueError(str(error)) from error
    async with open_fetcher(allowed) as fetcher:
        yield WebSource(fetcher, allowed, target)


SOURCES: Mapping[str, Open] = {"": _folder, "s3": _bucket, "http": _web, "https": _web}
"""By the address's scheme."""
