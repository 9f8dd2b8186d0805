"""Files that no name leads to any more: the log's folder is removed, the log is removed while rotations fail, its number leads to
somebody else's file."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from _disk_support import Clock, collect, handler_at, lines, needs_root, python, record, use_clock

import mpfhandler
from mpfhandler._platform import OPERATIONS

Handler = mpfhandler.MultProcTimedRotatingFileHandler


def until(condition: Callable[[], bool], clock: Clock, handler: Handler, pause: float = 0.05) -> tuple[float, list[str]]:
    """Log until the condition holds, at most for two minutes of the clock; how long that took, and what was logged."""
    begun, sent = clock.steady, list[str]()
    while not condition() and clock.steady < begun + 120:
        sent.append(f"meanwhile {len(sent)}")
        handler.emit(record(sent[-1], clock.now()))
        clock.step(pause)
    return clock.steady - begun, sent


# the folder


@pytest.mark.parametrize("away", [5, 300])
def test_log_is_back_within_a_second_of_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, away: int) -> None:
    """P1: what is logged while the folder is missing waits in memory; the log is back about a second after the folder, and holds
    all of it, in order."""
    folder = tmp_path / "logs"
    folder.mkdir()
    clock = use_clock(monkeypatch)
    handler = handler_at(folder / "app.log")
    reports = collect(handler)
    handler.emit(record("before", clock.now()))
    shutil.rmtree(folder)
    clock.step(1)  # the next look is due
    for number in range(away):
        handler.emit(record(f"away {number}", clock.now()))
        clock.step(1)
    assert handler.stats().spilled == away
    folder.mkdir()
    took, sent = until((folder / "app.log").exists, clock, handler)
    handler.emit(record("after", clock.now()))
    assert took <= 1.1
    handler.close()
    assert lines(folder / "app.log") == [*(f"away {number}" for number in range(away)), *sent, "after"]
    assert handler.stats().lost == 0
    assert len(reports) == 1, reports


def test_what_waits_for_the_folder_is_lost_only_with_a_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P1, P5: where the folder does not come back, `close()` tells how many records could not be written."""
    folder = tmp_path / "logs"
    folder.mkdir()
    clock = use_clock(monkeypatch)
    handler = handler_at(folder / "app.log")
    reports = collect(handler)
    handler.emit(record("before", clock.now()))
    shutil.rmtree(folder)
    clock.step(1)
    for _ in range(7):
        handler.emit(record("away", clock.now()))
    handler.close()
    assert handler.stats().lost == 7
    assert any("7 records could not be written before close()" in report for report in reports), reports


@needs_root
def test_worker_without_privileges_keeps_nothing_in_a_file_without_a_name(tmp_path: Path) -> None:
    """P1, P5: the log that a worker has inherited, and may not open again, is removed: from the next look on its records wait,
    and `close()` tells how many could not be written."""
    code = """
import tempfile
from _disk_support import *
with tempfile.TemporaryDirectory() as folder:
    os.chmod(folder, 0o755)
    path = Path(folder) / "app.log"
    handler = handler_at(path)
    reports = collect(handler)
    handler.emit(record("root"))
    removed, remove = os.pipe()
    logged, log = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([]), os.setgid(NOBODY), os.setuid(NOBODY)
        handler.emit(record("worker"))
        assert lines(path) == ["root", "worker"]
        os.write(log, b"x")
        os.read(removed, 1)

        def waits():
            handler.emit(record("waits"))
            return handler.stats().spilled > 0

        wait_for(waits, "the next look")
        for _ in range(20):
            handler.emit(record("waits"))
        waiting = handler.stats().spilled
        assert waiting >= 21, handler.stats()
        handler.close()
        assert handler.stats().lost == waiting, handler.stats()
        assert any(f"{waiting} records could not be written before close()" in report for report in reports), reports
        os._exit(0)
    os.read(logged, 1)
    os.unlink(path)
    os.write(remove, b"x")
    raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    python(code)


@pytest.mark.parametrize("how", ["rename", "copy"])
def test_log_that_is_moved_leaving_a_link_is_found_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """P1: `mv app.log /big/; ln -s /big/app.log app.log`, within a file system or to another one: from the next look on records
    are in the moved log."""
    big = tmp_path / "big"
    big.mkdir()
    clock = use_clock(monkeypatch)
    handler = handler_at(tmp_path / "app.log")
    reports = collect(handler)
    handler.emit(record("before", clock.now()))
    if how == "copy":  # as mv(1) does to another file system
        shutil.copy(tmp_path / "app.log", big / "app.log")
        os.utime(big / "app.log", (clock.now(), clock.now()))
        os.unlink(tmp_path / "app.log")
    else:
        os.rename(tmp_path / "app.log", big / "app.log")
    (tmp_path / "app.log").symlink_to(big / "app.log")
    clock.step(1)
    for number in range(5):
        handler.emit(record(f"after {number}", clock.now()))
        clock.step(1)
    handler.close()
    assert lines(big / "app.log") == ["before", *(f"after {number}" for number in range(5))]
    assert handler.stats().lost == 0
    assert reports == []


def test_link_whose_target_is_not_there_yet_gets_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P1: the link is made before the log is copied: the log is created where the link leads to."""
    big = tmp_path / "big"
    big.mkdir()
    clock = use_clock(monkeypatch)
    handler = handler_at(tmp_path / "app.log")
    handler.emit(record("before", clock.now()))
    os.unlink(tmp_path / "app.log")
    (tmp_path / "app.log").symlink_to(big / "app.log")
    clock.step(1)
    _, sent = until((big / "app.log").exists, clock, handler)
    handler.emit(record("after", clock.now()))
    handler.close()
    assert lines(big / "app.log") == [*sent, "after"]


