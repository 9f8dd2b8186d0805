"""The schedule's exact cases: every unit, the odd days of real zones, and every bad parameter.

Instants are written as local time with the offset in force, so that a repeated hour has two different texts and no
expectation depends on the code under test or on a zone file.
"""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import time
import zoneinfo
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone, tzinfo
from datetime import time as TimeOfDay  # noqa: N812  (a class, and `time` is a module)
from typing import Any

import pytest

from mpfhandler._pure.errors import InvalidOption, InvalidOptionType
from mpfhandler._pure.schedule import Period, Schedule
from mpfhandler._pure.zone import FixedZone, NamedZone, SystemZone, UtcZone, find_zone, stretches

DAY = 86400
US_EAST = "EST+05EDT,M3.2.0,M11.1.0"

needs_tzset = pytest.mark.skipif(not hasattr(time, "tzset"), reason="the zone of a process cannot be set here")


@pytest.fixture
def system_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Sets the zone of this process, and sets it back."""

    def choose(tz: str) -> None:
        monkeypatch.setenv("TZ", tz)
        time.tzset()

    yield choose
    monkeypatch.undo()
    time.tzset()


def at(text: str) -> int:
    moment = datetime.fromisoformat(text)
    assert moment.tzinfo is not None, text
    return int(moment.timestamp())


CASES = [
    # Seconds, minutes and hours count from midnight.
    ("UTC", "S", 1, None, "2026-11-23T16:05:09+00:00", "2026-11-23T16:05:09+00:00", "2026-11-23T16:05:10+00:00"),
    ("UTC", "S", 45, None, "2026-11-23T00:01:31+00:00", "2026-11-23T00:01:30+00:00", "2026-11-23T00:02:15+00:00"),
    ("UTC", "M", 15, None, "2026-11-23T16:29:59+00:00", "2026-11-23T16:15+00:00", "2026-11-23T16:30+00:00"),
    (
        "Asia/Kolkata",
        "H",
        1,
        None,
        "2026-11-23T16:29:59+05:30",
        "2026-11-23T16:00+05:30",
        "2026-11-23T17:00+05:30",
    ),
    (
        "Asia/Shanghai",
        "H",
        1,
        None,
        "2026-11-23T16:00+08:00",
        "2026-11-23T16:00+08:00",
        "2026-11-23T17:00+08:00",
    ),
    ("UTC", "H", 24, None, "2026-11-23T16:00+00:00", "2026-11-23T00:00+00:00", "2026-11-24T00:00+00:00"),
    # An interval that does not divide the day has a short last period.
    ("UTC", "H", 5, None, "2026-11-23T23:00+00:00", "2026-11-23T20:00+00:00", "2026-11-24T00:00+00:00"),
    ("UTC", "M", 7, None, "2026-11-23T23:59+00:00", "2026-11-23T23:55+00:00", "2026-11-24T00:00+00:00"),
    # Days count from 1970-01-01, whatever the unit is called.
    ("UTC", "D", 1, None, "2026-11-23T16:00+00:00", "2026-11-23T00:00+00:00", "2026-11-24T00:00+00:00"),
    ("UTC", "D", 3, None, "1970-01-01T00:00+00:00", "1970-01-01T00:00+00:00", "1970-01-04T00:00+00:00"),
    ("UTC", "MIDNIGHT", 3, None, "1970-01-05T10:00+00:00", "1970-01-04T00:00+00:00", "1970-01-07T00:00+00:00"),
    ("UTC", "D", 3, None, "1969-12-31T10:00+00:00", "1969-12-29T00:00+00:00", "1970-01-01T00:00+00:00"),
    ("UTC", "D", 1, "12:00", "2026-11-23T11:59:59+00:00", "2026-11-22T12:00+00:00", "2026-11-23T12:00+00:00"),
    ("UTC", "D", 1, "12:00", "2026-11-23T12:00+00:00", "2026-11-23T12:00+00:00", "2026-11-24T12:00+00:00"),
    ("UTC", "D", 2, "12:00", "1970-01-01T13:00+00:00", "1970-01-01T12:00+00:00", "1970-01-03T12:00+00:00"),
    # A week ends with the named day, or on it at atTime; week 0 has 1970-01-01 00:00 in it.
    ("UTC", "W0", 1, None, "1970-01-01T00:00+00:00", "1969-12-30T00:00+00:00", "1970-01-06T00:00+00:00"),
    ("UTC", "W0", 3, None, "1970-01-01T00:00+00:00", "1969-12-30T00:00+00:00", "1970-01-20T00:00+00:00"),
    ("UTC", "W6", 1, None, "2026-11-22T23:59:59+00:00", "2026-11-16T00:00+00:00", "2026-11-23T00:00+00:00"),
    ("UTC", "W6", 1, "00:00", "2026-11-22T00:00+00:00", "2026-11-22T00:00+00:00", "2026-11-29T00:00+00:00"),
    ("UTC", "W2", 1, "06:30", "2026-11-25T06:29:59+00:00", "2026-11-18T06:30+00:00", "2026-11-25T06:30+00:00"),
    ("UTC", "W3", 2, "00:00", "1970-01-01T00:00+00:00", "1970-01-01T00:00+00:00", "1970-01-15T00:00+00:00"),
    ("UTC", "W3", 2, "00:01", "1970-01-01T00:00+00:00", "1969-12-25T00:01+00:00", "1970-01-08T00:01+00:00"),
    # Months count from January; the last period of a year may be short.
    ("UTC", "MONTH", 1, None, "2024-02-29T23:59:59+00:00", "2024-02-01T00:00+00:00", "2024-03-01T00:00+00:00"),
    ("UTC", "MONTH", 3, None, "2026-11-23T16:00+00:00", "2026-10-01T00:00+00:00", "2027-01-01T00:00+00:00"),
    ("UTC", "MONTH", 5, None, "2026-11-23T16:00+00:00", "2026-11-01T00:00+00:00", "2027-01-01T00:00+00:00"),
    ("UTC", "MONTH", 12, None, "2026-11-23T16:00+00:00", "2026-01-01T00:00+00:00", "2027-01-01T00:00+00:00"),
    ("UTC", "MONTH", 1, "04:30", "2026-11-01T04:29:59+00:00", "2026-10-01T04:30+00:00", "2026-11-01T04:30+00:00"),
    ("UTC", "MONTH", 1, "04:30", "2027-01-01T04:29:59+00:00", "2026-12-01T04:30+00:00", "2027-01-01T04:30+00:00"),
]

ODD_DAYS = [
    # New York 2012: 02:00 EST is 03:00 EDT on March 11; 02:00 EDT is 01:00 EST on November 4.
    ("America/New_York", "H", 1, None, "2012-03-11T01:30-05:00", "2012-03-11T01:00-05:00", "2012-03-11T03:00-04:00"),
    ("America/New_York", "H", 1, None, "2012-11-04T01:30-04:00", "2012-11-04T01:00-04:00", "2012-11-04T01:00-05:00"),
    ("America/New_York", "H", 1, None, "2012-11-04T01:30-05:00", "2012-11-04T01:00-05:00", "2012-11-04T02:00-05:00"),
    ("America/New_York", "H", 3, None, "2012-03-11T01:30-05:00", "2012-03-11T00:00-05:00", "2012-03-11T03:00-04:00"),
    ("America/New_York", "H", 3, None, "2012-11-04T01:30-05:00", "2012-11-04T00:00-04:00", "2012-11-04T03:00-05:00"),
    ("America/New_York", "H", 4, None, "2012-03-11T03:30-04:00", "2012-03-11T00:00-05:00", "2012-03-11T04:00-04:00"),
    ("America/New_York", "H", 4, None, "2012-03-11T01:30-05:00", "2012-03-11T00:00-05:00", "2012-03-11T04:00-04:00"),
    ("America/New_York", "H", 4, None, "2012-11-04T00:30-04:00", "2012-11-04T00:00-04:00", "2012-11-04T04:00-05:00"),
    ("America/New_York", "D", 1, None, "2012-03-11T12:00-04:00", "2012-03-11T00:00-05:00", "2012-03-12T00:00-04:00"),
    ("America/New_York", "D", 1, None, "2012-11-04T12:00-05:00", "2012-11-04T00:00-04:00", "2012-11-05T00:00-05:00"),
    ("America/New_York", "D", 1, "02:30", "2012-03-11T01:30-05:00", "2012-03-10T02:30-05:00", "2012-03-11T03:00-04:00"),
    ("America/New_York", "D", 1, "02:30", "2012-03-11T03:00-04:00", "2012-03-11T03:00-04:00", "2012-03-12T02:30-04:00"),
    ("America/New_York", "D", 1, "01:30", "2012-11-04T01:10-05:00", "2012-11-04T01:30-04:00", "2012-11-05T01:30-05:00"),
    # Lord Howe's half hour: 02:00 is 01:30 again on 2024-04-07, 02:00 is 02:30 on 2024-10-06.
    ("Australia/Lord_Howe", "H", 1, None, "2024-04-07T01:59+11:00", "2024-04-07T01:00+11:00", "2024-04-07T01:30+10:30"),
    ("Australia/Lord_Howe", "H", 1, None, "2024-04-07T01:30+10:30", "2024-04-07T01:30+10:30", "2024-04-07T02:00+10:30"),
    ("Australia/Lord_Howe", "H", 1, None, "2024-10-06T02:30+11:00", "2024-10-06T02:30+11:00", "2024-10-06T03:00+11:00"),
    ("Australia/Lord_Howe", "M", 9, None, "2024-04-07T01:45+10:30", "2024-04-07T01:39+10:30", "2024-04-07T01:48+10:30"),
    # Cuba: 01:00 is 00:00 again on 2024-11-03, and 00:00 is 01:00 on 2024-03-10.
    ("America/Havana", "H", 12, None, "2024-11-03T00:10-05:00", "2024-11-03T00:00-04:00", "2024-11-03T12:00-05:00"),
    ("America/Havana", "H", 1, None, "2024-11-03T00:10-05:00", "2024-11-03T00:00-05:00", "2024-11-03T01:00-05:00"),
    ("America/Havana", "D", 1, None, "2024-11-03T00:10-05:00", "2024-11-03T00:00-04:00", "2024-11-04T00:00-05:00"),
    ("America/Havana", "D", 1, None, "2024-03-10T01:00-04:00", "2024-03-10T01:00-04:00", "2024-03-11T00:00-04:00"),
    ("America/Havana", "D", 1, None, "2024-03-09T23:59:59-05:00", "2024-03-09T00:00-05:00", "2024-03-10T01:00-04:00"),
    # Brazil: midnight is 23:00 again on 2018-02-18: the repeated hour belongs to the day that goes on.
    ("America/Sao_Paulo", "D", 1, None, "2018-02-17T23:30-03:00", "2018-02-17T00:00-02:00", "2018-02-18T00:00-03:00"),
    ("America/Sao_Paulo", "H", 1, None, "2018-02-17T23:30-02:00", "2018-02-17T23:00-02:00", "2018-02-17T23:00-03:00"),
    ("America/Sao_Paulo", "H", 1, None, "2018-02-17T23:30-03:00", "2018-02-17T23:00-03:00", "2018-02-18T00:00-03:00"),
    # St. John's: 00:01 is 23:01 of the day before on 2008-11-02: midnight comes twice and counts once.
    ("America/St_Johns", "D", 1, None, "2008-11-02T00:00:30-02:30", "2008-11-02T00:00-02:30", "2008-11-03T00:00-03:30"),
    ("America/St_Johns", "D", 1, None, "2008-11-01T23:30-03:30", "2008-11-02T00:00-02:30", "2008-11-03T00:00-03:30"),
    ("America/St_Johns", "D", 1, None, "2008-11-01T23:30-02:30", "2008-11-01T00:00-02:30", "2008-11-02T00:00-02:30"),
    ("America/St_Johns", "H", 1, None, "2008-11-02T00:00:30-02:30", "2008-11-02T00:00-02:30", "2008-11-01T23:01-03:30"),
    ("America/St_Johns", "H", 1, None, "2008-11-01T23:30-03:30", "2008-11-01T23:01-03:30", "2008-11-02T00:00-03:30"),
    # Samoa had no 2011-12-30.
    ("Pacific/Apia", "D", 1, None, "2011-12-29T12:00-10:00", "2011-12-29T00:00-10:00", "2011-12-31T00:00+14:00"),
    ("Pacific/Apia", "D", 1, None, "2011-12-31T00:00+14:00", "2011-12-31T00:00+14:00", "2012-01-01T00:00+14:00"),
    ("Pacific/Apia", "W4", 1, None, "2011-12-31T05:00+14:00", "2011-12-31T00:00+14:00", "2012-01-07T00:00+14:00"),
    ("Pacific/Apia", "H", 24, None, "2011-12-29T23:00-10:00", "2011-12-29T00:00-10:00", "2011-12-31T00:00+14:00"),
    # Periods that transitions only pass through.
    ("Europe/Berlin", "W6", 1, None, "2026-10-25T12:00+01:00", "2026-10-19T00:00+02:00", "2026-10-26T00:00+01:00"),
    ("Europe/Berlin", "W6", 1, None, "2026-10-24T12:00+02:00", "2026-10-19T00:00+02:00", "2026-10-26T00:00+01:00"),
    ("Europe/Berlin", "W0", 1, None, "2026-10-24T12:00+02:00", "2026-10-20T00:00+02:00", "2026-10-27T00:00+01:00"),
    ("Europe/Berlin", "D", 1, None, "2026-03-29T01:00+01:00", "2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00"),
    ("Europe/Berlin", "MONTH", 1, None, "2026-03-29T12:00+02:00", "2026-03-01T00:00+01:00", "2026-04-01T00:00+02:00"),
    # Liberia changed by 44 minutes and 30 seconds, at 00:44:30 UTC.
    ("Africa/Monrovia", "D", 1, None, "1972-01-07T12:00+00:00", "1972-01-07T00:44:30+00:00", "1972-01-08T00:00+00:00"),
]  # fmt: skip


@pytest.mark.parametrize(("tz", "when", "interval", "at_time", "instant", "start", "end"), CASES + ODD_DAYS)
def test_period(*, tz: str, when: str, interval: int, at_time: str | None, instant: str, start: str, end: str) -> None:
    """The period of an instant is the one that the calendar on the wall says."""
    schedule = Schedule.create(when, interval, at_time, tz=tz)
    assert schedule.period(at(instant)) == Period(at(start), at(end))


@needs_tzset
@pytest.mark.parametrize(
    ("when", "at_time", "instant", "start", "end"),
    [
        ("H", None, "2012-11-04T01:30-05:00", "2012-11-04T01:00-05:00", "2012-11-04T02:00-05:00"),
        ("D", None, "2012-11-04T12:00-05:00", "2012-11-04T00:00-04:00", "2012-11-05T00:00-05:00"),
        ("D", "02:30", "2012-03-11T03:00-04:00", "2012-03-11T03:00-04:00", "2012-03-12T02:30-04:00"),
    ],
)
def test_period_in_the_zone_of_the_system(
    system_zone: Callable[[str], None], *, when: str, at_time: str | None, instant: str, start: str, end: str
) -> None:
    """Transitions of the system's zone, known only as a rule in TZ, are found too."""
    system_zone(US_EAST)
    assert Schedule.create(when, 1, at_time).period(at(instant)) == Period(at(start), at(end))


