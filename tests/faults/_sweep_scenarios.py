"""The scenarios of the sweep: starts, rotations, late records, recoveries, closes, forks."""

from __future__ import annotations

import functools
import gzip
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from _support import replace_operation
from _sweep_account import PACKED, STUMP
from _sweep_world import HOUR, PERIODS, Program, Rotator, World, run

from mpfhandler._platform import OPERATIONS, posix

OFTEN, RARELY = 5, 11  # one of so many points is gone to in an ordinary run
KEEP = 8  # segments, as many as there are before the first process
ACCESS: dict[str, Any] = {"chmod": 0o660, **({"owner": (1, 1)} if os.geteuid() == 0 else {})}  # a mode that the umask takes from


def _compress(source: str, target: str) -> None:
    """The logging cookbook's."""
    with open(source, "rb") as plain, gzip.open(target, "wb") as packed:
        shutil.copyfileobj(plain, packed)
    os.unlink(source)


RENAMES = Rotator(os.rename)
COMPRESSES = Rotator(_compress, lambda name: name + PACKED)


Body = Callable[..., Iterator[None]]


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
        needs: calls beside those of a rotation; whoever cannot do them may put a record into the active file, and says so.
        every: one of so many points is gone to in an ordinary run.
    """

    body: Callable[[Program], Iterator[None]]
    before: Callable[[World], None] = lambda _world: None
    meanwhile: Callable[[World], None] = lambda _world: None
    options: dict[str, Any] = field(default_factory=dict)
    aside: bool = True
    periods: int = 1
    few: bool = False
    wrong: Callable[[World], list[str]] = lambda _world: []
    needs: frozenset[str] = frozenset()
    every: int = OFTEN

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


def _full(world: World) -> None:
    """As many segments as are kept, and files of others that have the log's name in theirs."""
    day = "app.log.2026-03-04"
    world.old.update({f"{day}_{hour:02}": f"of hour {hour}\n" for hour in range(1, KEEP + 1)})
    names = ("app.error.log", "app.log.bak", f"{day}_01.csv", "app.log.2.2026-03-04_01")
    world.foreign.update({name: f"{name} is somebody else's\n" for name in names})
    for name, text in (*world.old.items(), *world.foreign.items()):
        (world.folder / name).write_text(text)
    link = f"{day}_00"
    (world.folder / link).symlink_to(names[0])
    world.foreign[link] = world.foreign[names[0]]


