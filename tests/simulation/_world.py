"""A world: a machine, processes with the real engine that log, and what may happen to them from outside."""

from __future__ import annotations

import functools
import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from _choices import Choices
from _kernel import BLOCK, EXCLUSIVE, Kernel
from _oracle import LOG, OLD, UNIT, Ledger, Record, Violation
from _process import LOCK_RETRY, CrowdedLock, Process
from _remote import RemoteKernel
from _scheduler import Budget, Call, Event, Pruned, Scheduler, Stuck, Thread

from mpfhandler._engine.place import Place
from mpfhandler._engine.writer import Writer
from mpfhandler._protocols.hooks import Hooks
from mpfhandler._pure.options import Options
from mpfhandler._pure.schedule import Schedule

BOUNDARY = 1_700_000_000  # a whole second; and, with these `when`, see `start_of`
See = Callable[[Callable[[], int], int], None]  # of a scheduler
RETRIES = 0.45  # the same with the lock for each record: after it has waited in vain it waits for 0.2 s, for a rotation, too
STALL = 0.05  # seconds that a call may sleep beyond lock_timeout: the last pause of its polling


@dataclass(frozen=True)
class Spec:
    """What a world is like.

    Attributes:
        programs: one for each process that is there at the start; a tuple of names of `Program`'s methods.
        before: seconds before a boundary at which the world starts.
        size: bytes of a record's line, at least.
        old: a log of an earlier period is there already, with no state record.
        events: names of `World`'s events, and how often each may happen.
        every: for running every schedule, see `Scheduler`.
    """

    programs: tuple[tuple[str, ...], ...] = (("log", "log"), ("log", "log"))
    when: str = "S"
    zone: str = "UTC"
    before: float = 0.5
    boundary: float = BOUNDARY
    max_bytes: int = 0
    late_grace: float = 10.0
    lock_timeout: float = 2.0
    backup_count: int = 0
    locking: str = "append"
    remote: bool = False  # each process is on a machine of its own
    exclusive_rename: bool = True  # the kernel has a rename that refuses a name that is taken
    spill_bytes: int = 1 << 20
    size: int = 40
    granularity: int = 64
    capacity: int | None = None
    old: bool = False
    threads: int = 1
    lanes: bool = False  # threads have met at the engine's lock before, and meet there again: always, or by choice
    opened: bool = True  # every process has the log open before the world starts moving
    events: tuple[tuple[str, int], ...] = ()
    budget: Budget = field(default_factory=Budget)
    step_ns: int = 0
    every: bool = False

    @property
    def mishaps(self) -> bool:
        """Whether anything happens but that time passes."""
        events = {name for name, _ in self.events} - {"clock_boundary", "clock_second"}
        return self.budget.any() or bool(events)

    def world(self, choices: Choices, see: See | None = None, *, traced: bool = False, plain: float = 0.8) -> World:
        """One like this."""
        return World(self, choices, see, traced=traced, plain=plain)


@functools.cache
def _options(spec: Spec) -> Options:
    zone = None if spec.zone == "UTC" else spec.zone
    return Options(
        Schedule.create(spec.when, 1, None, zone is None, zone),
        max_bytes=spec.max_bytes, lock_timeout=spec.lock_timeout, late_grace=spec.late_grace,
        backup_count=spec.backup_count, spill_bytes=spec.spill_bytes, locking=spec.locking,
    )  # fmt: skip


