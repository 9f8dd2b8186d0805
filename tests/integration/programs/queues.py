"""Four processes log through a `QueueHandler`, to a listener in their parent, while others log to the same files by themselves,
or through a queue and a listener of their own.
"""

from __future__ import annotations

import logging
import multiprocessing
import queue
import time
from logging.handlers import QueueHandler, QueueListener
from typing import Any

import _work


def only(log: str, handler: logging.Handler) -> logging.Handler:
    """It takes the records of the log's own loggers."""
    handler.addFilter(lambda record: record.name.endswith(log))
    return handler


def far(records: Any) -> None:
    """A process whose records its parent writes."""
    for log in _work.LOGS:
        _work.logger(log, QueueHandler(records), prefix="far.")
    pause, _work.PAUSE = _work.PAUSE, max(_work.PAUSE, 0.01)  # the parent has to keep up within the grace
    _work.work(_work.until(), "far", "far.")
    _work.PAUSE = pause
    records.close()
    records.join_thread()


def near() -> None:
    """A process with a listener's thread, and handlers that its threads use beside that."""
    _work.configure()
    handlers = [only(log, logging.getLogger(log).handlers[0]) for log in _work.LOGS]
    records: queue.Queue[logging.LogRecord] = queue.Queue(1000)  # puts that find it full fail, so it is emptied fast enough below
    listener = QueueListener(records, *handlers)
    for log in _work.LOGS:
        _work.logger(log, Waiting(records), prefix="near.")
    listener.start()
    _work.threads(2, _work.until(), "near", "near.")
    _work.work(time.time() + 0.1, "beside")
    listener.stop()


class Waiting(QueueHandler):
    """One that waits where the queue is full."""

    def enqueue(self, record: logging.LogRecord) -> None:
        """Put it, sooner or later."""
        self.queue.put(record)


def main() -> None:
    """Two processes of each kind."""
    context = multiprocessing.get_context("fork")
    records = context.Queue()
    _work.configure()
    children = [context.Process(target=far, args=(records,)) for _ in range(4)]
    children += [context.Process(target=near) for _ in range(2)]
    for one in children:
        one.start()
    listener = QueueListener(records, *(only(log, logging.getLogger(log).handlers[0]) for log in _work.LOGS))
    listener.start()
    _work.work(_work.until(), "parent")
    for one in children:
        one.join()
        assert one.exitcode == 0, one
    listener.stop()


if __name__ == "__main__":
    main()