def _killed_rotator(world: World, rotator: Rotator, *, begun: bool) -> None:
    """A process is killed inside the user's rotator: the log waits under its hidden name, and half a target may be there."""

    def die(source: str, target: str) -> None:
        if begun:
            data = gzip.compress(Path(source).read_bytes())
            Path(target).write_bytes(data[: len(data) // 2])
        os.kill(os.getpid(), signal.SIGKILL)

    def body(program: Program) -> None:
        program.open(rotator=Rotator(die, rotator.namer))
        program.log(2)
        world.step(HOUR)
        assert program.handler is not None
        program.handler.doRollover()

    run(world, body, dies=True)


def _killed_namer(world: World) -> None:
    """A process with `late_grace=0` is killed before a closed file gets its name."""

    def body(program: Program) -> None:
        program.open(late_grace=0)
        program.log(2)
        world.step(HOUR)
        really = OPERATIONS.rename_new

        def rename(old: str, new: str) -> None:
            if old != str(world.log):
                os.kill(os.getpid(), signal.SIGKILL)
            really(old, new)

        replace_operation("rename_new", rename)
        program.log()

    run(world, body, dies=True)


def _no_folder(world: World) -> None:
    world.folder.rmdir()
    world.folder.parent.rmdir()


def _wrong_access(world: World) -> list[str]:
    """The log and its lock file that have not the mode and owner that were asked for."""
    problems = []
    for path in (world.log, world.lock):
        found = path.stat()
        owner = ACCESS.get("owner", (found.st_uid, found.st_gid))
        if (found.st_mode & 0o7777, found.st_uid, found.st_gid) != (ACCESS["chmod"], *owner):
            problems.append(f"{path.name} has mode {found.st_mode:#o} and owner {found.st_uid}:{found.st_gid}")
    return problems


def _start(program: Program, **options: Any) -> Iterator[None]:
    yield
    program.open(**options)
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


def _rotate_and_close(program: Program, *, background: bool = False, **options: Any) -> Iterator[None]:
    """What is done in the background is done when the window ends; with `background` it alone is hurt."""
    program.open(**options)
    program.log(2)
    program.settle()
    program.world.step(HOUR)
    if background:
        program.keep_a_thread()
    yield
    program.log()
    if background:
        program.settle()  # close() would have its thread look once more, or not
    program.end()


def _start_and_close(program: Program, **options: Any) -> Iterator[None]:
    yield from _start(program, **options)
    program.end()


def _force(program: Program, **options: Any) -> Iterator[None]:
    program.open(**options)
    program.log(2)
    program.settle()
    yield
    assert program.handler is not None
    program.handler.doRollover()
    program.log(2)


def _split(program: Program, **options: Any) -> Iterator[None]:
    program.open(maxBytes=60, **options)
    program.log()
    yield
    program.log(6)


def _split_and_close(program: Program, **options: Any) -> Iterator[None]:
    yield from _split(program, **options)
    program.end()


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


def _kept(body: Body, **options: Any) -> Scenario:
    """With `backupCount`: whatever happens, no segment goes that is to stay, and no file of others; when the log has been rotated
    once more without a fault, those that are too many are gone."""
    options = {"backupCount": KEEP, **options}
    return Scenario(functools.partial(body, **options), _full, options=options, periods=2, every=RARELY)


def _handed_over(body: Body, rotator: Rotator, *, background: bool = False) -> Scenario:
    """With a user's rotator. A process that is killed outside it, or in one that does all with one system call (a rename), loses
    and doubles nothing. Killed inside one that copies it loses nothing: the closed log waits, whole, until the rotator itself
    removes it. A fresh process has it copied again, to the next free name, because it cannot know whose the unfinished file is
    (P4): that one stays beside the complete one, and holds nothing that is not there, too. A rotator that fails without a kill
    doubles nothing: it is given what it had begun, at the latest when the process closes the log."""
    body = functools.partial(body, background=True) if background else body
    body = functools.partial(body, rotator=rotator)
    return Scenario(body, options={"rotator": rotator}, aside=not background, every=RARELY)


def _recovers(body: Body, before: Callable[[World], None], **options: Any) -> Scenario:
    """What a killed process has left waiting is handed over by the next one."""
    return Scenario(functools.partial(body, **options), before, options=options, aside=False, every=RARELY)


def _given_access(body: Body, before: Callable[[World], None] = lambda _world: None, **options: Any) -> Scenario:
    """Whatever happens, the log and its lock file have their mode and owner once a process without a fault has opened them."""
    options = {**ACCESS, **options}
    aside = not options.get("mkdir")
    body = functools.partial(body, **options)
    return Scenario(body, before, options=options, aside=aside, wrong=_wrong_access, every=RARELY)


_SEGMENTS = frozenset({"getdents64"})  # are looked for in the folder

_after_rename = functools.partial(_killed_rotator, rotator=RENAMES, begun=False)
_after_copy = functools.partial(_killed_rotator, rotator=COMPRESSES, begun=True)

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
    "late record": Scenario(_late, _closed, aside=False, needs=_SEGMENTS),
    "late record of an empty period": Scenario(_late, aside=False, needs=_SEGMENTS),
    "log moved away": Scenario(_lose_name),
    "lock file deleted": Scenario(_lose_lock),
    "close and again": Scenario(_close),
    "fork": Scenario(_fork),
    "fork at a boundary": Scenario(_fork_at_boundary),
    "little memory": Scenario(_little_memory, aside=False, few=True),
    "backupCount: doRollover": _kept(_force),
    "backupCount: boundary": _kept(_rotate_and_close),
    "backupCount: in the background": _kept(functools.partial(_rotate_and_close, background=True)),
    "backupCount: split by size": _kept(_split_and_close),
    "rotator that renames: doRollover": _handed_over(_force, RENAMES),
    "rotator that renames: boundary": _handed_over(_rotate_and_close, RENAMES),
    "rotator that renames: in the background": _handed_over(_rotate_and_close, RENAMES, background=True),
    "rotator that compresses: doRollover": _handed_over(_force, COMPRESSES),
    "rotator that compresses: boundary": _handed_over(_rotate_and_close, COMPRESSES),
    "rotator that compresses: in the background": _handed_over(_rotate_and_close, COMPRESSES, background=True),
    "start after a killed rename": _recovers(_start_and_close, _after_rename, rotator=RENAMES),
    "start after a killed compression": _recovers(_start_and_close, _after_copy, rotator=COMPRESSES),
    "start after a kill without grace": _recovers(_start, _killed_namer, late_grace=0),
    "start in no folder": _given_access(_start, _no_folder, mkdir=True),
    "rotation with mode and owner": _given_access(_rotate),
}
