"""A process that is stopped between the rename and the creation of the new log, longer than the others wait for the lock; and
what stands in the state record when a log is made.

Two engines with a clock that is set by hand; records begin with their `created`.
"""

from __future__ import annotations

import calendar
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from _disk_support import Clock, collect, handler_at, lines, log_at, record, segments, use, use_clock

from mpfhandler import TimedLogFile
from mpfhandler._platform import OPERATIONS
from mpfhandler._pure.state import unpack

FIRST = "app.log.2026-03-04_10-20-00"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of the log."""
    return tmp_path / "app.log"


class Pause:
    """A rename after which something else happens first, once, when it is armed."""

    def __init__(self) -> None:
        self.then: Callable[[], object] | None = None

    def __call__(self, source: str, target: str) -> None:
        OPERATIONS.rename_new(source, target)
        then, self.then = self.then, None
        if then is not None:
            then()


def engine(clock: Clock, monkeypatch: pytest.MonkeyPatch, path: Path, when: str = "S", **entries: Any) -> TimedLogFile:
    """One process's engine on the log, with this clock."""
    use(monkeypatch, **{**clock.entries(), **entries})
    return log_at(path, when, lock_timeout=0.05)


def put(log: TimedLogFile, clock: Clock, name: str) -> None:
    """A record that tells when it was made."""
    log.write(f"{clock.now()!r} {name}")


def misfiled(folder: Path) -> list[str]:
    """Records that stand in a segment of another second than theirs, by the segment's name."""
    wrong: list[str] = []
    for name in segments(folder):
        found = re.fullmatch(r"app\.log\.([-\d_]+)", name)
        start = calendar.timegm(time.strptime(found[1], "%Y-%m-%d_%H-%M-%S")) if found else None
        wrong += [f"{name}: {line}" for line in lines(folder / name) if start not in {None, int(float(line.split()[0]))}]
    return wrong


def names(folder: Path) -> list[str]:
    """Of all records, sorted."""
    return sorted(line.split()[1] for name in segments(folder) for line in lines(folder / name))


@pytest.mark.parametrize(("before", "after"), [(0.3, 0.0), (2.0, 0.0), (0.3, 1.0), (1.0, 1.0)])
def test_log_that_another_made_meanwhile_is_not_taken_for_ones_own(
    path: Path, monkeypatch: pytest.MonkeyPatch, before: float, after: float
) -> None:
    """P2, I1: the others have created the log without the lock while the rotator was stopped; it looks at everything anew, and
    nothing is in another period's file, whatever period it is by then."""
    clock = use_clock(monkeypatch)
    rename = Pause()
    stopped = engine(clock, monkeypatch, path, rename_new=rename)
    other = engine(clock, monkeypatch, path)
    put(stopped, clock, "s0")
    put(other, clock, "o0")
    clock.step(1)

    def meanwhile() -> None:
        clock.step(before)
        put(other, clock, "o1")
        os.utime(path, (clock.now(), clock.now()))  # the file system has the same clock
        clock.step(after)

    rename.then = meanwhile
    put(stopped, clock, "s1")
    assert rename.then is None
    for number in range(2, 6):
        put(other, clock, f"o{number}")
        put(stopped, clock, f"s{number}")
        clock.step(0.5)
    stopped.rotate()
    assert misfiled(path.parent) == []
    assert names(path.parent) == sorted(f"{who}{number}" for who in "os" for number in range(6))
    assert stopped.stats().rotations >= 1


@pytest.mark.parametrize("meets", [False, True])
def test_log_that_is_made_after_a_stop_is_of_the_period_that_is_by_then(
    path: Path, monkeypatch: pytest.MonkeyPatch, meets: bool
) -> None:
    """P2: the rotator was stopped for two periods, and nobody has made the log meanwhile: what it makes is of the present one,
    also where another process, which cannot have the lock, writes to the new file before the state record is there; the late
    record goes to the segment of its own period."""
    clock = use_clock(monkeypatch)
    rename = Pause()
    other = engine(clock, monkeypatch, path)

    def open_new(name: str, mode: int) -> int:
        fd = OPERATIONS.open_new(name, mode)
        if meets and rename.then is None and name == str(path):
            os.utime(path, (clock.now(), clock.now()))  # the file system has the same clock
            put(other, clock, "met")
            os.utime(path, (clock.now(), clock.now()))
        return fd

    stopped = engine(clock, monkeypatch, path, rename_new=rename, open_new=open_new)
    rename.then = lambda: clock.step(2)
    put(stopped, clock, "s0")
    clock.step(1)
    put(stopped, clock, "s1")
    put(stopped, clock, "s2")
    clock.step(0.1)
    put(other, clock, "o0")
    assert [line.split()[1] for line in lines(path)] == (["met"] if meets else []) + ["s2", "o0"]
    clock.step(1)
    put(other, clock, "o1")
    other.rotate()
    assert misfiled(path.parent) == []
    assert names(path.parent) == sorted(["o0", "o1", "s0", "s1", "s2"] + (["met"] if meets else []))
    assert FIRST in segments(path.parent)


