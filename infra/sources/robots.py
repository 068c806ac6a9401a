"""What a site asks programs not to read: `robots.txt` (RFC 9309)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

AGENT = "cairn"
LIMIT_BYTES = 500 << 10
"""RFC 9309, 2.5: at least so much is to be read."""
PAUSE_LIMIT_S = 10.0


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern for paths: `*` is anything, `$` the end."""

    allow: bool
    pattern: str

    def matches(self, path: str) -> bool:
        """In time proportional to the path: patterns are strangers' and may have many stars."""
        pattern = self.pattern.removesuffix("$")
        ends = pattern != self.pattern
        first, *rest = pattern.split("*")
        if not path.startswith(first):
            return False
        if not rest:
            return not ends or path == first
        last = rest.pop() if ends else ""
        at = len(first)
        for part in rest:
            found = path.find(part, at)
            if found < 0:
                return False
            at = found + len(part)
        return path.endswith(last) and len(path) - len(last) >= at


@dataclass(frozen=True, slots=True)
class Robots:
    """The rules of one site for Cairn."""

    rules: tuple[Rule, ...] = ()
    pause_s: float = 0.0
    """Between two requests, where the site asks for it; at most `PAUSE_LIMIT_S`."""

    def allow(self, path: str) -> bool:
        """The longest pattern that matches decides; of equally long ones, the one that allows."""
        if path == "/robots.txt":
            return True
        plain = unquote(path)
        found = [(len(rule.pattern), rule.allow) for rule in self.rules if rule.matches(plain)]
        return max(found, default=(0, True))[1]


def robots_of(text: str) -> Robots:
    """Reads a file as it is found in the wild; lines that mean nothing are passed over."""
    groups: dict[str, list[tuple[str, str]]] = {}
    agents: list[str] = []
    in_rules = True
    for line in text.removeprefix("\ufeff").splitlines():
        field, colon, value = line.partition("#")[0].partition(":")
        field, value = field.strip().lower(), value.strip()
        if not colon:
            continue
        if field == "user-agent":
            agents = [value.lower()] if in_rules else [*agents, value.lower()]
            in_rules = False
            groups.setdefault(value.lower(), [])
        elif field in {"allow", "disallow", "crawl-delay"}:
            in_rules = True
            for agent in agents:
                groups[agent].append((field, value))
    return _robots(groups[AGENT] if AGENT in groups else groups.get("*", []))


def _robots(lines: list[tuple[str, str]]) -> Robots:
    rules = tuple(
        Rule(field == "allow", unquote(value))
        for field, value in lines
        if field != "crawl-delay" and value
    )
    pauses = [float(v) for f, v in lines if f == "crawl-delay" and re.fullmatch(r"\d+(\.\d+)?", v)]
    return Robots(rules, min(max(pauses, default=0.0), PAUSE_LIMIT_S))
