"""From bytes to characters: the encoding of a text file that does not say it."""

from __future__ import annotations

import codecs

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAMPLE_BYTES = 4096
_HALF_ZEROS = 0.4
"""Every second byte of Latin text in UTF-16 is zero; other scripts bring blanks and digits only."""


def decode(data: bytes, declared: str | None = None) -> tuple[str, str]:
    """The text and the name of its encoding.

    A byte order mark decides; then UTF-16 by its zero bytes; then UTF-8 when it is valid; then
    what the file declares; then Windows-1252, of which every text in latin-1 is one too.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace"), encoding
    wide = _wide(data)
    for encoding in filter(None, (wide, "utf-8", _known(declared))):
        try:
            return data.decode(encoding), encoding
        except UnicodeDecodeError:
            continue
    return data.decode("cp1252", "replace"), "cp1252"


def _wide(data: bytes) -> str | None:
    sample = data[:_SAMPLE_BYTES]
    half = max(1, len(sample) // 2)
    if sample[1::2].count(0) > _HALF_ZEROS * 2 * half:
        return "utf-16-le"
    return "utf-16-be" if sample[::2].count(0) > _HALF_ZEROS * 2 * half else None


def _known(encoding: str | None) -> str | None:
    try:
        return codecs.lookup(encoding).name if encoding else None
    except LookupError:
        return None
