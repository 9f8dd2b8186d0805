"""The thread that flushes a buffer: once in an interval, and when a period ends.

A daemon: started by a record, gone when it finds the buffer empty, so that a log which is written steadily starts no thread for
each flush. It is never alive over a fork.

The end of a period counts, whatever the interval: what was logged before it is to be in the file of its period (promise P2),
which other processes rotate away by then. A record that comes late, for a period that is over, has only the grace. So a flusher
with a long interval looks at least once a second whether there is such a one, or somebody has set the clock.
"""

from __future__ import annotations

from collections.abc import Callable

from .._platform import Joinable, Patience
from .._pure.schedule import Period
from .._resources import fork
from .._resources.calling import end_if_forked
from .writer import Writer

__all__ = ["Flusher"]

_EVER = float("inf")
_LOOK_EVERY = 1.0  # seconds between two looks of a flusher with a longer interval
_STOPS_FOR = 3.0  # seconds: if a signal handler's exception ends a hook, nobody says that the fork is over
_AFTER_DEFECT = 0.05  # seconds


class Flusher:
    """The flusher of one buffer.

    Args:
        writer: the engine, for its clock and schedule.
        late: whether something waits that is of before a time.
        pending: whether something is to be flushed.
        flush: does it.
    """

    def __init__(
        self, writer: Writer, late: Callable[[float], bool], pending: Callable[[], bool], flush: Callable[[], None]
    ) -> None:
        self._writer = writer
        self._threads = writer._ops.threads
        self._interval = writer.options.delivery.interval
        self._late = late
        self._pending = pending
        self._flush = flush
        self.renew()

    def renew(self) -> None:
        """There is none: a forked child does not have its parent's."""
        self._gate = self._threads.lock()
        self._wake = self._threads.signal()
        # guarded by _gate:
        self.thread: Joinable | None = None
        self.runner = 0  # its identity
        # hints, no lock:
        self._starting = False
        self._stop: Patience | None = None  # a fork is under way, or the end
        self._stopper = 0  # the thread that said so

    def start(self) -> bool:
        """Whether there is one, or will be. A signal handler that logs while the thread is started is told that it will. So are
        others during a fork; who is forking itself has none: perhaps an exception has ended the fork, and nobody begins one."""
        if self.thread is not None or self._starting:
            return True
        if self._stops():
            return self._stopper != self._threads.identity()
        self._starting = True
        gate = self._gate
        try:
            with gate:
                if self.thread is None:
                    thread = self._threads.start(self._run, "mpfhandler-flusher")
                    if self._gate is gate:  # else a signal handler has forked in there: the child does not have that thread
                        self.thread = thread
        except RuntimeError:  # no more threads, or the interpreter is shutting down
            return False
        finally:
            self._starting = False
        return self._gate is gate

    def wake(self) -> None:
        """Have it flush now."""
        self._wake.give()

    def finish(self, patience: float) -> None:
        """Wait at most so many seconds for its end."""
        thread = self.thread
        if thread is not None and self.runner != self._threads.identity():
            thread.join(patience)

    def stop(self, seconds: float = _STOPS_FOR) -> None:
        """Flush once more, and end; no other one begins meanwhile."""
        self._stop, self._stopper = Patience(seconds), self._threads.identity()
        self._wake.give()

    def go_on(self) -> None:
        """It may be started again."""
        self._stop = None

    def _stops(self) -> bool:
        return self._stop is not None and self._stop.left() > 0

    # in the thread

    def _run(self) -> None:
        me = self.runner = self._threads.identity()
        try:
            with fork.ours(me):
                while True:
                    self._once()
                    end_if_forked(self._threads, me)
                    if self._ended(me):
                        return
        finally:  # no memory: the next record begins another one
            if self.runner == me:
                self.thread, self.runner = None, 0

    def _once(self) -> None:
        try:
            self._wait()
            self._flush()
        except BaseException:  # a defect, or a namer that calls `sys.exit`, must not end the flushing
            self._threads.pause(_AFTER_DEFECT)

    def _ended(self, me: int) -> bool:
        """Whether this thread has nothing to do any more. A record is appended without a lock, and then looks whether there is a
        thread: so that is taken back first, and then the buffer is looked at."""
        with self._gate:
            if self.runner != me:  # a namer has forked here: this is the child, which starts its own
                return True
            thread, self.thread = self.thread, None
            if not self._stops() and self._pending():
                self.thread = thread
                return False
            self.runner = 0
            return True

    def _wait(self) -> None:
        """Until the interval is over, or somebody calls, or the period of a record is, or one has come late."""
        start, end = self.period(self._writer.now()) or (-_EVER, _EVER)
        left = self._interval
        while left > 0 and (step := min(left, _LOOK_EVERY, end - self._writer.now())) > 0:
            if self._wake.wait(step) or not self._pending():
                return
            left -= step
            if left > 0 and self._late(start):
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
