"""Logs as JSON lines on stderr. Prompts and completions are never logged at info or above."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal, TextIO

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]

# What every LogRecord has; the rest came in by `extra=`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# They log every request at info.
_CHATTY = ("httpx2", "httpx", "httpcore2", "httpcore", "openai", "huggingface_hub")


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and the fields of `extra=`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update((key, value) for key, value in vars(record).items() if key not in _STANDARD)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def setup_logging(level: LogLevel = "INFO", stream: TextIO | None = None) -> None:
    """Sends all logs of the process to `stream` (stderr) as JSON lines.

    Replaces the handlers that are there, so calling it again changes the level or the stream.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
