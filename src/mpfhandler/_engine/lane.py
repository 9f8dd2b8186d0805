"""A second way to the open segment, for the threads of one process.

CPython lets another thread run during every system call. With one lock around an append, that other thread comes as far as the
lock and sleeps there, while the one that has the lock waits for the interpreter: each record then costs two or three changes of
threads, as much time as everything else together. With a second lock and a second descriptor the other thread appends instead of
sleeping. A third way brings no more. `mpfhandler bench --procs 1 --threads 8` shows what this is worth.

A lane is one more process, as far as the protocol goes: it has its own description of the file, so its own position for the
torn-tail guard, and its own lease. It decides nothing, and its life is one way: opened, left, closed. These hold:

- **L1** A lane belongs to one open segment of the engine (`beside`) and ends with it. It is opened after two threads have met at
  the engine's lock, and not before; both have a side descriptor, so that each can end what it has left unfinished.
- **L2** A thread that has the lane's lock appends if the engine's window lets the record through and, looked at after that, the
  lane is the engine's present one and neither way owes the end of a fragment. A window is opened after the lane that belongs to
  it is in place, so no record of a period goes to another one's file; it is empty while anything waits in memory, so no record
  overtakes an earlier one of its thread.
- **L3** Nobody waits for a lane's lock but `bar`, and that not for long: a signal handler may wait for the engine in there. So
  the engine may rotate, close and fork while a thread is in the lane; that one goes on in the file that its record was meant for,
  as another process would.
- **L4** What fails in a lane its thread brings to the engine, whose window it has closed before; the engine takes over the debt
  and leaves the lane before it does anything else.
- **L5** Who leaves a lane closes it if no other thread is in there, else that thread does when it comes out, else (an exception
  has ended it on the way) the engine's next look. Until it is closed it stands in a list, by which a forked child closes its own.
- **L6** A program that uses the handler's lock has that one lock for all its threads from then on, as in the standard library.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from .._platform import Lock, Operations
from .._pure.options import Access, Options
from .._resources.append import Opening, OpenSegment, open_segment

__all__ = ["Lanes", "nobody"]

_PATIENCE = 0.05  # seconds
_NEVER = float("-inf")


class Engine(Protocol):
    """What lanes are beside. The window of its fast path is read here without its lock, and may be closed without it."""

    clock: Callable[[], float]
    options: Options
    _ops: Operations
    _lo: float
    _due: float
    _look: float
    _limit: int


class Lane:
    """A second descriptor of an open segment. Its lock guards who appends, and who closes it."""

    def __init__(self, beside: OpenSegment, segment: OpenSegment, lock: Lock) -> None:
        self.beside = beside
        self.segment = segment
        self.lock = lock
        self.records = self.bytes = 0
        self.end = 0  # of its last record

    def fits(self, beside: object) -> bool:
        """Whether it is one for this segment, and in order."""
        mine = self.segment
        return beside is self.beside and _ends_fragments(self.beside) and mine.intact() and _ends_fragments(mine)

    def close(self) -> bool:
        """Close it if no other thread is in there; whether that was so. A frame of this thread that is in there finds it closed,
        and goes to the engine. Safe to repeat."""
        lock = self.lock
        try:
            if not lock.acquire(False):
                lock = nobody
                return False
            self.segment.close()
            return True
        finally:
            try:
                lock.release()  # no call before it: a signal handler's exception might come there
            except RuntimeError:
                pass


class Lanes:
    """The lanes of one engine in one process: the present one, and those that are just being left. The engine's lock guards
    every field, but for what says otherwise."""

    def __init__(self, engine: Engine) -> None:
        options = engine.options
        self._engine = engine
        self._lane: Lane | None = None  # read by all threads
        self._open: list[Lane] = []  # all that are not closed
        self._records = self._bytes = self._repaired = 0  # of those that are closed
        # set by any thread:
        self.met = False  # two have
        self.failed: list[Lane] = []  # what the engine is to settle
        self.closer = 0  # the identity of a thread that is closing a lane on its way out: a fork waits for it
        self._barred = options.delivery.buffered or not options.is_plain or options.fsync == "always"  # an append is more there

    @property
    def records(self) -> int:
        """How many were written in lanes."""
        return self._records + sum(lane.records for lane in self._open)

    @property
    def size(self) -> int:
        """Their bytes."""
        return self._bytes + sum(lane.bytes for lane in self._open)

    @property
    def repaired(self) -> int:
        """Stumps of killed writers that were ended before these."""
        return self._repaired + sum(lane.segment.repaired for lane in self._open)

    # any thread

    def write(self, data: bytes, created: float) -> bool:
        """Append a record if that can be done at once; False: it is not written. The engine's lock is not held."""
        engine, lane = self._engine, self._lane
        if lane is None:
            if not self.met:
                self.met, engine._due = True, _NEVER
            return False
        lock = lane.lock
        try:
            if not lock.acquire(False):
                lock = nobody
                return False
            # `_due` first, for that is what keeps a window shut until the rest of it is there
            if not (created < engine._due and engine._lo <= created and engine.clock() < engine._look):
                return False
            if lane is not self._lane or self._barred or self.failed or lane.beside._owed or lane.end >= engine._limit:
                return False
            try:
                lane.end = lane.segment.append(data)
            except BaseException as error:
                engine._due = _NEVER  # before the engine can know of it; and again, for it may have opened meanwhile
                self.failed.append(lane)
                engine._due = _NEVER
                if isinstance(error, OSError):
                    return False
                raise
            lane.records += 1
            lane.bytes += len(data)
            return True
        finally:
            try:
                lock.release()  # no call before it: a signal handler's exception might come there
            except RuntimeError:
                pass
            if lane is not self._lane:
                self._come_out(lane)

    def bar(self) -> None:
        """Have none any more. Who is in one just now is waited for, but not long: it may be waiting for us."""
        self._barred = True
        for lane in self._open.copy():
            lock = lane.lock
            try:
                if not lock.acquire(timeout=_PATIENCE):
                    lock = nobody
            finally:
                try:
                    lock.release()  # no call before it: a signal handler's exception might come there
                except RuntimeError:
                    pass

    # the engine

    def settle(self, segment: object) -> None:
        """Before anything is written or rotated: take over what was left unfinished, and let the descriptors go at the end of a
        period, for a rotation may need them. The engine's window is empty. Safe to repeat.

        Args:
            segment: the engine's.
        """
        lane = self._lane
        if lane is not None and (self.failed or self._engine._ops.now() >= lane.beside.period.end):
            self.leave()
        while self.failed:
            lane = self.failed[0]
            for heir in (lane.beside, segment):
                _take_over(heir, lane.segment)
            del self.failed[0]  # last: what a signal handler's exception ends is done again

    def follow(self, segment: object, *, window: bool) -> None:
        """Be beside this segment from now on. Never raises. The engine's window is empty.

        Args:
            segment: the engine's.
            window: records will be let through.
        """
        lane = self._lane
        if lane is not None and (self._barred or not lane.fits(segment)):
            self.leave()
        if self._lane is None and window and self.met and not self._barred:
            try:
                self._begin(segment)
            except Exception:  # of the disk, or of an audit hook of the program's: there is none, then
                pass
        self._sweep()

    def leave(self) -> None:
        """Have no lane."""
        self._lane = None
        self._sweep()

    def after_fork_in_child(self) -> None:
        """Close what is the parent's. Its other threads are not in here any more."""
        self._lane = None
        for lane in self._open:
            lane.segment.close()  # a frame of this thread that is in there goes to the engine
        self._open, self.failed = [], []
        self._records = self._bytes = self._repaired = 0

    # how

    def _begin(self, beside: object) -> None:
        """The engine's lease is held meanwhile, so this one is had, too."""
        if not isinstance(beside, OpenSegment) or beside._owed:
            return
        ops, path, end = self._engine._ops, beside.path, beside.terminator
        mine, _ = open_segment(ops, path, beside.period, end, Access(), opening=Opening.EXISTING)
        mine.guarded = beside.guarded
        lane = Lane(beside, mine, ops.threads.lock())
        self._open.append(lane)
        if mine.file == beside.file and lane.fits(beside):  # looked at last: since then the process may have forked
            self._lane = lane

    def _come_out(self, lane: Lane) -> None:
        try:
            self.closer = self._engine._ops.threads.identity()
            lane.close()
        finally:
            self.closer = 0

    def _sweep(self) -> None:
        for lane in self._open.copy():
            if lane is not self._lane and lane.close():
                try:
                    self._open.remove(lane)
                except ValueError:  # a signal handler that logged, closed or forked in there has done it
                    continue
                self._records += lane.records
                self._bytes += lane.bytes
                self._repaired += lane.segment.repaired


def _ends_fragments(segment: OpenSegment) -> bool:
    """Whether what is left unfinished there can be ended in place, unless the disk fails; and the position is ours alone."""
    return segment._side is not None and not segment.shared


def _take_over(heir: object, segment: OpenSegment) -> None:
    """Have one end what the other has left unfinished, if it is the same file. Safe to repeat."""
    if not isinstance(heir, OpenSegment) or heir.file != segment.file or not segment._owed:
        return
    if not heir._owed or segment._cut[2] >= heir._cut[2]:  # of two the later one: that ends both
        heir._owed, heir._cut = segment._owed, segment._cut


class _Nobody:
    """Stands for a lock that is not held."""

    def release(self) -> None:
        """Nothing to do."""


nobody: Any = _Nobody()