# while rotations fail


def fail_to_rotate(handler: Handler, clock: Clock, broken: dict[str, Any]) -> None:
    """Two minutes in which the rotation is tried less and less."""
    handler.emit(record("first", clock.now()))
    if broken["how"] == "namer":
        handler.namer = lambda name: "/nonexistent/archive/" + os.path.basename(name)
    else:
        broken["closed"] = True
    clock.step(3600)
    for _ in range(120):
        handler.emit(record("failing", clock.now()))
        clock.step(1)
    assert handler.stats().rotations == 0


def broken_clock(monkeypatch: pytest.MonkeyPatch, how: str, **entries: Any) -> tuple[Clock, dict[str, Any]]:
    """A clock set by hand, and a folder of the lock file that can be closed to this process."""
    broken: dict[str, Any] = {"how": how, "closed": False}

    def guarded(entry: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: str, *arguments: Any) -> Any:
            if broken["closed"] and path.endswith(".lock"):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
            return entry(path, *arguments)

        return call

    names = ("stat_path", "open_lock", "open_read")
    table = {name: guarded(entries.get(name, getattr(OPERATIONS, name))) for name in names}
    return use_clock(monkeypatch, **{**entries, **table}), broken


@pytest.mark.parametrize("how", ["namer", "lock_dir"])
def test_removed_log_is_back_within_a_second_while_rotations_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """P1: the pause of a rotation that fails does not put off the look whether the log is still there."""
    clock, broken = broken_clock(monkeypatch, how)
    handler = handler_at(tmp_path / "app.log", "H")
    collect(handler)
    fail_to_rotate(handler, clock, broken)
    os.unlink(tmp_path / "app.log")
    took, _ = until((tmp_path / "app.log").exists, clock, handler)
    handler.emit(record("after", clock.now()))
    assert took <= 1.1
    assert lines(tmp_path / "app.log")[-1] == "after"


@pytest.mark.parametrize("how", ["namer", "lock_dir"])
def test_number_that_leads_elsewhere_is_left_alone_while_rotations_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """P4: the number of our descriptor is somebody else's file by the next look: nothing is written to it, though the rotation is
    not tried again for a minute."""
    clock, broken = broken_clock(monkeypatch, how)
    handler = handler_at(tmp_path / "app.log", "H")
    collect(handler)
    fail_to_rotate(handler, clock, broken)
    foreign = tmp_path / "database"
    ours = handler._writer.segment
    assert ours is not None
    number = ours.fileno()
    other = os.open(foreign, os.O_RDWR | os.O_CREAT)
    os.dup2(other, number)
    clock.step(1)
    before = len(lines(tmp_path / "app.log"))
    for _ in range(30):
        handler.emit(record("after", clock.now()))
        clock.step(1)
    handler.close()
    assert os.fstat(number).st_ino == os.fstat(other).st_ino, "somebody else's descriptor was closed"
    os.close(number)
    os.close(other)
    assert foreign.read_bytes() == b""
    assert lines(tmp_path / "app.log")[before:] == ["after"] * 30


# what a look costs


class Counting:
    """Every entry of the table, counted."""

    def __init__(self) -> None:
        self.calls = 0
        names = [field.name for field in fields(OPERATIONS)]
        names = [name for name in names if name not in {"now", "monotonic", "sleep", "pid", "threads", "fault", "forbidden"}]
        self.entries = {name: self._counted(getattr(OPERATIONS, name)) for name in names}

    def _counted(self, entry: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            self.calls += 1
            return entry(*arguments)

        return call


def test_lock_file_that_may_not_be_looked_at_costs_a_record_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P3: a worker that may not enter `lock_dir` any more makes as many system calls as before: two for each record, and a look
    a second."""
    counting = Counting()
    clock, broken = broken_clock(monkeypatch, "lock_dir", **counting.entries)
    handler = handler_at(tmp_path / "app.log")
    reports = collect(handler)

    def cost() -> int:
        counting.calls = 0
        for _ in range(1000):
            handler.emit(record("record", clock.now()))
            clock.step(0.01)
        return counting.calls

    cost()
    good = cost()
    broken["closed"] = True
    bad = cost()
    assert 2000 < good < 2100
    assert bad <= good
    assert reports == []


# a process that opens files until the numbers are used up


def test_daemon_with_few_descriptors_gets_no_line_of_ours(tmp_path: Path) -> None:
    """P4: with 64 descriptors at most, all of them closed and given out again, no line goes to one of the new files, and the log
    goes on."""
    code = """
import resource
from _disk_support import *
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
folder = Path(sys.argv[1])
handler = handler_at(folder / "app.log")
for _ in range(3):
    handler.emit(record("before"))
os.closerange(3, 64)
files = [os.open(folder / f"data.{number}", os.O_RDWR | os.O_CREAT) for number in range(34)]
for _ in range(200):
    handler.emit(record("after"))
    time.sleep(0.01)
for fd in files:
    os.fstat(fd)
handler.close()
for fd in files:
    os.fstat(fd)
assert {path.read_bytes() for path in folder.glob("data.*")} == {b""}
assert lines(folder / "app.log") == ["before"] * 3 + ["after"] * 200
"""
    python(code, tmp_path)
