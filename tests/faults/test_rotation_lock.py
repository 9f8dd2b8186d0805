"""The rotation lock in other hands: held, stopped, deleted, shared, reached by two names."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pytest
from _disk_support import Clock, Switch, log_at, use, use_clock
from _support import (
    Worker,
    early_in_a_second,
    ended,
    finish,
    make_logger,
    next_second,
    record_names,
    segment_names,
    start,
    start_writers,
    verify,
    wait_for,
    written,
)

from mpfhandler import TimedLogFile
from mpfhandler._platform import OPERATIONS
from mpfhandler._pure.options import Access
from mpfhandler._resources.lock import RotationLock

HOLDER = """
    import fcntl, sys
    from _support import *
    lock = open(sys.argv[1], "a+")
    fcntl.flock(lock, fcntl.LOCK_EX)
    say("held")
    sys.stdin.read()
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The path of the log."""
    return tmp_path / "app.log"


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[Event]:
    """Another program that holds the lock until the event is set."""
    child = start(HOLDER, tmp_path / "app.log.lock")
    release = Event()

    def let_go() -> None:
        release.wait()
        assert child.stdin is not None
        child.stdin.close()

    with ended(child):
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        thread = Thread(target=let_go)
        thread.start()
        yield release
        release.set()
        thread.join()


def timed(action, *arguments: object) -> float:
    """How long a call takes (seconds)."""
    before = time.monotonic()
    action(*arguments)
    return time.monotonic() - before


@pytest.mark.slow
def test_a_lock_that_is_never_released_stalls_a_process_once(log: Path, holder: Event) -> None:
    """P3: with the lock held for ever one call of a process waits `lock_timeout`, no other one does, all write."""
    with Worker("a", log, lock_timeout=1.0, delay=True) as worker:
        begin = time.monotonic()
        calls = [timed(worker.log)]
        while time.monotonic() < begin + 4.5:  # several boundaries, several tries at the lock
            calls.append(timed(worker.log))
        stalls = [seconds for seconds in calls if seconds >= 0.9]
        assert len(stalls) == 1, stalls
        assert 0.95 <= calls[0] < 4, calls[0]
        assert worker.ask("handler.stats().lock_timeouts") == 1
        assert segment_names(log.parent) == []
        verify(log.parent, worker.names())


def test_a_held_lock_is_reported_once(log: Path, holder: Event) -> None:
    """P5: the lock that cannot be had is reported through handleError once, and names the lock file."""
    with Worker("a", log, lock_timeout=0.1, delay=True) as worker:
        for _ in range(3):
            next_second()
            worker.log()
        errors = worker.ask("errors")
        assert len(errors) == 1
        assert f"{log}.lock" in errors[0]


def test_the_rotation_follows_when_the_lock_is_free_again(log: Path, holder: Event) -> None:
    """P3, I7: what was logged without the lock stays in the file in hand; once the lock is free the log is rotated."""
    with Worker("a", log, lock_timeout=0.1, delay=True) as worker:
        worker.log(3)
        next_second()
        worker.log(3)
        assert segment_names(log.parent) == []
        holder.set()

        def rotated() -> bool:
            worker.log()
            return bool(segment_names(log.parent))

        wait_for(rotated, "a rotation")
        assert worker.ask("handler.stats().rotations") >= 1
        verify(log.parent, worker.names())


def test_a_constructor_waits_as_long_as_a_call(log: Path, holder: Event) -> None:
    """P3: a constructor meets the same bound, and the records after it do not wait again."""
    before = time.monotonic()
    with TimedLogFile(log, "S", lock_timeout=0.8) as file:
        assert 0.75 <= time.monotonic() - before < 4
        before = time.monotonic()
        for _ in range(2):
            next_second()
            assert timed(file.write, f"{time.time()!r} x") < 0.7
        assert file.stats().lock_timeouts == 1


def test_who_has_followed_a_rotation_waits_for_the_lock_again(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P2, P3: a process that did not get the lock once and then followed another one's rotation waits for its turn at the next
    boundary, instead of going on in the old file for a second."""
    with open(f"{log}.lock", "a") as theirs:
        meanwhile: list[int] = []

        def sleep(seconds: float) -> None:
            clock.step(seconds)
            for operation in meanwhile:
                fcntl.flock(theirs, operation)

        clock = use_clock(monkeypatch, sleep=sleep)
        first, second = log_at(log, "M"), log_at(log, "M")
        first.write("1")
        second.write("2")
        fcntl.flock(theirs, fcntl.LOCK_EX)
        clock.step(60)
        second.write("without the lock")
        fcntl.flock(theirs, fcntl.LOCK_UN)
        clock.step(2)
        first.write("rotated")
        second.write("followed")
        assert log.read_text() == "rotated\nfollowed\n"
        clock.step(60)
        fcntl.flock(theirs, fcntl.LOCK_EX)
        meanwhile.append(fcntl.LOCK_UN)
        second.write("in its turn")
        assert log.read_text() == "in its turn\n"
        assert second.stats().lock_timeouts == 1
        first.close()
        second.close()


