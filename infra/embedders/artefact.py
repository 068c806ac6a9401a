"""The exported model on disk: made once, by one process, and found again by what it was made of."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import cast

from infra.embedders.checkpoint import Checkpoint
from infra.embedders.openvino import PRECISION

META_FILE = "meta.json"
PROGRESS = "progress: "
"""Begins the lines that the exporting process means for people. Libraries print others."""
LEAST_COSINE = 0.995
"""Mean over the check texts. Down to here retrieval quality did not measurably change."""

GRAPH_VERSION = 1
"""Goes up when the export changes, so that older artefacts are made anew."""

Progress = Callable[[str], None]
"""Called in the event loop's thread, with a sentence for a person who waits."""


class ExportFailed(Exception):
    """There is no exported model, in words; the original still works."""


async def prepared(checkpoint: Checkpoint, models: Path, progress: Progress) -> Path:
    """The artefact's folder, made on the first call, which takes some ten seconds.

    Raises `ExportFailed` where it cannot be made or is not faithful to the original.
    """
    try:
        key = await asyncio.to_thread(_key, checkpoint)
    except PackageNotFoundError as error:
        raise ExportFailed("OpenVINO is not installed.") from error
    folder = models / key
    if not (folder / META_FILE).is_file():
        models.mkdir(parents=True, exist_ok=True)
        async with _locked(models / f"{key}.lock", progress):
            if not (folder / META_FILE).is_file():
                await _export(checkpoint, folder, progress)
    _refuse_the_unfaithful(folder)
    return folder


def _key(checkpoint: Checkpoint) -> str:
    """Of everything the artefact depends on. Reading 90 MB takes about 0.1 s."""
    digest = hashlib.sha256()
    for file in (checkpoint.weights, checkpoint.tokenizer):
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    digest.update(f"{checkpoint.window_tokens}/{checkpoint.pooling}".encode())
    made_by = f"openvino-{version('openvino')}-{PRECISION}-{GRAPH_VERSION}"
    return f"{checkpoint.name}-{made_by}-{digest.hexdigest()[:16]}"


def _refuse_the_unfaithful(folder: Path) -> None:
    cosine = json.loads((folder / META_FILE).read_text())["cosine_mean"]
    if cosine < LEAST_COSINE:
        raise ExportFailed(
            f"The exported model differs from its original on this machine: mean cosine "
            f"{cosine:.4f}, and {LEAST_COSINE} is asked."
        )


@asynccontextmanager
async def _locked(file: Path, progress: Progress) -> AsyncIterator[None]:
    """Held by one process. The system lets go of it when that process ends, however it ends."""
    with file.open("w") as lock:
        waiting = False
        while not _taken(lock.fileno()):
            if not waiting:
                progress("Waiting for another process that prepares the embedding model")
            waiting = True
            await asyncio.sleep(0.2)
        yield


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def _export(checkpoint: Checkpoint, folder: Path, progress: Progress) -> None:
    for left_behind in folder.parent.glob(f".{folder.name}-*"):
        shutil.rmtree(left_behind, ignore_errors=True)
    making = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        await _run_export(checkpoint, making, progress)
        for file in making.iterdir():
            _to_disk(file)
        _to_disk(making)
        making.rename(folder)
        _to_disk(folder.parent)
    finally:
        shutil.rmtree(making, ignore_errors=True)


async def _run_export(checkpoint: Checkpoint, folder: Path, progress: Progress) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "infra.embedders.export", str(checkpoint.folder), str(folder),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"},
    )  # fmt: skip
    last: deque[str] = deque(maxlen=3)
    try:
        async for line in cast(asyncio.StreamReader, process.stdout):
            words = line.decode(errors="replace").strip()
            last.append(words)
            if words.startswith(PROGRESS):
                progress(words.removeprefix(PROGRESS))
        failed = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if failed:
        raise ExportFailed(f"The embedding model could not be exported: {' / '.join(last)}")


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
