"""What a container runs: process number 1, which logs, and whose workers are forked from it with its handlers. One of them after
the other is killed, and another one begins."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time

import _work

WORKERS = 3
SHARE = 0.4  # seconds between two kills


def tell(record: logging.LogRecord) -> None:
    """Of a failure, in one write: several processes tell in one file, and a kill leaves no part of what one has told."""
    os.write(2, f"failed: {type(sys.exc_info()[1]).__name__}: {record.getMessage()}\n".encode())


def worker(until: float) -> int:
    """A new one: its number."""
    pid = os.fork()
    if pid == 0:
        try:
            _work.work(until, "worker")
            logging.shutdown()
        finally:
            os._exit(0)
    return pid


def main() -> None:
    """Says what it sees of the machine."""
    _work.configure()
    for log in _work.LOGS:
        for handler in logging.getLogger(log).handlers:
            handler.handleError = tell  # type: ignore[method-assign]
    _work.say("number", os.getpid(), "user", os.geteuid(), "in /tmp", os.listdir("/tmp"))
    until = _work.until()
    workers = [worker(until) for _ in range(WORKERS)]
    while time.time() < until:
        _work.work(min(until, time.time() + SHARE))
        _work.dies(workers[0])
        os.kill(workers[0], signal.SIGKILL)
        os.waitpid(workers.pop(0), 0)
        workers.append(worker(until))
    for one in workers:
        os.waitpid(one, 0)
    logging.shutdown()


if __name__ == "__main__":
    main()
