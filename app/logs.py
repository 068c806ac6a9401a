"""Logs: one JSON object per line on standard error, fields only, never content."""

from __future__ import annotations

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}


class JsonLines(logging.Formatter):
    """What happened, with the fields given as `extra`, and the request it happened in."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        if (current := request_id.get()) is not None:
            line["request_id"] = current
        line |= {key: value for key, value in vars(record).items() if key not in STANDARD}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def set_up_logs(level: str, file: Path | None = None) -> None:
    """For entry points only. To standard error, or to the file where a person sits at the terminal."""
    handler = logging.FileHandler(file, delay=True) if file else logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # arq and httpx log arguments and whole URLs; what they know, our own events say better.
    for name in ("arq", "httpx", "httpx2", "openai", "alembic", "uvicorn.access"):
        logging.getLogger(name).setLevel(logging.WARNING)