class World:
    """One run of a spec by a list of choices."""

    def __init__(
        self,
        spec: Spec,
        choices: Choices,
        see: See | None = None,
        *,
        traced: bool = False,
        plain: float = 0.8,
    ) -> None:
        self.spec = spec
        self.choices = choices
        self.kernel = (RemoteKernel if spec.remote else Kernel)(spec.boundary - spec.before, spec.capacity)
        self.kernel.exclusive_rename = spec.exclusive_rename
        self.kernel.mkdir("/logs")
        self.ledger = self.make_ledger()
        self.scheduler = Scheduler(
            self.kernel, choices, replace(spec.budget), self._events(), see,
            every=spec.every, granularity=spec.granularity, step_ns=spec.step_ns, patience=spec.lock_timeout,
            plain=plain, traced=traced, watcher=self.ledger,
        )  # fmt: skip
        self.ledger.processes = self.scheduler.processes
        self.options = _options(spec)
        self.place = Place(LOG, LOG + ".lock", LOG + ".debug", special=False)
        self.reports: list[Exception] = []

    def run(self) -> None:
        """To the end, and check.

        Raises:
            Violation: a promise is broken.
        """
        self._furnish()
        if self.spec.opened:
            self._open_all()
        else:
            for number, steps in enumerate(self.spec.programs):
                self.launch(f"p{number}", steps)
        try:
            self.scheduler.run()
            self._check_threads()
            self.ledger.check()
            self.afterwards()
        except Pruned:
            self._check_so_far()
            raise
        except Stuck as error:
            raise Violation(str(error)) from None
        finally:
            self.scheduler.close()

    def launch(self, name: str, steps: Sequence[str], writer: Writer | None = None, process: Process | None = None) -> Process:
        """A new process that runs these steps in each of its threads."""
        process = process or self.scheduler.process(name)
        writer = writer or self.engine(process)
        for number in range(self.spec.threads):
            program = self.program(process, writer, name if number == 0 else f"{name}.{number}")
            program.thread = self.scheduler.start(process, program.name, lambda program=program: program.run(steps))
        return process

    def make_ledger(self) -> Ledger:
        """Who judges it."""
        spec = self.spec
        return Ledger(self.kernel, spec.when, spec.late_grace, spec.zone, spec.backup_count)

    def prepare(self, process: Process, writer: Writer, number: int) -> None:
        """What a process has done before the world starts moving."""
        writer.open()

    def afterwards(self) -> None:
        """What is to be tried out when all have come to their ends."""

    def engine(self, process: Process) -> Writer:
        """The engine of a new process."""
        process.locks_records = self.options.locks_records
        writer = Writer(process.ops, self.place, self.options, b"\n", Hooks(), self._reported)
        if self.spec.lanes:
            writer.lanes.met, writer.lock = True, CrowdedLock(self.scheduler)
        return writer

    def program(self, process: Process, writer: Writer, name: str) -> Program:
        """What a thread of a process will do."""
        return Program(self, process, writer, name)

    def fork(self, program: Program, steps: Sequence[str]) -> None:
        """What os.fork does, and the hooks around it."""
        parent = program.process
        program.writer.before_fork()
        name = f"{program.name}+{len(self.scheduler.processes)}"
        child = self.scheduler.child(parent, name)
        twin = parent.copy_of(program.writer, child, (self, self.ledger))
        child.locks_records = parent.locks_records
        child.slow_until, child.late_until = parent.slow_until, parent.late_until
        child.stalled = parent.stalled or parent.waits_in_vain()
        forked = self.program(child, twin, name)

        def live() -> None:
            twin.after_fork_in_child()
            forked.run(steps)

        forked.thread = self.scheduler.start(child, name, live, identity=program.thread.identity)
        program.writer.after_fork_in_parent()

    # events

    def _events(self) -> list[Event]:
        return [Event(name, getattr(self, f"event_{name}"), times, name.startswith("clock")) for name, times in self.spec.events]

    def event_clock_boundary(self) -> None:
        """The period ends."""
        unit = UNIT[self.spec.when]
        wall = self.kernel.wall_ns
        self.kernel.uptime_ns += int((wall // (unit * 10**9) + 1) * unit * 10**9 - wall) + 1_000_000

    def event_clock_second(self) -> None:
        """A second passes."""
        self.kernel.uptime_ns += 1_000_000_000

    def event_clock_back(self) -> None:
        """Somebody sets the clock back a little, or a lot."""
        self._step(-(0.7, 3.0, 3700.0)[self.choices.pick(3, 0.4)])

    def event_clock_forward(self) -> None:
        """Somebody sets the clock forward a little, or a lot."""
        self._step((0.7, 3.0, 3700.0)[self.choices.pick(3, 0.4)])

    def _step(self, seconds: float) -> None:
        before = self.kernel.wall()
        self.kernel.step(seconds)
        self.ledger.clock_set(before)

    def event_lock_deleted(self) -> None:
        """rm app.log.lock"""
        if LOG + ".lock" in self.kernel.names:
            if self.kernel.names[LOG + ".lock"].writer is not None and LOG in self.kernel.names:  # its state record goes nowhere
                self.ledger.straddling.append(self.kernel.names[LOG])
            self.kernel.unlink(LOG + ".lock")
            self.ledger.lose_state()
            for process in self.scheduler.processes:
                process.refuse(deleted=True)

    def event_log_moved(self) -> None:
        """mv app.log elsewhere"""
        inode = self.kernel.names.get(LOG)
        if inode is not None:
            self.ledger.taken.append((LOG, inode, self.kernel.uptime_ns / 1e9))
            self.kernel.rename(LOG, f"/logs/moved-{len(self.ledger.taken)}")

    def event_log_removed(self) -> None:
        """rm app.log"""
        inode = self.kernel.names.get(LOG)
        if inode is not None:
            self.ledger.taken.append((LOG, inode, self.kernel.uptime_ns / 1e9))
            self.kernel.unlink(LOG)

    def event_name_taken(self) -> None:
        """Somebody has a file under the name that the next segment would get."""
        name = f"{LOG}.{self.ledger._period(self.kernel.wall())[0]}"
        if name not in self.kernel.names:
            self._put(name, b"somebody's\n")
            self.ledger.occupied[name] = b"somebody's\n"

    def event_disk_freed(self) -> None:
        """The disk gets more room."""
        if self.kernel.capacity is not None:
            self.kernel.capacity += 1 << 20

    def event_lock_held(self) -> None:
        """Somebody who is no process of the world has the lock from now on, as soon as nobody else has it, for ever."""
        kernel, outside = self.kernel, self.scheduler.outside
        fd = kernel.open(outside, LOG + ".lock", os.O_RDWR | os.O_CREAT)
        try:
            kernel.flock(outside, fd, EXCLUSIVE)
        except BlockingIOError:
            kernel.close(outside, fd)

    def event_power_cut(self) -> None:
        """All processes are gone, and what they wrote may be; what was synced is there, and others go on."""
        scheduler = self.scheduler
        for process in scheduler.processes:
            scheduler._end(process)
        self.kernel.uptime_ns += 1_000_000_000
        self.kernel.power_cut((), lambda count: self.choices.pick(count, 0.2), self.spec.granularity)
        self.ledger.forget()
        for steps in self.spec.programs:
            self.launch(f"q{len(scheduler.processes)}", steps)

    # how

    def _furnish(self) -> None:
        whole, self.kernel.capacity = self.kernel.capacity, None
        for name in ("/logs/app.error.log", "/logs/app.log.bak", "/logs/app.log.2.2023-11-14_22-13-19"):
            self._put(name, b"not ours\n")
            self.ledger.foreign[name] = b"not ours\n"
        if self.spec.old:
            moment = self.kernel.wall() - UNIT[self.spec.when]
            line = b"old-0 " + b"o" * self.spec.size
            process = Process(self.scheduler, self.kernel, 1, OLD)
            record = self.ledger.begin(process, "old-0", line, moment)
            record.begun = record.returned = record.lowest = record.highest = moment
            self._put(LOG, line + b"\n")
            self.kernel.names[LOG].mtime_ns = int(moment * 1e9)
        self.kernel.sync()
        if whole is not None:
            self.kernel.capacity = self.kernel.used * BLOCK + whole

    def _put(self, name: str, data: bytes) -> None:
        inode = self.kernel._make(name, 0o644, folder=False)
        self.kernel._put(inode, data, 0)

    def _open_all(self) -> None:
        """Every process opens its log; nothing goes wrong yet, and nobody is preempted."""
        scheduler = self.scheduler
        whole, events, see = scheduler.budget, scheduler.events, scheduler.see
        scheduler.budget, scheduler.events, scheduler.see = Budget(preemptions=0), [], None
        made, scheduler.choices = scheduler.choices, Choices()
        opened: list[tuple[str, Process, Writer, Sequence[str]]] = []
        for number, steps in enumerate(self.spec.programs):
            process = scheduler.process(f"p{number}")
            writer = self.engine(process)
            scheduler.start(process, f"open{number}", functools.partial(self.prepare, process, writer, number))
            opened.append((f"p{number}", process, writer, steps))
        scheduler.run()
        background = scheduler.threads[:] = [one for one in scheduler.threads if one.daemon and not one.done]
        scheduler.current = None  # type: ignore[assignment]
        for name, process, writer, steps in opened:
            process.threads.clear()
            if process.alive:
                self.launch(name, steps, writer, process)
            process.threads += [one for one in background if one.process is process]
        scheduler.budget, scheduler.events, scheduler.see, scheduler.choices = whole, events, see, made

    def _reported(self, error: Exception) -> None:
        self.reports.append(error)

    def _check_so_far(self) -> None:
        """What was broken on the way to a state stays broken, however that state goes on."""
        self._check_threads()
        if self.ledger.broken:
            raise Violation(self.ledger.broken[0])

    def _check_threads(self) -> None:
        for thread in self.scheduler.threads:
            if thread.error is not None:
                raise Violation(f"P5: {thread.name} was given {thread.error!r}") from thread.error


@dataclass
class Program:
    """What one thread of a process does: one method for each step."""

    world: World
    process: Process
    writer: Writer
    name: str
    thread: Thread = None  # type: ignore[assignment]
    number: int = 0

    def run(self, steps: Sequence[str]) -> None:
        """One step after the other, and a good end."""
        for step in steps:
            word, _, argument = step.partition(" ")
            getattr(self, word)(*argument.split())
        if self.process.threads[0] is self.thread or self.world.spec.threads == 1:
            self.leave()

    def log(self, age: str = "0") -> None:
        """A record that was made `age` seconds ago."""
        self._record(self.world.kernel.wall() - float(age))

    def rotate(self) -> None:
        """Somebody calls doRollover."""
        self._call(self.writer.rotate)

    def flush(self) -> None:
        """Somebody calls flush."""
        self._call(self.writer.flush)

    def close(self) -> None:
        """Somebody calls close, and goes on logging."""
        waited = self.world.ledger.waiting(self.process)
        self._call(self.writer.close)
        self.world.ledger.closed(self.process, waited)

    def nap(self, seconds: str) -> None:
        """The program does something else."""
        self.world.scheduler.nap(float(seconds))

    def event(self, name: str) -> None:
        """Something happens from outside, just here."""
        getattr(self.world, f"event_{name}")()

    def fork(self, *steps: str) -> None:
        """A child that runs these steps."""
        self.world.fork(self, steps or ("log", "log"))

    def anything(self) -> None:
        """One step by choice."""
        pick = self.world.choices.pick
        steps: tuple[Callable[[], None], ...] = (
            self.log, lambda: self.nap("0.4"), lambda: self.log("0.9"), lambda: self.log("4"), lambda: self.log("-3"),
            lambda: self.log("30"), self.rotate, self.close, lambda: self.nap("3"), self.fork, self.flush,
        )  # fmt: skip
        steps[pick(len(steps), 0.6)]()

    def leave(self) -> None:
        """The end of a program: what waits in memory is written, with patience, now that nothing goes wrong any more."""
        for other in self.process.threads:
            if other is not self.thread and not other.daemon:
                other.join()
        scheduler = self.world.scheduler
        for _ in range(4):
            if not self.writer.stats().spilled:
                break
            scheduler.nap(3.0)
            self.writer.flush()
        self.world.ledger.remembered(self.process, self.writer.stats().spilled)
        self.writer.close()
        self.world.ledger.left(self.process, self.writer.stats().lost)
        self.process.end()

    def _begin(self, created: float) -> Record:
        """A new record, of which the ledger knows."""
        name = f"{self.name}-{self.number}"
        self.number += 1
        line = (name.encode() + b" ").ljust(self.world.spec.size - 1, b"x")
        return self.world.ledger.begin(self.process, name, line, created)

    def _record(self, created: float) -> None:
        record = self._begin(created)
        self._call(lambda: self.writer.write(record.line + b"\n", created))
        self.world.ledger.end(record)

    def _call(self, engine: Callable[[], object]) -> None:
        """A call of the engine: it must not sleep too long, and may give the lock up only after it has waited for it."""
        process, patience = self.process, self.world.spec.lock_timeout
        call = self.thread.call = Call(self.thread, patience)
        engine()
        self.thread.call = None
        now = self.world.kernel.uptime_ns
        locks_records = self.world.options.locks_records
        if call.in_vain:
            process.late_until = now / 1e9 + LOCK_RETRY
            if locks_records:  # only now it puts the record into memory, however long ago its last try was
                process.failed_at = now / 1e9
            if not process.in_order:
                process.slow_until = process.late_until
            process.stalled = (process.refused_last and not process.followed_last) or call.failed
            process.may_wait = not process.stalled
        if call.failed:
            process.notice_failure()
        again = RETRIES if locks_records else 0.0
        if call.slept > (patience if call.may_wait or call.followed else 0) + STALL + again:
            raise Violation(f"P3: a call of {self.name} slept {call.slept} s")
        if call.waited > patience * call.worth + STALL + again:
            raise Violation(f"P3: a call of {self.name} waited {call.waited} s, some of it behind other threads")


def failing(spec: Spec, choices: Sequence[int]) -> Violation | None:
    """What a list of choices breaks, if anything."""
    try:
        spec.world(Choices(choices)).run()
    except Violation as violation:
        return violation
    return None


def story(spec: Spec, choices: Sequence[int]) -> str:
    """The trace of a run, to read."""
    world = spec.world(Choices(choices), traced=True)
    try:
        world.run()
    except Violation as violation:
        world.scheduler.trace.append(f"VIOLATION {violation}")
    files = [f"{name}: {data.decode('ascii', 'replace')}" for name, data in sorted(world.kernel.files().items())]
    return "\n".join([f"{spec}", f"choices {list(choices)}", *world.scheduler.trace, *files])


def random_run(spec: Spec, seed: int, plain: float = 0.8) -> tuple[Violation | None, World]:
    """A run by a seed; the world as it was left."""
    world = spec.world(Choices(random_source=random.Random(seed)), plain=plain)
    try:
        world.run()
    except Violation as violation:
        return violation, world
    return None, world
