"""One JSON object a line on standard output, where the journal takes it up."""

import json
import logging
import logging.config
import os
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

request_id: ContextVar[str] = ContextVar("request_id", default="")

# The journal reads the priority from the line's beginning and removes it.
PRIORITIES = {logging.CRITICAL: 2, logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6, logging.DEBUG: 7}


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "release": os.environ.get("RELEASE_ID", "dev"),
            "request_id": request_id.get() or None,
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        prefix = f"<{PRIORITIES[record.levelno]}>" if "JOURNAL_STREAM" in os.environ else ""
        return prefix + json.dumps({key: value for key, value in entry.items() if value is not None})


CONFIG: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "interactive_examples.logs.JsonFormatter"}},
    "handlers": {"stdout": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "json"}},
    "root": {"level": "INFO", "handlers": ["stdout"]},
    "loggers": {
        "gunicorn.error": {"level": "INFO", "handlers": ["stdout"], "propagate": False},
        # The middleware writes one entry for each request.
        "gunicorn.access": {"level": "WARNING", "handlers": [], "propagate": False},
        "uvicorn.error": {"level": "WARNING", "handlers": ["stdout"], "propagate": False},
        "uvicorn.access": {"level": "WARNING", "handlers": [], "propagate": False},
    },
}


def configure() -> None:
    logging.config.dictConfig(CONFIG)
