"""The decision about the active file: its table, and an oracle of its own over all combinations."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpfhandler._pure.facts import FileId, FileStat
from mpfhandler._pure.plan import Action, Demand, Evidence, Plan, decide, period_of
from mpfhandler._pure.schedule import Period, Schedule
from mpfhandler._pure.state import State

HOUR = 3600
T = 1_700_000_000 // HOUR * HOUR  # the full hour at which the present period begins
NOW = Period(T, T + HOUR)
BEFORE, AFTER = Period(T - HOUR, T), Period(T + HOUR, T + 2 * HOUR)
HOURLY = Schedule.create("H", 1, utc=True)
MINUTELY = Schedule.create("M", 1, utc=True)
ID, OTHER = FileId(1, 10), FileId(1, 11)
GRACE = 10.0


def file(size: int = 100, mtime: float = T + 60, identity: FileId = ID, ctime: float | None = None) -> FileStat:
    """What the log's name leads to. As after a write both times are the same, unless `ctime` says otherwise."""
    changed = int((mtime if ctime is None else ctime) * 1e9)
    return FileStat(identity, size, int(mtime * 1e9), changed, 0o644, 0, 0, regular=True, links=1)


def state(period: Period = NOW, mtime: float = T, identity: FileId = ID, schedule: Schedule = HOURLY) -> State:
    """What the lock file says."""
    return State(identity, int(mtime * 1e9), period, schedule.fingerprint)


def seen(
    now: float = T + 60,
    found: FileStat | None = None,
    record: State | None = None,
    remembered: tuple[FileId, Period] | None = None,
) -> Evidence:
    """Facts under the lock."""
    return Evidence(now, found, record, remembered)


def decided(evidence: Evidence, demand: Demand = Demand.NOTHING, limit: int = 1 << 62) -> Plan:
    """The decision with an hourly schedule."""
    return decide(evidence, HOURLY, GRACE, demand, limit)


# --- which period a file belongs to -----------------------------------------------------------------------------------


def test_own_memory_counts_first() -> None:
    """A process believes what it remembers of the file that it writes to, before state record and mtime."""
    found = file(mtime=T - 5 * HOUR)
    assert period_of(found, seen(T + 60, found, state(BEFORE, T - HOUR), (ID, AFTER)), HOURLY, GRACE) == AFTER


def test_later_of_memory_and_record_counts() -> None:
    """A file is only ever adopted for a later period: an older memory, or an older record, gives way."""
    found = file()
    assert period_of(found, seen(T + 60, found, state(NOW), (ID, BEFORE)), HOURLY, GRACE) == NOW
    assert period_of(found, seen(T + 60, found, state(BEFORE), (ID, NOW)), HOURLY, GRACE) == NOW


def test_memory_of_another_file_does_not_count() -> None:
    """Memory is of an inode, not of a name."""
    found = file()
    assert period_of(found, seen(T + 60, found, state(BEFORE), (OTHER, AFTER)), HOURLY, GRACE) == BEFORE


def test_state_record_counts_before_the_file() -> None:
    """A record of this inode tells its period, whatever its mtime looks like by our schedule."""
    found = file(mtime=T + 60)
    assert period_of(found, seen(T + 60, found, state(BEFORE, T - HOUR)), HOURLY, GRACE) == BEFORE


def test_state_record_holds_for_a_file_that_was_not_written_since() -> None:
    """An mtime that is exactly the recorded one is not older than it."""
    found = file(mtime=T - 7200.5)
    assert period_of(found, seen(T, found, state(NOW, T - 7200.5)), HOURLY, GRACE) == NOW


def test_file_that_is_older_than_its_record_was_restored() -> None:
    """Both times are the file system's: an older mtime means that somebody set it back, and then it is believed."""
    found = file(mtime=T - HOUR - 1, ctime=T + 50)
    assert period_of(found, seen(T + 60, found, state(NOW, T)), HOURLY, GRACE) == Period(T - 2 * HOUR, T - HOUR)


