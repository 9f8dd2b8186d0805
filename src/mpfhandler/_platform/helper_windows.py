"""The second process of `helper`, on Windows: started by CreateProcess, with nothing of ours but the two pipes.

It has a process group of its own, no window, and a lower priority from its start. It ends by itself when its input ends, which it
does with this process: nobody else has the other end.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Callable
from ctypes import wintypes

assert sys.platform == "win32"  # noqa: S101  (which type checkers understand)

from .answer import LOOK, read_to_end
from .win32 import handle_of, kernel32

__all__ = ["Helper", "end_with_parent"]

_GRACE, _DYING = 1.0, 5.0  # seconds that it has to end by itself, and that a killed one is waited for
_FLAGS = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.BELOW_NORMAL_PRIORITY_CLASS

_COUNT = ctypes.POINTER(wintypes.DWORD)
kernel32.PeekNamedPipe.argtypes = [wintypes.HANDLE, ctypes.c_void_p, wintypes.DWORD, _COUNT, _COUNT, _COUNT]


class Helper:
    """Such a process. Owns both pipes to it.

    Args:
        arguments: the command, the first one with its full path.
        job: one line for its standard input.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self, arguments: list[str], job: str) -> None:
        pipe, both = subprocess.PIPE, subprocess.STDOUT
        self._process = subprocess.Popen(arguments, stdin=pipe, stdout=pipe, stderr=both, bufsize=0, creationflags=_FLAGS)  # noqa: S603
        try:
            self._send(job.encode() + b"\n")
        except BaseException:
            self.end()
            raise

    def answer(self, stop: Callable[[], bool]) -> bytes:
        """What it writes, errors included, until its end.

        Raises:
            InterruptedError: `stop`, which is asked all the time, says so.
            OSError: it writes too much.
        """
        output = self._process.stdout
        if output is None:
            return b""
        fd = output.fileno()
        return read_to_end(fd, lambda: _readable(fd), stop)

    def end(self) -> None:
        """Have it end, by force after a second. Never raises; again does nothing."""
        process = self._process
        for step in (self._close_input, lambda: process.wait(_GRACE), process.kill, lambda: process.wait(_DYING)):
            try:
                step()
            except (OSError, subprocess.SubprocessError):
                continue
        if process.stdout is not None:
            process.stdout.close()

    def forget(self) -> None:
        """There is no fork here."""

    def _close_input(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _send(self, data: bytes) -> None:
        pipe = self._process.stdin
        try:
            while data and pipe is not None:
                data = data[os.write(pipe.fileno(), data) :]
        except OSError:
            pass  # it has died already: what it said is of more use


def _readable(fd: int) -> bool:
    """Whether a pipe can be read without waiting, be it its end. If not, after a moment."""
    count = wintypes.DWORD()
    if not kernel32.PeekNamedPipe(handle_of(fd), None, 0, None, ctypes.byref(count), None) or count.value:
        return True
    time.sleep(LOOK)
    return False


def end_with_parent(_parent: int) -> None:
    """In the helper: from now on end when the pipe is closed, by its owner or with it."""
    import threading

    threading.Thread(target=_watch, daemon=True).start()


def _watch() -> None:
    try:
        os.read(0, 1)  # nothing more is ever sent
    except OSError:
        pass
    os._exit(0)
