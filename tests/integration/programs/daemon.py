"""A daemon: forks twice, closes every descriptor, and serves with four forked workers. Its handlers are made before all that,
with relative paths, and used by everybody after it.

Its descriptors and its session are its own, so that who has started it knows of its end by a lock on a file alone.
"""

from __future__ import annotations

import fcntl
import logging
import os
import resource
import signal
import threading
import time
from types import FrameType

import _work


def daemonize() -> None:
    """As in the textbook: what is left is a process without terminal, parent and open files."""
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    os.chdir("/")
    os.umask(0o027)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    os.closerange(0, min(limit, 1 << 16))
    os.open(os.devnull, os.O_RDWR)
    log = os.path.join(_work.FOLDER, "daemon.txt")
    os.dup2(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), 2)  # standard output gets this number


def worker(number: int) -> None:
    """Three workers log in threads; one of them makes handlers of its own, and one lets the first thread do it all."""
    until = _work.until()
    if number == 0:
        _work.configure()
    if number == 3:
        _work.work(until, "alone")
    else:
        _work.threads(2, until, "own" if number == 0 else "inherited")


def spawned(number: int) -> int:
    """A worker, forked as prefork servers do it: it ends by `os._exit` once it has closed its logs."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            worker(number)
            logging.shutdown()
            code = 0
        finally:
            os._exit(code)
    return pid


class Reaper:
    """A signal handler that logs in the middle of whatever its thread is at, as servers do it when a worker has gone."""

    def __init__(self) -> None:
        self._writers = _work.writers("reaper")
        self._busy = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        if not self._busy:  # a signal comes in the middle of this, too
            self._busy = True
            for writer in self._writers:
                writer.log()
            self._busy = False


def main() -> None:
    """The daemon logs while its workers do; one of them is killed, and another one takes its place."""
    for log in _work.LOGS:
        _work.logger(log, _work.handler(log, f"{log}.log"))
    for writer in _work.writers("before"):
        writer.log()
    daemonize()
    alive = os.open(os.path.join(_work.FOLDER, "alive"), os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(alive, fcntl.LOCK_EX)  # until the last one that is forked from here has ended
    with open(os.path.join(_work.FOLDER, "daemon.pid"), "w", encoding="ascii") as file:
        file.write(str(os.getpid()))
    signal.signal(signal.SIGCHLD, Reaper())
    pids = [spawned(number) for number in range(_work.WORKERS)]
    logs = threading.Thread(target=_work.work, args=(_work.until(), "daemon"))
    logs.start()
    _work.wait_for_records(pids[2])
    time.sleep(_work.SECONDS / 3)
    killed = pids.pop(2)
    _work.dies(killed)
    os.kill(killed, signal.SIGKILL)
    codes = [os.waitpid(killed, 0)[1]]
    pids.append(spawned(1))
    codes += [os.waitpid(pid, 0)[1] for pid in pids]
    logs.join()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    assert codes == [signal.SIGKILL, 0, 0, 0, 0], codes


if __name__ == "__main__":
    main()
