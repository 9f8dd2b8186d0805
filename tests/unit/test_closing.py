"""From when on a closed segment is left alone by its writers."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from mpfhandler._pure.closing import closing
from mpfhandler._pure.naming import Names
from mpfhandler._pure.schedule import Period, Schedule

AT = 1_795_449_600  # 2026-11-23 16:00:00 UTC
HOUR = Schedule.create("H", utc=True)
NAMES = Names("/d/app.log", HOUR.suffix)


def at(schedule: Schedule, instant: int, suffix: str = "") -> tuple[Names, object]:
    """The names of a schedule, and that of the period of an instant."""
    names = Names("/d/app.log", suffix or schedule.suffix)
    return names, names.at(schedule.wall(schedule.period(instant).start))


@pytest.mark.parametrize("written", [AT, AT + 1, AT + 3599, AT + 3605, AT + 3609.9])
def test_grace_begins_with_the_end_of_the_names_period(written: float) -> None:
    """Whenever in its period, or in the grace of that, the segment was last written."""
    names, name = at(HOUR, AT)
    assert closing(HOUR, names, name, written, 10.0) == (Period(AT, AT + 3600), AT + 3610)


@pytest.mark.parametrize("written", [0.0, AT - 86400.0, AT + 86400.0])
def test_name_counts_where_the_last_write_contradicts_it(written: float) -> None:
    """A file that was copied or restored has another time of modification."""
    names, name = at(HOUR, AT)
    assert closing(HOUR, names, name, written, 10.0) == (Period(AT, AT + 3600), AT + 3610)


@pytest.mark.parametrize("which", [0, 1])
def test_hour_that_is_repeated_is_told_by_the_last_write(which: int) -> None:
    """Two periods have one name; without a usable time the later one counts, which is on the safe side."""
    schedule = Schedule.create("H", tz="Europe/Berlin")
    start = int(datetime(2026, 10, 25, which, tzinfo=timezone.utc).timestamp())  # 02:00 on the wall, twice
    names, name = at(schedule, start)
    assert closing(schedule, names, name, start + 1800, 10.0) == (Period(start, start + 3600), start + 3610)
    last = int(datetime(2026, 10, 25, 2, tzinfo=timezone.utc).timestamp())
    assert closing(schedule, names, name, 0.0, 10.0).over == last + 10


def test_boundary_that_a_gap_skips() -> None:
    """The wall clock never shows the start of such a day: the period begins where the gap ends."""
    schedule = Schedule.create("D", tz="America/Santiago")  # midnight is skipped on 2026-09-06
    start = int(datetime(2026, 9, 6, 4, tzinfo=timezone.utc).timestamp())
    names = Names("/d/app.log", "%Y-%m-%d")
    found = closing(schedule, names, names.at(datetime(2026, 9, 6)), 0.0, 0.0)
    assert found.period == schedule.period(start)
    assert found.over == found.period.end


def test_period_that_begins_later_than_the_text_of_its_name() -> None:
    """Days from 03:30 on are named by their dates; at the midnight of that date it is still the day before."""
    schedule = Schedule.create("D", at_time="03:30", utc=True)
    period = schedule.period(AT)
    names, name = at(schedule, AT)
    assert closing(schedule, names, name, 0.0, 10.0) == (period, period.end + 10)


def test_suffix_of_whole_days_is_told_by_the_last_write() -> None:
    """With hourly periods and a suffix of days the segment of five o'clock is not over at one o'clock."""
    names, name = at(HOUR, AT, "%Y-%m-%d")
    assert closing(HOUR, names, name, AT + 1800, 10.0) == (Period(AT, AT + 3600), AT + 3610)


def test_names_without_a_date_wait_for_quiet() -> None:
    """The last write tells the period, and ten seconds have passed since."""
    names, name = at(HOUR, AT, "%H")
    assert closing(HOUR, names, name, AT + 1800, 30.0) == (Period(AT, AT + 3600), AT + 3630)
    assert closing(HOUR, names, name, AT + 3599.5, 0.0) == (Period(AT, AT + 3600), AT + 3609.5)


def test_time_without_a_calendar_is_an_error() -> None:
    """The caller leaves such a file alone."""
    names, name = at(HOUR, AT)
    with pytest.raises(OverflowError):
        closing(HOUR, names, name, 1e18, 10.0)