STOPS_IN_ROTATION = """
    import os, signal, sys
    from _support import *
    path, moment = sys.argv[1:3]
    stops = 0  # until the test knows of this process

    def rename(source, target):
        global stops
        if stops and moment == "before":
            stops = 0
            os.kill(os.getpid(), signal.SIGSTOP)
        really_rename(source, target)
        if stops and moment == "after":
            stops = 0
            os.kill(os.getpid(), signal.SIGSTOP)

    really_rename = replace_operation("rename_new", rename)
    logger, handler = make_logger(path)
    logger.info("stopped-0")
    say("ready")
    sys.stdin.readline()
    stops = 1
    logger.info("stopped-1")
    say("awake")
    sys.stdin.read()
"""


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_process_stopped_in_the_middle_of_a_rotation_stops_nobody(log: Path, moment: str) -> None:
    """P3, P1, I4: a process that was stopped just before or after its rename holds the lock; the others, also one that
    starts now, wait once and go on, and nothing is lost or doubled when it wakes up."""
    stopped = start(STOPS_IN_ROTATION, log, moment)
    with ended(stopped), Worker("old", log, lock_timeout=0.5) as old:
        assert stopped.stdin is not None
        assert stopped.stdout is not None
        assert stopped.stdout.readline() == "ready\n"
        old.log()
        next_second()
        stopped.stdin.write("go\n")
        stopped.stdin.flush()
        wait_for(lambda: status(stopped.pid) == "T", "the process to stop")
        with Worker("new", log, lock_timeout=0.5) as new:
            for worker in (old, new, old, new):
                assert timed(worker.log, 20) < 5
            os.kill(stopped.pid, signal.SIGCONT)
            assert stopped.stdout.readline() == "awake\n"
            for _ in range(3):
                next_second()
                old.log(3)
                new.log(3)
            finish(stopped)
            expected = old.names() | new.names() | record_names("stopped", 2)
            verify(log.parent, expected)
            assert len(segment_names(log.parent)) >= 2


def status(pid: int) -> str:
    """The state of a process as the kernel tells it; `T` is stopped."""
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0]


def test_portalocker_excludes_our_rotation_and_is_excluded_by_it(log: Path) -> None:
    """P3: a program that locks through portalocker holds our lock, and the other way round."""
    portalocker = pytest.importorskip("portalocker", reason="portalocker is not installed")
    lock = RotationLock(OPERATIONS, f"{log}.lock", Access(), lambda *_: None)
    exclusive = portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING
    with open(f"{log}.lock", "a+") as theirs:
        portalocker.lock(theirs, exclusive)
        assert lock.acquire(0) is None
        portalocker.unlock(theirs)
        ours = lock.acquire(0)
        assert ours is not None
        with pytest.raises(portalocker.LockException):
            portalocker.lock(theirs, exclusive)
        ours.release()
        portalocker.lock(theirs, exclusive)


@pytest.mark.slow
def test_a_lock_file_that_is_deleted_all_the_time_costs_nothing(log: Path) -> None:
    """P1, P2, P4, I2, I3: with the lock file deleted every 50 ms four processes rotate every second, and no record is lost,
    doubled or misfiled."""
    writers = start_writers("abcd", log, 4, pause=0.001)
    with ended(*writers.values()):
        deletions = 0
        while any(child.poll() is None for child in writers.values()):
            try:
                os.unlink(f"{log}.lock")
                deletions += 1
            except FileNotFoundError:
                pass
            time.sleep(0.05)
        verify(log.parent, written(writers), "S")
        assert deletions >= 3
        assert len(segment_names(log.parent)) >= 3


def test_a_lock_file_deleted_under_the_holder_is_noticed(log: Path) -> None:
    """I3: who has locked a file that the name no longer leads to does not have the lock."""
    lock = RotationLock(OPERATIONS, f"{log}.lock", Access(), lambda *_: None)
    first = lock.acquire(0)
    assert first is not None
    assert first.current()
    os.unlink(f"{log}.lock")
    assert not first.current()
    second = RotationLock(OPERATIONS, f"{log}.lock", Access(), lambda *_: None).acquire(0)
    assert second is not None
    assert second.current()
    first.release()
    second.release()


