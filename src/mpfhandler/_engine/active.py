"""The segment that a process writes to, and everything that keeps it the right one: looks, rotations, forks, late segments.

Knows the rotation protocol and its failures, but no record. The engine's lock guards every call and every field.
Whatever fails here leaves the process with a file to write to, if there is any.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._platform import Fault, FileId, Operations
from .._protocols.rotation import Outcome, Rotation
from .._pure.options import Options
from .._pure.plan import Demand
from .._resources.append import Incomplete, OpenSegment, Superseded
from .._resources.lock import RotationLock
from .._resources.locked import LockedAppends
from .._resources.report import Reporter
from .._resources.stream import OpenStream
from .._resources.tracefile import Trace
from .attempts import Attempts
from .backoff import Backoff
from .closed import ClosedSegments
from .late import LateSegments
from .patience import LockPatience
from .place import Place, make_folders

if TYPE_CHECKING:
    from .._protocols.hooks import Hooks

__all__ = ["Active"]

_LOOK_EVERY = 1.0  # seconds between two looks whether the name still leads to our file
_OPEN_RETRY = (0.05, 1.0)  # seconds before a log that is gone and cannot be opened is tried again: at first, at most
_NEVER = float("-inf")


class Active:
    """The open segment of one process. Owns it and the late ones.

    Args:
        ops: the system calls.
        place: the paths.
        options: checked.
        terminator: of every record.
        hooks: the user's namer and rotator.
        trace: the debug file.
        report: is told what fails.
    """

    def __init__(
        self,
        ops: Operations,
        place: Place,
        options: Options,
        terminator: bytes,
        hooks: Hooks,
        trace: Trace,
        report: Reporter,
    ) -> None:
        self._ops = ops
        self._place = place
        self._options = options
        self._hooks = hooks
        self._trace = trace
        self._report = report
        self._lock = RotationLock(ops, place.lock, options.access, report, place.log, options.schedule.unit_seconds)
        self.patience = LockPatience(ops, self._lock, options, trace, report)
        self.locked = LockedAppends(ops, self._lock, place.log, self.patience.of_append, self.patience.stall)
        self.rotation = Rotation(ops, place.log, options, self._lock, hooks, trace, report)
        self.closed = ClosedSegments(ops, self.rotation.segments, hooks, options, trace, report)
        self.terminator = terminator
        self.segment: OpenSegment | OpenStream | None = None
        self.made: list[str] = []  # folders that mkdir=True made
        self.rotations = 0
        self._late = LateSegments(self.rotation, options.late_grace)
        self._demand = Demand.NOTHING
        self._looked = self._looked_up = _NEVER  # both clocks at the last look at the name, if that did not take long
        self._fresh = False  # the position is shared since a fork: open anew before the next record
        self._retry = Attempts(ops, trace, report)
        self._open_retry = Backoff(*_OPEN_RETRY)
        self._repaired = 0
        self._guarded = True  # all records of this process have ended alike

    # questions

    @property
    def repaired(self) -> int:
        """Stumps of killed writers that were ended before a record of this process."""
        return self._repaired + self._late.repaired + (self.segment.repaired if self.segment is not None else 0)

    def window(self) -> tuple[float, float, float]:
        """When a record goes to the open segment without another look: if its `created` is in [first, second), and the monotonic
        clock has not reached the third. Records a little older than the last look are still on their way.

        Never for a stream, or where an append is more than a write: what happens in between must not be re-entered.
        """
        segment = self.segment
        if not isinstance(segment, OpenSegment) or not self.settled or not self._options.is_plain:
            return _NEVER, _NEVER, _NEVER
        start, end = segment.period
        look = self._looked_up + _LOOK_EVERY
        return max(float(start), self._looked - _LOOK_EVERY), float(end), look

    @property
    def settled(self) -> bool:
        """Whether nothing is to be opened anew before the next record, nor otherwise to be done."""
        return not self._fresh and self._demand is Demand.NOTHING

    def due(self, now: float) -> bool:
        """Whether a record made now would rotate first."""
        return self.segment is not None and not self._place.special and now >= self.segment.period.end

    # the open segment

    def join(self) -> None:
        """Open the log without rotating it, even if a rotation is due: that is left to the first record.

        Raises:
            OSError: it cannot be opened.
        """
        self._retry.clear()
        self._demand = Demand.JOIN
        try:
            self._look(self._ops.now(), must=True)
        finally:
            self._demand = Demand.NOTHING
            self._looked = _NEVER

    def force(self, now: float) -> None:
        """Rotate, whatever the clock says."""
        self.retry_now()
        self._demand = Demand.FORCE
        try:
            self.refresh(now)
        finally:
            self._demand = Demand.NOTHING

    def retry_now(self) -> None:
        """What failed may be tried again at once."""
        self.patience.missed = False
        self._retry.clear()
        self._open_retry.clear()

    def ask_split(self) -> None:
        """The open segment has reached maxBytes: the next record splits it."""
        if self._demand is Demand.NOTHING and not self._place.special:
            self._demand = Demand.SPLIT

    def refresh(self, now: float) -> None:
        """Look whether the open segment is still the right one: at most once a second by either clock, unless the clock says that
        it is not. Never raises; what fails is reported and tried again later."""
        if self.patience.waits(self.retry_now):
            return
        segment, clock = self.segment, self._ops.monotonic()
        lately = 0 <= now - self._looked < _LOOK_EVERY and clock < self._looked_up + _LOOK_EVERY
        must = segment is None or self._fresh or self._demand is not Demand.NOTHING
        if segment is not None and not must:
            must = now >= segment.period.end or now < segment.period.start - self._options.late_grace
            if must and lately and clock < self._retry.until:
                return  # it could not be rotated: go on here
        if not must and lately:
            return
        try:
            self._look(now, must=must)
        except Exception as error:  # whatever it is, the record is written or waits
            self._open_retry.failed(self._ops.monotonic())
            self._report("open", error)
        self._looked, self._looked_up = (now, clock) if self._ops.monotonic() < clock + _LOOK_EVERY else (_NEVER, _NEVER)
        if self._demand is Demand.SPLIT:
            self._demand = Demand.NOTHING
        self.closed.give_names()

    def target(self, created: float) -> OpenSegment | OpenStream | None:
        """The segment for a record: the open one, or an earlier one within its grace (promise P2)."""
        segment = self.segment
        if not isinstance(segment, OpenSegment) or created >= segment.period.start or not self._keeps_late():
            return segment
        try:
            late = self._late.find(created, (self._ops.now(), self._ops.monotonic()), self.terminator, self.patience.seconds())
        except TimeoutError:
            self.patience.stall()
            late = None
        except (OSError, ValueError, OverflowError) as error:  # not to be had, or a time that no calendar has
            self._report("late record", error)
            late = None
        if late is not None:
            self._trace("late record", created=created, segment=late.path)
        return late or segment

    def gone(self, error: OSError, segment: OpenSegment | OpenStream) -> bool:
        """Whether it is the descriptor that failed, not the disk: then the log is opened anew before the next record."""
        if isinstance(error, Superseded):  # renamed under us: follow
            self._late.drop(segment)
            self._fresh = self._fresh or segment is self.segment
        elif not isinstance(error, Incomplete) and self._ops.fault(error) in {Fault.CLOSED, Fault.STALE}:
            self._descriptor_gone(segment)
        else:
            return False
        return True

    def _descriptor_gone(self, segment: OpenSegment | OpenStream) -> None:
        """Somebody closed our descriptors (a daemon that closes everything), or a server has forgotten the file: open anew."""
        self._trace("descriptor closed, or stale", segment=segment.path)
        if not segment.intact():
            segment.close()  # now, because a new one may get the same number
        if segment is not self.segment:
            self._late.drop(segment)
            return
        self._fresh = True
        self._retry.clear()

    def let_go(self, files: set[FileId]) -> None:
        """Close those of these closed segments that are kept for late records."""
        self._late.let_go(files)

    def change_terminator(self, terminator: bytes, *, mixed: bool) -> None:
        """Records end otherwise from now on. Where there are some with the old end (`mixed`), the torn-tail guard could not tell
        them from stumps, and is switched off."""
        self.terminator = terminator
        self._guarded = self._guarded and not mixed
        if isinstance(self.segment, OpenSegment):
            self.segment.terminator = terminator
            self.segment.guarded = self._guarded

    def close(self) -> None:
        """Close everything. The next `refresh` opens the log again, whatever failed before."""
        self.retry_now()
        self._late.close()
        self._replace(None)

    # forks

    def after_fork_in_parent(self) -> None:
        """The child shares our position and may move it."""
        if isinstance(self.segment, OpenSegment):
            self.segment.shared = True
            self._fresh = True

    def give_leases_up(self) -> None:
        """Keep the append descriptor alone, and open anew before the next record."""
        self._late.close()
        if isinstance(self.segment, OpenSegment):
            self.segment.after_fork_in_child(own=True)
            self._fresh = True

    def after_fork_in_child(self) -> None:
        """Close what is the parent's, but for the append descriptor: it may be the only one this process will ever have."""
        self._lock.after_fork_in_child()
        self.locked.after_fork_in_child()
        self._late.close()
        self._late = LateSegments(self.rotation, self._options.late_grace)
        self._repaired = self.rotations = self.patience.timeouts = 0
        self._retry.after_fork_in_child()
        self.retry_now()
        if self.segment is not None:
            self.segment.after_fork_in_child()
        self._fresh = isinstance(self.segment, OpenSegment)

    # how

    def _look(self, now: float, *, must: bool) -> None:
        self._lock.settle()
        self._late.expire(now)
        if not must and self._still_ours():
            return
        clock = self._ops.monotonic()
        if self._place.special:
            if clock >= self._open_retry.until:
                self._open_stream()
        elif clock >= self._retry.until:
            self._rotate()
        elif clock >= self._open_retry.until:  # no rotation now, but a file to write to is needed at once
            self._go_on(self._mine())

    def _still_ours(self) -> bool:
        segment = self.segment
        if segment is None or not segment.intact() or segment.shared:
            return False
        # A guess of its period may be wrong: who has the lock knows.
        return not isinstance(segment, OpenSegment) or (segment.agreed and segment.named() and self._lock.unchanged())

    def _mine(self) -> OpenSegment | None:
        return self.segment if isinstance(self.segment, OpenSegment) else None

    def _open_stream(self) -> None:
        if self.segment is not None and self.segment.intact():
            return
        try:
            self._replace(OpenStream(self._ops, self._place.log, self._options.lock_timeout))
        except OSError as error:
            if self._ops.fault(error) is not Fault.BUSY:
                raise
            self._open_retry.wait(self._ops.monotonic(), _LOOK_EVERY)  # a fifo that nobody reads yet: records wait in memory

    def _rotate(self) -> None:
        """Run the protocol; whatever becomes of it, there is a file to write to afterwards if there is any."""
        mine = self._mine()
        try:
            followed = self.rotation.follow(mine, self.terminator) if self._may_follow() else None
            outcome = Outcome(followed) if followed is not None else self._run(mine)
        except Exception as error:  # of the system, or of a suffix that makes no names
            self.patience.fail(self._retry)
            self._go_on(mine, error)
            return
        if outcome is None:
            self._lock_busy(mine)
            return
        if outcome.segment is not mine:
            self.closed.ask()
        self._replace(outcome.segment)
        self._open_retry.clear()
        self._retry.ended(outcome)
        if outcome.moved is not None:
            self.rotations += 1
        if followed is None:
            self._report.solved("lock")
        elif mine is not None and followed.file != mine.file:
            self._lock.stalled = False  # somebody has had the lock since, so it is worth waiting for again
        self._report.solved("open")

    def _may_follow(self) -> bool:
        """Not where this machine may remember an old state record."""
        return self._demand is not Demand.FORCE and not self._options.locks_records

    def _run(self, mine: OpenSegment | None) -> Outcome | None:
        try:
            return self.rotation.run(mine, self.terminator, self._demand, self.patience.seconds())
        except OSError as error:
            if not self._options.mkdir or self._ops.fault(error) is not Fault.MISSING:
                raise
        self.made += make_folders(self._ops, self._place.log, self._options.access)
        return self.rotation.run(mine, self.terminator, self._demand, self.patience.seconds())

    def _lock_busy(self, mine: OpenSegment | None) -> None:
        """Go on without a rotation, and try again later."""
        self._retry.wait(self._ops.monotonic(), self.patience.miss())
        self._go_on(mine)

    def _go_on(self, mine: OpenSegment | None, because: Exception | None = None) -> None:
        """No rotation now: write to the file in hand while the log's name leads to it, else to the one that is there.

        If that cannot be opened either, a descriptor that still works is better than none: it may be the inherited one of a
        worker that dropped its privileges, or lead to a log that was renamed when the folder became read-only. Not one to a file
        without a name: there records would vanish; in memory they wait, and are counted if they are lost.
        """
        try:
            self._open_without_lock(mine)
        except OSError as error:
            if because is not None and getattr(because, "errno", None) != error.errno:  # one cause is told once
                self._report("rotation", because)
            if self.segment is None:
                raise
            self._report("open", error)
            self._open_retry.failed(self._ops.monotonic())
            return
        self._open_retry.clear()
        self._report.solved("open")
        if because is not None:
            self._report("rotation", because)

    def _open_without_lock(self, mine: OpenSegment | None) -> None:
        if mine is not None and mine.intact() and not mine.shared and mine.named():
            self._fresh = False
            if not mine.certain and self.rotation.learn(mine):
                self._retry.clear()
            return
        try:
            self._replace(self.rotation.without_lock(self.terminator))
        except OSError:
            if mine is None or not mine.intact() or mine.nameless():
                self._replace(None)
            else:
                mine.lease()
                self._fresh = False
            raise

    def _replace(self, segment: OpenSegment | OpenStream | None) -> None:
        """Write to this segment from now on; keep the one before for late records, or close it."""
        before, self.segment = self.segment, segment
        if isinstance(segment, OpenSegment):
            segment.follow(before, guarded=self._guarded)
        self._fresh = False
        if before is None or before is segment:
            return
        if isinstance(before, OpenSegment) and isinstance(segment, OpenSegment) and self._serves_late(before, segment):
            self._late.keep(before)
            return
        self._repaired += before.repaired
        before.repaired = 0
        before.close()

    def _serves_late(self, before: OpenSegment, after: OpenSegment) -> bool:
        usable = not before.shared and before.agreed and before.intact() and not before.nameless()
        return self._keeps_late() and not self._options.locks_records and before.period != after.period and usable

    def _keeps_late(self) -> bool:
        """Not with a rotator: it is waiting for all writers to let the file go."""
        return self._options.late_grace > 0 and self._hooks.rotator() is None
