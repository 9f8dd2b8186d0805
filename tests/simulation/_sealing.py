"""Worlds in which closed segments are compressed, by processes that log and by commands, while others still want to write.

Each world ends with a process that nobody disturbs and that seals what is left, long after.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from _choices import Choices
from _oracle import LOG, UNIT
from _process import Process
from _scheduler import Budget
from _sealing_oracle import ENDING, SealingLedger
from _world import Program, See, Spec, World

from mpfhandler._engine.sealer import Sealer
from mpfhandler._engine.steps import sealing_of
from mpfhandler._engine.writer import Writer
from mpfhandler._platform import FileStat, Operations
from mpfhandler._protocols.sealing import seal_all
from mpfhandler._pure.naming import Names
from mpfhandler._pure.options import Access, Compression, Options
from mpfhandler._resources.append import OpenSegment
from mpfhandler._resources.report import Reporter
from mpfhandler._resources.tracefile import Trace

_LONG = 86_400 * 10**9  # nanoseconds


@dataclass(frozen=True)
class SealingSpec(Spec):
    """What such a world is like.

    Attributes:
        past: for each process, what it has done before the world starts moving; with nothing it has not opened its log.
        hook: each sealed segment is handed to a function.
        housekeeper: every process has the background thread that seals.
    """

    past: tuple[tuple[str, ...], ...] = ()
    hook: bool = False
    housekeeper: bool = False

    def world(self, choices: Choices, see: See | None = None, *, traced: bool = False, plain: float = 0.8) -> World:
        return SealingWorld(self, choices, see, traced=traced, plain=plain)


class SealingWorld(World):
    """One run of it."""

    spec: SealingSpec
    ledger: SealingLedger

    def __init__(self, spec: SealingSpec, choices: Choices, see: See | None = None, **how: Any) -> None:
        super().__init__(spec, choices, see, **how)
        self.packing: Options = replace(self.options, compression=Compression("gz", None, 0.0))
        if spec.housekeeper:
            self.options = self.packing

    def make_ledger(self) -> SealingLedger:
        spec = self.spec
        repeats = spec.budget.kills + spec.budget.faults
        return SealingLedger(
            self.kernel, spec.when, spec.late_grace, spec.zone, spec.backup_count, may_repeat=repeats
        )  # fmt: skip

    def prepare(self, process: Process, writer: Writer, number: int) -> None:
        steps = self.spec.past[number] if self.spec.past else ("open",)
        program = self.program(process, writer, f"past{number}")
        program.thread = self.scheduler.current
        if steps:
            writer.open()
        for step in steps:
            program.step(step)

    def program(self, process: Process, writer: Writer, name: str) -> SealingProgram:
        return SealingProgram(self, process, writer, name)

    def seal(self, process: Process, report: Callable[[Exception], None]) -> None:
        """What `mpfhandler seal` does."""
        ops, schedule = sealing_table(process), self.options.schedule
        names, options = Names(LOG, schedule.suffix), self.options_of(process)
        reporter = Reporter(Trace(ops, "", Access(), enabled=False), report)
        rules = sealing_of(ops, options, LOG)
        seal_all(ops, names, names.folder, schedule, rules, reporter, lambda: False, now=ops.now())

    def options_of(self, process: Process) -> Options:
        """With the hook of this process."""
        if not self.spec.hook:
            return self.packing
        return replace(self.packing, on_seal=lambda segment: self.ledger.hand(process, segment.path))

    def afterwards(self) -> None:
        """All processes are gone; much later one comes that seals, and nothing goes wrong."""
        scheduler = self.scheduler
        for process in scheduler.processes:
            scheduler._end(process)
        scheduler.budget, scheduler.events, scheduler.see, scheduler.choices = Budget(preemptions=0), [], None, Choices()
        self.kernel.uptime_ns += _LONG
        self.kernel.capacity = None
        last, errors = scheduler.process("last"), list[Exception]()
        scheduler.start(last, "last", lambda: self.seal(last, errors.append))
        scheduler.run()
        self._check_threads()
        self.ledger.check_sealed(errors)

    # events

    def event_clock_grace(self) -> None:
        """The grace of the period before is over."""
        unit, wall = UNIT[self.spec.when], self.kernel.wall()
        over = wall // unit * unit + self.spec.late_grace
        self.kernel.uptime_ns += int(max(0.0, over - wall) * 1e9) + 1_000_000

    def event_twin_taken(self) -> None:
        """Somebody has a file of the name that the oldest plain segment to which nothing is written any more would get."""
        plain = sorted(name for name in self.kernel.names if self.ledger._order_of(name))
        over = [name for name in plain if self.ledger._over(name) <= self.kernel.wall()]
        name = next((one + ENDING for one in over if one + ENDING not in self.kernel.names), None)
        if name is not None:
            self._put(name, b"somebody's\n")
            self.ledger.foreign[name] = b"somebody's\n"


@dataclass
class SealingProgram(Program):
    """What one thread does."""

    world: SealingWorld
    sealer: Sealer | None = None

    def step(self, step: str) -> None:
        """One step of a program."""
        word, _, argument = step.partition(" ")
        getattr(self, word)(*argument.split())

    def open(self) -> None:
        """The log is open."""

    def seal(self) -> None:
        """What `mpfhandler seal` does, in this process."""
        self.world.seal(self.process, self.world._reported)

    def command(self) -> None:
        """Somebody starts `mpfhandler seal` beside it."""
        self.world.launch(f"{self.name}/seal{len(self.world.scheduler.processes)}", ("seal",))

    def keep(self) -> None:
        """What the housekeeper of this process does to closed segments."""
        if self.sealer is None:
            ops = sealing_table(self.process)
            reporter = Reporter(Trace(ops, "", Access(), enabled=False), self.world._reported)
            segments, options = self.writer._active.closed._segments, self.world.options_of(self.process)
            self.sealer = Sealer(ops, LOG, segments, options, reporter)
        since = self.world.kernel.wall()
        self.sealer.run(lambda: False, self.writer._background.let_go)
        if self._tells and self.sealer._retry.until < 0:  # it has come to its end
            self._check_let_go(since)

    def released(self) -> None:
        """A record comes more than a look after the grace of what was kept for late ones."""
        since = self.world.kernel.wall()
        self.nap("2")
        self.log()
        self._check_let_go(since)

    @property
    def _tells(self) -> bool:
        """Whether it can be told from outside which of its leases a process is to give up: nothing fails, no other thread of it
        is at the log, and a name means one period."""
        spec, ledger = self.world.spec, self.world.ledger
        alone = spec.threads == 1 and not spec.housekeeper
        return alone and not spec.budget.faults and spec.zone == "UTC" and not ledger.clock_was_set

    def _check_let_go(self, since: float) -> None:
        segment = self.writer.segment
        self.world.ledger.check_let_go(self.process, segment.file.inode if isinstance(segment, OpenSegment) else 0, since)

    def anything(self) -> None:
        """One step by choice."""
        pick = self.world.choices.pick
        steps: tuple[Callable[[], None], ...] = (
            self.log, self.keep, lambda: self.log("0.9"), lambda: self.log("4"), lambda: self.nap("3"), self.command,
            lambda: self.nap("11"), self.rotate, self.close, self.fork, lambda: self.log("30"),
        )  # fmt: skip
        steps[pick(len(steps), 0.3)]()


def sealing_table(process: Process) -> Operations:
    """The operations of a process that seals. It looks at what it was told of a file long after: all of that counts as seen."""

    def look(name: str, what: object) -> FileStat:
        found: FileStat = process._call(name, what)
        process.scheduler.seen(process, name, (what,), (found,))
        return found

    return replace(
        process.ops,
        stat_path=lambda path: look("stat_path", path),
        stat_link=lambda path: look("stat_path", path),
        stat_fd=lambda fd: look("stat_fd", fd),
        threads=replace(process.ops.threads, pause=lambda _seconds: None),
    )
