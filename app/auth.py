"""From a credential to a `Scope` and a role. Nothing else makes a scope from a request."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import urlsplit

from fastapi import Depends, Request

from app.container import Platform
from app.starting import platform_of
from retrieval.index import Scope

Role = Literal["reader", "editor", "engineer", "admin"]
ROLES: tuple[Role, ...] = ("reader", "editor", "engineer", "admin")
"""Each may do all that the ones before it may."""

KEY_PREFIX = "cairn_"

MAY = {
    "reader": "ask questions and read documents",
    "editor": "upload and delete documents",
    "engineer": "see traces and check what is stored",
    "admin": "manage keys and repair what is stored",
}


class NotAuthenticated(Exception):
    """No valid credential came with the request."""


class NotAllowed(Exception):
    """The credential is valid, but its role may not do this."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls."""

    scope: Scope
    role: Role
    key: str | None
    """The name of the key; None on loopback without one."""


async def caller_of(
    request: Request, platform: Annotated[Platform, Depends(platform_of)]
) -> Caller:
    """Raises `NotAuthenticated`."""
    credential = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
    # OpenAI's clients always send a key. On loopback, where none is needed, any filler will do;
    # what looks like a key of ours must be one.
    if not credential or (platform.settings.loopback and not credential.startswith(KEY_PREFIX)):
        return _local(request, platform)
    key = await platform.keys.recognise(credential)
    if key is None:
        raise NotAuthenticated(
            "The key in the Authorization header is not valid: unknown, expired or revoked."
        )
    role = next(role for role in ROLES if role == key.role)
    return Caller(Scope(key.tenant, key.groups), role, key.name)


class Requires:
    """A dependency that lets a role and those above it through. Every route under /v1 has one."""

    def __init__(self, role: Role) -> None:
        self.role: Role = role

    async def __call__(self, caller: Annotated[Caller, Depends(caller_of)]) -> Caller:
        if ROLES.index(caller.role) < ROLES.index(self.role):
            raise NotAllowed(
                f"This key has the role {caller.role!r}. To {MAY[self.role]} takes {self.role!r}."
            )
        return caller


Reader = Annotated[Caller, Depends(Requires("reader"))]
Editor = Annotated[Caller, Depends(Requires("editor"))]
Engineer = Annotated[Caller, Depends(Requires("engineer"))]
Admin = Annotated[Caller, Depends(Requires("admin"))]


def _local(request: Request, platform: Platform) -> Caller:
    """On loopback nobody needs a key, but a web page of somebody else's must not pose as the user."""
    host = request.headers.get("host", "")
    if not (platform.settings.loopback and _is_loopback(host)):
        raise NotAuthenticated(
            "A key is needed: send `Authorization: Bearer cairn_…`. "
            "`cairn keys create --role reader` makes one."
        )
    origin = request.headers.get("origin")
    foreign = origin is not None and urlsplit(origin).netloc != host
    if foreign or request.headers.get("sec-fetch-site") == "cross-site":
        raise NotAuthenticated("Another site's page may not use this service without a key.")
    return Caller(Scope(platform.settings.tenant), "admin", None)


def _is_loopback(host: str) -> bool:
    # The name is checked, not only the address: a foreign name that resolves to loopback (DNS
    # rebinding) must not count as local.
    name = urlsplit(f"//{host}").hostname or ""
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
