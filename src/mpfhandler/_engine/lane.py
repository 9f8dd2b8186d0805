"""A second way to the open segment, for the threads of one process.

CPython lets another thread run during every system call. With one lock around an append, that other thread comes as far as the
lock and sleeps there, while the one that has the lock waits for the interpreter: each record then costs two or three changes of
threads, as much time as everything else together. With a second lock and a second descriptor the other thread appends instead of
sleeping. A third way brings no more. `mpfhandler bench --procs 1 --threads 8` shows what this is worth.

A lane is like one more process that writes to the same file: it has its own description, so its own position for the torn-tail
guard. It takes no lease, for it is never used longer than the engine's own segment is open. It decides nothing: it appends what
the engine's window lets through, and what it cannot append its thread brings to the engine. It is opened when two threads have
met at the engine's lock, and not before.

Locks: the engine's before the lane's, never the other way round; who has only the lane's does not wait for anything. The engine
empties its window and then `settle`s before it changes anything, so nobody is in a lane then, but for a frame of this very
thread that a signal handler has interrupted: its segment is not closed under it, but let go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from .._platform import FileId, Lock, Operations
from .._pure.options import Access
from .._resources.append import Opening, OpenSegment, open_segment
from .appender import Appender

__all__ = ["Gate", "Lane", "nobody"]


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
    """The second way of one engine in one process. `lock` guards it; what is changed needs the engine's lock, too."""

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
        self._append: Callable[[bytes], int] | None = None
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
            append = self._append
            if append is None:
                self.calls = self._segment is not None or self._refused is None
                return False
            if not (engine._lo <= created < engine._due and engine.now() < engine._look):
                return False
            before, self._writing = self._writing, engine._ops.threads.identity()
            try:
                end = append(data)
            except OSError:
                self.calls = self.unfit = True
                self._append = None
                return False
            finally:
                self._writing = before
            self.records += 1
            self.bytes += len(data)
            if end >= engine._limit:
                self._append = None  # the engine is to see it
            return True
        finally:
            try:
                lock.release()  # no call before it: an exception might come there
            except RuntimeError:
                pass

    def settle(self, segment: object) -> None:
        """Wait until no other thread is in here. The engine's window is empty, so none comes. `segment`: the engine's."""
        if self._segment is None:
            self.unfit = False
            return
        try:
            self.lock.acquire()
        finally:
            try:
                self.lock.release()
            except RuntimeError:
                pass
        if self.unfit:
            self.leave(segment)

    def follow(self, segment: object, *, window: bool) -> None:
        """Be beside this segment from now on. Nobody is in here. Never raises an `OSError`.

        Args:
            segment: the engine's.
            window: records are let through.
        """
        beside = segment if isinstance(segment, OpenSegment) and not segment.shared else None
        mine = self._segment
        if mine is not None and not (beside is not None and beside.file == mine.file and mine.intact()):
            self.leave(segment)
        if beside is None or beside.file != self._refused:
            self._refused = None
        if beside is not None and window and self.calls and self._segment is None and self._refused is None:
            self._open(beside)
        self.calls = False
        if self._segment is not None:
            self._append = self._segment.append

    def retire(self, heir: object) -> None:
        """Empty the window, settle and leave. The engine's lock is held."""
        self._engine._due = float("-inf")
        self.settle(heir)
        self.leave(heir)

    def leave(self, heir: object = None) -> None:
        """Close the descriptor, which no other thread is at; what an unfinished record has left is its heir's to end."""
        segment, self._segment, self._append, self.unfit = self._segment, None, None, False
        if segment is None:
            return
        self.calls = self.records > self._before  # where threads have met they will meet again
        self._repaired += segment.repaired
        if isinstance(heir, OpenSegment):
            heir.follow(segment, guarded=heir.guarded)
        if self._writing != self._engine._ops.threads.identity():
            segment.close()

    def _open(self, segment: OpenSegment) -> None:
        ops, self._refused = self._engine._ops, segment.file
        if not self._engine._appender.plain:
            return
        try:
            mine, _ = open_segment(
                ops, segment.path, segment.period, segment.terminator, Access(), opening=Opening.EXISTING, lease=False
            )
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
        """Whether both were had, each within that time (seconds); if not, neither is held."""
        lock, lane = self._engine.lock, self._engine._lane.lock
        one = two = None
        try:
            one = lock.acquire(blocking, timeout)
            two = lane.acquire(blocking, timeout) if one else False
        finally:  # an exception may have come just when it was had
            if one is not False and not two:
                _give_up(lock)
            if one and two is None:
                _give_up(lane)
        return bool(two)

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
