"""A record's way with `locking="record"`: look, write and flush under the rotation lock, for file systems whose appends are not
atomic.

  W1 lock     the rotation lock; not had in time: nothing is written, and the record waits in memory
  W2 look     does the name lead to this file, as the server has it; else it is superseded. A lock on the file, given back at
              once, has an NFS client forget what it remembers of the content: it writes whole pages, and so would undo what
              others have written in them. A look by opening has an SMB client learn where its next write goes
  W3 stump    what does not end with a terminator is ended by what is written next: nobody else is writing
  W4 seal     of a closed segment, for a late record: an exclusive lock on it, and one more look: no sealer is at it
  W5 write    as without the lock
  W6 flush    fsync: what is in the client's memory only, nobody else sees
  W7 unlock

Who renames the log has the same lock, so nothing is ever written to a file after it was renamed, but late records by the
segment's own name.

A process that logs all the time would have the lock again before anybody else has seen that it was free. So it pauses now and
then, for longer than who waits does between two looks.

Where write or flush fail it may not be known what the server has. So it is looked for: at once, and else when the same records
are tried again in the same file. What stands there is not written a second time. Not so where it is known that nothing, or which
part, is there (disk full): by then something equal may stand there, another process's record or one of the same batch.
"""

from __future__ import annotations

from collections.abc import Callable

from .._platform import Fault, FileId, Operations
from .._pure.unit import line_feed_of, unit_of
from .append import OpenSegment
from .descriptors import close_quietly
from .lock import HeldLock, RotationLock
from .troubles import Incomplete, LockBusy, Superseded

__all__ = ["LockedAppends"]

_TURN = 0.1  # seconds of records one after the other
_PAUSE = 0.025  # seconds, and the time that two tries take; who waits for the lock pauses for 20 ms between two
_TRIES, _TRY_PAUSE = 8, 0.002  # of the lock that is given back; seconds between two


