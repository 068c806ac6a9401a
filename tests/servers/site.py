"""A web site of our own on loopback, whose pages a test writes and whose requests it can read."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True, slots=True)
class Page:
    """What a path answers."""

    body: bytes = b""
    status: int = 200
    fields: dict[str, str] = field(default_factory=lambda: {"Content-Type": "text/html"})
    length: int | None = None
    """What is said of the length, where that is not true; -1: nothing."""
    wait_s: float = 0.0


class Site:
    """Pages by path. An entity tag in a page's fields is honoured, as servers do."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.host = f"127.0.0.1:{port}"
        self.pages: dict[str, Page] = {}
        self.asked: list[str] = []
        """Paths, in the order of the requests."""

    def write(self, path: str, text: str, **fields: str) -> None:
        page = {"Content-Type": "text/html; charset=utf-8"} | {
            name.replace("_", "-"): value for name, value in fields.items()
        }
        self.pages[path] = Page(text.encode(), fields=page)

    def redirect(self, path: str, goal: str, status: int = 302) -> None:
        self.pages[path] = Page(status=status, fields={"Location": goal})

    def sitemap(self, path: str, *paths: str, kind: str = "url") -> None:
        root = {"url": "urlset", "sitemap": "sitemapindex"}[kind]
        inside = "".join(f"<{kind}><loc>{self._full(one)}</loc></{kind}>" for one in paths)
        namespace = "http://www.sitemaps.org/schemas/sitemap/0.9"
        self.write(path, f'<?xml version="1.0"?><{root} xmlns="{namespace}">{inside}</{root}>')

    def _full(self, path: str) -> str:
        return self.url + path if path.startswith("/") else path


@contextmanager
def site() -> Iterator[Site]:
    """It answers until the block ends."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            there.asked.append(self.path)
            page = there.pages.get(self.path, Page(b"not here", 404))
            time.sleep(page.wait_s)
            tag = page.fields.get("ETag")
            same = tag is not None and self.headers.get("If-None-Match") == tag
            self.send_response(304 if same else page.status)
            body = b"" if same else page.body
            for name, value in page.fields.items():
                self.send_header(name, value)
            if page.length != -1:
                self.send_header("Content-Length", str(page.length or len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Tests are quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    there = Site(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield there
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
