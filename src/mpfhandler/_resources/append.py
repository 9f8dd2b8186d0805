"""An open segment: one append descriptor, one side descriptor, one lease. The hot path of the package is `append`.

One write(2) on an O_APPEND descriptor, no lock: local file systems serialize appends by the inode lock. A buffered
stream is never used, its lock can be held across a fork (python/cpython#84579).

The torn-tail guard (promise P1). write(2) is not atomic against a fatal signal: a killed writer leaves a stump that ends at a
page boundary, and the next record would be glued to it. The victim repairs: it knows from its position where its own record
starts; if that is a page boundary and the bytes before are no terminator, they belong to a record that nobody was promised, and
the last of them become a terminator. Measured without the guard: 1 to 9 acknowledged records glued in 250 kills at 9 kB. What
ends with a line feed is left alone whatever the terminator is: it may be a record of before the terminator was changed.

The lease is a shared flock(2) on the side descriptor: who wants to compress or archive a segment takes an exclusive
one first, and does not get it while a writer is there.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import TypeVar

from .._platform import Fault, FileId, Operations
from .._pure.options import Access
from .._pure.schedule import Period
from .._pure.unit import line_feed_of, unit_of
from .access import NEW_FILE, apply_access
from .descriptors import claim, close_quietly
from .tracefile import Trace
from .troubles import Incomplete, Superseded

__all__ = ["Incomplete", "OpenSegment", "Opening", "Superseded", "open_segment"]

_T = TypeVar("_T")

_TRIES = 3  # of a look at what stands before a record, and of ending it


class Opening(Enum):
    """What may be there already."""

    NEW = "new"  # nothing: FileExistsError
    ANY = "any"  # created if it is missing
    EXISTING = "existing"  # never created


class OpenSegment:
    """A segment that this process may append to. Owns both descriptors; the caller serializes threads."""

    _fd = -1

    def __init__(
        self,
        ops: Operations,
        path: str,
        fd: int,
        side: int | None,
        file: FileId,
        period: Period,
        terminator: bytes,
        trace: Trace | None = None,
    ) -> None:
        self.path = path
        self.file = file
        self.period = period
        self.terminator = terminator
        self.repaired = 0  # stumps of killed writers that were ended here
        self.guarded = True  # stumps can be told from records
        self.certain = True  # the period was told by a state record, or found under the rotation lock
        self.unrecorded: tuple[object, ...] = ()  # if it could not be written down: the state record that stood there then
        self.shared = False  # with another process since a fork: the position is no longer ours alone
        self._ops = ops
        self._trace = trace
        self._write = ops.write
        self._seek = ops.seek
        self._fd = fd
        self._side = side
        self._mask = ops.granularity(fd) - 1
        self._owed = b""  # what ends a fragment that could not be ended in place
        self._cut = b"", 0, 0  # that record; how many bytes of it are there; the offset of their end
        claim(ops, fd, self)
        if side is not None:
            claim(ops, side, self)

    @property
    def agreed(self) -> bool:
        """Whether all processes know its period: it is no guess, and it is written down."""
        return self.certain and not self.unrecorded

    def append(self, data: bytes, *, guard: bool = True) -> int:
        """Append one record with one write(2); the offset of its end.

        Args:
            data: with its terminator.
            guard: end a stump before it; not where our own fragment stands there.

        Raises:
            Incomplete: it is not there as a line of its own; the record has to be written again, as a whole.
            OSError: nothing was written.
        """
        if self._owed:
            return self._append_owing(data)
        fd = self._fd
        written = self._write(fd, data)
        try:
            end = self._seek(fd, 0, 1)
        except OSError:  # closed meanwhile, by a signal handler that logged and rotated: what is written is written
            end = 0
        if written != len(data):
            self._end_fragment(data, written, end)
            raise Incomplete(f"{self.path}: {written} of {len(data)} bytes written: no space, quota or size limit")
        start = end - written
        if not start & self._mask and start > 0 and guard:
            self._guard(data, start)
        return end

    def append_while_named(self, data: bytes) -> int:
        """Append only as long as the log's name leads here: for `late_grace=0`, where nothing may be written to a segment
        that has been renamed. Costs three system calls more: a shared lock, held against the renaming process, and a look.

        Raises:
            Superseded: the file has been renamed, or is just being renamed.
            Incomplete, OSError: as `append`.
        """
        return self.while_named(lambda: self.append(data))

    def while_named(self, append: Callable[[], int]) -> int:
        """The same for any way to append."""
        gate = self._fd if self._side is None else self._side
        if not self._passes(gate):
            raise Superseded(f"{self.path}: being renamed")
        try:
            if not self.named():
                raise Superseded(f"{self.path}: renamed")
            return append()
        finally:
            self._let_go(gate)

    def position(self) -> int:
        """Where the last write through this description ended; -1 if that cannot be told."""
        try:
            return self._ops.seek(self._fd, 0, 1)
        except OSError:
            return -1

    def nameless(self) -> bool:
        """Whether no name leads here any more: what is written is lost with the last descriptor."""
        try:
            return self._ops.stat_fd(self._fd).links == 0
        except OSError:
            return True

    def named(self) -> bool:
        """Whether the log's name still leads here, as far as this process may look."""
        try:
            return self._ops.stat_path(self.path).id == self.file
        except OSError as error:
            return self._ops.fault(error) not in {Fault.MISSING, Fault.STALE}

    def _append_owing(self, data: bytes) -> int:
        owed, self._owed = self._owed, b""
        record, written, end = self._cut
        try:
            rest = len(record) - written
            almost = record in {data, owed + data} and rest < len(self.terminator) + unit_of(self.terminator)
            if almost and self._ops.stat_fd(self._fd).size == end:  # only its end is missing: as a whole it would be there twice
                return self.append(record[written:], guard=False)
            return self.append(owed + data, guard=False)
        except Incomplete:
            raise
        except OSError:
            self._owed = owed
            raise

    def _passes(self, gate: int) -> bool:
        try:
            return self._ops.try_lock(gate, False)
        except OSError as error:
            if self._ops.fault(error) is Fault.CLOSED:
                raise
            return True  # a file system without locks: records are written there all the same

    def _let_go(self, gate: int) -> None:
        try:
            self._ops.unlock(gate)
        except OSError:  # closed meanwhile, as in `append`: that has unlocked it, too
            pass

    def fileno(self) -> int:
        """The append descriptor, still owned by this object."""
        return self._fd

    def lease(self) -> bool:
        """Take the shared lock that keeps the segment from being sealed; False if a sealer has it, or where the file system has
        no locks (records are written there all the same). Safe to repeat.

        Without a side descriptor (write-only permission, or an inherited file) it is taken on the append descriptor.
        """
        try:
            return self.try_lease()
        except OSError:
            return False

    def try_lease(self) -> bool:
        """The same, where it matters whether there are no locks or a sealer has it.

        Raises:
            OSError: it cannot be told.
        """
        return self._ops.try_lock(self._fd if self._side is None else self._side, False)

    def intact(self) -> bool:
        """Whether the append descriptor is still ours: a daemon may have closed everything and opened something else. If only
        the side descriptor is gone, the segment counts as shared: it is opened anew as soon as that can be had."""
        side = self._side
        if side is not None and not _is(self._ops, side, self.file):
            self._side, self.shared = None, True
        return _is(self._ops, self._fd, self.file)

    def follow(self, before: object, *, guarded: bool) -> None:
        """Go on where another one, perhaps of the same file, has stopped."""
        self.guarded = guarded
        if isinstance(before, OpenSegment) and before.file == self.file:
            self._owed, self._cut = before._owed, before._cut

    def disown(self, number: int) -> None:
        """This descriptor number belongs to somebody else by now."""
        if self._fd == number:
            self._fd = -1
        if self._side == number:
            self._side, self.shared = None, True

    def close(self) -> None:
        """Close what is still ours; a number that leads to somebody else's file by now is left alone. Never raises."""
        numbers, self._fd, self._side = (self._fd, self._side), -1, None
        for number in numbers:
            if number is not None and number >= 0 and _is(self._ops, number, self.file, stale=True):
                close_quietly(self._ops, number)

    def after_fork_in_child(self, *, own: bool = False) -> None:
        """Close the parent's lease (only our `own` is unlocked); keep the append descriptor as a fallback for a worker that has
        dropped the privileges it would need to open its own. Never raises."""
        side, self._side, self.shared = self._side, None, True
        if own and side is None and _is(self._ops, self._fd, self.file):  # there was one descriptor for both
            self._let_go(self._fd)
        self._cut = b"", 0, 0  # the rest of that record is the parent's to write
        if side is not None and _is(self._ops, side, self.file):
            close_quietly(self._ops, side)

    def __del__(self) -> None:
        if self._fd >= 0:
            self.close()

    def _guard(self, data: bytes, start: int) -> None:
        """End the stump before our record, after making sure that it is our record: a position that a forked child
        moved must never cost somebody a byte. A guard that cannot read, try after try, leaves everything as it is.

        Raises:
            Incomplete: there is a stump and it cannot be ended (a copying file system may need space even for that, or it is
                shorter than a terminator). The record is a part of the stump's line, and has to be written again.
        """
        terminator, side = self.terminator, self._side_now()
        if side is None or not terminator or not self.guarded:
            return
        before = start - len(terminator)
        try:
            last = _insist(self._ops.read_at, side, min(start, 2 * len(terminator) - 1), max(0, start - 2 * len(terminator) + 1))
            if last.endswith((terminator, line_feed_of(terminator))):
                return
            if _insist(self._ops.read_at, side, len(data), start) != data:
                return
        except OSError:
            return
        if before < 0 or terminator in last:  # the stump is shorter, and what stands before it is somebody's
            raise Incomplete(f"{self.path}: what a killed writer has left is shorter than a terminator")
        try:
            _insist(self._ops.write_at, side, terminator, before)
        except OSError as error:
            raise Incomplete(f"{self.path}: what a killed writer has left cannot be ended: {error}") from error
        self.repaired += 1
        self._tell("repair", before)

    def _side_now(self) -> int | None:
        """The side descriptor; one that could not be had when the segment was opened (EMFILE) perhaps can be now."""
        if self._side is None:
            self._side = _open_side(self._ops, self.path, self._fd, self.file)
            if self._side is not None:
                claim(self._ops, self._side, self)
        return self._side

    def _end_fragment(self, data: bytes, written: int, end: int) -> None:
        """Make the last bytes of our own fragment a terminator, in place: they are allocated already, so this works on a full
        disk. What there is no room for, and what completes half a character, the next record brings along."""
        if not written or not self.terminator:
            return
        side, fragment, unit = self._side_now(), data[:written], unit_of(self.terminator)
        half = end % unit
        terminator = self.terminator[-(written - half) :] if written > half else b""  # what there is room for
        cut = data, written, end
        try:
            if side is not None and terminator and _insist(self._ops.read_at, side, written, end - written) == fragment:
                _insist(self._ops.write_at, side, terminator, end - half - len(terminator))
                self._tell("short write", end)
                if terminator == self.terminator and not half:
                    return
                cut = b"", 0, 0
        except OSError:
            pass
        if half or not cut[0] or not fragment.endswith(self.terminator):
            self._owed, self._cut = bytes(-end % unit) + self.terminator, cut  # the next record begins with it

    def _tell(self, event: str, offset: int) -> None:
        if self._trace is not None:
            self._trace(event, segment=self.path, offset=offset)


