"""A Celery application that logs to one file, whatever process a record comes from: tasks, and Celery itself."""

from __future__ import annotations

import logging.config
import os
from typing import Any

from celery import Celery, signals

app = Celery("tasks", broker=os.environ.get("BROKER", "redis://127.0.0.1:6379/0"), backend=os.environ.get("BROKER"))
app.conf.broker_connection_retry_on_startup = True
log = logging.getLogger("shop")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(created)r %(process)d %(name)s %(message)s"}},
    "handlers": {
        "file": {
            "class": "mpfhandler.MultProcTimedRotatingFileHandler",
            "filename": os.path.join(os.environ.get("LOGS", "."), "celery.log"),
            "when": "S",
            "formatter": "line",
        },
    },
    "root": {"handlers": ["file"], "level": "INFO"},
}


@signals.setup_logging.connect
def configure(**_signal: Any) -> None:
    """Whoever receives this signal sets logging up, and Celery leaves it alone. It comes once, before the workers are forked."""
    logging.config.dictConfig(LOGGING)


@signals.worker_process_shutdown.connect
def flush(**_signal: Any) -> None:
    """Celery's processes leave by `os._exit` after this, which would cost what is in a buffer (`"delivery": "buffered"`)."""
    for handler in logging.getLogger().handlers:
        handler.flush()


@app.task
def order(number: int) -> int:
    """A task of one record."""
    log.info("order %d", number)
    return number
