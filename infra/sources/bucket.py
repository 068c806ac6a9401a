"""A bucket of any server that speaks S3 as a source of documents."""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aiohttp import ClientError as BrokenBody
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

from infra.s3 import MISSING, PIECE_BYTES, Place, client_of, place_of
from ingestion.intake import BadName, check_name
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

PAUSE_S = 30.0


class BucketSource:
    """`Source`: the objects below a prefix, named by their key after it. Hidden ones are left out."""

    pause_s = PAUSE_S

    def __init__(self, client: Any, place: Place) -> None:
        self._client = client
        self._place = place

    @property
    def id(self) -> str:
        # Without the key, and with the server: buckets of two servers may have the same name.
        server = f"?endpoint={quote(self._place.endpoint)}" if self._place.endpoint else ""
        return f"s3://{self._place.bucket}/{self._place.prefix}{server}"

    async def list(self) -> Listing:
        items: list[Item] = []
        held: list[Held] = []
        with self._listing():
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._place.bucket, Prefix=self._place.prefix
            )
            async for page in pages:
                for entry in page.get("Contents", []):
                    one = _entry(self._place.prefix, entry)
                    if isinstance(one, Item):
                        items.append(one)
                    elif one is not None:
                        held.append(one)
        return Listing(tuple(items), tuple(held))

    async def look(self, item: Item, seen: Seen | None) -> Seen:
        digest = hashlib.sha256()
        async with aclosing(self._pieces(item)) as pieces:
            async for piece in pieces:
                digest.update(piece)
        return Seen(item.stamp, digest.hexdigest())

    @asynccontextmanager
    async def copy(self, item: Item) -> AsyncIterator[Copy]:
        handle, path = tempfile.mkstemp(prefix="cairn-")
        try:
            with os.fdopen(handle, "wb") as file:
                async with aclosing(self._pieces(item)) as pieces:
                    async for piece in pieces:
                        await asyncio.to_thread(file.write, piece)
            yield Copy(Path(path), item.stamp)
        finally:
            Path(path).unlink(missing_ok=True)

    async def _pieces(self, item: Item) -> AsyncGenerator[bytes, None]:
        with self._reading(item):
            found = await self._client.get_object(
                # The very bytes of the stamp: those that came since belong to another one.
                Bucket=self._place.bucket,
                Key=item.key,
                IfMatch=item.stamp,
            )
            async with found["Body"] as body:
                while piece := await body.read(PIECE_BYTES):
                    yield bytes(piece)

    @contextmanager
    def _listing(self) -> Iterator[None]:
        where = f"The bucket {self._place.bucket!r}"
        try:
            yield
        except ClientError as error:
            raise SourceUnavailable(f"{where} cannot be listed: {_code(error)}.") from error
        except (BotoCoreError, OSError) as error:
            raise SourceUnavailable(f"{where} does not answer: {type(error).__name__}.") from error

    @contextmanager
    def _reading(self, item: Item) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            if _code(error) in MISSING:
                raise ItemGone(f"{item.name!r} is gone.") from error
            raise ItemUnavailable(f"The bucket does not give it: {_code(error)}.") from error
        except (BotoCoreError, BrokenBody, OSError) as error:
            words = f"The bucket does not answer: {type(error).__name__}."
            raise ItemUnavailable(words) from error


@asynccontextmanager
async def open_bucket(url: str) -> AsyncIterator[BucketSource]:
    """`s3://bucket/prefix?endpoint=https://…`. Raises `ValueError` for a URL that cannot be used."""
    place = place_of(url)
    async with client_of(place) as client:
        yield BucketSource(client, place)


def _entry(prefix: str, entry: dict[str, Any]) -> Item | Held | None:
    """None for folders, as some programs store them, and for what is hidden."""
    key = str(entry["Key"])
    name = key.removeprefix(prefix)
    if name.endswith("/") or any(part.startswith(".") for part in name.split("/")):
        return None
    try:
        check_name(name)
    except BadName:
        return Held(name, "such a name cannot name a document", fault=False)
    return Item(key, name, str(entry["ETag"]))


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "unknown"))
