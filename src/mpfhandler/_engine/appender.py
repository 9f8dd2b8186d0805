"""How a record is appended to a segment: as it is, with `locking="record"` under the rotation lock, with `late_grace=0` only
while the log's name leads there, and with `fsync="always"` so that it is on the disk when the call returns.

A sync that fails costs no record: it is in the kernel's hands, and written again it would be there twice. So the failure is told,
and that is all; what a disk has once refused to keep, it does not keep at the next try either.
"""

from __future__ import annotations

import os.path
from collections.abc import Callable

from .._platform import FileId, Operations
from .._pure.options import Options
from .._resources.append import OpenSegment
from .._resources.locked import LockedAppends
from .._resources.report import Reporter
from .._resources.stream import OpenStream

__all__ = ["UNLIMITED", "Appender", "not_open"]

UNLIMITED = 1 << 62  # bytes, of a file


class Appender:
    """Knows how; keeps nothing but which file's name is on the disk already. The engine's lock guards every call.

    Args:
        ops: the system calls.
        options: checked.
        report: is told what fails.
        locked: for `locking="record"`.
    """

    def __init__(self, ops: Operations, options: Options, report: Reporter, locked: LockedAppends) -> None:
        self._ops = ops
        self._checks = not options.late_grace
        self._locked = locked if options.locks_records else None
        self._syncs = options.fsync == "always"
        self._report = report
        self._named: FileId | None = None

    def of(self, segment: OpenSegment | OpenStream) -> Callable[[bytes], int]:
        """What appends a record there."""
        if not isinstance(segment, OpenSegment):
            return segment.append
        if self._locked is not None:
            return lambda data: self.run(segment, data, lambda: segment.append(data))
        append = segment.append_while_named if self._checks else segment.append
        if not self._syncs:
            return append

        def append_and_sync(data: bytes) -> int:
            end = append(data)
            self.sync(segment)
            return end

        return append_and_sync

    def run(self, segment: OpenSegment, data: bytes, append: Callable[[], int]) -> int:
        """The same for any way to append these bytes."""
        if self._locked is not None:
            end = self._locked.append(segment, data, append)
        else:
            end = segment.while_named(append) if self._checks else append()
        self.sync(segment)
        return end

    def sync(self, segment: OpenSegment) -> None:
        """After an append: have it on the disk, where that is asked for, and before the first one of a file its name.

        Never raises an `OSError`. Safe to repeat.
        """
        if not self._syncs:
            return
        named = segment.file == self._named or self._done(self._ops.fsync_folder, os.path.dirname(segment.path))
        synced = self._done(self._ops.fsync, segment.fileno())
        if named and synced:
            self._named = segment.file
            self._report.solved("fsync")

    def _done(self, call: Callable[..., None], what: str | int) -> bool:
        try:
            call(what)
        except OSError as error:
            self._report("fsync", error)
            return False
        return True


def not_open(_data: bytes) -> int:
    """Stands for what appends, where nothing is open.

    Raises:
        AssertionError: always; the window of the fast path is empty then.
    """
    raise AssertionError("nothing is open")