def test_a_lock_taken_just_before_its_deletion_is_not_believed(log: Path) -> None:
    """I3: a process that opened the lock file before it was deleted does not rotate on the strength of the dead file."""

    def late_lock(fd: int, exclusive: bool) -> bool:
        got = OPERATIONS.try_lock(fd, exclusive)
        if os.path.exists(path) and not deleted:
            deleted.append(path)
            os.unlink(path)
        return got

    import dataclasses

    path, deleted = f"{log}.lock", []
    ops = dataclasses.replace(OPERATIONS, try_lock=late_lock)
    held = RotationLock(ops, path, Access(), lambda *_: None).acquire(1)
    assert deleted
    assert held is not None
    assert held.file.inode == os.stat(path).st_ino
    with open(path) as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    held.release()


@pytest.mark.slow
def test_two_logs_of_one_name_share_a_folder_of_locks(tmp_path: Path) -> None:
    """P3: `a/app.log` and `b/app.log` with one `lock_dir` have a lock each: both rotate, and neither waits for the other."""
    locks = tmp_path / "locks"
    logs = [tmp_path / "a" / "app.log", tmp_path / "b" / "app.log"]
    locks.mkdir()
    for log in logs:
        log.parent.mkdir()
    with Worker("a", logs[0], lock_dir=str(locks)) as a, Worker("b", logs[1], lock_dir=str(locks)) as b:
        for _ in range(2):
            early_in_a_second()
            a.log()
            b.log()
            next_second()
        a.log()
        b.log()
        for worker, log in ((a, logs[0]), (b, logs[1])):
            verify(log.parent, worker.names(), "S")
            assert segment_names(log.parent)
            assert not os.path.exists(f"{log}.lock")
        files = sorted(locks.iterdir())
        assert len(files) == 2
        with open(files[0]) as one, open(files[1]) as two:
            fcntl.flock(one, fcntl.LOCK_EX)
            fcntl.flock(two, fcntl.LOCK_EX)  # different files: this would wait for ever otherwise
            fcntl.flock(two, fcntl.LOCK_UN)
            stalled = [worker.ask("handler.doRollover() or handler.stats().lock_timeouts") for worker in (a, b)]
        assert sorted(stalled) == [0, 1]


@pytest.mark.slow
def test_a_symbolic_link_and_its_target_are_one_log(tmp_path: Path) -> None:
    """P1, P2: processes that reach the log by a link and by its path share one lock, and each boundary rotates once."""
    (tmp_path / "real").mkdir()
    (tmp_path / "links").mkdir()
    real, link = tmp_path / "real" / "app.log", tmp_path / "links" / "name.log"
    link.symlink_to(real)
    writers = {**start_writers("ab", real, 3, pause=0.002), **start_writers("cd", link, 3, pause=0.002)}
    with ended(*writers.values()):
        verify(real.parent, written(writers), "S")
    assert [path.name for path in link.parent.iterdir()] == ["name.log"]
    assert link.is_symlink()
    assert [path.name for path in real.parent.iterdir() if path.suffix == ".lock"] == ["app.log.lock"]
    assert len(segment_names(real.parent)) >= 2
    assert not [name for name in segment_names(real.parent) if "." in name], "a boundary was rotated twice"


def test_a_handler_works_where_the_lock_file_was_deleted_for_good(log: Path) -> None:
    """P1: a single deletion of the lock file between two boundaries changes nothing: the next rotation is by the right name."""
    logger, handler = make_logger(log)
    begun = early_in_a_second()
    logger.info("a-0")
    os.unlink(f"{log}.lock")
    next_second()
    logger.info("a-1")
    handler.close()
    verify(log.parent, record_names("a", 2), "S")
    assert time.strftime("%Y-%m-%d_%H-%M-%S", time.localtime(begun)) in segment_names(log.parent)


