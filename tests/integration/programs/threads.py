"""Eight threads at three logs, and a second process with as many in the middle of that: two logs that are counted, and one whose
rotation lock somebody else has all the time. Without the interpreter's lock they really run at the same time; with it, it goes
from one to the other as often as it can.

The second process is a forked child, but not without that lock: with CPython 3.13.5 a child has been seen to wait for ever in
the interpreter, where it looks something up in a dictionary that other threads of its parent used at the fork.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable

import _work

from mpfhandler import MultProcTimedRotatingFileHandler

THREADS = 8
FREE = not getattr(sys, "_is_gil_enabled", lambda: True)()
errors: list[int] = []  # failures that a handler has told of


class Told(MultProcTimedRotatingFileHandler):
    """Tells of failures here, not on standard error."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Counted."""
        errors.append(os.getpid())


def work(over: Callable[[], bool], kind: str, ready: threading.Barrier) -> None:
    """One thread: a record to each log in turn."""
    everyone = [*_work.writers(kind), _work.Writer("held", kind=kind)]
    ready.wait()
    while not over():
        for one in everyone:
            one.log()
        time.sleep(_work.PAUSE)
    for one in everyone:
        one.close()


def crew(over: Callable[[], bool], kind: str) -> list[threading.Thread]:
    """They begin at the same moment."""
    ready = threading.Barrier(THREADS)
    threads = [threading.Thread(target=work, args=(over, kind, ready)) for _ in range(THREADS)]
    for one in threads:
        one.start()
    return threads


def log_beside() -> None:
    """What the second process does."""
    until = time.time() + _work.SECONDS * 2 / 3
    for one in crew(lambda: time.time() >= until, "second"):
        one.join()
    logging.shutdown()


def start_child() -> int:
    """Its number."""
    if FREE:
        return os.posix_spawn(sys.executable, [sys.executable, __file__, "second"], os.environ)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            log_beside()
            code = 0
        finally:
            os._exit(code)
    return child


def configure() -> Told:
    """The handler of the log whose lock is not to be had."""
    _work.configure()
    held = Told(_work.path("held"), "S", _work.INTERVAL, lock_timeout=0.2, backupCount=1)
    held.setFormatter(logging.Formatter(_work.FORMAT))
    _work.logger("held", held)
    return held


def main() -> None:
    """Says what has been told of the lock that is not to be had, and whether the threads were parallel."""
    sys.setswitchinterval(1e-5)
    held = configure()
    over = threading.Event()
    threads = crew(over.is_set, "thread")
    time.sleep(_work.SECONDS / 3)
    child = start_child()
    ended = os.waitpid(child, 0)[1]
    over.set()
    for one in threads:
        one.join()
    assert ended == 0
    _work.say("told", len(errors), "timeouts", held.stats().lock_timeouts, "free", FREE)


if __name__ == "__main__":
    if sys.argv[1:]:
        configure()
        log_beside()
    else:
        main()
