"""The rotation protocol. Everything that processes agree on about the active file happens here, under the rotation lock.

    R0 follow: somebody else has rotated already and said so ──► open that file, done (no lock)
      │ no
      ▼
    R1 lock ──► R2 look ──► R3 decide ──┬─ adopt ───────────────────────► R5 take ──► R6 record ──► R7 unlock
      │ busy        ▲                   ├─ create ──────────────────────►    │
      ▼             │                   └─ rotate ──► R4 move ──────────►    │
    go on with      │                                  │ fails: adopt what is there, try again later
    the file in     └── the lock or the file changed ──┘ under us: once more from R1
    hand

Who does them: R0 `follow`, R1 `RotationLock.acquire`, R2 `_look`, R3 `plan.decide`, R4 `_move`, R5 `_take`,
R6 `_record`, R7 `HeldLock.release`.

Invariants (tests and docs cite them by number):
- I1  Nothing is decided from what was seen before the lock: R2 reads the name, the state record and the clock anew, and
      once more if another period has begun meanwhile.
- I2  A name is only ever moved onto a free name, in one step of the kernel's, or with what stands in for it (promise P4).
- I3  What is moved is the file that was decided about: it is looked at just before, and again under its new name; a
      wrong one is moved back, or to a name of its own period if its own name is taken by then, or may be in between.
- I4  Between any two steps the process may die. The next one to lock finds the old file under the log's name (R2
      decides as before), or no file there (create), or a file that the state record does not name (its own time or
      its emptiness tells its period).
- I5  A writer with an open descriptor is never cut off: files are renamed, never truncated or copied; only unleased ones go.
- I6  The lease is taken while the rotation lock is held, or (R0) before a last look whether the log's name leads to
      the file: a sealer of a segment that has its name sees every writer there will be.
- I7  A step that fails leaves the process with a file to write to, if there is any.

Who may interleave: writers, at any point (they take no lock). Other rotators, only if the lock file was deleted under one of
them; I2 and I3 are for that. Anybody who moves or deletes the log from outside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from .._platform import Fault, FileStat, Operations
from .._pure.errors import ScheduleMismatch
from .._pure.options import Options
from .._pure.plan import Action, Demand, Evidence, Plan, decide, names_present, period_of
from .._pure.schedule import Period
from .._pure.state import State
from .._resources.access import dated
from .._resources.append import Opening, OpenSegment, open_segment
from .._resources.lock import HeldLock, RotationLock
from .._resources.report import Reporter
from .._resources.tracefile import Trace
from .hooks import Hooks
from .segments import Segments

__all__ = ["Outcome", "Rotation"]

_LOOKS = 20  # while the clock goes from one period to the next each time
_WAITS, _PAUSE = 3, 0.005  # rounds in which a late record's segment that somebody has is waited for; seconds after each
_ROUNDS = 5  # each new round needs another deletion of the lock file or move of the log at just the wrong moment


class _ChangedUnderUs(Exception):
    """The lock file or the log was replaced between two steps; `moved` is what this process had renamed before."""

    def __init__(self, moved: str | None = None) -> None:
        super().__init__(moved)
        self.moved = moved


@dataclass(frozen=True)
class Outcome:
    """What a rotation gave.

    Attributes:
        segment: to write to from now on; it may be the caller's own.
        moved: the segment's path, if this process renamed the log.
        failed: the rename could not be done; the caller goes on and tries again later.
    """

    segment: OpenSegment
    moved: str | None = None
    failed: bool = False


class Rotation:
    """The protocol for one log in one process. Keeps nothing between two runs but its collaborators."""

    def __init__(
        self,
        ops: Operations,
        path: str,
        options: Options,
        lock: RotationLock,
        hooks: Hooks,
        trace: Trace,
        report: Reporter,
    ) -> None:
        self._ops = ops
        self._path = path
        self._options = options
        self._lock = lock
        grace = options.late_grace
        self.segments = Segments(ops, path, options.schedule, hooks, report, late_grace=grace, hides=options.hides)
        self._trace = trace
        self._report = report

    def run(self, mine: OpenSegment | None, terminator: bytes, demand: Demand, wait: float) -> Outcome | None:
        """Bring the log's name and this process into the present period; None if the lock was not had within `wait` seconds.

        Args:
            mine: what this process writes to. It stays open and usable whatever happens here.
            terminator: of the records of this process.
            demand: a wish beside the clock's.
            wait: for the rotation lock, in seconds.

        Raises:
            OSError: no file can be opened. Everything is as some earlier moment left it; calling again is safe.
        """
        deadline = self._ops.monotonic() + wait
        moved: str | None = None
        for _ in range(_ROUNDS):
            held = self._lock.acquire(deadline - self._ops.monotonic())
            if held is None:
                return None
            try:
                outcome = self._locked(held, mine, terminator, demand if moved is None else Demand.NOTHING)
                return replace(outcome, moved=outcome.moved or moved)
            except _ChangedUnderUs as changed:
                moved = changed.moved or moved
                self._trace("again", because="the lock file or the log changed")
            finally:
                self._lock.release(held)
        raise FileNotFoundError(f"{self._path}: the log or its lock file was replaced {_ROUNDS} times during one rotation")

    def follow(self, mine: OpenSegment | None, terminator: bytes) -> OpenSegment | None:
        """R0: open the file that another process has rotated in already, without the lock; None if that is not the case.
        The same after a fork, for a process that shares its descriptor.

        At a boundary one process of many rotates and the others only have to follow: with the lock they would queue for
        it, and with more busy processes than cores the last one waits long. Safe without it, because the state
        record names this very inode (that of a removed log, whose inode a new one may get, is cleared first) and a period
        that has begun and not ended, and because after the lease was taken the log's name still leads to it: such a file is
        nobody's to seal or rename for this period. Safe to repeat.
        """
        state = self._lock.peek()
        found = self._find()
        if state is None or found is None or not names_present(state, found, self._ops.now(), self._options.schedule):
            return None
        if mine is not None and mine.file == found.id and not mine.shared:
            return None
        try:
            segment = self._open(state.period, terminator, Opening.EXISTING)
        except OSError:
            return None
        if segment.file == found.id and _surely(lambda: self._ops.stat_path(self._path).id == found.id):
            return segment
        segment.close()
        return None

    def without_lock(self, terminator: bytes) -> OpenSegment:
        """Open the log as it is, for a process that cannot have the lock and has no file yet. Renames nothing.

        Raises:
            OSError: it cannot be opened. Safe to repeat.
        """
        for _ in range(_ROUNDS):
            found = self._find()
            period, certain = self._told(found)
            segment = self._open(period, terminator, Opening.ANY)
            segment.certain = certain
            if segment.named() and (found is None or segment.file == found.id):
                return segment
            segment.close()  # who has the lock rotated between our look and our lease: the period was another file's
        raise FileNotFoundError(f"{self._path}: the log was replaced {_ROUNDS} times while it was opened")

    def learn(self, mine: OpenSegment) -> bool:
        """Take the guessed period of this file from the state record, without the lock; False if that does not tell of it yet."""
        found = self._find()
        period, certain = self._told(found)
        if found is None or found.id != mine.file or not certain:
            return False
        mine.period, mine.certain = period, True
        return True

    def _told(self, found: FileStat | None) -> tuple[Period, bool]:
        """The period of what was found as the log, as it can be told without the lock, and whether the state record tells it."""
        now = self._ops.now()
        if found is None:
            return self.period(now), False
        state = self._lock.peek()
        period = period_of(found, Evidence(now, found, state, None), self._options.schedule, self._options.late_grace)
        return period, state is not None and state.file == found.id

    def reopen(self, created: float, terminator: bytes, wait: float) -> OpenSegment | None:
        """The segment of a period that is over but still in its grace, for a late record; None if it has been
        compressed. Where the period had no record yet, its segment is created.

        Raises:
            TimeoutError: the lock is busy.
            OSError: it cannot be opened. Safe to repeat.
        """
        held = self._lock.acquire(wait)
        if held is None:
            raise TimeoutError(f"{self._lock.path}: held by another process for over {wait} s")
        try:
            period, state = self._options.schedule.period(created), held.read_state()
            if state is not None and state.period.start != period.end:
                state = None  # it tells of another period which segment is the last
            for number in range(1, _ROUNDS + 1):
                place = self.segments.late(period, 0 if state is None else state.before, beside=number > _WAITS)
                segment = None if place is None else self._open_late(*place, period, terminator)
                if segment is not None and state is not None and state.before != segment.file.inode:
                    self._write_state(held, replace(state, before=segment.file.inode))
                if place is None or segment is not None:
                    return segment
                if place[1] is Opening.EXISTING:
                    self._ops.sleep(_PAUSE)  # somebody is just deleting it, or opening it; a sealer takes longer
            return None
        finally:
            self._lock.release(held)

    def _open_late(self, path: str, opening: Opening, period: Period, terminator: bytes) -> OpenSegment | None:
        """A closed segment with its lease; None if somebody has just sealed, deleted or made it."""
        segment: OpenSegment | None = None
        good = False
        try:
            segment, _ = open_segment(self._ops, path, period, terminator, self._options.access, self._trace, opening=opening)
            good = segment.try_lease() and self._ops.stat_path(path).id == segment.file  # in this order: invariant I6
        except OSError as error:
            if self._ops.fault(error) not in {Fault.MISSING, Fault.EXISTS}:
                raise
        finally:
            if segment is not None and not good:
                segment.close()
        return segment if good else None

    def period(self, created: float) -> Period:
        """The period of an instant.

        Raises:
            ValueError, OverflowError: it is no instant that has one.
        """
        return self._options.schedule.period(created)

    # R2 … R6, all under the lock

    def _locked(self, held: HeldLock, mine: OpenSegment | None, terminator: bytes, demand: Demand) -> Outcome:
        seen = self._look(held, mine)
        plan = decide(seen, self._options.schedule, self._options.late_grace, demand, self._options.max_bytes)
        if plan.foreign_schedule:
            self._report("schedule", ScheduleMismatch(self._options.schedule.mismatch))
        moved: str | None = None
        failed = False
        if plan.action is Action.ROTATE and seen.file is not None and plan.closing is not None:
            moved = self._move(held, seen.file, plan.closing)
            if moved is None:
                plan, failed = replace(plan, action=Action.ADOPT, period=plan.closing), True
        if seen.state is not None and plan.action is not Action.ADOPT and seen.state.file != (seen.file and seen.file.id):
            held.clear_state()
        segment = self._take(held, mine, seen, plan, terminator, moved)
        self._record(held, seen, segment, plan, moved)
        return Outcome(segment, moved, failed)

    def _look(self, held: HeldLock, mine: OpenSegment | None) -> Evidence:
        remembered = (mine.file, mine.period) if mine is not None and mine.certain and mine.intact() else None
        for _ in range(_LOOKS):
            seen = Evidence(self._ops.now(), self._find(), held.read_state(), remembered)
            start, end = self.period(seen.now)
            if start <= self._ops.now() < end:
                break
        else:  # stopped each time: what was found may be younger than the clock that was read
            raise _ChangedUnderUs
        if mine is not None and mine.unrecorded and seen.state is not None and seen.state.file == mine.file:
            return seen if seen.state in mine.unrecorded else replace(seen, remembered=None)  # written down since, by somebody
        return seen

    def _move(self, held: HeldLock, file: FileStat, closing: Period) -> str | None:
        """R4: rename the log to a name of its period. None if that cannot be done now; the log is then as it was."""
        try:
            for target in self.segments.targets(closing):
                if self._moved(held, file, target):
                    self._report.solved("rotation")
                    return target
        except OSError as error:
            self._report("rotation", error)
        return None

    def _moved(self, held: HeldLock, file: FileStat, target: str) -> bool:
        """Rename onto this name; False if it is taken. Invariants I2 and I3."""
        found = self._find()
        if not held.current() or found is None or found.id != file.id:
            raise _ChangedUnderUs
        try:
            self._ops.rename_new(self._path, target)
        except OSError as error:
            fault = self._ops.fault(error)
            if fault is Fault.EXISTS:
                return False
            if fault is Fault.MISSING and self._find() is None:  # the log went away since the look
                raise _ChangedUnderUs from None
            raise
        if self._ops.stat_path(target).id != file.id:
            self.segments.put_back(target)
            raise _ChangedUnderUs
        self._trace("rotate", to=target)
        return True

    def _take(
        self, held: HeldLock, mine: OpenSegment | None, seen: Evidence, plan: Plan, terminator: bytes, moved: str | None
    ) -> OpenSegment:
        """R5: the descriptor to write to, with its lease."""
        if plan.action is not Action.ADOPT or seen.file is None:
            return self._create(held, plan, terminator, moved)
        if mine is not None and not mine.shared and mine.file == seen.file.id and mine.intact():
            mine.period, mine.certain = plan.period, True
            return mine
        try:
            segment = self._open(plan.period, terminator, Opening.EXISTING)
        except OSError as error:
            if self._ops.fault(error) is Fault.MISSING:
                raise _ChangedUnderUs from None
            raise
        if segment.file != seen.file.id:
            segment.close()
            raise _ChangedUnderUs
        return segment

    def _create(self, held: HeldLock, plan: Plan, terminator: bytes, moved: str | None) -> OpenSegment:
        """A new log. If somebody was faster, who did not get the lock because this process was stopped for long, it is his, and
        everything is looked at anew; so it is if somebody has written to the new log during such a stop, or may have taken it for
        one of the period that was then, because the lock file was deleted. Else it may be another period that begins."""
        try:
            segment = self._open(plan.period, terminator, Opening.NEW)
        except OSError as error:
            if self._ops.fault(error) is Fault.EXISTS:
                raise _ChangedUnderUs(moved) from None
            raise
        now = self._ops.now()
        if not plan.period.start <= now < plan.period.end:  # a stop, or a clock that was set
            if not _surely(held.current) or not _surely(lambda: self._ops.stat_fd(segment.fileno()).size == 0):
                segment.close()
                raise _ChangedUnderUs(moved)
            segment.period = self._options.schedule.period(now)
        return segment

    def _record(self, held: HeldLock, seen: Evidence, segment: OpenSegment, plan: Plan, moved: str | None) -> None:
        """R6: write down which period the active file belongs to, unless that stands there already."""
        state, before = seen.state, 0
        if moved is not None and seen.file is not None and plan.closing is not None and plan.closing.end == segment.period.start:
            before = seen.file.id.inode
        elif state is not None and state.period == segment.period and state.before != segment.file.inode:
            before = state.before
        known = state is not None and state.file == segment.file and state.period == segment.period
        if known and state is not None and seen.file is not None and seen.file.mtime_ns >= state.mtime_ns:
            return
        fingerprint = state.fingerprint if known and state is not None else self._options.schedule.fingerprint
        segment.unrecorded = (state,)
        try:
            there = dated(self._ops, segment.fileno(), *segment.period)  # who cannot read the state record goes by that
            if held.write_state(State(segment.file, there.mtime_ns, segment.period, fingerprint, before)):
                segment.unrecorded = ()
        except OSError as error:
            self._report("state record", error)

    # helpers

    def _write_state(self, held: HeldLock, state: State) -> None:
        """What cannot be written down, the next process derives."""
        try:
            held.write_state(state)
        except OSError as error:
            self._report("state record", error)

    def _find(self) -> FileStat | None:
        try:
            return self._ops.stat_path(self._path)
        except OSError as error:
            if self._ops.fault(error) is Fault.MISSING:
                return None
            raise

    def _open(self, period: Period, terminator: bytes, opening: Opening) -> OpenSegment:
        access, lease = self._options.access, self._options.late_grace > 0
        segment, failed = open_segment(
            self._ops, self._path, period, terminator, access, self._trace, opening=opening, lease=lease
        )
        if failed is not None:
            self._report("chmod/owner", failed)
        self._trace("open", inode=segment.file.inode, start=period.start, end=period.end)
        return segment


def _surely(look: Callable[[], bool]) -> bool:
    """What a look finds; not so, if it fails: a segment that was just opened must not stay open by an exception."""
    try:
        return look()
    except OSError:
        return False
