"""What is in a buffer, and a batch of it on its way to the files.

A program's records are nearly all of the present period. They stand in a list as what they are, bytes or text, and the list knows
the period that they belong to; only a record of another time has its `created` with it. So a record costs one object, and a batch
is joined as it is. A list is of one period for ever: whatever comes between a look at its period and an append, a record is never
in the list of another one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .._pure.schedule import Period
from .._resources.spill import Lost

__all__ = ["Batch", "Entry", "Group", "Taken", "Waiting", "Whole"]

_EVER = float("inf")


class Taken:
    """Stands at the head of a buffer while a batch is taken out of it: of a record it could not be told by its identity whether
    it was taken already, for the same text may be logged twice."""


# A record of the list's period; one with its `created`; a run of dropped ones; the mark of a batch.
# Bytes have their terminator. Text is ASCII and has none: it becomes bytes with the others of its write, at a fifth of the cost.
Entry = bytes | str | tuple[bytes | str, float] | Lost | Taken
Whole = tuple[bytes, float] | Lost


class Waiting(list[Entry]):
    """What a flush takes, oldest first.

    Args:
        period: of those without their time; None takes only such as have one.
    """

    __slots__ = ("period", "since", "until")

    def __init__(self, period: Period | None = None) -> None:
        super().__init__()
        self.period = period
        self.since: float = _EVER if period is None else period.start
        self.until: float = -_EVER if period is None else period.end

    def is_late(self, start: float) -> bool:
        """Whether something in it is of before that time, so that it has only the grace."""
        if not self:
            return False
        return (self.period is not None and self.until <= start) or any(_is_before(entry, start) for entry in self[:])


def _is_before(entry: Entry, start: float) -> bool:
    return isinstance(entry, tuple) and entry[1] < start


class Batch:
    """Records on their way, oldest first. The first `done` of them are in a file or in the backlog.

    Args:
        end: of records that are text.
        source: that they are taken from.
        now: a time for those that have none of their own and of which no period is known.
    """

    __slots__ = ("_now", "counted", "done", "end", "entries", "mark", "source", "tried")

    def __init__(self, end: bytes, source: Waiting, now: float = 0.0) -> None:
        self.entries: list[Entry] = []
        self.mark = Taken()
        self.end = end
        self.source = source
        self.counted = 0  # their size in bytes, as it was counted when they came
        self.done = 0
        self.tried: tuple[int, int] = -1, 0  # where a group failed that is to be tried again, and how often: not for ever
        self._now = now

    def __bool__(self) -> bool:
        return self.done < len(self.entries)

    def first(self) -> Whole | None:
        """What comes next; None if nothing does, or not any more: a signal handler's fork leaves the child an empty batch."""
        while True:
            try:
                entry = self.entries[self.done]
            except IndexError:
                return None
            if (whole := self.whole(entry)) is not None:
                return whole
            self.done += 1

    def whole(self, entry: Entry) -> Whole | None:
        """A record as it is written, with its time; None for what is no record."""
        if isinstance(entry, Lost):
            return entry
        if isinstance(entry, Taken):
            return None
        data, created = entry if isinstance(entry, tuple) else (entry, self._moment())
        return data if isinstance(data, bytes) else data.encode("ascii") + self.end, created

    def _moment(self) -> float:
        period = self.source.period
        return self._now if period is None else min(max(self._now, period.start), period.end - 0.001)

    def size(self, entry: Entry) -> int:
        """Of a record, in bytes; nothing is counted for what is none."""
        whole = self.whole(entry)
        return len(whole[0]) if isinstance(whole, tuple) else 0

    def forget(self) -> None:
        """They are another process's to write."""
        self.entries.clear()

    def joined(self, since: float, until: float) -> bytes | None:
        """All of them, if they are nothing but records of these times: the common case, at a fifth of the cost."""
        entries: list[Any] = self.entries
        period = self.source.period
        if period is not None and since <= period.start and period.end <= until:
            try:
                return _joined(entries, self.end)
            except (AttributeError, TypeError):  # one has its time with it, or is no record
                pass
        records: list[bytes] = []
        for entry in entries:
            whole = self.whole(entry)
            if not isinstance(whole, tuple) or not since <= whole[1] < until:
                return None
            records.append(whole[0])
        return b"".join(records)


def _joined(entries: list[Any], end: bytes) -> bytes:
    """Text and bytes as they are written.

    Raises:
        AttributeError, TypeError: there is something else.
    """
    kinds = set(map(type, entries))
    if kinds == {str} and end.isascii():  # another thread may have put one in while the end was changed to one that is not
        text = end.decode("ascii")
        return (text.join(entries) + text).encode("ascii") if entries else b""  # a signal handler's child has nothing
    if kinds == {bytes}:
        return b"".join(entries)
    return b"".join([entry if type(entry) is bytes else entry.encode("ascii") + end for entry in entries])


class Group(NamedTuple):
    """The next records of a batch, which are written together."""

    data: bytes
    number: int
    batch: Batch
    start: int

    def records(self) -> list[bytes]:
        """One by one; none of them in a signal handler's child."""
        entries = self.batch.entries[self.start : self.start + self.number]
        return [whole[0] for entry in entries if isinstance(whole := self.batch.whole(entry), tuple)]
