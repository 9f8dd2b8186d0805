"""Starts after a break over several boundaries, damaged state records, and processes of different schedules."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from _support import (
    FakeClock,
    Worker,
    ended,
    period_name,
    read_lines,
    segment_names,
    start_writers,
    verify,
    written,
)

DAY = 86400.0

needs_faketime = pytest.mark.skipif(not FakeClock.library(), reason="libfaketime is not installed")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The path of the log."""
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs" / "app.log"


@pytest.fixture
def clock(tmp_path: Path) -> FakeClock:
    """A clock for the workers."""
    return FakeClock(tmp_path)


# down over several boundaries


@needs_faketime
@pytest.mark.parametrize("when", ["M", "H", "D"])
def test_a_program_that_was_down_names_the_old_file_for_its_own_period(log: Path, clock: FakeClock, when: str) -> None:
    """P2: started again many periods later, by the state record: one rotation, the old name, nothing for the empty periods."""
    clock.set("2026-03-01 15:20:10")
    with Worker("a", log, clock.env, when=when) as a:
        a.log(3)
        a.stop()
    old = period_name(clock.now(), when)
    clock.set("2026-03-04 09:05:00")
    with Worker("b", log, clock.env, when=when) as b:
        b.log(3)
        verify(log.parent, a.names() | b.names(), when)
        assert segment_names(log.parent) == [old]


def damage_nothing(lock: Path) -> None:
    """The state record stays."""


def damage_missing(lock: Path) -> None:
    """Somebody cleaned up."""
    lock.unlink()


def damage_stamp(lock: Path) -> None:
    """What mpfhandler 0.0.x left: a bare timestamp."""
    lock.write_text(str(time.time() + DAY))


def damage_garbage(lock: Path) -> None:
    """Bytes of somebody else."""
    lock.write_bytes(bytes(range(256)) * 3)


def damage_torn(lock: Path) -> None:
    """Half of a record."""
    lock.write_bytes(lock.read_bytes()[:100])


def damage_bit(lock: Path) -> None:
    """A digit of the period's end has changed."""
    data = bytearray(lock.read_bytes())
    start = data.decode("ascii").split()
    at = data.decode("ascii").index(start[6])
    data[at + 1] ^= 1
    lock.write_bytes(bytes(data))


def damage_zeros(lock: Path) -> None:
    """Blocks that were never written before a power cut."""
    lock.write_bytes(bytes(len(lock.read_bytes())))


def damage_empty(lock: Path) -> None:
    """Nothing in it."""
    lock.write_bytes(b"")


@pytest.mark.parametrize(
    "damage",
    [damage_missing, damage_stamp, damage_garbage, damage_torn, damage_bit, damage_zeros, damage_empty],
    ids=lambda damage: damage.__name__,
)
def test_without_a_whole_state_record_the_file_itself_tells_its_period(log: Path, damage: Callable[[Path], None]) -> None:
    """P2, I4: whatever stands in the lock file, the old content gets the name of the period of its last record."""
    with Worker("a", log, when="D") as a:
        a.log(3)
        a.stop()
    moment = time.time() - 3 * DAY
    os.utime(log, (moment, moment))
    damage(log.with_name("app.log.lock"))
    with Worker("b", log, when="D") as b:
        b.log(3)
        verify(log.parent, a.names() | b.names())
        assert segment_names(log.parent) == [period_name(moment, "D")]
        assert {line.name for line in read_lines([log])} == b.names()
        told = b.ask("errors")
        assert len(told) == (damage is damage_garbage), told  # what may be somebody's file is left as it is (P4)


def test_a_state_record_with_other_times_in_it_is_not_believed(log: Path) -> None:
    """P2, I4: a record whose period was changed without its checksum does not make today's file yesterday's."""
    lock = log.with_name("app.log.lock")
    with Worker("a", log, when="D") as a:
        a.log(3)
        a.stop()
    data = lock.read_bytes()
    for time_of_period in data.decode("ascii").split()[5:7]:
        earlier = str(int(time_of_period) - int(DAY)).encode()
        data = data.replace(time_of_period.encode(), earlier, 1)
    lock.write_bytes(data)
    with Worker("b", log, when="D") as b:
        b.log(3)
        assert segment_names(log.parent) == []
        verify(log.parent, a.names() | b.names(), "D")


