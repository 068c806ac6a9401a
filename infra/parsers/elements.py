"""The open elements of a web page, and whether its readers see what stands in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

from infra.parsers.styles import HiddenSelectors, has_background, hides

HEADINGS: Mapping[str, int] = {f"h{level}": level for level in range(1, 7)}
LISTS = frozenset({"ul", "ol", "menu", "dir"})
BLOCKS = frozenset(
    {"address", "article", "aside", "blockquote", "body", "center", "dd", "details", "dialog"}
    | {"div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "header", "hr"}
    | {"hgroup", "html", "legend", "main", "nav", "p", "section", "summary", *HEADINGS, "pre"}
)
UNSEEN = frozenset(
    {"audio", "canvas", "datalist", "head", "iframe", "math", "noembed", "noframes", "noscript"}
    | {"object", "script", "select", "style", "svg", "template", "title", "video"}
)
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param"}
    | {"source", "track", "wbr"}
)
_CELLS = frozenset({"td", "th"})
_CLOSED_BY: Mapping[str, frozenset[str]] = {
    "li": frozenset({"li"}),
    "dt": frozenset({"dt", "dd"}),
    "dd": frozenset({"dt", "dd"}),
    "tr": frozenset({"tr"}) | _CELLS,
    "td": _CELLS,
    "th": _CELLS,
    "body": frozenset({"head"}),
}
"""Start tags that end an element whose end tag may be omitted (HTML, 13.1.2.4)."""

_SCOPES = frozenset({"table", "body", *LISTS, "dl"})
_SCOPE_DEPTH = 60
"""How far up an omitted end is looked for: pages that never close anything stay linear to read."""


@dataclass(frozen=True, slots=True)
class _Element:
    tag: str
    hidden: bool
    on_background: bool


class OpenElements:
    """A stack that forgives wrong nesting. Ends are answered innermost first."""

    def __init__(self) -> None:
        self._stack: list[_Element] = []
        self._counts: Counter[str] = Counter()
        self.selectors = HiddenSelectors()

    def __contains__(self, tag: str) -> bool:
        return self._counts[tag] > 0

    @property
    def innermost(self) -> str:
        return self._stack[-1].tag if self._stack else ""

    @property
    def hidden(self) -> bool:
        return bool(self._stack) and self._stack[-1].hidden

    @property
    def unseen(self) -> bool:
        """Inside something that no browser shows as text, which is not worth a warning."""
        return any(self._counts[tag] for tag in UNSEEN)

    @property
    def in_heading(self) -> bool:
        return any(self._counts[tag] for tag in HEADINGS)

    def open(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag not in _VOID:
            self._stack.append(self._element(tag, attributes))
            self._counts[tag] += 1

    def close(self, tag: str) -> list[str]:
        """The tags that end with this end tag; none if it closes nothing."""
        ended: list[str] = []
        while tag in self and (not ended or ended[-1] != tag):
            ended.append(self._stack.pop().tag)
            self._counts[ended[-1]] -= 1
        return ended

    def implied_ends(self, tag: str) -> list[str]:
        """The tags that end because this start tag comes."""
        if self.innermost == "p" and (tag in BLOCKS or tag in LISTS or tag == "table"):
            return self.close("p")
        closed = _CLOSED_BY.get(tag, frozenset())
        outermost = ""
        for element in islice(reversed(self._stack), _SCOPE_DEPTH if closed else 0):
            if element.tag in _SCOPES:
                break
            outermost = element.tag if element.tag in closed else outermost
        return self.close(outermost) if outermost else []

    def _element(self, tag: str, attributes: Mapping[str, str]) -> _Element:
        style = attributes.get("style", "")
        above = self._stack[-1] if self._stack else _Element("", False, False)
        on_background = above.on_background or has_background(style) or "bgcolor" in attributes
        hidden = (
            above.hidden
            or tag in UNSEEN
            or "hidden" in attributes
            or self.selectors.hide(attributes)
            or hides(style, on_background)
        )
        return _Element(tag, hidden, on_background)
