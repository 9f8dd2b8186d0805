"""The schedule: a pure function from an instant to its period. No clock, no path, no descriptor.

Nominal slots stand on the wall clock; only then are they put on the time line.

- `S` `M` `H`: every n, counted from each midnight; the last slot of a day ends at the next midnight. At a transition
  there is a boundary if a slot has just ended there, or if another slot goes on after it: a repeated hour is two
  hourly periods.
- `D` `MIDNIGHT`: every n days, counted from 1970-01-01. `W0` to `W6`: every n weeks, counted from the week with
  1970-01-01 00:00 in it. `MONTH`: every n months, counted from January. A boundary is the first instant at which the
  wall clock is at or past it: one that a gap skips falls where the gap ends, a midnight that comes twice counts once.

Periods partition time: `period(p.start) == period(p.end - 1) == p`, and `period(p.end).start == p.end`.
"""

from __future__ import annotations

import math
import operator
import re
import zlib
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from datetime import time as TimeOfDay  # noqa: N812  (a class, and `time` is a module)
from typing import NamedTuple, SupportsIndex

from .errors import InvalidOption, InvalidOptionType
from .zone import REACH, Stretch, Zone, find_zone, high_water, reached, stretches

__all__ = ["Period", "Schedule"]

_DAY = 86400
_WEEK = 7 * _DAY
_EPOCH = datetime(1970, 1, 1)
_EPOCH_ORDINAL = _EPOCH.toordinal()
_EPOCH_WEEKDAY = _EPOCH.weekday()  # a Thursday: 3
_CALENDAR = range(-58_800_000_000, 247_000_000_000)  # years 106 to 9797: a century to both sides still has dates


class _Unit(NamedTuple):
    seconds: int
    suffix: str  # strftime pattern, the standard library's
    largest: int  # interval
    remedy: str  # for a larger one


