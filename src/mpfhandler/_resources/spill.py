"""Records that could not be written yet: a bounded queue in memory that knows exactly what it had to drop.

When it is full the newest records are dropped and counted, and a marker keeps their place: on recovery one line says
how many were lost and between which times, in order with what was kept. No lock: the engine serializes its callers.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

__all__ = ["Lost", "Spill"]


@dataclass
class Lost:
    """A run of records that were dropped: how many, and the `created` of the earliest and the latest."""

    count: int
    first: float
    last: float
    told: bool = False  # the line that tells of it is being written: it grows no more


class Spill:
    """A queue of records, bounded in bytes.

    Args:
        limit: bytes of records that are kept at most.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._queue: deque[tuple[bytes, float] | Lost] = deque()
        self.lost = 0  # records dropped since the start
        self.waiting = 0  # records in the queue

    def __bool__(self) -> bool:
        return bool(self._queue)

    def add(self, data: bytes, created: float, *, bounded: bool = True) -> bool:
        """Queue a record behind the others; False if it was dropped because the queue is full. `bounded=False` is for records
        that wait for a moment only, not for the disk."""
        if bounded and self._size + len(data) > self._limit:
            self._drop(created)
            return False
        self._queue.append((data, created))
        self._size += len(data)
        self.waiting += 1
        return True

    def mark(self, lost: Lost) -> None:
        """Records that were dropped before they came here, and are counted already: the line that tells of them stands here."""
        self._queue.append(lost)

    def ends_with(self, one: tuple[bytes, float] | Lost) -> bool:
        """Whether this very record, not just an equal one, or this run of dropped ones is the last in the queue."""
        last = self._queue[-1] if self._queue else None
        return last is one or (isinstance(last, tuple) and isinstance(one, tuple) and last[0] is one[0])

    def first(self) -> tuple[bytes, float] | Lost | None:
        """What comes next: a record, a run of dropped ones, or None. It stays where it is."""
        return self._queue[0] if self._queue else None

    def take(self) -> tuple[bytes, float] | Lost | None:
        """Take what comes next."""
        if not self._queue:
            return None
        taken = self._queue.popleft()
        if not isinstance(taken, Lost):
            self._size -= len(taken[0])
            self.waiting -= 1
        return taken

    def clear(self) -> None:
        """Forget everything: in a forked child the records are the parent's to write."""
        self._queue.clear()
        self._size = self.waiting = 0

    def give_up(self) -> int:
        """Count what is left as lost, at the very end; how many records that was."""
        count = self.waiting
        self.lost += count
        self.clear()
        return count

    def _drop(self, created: float) -> None:
        self.lost += 1
        last = self._queue[-1] if self._queue else None
        if isinstance(last, Lost) and not last.told:
            last.count += 1
            last.first, last.last = min(last.first, created), max(last.last, created)
        else:
            self._queue.append(Lost(1, created, created))
