"""Standard input, and the signals that come while it is waited for.

A signal sets a flag and writes a byte to a pipe of our own, which is waited for beside the input: so it is neither missed between
a look at the flags and the wait, nor does it come out of the middle of a write. The input is never made non-blocking: what is
behind the descriptor may be shared with other programs.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import stat
import struct
import sys
import termios
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

from ..interrupt import ENDS

assert sys.platform != "win32"

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Source"]

_CHUNK = 1 << 16  # bytes; more than a pipe usually has, and than the allocator gives without asking the system each time


class Source:
    """Reads from a descriptor, which stays the caller's. While it is entered, SIGHUP, SIGINT and SIGTERM only set flags. SIGINT
    goes on to be ignored where it is: a shell has it so for what a script runs in the background.

    Args:
        fd: of the input.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.hangups = 0  # SIGHUP, not answered yet
        self.ends: list[int] = []  # signals that ask for an end

    def __enter__(self) -> Self:
        self._wake, self._waker = os.pipe()
        for end in (self._wake, self._waker):
            os.set_blocking(end, False)
        self._both, self._signals = select.poll(), select.poll()
        for poll in (self._both, self._signals):
            poll.register(self._wake, select.POLLIN)
        self._both.register(self._fd, select.POLLIN)
        signals = [signal.SIGHUP, signal.SIGTERM]
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signals.append(signal.SIGINT)
        self._before = {number: signal.signal(number, self._on_signal) for number in signals}
        self._waker_before = signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDS)  # held back while the command was imported
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        signal.set_wakeup_fd(self._waker_before)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._wake)
        os.close(self._waker)

    def wait(self) -> bool:
        """Until there is something to read (or the end of it), or a signal has come; whether there is."""
        found = [number for number, _ in self._both.poll()]
        if self._wake in found:
            self._drain()
        return self._fd in found

    def pause(self, seconds: float) -> None:
        """So long, or until a signal comes."""
        if self._signals.poll(seconds * 1000):
            self._drain()

    def read(self, most: int = _CHUNK) -> bytes:
        """What is there; nothing at the end. Waits where nothing is.

        Raises:
            OSError: it cannot be read.
        """
        return os.read(self._fd, min(most, _CHUNK))

    def pending(self) -> int:
        """How many bytes can be read now without waiting; 0 where that is not known, and of a device that never ends."""
        found = os.fstat(self._fd)
        if stat.S_ISREG(found.st_mode):
            return max(0, found.st_size - os.lseek(self._fd, 0, os.SEEK_CUR))
        try:
            answer = fcntl.ioctl(self._fd, termios.FIONREAD, struct.pack("i", 0))
        except OSError:
            return 0
        return max(0, int(struct.unpack("i", answer)[0]))

    def _drain(self) -> None:
        try:
            while True:
                os.read(self._wake, 512)  # never its end: the other one is ours, too
        except BlockingIOError:
            return

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self.hangups += 1
        else:
            self.ends.append(number)
