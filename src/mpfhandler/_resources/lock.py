"""The rotation lock, `<log path>.lock`: exclusion between processes, and the state record that lies in the file.

Calling sequence: `held = lock.acquire(wait)`; None means somebody else has it. Then `held.read_state()`,
`held.write_state()`, and always `lock.release(held)`.

The lock is flock(2) on a description that is opened anew each time, so no descriptor has to be kept right over
forks and dropped privileges. Release is an explicit LOCK_UN: a child between fork and exec shares the description,
and closing ours alone would leave the lock with the child. The file may be deleted at any moment: after locking the
inode behind the path is compared with the one behind the descriptor.

Waiting is polling. flock(2) cannot wait for a bounded time, and a dead, stopped or hostile holder must not stop a
logging call (promise P3).
"""

from __future__ import annotations

from collections.abc import Callable

from .._platform import Fault, FileId, FileStat, Operations
from .._pure.options import Access
from .._pure.state import SIZE, State, is_ours, pack, unpack
from .access import NEW_FILE, apply_access
from .descriptors import close_quietly, unlock_and_close
from .predecessor import Predecessor

__all__ = ["HeldLock", "RotationLock"]

_FIRST_PAUSE = 0.0005  # seconds; a rotation holds the lock for a fraction of a millisecond
_LONGEST_PAUSE = 0.02


