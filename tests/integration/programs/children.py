"""A program that logs and starts others, which have handlers of their own for the same files: some end well, some by SIGTERM,
some by SIGKILL, and one after the other takes their place.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time

import _work

ENDS = ("well", "quits", "terminated", "killed")
SHARE = 0.5  # seconds of one child, from its first record on


def child(end: str) -> None:
    """Logs until it is told to end, or ended."""
    _work.configure()
    if end == "quits":  # a program that ends well at a SIGTERM
        signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
        for one in _work.writers("quits"):
            one.log()
        _work.work(time.time() + SHARE, end)
        _work.say("waits")
        signal.pause()
    _work.work(time.time() + (SHARE if end == "well" else 3600), end)


def logs_before_exec() -> None:
    """Between fork and exec. What is in a buffer then is lost with the process's memory: direct delivery has none."""
    writer = _work.Writer("direct", kind="preexec")
    writer.log()
    writer.close()


def slot(end: str, until: float) -> None:
    """One child after the other."""
    number = 0
    while number < 2 or time.time() < until:
        options = {"close_fds": number % 2 == 0, "preexec_fn": logs_before_exec if end == "well" else None}
        command = [sys.executable, os.path.abspath(__file__), end]
        with subprocess.Popen(command, stdout=subprocess.PIPE if end == "quits" else None, **options) as one:  # type: ignore[call-overload]
            _work.wait_for_records(one.pid)
            if end == "quits":
                assert one.stdout is not None
                assert one.stdout.readline() == b"waits\n"
                one.terminate()
            elif end != "well":
                time.sleep(SHARE)
                _work.dies(one.pid)
                (one.kill if end == "killed" else one.terminate)()
        expected = {"killed": -signal.SIGKILL, "terminated": -signal.SIGTERM}.get(end, 0)
        assert one.returncode == expected, (end, one.returncode)
        number += 1


def main() -> None:
    """A thread for each slot, and two that log."""
    if len(sys.argv) > 1:
        child(sys.argv[1])
        return
    _work.configure()
    until = _work.until()
    slots = [threading.Thread(target=slot, args=(end, until)) for end in ENDS]
    for one in slots:
        one.start()
    _work.threads(2, until, "parent")
    for one in slots:
        one.join()
    logging.shutdown()


if __name__ == "__main__":
    main()
