"""Records that are older or newer than the moment in which they are written."""

from __future__ import annotations

import fcntl
import gc
import logging
import math
import os
import threading
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest
from _disk_support import use_clock
from _support import (
    FORMAT,
    early_in_a_second,
    log_files,
    make_logger,
    next_second,
    period_name,
    read_lines,
    run,
    segment_names,
    verify,
)

from mpfhandler import TimedLogFile


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The path of the log."""
    return tmp_path / "app.log"


def put(file: TimedLogFile, name: str, created: float) -> None:
    """Write one record."""
    file.write(f"{created!r} {name}", created)


def where(log: Path) -> dict[str, str]:
    """The file of each record."""
    return {line.name: line.file for line in read_lines(log_files(log.parent))}


def test_a_late_record_goes_to_the_segment_of_its_own_period(log: Path) -> None:
    """P2: written within the grace by the process that had that segment open."""
    with TimedLogFile(log, "S") as file:
        first = time.time()
        put(file, "a", first)
        now = next_second()
        put(file, "b", now)
        put(file, "late", first)
        put(file, "c", time.time())
        verify(log.parent, ["a", "b", "late", "c"], "S")
        assert where(log)["late"] == f"app.log.{period_name(first, 'S')}"
        assert file.stats().late == 1


def test_a_late_record_needs_no_lock_where_its_segment_is_still_open(log: Path) -> None:
    """P2, P3: another program holds the rotation lock; the process that had the segment open writes there all the same."""
    with TimedLogFile(log, "S", lock_timeout=0.1) as file:
        first = early_in_a_second()
        put(file, "a", first)
        put(file, "b", next_second())
        with open(f"{log}.lock") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            put(file, "late", first)
        assert where(log)["late"] == f"app.log.{period_name(first, 'S')}"
        assert file.stats().lock_timeouts == 0


def test_a_late_record_of_a_process_that_started_after_the_boundary_goes_there_too(log: Path) -> None:
    """P2: a process without a descriptor of that segment opens it by its name."""
    with TimedLogFile(log, "S") as file:
        first = time.time()
        put(file, "a", first)
        put(file, "b", next_second())
    code = """
        import sys, time
        from mpfhandler import TimedLogFile
        with TimedLogFile(sys.argv[1], "S", late_grace=60) as file:
            file.write(f"{time.time()!r} new", None)
            before = file.stats().late  # a second may end in the middle of that
            created = float(sys.argv[2])
            for name in ("late-0", "late-1"):
                file.write(f"{created!r} {name}", created)
            print(file.stats().late - before)
    """
    assert run(code, log, first) == "2\n"
    segment = f"app.log.{period_name(first, 'S')}"
    assert where(log)["late-0"] == where(log)["late-1"] == segment
    verify(log.parent, ["a", "b", "new", "late-0", "late-1"], "S")


def test_a_late_record_of_a_period_without_a_segment_makes_one(log: Path) -> None:
    """P2: nobody has logged in that period yet; its segment is created for the late record."""
    early_in_a_second()
    with TimedLogFile(log, "S", late_grace=60) as file:
        now = time.time()
        put(file, "a", now)
        put(file, "late", now - 5)
        assert where(log)["late"] == f"app.log.{period_name(now - 5, 'S')}"


def test_late_records_of_many_periods_each_go_to_their_own(log: Path) -> None:
    """P2: more periods within the grace than descriptors are kept: each record still finds its segment, and
    the number of descriptors is bounded."""
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    with TimedLogFile(log, "S", late_grace=120) as file:
        now = time.time()
        put(file, "now", now)
        for turn in range(2):
            for age in range(30, 0, -1):
                put(file, f"late-{turn}-{age}", now - age)
        expected = [f"late-{turn}-{age}" for turn in range(2) for age in range(30, 0, -1)]
        verify(log.parent, ["now", *expected], "S")
        closed = {period_name(now - age, "S") for age in range(1, 31)}
        assert set(segment_names(log.parent)) - {period_name(now, "S")} == closed  # that period may be over by now, too
        assert len(os.listdir("/proc/self/fd")) - before < 40
    assert len(os.listdir("/proc/self/fd")) <= before


def test_a_record_later_than_the_grace_goes_to_the_active_file(log: Path) -> None:
    """P2: past the grace nothing is written to a closed segment, and none is made."""
    early_in_a_second()
    with TimedLogFile(log, "S", late_grace=2) as file:
        now = time.time()
        put(file, "a", now)
        put(file, "late", now - 5)
        assert where(log) == {"a": "app.log", "late": "app.log"}
        assert segment_names(log.parent) == []


def test_a_kept_segment_takes_nothing_after_its_grace(log: Path) -> None:
    """P2: a descriptor that was kept for late records is let go when the grace is over."""
    with TimedLogFile(log, "S", late_grace=1) as file:
        first = early_in_a_second()
        put(file, "a", first)
        put(file, "b", next_second())
        put(file, "late", first)
        while time.time() < math.floor(first) + 2.1:
            time.sleep(0.05)
        put(file, "c", time.time())
        put(file, "too-late", first)
        files = where(log)
        assert files["late"] == files["a"] == f"app.log.{period_name(first, 'S')}"
        assert files["too-late"] == "app.log"


def test_without_grace_nothing_is_written_to_a_closed_segment(log: Path) -> None:
    """P2: with `late_grace=0` a late record goes to the active file."""
    with TimedLogFile(log, "S", late_grace=0) as file:
        first = time.time()
        put(file, "a", first)
        put(file, "b", next_second())
        put(file, "late", first)
        segment = log.with_name(f"app.log.{period_name(first, 'S')}")
        assert [line.name for line in read_lines([segment])] == ["a"]
        assert where(log)["late"] == "app.log"


def test_a_record_of_a_compressed_segment_goes_to_the_active_file(log: Path) -> None:
    """P2, P4: where the segment has been compressed already no second one of its name is made."""
    early_in_a_second()
    with TimedLogFile(log, "S", late_grace=60) as file:
        now = time.time()
        put(file, "a", now)
        packed = log.with_name(f"app.log.{period_name(now - 5, 'S')}.gz")
        packed.write_bytes(b"packed")
        put(file, "late", now - 5)
        assert log.read_text().endswith("late\n")
        assert packed.read_bytes() == b"packed"
        assert sorted(os.listdir(log.parent)) == sorted(["app.log", "app.log.lock", packed.name])


def test_a_record_from_the_future_does_not_rotate(log: Path) -> None:
    """P2: the clock decides, never a record: one from tomorrow goes to the active file, the next one to the same."""
    with TimedLogFile(log, "D") as file:
        now = time.time()
        put(file, "a", now)
        put(file, "tomorrow", now + 86400)
        put(file, "b", time.time())
        assert where(log) == {"a": "app.log", "tomorrow": "app.log", "b": "app.log"}
        assert file.stats().rotations == 0


ODD = [math.nan, math.inf, -math.inf, -1.0, -1e18, 0.0, 1e18, 1e300, 86400.0]


@pytest.mark.parametrize("created", ODD)
def test_a_time_that_no_calendar_has_costs_nothing(log: Path, created: float) -> None:
    """P2, P5: whatever `created` is, the record goes to the active file, makes no segment, and no call raises."""
    with TimedLogFile(log, "S") as file:
        put(file, "a", time.time())
        put(file, "odd-0", created)
        put(file, "odd-1", created)
        put(file, "b", time.time())
        files = where(log)
        assert sorted(files) == ["a", "b", "odd-0", "odd-1"]
        assert {files["odd-0"], files["odd-1"]} <= {"app.log", f"app.log.{period_name(time.time() - 1, 'S')}"}
        assert not [name for name in segment_names(log.parent) if not name.startswith(time.strftime("%Y-"))]


@pytest.mark.parametrize("created", ODD)
def test_an_odd_time_as_the_very_first_record_costs_nothing(log: Path, created: float) -> None:
    """P2, P5: the same through the handler, before anything is open, with each schedule."""
    for when in ("S", "H", "midnight", "W0", "MONTH"):
        path = log.with_name(f"{when}.log")
        errors: list[str] = []
        _logger, handler = make_logger(path, errors, when=when, delay=True)
        record = logging.LogRecord("odd", logging.INFO, "", 0, "odd", None, None)
        record.created = created
        handler.handle(record)
        handler.close()
        assert path.read_text() == f"{created!r} odd\n"
        assert len(errors) <= 1


def test_a_record_that_was_formatted_across_a_boundary_stands_before_it(log: Path) -> None:
    """P2: made before the boundary, written after it, because its formatter took its time, and another handler rotated in
    the meantime."""

    class Slow(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            if record.msg == "slow":
                formatting.set()
                rotated.wait(30)
            return super().format(record)

    formatting, rotated = threading.Event(), threading.Event()
    logger, handler = make_logger(log)
    handler.setFormatter(Slow(FORMAT))
    other, second = make_logger(log)
    early_in_a_second()
    logger.info("first")
    thread = threading.Thread(target=logger.info, args=("slow",))
    thread.start()
    formatting.wait(30)
    next_second()
    other.info("after")
    rotated.set()
    thread.join()
    logger.info("last")
    handler.close()
    second.close()
    verify(log.parent, ["first", "slow", "after", "last"], "S")
    files = where(log)
    assert files["slow"] == files["first"] != files["after"]


def test_a_late_record_whose_segment_cannot_be_had_is_told(log: Path) -> None:
    """P2, P5: a lease that fails with an error, unlike one that a sealer has, is reported: the record is not where it belongs."""
    code = """
        import errno, sys
        from _support import *

        def try_lock(fd, exclusive):
            if not exclusive and os.readlink(f"/proc/self/fd/{fd}") != sys.argv[1]:
                raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
            return really(fd, exclusive)

        really = replace_operation("try_lock", try_lock)
        seen = []
        logger, handler = make_logger(sys.argv[1], seen)
        next_second()
        logger.info("a")
        late = logging.LogRecord("test", 20, "", 1, "late", None, None)
        late.created -= 2
        logger.handle(late)
        print(seen)
    """
    assert "No locks available" in run(code, log)
    assert where(log)["late"] == "app.log"


@pytest.mark.parametrize("hour", [0, 1])
def test_a_late_record_of_a_repeated_hour_goes_to_its_own_file(log: Path, monkeypatch: pytest.MonkeyPatch, hour: int) -> None:
    """P2: both hours have one text; a process that has neither open tells them apart, and makes the file that is missing."""
    clock = use_clock(monkeypatch)
    two = datetime(2026, 10, 25, 0, tzinfo=timezone.utc).timestamp()  # 02:00 in Berlin, for the first time
    other = 1 - hour
    clock.wall = two + other * 3600 + 1800
    with TimedLogFile(log, "H", tz="Europe/Berlin") as file:
        put(file, "other", clock.now())
    os.utime(log, (clock.now(), clock.now()))  # the file system has the same clock
    clock.wall = two + max(other + 1, hour + 1) * 3600 + 3
    with TimedLogFile(log, "H", tz="Europe/Berlin", late_grace=3600 + 10) as file:
        put(file, "now", clock.now())
        put(file, "late", two + hour * 3600 + 1801)
    found = where(log)
    assert found["other"] == "app.log.2026-10-25_02"
    assert found["late"] == "app.log.2026-10-25_02.1"


@pytest.mark.parametrize("first", ["one segment", "none"])
def test_a_split_in_the_second_of_two_equal_hours_takes_no_record_of_the_first(
    log: Path, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """P2: seconds after the hour has begun for the second time its first segment is closed. By the last write that could as well
    be the first hour's; a late record of that, by processes that have nothing open, goes to the first hour's own file."""
    clock = use_clock(monkeypatch)
    two = datetime(2026, 10, 25, 0, tzinfo=timezone.utc).timestamp()  # 02:00 in Berlin, for the first time
    clock.wall = two + (3598 if first == "one segment" else 3602)
    with TimedLogFile(log, "H", tz="Europe/Berlin") as file:
        if first == "one segment":
            put(file, "in-time", clock.now())
        clock.wall = two + 3602
        put(file, "second", clock.now())
        file.rotate()
        put(file, "second-too", clock.now())
    own = "app.log.2026-10-25_02" if first == "one segment" else "app.log.2026-10-25_02.1"
    split = "app.log.2026-10-25_02.1" if first == "one segment" else "app.log.2026-10-25_02"
    os.utime(log.with_name(split), (clock.now(), clock.now()))  # the file system has the same clock
    for name in ("late", "later"):
        clock.wall += 1
        with TimedLogFile(log, "H", tz="Europe/Berlin") as file:
            put(file, "now-" + name, clock.now())
            put(file, name, two + 3599)
        os.utime(log.with_name(own), (clock.now(), clock.now()))
    found = where(log)
    assert found == {
        **({"in-time": own} if first == "one segment" else {}),
        "second": split, "second-too": "app.log", "now-late": "app.log", "now-later": "app.log", "late": own, "later": own,
    }  # fmt: skip


def test_a_lost_state_record_misfiles_no_late_record_of_a_repeated_hour(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P2: with the lock file goes the knowledge which segment is the first hour's last. One that was written to in the second
    hour's first seconds may be the second one's: the record gets a file of its own."""
    clock = use_clock(monkeypatch)
    two = datetime(2026, 10, 25, 0, tzinfo=timezone.utc).timestamp()
    clock.wall = two + 3598
    with TimedLogFile(log, "H", tz="Europe/Berlin") as file:
        put(file, "in-time", clock.now())
    os.utime(log, (clock.wall, clock.wall))
    clock.wall += 4
    with TimedLogFile(log, "H", tz="Europe/Berlin") as file:
        put(file, "second", clock.now())
    os.utime(log, (clock.wall, clock.wall))
    with TimedLogFile(log, "H", tz="Europe/Berlin") as file:
        file.rotate()
        put(file, "second-too", clock.now())
        log.with_name("app.log.lock").unlink()
        put(file, "late", two + 3599)
    found = where(log)
    assert found["late"] not in {found["second"], found["second-too"]}


