"""A second way to the open segment, for the threads of one process.

CPython lets another thread run during every system call. With one lock around an append, that other thread comes as far as the
lock and sleeps there, while the one that has the lock waits for the interpreter: each record then costs two or three changes of
threads, as much time as everything else together. With a second lock and a second descriptor the other thread appends instead of
sleeping. A third way brings no more. `mpfhandler bench --procs 1 --threads 8` shows what this is worth.

A lane is one more process, as far as the protocol goes: it has its own description of the file, so its own position for the
torn-tail guard, and its own lease. It decides nothing: it appends what the engine's window lets through, and what it cannot
append its thread brings to the engine. It is opened when two threads have met at the engine's lock, and not before.

Locks: nobody waits for a lane's lock. So the engine may rotate, close and fork while a thread is in the lane: that one goes on in
the file that its record was meant for, as another process would, and its descriptor is closed when it has come out. Who waited
for it might wait for ever, for a signal handler may wait for the engine in there. The engine's lock is also the handler's, with
which a program keeps other threads out: who is about to take it for that shuts the lane (`shut`, `keep_out`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from .._platform import Lock, Operations
from .._pure.options import Access
from .._pure.schedule import Period
from .._resources.append import Opening, OpenSegment, open_segment
from .appender import Appender

__all__ = ["Lane", "nobody"]

_PATIENCE = 0.05  # seconds


class Engine(Protocol):
    """What a lane is beside. The window of its fast path is read here without its lock."""

    now: Callable[[], float]
    _ops: Operations
    _appender: Appender
    lock: Lock
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
        self.shut = False  # a program is about to have the engine's lock, or has it; until the engine looks after the lane again
        self.unfit = False  # to be left: it has met an error, or shares its position with a forked child
        self._refused = 0  # `id` of the engine's segment that could not be opened a second time
        self._keepers: list[bool] = []  # calls of `keep_out` that are under way
        self._before = 0  # records, when it was opened
        self._repaired = 0
        self._segment: OpenSegment | None = None
        self._way: tuple[Callable[[bytes], int], Period] | None = None  # to it, and whose records go there

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
                self.calls = not self._refused
                return False
            if self.shut:
                return False
            append, (start, end) = way
            if not (start <= created < end and engine._lo <= created < engine._due and engine.now() < engine._look):
                return False
            try:
                size = append(data)
            except OSError:
                self.calls = self.unfit = True
                self._way = None
                return False
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
        if self._refused != id(segment):
            self._refused = 0
        if window and self.calls and self._segment is None and not self._refused:
            self._refused = id(segment)
            self._open(beside)
        self.calls = False
        self.shut = bool(self._keepers)
        if self._segment is not None and beside is not None:
            self._segment.period = beside.period
            self._way = self._segment.append, beside.period

    def keep_out(self) -> None:
        """Take the engine's lock, and keep everybody out of the lane until `let_in`. Who is in there just now is waited for, but
        not long: it may be waiting for us."""
        self._engine.lock.acquire()
        self._keepers.append(True)
        self.shut = True
        if self.lock.acquire(timeout=_PATIENCE):
            self.lock.release()

    def let_in(self) -> None:
        """Give the engine's lock up.

        Raises:
            RuntimeError: this thread does not have it.
        """
        self._engine.lock.release()
        del self._keepers[-1:]

    def prepare(self, heir: object) -> None:
        """Before the engine does anything else: end what was left unfinished, and let the descriptors go if the period is over,
        for a rotation may need them."""
        segment = self._segment
        if self.unfit or (segment is not None and self._engine.now() >= segment.period.end):
            self.leave(heir)

    def leave(self, heir: object) -> None:
        """Have no segment any more. What an unfinished record has left is its heir's to end. Another thread that is in there has
        it as long as it is, and its last reference closes it; a frame of this thread finds it closed, and goes to the engine."""
        segment, self._segment, self._way, self.unfit = self._segment, None, None, False
        if segment is None:
            return
        self.calls = self.records > self._before  # where threads have met they will meet again
        alone = self.lock.acquire(False)
        try:
            self._repaired += segment.repaired
            if alone:
                if isinstance(heir, OpenSegment):
                    heir.follow(segment, guarded=heir.guarded)
                segment.close()
        finally:
            if alone:
                self.lock.release()

    def after_fork_in_child(self) -> None:
        """Close what is the parent's. Its other threads are not in here any more."""
        segment, self._segment, self._way = self._segment, None, None
        if segment is not None:
            segment.close()

    def _open(self, segment: OpenSegment | None) -> None:
        """The engine's lease is held meanwhile, so this one is had, too."""
        if segment is None or self._engine.now() >= segment.period.end or not self._engine._appender.plain:
            return
        ops, path, end = self._engine._ops, segment.path, segment.terminator
        try:
            mine, _ = open_segment(ops, path, segment.period, end, Access(), opening=Opening.EXISTING)
        except OSError:
            return
        if mine.file != segment.file:
            mine.close()
            return
        mine.guarded = segment.guarded
        self._segment, self._refused, self._before = mine, 0, self.records


class _Nobody:
    """Stands for a lock that is not held."""

    def release(self) -> None:
        """Nothing to do."""


nobody: Any = _Nobody()
