"""What is to be done with the active file: one pure decision, taken from facts that were read under the rotation lock.

The clock decides that a rotation is due, never a record. The state record only tells which period the active file
belongs to; without it the file itself tells. This module knows no path and reads no clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .facts import FileId, FileStat
from .schedule import Period, Schedule
from .state import State

__all__ = ["Action", "Demand", "Evidence", "Plan", "decide", "names_present", "period_of"]

_FRESH = 10.0  # seconds


class Demand(Enum):
    """What the process that looks wants besides what the clock wants."""

    NOTHING = "nothing"
    JOIN = "join"  # open what is there, rename nothing: a constructor, whose namer and rotator are set only after it
    SPLIT = "split"  # the file it writes to has reached maxBytes
    FORCE = "force"  # rotate() or doRollover()
    IDLE = "idle"  # no record comes: rotate as the clock says, but let an empty file be that of the present period


class Action(Enum):
    """What is to be done with the name of the log."""

    CREATE = "create"  # it leads nowhere: create a file
    ADOPT = "adopt"  # the file there is the active one
    ROTATE = "rotate"  # the file there belongs to another period (or is to be split): rename, then create


@dataclass(frozen=True)
class Evidence:
    """Everything the decision is taken from."""

    now: float  # epoch seconds
    file: FileStat | None  # what the name of the log leads to
    state: State | None  # the state record, if it is whole
    remembered: tuple[FileId, Period] | None  # the file that this process writes to, and its period


@dataclass(frozen=True)
class Plan:
    """The decision."""

    action: Action
    period: Period  # of the file that the name leads to once the plan is carried out
    closing: Period | None = None  # of the file that is renamed
    foreign_schedule: bool = False  # the recorded period was chosen by a process with another schedule


def decide(seen: Evidence, schedule: Schedule, grace: float, demand: Demand, limit: int) -> Plan:
    """Decide what becomes of the active file.

    Args:
        seen: the facts, all read under the rotation lock.
        schedule: of this process.
        grace: seconds that a period may start in the future before the clock counts as set back, and that its records may come
            after its end.
        demand: what this process wants; a split is dropped when somebody else has made it already.
        limit: bytes at which a split is due (maxBytes).
    """
    if seen.file is None:
        return Plan(Action.CREATE, schedule.period(seen.now))
    period = period_of(seen.file, seen, schedule, grace)
    foreign = _chosen_by_another(seen.file, seen.state, schedule)
    if demand is Demand.JOIN:
        return Plan(Action.ADOPT, period, None, foreign)
    if demand is Demand.IDLE and seen.file.size == 0 and period.end + grace <= seen.now:
        return Plan(Action.ADOPT, schedule.period(seen.now), None, foreign)  # an idle night makes no empty segments
    if period.end <= seen.now or period.start > seen.now + grace:
        return Plan(Action.ROTATE, schedule.period(seen.now), period, foreign)
    if demand is Demand.FORCE or (demand is Demand.SPLIT and seen.file.size >= limit):
        return Plan(Action.ROTATE, period, period, foreign)
    return Plan(Action.ADOPT, period, None, foreign)


def period_of(file: FileStat, seen: Evidence, schedule: Schedule, grace: float) -> Period:
    """The period that a file belongs to.

    What is known of it is what this process remembers and what the state record says; the later of the two, because a
    file is only ever adopted for a later period. The record does not count where somebody restored the file or set its
    time back. Otherwise mtime is not compared with anything while there is a record.

    An empty file that nobody knows belongs to now: somebody has prepared it, and a segment without records helps nobody. But not
    if it was made just now, or in a period whose records may still come (`grace`, seconds): it may be the log of that period,
    whose record went with the lock file, or of one that comes again, because the clock was set back.
    """
    state, known = seen.state, list[Period]()
    if seen.remembered is not None and seen.remembered[0] == file.id:
        known.append(seen.remembered[1])
    named = state is not None and state.file == file.id
    if named and state is not None and not _restored(file, state):
        known.append(state.period)
    if known:
        return max(known)
    if named:
        return _by_mtime(file, seen.now, schedule)
    period = _by_mtime(file, seen.now, schedule)
    is_young = abs(seen.now - file.mtime_ns / 1e9) < _FRESH or period.start <= seen.now < period.end + grace
    return period if file.size or is_young else schedule.period(seen.now)


def names_present(state: State, file: FileStat, now: float, schedule: Schedule) -> bool:
    """Whether the record is of this file, by this schedule, and of the period that is now (epoch seconds)."""
    start, end = state.period
    return (
        state.file == file.id
        and file.mtime_ns >= state.mtime_ns
        and start <= now < end
        and state.fingerprint == schedule.fingerprint
    )


def _restored(file: FileStat, state: State) -> bool:
    """Whether somebody restored the file that the record names, or set its time back. A write gives a file one time for its
    content and for everything; only who sets the content's time makes it the older one. So a clock that was set back is not
    taken for that. All times are the file system's."""
    return file.mtime_ns < min(state.mtime_ns, file.ctime_ns)


def _chosen_by_another(file: FileStat, state: State | None, schedule: Schedule) -> bool:
    return state is not None and state.file == file.id and state.fingerprint != schedule.fingerprint


def _by_mtime(file: FileStat, now: float, schedule: Schedule) -> Period:
    try:
        return schedule.period(file.mtime_ns // 1_000_000_000)
    except (ValueError, OverflowError):  # a time that no calendar has
        return schedule.period(now)
