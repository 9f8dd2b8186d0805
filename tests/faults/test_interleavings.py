"""Two engines in one process with a clock that is set by hand; one acts between two system calls of the other."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from _disk_support import Clock, Switch, all_lines, failing, handler_at, lines, log_at, record, segments, use, use_clock

from mpfhandler import TimedLogFile
from mpfhandler._platform import OPERATIONS, FileId, FileStat
from mpfhandler._pure.state import unpack

SEGMENT = "app.log.2026-03-04_10"


class Once:
    """An entry of the table of operations. What is put into `before` or `after` happens once, at the next call for this name."""

    def __init__(self, entry: Callable[..., Any], name: str = "") -> None:
        self.entry = entry
        self.name = name
        self.calls = 0
        self.before: Callable[[], object] | None = None
        self.after: Callable[[], object] | None = None

    def __call__(self, *arguments: Any) -> Any:
        if self.name and self.name != os.path.basename(arguments[0]):
            return self.entry(*arguments)
        self.calls += 1
        before, self.before = self.before, None
        if before is not None:
            before()
        result = self.entry(*arguments)
        after, self.after = self.after, None
        if after is not None:
            after()
        return result


def another(clock: Clock, monkeypatch: pytest.MonkeyPatch, path: Path, **entries: Callable[..., Any]) -> TimedLogFile:
    """A second engine on the log, with the same clock and these entries."""
    use(monkeypatch, **{**clock.entries(), **entries})
    return log_at(path, "H", on_error=reported.append)


reported: list[Exception] = []


@pytest.fixture(autouse=True)
def _nothing_reported() -> None:
    reported.clear()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of the log."""
    return tmp_path / "app.log"


def replace_log(path: Path, text: str, moment: float) -> None:
    """Somebody moves the log away and puts another file in its place, which was written last at this moment."""
    os.rename(path, path.with_name("moved"))
    path.write_text(text)
    os.utime(path, (moment, moment))


def taken(path: Path) -> bool:
    """Whether somebody holds a lock on this file, of whatever kind."""
    with path.open() as other:
        try:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


# R0: following without the lock


