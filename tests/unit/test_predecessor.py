"""The lock file of mpfhandler 0.0.x: what is taken for one, and what becomes of it."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fcntl", reason="of POSIX systems")

import fcntl

from mpfhandler._platform import OPERATIONS, FileId
from mpfhandler._pure.options import Access
from mpfhandler._pure.schedule import Period
from mpfhandler._pure.state import State, is_ours, pack
from mpfhandler._resources.lock import RotationLock
from mpfhandler._resources.predecessor import NOTICE, Predecessor, lock_of_predecessor

HOUR = 3600
NEXT = (int(time.time()) // HOUR + 2) * HOUR  # what a process of 0.0.x has in its file, rotating by the hour


class Reports(list[str]):
    """Collects what was reported."""

    def __call__(self, what: str, error: Exception) -> None:
        self.append(f"{what}: {type(error).__name__}")


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """Where the file of 0.0.x is for `app.log`."""
    return tmp_path / "app.lock"


def predecessor_of(lock: Path, unit: int = HOUR, **entries: object) -> Predecessor:
    log = str(lock.with_suffix(".log"))
    return Predecessor(replace(OPERATIONS, **entries), log, f"{log}.lock", unit, Reports())  # type: ignore[arg-type]


def test_the_name_of_its_lock_file() -> None:
    """A log's ending `.log` is left out, any other stays."""
    assert lock_of_predecessor("/a/app.log") == "/a/app.lock"
    assert lock_of_predecessor("/a/service") == "/a/service.lock"
    assert lock_of_predecessor("/a/app.txt") == "/a/app.txt.lock"


def test_a_number_that_lies_ahead_is_replaced_by_a_text(lock: Path) -> None:
    """The file stays the same one, and what stands in it is no number for `int()`; a second time changes nothing."""
    lock.write_text(str(NEXT))
    inode = lock.stat().st_ino
    predecessor = predecessor_of(lock)
    assert predecessor.armed()
    predecessor.disarm(0)
    assert not predecessor.armed()
    assert (lock.read_bytes(), lock.stat().st_ino) == (NOTICE, inode)
    predecessor.disarm(0)
    assert lock.read_bytes() == NOTICE


def test_a_number_written_over_the_text_is_none(lock: Path) -> None:
    """A process that has the file open writes ten digits at its start and cuts nothing off: still no number."""
    lock.write_text(str(NEXT))
    predecessor = predecessor_of(lock)
    predecessor.disarm(0)
    with lock.open("r+") as theirs:
        theirs.write(str(NEXT))
    with pytest.raises(ValueError, match="invalid literal"):
        int(lock.read_text())
    assert not predecessor.armed()


def write(text: str) -> Callable[[Path], object]:
    return lambda lock: lock.write_text(text)


def long_ago(lock: Path) -> None:
    lock.write_text(str(NEXT))
    os.utime(lock, (NEXT - 9 * 24 * HOUR, NEXT - 9 * 24 * HOUR))


SOMEBODYS: dict[str, Callable[[Path], object]] = {
    "pid": write("4194304"),
    "now": lambda lock: (lock.write_text(str(NEXT)), os.utime(lock, (NEXT, NEXT))),
    "line": write(f"{NEXT}\n"),
    "float": write(f"{NEXT}.5"),
    "some time": write(str(NEXT + 61)),
    "next month": write(str(NEXT + 30 * 24 * HOUR)),
    "long ago": long_ago,
    "empty": write(""),
    "state": lambda lock: lock.write_bytes(b"mpfhandler-state 1 2 3"),
    "folder": lambda lock: lock.mkdir(),
    "missing": lambda _lock: None,
    "link": lambda lock: (lock.with_name("elsewhere").write_text(str(NEXT)), lock.symlink_to("elsewhere")),
}


@pytest.mark.parametrize("kind", list(SOMEBODYS))
def test_what_is_not_exactly_its_number_is_somebodys(lock: Path, kind: str) -> None:
    """P4: a pid, a time that has been noted down, a time with more behind it, or far away: nothing is written."""
    SOMEBODYS[kind](lock)
    before = lock.read_bytes() if lock.is_file() else None
    predecessor = predecessor_of(lock)
    assert not predecessor.armed()
    predecessor.disarm(0)
    assert (lock.read_bytes() if lock.is_file() else None) == before


def test_each_second_counts_for_a_log_that_is_rotated_by_the_second(lock: Path) -> None:
    """The unit of the schedule tells at which times a rotation may be."""
    lock.write_text(str(int(time.time()) + 61 | 1))
    assert predecessor_of(lock, unit=1).armed()
    assert not predecessor_of(lock, unit=60).armed()


