"""A second way to the open segment, for the threads of one process.

CPython lets another thread run during every system call. With one lock around an append, that other thread comes as far as the
lock and sleeps there, while the one that has the lock waits for the interpreter: each record then costs two or three changes of
threads, as much time as everything else together. With a second lock and a second descriptor the other thread appends instead of
sleeping. A third way brings no more. `mpfhandler bench --procs 1 --threads 8` shows what this is worth.

A lane is one more process, as far as the protocol goes: it has its own description of the file, so its own position for the
torn-tail guard, and its own lease. It decides nothing: it appends what the engine's window lets through, and what it cannot
append its thread brings to the engine. It is opened when two threads have met at the engine's lock, and not before.

Locks: nobody waits for a lane's lock, but for the program's own `Gate`. So the engine may rotate, close and fork while a thread
is in the lane: that one goes on in the file that its record was meant for, as another process would, and its descriptor is closed
when it has come out. Who waited for it might wait for ever, for a signal handler may wait for the engine in there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from .._platform import FileId, Lock, Operations
from .._pure.options import Access
from .._pure.schedule import Period
from .._resources.append import Opening, OpenSegment, open_segment
from .appender import Appender

__all__ = ["Gate", "Lane", "nobody"]

_WAIT, _PAUSE = 0.002, 0.0005  # seconds that the lane's lock is waited for with the engine's in hand; between two tries


class Engine(Protocol):
    """What a lane is beside. The window of its fast path is read here without its lock."""

    lock: Lock
    now: Callable[[], float]
    _ops: Operations
    _appender: Appender
    _lane: Lane
    _lo: float
    _due: float
    _look: float
    _limit: int


class Lane:
    """The second way of one engine in one process. The engine's lock guards which segment it has, its own who appends to that."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.lock = engine._ops.threads.lock()
        self.records = self.bytes = 0
        self.calls = False  # the engine is to look after it: two threads have met, or something failed
        self.unfit = False  # to be left: it has met an error, or shares its position with a forked child
        self._refused: FileId | None = None  # could not be opened a second time
        self._before = 0  # records, when it was opened
        self._repaired = 0
        self._segment: OpenSegment | None = None
        self._way: tuple[Callable[[bytes], int], Period] | None = None  # to it, and whose records go there
        self._writing = 0  # the thread that is in an append

    @property
    def repaired(self) -> int:
        """Stumps of killed writers that were ended before a record."""
        return self._repaired + (0 if self._segment is None else self._segment.repaired)

    def write(self, data: bytes, created: float) -> bool:
        """Append a record if that can be done at once; False: it is not written. The engine's lock is not held."""
        engine, lock = self._engine, self.lock
        try:
            if not lock.acquire(False):
                return False
            way = self._way  # read once: another thread may be rotating
            if way is None:
                self.calls = self._segment is not None or self._refused is None
                return False
            append, (start, end) = way
            if not (start <= created < end and engine._lo <= created < engine._due and engine.now() < engine._look):
                return False
            before, self._writing = self._writing, engine._ops.threads.identity()
            try:
                size = append(data)
            except OSError:
                self.calls = self.unfit = True
                self._way = None
                return False
            finally:
                self._writing = before
            self.records += 1
            self.bytes += len(data)
            if size >= engine._limit:
                self._way = None  # the engine is to see it
            return True
        finally:
            try:
                lock.release()  # no call before it: an exception might come there
            except RuntimeError:
                pass

    def follow(self, segment: object, *, window: bool) -> None:
        """Be beside this segment from now on. Never raises an `OSError`. The engine's lock is held, and its window empty.

        Args:
            segment: the engine's.
            window: records will be let through.
        """
        beside = segment if isinstance(segment, OpenSegment) and not segment.shared else None
        mine = self._segment
        if mine is not None and not (beside is not None and beside.file == mine.file and mine.intact() and not mine.shared):
            self.leave(segment)
        if beside is None or beside.file != self._refused:
            self._refused = None
        if beside is not None and window and self.calls and self._segment is None and self._refused is None:
            self._open(beside)
        self.calls = False
        if self._segment is not None and beside is not None:
            self._way = self._segment.append, beside.period

    def leave_if_unfit(self, heir: object) -> None:
        """Before the engine writes."""
        if self.unfit:
            self.leave(heir)

    def leave(self, heir: object) -> None:
        """Have no segment any more. What an unfinished record has left is its heir's to end. Who is still in there has it for as
        long as he is, and his last reference closes it."""
        segment, self._segment, self._way, self.unfit = self._segment, None, None, False
        if segment is None:
            return
        self.calls = self.records > self._before  # where threads have met they will meet again
        alone = self.lock.acquire(False)
        try:
            self._repaired += segment.repaired
            if alone and self._writing != self._engine._ops.threads.identity():
                if isinstance(heir, OpenSegment):
                    heir.follow(segment, guarded=heir.guarded)
                segment.close()
        finally:
            if alone:
                self.lock.release()

    def after_fork_in_child(self) -> None:
        """Close what is the parent's; of its threads none is in here any more, but perhaps this one."""
        segment, self._segment, self._way = self._segment, None, None
        if segment is not None and self._writing != self._engine._ops.threads.identity():
            segment.close()

    def _open(self, segment: OpenSegment) -> None:
        """The engine's lease is held meanwhile, so this one is had, too."""
        ops, self._refused = self._engine._ops, segment.file
        if not self._engine._appender.plain:
            return
        try:
            mine, _ = open_segment(ops, segment.path, segment.period, segment.terminator, Access(), opening=Opening.EXISTING)
        except OSError:
            return
        if mine.file != segment.file:
            mine.close()
            return
        mine.guarded = segment.guarded
        self._segment, self._refused, self._before = mine, None, self.records


class Gate:
    """Both locks as one: who has it keeps every other thread out, as with the lock of a handler of the standard library."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Whether both were had within that time (seconds); if not, neither is held."""
        ops, lock, lane = self._engine._ops, self._engine.lock, self._engine._lane.lock
        until = ops.monotonic() + timeout if blocking and timeout >= 0 else None
        one: bool | None = None
        while True:
            two: bool | None = None
            try:
                one = lock.acquire(blocking, timeout if until is None else max(0.0, until - ops.monotonic()))
                two = one and lane.acquire(blocking, _WAIT if blocking else -1)
            finally:  # an exception may have come just when it was had
                if one is not False and not two:
                    _give_up(lock)
                if one and two is None:
                    _give_up(lane)
            if two or not one or not blocking or (until is not None and ops.monotonic() >= until):
                return two
            ops.sleep(_PAUSE)  # with neither: a signal handler of who is in the lane may be waiting for the other one

    def release(self) -> None:
        """Give both up. In a child that was forked meanwhile that is nothing."""
        _give_up(self._engine._lane.lock)
        _give_up(self._engine.lock)

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, _kind: object, _error: object, _trace: object, /) -> None:
        self.release()


def _give_up(lock: Lock) -> None:
    try:
        lock.release()
    except RuntimeError:  # not held
        pass


class _Nobody:
    """Stands for a lock that is not held."""

    def release(self) -> None:
        """Nothing to do."""


nobody = _Nobody()