def test_fractions_belong_to_their_second() -> None:
    """The last fraction of a period is in it, before the epoch too."""
    hourly = Schedule.create("H", utc=True)
    assert hourly.period(3599.999999) == Period(0, 3600)
    assert hourly.period(-0.25) == Period(-3600, 0)
    assert all(type(second) is int for second in hourly.period(0.5))


@pytest.mark.parametrize("instant", [float("nan"), float("inf"), -float("inf"), 1e18, -1e18, 10**40])
@pytest.mark.parametrize("when", ["H", "D", "MONTH"])
@pytest.mark.parametrize("tz", [None, "UTC", "Europe/Berlin"])
def test_impossible_instants_are_refused(tz: str | None, when: str, instant: float) -> None:
    """An instant outside of the calendar is refused at once, not searched for."""
    schedule = Schedule.create(when, tz=tz)
    with pytest.raises((ValueError, OverflowError)):
        schedule.period(instant)
    with pytest.raises((ValueError, OverflowError)):
        schedule.next_rollover(instant)


@pytest.mark.parametrize("year", [110, 1800, 2500, 9790])
@pytest.mark.parametrize(("when", "interval"), [("S", 1), ("H", 24), ("D", 36525), ("W3", 5217), ("MONTH", 12)])
def test_far_years(when: str, interval: int, year: int) -> None:
    """The longest intervals work in the years that a wrong clock or a restored file may show."""
    instant = int(datetime(year, 7, 1, tzinfo=timezone.utc).timestamp())
    for tz in (None, "UTC", "Europe/Berlin"):
        start, end = Schedule.create(when, interval, tz=tz).period(instant)
        assert start <= instant < end