def test_clock_that_was_set_back_is_no_restored_file() -> None:
    """A write by a clock that was set back gives an older mtime, too, but the same ctime: the record counts."""
    found = file(mtime=T - HOUR - 1)
    assert period_of(found, seen(T - HOUR, found, state(NOW, T)), HOURLY, GRACE) == NOW


def test_state_record_of_another_inode_does_not_count() -> None:
    """The record of a file that was moved away says nothing about the one that is there."""
    found = file(mtime=T - 1)
    assert period_of(found, seen(T + 60, found, state(NOW, 0, OTHER)), HOURLY, GRACE) == BEFORE


@pytest.mark.parametrize("mtime", [1e18, -1e18])
def test_file_with_a_time_that_no_calendar_has_belongs_to_now(mtime: float) -> None:
    """A file system may have times that no calendar has: they tell nothing, and the file is taken to be of now."""
    found = file(mtime=mtime)
    assert period_of(found, seen(T + 60, found), HOURLY, GRACE) == NOW


def test_file_without_record_belongs_to_the_period_of_its_last_write() -> None:
    """Without memory and record mtime tells."""
    found = file(mtime=T - 1)
    assert period_of(found, seen(T + 60, found), HOURLY, GRACE) == BEFORE


def test_empty_file_without_record_belongs_to_now() -> None:
    """A file that somebody created and nobody has written to is not rotated for its age."""
    found = file(size=0, mtime=T - 5 * HOUR)
    assert period_of(found, seen(T + 60, found), HOURLY, GRACE) == NOW


@pytest.mark.parametrize(
    ("age", "grace", "period"),
    [(9.0, 0.0, BEFORE), (11.0, 0.0, NOW), (-30.0, 0.0, NOW), (30.0, 6.0, BEFORE), (30.0, 5.0, NOW), (HOUR + 30.0, 6.0, NOW)],
)
def test_empty_file_that_may_be_the_log_of_the_period_before_is_not_of_now(age: float, grace: float, period: Period) -> None:
    """Seconds old, or made in the period whose late records may still come, it may be that one's log, whose record went with the
    lock file, and which another process has open."""
    found = file(size=0, mtime=T + 5 - age)
    assert period_of(found, seen(T + 5, found), HOURLY, grace) == period


def test_empty_file_of_a_moment_from_now_belongs_to_its_own_time() -> None:
    """The clock was set back after it was made: it is the log that others have open for the period that comes again."""
    found = file(size=0, mtime=T + 2)
    assert period_of(found, seen(T - 3, found), HOURLY, GRACE) == NOW


def test_mtime_is_never_compared_with_our_clock_while_the_record_is_good() -> None:
    """A file server with a clock of its own changes nothing."""
    for ahead in (-10 * HOUR, 10 * HOUR):
        found = file(mtime=T + ahead)
        assert decided(seen(T + 60, found, state(NOW, T + ahead))) == Plan(Action.ADOPT, NOW)


# --- what becomes of it -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("demand", Demand)
def test_no_file_is_created(demand: Demand) -> None:
    """A name that leads nowhere gets a file of the present period, whatever is wanted."""
    assert decided(seen(T + 60, None, state(BEFORE)), demand) == Plan(Action.CREATE, NOW)


def test_file_of_now_is_adopted() -> None:
    """In the middle of its period there is nothing to do."""
    assert decided(seen(T + 60, file(), state())) == Plan(Action.ADOPT, NOW)


@pytest.mark.parametrize(
    ("now", "action"), [(T + HOUR - 0.001, Action.ADOPT), (T + HOUR, Action.ROTATE), (T + 5 * HOUR, Action.ROTATE)]
)
def test_rotation_is_due_exactly_at_the_end(now: float, action: Action) -> None:
    """At the boundary itself the file belongs to the past."""
    assert decided(seen(now, file(), state())).action is action


def test_rotation_after_a_long_pause_names_both_periods() -> None:
    """The old file is closed under its own period, the new one begins with the present one."""
    assert decided(seen(T + 60, file(mtime=T - 5 * HOUR), None)) == Plan(Action.ROTATE, NOW, Period(T - 5 * HOUR, T - 4 * HOUR))


