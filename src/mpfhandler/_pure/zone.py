"""Time zones as one function, instant → UTC offset, and the wall clock that follows from it.

What is asked of a zone is only the offset in force at an instant, because that is all that the system's own zone can
tell. Transitions are found from it by probing and bisecting; they are not read from zone files.

Two rules are needed for the calendar (`schedule` says for what):

- `high_water`: the latest wall time that has been reached. It never goes back, where the wall clock does.
- `reached`: the first instant at which the wall clock is at a given time or past it. A time that a gap skips is
  reached where the gap ends; one that comes twice is reached the first time.
"""

from __future__ import annotations

import time
import zlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, Protocol

from .errors import InvalidOption, InvalidOptionType

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

__all__ = [
    "REACH",
    "FixedZone",
    "NamedZone",
    "Stretch",
    "SystemZone",
    "UtcZone",
    "Zone",
    "find_zone",
    "high_water",
    "reached",
    "stretches",
]

# How far (seconds) a transition can make itself felt: the offsets of real zones are less than 24 h from UTC, and a
# slot of 24 h can be stretched by a shift that does not split it.
REACH = 50 * 3600

# Distance of probes in seconds. The closest two transitions of all zones of the tz database from 1900 to 2100 are four
# days apart (Freetown 1939; after 1970 a week: Noronha 2000), so there is never more than one between two probes.
_PROBE = 6 * 3600

# Names of universal time in the tz database, with and without "Etc/" before them.
_UTC_NAMES = frozenset({"UTC", "UCT", "GMT", "GMT0", "GMT+0", "GMT-0", "Universal", "Zulu", "Greenwich"})

# Instants by whose offsets the system's zone is told from others: every week from 2015 on, as far as all C libraries know rules.
_BEGINNING = datetime(1970, 1, 1)
_BEGINNING_UTC = _BEGINNING.replace(tzinfo=timezone.utc)  # `fromtimestamp` knows no time before it on Windows
_LATEST = 32_503_593_600  # the first of January 3000
_SAMPLES = range(1_420_070_400, 2_145_916_800, 7 * 86400)


class Zone(Protocol):
    """What the schedule knows of a time zone."""

    @property
    def key(self) -> str:
        """What the zone is called, for people."""
        ...

    @property
    def rules(self) -> str:
        """A text that differs between zones with other offsets; part of the schedule's fingerprint."""
        ...

    def offset(self, instant: int) -> int:
        """Seconds that the wall clock is ahead of UTC at an instant (seconds since the epoch)."""
        ...


@dataclass(frozen=True, slots=True)
class SystemZone:
    """The zone of this process, as the C library sees it: `TZ`, else the system's. Only its rules: no clock is read."""

    @property
    def key(self) -> str:
        """Asked each time: `time.tzset` may have been called, or a pickle opened in a process with another `TZ`."""
        return f"local:{time.tzname[0]}/{time.tzname[1]}:{time.timezone}"

    @property
    def rules(self) -> str:
        """Told by the offsets: the names that `time.tzname` has are those of the year in which the process has started."""
        return _rules_of_system(time.tzname, time.timezone, time.altzone)

    def offset(self, instant: int) -> int:
        try:
            found = time.localtime(instant)
        except OSError:  # Windows: its C library knows the years 1970 to 3000
            instant = min(max(instant, 86400), _LATEST)
            found = time.localtime(instant)
        if abs(found.tm_gmtoff) < REACH:
            return found.tm_gmtoff
        return (datetime(*found[:6]) - _BEGINNING) // timedelta(seconds=1) - instant  # Windows after 2038: 32 bits of it are lost


@dataclass(frozen=True, slots=True)
class UtcZone:
    """Universal time."""

    @property
    def key(self) -> str:
        return "UTC"

    @property
    def rules(self) -> str:
        return _constant(0)

    def offset(self, instant: int) -> int:  # noqa: ARG002  (the signature of every zone)
        return 0


@dataclass(frozen=True, slots=True)
class FixedZone:
    """A constant offset in seconds, from a `datetime.timezone`."""

    seconds: int

    @property
    def key(self) -> str:
        return f"UTC{self.seconds:+d}s"

    @property
    def rules(self) -> str:
        return _constant(self.seconds)

    def offset(self, instant: int) -> int:  # noqa: ARG002  (the signature of every zone)
        return self.seconds


@dataclass(frozen=True, slots=True)
class NamedZone:
    """A zone of the tz database by its key, such as `Asia/Shanghai`."""

    key: str
    info: ZoneInfo = field(repr=False, compare=False)  # pickles as its key

    @property
    def rules(self) -> str:
        return self.key

    def offset(self, instant: int) -> int:
        offset = (_BEGINNING_UTC + timedelta(seconds=instant)).astimezone(self.info).utcoffset()
        return 0 if offset is None else offset // timedelta(seconds=1)