def test_wall() -> None:
    """The wall clock is a naive local time, the second of two equal ones included."""
    schedule = Schedule.create("H", tz="America/New_York")
    assert schedule.wall(at("2012-11-04T01:30-05:00")) == datetime(2012, 11, 4, 1, 30)
    assert schedule.wall(at("2012-11-04T01:30-04:00")) == datetime(2012, 11, 4, 1, 30)


@pytest.mark.parametrize(
    ("when", "suffix", "seconds"),
    [
        ("s", "%Y-%m-%d_%H-%M-%S", 1),
        ("m", "%Y-%m-%d_%H-%M", 60),
        ("h", "%Y-%m-%d_%H", 3600),
        ("d", "%Y-%m-%d", DAY),
        ("midnight", "%Y-%m-%d", DAY),
        ("w0", "%Y-%m-%d", 7 * DAY),
        ("W6", "%Y-%m-%d", 7 * DAY),
        ("Month", "%Y-%m", 31 * DAY),
    ],
)
def test_units(when: str, suffix: str, seconds: int) -> None:
    """A unit in any case has the standard library's suffix and its length."""
    schedule = Schedule.create(when, utc=True)
    assert (schedule.when, schedule.suffix, schedule.unit_seconds) == (when.upper(), suffix, seconds)


