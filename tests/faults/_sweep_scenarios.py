"""The scenarios of the sweep: starts, rotations, late records, recoveries, closes, forks."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from _sweep_account import STUMP
from _sweep_world import HOUR, PERIODS, Program, World, run

from mpfhandler._platform import posix


@dataclass(frozen=True)
class Scenario:
    """A window of system calls.

    Attributes:
        body: the process that is hurt.
        before: others that were there before it.
        meanwhile: others, right before the window.
        options: of the handlers of those who come after.
        aside: a process that has the log open when the window begins, and goes on afterwards.
        periods: that begin afterwards.
        few: so little memory that records may be lost, which the log then says.
        wrong: what else is wrong at the end.
    """

    body: Callable[[Program], Iterator[None]]
    before: Callable[[World], None] = lambda _world: None
    meanwhile: Callable[[World], None] = lambda _world: None
    options: dict[str, Any] = field(default_factory=dict)
    aside: bool = True
    periods: int = 1
    few: bool = False
    wrong: Callable[[World], list[str]] = lambda _world: []

    @property
    def keep(self) -> int:
        """How many closed segments there are to be at the end, at most."""
        return int(self.options.get("backupCount", 0)) or sys.maxsize


def _yesterday(world: World, **options: Any) -> None:
    run(world, lambda program: (program.open(**options), program.log(2)))  # type: ignore[arg-type,func-returns-value]
    world.step(HOUR)


def _torn(world: World) -> None:
    _yesterday(world)
    world.lock.write_bytes(world.lock.read_bytes()[:100])


def _unlocked(world: World) -> None:
    _yesterday(world)
    world.lock.unlink()


def _stump(world: World) -> None:
    run(world, lambda program: program.open())
    with open(world.log, "ab", buffering=0) as file:
        file.write(STUMP.ljust(4096 - os.path.getsize(world.log), "-").encode())


def _closed(world: World) -> None:
    _yesterday(world)
    _another(world)


def _another(world: World) -> None:
    run(world, lambda program: (program.open(), program.log()))  # type: ignore[arg-type,func-returns-value]


def _start(program: Program) -> Iterator[None]:
    yield
    program.open()
    program.log(2)


def _first_record(program: Program) -> Iterator[None]:
    program.open(delay=True)
    yield
    program.log(2)


def _rotate(program: Program, **options: Any) -> Iterator[None]:
    program.open(**options)
    program.log(2)
    program.world.step(HOUR)
    yield
    program.log(3)


def _rotate_by_name(program: Program) -> Iterator[None]:
    posix._exclusive_rename, posix._searched = None, True
    yield from _rotate(program)


def _force(program: Program) -> Iterator[None]:
    program.open()
    program.log(2)
    yield
    assert program.handler is not None
    program.handler.doRollover()
    program.log(2)


def _split(program: Program) -> Iterator[None]:
    program.open(maxBytes=60)
    program.log()
    yield
    program.log(6)


def _follow(program: Program) -> Iterator[None]:
    program.open()
    program.log(2)
    program.world.step(HOUR)
    yield
    program.log(3)


def _late(program: Program) -> Iterator[None]:
    program.world.step(-1200 + 3)  # three seconds into the hour
    program.open()
    program.log()
    yield
    program.log(2, created=program.world.now() - 4)
    program.log()


def _lose_name(program: Program) -> Iterator[None]:
    program.open()
    program.log(2)
    os.rename(program.world.log, program.world.folder / f"app.log.{PERIODS[1]}.1")
    program.world.step(1.5)
    yield
    program.log(3)


def _lose_lock(program: Program) -> Iterator[None]:
    program.open()
    program.log(2)
    program.world.lock.unlink()
    program.world.step(1.5)
    yield
    program.log(3)


def _close(program: Program) -> Iterator[None]:
    program.open()
    program.log(2)
    yield
    program.log(2)
    program.end()
    program.log()


def _fork(program: Program) -> Iterator[None]:
    program.open()
    program.log(2)
    yield
    pid = program.fork(lambda: program.log(2))
    program.log(2)
    os.waitpid(pid, 0)


def _fork_at_boundary(program: Program) -> Iterator[None]:
    program.open()
    program.log(2)
    program.world.step(HOUR)
    yield
    os.waitpid(program.fork(lambda: program.log(2)), 0)
    program.log(2)


def _little_memory(program: Program) -> Iterator[None]:
    program.open(spill_bytes=80)
    program.log(2)
    yield
    program.log(10)


SCENARIOS = {
    "start on no file": Scenario(_start, aside=False),
    "first record on no file": Scenario(_first_record, aside=False),
    "start on an old file": Scenario(_start, _yesterday),
    "start after a torn state": Scenario(_start, _torn),
    "start after a deleted lock file": Scenario(_start, _unlocked),
    "start after a killed writer": Scenario(_start, _stump, aside=False),
    "rotation at a boundary": Scenario(_rotate),
    "rotation without renameat2": Scenario(_rotate_by_name),
    "rotation without grace": Scenario(functools.partial(_rotate, late_grace=0), options={"late_grace": 0}),
    "doRollover": Scenario(_force),
    "split by size": Scenario(_split, options={"maxBytes": 60}),
    "following a rotation": Scenario(_follow, meanwhile=_another, aside=False),
    "late record": Scenario(_late, _closed, aside=False),
    "late record of an empty period": Scenario(_late, aside=False),
    "log moved away": Scenario(_lose_name),
    "lock file deleted": Scenario(_lose_lock),
    "close and again": Scenario(_close),
    "fork": Scenario(_fork),
    "fork at a boundary": Scenario(_fork_at_boundary),
    "little memory": Scenario(_little_memory, aside=False, few=True),
}
