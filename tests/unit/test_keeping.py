"""Which closed segments go, by which rule: pure."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpfhandler._pure.keeping import Closed, Rules, doomed, next_too_old
from mpfhandler._pure.naming import SegmentName
from mpfhandler._pure.options import Retention

DAY = 86400.0
FIRST = datetime(2026, 3, 1)


def shelf(*sizes: int) -> list[Closed]:
    """Segments of one day each; the first one's day ended at DAY."""
    return [
        Closed(SegmentName(FIRST + timedelta(days=day)), (f"/log.{day}",), size, DAY * (day + 1))
        for day, size in enumerate(sizes)
    ]


def gone(
    closed: list[Closed], rules: Rules, now: float = 0.0, free: int | None = None, stuck: set[int] | None = None
) -> list[str]:
    """`day:rule` of those that go."""
    names = {closed[day].name for day in stuck or ()}
    return [f"{one.paths[0][5:]}:{one.rule}" for one in doomed(closed, rules, now, free, names)]


def rules(count: int = 0, age: float = 0.0, total: int = 0, free: int = 0) -> Rules:
    """In short."""
    return Rules(count, Retention(age, total, free))


def test_without_a_rule_everything_stays() -> None:
    """0 is no rule, whatever the age, the sizes and the free space."""
    assert gone(shelf(1, 1, 1), rules(), now=1e12, free=0) == []


def test_count() -> None:
    """The newest ones stay, whatever their size."""
    assert gone(shelf(9, 0, 9), rules(count=1)) == ["0:backupCount", "1:backupCount"]
    assert gone(shelf(9, 0, 9), rules(count=3)) == []


def test_age_begins_with_the_end_of_the_period() -> None:
    """A segment goes at the instant at which its period ended `max_age` ago, and not before."""
    closed, week = shelf(1, 1, 1), rules(age=7 * DAY)
    assert gone(closed, week, now=8 * DAY - 0.001) == []
    assert gone(closed, week, now=8 * DAY) == ["0:max_age"]
    assert gone(closed, week, now=9 * DAY) == ["0:max_age", "1:max_age"]


def test_age_of_one_that_is_not_the_oldest_in_order() -> None:
    """Each is judged by its own period."""
    closed = list(reversed(shelf(1, 1, 1)))
    assert gone(closed, rules(age=7 * DAY), now=8.5 * DAY) == ["0:max_age"]


def test_clock_that_was_set_back_deletes_nothing() -> None:
    """What is of the future is not old."""
    assert gone(shelf(1, 1), rules(age=1), now=-1e9) == []


def test_total() -> None:
    """The oldest go until the others have at most so many bytes together."""
    assert gone(shelf(5, 5, 5), rules(total=15)) == []
    assert gone(shelf(5, 5, 5), rules(total=14)) == ["0:max_total_bytes"]
    assert gone(shelf(5, 5, 5), rules(total=4)) == ["0:max_total_bytes", "1:max_total_bytes", "2:max_total_bytes"]


def test_empty_segment_does_not_go_for_bytes() -> None:
    """It would gain nothing."""
    assert gone(shelf(0, 5, 5), rules(total=5)) == ["1:max_total_bytes"]
    assert gone(shelf(0, 5, 5), rules(free=12), free=10) == ["1:min_free_bytes"]


def test_free_space() -> None:
    """The oldest go until so much would be free; what is free counts from the start."""
    assert gone(shelf(5, 5, 5), rules(free=10), free=10) == []
    assert gone(shelf(5, 5, 5), rules(free=16), free=10) == ["0:min_free_bytes", "1:min_free_bytes"]
    assert gone(shelf(5, 5), rules(free=1000), free=10) == ["0:min_free_bytes", "1:min_free_bytes"]


def test_free_space_that_is_not_known() -> None:
    """Then that rule rests, and the others do not."""
    assert gone(shelf(5, 5), rules(count=1, free=1000), free=None) == ["0:backupCount"]