class HeldLock:
    """The lock while it is held. Owns the descriptor."""

    def __init__(self, ops: Operations, path: str, fd: int, *, writable: bool) -> None:
        self._ops = ops
        self._path = path
        self._fd = fd
        self._writable = writable
        self.file = FileId(0, 0)

    def take(self) -> FileStat | None:
        """Lock without waiting; the file's facts, or None if somebody else has it or the name leads elsewhere by now.

        Raises:
            OSError: it cannot be locked, or is no regular file.
        """
        if not self._ops.try_lock(self._fd, True):
            return None
        found = self._ops.stat_fd(self._fd)
        if not found.regular:
            raise OSError(f"{self._path}: is no regular file")
        self.file = found.id
        return found if self.current() else None

    def current(self) -> bool:
        """Whether the name of the lock still leads to what is locked; if not, another process may hold another one."""
        found = _stat(self._ops, self._path)
        return found is not None and found.id == self.file

    def read_state(self) -> State | None:
        """The state record, or None where there is none that is whole. One that cannot be read is not written over either: other
        processes may be able to read it."""
        try:
            return unpack(self._ops.read_at(self._fd, SIZE, 0))
        except OSError:
            self._writable = False
            return None

    def write_state(self, state: State) -> bool:
        """Write the state record in one call; False if this process may not. After a failure the old record, the new one, or none
        that is whole stands there; every one of them is understood. Safe to repeat.

        Raises:
            FileExistsError: something that is nobody's state stands in the file (promise P4).
            OSError: it cannot be written.
        """
        if not self._writable:
            return False
        if not self._ours():
            raise FileExistsError(f"{self._path}: is not a lock file of this log, but somebody's file; it is left as it is")
        self._ops.write_at(self._fd, pack(state), 0)
        return True

    def clear_state(self) -> None:
        """Before a log is created where there is none: the new file may get the inode of the removed one that the record names.
        After a failure the old record may stand. Safe to repeat. Never raises."""
        try:
            if self._writable and self._ours():
                self._ops.write_at(self._fd, b" " * (SIZE - 1) + b"\n", 0)
        except OSError:
            pass

    def _ours(self) -> bool:
        try:
            return is_ours(self._ops.read_at(self._fd, SIZE, 0))
        except OSError:
            return True  # a record that cannot be read any more

    def grant(self, found: FileStat, access: Access) -> OSError | None:
        """Give the file the mode and owner that were asked for, where it has others."""
        return apply_access(self._ops, self._fd, found, access, self._path)

    def release(self) -> None:
        """Give the lock up, if it is held. Never raises; what a signal handler's exception interrupts can be called again."""
        fd = self._fd
        if fd < 0:
            return
        unlock_and_close(self._ops, fd)
        self._fd = -1

    def abandon(self) -> None:
        """In a forked child: close the shared description without unlocking what the parent holds."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            close_quietly(self._ops, fd)


class RotationLock:
    """The lock of one log, not held.

    Args:
        ops: the system calls.
        path: of the lock file.
        access: mode and owner for the lock file.
        report: is told what failed without keeping the lock from being had.
        log: the log's path; who has the lock keeps processes of mpfhandler 0.0.x from rotating that. "" is without.
        unit: seconds of the unit of its schedule.
    """

    def __init__(
        self,
        ops: Operations,
        path: str,
        access: Access,
        report: Callable[[str, OSError], None],
        log: str = "",
        unit: int = 1,
    ) -> None:
        self._ops = ops
        self.path = path
        self._access = access
        self._report = report
        self._predecessor = Predecessor(ops, log, path, unit, report) if log else None
        self.stalled = False  # somebody waited for it in vain, and it has not been had since
        self.broken = False  # the last try has ended with an error
        self._held: HeldLock | None = None
        self._seen: tuple[FileId, int] | None = None  # the lock file as it was left, and its size

    def acquire(self, wait: float) -> HeldLock | None:
        """Take the lock, waiting at most `wait` seconds; None if somebody else still has it then.

        Raises:
            OSError: the lock file can be neither created nor opened. Nothing is held then.
        """
        deadline = self._ops.monotonic() + wait
        pause = _FIRST_PAUSE
        self.settle()
        while True:
            self.broken = True
            held = self._attempt()
            self.broken = False
            if held is not None:
                self.stalled = False
                if self._predecessor is not None:
                    self._predecessor.disarm(deadline - self._ops.monotonic())
                return held
            left = deadline - self._ops.monotonic()
            if left <= 0:
                return None
            self._ops.sleep(min(pause, left))
            pause = min(pause * 2, _LONGEST_PAUSE)

    def settle(self) -> None:
        """Let go what is still held although nobody is at it: a signal handler's exception came just before the release."""
        if self._held is not None:
            self._held.release()

    def unchanged(self) -> bool:
        """Whether the lock file is still the one that was locked last, as far as this process may look; a deleted one takes the
        state record with it, and the next one may get the same inode. No, too, where mpfhandler 0.0.x would rotate the log."""
        if self._predecessor is not None and self._predecessor.armed():
            return False
        try:
            found = _stat(self._ops, self.path)
        except OSError:
            return True
        return found is not None and (found.id, found.size) == self._seen

    def release(self, held: HeldLock) -> None:
        """Give the lock up, and remember what the file is like now. Never raises."""
        try:
            found = _stat(self._ops, self.path)
            self._seen = None if found is None else (found.id, found.size)
        except OSError:
            self._seen = None
        finally:
            held.release()

    def peek(self) -> State | None:
        """The state record without the lock: for a process that only has to follow a rotation, or could not get the lock.

        The checksum tells a record that is being written from a whole one. Never creates the lock file.
        """
        try:
            fd = self._ops.open_read(self.path)
        except OSError:
            return None
        try:
            state = unpack(self._ops.read_at(fd, SIZE, 0))
            if state is not None:
                found = self._ops.stat_fd(fd)
                self._seen = found.id, found.size
            return state
        except OSError:
            return None
        finally:
            close_quietly(self._ops, fd)

    def after_fork_in_child(self) -> None:
        """Forget what the parent holds."""
        held, self._held = self._held, None
        if held is not None:
            held.abandon()

    def _attempt(self) -> HeldLock | None:
        mode = NEW_FILE if self._access.mode is None else self._access.mode
        fd, writable = self._ops.open_lock(self.path, mode)
        held = self._held = HeldLock(self._ops, self.path, fd, writable=writable)
        try:
            found = held.take()
        except BaseException:
            held.release()
            raise
        if found is None:
            held.release()
            return None
        if self._access.wanted:  # also an old file: one of root's first process would shut out its workers for ever
            failed = held.grant(found, self._access)
            if failed is not None:
                self._report("chmod/owner of the lock file", failed)
        return held


def _stat(ops: Operations, path: str) -> FileStat | None:
    try:
        return ops.stat_path(path)
    except OSError as error:
        if ops.fault(error) in {Fault.MISSING, Fault.STALE}:
            return None
        raise
