"""The second process of `helper`, on POSIX systems.

It is this interpreter with this program's search path, in a process group of its own (Ctrl-C is the program's), with no signal
blocked. It is begun by posix_spawn(2), or by `subprocess` where Python has none, not by `os.fork`: no hook of anybody's runs, no
lock is copied. The real calls are taken where gevent has put its own in their place: those want their event loop's thread.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable

assert sys.platform != "win32"  # noqa: S101  (which type checkers understand)

from .answer import LOOK, read_to_end
from .posix import _lift
from .threads import _original

__all__ = ["Helper", "end_with_parent"]

_GRACE = 1.0  # seconds that it has to end by itself
_DYING = 5.0  # seconds that a killed one is waited for: the machine may have a lot to do


class Helper:
    """Such a process. Owns both pipes to it.

    Args:
        arguments: the command, the first one with its full path.
        job: one line for its standard input.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self, arguments: list[str], job: str) -> None:
        self._pid = 0
        self._to = self._from = -1
        ends = _pipes()
        try:
            self._pid = _start(arguments, ends[0], ends[3])
            self._to, self._from = ends[1], ends[2]
            _close(ends[0], ends[3])
            self._send(job.encode() + b"\n")
        except BaseException:
            _close(*(ends if self._to < 0 else ()))
            self.end()
            raise

    def answer(self, stop: Callable[[], bool]) -> bytes:
        """What it writes, errors included, until its end.

        Raises:
            InterruptedError: `stop`, which is asked all the time, says so.
            OSError: it writes too much.
        """
        return read_to_end(self._from, lambda: _readable(self._from, LOOK), stop)

    def end(self) -> None:
        """Have it end, by force after a second. Never raises; again does nothing."""
        _close(self._to)
        pid, self._pid, self._to = self._pid, 0, -1
        if pid and not _gone(pid, _GRACE):
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
            _gone(pid, _DYING)
        _close(self._from)
        self._from = -1

    def forget(self) -> None:
        """In a child that was forked: it is the parent's."""
        _close(self._to, self._from)
        self._pid, self._to, self._from = 0, -1, -1

    def _send(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self._to, data) :]
        except BrokenPipeError:
            pass  # it has died already: what it said is of more use


def _pipes() -> tuple[int, int, int, int]:
    """Two pipes on high descriptors: the low ones may be missing, and are where the helper's own go."""
    there, back = os.pipe(), os.pipe()
    return _lift(there[0]), _lift(there[1]), _lift(back[0]), _lift(back[1])


def _start(arguments: list[str], stdin: int, stdout: int) -> int:
    if not hasattr(os, "posix_spawn"):
        return _start_otherwise(arguments, stdin, stdout)
    actions = [(os.POSIX_SPAWN_DUP2, stdin, 0), (os.POSIX_SPAWN_DUP2, stdout, 1), (os.POSIX_SPAWN_DUP2, stdout, 2)]
    spawn = _original("posix", "posix_spawn")
    defaults = [signal.SIGINT, signal.SIGTERM, signal.SIGCHLD]
    pid: int = spawn(arguments[0], arguments, os.environ, file_actions=actions, setpgroup=0, setsigmask=[], setsigdef=defaults)
    return pid


def _start_otherwise(arguments: list[str], stdin: int, stdout: int) -> int:
    """Where Python has no posix_spawn (PyPy)."""
    import subprocess

    begin = _original(subprocess.__name__, "Popen")
    process = begin(arguments, stdin=stdin, stdout=stdout, stderr=stdout, start_new_session=True)
    process.returncode = 0  # it is waited for here, by its number
    pid: int = process.pid
    return pid


def _readable(fd: int, seconds: float) -> bool:
    poll = _original("select", "poll")()
    poll.register(fd, 1)  # POLLIN; the end of the other side is told whatever is asked for
    return bool(poll.poll(int(seconds * 1000)))


def _gone(pid: int, seconds: float) -> bool:
    """Whether it ends within so many seconds; the host program may have waited for it already."""
    until = time.monotonic() + seconds
    while True:
        try:
            if _original("posix", "waitpid")(pid, os.WNOHANG)[0]:
                return True
        except OSError:
            return True
        if time.monotonic() >= until:
            return False
        _original("time", "sleep")(0.002)


def _close(*numbers: int) -> None:
    for number in numbers:
        if number >= 0:
            try:
                os.close(number)
            except OSError:
                pass


def end_with_parent(parent: int) -> None:
    """In the helper: from now on end when the process with this number has gone, or has closed the pipe. At a low priority."""
    import threading

    signal.pthread_sigmask(signal.SIG_SETMASK, [])  # `subprocess` leaves them as they are in the thread that has started it
    try:
        os.nice(19)
    except OSError:
        pass
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        if _readable(0, 0.5):  # nothing more is ever sent
            break
    os._exit(0)
