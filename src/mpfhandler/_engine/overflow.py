"""What a full buffer does with a record if the program would rather lose it than wait for the disk.

It is the disk that is judged, not the machine: a flusher that waits for its turn is waited for, and only while a write has
lasted for longer than a healthy disk takes, or the flusher has not come to take the buffer for a long time, records are dropped.
Nothing is written in the logging call: it could be the write that hangs.
"""

from __future__ import annotations

from typing import Any

from .._resources.spill import Lost
from .writer import Writer

__all__ = ["Overflow"]

_STALL = 0.05  # seconds that a write lasts until the disk counts as stalled
_LOOKS = 20  # at a write that lasts, until it does
_PATIENCE = 1.0  # seconds that one call waits for the flusher, where the disk does not stall
_PAUSE = 0.001  # seconds between two looks


class Overflow:
    """The policy `drop` of one buffer.

    Args:
        buffer: the `Buffer` that is full; this is a part of it.
        writer: its engine.
    """

    def __init__(self, buffer: Any, writer: Writer) -> None:
        self._buffer = buffer
        self._writer = writer
        self._monotonic = writer._ops.monotonic
        self.renew()

    def renew(self) -> None:
        """Nothing was dropped."""
        # hints, no lock:
        self._hopeless = False  # the flusher was waited for in vain, and has not come since
        self._dropped = False  # something, since the buffer was taken last
        self._lasts = 0.0, 0  # the write that was seen to last too long; how often

    def taken(self) -> None:
        """There is room again."""
        self._hopeless = False
        if self._dropped:
            self._dropped = False
        else:
            self._writer._report.solved("overflow")

    def take_or_drop(self, data: bytes | str, more: int, created: float) -> None:
        """Take a record as soon as there is room, or drop it. What is made inside a flush, which cannot be waited for, is
        taken."""
        buffer, takes = self._buffer, self._buffer.takes
        until = self._monotonic() + _PATIENCE
        while not self._fits(more, takes):
            buffer._ensure_flusher()
            buffer._flusher.wake()
            if self._hopeless or self._stalls():
                self._drop(created)
                return
            if self._monotonic() >= until:
                self._hopeless = True
            buffer._threads.pause(_PAUSE)
        buffer.take(data, more, created)

    def _fits(self, more: int, takes: int) -> bool:
        """One that is longer than the buffer does when that has been taken, whatever others have put in since."""
        buffer, limit = self._buffer, self._writer.options.delivery.size
        if buffer._size + more <= limit or (more > limit and buffer.takes != takes):
            return True
        return not (buffer._waiting or buffer._older) or buffer._ending or buffer._is_awaited()

    def _stalls(self) -> bool:
        """Whether one write lasts and lasts. Seen so several times: the thread that writes may be waiting for its turn to say
        that it has."""
        since: float | None = self._buffer._batches.writing_since
        if since is None or self._monotonic() - since <= _STALL:
            return False
        before, looks = self._lasts
        self._lasts = since, looks + 1 if before == since else 1
        return self._lasts[1] > _LOOKS

    def _drop(self, created: float) -> None:
        """Count it, leave a mark where it would stand, and say so once."""
        buffer = self._buffer
        with buffer._guard:
            buffer._lost, self._dropped = buffer._lost + 1, True
            last = buffer._waiting[-1] if buffer._waiting else None
            if isinstance(last, Lost):
                last.count += 1
                last.first, last.last = min(last.first, created), max(last.last, created)
            else:
                buffer._waiting.append(Lost(1, created, created))
        size = self._writer.options.delivery.size
        text = f"{self._writer.place.log}: the disk is slow and the buffer of {size} bytes is full: records are dropped"
        self._writer._report("overflow", OSError(text))
