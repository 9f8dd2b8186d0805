"""structlog without `logging`: each rendered event is a line that `TimedLogFile` gets."""

from __future__ import annotations

import sys

import structlog
from several import main, orders

from mpfhandler import TimedLogFile


def configure(folder: str) -> None:
    """`WriteLogger` calls the file's `write` and `flush`, once for each event."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=TimedLogFile(f"{folder}/app.log", when="S")),
    )


def work(folder: str, worker: int) -> None:
    """What one process does."""
    configure(folder)
    log = structlog.get_logger().bind(worker=worker)
    for order in orders():
        log.info("order placed", order=order)


if __name__ == "__main__":
    sys.exit(main(work))
