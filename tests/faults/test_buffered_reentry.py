"""Buffered delivery where something comes in between: signal handlers, forks, other threads, a disk that stalls."""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from _buffer_support import NeverRuns, Stall, at_point, buffer_of, on_a_stalling_disk, without_flusher
from _disk_support import START, Clock, Switch, collect, handler_at, lines, log_at, record, segments, use, wait_for

from mpfhandler._engine import buffer as buffers
from mpfhandler._engine import overflow as full
from mpfhandler._engine.entries import Waiting
from mpfhandler._platform import Patience
from mpfhandler._resources import exits

BUFFERED = {"delivery": "buffered"}


class Own(logging.Formatter):
    """A formatter that is not the stock one: it runs under the handler's lock."""


class Interrupt(BaseException):
    """What a signal handler raises."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


def raising() -> None:
    raise Interrupt


def everything(folder: Path) -> list[str]:
    return sorted(line for name in segments(folder) for line in lines(folder / name))


# a signal handler at any point


@pytest.mark.usefixtures("young_heap")
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of generators that are interrupted
@pytest.mark.parametrize("trouble", ["none", "boundary", "full disk"])
def test_an_exception_at_any_point_of_a_flush(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str) -> None:
    """P1: wherever a signal handler's exception ends a flush, every record whose call had returned is there once in the end."""
    point, wrong = 1, []
    while True:
        path = tmp_path / str(point) / "app.log"
        path.parent.mkdir()
        clock = Clock(START + 58.0)
        write = Switch(os.write)
        without_flusher(monkeypatch, **clock.entries(), write=write)
        log = log_at(path, "M", **BUFFERED)
        log.write("r0")
        log.flush()
        write.on = trouble == "full disk"
        if write.on:
            log.write("r1")
            log.flush()
            write.on = False
            log.write("r2")
        else:
            log.write("r1")
            log.write("r2")
        clock.step(3 if trouble == "boundary" else 1)
        log.write("r3")
        log.write("r4")

        def flush(log: Any = log) -> None:
            try:
                log.flush()
            except Interrupt:
                pass

        where = at_point(point, raising, flush)
        log.write("r5")
        assert log._sink._guard.acquire(blocking=False), where  # type: ignore[union-attr]
        log._sink._guard.release()  # type: ignore[union-attr]
        log.close()
        gc.collect()
        if everything(path.parent) != [f"r{number}" for number in range(6)]:
            wrong.append(f"{where}: {everything(path.parent)}")
        if where is None:
            break
        point += 1
    assert wrong == []
    assert point > 50


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("raises", [False, True])
def test_the_same_text_again_at_any_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raises: bool) -> None:
    """P1: a program logs the very same text over and over, and a signal handler does so in the middle of a flush or a call, and
    raises: as many lines are there as calls have returned, but for the one that the exception ended."""
    point, where = 1, ""
    while where is not None:
        path = tmp_path / str(point) / "app.log"
        clock = Clock(START + 58.0)
        without_flusher(monkeypatch, **clock.entries())
        handler = handler_at(path, "M", mkdir=True, buffer_bytes=12, **BUFFERED)
        handler.setFormatter(logging.Formatter("%(message)s"))
        done = 0

        def log(handler: Any = handler, clock: Clock = clock) -> None:
            nonlocal done
            handler.handle(record("same", clock.now()))
            done += 1

        def act(log: Callable[[], None] = log) -> None:
            log()
            if raises:
                raise Interrupt

        def run(log: Callable[[], None] = log, handler: Any = handler, clock: Clock = clock) -> None:
            try:
                for _ in range(3):
                    log()
                handler.flush()
                clock.step(3)
                for _ in range(2):
                    log()
                handler.flush()
            except Interrupt:
                pass

        where = at_point(point, act, run)
        log()
        handler.close()
        found = everything(path.parent)
        assert set(found) == {"same"}, where
        assert 0 <= len(found) - done <= (1 if raises and where else 0), (where, len(found), done)
        point += 1
    assert point > 100


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("overflow", ["block", "drop"])
def test_an_exception_at_any_point_of_a_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overflow: str) -> None:
    """P1, P5: the record whose call is ended by it may be there or not; all others are there once, and nobody is locked out."""
    without_flusher(monkeypatch)
    monkeypatch.setattr(full, "_PATIENCE", 0.002)
    for text in ("is small", "is longer than the buffer"):
        point, where = 1, ""
        while where is not None:
            path = tmp_path / text / str(point) / "app.log"
            log = log_at(path, mkdir=True, buffer_bytes=20, overflow=overflow, **BUFFERED)
            log.write("before")

            def call(log: Any = log, text: str = text) -> None:
                try:
                    log.write(text)
                except Interrupt:
                    pass

            where = at_point(point, raising, call)
            other = threading.Thread(target=log.flush, daemon=True)
            other.start()
            other.join(30)
            assert not other.is_alive(), where
            log.write("after")
            log.close()
            found = lines(path)
            assert [line for line in found if line != text] == ["before", "after"] or overflow == "drop", where
            assert found.count(text) <= 1, where
            assert (found.count("before"), found.count("after")) == (1, 1), where
            point += 1
        assert point > 5