def _constant(seconds: int) -> str:
    return f"UTC{seconds:+d}s" if seconds else "UTC"


@lru_cache(maxsize=4)
def _rules_of_system(*_known_by: object) -> str:
    """The arguments change with every `time.tzset` that matters; the result does not depend on them."""
    zone = SystemZone()
    offsets = [zone.offset(instant) for instant in _SAMPLES]
    if len(set(offsets)) == 1:
        return _constant(offsets[0])
    return f"local:{zlib.crc32(repr(offsets).encode()):08x}"


def find_zone(utc: bool, tz: str | tzinfo | None) -> Zone:
    """The zone that the parameters `utc` and `tz` name.

    Args:
        utc: True for universal time.
        tz: a key of the tz database, a `zoneinfo.ZoneInfo`, a `datetime.timezone`, or None for the system's zone.

    Raises:
        InvalidOption: an unknown zone, or `utc=True` together with another zone.
        InvalidOptionType: a value of another type.
    """
    _check_utc(utc)
    if tz is None:
        return UtcZone() if utc else SystemZone()
    zone = _zone_of(tz)
    if utc and not isinstance(zone, UtcZone):
        raise InvalidOption("tz", tz, "contradicts utc=True", "give one of the two")
    return zone


def _check_utc(utc: object) -> None:
    if not isinstance(utc, int) or utc not in (0, 1):  # the text "False" would be true
        raise InvalidOptionType("utc", utc, "is not a truth value", "give True or False")


def _zone_of(tz: str | tzinfo) -> Zone:
    if isinstance(tz, str):
        return _named(tz, tz)
    if isinstance(tz, timezone):
        return _fixed(tz)
    from zoneinfo import ZoneInfo

    if not isinstance(tz, ZoneInfo):
        remedy = "give a name such as 'Asia/Shanghai', a zoneinfo.ZoneInfo or a datetime.timezone"
        raise InvalidOptionType("tz", tz, f"is a {type(tz).__name__}", remedy)
    return _named(tz.key or "", tz)


def _named(key: str, given: object) -> Zone:
    """A `ZoneInfo` is looked up again by its key: only such a one survives pickling."""
    if key.removeprefix("Etc/") in _UTC_NAMES:
        return UtcZone()  # also where the machine has no tz database
    from zoneinfo import ZoneInfo

    try:
        # The lookup opens a file of that name: '' and 'Europe' are folders, 'zone.tab' is no zone, and so on.
        return NamedZone(key, ZoneInfo(key))
    except (KeyError, ValueError, OSError) as error:
        remedy = "give a key such as 'Asia/Shanghai' (where the machine has no tz database: pip install tzdata)"
        raise InvalidOption("tz", given, "is not a known time zone", remedy) from error


def _fixed(tz: timezone) -> Zone:
    seconds, rest = divmod(tz.utcoffset(None), timedelta(seconds=1))
    if rest:
        raise InvalidOption("tz", tz, "has a fraction of a second", "give an offset of whole seconds")
    return FixedZone(seconds) if seconds else UtcZone()


class Stretch(NamedTuple):
    """A time `[start, end)` in which the offset is constant."""

    start: int
    end: int
    offset: int


def stretches(zone: Zone, first: int, end: int) -> list[Stretch]:
    """The stretches that make up `[first, end)`, in order; the first and the last are cut off there."""
    found: list[Stretch] = []
    start, offset = first, zone.offset(first)
    low = first
    while low < end - 1:
        high = min(low + _PROBE, end - 1)
        if zone.offset(high) == offset:
            low = high
            continue
        low = _first_change(zone, low, high, offset)
        found.append(Stretch(start, low, offset))
        start, offset = low, zone.offset(low)
    return [*found, Stretch(start, end, offset)]


def high_water(zone: Zone, instant: int) -> int:
    """The latest wall time (seconds since 1970-01-01 00:00 on the wall) reached up to and at an instant."""
    return max(part.end - 1 + part.offset for part in stretches(zone, instant - REACH, instant + 1))


def reached(zone: Zone, wall: int) -> int:
    """The first instant at which the wall clock shows `wall` or later."""
    parts = stretches(zone, wall - REACH, wall + REACH)
    return next(at for part in parts if (at := max(part.start, wall - part.offset)) < part.end)


def _first_change(zone: Zone, low: int, high: int, before: int) -> int:
    """The instant in `(low, high]` from which the offset is no longer the one before."""
    while high - low > 1:
        middle = (low + high) // 2
        if zone.offset(middle) == before:
            low = middle
        else:
            high = middle
    return high