def test_rules_hold_together() -> None:
    """What one rule deletes counts for the next one, and each segment is told with the first rule that it breaks."""
    closed = shelf(1, 1, 4, 4, 4, 4)
    every = rules(count=5, age=7 * DAY, total=12, free=16)
    told = ["0:backupCount", "1:max_age", "2:max_total_bytes", "3:min_free_bytes"]
    assert gone(closed, every, now=9 * DAY, free=6) == told


@pytest.mark.parametrize(
    ("rule", "free", "wanted"),
    [
        (rules(count=2), None, ["1:backupCount"]),
        (rules(total=10), None, ["1:max_total_bytes", "2:max_total_bytes"]),
        (rules(free=7), 0, ["1:min_free_bytes", "2:min_free_bytes"]),
    ],
)
def test_one_that_cannot_be_deleted(rule: Rules, free: int | None, wanted: list[str]) -> None:
    """It counts as there. Where a rule is about bytes, younger ones go in its place; a count keeps the newest all the same."""
    assert gone(shelf(5, 5, 5, 5), rule, free=free, stuck={0}) == wanted


def test_reason_is_told_to_a_reader() -> None:
    """Each names what was found, and what the rule says."""
    closed = shelf(5_000_000, 5_000_000, 5_000_000)
    for rule, told in (
        (rules(count=1), "2 are newer, 1 are kept"),
        (rules(age=2 * DAY), "its period ended 8.5 d ago, 2 d are allowed"),
        (rules(total=12_000_000), "with it the closed segments have 15 MB, 12 MB are allowed"),
        (rules(free=2_000_000), "only 1.5 MB of the file system would be free, 2 MB are wanted"),
    ):
        assert doomed(closed, rule, 9.5 * DAY, 1_500_000)[0].reason == told


def test_next_that_gets_too_old() -> None:
    """The earliest instant that is still to come."""
    closed, week = shelf(1, 1, 1), rules(age=7 * DAY)
    assert next_too_old(closed, week, 0) == 8 * DAY
    assert next_too_old(closed, week, 8 * DAY) == 9 * DAY
    assert next_too_old(closed, week, 10 * DAY) is None
    assert next_too_old(closed, rules(count=1), 0) is None


@given(
    sizes=st.lists(st.integers(0, 9), max_size=8),
    count=st.integers(0, 9),
    age=st.integers(0, 9),
    total=st.integers(0, 30),
    wanted=st.integers(0, 30),
    now=st.integers(0, 12),
    free=st.integers(0, 30),
    stuck=st.sets(st.integers(0, 7), max_size=3),
)
def test_every_rule_holds_as_far_as_it_can(
    sizes: list[int], count: int, age: int, total: int, wanted: int, now: int, free: int, stuck: set[int]
) -> None:
    """What is left keeps every rule, unless only empty ones, or ones that cannot be deleted, are left; and the last one that went
    for bytes was needed for that."""
    closed = shelf(*sizes)
    undeletable = {one.name for day, one in enumerate(closed) if day in stuck}
    rule = rules(count, age * DAY, total, wanted)
    going = doomed(closed, rule, now * DAY, free, undeletable)
    names = {one.name for one in going}
    assert not names & undeletable
    left = [one for one in closed if one.name not in names]
    deletable = [one for one in left if one.name not in undeletable]
    if count:
        assert all(one in closed[-count:] for one in deletable)
    if age:
        assert all(now * DAY - one.ended < age * DAY for one in deletable)
    substantial = [one for one in deletable if one.size]
    if total:
        assert sum(one.size for one in left) <= total or not substantial
    gained = sum(one.size for one in going)
    if wanted:
        assert free + gained >= wanted or not substantial
    for_bytes = [one for one in going if one.rule in {"max_total_bytes", "min_free_bytes"}]
    if for_bytes and for_bytes[-1].rule == "min_free_bytes":
        assert free + gained - for_bytes[-1].size < wanted
    assert [one.name for one in going] == sorted(names)
