"""Files in a bucket of any server that speaks S3."""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import parse_qs, unquote, urlsplit

import aiobotocore.session
from aiobotocore.config import AioConfig
from aiohttp import ClientError as BrokenBody
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

from infra.folder import address, spool
from ingestion.files import FileMissing, FilesUnavailable, Kept, Stored

ONE_PUT_BYTES = 64 << 20
PART_BYTES = 16 << 20
"""S3 allows 10,000 parts, so a file may have 160 GB."""
PIECE_BYTES = 1 << 20
MISSING = frozenset({"404", "NoSuchKey", "NotFound"})
ADDRESS = re.compile(r"([a-z0-9][a-z0-9_-]{0,63})/[0-9a-f]{2}/([0-9a-f]{64})")
FIELDS = frozenset({"endpoint", "region"})


@dataclass(frozen=True, slots=True)
class Place:
    """What an `s3://` URL says."""

    bucket: str
    prefix: str
    """Empty, or with a slash at its end."""
    endpoint: str | None
    region: str | None
    key_id: str | None
    secret: str | None
    """Without these two the standard AWS variables and files are read."""


def place_of(url: str) -> Place:
    """Reads `s3://[key:secret@]bucket/prefix?endpoint=https://host:port&region=…`; or `ValueError`."""
    parts, query = urlsplit(url), parse_qs(urlsplit(url).query)
    unknown = sorted(query.keys() - FIELDS)
    if parts.scheme != "s3" or not parts.hostname or unknown:
        wrong = f"{', '.join(unknown)} is unknown" if unknown else "it names no bucket"
        raise ValueError(f"files: {wrong}; write s3://bucket/prefix?endpoint=https://…&region=…")
    prefix = parts.path.strip("/")
    return Place(
        bucket=parts.netloc.rpartition("@")[2],
        prefix=f"{prefix}/" if prefix else "",
        endpoint=query.get("endpoint", [None])[0],
        region=query.get("region", [None])[0],
        key_id=unquote(parts.username) if parts.username else None,
        secret=unquote(parts.password) if parts.password else None,
    )


@asynccontextmanager
async def open_s3(url: str) -> AsyncIterator[S3Files]:
    """The bucket must be there. Raises `ValueError` for a URL that cannot be used."""
    place = place_of(url)
    async with client_of(place) as opened:
        yield S3Files(opened, place)


def client_of(place: Place) -> AbstractAsyncContextManager[Any]:
    """A client of the place's server, for as long as the block lasts."""
    return aiobotocore.session.get_session().create_client(  # type: ignore[no-any-return]
        "s3",
        endpoint_url=place.endpoint,
        region_name=place.region or os.environ.get("AWS_REGION"),
        aws_access_key_id=place.key_id,
        aws_secret_access_key=place.secret,
        config=AioConfig(
            connect_timeout=5,
            read_timeout=60,
            retries={"total_max_attempts": 3, "mode": "standard"},
            # What AWS added in 2025 many other servers do not know.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path" if place.endpoint else "auto"},
        ),
    )


class S3Files:
    """`Files` in a bucket, at `prefix/tenant/ab/abcdef…`."""

    def __init__(self, client: Any, place: Place) -> None:
        self._client = client
        self._place = place

    async def put(self, tenant: str, data: AsyncIterator[bytes], limit_bytes: int) -> Stored:
        # To a file first: the key is the hash, which is known only at the end.
        with self._translated("the upload"), tempfile.TemporaryFile() as file:
            stored = await spool(data, file, limit_bytes)
            target = self._object(tenant, stored.sha256)
            file.seek(0)
            if stored.size_bytes <= ONE_PUT_BYTES:
                await self._client.put_object(**target, Body=file)
            else:
                await self._put_parts(target, file)
            return stored

    async def _put_parts(self, target: dict[str, str], file: IO[bytes]) -> None:
        upload = await self._client.create_multipart_upload(**target)
        target = target | {"UploadId": upload["UploadId"]}
        try:
            parts: list[dict[str, object]] = []
            while piece := await asyncio.to_thread(file.read, PART_BYTES):
                number = len(parts) + 1
                done = await self._client.upload_part(**target, PartNumber=number, Body=piece)
                parts.append({"PartNumber": number, "ETag": done["ETag"]})
            await self._client.complete_multipart_upload(**target, MultipartUpload={"Parts": parts})
        except BaseException:  # also when cancelled: parts that nobody completes are paid for
            await asyncio.shield(self._client.abort_multipart_upload(**target))
            raise

    async def read(self, tenant: str, sha256: str) -> bytes:
        with self._translated(sha256):
            found = await self._client.get_object(**self._object(tenant, sha256))
            async with found["Body"] as body:
                return bytes(await body.read())

    @asynccontextmanager
    async def local(self, tenant: str, sha256: str) -> AsyncIterator[Path]:
        handle, path = tempfile.mkstemp(prefix="cairn-")
        try:
            with os.fdopen(handle, "wb") as file:
                await self._download(tenant, sha256, file)
            yield Path(path)
        finally:
            Path(path).unlink(missing_ok=True)

    async def _download(self, tenant: str, sha256: str, file: IO[bytes]) -> None:
        with self._translated(sha256):
            found = await self._client.get_object(**self._object(tenant, sha256))
            async with found["Body"] as body:
                while piece := await body.read(PIECE_BYTES):
                    await asyncio.to_thread(file.write, piece)

    async def remove(self, tenant: str, sha256: str) -> bool:
        with self._translated(sha256):
            try:
                await self._client.head_object(**self._object(tenant, sha256))
            except ClientError as error:
                if _code(error) in MISSING:
                    return False
                raise
            await self._client.delete_object(**self._object(tenant, sha256))
            return True

    async def kept(self) -> AsyncIterator[Kept]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._place.bucket, Prefix=self._place.prefix
        )
        with self._translated("the bucket"):
            async for page in pages:
                for found in page.get("Contents", []):
                    inside = found["Key"].removeprefix(self._place.prefix)
                    if place := ADDRESS.fullmatch(inside):  # others' may lie in the same bucket
                        yield Kept(place[1], place[2], found["LastModified"].timestamp())

    async def ping(self) -> str:
        with self._translated("the bucket"):
            await self._client.head_bucket(Bucket=self._place.bucket)
        return f"s3://{self._place.bucket}/{self._place.prefix} at {self._client.meta.endpoint_url}"

    def _object(self, tenant: str, sha256: str) -> dict[str, str]:
        return {
            "Bucket": self._place.bucket,
            "Key": self._place.prefix + address(tenant, sha256),
        }

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        where = f"bucket {self._place.bucket!r}"
        try:
            yield
        except ClientError as error:
            if _code(error) in MISSING and what not in {"the upload", "the bucket"}:
                raise FileMissing(f"The stored file {what} is gone from {where}.") from error
            raise FilesUnavailable(
                f"The file store refuses {where}: {_code(error)}, {_words(error)}."
            ) from error
        except (BotoCoreError, BrokenBody, OSError) as error:
            raise FilesUnavailable(
                f"The file store of {where} does not answer: {type(error).__name__}."
            ) from error


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "unknown"))


def _words(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Message", "no reason given")).rstrip(".")
