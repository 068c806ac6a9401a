"""What of a web page its readers do not see: styles that hide text."""

from __future__ import annotations

import re
from collections.abc import Mapping

_BLANK = re.compile(r"\s+")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_SIMPLE_SELECTOR = re.compile(r"[.#][\w-]+")
_CONDITIONAL = re.compile(r"@[\w-]+[^{;]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}")
"""`@media` and its like: what they hide is hidden on some devices only."""

_HIDING = re.compile(
    r"display:none|visibility:(?:hidden|collapse)|opacity:0(?:\.0*)?(?:;|$|!)"
    r"|font-size:[01](?:\.\d*)?(?:px|pt|%)?(?:;|$|!)|(?:^|;)(?:max-)?(?:height|width):0(?:px)?(?:;|$|!)"
    r"|text-indent:-\d{3,}|(?:^|;)(?:left|top|right):-\d{4,}|clip:rect\(0"
)
_COLOUR = re.compile(r"(?:^|;)color:([^;!]+)")
_BACKGROUND = re.compile(r"(?:^|;)background(?:-color|-image)?:([^;!]+)")
_WHITES = frozenset({"white", "#fff", "#ffffff", "#fefefe", "rgb(255,255,255)", "transparent"})


class HiddenSelectors:
    """The classes and ids that a page's style sheets hide. Only plain `.name` and `#name` count."""

    def __init__(self) -> None:
        self._names: set[str] = set()

    def learn(self, sheet: str) -> None:
        for selectors, declarations in _RULE.findall(_CONDITIONAL.sub("", _COMMENT.sub("", sheet))):
            if hides(declarations):
                names = (selector.strip() for selector in selectors.split(","))
                self._names |= {name for name in names if _SIMPLE_SELECTOR.fullmatch(name)}

    def hide(self, attributes: Mapping[str, str]) -> bool:
        if not self._names:
            return False
        classes = {f".{name}" for name in attributes.get("class", "").split()}
        return bool(self._names & {*classes, f"#{attributes.get('id', '')}"})


def hides(style: str, on_background: bool = False) -> bool:
    """Whether these declarations make text invisible; white text is, unless on a background."""
    plain = _BLANK.sub("", style.lower())
    if _HIDING.search(plain):
        return True
    colour, background = _COLOUR.search(plain), _BACKGROUND.search(plain)
    if not colour:
        return False
    if background:
        return colour[1] == background[1] or {colour[1], background[1]} <= _WHITES
    return colour[1] in _WHITES and not on_background


def has_background(style: str) -> bool:
    """White text below an element with a background of its own may well be seen."""
    found = _BACKGROUND.search(_BLANK.sub("", style.lower()))
    return found is not None and found[1] not in _WHITES
