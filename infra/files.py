"""Which file store a URL names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from infra.folder import open_folder
from ingestion.files import Files

Open = Callable[[str, Path], AbstractAsyncContextManager[Files]]


def open_files(url: str, folder: Path) -> AbstractAsyncContextManager[Files]:
    """`s3://bucket/prefix?endpoint=https://…`; an empty URL is the folder.

    Raises `ValueError` for another scheme, or where a client is not installed.
    """
    scheme = url.partition(":")[0]
    if scheme not in STORES:
        choices = ", ".join(f"{name}://" for name in STORES if name)
        raise ValueError(f"files: {scheme!r} is no kind of file store. Choices: {choices}, or none")
    return STORES[scheme](url, folder)


def _folder(_: str, folder: Path) -> AbstractAsyncContextManager[Files]:
    return open_folder(folder)


def _s3(url: str, _: Path) -> AbstractAsyncContextManager[Files]:
    try:
        from infra.s3 import open_s3
    except ModuleNotFoundError as error:
        raise ValueError(
            f"files: s3:// needs {error.name}, which is not installed: pip install 'cairn[s3]'"
        ) from error
    return open_s3(url)


STORES: Mapping[str, Open] = {"": _folder, "s3": _s3}
"""By the URL's scheme."""
