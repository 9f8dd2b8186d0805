"""Where the records go: those of the application, gunicorn's own, and those of requests, each kind to a file of its own."""

import os
from typing import Any

__all__ = ["LOGGING"]

_FOLDER = os.environ.get("DEMO_LOGS", "logs")
_HANDLER = os.environ.get("DEMO_HANDLER", "mpfhandler.MultProcTimedRotatingFileHandler")
_LOGGERS = {"app": "app.log", "gunicorn.access": "access.log", "gunicorn.error": "server.log"}

os.makedirs(_FOLDER, exist_ok=True)

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(created)r %(process)d %(message)s"}},
    "handlers": {
        # Every two seconds, to see it happen. A program of yours says "midnight", or "H".
        name: {"class": _HANDLER, "filename": os.path.join(_FOLDER, name), "when": "S", "interval": 2, "formatter": "line"}
        for name in _LOGGERS.values()
    },
    "root": {"level": "WARNING", "handlers": ["server.log"]},
    "loggers": {name: {"level": "INFO", "handlers": [file], "propagate": False} for name, file in _LOGGERS.items()},
}
