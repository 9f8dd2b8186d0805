"""`locking="record"`: look, write and flush of each record are under the rotation lock (promises P1, P2, P3, P5)."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from _support import leased

from mpfhandler import TimedLogFile
from mpfhandler._engine import timedlogfile
from mpfhandler._engine.build import build
from mpfhandler._platform import OPERATIONS, Operations

Make = Callable[..., TimedLogFile]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Makes engines of one log, on a table with some entries replaced; closed at the end."""
    made: list[TimedLogFile] = []

    def log(**options: Any) -> TimedLogFile:
        entries = {name: options.pop(name) for name in list(options) if name in Operations.__dataclass_fields__}
        ops = replace(OPERATIONS, **entries)
        monkeypatch.setattr(timedlogfile, "build", lambda *given: build(*given, ops))
        one = TimedLogFile(tmp_path / "app.log", **{"when": "D", "locking": "record", **options})
        made.append(one)
        return one

    yield log
    for one in made:
        one.close()


def lines(folder: Path) -> list[str]:
    """All records, file by file."""
    files = [path for path in sorted(folder.iterdir()) if not path.name.endswith(".lock")]
    return [line for path in files for line in path.read_text().splitlines()]


@pytest.mark.parametrize("late_grace", [0.0, 10.0])
@pytest.mark.parametrize("delivery", ["direct", "buffered"])
def test_look_write_and_flush_are_under_the_lock(tmp_path: Path, make: Make, delivery: str, late_grace: float) -> None:
    """From the look at the log's name to the flush somebody has the rotation lock, and he lets it go afterwards."""
    lock = tmp_path / "app.log.lock"
    steps: list[tuple[str, bool]] = []

    def write(fd: int, data: bytes) -> int:
        steps.append(("write", leased(lock)))
        return OPERATIONS.write(fd, data)

    def fsync(fd: int) -> None:
        steps.append(("fsync", leased(lock)))
        OPERATIONS.fsync(fd)

    def open_read(path: str) -> int:
        if path == str(tmp_path / "app.log") and steps:
            steps.append(("look", leased(lock)))
        return OPERATIONS.open_read(path)

    log = make(write=write, fsync=fsync, open_read=open_read, delivery=delivery, late_grace=late_grace)
    log.write("first")
    log.flush()
    del steps[1:]
    log.write("second")
    log.flush()
    assert steps[0] == ("write", True)
    assert steps[-3:] == [("look", True), ("write", True), ("fsync", True)]
    assert not leased(lock)


def test_buffer_takes_the_lock_once_for_a_write(make: Make, tmp_path: Path) -> None:
    """A hundred records that are written together are one write under one lock."""
    taken: list[str] = []

    def open_lock(path: str, mode: int) -> tuple[int, bool]:
        taken.append(path)
        return OPERATIONS.open_lock(path, mode)

    log = make(open_lock=open_lock, delivery="buffered", flush_interval=60.0)
    log.write("first")
    log.flush()
    del taken[:]
    for number in range(100):
        log.write(f"record {number}")
    log.flush()
    assert len(taken) == 1
    assert len(lines(tmp_path)) == 101


