"""Markdown to blocks: headings, lists, tables and code after CommonMark and GitHub's tables."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from html import unescape

from infra.parsers.encoding import decode
from infra.parsers.inline import plain
from infra.parsers.manuscript import Manuscript
from infra.parsers.source import Source
from infra.parsers.webpage import Page
from ingestion.parse import Parsed

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_TITLE = re.compile(r"^title:[ \t]*(.+?)[ \t]*$", re.MULTILINE)
_COMMENT_START = re.compile(r"<!--|\{/\*")
_COMMENT_END: Mapping[str, str] = {"<!--": "-->", "{/*": "*/}"}
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})[^`]*$")
_ATX = re.compile(r"^ {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
_SETEXT = re.compile(r"^ {0,3}(=+|-+)[ \t]*$")
_RULE = re.compile(r"^ {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$")
_ITEM = re.compile(r"^([ \t]*)([-*+]|\d{1,9}[.)])(?:[ \t]+(.*))?$")
_DELIMITER = re.compile(r"^ {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")
_QUOTE = re.compile(r"^ {0,3}>[ \t]?")
_TAG = re.compile(r"^ {0,3}</?([A-Za-z][\w-]*)(?:[\s>/]|$)")
_MODULE = re.compile(
    r"^(?:import\s.+\sfrom\s+['\"].+|import\s+['\"].+|export\s+(?:const|default)\b.*)$"
)
_ANCHOR = re.compile(r"[ \t]*\{#[\w-]+\}$")
_ADMONITION = re.compile(r"^ {0,3}:::+[ \t]*(\w*)[ \t]*(.*)$")
_UNESCAPED_BAR = re.compile(r"(?<!\\)\|")
_REFERENCE = re.compile(r"^ {0,3}\[[^\]]+\]:[ \t]+\S+")
_INDENT = 2


def read_markdown(source: Source) -> Parsed:
    """Marks of emphasis, links' targets and comments are left out of the text."""
    sheet = Manuscript(source.bounds)
    text, _ = decode(source.data)
    text = text.replace("\r\n", "\n").replace("\r", "\n").expandtabs(4)
    front = _FRONT_MATTER.match(text)
    title = _TITLE.search(front[1]) if front else None
    body = text[front.end() :] if front else text
    _Reading(sheet, body.split("\n")).run()
    return sheet.finished(unescape(title[1].strip("\"'")) if title else "")


