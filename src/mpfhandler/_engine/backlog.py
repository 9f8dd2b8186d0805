"""Records that wait for the disk: when they are tried again, and the line that stands where some had to be dropped."""

from __future__ import annotations

from collections.abc import Callable

from .._pure.options import Options
from .._resources.spill import Lost, Spill
from .backoff import Backoff

__all__ = ["Backlog"]

_RETRY = (0.05, 2.0)  # seconds before a failed write is tried again: at first, at most


class Backlog:
    """A spill buffer with the rules for emptying it. The engine's lock guards every call."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self.spill = Spill(options.spill_bytes)
        self.retry = Backoff(*_RETRY)
        self.landed = False  # what was delivered last is in its file
        self._first: tuple[bytes, float] | Lost | None = None  # what `landed` is about: the one that was at the head of the queue
        self._told: tuple[Lost, tuple[bytes, float]] | None = None  # the line for a run of lost records

    def __bool__(self) -> bool:
        return bool(self.spill)

    def drain(self, deliver: Callable[[bytes, float], bool], terminator: bytes) -> bool:
        """Write what waits, oldest first, until one cannot be written; True if nothing is left.

        A record is taken out after it was written. A signal handler's exception in between must neither double nor lose it, so
        who delivers says by `landed` that it is in its file: then the next call only takes it out.
        """
        while (waiting := self.spill.first()) is not None:
            data, created = self._record(waiting, terminator)
            if self._first is not waiting:
                self.landed, self._first = False, waiting
            if not self.landed and not deliver(data, created):
                self._told = None
                if isinstance(waiting, Lost):
                    waiting.told = False
                return False
            self.spill.take()
        self.retry.clear()
        return True

    def _record(self, waiting: tuple[bytes, float] | Lost, terminator: bytes) -> tuple[bytes, float]:
        """What is to be written; for a run of lost records always the same bytes until they are."""
        if not isinstance(waiting, Lost):
            return waiting
        if self._told is None or self._told[0] is not waiting:
            waiting.told = True
            self._told = waiting, self._notice(waiting, terminator)
        return self._told[1]

    def _notice(self, lost: Lost, terminator: bytes) -> tuple[bytes, float]:
        first, last = self._moment(lost.first), self._moment(lost.last)
        text = (
            f"mpfhandler: {lost.count} records lost between {first} and {last}: the disk took none and memory for them was full"
        )
        return text.encode(self._options.encoding, self._options.errors) + (terminator or b"\n"), lost.last

    def _moment(self, created: float) -> str:
        try:
            return f"{self._options.schedule.wall(int(created))}.{int(created % 1 * 1000):03}"
        except (ValueError, OverflowError, OSError):
            return repr(created)
