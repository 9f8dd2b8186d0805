"""structlog through `logging`: its events, and those of other libraries, are rendered as JSON by the handler's formatter."""

from __future__ import annotations

import logging
import sys

import structlog
from several import main, orders

from mpfhandler import MultProcTimedRotatingFileHandler


def configure(folder: str) -> None:
    """One handler for structlog's events and for records of `logging`."""
    shared = [structlog.stdlib.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True)]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    handler = MultProcTimedRotatingFileHandler(f"{folder}/app.log", when="S", encoding="utf-8")
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.JSONRenderer()],
        )
    )
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def work(folder: str, worker: int) -> None:
    """What one process does."""
    configure(folder)
    log = structlog.get_logger().bind(worker=worker)
    for order in orders():
        if order % 2:
            log.info("order placed", order=order)
        else:
            logging.getLogger("a.library").info(f"order placed by worker {worker}, order {order}")


if __name__ == "__main__":
    sys.exit(main(work))