@pytest.mark.parametrize(("back", "action"), [(GRACE, Action.ADOPT), (GRACE + 0.5, Action.ROTATE)])
def test_clock_that_was_set_back_rotates_after_the_grace(back: float, action: Action) -> None:
    """A period that begins more than the grace in the future is closed; a small step back is ridden out."""
    assert decided(seen(T - back, file(), state())).action is action


@pytest.mark.parametrize("demand", [Demand.NOTHING, Demand.JOIN, Demand.SPLIT])
def test_nothing_is_split_below_the_limit(demand: Demand) -> None:
    """A split that another process has made already, so that the file is small again, is dropped."""
    assert decided(seen(T + 60, file(size=99), state()), demand, 100).action is Action.ADOPT


def test_split_at_the_limit_stays_in_the_period() -> None:
    """A full file is closed, and the next one is of the same period."""
    assert decided(seen(T + 60, file(size=100), state()), Demand.SPLIT, 100) == Plan(Action.ROTATE, NOW, NOW)


def test_large_file_is_not_split_unasked() -> None:
    """Only a process that has reached the limit itself asks for a split."""
    assert decided(seen(T + 60, file(size=500), state()), Demand.NOTHING, 100).action is Action.ADOPT


def test_force_closes_even_an_empty_file() -> None:
    """`doRollover` rotates, whatever there is."""
    assert decided(seen(T + 60, file(size=0)), Demand.FORCE) == Plan(Action.ROTATE, NOW, NOW)


@pytest.mark.parametrize("demand", [Demand.SPLIT, Demand.FORCE])
def test_boundary_counts_before_a_demand(demand: Demand) -> None:
    """A file that is over anyway is closed under its period, and the new one is of the present period."""
    assert decided(seen(T + HOUR, file(size=500), state()), demand, 100) == Plan(Action.ROTATE, AFTER, NOW)


def test_join_renames_nothing() -> None:
    """A constructor opens what is there even if it is over: its namer is not set yet."""
    assert decided(seen(T + 5 * HOUR, file(), state()), Demand.JOIN) == Plan(Action.ADOPT, NOW)


def test_idle_log_is_rotated_as_the_clock_says() -> None:
    """The housekeeper comes in the place of a record."""
    assert decided(seen(T + HOUR, file(), state()), Demand.IDLE) == Plan(Action.ROTATE, AFTER, NOW)
    assert decided(seen(T + HOUR - 1, file(), state()), Demand.IDLE) == Plan(Action.ADOPT, NOW)


def test_idle_log_without_records_becomes_that_of_the_present_period() -> None:
    """P2: not before the grace is over, for until then a record of the period may come; an idle night makes no empty segments."""
    empty = file(size=0)
    assert decided(seen(T + HOUR + GRACE, empty, state()), Demand.IDLE) == Plan(Action.ADOPT, AFTER)
    assert decided(seen(T + HOUR + GRACE - 0.1, empty, state()), Demand.IDLE) == Plan(Action.ROTATE, AFTER, NOW)
    assert decided(seen(T + HOUR + GRACE, empty, state()), Demand.NOTHING) == Plan(Action.ROTATE, AFTER, NOW)
    assert decided(seen(T + HOUR + GRACE, file(size=1), state()), Demand.IDLE) == Plan(Action.ROTATE, AFTER, NOW)


def test_other_schedule_is_noticed_and_its_end_holds() -> None:
    """The recorded period counts until it ends, whoever chose it; after that ours does."""
    minute = Period(T, T + 60)
    record = state(minute, schedule=MINUTELY)
    assert decided(seen(T + 30, file(), record)) == Plan(Action.ADOPT, minute, None, foreign_schedule=True)
    assert decided(seen(T + 60, file(), record)) == Plan(Action.ROTATE, NOW, minute, foreign_schedule=True)


def test_record_of_another_file_is_no_foreign_schedule() -> None:
    """A stale record of a file that is gone accuses nobody."""
    assert not decided(seen(T + 30, file(), state(schedule=MINUTELY, identity=OTHER))).foreign_schedule


