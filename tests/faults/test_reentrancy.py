"""Code that logs while the handler is at work: signal handlers, formatters, namers, rotators, error handlers, stderr.

The real thing (a timer signal every millisecond) finds an interleaving by luck. The sweeps find each: a record is logged from
inside of the n-th system call, or before the n-th line of the package's code, for n = 1, 2, 3 … until there are no more.
"""

from __future__ import annotations

import collections
import contextlib
import io
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from _disk_support import Clock, all_lines, collect, handler_at, log_at, python, record, segments, use, use_clock

import mpfhandler
from mpfhandler._platform import OPERATIONS

_PACKAGE = os.path.dirname(os.path.abspath(mpfhandler.__file__))

# entries that a signal handler can run after: all that enter the kernel
_CALLS = ("open_append", "open_existing", "open_side", "open_lock", "open_read", "close", "write", "seek", "read_at", "write_at",
          "stat_path", "stat_fd", "rename_new", "unlink", "names", "try_lock", "unlock")  # fmt: skip


class Interruption:
    """Runs an action once, at the n-th moment."""

    def __init__(self, action: Callable[[], None]) -> None:
        self.action = action
        self.armed = False
        self.at = 0
        self.moments = 0
        self.happened = False

    def moment(self) -> None:
        """Here a signal handler may run."""
        self.moments += self.armed
        if self.armed and self.moments == self.at and not self.happened:
            self.happened = True
            self.action()

    def after(self, entry: Callable[..., Any]) -> Callable[..., Any]:
        """The same entry of the table, with a moment after it."""

        def call(*arguments: Any) -> Any:
            try:
                return entry(*arguments)
            finally:
                self.moment()

        return call

    def trace(self, frame: FrameType, event: str, _argument: object) -> Any:
        """For `sys.settrace`: a moment before each line of the package."""
        if not frame.f_code.co_filename.startswith(_PACKAGE):
            return None
        if event == "line" and not self.happened:
            self.moment()
        return self.trace


@contextlib.contextmanager
def tracing(interruption: Interruption) -> Iterator[None]:
    """Lines of the package are moments."""
    before = sys.gettrace()
    sys.settrace(interruption.trace)
    try:
        yield
    finally:
        sys.settrace(before)


def check(folder: Path, expected: list[str], at: int) -> None:
    """Every record is there once, and nothing else."""
    found = collections.Counter(all_lines(folder))
    lost = sorted(set(expected) - set(found))
    assert not lost, f"interrupted at moment {at}: lost {lost}; {dict(found)}"
    assert found == collections.Counter(expected), f"interrupted at moment {at}: {dict(found)}"


OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "no grace": {"late_grace": 0},
    "split": {"max_bytes": 15},
    "retention": {"backup_count": 100},
}


def scenario(path: Path, clock: Clock, interruption: Interruption, options: dict[str, Any]) -> list[str]:
    """Three records before a boundary and three after it, and the interruption's own; what must be in the files."""
    log = log_at(path, "S", **options)

    def interrupt() -> None:
        log.write("interrupting 1")
        clock.step(1)
        log.write("interrupting 2")

    interruption.action = interrupt
    interruption.armed = True
    expected = ["before 1", "before 2", "after 1", "after 2", "last"]
    for text in expected[:2]:
        log.write(text)
    clock.step(1)
    for text in expected[2:4]:
        log.write(text)
    interruption.armed = False
    log.write("last")
    log.close()
    return expected + ["interrupting 1", "interrupting 2"] * interruption.happened


@pytest.mark.parametrize("name", OPTIONS)
def test_signal_handler_logs_after_any_system_call(tmp_path: Path, name: str) -> None:
    """A signal handler that logs, over a boundary of its own, right after any system call of any record: nothing is lost, doubled
    or hung (P1, P5)."""
    for at in range(1, 500):
        interruption = Interruption(lambda: None)
        interruption.at = at
        folder = tmp_path / str(at)
        folder.mkdir()
        clock = Clock()
        with pytest.MonkeyPatch.context() as patch:
            entries = {call: interruption.after(getattr(OPERATIONS, call)) for call in _CALLS}
            use(patch, **{**clock.entries(), **entries})
            expected = scenario(folder / "app.log", clock, interruption, OPTIONS[name])
        check(folder, expected, at)
        if not interruption.happened:
            break
    assert 20 < at < 499


@pytest.mark.slow
@pytest.mark.timeout(300)  # a deadlock; a thousand logs that each wait for the background thread's pause take one minute
@pytest.mark.parametrize("name", OPTIONS)
def test_signal_handler_logs_before_any_line(tmp_path: Path, name: str) -> None:
    """The same before any line of the package's code (P1, P5)."""
    for at in range(1, 3000):
        interruption = Interruption(lambda: None)
        interruption.at = at
        folder = tmp_path / str(at)
        folder.mkdir()
        clock = Clock()
        with pytest.MonkeyPatch.context() as patch:
            use(patch, **clock.entries())
            with tracing(interruption):
                expected = scenario(folder / "app.log", clock, interruption, OPTIONS[name])
        check(folder, expected, at)
        if not interruption.happened:
            break
    assert 200 < at < 2999


