"""The gate of a log with `late_grace=0`: writers hold the shared lock on the file around look and write, who renames it
the exclusive one."""

from __future__ import annotations

from .._platform import FileId, Operations

__all__ = ["Gate"]


class Gate:
    """The exclusive side. Owns a descriptor of the log until it is opened again, or dropped."""

    def __init__(self, ops: Operations, path: str) -> None:
        self._ops = ops
        self._path = path
        self._fd = -1

    def close(self, file: FileId) -> bool:
        """Try to lock all writers out of this file; True if that is done, or there is nothing to be locked."""
        try:
            if self._fd < 0:
                self._fd = self._ops.open_side(self._path)
            return self._ops.stat_fd(self._fd).id != file or self._ops.try_lock(self._fd, True)
        except OSError:
            return True  # a file that may not be read: its writers cannot be waited for

    def open(self) -> None:
        """Let writers in again. Never raises."""
        if self._fd >= 0:
            try:
                self._ops.close(self._fd)
            except OSError:
                pass
            self._fd = -1

    def __del__(self) -> None:
        self.open()
