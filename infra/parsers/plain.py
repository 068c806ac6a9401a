"""Text, CSV and JSON: files whose bytes are their text."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from itertools import islice

from infra.parsers.encoding import decode
from infra.parsers.manuscript import Manuscript
from infra.parsers.source import Source
from infra.parsers.tables import is_header, record_lines
from ingestion.parse import Parsed

_GAP = re.compile(r"\n[ \t]*\n+")
_SEPARATORS = ",;\t|"
_SNIFFED_LINES = 20
_JSON_DEPTH = 100


def read_text(source: Source) -> Parsed:
    """Paragraphs are what empty lines part."""
    sheet = Manuscript(source.bounds)
    text = _decoded(source, sheet).replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n\n")
    for paragraph in _GAP.split(text):
        sheet.paragraph(paragraph)
    return sheet.finished()


def read_csv(source: Source) -> Parsed:
    """One table; under a header each row says its columns' names, so that it can stand alone."""
    sheet = Manuscript(source.bounds)
    text = _decoded(source, sheet).replace("\x00", "")
    separator = _separator(text)
    csv.field_size_limit(source.bounds.characters)
    try:
        rows = [
            row for row in csv.reader(text.splitlines(keepends=True), delimiter=separator) if row
        ]
    except csv.Error as error:
        sheet.warn(f"The rows could not be told apart ({error}): the file was read as plain text.")
        return read_text(source)
    if rows and is_header(rows):
        sheet.lines("table", record_lines(rows[0], rows[1:]))
        if len(rows) == 1:
            sheet.table(rows)
    else:
        sheet.table(rows)
    return sheet.finished()


def read_json(source: Source) -> Parsed:
    """One line per value with the path to it; what is no JSON is read as text."""
    sheet = Manuscript(source.bounds)
    text = _decoded(source, sheet)
    try:
        records = _records(text)
    except (ValueError, RecursionError):
        return read_text(source)
    for record in records:
        sheet.lines("paragraph", _leaves(record, "", 0))
    return sheet.finished()


def _decoded(source: Source, sheet: Manuscript) -> str:
    text, encoding = decode(source.data)
    if encoding == "cp1252":
        sheet.warn("The encoding is not UTF-8; the file was read as Windows-1252 (Latin-1).")
    return text


def _separator(text: str) -> str:
    """The separator that parts the first lines most evenly."""
    lines = [line for line in islice(text.splitlines(), _SNIFFED_LINES) if line.strip()]
    if not lines:
        return ","

    def evenness(separator: str) -> tuple[int, int]:
        counts = [line.count(separator) for line in lines]
        commonest = max(set(counts), key=counts.count)
        return (counts.count(commonest) if commonest else 0, commonest)

    return max(_SEPARATORS, key=evenness)


def _records(text: str) -> list[object]:
    """One value, the elements of a list, or the lines of JSON Lines."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    return value if isinstance(value, list) else [value]


def _leaves(value: object, path: str, depth: int) -> Iterator[str]:
    if depth > _JSON_DEPTH:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else str(key), depth + 1)
    elif isinstance(value, list):
        if all(not isinstance(inner, dict | list) for inner in value):
            yield _leaf(path, ", ".join(_scalar(inner) for inner in value))
            return
        for number, inner in enumerate(value, 1):
            yield from _leaves(inner, f"{path}[{number}]", depth + 1)
    else:
        yield _leaf(path, _scalar(value))


def _leaf(path: str, text: str) -> str:
    return f"{path}: {text}" if path else text


def _scalar(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
