"""What an engine does in its housekeeper's thread.

*The work* is what a record, `close()` or `rotate()` has asked for: deletions, a user's rotator; after it records that wait for
the disk are tried again.

*The life* is what comes due by itself, for logs whose options ask for such a thing (`Options.keeps_house`): where no record
comes, somebody else has to do what the next one would have done.

- A segment that takes no records any more is let go, and with it the lease, before which nobody can seal it: late ones at the end
  of their grace, the open one at the end of its period and grace, or when it has been renamed within its period. The next record
  opens the log again. Not if it perhaps could not: a worker that has dropped its rights keeps what it has inherited.
- With `rotate_idle` the log is rotated at the end of its period. One without a record stays, and is that of the present period as
  soon as the grace is over: an idle night makes no empty segments.
- Sealed segments are seen to, and those deleted that age, size or free space leave over.

Everything is looked at again at least once a minute: clocks are set, and other processes rename.
"""

from __future__ import annotations

import os.path
from collections.abc import Callable
from typing import Protocol

from .._platform import Fault, FileId, Lock, Operations
from .._pure.options import Options
from .._pure.plan import Demand
from .._resources.append import OpenSegment
from .active import Active
from .backlog import Backlog
from .place import Place

__all__ = ["Background", "Engine"]

_LOOK_EVERY = 60.0  # seconds between two looks at an idle log, and at rules that time alone may make apply
_BUSY_PAUSE = 1.0  # seconds, if another thread is at the log just now
_PATIENCE = 0.05  # seconds that the engine's lock is waited for
_LEAST = 0.001  # seconds
_EVER = float("inf")


class Engine(Protocol):
    """What is needed of the engine; its lock guards all of it."""

    lock: Lock
    options: Options
    place: Place
    _ops: Operations
    _active: Active
    _backlog: Backlog
    _busy: bool

    def _run(self, prepare: Callable[[], None]) -> None: ...
    def _refresh(self) -> None: ...