@pytest.mark.parametrize(("given", "number"), [(3, 3), ("3", 3), (" 15 ", 15), (3.0, 3), ("007", 7)])
def test_interval_is_read(given: Any, number: int) -> None:
    """An interval may be an integer, text of digits or a float without a fraction."""
    assert Schedule.create("M", given).interval == number


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("3:30", TimeOfDay(3, 30)),
        ("03:30", TimeOfDay(3, 30)),
        (" 23:59:58 ", TimeOfDay(23, 59, 58)),
        (TimeOfDay(4), TimeOfDay(4)),
        (TimeOfDay(4, fold=1), TimeOfDay(4)),
        (None, None),
    ],
)
def test_at_time_is_read(given: TimeOfDay | str | None, read: TimeOfDay | None) -> None:
    """A time of day may be an object or text."""
    assert Schedule.create("midnight", at_time=given).at_time == read


# The standard library's answers (its own tests of computeRollover, local zone US_EAST), which differ from `period` at
# transitions.
ROLLOVERS = [
    ("MIDNIGHT", None, "2012-03-10T23:59:59-05:00", "2012-03-11T00:00-05:00"),
    ("MIDNIGHT", None, "2012-03-11T00:00-05:00", "2012-03-12T00:00-04:00"),
    ("MIDNIGHT", None, "2012-11-04T01:00-04:00", "2012-11-05T00:00-05:00"),
    ("MIDNIGHT", "12:00", "2012-03-10T12:00-05:00", "2012-03-11T12:00-04:00"),
    ("MIDNIGHT", "02:00", "2012-03-11T01:59:59-05:00", "2012-03-11T03:00-04:00"),
    ("MIDNIGHT", "02:30", "2012-03-11T03:00-04:00", "2012-03-12T02:30-04:00"),
    ("MIDNIGHT", "02:30", "2012-03-10T02:30-05:00", "2012-03-11T03:30-04:00"),
    ("MIDNIGHT", "01:30", "2012-11-04T01:29:59-04:00", "2012-11-04T01:30-04:00"),
    ("MIDNIGHT", "01:30", "2012-11-04T01:30-04:00", "2012-11-05T01:30-05:00"),
    ("MIDNIGHT", "01:30", "2012-11-04T01:00-05:00", "2012-11-04T01:30-05:00"),
    ("W6", None, "2012-03-11T12:00-04:00", "2012-03-12T00:00-04:00"),
    ("W6", "02:30", "2012-03-11T01:59:59-05:00", "2012-03-11T03:30-04:00"),
    ("H", None, "2012-11-04T01:30-04:00", "2012-11-04T01:00-05:00"),
]


