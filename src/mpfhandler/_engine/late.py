"""Segments of periods that are over, kept for late records (promise P2)."""

from __future__ import annotations

from .._platform import FileId
from .._protocols.rotation import Rotation
from .._resources.append import OpenSegment
from .._resources.stream import OpenStream

__all__ = ["LateSegments"]

_MOST = 16  # descriptors pairs that are kept; with a one-second schedule and the default grace there are ten
_ASK_AGAIN = 1.0  # seconds, after a segment could not be had


class LateSegments:
    """The open segments of past periods. Owns them; the engine's lock guards every call.

    Args:
        rotation: reopens a segment by name.
        grace: seconds after the end of a period during which its segment takes records.
    """

    def __init__(self, rotation: Rotation, grace: float) -> None:
        self._rotation = rotation
        self._grace = grace
        self._open: list[OpenSegment] = []
        self._not_before = float("-inf")
        self._repaired = 0

    @property
    def repaired(self) -> int:
        """Stumps of killed writers that were ended in late segments."""
        return self._repaired + sum(segment.repaired for segment in self._open)

    def keep(self, segment: OpenSegment) -> None:
        """Take over a segment whose period is over."""
        self._open.append(segment)
        if len(self._open) > _MOST:
            self._close(self._open.pop(0))

    def find(self, created: float, clocks: tuple[float, float], terminator: bytes, wait: float) -> OpenSegment | None:
        """The segment for a late record, opened if need be; None if its grace is over or it cannot be had now.

        Args:
            created: of the record.
            clocks: wall and monotonic, now.
            terminator: of the records of this process.
            wait: for the rotation lock, in seconds.

        Raises:
            OSError: it cannot be opened.
            ValueError, OverflowError: `created` is no time that has a period.
        """
        now, monotonic = clocks
        for segment in reversed(self._open):
            if segment.period.start <= created < segment.period.end:
                return segment if now < segment.period.end + self._grace else None
        if monotonic < self._not_before or self._rotation.period(created).end + self._grace <= now:
            return None
        self._not_before = monotonic + _ASK_AGAIN
        reopened = self._rotation.reopen(created, terminator, wait)
        if reopened is not None:
            self._not_before = float("-inf")
            self.keep(reopened)
        return reopened

    def expire(self, now: float) -> None:
        """Close what is past its grace."""
        for segment in [one for one in self._open if one.period.end + self._grace <= now]:
            self.drop(segment)

    def let_go(self, files: set[FileId]) -> None:
        """Close those of these files that are kept."""
        for segment in [one for one in self._open if one.file in files]:
            self.drop(segment)

    def drop(self, segment: OpenSegment | OpenStream) -> None:
        """Close one segment."""
        if isinstance(segment, OpenSegment) and segment in self._open:
            self._open.remove(segment)
            self._close(segment)

    def close(self) -> None:
        """Close all of them."""
        while self._open:
            self._close(self._open.pop())

    def _close(self, segment: OpenSegment) -> None:
        self._repaired += segment.repaired
        segment.close()
