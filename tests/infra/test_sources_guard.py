"""No address leads inside: whatever form it has, wherever its name or a redirect leads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

import httpcore
import pytest

from infra.sources.fetch import Bounds, Fetcher, Unfetchable, open_fetcher
from infra.sources.guard import Allowed, Forbidden, Target, allowing, target_of

BOUNDS = Bounds(size_bytes=1 << 20, request_s=5.0)
PUBLIC = "93.184.216.34"

NAMES = {
    "public.example": [PUBLIC],
    "localhost": ["127.0.0.1", "::1"],
    "anything.localhost": ["127.0.0.1"],
    "inside.example": ["10.1.2.3"],
    "ten.example": ["172.20.0.9"],
    "router.example": ["192.168.0.1"],
    "cgnat.example": ["100.64.3.4"],
    "metadata.google.internal": ["169.254.169.254"],
    "ula.example": ["fd12:3456::1"],
    "mapped.example": ["::ffff:127.0.0.1"],
    "nat64.example": ["64:ff9b::7f00:1"],
    "sixtofour.example": ["2002:7f00:1::"],
    "zone.example": ["fe80::1%eth0"],
    "mixed.example": [PUBLIC, "10.0.0.1"],
    "nothing.example": ["0.0.0.0"],
    "unknown.example": [],
}

LITERALS = [
    *("http://127.0.0.1/", "http://127.0.0.1:80/", "http://127.1.2.3/", "https://127.0.0.1/"),
    *("http://10.0.0.1/", "http://172.16.0.1/", "http://172.31.255.255/", "http://192.168.1.1/"),
    *("http://100.64.0.1/", "http://100.127.255.254/", "http://100.100.100.200/latest/meta-data"),
    *("http://169.254.169.254/latest/meta-data/", "http://169.254.170.2/v2/credentials"),
    *("http://168.63.129.16/machine", "http://192.0.0.192/opc/v2/", "http://0.0.0.0/"),
    *("http://0.1.2.3/", "http://192.0.2.1/", "http://198.18.0.1/", "http://198.51.100.7/"),
    *("http://203.0.113.9/", "http://192.88.99.1/", "http://224.0.0.1/", "http://239.255.255.250/"),
    *("http://240.0.0.1/", "http://255.255.255.255/"),
]
SIXES = [
    *("http://[::1]/", "http://[::]/", "http://[0:0:0:0:0:0:0:1]/", "http://[fc00::1]/"),
    *("http://[fd00:ec2::254]/latest", "http://[fd20:ce::254]/", "http://[fe80::1]/"),
    *("http://[ff02::1]/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/"),
    *("http://[::ffff:169.254.169.254]/", "http://[::ffff:a00:1]/", "http://[::127.0.0.1]/"),
    *("http://[64:ff9b::127.0.0.1]/", "http://[64:ff9b:1::a00:1]/", "http://[2002:7f00:1::]/"),
    *("http://[2001:0:7f00:1::]/", "http://[2001:db8::1]/", "http://[3fff::1]/"),
    *("http://[fec0::1]/", "http://[100::1]/", "http://[fe80::1%25eth0]/", "http://[::1]x/"),
]
FORMS = [
    *("http://2130706433/", "http://017700000001/", "http://0x7f000001/", "http://0x7f.1/"),
    *("http://127.1/", "http://127.0.1/", "http://0177.0.0.1/", "http://0x7f.0x0.0x0.0x1/"),
    *("http://127.0.0.1./", "http://127.0.0.01/", "http://00127.0.0.1/", "http://0/"),
    *("http://127.0.0.0x1/", "http://10.0x1/", "http://3232235777/", "http://4294967296/"),
    *("http://１２７.０.０.１/", "http://①②⑦.⓪.⓪.①/", "http://127。0。0。1/", "http://ⓛocalhost/"),
    *("http://lo\u00adcalhost/", "http://%31%32%37.0.0.1/", "http://127.0.0.1%00/"),
    *("http://LOCALHOST/", "http://localhost./", "http://anything.localhost/"),
]
TRICKS = [
    *("http://user:secret@public.example/", "http://public.example@127.0.0.1/"),
    *("http://127.0.0.1#@public.example/", "http://127.0.0.1\\@public.example/"),
    *("http://public.example\\@127.0.0.1/", "http:\\\\127.0.0.1/", "http:/127.0.0.1/"),
    *("http://127.0.0.1\t/", "ht\ntp://127.0.0.1/", " http://127.0.0.1/", "http:///"),
    *("http://public.example:22/", "http://public.example:6379/", "https://public.example:80/"),
    *("http://public.example:0/", "http://public.example:99999/", "http://public.example:８０/"),
    *("http://public.example:80:80/", "http://-/", "http://a b/", "http://[/", "http://]/"),
]
SCHEMES = [
    *("file:///etc/passwd", "ftp://public.example/", "gopher://127.0.0.1:6379/_INFO"),
    *("dict://127.0.0.1:11211/stat", "ldap://127.0.0.1/", "unix:///var/run/docker.sock"),
    *("data:text/html,hello", "javascript:alert(1)", "jar:http://127.0.0.1!/", "//127.0.0.1/"),
]
NAMED = [f"http://{name}/" for name in NAMES if name != "public.example"]
INSIDE = [*LITERALS, *SIXES, *FORMS, *TRICKS, *SCHEMES, *NAMED]


class Attacker:
    """A name server that answers as it likes, and counts how often it is asked."""

    def __init__(self, names: dict[str, list[str]]) -> None:
        self.names = names
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.names[host]


class Sockets(httpcore.AsyncNetworkBackend):
    """Where sockets would be opened: writes down the address, and answers from a script."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = list(answers)
        self.opened: list[tuple[str, int]] = []

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self.opened.append((host, port))
        if not self._answers:
            raise httpcore.ConnectError("nobody listens")
        return httpcore.AsyncMockStream([self._answers.pop(0)])


