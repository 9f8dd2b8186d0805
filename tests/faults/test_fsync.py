"""`fsync="always"`: when a call returns, its record is on the disk; what the disk says to that is told, and costs no record."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mpfhandler import TimedLogFile
from mpfhandler._platform import OPERATIONS

System = Callable[..., None]
Keep = Callable[[Any], Any]

RECORDS = 50
DAY = {"when": "D", "utc": True}


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Of the log."""
    return str(tmp_path / "app.log")


@pytest.fixture
def seen(system: System) -> list[tuple[str, object]]:
    """The writes to files and what is made to last, in order."""
    calls: list[tuple[str, object]] = []

    def watch(name: str) -> Callable[..., Any]:
        before = getattr(OPERATIONS, name)

        def call(first: Any, *others: Any) -> Any:
            done = before(first, *others)
            calls.append((name, others[0] if name == "write" else first))
            return done

        return call

    system(**{name: watch(name) for name in ("write", "fsync", "fsync_folder")})
    return calls


def names(calls: list[tuple[str, object]]) -> list[str]:
    """Only which calls they were."""
    return [name for name, _ in calls]


def test_each_record_is_synced_before_its_call_returns(path: str, seen: list[tuple[str, object]], closing: Keep) -> None:
    """Direct delivery: write, fsync, for every record; the name of the log, which a power cut may take too, before the first."""
    log = closing(TimedLogFile(path, fsync="always"))
    for number in range(3):
        log.write(f"{number}")
        assert names(seen)[-2:] == ["write", "fsync"] if number else names(seen) == ["write", "fsync_folder", "fsync"]
    assert len(seen) == 7
    assert seen[1] == ("fsync_folder", os.path.dirname(path))


@pytest.mark.parametrize("fsync", ["never", "seal"])
def test_nothing_is_synced_without(path: str, seen: list[tuple[str, object]], closing: Keep, fsync: str) -> None:
    """Nobody pays for what was not asked for."""
    log = closing(TimedLogFile(path, fsync=fsync))
    log.write("a")
    log.rotate()
    log.write("b")
    assert set(names(seen)) == {"write"}


def test_new_log_gets_its_name_on_the_disk_once(path: str, seen: list[tuple[str, object]], closing: Keep) -> None:
    """After a rotation, before the first record of the new file counts as there."""
    log = closing(TimedLogFile(path, fsync="always"))
    log.write("a")
    log.rotate()
    seen.clear()
    log.write("b")
    log.write("c")
    assert names(seen) == ["write", "fsync_folder", "fsync", "write", "fsync"]


def test_late_record_is_synced_in_its_own_file(path: str, closing: Keep, clock: list[float], system: System) -> None:
    """A record of the period before is no exception."""
    synced: list[int] = []
    system(now=lambda: clock[0], fsync=lambda fd: synced.append(os.fstat(fd).st_ino))
    end = 1_700_006_400 // 86400 * 86400
    clock[0] = end - 5
    log = closing(TimedLogFile(path, **DAY, fsync="always"))
    log.write("early")
    late = os.stat(path).st_ino
    clock[0] = end + 1
    log.write("next")
    log.write("late", end - 1)
    assert synced == [late, os.stat(path).st_ino, late]


def test_one_sync_for_a_batch(path: str, seen: list[tuple[str, object]], closing: Keep) -> None:
    """Buffered delivery: what is written together is synced together."""
    log = closing(TimedLogFile(path, fsync="always", delivery="buffered", flush_interval=60))
    for number in range(RECORDS):
        log.write(f"{number}")
    assert seen == []
    log.flush()
    assert names(seen) == ["write", "fsync_folder", "fsync"]
    assert Path(path).read_text() == "".join(f"{number}\n" for number in range(RECORDS))


@pytest.mark.parametrize("delivery", ["direct", "buffered"])
def test_disk_that_fails_to_sync_costs_no_record(path: str, system: System, closing: Keep, delivery: str) -> None:
    """P1, P5: the record is in the kernel's hands, once; the failure is told once, and again after it was solved."""
    fails = [True]
    told: list[Exception] = []

    def fsync(_fd: int) -> None:
        if fails[0]:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    system(fsync=fsync)
    log = closing(TimedLogFile(path, fsync="always", delivery=delivery, on_error=told.append))
    for number, failing in enumerate([True, True, False, True]):
        fails[0] = failing
        log.write(f"{number}")
        log.flush()
    assert Path(path).read_text() == "0\n1\n2\n3\n"
    assert [getattr(error, "errno", None) for error in told] == [errno.EIO] * 2
    assert log.stats().spilled == log.stats().lost == 0


def test_folder_that_cannot_be_synced_is_tried_with_the_next_record(path: str, system: System, closing: Keep) -> None:
    """Its failure is told; the file itself is synced all the same."""
    calls: list[str] = []
    told: list[Exception] = []

    def folder(_path: str) -> None:
        calls.append("folder")
        if len(calls) == 1:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    system(fsync=lambda _fd: calls.append("file"), fsync_folder=folder)
    log = closing(TimedLogFile(path, fsync="always", on_error=told.append))
    for number in range(3):
        log.write(f"{number}")
    assert calls == ["folder", "file", "folder", "file", "file"]
    assert len(told) == 1


def test_record_of_a_signal_handler_is_synced_too(path: str, system: System, closing: Keep) -> None:
    """What comes in during the slow path, on the same thread, goes the same way."""
    synced: list[int] = []
    logs: list[TimedLogFile] = []

    def find(name: str) -> Any:
        if logs and not synced:
            before = OPERATIONS.stat_path(name)
            logs.pop().write("inner")
            return before
        return OPERATIONS.stat_path(name)

    system(fsync=synced.append, stat_path=find)
    log = closing(TimedLogFile(path, fsync="always"))
    logs.append(log)
    log.write("outer")
    assert Path(path).read_text().split() == ["inner", "outer"]
    assert len(synced) == 2


def test_pipe_is_not_synced(tmp_path: Path, seen: list[tuple[str, object]], closing: Keep) -> None:
    """There is nothing to be made to last."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    log = closing(TimedLogFile(fifo, fsync="always"))
    log.write("a")
    assert os.read(reader, 100) == b"a\n"
    os.close(reader)
    assert "fsync" not in names(seen)


PROGRAM = """
import os, sys, mpfhandler
path, records, delivery, mark = sys.argv[1], int(sys.argv[2]), sys.argv[3], "/nowhere/mark"
log = mpfhandler.TimedLogFile(path, "D", fsync="always", delivery=delivery, flush_interval=60)
log.write("first")
log.flush()
os.access(mark, os.F_OK)
for number in range(records):
    log.write("record")
log.flush()
os.access(mark, os.F_OK)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("delivery", "calls"), [("direct", RECORDS), ("buffered", 1)])
def test_what_the_kernel_sees(tmp_path: Path, delivery: str, calls: int) -> None:
    """Seen from outside: as many fsync as write, one for each record or batch, and nothing else that lasts."""
    if shutil.which("strace") is None or subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True).returncode:
        pytest.skip("processes cannot be traced here")
    out = tmp_path / "trace"
    program = [sys.executable, "-c", PROGRAM, str(tmp_path / "app.log"), str(RECORDS), delivery]
    subprocess.run(["strace", "-f", "-o", str(out), *program], check=True, timeout=120)
    between = out.read_text().split("/nowhere/mark")[1]
    found = Counter(re.findall(r"^\d+ +(\w+)\(", between, re.MULTILINE))
    assert (found["write"], found["fsync"], found["fdatasync"]) == (calls, calls, 0)
