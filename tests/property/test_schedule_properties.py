"""The schedule against an oracle of its own, over all zones of the tz database.

The oracle does not share a line or a method with the code under test: it asks `datetime` and `time.localtime` for local
times, never for offsets, lists the nominal boundaries of the neighbourhood with calendar arithmetic, and finds
instants by stepping through every minute (and every second where it matters).

An ordinary run looks at every zone, and in each at one of its changes with one schedule, drawn by `SEED`, so that a run can be
repeated. With `MPFHANDLER_PROOF` it is every change of every zone from 1970 to 2100, the groups of kinds of schedules in turn.
"""

from __future__ import annotations

import functools
import itertools
import os
import random
import time
import zoneinfo
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from datetime import time as TimeOfDay  # noqa: N812  (a class, and `time` is a module)
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mpfhandler._pure.schedule import Schedule
from mpfhandler._pure.zone import find_zone, high_water, reached, stretches

Local = Callable[[int], datetime]

DAY = 86400
FIRST, LAST = 0, 4_102_444_800  # 1970 to 2100
UNITS = {"S": 1, "M": 60, "H": 3600}
KEYS = sorted(key for key in zoneinfo.available_timezones() if key not in {"localtime", "Factory"})
# Zones whose transitions are out of the ordinary come up more often than one in six hundred.
ODD = [
    "Australia/Lord_Howe",
    "America/Havana",
    "America/St_Johns",
    "America/Sao_Paulo",
    "Pacific/Apia",
    "Pacific/Kwajalein",
    "Africa/Monrovia",
    "Africa/Casablanca",
    "Antarctica/Troll",
    "Antarctica/Casey",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Europe/Dublin",
    "America/New_York",
]  # fmt: skip


# --- what a schedule should be, said a second time ------------------------------------------------------------------


@dataclass(frozen=True)
class Wanted:
    """The parameters of a schedule."""

    when: str
    interval: int
    at_time: TimeOfDay | None = None


def at(instant: int, zone: zoneinfo.ZoneInfo) -> datetime:
    """`datetime.fromtimestamp`, which on Windows knows no time before 1970."""
    return (datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=instant)).astimezone(zone)


def local_of(key: str) -> Local:
    zone = zoneinfo.ZoneInfo(key)

    @functools.lru_cache(maxsize=100_000)
    def local(instant: int) -> datetime:
        return at(instant, zone).replace(tzinfo=None)

    return local


def system_local(instant: int) -> datetime:
    return datetime(*time.localtime(instant)[:6])


def slot(wanted: Wanted, wall: datetime) -> datetime:
    """The start of the slot of the day that a wall time is in."""
    midnight = datetime.combine(wall, TimeOfDay())
    step = timedelta(seconds=UNITS[wanted.when] * wanted.interval)
    return midnight + (wall - midnight) // step * step


def is_boundary(wanted: Wanted, local: Local, instant: int) -> bool:
    """Whether a sub-day period starts at this instant: a slot was full, or another one goes on."""
    before, now = local(instant - 1), local(instant)
    full = before + timedelta(seconds=1)
    return slot(wanted, full) == full or slot(wanted, before) != slot(wanted, now)


