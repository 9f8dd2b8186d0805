"""Standard input on Windows, where it cannot be waited for beside anything else: a thread reads it, a block at a time.

It reads one block ahead and not more, so that who writes is held up when the log is. Ctrl-C and Ctrl-Break set flags, which are
looked at twenty times a second; nobody can ask for a rotation.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

from ..interrupt import ENDS

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Source"]

_CHUNK = 1 << 16  # bytes
_LOOK = 0.05  # seconds between two looks at the flags
_SETTLE = 0.2  # seconds in which what is in the pipe at an end is waited for


class Source:
    """Reads from a descriptor, which stays the caller's. While it is entered, signals that ask for an end only set flags.

    Args:
        fd: of the input.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.hangups = 0  # there is no such signal here
        self.ends: list[int] = []  # signals that ask for an end
        self._changed = threading.Condition()
        # guarded by it:
        self._block: bytes | None = None  # read ahead; empty at the end
        self._failed: OSError | None = None
        self._ended = False

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._on_signal) for number in ENDS}
        threading.Thread(target=self._read_ahead, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def wait(self) -> bool:
        """Until there is something to read (or the end of it), or a signal has come; whether there is."""
        while not self.ends:
            with self._changed:
                if self._ready() or (self._changed.wait(_LOOK) and self._ready()):
                    return True
        return self._ready()

    def pause(self, seconds: float) -> None:
        """So long, or until a signal comes."""
        until, ends = time.monotonic() + seconds, len(self.ends)
        while len(self.ends) == ends and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, _LOOK))

    def read(self, most: int = _CHUNK) -> bytes:
        """What is there; nothing at the end. Waits where nothing is.

        Raises:
            OSError: it cannot be read.
        """
        with self._changed:
            while not self._ready():
                self._changed.wait(_LOOK)
            if self._failed is not None:
                raise self._failed
            block = self._block or b""
            given, rest = block[:most], block[most:]
            self._block = rest or (block if not block else None)
            self._changed.notify_all()
            return given

    def pending(self) -> int:
        """How many bytes can be read now without waiting, after a moment in which what is on its way arrives."""
        until = time.monotonic() + _SETTLE
        with self._changed:
            while not self._ready() and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)
            return len(self._block or b"")

    def _ready(self) -> bool:
        return self._block is not None or self._failed is not None

    def _read_ahead(self) -> None:
        while not self._ended:
            block, failed = b"", None
            try:
                block = os.read(self._fd, _CHUNK)
            except OSError as error:
                failed = error
            with self._changed:
                while self._block is not None:
                    self._changed.wait()
                self._block, self._failed, self._ended = block, failed, not block
                self._changed.notify_all()

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self.ends.append(number)