class LockedAppends:
    """Appends of one process. The engine's lock guards every call and every field.

    Args:
        ops: the system calls.
        lock: the rotation lock.
        log: its path; any other one is a closed segment's.
        patience: seconds to wait for the lock now, if asked for a late record or not; None: not even to be tried.
        stalled: is told that it was not had.
    """

    def __init__(
        self, ops: Operations, lock: RotationLock, log: str, patience: Callable[[bool], float | None], stalled: Callable[[], None]
    ) -> None:
        self._ops = ops
        self._lock = lock
        self._log = log
        self._patience = patience
        self._stalled = stalled
        self._since = self._until = float("-inf")  # monotonic: records one after the other
        self._cost = 0.0  # seconds that it took to give the lock back: a try takes as long, and does not wait either
        self._doubt: tuple[FileId, int, bytes] | None = None  # a file, and what may stand at an offset there

    def after_fork_in_child(self) -> None:
        """What may stand somewhere is the parent's."""
        self._doubt = None

    def append(self, segment: OpenSegment, data: bytes, append: Callable[[], int]) -> int:
        """Have `append` write these bytes; the offset of their end.

        Raises:
            LockBusy: the lock was not had. Nothing was written.
            Superseded: the segment has lost its name, or a sealer is at it. Nothing was written.
            Incomplete, OSError: as of `append`, or of the flush. It has to be tried again with the same records.
        """
        self._take_turns()
        wait = self._patience(segment.path != self._log)
        held: HeldLock | None = None
        try:  # `acquire` in here, since a signal handler may raise as soon as the lock is had
            held = None if wait is None else self._lock.acquire(wait)
            if held is None:
                if wait is not None:
                    self._stalled()
                raise LockBusy(f"{self._lock.path}: held by another process")
            return self._locked(segment, data, append)
        finally:
            try:
                if held is not None:
                    self._release(held)
            finally:
                self._lock.settle()

    def _locked(self, segment: OpenSegment, data: bytes, append: Callable[[], int]) -> int:
        """W2 to W6, under the lock."""
        self._look(segment)
        self._end_stump(segment)
        if segment.path == self._log:
            return self._write(segment, data, append)
        if not self._ops.try_lock(segment.fileno(), True):
            raise Superseded(f"{segment.path}: being sealed")
        try:
            if not segment.named():
                raise Superseded(f"{segment.path}: sealed")
            return self._write(segment, data, append)
        finally:
            self._give_back(segment)

    def _release(self, held: HeldLock) -> None:
        """W7."""
        began = self._ops.monotonic()
        self._lock.release(held)
        self._until = self._ops.monotonic()
        self._cost = self._until - began

    def _take_turns(self) -> None:
        now = self._ops.monotonic()
        pause = _PAUSE + 2 * min(self._cost, _TURN)
        if now - self._until > pause:
            self._since = now
        elif now - self._since > max(_TURN, 2 * pause):
            self._ops.sleep(pause)
            self._since = self._ops.monotonic()

    def _look(self, segment: OpenSegment) -> None:
        gate = segment.fileno() if segment._side is None else segment._side
        try:
            for _ in range(_TRIES):
                if self._ops.try_lock(gate, False):
                    break
                self._ops.sleep(_TRY_PAUSE)  # somebody is just opening it; who sits on it is none of ours
        except OSError:
            pass  # a file system without locks on every file; the one that counts is had
        if not segment.named():
            raise Superseded(f"{segment.path}: renamed")

    def _write(self, segment: OpenSegment, data: bytes, append: Callable[[], int]) -> int:
        """W5 and W6."""
        there = self._is_there(segment, data)
        if there is not None:
            return there
        before = self._end(segment)
        start = before + len(segment._owed)
        try:
            end = append()
        except Incomplete as error:  # it has told what is there
            self._flush_part(segment, start, data, error)
            raise
        except OSError as error:
            if self._ops.fault(error) is not Fault.FULL or self._end(segment) != before:
                self._doubt = segment.file, start, data
            raise
        try:
            self._flush(segment, data, end)
        except OSError:
            self._doubt = segment.file, start, data
            raise
        return end

    def _flush_part(self, segment: OpenSegment, start: int, data: bytes, told: Incomplete) -> None:
        """W6 of what there is: else another machine writes where the server has the end, and this part comes onto that later.

        Raises:
            OSError: it is not known whether those records that were told are there.
        """
        try:
            self._ops.fsync(segment.fileno())
        except OSError:
            if told.there != Incomplete.there:
                self._doubt = segment.file, start, data
                raise

    def _flush(self, segment: OpenSegment, data: bytes, end: int) -> None:
        try:
            self._ops.fsync(segment.fileno())
        except OSError:
            if not self._stands(segment, data, end - len(data)):
                raise

    def _is_there(self, segment: OpenSegment, data: bytes) -> int | None:
        """The end of these records, if they stand already where the last try may have put them. Those that are tried again come
        in the same order, perhaps one by one.

        Raises:
            OSError: it cannot be told now.
        """
        if self._doubt is None:
            return None
        file, start, rest = self._doubt
        there = file == segment.file and rest.startswith(data) and self._stands(segment, data, start)
        self._doubt = None
        if not there:
            return None
        segment._owed, segment._cut = b"", (b"", 0, 0)
        end = start + len(data)
        if len(rest) > len(data):
            self._doubt = file, end, rest[len(data) :]
        return end

    def _stands(self, segment: OpenSegment, data: bytes, start: int) -> bool:
        """Whether it is in the file, read through a new descriptor; not, where this user may not look.

        Raises:
            OSError: it cannot be told now.
        """
        try:
            fd = self._ops.open_side(segment.path)
        except OSError as error:
            if self._ops.fault(error) not in {Fault.DENIED, Fault.MISSING}:
                raise
            return False
        try:
            return self._ops.stat_fd(fd).id == segment.file and self._ops.read_at(fd, len(data), start) == data
        finally:
            close_quietly(self._ops, fd)

    def _end_stump(self, segment: OpenSegment) -> None:
        """W3. Before W4: where locks are mandatory nobody could read then. A file that cannot be read is left as it is."""
        terminator = segment.terminator
        side = segment._side_now() if terminator and segment.guarded else None
        if side is None:
            return
        end, unit = self._end(segment), unit_of(terminator)
        try:
            last = self._ops.read_at(side, min(end, len(terminator)), max(0, end - len(terminator))) if end else terminator
        except OSError:
            return
        if last.endswith((terminator, line_feed_of(terminator))):
            segment._owed, segment._cut = b"", (b"", 0, 0)
        elif not segment._owed:
            segment._owed, segment._cut = bytes(-end % unit) + terminator, (b"", 0, 0)
            segment.repaired += 1

    def _end(self, segment: OpenSegment) -> int:
        """Where the file ends. Not by the append descriptor: its position tells what this process has written last."""
        side = segment._side
        try:
            return self._ops.stat_fd(segment.fileno()).size if side is None else self._ops.seek(side, 0, 2)
        except OSError:
            return 0

    def _give_back(self, segment: OpenSegment) -> None:
        try:
            self._ops.unlock(segment.fileno())
        except OSError:  # closed meanwhile: that has unlocked it, too
            pass
