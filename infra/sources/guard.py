"""Which addresses may be read: the public web, and what a person allowed by name.

A page's address may come from a stranger, such as the author of a sitemap or of a redirect, and must
not lead to what only this machine can reach (OWASP, server-side request forgery). The text of an
address is checked here; where its name leads is checked at the moment of connecting, on the very
address that is connected to, so that a name cannot answer differently the second time.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

import httpcore

PORTS = {"http": 80, "https": 443}
URL_CHARACTERS = 2048
CONNECT_S = 10.0

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""A host's name to its addresses. Raises `OSError`."""


class Forbidden(Exception):
    """The address is not one that Cairn reads. The message says why."""


def _networks(*texts: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


PRIVATE = _networks(
    *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"),
    *("::1/128", "fc00::/7"),
)
"""Loopback, private, carrier-grade NAT and unique local: to be read only where a person said so."""

METADATA = _networks(
    *("169.254.0.0/16", "fe80::/10", "168.63.129.16/32", "100.100.100.200/32"),
    *("192.0.0.192/32", "fd00:ec2::/32", "fd20:ce::/32"),
)
"""Link-local, and where clouds hand out a machine's credentials: never to be read."""

RESERVED = _networks(
    *("0.0.0.0/8", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15"),
    *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
    *("2001::/23", "2001:db8::/32", "2002::/16", "3ffe::/16", "3fff::/20"),
)
"""IANA's special-purpose registries. Teredo and 6to4 are among them: they carry IPv4 addresses."""

GLOBAL_IPV6 = ipaddress.ip_network("2000::/3")
"""All that is assigned to the public web; IPv4 in IPv6 (mapped, compatible, NAT64) is outside."""

_HOST_AND_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:@/]+)(?::([0-9]{1,5}))?")
_NAME = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_](?:[a-z0-9_-]{0,62}))*"
)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_FORBIDDEN_CHARACTER = re.compile(r"[\x00-\x20\x7f\\]")


@dataclass(frozen=True, slots=True)
class Target:
    """An address that was taken apart once, so that nobody reads it differently later."""

    scheme: str
    host: str
    """Lower case, ASCII; an IPv6 address without brackets."""
    port: int
    path: str
    """With the query, escaped."""

    @property
    def origin(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"

    @property
    def url(self) -> str:
        return self.origin + self.path


@dataclass(frozen=True, slots=True)
class Allowed:
    """The hosts that a person lets lead to private addresses, and to ports other than the web's."""

    hosts: frozenset[tuple[str, int | None]] = frozenset()
    """(host, port); no port: any."""

    def has(self, host: str, port: int) -> bool:
        return (host, None) in self.hosts or (host, port) in self.hosts


def allowing(texts: Iterable[str]) -> Allowed:
    """From `HOST`, `HOST:PORT` or `[IPV6]:PORT`. Raises `Forbidden`."""
    pairs = map(_host_and_port, texts)
    return Allowed(frozenset((_host(host), port) for host, port in pairs))


def target_of(url: str, allowed: Allowed) -> Target:
    """Raises `Forbidden`, without asking anybody what the host's name means."""
    if len(url) > URL_CHARACTERS or _FORBIDDEN_CHARACTER.search(url):
        raise Forbidden(f"{url[:200]!r} is no web address: too long, or with forbidden characters.")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise Forbidden(f"{url!r} is no web address: {error}.") from error
    if parts.scheme not in PORTS:
        raise Forbidden(f"{url!r}: only http:// and https:// are read.")
    if "@" in parts.netloc:
        raise Forbidden(f"The address at {parts.hostname!r} carries a user name; none is sent.")
    text, given = _host_and_port(parts.netloc)
    host, port = _host(text), PORTS[parts.scheme] if given is None else given
    if port != PORTS[parts.scheme] and not allowed.has(host, port):
        raise Forbidden(f"{url!r}: port {port} is not the web's; {_hint(host)}.")
    _check_literal(host, port, allowed)
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~") + (
        "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~?") if parts.query else ""
    )
    return Target(parts.scheme, host, port, path)


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects to public addresses only, and to allowed hosts. Raises `Forbidden` besides."""

    def __init__(
        self, allowed: Allowed, resolve: Resolve, connect: httpcore.AsyncNetworkBackend
    ) -> None:
        self._allowed = allowed
        self._resolve = resolve
        self._connect = connect

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        failure: Exception = httpcore.ConnectError(f"{host!r} has no address")
        for address in await self._addresses(host, port):
            try:
                return await self._connect.connect_tcp(address, port, timeout or CONNECT_S)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def _addresses(self, host: str, port: int) -> Sequence[str]:
        """All of the name's, each checked: one that leads inside is enough to distrust the name."""
        try:
            found = [host] if _literal(host) else await self._resolve(host, port)
        except OSError as error:
            raise httpcore.ConnectError(f"{host!r} is not known") from error
        for address in found:
            _check(ipaddress.ip_address(address), host, private=self._allowed.has(host, port))
        return found

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise Forbidden("Sockets of this machine are not read.")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def resolve(host: str, port: int) -> Sequence[str]:
    """As the operating system does."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _check_literal(host: str, port: int, allowed: Allowed) -> None:
    literal = _literal(host)
    if literal is not None:
        _check(literal, host, private=allowed.has(host, port))


def _check(address: Ip, host: str, *, private: bool) -> None:
    where = host if str(address) == host else f"{host} ({address})"
    if _within(address, METADATA):
        raise Forbidden(f"{where} is where a machine keeps what is its own; it is never read.")
    if _within(address, PRIVATE):
        if not private:
            raise Forbidden(f"{where} is not on the public web; {_hint(host)}.")
    elif _within(address, RESERVED) or (address.version == 6 and address not in GLOBAL_IPV6):
        raise Forbidden(f"{where} is not on the public web.")


def _within(address: Ip, networks: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    return any(address in network for network in networks)


def _hint(host: str) -> str:
    return f"--allow-private {host} allows it"


def _host_and_port(text: str) -> tuple[str, int | None]:
    match = _HOST_AND_PORT.fullmatch(text)
    port = int(match[2]) if match and match[2] else None
    if match is None or (port is not None and not 0 < port < 65536):
        raise Forbidden(f"{text!r} does not name a host.")
    return match[1], port


def _host(text: str) -> str:
    """As it will be looked up. Numbers in any other form than four decimals are refused.

    What the URL standard (WHATWG, host parsing) and the C library read as an address, such as
    `0x7f.1` or `2130706433`, must not pass as a name.
    """
    if text.startswith("["):
        return str(_address(text[1:-1], text))
    try:
        name = text.encode("idna").decode().lower().removesuffix(".")
    except UnicodeError as error:
        raise Forbidden(f"{text!r} does not name a host.") from error
    if _NUMBER.fullmatch(name.rpartition(".")[2]):
        return str(_address(name, text))
    if not _NAME.fullmatch(name):
        raise Forbidden(f"{text!r} does not name a host.")
    return name


def _address(literal: str, text: str) -> Ip:
    try:
        return ipaddress.ip_address(literal)
    except ValueError as error:
        raise Forbidden(f"{text!r} is no address in its usual form.") from error


def _literal(host: str) -> Ip | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