_TIMER = """
import collections, itertools, signal
from _disk_support import *
folder, seconds, grace = Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
handler = handler_at(folder / "app.log", "S", late_grace=grace)
reports = collect(handler)
logger = logging.Logger("timer")
logger.addHandler(handler)
sent = [0, 0]
numbers = itertools.count()  # one step: a signal may come while another one is handled

def interrupt(signum, frame):
    logger.info("signal %d", next(numbers))

signal.signal(signal.SIGALRM, interrupt)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
end = time.monotonic() + seconds
while time.monotonic() < end:
    logger.info("loop %d", sent[0])
    sent[0] += 1
signal.setitimer(signal.ITIMER_REAL, 0)
sent[1] = next(numbers)
stats = handler.stats()
handler.close()
found = collections.Counter(all_lines(folder))
expected = {f"loop {number}" for number in range(sent[0])} | {f"signal {number}" for number in range(sent[1])}
assert sent[1] > 100, sent
assert stats.rotations >= 1, stats
assert expected == set(found), (len(expected - set(found)), sorted(set(found) - expected)[:5])
assert max(found.values()) == 1
assert reports == [], reports
"""


@pytest.mark.parametrize("grace", [10, 0])
def test_signal_handler_logs_every_millisecond(tmp_path: Path, grace: float) -> None:
    """A timer signal every millisecond whose handler logs, in a loop that logs, over boundaries: nothing is lost, doubled or
    hung (P1, P5)."""
    python(_TIMER, tmp_path, 2.5, grace)


def test_formatter_that_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A formatter may log to the same handler; both records are there (P5)."""
    use_clock(monkeypatch)
    handler = handler_at(tmp_path / "app.log")

    class Chatty(logging.Formatter):
        def format(self, made: logging.LogRecord) -> str:
            if not made.getMessage().startswith("inner"):
                handler.handle(record(f"inner of {made.getMessage()}"))
            return super().format(made)

    handler.setFormatter(Chatty())
    handler.handle(record("one"))
    handler.handle(record("two"))
    assert all_lines(tmp_path) == ["inner of one", "one", "inner of two", "two"]


def test_formatter_that_logs_across_a_boundary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that a formatter makes may rotate before the outer one is written; the outer one goes to its own period (P2)."""
    clock = use_clock(monkeypatch)
    handler = handler_at(tmp_path / "app.log", "S")

    class Slow(logging.Formatter):
        def format(self, made: logging.LogRecord) -> str:
            if made.getMessage() == "outer":
                clock.step(1)
                handler.handle(record("inner", clock.now()))
            return super().format(made)

    handler.setFormatter(Slow())
    handler.handle(record("outer", clock.now()))
    assert (tmp_path / "app.log").read_text() == "inner\n"
    assert (tmp_path / "app.log.2026-03-04_10-20-00").read_text() == "outer\n"


@pytest.mark.parametrize("hook", ["namer", "rotator"])
def test_hook_that_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hook: str) -> None:
    """A namer or a rotator may log to the same handler while it is asked: no deadlock, no second rotation, nothing lost (P5)."""
    clock = use_clock(monkeypatch)
    handler = handler_at(tmp_path / "app.log", "S")
    told: list[str] = []

    def tell(what: str) -> None:
        told.append(f"{what} {len(told)}")
        handler.handle(record(told[-1], clock.now()))

    def namer(name: str) -> str:
        tell("namer")
        return name

    def rotator(source: str, target: str) -> None:
        tell("rotator")
        os.rename(source, target)

    if hook == "namer":
        handler.namer = namer
    else:
        handler.rotator = rotator
    for number in range(4):
        handler.handle(record(f"record {number}", clock.now()))
        handler._writer._housekeeper.finish(10)
        clock.step(1)
    handler.close()
    assert told
    expected = [f"record {number}" for number in range(4)] + told
    assert sorted(all_lines(tmp_path)) == sorted(expected)
    assert len([name for name in segments(tmp_path) if name != "app.log"]) == 3