async def permit(_: Target) -> None:
    """No robots.txt."""


async def fetch(url: str, sockets: Sockets, attacker: Attacker, *allowed: str) -> bytes:
    content = bytearray()
    async with open_fetcher(allowing(allowed), attacker, sockets) as fetcher:
        await read(fetcher, url, content)
    return bytes(content)


async def read(fetcher: Fetcher, url: str, content: bytearray) -> None:
    await fetcher.fetch(url, content.extend, BOUNDS, permit)


def answer(status: str, *fields: str, body: bytes = b"") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *fields]
    return "\r\n".join([*lines, "", ""]).encode() + body


def test_the_corpus_is_large() -> None:
    assert len(set(INSIDE)) >= 100


@pytest.mark.parametrize("url", INSIDE)
async def test_no_socket_is_opened_for_an_address_inside(url: str) -> None:
    sockets = Sockets()

    with pytest.raises(Unfetchable):
        await fetch(url, sockets, Attacker(NAMES))

    assert sockets.opened == []


@pytest.mark.parametrize("url", [url for url in INSIDE if url.isascii() and url.isprintable()])
async def test_a_redirect_leads_inside_no_more_than_a_link(url: str) -> None:
    sockets = Sockets(answer("302 Found", f"Location: {url}"), answer("200 OK", body=b"secret"))

    with suppress(Unfetchable):  # some lead to the same site, as `http:/path` does
        await fetch("http://public.example/", sockets, Attacker(NAMES))

    assert {address for address, _ in sockets.opened} == {PUBLIC}


async def test_a_public_page_is_read_from_the_address_that_was_checked() -> None:
    sockets = Sockets(answer("200 OK", body=b"welcome"))

    content = await fetch("http://public.example/", sockets, Attacker(NAMES))

    assert content == b"welcome"
    assert sockets.opened == [(PUBLIC, 80)]


