"""Buffered delivery: records are gathered in memory and written together, by a thread of the buffer's own.

A logging call appends to a list and returns. It waits for the disk only if it has to: the buffer is full and the policy is
`block`, or the record is one that is flushed at once. What a SIGKILL may lose is what is in the buffer: the records of the last
`flush_interval`. Where no thread can be had (the interpreter ends) records are written at once.

No lock for a record: it is appended to the end of the present list in one step of the interpreter, and what a flush has taken is
deleted from its head in one step. A list is of one period, and another period has another list. Who finds, after its append, that
the list is not the present one any more sees to it that it is still taken (`_rescue`): whoever comes in between, a record is in
the list that was chosen by its period.

The size is counted beside the lists, in one line, in which no other thread comes in; where one can (there is no lock of the
interpreter), under `_guard`. A record that is on its way may be counted or not: so the count is off by one record of each thread
at most, and is right again when the buffer is empty.

Locks, in this order:
    the engine's lock makes one flush at a time, in order. It guards `_batch` and `_again`.
    `_guard` guards which lists there are, the head of each, and the marks of dropped records; never held for a write.
    `lock` is the handler's: a formatter runs under it. A flush does not take it. Who has it may wait for a flush, and a namer or
        an error handler that logs may want it in the thread that is writing: that one waits only for a moment (`formatted`).

A namer, an error handler or a signal handler that logs during a flush comes in on the same thread: its record is appended, and a
flush that it asks for is done by the one under way.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from .._platform import Patience, threads_run_freely
from .._resources import exits, fork
from .._resources.spill import Lost
from .batch import Batches
from .entries import Batch, Taken, Waiting
from .flusher import Flusher
from .overflow import Overflow
from .stats import Stats
from .writer import Writer

__all__ = ["Buffer", "Sink", "sink"]

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")
_ATOMIC = sys.implementation.name == "cpython" and bool(getattr(sys, "_is_gil_enabled", lambda: True)())  # see the size above
_CLOSE_PATIENCE = 1.0  # seconds that it waits for the flusher; at the interpreter's end that has been waited for
_STATS_PATIENCE = 0.05  # seconds that stats() waits for a flush: exact numbers are worth no more
_FORMAT_PATIENCE = 0.1  # seconds that a record which is made inside a flush waits for the handler's lock
_ROUNDS = 4  # flushes in one, for records that come in meanwhile on the same thread
_PAUSE = 0.001  # seconds between two looks
_EVER = float("inf")


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
        self._older: list[Waiting] = []  # of periods that are over, or that a thread was late to append to; taken first
        self._waiting = Waiting()  # the present one
        self._end = writer.terminator
        self._more = len(self._end)  # of a text's size
        self._flusher = Flusher(writer, self._is_late, self._pending, self._flush_all)
        self._overflow = Overflow(self, writer)
        if writer.options.rotate_idle:
            writer._background.flush = self._flush_all
        self._renew()
        fork.register(self)
        exits.register(self)

    def _renew(self) -> None:
        """Empty, and with locks that nobody has. A signal handler's fork may have come in anywhere: who goes on in the child with
        a list of the parent's finds it empty."""
        self.lock = self._threads.lock()
        self._guard = self._threads.lock()
        for one in (*self._older, self._waiting):
            one.clear()
        # guarded by _guard, for those who change it:
        self._older, self._waiting = [], Waiting()
        self._size = 0
        self._lost = 0
        self._flusher.renew()
        # guarded by the engine's lock:
        self._batch = Batch(self._end, self._waiting)  # that is being written
        self._again = False  # somebody has asked for a flush during one, on the same thread
        self._taking = False
        # hints, no lock:
        self._flushing = 0  # the thread that does, or 0
        self._begun = self._done = self._settled = 0  # flushes
        self.takes = 0
        self._overflow.renew()
        self._process = self._pid()

    def _pending(self) -> bool:
        """Whether there is something to flush. In this order: a flush goes the other way."""
        return bool(self._waiting or self._older or self._batch)

    def _is_late(self, start: float) -> bool:
        return bool(self._older) or self._waiting.is_late(start)

    # writing

    def write(self, data: bytes, created: float) -> None:
        """Take one record, terminator included. Never raises an `OSError`."""
        self._add(data, len(data), created, self._limit)

    def write_text(self, text: str, created: float) -> None:
        """The same for text of ASCII without its terminator, if `takes_text` says so."""
        self._add(text, len(text) + self._more, created, self._limit)

    def _add(self, data: bytes | str, more: int, created: float, limit: float) -> None:
        waiting = self._waiting
        if _ATOMIC:
            size = self._size = self._size + more
        else:
            size = self._count(more)
        if size > limit:
            self._count(-more)
            self._write_full(data, more, created)
            return
        if waiting.since <= created < waiting.until:
            waiting.append(data)
            if self._waiting is not waiting:
                self._rescue(waiting)
        else:
            self._append_with_time(data, created)
        if self._flusher.thread is None:  # after the append: see there
            self._ensure_flusher()

    def _count(self, more: int) -> int:
        with self._guard:
            size = self._size = self._size + more
        return size

    def _append_with_time(self, data: bytes | str, created: float) -> None:
        """A record of another time than those without one. If the clock has reached another period, this is the first of many:
        the next ones need no time any more."""
        with self._guard:
            now, waiting = self._writer.now(), self._waiting
            if not waiting.since <= now < waiting.until and (period := self._flusher.period(now)) is not None:
                fresh = Waiting(period)
                if self._waiting is waiting:  # a signal handler may have done it, but comes not in before the append
                    self._waiting = fresh
                    self._older.append(waiting)
            self._waiting.append((data, created))

    def _rescue(self, waiting: Waiting) -> None:
        """A record was appended to a list that is not the present one any more: it is to be taken, though the list may have been
        put aside as empty."""
        with self._guard:
            if not any(one is waiting for one in [*self._older, self._waiting]):
                self._older.append(waiting)

    def takes_text(self) -> bool:
        """Whether text of ASCII may be handed over as it is: in most encodings it is the same bytes whatever stands around it."""
        encoding, every = self._writer.options.encoding, bytes(range(128))
        try:
            return _ATOMIC and self._end.isascii() and bool(self._end) and every.decode("ascii").encode(encoding) == every
        except (UnicodeError, LookupError):
            return False

    def write_now(self, data: bytes, created: float) -> None:
        """Take one record, and write it and all before it before this returns."""
        self._write_now(data, len(data), created)

    def _write_now(self, data: bytes | str, more: int, created: float) -> None:
        self.take(data, more, created)
        self._flush_all()

    def take(self, data: bytes | str, more: int, created: float) -> None:
        """Take one record, whether there is room or not."""
        self._add(data, more, created, _EVER)

    def _write_full(self, data: bytes | str, more: int, created: float) -> None:
        if self._drops and not self._ending:
            self._overflow.take_or_drop(data, more, created)
        else:
            self._flush_all()  # what is in the buffer fits into one write, and one more record does not
            if self._size + more > self._limit:  # one that is longer, or other threads were faster
                self._write_now(data, more, created)
            else:
                self.take(data, more, created)

    def write_anywhere(self, data: bytes, created: float) -> None:
        """`write`, where nobody has looked whether this is still the process of the buffer: there may be forks without hooks."""
        if self._process != self._pid():
            self.after_fork_in_child()
        self.write(data, created)

    def formatted(self, form: Callable[[_Given], _Made], given: _Given) -> _Made:
        """Call this under the handler's lock. A thread that the holder of the lock may be waiting for waits for it only a moment:
        then two formatters run at a time, instead of none for ever."""
        lock = self.lock
        if not self._is_awaited():
            with lock:
                return form(given)
        if not lock.acquire(timeout=_FORMAT_PATIENCE):
            return form(given)
        try:
            return form(given)
        finally:
            lock.release()

    def _is_awaited(self) -> bool:
        me = self._threads.identity()
        return me in {self._flushing, self._flusher.runner, self._writer._housekeeper._runner} or (
            self._writer._busy and self._writer._busy_thread == me
        )

    def flush(self) -> None:
        """Write what is in the buffer, and try once more what waits for the disk."""
        self._flush_all()
        self._writer.flush()

    def rotate(self) -> bool:
        """Write what is in the buffer, then close the present segment and begin a new one; True if that was done."""
        self._flush_all()
        return self._writer.rotate()

    def change_terminator(self, terminator: bytes) -> None:
        """Records end otherwise from now on."""
        self._flush_all()
        self._writer.change_terminator(terminator)
        self._end, self._more = terminator, len(terminator)

    def close(self) -> None:
        """Write what is in the buffer, as far as that is possible, and close every file. A later record opens the log again."""
        self._flush_all()
        self._flusher.wake()
        self._flusher.finish(0.0 if self._ending else _CLOSE_PATIENCE)
        self._writer.close()

    def begin_to_end(self) -> None:
        """The interpreter ends: what comes from now on is written at once, and there will be no thread any more."""
        self._ending, self._limit = True, -1
        self._flusher.stop(_EVER)

    def at_exit(self, patience: Patience) -> None:
        """Write what there is, however long the disk takes; a thread that is held up elsewhere is not waited for longer."""
        self._flush_all()
        self._flusher.finish(patience.left())
        self._flush_all()  # what another thread was appending meanwhile

    def stats(self) -> Stats:
        """The counters as of now. A disk that hangs is not waited for."""
        lock = self._writer.lock
        locked = lock.acquire(timeout=_STATS_PATIENCE)
        try:
            stats = self._writer.stats(locked=False)
            with self._guard:
                batch = self._batch
                entries = batch.entries[batch.done :] + [entry for one in [*self._older, self._waiting] for entry in one[:]]
                waiting = sum(not isinstance(entry, (Lost, Taken)) for entry in entries)
                return replace(stats, buffered=waiting, lost=stats.lost + self._lost)
        finally:
            if locked:
                lock.release()

    # forks, and other programs

    def prepare_fork(self) -> None:
        """Have the flusher write what there is, and end."""
        if self._pending():
            self._ensure_thread()
        self._flusher.stop()

    def before_fork(self) -> None:
        """Fork with an empty buffer and one thread less. A disk that hangs is not waited for long: the child's buffer is empty
        whatever is in this one."""
        self._flusher.finish(fork.patience_left())
        self._flush_if_idle()

    def after_fork_in_parent(self) -> None:
        """Go on."""
        self._flusher.go_on()
        if self._pending():
            self._ensure_flusher()

    def after_fork_in_child(self) -> None:
        """What is in the buffer is the parent's to write, and the thread is the parent's."""
        self._batch.forget()  # a signal handler's fork may have come out of a flush, which goes on here
        self._renew()

    def begin_to_settle(self) -> None:
        """Have the flusher write what there is."""
        self._settled = self._begun + 1  # a flush that is under way may have taken the buffer before
        if self._pending() and self._ensure_thread():
            self._flusher.wake()

    def settle(self, patience: Patience) -> None:
        """Wait for that, unless it is this thread that writes."""
        while self._pending() and self._done < self._settled and self._flusher.thread is not None and not self._is_awaited():
            if patience.left() <= 0:
                return
            self._threads.pause(_PAUSE)
        if self._done < self._settled:
            self._flush_if_idle()

    # flushing

    def _flush_all(self) -> None:
        """Write everything that is in the buffer now."""
        if self._process != self._pid():  # a fork that no hook told of
            self.after_fork_in_child()
        if not self._pending():
            return
        try:
            with self._writer.lock:
                self._flush()
        finally:
            if not self._ending and self._pending():  # an exception, or it was asked for inside the slow path
                self._ensure_thread()

    def _flush_if_idle(self) -> None:
        """The same, if no other thread is at the disk: it may hang there."""
        busy = self._flushing or (self._writer._busy and self._writer._busy_thread)
        if not busy or busy == self._threads.identity():
            self._flush_all()

    def _flush(self) -> None:
        if self._writer._busy or self._taking:  # by this very thread, somewhere below
            self._again = True
            return
        before, self._flushing = self._flushing, self._threads.identity()
        number = self._begun = self._begun + 1
        rounds = _ROUNDS
        try:
            while rounds:
                self._again = False
                if self._batch:  # an exception has ended a flush
                    self._batches.write(self._batch)
                older = bool(self._older)
                if self._take():
                    self._batches.write(self._batch)
                if not older:
                    rounds = rounds - 1 if self._again else 0
        finally:
            self._flushing = before
        self._done = number

    def _take(self) -> bool:
        """Begin the next batch with what is in the oldest list. A signal handler may log, or raise, anywhere in here: what the
        batch has is never taken again, and is deleted from the list by the next flush if not by this one."""
        self._taking = True
        try:
            with self._guard:
                self._delete_taken()
                if not self._batch:
                    source = self._older[0] if self._older else self._waiting
                    batch = self._batch = Batch(self._end, source, self._writer.now())
                    source.insert(0, batch.mark)
                    counted = -1 if self._older else self._size  # as of the next line: nobody comes in between
                    self._batch.entries.extend(source[1:])  # in one step: of a child that a signal handler forks, nothing
                    batch.counted = counted if counted >= 0 else sum(map(batch.size, batch.entries))
                    self._delete_taken()
        finally:
            self._taking = False
        self.takes += 1
        self._overflow.taken()
        return bool(self._batch)

    def _delete_taken(self) -> None:
        batch, source = self._batch, self._batch.source
        if source and source[0] is batch.mark:
            del source[: len(batch.entries) + 1]
            self._size = self._size - batch.counted if self._waiting or self._older else 0
        while self._older and not self._older[0]:
            del self._older[0]

    def _ensure_flusher(self) -> None:
        """Have a thread that flushes; where there is none to be had, flush."""
        if self._ending or not self._ensure_thread():
            self._flush_all()

    def _ensure_thread(self) -> bool:
        exits.watch_end_of_process()
        return threads_run_freely() and self._flusher.start()


Sink = Writer | Buffer


def sink(writer: Writer) -> Sink:
    """Where the records of a log go: to the engine, or to a buffer before it."""
    return Buffer(writer) if writer.options.delivery.buffered else writer