@pytest.mark.slow
@pytest.mark.parametrize("formatter", [logging.Formatter("%(message)s"), Own("%(message)s")])
def test_a_signal_handler_logs_at_any_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, formatter: Any) -> None:
    """P1: wherever a signal handler comes in that logs, and logs what is flushed at once, every record is there once."""
    point, where = 1, ""
    while where is not None:
        path = tmp_path / str(point) / "app.log"
        path.parent.mkdir()
        clock = Clock(START + 58.0)
        without_flusher(monkeypatch, **clock.entries())
        handler = handler_at(path, "M", buffer_bytes=40, **BUFFERED)
        handler.formatter = formatter

        def log(text: str, level: int = logging.INFO, handler: Any = handler, clock: Clock = clock) -> None:
            one = record(text, clock.now())
            one.levelno = level
            handler.handle(one)

        def interrupt(log: Callable[..., None] = log) -> None:
            log("signal 1")
            log("signal 2", logging.ERROR)

        def run(log: Callable[..., None] = log, handler: Any = handler, clock: Clock = clock) -> None:
            for number in range(5):
                log(f"record {number}")
            clock.step(3)
            log("record 5", logging.ERROR)
            log("record 6")
            handler.flush()

        where = at_point(point, interrupt, run)
        handler.close()
        expected = [f"record {number}" for number in range(7)] + (["signal 1", "signal 2"] if where else [])
        assert everything(path.parent) == expected, where
        point += 1
    assert point > 100


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_signal_handler_forks_at_any_point_of_a_flush(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P1: the child goes on in the middle of its parent's flush, and writes nothing of it."""
    point, where = 1, ""
    without_flusher(monkeypatch)
    parent = os.getpid()
    while where is not None:
        path = tmp_path / str(point) / "app.log"
        log = log_at(path, mkdir=True, **BUFFERED)
        for number in range(5):
            log.write(f"r{number}")
        children: list[int] = []

        def fork(children: list[int] = children) -> None:
            children.append(os.fork())

        try:
            where = at_point(point, fork, log.flush)
            if os.getpid() != parent:
                log.write("child")
                log.close()
        finally:
            if os.getpid() != parent:
                os._exit(0)
        for child in children:
            os.waitpid(child, 0)
        log.close()
        assert sorted(lines(path)) == (["child"] if where else []) + [f"r{number}" for number in range(5)], where
        point += 1
    assert point > 30


def test_a_real_signal_that_logs(path: Path) -> None:
    """P1, P3: a signal handler that logs errors while the main thread logs in a tight loop neither hangs nor doubles anything."""
    handler = handler_at(path, buffer_bytes=500, **BUFFERED)
    seen: list[str] = []

    def on_signal(*_: object) -> None:
        one = record(f"signal {len(seen)}")
        seen.append(one.getMessage())
        one.levelno = logging.ERROR if len(seen) % 2 else logging.INFO
        handler.handle(one)

    before = signal.signal(signal.SIGALRM, on_signal)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        end, count = time.monotonic() + 1, 0
        while time.monotonic() < end:
            handler.handle(record(f"main {count}"))
            count += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    handler.close()
    assert sorted(lines(path)) == sorted([*seen, *(f"main {number}" for number in range(count))])


# forks


pytest_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def in_a_child(work: Callable[[], object]) -> int:
    """Fork, work there; its exit status."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest_fork
@pytest.mark.filterwarnings("error::DeprecationWarning")
def test_fork_while_the_buffer_is_full(path: Path) -> None:
    """P1: the parent's records are written before the fork and not again, the child's buffer is its own, and no thread is alive
    over the fork (Python 3.12 warns of that)."""
    handler = handler_at(path, flush_interval=5, **BUFFERED)
    threads = len(os.listdir("/proc/self/task"))
    for number in range(50):
        handler.handle(record(f"parent {number}"))

    def child() -> None:
        assert handler.stats().buffered == 0
        assert handler.stats().records == 0
        for number in range(10):
            handler.handle(record(f"child {number}"))
        handler.close()

    assert in_a_child(child) == 0
    assert lines(path)[:50] == [f"parent {number}" for number in range(50)]
    assert len(os.listdir("/proc/self/task")) == threads, "no thread of ours goes on"
    handler.handle(record("parent 50"))
    wait_for(lambda: handler._sink._flusher.thread is not None, "a flusher of the parent's own")
    handler.close()
    assert sorted(lines(path)) == sorted([*(f"child {number}" for number in range(10)), *(f"parent {n}" for n in range(51))])


@pytest_fork
@pytest.mark.parametrize("face", [handler_at, log_at])
def test_fork_that_no_hook_told_of(path: Path, monkeypatch: pytest.MonkeyPatch, face: Any) -> None:
    """P1: a child that came about in C writes nothing of its parent's buffer."""
    pids = [os.getpid()]
    without_flusher(monkeypatch, pid=lambda: pids[0])
    monkeypatch.setattr(os, "getpid", lambda: pids[0])
    log = face(path, **BUFFERED)

    def write(text: str) -> None:
        log.handle(record(text)) if isinstance(log, logging.Handler) else log.write(text)

    write("the parent's")
    pids[0] += 1
    write("the child's")
    log.close()
    assert lines(path) == ["the child's"]


@pytest_fork
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_fork_while_the_disk_stalls(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P1, P3: a fork waits for another thread's flush a second at most, and the child can log."""
    stall, handler = on_a_stalling_disk(path, monkeypatch)
    with stall.closed():
        handler.handle(record("parent"))
        assert stall.waiting.wait(60)

        def child() -> None:
            stall.open.set()
            handler.handle(record("child"))
            handler.close()

        assert in_a_child(child) == 0
    handler.close()
    assert sorted(lines(path)) == ["child", "opens", "parent"]


# threads


def test_threads_through_a_small_buffer(path: Path) -> None:
    """P1: every record of many threads is there once, each thread's in order."""
    handler = handler_at(path, buffer_bytes=300, flush_interval=0.001, **BUFFERED)

    def work(name: int) -> None:
        for number in range(500):
            handler.handle(record(f"{name} {number:03}"))

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    handler.close()
    found = lines(path)
    for name in range(8):
        assert [line for line in found if line.startswith(f"{name} ")] == [f"{name} {number:03}" for number in range(500)]
    assert len(found) == 4000
    assert handler.stats().records == 4000


def test_namer_and_error_handler_log_in_the_flusher(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P3, P5: they want the handler's lock for their formatter in the thread that writes, while others log, flush and shut down
    with that lock in hand: nobody waits for the other."""
    clock = Clock(START)
    write = Switch(os.write, errno.EIO)
    use(monkeypatch, now=clock.now, write=write)
    handler = handler_at(path, "S", flush_interval=0.001, buffer_bytes=200, **BUFFERED)
    handler.setFormatter(Own("%(message)s"))
    count = [0]

    def log(text: str, level: int = logging.INFO) -> None:
        one = record(text, clock.now())
        one.levelno = level
        handler.handle(one)

    def namer(default: str) -> str:
        count[0] += 1
        log(f"namer {count[0]}", logging.ERROR)
        return default

    def on_error(_record: logging.LogRecord) -> None:
        log("error handler", logging.ERROR)

    handler.namer = namer
    handler.handleError = on_error  # type: ignore[method-assign]
    stop = threading.Event()

    def work() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            log(f"work {number}", logging.ERROR if number % 7 == 0 else logging.INFO)

    workers = [threading.Thread(target=work, daemon=True) for _ in range(3)]
    for worker in workers:
        worker.start()
    for step in range(30):
        clock.step(0.5)
        write.on = step % 5 == 0
        handler.acquire()
        handler.flush()
        handler.release()
        time.sleep(0.01)
    write.on = False
    stop.set()
    for worker in workers:
        worker.join(60)
        assert not worker.is_alive(), "a thread hangs"
    handler.close()
    assert count[0] > 0
    assert handler.lock.acquire(timeout=1)
    handler.lock.release()


def test_other_formatter_does_not_wait_for_the_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P3: a formatter that runs under the handler's lock: it is not the lock of who writes."""
    stall, handler = on_a_stalling_disk(path, monkeypatch)
    handler.setFormatter(Own("%(message)s"))
    with stall.closed():
        handler.handle(record("one"))
        assert stall.waiting.wait(60)
        for text in ("two", "three"):
            done = threading.Thread(target=handler.handle, args=(record(text),), daemon=True)
            done.start()
            done.join(60)
            assert not done.is_alive()
        assert handler.stream is not None
    handler.close()
    assert lines(path) == ["opens", "one", "two", "three"]


# a disk that stalls


def test_block_waits_for_a_full_buffer_only(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P3: while the disk stalls, calls return until the buffer is full; the next one waits, and nothing is lost."""
    stall = Stall()
    use(monkeypatch, write=stall)
    log = log_at(path, flush_interval=0.01, buffer_bytes=100, **BUFFERED)
    log.write("opens")
    log.flush()
    with stall.closed():
        log.write("taken by the flusher")
        assert stall.waiting.wait(60)
        for number in range(10):
            log.write(f"record {number}.")  # 10 bytes with its end
        over = threading.Thread(target=log.write, args=("over",), daemon=True)
        over.start()
        over.join(0.3)
        assert over.is_alive()
    over.join(60)
    assert not over.is_alive()
    log.close()
    assert lines(path) == ["opens", "taken by the flusher", *(f"record {number}." for number in range(10)), "over"]
    assert log.stats().lost == 0


def test_drop_never_waits_and_says_what_was_dropped(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P1, P3: while the disk stalls, what the buffer does not hold is dropped and counted; it is told once, and one line stands
    in the place of the dropped ones. When the disk is back, nothing is dropped any more."""
    stall, handler = on_a_stalling_disk(path, monkeypatch, buffer_bytes=100, overflow="drop")
    reports = collect(handler)
    with stall.closed():
        handler.handle(record("taken by the flusher"))
        assert stall.waiting.wait(60)
        for number in range(40):
            handler.handle(record(f"record {number:02}"))  # 10 bytes with its end
        assert handler._sink._lost == 30
        assert len(reports) == 1
        assert "dropped" in reports[0]
    handler.flush()
    handler.handle(record("after"))
    handler.close()
    opens, taken, *kept = lines(path)
    assert (opens, taken) == ("opens", "taken by the flusher")
    assert kept[:10] == [f"record {number:02}" for number in range(10)]
    assert kept[10].startswith("mpfhandler: 30 records lost between ")
    assert kept[11:] == ["after"]
    assert (handler.stats().lost, handler.stats().buffered) == (30, 0)
    with stall.closed():
        handler.handle(record("taken by the flusher"))
        assert stall.waiting.wait(60)
        for number in range(11):
            handler.handle(record(f"record {number:02}"))
        assert len(reports) == 2, "a new outage is news"
    handler.close()
    assert handler.stats().lost == 31


def test_drop_does_not_drop_while_the_disk_keeps_up(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A burst that is longer than the buffer is handed to a flusher that has nothing else to do; and a record that is longer than
    the buffer has it to itself."""
    monkeypatch.setattr(full, "_PATIENCE", 60)  # on a machine that is busy a thread may need long to begin
    log = log_at(path, flush_interval=5, buffer_bytes=1000, overflow="drop", **BUFFERED)
    log.write("x" * 5000)
    log.flush()
    for burst in range(10):
        for number in range(11):
            log.write(f"{burst} {number}".rjust(99))
        log.flush()
    log.close()
    assert (log.stats().lost, len(lines(path))) == (0, 111)


def test_flush_level_is_not_dropped(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P1: a record of `flush_level` is written before its call returns, with a full buffer and `overflow="drop"`, too."""
    without_flusher(monkeypatch)
    handler = handler_at(path, buffer_bytes=20, overflow="drop", **BUFFERED)
    handler.handle(record("one fills the buffer"))
    error = record("error")
    error.levelno = logging.ERROR
    handler.handle(error)
    assert lines(path) == ["one fills the buffer", "error"]
    handler.close()


def test_asyncio_goes_on_while_the_disk_stalls(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P3: an event loop that logs keeps its time while the disk takes nothing for longer than its ticks."""
    stall, handler = on_a_stalling_disk(path, monkeypatch)
    ticks = []

    async def tick() -> None:
        for number in range(50):
            handler.handle(record(f"tick {number}"))
            ticks.append(stall.open.is_set())
            await asyncio.sleep(0.001)

    async def main() -> None:
        handler.handle(record("taken by the flusher"))
        await asyncio.get_running_loop().run_in_executor(None, stall.waiting.wait, 60)
        await tick()

    with stall.closed():
        asyncio.run(main())  # would never end if a call waited for the disk
    handler.close()
    assert ticks == [False] * 50
    assert lines(path) == ["opens", "taken by the flusher", *(f"tick {number}" for number in range(50))]


# what hardly ever happens


def test_interpreter_without_a_lock(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where threads run at the same time the size is counted under a lock: it is right, the buffer is flushed when it is full,
    and text goes the way of bytes."""
    monkeypatch.setattr(buffers, "_ATOMIC", False)
    without_flusher(monkeypatch)
    log = log_at(path, buffer_bytes=20, **BUFFERED)
    sink = buffer_of(log)
    assert not sink.takes_text()
    for text in ("one", "two", "three", "four"):
        log.write(text)
    assert sink._size == 19
    assert (path.read_text(), log.stats().buffered) == ("", 4)
    log.write("five")
    assert (lines(path), sink._size) == (["one", "two", "three", "four"], 5)
    log.close()
    assert (lines(path)[-1], sink._size) == ("five", 0)


def test_record_in_a_list_that_was_put_aside(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P1: between the look at the list and the append another thread begins the next period, and the old list, empty then, goes:
    who has appended sees that, and the record is written once."""
    without_flusher(monkeypatch)
    log = log_at(path, **BUFFERED)
    log.write("first")
    sink = buffer_of(log)
    period = sink._waiting.period
    log.flush()

    class Switched(Waiting):
        """Another thread comes in right after the look."""

        __slots__ = ()

        def append(self, entry: Any) -> None:
            sink._waiting = Waiting(period)
            super().append(entry)

    aside = Switched(period)
    sink._waiting = aside
    log.write("second")
    assert sink._waiting is not aside
    assert aside == [b"second\n"]
    assert any(one is aside for one in sink._older)
    sink._rescue(aside)  # a second thread's record: it is there already
    assert sum(one is aside for one in sink._older) == 1
    log.write("third")
    log.close()
    assert lines(path) == ["first", "second", "third"]


def test_program_that_is_started_finds_everything_written(path: Path) -> None:
    """P1: before another program takes the place of this one, what is in memory is written, whatever the interval is."""
    log = log_at(path, flush_interval=1000.0, **BUFFERED)
    log.write("one")
    exits._before_start()
    assert lines(path) == ["one"]
    log.write("two")
    exits._before_start()
    exits._before_start()
    assert lines(path) == ["one", "two"]
    log.close()


def test_program_does_not_wait_long_for_a_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P3: its start is held up for the patience that there is, and the record comes when the disk does."""
    stall, handler = on_a_stalling_disk(path, monkeypatch)
    with stall.closed():
        handler.handle(record("held up"))
        assert stall.waiting.wait(60)
        handler.handle(record("behind it"))
        handler._sink.begin_to_settle()
        before = time.monotonic()
        handler._sink.settle(Patience(0.05))
        assert 0.05 <= time.monotonic() - before < 10
        assert lines(path) == ["opens"]
    handler.close()
    assert lines(path) == ["opens", "held up", "behind it"]


def test_program_is_started_where_there_is_no_thread(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits writes by itself then."""
    without_flusher(monkeypatch)
    log = log_at(path, **BUFFERED)
    log.write("one")
    sink = buffer_of(log)
    sink._flusher.thread = None
    monkeypatch.setattr(sink._flusher, "start", lambda: False)
    sink.begin_to_settle()
    sink.settle(Patience(60.0))
    assert lines(path) == ["one"]
    log.close()


def test_flush_in_a_child_that_no_hook_told_of(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P1: what the parent has in its buffer is the parent's to write, whatever is the first thing that the child does."""
    pids = [os.getpid()]
    without_flusher(monkeypatch, pid=lambda: pids[-1])
    log = log_at(path, **BUFFERED)
    log.write("the parent's")
    pids.append(pids[0] + 1)
    log.flush()
    assert lines(path) == []
    log.write("the child's")
    log.close()
    assert lines(path) == ["the child's"]


def test_clock_without_a_calendar(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that is millions of years off: there is no period, and every record is written all the same."""
    clock = Clock(START)
    without_flusher(monkeypatch, **clock.entries())
    log = log_at(path, "H", **BUFFERED)
    log.write("one")
    clock.wall = 1e15
    sink = buffer_of(log)
    assert sink._flusher.period(clock.wall) is None
    log.write("two")
    log.write("three")
    log.close()
    assert everything(path.parent) == ["one", "three", "two"]


def test_flusher_of_another_process_ends(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A namer has forked in the flusher: in the child that thread is not the flusher any more, and takes nothing away from the
    one which the child has started."""
    without_flusher(monkeypatch)
    log = log_at(path, **BUFFERED)
    log.write("one")
    sink = buffer_of(log)
    started = sink._flusher.thread
    assert started is not None
    assert sink._flusher._ended(sink._flusher.runner + 1)
    assert sink._flusher.thread is started
    log.close()


@pytest.mark.parametrize("queued", [False, True])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_interrupt_while_a_record_begins_to_wait(path: Path, monkeypatch: pytest.MonkeyPatch, queued: bool) -> None:
    """P1: a signal handler's exception just before or just after a record of a batch is put behind those that wait for the disk:
    each is written once, in order."""
    write = Switch(os.write)
    without_flusher(monkeypatch, write=write)
    log = log_at(path, **BUFFERED)
    for text in ("one", "two", "three"):
        log.write(text)
    write.on = True
    spill = log._writer._backlog.spill
    add = spill.add

    def interrupted(*given: Any, **more: Any) -> bool:
        monkeypatch.setattr(spill, "add", add)
        if queued:
            add(*given, **more)
        raise Interrupt

    monkeypatch.setattr(spill, "add", interrupted)
    with pytest.raises(Interrupt):
        log.flush()
    write.on = False
    log._writer._backlog.retry.clear()
    log.flush()
    log.close()
    assert lines(path) == ["one", "two", "three"]
    assert log.stats().lost == 0


@pytest.mark.parametrize("written", [False, True])
def test_interrupt_of_a_record_for_a_pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: bool) -> None:
    """P1: a signal handler's exception just before a record goes to a pipe, or just after it has: it is there once."""
    without_flusher(monkeypatch)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        log = log_at(fifo, **BUFFERED)
        log.write("one")
        log.write("two")
        deliver = log._writer._deliver

        def interrupted(*given: Any) -> bool:
            monkeypatch.setattr(log._writer, "_deliver", deliver)
            if written:
                deliver(*given)
            raise Interrupt

        monkeypatch.setattr(log._writer, "_deliver", interrupted)
        with pytest.raises(Interrupt):
            log.flush()
        log.close()
        assert os.read(reader, 100) == b"one\ntwo\n"
    finally:
        os.close(reader)


def test_signal_handler_logs_while_a_period_begins(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P1: the first record of a period is about to begin a list for it, and so does the signal handler's: there is one list for
    both, and each record stands in the file of its period."""
    clock = Clock(START + 58.0)
    without_flusher(monkeypatch, **clock.entries())
    log = log_at(path, "M", **BUFFERED)
    log.write("before")
    clock.step(3)
    sink = buffer_of(log)
    period = sink._flusher.period

    def interrupted(now: float) -> Any:
        found = period(now)
        monkeypatch.setattr(sink._flusher, "period", period)
        log.write("of the handler")
        return found

    monkeypatch.setattr(sink._flusher, "period", interrupted)
    log.write("after")
    log.write("last")
    assert sink._waiting[-1] == b"last\n"
    assert sum(map(bool, sink._older)) == 1
    log.close()
    assert lines(path) == ["of the handler", "after", "last"]
    assert everything(path.parent) == ["after", "before", "last", "of the handler"]


def test_two_threads_want_a_flusher(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that comes second finds the other one's, and starts none of its own."""
    without_flusher(monkeypatch)
    log = log_at(path, **BUFFERED)
    sink = buffer_of(log)
    flusher = sink._flusher
    other = NeverRuns()

    class Gate:
        """Had by the other thread until it has started one."""

        def __enter__(self) -> None:
            flusher.thread = other

        def __exit__(self, *_error: object) -> None:
            pass

    monkeypatch.setattr(flusher, "_gate", Gate())
    assert flusher.start()
    assert flusher.thread is other
