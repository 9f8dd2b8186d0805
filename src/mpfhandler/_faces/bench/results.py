"""What was found, as values that can be written as JSON and read again. Times are in the unit that a field's name ends with."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Calls", "Cell", "Cost", "Imported", "Machine", "Named", "Results", "Round", "Stage", "Stall", "Tail"]


@dataclass(frozen=True)
class Machine:
    """Where it was measured."""

    python: str
    system: str
    cores: int
    load: float  # before the run; rates and longest calls mean little on a busy machine
    file_system: str
    version: str  # of mpfhandler


@dataclass(frozen=True)
class Named:
    """A handler, and why it was not measured if it was not."""

    key: str
    name: str
    why: str = ""


@dataclass(frozen=True)
class Round:
    """One handler under load, once."""

    rate: float  # records per second, all processes together, until everything is written
    cpu_us: float  # per record
    records: int  # logging calls that returned
    lost: int  # of these, not in any file


@dataclass(frozen=True)
class Tail:
    """How long single calls took in one run."""

    p50_us: float
    p99_us: float
    p999_us: float
    max_us: float
    calls: int


@dataclass(frozen=True)
class Cell:
    """One handler with so many processes and threads: rounds of its throughput, and of its latency."""

    key: str
    procs: int
    threads: int
    rounds: list[Round]
    tails: list[Tail]


@dataclass(frozen=True)
class Calls:
    """System calls per record in the steady state."""

    key: str
    fewest: float
    most: float
    kinds: dict[str, float]  # of the round with the fewest


@dataclass(frozen=True)
class Stall:
    """The longest calls while a large file is rotated and compressed; each list has one value a round."""

    key: str
    max_ms: list[float]
    p50_us: list[float]
    files: int  # that the rotations made
    packed: int  # of these, compressed
    records: int
    lost: int


@dataclass(frozen=True)
class Cost:
    """CPU in one process of `Handler.handle(record)`, and of a whole `logger.info(...)`, one value a round."""

    key: str
    cpu_us: list[float]
    whole_us: list[float]


@dataclass(frozen=True)
class Stage:
    """CPU of one stage of a record, one value a round."""

    key: str
    stage: str
    cpu_us: list[float]


@dataclass(frozen=True)
class Imported:
    """`-X importtime` of the package beyond `logging.handlers`, one value a round, and the modules that it brings in."""

    ms: list[float]
    baseline_ms: list[float]  # `logging.handlers` itself
    modules: list[str]


@dataclass(frozen=True)
class Results:
    """Everything that one run found out; what was not measured is empty."""

    command: str
    machine: Machine
    settings: dict[str, Any]
    handlers: list[Named] = field(default_factory=list)
    skipped: list[Named] = field(default_factory=list)  # handlers and measurements
    failed: list[Named] = field(default_factory=list)
    cells: list[Cell] = field(default_factory=list)
    turns: list[Cell] = field(default_factory=list)  # with a rotation every second; no throughput
    calls: list[Calls] = field(default_factory=list)
    stalls: list[Stall] = field(default_factory=list)
    costs: list[Cost] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=list)
    imported: Imported | None = None

    def name(self, key: str) -> str:
        """What the tables call this handler."""
        return next((one.name for one in self.handlers if one.key == key), key)

    def cell(self, key: str, procs: int, threads: int) -> Cell | None:
        """That cell, if it was measured."""
        return next((one for one in self.cells if (one.key, one.procs, one.threads) == (key, procs, threads)), None)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, text: str) -> Results:
        """What `to_dict` was dumped to."""
        given: dict[str, Any] = json.loads(text)
        given["machine"] = Machine(**given["machine"])
        for name in ("handlers", "skipped", "failed"):
            given[name] = [Named(**one) for one in given[name]]
        for name in ("cells", "turns"):
            given[name] = [_cell(**one) for one in given.get(name, [])]
        for name, kind in (("calls", Calls), ("stalls", Stall), ("costs", Cost), ("stages", Stage)):
            given[name] = [kind(**one) for one in given[name]]
        given["imported"] = given["imported"] and Imported(**given["imported"])
        known = {one.name for one in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in given.items() if name in known})


def _cell(rounds: list[dict[str, Any]], tails: list[dict[str, Any]], **place: Any) -> Cell:
    return Cell(**place, rounds=[Round(**one) for one in rounds], tails=[Tail(**one) for one in tails])