async def test_a_name_that_answers_differently_the_second_time_is_not_asked_twice() -> None:
    attacker = Attacker({"rebinding.example": [PUBLIC]})
    sockets = Sockets(answer("200 OK", body=b"a"), answer("200 OK", body=b"b"))
    content = bytearray()

    async with open_fetcher(Allowed(), attacker, sockets) as fetcher:
        await read(fetcher, "http://rebinding.example/", content)
        attacker.names["rebinding.example"] = ["127.0.0.1"]
        with pytest.raises(Unfetchable):
            await read(fetcher, "http://rebinding.example/", content)

    assert attacker.asked == ["rebinding.example"] * 2
    assert sockets.opened == [(PUBLIC, 80)]


async def test_an_address_that_does_not_listen_gives_way_to_the_next_of_the_same_name() -> None:
    sockets = Sockets()

    with pytest.raises(Unfetchable, match="nobody listens"):
        await fetch("http://two.example/", sockets, Attacker({"two.example": [PUBLIC, "1.1.1.1"]}))

    assert sockets.opened == [(PUBLIC, 80), ("1.1.1.1", 80)]


@pytest.mark.parametrize(
    ("url", "allowed", "opened"),
    [
        ("http://inside.example/", "inside.example", ("10.1.2.3", 80)),
        ("http://inside.example:8080/", "inside.example", ("10.1.2.3", 8080)),
        ("http://INSIDE.example.:8080/", "inside.example:8080", ("10.1.2.3", 8080)),
        ("http://192.168.1.1/", "192.168.1.1", ("192.168.1.1", 80)),
        ("http://[::1]:3000/", "[::1]:3000", ("::1", 3000)),
    ],
)
async def test_an_intranet_is_read_where_a_person_said_so(
    url: str, allowed: str, opened: tuple[str, int]
) -> None:
    sockets = Sockets(answer("200 OK", body=b"canteen"))

    assert await fetch(url, sockets, Attacker(NAMES), allowed) == b"canteen"
    assert sockets.opened == [opened]


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://ten.example/", "inside.example"),
        ("http://10.1.2.3/", "inside.example"),
        ("http://inside.example:81/", "inside.example:8080"),
        ("http://metadata.google.internal/", "metadata.google.internal"),
        ("http://169.254.169.254/", "169.254.169.254"),
        ("http://[fd00:ec2::254]/", "[fd00:ec2::254]"),
        ("http://100.100.100.200/", "100.100.100.200"),
        ("http://nothing.example/", "nothing.example"),
        ("http://mapped.example/", "mapped.example"),
    ],
)
async def test_allowing_one_host_allows_no_other_and_never_a_machines_own_secrets(
    url: str, allowed: str
) -> None:
    sockets = Sockets()

    with pytest.raises(Unfetchable):
        await fetch(url, sockets, Attacker(NAMES), allowed)

    assert sockets.opened == []


@pytest.mark.parametrize("text", ["", "a b", "http://inside", "host:99999", "127.1", "[::1", "@"])
def test_what_names_no_host_cannot_be_allowed(text: str) -> None:
    with pytest.raises(Forbidden):
        allowing([text])


def test_an_address_is_taken_apart_once() -> None:
    target = target_of("HTTPS://Bücher.Example./a b?q=ö#part".replace(" ", "%20"), Allowed())

    assert target == Target("https", "xn--bcher-kva.example", 443, "/a%20b?q=%C3%B6")
    assert target.url == "https://xn--bcher-kva.example/a%20b?q=%C3%B6"


def test_a_refusal_names_the_way_to_allow_it() -> None:
    with pytest.raises(Forbidden, match=r"10\.0\.0\.1 is not .*--allow-private 10\.0\.0\.1"):
        target_of("http://10.0.0.1/", Allowed())


def test_the_secret_in_an_address_is_not_repeated() -> None:
    with pytest.raises(Forbidden) as refusal:
        target_of("http://ann:hunter2@public.example/", Allowed())

    assert "hunter2" not in str(refusal.value)
