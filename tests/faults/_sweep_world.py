"""What a swept process lives in: one clock for everybody and for the files, one account of every record, and its stops.

`World` is a folder and shared memory. `Program` is what a scenario does in a process, `Child` the process.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import functools
import json
import logging
import mmap
import os
import queue
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from _support import replace_operation

import mpfhandler
from mpfhandler._platform import OPERATIONS, Joinable

HOUR = 3600.0
START = 1_772_619_600.0  # 2026-03-04 10:20:00 UTC
PERIODS = ("2026-03-04_09", "2026-03-04_10", "2026-03-04_11", "2026-03-04_12", "2026-03-04_13", "2026-03-04_14")
LOCK_TIMEOUT = 2.0
PATIENCE = 30.0  # seconds until a process counts as hanging
PROCESSES = 16  # in one world
ROTATORS = 16  # calls of a user's, in one world
_COARSE = 5  # CLOCK_REALTIME_COARSE of Linux: what gives files their times


class _Shared(ctypes.Structure):
    _fields_ = [
        ("steps", ctypes.c_int),
        ("moments", ctypes.c_double * 16),  # of the kernel's clock, from which on …
        ("offsets", ctypes.c_double * 16),  # … this is to be added to it
        ("steady", ctypes.c_double),
        ("slept", ctypes.c_double),
        ("reported", ctypes.c_int),
        ("processes", ctypes.c_int),
        ("returned", ctypes.c_int * PROCESSES),
        ("lost", ctypes.c_int * PROCESSES),
        ("rotators", ctypes.c_int),
        ("sources", ctypes.c_char * 64 * ROTATORS),
        ("targets", ctypes.c_char * 64 * ROTATORS),
        ("ended", ctypes.c_int * ROTATORS),
    ]


class World:
    """A folder, a clock, and an account of every process: all in shared memory.

    Attributes:
        old: segments from before the first process, with what is in them.
        foreign: other people's files, the same.
        left: targets that a killed rotator has written while its source is still there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "var" / "logs"
        self.folder.mkdir(parents=True)
        self.old: dict[str, str] = {}
        self.foreign: dict[str, str] = {}
        self.left: set[str] = set()
        self.log = self.folder / "app.log"
        self.lock = self.folder / "app.log.lock"
        self.trouble = folder / "trouble"
        self.trace = folder / "trace"
        self.shared = _Shared.from_buffer(mmap.mmap(-1, ctypes.sizeof(_Shared)))
        self._begin(START - time.time(), 0.0)

    def now(self) -> float:
        """The wall clock."""
        return time.time() + self.shared.offsets[self.shared.steps - 1]

    def monotonic(self) -> float:
        """The clock that nobody sets."""
        return time.monotonic() + self.shared.steady

    def sleep(self, seconds: float) -> None:
        """Waiting takes no time, but it is counted."""
        self.shared.slept += seconds
        self.shared.steady += seconds

    def step(self, seconds: float) -> None:
        """Time passes. The kernel's coarse clock has to have seen the moment: it gives the files their times."""
        moment = time.time()
        self.shared.steady += seconds
        while time.clock_gettime(_COARSE) <= moment:
            time.sleep(0.0005)
        self._begin(self.shared.offsets[self.shared.steps - 1] + seconds, moment)

    def of_file(self, found: Any) -> Any:
        """What the kernel tells of a file, with its time by this world's clock."""
        moments = self.shared.moments[: self.shared.steps]
        index = max(number for number, moment in enumerate(moments) if moment <= found.mtime_ns / 1e9)
        return replace(found, mtime_ns=found.mtime_ns + round(self.shared.offsets[index] * 1e9))

    def install(self) -> None:
        """From now on this process lives here."""
        replace_operation("now", self.now)
        replace_operation("monotonic", self.monotonic)
        replace_operation("sleep", self.sleep)
        for name in ("stat_path", "stat_fd"):
            really = getattr(OPERATIONS, name)
            replace_operation(name, functools.partial(self._stat, really))

    def enter(self) -> int:
        """One process more; its number."""
        self.shared.processes += 1
        return self.shared.processes - 1

    def paths(self) -> list[Path]:
        """Every name that the log can have, and the folder above if it is to be made."""
        closed = [self.folder / f"app.log.{period}{index}" for period in PERIODS for index in ("", ".1", ".2", ".3")]
        hidden = [path.with_name(f".{path.name}.rotating") for path in closed]
        packed = [path.with_name(f"{path.name}.gz") for path in closed[:12]]
        old = [self.folder / name for name in (*self.old, *self.foreign)]
        above = [] if self.folder.exists() else [self.folder.parent]
        return [self.folder, self.log, self.lock, *closed, *hidden, *packed, *old, *above]

    def rotator(self, work: Callable[[str, str], None]) -> Callable[[str, str], None]:
        """A user's rotator that is taken down in the books, so that it is known whether it has ended."""

        def noted(source: str, target: str) -> None:
            number = self.shared.rotators
            self.shared.sources[number].value = os.path.basename(source).encode()
            self.shared.targets[number].value = os.path.basename(target).encode()
            self.shared.rotators += 1
            try:
                work(source, target)
            finally:
                self.shared.ended[number] = 1

        return noted

    def look_for_copies(self) -> None:
        """A process was killed: what its rotator has written, while its source is still there, is a second copy."""
        for number in range(self.shared.rotators):
            source, target = self.shared.sources[number].value.decode(), self.shared.targets[number].value.decode()
            if not self.shared.ended[number] and (self.folder / source).exists() and (self.folder / target).exists():
                self.left.add(target)

    def _stat(self, really: Callable[[Any], Any], what: Any) -> Any:
        return self.of_file(really(what))

    def _begin(self, offset: float, moment: float) -> None:
        self.shared.moments[self.shared.steps] = moment
        self.shared.offsets[self.shared.steps] = offset
        self.shared.steps += 1


