"""The schedule of a log that nobody has told: from the names of its segments and from its state record.

Who looks for an error at night does not know how the log was set up. The names tell the unit; the state record has the
fingerprint of the schedule, so a guess that has the same one is no guess any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import time as TimeOfDay  # noqa: N812  (a class, and `time` is a module)
from datetime import tzinfo

from ..._pure.closing import closing
from ..._pure.naming import Names, SegmentName
from ..._pure.schedule import Schedule
from ..._pure.state import State

__all__ = ["UNITS", "Given", "Guess", "guess", "learn"]

UNITS = ("S", "M", "H", "D", "MONTH")  # the finest first; weeks have the names of days
_DAY = 86400
_DIVIDED = (("H", 3600), ("M", 60), ("S", 1))  # units that a day is divided in, with their seconds
_WEEKDAYS = tuple(f"W{day}" for day in range(7))


@dataclass(frozen=True)
class Given:
    """What the user said about the schedule, each as `Schedule.create` takes it; None: nothing.

    Attributes:
        when: unit.
        interval: units in a period.
        at_time: of day, when a period begins.
        utc: universal time.
        tz: zone.
        suffix: of the segments' names.
    """

    when: str | None = None
    interval: str | None = None
    at_time: str | None = None
    utc: bool = False
    tz: str | tzinfo | None = None
    suffix: str | None = None

    def schedule(self, when: str, interval: float | str | None = None, at_time: TimeOfDay | str | None = None) -> Schedule:
        """The schedule with this for what was not said.

        Raises:
            InvalidOption: something cannot be used.
        """
        unit = self.when or when
        return Schedule.create(unit, self.interval or interval or 1, self.at_time or at_time, self.utc, self.tz)


@dataclass(frozen=True)
class Guess:
    """What came of it.

    Attributes:
        schedule: of the log.
        suffix: of the segments' names.
        sure: the user said so, or the state record does; else where a period ends is not known.
    """

    schedule: Schedule
    suffix: str
    sure: bool


def guess(log: str, given: Given, files: Iterable[str], state: State | None) -> Guess:
    """The schedule of a log.

    Args:
        log: its path.
        given: what the user said.
        files: names in the log's folder.
        state: what stands in its lock file, if that is known.

    Raises:
        InvalidOption: what the user said cannot be used.
    """
    if given.when is not None:
        schedule = given.schedule(given.when)
        return Guess(schedule, given.suffix or schedule.suffix, sure=True)
    listed = list(files)
    suffix = given.suffix or _suffix(log, listed)
    told = None if state is None else _recorded(given, state, suffix)
    if told is None and state is not None and given.suffix is None:
        present = _recorded(given, state, None)  # of a log that had another schedule before: what its processes make now counts
        if present is not None and _count(log, present.suffix, listed):
            return Guess(present, present.suffix, sure=True)
    if told is not None:
        return Guess(told, suffix or told.suffix, sure=True)
    schedule = given.schedule(_unit(suffix))
    return Guess(schedule, suffix or schedule.suffix, sure=False)


def learn(log: str, given: Given, files: Iterable[str], state: State | None) -> Guess:
    """The same for who names, changes or deletes files: not sure, either, where two schedules are possible.

    Raises:
        InvalidOption: what the user said cannot be used.
    """
    listed = list(files)
    found = guess(log, given, listed, state)
    told = given.when is not None or given.suffix is not None
    return found if told or not _has_rivals(log, found, listed) else replace(found, sure=False)


def _has_rivals(log: str, found: Guess, listed: list[str]) -> bool:
    """Whether there are also names of another unit with the same boundaries: a log of 60 minutes may have been one of hours, or
    the other way round. Then it is known when its periods end, but not what is called by which schedule. The same where minutes
    are named at which no period of 60 begins."""
    schedule, units = found.schedule, dict(_DIVIDED)
    if schedule.when not in units:
        return False
    seconds = schedule.interval * schedule.unit_seconds
    rivals = {Schedule.create(unit, utc=True).suffix for unit, length in _DIVIDED if seconds % length == 0} - {found.suffix}
    if any(_count(log, suffix, listed) for suffix in rivals):
        return True
    coarser = any(seconds % length == 0 and length > schedule.unit_seconds for length in units.values())
    names = Names(log, found.suffix)
    return coarser and not all(_begins_a_period(schedule, names, name) for name, _ in names.known(names.folder, listed))


def _begins_a_period(schedule: Schedule, names: Names, name: SegmentName) -> bool:
    try:
        start = closing(schedule, names, name, 0.0, 0.0).period.start
    except (OverflowError, ValueError):
        return False
    return names.at(schedule.wall(start)).wall == name.wall


def _suffix(log: str, files: list[str]) -> str | None:
    """The one that reads most files, the finest of equals; None where none reads any."""
    best, most = None, 0
    for unit in UNITS:
        suffix = Schedule.create(unit, utc=True).suffix
        count = _count(log, suffix, files)
        if count > most:
            best, most = suffix, count
    return best


def _count(log: str, suffix: str, files: list[str]) -> int:
    """How many names it reads."""
    names = Names(log, suffix)
    return len(names.known(names.folder, files)) + sum(names.read_pending(text) is not None for text in files)


def _unit(suffix: str | None) -> str:
    """The unit that a suffix goes with: the finest that it names."""
    if suffix is None:
        return "H"
    finer = {"S": "STXcs", "M": "M", "H": "HI", "D": "djaAux"}
    return next((unit for unit, letters in finer.items() if any(f"%{letter}" in suffix for letter in letters)), "MONTH")


def _recorded(given: Given, state: State, suffix: str | None) -> Schedule | None:
    """The schedule whose fingerprint the state record has; None if it is none of those that come into question, or names
    segments otherwise."""
    zones = [given] if given.utc or given.tz is not None else [given, replace(given, utc=True)]
    begins = Schedule.create("H", utc=given.utc, tz=given.tz).wall(state.period.start).time()
    for zone in zones:
        for unit, interval, at_time in _candidates(begins, state, zone):
            try:
                schedule = zone.schedule(unit, interval, at_time)
            except ValueError:
                continue
            if schedule.fingerprint == state.fingerprint:
                wanted = suffix is None or given.suffix is not None or schedule.suffix == suffix
                return schedule if wanted else _same(zone, schedule, suffix, state)
    return None


def _same(zone: Given, schedule: Schedule, suffix: str | None, state: State) -> Schedule | None:
    """The same boundaries by another unit, with these names: 60 minutes for one hour."""
    seconds = schedule.interval * schedule.unit_seconds
    for unit, length in reversed(_DIVIDED):
        if seconds % length == 0:
            other = zone.schedule(unit, seconds // length)
            if other.suffix == suffix and other.fingerprint == state.fingerprint:
                return other
    return None


def _candidates(begins: TimeOfDay, state: State, zone: Given) -> Iterator[tuple[str, int, TimeOfDay | None]]:
    """Units, intervals and times of day that a period of this length may come from. A day of 23 hours and the last slot of one
    are shorter than the others."""
    length = state.period.end - state.period.start
    if length < 2 * _DAY:
        for unit, seconds in _DIVIDED:
            if length % seconds == 0 and length <= _DAY:
                yield unit, length // seconds, None
        yield from (("H", hours, None) for hours in range(1, 25))
        yield from (("M", minutes, None) for minutes in range(1, 1441))
    wall = Schedule.create("D", utc=zone.utc, tz=zone.tz).wall(state.period.start).time()
    for at_time in dict.fromkeys((None, begins.replace(microsecond=0), wall.replace(microsecond=0))):
        days = round(length / _DAY)
        if days:
            yield "D", days, at_time
        if days and days % 7 == 0:
            yield from ((unit, days // 7, at_time) for unit in _WEEKDAYS)
        if days >= 28:
            yield from (("MONTH", months, at_time) for months in range(1, 13))
