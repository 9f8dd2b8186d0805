"""Buffered delivery against those who mean it ill: threads that are switched at any instruction, exceptions and forks of signal
handlers, hooks that end their thread, disks that hang, and the last moments of an interpreter."""

from __future__ import annotations

import gc
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from _buffer_support import at_point, on_a_stalling_disk, without_flusher
from _disk_support import START, Clock, collect, handler_at, lines, log_at, record, segments, use, wait_for
from _support import read_lines, run

from mpfhandler._engine import flusher, overflow
from mpfhandler._platform import Patience
from mpfhandler._platform.threads import SYSTEM_THREADS
from mpfhandler._protocols.housekeeper import Housekeeper
from mpfhandler._resources import exits, fork

BUFFERED = {"delivery": "buffered"}
FAST_PATH = {"handle", "_add"}  # functions
SLOW_FLUSH = 'delivery="buffered", flush_interval=3600'
pytest_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


class Own(logging.Formatter):
    """A formatter that is not the stock one: it runs under the handler's lock."""


class Interrupt(BaseException):
    """What a signal handler raises."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


def names(path: Path) -> list[str]:
    return [line.name for line in read_lines([path])]


# another thread at any instruction


def between(event: str, point: int, act: Callable[[], object], call: Callable[[], object]) -> bool:
    """Call, and have another thread act at the n-th line, or instruction, of the fast path; False if it was over before."""
    count = 0

    def local(frame: FrameType, what: str, _arg: object) -> Any:
        nonlocal count
        frame.f_trace_opcodes = event == "opcode"
        if what == event:
            count += 1
            if count == point:
                other = threading.Thread(target=act)
                other.start()
                other.join(60)
        return local

    sys._getframe().f_trace_opcodes = event == "opcode"  # Python 3.12 looks at it when tracing begins
    before = sys.gettrace()
    sys.settrace(lambda frame, _what, _arg: local if frame.f_code.co_name in FAST_PATH else None)
    try:
        call()
    finally:
        sys.settrace(before)  # perhaps it is measured what is reached
    return count >= point


@pytest.mark.parametrize("face", [handler_at, log_at])
@pytest.mark.parametrize("flushes", [False, True])
def test_a_thread_that_is_switched_at_any_instruction_keeps_its_period(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, face: Any, flushes: bool
) -> None:
    """P1, P2: while a record is on its way into the buffer, another thread brings the next period, and perhaps takes the buffer:
    the record is there once, in the file of its own time."""
    point, reached = 1, True
    while reached:
        path = tmp_path / str(point) / "app.log"
        clock = Clock(START + 58.0)
        without_flusher(monkeypatch, **clock.entries())
        log = face(path, "M", mkdir=True, **BUFFERED)

        def write(text: str, created: float, log: Any = log) -> None:
            log.handle(record(text, created)) if isinstance(log, logging.Handler) else log.write(text, created)

        def other(write: Any = write, clock: Clock = clock, log: Any = log) -> None:
            clock.step(3)
            write("new", clock.now())
            if flushes:
                log.flush()
                write("newer", clock.now())

        write("first", clock.now())
        write("second", clock.now())
        made = clock.now()
        reached = between("opcode", point, other, lambda write=write, made=made: write("old", made))
        log.flush()
        assert log.stats().buffered == 0
        log.close()
        if reached:
            assert lines(path) == (["new", "newer"] if flushes else ["new"]), point
            assert lines(path.with_name("app.log.2026-03-04_10-20")) == ["first", "second", "old"], point
        point += 1
    assert point > 30


def test_size_is_off_by_one_record_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that is switched between two lines does not forget what others have added, so the buffer keeps its bounds."""
    point, reached = 1, True
    without_flusher(monkeypatch)
    while reached:
        handler = handler_at(tmp_path / f"{point}.log", **BUFFERED)
        handler.handle(record("0123456"))

        def other(handler: Any = handler) -> None:
            for _ in range(10):
                handler.handle(record("0123456"))

        reached = between("line", point, other, lambda handler=handler: handler.handle(record("0123456")))
        true = handler.stats().buffered * 8
        assert abs(handler._sink._size - true) <= 8, point
        handler.flush()
        assert handler._sink._size == 0
        handler.close()
        point += 1
    assert point > 10


# overflow="drop"


