"""The reading process: takes a file at a time from its parent, bound before it opens the first."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

from infra.parsers.confine import allow_processor_seconds, confine
from infra.parsers.mail import read_mail
from infra.parsers.markdown import read_markdown
from infra.parsers.office import read_office
from infra.parsers.pdf import read_pdf
from infra.parsers.plain import read_csv, read_json, read_text
from infra.parsers.source import Bounds, Source
from infra.parsers.webpage import read_html
from infra.parsers.wire import Message, error_message, packed, parsed_message, receive
from ingestion import sniff
from ingestion.parse import Parsed, ReadingTooBig, Unreadable, UnsupportedType

Reader = Callable[[Source], Parsed]

READERS: Mapping[str, Reader] = {
    sniff.PDF.media_type: read_pdf,
    sniff.HTML.media_type: read_html,
    sniff.MARKDOWN.media_type: read_markdown,
    sniff.TEXT.media_type: read_text,
    sniff.CSV.media_type: read_csv,
    sniff.JSON.media_type: read_json,
    sniff.EML.media_type: read_mail,
    sniff.DOCX.media_type: read_office,
    sniff.PPTX.media_type: read_office,
    sniff.XLSX.media_type: read_office,
    sniff.ODT.media_type: read_office,
    sniff.ODS.media_type: read_office,
    sniff.ODP.media_type: read_office,
    sniff.EPUB.media_type: read_office,
    sniff.DOC.media_type: read_office,
    sniff.XLS.media_type: read_office,
    sniff.PPT.media_type: read_office,
    sniff.MSG.media_type: read_office,
    sniff.RTF.media_type: read_office,
}

_REPORT_EVERY_S = 0.05


def read(source: Source) -> Parsed:
    """Raises `Unreadable` or one of its kinds."""
    reader = READERS.get(source.media_type)
    if reader is None:
        raise UnsupportedType(f"Cairn does not read {source.media_type!r}.")
    return reader(source)


def main() -> None:
    """Serves until the parent closes the pipe."""
    answers = _own_output()
    missing = confine(int(sys.argv[1]))
    _send(answers, {"ready": True, "missing": missing})
    while (request := receive(sys.stdin.buffer)) is not None:
        if "path" in request:
            allow_processor_seconds(int(request["seconds"]))
            _send(answers, _answer(request, answers))
        else:
            _send(answers, {"ready": True})


def _own_output() -> BinaryIO:
    """The pipe to the parent, out of reach of libraries that print."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return answers


def _send(answers: BinaryIO, message: Message) -> None:
    answers.write(packed(message))
    answers.flush()


def _answer(request: Message, answers: BinaryIO) -> Message:
    try:
        return parsed_message(read(_source(request, answers)))
    except Unreadable as error:
        return error_message(error)
    except MemoryError as error:
        refusal = ReadingTooBig("Reading the file takes more memory than is allowed.")
        return {**error_message(refusal), "cause": type(error).__name__}
    # The boundary to parsers of hostile bytes: whatever they raise means that the file defeats
    # them. The uploader gets a sentence, the log of the parent the kind of error.
    except Exception as error:  # noqa: BLE001
        return {
            **error_message(Unreadable("The file is damaged: its content could not be read.")),
            "cause": type(error).__name__,
        }


def _source(request: Message, answers: BinaryIO) -> Source:
    try:
        data = Path(request["path"]).read_bytes()
    except OSError as error:
        raise Unreadable(f"The file could not be opened: {error.strerror}.") from error
    return Source(
        data=data,
        name=request["name"],
        media_type=request["media_type"],
        bounds=Bounds(int(request["characters"]), int(request["pages"])),
        report=_reporter(answers),
    )


def _reporter(answers: BinaryIO) -> Callable[[int, int], None]:
    last = -_REPORT_EVERY_S  # the first goes at once: it tells how many there will be

    def report(done: int, total: int) -> None:
        nonlocal last
        if done == total or time.monotonic() - last >= _REPORT_EVERY_S:
            last = time.monotonic()
            _send(answers, {"done": done, "total": total})

    return report


if __name__ == "__main__":
    main()
