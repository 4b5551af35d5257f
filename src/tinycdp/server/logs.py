"""The log of a process: lines of text, or one JSON object a line, on standard error.

Shape   configure(settings) sets up the root logger; every other logger passes its records on to it.
        A record may have `fields`, a mapping that is added to the object and shown behind the text
Units   time in UTC with milliseconds, ISO 8601
Laws    in JSON nothing else is written to standard error: uncaught exceptions and warnings are records, too, and a
        traceback is the field `traceback`
Source  docs/reference/operations.md lists the fields
"""

import logging
import sys
import threading
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

import msgspec

from tinycdp.settings import Settings

_TEXT = "%(asctime)s %(levelname)s %(name)s %(message)s"

log = logging.getLogger(__name__)


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        if record.stack_info:
            entry["stack"] = record.stack_info
        return msgspec.json.encode(entry, enc_hook=str).decode()


def configure(settings: Settings) -> None:
    """Log to standard error in the form and from the level of the settings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else logging.Formatter(_TEXT))
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler])
    if settings.log_format == "json":
        sys.excepthook = _uncaught
        threading.excepthook = _uncaught_in_thread
        logging.captureWarnings(True)


def granian_logging() -> dict[str, Any]:
    """What granian configures its loggers with: to pass their records on to the root logger."""
    names = ("_granian", "granian.access")
    return {
        "formatters": {},
        "handlers": {},
        "loggers": {name: {"handlers": [], "propagate": True} for name in names},
    }


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    log.critical("%s: %s", kind.__name__, error, exc_info=(kind, error, trace))


def _uncaught_in_thread(found: threading.ExceptHookArgs) -> None:
    if found.exc_value is not None:
        _uncaught(found.exc_type, found.exc_value, found.exc_traceback)
