"""What a helper process writes, whatever system it is on."""

from __future__ import annotations

import os
from collections.abc import Callable

__all__ = ["LOOK", "read_to_end"]

LOOK = 0.05  # seconds between two questions whether to stop
_LONGEST = 1 << 16


def read_to_end(fd: int, ready: Callable[[], object], stop: Callable[[], bool]) -> bytes:
    """Everything up to the end of a pipe.

    Args:
        fd: of the pipe, which stays the caller's.
        ready: waits for `LOOK` at most; whether there is something, or the end.
        stop: whether to give up; is asked all the time.

    Raises:
        InterruptedError: `stop` says so.
        OSError: it is too much.
    """
    parts: list[bytes] = []
    while sum(map(len, parts)) <= _LONGEST:
        if stop():
            raise InterruptedError("the helper process was stopped")
        if not ready():
            continue
        block = os.read(fd, 4096)
        if not block:
            return b"".join(parts)
        parts.append(block)
    raise OSError("the helper process writes without an end")