# the state record


def recorded(path: Path) -> object:
    """The state record that stands in the lock file, if it is whole."""
    return unpack(Path(f"{path}.lock").read_bytes())


@pytest.mark.parametrize("through", ["look", "rotation"])
def test_record_of_a_removed_log_is_cleared_before_a_new_one_is_made(
    path: Path, monkeypatch: pytest.MonkeyPatch, through: str
) -> None:
    """P2, I4: the new file may get the inode of the removed one, and its maker may die right after it made it: by then the record
    names no file."""
    clock = use_clock(monkeypatch)
    stood: list[object] = []

    def open_new(name: str, mode: int) -> int:
        stood.append(recorded(path))
        return OPERATIONS.open_new(name, mode)

    log = engine(clock, monkeypatch, path, "H", open_new=open_new)
    log.write("first")
    assert recorded(path) is not None
    stood.clear()
    os.unlink(path)
    clock.step(1 if through == "look" else 3600)
    log.write("second")
    assert stood == [None]
    assert recorded(path) is not None
    assert lines(path) == ["second"]


def test_record_that_cannot_be_read_is_not_written_over(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P2: a process that cannot read the record rotates by what it knows, and leaves the record to those who can."""
    clock = use_clock(monkeypatch)
    unreadable = False

    def read_at(fd: int, size: int, offset: int) -> bytes:
        if unreadable and os.fstat(fd).st_ino == os.stat(f"{path}.lock").st_ino:
            raise OSError(5, "input/output error")
        return OPERATIONS.read_at(fd, size, offset)

    log = engine(clock, monkeypatch, path, "H", read_at=read_at)
    log.write("first")
    before = Path(f"{path}.lock").read_bytes()
    unreadable = True
    clock.step(3600)
    log.write("second")
    assert Path(f"{path}.lock").read_bytes() == before
    assert lines(path) == ["second"]
    os.rename(path, f"{path}.moved")
    clock.step(1)
    log.write("third")
    assert Path(f"{path}.lock").read_bytes() == before
    assert lines(path) == ["third"]
    unreadable = False
    clock.step(3600)
    log.write("fourth")
    assert Path(f"{path}.lock").read_bytes() != before


def test_later_of_memory_and_record_counts(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P2: a process has the log open, still empty, and the lock file is deleted; in the next period another process starts and
    logs: the first one does not move that record to the period that it remembers."""
    clock = use_clock(monkeypatch)
    first = engine(clock, monkeypatch, path, "H")
    os.utime(path, (clock.now(), clock.now()))
    os.unlink(f"{path}.lock")
    clock.step(3600)
    second = engine(clock, monkeypatch, path, "H")
    second.write("second")
    first.write("first")
    assert lines(path) == ["second", "first"]
    assert segments(path.parent) == ["app.log"]
    assert first.stats().rotations == second.stats().rotations == 0


def test_memory_counts_where_the_record_went_with_the_lock_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P2: the log's modification time is of the next period by the time that it is looked at (a record that came late), and there
    is no record any more: the process that has the file open names it for the period that it remembers."""
    clock = use_clock(monkeypatch)
    log = engine(clock, monkeypatch, path, "H")
    log.write("first")
    os.unlink(f"{path}.lock")
    clock.step(3600)
    os.utime(path, (clock.now(), clock.now()))
    log.write("second")
    assert lines(path.parent / "app.log.2026-03-04_10") == ["first"]
    assert lines(path) == ["second"]


@pytest.mark.parametrize(("age", "after", "of_now"), [(2.0, 1.0, False), (60.0, 1.0, False), (60.0, 11.0, True)])
def test_empty_log_of_a_grace_belongs_to_its_own_time(
    path: Path, monkeypatch: pytest.MonkeyPatch, age: float, after: float, of_now: bool
) -> None:
    """P2: an empty log without a state record: made before the boundary, it is the log of the period that has just ended, whose
    first record may be under way; when that one's grace is over it has been prepared by somebody and belongs to now."""
    clock = use_clock(monkeypatch)
    clock.step(40 * 60 + after)  # 11:00:01, or 11:00:11
    path.touch()
    os.utime(path, (clock.now() - age, clock.now() - age))
    handler = handler_at(path, "H")
    reports = collect(handler)
    handler.emit(record("first", clock.now()))
    assert segments(path.parent) == (["app.log"] if of_now else ["app.log", "app.log.2026-03-04_10"])
    assert lines(path) == ["first"]
    assert reports == []
