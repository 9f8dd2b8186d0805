"""A queue in front of the handler: logging calls only put their record into it, a thread of the process writes them.

Python 3.12 and newer configure queue and thread by dictConfig; before that they are made by hand. `delivery="buffered"` of the
handler does the same for less, see the README.
"""

from __future__ import annotations

import logging
import logging.config
import logging.handlers
import queue
import sys

from several import main, orders


def configure(folder: str) -> logging.handlers.QueueListener:
    """The thread that writes, not yet running. Each process needs its own: a thread is not inherited by a fork."""
    file = {
        "class": "mpfhandler.MultProcTimedRotatingFileHandler",
        "filename": f"{folder}/app.log",
        "when": "S",
        "encoding": "utf-8",
        "formatter": "plain",
    }
    formatters = {"plain": {"format": "%(created)r %(levelname)s %(threadName)s %(message)s"}}
    settings = {"version": 1, "formatters": formatters, "root": {"level": "INFO", "handlers": ["file"]}}
    if sys.version_info >= (3, 12):
        waiting = {"class": "logging.handlers.QueueHandler", "handlers": ["file"], "respect_handler_level": True}
        root = {"level": "INFO", "handlers": ["queue"]}
        logging.config.dictConfig({**settings, "handlers": {"file": file, "queue": waiting}, "root": root})
        return logging.getHandlerByName("queue").listener
    logging.config.dictConfig({**settings, "handlers": {"file": file}})
    records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    listener = logging.handlers.QueueListener(records, *logging.root.handlers, respect_handler_level=True)
    logging.root.handlers = [logging.handlers.QueueHandler(records)]
    return listener


def work(folder: str, worker: int) -> None:
    """What one process does. A record's time is that of its logging call, and so is the file that it goes to."""
    listener = configure(folder)
    listener.start()
    for order in orders():
        logging.info("order placed worker=%d order=%d", worker, order)
    listener.stop()  # writes what is in the queue


if __name__ == "__main__":
    sys.exit(main(work))
