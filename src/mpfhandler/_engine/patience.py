"""How long a logging call waits for the rotation lock: one stall a process, not one a record (promise P3)."""

from __future__ import annotations

from collections.abc import Callable

from .._platform import Operations
from .._pure.options import Options
from .._resources.lock import RotationLock
from .._resources.report import Reporter
from .._resources.tracefile import Trace
from .backoff import Backoff

__all__ = ["LockPatience"]

# With `locking="record"` a busy log's lock is nearly always somebody's: a look alone would never find it free.
_SHORT = 0.2  # seconds
_LOCK_RETRY = 1.0  # seconds between two tries at a rotation without the lock


class LockPatience:
    """Knows whether somebody has waited in vain. The engine's lock guards every call.

    Args:
        ops: the system calls.
        lock: that is waited for.
        options: checked.
        trace: the debug file.
        report: is told when the lock was not had.
    """

    def __init__(self, ops: Operations, lock: RotationLock, options: Options, trace: Trace, report: Reporter) -> None:
        self._ops = ops
        self._lock = lock
        self._longest = options.lock_timeout
        self._shortest = min(_SHORT, options.lock_timeout) if options.locks_records else 0.0
        self._needed = options.locks_records  # for each record
        self._trace = trace
        self._report = report
        self.timeouts = 0
        self.missed = False  # the open segment is to be rotated first, and the lock for that was not had
        self._again = 0.0  # monotonic: when that is tried again

    def seconds(self) -> float:
        """To wait now."""
        return self._shortest if self._lock.stalled else self._longest

    def of_append(self, late: bool) -> float | None:
        """The same for a record, see `LockedAppends`; None: not at all, for the file would be one of a period that is over. What
        goes to a late record's own segment cannot be misplaced."""
        return None if self.missed and not late else self.seconds()

    def stall(self) -> None:
        """The lock was not had in time: from now on it is only tried, until it is had again."""
        if not self._lock.stalled:
            self.timeouts += 1
            text = f"{self._lock.path}: held by another process for over {self._longest} s"
            self._trace("lock timeout", seconds=self._longest)
            self._report("lock", TimeoutError(text))
        self._lock.stalled = True

    def miss(self) -> float:
        """The same, where a rotation is due; the pause until it is tried again. A record that needs the lock itself waits for it:
        else it would stand in the file of a period that is over."""
        self.stall()
        self.missed, self._again = self._needed, self._ops.monotonic() + _LOCK_RETRY
        return _LOCK_RETRY

    def fail(self, retry: Backoff) -> None:
        """A rotation has failed: put the next one off. Where it is the lock that cannot be had at all, a record that needs it too
        waits for the next try: else, with a lock that is there again by then, it would stand in the file of a period that is
        over."""
        now = self._ops.monotonic()
        if self._needed and self._lock.broken:
            self.missed, self._again = True, now + _LOCK_RETRY
            retry.wait(now, _LOCK_RETRY)
        else:
            retry.failed(now)

    def waits(self, retry: Callable[[], None]) -> bool:
        """Whether records are still to wait for that: one of many waits for the lock, not each. Else it is forgotten.

        Args:
            retry: is called where the lock was had since, by a late record: then it is worth trying at once.
        """
        if self.missed and not self._lock.stalled and not self._lock.broken:
            retry()
        self.missed = self.missed and self._ops.monotonic() < self._again
        return self.missed

    def renew(self) -> None:
        """It is worth waiting for again."""
        self._lock.stalled = False
