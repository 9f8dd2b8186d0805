"""A log that is no regular file (`/dev/null`, `/dev/stdout`, a fifo): written to, never rotated, never locked.

Opened non-blocking, so that a fifo without a reader cannot hang the program. A slow reader is waited for like a lock:
at most `patience` seconds the first time, then not at all until it reads again.
"""

from __future__ import annotations

from .._platform import FileId, Operations
from .._pure.schedule import Period
from .descriptors import claim

__all__ = ["OpenStream"]

_ALWAYS = Period(-(1 << 62), 1 << 62)


class OpenStream:
    """An open device or pipe. Owns the descriptor; the caller serializes threads."""

    _fd = -1

    def __init__(self, ops: Operations, path: str, patience: float) -> None:
        self.path = path
        self.period = _ALWAYS
        self.terminator = b""
        self.repaired = 0
        self.shared = False
        self._ops = ops
        self._patience = patience
        self._wait = patience
        self._rest = b""
        self._fd = ops.open_stream(path)
        self.file: FileId = ops.stat_fd(self._fd).id
        claim(ops, self._fd, self)

    def append(self, data: bytes) -> int:
        """Write one record, and before it what a slow reader left of the last one. Always 0: a stream has no offset.

        Raises:
            OSError: nothing of this record was written.
        """
        self._rest = self._push(self._rest)
        if self._rest:
            raise BlockingIOError(f"{self.path}: the reader does not read")
        rest = self._push(data)
        if len(rest) == len(data):
            raise BlockingIOError(f"{self.path}: the reader does not read")
        self._rest = rest  # begun, so it must go on where it stopped, ahead of everything else
        return 0

    def fileno(self) -> int:
        """The descriptor, still owned by this object."""
        return self._fd

    def intact(self) -> bool:
        """Whether the descriptor is still ours."""
        try:
            return self._ops.stat_fd(self._fd).id == self.file
        except OSError:
            return False

    def disown(self, number: int) -> None:
        """This descriptor number belongs to somebody else by now."""
        if self._fd == number:
            self._fd = -1

    def close(self) -> None:
        """Push the rest, as far as the reader takes it, and close. A number that leads to somebody else's file by now is left
        alone. Never raises."""
        ours, fd = self.intact(), self._fd
        try:
            if ours:
                self._push(self._rest)
        except OSError:
            pass
        self._fd, self._rest = -1, b""
        try:
            if ours:
                self._ops.close(fd)
        except OSError:
            pass

    def after_fork_in_child(self) -> None:
        """A stream has no position to be confused about; what is left of a record is the parent's to write."""
        self._rest = b""

    def __del__(self) -> None:
        if self._fd >= 0:
            self.close()

    def _push(self, data: bytes) -> bytes:
        """Write as much as the reader takes within the patience; what is left."""
        deadline = self._ops.monotonic() + self._wait
        while data:
            try:
                data = data[self._ops.write_stream(self._fd, data) :]
                self._wait = self._patience
            except BlockingIOError:
                left = deadline - self._ops.monotonic()
                if left <= 0 or not self._ops.wait_writable(self._fd, left):
                    self._wait = 0.0
                    return data
        return data
