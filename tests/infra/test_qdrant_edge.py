"""The embedded engine: the store's contract, and what only a data folder can go through."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from infra.qdrant import open_qdrant
from retrieval.index import ChunkStore, EmbedderIdentity
from tests.contracts.chunk_store import ChunkStoreContract, OpenStore


def open_in(folder: Path) -> OpenStore:
    def opened(identity: EmbedderIdentity) -> AbstractAsyncContextManager[ChunkStore]:
        return open_qdrant(f"edge://{folder}", "cairn", identity)

    return opened


class TestEmbedded(ChunkStoreContract):
    @pytest.fixture
    def open_store(self, tmp_path: Path) -> OpenStore:
        return open_in(tmp_path)
