"""`multiprocessing.Process`, started by the method that the command line names: four slots, in each of which one process follows
another, while the parent's threads log. A slot's processes all end in the same way; how they come by a handler changes.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
import threading
import time
from multiprocessing.context import BaseContext

import _work

ENDS = ("returns", "leaves", "killed", "terminated")
SHARE = 0.5  # seconds of one process, from its first record on


def child(kind: str, seconds: float, handlers: dict[str, logging.Handler] | None) -> None:
    """A process of a slot, with its parent's handlers as they are, with those it is given, or with its own."""
    if kind.startswith("given"):
        assert handlers is not None
        for log, handler in handlers.items():
            _work.logger(log, handler)
    elif kind.startswith("own"):
        _work.configure()
    until = time.time() + seconds
    if kind.endswith("threads"):
        _work.threads(3, until, kind)
    elif kind.endswith("grandchild"):
        beside_a_child(kind, until)
    else:
        _work.work(until, kind)
    if kind.endswith("leaves"):
        _work.leave()


def beside_a_child(kind: str, until: float) -> None:
    """Forks in the middle of its records. The child goes on with its parent's handlers, and with its own account."""
    writers = _work.writers(kind)
    for writer in writers:
        writer.log()
    pid = os.fork()
    more = True
    while more:
        more = time.time() < until
        for writer in writers:
            writer.log()
        time.sleep(_work.PAUSE)
    if pid == 0:
        logging.shutdown()
        os._exit(0)
    os.waitpid(pid, 0)


def slot(context: BaseContext, end: str, ways: tuple[str, ...], until: float, handlers: dict[str, logging.Handler]) -> None:
    """One process after the other, each with another way to come by a handler."""
    number = 0
    while number < len(ways) or time.time() < until:
        way = ways[number % len(ways)]
        kind = way + (("threads", "grandchild")[number % 2] if end == "returns" else end)
        given = handlers if way == "given" else None
        seconds = 3600 if end in {"killed", "terminated"} else SHARE
        process = context.Process(target=child, args=(kind, seconds, given), daemon=end == "terminated")  # type: ignore[attr-defined]
        process.start()
        if end in {"killed", "terminated"}:
            _work.wait_for_records(process.pid)
            process.join(SHARE)
            _work.dies(process.pid)
            if end == "terminated" and number + 1 >= len(ways) and time.time() > until:
                return  # it is a daemon: the end of the program is its own
            (process.kill if end == "killed" else process.terminate)()
        process.join()
        # 255: with forkserver two threads may read a child's code, and one of them gets none (CPython 3.11).
        assert process.exitcode in {0, 255} or end in {"killed", "terminated"}, (kind, process.exitcode)
        number += 1


def main() -> None:
    """Starts the slots, each from a thread of its own, so that processes are forked while threads log."""
    context = multiprocessing.get_context(sys.argv[1])
    # With spawn and forkserver a child imports this module anew and has no handler, unless it is given one or makes its own.
    ways = ("", "given", "own") if sys.argv[1] == "fork" else ("given", "own")
    _work.configure()
    handlers = {log: logging.getLogger(log).handlers[0] for log in _work.LOGS}
    until = _work.until()
    slots = [threading.Thread(target=slot, args=(context, end, ways, until, handlers)) for end in ENDS]
    for one in slots:
        one.start()
    _work.threads(2, until, "parent")
    for one in slots:
        one.join()


if __name__ == "__main__":
    main()
