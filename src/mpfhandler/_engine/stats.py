"""What one engine has done since it was made, and how it stands."""

from __future__ import annotations

from dataclasses import dataclass

from .._pure.schedule import Schedule

__all__ = ["Stats", "describe"]


@dataclass(frozen=True)
class Stats:
    """Counters of this process's engine, since it was made or since the fork that made the process.

    Attributes:
        records: written, whole.
        bytes: of those records.
        rotations: that this process did.
        late: records that went to the segment of a period before the present one.
        repaired: stumps of killed writers that were ended before a record of this process.
        lock_timeouts: times the rotation lock was not had within its timeout.
        spilled: records that are waiting in memory because they cannot be written.
        lost: records that were dropped because that memory was full, or the buffer of `overflow="drop"`, or that could not be
            written at `close()`.
        last_error: what failed last, or None.
        buffered: records that wait in the buffer of `delivery="buffered"`, for at most `flush_interval`.
        splits: periods that began in the file of the one before, because that could not be renamed: another program has it open
            without sharing it (Windows), or the folder may not be written. The rotation is tried again until it succeeds.
    """

    records: int = 0
    bytes: int = 0
    rotations: int = 0
    late: int = 0
    repaired: int = 0
    lock_timeouts: int = 0
    spilled: int = 0
    lost: int = 0
    last_error: str | None = None
    buffered: int = 0
    splits: int = 0


def describe(schedule: Schedule, stats: Stats, *, opened: bool) -> str:
    """Schedule and state of an engine in a few words, for a `repr`."""
    state = "closed" if not opened else "waiting for the disk" if stats.spilled else "open"
    return f"when={schedule.when} interval={schedule.interval} zone={schedule.zone.key} {state}"
