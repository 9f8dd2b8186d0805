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
        self.landed = False  # the record that is being delivered is written

    def __bool__(self) -> bool:
        return bool(self.spill)

    def drain(self, deliver: Callable[[bytes, float], bool], terminator: bytes) -> bool:
        """Write what waits, oldest first, until one cannot be written; True if nothing is left.

        A record is taken out before it is written. A signal handler's exception must neither double nor lose it, so who
        delivers says in `landed` that it is in its file.
        """
        while (waiting := self.spill.take()) is not None:
            self.landed = False
            try:
                data, created = self._notice(waiting, terminator) if isinstance(waiting, Lost) else waiting
                self.landed = deliver(data, created)
            finally:
                if not self.landed:
                    self.spill.put_back(waiting)
            if not self.landed:
                return False
        self.retry.clear()
        return True

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
