"""The state record: which period the active file belongs to. A value and its bytes; no file, no clock.

One line of ASCII of fixed size at the start of the lock file, so that `cat app.log.lock` shows it. Anything that is
not exactly such a line (empty, torn, another version, a bare timestamp of mpfhandler 0.0.x) is no state, and the
period is then derived from the log file itself.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

from .facts import FileId
from .schedule import Period

__all__ = ["SIZE", "State", "is_ours", "pack", "unpack"]

SIZE = 192  # bytes; well inside one sector, so a record is written whole or not at all on local file systems
_MAGIC = "mpfhandler-state"
_VERSION = 1
_FIELDS = 10


@dataclass(frozen=True)
class State:
    """What the process that created or adopted the active file wrote down under the rotation lock."""

    file: FileId
    mtime_ns: int  # the active file's, when it was created or adopted; by the clock of the file system
    period: Period
    fingerprint: str  # of the schedule that chose the period
    before: int = 0  # inode of the last segment of the period before; 0: it had none, or that is not known

    @property
    def shared(self) -> bool:
        """Whether several machines may write to the log (`locking="record"`): then a file is known by its inode alone, for each
        mount has a device number of its own."""
        return self.file.device == 0

    def names(self, file: FileId) -> bool:
        """Whether it tells of this file, as any machine sees it."""
        return self.file == file or (self.shared and self.file.inode == file.inode)


def pack(state: State) -> bytes:
    """The state as bytes of exactly `SIZE`."""
    start, end = state.period
    numbers = f"{state.file.device} {state.file.inode} {state.mtime_ns} {start} {end}"
    body = f"{_MAGIC} {_VERSION} {numbers} {state.fingerprint} {state.before}"
    line = f"{body} {zlib.crc32(body.encode()):08x}"
    return line.encode("ascii").ljust(SIZE - 1) + b"\n"


def is_ours(data: bytes) -> bool:
    """Whether a state record may be written over this: over nothing, zeros, another state record, whole or torn, or a bare
    timestamp of mpfhandler 0.0.x, which may have been written over the start of one; never over what somebody else may have
    written (promise P4)."""
    text = data.strip(b"\0 \r\n\t")
    stamp = len(text) - len(text.lstrip(b"0123456789"))
    ours = text[stamp:].startswith(_MAGIC.encode()[stamp:]) and stamp < len(_MAGIC)
    return text == b"" or ours or re.fullmatch(rb"[-\d.:_T /+Z]{1,64}", text) is not None


def unpack(data: bytes) -> State | None:
    """The state in these bytes, or None where they are not exactly what `pack` makes."""
    try:
        fields = data.decode("ascii").split()
        if len(fields) != _FIELDS or fields[:2] != [_MAGIC, str(_VERSION)]:
            return None
        device, inode, mtime_ns, start, end = map(int, fields[2:7])
        state = State(FileId(device, inode), mtime_ns, Period(start, end), fields[7], int(fields[8]))
    except ValueError:
        return None
    return state if pack(state) == data else None
