"""The tree that xberg makes of an office file, written down as blocks."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.parsers.manuscript import Manuscript
from infra.parsers.tables import is_header, record_lines

_COMMENT_MARK = re.compile(r"\[cmt:\d+\]")
_NAMELESS = re.compile(r"(?:Slide|Folie|page)\s*\d*", re.IGNORECASE)
_LONGEST_SLIDE_TITLE = 120
_EMPHASIS = re.compile(
    r"\*\*(?=\S)(.+?)(?<=\S)\*\*|<u>(.*?)</u>|(?<!\w)\*(?=\S)(.+?)(?<=\S)\*(?!\w)"
)

Node = Mapping[str, Any]
"""What a node says: `node_type` and the fields of that type."""


@dataclass(frozen=True, slots=True)
class _Place:
    depth: int
    mark: str


class Tree:
    """Walks the tree of nodes and writes each kind as the block it is."""

    def __init__(self, sheet: Manuscript, spreadsheet: bool, spoken: Mapping[int, str]) -> None:
        self._sheet = sheet
        self._spoken = spoken
        self._spreadsheet = spreadsheet
        self._page = 0
        self._notes: list[str] = []
        self._untitled = False

    def write(self, nodes: Sequence[Any]) -> None:
        contents = [json.loads(str(node.content)) for node in nodes]
        marks: dict[int, int] = {}
        for at, node in enumerate(nodes):
            kind = contents[at]["node_type"]
            self._turn(self._page_of(node, contents[at]))
            siblings = nodes[node.parent].children if node.parent is not None else ()
            mark = _mark(node, siblings, contents, marks)
            place = _Place(_depth(nodes, contents, at), mark)
            writer = _WRITERS.get(kind)
            if writer:
                writer(self, contents[at], place)
        self._write_notes()

    def _page_of(self, node: Any, content: Node) -> int | None:
        if self._spreadsheet and content["node_type"] == "heading":
            return self._page + 1  # a sheet begins with its name
        number: int | None = node.page or content.get("number")
        return number

    def _turn(self, page: int | None) -> None:
        while page is not None and self._page < page:
            self._write_notes()
            self._page += 1
            self._sheet.page()

    def _heading(self, content: Node, _: _Place) -> None:
        self._sheet.heading(_plain(content["text"]), int(content.get("level", 1)))

    def _slide(self, content: Node, _: _Place) -> None:
        """A slide without a title of its own is called by its first words."""
        title = content.get("title") or ""
        self._untitled = not title or bool(_NAMELESS.fullmatch(title))
        if not self._untitled:
            self._sheet.heading(title, 2)

    def _paragraph(self, content: Node, _: _Place) -> None:
        text = _plain(content["text"])
        if self._untitled and len(text) <= _LONGEST_SLIDE_TITLE:
            self._sheet.heading(text, 2)
        else:
            self._sheet.paragraph(text)
        self._untitled = False

    def _code(self, content: Node, _: _Place) -> None:
        self._sheet.code(content["text"])

    def _item(self, content: Node, place: _Place) -> None:
        self._sheet.item(_plain(content["text"]), place.mark, place.depth)

    def _definition(self, content: Node, _: _Place) -> None:
        self._sheet.paragraph(f"{content['term']}: {content['definition']}")

    def _footnote(self, content: Node, _: _Place) -> None:
        self._notes.append(content["text"])

    def _raw(self, content: Node, _: _Place) -> None:
        if content.get("format", "").endswith("notes"):
            self._sheet.paragraph(content["content"])

    def _fields(self, content: Node, _: _Place) -> None:
        pairs = [(entry["key"], entry["value"]) for entry in content["entries"]]
        subject = next((value for key, value in pairs if key == "Subject"), "")
        self._sheet.heading(subject, 1)
        shown = [f"{key}: {value}" for key, value in pairs if key in ("From", "To", "Cc", "Date")]
        self._sheet.lines("paragraph", shown)

    def _table(self, content: Node, _: _Place) -> None:
        rows = _rows(content["grid"], emphasised=not self._spreadsheet)
        if self._spreadsheet and is_header(rows):
            self._sheet.lines("table", record_lines(rows[0], rows[1:]))
        else:
            self._sheet.table(rows)

    def _write_notes(self) -> None:
        """Footnotes, comments and speaker notes stand below the page they belong to."""
        for note in [*self._notes, self._spoken.get(self._page, "")]:
            self._sheet.paragraph(_plain(note))
        self._notes = []


_WRITERS: Mapping[str, Callable[[Tree, Node, _Place], None]] = {
    "title": Tree._heading,
    "heading": Tree._heading,
    "slide": Tree._slide,
    "paragraph": Tree._paragraph,
    "formula": Tree._paragraph,
    "citation": Tree._paragraph,
    "code": Tree._code,
    "list_item": Tree._item,
    "definition_item": Tree._definition,
    "footnote": Tree._footnote,
    "comment": Tree._footnote,
    "raw_block": Tree._raw,
    "metadata_block": Tree._fields,
    "table": Tree._table,
}
"""What is not here (groups, pictures, breaks) says nothing of its own."""


def _depth(nodes: Sequence[Any], contents: Sequence[Node], at: int) -> int:
    depth, above = -1, nodes[at].parent
    while above is not None and depth < 8:
        depth += contents[above]["node_type"] == "list"
        above = nodes[above].parent
    return max(depth, 0)


def _mark(
    node: Any, siblings: Sequence[int], contents: Sequence[Node], numbers: dict[int, int]
) -> str:
    """Numbers count within a list; lists of one item, which Word writes, would all be number 1."""
    ordered = node.parent is not None and contents[node.parent].get("ordered")
    if not ordered or len(siblings) < 2:
        return "-"
    numbers[node.parent] = numbers.get(node.parent, 0) + 1
    return f"{numbers[node.parent]}."


def _rows(grid: Mapping[str, Any], emphasised: bool) -> list[list[str]]:
    """Cells by row and column; a merged cell fills its first place only."""
    rows = [[""] * grid["cols"] for _ in range(grid["rows"])]
    for cell in grid["cells"]:
        if cell["row"] < grid["rows"] and cell["col"] < grid["cols"]:
            text = _plain(cell["content"])
            rows[cell["row"]][cell["col"]] = _unemphasised(text) if emphasised else text
    return [row for row in rows if any(row)]


def _plain(text: str) -> str:
    """Without the marks that xberg puts where comments are anchored."""
    return _COMMENT_MARK.sub("", text)


def _unemphasised(text: str) -> str:
    """Cells of documents come as Markdown, those of spreadsheets and all other text do not."""
    return _EMPHASIS.sub(lambda found: next(filter(None, found.groups()), ""), text)