def test_error_handler_that_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`handleError` may log to the same handler, whatever it is called for: no recursion, nothing lost (P5)."""
    rename = {"fails": False}

    def rename_new(source: str, target: str) -> None:
        if rename["fails"]:
            raise PermissionError(13, "made to fail", source, None, target)
        OPERATIONS.rename_new(source, target)

    clock = use_clock(monkeypatch, rename_new=rename_new)
    handler = handler_at(tmp_path / "app.log", "S")
    calls: list[str] = []

    def complain(made: logging.LogRecord) -> None:
        calls.append(f"complaint {len(calls)}")
        handler.handle(record(calls[-1], clock.now()))

    handler.handleError = complain  # type: ignore[method-assign]
    handler.handle(record("one", clock.now()))
    rename["fails"] = True
    clock.step(1)
    handler.handle(record("two", clock.now()))
    handler.handle(logging.makeLogRecord({"msg": "not %d", "args": ("a number",), "created": clock.now()}))
    rename["fails"] = False
    clock.step(2)
    handler.handle(record("three", clock.now()))
    assert len(calls) == 2
    assert sorted(all_lines(tmp_path)) == sorted(["one", "two", "three", *calls])


@pytest.mark.parametrize("when_it_fails", ["write", "rename_new", "open_new"])
def test_stderr_that_leads_into_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when_it_fails: str) -> None:
    """Where `sys.stderr` is redirected to logging, the standard `handleError` does not send the handler into a recursion (P5)."""
    entry = getattr(OPERATIONS, when_it_fails)
    state = {"fails": False}

    def sometimes(*arguments: Any) -> Any:
        if state["fails"]:
            raise OSError(5, "made to fail")
        return entry(*arguments)

    clock = use_clock(monkeypatch, **{when_it_fails: sometimes})
    handler = handler_at(tmp_path / "app.log", "S")
    logger = logging.Logger("redirected")
    logger.addHandler(handler)

    class ToLog(io.TextIOBase):
        def write(self, text: str) -> int:
            if text.strip():
                handler.handle(record(text.rstrip("\n").replace("\n", "|"), clock.now()))
            return len(text)

    monkeypatch.setattr(sys, "stderr", ToLog())
    handler.handle(record("one", clock.now()))
    state["fails"] = True
    clock.step(1)
    for number in range(20):
        handler.handle(record(f"failing {number}", clock.now()))
        clock.step(0.1)
    state["fails"] = False
    clock.step(5)
    handler.flush()
    handler.handle(record("last", clock.now()))
    handler.close()
    found = all_lines(tmp_path)
    expected = ["one", *(f"failing {number}" for number in range(20)), "last"]
    assert [line for line in found if line in expected] == expected
    assert 1 <= found.count("--- Logging error ---") < 10
    assert any("made to fail" in line for line in found)


def test_garbage_collector_that_logs(tmp_path: Path) -> None:
    """A finalizer may run between any two instructions and log (P5)."""
    code = """
import gc
from _disk_support import *
handler = handler_at(Path(sys.argv[1]) / "app.log", "S")
reports = collect(handler)
sent = [0, 0]

class Loud:
    def __init__(self):
        self.me = self

    def __del__(self):
        handler.emit(record(f"finalizer {sent[1]}"))
        sent[1] += 1

gc.set_threshold(7)
end = time.monotonic() + 1.5
while time.monotonic() < end:
    Loud()
    handler.emit(record(f"loop {sent[0]}"))
    sent[0] += 1
gc.collect()
gc.disable()
found = all_lines(Path(sys.argv[1]))
assert sent[1] > 50
assert sorted(found) == sorted([f"loop {n}" for n in range(sent[0])] + [f"finalizer {n}" for n in range(sent[1])])
assert reports == [], reports
"""
    python(code, tmp_path)


def test_threads_and_signals_together(tmp_path: Path) -> None:
    """Threads log while a signal handler logs in the main thread, over boundaries: nothing is lost or doubled (P1)."""
    code = """
import itertools, signal, threading
from _disk_support import *
folder = Path(sys.argv[1])
handler = handler_at(folder / "app.log", "S")
sent = {}
stop = threading.Event()

def loop(name):
    number = 0
    while not stop.is_set():
        handler.handle(record(f"{name} {number}"))
        number += 1
    sent[name] = number

signals = itertools.count()
def interrupt(signum, frame):
    handler.handle(record(f"signal {next(signals)}"))

threads = [threading.Thread(target=loop, args=(f"thread{n}",)) for n in range(3)]
signal.signal(signal.SIGALRM, interrupt)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
for thread in threads:
    thread.start()
end = time.monotonic() + 1.5
number = 0
while time.monotonic() < end:
    handler.handle(record(f"main {number}"))
    number += 1
signal.setitimer(signal.ITIMER_REAL, 0)
stop.set()
for thread in threads:
    thread.join()
sent["main"], sent["signal"] = number, next(signals)
expected = [f"{name} {n}" for name, count in sent.items() for n in range(count)]
assert sorted(all_lines(folder)) == sorted(expected)
assert sent["signal"] > 20
"""
    python(code, tmp_path)


def test_report_to_a_handler_that_is_used_by_another_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error handler that waits for another thread which logs elsewhere is not the handler's business: records of the same
    thread go on after it has raised (P5)."""

    def rename_new(source: str, target: str) -> None:
        raise PermissionError(13, "made to fail", source, None, target)

    clock = use_clock(monkeypatch, rename_new=rename_new)
    handler = handler_at(tmp_path / "app.log", "S")

    def explode(_record: logging.LogRecord) -> None:
        raise RuntimeError(f"the error handler itself fails in {threading.current_thread().name}")

    handler.handleError = explode  # type: ignore[method-assign]
    handler.handle(record("one", clock.now()))
    clock.step(1)
    handler.handle(record("two", clock.now()))
    assert all_lines(tmp_path) == ["one", "two"]
    assert collect(handler) == []
