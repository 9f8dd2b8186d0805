"""The debug file `<log path>.debug`: what this process decided, one line each, safe to write from many processes.

Opened, appended to and closed for each line. Decisions are rare (a rotation, a late record), and so nothing has to
be kept right over forks, deletions and closed descriptors. What fails here is ignored: it is only the debug file.
"""

from __future__ import annotations

from datetime import datetime

from .._platform import Operations
from .._pure.options import Access
from .access import NEW_FILE, apply_access

__all__ = ["Trace"]


class Trace:
    """Writes lines to a debug file, or nothing at all when it is switched off."""

    def __init__(self, ops: Operations, path: str, access: Access, *, enabled: bool) -> None:
        self._ops = ops
        self.path = path
        self.enabled = enabled
        self._access = access

    def __call__(self, event: str, **facts: object) -> None:
        """Write `time pid event key=value …`. Never raises."""
        if not self.enabled:
            return
        try:
            details = "".join(f" {key}={value}" for key, value in facts.items())
            stamp = datetime.fromtimestamp(self._ops.now()).isoformat(sep=" ", timespec="microseconds")
            line = f"{stamp} {self._ops.pid()} {event}{details}".replace("\n", "\\n")
            fd = self._ops.open_debug(self.path, NEW_FILE if self._access.mode is None else self._access.mode)
            try:
                if self._access.wanted:
                    apply_access(self._ops, fd, self._ops.stat_fd(fd), self._access)
                self._ops.write(fd, line.encode("utf-8", "backslashreplace") + b"\n")
            finally:
                self._ops.close(fd)
        except Exception:
            return
