"""API keys in SQL: only their hashes are kept."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, insert, select
from sqlalchemy import update as sql_update

from infra.records.database import Database
from infra.records.tables import api_keys

SECRET_BYTES = 32
KEY = re.compile(r"cairn_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")


class KeyMissing(Exception):
    """No such key."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What a key stands for. The key itself is shown once, when it is made."""

    id: str
    tenant: str
    name: str
    role: str
    groups: frozenset[str]
    created_at: float
    expires_at: float | None
    revoked_at: float | None

    def valid(self, now: float) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class SqlKeys:
    """Makes keys, recognises them, revokes them. Raises `RecordsUnavailable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self,
        tenant: str,
        name: str,
        role: str,
        groups: frozenset[str],
        expires_at: float | None = None,
    ) -> tuple[ApiKey, str]:
        """The record and the key, `cairn_<id>_<secret>`, which is nowhere else from now on."""
        key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(SECRET_BYTES)
        key = ApiKey(key_id, tenant, name, role, groups, time.time(), expires_at, None)
        async with self._database.write() as connection:
            await connection.execute(
                insert(api_keys).values(
                    id=key_id,
                    tenant=tenant,
                    name=name,
                    role=role,
                    groups=sorted(groups),
                    secret_sha256=_hash(secret),
                    created_at=key.created_at,
                    expires_at=expires_at,
                )
            )
        return key, f"cairn_{key_id}_{secret}"

    async def recognise(self, text: str) -> ApiKey | None:
        """The key that `text` is, if it is one and valid now. Compares in constant time."""
        match = KEY.fullmatch(text)
        if match is None:
            return None
        async with self._database.read() as connection:
            query = select(api_keys).where(api_keys.c.id == match[1])
            row = (await connection.execute(query)).one_or_none()
        # 256 random bits need no slow hash: there is nothing to guess.
        if row is None or not hmac.compare_digest(row.secret_sha256, _hash(match[2])):
            return None
        key = _key_of(row)
        return key if key.valid(time.time()) else None

    async def all(self, tenant: str | None = None) -> tuple[ApiKey, ...]:
        query = select(api_keys).order_by(api_keys.c.created_at)
        if tenant is not None:
            query = query.where(api_keys.c.tenant == tenant)
        async with self._database.read() as connection:
            return tuple(_key_of(row) for row in await connection.execute(query))

    async def revoke(self, key_id: str) -> None:
        """Raises `KeyMissing`. Revoking twice is revoking once."""
        async with self._database.write() as connection:
            done = await connection.execute(
                sql_update(api_keys).where(api_keys.c.id == key_id).values(revoked_at=time.time())
            )
        if done.rowcount == 0:
            raise KeyMissing(f"There is no key {key_id!r}. `cairn keys list` shows them.")


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _key_of(row: Row[Any]) -> ApiKey:
    return ApiKey(
        row.id,
        row.tenant,
        row.name,
        row.role,
        frozenset(row.groups),
        row.created_at,
        row.expires_at,
        row.revoked_at,
    )
