"""A Word document without the runs of text that its readers cannot see."""

from __future__ import annotations

import io
import re
import zipfile

_BODY = re.compile(r"word/(?:document\d*|footnotes|endnotes|header\d*|footer\d*)\.xml")
_RUN = re.compile(rb"<w:r(?:\s[^>]*)?>(?:(?!</w:r>).)*</w:r>", re.DOTALL)
_PROPERTIES = re.compile(rb"<w:rPr>.*?</w:rPr>", re.DOTALL)
_TEXT = re.compile(rb"<w:t(?:\s[^>]*)?>([^<]*)</w:t>")
_VANISH = re.compile(rb"<w:vanish(?:\s+w:val=\"(?:1|true|on)\")?\s*/>")
_WHITE = re.compile(rb"<w:color\s[^>]*w:val=\"(?:FFFFFF|FEFEFE)\"", re.IGNORECASE)
_SUSPECT = re.compile(rb"<w:vanish|w:val=\"(?:FFFFFF|FEFEFE)\"", re.IGNORECASE)
_BACKGROUND = re.compile(rb"<w:shd\s|<w:highlight\s|<w:background\s|<wps:|<v:")
"""Where anything is shaded or drawn, white text may well stand on it: it is left alone."""


def without_hidden_runs(data: bytes) -> tuple[bytes, int]:
    """The file, and how many characters were removed: text marked hidden, and white on white."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = [name for name in archive.namelist() if _BODY.fullmatch(name)]
        found = {name: archive.read(name) for name in names}
        suspect = {name: part for name, part in found.items() if _SUSPECT.search(part)}
        if not suspect:
            return data, 0
        shown = {name: _without(part) for name, part in suspect.items()}
        return _replaced(archive, {name: part for name, (part, _) in shown.items()}), sum(
            removed for _, removed in shown.values()
        )


def _without(part: bytes) -> tuple[bytes, int]:
    removed = 0
    white_counts = not _BACKGROUND.search(part)

    def shown(run: re.Match[bytes]) -> bytes:
        nonlocal removed
        properties = _PROPERTIES.search(run[0])
        look = properties[0] if properties else b""
        if not (_VANISH.search(look) or (white_counts and _WHITE.search(look))):
            return run[0]
        removed += sum(len(text.decode("utf-8", "replace")) for text in _TEXT.findall(run[0]))
        return b""

    return _RUN.sub(shown, part), removed


def _replaced(archive: zipfile.ZipFile, parts: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as copy:
        for member in archive.infolist():
            content = parts.get(member.filename)
            copy.writestr(member.filename, archive.read(member) if content is None else content)
    return target.getvalue()