@needs_tzset
@pytest.mark.parametrize(("when", "at_time", "instant", "expected"), ROLLOVERS)
def test_next_rollover(system_zone: Callable[[str], None], when: str, at_time: str | None, instant: str, expected: str) -> None:
    """The answer for computeRollover is the standard library's, at transitions too."""
    system_zone(US_EAST)
    assert Schedule.create(when, 1, at_time).next_rollover(at(instant)) == at(expected)


def test_fingerprint_tells_schedules_apart() -> None:
    """Schedules with other boundaries have other fingerprints, those with the same the same."""
    different = [
        Schedule.create("H", utc=True),
        Schedule.create("H", 2, utc=True),
        Schedule.create("H", tz="Asia/Shanghai"),
        Schedule.create("H", tz=timezone(timedelta(hours=8))),
        Schedule.create("D", utc=True),
        Schedule.create("D", at_time="01:00", utc=True),
        Schedule.create("W0", utc=True),
        Schedule.create("W0", at_time="00:00", utc=True),
        Schedule.create("MONTH", utc=True),
    ]
    assert len({schedule.fingerprint for schedule in different}) == len(different)
    assert Schedule.create("midnight", utc=True).fingerprint == Schedule.create("D", tz="UTC").fingerprint
    assert Schedule.create("D", at_time="00:00").fingerprint == Schedule.create("D").fingerprint