@pytest.mark.parametrize("wait", [-1, 0, 2])
def test_it_waits_for_who_is_rotating_and_not_for_ever(lock: Path, wait: float) -> None:
    """P3: who has the file's lock is at a rotation, and is waited for: for what is left of the time for our own lock, a
    tenth of a second in any case; then it is done without."""
    lock.write_text(str(NEXT))
    with lock.open("r+") as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        waits: list[float] = []
        clock = [0.0]

        def sleep(seconds: float) -> None:
            waits.append(seconds)
            clock[0] += seconds

        predecessor_of(lock, sleep=sleep, monotonic=lambda: clock[0]).disarm(wait)
    assert sum(waits) == pytest.approx(max(wait, 0.1), abs=0.01)
    assert lock.read_bytes() == NOTICE


def test_after_the_time_in_the_file_it_waits_a_moment_for_those_without_a_lock(lock: Path) -> None:
    """A process of 0.0.x takes no lock for its first rotation: one that has read the number may be about to rename."""
    lock.write_text(str(NEXT))
    waits: list[float] = []
    predecessor_of(lock, sleep=waits.append, now=lambda: NEXT - 1.0).disarm(0)
    assert waits == []
    lock.write_text(str(NEXT))
    predecessor_of(lock, sleep=waits.append, now=lambda: NEXT + 0.0).disarm(0)
    assert waits == [0.05]


def test_one_lock_file_for_both_is_left_to_the_state_record(tmp_path: Path) -> None:
    """For `service` both have `service.lock`: nothing but a state record is written there."""
    (tmp_path / "service.lock").write_text(str(NEXT))
    predecessor = Predecessor(OPERATIONS, str(tmp_path / "service"), str(tmp_path / "service.lock"), HOUR, Reports())
    assert not predecessor.armed()
    predecessor.disarm(0)
    assert (tmp_path / "service.lock").read_text() == str(NEXT)


def test_a_file_that_may_not_be_written_is_told_once(lock: Path) -> None:
    """P5: another user's file is told of, and not asked for again."""
    lock.write_text(str(NEXT))
    reports = Reports()

    def refuse(path: str) -> int:
        raise PermissionError(13, "Permission denied", path)

    log = str(lock.with_suffix(".log"))
    predecessor = Predecessor(replace(OPERATIONS, open_side=refuse), log, f"{log}.lock", HOUR, reports)
    predecessor.disarm(0)
    predecessor.disarm(0)
    assert reports == ["lock file of mpfhandler 0.0.x: PermissionError"]
    assert not predecessor.armed()


def failing(number: int) -> Callable[..., Any]:
    def fail(*_: object) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize(
    ("entries", "reports", "armed"),
    [
        ({"open_side": failing(errno.ENOENT)}, [], True),
        ({"write_at": failing(errno.ENOSPC)}, ["lock file of mpfhandler 0.0.x: OSError"], True),
        ({"stat_link": failing(errno.ENOENT)}, [], False),
        ({"read_at": failing(errno.EIO)}, [], False),
    ],
    ids=["gone", "full", "gone before", "unreadable"],
)
def test_what_fails_is_told_and_tried_again(lock: Path, entries: dict[str, Any], reports: list[str], armed: bool) -> None:
    """P5: nothing is raised; a file that is gone is not worth a word, and the next look begins anew."""
    lock.write_text(str(NEXT))
    told = Reports()
    log = str(lock.with_suffix(".log"))
    predecessor = Predecessor(replace(OPERATIONS, **entries), log, f"{log}.lock", HOUR, told)
    predecessor.disarm(0)
    assert (told, predecessor.armed()) == (reports, armed)
    assert lock.read_text() == str(NEXT)


def test_who_has_the_rotation_lock_has_seen_to_it(lock: Path) -> None:
    """The number is gone when the rotation lock is had; one that comes later makes `unchanged` say so."""
    log = str(lock.with_suffix(".log"))
    lock.write_text(str(NEXT))
    rotation_lock = RotationLock(OPERATIONS, f"{log}.lock", Access(), Reports(), log, HOUR)
    held = rotation_lock.acquire(0)
    assert held is not None
    assert lock.read_bytes() == NOTICE
    rotation_lock.release(held)
    assert rotation_lock.unchanged()
    lock.write_text(str(NEXT))
    assert not rotation_lock.unchanged()


@pytest.mark.parametrize("digits", [1, 9, 10, 15])
def test_a_number_over_the_start_of_a_state_record_is_ours(digits: int) -> None:
    """A process of 0.0.x that shares the lock file writes its number over the state record: a new record may be written."""
    record = pack(State(FileId(64769, 131_074), 3, Period(4, 5), "0123456789abcdef"))
    assert is_ours(b"1" * digits + record[digits:])
    assert not is_ours(b"1" * digits + b" " + record[digits + 1 :])
    assert not is_ours(b"1" * 20 + record[20:])
