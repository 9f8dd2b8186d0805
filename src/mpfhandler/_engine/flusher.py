"""The thread that flushes a buffer: once in an interval, and when a period ends.

A daemon: started by a record, gone when it finds the buffer empty, so that a log which is written steadily starts no thread for
each flush. It is never alive over a fork.

The end of a period counts, whatever the interval: what was logged before it is to be in the file of its period (promise P2),
which other processes rotate away by then. A record that comes late, for a period that is over, has only the grace. So a flusher
with a long interval looks at least once a second whether there is such a one, or somebody has set the clock.
"""

from __future__ import annotations

from collections.abc import Callable

from .._platform import Joinable
from .._pure.schedule import Period
from .entries import Entry
from .writer import Writer

__all__ = ["Flusher"]

_EVER = float("inf")
_LOOK_EVERY = 1.0  # seconds between two looks of a flusher with a longer interval


class Flusher:
    """The flusher of one buffer.

    Args:
        writer: the engine, for its clock and schedule.
        entries: what is in the buffer; never another list.
        pending: whether something is to be flushed.
        flush: does it.
    """

    def __init__(self, writer: Writer, entries: list[Entry], pending: Callable[[], bool], flush: Callable[[], None]) -> None:
        self._writer = writer
        self._threads = writer._ops.threads
        self._interval = writer.options.delivery.interval
        self._entries = entries
        self._pending = pending
        self._flush = flush
        self.renew()

    def renew(self) -> None:
        """There is none: a forked child does not have its parent's."""
        self._gate = self._threads.lock()
        self._wake = self._threads.signal()
        # guarded by _gate:
        self.thread: Joinable | None = None
        self._runner = 0  # its identity
        # hints, no lock:
        self._starting = self._stop = False

    def start(self) -> bool:
        """Whether there is one, or will be. A signal handler that logs while the thread is started is told that it will."""
        if self.thread is not None or self._starting or self._stop:
            return True
        self._starting = True
        try:
            with self._gate:
                if self.thread is None:
                    self.thread = self._threads.start(self._run, "mpfhandler-flusher")
        except RuntimeError:  # no more threads, or the interpreter is shutting down
            return False
        finally:
            self._starting = False
        return True

    def wake(self) -> None:
        """Have it flush now."""
        self._wake.give()

    def finish(self, patience: float) -> None:
        """Wait at most so many seconds for its end."""
        thread = self.thread
        if thread is not None and self._runner != self._threads.identity():
            thread.join(patience)

    def before_fork(self) -> None:
        """Begin no other flush, and end."""
        self._stop = True
        self._wake.give()

    def after_fork_in_parent(self) -> None:
        """It may be started again."""
        self._stop = False

    # in the thread

    def _run(self) -> None:
        me = self._runner = self._threads.identity()
        while not self._ended(me):
            self._wait()
            if self._ended(me):
                return
            try:
                self._flush()
            except Exception:
                continue  # a defect in what is written must not end the flushing

    def _ended(self, me: int) -> bool:
        """Whether this thread has nothing to do any more. A record is appended without a lock, and then looks whether there is a
        thread: so that is taken back first, and then the buffer is looked at."""
        with self._gate:
            if self._runner != me:  # a namer has forked here: this is the child, which starts its own
                return True
            thread, self.thread = self.thread, None
            if not self._stop and self._pending():
                self.thread = thread
                return False
            self._runner = 0
            return True

    def _wait(self) -> None:
        """Until the interval is over, or somebody calls, or the period of a record is, or one has come late."""
        start, end = self.period(self._writer.now()) or (-_EVER, _EVER)
        left, seen = self._interval, 0
        while left > 0 and (step := min(left, _LOOK_EVERY, end - self._writer.now())) > 0:
            if self._wake.wait(step) or not self._pending():
                return
            left -= step
            fresh = self._entries[seen:] if left > 0 else []
            seen += len(fresh)
            if any(_is_before(entry, start) for entry in fresh):
                return

    def period(self, now: float) -> Period | None:
        """The time around this one that is of one period both by the schedule and by the open segment; None if no calendar has
        it."""
        segment = self._writer.segment
        try:
            start, end = self._writer.options.schedule.period(now)
        except (ValueError, OverflowError, OSError):
            return None
        if segment is not None and segment.period.start <= now < segment.period.end:
            return Period(max(start, segment.period.start), min(end, segment.period.end))
        return Period(start, end)


def _is_before(entry: Entry, start: float) -> bool:
    return isinstance(entry, tuple) and not isinstance(entry, Period) and entry[1] < start
