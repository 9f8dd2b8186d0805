"""Lanes: what comes in between while one is opened, used, left or closed: signal handlers that log, raise or fork."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from _buffer_support import at_point
from _support import finish, log_files, run, start

from mpfhandler import MultProcTimedRotatingFileHandler, TimedLogFile
from mpfhandler._platform import OPERATIONS

Keep = Callable[[Any], Any]
System = Callable[..., None]
PATIENCE = 30.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of the log."""
    return tmp_path / "app.log"


class Handler(MultProcTimedRotatingFileHandler):
    """One that tells its errors."""

    def handleError(self, record: logging.LogRecord) -> None:
        raise AssertionError(f"told: {record.getMessage()}")


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("test", logging.INFO, __file__, 1, text, None, None)


def lines(path: Path) -> list[str]:
    """Of the log and its segments."""
    return sorted(line for one in log_files(path.parent, path.name) for line in one.read_text().splitlines())


def look_again(log: TimedLogFile | Handler) -> None:
    """The next record looks at the log's name."""
    log._writer._active._looked = log._writer._due = float("-inf")


def with_lane(log: TimedLogFile | Handler, write: Callable[[str], object]) -> None:
    log._writer.lanes.met = True
    look_again(log)
    write("opens")
    assert log._writer.lanes._lane is not None


@pytest.mark.parametrize("idle", [False, True])
@pytest.mark.parametrize("act", ["logs", "raises", "closes"])
def test_signal_handler_at_any_point_of_close(tmp_path: Path, act: str, idle: bool) -> None:
    """P1, P5: no record of its own or of afterwards is lost, nothing is told, no exception comes out but its own."""

    class Interrupt(BaseException):
        pass

    def interrupt() -> NoReturn:
        raise Interrupt

    point, where = 1, ""
    while where is not None:
        path = tmp_path / str(point) / "app.log"
        path.parent.mkdir()
        handler = Handler(path, when="D")

        def log(text: str, handler: Handler = handler) -> None:
            handler.handle(record(text))

        def close(handler: Handler = handler) -> None:
            try:
                handler.close()
            except Interrupt:
                pass

        with_lane(handler, log)
        if idle:
            look_again(handler)
        acts: dict[str, Callable[[], object]] = {
            "logs": lambda log=log: log("meanwhile"),
            "raises": interrupt,
            "closes": handler.close,
        }
        where = at_point(point, acts[act], close)
        log("after")
        handler.close()
        assert lines(path) == sorted(["after", "opens", *(["meanwhile"] if act == "logs" and where is not None else [])]), where
        point += 1
    assert point > 50


@pytest.mark.parametrize("call", [pytest.param("rotate", marks=pytest.mark.slow), "close", "look"])
def test_signal_handler_that_forks_at_any_point_of_leaving(tmp_path: Path, call: str) -> None:
    """P1, P5: both sides go on, without an exception, and the child keeps nothing open."""
    code = f"""
    import os, sys, time
    sys.path.insert(0, {str(Path(__file__).parent)!r})
    from _buffer_support import at_point
    from mpfhandler import TimedLogFile

    folder = sys.argv[1]

    def mine():
        found = []
        for number in os.listdir("/proc/self/fd"):
            try:
                found.append(os.readlink(f"/proc/self/fd/{{number}}"))
            except OSError:
                pass
        return [one for one in found if one.startswith(folder) and not one.endswith(".lock")]

    point, where = 1, ""
    while where is not None:
        log = TimedLogFile(f"{{folder}}/{{point}}/app.log", when="D", mkdir=True)
        writer = log._writer
        writer.lanes.met = True
        log.write(f"first {{point}}")
        writer._due = float("-inf")
        log.write(f"opens {{point}}")
        assert writer.lanes._lane is not None
        writer._active.segment.shared = {call == "look"}
        def look():
            writer._due = writer._active._looked = float("-inf")
            log.write(f"looks {{point}}")
        pids = []
        where = at_point(point, lambda: pids.append(os.fork()), look if {call == "look"} else getattr(log, {call!r}))
        log.write(f"after {{point}} {{'child' if pids == [0] else 'parent'}}")
        log.close()
        if pids == [0]:
            os._exit(len(mine()))
        assert not mine(), (where, mine())
        if pids:
            assert os.waitpid(pids[0], 0)[1] == 0, where
        point += 1
    assert point > 50
    print(point - 1)
    """
    points = int(finish(start(code, tmp_path), seconds=120))
    written = [line.split(" ", 1) for point in range(1, points + 1) for line in lines(tmp_path / str(point) / "app.log")]
    for kind in ("first", "opens"):
        assert sorted(int(rest) for one, rest in written if one == kind) == list(range(1, points + 1))
    after = sorted(rest for one, rest in written if one == "after")
    assert after == sorted([*(f"{one} parent" for one in range(1, points + 1)), *(f"{one} child" for one in range(1, points))])