class Follower:
    """A program that follows a name as `tail -F` does: what is in the file it has, and if that has no more, the next one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path.open("rb")
        self.seen: list[bytes] = []

    def look(self) -> None:
        """Once."""
        self.seen += self.file.read().splitlines()
        if os.fstat(self.file.fileno()).st_ino != self.path.stat().st_ino:
            self.file.close()
            self.file = self.path.open("rb")
            self.seen += self.file.read().splitlines()


def followed(tmp_path: Path, make: Make, **options: Any) -> list[bytes]:
    """What a follower has seen of a log that another process tries to rotate while a writer is held up before its write(2)."""
    other = make(lock_timeout=0.2, **options)
    other.write("first")
    follower = Follower(tmp_path / "app.log")
    rotated: list[bool] = []

    def write(fd: int, data: bytes) -> int:
        if data == b"held up\n" and not rotated:
            thread = threading.Thread(target=lambda: rotated.append(other.rotate()))
            thread.start()
            thread.join()
            other.write("second")
            follower.look()
        return OPERATIONS.write(fd, data)

    make(write=write, **options).write("held up")
    other.rotate()
    other.write("third")
    other.flush()
    follower.look()
    follower.file.close()
    assert sorted(lines(tmp_path)) == ["first", "held up", "second", "third"]
    return sorted(follower.seen)


def test_follower_of_the_name_misses_no_record(tmp_path: Path, make: Make) -> None:
    """With `late_grace=0, locking="record"` nobody is between his look and his write while the log is renamed."""
    everything = [b"first", b"held up", b"second", b"third"]
    assert followed(tmp_path, make, late_grace=0.0) == everything


@pytest.mark.parametrize("late_grace", [0.0, 10.0])
def test_follower_can_miss_a_record_without_the_lock(tmp_path: Path, make: Make, late_grace: float) -> None:
    """With `locking="append"` a writer that is held up there writes to the renamed file after a follower has left it: the test
    above can fail."""
    assert b"held up" not in followed(tmp_path, make, locking="append", late_grace=late_grace)


def test_segment_has_its_name_at_once(tmp_path: Path, make: Make) -> None:
    """With `late_grace=0` no hidden name is needed: nobody can be writing to the file that is renamed."""
    log, other = make(late_grace=0.0), make(late_grace=0.0)
    log.write("one")
    other.write("two")
    assert log.rotate()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_record_waits_in_memory_for_the_lock(tmp_path: Path, make: Make) -> None:
    """Whoever has the lock for too long: nothing is written without it or lost, and it is told once; in order afterwards."""
    told: list[Exception] = []
    log = make(lock_timeout=0.05, on_error=told.append)
    log.write("one")
    fd = os.open(tmp_path / "app.log.lock", os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX)
    for text in ("two", "three", "four"):
        log.write(text)
    assert lines(tmp_path) == ["one"]
    assert log.stats().spilled == 3
    assert [type(error) for error in told] == [TimeoutError]
    os.close(fd)
    log.flush()
    log.write("five")
    assert lines(tmp_path) == ["one", "two", "three", "four", "five"]
    assert log.stats().lost == 0


def test_close_waits_for_the_lock_once_more(tmp_path: Path, make: Make) -> None:
    """What waits in memory is written by close() if the lock is had within `lock_timeout`; else its loss is told."""
    told: list[Exception] = []
    log = make(lock_timeout=0.3, on_error=told.append)
    log.write("one")
    fd = os.open(tmp_path / "app.log.lock", os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX)
    log.write("two")
    threading.Timer(0.1, os.close, (fd,)).start()
    log.close()
    assert lines(tmp_path) == ["one", "two"]
    fd = os.open(tmp_path / "app.log.lock", os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX)
    log.write("three")
    log.close()
    os.close(fd)
    assert "1 records could not be written before close()" in str(told[-1])


def test_boundary_without_the_lock(tmp_path: Path, make: Make) -> None:
    """A record whose period has begun waits for the rotation, and does not go to the file of the period before."""
    clock = [1_700_000_000.0]
    log = make(when="S", lock_timeout=0.05, now=lambda: clock[0])
    log.write("one", clock[0])
    fd = os.open(tmp_path / "app.log.lock", os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX)
    clock[0] += 1
    log.write("two", clock[0])
    os.close(fd)
    log.flush()
    assert (tmp_path / "app.log").read_text() == "two\n"


def test_boundary_and_a_lock_that_comes_free_too_late(tmp_path: Path, make: Make) -> None:
    """Had the record the lock that its rotation was refused, it would stand in the file of the period before: it waits for the
    next try, which rotates first."""
    clock, held = [1_700_000_000.0], list[int]()
    log = make(when="S", lock_timeout=0.05, now=lambda: clock[0], on_error=lambda _error: os.close(held.pop()))
    log.write("one", clock[0])
    held.append(os.open(tmp_path / "app.log.lock", os.O_RDWR))
    fcntl.flock(held[0], fcntl.LOCK_EX)
    clock[0] += 1
    log.write("two", clock[0])
    assert not held
    assert lines(tmp_path) == ["one"]
    assert log.stats().spilled == 1
    log.flush()
    assert (tmp_path / "app.log").read_text() == "two\n"


def test_boundary_while_the_lock_cannot_be_had_at_all(tmp_path: Path, make: Make) -> None:
    """A server that is away and comes back: the rotation is before the records that have waited, and those that come then."""
    clock, away, told = [1_700_000_000.0], [False], list[Exception]()

    def open_lock(path: str, mode: int) -> tuple[int, bool]:
        if away[0]:
            raise OSError(errno.EIO, "made to fail")
        return OPERATIONS.open_lock(path, mode)

    log = make(when="S", now=lambda: clock[0], open_lock=open_lock, on_error=told.append)
    log.write("one", clock[0])
    away[0] = True
    clock[0] += 1
    log.write("two", clock[0])
    away[0] = False
    OPERATIONS.sleep(0.3)  # until what waits in memory is tried again, but not yet the rotation
    log.write("three", clock[0])
    assert lines(tmp_path) == ["one"]
    log.flush()
    assert (tmp_path / "app.log").read_text() == "two\nthree\n"
    assert {type(error) for error in told} == {OSError}


def test_boundary_and_a_lock_that_is_never_free(tmp_path: Path, make: Make) -> None:
    """One record of many waits for it, not each; and all of them for the rotation."""
    clock, waited = [1_700_000_000.0], [0.0]

    def sleep(seconds: float) -> None:
        waited[0] += seconds
        OPERATIONS.sleep(seconds)

    log = make(when="S", now=lambda: clock[0], lock_timeout=0.3, sleep=sleep)
    log.write("one", clock[0])
    fd = os.open(tmp_path / "app.log.lock", os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX)
    clock[0] += 1
    waited[0] = 0.0
    for number in range(20):
        log.write(str(number), clock[0])
    assert waited[0] < 1.0
    os.close(fd)
    OPERATIONS.sleep(0.3)  # until what waits in memory is tried again, but not yet the rotation
    log.write("20", clock[0])
    assert lines(tmp_path) == ["one"]
    log.flush()
    assert (tmp_path / "app.log").read_text() == "".join(f"{number}\n" for number in range(21))


@pytest.mark.parametrize("size", [1, 7, 4095, 4096])
def test_stump_of_a_killed_writer_is_ended(tmp_path: Path, make: Make, size: int) -> None:
    """Wherever it ends: nobody else is writing, so what has no end now never gets one."""
    log = make()
    log.write("one")
    with (tmp_path / "app.log").open("a") as file:
        file.write("x" * size)
    log.write("two")
    assert lines(tmp_path) == ["one", "x" * size, "two"]
    assert log.stats().repaired == 1


def failing(times: int, before: Callable[[int], object] = lambda _fd: None) -> Callable[[int], None]:
    """A flush that fails so many times."""
    left = [times]

    def fsync(fd: int) -> None:
        if left[0]:
            left[0] -= 1
            before(fd)
            raise OSError(errno.EIO, "made to fail")
        OPERATIONS.fsync(fd)

    return fsync


@pytest.mark.parametrize("delivery", ["direct", "buffered"])
def test_flush_that_fails_although_all_is_there(tmp_path: Path, make: Make, delivery: str) -> None:
    """What can be read back is not written a second time."""
    log = make(fsync=failing(1), delivery=delivery)
    log.write("one")
    log.write("two")
    log.flush()
    assert lines(tmp_path) == ["one", "two"]
    assert log.stats().spilled == 0


@pytest.mark.parametrize("delivery", ["direct", "buffered"])
def test_flush_that_fails_and_nothing_is_there(tmp_path: Path, make: Make, delivery: str) -> None:
    """What the client had in its memory only is written again, as a whole and in order."""
    path = tmp_path / "app.log"
    log = make(fsync=failing(1, lambda _fd: os.truncate(path, 2)), delivery=delivery)
    log.write("one")
    log.write("two")
    log.flush()
    assert lines(tmp_path) == ["on", "one", "two"]


@pytest.mark.parametrize("delivery", ["direct", "buffered"])
def test_flush_that_fails_and_nobody_can_look(tmp_path: Path, make: Make, delivery: str) -> None:
    """A server that is away: it is looked for when the records are tried again, and what stands there stays once."""
    away = [False]

    def open_side(path: str) -> int:
        if away[0]:
            raise OSError(errno.EIO, "made to fail")
        return OPERATIONS.open_side(path)

    log = make(
        open_side=open_side, fsync=failing(1, lambda _fd: away.__setitem__(0, True)), delivery=delivery, flush_interval=60.0
    )
    log.write("one")
    log.write("two")
    log.flush()
    away[0] = False
    log.write("three")
    log.flush()
    assert lines(tmp_path) == ["one", "two", "three"]


def test_disk_is_full_in_the_middle_of_equal_records(tmp_path: Path, make: Make) -> None:
    """Some of a batch are there. Of those that are not, none is taken for one that is."""
    left = [10**9]

    def write(fd: int, data: bytes) -> int:
        if not left[0]:
            raise OSError(errno.ENOSPC, "made to fail")
        count = OPERATIONS.write(fd, data[: left[0]])
        left[0] -= count
        return count

    log = make(write=write, delivery="buffered", flush_interval=60.0)
    log.write("first")
    log.flush()
    for _ in range(20):
        log.write("tick")
    left[0] = 33
    log.flush()
    assert log.stats().spilled == 14
    left[0] = 10**9
    log.flush()
    assert lines(tmp_path).count("tick") == 20


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("delivery", ["direct", "buffered"])
def test_part_is_flushed_under_the_lock(tmp_path: Path, make: Make, delivery: str, fails: bool) -> None:
    """What a full disk takes of a write. In the client's memory alone another machine would write over it, or it over that. Where
    that fails nothing is taken for written: it may stand there twice then."""
    lock = tmp_path / "app.log.lock"
    left, flushed = [10**9], list[tuple[int, bool]]()

    def write(fd: int, data: bytes) -> int:
        count = OPERATIONS.write(fd, data[: left[0]])
        left[0] -= count
        return count

    def fsync(fd: int) -> None:
        flushed.append((left[0], leased(lock)))
        if fails and not left[0]:
            raise OSError(errno.EIO, "made to fail")
        OPERATIONS.fsync(fd)

    log = make(write=write, fsync=fsync, delivery=delivery, flush_interval=60.0)
    log.write("first")
    log.flush()
    flushed.clear()
    left[0] = 14
    records = [f"record {number}" for number in range(3)]
    for text in records:
        log.write(text)
    log.flush()
    assert (0, True) in flushed
    assert all(held for _, held in flushed)
    left[0] = 10**9
    log.flush()
    written = [line for line in lines(tmp_path) if line in records]
    assert sorted(set(written)) == records
    assert fails or written == records


def test_disk_was_full_and_another_writes_the_same(tmp_path: Path, make: Make) -> None:
    """What stands where the record would have stood is another process's."""
    full = [False]

    def write(fd: int, data: bytes) -> int:
        if full[0]:
            raise OSError(errno.ENOSPC, "made to fail")
        return OPERATIONS.write(fd, data)

    log, other = make(write=write, flush_interval=60.0), make()
    log.write("first")
    full[0] = True
    log.write("tick")
    other.write("tick")
    full[0] = False
    log.flush()
    assert lines(tmp_path) == ["first", "tick", "tick"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_child_does_not_take_the_parents_record_for_its_own(tmp_path: Path, make: Make) -> None:
    """The parent has one in doubt, and writes it while the child goes on."""
    away = [False]

    def open_side(path: str) -> int:
        if away[0]:
            raise OSError(errno.EIO, "made to fail")
        return OPERATIONS.open_side(path)

    log = make(open_side=open_side, fsync=failing(1, lambda _fd: away.__setitem__(0, True)))
    log.write("tick")
    away[0] = False
    child = os.fork()
    if not child:
        log.write("tick")
        log.close()
        os._exit(0)
    os.waitpid(child, 0)
    log.flush()
    assert lines(tmp_path).count("tick") == 2


def opened(folder: Path) -> int:
    """How many descriptors of this process lead to files of a folder, where the system tells."""
    own = Path("/proc/self/fd")
    links = [link for link in own.iterdir() if link.is_symlink()] if own.is_dir() else []
    return sum(os.readlink(link).startswith(str(folder)) for link in links if link.is_symlink())


def test_file_that_the_server_has_forgotten(tmp_path: Path, make: Make) -> None:
    """ESTALE: the log is opened anew, the record written once, and no descriptor left open."""
    stale = [True, True]

    def write(fd: int, data: bytes) -> int:
        if data == b"two\n" and stale and stale.pop():
            raise OSError(errno.ESTALE, "made to fail")
        return OPERATIONS.write(fd, data)

    log = make(write=write)
    log.write("one")
    before = opened(tmp_path)
    log.write("two")
    assert lines(tmp_path) == ["one", "two"]
    assert opened(tmp_path) == before


def test_nobody_keeps_a_lease(tmp_path: Path, make: Make) -> None:
    """Where locks are mandatory a lease would keep everybody from writing."""
    log = make()
    log.write("one")
    assert not leased(tmp_path / "app.log")


def test_late_record_and_a_sealer(tmp_path: Path, make: Make) -> None:
    """A late record goes to its segment by name, but not while a sealer has it: then to another one of its period."""
    clock = [1_700_000_000.0]
    log = make(when="S", now=lambda: clock[0])
    log.write("one", clock[0])
    clock[0] += 1
    log.write("two", clock[0])
    log.write("late", clock[0] - 1)
    (segment,) = [path for path in tmp_path.iterdir() if path.name.startswith("app.log.2")]
    assert segment.read_text() == "one\nlate\n"
    with segment.open("r+b") as sealer:
        fcntl.flock(sealer, fcntl.LOCK_EX)
        log.write("later", clock[0] - 1)
    assert segment.read_text() == "one\nlate\n"
    assert segment.with_name(f"{segment.name}.1").read_text() == "later\n"
    assert (tmp_path / "app.log").read_text() == "two\n"


def test_fork_while_the_lock_is_held(tmp_path: Path, make: Make) -> None:
    """A child that is forked in the middle of a record does not keep its parent's lock, and writes records of its own."""
    children: list[int] = []

    def write(fd: int, data: bytes) -> int:
        if data == b"parent's\n" and not children:
            children.append(os.fork())
            if children == [0]:
                try:
                    make(lock_timeout=5.0).write("child's")
                finally:
                    os._exit(0)
        return OPERATIONS.write(fd, data)

    log = make(write=write)
    log.write("parent's")
    log.write("another")
    os.waitpid(children[0], 0)
    assert sorted(lines(tmp_path)) == ["another", "child's", "parent's"]


@pytest.mark.parametrize("number", range(1, 12))
def test_signal_handler_that_raises_leaves_no_lock(tmp_path: Path, make: Make, number: int) -> None:
    """Wherever it comes in: else everybody else would wait until this process logs again."""
    left = [0]

    def monotonic() -> float:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        return OPERATIONS.monotonic()

    log = make(monotonic=monotonic)
    log.write("one")
    left[0] = number
    with suppress(KeyboardInterrupt):
        log.write("two")
    left[0] = 0
    assert not leased(tmp_path / "app.log.lock")


def test_record_of_a_signal_handler_is_queued(tmp_path: Path, make: Make) -> None:
    """One that is made while the lock is held waits for that one's end, and is written before the outer call returns."""
    inner: list[TimedLogFile] = []

    def write(fd: int, data: bytes) -> int:
        if data == b"outer\n":
            inner[0].write("inner")
        return OPERATIONS.write(fd, data)

    log = make(write=write)
    inner.append(log)
    log.write("outer")
    assert lines(tmp_path) == ["outer", "inner"]


def test_who_logs_all_the_time_takes_turns(make: Make) -> None:
    """Now and then a pause that is longer than the one between two looks of who waits."""
    clock, slept = [0.0], [0.0]

    def monotonic() -> float:
        clock[0] += 0.002
        return clock[0]

    log = make(monotonic=monotonic, sleep=lambda seconds: slept.append(seconds))
    for _ in range(60):
        log.write("record")
    assert max(slept) > 0.02
