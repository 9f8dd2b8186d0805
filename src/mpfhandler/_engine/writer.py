"""The engine: one log file for any number of processes and threads, rotated by the clock. Knows nothing of `logging`.

The fast path is one comparison and one append: `lo <= created < due` means that the open segment is the right one and
was looked at less than a second ago. Everything else, in whatever combination, takes the slow path, which brings the
world in order first (`_refresh`) and then delivers (`_deliver`). Nothing on either path raises an `OSError`: a record that
cannot be written waits in the spill buffer, ahead of newer ones.

Lock: `lock` (re-entrant) guards every field below it. It is taken before the rotation lock, never after it. A signal
handler, a namer or an error handler that logs comes back in on the same thread: `_busy` then says that the slow path is
under way, and the record is queued behind it instead of rotating twice.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from .._platform import Fault, Operations
from .._protocols.handover import hand_over
from .._protocols.hooks import Hooks
from .._protocols.housekeeper import Housekeeper
from .._protocols.retention import excess, sweep
from .._protocols.rotation import Outcome, Rotation
from .._pure.options import Options
from .._pure.plan import Demand
from .._resources import fork
from .._resources.append import Incomplete, OpenSegment
from .._resources.lock import RotationLock
from .._resources.report import Reporter
from .._resources.spill import Lost, Spill
from .._resources.stream import OpenStream
from .._resources.tracefile import Trace
from .late import LateSegments
from .place import Place, make_folders
from .stats import Stats

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Writer"]

_LOOK_EVERY = 1.0  # seconds between two looks whether the name still leads to our file
_LOCK_RETRY = 1.0  # seconds between two tries at a lock that was not had
_WRITE_RETRY = (0.05, 2.0)  # seconds before a failed write is tried again: at first, at most
_ROTATE_RETRY = (1.0, 60.0)
_CLOSE_PATIENCE = 1.0
_NEVER = float("-inf")


class _Backoff:
    """When something that failed may be tried again."""

    def __init__(self, first: float, longest: float) -> None:
        self._first, self._longest = first, longest
        self._pause = 0.0
        self.until = _NEVER

    def failed(self, now: float) -> None:
        self._pause = min(max(self._first, self._pause * 2), self._longest)
        self.until = now + self._pause

    def clear(self) -> None:
        self._pause, self.until = 0.0, _NEVER


class Writer:
    """The engine of one log in one process.

    Args:
        ops: the system calls.
        place: the paths.
        options: checked.
        terminator: of every record; the torn-tail guard looks for it.
        hooks: the user's namer and rotator.
        on_error: is told of each new failure, with no lock of the protocol held; what it raises is ignored.
    """

    def __init__(
        self,
        ops: Operations,
        place: Place,
        options: Options,
        terminator: bytes,
        hooks: Hooks,
        on_error: Callable[[Exception], None] | None,
    ) -> None:
        self.place = place
        self.options = options
        self._ops = ops
        self._hooks = hooks
        self._trace = Trace(ops, place.debug, enabled=options.debug and not place.special, mode=options.access.mode)
        self._report = Reporter(self._trace, on_error)
        self._guardian = RotationLock(ops, place.lock, options.access, self._report)
        self._rotation = Rotation(ops, place.log, options, self._guardian, hooks, self._trace, self._report)
        self._housekeeper = Housekeeper(self._keep)
        self._limit = options.max_bytes or 1 << 62
        self.made: list[str] = []  # folders that mkdir=True made
        self.lock = threading.RLock()
        # guarded by lock:
        self.terminator = terminator
        self._segment: OpenSegment | OpenStream | None = None
        self._late = LateSegments(self._rotation, options.late_grace)
        self._spill = Spill(options.spill_bytes)
        self._lo = self._due = _NEVER  # the window of the fast path; empty
        self._looked = _NEVER  # wall clock of the last look at the name
        self._pid = ops.pid()
        self._busy = False
        self._fresh = False  # after a fork: open anew before the next record
        self._demand = Demand.NOTHING
        self._waiting = True  # perhaps files wait for the user's rotator
        self._lock_stalled = False
        self._rotate_retry = _Backoff(*_ROTATE_RETRY)
        self._write_retry = _Backoff(*_WRITE_RETRY)
        self._records = self._bytes = self._rotations = self._late_count = self._repaired = self._lock_timeouts = 0
        fork.register(self)

    # writing

    def write(self, data: bytes, created: float) -> None:
        """Write one record, terminator included. Never raises an `OSError`; what cannot be written waits in memory."""
        with self.lock:
            if self._lo <= created < self._due:
                try:
                    end = self._segment.append(data)  # type: ignore[union-attr]  # the window is empty without a segment
                except OSError as error:
                    self._append_failed(error, data, created)
                    return
                self._records += 1
                self._bytes += len(data)
                if end >= self._limit:
                    self._ask_split()
            else:
                self._write_slowly(data, created)

    def open(self) -> None:
        """Open the log now instead of at the first record. If a rotation is due, the first record does it.

        Raises:
            OSError: it cannot be opened.
        """
        with self.lock:
            if self._segment is None and not self._busy:
                self._rotate_retry.clear()
                self._demand = Demand.JOIN
                try:
                    self._look(self._ops.now(), must=True)
                finally:
                    self._demand = Demand.NOTHING
                    self._open_window()

    def rotate(self) -> bool:
        """Close the present segment and begin a new one, whatever the clock says; True if that was done."""
        with self.lock:
            if self.place.special or self._busy:
                return False
            before = self._rotations
            self._demand = Demand.FORCE
            self._rotate_retry.clear()
            self._slowly(None)
            self._demand = Demand.NOTHING
            if self._rotations != before and self.options.backup_count:
                self._keep(lambda: False)
            return self._rotations != before

    def flush(self) -> None:
        """Try once more to write what waits in memory. Everything else is in the kernel's hands already."""
        with self.lock:
            if self._spill and not self._busy:
                self._write_retry.clear()
                self._slowly(None)

    def close(self) -> None:
        """Write what waits, as far as that is possible, and close every file. A later write opens the log again."""
        with self.lock:
            self.flush()
            lost = self._spill.give_up()
            if lost:
                self._report("close", OSError(f"{self.place.log}: {lost} records could not be written before close()"))
            self._late.close()
            segment, self._segment = self._segment, None
            self._lo = self._due = _NEVER
            if segment is not None:
                self._repaired += segment.repaired
                segment.close()
        self._housekeeper.finish(_CLOSE_PATIENCE)

    def stats(self) -> Stats:
        """The counters as of now."""
        with self.lock:
            open_ones = self._segment.repaired if self._segment is not None else 0
            return Stats(
                records=self._records,
                bytes=self._bytes,
                rotations=self._rotations,
                late=self._late_count,
                repaired=self._repaired + self._late.repaired + open_ones,
                lock_timeouts=self._lock_timeouts,
                spilled=self._spill.waiting,
                lost=self._spill.lost,
                last_error=self._report.last,
            )

    def now(self) -> float:
        """The wall clock that decides (epoch seconds)."""
        return self._ops.now()

    def change_terminator(self, terminator: bytes) -> None:
        """Records end otherwise from now on; the torn-tail guard looks for this."""
        with self.lock:
            self.terminator = terminator
            if self._segment is not None:
                self._segment.terminator = terminator

    def describe(self) -> str:
        """Schedule and state in a few words, for a `repr`."""
        schedule, segment = self.options.schedule, self._segment
        state = "closed" if segment is None else "waiting for the disk" if self._spill else "open"
        return f"when={schedule.when} interval={schedule.interval} zone={schedule.zone.key} {state}"

    @property
    def segment(self) -> OpenSegment | OpenStream | None:
        """What is open, or None."""
        return self._segment

    @property
    def process(self) -> int:
        """The process that the open files belong to."""
        return self._pid

    def due(self, now: float) -> bool:
        """Whether a record made now would rotate first."""
        segment = self._segment
        if self.place.special:
            return False
        if segment is None:
            return False
        return now >= segment.period.end or self._demand is not Demand.NOTHING

    def excess(self) -> list[str]:
        """The segments that `backup_count` would delete now, oldest first."""
        names = self._rotation.names()
        keep = self.options.backup_count
        return excess(self._ops, names, self._rotation.folder(names), keep) if keep else []

    # forks

    def before_fork(self) -> None:
        """Fork with one thread less."""
        self._housekeeper.before_fork()

    def after_fork_in_parent(self) -> None:
        """The child shares the position of our descriptors and may move it: open anew before the next record."""
        self._housekeeper.after_fork_in_parent()
        self._part()
        self._due = _NEVER

    def after_fork_in_child(self) -> None:
        """Forget what the parent's other threads were doing; open anew before the next record."""
        self._housekeeper.after_fork_in_child()
        if not self.lock._is_owned():  # type: ignore[attr-defined]
            self.lock._at_fork_reinit()  # type: ignore[attr-defined]  # as `logging` does with its own
            self._busy = False
        self._pid = self._ops.pid()
        self._guardian.after_fork_in_child()
        self._late.close()
        self._late = LateSegments(self._rotation, self.options.late_grace)
        self._spill.clear()
        if self._segment is not None:
            self._segment.after_fork_in_child()
        self._part()
        self._lo = self._due = _NEVER
        self._records = self._bytes = self._rotations = self._late_count = self._repaired = self._lock_timeouts = 0

    def _part(self) -> None:
        if isinstance(self._segment, OpenSegment):
            self._segment.shared = True
            self._fresh = True

    # the slow path

    def _write_slowly(self, data: bytes, created: float) -> None:
        if self._busy:
            self._write_meanwhile(data, created)
        else:
            self._slowly((data, created))

    def _write_meanwhile(self, data: bytes, created: float) -> None:
        """A record that was made inside the slow path, by the same thread: queued, and written before the outer call
        returns. Written at once where the open segment is the right one, for the outer call may be killed."""
        self._due = _NEVER
        segment = self._segment
        if segment is not None and not self._spill and segment.period.start <= created < segment.period.end:
            try:
                self._written(segment.append(data), data)
                return
            except OSError:
                pass
        self._spill.add(data, created)

    def _slowly(self, record: tuple[bytes, float] | None) -> None:
        """Bring the world in order, then deliver what waits and this record, in order."""
        self._busy = True
        try:
            now = self._ops.now()
            self._refresh(now)
            if self._spill:
                if record is not None:
                    self._spill.add(*record)
                self._drain()
            elif record is not None and not self._deliver(*record):
                self._spill.add(*record)
            if self._spill:  # filled meanwhile, by a namer or a signal handler
                self._drain()
            if self._looked == now:
                self._hand_over()
        finally:
            self._busy = False
            self._open_window()

    def _refresh(self, now: float) -> None:
        """Look whether the open segment is still the right one, at most once a second unless the clock says it is not."""
        if self._pid != self._ops.pid():  # a fork that no hook told us of
            self.after_fork_in_child()
        segment = self._segment
        must = segment is None or self._fresh or self._demand is not Demand.NOTHING
        if segment is not None and not must:
            grace = self.options.late_grace
            must = now >= segment.period.end or now < segment.period.start - grace
        if must or not 0 <= now - self._looked < _LOOK_EVERY:
            try:
                self._look(now, must=must)
            except Exception as error:  # whatever it is, the record is written or waits
                self._rotate_retry.failed(self._ops.monotonic())
                self._report("open", error)

    def _look(self, now: float, *, must: bool) -> None:
        self._late.expire(now)
        if not must and self._still_ours():
            self._looked = now
            return
        if self._ops.monotonic() >= self._rotate_retry.until:
            if self.place.special:
                self._open_stream()
            else:
                self._run_rotation()
        self._looked = now
        if self._demand is Demand.SPLIT:
            self._demand = Demand.NOTHING

    def _still_ours(self) -> bool:
        segment = self._segment
        if segment is None or not segment.intact():
            return False
        if self.place.special:
            return True
        try:
            return self._ops.stat_path(self.place.log).id == segment.file and self._guardian.unchanged()
        except OSError as error:
            if self._ops.fault(error) is Fault.MISSING:
                return False
            raise

    def _open_stream(self) -> None:
        if self._segment is None or not self._segment.intact():
            self._replace(OpenStream(self._ops, self.place.log, self.options.lock_timeout))

    def _run_rotation(self) -> None:
        """Run the protocol; whatever becomes of it, there is a file to write to afterwards if there is any."""
        mine = self._segment if isinstance(self._segment, OpenSegment) else None
        wait = 0.0 if self._lock_stalled else self.options.lock_timeout
        try:
            outcome = self._rotate_or_make_folder(mine, wait)
        except OSError as error:
            self._keep_what_there_is(mine, error)
            return
        if outcome is None:
            self._lock_busy(mine)
            return
        self._lock_stalled = False
        self._report.solved("lock")
        self._report.solved("open")
        self._replace(outcome.segment)
        self._rotate_retry.clear()
        if outcome.failed:
            self._rotate_retry.failed(self._ops.monotonic())
        if outcome.moved is not None:
            self._rotations += 1
            self._waiting = self._hooks.rotator() is not None
            if self.options.backup_count and self._demand is not Demand.FORCE:
                self._housekeeper.ask()

    def _rotate_or_make_folder(self, mine: OpenSegment | None, wait: float) -> Outcome | None:
        try:
            return self._rotation.run(mine, self.terminator, self._demand, wait)
        except OSError as error:
            if not self.options.mkdir or self._ops.fault(error) is not Fault.MISSING:
                raise
        self.made += make_folders(self._ops, self.place.log, self.options.access)
        return self._rotation.run(mine, self.terminator, self._demand, wait)

    def _keep_what_there_is(self, mine: OpenSegment | None, error: OSError) -> None:
        """Nothing could be opened. A descriptor that still works is better than none: it may be the inherited one of a
        worker that dropped its privileges, or lead to a log that was renamed when the folder became read-only."""
        self._rotate_retry.failed(self._ops.monotonic())
        if mine is None or not mine.intact():
            if mine is not None:
                self._replace(None)
            raise error
        self._report("open", error)
        if mine.shared:
            mine.lease()
        self._fresh = False

    def _lock_busy(self, mine: OpenSegment | None) -> None:
        """Go on with the file in hand. Only the first wait is a long one: one stall a process, not one a record."""
        if not self._lock_stalled:
            self._lock_timeouts += 1
            self._trace("lock timeout", seconds=self.options.lock_timeout)
            self._report("lock", TimeoutError(f"{self.place.lock}: held by another process for over {self.options.lock_timeout} s"))
        self._lock_stalled = True
        self._rotate_retry.until = self._ops.monotonic() + _LOCK_RETRY
        if mine is None or mine.shared or not mine.intact():
            self._replace(self._rotation.without_lock(self.terminator))

    def _replace(self, segment: OpenSegment | OpenStream | None) -> None:
        """Write to this segment from now on; keep the one before for late records, or close it."""
        self._fresh = False
        before = self._segment
        if before is segment:
            return
        self._segment = segment
        if before is None:
            return
        self._repaired += before.repaired
        before.repaired = 0
        keep = isinstance(before, OpenSegment) and segment is not None and before.period != segment.period and before.intact()
        if keep and isinstance(before, OpenSegment) and not before.shared and not self._hooks.rotator():
            self._late.keep(before)
        else:
            before.close()

    def _open_window(self) -> None:
        """Set the fast path's window: until the period ends or the next look is due, whichever comes first."""
        segment = self._segment
        if segment is None or self._spill or self._fresh or self._demand is not Demand.NOTHING:
            self._lo = self._due = _NEVER
            return
        start, end = segment.period
        look = self._looked + _LOOK_EVERY
        if end <= self._looked:  # the rotation could not be done: go on here until it is tried again
            start, end = max(start, self._looked - _LOOK_EVERY), look
        self._lo = max(float(start), self._looked - _LOOK_EVERY)
        self._due = min(float(end), look)

    def _ask_split(self) -> None:
        """The segment has reached maxBytes: the next record splits it."""
        if self._demand is Demand.NOTHING and not self.place.special:
            self._demand = Demand.SPLIT
            self._due = _NEVER

    # delivery

    def _deliver(self, data: bytes, created: float) -> bool:
        """Append to the file of the record's period; False if it could not be written."""
        for attempt in range(2):
            segment = self._target(created)
            if segment is None:
                return False
            try:
                end = segment.append(data)
            except OSError as error:
                if attempt or self._ops.fault(error) is not Fault.CLOSED:
                    return self._not_written(error)
                self._reopen_closed(segment)
                continue
            self._written(end if segment is self._segment else 0, data)
            if segment is not self._segment:
                self._late_count += 1
            return True
        return False

    def _target(self, created: float) -> OpenSegment | OpenStream | None:
        segment = self._segment
        if not isinstance(segment, OpenSegment) or created >= segment.period.start or not self.options.late_grace:
            return segment
        if self._hooks.rotator():
            return segment
        try:
            late = self._late.find(created, self._ops.now(), self._ops.monotonic(), self.terminator)
        except (OSError, ValueError, OverflowError) as error:  # a time that no calendar has
            self._report("late record", error)
            late = None
        if late is not None:
            self._trace("late record", created=created, segment=late.path)
        return late or segment

    def _written(self, end: int, data: bytes) -> None:
        self._records += 1
        self._bytes += len(data)
        if end >= self._limit:
            self._ask_split()

    def _not_written(self, error: OSError) -> bool:
        self._write_retry.failed(self._ops.monotonic())
        self._report("write", error)
        return False

    def _append_failed(self, error: OSError, data: bytes, created: float) -> None:
        """The fast path's append failed: the descriptor is gone (open anew), or the disk is full (wait)."""
        if not isinstance(error, Incomplete) and self._ops.fault(error) is Fault.CLOSED:
            self._fresh = True
        elif not self._busy:
            self._not_written(error)
            self._spill.add(data, created)
            self._due = _NEVER
            return
        self._due = _NEVER
        self._write_slowly(data, created)

    def _reopen_closed(self, segment: OpenSegment | OpenStream) -> None:
        """Somebody closed our descriptors: a daemon that closes everything."""
        self._trace("descriptor closed by somebody else", segment=segment.path)
        if segment is not self._segment:
            self._late.drop(segment)
            return
        self._fresh = True
        self._rotate_retry.clear()
        self._refresh(self._ops.now())

    def _drain(self) -> None:
        """Write what waits, oldest first, as far as it goes."""
        if self._ops.monotonic() < self._write_retry.until:
            return
        while (waiting := self._spill.first()) is not None:
            data, created = self._notice(waiting) if isinstance(waiting, Lost) else waiting
            if not self._deliver(data, created):
                return
            self._spill.done()
        self._write_retry.clear()
        self._report.solved("write")

    def _notice(self, lost: Lost) -> tuple[bytes, float]:
        """The line that stands where records are missing."""
        first, last = self._moment(lost.first), self._moment(lost.last)
        text = f"mpfhandler: {lost.count} records lost between {first} and {last}: they could not be written and memory for them was full"
        return text.encode(self.options.encoding, self.options.errors) + (self.terminator or b"\n"), lost.last

    def _moment(self, created: float) -> str:
        try:
            wall = self.options.schedule.wall(int(created))
            return f"{wall}.{int(created % 1 * 1000):03}"
        except (ValueError, OverflowError, OSError):
            return repr(created)

    # after a rotation

    def _keep(self, stop: Callable[[], bool]) -> None:
        """Delete what `backup_count` leaves over. Runs in the housekeeper's thread, or in `rotate()`; takes no lock."""
        names = self._rotation.names()
        for path in sweep(self._ops, names, self._rotation.folder(names), self.options.backup_count, self._report, stop):
            self._trace("delete", path=path)

    def _hand_over(self) -> None:
        rotator = self._hooks.rotator() if self._waiting else None
        if rotator is not None:
            self._waiting = not hand_over(self._ops, self._rotation.names(), rotator, self._report)
