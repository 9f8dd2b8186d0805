"""Exhaustive crashes of real processes: the k-th system call of a scenario is the last one, or fails, for every k there is.

strace is attached to a process when its scenario begins, and sees only the calls that touch the log's files (-P). A run
without a fault tells the calls; each of them, once or for good, is then a point of its own, with a folder of its own.

Processes are forked from a runner that has imported the package, with all that a handler imports when it is made, and never
used it: that is what a fresh process is, and much cheaper. All of them, and the times that the kernel gives to files, live by
one clock that the scenario sets: `World`. Their accounts (records whose call has returned, records said to be lost) are in
shared memory, where a SIGKILL leaves them.

Run as a program: `python _sweep.py SCENARIO CALL K FAULT[+] AFTER` runs one point and shows its system calls; without
arguments it is one of `Runners`, points in, results out, a line each.
"""

from __future__ import annotations

import collections
import contextlib
import errno
import importlib
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from _sweep_account import account, missing_are_known, retained, told_as_lost
from _sweep_scenarios import SCENARIOS, Scenario
from _sweep_world import HOUR, LOCK_TIMEOUT, PATIENCE, Child, Program, World, run

from mpfhandler._platform import OPERATIONS

FAULTS = {
    "openat": ("EIO", "ENOSPC", "EACCES", "EROFS", "ESTALE", "EINTR", "EMFILE"),
    "write": ("EIO", "ENOSPC", "EDQUOT", "ESTALE", "EINTR"),
    "pwrite64": ("EIO", "ENOSPC", "EDQUOT", "ESTALE", "EINTR"),
    "pread64": ("EIO", "ESTALE", "EINTR"),
    "lseek": ("EIO", "ESTALE"),
    "flock": ("EIO", "ENOLCK", "ESTALE", "EINTR"),
    "renameat2": ("EIO", "ENOSPC", "EACCES", "EROFS", "ESTALE", "EINTR", "ENOSYS", "EINVAL"),
    "rename": ("EIO", "ENOSPC", "EACCES", "EROFS", "ESTALE"),
    "unlink": ("EIO", "EACCES", "EROFS", "ESTALE"),
    "newfstatat": ("EIO", "EACCES", "ESTALE"),
    "fstat": ("EIO", "ESTALE"),
    "lstat": ("EIO", "EACCES", "ESTALE"),
    "stat": ("EIO", "EACCES", "ESTALE"),
    "close": ("EIO", "ENOSPC", "EINTR"),
    "fcntl": ("EMFILE", "EINVAL"),
    "getdents64": ("EIO", "ESTALE"),
    "fstatfs": ("EIO", "ENOSYS"),
    "access": ("EIO", "EACCES"),
    "read": ("EIO", "ESTALE", "EINTR"),
    "mkdir": ("EIO", "ENOSPC", "EACCES", "EROFS"),
    "chown": ("EIO", "EPERM", "EROFS"),
    "fchown": ("EIO", "EPERM", "EROFS"),
    "lchown": ("EIO", "EPERM", "EROFS"),
    "fchmod": ("EIO", "EPERM", "EROFS"),
    "rmdir": (),  # of a folder that was just made for nothing: it comes after another failure only
    "readlink": ("EIO", "EACCES", "ESTALE"),
    "statfs": ("EIO", "ENOSYS"),
    "ioctl": (),  # only open() of a user's rotator asks, whether it is a terminal, and the answer is an error already
}
BLINDING = {"openat", "newfstatat", "fstat", "fcntl", "close", "pread64", "lseek"}  # to open the side descriptor, and to read
UNROTATED = {  # who cannot look at, lock, move or open a log cannot rotate it: he goes on in the file in hand, and says so
    *("openat", "renameat2", "rename", "flock"),
    *("newfstatat", "fstat", "stat", "lstat"),
}
RETRIED = {"openat", "write", "pwrite64", "pread64", "read", "flock"}  # after EINTR by Python itself (PEP 475), for ever: …
SIGNALS = 50  # … so this is how often it comes in a row, where another errno comes for good