def test_fingerprint_is_one_short_word() -> None:
    """A fingerprint fits into the state record and is the same in every process."""
    assert Schedule.create("H", utc=True).fingerprint == "1827c1a7101e0299"


@needs_tzset
def test_fingerprint_does_not_depend_on_the_spelling(system_zone: Callable[[str], None]) -> None:
    """Universal time has one fingerprint whatever it is called, and so have equal periods in other units."""
    system_zone("UTC0")
    universal: list[dict[str, Any]] = [
        {},
        {"utc": True},
        *({"tz": name} for name in ("UTC", "GMT", "Etc/GMT", "Etc/UCT", "Zulu")),
    ]
    assert len({Schedule.create(**options).fingerprint for options in universal}) == 1
    same = [Schedule.create(*unit).fingerprint for unit in (("H", 2), ("M", 120), ("S", 7200))]
    assert len(set(same)) == 1
    system_zone("XYZ-8")
    assert Schedule.create("H").fingerprint == Schedule.create("H", tz=timezone(timedelta(hours=8))).fingerprint


@needs_tzset
def test_fingerprint_does_not_depend_on_the_year(system_zone: Callable[[str], None]) -> None:
    """What the zone was called when the process started is not in it: only its offsets are."""
    system_zone("EST5EDT,M3.2.0,M11.1.0")
    first = Schedule.create("H").fingerprint
    system_zone("NYC5NYS,M3.2.0,M11.1.0")
    assert Schedule.create("H").fingerprint == first


@needs_tzset
def test_fingerprint_follows_the_zone_of_the_process(system_zone: Callable[[str], None]) -> None:
    """Two processes with another TZ have other fingerprints for the same parameters."""
    schedule = Schedule.create("H")
    found = set()
    for tz in ("UTC0", "CST-8", US_EAST):
        system_zone(tz)
        found.add(schedule.fingerprint)
    assert len(found) == 3


@pytest.mark.parametrize(
    "schedule",
    [
        Schedule.create("H"),
        Schedule.create("D", 2, TimeOfDay(3), tz="Asia/Shanghai"),
        Schedule.create("MONTH", tz=zoneinfo.ZoneInfo("Europe/Berlin")),
        Schedule.create("W6", tz=timezone(timedelta(hours=-3, minutes=-30))),
        Schedule.create("M", 15, utc=True),
    ],
    ids=repr,
)
def test_copies_are_equal(schedule: Schedule) -> None:
    """A schedule survives pickling and copying, and can be hashed."""
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(schedule, protocol)) == schedule
    assert copy.deepcopy(schedule) == schedule
    assert hash(copy.copy(schedule)) == hash(schedule)


@pytest.mark.parametrize(
    ("utc", "tz", "zone"),
    [
        (False, None, SystemZone()),
        (True, None, UtcZone()),
        (True, "UTC", UtcZone()),
        (True, timezone.utc, UtcZone()),
        (True, zoneinfo.ZoneInfo("Etc/UTC"), UtcZone()),
        (False, "UTC", UtcZone()),
        (False, timezone(timedelta(hours=5, minutes=30)), FixedZone(19800)),
        (False, "Asia/Shanghai", NamedZone("Asia/Shanghai", zoneinfo.ZoneInfo("Asia/Shanghai"))),
        (False, zoneinfo.ZoneInfo("Asia/Shanghai"), NamedZone("Asia/Shanghai", zoneinfo.ZoneInfo("Asia/Shanghai"))),
    ],
)
def test_find_zone(utc: bool, tz: str | tzinfo | None, zone: object) -> None:
    """Every way to write a zone leads to the one value for it."""
    assert find_zone(utc, tz) == zone


