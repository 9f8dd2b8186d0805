"""A wall clock that is set back and forward, and the two odd nights of the year, under processes that log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from _support import FakeClock, Worker, log_files, misfiled, period_name, read_lines, segment_names, verify, zone

pytestmark = pytest.mark.skipif(not FakeClock.library(), reason="libfaketime is not installed")

HOUR = 3600


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The path of the log."""
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs" / "app.log"


@pytest.fixture
def clock(tmp_path: Path) -> FakeClock:
    """A clock for the workers."""
    return FakeClock(tmp_path)


@pytest.fixture
def berlin() -> Iterator[None]:
    """This process and its children live in Berlin."""
    with zone("Europe/Berlin"):
        yield


def log_all(*workers: Worker, times: int = 3) -> set[str]:
    """Each worker logs a little, in turns; the names of all their records so far."""
    for _ in range(2):
        for worker in workers:
            worker.log(times)
    return set().union(*(worker.names() for worker in workers))


@pytest.mark.parametrize("seconds", [1, 30 * 60, 3 * HOUR, 24 * HOUR])
@pytest.mark.parametrize("when", ["M", "H"])
def test_a_clock_set_back_loses_and_misfiles_nothing(log: Path, clock: FakeClock, seconds: int, when: str) -> None:
    """P1, P2: two processes log, the clock is set back across a boundary, goes on over several, and a third process starts:
    every record is in a file of its own period by the clock that it was made by."""
    clock.set("2026-06-10 15:00:00")
    with Worker("a", log, clock.env, when=when) as a, Worker("b", log, clock.env, when=when) as b:
        log_all(a, b)
        clock.set(clock.now() - seconds)
        log_all(a, b)
        for minutes in (1, 20, 40, 61):
            clock.step(minutes * 60)
            log_all(a, b)
        with Worker("c", log, clock.env, when=when) as c:
            expected = log_all(a, b, c)
            verify(log.parent, expected, when)
        assert a.ask("handler.stats().lock_timeouts") == b.ask("handler.stats().lock_timeouts") == 0


@pytest.mark.parametrize("seconds", [1, 30 * 60, 3 * HOUR, 24 * HOUR, 400 * 24 * HOUR])
def test_a_clock_set_forward_loses_and_misfiles_nothing(log: Path, clock: FakeClock, seconds: int) -> None:
    """P1, P2: the same forward: at most one rotation, named for the period that was left."""
    clock.set("2026-06-10 15:30:00")
    with Worker("a", log, clock.env, when="H") as a, Worker("b", log, clock.env, when="H") as b:
        log_all(a, b)
        clock.step(seconds)
        expected = log_all(a, b)
        lines = verify(log.parent, expected, "H")
        crossed = period_name(min(line.created for line in lines), "H") != period_name(clock.now(), "H")
        assert segment_names(log.parent) == (["2026-06-10_15"] if crossed else [])


def test_a_clock_set_back_and_forward_again_numbers_the_segments(log: Path, clock: FakeClock) -> None:
    """P4: a period that comes a second time takes the next free number; the first segment of it stays as it was."""
    clock.set("2026-06-10 15:30:00")
    with Worker("a", log, clock.env, when="H") as worker:
        worker.log()
        for moment in ("12:30:00", "15:30:00", "12:30:00", "16:30:00"):
            clock.set(f"2026-06-10 {moment}")
            worker.log()
        lines = verify(log.parent, worker.names(), "H")
        assert segment_names(log.parent) == ["2026-06-10_12", "2026-06-10_12.1", "2026-06-10_15", "2026-06-10_15.1"]
        assert {line.name: line.file for line in lines}["a-0"] == "app.log.2026-06-10_15"


def test_a_clock_set_back_a_little_over_a_boundary_does_not_rotate_to_and_fro(log: Path, clock: FakeClock) -> None:
    """P2: a step smaller than the grace (NTP) makes late records, not rotations: they go to the segment just closed."""
    clock.set("2026-06-10 14:58:00")  # the clock goes on while the process starts
    with Worker("a", log, clock.env, when="H") as worker:
        clock.set("2026-06-10 14:59:58")
        worker.log()
        clock.set("2026-06-10 15:00:01")
        worker.log()
        for _ in range(5):
            clock.set("2026-06-10 14:59:57")
            worker.log()
            clock.set("2026-06-10 15:00:01")
            worker.log()
        verify(log.parent, worker.names(), "H")
        assert segment_names(log.parent) == ["2026-06-10_14"]
        assert worker.ask("handler.stats().rotations") == 1


def test_the_times_of_files_are_of_another_clock_and_do_not_matter(log: Path, clock: FakeClock) -> None:
    """P2: the file system's clock is years from the process's; with a state record its times name no segment, also after
    a restart."""
    clock.set("2019-06-10 15:30:00")
    with Worker("a", log, clock.env, when="H") as a:
        a.log(3)
    clock.set("2019-06-11 09:30:00")
    with Worker("b", log, clock.env, when="H") as b:
        b.log(3)
        b_and_a = a.names() | b.names()
        verify(log.parent, b_and_a, "H")
    assert segment_names(log.parent) == ["2019-06-10_15"]


def test_a_repeated_hour_is_two_segments(log: Path, clock: FakeClock, berlin: None) -> None:
    """P2: in the night in which the hour from 02:00 comes twice both hours get a segment, and no record is in the wrong one."""
    clock.set("2026-10-25 01:59:00")
    with Worker("a", log, clock.env, when="H") as a, Worker("b", log, clock.env, when="H") as b:
        for _ in range(9):
            log_all(a, b, times=1)
            clock.step(30 * 60)
        expected = log_all(a, b, times=1)
        lines = verify(log.parent, expected, "H")
        night = [f"2026-10-25_{name}" for name in ("01", "02", "02.1", "03", "04")]
        assert segment_names(log.parent) == night[: len(segment_names(log.parent))]
        assert len(segment_names(log.parent)) >= 4
        for suffix, isdst in (("02", 1), ("02.1", 0)):
            held = [line for line in lines if line.file == f"app.log.2026-10-25_{suffix}"]
            assert held
            assert {time.localtime(line.created).tm_isdst for line in held} == {isdst}


def test_a_skipped_hour_has_no_segment(log: Path, clock: FakeClock, berlin: None) -> None:
    """P2: in the night in which 02:00 is 03:00 the rotation is where the gap ends."""
    clock.set("2026-03-29 01:59:00")
    with Worker("a", log, clock.env, when="H") as a, Worker("b", log, clock.env, when="H") as b:
        for _ in range(3):
            log_all(a, b)
            clock.step(30 * 60)
        expected = log_all(a, b)
        verify(log.parent, expected, "H")
        assert segment_names(log.parent) == ["2026-03-29_01", "2026-03-29_03"]


@pytest.mark.parametrize(("day", "hours"), [("2026-10-25", 25), ("2026-03-29", 23)])
def test_an_odd_day_is_one_segment(log: Path, clock: FakeClock, berlin: None, day: str, hours: int) -> None:
    """P2: a day of 23 or 25 hours is one period, from midnight to midnight."""
    clock.set(f"{day} 00:00:30")
    with Worker("a", log, clock.env, when="midnight") as worker:
        for _ in range(hours):
            worker.log()
            clock.step(HOUR)
        worker.log()
        lines = read_lines(log_files(log.parent))
        assert not misfiled(lines, "D")
        assert segment_names(log.parent) == [day]
        assert len([line for line in lines if line.file == f"app.log.{day}"]) == hours
