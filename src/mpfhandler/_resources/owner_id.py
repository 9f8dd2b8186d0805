"""Who this log is to an archive: a random number in the hidden file `.<log>.owner` beside the log, and the lock of who archives
it.
Two machines may have the same name, and a log may be made anew on one that was reinstalled. The number tells them apart. It is
written once, before anything is stored, and never changed; a file without a whole one was never used for anything.

The lock lets one process at a time archive segments of a log. Else two could find the same key free: a store need not be able to
create an object only where there is none.

The calling sequence: `with OwnerId(…) as text`. The descriptor is locked explicitly and unlocked before it is closed, as the
rotation lock is (a child between fork and exec shares the description).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from types import TracebackType

from .._platform import Fault, Operations
from .._pure.options import Access
from .access import apply_access
from .descriptors import close_quietly

__all__ = ["OwnerId"]

_DIGITS = 32
_PAUSE = 0.1  # seconds
_PATIENCE = 30.0  # seconds; whoever has it may be uploading for hours


class OwnerId:
    """The number while its file is locked. Owns the descriptor.

    Args:
        ops: the system calls.
        path: of the file.
        access: of a new one: who may archive a segment may read the number, too.
        stop: is asked while another process has the lock; InterruptedError is raised once it says so, or after half a minute.

    Raises:
        FileExistsError: something else stands in the file (promise P4).
        OSError: it cannot be read or made.
    """

    def __init__(self, ops: Operations, path: str, access: Access, stop: Callable[[], bool]) -> None:
        self._ops = ops
        self._path = path
        self._access = access
        self._stop = stop
        self._fd = -1

    def __enter__(self) -> str:
        try:
            until = self._ops.monotonic() + _PATIENCE
            while not self._locked():
                self._pause(until)
            return self._text()
        except BaseException:
            self._release()
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /) -> None:
        self._release()

    def _pause(self, until: float) -> None:
        if self._stop() or self._ops.monotonic() >= until:
            raise InterruptedError(f"{self._path}: another process archives segments of this log now")
        self._ops.sleep(_PAUSE)

    def _locked(self) -> bool:
        """Lock without waiting; the file may have been deleted meanwhile, and then the lock is one of nothing."""
        if self._fd < 0:
            self._fd, _ = self._ops.open_lock(self._path, 0o600)
        if not self._ops.try_lock(self._fd, True):
            return False
        try:
            current = self._ops.stat_path(self._path).id == self._ops.stat_fd(self._fd).id
        except OSError as error:
            if self._ops.fault(error) is not Fault.MISSING:
                raise
            current = False
        if not current:
            self._release()
        return current

    def _text(self) -> str:
        found = self._ops.read_at(self._fd, _DIGITS + 2, 0)
        if re.fullmatch(rb"[0-9a-f]{32}\n", found):
            return found.decode()[:_DIGITS]
        if not re.fullmatch(rb"[0-9a-f]{0,32}", found):
            raise FileExistsError(f"{self._path}: is no file of mpfhandler's; move it away")
        return self._made()

    def _made(self) -> str:
        import secrets

        text = secrets.token_hex(_DIGITS // 2)
        line = f"{text}\n".encode()
        if self._ops.write_at(self._fd, line, 0) != len(line):
            raise OSError(f"{self._path}: could not be written in full")
        self._ops.fsync(self._fd)
        apply_access(self._ops, self._fd, self._ops.stat_fd(self._fd), self._access, self._path)  # if this user may
        return text

    def _release(self) -> None:
        fd, self._fd = self._fd, -1
        if fd < 0:
            return
        try:
            self._ops.unlock(fd)
        except OSError:
            pass
        finally:
            close_quietly(self._ops, fd)