def test_fixed_offsets_keep_their_seconds() -> None:
    """A fixed offset of odd seconds is taken as it is, west and east."""
    for seconds in (-12345, 12345):
        assert find_zone(False, timezone(timedelta(seconds=seconds))).offset(0) == seconds


def test_stretches_of_many_transitions() -> None:
    """A window with several transitions is cut at each of them, and its ends are exact."""
    zone = find_zone(False, "Europe/Berlin")
    first, end = at("2026-01-01T00:00+01:00"), at("2027-01-01T00:00+01:00")
    spring, autumn = at("2026-03-29T03:00+02:00"), at("2026-10-25T02:00+01:00")
    assert stretches(zone, first, end) == [(first, spring, 3600), (spring, autumn, 7200), (autumn, end, 3600)]
    assert stretches(zone, spring, spring + 1) == [(spring, spring + 1, 7200)]
    assert stretches(zone, spring - 1, spring + 1) == [(spring - 1, spring, 3600), (spring, spring + 1, 7200)]


class _OtherZone(tzinfo):
    """A zone of somebody's own: it cannot be asked for a key."""

    def __repr__(self) -> str:
        return "another zone"


BAD = [
    ({"when": "X"}, "when='X'", "S, M, H, D, midnight, W0 (Monday) to W6 (Sunday), MONTH"),
    ({"when": "W"}, "when='W'", "W0 (Monday)"),
    ({"when": "W7"}, "when='W7'", "W0 (Monday)"),
    ({"when": ""}, "when=''", "give one of"),
    ({"when": " h"}, "when=' h'", "give one of"),
    ({"when": "\u017f"}, "when=", "give one of"),
    ({"interval": 0}, "interval=0", "1 or more"),
    ({"interval": -1}, "interval=-1", "1 or more"),
    ({"interval": "-1"}, "interval='-1'", "1 or more"),
    ({"interval": "0"}, "interval='0'", "1 or more"),
    ({"interval": 1.5}, "interval=1.5", "whole number"),
    ({"interval": float("nan")}, "interval=nan", "whole number"),
    ({"interval": float("inf")}, "interval=inf", "whole number"),
    ({"interval": ""}, "interval=''", "whole number"),
    ({"interval": "ten"}, "interval='ten'", "whole number"),
    ({"interval": "1.5"}, "interval='1.5'", "whole number"),
    ({"interval": "1_0"}, "interval='1_0'", "whole number"),
    ({"interval": "\u0663"}, "interval=", "whole number"),
    ({"interval": "9" * 5000}, "interval='9", "whole number"),
    ({"interval": 86401, "when": "S"}, "interval=86401", "at most 86400"),
    ({"interval": 1441, "when": "M"}, "interval=1441", "at most 1440"),
    ({"interval": 25, "when": "H"}, "interval=25", "when='D'"),
    ({"interval": 36526, "when": "D"}, "interval=36526", "at most 36525 (100 years)"),
    ({"interval": 36526, "when": "midnight"}, "interval=36526", "at most 36525 (100 years)"),
    ({"interval": 5218, "when": "W3"}, "interval=5218", "at most 5217 (100 years)"),
    ({"interval": 13, "when": "MONTH"}, "interval=13", "at most 12"),
    ({"interval": 10**30, "when": "D"}, "interval=10000", "at most 36525"),
    ({"at_time": TimeOfDay(1), "when": "H"}, "atTime=datetime.time(1, 0)", "use it with D, W0 to W6 or MONTH"),
    ({"at_time": "01:00", "when": "S"}, "atTime='01:00'", "use it with D"),
    ({"at_time": TimeOfDay(1, 0, 0, 5), "when": "D"}, "atTime=datetime.time(1, 0, 0, 5)", "whole seconds"),
    ({"at_time": TimeOfDay(1, tzinfo=timezone.utc), "when": "D"}, "atTime=datetime.time(1, 0, tz", "as tz="),
    ({"at_time": "24:00", "when": "D"}, "atTime='24:00'", "'HH:MM'"),
    ({"at_time": "", "when": "D"}, "atTime=''", "'HH:MM'"),
    ({"at_time": "noon", "when": "D"}, "atTime='noon'", "'HH:MM'"),
    ({"at_time": "01:00:00.5", "when": "D"}, "atTime='01:00:00.5'", "'HH:MM'"),
    ({"tz": "Mars/Olympus"}, "tz='Mars/Olympus'", "Asia/Shanghai"),
    ({"tz": ""}, "tz=''", "Asia/Shanghai"),
    ({"tz": "Europe"}, "tz='Europe'", "Asia/Shanghai"),
    ({"tz": "../etc/passwd"}, "tz='../etc/passwd'", "Asia/Shanghai"),
    ({"tz": "a\0b"}, "tz='a\\x00b'", "Asia/Shanghai"),
    ({"tz": "x" * 5000}, "tz='xxx", "Asia/Shanghai"),
    ({"tz": "Asia/Shanghai", "utc": True}, "tz='Asia/Shanghai'", "one of the two"),
    ({"tz": timezone(timedelta(hours=1)), "utc": True}, "tz=", "one of the two"),
    ({"tz": timezone(timedelta(microseconds=5))}, "tz=", "whole seconds"),
]  # fmt: skip