class Background:
    """The background work of one engine. Takes the engine's lock only for what a record would have it for."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.flush: Callable[[], object] = _nothing  # what is in memory is written before a rotation
        self._closed = False  # the log, by the program
        self._changed = True  # another segment is open than at the last look
        self._seal_at: float | None = None  # by the monotonic clock
        self._prune_at = float("-inf")
        self._attend_at = _EVER

    def changed(self) -> None:
        """There may be a segment that was not there before."""
        self._changed, self._closed = True, False

    def closed(self) -> None:
        """The log is closed: nothing opens it but the next record. The engine's lock is held."""
        self._closed = True

    # work

    def work(self, stop: Callable[[], bool]) -> None:
        """Everything that no logging call is to wait for."""
        self._engine._active.closed.tidy(stop, self.let_go)

    def let_go(self, files: set[FileId]) -> None:
        """Close those of these files that are kept for late records."""
        engine = self._engine
        with engine.lock:
            if not engine._busy:
                engine._active.let_go(files)

    def write_waiting(self) -> bool:
        """Try what waits for the disk again, when that is due: perhaps no further record comes to do it. Whether something still
        waits."""
        engine = self._engine
        waiting = engine._backlog
        if waiting and engine._ops.monotonic() >= waiting.retry.until and engine.lock.acquire(timeout=_PATIENCE):
            try:
                if not engine._busy:
                    engine._run(engine._refresh)
            finally:
                engine.lock.release()
        return bool(engine._backlog)

    # life

    def live(self, stop: Callable[[], bool]) -> float | None:
        """Everything that comes due without a record; seconds until the next look, None if nothing comes."""

        def attending() -> bool:
            """Asked between two steps of what may take minutes: a boundary does not wait for it."""
            if self._engine._ops.monotonic() >= self._attend_at:
                self._attend()
            return stop()

        self._attend()
        pauses: list[float | None] = []
        if not stop():
            pauses.append(self._seal(attending))
        if not stop():
            pauses.append(self._prune(attending))
        if self._attend_at < _EVER:
            pauses.append(self._attend_at - self._engine._ops.monotonic())
        return min((max(_LEAST, pause) for pause in pauses if pause is not None), default=None)

    def _seal(self, stop: Callable[[], bool]) -> float | None:
        now = self._engine._ops.monotonic()
        if not self._changed and (self._seal_at is None or now < self._seal_at):
            return None if self._seal_at is None else self._seal_at - now
        self._changed = False
        pause = self._engine._active.closed.seal(stop, self.let_go)
        self._prune_at = now  # what was compressed counts for less
        self._seal_at = None if pause is None else self._engine._ops.monotonic() + min(pause, _LOOK_EVERY)
        return None if pause is None else min(pause, _LOOK_EVERY)

    def _prune(self, stop: Callable[[], bool]) -> float | None:
        if not self._engine.options.prunes:
            return None
        now = self._engine._ops.monotonic()
        if now >= self._prune_at:
            self._engine._active.closed.delete(stop, self.let_go)
            self._prune_at = now + _LOOK_EVERY
        return self._prune_at - now

    def _attend(self) -> None:
        self._attend_at = _EVER  # not within itself: a hook may ask
        pause = self._look_after()
        self._attend_at = _EVER if pause is None else self._engine._ops.monotonic() + pause

    def _look_after(self) -> float | None:
        """Do for the open segments what a record would do; seconds until that is due again, None: nothing is open."""
        engine = self._engine
        if not engine.lock.acquire(timeout=_PATIENCE):
            return _BUSY_PAUSE
        try:
            if engine._busy:
                return _BUSY_PAUSE
            if self._closed:  # while the lock was waited for, or a compression was under way
                return None
            engine._active._late.expire(engine._ops.now())
            if engine.options.rotate_idle and self._period_is_over():
                self.flush()
                if self._rotation_is_due():
                    engine._run(self._rotate)
            if self._is_over() and not engine._backlog and self._can_be_opened():
                engine._run(self._give_up)
            engine._active.closed.give_names()
            return self._next_look()
        finally:
            engine.lock.release()

    def _rotate(self) -> None:
        active = self._engine._active
        active._demand = Demand.IDLE
        try:
            self._engine._refresh()
        finally:
            active._demand = Demand.NOTHING

    def _give_up(self) -> None:
        active = self._engine._active
        if active.segment is not None:
            active._trace("let go", segment=active.segment.path)
        active._replace(None)

    def _open(self) -> OpenSegment | None:
        segment = self._engine._active.segment
        return segment if isinstance(segment, OpenSegment) else None

    def _period_is_over(self) -> bool:
        segment = self._open()
        return segment is None or self._engine._ops.now() >= segment.period.end

    def _rotation_is_due(self) -> bool:
        """Whether the period is over, and for a log without a record its grace."""
        segment, grace = self._open(), self._engine.options.late_grace
        if segment is None:
            return True
        return self._engine._ops.now() >= segment.period.end + (grace if self._is_empty(segment) else 0.0)

    def _is_empty(self, segment: OpenSegment) -> bool:
        try:
            return self._engine._ops.stat_fd(segment.fileno()).size == 0
        except OSError:
            return False

    def _is_over(self) -> bool:
        """Whether no record will come to the open segment."""
        segment = self._open()
        if segment is None:
            return False
        now, grace = self._engine._ops.now(), self._engine.options.late_grace
        if segment.period.end <= now < segment.period.end + grace:
            return False
        over = now >= segment.period.end and not self._engine.options.rotate_idle
        return over or not segment.named()

    def _can_be_opened(self) -> bool:
        """Whether the next record could open the log, as far as that can be told."""
        ops, log = self._engine._ops, self._engine.place.log
        try:
            ops.close(ops.open_existing(log))
        except OSError as error:
            return ops.fault(error) is Fault.MISSING and ops.may_create_in(os.path.dirname(log))
        return True

    def _next_look(self) -> float | None:
        engine, active = self._engine, self._engine._active
        segment, grace, now = self._open(), engine.options.late_grace, engine._ops.now()
        moments = [late.period.end + grace for late in active._late._open]
        names_due = active.closed.names_due
        if segment is None and not moments and not engine.options.rotate_idle:
            return names_due
        if segment is not None:
            moments += [segment.period.end, segment.period.end + grace]
        pauses = [_LOOK_EVERY, *(moment - now for moment in moments if moment > now)]
        if names_due is not None:
            pauses.append(names_due)
        if engine.options.rotate_idle and self._rotation_is_due():  # it could not be done
            pauses.append(max(_BUSY_PAUSE, active._retry.until - engine._ops.monotonic()))
        return min(pauses)


def _nothing() -> None:
    return None