def test_follower_looks_again_after_it_has_opened_the_log(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """R0, I6: the log is rotated once more while a process opens what it was: the process goes on in the newest file."""
    clock = use_clock(monkeypatch)
    first = log_at(path, "H")
    opening = Once(OPERATIONS.open_existing)
    second = another(clock, monkeypatch, path, open_existing=opening)
    second.write("a")
    first.rotate()
    clock.step(2)
    opening.after = first.rotate
    second.write("b")
    assert opening.after is None
    assert lines(path) == ["b"]


def test_follower_that_opened_another_file_than_it_read_of_looks_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """R0, P2: the period ends between the look at the state record and the opening: the new file is not taken for the old."""
    clock = use_clock(monkeypatch)
    first = log_at(path, "H")
    opening = Once(OPERATIONS.open_existing)
    second = another(clock, monkeypatch, path, open_existing=opening)
    second.write("a")
    first.rotate()
    clock.wall = 3600 * (clock.wall // 3600 + 1) - 0.5
    clock.steady += 5
    made = clock.now()

    def end_of_period() -> None:
        clock.step(1)
        first.write("new")

    opening.before = end_of_period
    second.write("old", made)
    assert opening.before is None
    assert lines(path) == ["new"]
    assert sorted(all_lines(path.parent)) == ["a", "new", "old"]


def test_period_that_is_over_is_not_followed_into(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """R0, P2: a state record of a period that has ended sends its reader to the rotation, not into the old file."""
    clock = use_clock(monkeypatch)
    with log_at(path, "H") as first:
        first.write("a")
    clock.step(3600)
    log_at(path, "H", delay=True).write("b")
    assert lines(path.with_name(SEGMENT)) == ["a"]
    assert lines(path) == ["b"]


def test_state_record_of_another_file_is_not_followed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """R0, P2: a file that took the log's place is judged by itself, though the state record is of the present period."""
    clock = use_clock(monkeypatch)
    with log_at(path, "H") as first:
        first.write("a")
    replace_log(path, "theirs\n", os.stat(path).st_mtime + 7200)
    assert clock.now() < os.stat(path).st_mtime - 86400
    log_at(path, "H", delay=True).write("b")
    assert lines(path) == ["b"]


def test_forced_rotation_is_done_though_another_process_has_rotated(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`rotate()` closes the file that is there now, also where this process had not noticed yet that it is a new one."""
    use_clock(monkeypatch)
    first, second = log_at(path, "H"), log_at(path, "H")
    first.write("a")
    assert first.rotate()
    first.write("b")
    assert second.rotate()
    assert segments(path.parent) == ["app.log", SEGMENT, f"{SEGMENT}.1"]


def test_follower_takes_no_lock_at_its_later_looks_either(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """R0, P3: who has opened the log without the lock knows the lock file by that, and finds it unchanged."""
    clock = use_clock(monkeypatch)
    log_at(path, "H").write("a")
    trying = Once(OPERATIONS.open_lock)
    second = another(clock, monkeypatch, path, open_lock=trying)
    for _ in range(4):
        second.write("b")
        clock.step(1.5)
    assert lines(path) == ["a"] + ["b"] * 4
    assert trying.calls == 0


# R2 … R5: under a lock that is none any more, or with the log in other hands


def test_nothing_is_renamed_under_a_lock_that_was_deleted(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """I3: the lock file is deleted after it was locked: the rename waits until the process has the lock that others see."""
    held: list[bool] = []

    def rename(source: str, target: str) -> None:
        held.append(os.path.exists(f"{path}.lock") and taken(path.with_name("app.log.lock")))
        OPERATIONS.rename_new(source, target)

    reading = Once(OPERATIONS.read_at)
    use_clock(monkeypatch, rename_new=rename, read_at=reading)
    log = log_at(path, "H")
    log.write("a")
    reading.after = lambda: os.unlink(f"{path}.lock")
    assert log.rotate()
    assert reading.after is None
    assert held == [True]


def test_log_that_was_replaced_before_the_rename_is_left_alone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """I3: what the name leads to is looked at just before the rename: another file than the decided one is not even tried."""
    renaming, armed = Once(OPERATIONS.rename_new), []

    def read_at(fd: int, size: int, offset: int) -> bytes:
        if armed and taken(path.with_name("app.log.lock")):
            armed.clear()
            replace_log(path, "", clock.now())
        return OPERATIONS.read_at(fd, size, offset)

    clock = use_clock(monkeypatch, rename_new=renaming, read_at=read_at)
    log = log_at(path, "H")
    log.write("a")
    clock.step(3600)
    armed.append("the state record is read under the lock")
    log.write("b")
    assert armed == []
    assert lines(path.with_name("moved")) == ["a"]
    assert lines(path) == ["b"]
    assert renaming.calls == 0


def test_log_that_was_replaced_at_the_last_moment_is_moved_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """I3, P4: another file that came under the log's name right before the rename has its name back afterwards."""
    renaming = Once(OPERATIONS.rename_new)
    clock = use_clock(monkeypatch, rename_new=renaming)
    log = log_at(path, "H")
    log.write("a")
    clock.step(3600)
    renaming.before = lambda: replace_log(path, "theirs\n", clock.now())
    log.write("b")
    assert renaming.before is None
    assert segments(path.parent) == ["app.log", "moved"]
    assert lines(path.with_name("moved")) == ["a"]
    assert lines(path) == ["theirs", "b"]


@pytest.mark.parametrize("fails", [False, True])
def test_log_that_cannot_be_moved_back(path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    """I2, P2, P4: the other file cannot have its name back, because that is taken again: nothing is overwritten. It does not stay
    under the name of a period that is not its own; if that cannot be done, it is told."""
    renaming, back = Once(OPERATIONS.rename_new), Once(OPERATIONS.rename_once)
    clock = use_clock(monkeypatch, rename_new=renaming, rename_once=back)
    log = log_at(path, "H", on_error=reported.append)
    log.write("a")
    clock.step(3600)

    def third() -> None:
        path.write_text("third\n")
        os.utime(path, (clock.now(), clock.now()))
        renaming.before = failing(errno.EACCES) if fails else None

    renaming.before = lambda: replace_log(path, "theirs\n", clock.now())
    back.before = third
    log.write("b")
    assert lines(path.with_name("moved")) == ["a"]
    if fails:
        assert [type(error) for error in reported] == [PermissionError]
        assert lines(path.with_name(SEGMENT)) == ["theirs"]
    else:
        assert reported == []
        assert lines(path.with_name("app.log.2026-03-04_11")) == ["theirs"]
        assert not path.with_name(SEGMENT).exists()
    assert lines(path) == ["third", "b"]


def test_look_that_took_until_another_period_is_done_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """I1, P2: a process is stopped between the clock and the log, under the lock; who waited for it in vain makes a log
    meanwhile, since it was moved away. That one is not closed under the name of the period before."""
    clock = use_clock(monkeypatch)
    looking = Once(OPERATIONS.stat_path, "app.log")
    use(monkeypatch, **clock.entries(), stat_path=looking)
    first = log_at(path, "H")
    first.write("a")
    use(monkeypatch, **clock.entries())
    second = log_at(path, "H", lock_timeout=0, delay=True)

    def meanwhile() -> None:
        path.rename(path.with_name("moved"))
        clock.step(3600)
        second._writer.open()
        os.utime(path, (clock.now(), clock.now()))

    def afterwards() -> None:
        second.write("b")
        os.utime(path, (clock.now(), clock.now()))

    looking.before, looking.after = meanwhile, afterwards
    first.rotate()
    assert looking.before is None
    first.write("c")
    assert lines(path.with_name("moved")) == ["a"]
    assert not path.with_name(SEGMENT).exists()
    assert lines(path.with_name("app.log.2026-03-04_11")) == ["b"]
    assert lines(path) == ["c"]


def test_look_is_done_again_as_often_as_a_period_ends_during_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """I1, P2: who is stopped in each look until another period begins does not give up, and goes on looking."""
    clock = use_clock(monkeypatch)
    held: list[int] = []
    stops = 0

    def try_lock(fd: int, exclusive: bool) -> bool:
        held.extend([fd] * exclusive)
        return OPERATIONS.try_lock(fd, exclusive)

    def read_at(fd: int, length: int, offset: int) -> bytes:
        nonlocal stops
        if stops and fd in held:
            stops -= 1
            clock.step(3600)
        return OPERATIONS.read_at(fd, length, offset)

    use(monkeypatch, **clock.entries(), try_lock=try_lock, read_at=read_at)
    log = log_at(path, "H")
    log.write("a")
    clock.step(3600)
    stops = 7
    log.write("b", clock.now() + 7 * 3600)
    assert stops == 0
    assert log.stats().last_error is None
    assert lines(path.with_name(SEGMENT)) == ["a"]
    assert lines(path) == ["b"]


def test_log_that_is_replaced_again_and_again_is_given_up(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P1, P3: without the lock a log that is another one at each look is not waited for: the record waits, and is written once
    the log stays."""
    clock = use_clock(monkeypatch)
    first = log_at(path, "H")
    first.write("a")
    replaced: list[str] = []

    def open_append(name: str, mode: int) -> int:
        if name == str(path) and len(replaced) < 5:
            replaced.append(f"moved {len(replaced)}")
            os.rename(path, path.with_name(replaced[-1]))
            path.write_text("theirs\n")
        return OPERATIONS.open_append(name, mode)

    denied = failing(errno.EACCES)
    use(monkeypatch, **clock.entries(), open_append=open_append, open_existing=denied, open_lock=denied)
    second = log_at(path, "H", delay=True)
    second.write("b")
    assert len(replaced) == 5
    assert "replaced 5 times" in str(second.stats().last_error)
    assert second.stats().spilled == 1
    clock.step(120)
    second.write("c")
    assert lines(path)[-2:] == ["b", "c"]


def test_log_that_goes_before_it_is_opened_is_no_failure(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P5: the log is moved away between the look at it and its opening: it is created, and nothing is reported."""
    opening = Once(OPERATIONS.open_existing)
    clock = use_clock(monkeypatch)
    path.write_text("theirs\n")
    os.utime(path, (clock.now(), clock.now()))
    opening.before = lambda: os.rename(path, path.with_name("moved"))
    log = another(clock, monkeypatch, path, open_existing=opening)
    assert opening.before is None
    log.write("a")
    assert lines(path) == ["a"]
    assert reported == []
    assert log.stats().last_error is None


def test_log_that_was_replaced_before_it_is_opened_is_judged_anew(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P2, I3: an older file that takes the log's place between the look at it and its opening becomes the segment of its own
    period."""
    opening = Once(OPERATIONS.open_existing)
    clock = use_clock(monkeypatch)
    path.write_text("now\n")
    os.utime(path, (clock.now(), clock.now()))
    opening.before = lambda: replace_log(path, "old\n", clock.now() - 3600)
    log = another(clock, monkeypatch, path, open_existing=opening)
    assert opening.before is None
    log.write("a")
    assert lines(path) == ["a"]
    assert lines(path.with_name("app.log.2026-03-04_09")) == ["old"]


# late records


def late_by_another(clock: Clock, monkeypatch: pytest.MonkeyPatch, path: Path, **entries: Any) -> tuple[TimedLogFile, float]:
    """An engine that has no descriptor of the period before, whose segment is there; and a time in that period."""
    with log_at(path, "H") as first:
        first.write("a")
        made = clock.now()
        clock.wall = 3600 * (clock.wall // 3600 + 1) + 1
        first.write("b")
    return another(clock, monkeypatch, path, **entries), made


def test_segment_that_is_sealed_while_it_is_opened_takes_no_late_record(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P1, I6: a sealer unlinks the segment between its opening and its lease: the late record goes to the active file."""
    opening = Once(OPERATIONS.open_existing, SEGMENT)
    log, made = late_by_another(use_clock(monkeypatch), monkeypatch, path, open_existing=opening)
    segment = path.with_name(SEGMENT)
    opening.after = lambda: os.rename(segment, f"{segment}.gz")
    log.write("late", made)
    assert opening.after is None
    assert lines(path) == ["b", "late"]


def test_segment_that_is_sealed_beside_the_look_at_it_takes_no_late_record(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P1, I6: a sealer has the segment while it is opened, and is done right after a look at its name. So the look comes after
    the lease, which cannot be had: the late record goes to another segment."""
    looking, segment = Once(OPERATIONS.stat_path, SEGMENT), path.with_name(SEGMENT)
    opening = Once(OPERATIONS.open_existing, SEGMENT)
    log, made = late_by_another(use_clock(monkeypatch), monkeypatch, path, stat_path=looking, open_existing=opening)
    with segment.open() as sealer:
        fcntl.flock(sealer, fcntl.LOCK_EX)

        def done() -> None:
            segment.rename(f"{segment}.gz")
            fcntl.flock(sealer, fcntl.LOCK_UN)

        opening.after = lambda: setattr(looking, "after", done)
        log.write("late", made)
    assert opening.after is None
    assert lines(path.with_name(f"{SEGMENT}.1")) == ["late"]
    assert lines(path) == ["b"]


def test_segment_that_is_sealed_before_it_is_opened_is_not_made_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P1: a sealer is done between the look into the folder and the opening: the late record goes to the active file. Under the
    segment's name it would stand beside a compressed file with another content, and stay plain for ever."""
    opening = Once(OPERATIONS.open_existing, SEGMENT)
    log, made = late_by_another(use_clock(monkeypatch), monkeypatch, path, open_existing=opening)
    segment = path.with_name(SEGMENT)
    opening.before = lambda: segment.rename(f"{segment}.gz")
    log.write("late", made)
    assert opening.before is None
    assert lines(path) == ["b", "late"]
    assert not segment.exists()


def test_segment_that_goes_while_it_is_opened_is_made_anew_for_a_late_record(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P2: retention unlinks the segment between its opening and the look at it: the late record stands under that name all the
    same, not in the active file."""
    opening = Once(OPERATIONS.open_existing, SEGMENT)
    log, made = late_by_another(use_clock(monkeypatch), monkeypatch, path, open_existing=opening)
    opening.after = path.with_name(SEGMENT).unlink
    log.write("late", made)
    assert opening.after is None
    assert lines(path.with_name(SEGMENT)) == ["late"]
    assert lines(path) == ["b"]


def test_segment_that_another_makes_at_the_same_time_takes_a_late_record(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P2: each of two processes has the lock, for its file was deleted, and wants to make the segment of a period without one."""
    looking, segment = Once(OPERATIONS.names), path.with_name(SEGMENT)
    log, made = late_by_another(use_clock(monkeypatch), monkeypatch, path, names=looking)
    segment.unlink()
    looking.after = lambda: segment.write_text("another's\n")
    log.write("late", made)
    assert looking.after is None
    assert lines(segment) == ["another's", "late"]
    assert lines(path) == ["b"]


def test_segment_that_is_being_sealed_takes_no_late_record(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P1, P2, I6: while a sealer holds the exclusive lock on a segment, late records go to another one of their period."""
    log, made = late_by_another(use_clock(monkeypatch), monkeypatch, path)
    with path.with_name(SEGMENT).open() as sealer:
        fcntl.flock(sealer, fcntl.LOCK_EX)
        log.write("late", made)
        log.write("later", made)
    assert lines(path.with_name(SEGMENT)) == ["a"]
    assert lines(path.with_name(f"{SEGMENT}.1")) == ["late", "later"]
    assert lines(path) == ["b"]


def test_segment_that_is_held_for_a_moment_is_waited_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P2: who only looks whether somebody has the segment is gone at the next try: no second segment is made."""
    clock = use_clock(monkeypatch)
    sleeping = Once(clock.step)
    log, made = late_by_another(clock, monkeypatch, path, sleep=sleeping)
    with path.with_name(SEGMENT).open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        sleeping.after = lambda: fcntl.flock(other, fcntl.LOCK_UN)
        log.write("late", made)
    assert lines(path.with_name(SEGMENT)) == ["a", "late"]
    assert lines(path) == ["b"]


def test_late_record_follows_the_last_split_of_its_period(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P2: where a period has several segments, a late record of it goes to the last one."""
    clock = use_clock(monkeypatch)
    with log_at(path, "H") as first:
        first.write("a")
        first.rotate()
        first.write("b")
        made = clock.now()
        clock.wall = 3600 * (clock.wall // 3600 + 1) + 1
        first.write("c")
    log = another(clock, monkeypatch, path)
    log.write("late", made)
    assert lines(path.with_name(SEGMENT)) == ["a"]
    assert lines(path.with_name(f"{SEGMENT}.1")) == ["b", "late"]


def test_late_records_wait_for_a_lock_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P3: with the rotation lock held for ever one late record waits `lock_timeout`, and no later one waits again; the lock is
    tried once a second, not with every late record."""
    clock = use_clock(monkeypatch)
    trying = Once(OPERATIONS.open_lock)
    log, made = late_by_another(clock, monkeypatch, path, open_lock=trying)
    log.write("c")
    with open(f"{path}.lock") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        before = clock.steady
        for number in range(3):
            log.write(f"late-{number}", made)
            clock.step(1.5)
        assert clock.steady - before - 3 * 1.5 == pytest.approx(2.0)
        trying.calls = 0
        clock.step(1.5)
        for number in range(20):
            log.write(f"later-{number}", made)
        assert trying.calls <= 2
    assert log.stats().lock_timeouts == 1
    assert [line for line in lines(path) if line.startswith("late")] == [
        *(f"late-{number}" for number in range(3)),
        *(f"later-{number}" for number in range(20)),
    ]


def test_kept_segment_is_not_written_past_its_grace(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P2: the grace ends between two looks: the descriptor that is still open takes no late record any more."""
    clock = use_clock(monkeypatch)
    log = log_at(path, "H")
    log.write("a")
    made = clock.now()
    end = 3600 * (clock.wall // 3600 + 1)
    for moment in (end + 1, end + 9.5):
        clock.wall = moment
        log.write("b")
    clock.step(0.7)
    log.write("late", made)
    assert lines(path.with_name(SEGMENT)) == ["a"]
    assert lines(path) == ["b", "b", "late"]


def test_kept_segment_is_closed_after_its_grace(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P2: after the grace no descriptor leads to the segment, so that a sealer can have it."""
    clock = use_clock(monkeypatch)
    log = log_at(path, "H")
    log.write("a")
    clock.step(3600)
    log.write("b")
    assert taken(path.with_name(SEGMENT))
    clock.step(3600)
    log.write("c")
    assert not taken(path.with_name(SEGMENT))


# the clock, the state record


def test_name_is_looked_at_after_the_clock_was_set_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P1: a clock that was set back within a period does not put off the next look at the log's name."""
    clock = use_clock(monkeypatch)
    log = log_at(path, "D")
    log.write("a")
    os.rename(path, path.with_name("moved"))
    clock.wall -= 3600
    log.write("b")
    assert lines(path) == ["b"]


def test_record_of_a_file_that_was_set_back_within_its_period_is_written_anew(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I4: the state record gets the file's older time, so that it can be believed again, and keeps who chose the period."""
    clock = use_clock(monkeypatch)
    with log_at(path, "H") as first:
        first.write("a")
    before = path.with_name("app.log.lock").read_text().split()
    os.utime(path, (clock.now(), clock.now()))
    with log_at(path, "M", interval=60) as second:
        second.write("b")
        assert lines(path) == ["a", "b"]
    after = path.with_name("app.log.lock").read_text().split()
    assert int(after[4]) == int(clock.now() * 1e9) < int(before[4])
    assert (after[2:4], after[5:8]) == (before[2:4], before[5:8])


# re-entrancy: a hook or a signal handler that uses the handler in the middle of its slow path


@pytest.mark.parametrize("what", ["doRollover", "flush", "close", "_open"])
def test_namer_that_uses_its_handler_does_not_rotate_twice(path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """P1, P5: rollover, flush, close and open inside a rotation neither begin another one nor let its lock go; a `close` is done
    when the rotation is over."""
    held: list[bool] = []

    def namer(default: str) -> str:
        if not held:
            getattr(handler, what)()
            held.append(taken(path.with_name("app.log.lock")))
        return default

    writing = Switch(OPERATIONS.write)
    clock = use_clock(monkeypatch, write=writing)
    log_at(path, "H").close()
    handler = handler_at(path, "H", delay=what == "_open")
    handler.namer = namer
    if what != "_open":
        handler.handleError = lambda _record: None  # type: ignore[method-assign]
        handler.emit(record("a", clock.now()))
        writing.on = True
        handler.emit(record("b", clock.now()))
        writing.on = False
    else:
        path.write_text("a\nb\n")
    os.utime(path, (clock.now(), clock.now()))
    clock.step(3600)
    handler.emit(record("c", clock.now()))
    assert (handler.stream is None) == (what == "close")
    assert held == [True]
    assert segments(path.parent) == ["app.log", SEGMENT]
    assert sorted(all_lines(path.parent)) == ["a", "b", "c"]


def test_record_of_a_namer_goes_to_the_new_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P2: a record that is made while the log is rotated belongs to the new period; it is kept whatever `spill_bytes` is."""

    def namer(default: str) -> str:
        if not done:
            done.append(default)
            handler.emit(record("namer", clock.now()))
        return default

    done: list[str] = []
    clock = use_clock(monkeypatch)
    handler = handler_at(path, "H", spill_bytes=0)
    handler.namer = namer
    handler.emit(record("a", clock.now()))
    clock.step(3600)
    handler.emit(record("b", clock.now()))
    assert lines(path.with_name(SEGMENT)) == ["a"]
    assert sorted(lines(path)) == ["b", "namer"]
    assert handler.stats().lost == 0


@pytest.mark.parametrize("waiting", [False, True])
def test_record_of_a_signal_handler_is_written_at_once(path: Path, monkeypatch: pytest.MonkeyPatch, waiting: bool) -> None:
    """P1: a record that is made in the middle of a look at the log is in the file when its call returns, unless older ones wait
    for the disk: then it stands behind them."""
    seen: list[list[str]] = []
    armed: list[bool] = []

    def stat_path(name: str) -> Any:
        if armed:
            armed.clear()
            log.write("signal")
            seen.append(lines(path))
        return OPERATIONS.stat_path(name)

    writing = Switch(OPERATIONS.write)
    clock = use_clock(monkeypatch, stat_path=stat_path, write=writing)
    log = log_at(path, "H")
    log.write("a")
    writing.on = waiting
    log.write("b")
    writing.on = False
    clock.step(3)
    armed.append(True)
    log.write("c")
    assert seen == [["a"] if waiting else ["a", "b", "signal"]]
    assert lines(path) == ["a", "b", "signal", "c"] or lines(path) == ["a", "b", "c", "signal"]


def test_record_that_comes_at_the_end_of_the_slow_path_is_not_left_waiting(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P1: a signal handler that logs after the last look at what waits: the record is in the file when the outer call returns."""
    use_clock(monkeypatch)
    log = log_at(path, "H", late_grace=0)
    open_window = log._writer._open_window
    done: list[str] = []

    def interrupted() -> None:
        if not done:
            done.append("signal")
            log.write("signal")
        open_window()

    monkeypatch.setattr(log._writer, "_open_window", interrupted)
    log.write("a")
    assert lines(path) == ["a", "signal"]


def test_record_that_is_written_anew_keeps_who_chose_the_period(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P5: a process of another schedule goes by the recorded period, and writes the record anew because the file was set back
    under it: the period is still the first one's, whose schedule is nobody's mistake afterwards."""
    clock = use_clock(monkeypatch)
    with log_at(path, "H") as first:
        first.write("a")
    before = path.with_name("app.log.lock").read_text().split()
    second = log_at(path, "M")
    os.utime(path, (clock.now(), clock.now()))
    second._writer.after_fork_in_parent()  # it opens the log anew, under the lock
    second.write("b")
    after = path.with_name("app.log.lock").read_text().split()
    assert int(after[4]) < int(before[4])
    assert after[5:8] == before[5:8]
    log_at(path, "H", on_error=reported.append).write("c")
    assert reported == []
    log_at(path, "M", on_error=reported.append)
    assert [type(error).__name__ for error in reported] == ["ScheduleMismatch"]
    assert lines(path) == ["a", "b", "c"]


# the lock file


def test_lock_that_a_signal_handler_left_held_is_let_go_at_the_next_look(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P3: an exception comes just before the release after a late record: whoever logs lets the lock go within a second, though
    nothing but a look is due; the others do not wait for the next boundary."""
    interrupted: list[int] = []

    def unlock(fd: int) -> None:
        if armed and not interrupted:
            interrupted.append(fd)
            raise KeyboardInterrupt
        OPERATIONS.unlock(fd)

    armed = False
    clock = use_clock(monkeypatch)
    log, made = late_by_another(clock, monkeypatch, path, unlock=unlock)
    log.write("c")
    armed = True
    with pytest.raises(KeyboardInterrupt):
        log.write("late", made)
    assert interrupted
    assert taken(path.with_name("app.log.lock"))
    clock.step(1.5)
    log.write("d")
    assert not taken(path.with_name("app.log.lock"))


def test_deleted_lock_file_is_back_with_the_state_at_the_next_look(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """I4: a deletion takes the state record with it: a process that logs writes it anew within a second, not at the boundary."""
    clock = use_clock(monkeypatch)
    log = log_at(path, "D")
    log.write("a")
    clock.step(2)
    log.write("b")
    before = path.with_name("app.log.lock").read_text().split()
    os.unlink(f"{path}.lock")
    clock.step(2)
    log.write("c")
    after = path.with_name("app.log.lock").read_text().split()
    assert (after[:4], after[5:8]) == (before[:4], before[5:8])


def test_busy_lock_is_tried_once_a_second(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P3: records that are written while the lock cannot be had do not ask for it one by one."""
    clock = use_clock(monkeypatch)
    trying = Once(OPERATIONS.open_lock)
    log = another(clock, monkeypatch, path, open_lock=trying)
    log.write("a")
    with open(f"{path}.lock") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        clock.step(3600)
        log.write("b")
        for _ in range(3):
            trying.calls = 0
            for _ in range(20):
                log.write("c")
            assert trying.calls <= 1
            clock.step(1.5)


def test_file_that_could_not_be_rotated_is_not_written_to_an_hour_later(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P2: the lock was busy at a boundary, and a record went to the old file. Then the clock is set back by an hour, and an hour
    later shows the same time again: the next record looks anew, and does not go to what is a segment by now."""
    clock = use_clock(monkeypatch)
    first, second = log_at(path, "H", lock_timeout=0.5), log_at(path, "H")
    first.write("a")
    clock.wall = 3600 * (clock.wall // 3600 + 1)
    with open(f"{path}.lock") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        first.write("could not be rotated")
    clock.step(2)
    second.write("b")
    clock.wall -= 3602
    clock.step(3600)
    first.write("c")
    assert lines(path) == ["b", "c"]


@pytest.mark.parametrize("broken", ["read_at", "write_at"])
def test_period_that_could_not_be_written_down_is_what_another_wrote(
    path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """P2: a process makes the log of a new hour, and cannot write that down, or does not, for it cannot read what stands there.
    The clock is set back, and the next one takes the empty log for one of the hour that is then, and writes that down: that
    counts for both."""

    def set_back() -> None:
        fails.clear()
        clock.wall -= 3600
        second.write("in the hour before")

    def entry(*arguments: Any) -> Any:
        if fails:
            raise OSError(errno.EIO, "made to fail")
        return getattr(OPERATIONS, broken)(*arguments)

    fails: list[bool] = []
    unlocking = Once(OPERATIONS.unlock)
    clock = use_clock(monkeypatch)
    second = log_at(path, "H")
    first = another(clock, monkeypatch, path, unlock=unlocking, **{broken: entry})
    first.write("a")
    clock.step(3600)
    fails.append(True)
    unlocking.after = set_back
    first.write("b")
    first.write("again in the hour before")
    assert lines(path) == ["in the hour before", "b", "again in the hour before"]
    assert segments(path.parent) == ["app.log", SEGMENT]


def test_period_that_could_not_be_written_down_is_looked_up_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P2: a process makes the log of a new hour and cannot write that down; the clock is set back, and another one takes the
    empty log for one of the hour that is then. When the hour comes again, the first one closes it as that."""
    clock = use_clock(monkeypatch)
    second = log_at(path, "H")
    first = another(clock, monkeypatch, path, write_at=failing(errno.EIO))
    first.write("a")
    clock.step(3600)
    first.rotate()
    clock.wall -= 3600
    second.write("in the hour before")
    clock.step(3602)
    first.write("b")
    assert lines(path) == ["b"]
    assert lines(path.with_name(f"{SEGMENT}.1")) == ["in the hour before"]


def test_record_of_a_removed_log_does_not_count_for_a_new_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P2: the state record is of a removed log, in whose place somebody has put another file. The next log gets the inode of the
    removed one, and its period cannot be written down: what stands there is of the other log still."""
    writing = Once(OPERATIONS.write_at)
    clock = use_clock(monkeypatch, write_at=writing)
    first = log_at(path, "H")
    first.write("a")
    first.close()
    removed = path.stat().st_ino
    path.with_name("theirs").write_text("theirs\n")
    os.utime(path.with_name("theirs"), (clock.wall - 7200,) * 2)
    path.unlink()
    os.rename(path.with_name("theirs"), path)
    clock.step(3600)
    log = log_at(path, "H", delay=True)
    failures = iter(range(2))  # of what clears the old record, and of what writes the new one

    def fail(fd: int, data: bytes, offset: int) -> int:
        if next(failures, None) is not None:
            raise OSError(errno.EIO, "made to fail")
        return OPERATIONS.write_at(fd, data, offset)

    writing.entry = fail
    log.write("b")
    if path.stat().st_ino != removed:
        pytest.skip("this file system does not use the number of a deleted file at once")
    log.write("c")
    log.rotate()
    log.write("d")
    assert segments(path.parent) == ["app.log", "app.log.2026-03-04_08", "app.log.2026-03-04_11"]
    assert lines(path.with_name("app.log.2026-03-04_11")) == ["b", "c"]


def test_record_of_a_removed_log_is_cleared_before_a_new_one_is_there(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P2: the log is removed, and the new one gets its inode. Its period cannot be written down: the next process, which has not
    seen the new log, does not take it for the removed one."""
    clock = use_clock(monkeypatch)
    clock.wall = 3600 * (time.time() // 3600) + 600

    def write_at(fd: int, data: bytes, offset: int) -> int:
        if b"mpfhandler-state" in data:  # the old record can be cleared
            raise OSError(errno.EIO, "made to fail")
        return OPERATIONS.write_at(fd, data, offset)

    removed: list[int] = []
    with log_at(path, "H") as first:
        first.write("a")
    removed.append(path.stat().st_ino)
    path.unlink()
    clock.step(3600)
    with another(clock, monkeypatch, path, write_at=write_at) as maker:
        maker.write("b")
    if path.stat().st_ino not in removed:
        pytest.skip("this file system does not use the number of a deleted file at once")
    os.utime(path, (clock.wall, clock.wall))
    with log_at(path, "H") as second:
        second.write("c")
    assert lines(path) == ["b", "c"]
    assert segments(path.parent) == ["app.log"]


@pytest.mark.parametrize("later", [7200, 0], ids=["of no present period", "of the very second of the look"])
def test_look_is_old_by_either_clock(path: Path, monkeypatch: pytest.MonkeyPatch, later: int) -> None:
    """P2: half a minute after a process has looked at the log, which was closed meanwhile, the clock is set back by as much: a
    record goes to what is the log now. The clock that nobody sets tells how old the look is."""
    clock = use_clock(monkeypatch)
    first, second = handler_at(path, "H"), log_at(path, "H")
    first.handle(record("a", created=clock.wall))
    clock.step(30)
    second.write("b")
    second.rotate()
    clock.wall -= 30
    first.handle(record("c", created=clock.wall + later))
    assert lines(path) == ["c"]


def test_look_that_took_long_is_done_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P2: a process is stopped in the middle of a look at the log, which is closed meanwhile, and the clock is set back
    to where it was: its next record does not rely on that look."""
    clock = use_clock(monkeypatch)
    second = log_at(path, "H")
    looking = Once(OPERATIONS.stat_path, "app.log")
    first = another(clock, monkeypatch, path, stat_path=looking)

    def stopped() -> None:
        clock.step(30)
        second.write("b")
        second.rotate()
        clock.wall -= 30

    first.write("a")
    clock.step(2)
    looking.after = stopped
    first.write("under way")
    assert looking.after is None
    first.write("c")
    assert lines(path) == ["c"]


def test_file_of_a_period_that_could_not_be_written_down_gets_no_late_record(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P2: a process makes the log of an hour and cannot write that down; another one takes it, empty, for the log of the next
    hour, and closes it. A late record of the hour before goes to that hour's own segment."""
    clock = use_clock(monkeypatch)
    second = log_at(path, "H")
    second.write("a")
    first = another(clock, monkeypatch, path, write_at=failing(errno.EIO))
    clock.step(3600)
    first.rotate()
    clock.step(2403)  # three seconds after the hour
    second.write("b")
    second.rotate()
    second.write("c")
    first.write("d")
    first.write("late", clock.now() - 4)
    assert lines(path.with_name("app.log.2026-03-04_11")) == ["late"]
    assert lines(path.with_name("app.log.2026-03-04_12")) == ["b"]
    assert lines(path) == ["c", "d"]


def test_rotation_that_begins_anew_does_not_wait_anew(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P3: the lock is had after most of `lock_timeout`, the log is replaced before it can be renamed, and by then the lock is
    busy again: the call waits for what is left of its time."""

    def sleep(seconds: float) -> None:
        clock.step(seconds)
        waits.append(seconds)
        if sum(waits) >= 1.5 and not renewed:
            fcntl.flock(other, fcntl.LOCK_UN)

    def names(folder: str) -> list[str]:
        if waits and not renewed:
            replace_log(path, "theirs\n", clock.now())
            unlocking.after = lambda: renewed.append(fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB))
        return OPERATIONS.names(folder)

    waits: list[float] = []
    renewed: list[object] = []
    unlocking = Once(OPERATIONS.unlock)
    clock = use_clock(monkeypatch)
    log = another(clock, monkeypatch, path, sleep=sleep, names=names, unlock=unlocking)
    log.write("a")
    clock.step(3600)
    with open(f"{path}.lock") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        log.write("b")
    assert len(renewed) == 1
    assert sum(waits) == pytest.approx(2.0)
    assert lines(path) == ["theirs", "b"]


def test_rename_does_not_wait_for_ever_for_a_stopped_writer(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P3: with `late_grace=0` a writer that was stopped between its look and its write does not hold up a rotation."""
    clock = use_clock(monkeypatch)
    log = log_at(path, "H", late_grace=0, lock_timeout=2)
    log.write("a")
    with path.open() as stopped:
        fcntl.flock(stopped, fcntl.LOCK_SH)
        before = clock.steady
        assert log.rotate()
        assert clock.steady - before < 0.1
    log.write("b")
    assert lines(path) == ["b"]


def test_side_descriptor_that_somebody_closed_is_opened_anew(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P1, I6: a program that closes the second descriptor alone takes the guard and the lease away for a second at most."""
    clock = use_clock(monkeypatch)
    log = log_at(path, "D")
    log.write("a")
    os.close(log._writer.segment._side)  # type: ignore[union-attr, arg-type]
    assert not taken(path)
    clock.step(2)
    log.write("b")
    assert taken(path)
    with path.open("ab") as stump:
        stump.write(b"s" * (4096 - 4))
    log.write("c")
    assert lines(path)[-1] == "c"
    assert log.stats().repaired == 1


def test_kept_segment_that_somebody_closed_is_opened_anew(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P1, P2: a daemon closes the descriptors of the closed segment alone: the late record is there once, in its own period."""
    clock = use_clock(monkeypatch)
    log = log_at(path, "H", late_grace=7200)
    log.write("a")
    before, made = log._writer.segment, clock.now()
    clock.step(3600)
    log.write("b")
    assert before is not None
    os.close(before.fileno())
    log.write("late", made)
    assert lines(path.with_name(SEGMENT)) == ["a", "late"]
    assert lines(path) == ["b"]


def test_stream_that_fails_once_is_not_opened_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """P1: a write that says that the descriptor is closed, where it is not: it is tried again on the same one."""
    switch = Switch(OPERATIONS.write_stream, errno.EBADF)
    use_clock(monkeypatch, write_stream=switch, seek=OPERATIONS.seek)
    log = log_at(Path(os.devnull), "H")
    log.write("a")
    before = log._writer.segment
    fail = switch.fail

    def once(*arguments: Any) -> Any:
        switch.on = False
        return fail(*arguments)

    switch.fail, switch.on = once, True
    log.write("b")
    assert log._writer.segment is before
    assert (log.stats().records, log.stats().spilled) == (2, 0)


def test_late_record_under_a_namer_that_names_a_foreign_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P4: where the namer's name for the period is somebody's file, which does not read as a segment, a late record goes to the
    active file."""
    clock = use_clock(monkeypatch)
    foreign = path.with_name("theirs")
    foreign.write_text("theirs\n")
    names = iter(range(1000))
    handler = handler_at(path, "H", late_grace=7200)
    handler.namer = lambda default: str(foreign) if next(names) < 2 else default
    handler.emit(record("a", clock.now()))
    handler.emit(record("late", clock.now() - 3600))
    assert foreign.read_text() == "theirs\n"
    assert sorted(line for line in all_lines(path.parent)) == ["a", "late"]


def test_follower_of_a_rotation_takes_no_lock(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """R0, P3: at a boundary one process rotates under the lock, and the others follow without it, also while it is held."""
    clock = use_clock(monkeypatch)
    first = log_at(path, "H")
    trying = Once(OPERATIONS.open_lock)
    second = another(clock, monkeypatch, path, open_lock=trying)
    second.write("a")
    clock.step(3600)
    first.write("b")
    trying.calls = 0
    with open(f"{path}.lock") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        second.write("c")
    assert lines(path) == ["b", "c"]
    assert trying.calls == 0


def test_idle_writer_without_grace_holds_up_no_rotation(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P3: with `late_grace=0` a writer holds its lock on the file for the time of a write only."""
    clock = use_clock(monkeypatch)
    first, second = log_at(path, "H", late_grace=0), log_at(path, "H", late_grace=0)
    first.write("a")
    before = clock.steady
    assert second.rotate()
    assert clock.steady == before


def test_inherited_descriptor_that_stays_in_use_has_a_lease(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """I6: a child that may not open the log goes on through the parent's descriptor, and a sealer sees it."""
    opening = [Switch(entry) for entry in (OPERATIONS.open_existing, OPERATIONS.open_append)]
    use_clock(monkeypatch, open_existing=opening[0], open_append=opening[1])
    log = log_at(path, "D")
    log.write("a")
    log._writer.after_fork_in_child()
    assert not taken(path)
    for one in opening:
        one.on = True
    log.write("b")
    assert lines(path) == ["a", "b"]
    assert taken(path)


# forks, without forking: what the hooks leave


@pytest.mark.parametrize("side", ["parent", "child"])
@pytest.mark.parametrize("trouble", ["none", "no state", "no state, busy lock"])
def test_shared_position_is_given_up_at_the_next_record(
    path: Path, monkeypatch: pytest.MonkeyPatch, side: str, trouble: str
) -> None:
    """P1: after a fork both sides open the log anew, whether there is a state record to follow or a lock to be had."""
    use_clock(monkeypatch)
    log = log_at(path, "D")
    log.write("a")
    with open(f"{path}.lock", "r+") as other:
        if "no state" in trouble:
            other.truncate(0)
        if "busy" in trouble:
            fcntl.flock(other, fcntl.LOCK_EX)
        before = log.fileno()
        getattr(log._writer, f"after_fork_in_{side}")()
        log.write("b")
        assert log.fileno() != before
    assert lines(path) == ["a", "b"]


def test_child_does_not_wait_for_what_failed_in_the_parent(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P2: the parent's pause after a lock that was busy is not the child's."""
    clock = use_clock(monkeypatch)
    log = log_at(path, "H")
    log.write("a")
    clock.step(3600)
    with open(f"{path}.lock") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        log.write("b")
    log._writer.after_fork_in_child()
    log.write("c")
    assert lines(path) == ["c"]


def test_shared_descriptor_is_not_kept_for_late_records(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P1, P2: a late record of a segment that was open over a fork goes there by a descriptor of its own."""
    opening = Once(OPERATIONS.open_existing, SEGMENT)
    clock = use_clock(monkeypatch, open_existing=opening)
    log = log_at(path, "H")
    log.write("a")
    made = clock.now()
    log._writer.after_fork_in_parent()
    clock.wall = 3600 * (clock.wall // 3600 + 1) + 1
    log.write("b")
    log.write("late", made)
    assert lines(path.with_name(SEGMENT)) == ["a", "late"]
    assert opening.calls == 1


# the next period, or somebody else, comes between two steps of a rotation


def end_of_period(clock: Clock) -> float:
    """Half a second before it; the moment."""
    clock.wall = 3600 * (clock.wall // 3600 + 1) - 0.5
    clock.steady += 5
    return clock.now()


def test_what_was_seen_before_the_lock_does_not_count(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """I1: while a process waits for the lock, its holder rotates: what was the active file before the wait is a segment now."""
    clock = use_clock(monkeypatch)
    first = log_at(path, "H")
    waiting = Once(clock.step)
    second = another(clock, monkeypatch, path, sleep=waiting)
    second.write("a")
    lock = path.with_name("app.log.lock")
    lock.unlink()
    with lock.open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        def holder() -> None:
            fcntl.flock(other, fcntl.LOCK_UN)
            first.rotate()

        waiting.before = holder
        clock.step(2)
        second.write("b")
    assert waiting.before is None
    assert lines(path.with_name(SEGMENT)) == ["a"]
    assert lines(path) == ["b"]
    assert int(lock.read_text().split()[3]) == path.stat().st_ino


def test_log_that_somebody_else_has_just_created_is_looked_at_anew(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """R5, P2: a process is stopped after its rename; another one, under a new lock file, creates the log, and its period
    ends, too: the stopped one does not take that file for its own."""
    clock = use_clock(monkeypatch)
    first = log_at(path, "H")
    creating = Once(OPERATIONS.open_new, "app.log")
    second = another(clock, monkeypatch, path, open_new=creating)
    second.write("a")

    def meanwhile() -> None:
        path.with_name("app.log.lock").unlink()
        clock.step(3600)
        first.write("b")
        clock.step(3600)

    creating.before = meanwhile
    second.rotate()
    assert creating.before is None
    second.write("c")
    assert [lines(path.with_name(f"app.log.2026-03-04_{hour}")) for hour in (10, 11)] == [["a"], ["b"]]
    assert lines(path) == ["c"]


def test_period_that_ends_before_the_log_is_created_is_not_its_period(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """R5, P2: a process is stopped between its decision and its new file, until the next period: the file belongs to that one,
    as everybody else sees it, and the record that it stopped at does not."""
    clock = use_clock(monkeypatch)
    creating = Once(OPERATIONS.open_new, "app.log")
    use(monkeypatch, **clock.entries(), open_new=creating)
    first = log_at(path, "H", max_bytes=2)
    made = end_of_period(clock)
    first.write("a", made)
    use(monkeypatch, **clock.entries())

    def somebody_else() -> None:
        path.with_name("app.log.lock").unlink()
        log_at(path, "H").write("new")

    creating.before, creating.after = lambda: clock.step(1), somebody_else
    first.write("old", made)
    assert creating.after is None
    assert lines(path) == ["new"]
    assert lines(path.with_name(SEGMENT)) == ["a", "old"]


def test_new_log_that_somebody_has_taken_for_the_period_before_is_not_written_to(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R5, P2: a process is stopped after it has created the log, and the lock file is deleted: another one opens the new log
    while its first period lasts. Who goes on in the next period does not take it for that one's."""
    clock = use_clock(monkeypatch)
    creating = Once(OPERATIONS.open_new, "app.log")
    first = another(clock, monkeypatch, path, open_new=creating)
    made = end_of_period(clock)
    first.write("a", made)
    others: list[TimedLogFile] = []

    def meanwhile() -> None:
        path.with_name("app.log.lock").unlink()
        others.append(another(clock, monkeypatch, path))
        clock.step(3)

    creating.after = meanwhile
    first.rotate()
    assert creating.after is None
    first.write("new")
    others[0].write("old", made)
    assert lines(path) == ["new"]
    assert sorted(all_lines(path.parent)) == ["a", "new", "old"]


def test_new_log_that_somebody_without_the_lock_has_written_to_keeps_its_period(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R5, P2: a process is stopped after it has created the log, and one that does not wait for the lock writes to it before
    the period is over. Who goes on in the next period does not make it that one's log."""
    clock = use_clock(monkeypatch)
    creating = Once(OPERATIONS.open_new, "app.log")
    first = another(clock, monkeypatch, path, open_new=creating)
    made = end_of_period(clock)
    first.write("a", made)
    others: list[TimedLogFile] = []

    def meanwhile() -> None:
        os.utime(path, (made, made))  # by the clock of this test
        use(monkeypatch, **clock.entries())
        others.append(log_at(path, "H", lock_timeout=0.0, on_error=reported.append))
        others[0].write("theirs", made)
        os.utime(path, (made, made))
        clock.step(3)

    creating.after = meanwhile
    first.rotate()
    assert creating.after is None
    first.write("new")
    assert lines(path) == ["new"]
    assert sorted(all_lines(path.parent)) == ["a", "new", "theirs"]


def test_clock_that_is_set_back_while_the_log_is_created_gives_it_no_future_period(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R5, P2: between the decision and the new file somebody sets the clock back by an hour: the file is of the period that is
    then. Else who cannot have the lock writes to it, and finds that filed under a period that has not begun."""
    clock = use_clock(monkeypatch)
    creating = Once(OPERATIONS.open_new, "app.log")
    log = another(clock, monkeypatch, path, open_new=creating)
    log.write("a")
    clock.step(3600)

    def set_back() -> None:
        clock.wall -= 3600

    creating.after = set_back
    log.rotate()
    assert creating.after is None
    state = unpack(path.with_name("app.log.lock").read_bytes())
    assert state is not None
    assert state.period.start <= clock.now() < state.period.end


@pytest.mark.parametrize("content", ["", "somebody's\n"])
def test_new_log_of_a_later_period_has_its_time(path: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    """P2: a process is stopped just after it has made the log, until the next period, which it writes down. Who cannot read that
    goes by the file's last write, so an empty one gets one of that period; what somebody has written tells its own."""
    before = time.time() - 7200

    def earlier() -> None:
        path.write_text(content)
        os.utime(path, (before, before))

    creating = Once(OPERATIONS.open_new, "app.log")
    creating.after = earlier
    use(monkeypatch, open_new=creating)
    log_at(path, "H")
    assert (path.stat().st_mtime > before + 3600) == (not content)


def test_log_whose_time_may_not_be_set_is_written_down(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P2: a worker that has dropped its rights since it opened the log may still have the lock: the others learn from it that the
    empty log is of the present period by now, and do not name its records for an earlier one."""

    def refuse(_fd: int) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    before, errors = time.time() - 7200, list[Exception]()
    creating = Once(OPERATIONS.open_new, "app.log")
    creating.after = lambda: os.utime(path, (before, before))
    use(monkeypatch, open_new=creating, touch=refuse)
    TimedLogFile(path, "H", on_error=errors.append).close()
    state = unpack(path.with_name("app.log.lock").read_bytes())
    assert errors == []
    assert state is not None
    assert state.period.start <= time.time() < state.period.end


def test_log_that_is_rotated_while_it_is_opened_without_the_lock(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P2, P3: a process without a file, and without the lock, opens the log just when its holder rotates: the new file is not
    taken for the one of the old period."""
    clock = use_clock(monkeypatch)
    first = log_at(path, "H", lock_timeout=0)
    first.write("a")
    opening = Once(OPERATIONS.open_append, "app.log")

    def open_existing(name: str) -> int:
        return failing(errno.EACCES)(name) if name == str(path) else OPERATIONS.open_existing(name)

    use(monkeypatch, **clock.entries(), open_append=opening, open_existing=open_existing)
    second = log_at(path, "H", delay=True, lock_timeout=0)
    made = end_of_period(clock)
    with open(f"{path}.lock") as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        def next_period() -> None:
            fcntl.flock(other, fcntl.LOCK_UN)
            clock.step(1)
            first.write("new")

        opening.before = next_period
        second.write("old", made)
    assert opening.before is None
    assert lines(path) == ["new"]
    assert lines(path.with_name(SEGMENT)) == ["a", "old"]


def test_record_of_a_removed_log_says_nothing_about_the_one_that_gets_its_inode(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R6, P2: the log is removed, and the new one gets its inode; then not even the failure to write a new state record leaves
    the old one to be believed."""
    same: dict[int, int] = {}  # what a file system does that gives the number of a removed file to the next one

    def seen(found: FileStat) -> FileStat:
        return replace(found, id=FileId(found.id.device, same.get(found.id.inode, found.id.inode)))

    def write_at(fd: int, data: bytes, offset: int) -> int:
        if full and data.startswith(b"mpfhandler-state"):
            raise OSError(errno.EIO, "made to fail")
        return OPERATIONS.write_at(fd, data, offset)

    full = False
    clock = use_clock(
        monkeypatch,
        stat_path=lambda name: seen(OPERATIONS.stat_path(name)),
        stat_fd=lambda fd: seen(OPERATIONS.stat_fd(fd)),
        open_new=(creating := Once(OPERATIONS.open_new, "app.log")),
        write_at=write_at,
    )
    clock.wall = time.time() - 3600  # the file's own time is of the second period, and tells it
    with log_at(path, "H") as first:
        first.write("gone")
    inode = path.stat().st_ino
    path.unlink()
    clock.step(3600)
    full = True
    creating.after = lambda: same.update({path.stat().st_ino: inode})
    second = log_at(path, "H")
    second.write("b")
    full = False
    log_at(path, "H").write("c")
    assert lines(path) == ["b", "c"]


def test_memory_of_a_lost_descriptor_is_not_that_of_its_inode(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P2: a daemon closes the descriptors, the log is removed, another process makes the next period's, which gets the inode that
    is free now, and the lock file is deleted: the file's own time tells its period, not what was known of the removed one."""
    same: dict[int, int] = {}  # what a file system does that gives the number of a removed file to the next one

    def seen(found: FileStat) -> FileStat:
        return replace(found, id=FileId(found.id.device, same.get(found.id.inode, found.id.inode)))

    entries = {
        "stat_path": lambda name: seen(OPERATIONS.stat_path(name)),
        "stat_fd": lambda fd: seen(OPERATIONS.stat_fd(fd)),
    }
    clock = use_clock(monkeypatch)
    log = another(clock, monkeypatch, path, **entries)
    log.write("gone")
    inode = path.stat().st_ino
    path.unlink()
    clock.step(3600)
    log_at(path, "H").write("b")
    os.utime(path, (clock.now(), clock.now()))
    same[path.stat().st_ino] = inode
    segment = log._writer.segment
    for number in (segment._fd, segment._side):  # type: ignore[union-attr]
        os.close(number)  # type: ignore[arg-type]
    path.with_name("app.log.lock").unlink()
    log.write("c")
    assert lines(path) == ["b", "c"]
    assert segments(path.parent) == ["app.log"]


def test_record_waits_rather_than_go_to_a_file_without_a_name(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P1: the log was removed and cannot be created: the open descriptor would take records that nobody could ever read."""
    switches = [Switch(entry) for entry in (OPERATIONS.open_new, OPERATIONS.open_append)]
    clock = use_clock(monkeypatch, open_new=switches[0], open_append=switches[1])
    log = log_at(path, "H")
    log.write("gone")
    path.unlink()
    for switch in switches:
        switch.on = True
    clock.step(2)
    log.write("b")
    assert log.stats().spilled == 1
    for switch in switches:
        switch.on = False
    clock.step(120)
    log.write("c")
    assert lines(path) == ["b", "c"]


def test_fork_that_no_hook_told_of_is_noticed_by_the_engine(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P1: where the number of the process has changed, files are opened anew, counters start anew, and what waits is left to the
    parent."""
    pids = [OPERATIONS.pid()]
    switch = Switch(OPERATIONS.write)
    clock = use_clock(monkeypatch, pid=lambda: pids[-1], write=switch)
    log = log_at(path, "H")
    log.write("a")
    switch.on = True
    log.write("of the parent")
    switch.on = False
    pids.append(pids[0] + 1)
    clock.step(5)
    log.write("of the child")
    assert lines(path) == ["a", "of the child"]
    assert log.stats().records == 1


def test_engine_that_is_at_it_is_left_alone_from_outside(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call of before a fork goes on under the lock of before it, so the new lock does not keep the background thread out: that
    sees that the engine is at something, closes nothing and writes nothing; a failing write waits for the outer call."""
    switch = Switch(OPERATIONS.write)
    clock = use_clock(monkeypatch, write=switch)
    log = log_at(path, "H", late_grace=7200, on_error=reported.append)
    log.write("a")
    clock.step(3600)
    log.write("b")
    writer = log._writer
    writer._busy = True
    writer._background.let_go({kept.file for kept in writer._active._late._open})
    assert len(writer._active._late._open) == 1
    switch.on = True
    log.write("c")
    assert (log.stats().spilled, reported) == (1, [])
    switch.on = False
    writer._backlog.retry.clear()
    assert writer._background.write_waiting()
    assert log.stats().spilled == 1
    writer._busy = False
    log.flush()
    assert lines(path) == ["b", "c"]
