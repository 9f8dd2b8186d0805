"""Times: those that a user gives, such as `2h` or `yesterday 09:00`, and those that lines begin with, read fast.

A time that a user gives without a zone is the wall clock's in the log's zone. One without a day is the last time the clock has
shown it: at three in the morning, `23:00` is that of last night.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from datetime import time as TimeOfDay  # noqa: N812  (a class, and `time` is a module)
from typing import cast

from ..._pure.errors import InvalidOption
from ..._pure.moment import read_moment
from ..._pure.zone import Zone, reached

__all__ = ["Clock", "read_time"]

_EPOCH = datetime(1970, 1, 1)
_REMEDY = "give '14:30', 'yesterday 09:00', '2h', '90min', '2026-11-23', '2026-11-23 16:00', an ISO 8601 time or epoch seconds"
_DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)|(today|yesterday)", re.ASCII)
_TIME = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,](\d{1,6}))?)?", re.ASCII)
_AGO = re.compile(r"(?:\d+(?:\.\d+)?\s*[a-z]+\s*)+", re.ASCII)
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)", re.ASCII)
_STAMPS = re.compile(r"[\d:.,+\-TZUC ]+", re.ASCII)  # nothing behind the time, which `read_moment` would not mind
_UNITS = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86400),
    **dict.fromkeys(("w", "week", "weeks"), 7 * 86400),
}

# What `read_moment` takes for a date at the start of a line, on bytes: to the minute, the seconds with their fraction, the zone.
_STAMP = re.compile(
    rb"[\[(<\"']?(\d{4}-\d\d-\d\d[ T]\d\d:\d\d)(?::([0-5]\d)(?:[.,](\d{1,9}))?)?"
    rb"( ?(?:Z|UTC|[+-]\d\d(?::?\d\d)?)(?![\w:]))?(?![\d:])"
)
_MANY = 4096  # minutes that are remembered
_LONGEST = 1 << 20  # bytes of a line that is read as JSON; of a longer one the time is not known
_HEAD = 128  # bytes of any other line


def read_time(option: str, text: str, zone: Zone, now: float) -> float:
    """The instant that a user means.

    Args:
        option: the name of the option, for the message.
        text: an ISO date or time, `14:30[:00]`, `today` or `yesterday` with or without a time, `now`, how long ago
            (`2h`, `1d 12h`, `90s`, with or without `ago`), or seconds since the epoch.
        zone: of the log.
        now: epoch seconds.

    Returns:
        Seconds since the epoch.

    Raises:
        InvalidOption: it is none of these.
    """
    wanted = " ".join(text.lower().split()).removesuffix(" ago")
    try:
        found = _ago(wanted, now) if wanted != "now" else now
        if found is None:
            found = _on_the_wall(wanted, zone, now)
        if found is None and _STAMPS.fullmatch(wanted.upper()):
            found = read_moment(wanted.upper(), zone)
    except (ValueError, OverflowError, OSError):
        found = None
    if found is None:
        raise InvalidOption(option, text, "is no time that is understood", _REMEDY)
    return found


class Clock:
    """The times of one log's lines. Remembers the minutes that it has seen: in a log, neighbours have the same.

    Args:
        zone: of times that tell none.
        field: of a line that is a JSON object, the key of the time, with dots between those of nested objects; "" stands for the
            usual keys.
    """

    def __init__(self, zone: Zone, field: str = "") -> None:
        self._zone = zone
        self._field = field
        self._minutes: dict[tuple[bytes, bytes | None], float | None] = {}

    def moment(self, data: bytes, at: int = 0) -> float | None:
        """The time of the line that begins there, or None: of one that begins with a blank, it continues the one before."""
        first = data[at : at + 1]
        if first.isspace():
            return None
        if first == b"{":
            return self._of_object(_line(data, at, _LONGEST))
        match = _STAMP.match(data, at)
        if match is None:
            line = _line(data, at, _HEAD)
            return read_moment(line.decode("utf-8", "replace"), self._zone)
        minute, second, fraction, offset = match.groups()
        known = minute, offset
        if known not in self._minutes:
            if len(self._minutes) >= _MANY:
                self._minutes.clear()
            self._minutes[known] = read_moment((minute + (offset or b"")).decode(), self._zone)
        start = self._minutes[known]
        if start is None:
            return None
        return start + int(second or 0) + (int(fraction) / 10.0 ** len(fraction) if fraction else 0.0)

    def _of_object(self, line: bytes) -> float | None:
        text = line.decode("utf-8", "replace")
        if not self._field:
            return read_moment(text, self._zone)
        try:
            value = _member(json.loads(text), self._field)
        except (ValueError, RecursionError):
            return None
        if isinstance(value, str):
            return None if value.lstrip().startswith("{") else read_moment(value, self._zone)
        if isinstance(value, int) and not isinstance(value, bool):
            return read_moment(str(value), self._zone) if abs(value) < 10**19 else None
        return read_moment(f"{value:.6f}", self._zone) if isinstance(value, float) else None


def _line(data: bytes, at: int, most: int) -> bytes:
    end = data.find(b"\n", at, at + most)
    return data[at : at + most if end < 0 else end]


def _member(value: object, field: str) -> object:
    """The key itself may have dots in it."""
    if not isinstance(value, dict):
        return None
    members = cast("dict[str, object]", value)
    if field in members:
        return members[field]
    head, dot, rest = field.partition(".")
    return _member(members.get(head), rest) if dot else None


def _ago(text: str, now: float) -> float | None:
    if not _AGO.fullmatch(text):
        return None
    parts = _PART.findall(text)
    if any(unit not in _UNITS for _, unit in parts):
        return None
    return now - sum(float(number) * _UNITS[unit] for number, unit in parts)


def _on_the_wall(text: str, zone: Zone, now: float) -> float | None:
    """A day, a time of day, or both; None where it is neither, as with a zone in it."""
    day, time = _DAY.match(text), None
    rest = text if day is None else text[day.end() :].removeprefix("t").removeprefix(" ")
    if rest:
        time = _TIME.fullmatch(rest)
        if time is None:
            return None
    elif day is None:
        return None
    second, fraction = _of_day(time)
    today = _EPOCH + timedelta(seconds=int(now) + zone.offset(int(now)))
    if day is None:
        found = _instant(today, second, zone) + fraction
        return found if found <= now else _instant(today - timedelta(days=1), second, zone) + fraction
    if day[4]:
        return _instant(today - timedelta(days=int(day[4] == "yesterday")), second, zone) + fraction
    return _instant(datetime(int(day[1]), int(day[2]), int(day[3])), second, zone) + fraction


def _of_day(time: re.Match[str] | None) -> tuple[int, float]:
    """Seconds since midnight, and the fraction."""
    if time is None:
        return 0, 0.0
    found = TimeOfDay(int(time[1]), int(time[2]), int(time[3] or 0))
    return found.hour * 3600 + found.minute * 60 + found.second, float(f"0.{time[4] or 0}")


def _instant(day: datetime, second: int, zone: Zone) -> int:
    """The first instant at which the wall clock is there, or past it where a gap skips it."""
    midnight = datetime(day.year, day.month, day.day)
    return reached(zone, (midnight - _EPOCH) // timedelta(seconds=1) + second)
