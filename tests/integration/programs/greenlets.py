"""Four processes of a program that gevent or eventlet has patched, with thirty greenlets each. With gevent a real thread logs
beside them, buffered: threads and greenlets that log through one patched lock may stop for good, whatever the handler
(`LoopExit` with gevent 26.9.0, `Cannot switch to a different thread` with eventlet 0.41.3).

    greenlets.py gevent|eventlet first|late        (patched before logging is imported, or when the handlers are there already)
"""

from __future__ import annotations

import sys

LIBRARY, WHEN = sys.argv[1:]


def patch() -> None:
    """As the library's documentation has it."""
    if LIBRARY == "gevent":
        import gevent.monkey

        gevent.monkey.patch_all()
    else:
        import eventlet

        eventlet.monkey_patch()


if WHEN == "first":
    patch()

import logging  # noqa: E402
import os  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from typing import Any  # noqa: E402

import _work  # noqa: E402

GREENLETS = 30


def greenlets(until: float) -> None:
    """All of them, until they are done, and the pool's threads."""
    if LIBRARY == "gevent":
        import gevent

        thread = gevent.get_hub().threadpool.spawn(in_thread, until)
        gevent.joinall([gevent.spawn(green, until, gevent.sleep) for _ in range(GREENLETS)], raise_error=True)
        thread.get()
    else:
        import eventlet

        for one in [eventlet.spawn(green, until, eventlet.sleep) for _ in range(GREENLETS)]:
            one.wait()


def green(until: float, sleep: Callable[[float], Any]) -> None:
    """One greenlet: some records, then it is another one's turn."""
    writers = _work.writers("green")
    while time.time() < until:
        for writer in writers:
            writer.log()
        sleep(_work.PAUSE * 10)
    for writer in writers:
        writer.close()


def in_thread(until: float) -> None:
    """A real thread. Its sleep is the patched one, which may need a hub of its own, so it does without."""
    writer = _work.Writer("buffered", kind="thread")
    for _ in range(2000):
        writer.log()
        if time.time() > until:
            break
    writer.close()


def main() -> None:
    """Handlers in the parent, used by two children; the others make their own."""
    _work.configure()
    if WHEN == "late":
        patch()
    for writer in _work.writers("parent"):
        writer.log()
    pids = []
    for number in range(_work.WORKERS):
        pid = os.fork()
        if pid == 0:
            if number % 2:
                _work.configure()
            greenlets(_work.until())
            logging.shutdown()
            os._exit(0)
        pids.append(pid)
    codes = [os.waitpid(pid, 0)[1] for pid in pids]
    assert codes == [0] * len(pids), codes
    for writer in _work.writers("parent"):
        writer.log()


if __name__ == "__main__":
    main()
