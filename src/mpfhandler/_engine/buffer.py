"""Buffered delivery: records are gathered in memory and written together, by a thread of the buffer's own.

A logging call appends to a list and returns. It waits for the disk only if it has to: the buffer is full and the policy is
`block`, or the record is one that is flushed at once. What a SIGKILL may lose is what is in the buffer: the records of the last
`flush_interval`. Where no thread can be had (the interpreter ends) records are written at once.

No lock for a record. The list stays the same object as long as there is the buffer: a record is appended to its end in one step
of the interpreter, and what a flush has taken is deleted from its head in one step. The size is counted beside it; what a race of
two threads makes it wrong by is a record, until the next flush.

Locks, in this order:
    `lock` is the handler's: a formatter runs under it. A flush lets it go, because a namer or an error handler that logs may want
        it in the thread that is writing.
    the engine's lock makes one flush at a time, in order. It guards `_batch` and `_again`.
    `_guard` guards the marks of dropped records. It is held for the mark and for taking the list, never for a write.

A namer, an error handler or a signal handler that logs during a flush comes in on the same thread: its record is appended, and a
flush that it asks for is done by the one under way.
"""

from __future__ import annotations

import sys
from dataclasses import replace

from .._platform import Lock
from .._pure.schedule import Period
from .._resources import exits, fork
from .._resources.spill import Lost
from .batch import Batches
from .entries import Batch, Entry, Taken
from .flusher import Flusher
from .stats import Stats
from .writer import Writer

__all__ = ["Buffer", "Sink", "sink"]

_EVER = float("inf")
_ATOMIC = bool(getattr(sys, "_is_gil_enabled", lambda: True)())  # else each record has its time: see `write`
_FORK_PATIENCE = 1.0  # seconds that a fork waits for a flush of another thread, and for the flusher
_CLOSE_PATIENCE = 1.0  # the same of close()
_ROUNDS = 4  # flushes in one, for records that come in meanwhile on the same thread
_HAND_OVER, _PAUSE = 20, 0.001  # looks, seconds between two: until the flusher has taken a full buffer