BAD_TYPES = [
    ({"when": None}, "when=None", "give one of"),
    ({"when": b"H"}, "when=b'H'", "give one of"),
    ({"when": 5}, "when=5", "give one of"),
    ({"interval": True}, "interval=True", "whole number"),
    ({"interval": None}, "interval=None", "whole number"),
    ({"interval": [1]}, "interval=[1]", "whole number"),
    ({"at_time": 3, "when": "D"}, "atTime=3", "datetime.time"),
    ({"at_time": datetime(2026, 1, 1), "when": "D"}, "atTime=datetime.datetime", "datetime.time"),
    ({"tz": 8}, "tz=8", "zoneinfo.ZoneInfo"),
    ({"tz": _OtherZone()}, "tz=", "zoneinfo.ZoneInfo"),
    ({"utc": "False"}, "utc='False'", "True or False"),
    ({"utc": None}, "utc=None", "True or False"),
]


def _label(value: object) -> str | None:
    return repr(value)[:60] if isinstance(value, dict) else ""


@pytest.mark.parametrize(("parameters", "named", "remedy"), BAD, ids=_label)
def test_bad_value(parameters: dict[str, Any], named: str, remedy: str) -> None:
    """A value that cannot be used is a ValueError with the parameter, the value and the remedy."""
    with pytest.raises(InvalidOption) as caught:
        Schedule.create(**parameters)
    assert not isinstance(caught.value, TypeError)
    assert str(caught.value).startswith(named)
    assert remedy in str(caught.value)


@pytest.mark.parametrize(("parameters", "named", "remedy"), BAD_TYPES, ids=_label)
def test_bad_type(parameters: dict[str, Any], named: str, remedy: str) -> None:
    """A value of another type is a TypeError with the parameter, the value and the remedy."""
    with pytest.raises(InvalidOptionType) as caught:
        Schedule.create(**parameters)
    assert str(caught.value).startswith(named)
    assert remedy in str(caught.value)


def test_a_zone_without_a_name_is_refused() -> None:
    """A ZoneInfo that could not be found again in another process is refused at once."""
    with open(_zone_file(), "rb") as file:
        nameless = zoneinfo.ZoneInfo.from_file(file)
    with pytest.raises(InvalidOption, match="tz="):
        Schedule.create("H", tz=nameless)


def _zone_file() -> str:
    for folder in zoneinfo.TZPATH:
        path = f"{folder}/Asia/Shanghai"
        try:
            with open(path, "rb"):
                return path
        except OSError:
            continue
    pytest.skip("no zone files on this machine")


def test_a_zone_says_what_it_is() -> None:
    """What a message calls a zone is enough to know it by."""
    kolkata = timezone(timedelta(hours=5, minutes=30))
    assert [Schedule.create("H", tz=tz).zone.key for tz in (kolkata, "Etc/UTC", "Asia/Kolkata")] == [
        "UTC+19800s", "UTC", "Asia/Kolkata",
    ]  # fmt: skip


def test_import_is_cheap() -> None:
    """The schedule brings neither zoneinfo nor hashlib into a process that does not need them."""
    program = (
        "import sys; before = set(sys.modules);"  # what the interpreter's own start-up brings is not ours
        "from mpfhandler._pure.schedule import Schedule; s = Schedule.create('H', utc=True);"
        "s.period(0); s.fingerprint; print(sorted({'zoneinfo', 'hashlib'} & set(sys.modules) - before))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
