"""One embedder, opened by the scheme of its URL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl

from infra.embedders.artefact import ExportFailed, Progress, prepared
from infra.embedders.checkpoint import DEFAULT_MODEL, folder_of, read_checkpoint
from infra.embedders.openai import open_openai
from infra.embedders.openvino import TOKENIZER_FILE, open_openvino
from infra.embedders.sentence_transformers import open_sentence_transformers
from infra.embedders.tokenizer import EstimatingTokenizer, open_tokenizer
from ingestion.chunk import Tokenizer
from retrieval.index import Embedder, EmbedderIdentity, EmbedderUnavailable

SERVED_WINDOW_TOKENS = 512
"""Of a served model whose URL names no window: the least among those in use."""


@dataclass(frozen=True, slots=True)
class OpenedEmbedder:
    """A model that is ready, and how it divides a text into tokens."""

    embedder: Embedder
    tokenizer: Tokenizer


@dataclass(frozen=True, slots=True)
class _Request:
    """A URL in its parts, and what else opening needs."""

    scheme: str
    name: str
    options: dict[str, str]
    models: Path
    progress: Progress
    api_key: str


def open_embedder(
    url: str, models: Path, progress: Progress = lambda _: None, *, api_key: str = ""
) -> AbstractAsyncContextManager[OpenedEmbedder]:
    """Opens the embedder that the URL names; exported models are kept in the folder `models`.

    | URL | what |
    |---|---|
    | `auto:` | the packaged model by OpenVINO, or by torch where that is not faithful |
    | `openvino:NAME_OR_FOLDER?threads=2` | by OpenVINO, int8, or not at all |
    | `torch:NAME_OR_FOLDER?dtype=bf16&device=cuda` | any model of sentence-transformers |
    | `https://host/v1?model=…&dimension=…&window=512&tokenizer=NAME_OR_FILE` | a server |

    Raises `ValueError` where the URL is wrong, listing the choices; `EmbedderUnavailable` where the
    model cannot be loaded. Loading does not hold up the event loop.
    """
    address, _, query = url.partition("?")
    scheme, _, name = address.partition(":")
    if scheme not in SCHEMES:
        raise ValueError(f"{url!r} names no embedder; it begins with one of {_choices(SCHEMES)}.")
    opens, allowed = SCHEMES[scheme]
    options = dict(parse_qsl(query))
    if unknown := options.keys() - set(allowed):
        raise ValueError(
            f"{', '.join(sorted(unknown))} in {url!r}: {scheme}: takes {', '.join(allowed) or 'none'}."
        )
    return opens(_Request(scheme, name, options, models, progress, api_key))


@asynccontextmanager
async def _open_auto(request: _Request) -> AsyncIterator[OpenedEmbedder]:
    try:
        folder = await prepared(
            read_checkpoint(request.name or DEFAULT_MODEL), request.models, request.progress
        )
    except ExportFailed as reason:
        request.progress(f"{reason} Using sentence-transformers instead, which is slower.")
        opened = _open_torch(request)
    else:
        opened = _serve(request, folder)
    async with opened as embedder:
        yield embedder


@asynccontextmanager
async def _open_openvino(request: _Request) -> AsyncIterator[OpenedEmbedder]:
    checkpoint = read_checkpoint(request.name or DEFAULT_MODEL)
    try:
        folder = await prepared(checkpoint, request.models, request.progress)
    except ExportFailed as reason:
        raise EmbedderUnavailable(f"{reason} Use 'torch:{request.name}' instead.") from reason
    async with _serve(request, folder) as opened:
        yield opened


@asynccontextmanager
async def _serve(request: _Request, folder: Path) -> AsyncIterator[OpenedEmbedder]:
    checkpoint = read_checkpoint(request.name or DEFAULT_MODEL)
    tokenizer = await asyncio.to_thread(open_tokenizer, folder / TOKENIZER_FILE)
    streams = _whole(request, "threads", 0) or None
    async with open_openvino(folder, checkpoint, streams) as embedder:
        yield OpenedEmbedder(embedder, tokenizer)


@asynccontextmanager
async def _open_torch(request: _Request) -> AsyncIterator[OpenedEmbedder]:
    async with open_sentence_transformers(
        request.name or DEFAULT_MODEL,
        request.options.get("dtype", "fp32"),
        request.options.get("device"),
    ) as (embedder, tokenizer):
        yield OpenedEmbedder(embedder, tokenizer)


@asynccontextmanager
async def _open_server(request: _Request) -> AsyncIterator[OpenedEmbedder]:
    model = request.options.get("model")
    if not model:
        raise ValueError("An embedding server's URL says which model: …/v1?model=…&dimension=….")
    identity = EmbedderIdentity(
        name=f"{model}/served",
        dimension=_whole(request, "dimension"),
        window_tokens=_whole(request, "window", SERVED_WINDOW_TOKENS),
    )
    tokenizer = _served_tokenizer(request.options.get("tokenizer"))
    base_url = f"{request.scheme}:{request.name}"
    async with open_openai(base_url, model, identity, tokenizer, request.api_key) as embedder:
        yield OpenedEmbedder(embedder, tokenizer)


def _served_tokenizer(name_or_file: str | None) -> Tokenizer:
    if not name_or_file:
        return EstimatingTokenizer()
    folder = folder_of(name_or_file)
    try:
        return open_tokenizer(folder / TOKENIZER_FILE if folder else Path(name_or_file))
    except OSError as error:
        raise ValueError(f"tokenizer={name_or_file!r} is not a readable file: {error}") from error


def _whole(request: _Request, option: str, default: int | None = None) -> int:
    """A number from the URL's options, at least 1 where it is given."""
    written = request.options.get(option)
    if written is None and default is not None:
        return default
    if written is None or not written.isdecimal() or int(written) < 1:
        raise ValueError(f"{option}={written} in the embedder's URL must be a whole number over 0.")
    return int(written)


def _choices(schemes: dict[str, tuple[Opens, tuple[str, ...]]]) -> str:
    return ", ".join(f"{scheme}:" for scheme in schemes)


Opens = Callable[[_Request], AbstractAsyncContextManager[OpenedEmbedder]]

SERVER_OPTIONS = ("model", "dimension", "window", "tokenizer")

SCHEMES: dict[str, tuple[Opens, tuple[str, ...]]] = {
    "auto": (_open_auto, ("threads",)),
    "openvino": (_open_openvino, ("threads",)),
    "torch": (_open_torch, ("dtype", "device")),
    "http": (_open_server, SERVER_OPTIONS),
    "https": (_open_server, SERVER_OPTIONS),
}
"""Per scheme: what opens it, and the options it takes."""