def is_calendar_boundary(wanted: Wanted, day: date) -> bool:
    """Whether the calendar has a boundary on this day (at `atTime`, or at its first moment)."""
    if wanted.when in {"D", "MIDNIGHT"}:
        return (day - date(1970, 1, 1)).days % wanted.interval == 0
    if wanted.when == "MONTH":
        return day.day == 1 and (day.month - 1) % wanted.interval == 0
    named = int(wanted.when[1])
    if wanted.at_time is None:
        named = (named + 1) % 7  # the midnight that follows
    first = next(d for n in range(8) if after_epoch(wanted, d := date(1970, 1, 1) + timedelta(days=n), named))
    return (day - first).days % 7 == 0 and ((day - first).days // 7 + 1) % wanted.interval == 0


def after_epoch(wanted: Wanted, day: date, weekday: int) -> bool:
    moment = datetime.combine(day, wanted.at_time or TimeOfDay())
    return day.weekday() == weekday and moment > datetime(1970, 1, 1)


def calendar_boundary(wanted: Wanted, wall: datetime, direction: int) -> Iterator[datetime]:
    """The nominal boundaries from two days on the other side of a wall time on."""
    day = wall.date() - timedelta(days=2 * direction)
    while True:
        if is_calendar_boundary(wanted, day):
            yield datetime.combine(day, wanted.at_time or TimeOfDay())
        day += timedelta(days=direction)


def first_instant(local: Local, wall: datetime) -> int:
    """The first second at which the wall clock is at `wall` or past it.

    The last second of every minute is looked at, then every second: clocks are set back at full minutes only.
    """
    utc = (wall - datetime(1970, 1, 1)) // timedelta(seconds=1)
    minute = (utc - 27 * 3600) // 60 * 60
    while local(minute + 59) < wall:
        minute += 60
    return next(second for second in range(minute, minute + 60) if local(second) >= wall)


def calendar_period(wanted: Wanted, local: Local, instant: int) -> tuple[int, int]:
    past = (first_instant(local, nominal) for nominal in calendar_boundary(wanted, local(instant), -1))
    future = (first_instant(local, nominal) for nominal in calendar_boundary(wanted, local(instant), 1))
    return next(second for second in past if second <= instant), next(second for second in future if second > instant)


# --- what is tried --------------------------------------------------------------------------------------------------

INTERVALS = {"S": 86400, "M": 1440, "H": 24}
TIMES = st.none() | st.builds(TimeOfDay, st.integers(0, 23), st.sampled_from([0, 1, 30, 59]), st.sampled_from([0, 59]))

sub_day = st.sampled_from("SMH").flatmap(
    lambda when: st.builds(
        Wanted, st.just(when), st.integers(1, INTERVALS[when]) | st.sampled_from([1, 5, 12, 15, INTERVALS[when] // 2])
    )
)
calendar = st.one_of(
    st.builds(Wanted, st.sampled_from(["D", "MIDNIGHT"]), st.integers(1, 9), TIMES),
    st.builds(Wanted, st.sampled_from([f"W{day}" for day in range(7)]), st.integers(1, 4), TIMES),
    st.builds(Wanted, st.just("MONTH"), st.integers(1, 12), TIMES),
)


@functools.cache
def transitions(key: str) -> list[int]:
    """About when a zone's clocks were changed: only a hint where it is worth looking."""
    return changes(key, FIRST, LAST)


def changes(key: str, first: int, last: int) -> list[int]:
    zone = zoneinfo.ZoneInfo(key)
    offsets = [(t, at(t, zone).utcoffset()) for t in range(first, last, 6 * DAY)]
    return [meet(zone, low, high) for (low, old), (high, new) in pairwise(offsets) if old != new]


def meet(zone: zoneinfo.ZoneInfo, low: int, high: int) -> int:
    old = at(low, zone).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if at(middle, zone).utcoffset() == old else (low, middle)
    return high


@st.composite
def places(draw: st.DrawFn) -> tuple[str, int]:
    """A zone and an instant, mostly near a transition."""
    key = draw(st.sampled_from(KEYS) | st.sampled_from(ODD))
    changes = transitions(key)
    if changes and draw(st.integers(0, 3)):
        near = draw(st.integers(-2 * DAY, 2 * DAY) | st.integers(-7200, 7200) | st.integers(-2, 2))
        return key, draw(st.sampled_from(changes)) + near
    return key, draw(st.integers(FIRST, LAST))


def schedule_of(wanted: Wanted, key: str | None) -> Schedule:
    return Schedule.create(wanted.when, wanted.interval, wanted.at_time, tz=key)


# --- claims ---------------------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(wanted=sub_day, place=places())
@example(wanted=Wanted("H", 1), place=("Australia/Lord_Howe", 1712415600))
@example(wanted=Wanted("H", 12), place=("America/Havana", 1730610000))
@example(wanted=Wanted("H", 24), place=("Pacific/Apia", 1325239200))
def test_sub_day_periods_are_the_oracle_s(wanted: Wanted, place: tuple[str, int]) -> None:
    """A sub-day period starts and ends at a boundary, and there is none between."""
    key, instant = place
    start, end = schedule_of(wanted, key).period(instant)
    assert start <= instant < end
    assert_sub_day_period(wanted, local_of(key), transitions(key), start, end)


def assert_sub_day_period(wanted: Wanted, local: Local, hints: list[int], start: int, end: int) -> None:
    assert is_boundary(wanted, local, start)
    assert is_boundary(wanted, local, end)
    assert not [second for second in inner_seconds(hints, start, end) if is_boundary(wanted, local, second)]


def inner_seconds(hints: list[int], start: int, end: int) -> Iterator[int]:
    """Seconds of an open interval: all of a short one; of a long one those near ends and transitions, and a sample."""
    if end - start <= 1800:
        yield from range(start + 1, end)
        return
    for centre in [start, end, *(change for change in hints if start - 60 < change < end + 60)]:
        yield from range(max(start + 1, centre - 5), min(end, centre + 6))
    yield from range(start + 60 - start % 60, end, 60)


@settings(max_examples=120, deadline=None)
@given(wanted=calendar, place=places())
@example(wanted=Wanted("D", 1), place=("America/St_Johns", 1225593000))
@example(wanted=Wanted("D", 1), place=("Pacific/Apia", 1325239199))
@example(wanted=Wanted("D", 1), place=("America/Sao_Paulo", 1518915600))
@example(wanted=Wanted("D", 1), place=("Africa/Monrovia", 63593070))
def test_calendar_periods_are_the_oracle_s(wanted: Wanted, place: tuple[str, int]) -> None:
    """A day's, week's or month's period is the one found by stepping through the minutes."""
    key, instant = place
    assert schedule_of(wanted, key).period(instant) == calendar_period(wanted, local_of(key), instant)


RULES = [
    "EST+05EDT,M3.2.0,M11.1.0",
    "CET-1CEST,M3.5.0,M10.5.0/3",
    "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
    "CST5CDT,M3.2.0/0,M11.1.0/1",
    "NST3:30NDT,M3.2.0/0:01,M11.1.0/0:01",
    "XXX3:25:45YYY,J60/0,J300/0",
    "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
]


@pytest.fixture
def restore_zone() -> Iterator[None]:
    before = os.environ.get("TZ")
    yield
    os.environ.pop("TZ", None)
    if before is not None:
        os.environ["TZ"] = before
    time.tzset()


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the zone of a process cannot be set here")
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.usefixtures("restore_zone")
def test_the_zone_of_the_system_follows_its_rule(rule: str) -> None:
    """Every hour and day around the transitions of a rule in TZ is the oracle's."""
    os.environ["TZ"] = rule
    time.tzset()
    hourly, daily = Wanted("H", 1), Wanted("D", 1)
    changes = [t for t in range(1_704_067_200, 1_735_689_600, 1800) if time.localtime(t)[8] != time.localtime(t - 1800)[8]]
    assert len(changes) == 2
    for instant in (change + hours * 3600 for change in changes for hours in (-24, -2, -1, 0, 1, 2, 24)):
        start, end = schedule_of(hourly, None).period(instant)
        # Every fifteenth second: no rule has a finer offset.
        seconds = [second for second in range(start, end + 1, 15) if is_boundary(hourly, system_local, second)]
        assert seconds == [start, end]
        assert schedule_of(daily, None).period(instant) == calendar_period(daily, system_local, instant)


SEED = 20_260_101
PROOF = "MPFHANDLER_PROOF" in os.environ
PARTS = 8  # for as many processes
KINDS = [["S", "M", "H"], ["D", "MIDNIGHT"], [*(f"W{day}" for day in range(7)), "MONTH"]]
YEAR = 366 * DAY


def any_schedule(chance: random.Random, when: str, wall: datetime) -> Wanted:
    """One of this kind, mostly with an interval of 1. Its time of day may lie where the clocks are changed to `wall`: in the hour
    that is skipped, or that comes twice."""
    most = {**INTERVALS, "MONTH": 12}.get(when, 4 if when[0] == "W" else 9)
    interval = chance.choice([1, 1, chance.randint(1, most)])
    if when in UNITS:
        return Wanted(when, interval)
    anywhere = TimeOfDay(chance.randrange(24), chance.choice([0, 1, 30, 59]), chance.choice([0, 59]))
    near = (wall - timedelta(minutes=chance.randint(-60, 120))).time()
    return Wanted(when, interval, chance.choice([None, anywhere, near]))


def places_of(key: str, chance: random.Random) -> list[tuple[int, str]]:
    """Instants to look at, each with the kind of schedule to try."""
    if PROOF:
        anywhere = [chance.randrange(FIRST, LAST) for _ in range(10)]
        turns = itertools.cycle(KINDS)
        return [(instant, chance.choice(next(turns))) for instant in [*transitions(key), *anywhere]]
    somewhere = chance.randrange(FIRST, LAST - YEAR)
    kind = chance.choice([kind for group in KINDS for kind in group])
    return [(chance.choice(changes(key, somewhere, somewhere + YEAR) or [somewhere]), kind)]


@pytest.mark.timeout(6 * 3600 if PROOF else 300)
@pytest.mark.parametrize("part", range(PARTS))
def test_every_zone_around_its_changes(part: int) -> None:
    """Before, over and after a change of the clocks periods are the oracle's, follow each other without a gap, and each instant
    of them is in them."""
    for key in KEYS[part::PARTS]:
        chance = random.Random(f"{SEED} {key}")
        for instant, when in places_of(key, chance):
            assert_partition(any_schedule(chance, when, local_of(key)(instant)), key, instant, chance)


def assert_partition(wanted: Wanted, key: str, instant: int, chance: random.Random) -> None:
    schedule, local = schedule_of(wanted, key), local_of(key)
    period = schedule.period(schedule.period(instant - 1).start - 1)
    while period.start <= instant:
        start, end = period
        told = wanted, key, instant, period
        assert start < end, told
        assert {schedule.period(second) for second in (start, chance.randrange(start, end), end - 1)} == {period}, told
        if wanted.when in UNITS:
            assert_sub_day_period(wanted, local, [instant], start, end)
        else:
            assert calendar_period(wanted, local, start) == period, told
        period = schedule.period(end)
        assert period.start == end, told


@settings(max_examples=150, deadline=None)
@given(wanted=sub_day | calendar, place=places(), later=st.integers(0, 400 * DAY) | st.integers(0, 7200))
def test_later_instants_have_no_earlier_periods(wanted: Wanted, place: tuple[str, int], later: int) -> None:
    """Periods are in the order of time, wherever two instants lie in them, and whatever the clocks do in between."""
    key, instant = place
    schedule = schedule_of(wanted, key)
    first, second = schedule.period(instant), schedule.period(instant + later)
    assert first == second or first.end <= second.start


@settings(max_examples=150, deadline=None)
@given(wanted=sub_day | calendar, place=places())
def test_periods_partition_time(wanted: Wanted, place: tuple[str, int]) -> None:
    """Each instant is in one period, and periods follow each other without a gap."""
    key, instant = place
    schedule = schedule_of(wanted, key)
    period = schedule.period(instant)
    assert period.start <= instant < period.end
    assert schedule.period(period.start) == period == schedule.period(period.end - 1)
    assert schedule.period(period.end).start == period.end
    assert schedule.period(period.start - 1).end == period.start


@settings(max_examples=150, deadline=None)
@given(at_time=TIMES, place=places())
@example(at_time=TimeOfDay(12), place=("Pacific/Apia", 1325239199))
def test_days_have_24_hours_but_for_the_shifts(at_time: TimeOfDay | None, place: tuple[str, int]) -> None:
    """A day differs from 24 hours by no more than what the clocks were changed in or around it."""
    key, instant = place
    local = local_of(key)
    start, end = schedule_of(Wanted("D", 1, at_time), key).period(instant)
    changes = [change for change in transitions(key) if start - DAY < change < end + DAY]
    shifts = [local(change) - local(change - 1) - timedelta(seconds=1) for change in changes]
    assert abs(timedelta(seconds=end - start - DAY)) <= sum(map(abs, shifts), timedelta())


@settings(max_examples=150, deadline=None)
@given(wanted=calendar, place=places())
def test_a_segment_is_named_for_its_first_day(wanted: Wanted, place: tuple[str, int]) -> None:
    """The wall time of a period's start is in the day of the nominal boundary, or where the gap that skips it ends."""
    key, instant = place
    schedule = schedule_of(wanted, key)
    start = schedule.period(instant).start
    wall = schedule.wall(start)
    assert wall == local_of(key)(start)
    if not any(start - 1 <= change <= start for change in transitions(key)):
        assert is_calendar_boundary(wanted, wall.date())
        assert wall.time() == (wanted.at_time or TimeOfDay())


@settings(max_examples=120, deadline=None)
@given(wanted=sub_day | calendar, place=places())
def test_next_rollover_is_the_period_s_end_away_from_transitions(wanted: Wanted, place: tuple[str, int]) -> None:
    """Where no clock is changed near the end, computeRollover's answer is the end of the period."""
    key, instant = place
    schedule = schedule_of(wanted, key)
    end = schedule.period(instant).end
    near = [c for c in transitions(key) if abs(c - end) < 2 * DAY or abs(c - instant) < 2 * DAY]
    if wanted.when in UNITS or not near:
        assert schedule.next_rollover(instant) == end
    else:
        assert abs(schedule.next_rollover(instant) - end) <= (wanted.interval * schedule.unit_seconds) + 2 * DAY


@settings(max_examples=60, deadline=None)
@given(place=places(), length=st.integers(1, 400 * DAY))
def test_stretches_are_what_the_offset_says(place: tuple[str, int], length: int) -> None:
    """Stretches cover a window without a gap, and are cut exactly at the transitions in it."""
    key, first = place
    parts = stretches(find_zone(False, key), first, first + length)
    assert parts[0].start == first
    assert parts[-1].end == first + length
    assert [part.end for part in parts[:-1]] == [part.start for part in parts[1:]]
    inside = [change for change in transitions(key) if first < change < min(first + length, LAST - 6 * DAY)]
    assert [part.start for part in parts[1:] if part.start < LAST - 6 * DAY] == inside


@settings(max_examples=60, deadline=None)
@given(place=places())
def test_the_high_water_mark_is_reached_and_never_falls(place: tuple[str, int]) -> None:
    """The latest wall time reached never goes back, and `reached` finds when it was first shown."""
    key, instant = place
    zone, local = find_zone(False, key), local_of(key)
    mark = high_water(zone, instant)
    shown = datetime(1970, 1, 1) + timedelta(seconds=mark)
    assert shown >= local(instant)
    assert high_water(zone, instant + 1) >= mark
    assert reached(zone, mark) <= instant
    assert reached(zone, mark) == first_instant(local, shown)
