"""Which period a closed segment belongs to, and from when on nothing is written to it any more."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from .naming import Names, SegmentName
from .schedule import Period, Schedule
from .zone import REACH, reached, stretches

__all__ = ["Closing", "closing"]

_EPOCH = datetime(1970, 1, 1)
_QUIET = 10.0  # seconds without a write, where a name does not tell when the segment's period was


class Closing(NamedTuple):
    """What a segment's name and its last write tell."""

    period: Period
    over: float  # from this instant on (epoch seconds) nobody writes late records to it


def closing(schedule: Schedule, names: Names, name: SegmentName, written: float, grace: float) -> Closing:
    """The period of a segment, and the end of its grace.

    Where several periods have one name (the hour that is repeated when clocks are set back, a suffix of whole days), the last
    write tells which one it is, less the grace in which late records come. Where it contradicts the name, the name counts.

    Args:
        schedule: of this process.
        names: of the log.
        name: of the segment.
        written: its last write (epoch seconds).
        grace: seconds after a period's end in which late records come.

    Raises:
        OverflowError, ValueError: there is no calendar at that time.
    """
    period = schedule.period(written - grace)
    if not names.chronological:
        return Closing(period, max(period.end + grace, written + max(grace, _QUIET)))
    if names.at(schedule.wall(period.start)).wall != name.wall:
        period = _named(schedule, names, name)
    return Closing(period, period.end + grace)


def _named(schedule: Schedule, names: Names, name: SegmentName) -> Period:
    """The period that a name tells. Where periods begin later than the text of their names does (a day at 03:30), that text is
    still in the one before."""
    period = schedule.period(_last_reached(schedule, name.wall))
    following = schedule.period(period.end)
    told = (names.at(schedule.wall(one.start)).wall == name.wall for one in (period, following))
    return following if tuple(told) == (False, True) else period


def _last_reached(schedule: Schedule, wall: datetime) -> int:
    """The last instant at which the wall clock shows this, or, in a gap, the first one at which it is past it."""
    seconds = (wall - _EPOCH) // timedelta(seconds=1)
    parts = stretches(schedule.zone, seconds - REACH, seconds + REACH)
    shown = [at for part in parts if part.start <= (at := seconds - part.offset) < part.end]
    return shown[-1] if shown else reached(schedule.zone, seconds)