def open_segment(
    ops: Operations,
    path: str,
    period: Period,
    terminator: bytes,
    access: Access,
    trace: Trace | None = None,
    *,
    opening: Opening,
    lease: bool = True,
) -> tuple[OpenSegment, OSError | None]:
    """Open a log or segment for appending, with its lease if asked for; also what failed of mode and owner (not fatal).

    Raises:
        OSError: it cannot be opened; nothing stays open. The file may have been created, if that was allowed. Safe to repeat.
    """
    fd = _open_append(ops, path, opening, NEW_FILE if access.mode is None else access.mode)
    segment: OpenSegment | None = None
    try:
        found = ops.stat_fd(fd)
        if not found.regular:
            raise OSError(f"{path}: is no regular file any more")  # noqa: TRY301
        failed = apply_access(ops, fd, found, access, path) if access.wanted else None
        segment = OpenSegment(ops, path, fd, _open_side(ops, path, fd, found.id), found.id, period, terminator, trace)
        if lease:
            segment.lease()
    except BaseException:
        if segment is None:
            close_quietly(ops, fd)
        else:
            segment.close()
        raise
    return segment, failed


def _open_append(ops: Operations, path: str, opening: Opening, mode: int) -> int:
    if opening is Opening.EXISTING:
        return ops.open_existing(path)
    return (ops.open_new if opening is Opening.NEW else ops.open_append)(path, mode)


def _open_side(ops: Operations, path: str, fd: int, file: FileId) -> int | None:
    """The same file a second time, by its name, or by the append descriptor where the name leads elsewhere by now; None where
    it may not be read."""
    for opens in partial(ops.open_side, path), partial(ops.open_side_of, fd):
        try:
            side = opens()
        except OSError:
            continue
        if _is(ops, side, file):
            return side
        close_quietly(ops, side)
    return None


def _is(ops: Operations, fd: int, file: FileId, *, stale: bool = False) -> bool:
    """Whether it leads there. A network file system may have forgotten the file: then its descriptor is all there is."""
    try:
        return ops.stat_fd(fd).id == file
    except OSError as error:
        return stale and ops.fault(error) is Fault.STALE


def _insist(call: Callable[..., _T], *arguments: object) -> _T:
    """What is not read or ended now never is, for nobody comes by there again: an error is not believed at once."""
    for _ in range(_TRIES - 1):
        try:
            return call(*arguments)
        except OSError:
            continue
    return call(*arguments)
