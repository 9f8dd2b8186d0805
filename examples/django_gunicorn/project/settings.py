"""The smallest Django settings that serve and log.

`TIME_ZONE` matters to a log: Django changes the time zone of the whole worker process to it, and gunicorn's master
stays in the system's. Two zones would mean two names for the same hour, so here both are what TZ says.
"""

import os
from typing import Any

_handler = os.environ.get("DEMO_HANDLER", "mpfhandler.MultProcTimedRotatingFileHandler")
_options: dict[str, Any] = {"when": "S", "interval": 2}
if _handler.startswith("mpfhandler."):
    _options["debug"] = True

SECRET_KEY = "an example serves no secrets"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "project.urls"
MIDDLEWARE: list[str] = []
INSTALLED_APPS: list[str] = []
USE_TZ = True
TIME_ZONE = os.environ.get("TZ", "UTC")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(created)r %(process)d %(message)s"}},
    "handlers": {
        "file": {
            "class": _handler,
            "filename": os.path.join(os.environ.get("DEMO_LOGS", "."), "app.log"),
            "formatter": "line",
            **_options,
        },
    },
    "loggers": {"project": {"handlers": ["file"], "level": "INFO", "propagate": False}},
}