@pytest.mark.parametrize("damage", [damage_garbage, damage_torn], ids=lambda damage: damage.__name__)
def test_a_state_record_damaged_under_running_processes_does_not_matter(log: Path, damage: Callable[[Path], None]) -> None:
    """P1, P2: processes that have the file remember its period; the next rotation is right and writes a whole record,
    but not over what may be somebody's file (P4)."""
    lock = log.with_name("app.log.lock")
    with Worker("a", log) as a, Worker("b", log) as b:
        for _ in range(2):
            a.log(2)
            b.log(2)
            damage(lock)
            before = segment_names(log.parent)

            def rotated() -> bool:
                a.log()
                b.log()
                return segment_names(log.parent) != before  # noqa: B023  called within this turn

            while not rotated():
                pass
        verify(log.parent, a.names() | b.names(), "S")
        assert lock.read_bytes().startswith(b"mpfhandler-state ") is (damage is not damage_garbage)


@pytest.mark.parametrize("name", ["empty", "missing"])
def test_an_empty_log_belongs_to_now(log: Path, name: str) -> None:
    """P2: an old empty file (logrotate's `create`, a `touch` at boot) is no period of its own: no segment is made of it."""
    if name == "empty":
        log.touch()
        os.utime(log, (0, 0))
    with Worker("a", log, when="D") as worker:
        worker.log()
        assert segment_names(log.parent) == []
        verify(log.parent, worker.names(), "D")


def test_many_processes_that_start_late_rotate_once(log: Path) -> None:
    """P1, P2: eight processes find an old file at the same moment: one of them rotates it, under one name."""
    log.write_text("1.0 old-0\n")
    moment = time.time() - 3 * DAY
    os.utime(log, (moment, moment))
    writers = start_writers("abcdefgh", log, 0.3, when="D")
    with ended(*writers.values()):
        names = written(writers)
    verify(log.parent, names | {"old-0"})
    assert segment_names(log.parent) == [period_name(moment, "D")]
    assert log.with_name(f"app.log.{period_name(moment, 'D')}").read_text() == "1.0 old-0\n"


# different schedules


@needs_faketime
def test_processes_of_different_schedules_warn_once_and_go_by_the_recorded_end(log: Path, clock: FakeClock) -> None:
    """P1, P5: `H` has begun the file, `M` joins: it warns once through handleError, rotates no sooner than the recorded
    end, and neither loses a record over many boundaries."""
    clock.set("2026-03-01 15:10:30")
    with Worker("hour", log, clock.env, when="H") as hour, Worker("minute", log, clock.env, when="M") as minute:
        for _ in range(3):
            hour.log(2)
            minute.log(2)
            clock.step(60)
        assert segment_names(log.parent) == []
        warnings = minute.ask("errors")
        assert len(warnings) == 1
        assert "schedule" in warnings[0]
        assert str(log) in warnings[0]
        assert hour.ask("errors") == []
        clock.set("2026-03-01 16:00:01")
        minute.log(2)
        hour.log(2)
        assert len(segment_names(log.parent)) == 1
        for _ in range(5):
            clock.step(60)
            hour.log(2)
            minute.log(2)
        clock.step(3600)
        hour.log(2)
        minute.log(2)
        verify(log.parent, hour.names() | minute.names())
        for worker in (hour, minute):
            assert len([error for error in worker.ask("errors") if "schedule" in error]) <= 1


@needs_faketime
def test_a_program_restarted_with_another_schedule_ends_the_old_period_as_recorded(log: Path, clock: FakeClock) -> None:
    """P2: the period that `H` began ends when it would have ended; from then on the new schedule counts."""
    clock.set("2026-03-01 15:10:30")
    with Worker("a", log, clock.env, when="H") as a:
        a.log()
        a.stop()
    with Worker("b", log, clock.env, when="M") as b:
        b.log()
        clock.set("2026-03-01 15:30:00")
        b.log()
        assert segment_names(log.parent) == []
        clock.set("2026-03-01 16:00:01")
        b.log()
        clock.set("2026-03-01 16:01:01")
        b.log()
        verify(log.parent, a.names() | b.names())
        assert segment_names(log.parent) == ["2026-03-01_15-00", "2026-03-01_16-00"]
