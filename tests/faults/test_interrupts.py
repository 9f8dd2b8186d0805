"""An exception that a signal handler raises (KeyboardInterrupt, a worker's time limit) at any point of a rotation."""

from __future__ import annotations

import errno
import gc
import os
import signal
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
from _buffer_support import at_point
from _support import leased

from mpfhandler._engine.build import Parameters, build
from mpfhandler._engine.writer import Writer
from mpfhandler._platform import OPERATIONS
from mpfhandler._protocols.hooks import Hooks

HOUR = 1_700_000_000 - 1_700_000_000 % 3600


class Interrupt(BaseException):
    """What the signal handler raises."""


def engine(path: Path, clock: list[float], late_grace: float, **entries: Any) -> Writer:
    given = Parameters(
        path=str(path), when="H", interval=1, backup_count=0, at_time=None, utc=True, tz=None, max_bytes=0, encoding="utf-8",
        errors="strict", escape=False, debug=False, chmod=None, owner=None, mkdir=False, lock_dir=None, lock_timeout=0.05,
        late_grace=late_grace, spill_bytes=1000, delivery="direct", flush_interval=0.2, buffer_bytes=65536, overflow="block",
        compress=None, compress_level=None, compress_delay=300.0, max_age=None, max_total_bytes=None, min_free_bytes=None,
        on_seal=None, fsync="never", archive=None, archive_delete=False, rotate_idle=False, locking="append",
    )  # fmt: skip
    return build(given, "\n", "utf-8", Hooks(), None, {}, replace(OPERATIONS, now=lambda: clock[0], **entries))


def interrupt_at(point: int, writer: Writer, data: bytes, created: float) -> str | None:
    """Write, and raise at the n-th place where the interpreter could run a signal handler; where that was, or None if the
    write was over before."""

    def interrupt() -> NoReturn:
        raise Interrupt

    def write() -> None:
        try:
            writer.write(data, created)
        except Interrupt:
            pass

    return at_point(point, interrupt, write)


@pytest.mark.usefixtures("young_heap")
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of generators that are interrupted
@pytest.mark.parametrize("late_grace", [10.0, 0.0])
def test_an_exception_at_any_point_of_a_rotation(tmp_path: Path, late_grace: float) -> None:
    """P1, P3, P5: wherever it comes, the records before and after it are there once, and the next call lets the lock go."""
    point, points = 1, 0
    while True:
        folder = tmp_path / str(point)
        folder.mkdir()
        log, clock = folder / "app.log", [HOUR + 10.0]
        writer = engine(log, clock, late_grace)
        writer.write(b"r0\n", clock[0])
        clock[0] += 3600
        where = interrupt_at(point, writer, b"interrupted\n", clock[0])
        if where is None:
            break
        for number in (1, 2, 3):
            clock[0] += 70
            writer.write(b"r%d\n" % number, clock[0])
        lock = folder / "app.log.lock"
        assert not lock.exists() or not leased(lock), where
        assert not writer._busy, where
        writer.close()
        gc.collect()
        lines = [line for path in folder.iterdir() if not path.name.endswith(".lock") for line in path.read_text().split()]
        assert sorted(line for line in lines if line != "interrupted") == ["r0", "r1", "r2", "r3"], where
        assert lines.count("interrupted") <= 1, where
        point, points = point + 1, points + 1
    assert points > 100


def locked_by_another(writer: Writer) -> bool:
    """Whether a thread that nobody knows waits for the engine's lock in vain."""
    had: list[bool] = []

    def look() -> None:
        had.append(writer.lock.acquire(timeout=0.2))
        if had[0]:
            writer.lock.release()

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    return not had[0]


def test_an_exception_at_any_point_of_a_write_leaves_no_lock(tmp_path: Path) -> None:
    """P3: wherever it comes, also as soon as the lock is had, no other thread waits for ever."""
    clock = [HOUR + 10.0]
    writer = engine(tmp_path / "app.log", clock, 10.0)
    writer.write(b"first\n", clock[0])
    point = 1
    while (where := interrupt_at(point, writer, b"interrupted\n", clock[0])) is not None:
        assert not locked_by_another(writer), where
        point += 1
    assert point > 5
    writer.close()


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no timers that send signals")
def test_an_exception_while_the_lock_is_waited_for(tmp_path: Path) -> None:
    """P1, P3: who waits for the lock and is interrupted gets the exception, and does not let go of what another thread has."""
    clock, had, done = [HOUR + 10.0], threading.Event(), threading.Event()
    writer = engine(tmp_path / "app.log", clock, 10.0)

    def hold() -> None:
        with writer.lock:
            had.set()
            done.wait(60)

    def interrupt(*_: object) -> NoReturn:
        raise Interrupt

    holder = threading.Thread(target=hold)
    holder.start()
    had.wait(60)
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(Interrupt):
            writer.write(b"interrupted\n", clock[0])
        assert locked_by_another(writer)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        done.set()
        holder.join()
    writer.write(b"after\n", clock[0])
    writer.close()
    assert (tmp_path / "app.log").read_text() == "after\n"


def no_thread(*_: object) -> NoReturn:
    raise RuntimeError("can't start new thread")


@pytest.mark.usefixtures("young_heap")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_exception_at_any_point_of_writing_what_waited(tmp_path: Path) -> None:
    """P1: wherever it comes while records that waited for the disk are written, each of those is there once afterwards."""
    point, full, threads = 1, False, replace(OPERATIONS.threads, start=no_thread)

    def write(fd: int, data: bytes) -> int:
        if full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.write(fd, data)

    wrong: list[str] = []
    while True:
        folder = tmp_path / str(point)
        folder.mkdir()
        clock = [HOUR + 10.0]
        writer = engine(folder / "app.log", clock, 10.0, write=write, monotonic=lambda clock=clock: clock[0], threads=threads)
        writer.write(b"r0\n", clock[0])
        full = True
        for number in (1, 2, 3):
            writer.write(b"r%d\n" % number, clock[0])
        full = False
        clock[0] += 10
        where = interrupt_at(point, writer, b"interrupted\n", clock[0])
        if where is None:
            break
        for number in (4, 5):
            clock[0] += 10
            writer.write(b"r%d\n" % number, clock[0])
        assert not writer._busy, where
        writer.close()
        gc.collect()
        lines = (folder / "app.log").read_text().split()
        if sorted(line for line in lines if line != "interrupted") != [f"r{number}" for number in range(6)]:
            wrong.append(f"{where}: {lines}")
        point += 1
    assert wrong == []
    assert point > 50
