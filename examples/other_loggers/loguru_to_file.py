"""loguru with a function as its sink: the `write` of a `TimedLogFile`. JSON by loguru's own `serialize`."""

from __future__ import annotations

import sys

from loguru import logger
from several import main, orders

from mpfhandler import TimedLogFile


def configure(folder: str) -> None:
    """Each message is one call of `write`, and one record: a traceback stays with its message."""
    file = TimedLogFile(f"{folder}/app.log", when="S")
    logger.remove()
    logger.add(file.write, format="{message}", serialize=True)


def work(folder: str, worker: int) -> None:
    """What one process does."""
    configure(folder)
    for order in orders():
        logger.bind(worker=worker, order=order).info("order placed")


if __name__ == "__main__":
    sys.exit(main(work))