@dataclass(frozen=True)
class Point:
    """Where a scenario is hurt.

    Attributes:
        scenario: its name.
        call: the system call; none for a run that only counts.
        count: which one of them, from 1.
        fault: KILL, or an errno.
        lasting: it fails from then on; where Python tries again after EINTR, a good many times.
        after: who comes afterwards: "same" is another process in the same period, then one in the next; "next" is only the
            latter; "aside" is the process that had the log open all the time.
    """

    scenario: str
    call: str = ""
    count: int = 0
    fault: str = ""
    lasting: bool = False
    after: str = "same"

    @property
    def blind(self) -> bool:
        """Whether the fault keeps the torn-tail guard from seeing."""
        return self.call in BLINDING and self.fault != "KILL"

    @property
    def when(self) -> str:
        """Which of the calls are hurt, as strace has it."""
        if self.lasting and self.fault == "EINTR" and self.call in RETRIED:
            return f"{self.count}..{self.count + SIGNALS}"
        return f"{self.count}{'+' * self.lasting}"

    def __str__(self) -> str:
        fault = f"{self.fault}{'+' * self.lasting}"
        return f"'{self.scenario}' {self.call or '-'} {self.count} {fault or '-'} {self.after}"


def calls_of(trace: str) -> collections.Counter[str]:
    """How often each call was made, by the process that made most of them: strace counts in each by itself."""
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    for line in trace.splitlines():
        match = re.match(r"(\d* *)(\w+)\(", line)
        if match:
            counts[match[1], match[2]] += 1
    most: collections.Counter[str] = collections.Counter()
    for (_, call), count in counts.items():
        most[call] = max(most[call], count)
    return most


def kills(scenario: str, calls: collections.Counter[str], beside: collections.Counter[str]) -> Iterator[Point]:
    """Every crash of a scenario, with everyone who may come afterwards; `beside` are the calls while another has the log open."""
    for after, counted in (("same", calls), ("next", calls), ("aside", beside)):
        for call, number in sorted(counted.items()):
            for count in range(1, number + 1):
                yield Point(scenario, call, count, "KILL", after=after)


def failures(scenario: str, calls: collections.Counter[str]) -> Iterator[Point]:
    """Every failing call of a scenario, once and for good."""
    for call, number in sorted(calls.items()):
        for count, fault, lasting in itertools.product(range(1, number + 1), FAULTS[call], (False, True)):
            yield Point(scenario, call, count, fault, lasting)


# one point


def run_point(point: Point, folder: Path) -> tuple[list[str], collections.Counter[str]]:
    """Go through it; what is wrong, and which calls there were (none where the fault has met nobody: all must be right then,
    too)."""
    scenario = SCENARIOS[point.scenario]
    world = World(folder)
    with contextlib.ExitStack() as children:
        aside = children.enter_context(Child(world, _bystander(scenario))) if point.after == "aside" else None
        if aside is not None:
            assert aside.heard()
        scenario.before(world)
        child = children.enter_context(Child(world, scenario.body))
        assert child.heard(), world.trouble.read_text()
        scenario.meanwhile(world)
        window = world.shared.slept
        problems = _under_strace(child, world, point)
        problems += retained(world, scenario.keep, at_the_end=False)
        if world.shared.slept - window > LOCK_TIMEOUT + 0.5:
            problems.append(f"the process waited {world.shared.slept - window} s")
        fresh = _afterwards(world, scenario, point.after, aside, problems)
    trace = world.trace.read_text()
    killed = "killed by SIGKILL" in trace
    hindered = not killed and point.call in UNROTATED | scenario.needs and world.shared.reported > 0
    problems += account(world, killed=killed, blind=point.blind, filed=fresh if hindered else None)
    problems += retained(world, scenario.keep, at_the_end=True)
    problems += scenario.wrong(world)
    if scenario.few and (told := told_as_lost(world)) != sum(world.shared.lost):
        problems.append(f"lines in the log tell of {told} lost records, it was {sum(world.shared.lost)}")
    met = not point.call or "(INJECTED)" in trace or killed
    return problems, calls_of(trace) if met else collections.Counter()


def _bystander(scenario: Scenario) -> Callable[[Program], Iterator[None]]:
    def body(program: Program) -> Iterator[None]:
        program.open(**scenario.options)
        program.log()
        yield
        program.log(2)
        program.world.step(HOUR)

    return body


def _under_strace(child: Child, world: World, point: Point) -> list[str]:
    """Let it go through its window, and recover without the fault; what is wrong already."""
    problems: list[str] = []
    with _attached(child, world, point) as tracer:
        child.go()
        alive = child.heard()
        if not alive:
            tracer.wait(PATIENCE)  # it has something to write down
            world.look_for_copies()
        else:
            problems += missing_are_known(world, child.told, blind=point.blind)
    if alive:
        child.go()
        if not child.heard():
            problems.append("the process died while it recovered")
    child.ended()
    return problems


