"""The lock file of mpfhandler 0.0.x beside a log: processes of that release are kept from renaming the log.

A process of 0.0.1 or 0.0.2 has the time of its next rotation in a file of its own, `app.lock` for `app.log` (`service.lock`
for `service`), as ten digits and nothing else. At that time it reads the file again. A number that is not larger than its own
makes it rename the log, over a segment of ours if that has got the name just then; what is no number makes it close the log,
and open it by name before each record from then on. So no number may stand there when the log is rotated. It writes one
again when it starts, which is seen within a second.

The file is somebody else's unless it is exactly what that release writes (promise P4): ten digits without an end of line, a
time that lay ahead when it was written, at most the 8 days that its longest period has, and a full quarter of an hour (a
minute, a second, where the log is rotated by these). Where both have one lock file, the state record is what is no number.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from .._platform import Fault, FileStat, Operations
from .descriptors import close_quietly, unlock_and_close

__all__ = ["Predecessor", "lock_of_predecessor"]

NOTICE = b"the log is rotated by mpfhandler 1; processes of 0.0.x leave that to it\n"
_STAMP = re.compile(rb"[0-9]{10}")
_AHEAD = (8 * 24 + 14) * 3600  # seconds; the longest period, and a zone's offset, which `utc=True` had wrong by that much
_QUARTER = 900  # seconds; local hours and days begin at multiples of it, in all zones of today
_PATIENCE, _PAUSE = 0.1, 0.002  # seconds that there are in any case; a rotation of theirs takes less than a millisecond
_UNLOCKED = 0.05  # seconds; those that have not rotated yet take no lock


def lock_of_predecessor(log: str) -> str:
    """Where 0.0.x has its lock file for a log."""
    return f"{log.removesuffix('.log')}.lock"


class Predecessor:
    """Keeps processes of 0.0.x from rotating one log.

    Args:
        ops: the system calls.
        log: its path.
        lock: the path of our own lock file.
        unit: seconds of the schedule's unit.
        report: is told what fails.
    """

    def __init__(self, ops: Operations, log: str, lock: str, unit: int, report: Callable[[str, OSError], None]) -> None:
        self._ops = ops
        self._step = min(unit, _QUARTER)
        self._report = report
        self.path = lock_of_predecessor(log)
        self._left = self.path == lock  # to its state record; or the file may not be written

    def armed(self) -> bool:
        """Whether a process of 0.0.x would rotate the log, as far as this one may look. Never raises."""
        if self._left:
            return False
        try:
            fd = self._ops.open_read(self.path)
        except OSError:
            return False
        try:
            return self._stamp(fd) is not None and self._ops.stat_link(self.path).regular  # never by way of a symbolic link
        except OSError:
            return False
        finally:
            close_quietly(self._ops, fd)

    def disarm(self, wait: float) -> None:
        """Put a text in the place of the number, and wait for who is just renaming the log, at most so many seconds. Afterwards
        none of them will, until one is started. Never raises; safe to repeat, and to die in."""
        if not self.armed():
            return
        try:
            fd = self._ops.open_side(self.path)
        except OSError as error:
            self._failed(error)
            return
        try:
            self._wait(fd, max(wait, _PATIENCE))
            stamp = self._stamp(fd)
            if stamp is None:
                return
            self._ops.write_at(fd, NOTICE, 0)
            if self._ops.now() >= stamp:
                self._ops.sleep(_UNLOCKED)
        except OSError as error:
            self._failed(error)
        finally:
            unlock_and_close(self._ops, fd)

    def _failed(self, error: OSError) -> None:
        fault = self._ops.fault(error)
        self._left = self._left or fault is Fault.DENIED
        if fault is not Fault.MISSING:
            self._report("lock file of mpfhandler 0.0.x", error)

    def _wait(self, fd: int, wait: float) -> None:
        """For the lock, which a process of theirs has while it rotates, once it has rotated before."""
        deadline = self._ops.monotonic() + wait
        while not self._ops.try_lock(fd, True) and self._ops.monotonic() < deadline:
            self._ops.sleep(_PAUSE)

    def _stamp(self, fd: int) -> int | None:
        """The number in the file, if it is one of theirs."""
        try:
            data = self._ops.read_at(fd, 11, 0)
            return self._theirs(int(data), self._ops.stat_fd(fd)) if _STAMP.fullmatch(data) else None
        except OSError:
            return None

    def _theirs(self, stamp: int, file: FileStat) -> int | None:
        ahead = stamp - file.mtime_ns // 10**9
        return stamp if file.regular and 0 < ahead <= _AHEAD and stamp % self._step == 0 else None
