"""A sealed segment as a value: what a user's hook and the archive are told."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SealedSegment"]


@dataclass(frozen=True)
class SealedSegment:
    """A closed segment to which nothing is written any more.

    Attributes:
        path: of its file, which is compressed where `compress` asks for that.
        start: of its period (seconds since the epoch).
        end: of its period: the first instant that does not belong to it.
        size: of the file at `path` (bytes).
        first: time of its first record, read from the first line that begins with one (seconds since the epoch); None if
            none does.
        last: time of its last record, likewise.
    """

    path: str
    start: float
    end: float
    size: int
    first: float | None = None
    last: float | None = None