@contextlib.contextmanager
def _attached(child: Child, world: World, point: Point) -> Iterator[subprocess.Popen[str]]:
    """strace on this process, or on the one thread of it that it names, while the block runs."""
    thread = child.told["thread"]
    whom = ["-p", str(thread)] if thread else ["-f", "-p", str(child.pid)]
    how = f"signal={point.fault}" if point.fault == "KILL" else f"error={point.fault}"
    inject = ["-e", f"inject={point.call}:{how}:when={point.when}"] if point.call else []
    only = [word for path in world.paths() for word in ("-P", str(path))]
    command = ["strace", "-o", str(world.trace), *only, *inject, *whom]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        heard = list(itertools.takewhile(lambda line: "attached" not in line, iter(tracer.stderr.readline, "")))
        assert tracer.poll() is None, heard
        try:
            yield tracer
        finally:
            tracer.terminate()  # it lets go of everybody
            tracer.stderr.read()


def _afterwards(world: World, scenario: Scenario, after: str, aside: Child | None, problems: list[str]) -> set[int]:
    """Processes without faults go on; none of them has anything to complain about. The numbers of those that are new."""

    def body(program: Program) -> None:
        program.open(**scenario.options)
        program.log(2)

    told, fresh = [], []
    if aside is not None:
        aside.go()
        assert aside.heard()
        aside.go()
        assert aside.heard()
        told.append(aside.told)
        aside.ended()
    else:
        if after == "same":
            fresh.append(run(world, body))
        world.step(HOUR)
    fresh.append(run(world, body))
    for _ in range(scenario.periods - 1):
        world.step(HOUR)
        fresh.append(run(world, body))
    told += fresh
    problems += [f"afterwards: {one}" for one in told if one["reports"] or one["refused"] or one["lost"]]
    return {one["number"] for one in fresh}


# the runner


class Runners:
    """Some processes that go through points."""

    def __init__(self, number: int = 2) -> None:
        command = [sys.executable, "-W", "ignore", __file__]
        self._started = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(number)
        ]

    def __enter__(self) -> Runners:  # noqa: PYI034  Self is not in Python 3.10
        return self

    def __exit__(self, *_: object) -> None:
        for runner in self._started:
            runner.kill()
            runner.communicate()

    def run(self, points: Iterable[Point]) -> Iterator[tuple[Point, list[str], collections.Counter[str]]]:
        """Each point with what is wrong and the calls that there were."""
        waiting, number = list(points), len(self._started)
        shares = [waiting[first::number] for first in range(number)]
        for runner, share in zip(self._started, shares, strict=True):
            assert runner.stdin is not None
            runner.stdin.write(json.dumps([point.__dict__ for point in share]) + "\n")
            runner.stdin.flush()
        for runner, share in zip(self._started, shares, strict=True):
            assert runner.stdout is not None
            for point in share:
                line = runner.stdout.readline()
                assert line, f"the runner has died: {point}"
                problems, calls = json.loads(line)
                yield point, problems, collections.Counter(calls)


def why_not() -> str | None:
    """What keeps processes from being hurt here, if anything does."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    child = subprocess.Popen(["sleep", "60"])
    try:
        command = [
            "timeout",
            "-s",
            "INT",
            "0.3",
            "strace",
            "-o",
            os.devnull,
            "-e",
            "inject=write:error=EIO:when=9999",
            "-p",
            str(child.pid),
        ]
        tried = subprocess.run(command, capture_output=True, text=True, check=False)
    finally:
        child.kill()
        child.wait()
    return None if "attached" in tried.stderr else f"processes cannot be traced here: {tried.stderr.strip()[-200:]}"


def _try(point: Point, show: bool = False) -> tuple[list[str], collections.Counter[str]]:
    folder = Path(os.path.realpath(tempfile.mkdtemp(prefix="mpfhandler-sweep-")))
    try:
        return run_point(point, folder)
    except Exception:
        return [traceback.format_exc()], collections.Counter()
    finally:
        if show:
            _show(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _show(folder: Path) -> None:
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        print(f"--- {path.relative_to(folder)}\n{path.read_text(errors='replace')}")


def _main(words: list[str]) -> None:
    OPERATIONS.prepare()
    for module in ("build", "buffer"):
        importlib.import_module(f"mpfhandler._engine.{module}")
    if words:
        scenario, call, count, fault, after = words
        known = fault.rstrip("+")
        assert known in {"-", "KILL"} or hasattr(errno, known)
        point = Point(scenario, call.strip("-"), int(count), known.strip("-"), fault.endswith("+"), after)
        print(_try(point, show=True))
        return
    for line in sys.stdin:
        for point in json.loads(line):
            print(json.dumps(_try(Point(**point))), flush=True)


if __name__ == "__main__":
    _main(sys.argv[1:])
