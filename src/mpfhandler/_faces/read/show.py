"""Times of a log as readers and programs want them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from ..._pure.schedule import Schedule
from ..._pure.zone import Zone

__all__ = ["every", "iso", "wall", "zone_name"]

_UNITS = {"S": "second", "M": "minute", "H": "hour", "D": "day", "MIDNIGHT": "day", "MONTH": "month"}


def iso(zone: Zone, at: float | None) -> str | None:
    """A time as ISO 8601 with its offset, for programs."""
    if at is None:
        return None
    try:
        local = timezone(timedelta(seconds=zone.offset(int(at))))
        return datetime.fromtimestamp(at, local).isoformat()
    except (OverflowError, ValueError, OSError):
        return None


def wall(zone: Zone, at: float) -> str:
    """A time for a reader, to the second."""
    try:
        offset = zone.offset(int(at))
        return (datetime(1970, 1, 1) + timedelta(seconds=int(at) + offset)).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return f"{at:.0f}"


def every(schedule: Schedule) -> str:
    """How often: "every 4 hours"."""
    unit = _UNITS.get(schedule.when, "week")
    text = f"every {unit}" if schedule.interval == 1 else f"every {schedule.interval} {unit}s"
    return text if schedule.at_time is None else f"{text} at {schedule.at_time.isoformat('minutes')}"


def zone_name(zone: Zone) -> str:
    """The system's own zone has none that a reader knows."""
    return "local time" if zone.key.startswith("local:") else zone.key