class _Reading:
    """One pass over the lines. Each kind of block is tried in turn and takes the lines it wants."""

    def __init__(self, sheet: Manuscript, lines: list[str]) -> None:
        self._sheet = sheet
        self._lines = lines
        self._at = 0
        self._prose: list[str] = []
        self._removed = 0

    def run(self) -> None:
        takers: tuple[Callable[[str], bool], ...] = (
            self._fence, self._blank, self._comment, self._heading, self._underlined, self._rule,
            self._table, self._item, self._indented, self._html, self._skipped,
        )  # fmt: skip
        while self._at < len(self._lines):
            line = _QUOTE.sub("", self._lines[self._at])
            if not any(take(line) for take in takers):
                self._prose.append(line.strip())
                self._at += 1
        self._end_paragraph()
        if self._removed:
            self._sheet.warn(f"{self._removed:,} characters in comments were left out.")

    def _end_paragraph(self) -> None:
        if self._prose:
            self._sheet.paragraph(plain("\n".join(self._prose)))
            self._prose = []

    def _fence(self, line: str) -> bool:
        opening = _FENCE.match(line)
        if not opening:
            return False
        self._end_paragraph()
        closing = re.compile(rf"^ {{0,3}}{re.escape(opening[1][0])}{{{len(opening[1])},}}[ \t]*$")
        start = self._at + 1
        end = next(
            (at for at in range(start, len(self._lines)) if closing.match(self._unquoted(at))),
            len(self._lines),
        )
        self._sheet.code("\n".join(self._unquoted(at) for at in range(start, end)))
        self._at = end + 1
        return True

    def _unquoted(self, at: int) -> str:
        return _QUOTE.sub("", self._lines[at])

    def _blank(self, line: str) -> bool:
        if line.strip():
            return False
        self._end_paragraph()
        self._at += 1
        return True

    def _comment(self, line: str) -> bool:
        """Comments are invisible where Markdown is shown, so they do not reach the index either."""
        opening = _COMMENT_START.search(line)
        if not opening or "`" in line[: opening.start()]:
            return False
        mark = _COMMENT_END[opening[0]]
        end = self._at
        while end < len(self._lines) - 1 and mark not in self._rest(end, line, opening.end()):
            end += 1
        inside = self._rest(end, line, opening.end()).partition(mark)
        before = line[: opening.start()] if opening.start() else ""
        self._removed += sum(len(self._lines[at].strip()) for at in range(self._at, end + 1))
        self._removed -= len(before.strip()) + len(inside[2].strip())
        self._at = end
        self._lines[end] = before + inside[2]
        return True

    def _rest(self, at: int, line: str, start: int) -> str:
        return line[start:] if at == self._at else self._lines[at]

    def _heading(self, line: str) -> bool:
        found = _ATX.match(line)
        if not found:
            return False
        self._end_paragraph()
        self._sheet.heading(plain(_ANCHOR.sub("", found[2] or "")), len(found[1]))
        self._at += 1
        return True

    def _underlined(self, line: str) -> bool:
        found = _SETEXT.match(line)
        if not found or not self._prose:
            return False
        text, self._prose = " ".join(self._prose), []
        self._sheet.heading(plain(text), 1 if found[1][0] == "=" else 2)
        self._at += 1
        return True

    def _rule(self, line: str) -> bool:
        if not _RULE.match(line):
            return False
        self._end_paragraph()
        self._at += 1
        return True

    def _table(self, line: str) -> bool:
        below = self._unquoted(self._at + 1) if self._at + 1 < len(self._lines) else ""
        if "|" not in line or "|" not in below or not _DELIMITER.match(below):
            return False
        self._end_paragraph()
        rows, self._at = [_cells(line)], self._at + 2
        while self._at < len(self._lines) and "|" in (row := self._unquoted(self._at)):
            rows.append(_cells(row))
            self._at += 1
        self._sheet.table(rows)
        return True

    def _item(self, line: str) -> bool:
        found = _ITEM.match(line)
        if not found or (self._prose and found[2][0].isdigit() and found[2] not in ("1.", "1)")):
            return False
        self._end_paragraph()
        self._at += 1
        body = [found[3] or ""]
        while self._at < len(self._lines) and self._continues(self._unquoted(self._at)):
            body.append(self._unquoted(self._at).strip())
            self._at += 1
        mark = found[2] if found[2][0].isdigit() else "-"
        self._sheet.item(plain("\n".join(body)), mark, len(found[1]) // _INDENT)
        return True

    def _continues(self, line: str) -> bool:
        """Whether the line still belongs to the item above."""
        starts = (_ITEM, _FENCE, _ATX, _RULE, _TAG)
        return bool(line.strip()) and not any(start.match(line.lstrip()) for start in starts)

    def _indented(self, line: str) -> bool:
        if self._prose or not line.startswith("    ") or self._after_item():
            return False
        start = self._at
        while self._at < len(self._lines) and self._lines[self._at].startswith("    "):
            self._at += 1
        self._sheet.code("\n".join(line[4:] for line in self._lines[start : self._at]))
        return True

    def _after_item(self) -> bool:
        """Indented text below a list belongs to the list, and is no code."""
        above = next((line for line in self._lines[self._at - 1 :: -1] if _starts_flush(line)), "")
        return self._at > 0 and bool(_ITEM.match(above))

    def _html(self, line: str) -> bool:
        """A block of HTML, up to the next empty line, is read as HTML."""
        found = _TAG.match(line)
        if not found or self._prose:
            return False
        start = self._at
        while self._at < len(self._lines) and self._lines[self._at].strip():
            self._at += 1
        Page(self._sheet).write("\n".join(self._lines[start : self._at]))
        return True

    def _skipped(self, line: str) -> bool:
        """Lines that a site generator reads and its readers do not see."""
        if self._prose or not (_MODULE.match(line) or _REFERENCE.match(line)):
            return self._admonition(line)
        self._at += 1
        return True

    def _admonition(self, line: str) -> bool:
        found = _ADMONITION.match(line)
        if not found:
            return False
        self._end_paragraph()
        self._sheet.paragraph(plain(found[2].strip("[]")))
        self._at += 1
        return True


def _cells(line: str) -> list[str]:
    inner = line.strip().removeprefix("|")
    inner = inner[:-1] if inner.endswith("|") and not inner.endswith("\\|") else inner
    return [plain(cell.strip()) for cell in _UNESCAPED_BAR.split(inner)]


def _starts_flush(line: str) -> bool:
    return bool(line) and not line.startswith((" ", "\t"))
