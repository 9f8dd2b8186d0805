"""Worlds in which closed segments are deleted by their age and by the bytes that they have together, by processes that log and by
commands, while others compress them, or still want to write to them.

Each world ends with a process that nobody disturbs, long after: then the rules hold, and no more is gone than they ask for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from _choices import Choices
from _kernel import Inode
from _oracle import LOG, Record, Violation
from _process import Process
from _sealing import SealingProgram, SealingSpec, SealingWorld, sealing_table
from _sealing_oracle import ENDING, SealingLedger, unpack
from _world import See, World

from mpfhandler._engine.closed import ClosedSegments
from mpfhandler._engine.writer import Writer
from mpfhandler._protocols.hooks import Hooks
from mpfhandler._protocols.segments import Segments
from mpfhandler._pure.options import Access, Retention
from mpfhandler._resources.report import Reporter
from mpfhandler._resources.tracefile import Trace


@dataclass(frozen=True)
class PruningSpec(SealingSpec):
    """What such a world is like.

    Attributes:
        max_age: seconds since the end of a period.
        max_total_bytes: of all closed segments.
    """

    max_age: float = 0.0
    max_total_bytes: int = 0

    def world(self, choices: Choices, see: See | None = None, *, traced: bool = False, plain: float = 0.8) -> World:
        return PruningWorld(self, choices, see, traced=traced, plain=plain)


@dataclass
class PruningLedger(SealingLedger):
    """What is deleted by a rule, too.

    Attributes:
        age, most: the rules.
    """

    age: float = 0.0
    most: int = 0
    pruning: list[Process] = field(default_factory=list)  # processes that are just deleting
    gone: set[str] = field(default_factory=set)  # periods of which a segment was deleted
    sizes: dict[str, int] = field(default_factory=dict)  # of closed segments, by their plain names: the most that they have had

    def deleting(self, process: Process, path: str) -> None:
        """Who goes by a rule deletes what is closed, ours, and free, and for which there is a reason."""
        self.look()
        plain, inode = path.removesuffix(ENDING), self.kernel.names.get(path)
        if process not in self.pruning or inode is None or self._order_of(plain) is None:
            super().deleting(process, path)
            return
        if path in self.foreign or path in self.occupied:
            self.broken.append(f"P4: {process.name} deletes {path}, which is somebody's")
        if not self._has_lock(process, inode) and not process.failures:
            self.broken.append(f"P1: {process.name} deletes {path} without the lock on it")
        if not (self._is_too_old(plain) or self._is_too_much(plain)):
            self.broken.append(f"P4: {process.name} deletes {path}, which no rule asks for")
        content = unpack(bytes(inode.data))[0] if path.endswith(ENDING) else bytes(inode.data)
        self.retained.update(content.split(b"\n"))
        self.gone.add(plain[len(LOG) + 1 :].partition(".")[0])

    def _landed(self, record: Record, inode: Inode) -> None:
        """Whose segment somebody is just deleting goes to the log: in the segment it would be gone."""
        super()._landed(record, inode)
        if self.pruning or self._period(record.created)[0] in self.gone:
            record.hindered = True

    def look(self) -> None:
        """What there is. Called before anything is deleted, so nothing is missed."""
        for name, inode in self.kernel.names.items():
            plain = name.removesuffix(ENDING)
            if self._order_of(plain) is not None and name not in self.foreign:
                self.sizes[plain] = max(self.sizes.get(plain, 0), len(inode.data))

    def _is_too_old(self, plain: str) -> bool:
        ended = self._over(plain) - self.grace
        return bool(self.age) and (self.kernel.wall() - ended >= self.age or self.clock_was_set)

    def _is_too_much(self, plain: str) -> bool:
        """Whether it and all that are, or were, younger have more than is allowed."""
        mine = self._order_of(plain)
        assert mine is not None
        younger = sum(size for name, size in self.sizes.items() if (order := self._order_of(name)) is not None and order >= mine)
        return 0 < self.most < younger

    def verdict_state(self) -> tuple[object, ...]:
        return (
            *super().verdict_state(),
            tuple(sorted(self.sizes.items())),
            tuple(one.pid for one in self.pruning),
            frozenset(self.gone),
        )

    def check_pruned(self) -> None:
        """Nobody had a segment any more.

        Raises:
            Violation: a rule does not hold.
        """
        if self.broken:
            raise Violation(self.broken[0])
        names = {name for name in self.kernel.names if name not in self.foreign}
        closed = {
            name: inode for name in names if self._order_of(name.removesuffix(ENDING)) for inode in [self.kernel.names[name]]
        }
        old = [name for name in closed if self.age and self._is_too_old(name.removesuffix(ENDING))]
        if old and not self.clock_was_set:
            raise Violation(f"P4: {old} are older than {self.age} s, and there")
        if self.most and (total := sum(len(inode.data) for inode in closed.values())) > self.most:
            raise Violation(f"P4: {sorted(closed)} have {total} bytes, {self.most} are allowed")
        self._check_exactly_once(self._places())


class PruningWorld(SealingWorld):
    """One run of it."""

    spec: PruningSpec
    ledger: PruningLedger

    def make_ledger(self) -> PruningLedger:
        spec = self.spec
        return PruningLedger(
            self.kernel, spec.when, spec.late_grace, spec.zone, age=spec.max_age, most=spec.max_total_bytes
        )  # fmt: skip

    def program(self, process: Process, writer: Writer, name: str) -> PruningProgram:
        return PruningProgram(self, process, writer, name)

    def closed(self, process: Process, report: Callable[[Exception], None], segments: Segments) -> ClosedSegments:
        """The engine's part that deletes, with these rules."""
        ops, spec = sealing_table(process), self.spec
        options = replace(self.options, retention=Retention(max_age=spec.max_age, max_total_bytes=spec.max_total_bytes))
        trace = Trace(ops, "", Access(), enabled=False)
        return ClosedSegments(ops, segments, Hooks(), options, trace, Reporter(trace, report))

    def seal(self, process: Process, report: Callable[[Exception], None]) -> None:
        """`mpfhandler seal`; of who comes last, `mpfhandler prune` after it."""
        super().seal(process, report)
        if process.name == "last":
            self.ledger.check_sealed([])
            ops = sealing_table(process)
            silent = Reporter(Trace(ops, "", Access(), enabled=False), report)
            grace, hides = self.options.late_grace, self.options.hides
            segments = Segments(ops, self.place.log, self.options.schedule, Hooks(), silent, late_grace=grace, hides=hides)
            self.prune(process, self.closed(process, report, segments), lambda _held: None)

    def prune(self, process: Process, closed: ClosedSegments, let_go: Callable[..., None]) -> None:
        """Delete by the rules."""
        self.ledger.look()
        self.ledger.pruning.append(process)
        closed.delete(lambda: False, let_go)
        self.ledger.pruning.remove(process)

    def afterwards(self) -> None:
        super().afterwards()
        self.ledger.check_pruned()


@dataclass
class PruningProgram(SealingProgram):
    """What one thread does."""

    world: PruningWorld
    closed: ClosedSegments | None = None

    def prune(self) -> None:
        """What the housekeeper of this process deletes."""
        if self.closed is None:
            segments = self.writer._active.closed._segments
            self.closed = self.world.closed(self.process, self.world._reported, segments)
        self.world.prune(self.process, self.closed, self.writer._background.let_go)

    def keep(self) -> None:
        """What the housekeeper of this process does."""
        super().keep()
        self.prune()
