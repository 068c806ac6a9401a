"""An SQLite connection whose brief transactions do not wait for a thread at every step."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import aiosqlite

T = TypeVar("T")

CHUNK_ROWS = 64
"""What `aiosqlite.connect` has by default."""


class InlineConnection(aiosqlite.Connection):
    """aiosqlite gives each call to a thread and waits: four handovers a statement, 20 a transaction.

    Where the write lock is held and a statement finds its row by a key, it takes some microseconds,
    the handovers many times that. What may wait stays in the thread: taking the lock, and the
    end of a transaction, which writes to the disk.
    """

    _inline = False

    @classmethod
    def open(cls, database: str, **options: Any) -> InlineConnection:
        """To be awaited. The connection is used by two threads, though never at once."""
        options["check_same_thread"] = False
        connection = cls(partial(sqlite3.connect, database, **options), CHUNK_ROWS)
        connection._thread.daemon = True  # as SQLAlchemy has it: it must not hold up the end
        return connection

    def go_inline(self) -> None:
        """Until the transaction ends."""
        self._inline = True

    async def commit(self) -> None:
        self._inline = False
        await super().commit()

    async def rollback(self) -> None:
        self._inline = False
        await super().rollback()

    async def _execute(self, fn: Callable[..., T], *arguments: Any, **options: Any) -> T:
        """The one gate through which all calls pass."""
        if self._inline:
            return fn(*arguments, **options)
        result: T = await super()._execute(fn, *arguments, **options)  # type: ignore[no-untyped-call]
        return result