def test_a_guess_without_the_lock_counts_for_nothing_later(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P2: who had neither lock nor state record guessed the log's period by its last write. As soon as it has the lock the
    record decides, not that guess."""
    lock, read = Switch(OPERATIONS.open_lock, errno.EACCES), Switch(OPERATIONS.open_read, errno.EACCES)
    clock = use_clock(monkeypatch, open_lock=lock, open_read=read)
    log_at(log, "H").write("of ten")
    clock.step(3600)
    os.utime(log, (clock.now(), clock.now()))  # a late record, just after the hour
    lock.on = read.on = True
    guessing = log_at(log, "H")
    guessing.write("of eleven, put somewhere")
    assert segment_names(log.parent) == []
    lock.on = read.on = False
    clock.step(60)
    guessing.write("of eleven")
    assert segment_names(log.parent) == ["2026-03-04_10"]
    assert log.read_text() == "of eleven\n"


@pytest.mark.parametrize("pause", [3600, 2])
def test_guess_beside_another_files_record_counts_for_nothing_later(
    log: Path, monkeypatch: pytest.MonkeyPatch, pause: int
) -> None:
    """P2: a rotator is stopped before it writes the state record of the new log, for over an hour: who opens that log without the
    lock finds the record of the old one, and guesses. As soon as it has the lock, which is at its next look, the record decides,
    not that guess."""

    def open_new(name: str, mode: int) -> int:
        fd = OPERATIONS.open_new(name, mode)
        os.utime(name, (clock.now(), clock.now()))  # the file system has the same clock
        return fd

    def write_at(fd: int, data: bytes, offset: int) -> int:
        if stopped:
            stopped.clear()
            with log_at(log, "H", lock_timeout=0) as other:
                other.write("of eleven, too")
            clock.step(3600)
            os.utime(log, (clock.now(), clock.now()))  # a late record, just after the hour
            guessing.append(log_at(log, "H", lock_timeout=0))
            guessing[0].write("of twelve, put somewhere")
        return OPERATIONS.write_at(fd, data, offset)

    stopped: list[bool] = []
    guessing: list[TimedLogFile] = []
    clock = use_clock(monkeypatch, open_new=open_new, write_at=write_at)
    rotator = log_at(log, "H")
    rotator.write("of ten")
    clock.step(3600)
    stopped.append(True)
    rotator.write("of eleven")
    assert len(guessing) == 1
    clock.step(pause)
    guessing[0].write("of now")
    assert segment_names(log.parent) == ["2026-03-04_10", "2026-03-04_11"]
    assert log.read_text() == "of now\n"


def who_guesses(log: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> tuple[TimedLogFile, Switch, Switch]:
    """A process that has opened the log, and written to it, with neither lock nor record, by a file system whose clock is behind;
    what keeps it from them."""
    os.utime(log, (clock.now() - 3, clock.now() - 3))
    lock, read = Switch(OPERATIONS.open_lock, errno.EACCES), Switch(OPERATIONS.open_read, errno.EACCES)
    use(monkeypatch, **clock.entries(), open_lock=lock, open_read=read)
    lock.on = read.on = True
    guessing = log_at(log, "H")
    guessing.write("of eleven, too")
    return guessing, lock, read


def test_who_never_has_the_lock_learns_a_guessed_period_from_the_record(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P2: the file system's clock is behind, so that a process with neither lock nor record takes the log for the last hour's.
    It may read the record later, but never lock. Then it knows the file's period, and follows the next rotation at once."""

    def open_new(name: str, mode: int) -> int:
        fd = OPERATIONS.open_new(name, mode)
        os.utime(name, (clock.now() - 3, clock.now() - 3))
        return fd

    clock = use_clock(monkeypatch, open_new=open_new)
    clock.wall = 3600 * (clock.wall // 3600 + 1) + 1
    rotator = log_at(log, "H")
    rotator.write("of eleven")
    guessing, _, read = who_guesses(log, clock, monkeypatch)
    read.on = False
    clock.step(3598.5)
    guessing.write("at the end of eleven")
    clock.step(0.6)
    rotator.write("of twelve")
    clock.step(0.1)
    guessing.write("of twelve, too")
    assert log.with_name("app.log.2026-03-04_11").read_text() == "of eleven\nof eleven, too\nat the end of eleven\n"
    assert log.read_text() == "of twelve\nof twelve, too\n"


def test_file_that_is_adopted_under_the_lock_is_known_from_then_on(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P2: a process could not have the lock when it opened the log. Once it had, it knows the file's period as if it had always
    had it: when the record goes with the lock file, and for late records while the lock is busy again."""
    clock = use_clock(monkeypatch)
    lock = log.with_name("app.log.lock")
    with open(lock, "w") as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        file = log_at(log, "H", lock_timeout=0)
    clock.step(2)
    file.write("of ten")
    made = clock.now()
    lock.unlink()
    clock.wall = 3600 * (clock.wall // 3600 + 1) + 1
    os.utime(log, (clock.now(), clock.now()))  # a late record, just after the hour
    file.write("of eleven")
    with open(lock) as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        file.write("late", made)
    assert log.with_name("app.log.2026-03-04_10").read_text() == "of ten\nlate\n"
    assert log.read_text() == "of eleven\n"


def test_file_whose_period_was_guessed_is_not_kept_for_late_records(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P2: the file system's clock is behind, so that a process with neither lock nor record takes the log for the last hour's.
    The log is closed before it can learn better: a late record of that hour goes to that hour's segment, not to this file."""
    clock = use_clock(monkeypatch)
    first = log_at(log, "H")
    clock.wall = 3600 * (clock.wall // 3600 + 1) + 1
    first.write("of eleven")
    guessing, lock, read = who_guesses(log, clock, monkeypatch)
    lock.on = read.on = False
    first.rotate()
    clock.step(2)
    guessing.write("of eleven, split")
    guessing.write("of ten", clock.now() - 4)
    texts = {name: log.with_name(f"app.log.{name}").read_text() for name in segment_names(log.parent)}
    assert texts == {"2026-03-04_10": "of ten\n", "2026-03-04_11": "of eleven\nof eleven, too\n"}
    assert log.read_text() == "of eleven, split\n"