class Buffer:
    """The buffer of one engine in one process. What a face does with an engine it does with this.

    Args:
        writer: the engine.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._threads = writer._ops.threads
        self._pid = writer._ops.pid
        delivery = writer.options.delivery
        self._interval, self._limit, self._drops = delivery.interval, delivery.size, delivery.drops
        self._batches = Batches(writer, delivery.size)
        self._ending = False  # of the interpreter: nothing stays in memory any more
        self._waiting: list[Entry] = []  # what a flush takes next; this list for ever
        self._end = writer.terminator
        self._more = len(self._end)  # of a text's size
        self._flusher = Flusher(writer, self._waiting, self._pending, self._flush_all)
        self._renew()
        fork.register(self)
        exits.register(self)

    def _renew(self) -> None:
        """Empty, and with locks that nobody has."""
        self.lock = self._threads.lock()
        self._guard = self._threads.lock()
        self._waiting.clear()
        self._size = 0
        self._flusher.renew()
        # guarded by _guard, for those who change it:
        self._lost = 0
        self._period: Period | None = None  # of the records that are in the list without their time
        self._since, self._until = _EVER, -_EVER
        # guarded by the engine's lock:
        self._batch = Batch(self._end)  # that is being written
        self._again = False  # somebody has asked for a flush during one, on the same thread
        self._taking = False
        # hints, no lock:
        self._at_disk = False  # a flush has taken the buffer, and is writing
        self._stalled = False  # the flusher was waited for in vain
        self._dropped = False  # something, since the buffer was taken last
        self._process = self._pid()

    def _pending(self) -> bool:
        """Whether there is something to flush. In this order: a flush goes the other way."""
        return bool(self._waiting or self._batch)

    # writing

    def write(self, data: bytes, created: float) -> None:
        """Take one record, terminator included. Never raises an `OSError`."""
        more = len(data)
        size = self._size + more  # no other thread comes in between this and the next line but one
        if size > self._limit:
            self._write_full(data, more, created)
            return
        self._size = size
        if self._since <= created < self._until:
            self._waiting.append(data)
        else:
            self._append_with_time(data, created)
        if self._flusher.thread is None:  # after the append: see there
            self._ensure_flusher()

    def write_text(self, text: str, created: float) -> None:
        """The same for text of ASCII without its terminator, if `takes_text` says so."""
        more = len(text) + self._more
        size = self._size + more
        if size > self._limit:
            self._write_full(text, more, created)
            return
        self._size = size
        if self._since <= created < self._until:  # no other thread comes in between this and the next line
            self._waiting.append(text)
        else:
            self._append_with_time(text, created)
        if self._flusher.thread is None:
            self._ensure_flusher()

    def _append_with_time(self, data: bytes | str, created: float) -> None:
        """A record of another time than those without one. If the clock has reached another period, this is the first of many:
        the next ones need no time any more."""
        with self._guard:
            now = self._writer.now()
            if _ATOMIC and not self._since <= now < self._until and (period := self._flusher.period(now)) is not None:
                self._since = _EVER
                self._waiting.append(period)
                self._period = period
                self._until = period.end
                self._since = period.start
            self._waiting.append((data, created))

    def takes_text(self) -> bool:
        """Whether text of ASCII may be handed over as it is: in most encodings it is the same bytes whatever stands around it."""
        encoding, every = self._writer.options.encoding, bytes(range(128))
        try:
            return self._end.isascii() and bool(self._end) and every.decode("ascii").encode(encoding) == every
        except (UnicodeError, LookupError):
            return False

    def write_now(self, data: bytes, created: float) -> None:
        """Take one record, and write it and all before it before this returns."""
        self._write_now(data, len(data), created)

    def _write_now(self, data: bytes | str, more: int, created: float) -> None:
        self._size += more
        self._append_with_time(data, created)
        self._flush_all()

    def write_anywhere(self, data: bytes, created: float) -> None:
        """`write`, where nobody has looked whether this is still the process of the buffer: there may be forks without hooks."""
        if self._process != self._pid():
            self.after_fork_in_child()
        self.write(data, created)

    def flush(self) -> None:
        """Write what is in the buffer, and try once more what waits for the disk."""
        self._flush_all()
        depth = _let_go(lock := self.lock)
        try:
            self._writer.flush()
        finally:
            _take_back(lock, depth)

    def rotate(self) -> bool:
        """Write what is in the buffer, then close the present segment and begin a new one; True if that was done."""
        self._flush_all()
        depth = _let_go(lock := self.lock)
        try:
            return self._writer.rotate()
        finally:
            _take_back(lock, depth)

    def change_terminator(self, terminator: bytes) -> None:
        """Records end otherwise from now on."""
        self._flush_all()
        self._writer.change_terminator(terminator)
        self._end, self._more = terminator, len(terminator)

    def close(self) -> None:
        """Write what is in the buffer, as far as that is possible, and close every file. A later record opens the log again."""
        self._flush_all()
        depth = _let_go(lock := self.lock)
        try:
            self._flusher.wake()
            self._flusher.finish(_CLOSE_PATIENCE)
            self._writer.close()
        finally:
            _take_back(lock, depth)

    def at_exit(self) -> None:
        """The interpreter ends: what comes from now on is written at once."""
        self._ending = True
        self._flush_all()

    def stats(self) -> Stats:
        """The counters as of now."""
        stats = self._writer.stats()
        with self._guard:
            entries = self._batch.entries[self._batch.done :] + self._waiting
            waiting = sum(not isinstance(entry, (Lost, Period, Taken)) for entry in entries)
            return replace(stats, buffered=waiting, lost=stats.lost + self._lost)

    # forks

    def before_fork(self) -> None:
        """Fork with an empty buffer and one thread less. A flush of another thread that hangs at the disk is not waited for long:
        the child's buffer is empty whatever is in this one."""
        self._flusher.before_fork()
        self._flush_all(_FORK_PATIENCE)
        self._flusher.finish(_FORK_PATIENCE)

    def after_fork_in_parent(self) -> None:
        """Go on."""
        self._flusher.after_fork_in_parent()
        if self._waiting:
            self._ensure_flusher()

    def after_fork_in_child(self) -> None:
        """What is in the buffer is the parent's to write, and the thread is the parent's."""
        self._batch.forget()  # a signal handler's fork may have come out of a flush, which goes on here
        self._renew()

    # a full buffer

    def _write_full(self, data: bytes | str, more: int, created: float) -> None:
        if not self._drops or self._ending:
            self._write_now(data, more, created)
            return
        if self._fits(data, more, created):
            return
        self._ensure_flusher()
        self._flusher.wake()
        for _ in range(0 if self._at_disk or self._stalled else _HAND_OVER):
            self._threads.pause(_PAUSE)
            if self._fits(data, more, created):
                return
        self._stalled = True
        self._drop(created)

    def _fits(self, data: bytes | str, more: int, created: float) -> bool:
        """Take a record if there is room by now; one that is longer than the buffer has it to itself."""
        if self._waiting and self._size + more > self._limit:
            return False
        self._size += more
        self._append_with_time(data, created)
        self._ensure_flusher()
        return True

    def _drop(self, created: float) -> None:
        """Count it, leave a mark where it would stand, and say so once."""
        with self._guard:
            self._lost, self._dropped = self._lost + 1, True
            last = self._waiting[-1] if self._waiting else None
            if isinstance(last, Lost):
                last.count += 1
                last.first, last.last = min(last.first, created), max(last.last, created)
            else:
                self._waiting.append(Lost(1, created, created))
        text = f"{self._writer.place.log}: the disk is slow and the buffer of {self._limit} bytes is full: records are dropped"
        self._writer._report("overflow", OSError(text))

    # flushing

    def _flush_all(self, patience: float = -1) -> None:
        """Write everything that is in the buffer now; waits at most so many seconds for another flush, if not negative."""
        if self._process != self._pid():  # a fork that no hook told of
            self.after_fork_in_child()
        if not self._pending():
            return
        lock, engine = self.lock, self._writer.lock
        depth = _let_go(lock)
        try:
            if patience >= 0 and not engine.acquire(timeout=patience):
                return
            try:
                with engine:
                    self._flush()
            finally:
                if patience >= 0:
                    engine.release()
        finally:
            _take_back(lock, depth)
            if not self._ending and self._pending():  # an exception, or it was asked for inside the slow path
                self._ensure_thread()

    def _flush(self) -> None:
        if self._writer._busy or self._taking:  # by this very thread, somewhere below
            self._again = True
            return
        self._at_disk = True
        try:
            for _ in range(_ROUNDS):
                self._again = False
                if self._batch:  # an exception has ended a flush
                    self._batches.write(self._batch)
                if self._take():
                    self._batches.write(self._batch)
                if not self._again:
                    return
        finally:
            self._at_disk = False

    def _take(self) -> bool:
        """Begin the next batch with what is in the buffer. A signal handler may log, or raise, anywhere in here: what the batch
        has is never taken again, and is deleted from the list by the next flush if not by this one."""
        self._taking = True
        try:
            with self._guard:
                self._delete_taken()
                if not self._batch:
                    batch = self._batch = Batch(self._end, self._batch.period, self._writer.now())
                    self._waiting.insert(0, batch.mark)
                    self._batch.entries.extend(self._waiting[1:])  # in one step: of a child that a signal handler forks, nothing
                    self._delete_taken()
        finally:
            self._taking = False
        if self._dropped:
            self._dropped = False
        else:
            self._writer._report.solved("overflow")
        self._stalled = False
        return bool(self._batch)

    def _delete_taken(self) -> None:
        batch, waiting = self._batch, self._waiting
        if waiting and waiting[0] is batch.mark:
            del waiting[: len(batch.entries) + 1]
            self._size = sum(batch.size(entry) for entry in waiting)

    def _ensure_flusher(self) -> None:
        """Have a thread that flushes; where there is none to be had, flush."""
        if self._ending or not self._ensure_thread():
            self._flush_all()

    def _ensure_thread(self) -> bool:
        exits.at_end_of_process(self._process)
        return self._flusher.start()


Sink = Writer | Buffer


def sink(writer: Writer) -> Sink:
    """Where the records of a log go: to the engine, or to a buffer before it."""
    return Buffer(writer) if writer.options.delivery.buffered else writer


def _let_go(lock: Lock) -> int:
    """Release a lock as often as this thread has it; how often that was."""
    depth = 0
    try:
        while True:
            lock.release()
            depth += 1
    except RuntimeError:  # not ours
        return depth


def _take_back(lock: Lock, depth: int) -> None:
    for _ in range(depth):
        lock.acquire()