def test_window_stays_shut_after_a_fork_in_the_middle_of_a_look(path: Path, closing: Keep, system: System) -> None:
    """P1: another thread is opening a lane meanwhile, and the child has the descriptor whose position the guard goes by."""
    pids: list[int] = []

    def fork_there(name: str) -> int:
        fd = OPERATIONS.open_existing(name)
        if armed:
            armed.clear()
            thread = threading.Thread(target=fork)
            thread.start()
            thread.join()
        return fd

    def fork() -> None:
        pid = os.fork()
        if not pid:
            time.sleep(PATIENCE)
            os._exit(0)
        pids.append(pid)

    armed: list[bool] = []
    system(open_existing=fork_there)
    log: TimedLogFile = closing(TimedLogFile(path, when="D"))
    log.write("first")
    writer = log._writer
    writer.lanes.met = True
    look_again(log)
    armed.append(True)
    log.write("second")
    os.kill(pids[0], 9)
    os.waitpid(pids[0], 0)
    assert not writer._lo <= time.time() < writer._due
    assert writer.lanes._lane is None
    before = writer.segment
    log.write("third")
    assert writer.segment is not before
    assert lines(path) == ["first", "second", "third"]


def test_fork_waits_for_a_thread_that_closes_a_lane(path: Path) -> None:
    """P5: else the child has its descriptors, and with them the lease, for as long as it lives."""
    code = """
    import os, sys, threading, time
    from dataclasses import replace
    from mpfhandler import TimedLogFile
    log = TimedLogFile(sys.argv[1], when="D")
    writer = log._writer
    writer.lanes.met = True
    log.write("first")
    writer._due = float("-inf")
    log.write("opens")
    segment = writer.lanes._lane.segment
    numbers = segment._fd, segment._side
    came, go_on, closing, had, done = (threading.Event() for _ in range(5))
    def slowly(fd, data):
        came.set()
        assert go_on.wait(60)
        return os.write(fd, data)
    def stat_fd(fd):
        if threading.current_thread() is other:
            closing.set()
            time.sleep(0.2)
        return really(fd)
    segment._write, really = slowly, segment._ops.stat_fd
    segment._ops = replace(segment._ops, stat_fd=stat_fd)
    def hold():
        with writer.lock:
            had.set()
            done.wait(60)
    holder = threading.Thread(target=hold)
    other = threading.Thread(target=lambda: log.write("slow"))
    holder.start()
    had.wait(60)
    other.start()
    came.wait(60)
    done.set()
    holder.join()
    log.rotate()
    go_on.set()
    assert closing.wait(60)
    pid = os.fork()
    if not pid:
        left = 0
        for number in numbers:
            try:
                os.fstat(number)
                left += 1
            except OSError:
                pass
        os._exit(left)
    assert os.waitpid(pid, 0)[1] == 0
    other.join()
    log.close()
    """
    run(code, path)
    assert lines(path) == ["first", "opens", "slow"]


def test_child_of_a_signal_handler_does_not_wait_for_a_thread_of_its_parent(path: Path) -> None:
    """P3: it forks while its thread waits for the engine's lock, which another thread has."""
    code = """
    import os, signal, sys, threading
    from mpfhandler import TimedLogFile
    log = TimedLogFile(sys.argv[1], when="D")
    log.write("first")
    had, done = threading.Event(), threading.Event()
    def hold():
        with log._writer.lock:
            had.set()
            done.wait(60)
    pids = []
    signal.signal(signal.SIGALRM, lambda *_: pids.append(os.fork()))
    holder = threading.Thread(target=hold)
    holder.start()
    had.wait(60)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    threading.Timer(1.0, done.set).start()
    log.write("twice")
    if pids == [0]:
        os._exit(0)
    assert os.waitpid(pids[0], 0)[1] == 0
    holder.join()
    """
    run(code, path)
    assert lines(path) == ["first", "twice", "twice"]


@pytest.mark.parametrize("error", [RuntimeError("an audit hook"), MemoryError(), PermissionError(1, "no")])
def test_what_keeps_a_lane_from_being_opened_reaches_nobody(path: Path, closing: Keep, system: System, error: Exception) -> None:
    """P5: the record is written by then; who tried again would have it twice."""

    def refuse(name: str) -> NoReturn:
        raise error

    system(open_existing=refuse)
    log: TimedLogFile = closing(TimedLogFile(path, when="D"))
    log.write("first")
    log._writer.lanes.met = True
    look_again(log)
    log.write("second")
    assert log._writer.lanes._lane is None
    assert lines(path) == ["first", "second"]


def test_interrupt_in_an_append_that_is_unfinished(path: Path, closing: Keep) -> None:
    """P1: what it leaves is ended before anybody writes behind it."""

    class Interrupt(BaseException):
        pass

    log: TimedLogFile = closing(TimedLogFile(path, when="D"))
    with_lane(log, log.write)
    writer = log._writer
    lane = writer.lanes._lane
    assert lane is not None
    segment = lane.segment

    def cut(data: bytes, **_: object) -> NoReturn:
        written = os.write(segment.fileno(), data[:5])
        segment._owed, segment._cut = b"\n", (data, written, os.lseek(segment.fileno(), 0, 1))
        raise Interrupt

    segment.append = cut  # type: ignore[method-assign, assignment]
    with pytest.raises(Interrupt):
        writer.lanes.write(b"interrupted\n", time.time())
    log.write("after")
    assert path.read_text().splitlines() == ["opens", "inter", "after"]