def test_drop_judges_the_disk_and_not_the_scheduler(path: Path) -> None:
    """P1: four threads that log as fast as they can lose nothing to a healthy disk, be the machine as busy as it may."""
    handler = handler_at(path, buffer_bytes=5000, overflow="drop", **BUFFERED)

    def work(name: int) -> None:
        for number in range(2000):
            handler.handle(record(f"{name} {number} {'x' * 90}"))
            if number % 100 == 0:
                handler.handle(record(f"{name} {number} {'y' * 6000}"))  # longer than the buffer

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    handler.close()
    assert handler.stats().lost == 0
    assert len(lines(path)) == 4 * 2020


def test_drop_waits_for_a_flusher_that_has_no_turn(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While nobody is at the disk a full buffer is waited for, but not for ever."""
    monkeypatch.setattr(overflow, "_PATIENCE", 0.2)
    without_flusher(monkeypatch)
    handler = handler_at(path, buffer_bytes=20, overflow="drop", **BUFFERED)
    collect(handler)
    handler.handle(record("one fills the buffer"))
    begun = time.monotonic()
    handler.handle(record("two"))
    assert time.monotonic() - begun >= 0.2
    begun = time.monotonic()
    for _ in range(50):
        handler.handle(record("three"))
    assert time.monotonic() - begun < 5, "nobody came, so the next ones do not wait"
    assert handler._sink._lost == 51
    handler.close()


def test_drop_on_a_stalled_disk_returns_at_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P3: as soon as a write lasts too long, nobody waits for it any more."""
    monkeypatch.setattr(overflow, "_PATIENCE", 60)
    stall, handler = on_a_stalling_disk(path, monkeypatch, buffer_bytes=100, overflow="drop")
    collect(handler)
    with stall.closed():
        handler.handle(record("taken by the flusher"))
        assert stall.waiting.wait(60)
        begun = time.monotonic()
        for number in range(1000):
            handler.handle(record(f"record {number:02}"))
        assert time.monotonic() - begun < 10
    handler.close()
    assert handler.stats().lost > 900


# a flusher that is ended


def test_namer_that_exits_does_not_end_the_flushing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P5: `sys.exit` in a hook, in the thread that flushes: what is in the buffer is written without a further record."""
    clock = Clock(START)
    use(monkeypatch, now=clock.now)
    handler = handler_at(path, "M", flush_interval=0.01, **BUFFERED)
    calls: list[str] = []

    def namer(name: str) -> str:
        calls.append(name)
        if len(calls) == 1:
            sys.exit("gives up")
        return name

    handler.namer = namer
    handler.handle(record("one", clock.now()))
    handler.flush()
    wait_for(lambda: handler._sink._flusher.thread is None, "the flusher's end")
    clock.step(61)
    handler.handle(record("two", clock.now()))
    wait_for(lambda: calls, "the rotation", 20)
    wait_for(lambda: handler.stats().buffered == 0, "the flush", 20)
    handler.close()
    assert lines(path) == ["two"]


@pytest.mark.parametrize("where", ["_wait", "_ended"])
def test_flusher_without_memory_is_replaced(path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """P5: whatever ends the thread, the next record has one."""
    real, calls = getattr(flusher.Flusher, where), []

    def once(self: flusher.Flusher, *given: Any) -> Any:
        if not calls:
            calls.append(1)
            raise MemoryError
        return real(self, *given)

    monkeypatch.setattr(flusher.Flusher, where, once)
    monkeypatch.setattr(sys, "unraisablehook", lambda _what: None)
    handler = handler_at(path, flush_interval=0.01, **BUFFERED)
    handler.handle(record("one"))
    wait_for(lambda: calls, "the end")
    wait_for(lambda: handler._sink._flusher.thread is None or handler.stats().buffered == 0, "the end of the thread")
    handler.handle(record("two"))
    wait_for(lambda: handler.stats().buffered == 0, "the flush")
    handler.close()
    assert lines(path) == ["one", "two"]


def test_fork_whose_end_nobody_told_of(path: Path) -> None:
    """A signal handler's exception that ends a fork's hook does not leave the log without a flusher for ever."""
    handler = handler_at(path, flush_interval=0.01, **BUFFERED)
    handler._sink.prepare_fork()
    handler.handle(record("one"))
    assert lines(path) == ["one"], "who has forked does not count on a thread"
    handler._sink._flusher._stopper = 0  # another thread's
    handler._sink._flusher._stop = Patience(0.05)
    wait_for(lambda: (handler.handle(record("two")), time.sleep(0.01), handler.stats().records > 1)[-1], "the flush", 10)
    handler.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_exception_at_any_point_of_a_call_with_a_formatter_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P5: nothing but the exception itself comes out of the call, and the handler's lock is free afterwards."""
    point, where = 1, ""
    without_flusher(monkeypatch)
    gc.collect()  # what other tests have left would be finalized in the call
    while where is not None:
        handler = handler_at(tmp_path / f"{point}.log", **BUFFERED)
        handler.setFormatter(Own("%(message)s"))
        reports = collect(handler)
        error = record("one")
        error.levelno = logging.ERROR

        def raising() -> None:
            raise Interrupt

        def call(handler: Any = handler, error: Any = error) -> None:
            try:
                handler.handle(error)
            except Interrupt:
                pass

        where = at_point(point, raising, call)
        free: list[bool] = []
        other = threading.Thread(target=lambda handler=handler, free=free: free.append(handler.lock.acquire(timeout=5)))
        other.start()
        other.join()
        assert free == [True], where
        assert reports == [], where
        point += 1
    assert point > 20


def test_lock_that_a_program_holds_stays_held(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`handler.acquire()` keeps others from formatting until `release()`, also while the holder flushes."""
    stall, handler = on_a_stalling_disk(path, monkeypatch)
    seen: list[bool] = []
    write = handler._writer._active.segment._write  # type: ignore[union-attr]

    def look(fd: int, data: bytes) -> int:
        other = threading.Thread(target=lambda: seen.append(handler.lock.acquire(blocking=False)))
        other.start()
        other.join()
        return write(fd, data)

    handler._writer._active.segment._write = look  # type: ignore[union-attr]
    handler._sink._flusher.stop(60)
    handler.handle(record("one"))
    handler.acquire()
    handler.flush()
    handler.release()
    assert seen == [False]
    assert stall.open.is_set()
    handler.close()


# forks of signal handlers


def forking_start(work: Callable[[], None], name: str) -> Any:
    """Starts a thread, and before the starter knows of it a signal handler forks."""
    thread = SYSTEM_THREADS.start(work, name)
    fork_once[0] = fork_once[0] and os.fork()
    return thread


fork_once = [1]


@pytest_fork
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_fork_while_a_flusher_is_started(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child does not take a thread for its own that only its parent has."""
    parent, fork_once[0] = os.getpid(), 1
    use(monkeypatch, threads=replace(SYSTEM_THREADS, start=forking_start))
    handler = handler_at(path, flush_interval=0.01, **BUFFERED)
    try:
        handler.handle(record("parent"))
        if os.getpid() != parent:
            handler.handle(record("child"))
            wait_for(lambda: handler.stats().records == 1 and not handler.stats().buffered, "the child's flush")
            os._exit(0)
    finally:
        if os.getpid() != parent:
            os._exit(1)
    assert os.waitpid(fork_once[0], 0)[1] == 0
    fork_once[0] = 0
    handler.close()
    assert sorted(lines(path)) == ["child", "parent"]


@pytest_fork
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_fork_while_a_housekeeper_is_started() -> None:
    """The same for the other thread."""
    parent, fork_once[0] = os.getpid(), 1
    done = threading.Event()
    keeper = Housekeeper(replace(SYSTEM_THREADS, start=forking_start), lambda _stop: done.set())
    fork.register(keeper)
    try:
        keeper.ask()
        if os.getpid() != parent:
            done.clear()
            keeper.ask()
            os._exit(0 if done.wait(30) else 2)
    finally:
        if os.getpid() != parent:
            os._exit(1)
    assert os.waitpid(fork_once[0], 0)[1] == 0
    fork_once[0] = 0
    assert done.wait(30)


@pytest.mark.parametrize("kind", ["THREADS", "SYSTEM_THREADS"])
def test_start_of_a_thread_waits_for_nothing(kind: str) -> None:
    """A signal handler that forks while a thread is started leaves a child that goes on: so nobody waits for the thread's first
    step. (`threading.Thread.start` does.)"""
    code = f"""
    import _thread, threading
    from _support import *
    from mpfhandler._platform import threads
    _thread.start_new_thread = lambda *_: 0  # it never runs
    threading._start_new_thread = threading._start_joinable_thread = lambda *_, **__: 0
    threads.{kind}.start(list, "never runs")
    say("goes on")
    """
    assert run(code) == "goes on\n"


# signals that are blocked


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="this system has no signal masks")
def test_thread_takes_no_signal_that_the_program_blocks() -> None:
    """A signal that the program has blocked stays pending while there are threads of ours."""
    code = """
    import os, signal, threading
    from _support import *
    from mpfhandler._platform import threads
    got, end = [], threading.Event()
    signal.signal(signal.SIGUSR1, lambda *_: got.append(1))
    for kind in (threads.THREADS, threads.SYSTEM_THREADS):
        begun = threading.Event()
        kind.start(lambda: (begun.set(), end.wait(60)), "waits")
        begun.wait(60)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    os.kill(os.getpid(), signal.SIGUSR1)
    time.sleep(0.1)
    say(got, signal.SIGUSR1 in signal.sigpending())
    end.set()
    """
    assert run(code) == "[] True\n"


# a disk that hangs


@pytest_fork
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_forks_and_programs_wait_for_all_hanging_disks_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P3: a fork, another program and `stats` wait a second at most, however many logs hang, and do not write themselves."""
    stalls, handlers = [], []
    for number in range(4):
        stall, handler = on_a_stalling_disk(tmp_path / f"{number}.log", monkeypatch)
        stalls.append(stall)
        handlers.append(handler)

    def spend(call: Callable[[], object]) -> float:
        begun = time.monotonic()
        call()
        return time.monotonic() - begun

    def child() -> None:
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)

    for stall in stalls:
        stall.open.clear()
    try:
        for handler in handlers:
            handler.handle(record("one"))
        spent = [
            spend(child),
            spend(lambda: subprocess.run(["/bin/true"], check=True)),
            spend(lambda: [handler.stats() for handler in handlers]),
        ]
    finally:
        for stall in stalls:
            stall.open.set()
    assert max(spent) < 3, spent
    for number, handler in enumerate(handlers):
        handler.close()
        assert lines(tmp_path / f"{number}.log") == ["opens", "one"]


@pytest.mark.parametrize("how", ["slow disks", "error handlers that hang"])
def test_interpreter_waits_for_all_buffers_together(tmp_path: Path, how: str) -> None:
    """P1: for eight disks as long as for one, and nothing is lost. Where only a thread is left, which is held up in the program's
    own code, a second for all."""
    code = f"""
    import sys, time
    from _support import *
    from mpfhandler._platform import threads
    slow = []
    def write(fd, data, write=os.write):
        if slow:
            time.sleep(1)
        return write(fd, data)
    replace_operation("write", write)
    logs = [make_logger(f"{tmp_path}/{{number}}.log", when="D", delivery="buffered", flush_interval=3600) for number in range(8)]
    for logger, handler in logs:
        logger.info("first")
        handler.flush()
    slow.append(1)
    for logger, handler in logs:
        logger.info("last")
        if {how!r} != "slow disks":
            flush = handler._sink._flusher._flush
            handler._sink._flusher._flush = lambda flush=flush: (flush(), time.sleep(100))
    say(time.time())
    """
    said = float(run(code))
    assert time.time() - said < 5
    for number in range(8):
        assert [line.split()[-1] for line in lines(tmp_path / f"{number}.log")] == ["first", "last"]


# late


def test_late_record_without_its_time_does_not_wait_for_a_long_interval(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P2: a record of a period whose end has been flushed, in a list of that period, is not kept for the interval."""
    clock = Clock(START + 58)
    use(monkeypatch, now=clock.now)
    handler = handler_at(path, "M", flush_interval=3600, **BUFFERED)
    for _ in range(2):
        handler.handle(record("old", clock.now()))
    made = clock.now()
    clock.step(3)
    wait_for(lambda: handler.stats().buffered == 0, "the flush at the boundary", 20)
    handler.handle(record("late", made))
    wait_for(lambda: handler.stats().buffered == 0, "the flush of the late one", 20)
    handler.close()
    assert segments(path.parent) == ["app.log", "app.log.2026-03-04_10-20"]
    assert lines(path.parent / "app.log.2026-03-04_10-20") == ["old", "old", "late"]


# what is no text


@pytest.mark.parametrize("options", [{}, BUFFERED])
@pytest.mark.parametrize("how", ["formatter", "class"])
def test_formatter_that_returns_bytes(path: Path, monkeypatch: pytest.MonkeyPatch, options: Any, how: str) -> None:
    """What cannot be written goes to `handleError`, with either delivery."""
    handler = handler_at(path, **options)
    reports: list[Any] = []
    handler.handleError = reports.append  # type: ignore[method-assign]
    handler.setFormatter(logging.Formatter("%(message)s"))
    handler.handle(record("one"))
    if how == "formatter":

        class Bytes(logging.Formatter):
            def format(self, record: logging.LogRecord) -> Any:
                return record.getMessage().encode()

        handler.setFormatter(Bytes())
    else:
        monkeypatch.setattr(type(handler), "format", lambda _self, one: one.getMessage().encode())
    for _ in range(2):
        handler.handle(record("bytes"))
    monkeypatch.undo()
    handler.setFormatter(logging.Formatter("%(message)s"))
    handler.handle(record("two"))
    handler.close()
    assert len(reports) == 2
    assert lines(path) == ["one", "two"]


# the end of a process


def test_record_of_an_exit_handler_while_the_flusher_sleeps(path: Path) -> None:
    """P1: after the package's own exit handler nothing stays in memory, whatever thread there is."""
    code = f"""
    import atexit, sys
    log = None
    atexit.register(lambda: log.write("1.0 last"))  # runs after the package's own
    from _support import *
    import mpfhandler
    log = mpfhandler.TimedLogFile(sys.argv[1], when="D", {SLOW_FLUSH})
    log.write("1.0 first")
    """
    run(code, path)
    assert names(path) == ["first", "last"]


@pytest.mark.parametrize("mode", ["thread", "hook", "import"])
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_last_records_of_a_child_of_multiprocessing(path: Path, mode: str, method: str) -> None:
    """P1: what a thread logs after the child's function has returned; what a child logs that has logged before multiprocessing
    took it over, in a hook of the fork or while its program is imported."""
    script = path.parent / "program.py"
    script.write_text(f"""
import multiprocessing, os, sys, threading, time
from _support import *
logger, handler = make_logger(sys.argv[1], when="D", {SLOW_FLUSH})

def work():
    if {mode!r} == "thread":
        threading.Thread(target=lambda: (time.sleep(0.2), logger.info("in-thread"))).start()
    logger.info("in-child")

if {mode!r} == "import" and __name__ != "__main__":
    logger.info("at-import")
if __name__ == "__main__":
    if {mode!r} == "hook":
        os.register_at_fork(after_in_child=lambda: logger.info("in-hook"))
    child = multiprocessing.get_context({method!r}).Process(target=work)
    child.start()
    child.join()
    assert child.exitcode == 0
""")
    run("import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')", script, path)
    before = {("hook", "fork"): ["in-hook"], ("import", "spawn"): ["at-import"], ("thread", method): ["in-thread"]}
    assert sorted(names(path)) == sorted(["in-child", *before.get((mode, method), [])])


@pytest.mark.skipif(exits._CRASHES, reason="there is no audit hook in this version")
def test_audit_hook_at_the_end_of_the_interpreter(path: Path) -> None:
    """P5: what a program does in its last moments, when the globals of modules are gone already, works as ever."""
    code = f"""
    import os, sys
    from _support import *
    from mpfhandler._resources import exits
    logger, handler = make_logger(sys.argv[1], when="D", {SLOW_FLUSH})
    hook = exits._audit
    for name in list(vars(exits)):
        vars(exits)[name] = None  # as the interpreter does
    os.listdir("/")
    os.system("true")
    say("fine")
    os._exit(0)
    """
    assert run(code, path) == "fine\n"


def test_no_audit_hook_where_it_crashes_the_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    """CPython 3.13.0 may crash at its end with any audit hook."""
    hooks: list[Any] = []
    monkeypatch.setattr(sys, "addaudithook", hooks.append)
    monkeypatch.setattr(exits, "_everyone", {})
    for crashes in (True, False):
        monkeypatch.setattr(exits, "_CRASHES", crashes)
        monkeypatch.setattr(exits, "_installed", False)
        exits.register(object())  # type: ignore[arg-type]
        assert len(hooks) == (not crashes)
