"""What is measured, and in which order: rounds of all handlers alternate, and the order rotates from round to round."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from ..._pure.version import __version__
from ..check.filesystem import file_system
from ..look import Progress
from .contender import Contender
from .cost import cost
from .crew import Broken
from .handlers import BASELINE, contender
from .imports import import_cost
from .peers import LIMIT
from .results import Calls, Cell, Machine, Named, Results, Stall
from .rounds import Load, latency, throughput
from .stages import stages
from .stall import stall, together
from .syscalls import count_calls, unavailable

__all__ = ["PARTS", "Plan", "Session", "machine", "select"]

PARTS = ("throughput", "latency", "rotations", "syscalls", "stall", "cost", "stages", "import")
_Found = TypeVar("_Found")


@dataclass(frozen=True)
class Plan:
    """What is to be measured.

    Args:
        procs, threads: every number of processes with every number of threads.
        load: of each run.
        rounds: of each handler under each load.
        keys: the handlers.
        parts: of `PARTS`.
        turn_procs, turn_secs: processes, and seconds of each run, of `rotations`.
        stall_mb, stall_procs, stall_secs, stall_rounds: size of the file, processes, seconds and rounds of the stall.
        calls, cpu_calls: records of a round in `syscalls`; in `cost`, where several buffers are to be filled in one.
        cpu_rounds: of `cost` and `stages`.
    """

    procs: tuple[int, ...]
    threads: tuple[int, ...]
    load: Load
    rounds: int
    keys: tuple[str, ...]
    parts: tuple[str, ...] = PARTS
    stall_mb: int = 200
    stall_procs: int = 3
    stall_secs: float = 20.0
    stall_rounds: int = 1
    calls: int = 1000
    cpu_calls: int = 2000
    cpu_rounds: int = 60
    turn_procs: int = 8
    turn_secs: float = 10.0

    def settings(self) -> dict[str, Any]:
        """What a reader of the results has to know."""
        load = {"secs": self.load.seconds, "records": self.load.records, "when": self.load.when}
        named = ("procs", "threads", "rounds", "parts", "turn_procs", "turn_secs", "stall_mb", "stall_procs", "stall_secs")
        return {**{name: getattr(self, name) for name in named}, **load}


def select(keys: tuple[str, ...]) -> tuple[list[Contender], list[Named]]:
    """Those of the handlers that work here, and the others with the reason."""
    chosen = [(contender(key), contender(key).problem()) for key in keys]
    here = [one for one, problem in chosen if problem is None]
    return here, [Named(one.key, one.name, problem) for one, problem in chosen if problem is not None]


def machine(folder: str) -> Machine:
    """Where this runs."""
    load: Callable[[], tuple[float, ...]] = getattr(os, "getloadavg", lambda: (float("nan"),))
    python = f"{platform.python_implementation()} {platform.python_version()}"
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        python += ", free-threaded"
    system = f"{platform.system()} {platform.release()}"
    return Machine(python, system, os.cpu_count() or 1, load()[0], file_system(folder).kind, __version__)


@dataclass
class Session:
    """One run, in a folder of its own. What fails in one handler is noted, and the others go on."""

    plan: Plan
    folder: str
    progress: Progress
    here: list[Contender]
    failed: list[Named] = field(default_factory=list)
    skipped: list[Named] = field(default_factory=list)

    def results(self, command: str, skipped: list[Named]) -> Results:
        """Measure everything."""
        plan, parts = self.plan, self.plan.parts
        at = machine(self.folder)
        cells = list(self._cells()) if {"throughput", "latency"} & {*parts} else []
        found: dict[str, Any] = {
            "turns": self._turning() if "rotations" in parts else [],
            "calls": self._calls() if "syscalls" in parts else [],
            "stalls": self._stalls() if "stall" in parts else [],
            "costs": self._costs() if "cost" in parts else [],
            "stages": self._stages() if "stages" in parts else [],
            "imported": self._import() if "import" in parts else None,
        }
        handlers = [Named(one.key, one.label()) for one in self.here]
        missing = [*skipped, *self.skipped]
        return Results(command, at, plan.settings(), handlers, missing, self.failed, cells, **found)

    @staticmethod
    def steps(plan: Plan, here: list[Contender]) -> int:
        """How many steps the progress bar has."""
        loads = len(plan.procs) * len(plan.threads) * plan.rounds * len(here)
        rotating = sum(one.rotates or one.key == BASELINE for one in here)
        each = {
            "rotations": plan.rounds * rotating,
            "syscalls": len(here),
            "stall": plan.stall_rounds * sum(one.rotates for one in here),
        }
        return sum(loads if part in {"throughput", "latency"} else each.get(part, 1) for part in plan.parts)

    def _cells(self) -> Iterator[Cell]:
        """Handler by handler under each load. One that failed is not tried again with as many threads."""
        for threads in self.plan.threads:
            keys = [one.key for one in self.here]
            for procs in self.plan.procs:
                cells = {key: Cell(key, procs, threads, [], []) for key in keys}
                for key in _turns(keys, self.plan.rounds):
                    if key in cells and not self._round(cells[key]):
                        del cells[key]
                keys = list(cells)
                yield from cells.values()

    def _round(self, cell: Cell) -> bool:
        """One round of one handler; False if it failed."""
        plan, where = self.plan, f"{cell.procs} × {cell.threads}"
        shape = (cell.key, self.folder, cell.procs, cell.threads, plan.load)
        if "throughput" in plan.parts:
            one = self._tried(cell.key, f"throughput, {where}", lambda: throughput(*shape))
            cell.rounds.extend([one] if one is not None else [])
            if one is None:
                return False
        if "latency" in plan.parts:
            times = self._tried(cell.key, f"latency, {where}", lambda: latency(*shape))
            cell.tails.extend([times] if times is not None else [])
            return times is not None
        return True

    def _turning(self) -> list[Cell]:
        """Those that rotate, and the baseline, which does not: it shows what the machine itself contributes."""
        plan, load = self.plan, Load(self.plan.turn_secs, 0, "S")
        cells = {one.key: Cell(one.key, plan.turn_procs, 1, [], []) for one in self.here if one.rotates or one.key == BASELINE}
        for key in _turns(list(cells), plan.rounds):
            measure = partial(latency, key, self.folder, plan.turn_procs, 1, load)
            one = self._tried(key, f"a rotation every second, {plan.turn_procs} processes", measure)
            cells[key].tails.extend([one] if one is not None else [])
        return [cell for cell in cells.values() if cell.tails]

    def _calls(self) -> list[Calls]:
        problem = unavailable()
        if problem is not None:
            self._skip("syscalls", "System calls per record", problem)
            return []
        measured = [
            self._tried(one.key, "system calls", partial(count_calls, one.key, self.folder, 5, self.plan.calls))
            for one in self.here
        ]
        return [one for one in measured if one is not None]

    def _stalls(self) -> list[Stall]:
        plan, rotating = self.plan, [one for one in self.here if one.rotates]
        self._tell_stall()
        rounds: dict[str, list[Stall]] = {}
        for key in _turns([one.key for one in rotating], plan.stall_rounds):
            measure = partial(stall, key, self.folder, plan.stall_procs, plan.stall_mb, plan.stall_secs)
            one = self._tried(key, f"stall, {plan.stall_mb} MB", measure)
            if one is not None:
                rounds.setdefault(key, []).append(one)
        return [together(found) for found in rounds.values()]

    def _tell_stall(self) -> None:
        for one in self.here:
            if not one.rotates and one.key != LIMIT:
                self._skip(one.key, f"stall of {one.name}", "does not rotate")
            elif one.rotates and not one.compresses():
                self._skip(one.key, f"compression in the stall of {one.name}", "not in this version; it only rotates")

    def _costs(self) -> Any:
        plan, keys = self.plan, [one.key for one in self.here if one.handler is not None]
        if not keys:
            return []
        return self._tried("cost", "CPU in the handler", lambda: cost(keys, self.folder, plan.cpu_rounds, plan.cpu_calls)) or []

    def _stages(self) -> Any:
        return self._tried("stages", "where the time goes", lambda: stages(self.folder, self.plan.cpu_rounds, 400)) or []

    def _import(self) -> Any:
        return self._tried("import", "import", lambda: import_cost(min(self.plan.cpu_rounds, 11)))

    def _tried(self, key: str, what: str, measure: Callable[[], _Found]) -> _Found | None:
        """Do one step; what fails of it is noted."""
        name = next((one.name for one in self.here if one.key == key), key)
        self.progress.begin(what if name == key else f"{what}: {name}")
        try:
            return measure()
        except (Broken, OSError, ValueError) as error:
            self.failed.append(Named(key, f"{name}, {what}", str(error) or type(error).__name__))
            return None

    def _skip(self, key: str, name: str, why: str) -> None:
        self.skipped.append(Named(key, name, why))


def _turns(keys: list[str], rounds: int) -> Iterator[str]:
    """Every key in every round, each round beginning with another one."""
    for number in range(rounds):
        turn = number % max(len(keys), 1)
        yield from keys[turn:] + keys[:turn]
