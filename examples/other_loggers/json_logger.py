"""python-json-logger: its formatter on the handler, by dictConfig."""

from __future__ import annotations

import logging.config
import sys

from several import main, orders


def configure(folder: str) -> None:
    """Any formatter does; a record is one line as long as the formatter's text is."""
    logging.config.dictConfig(
        {
            "version": 1,
            "formatters": {
                "json": {
                    "()": "pythonjsonlogger.json.JsonFormatter",
                    "format": "%(asctime)s %(levelname)s %(process)d %(message)s",
                    "rename_fields": {"levelname": "level", "asctime": "time"},
                }
            },
            "handlers": {
                "file": {
                    "class": "mpfhandler.MultProcTimedRotatingFileHandler",
                    "filename": f"{folder}/app.log",
                    "when": "S",
                    "encoding": "utf-8",
                    "formatter": "json",
                }
            },
            "root": {"handlers": ["file"], "level": "INFO"},
        }
    )


def work(folder: str, worker: int) -> None:
    """What one process does."""
    configure(folder)
    for order in orders():
        logging.info("order placed", extra={"worker": worker, "order": order})


if __name__ == "__main__":
    sys.exit(main(work))