@dataclass(frozen=True)
class Rotator:
    """A user's, with the namer that belongs to it."""

    work: Callable[[str, str], None]
    namer: Callable[[str], str] | None = None


class _Handler(mpfhandler.MultProcTimedRotatingFileHandler):
    world: World
    reports: list[str]

    def handleError(self, record: logging.LogRecord) -> None:
        self.world.shared.reported += 1
        self.reports.append(record.getMessage() if record.name == "mpfhandler" else repr(sys.exc_info()[1]))


class Program:
    """What a scenario does in one process."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.number = world.enter()
        self.reports: list[str] = []
        self.refused: list[str] = []  # constructors that raised what they may raise
        self.handler: _Handler | None = None
        self.thread = 0  # that is hurt, if it is not to be the whole process

    def open(self, rotator: Rotator | None = None, **options: Any) -> None:
        """Make the handler; one that cannot be made yet is made without opening the log, or not at all."""
        options = {"when": "H", "tz": "UTC", "lock_timeout": LOCK_TIMEOUT, **options}
        _Handler.world, _Handler.reports = self.world, self.reports
        for delay in (options.pop("delay", False), True):
            try:
                self.handler = _Handler(str(self.world.log), delay=delay, **options)
            except OSError as error:
                self.world.shared.reported += 1
                self.refused.append(repr(error))
            else:
                self.handler.setFormatter(logging.Formatter("%(created)r %(message)s"))
                if rotator is not None:
                    self.handler.rotator = self.world.rotator(rotator.work)
                    self.handler.namer = rotator.namer
                return

    def log(self, count: int = 1, created: float | None = None) -> None:
        """Records; each is acknowledged when its call has returned. None without a handler."""
        if self.handler is None:
            return
        for _ in range(count):
            name = f"{self.number}-{self.world.shared.returned[self.number]}"
            record = logging.LogRecord("sweep", logging.INFO, __file__, 1, name, None, None)
            record.created = self.world.now() if created is None else created
            self.handler.handle(record)
            self.world.shared.returned[self.number] += 1

    def at_rest(self) -> contextlib.AbstractContextManager[object]:
        """While this lasts no thread of the handler writes a record."""
        return contextlib.nullcontext() if self.handler is None else self.handler._writer.lock

    def settle(self) -> None:
        """Nothing is done in the background any more."""
        if self.handler is not None:
            self.handler._writer._housekeeper.finish(PATIENCE)

    def keep_a_thread(self) -> None:
        """The handler's next background thread is there already, so that it alone can be hurt: what the others do meanwhile is
        not counted."""
        work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        thread = threading.Thread(target=lambda: work.get()(), daemon=True)
        thread.start()
        self.thread = thread.native_id or 0
        kept = [thread]

        def start(function: Callable[[], None], name: str) -> Joinable:
            if not kept:
                return OPERATIONS.threads.start(function, name)
            work.put(function)
            return kept.pop()

        assert self.handler is not None
        self.handler._writer._housekeeper._threads = replace(OPERATIONS.threads, start=start)

    def fork(self, body: Callable[[], None]) -> int:
        """A child that goes on with the handler, as a process of its own."""
        pid = os.fork()
        if pid:
            return pid
        try:
            self.number = self.world.enter()
            body()
            self.end()
            os._exit(0)
        except BaseException:
            self.complain()
        finally:
            os._exit(1)

    def end(self) -> None:
        """As a program ends."""
        if self.handler is None:
            return
        self.handler.close()
        self.world.shared.lost[self.number] = self.handler.stats().lost

    def complain(self) -> None:
        """An exception reached the program; stderr is where the test looks."""
        os.write(2, f"process {self.number}: {traceback.format_exc()}\n".encode())

    def told(self) -> dict[str, Any]:
        """What it knows of itself."""
        stats = None if self.handler is None else self.handler.stats()
        waits = 0 if stats is None else stats.spilled
        lost = 0 if stats is None else stats.lost
        known = {"number": self.number, "thread": self.thread, "waits": waits, "lost": lost}
        return {**known, "reports": self.reports, "refused": self.refused}


class Child:
    """A process that goes through a scenario and stops twice: before the first traced call, and after the last."""

    def __init__(self, world: World, body: Callable[[Program], Iterator[None]]) -> None:
        answer, self._tell = os.pipe()
        self._hear, speak = os.pipe()
        self._trouble = world.trouble
        self.pid = os.fork()
        if not self.pid:
            for end in (self._tell, self._hear):  # or it would never hear that the other side is gone
                os.close(end)
            self._tell, self._hear = speak, answer
            self._live(world, body)
        os.close(answer)
        os.close(speak)
        self.told: dict[str, Any] = {}

    def heard(self) -> bool:
        """Wait for its next stop; False if it has died."""
        if not select.select([self._hear], [], [], PATIENCE)[0]:
            os.kill(self.pid, signal.SIGUSR2)
            select.select([self._hear], [], [], 1.0)
            os.kill(self.pid, signal.SIGKILL)
            raise AssertionError(f"the process hangs\n{self._trouble.read_text()}")
        data = os.read(self._hear, 65536)
        self.told = json.loads(data) if data else {}
        return bool(data)

    def go(self) -> None:
        """Let it go on, unless it has ended."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._tell, b"\n")

    def ended(self) -> int:
        """Wait for its end; the signal that killed it, or 0."""
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        os.close(self._tell)
        os.close(self._hear)
        return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0

    def __enter__(self) -> Child:  # noqa: PYI034  Self is not in Python 3.10
        return self

    def __exit__(self, *_: object) -> None:
        """It does not outlive its point, whatever went wrong: it would keep the runner's output open, and its reader waiting."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            self.ended()

    def _live(self, world: World, body: Callable[[Program], Iterator[None]]) -> None:
        try:
            os.dup2(os.open(world.trouble, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 2)
            faulthandler.register(signal.SIGUSR2, 2)  # where it hangs
            world.install()
            program = Program(world)
            try:
                self._go_through(program, body)
            except BaseException:
                program.complain()
        finally:
            os._exit(0)

    def _go_through(self, program: Program, body: Callable[[Program], Iterator[None]]) -> None:
        steps = body(program)
        next(steps)
        self._stop(program)
        assert next(steps, "end") == "end"
        self._stop(program)
        if program.handler is not None:
            program.world.shared.steady += 61  # every pause after a failure is over
            program.log()
            program.handler.flush()
            program.end()
        self._say(program)

    def _stop(self, program: Program) -> None:
        with program.at_rest():  # or what waits would be written between what it says and what is found
            self._say(program)
            if not os.read(self._hear, 1):  # nobody is there any more to tell it to go on
                os._exit(1)

    def _say(self, program: Program) -> None:
        os.write(self._tell, json.dumps(program.told()).encode())


def run(world: World, body: Callable[[Program], None], *, dies: bool = False) -> dict[str, Any]:
    """A process without faults, from its start to its good end, or to the SIGKILL that it gives itself."""

    def whole(program: Program) -> Iterator[None]:
        body(program)
        yield

    told: dict[str, Any] = {}
    with Child(world, whole) as child:
        while child.heard():
            told = child.told
            child.go()
        assert child.ended() == (signal.SIGKILL if dies else 0), world.trouble.read_text()
    world.look_for_copies()
    return told