_WITHIN_A_DAY = "give at most {} ({} slots are counted from midnight), or use when='D'"
_WITHIN_A_CENTURY = "give at most {} (100 years)"
_DAYS = _Unit(_DAY, "%Y-%m-%d", 36525, _WITHIN_A_CENTURY)
_WEEKS = _Unit(_WEEK, "%Y-%m-%d", 5217, _WITHIN_A_CENTURY)
_UNITS = {
    "S": _Unit(1, "%Y-%m-%d_%H-%M-%S", _DAY, _WITHIN_A_DAY),
    "M": _Unit(60, "%Y-%m-%d_%H-%M", _DAY // 60, _WITHIN_A_DAY),
    "H": _Unit(3600, "%Y-%m-%d_%H", _DAY // 3600, _WITHIN_A_DAY),
    "D": _DAYS,
    "MIDNIGHT": _DAYS,
    **{f"W{day}": _WEEKS for day in range(7)},
    "MONTH": _Unit(31 * _DAY, "%Y-%m", 12, "give at most {} (months are counted from January)"),
}
_SUB_DAY = frozenset("SMH")


class Period(NamedTuple):
    """A time `[start, end)` whose records belong together, in seconds since the epoch."""

    start: int
    end: int


class _Slot(NamedTuple):
    """A nominal period `[start, end)` on the wall, in seconds since 1970-01-01 00:00 there."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a log is rotated. Use `create`, which checks what users write."""

    when: str  # upper case: S, M, H, D, MIDNIGHT, W0 … W6, MONTH
    interval: int
    at_time: TimeOfDay | None
    zone: Zone

    @classmethod
    def create(
        cls,
        when: str = "H",
        interval: float | str = 1,
        at_time: TimeOfDay | str | None = None,
        utc: bool = False,
        tz: str | tzinfo | None = None,
    ) -> Schedule:
        """The schedule for a handler's parameters.

        Args:
            when: the unit, in any case.
            interval: units in a period, at least 1; text of digits is taken as a number.
            at_time: for D, MIDNIGHT, W0 to W6 and MONTH the time of day of the boundary; text is `HH:MM` or `HH:MM:SS`.
            utc: use universal time.
            tz: a zone's name or object; None is the system's zone.

        Raises:
            InvalidOption: a `ValueError` that names the parameter (`when`, `interval`, `atTime`, `utc`, `tz`).
            InvalidOptionType: the same for a wrong type, a `TypeError` too.
        """
        unit = _check_when(when)
        return cls(unit, _check_interval(interval, unit), _check_at_time(at_time, unit), find_zone(utc, tz))

    @property
    def unit_seconds(self) -> int:
        """Length of one unit of `when` in seconds (a month counts 31 days)."""
        return _UNITS[self.when].seconds

    @property
    def suffix(self) -> str:
        """The `strftime` pattern that names segments by the start of their period."""
        return _UNITS[self.when].suffix

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that are the same for schedules with the same boundaries."""
        unit, count = ("D" if self.when == "MIDNIGHT" else self.when), self.interval
        if self.when in _SUB_DAY:
            unit, count = "S", self.interval * self.unit_seconds
        text = f"{unit} {count} {self._first_second} {self.zone.rules}".encode("utf-8", "surrogateescape")
        return f"{zlib.crc32(text):08x}{zlib.adler32(text):08x}"

    @property
    def mismatch(self) -> str:
        """What is told to the user where another process of the log has another fingerprint."""
        return (
            f"another process rotates this log by another schedule than when={self.when!r}, interval={self.interval}, "
            f"zone={self.zone.key!r}; its end of the period counts; give all processes the same schedule and time zone"
        )

    def wall(self, instant: int) -> datetime:
        """What the wall clock shows at an instant; a naive value."""
        return _EPOCH + timedelta(seconds=instant + self.zone.offset(instant))

    def period(self, instant: float) -> Period:
        """The period that an instant (seconds since the epoch) belongs to.

        Raises:
            OverflowError, ValueError: the instant is not in the years 106 to 9797, or no number.
        """
        second = _whole_second(instant)
        if self.when in _SUB_DAY:
            return self._period_of_day(second)
        slot = self._slot(high_water(self.zone, second))
        return Period(reached(self.zone, slot.start), reached(self.zone, slot.end))

    def next_rollover(self, instant: float) -> int:
        """What the standard library's `computeRollover` answers; for callers that know it.

        On most days this is `period(instant).end`. It differs at transitions: a boundary that a gap skips is as far
        behind the gap's start as its wall time is, and one that comes twice counts twice.
        """
        second = _whole_second(instant)
        if self.when in _SUB_DAY:
            return self._period_of_day(second).end
        offset = self.zone.offset(second)
        boundary = self._slot(second + offset).end
        then = self.zone.offset(boundary - offset)
        moved = boundary - then
        return moved if self.zone.offset(moved) == then else boundary - offset

    @property
    def _first_second(self) -> int:
        """Where in its day a calendar boundary lies: 86400 for a week that ends with the named day."""
        at = self.at_time
        if at is None:
            return _DAY if self.when.startswith("W") else 0
        return at.hour * 3600 + at.minute * 60 + at.second

    def _slot(self, wall: int) -> _Slot:
        step = self.interval * self.unit_seconds
        if self.when in _SUB_DAY:
            return _slot_of_day(wall, step)
        if self.when == "MONTH":
            return _slot_of_months(wall, self.interval, self._first_second)
        origin = _week_origin(int(self.when[1]), self._first_second) if self.when[0] == "W" else self._first_second
        start = wall - (wall - origin) % step
        return _Slot(start, start + step)

    def _period_of_day(self, instant: int) -> Period:
        parts = stretches(self.zone, instant - REACH, instant + REACH)
        here = next(index for index, part in enumerate(parts) if instant < part.end)
        return Period(self._start(parts, here, instant), self._end(parts, here, instant))

    def _start(self, parts: list[Stretch], here: int, instant: int) -> int:
        """Back to the slot's start, through the transitions that do not split it."""
        part = parts[here]
        start = self._slot(instant + part.offset).start - part.offset
        if start > part.start or here == 0:
            return start
        if self._splits(parts[here - 1], part):
            return part.start
        return self._start(parts, here - 1, part.start - 1)

    def _end(self, parts: list[Stretch], here: int, instant: int) -> int:
        """On to the slot's end, through the transitions that do not split it."""
        part = parts[here]
        end = self._slot(instant + part.offset).end - part.offset
        if end < part.end or here == len(parts) - 1:
            return end
        if self._splits(part, parts[here + 1]):
            return part.end
        return self._end(parts, here + 1, part.end)

    def _splits(self, before: Stretch, after: Stretch) -> bool:
        """Whether the transition between two stretches is a boundary."""
        old = self._slot(before.end - 1 + before.offset)
        just_ended = old.end == before.end + before.offset
        return just_ended or self._slot(after.start + after.offset).start != old.start


def _whole_second(instant: float) -> int:
    second = math.floor(instant)
    if second not in _CALENDAR:
        raise OverflowError(f"no calendar at {instant!r} seconds since the epoch")
    return second


def _slot_of_day(wall: int, step: int) -> _Slot:
    since_midnight = wall % _DAY
    midnight = wall - since_midnight
    start = since_midnight // step * step
    return _Slot(midnight + start, midnight + min(start + step, _DAY))


def _slot_of_months(wall: int, interval: int, first_second: int) -> _Slot:
    day = date.fromordinal(_EPOCH_ORDINAL + (wall - first_second) // _DAY)
    first = (day.month - 1) // interval * interval
    start, end = (_month_start(day.year, month) + first_second for month in (first, min(first + interval, 12)))
    return _Slot(start, end)


def _month_start(year: int, month: int) -> int:
    """The wall second at which a month (0 is January, 12 the next January) starts."""
    return (date(year + month // 12, month % 12 + 1, 1).toordinal() - _EPOCH_ORDINAL) * _DAY


def _week_origin(day: int, first_second: int) -> int:
    """The start of week 0: the last weekly boundary not after 1970-01-01 00:00."""
    boundary = (day - _EPOCH_WEEKDAY) * _DAY + first_second
    return -(-boundary % _WEEK)


def _check_when(when: object) -> str:
    remedy = "give one of S, M, H, D, midnight, W0 (Monday) to W6 (Sunday), MONTH"
    if not isinstance(when, str):
        raise InvalidOptionType("when", when, f"is a {type(when).__name__}", remedy)
    unit = when.upper()
    if unit not in _UNITS or not when.isascii():  # the upper case of U+017F is S
        raise InvalidOption("when", when, "is not a unit of rotation", remedy)
    return unit


def _check_interval(interval: object, when: str) -> int:
    number = _whole_number(interval)
    unit = _UNITS[when]
    if number < 1:
        raise InvalidOption("interval", interval, "is less than 1", "give 1 or more")
    if number > unit.largest:
        remedy = unit.remedy.format(unit.largest, when)
        raise InvalidOption("interval", interval, f"is too large for when={when!r}", remedy)
    return number


def _whole_number(interval: object) -> int:
    remedy = "give a whole number, 1 or more"
    if isinstance(interval, str):
        text = interval.strip()
        if not re.fullmatch(r"-?[0-9]{1,18}", text):
            raise InvalidOption("interval", interval, "is not a whole number", remedy)
        return int(text)
    if isinstance(interval, float) and not interval.is_integer():
        raise InvalidOption("interval", interval, "is not a whole number", remedy)
    if isinstance(interval, bool) or not isinstance(interval, (float, SupportsIndex)):
        raise InvalidOptionType("interval", interval, f"is a {type(interval).__name__}", remedy)
    return int(interval) if isinstance(interval, float) else operator.index(interval)


def _check_at_time(at_time: object, when: str) -> TimeOfDay | None:
    remedy = "give a datetime.time such as datetime.time(3, 30), or 'HH:MM' or 'HH:MM:SS'"
    if at_time is None:
        return None
    if when in _SUB_DAY:
        raise InvalidOption("atTime", at_time, f"has no meaning with when={when!r}", "use it with D, W0 to W6 or MONTH")
    if isinstance(at_time, str):
        return _read_time(at_time, remedy)
    if not isinstance(at_time, TimeOfDay):
        raise InvalidOptionType("atTime", at_time, f"is a {type(at_time).__name__}", remedy)
    if at_time.microsecond:
        raise InvalidOption("atTime", at_time, "has a fraction of a second", "give whole seconds")
    if at_time.tzinfo is not None:
        raise InvalidOption("atTime", at_time, "has a zone of its own", "give the zone as tz=")
    return TimeOfDay(at_time.hour, at_time.minute, at_time.second)


def _read_time(text: str, remedy: str) -> TimeOfDay:
    match = re.fullmatch(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?", text.strip())
    try:
        if match:
            return TimeOfDay(int(match[1]), int(match[2]), int(match[3] or 0))
    except ValueError:
        pass  # 24:00 and the like
    raise InvalidOption("atTime", text, "is not a time of day", remedy)