# --- against an oracle ------------------------------------------------------------------------------------------------


def hour_of(second: float) -> Period:
    """The hour of an instant, said without the schedule."""
    start = int(second // 1) - int(second // 1) % HOUR
    return Period(start, start + HOUR)


def oracle(evidence: Evidence, demand: Demand, limit: int) -> Plan:
    """The rules once more, each asked for alone."""
    found, record = evidence.file, evidence.state
    if found is None:
        return Plan(Action.CREATE, hour_of(evidence.now))
    named = record is not None and record.file == found.id
    remembered = evidence.remembered is not None and evidence.remembered[0] == found.id
    touched = found.ctime_ns > found.mtime_ns
    restored = named and record is not None and touched and found.mtime_ns < record.mtime_ns
    memory = evidence.remembered[1] if evidence.remembered else NOW
    recorded = record.period if record else NOW
    own = hour_of(found.mtime_ns / 1e9)
    fresh = abs(evidence.now - found.mtime_ns / 1e9) < 10
    by_rule = [
        (remembered and named and not restored, lambda: max(memory, recorded)),
        (remembered, lambda: memory),
        (named and not restored, lambda: recorded),
        (
            not named and found.size == 0 and not fresh and not -GRACE < own.end - evidence.now <= HOUR,
            lambda: hour_of(evidence.now),
        ),
        (True, lambda: own),
    ]
    period = next(rule() for holds, rule in by_rule if holds)
    foreign = named and record is not None and record.fingerprint != HOURLY.fingerprint
    over = evidence.now >= period.end
    not_begun = period.start - evidence.now > GRACE
    wanted = demand is Demand.FORCE or (demand is Demand.SPLIT and found.size >= limit)
    if demand is Demand.IDLE and over and found.size == 0 and evidence.now - period.end >= GRACE:
        return Plan(Action.ADOPT, hour_of(evidence.now), None, foreign)
    if demand is Demand.JOIN or not (over or not_begun or wanted):
        return Plan(Action.ADOPT, period, None, foreign)
    return Plan(Action.ROTATE, hour_of(evidence.now) if over or not_begun else period, period, foreign)


instants = st.integers(T - 3 * HOUR, T + 3 * HOUR) | st.sampled_from([T - 10, T - 11, T - 1, T, T + HOUR - 1, T + HOUR])
periods = st.sampled_from([NOW, BEFORE, AFTER, Period(T, T + 60), Period(T - 5, T + 7200)])
identities = st.sampled_from([ID, OTHER])
files = st.builds(file, st.sampled_from([0, 1, 99, 100, 500]), instants, identities, st.none() | instants)
records = st.builds(state, periods, instants, identities, st.sampled_from([HOURLY, MINUTELY]))
situations = st.builds(
    seen, instants | st.floats(T - 20, T + 20), st.none() | files, st.none() | records, st.none() | st.tuples(identities, periods)
)


@settings(deadline=None, max_examples=600)
@given(situations, st.sampled_from(Demand), st.sampled_from([1, 100, 1 << 62]))
def test_decision_is_the_oracles(evidence: Evidence, demand: Demand, limit: int) -> None:
    """In every combination of facts the decision is the one that the rules say."""
    assert decided(evidence, demand, limit) == oracle(evidence, demand, limit)


@settings(deadline=None, max_examples=200)
@given(situations, st.sampled_from(Demand))
def test_decision_carried_out_is_at_rest(evidence: Evidence, demand: Demand) -> None:
    """After a plan was carried out, a second look at the same moment adopts: two processes never rotate in turns."""
    plan = decided(evidence, demand, 100)
    if demand is Demand.JOIN:
        return
    kept = evidence.file if plan.action is Action.ADOPT else file(0, evidence.now, FileId(1, 12))
    assert kept is not None
    written = State(kept.id, kept.mtime_ns, plan.period, HOURLY.fingerprint)
    after = replace(evidence, file=kept, state=written, remembered=None)
    assert decided(after, Demand.NOTHING, 100) == Plan(Action.ADOPT, plan.period)