def test_the_hour_after_a_repeated_one_misfiles_no_late_record(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P2: in the third hour nothing but the times of the files tells the first two apart."""
    clock = use_clock(monkeypatch)
    two = datetime(2026, 10, 25, 0, tzinfo=timezone.utc).timestamp()
    with TimedLogFile(log, "H", tz="Europe/Berlin", late_grace=5400) as file:
        for name, moment in (("first", 1800), ("second", 3900), ("third", 7203)):
            clock.wall = two + moment
            put(file, name, clock.now())
            os.utime(log, (clock.wall, clock.wall))
    clock.wall += 1
    with TimedLogFile(log, "H", tz="Europe/Berlin", late_grace=5400) as file:
        put(file, "third-too", clock.now())
        put(file, "late", two + 1801)
    found = where(log)
    assert found["late"] == found["first"]


def test_an_inode_that_is_used_again_is_not_the_last_segment(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P2: the first hour's segment is deleted, and the log of the second gets its inode, and becomes a segment, too."""
    clock = use_clock(monkeypatch)
    two = datetime(2026, 10, 25, 0, tzinfo=timezone.utc).timestamp()
    clock.wall = two + 3598
    with TimedLogFile(log, "H", tz="Europe/Berlin", late_grace=0.001) as file:
        put(file, "a", clock.now())
        inode = log.stat().st_ino
        clock.wall = two + 3601
        put(file, "b", clock.now())
        log.with_name("app.log.2026-10-25_02").unlink()
        clock.wall += 1
        put(file, "e", clock.now())  # closes what it has kept for late records
        file.rotate()
        put(file, "c", clock.now())
        if log.stat().st_ino != inode:
            pytest.skip("this file system does not use the number of a deleted file at once")
        file.rotate()
        put(file, "d", clock.now())
    for path in log.parent.glob("app.log.2026*"):
        os.utime(path, (clock.wall, clock.wall))
    with TimedLogFile(log, "H", tz="Europe/Berlin") as file:
        put(file, "late", two + 3599)
    found = where(log)
    assert found["late"] not in {found[name] for name in "bcde"}
