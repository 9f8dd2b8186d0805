"""loguru with the handler as its sink: loguru formats, the handler writes and rotates."""

from __future__ import annotations

import sys

from loguru import logger
from several import main, orders

from mpfhandler import MultProcTimedRotatingFileHandler


def configure(folder: str) -> None:
    """The handler gets a record whose message is the formatted line, so it needs no formatter."""
    handler = MultProcTimedRotatingFileHandler(f"{folder}/app.log", when="S", encoding="utf-8")
    logger.remove()
    logger.add(handler, format="{time:YYYY-MM-DD HH:mm:ss.SSS} {level} {message} worker={extra[worker]} order={extra[order]}")


def work(folder: str, worker: int) -> None:
    """What one process does."""
    configure(folder)
    for order in orders():
        logger.bind(worker=worker, order=order).info("order placed")


if __name__ == "__main__":
    sys.exit(main(work))
