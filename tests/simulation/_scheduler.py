"""Who goes on, and what goes wrong: one run of a world, chosen step by step.

Every operation of every simulated process is a point. There the scheduler lists the moves there are, takes one that its
choices say, and carries it out. Move 0 is always the plainest one. Threads are greenlets: the engine runs as it is, with
its real call stack, and stops in the middle of any function.

A thread that sleeps goes on when its time has come, or when somebody has changed something in the meantime (then the clock
is moved on to its time: how long things take is not fixed). That leaves out only wakings that could see nothing new.
"""

from __future__ import annotations

import errno
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from _choices import Choices
from _kernel import EXCLUSIVE, Inode, Kernel, Table, fail
from _process import Killed, Process
from greenlet import getcurrent, greenlet

from mpfhandler._platform import FileStat

_OPENING = (errno.EACCES, errno.EIO, errno.ENOSPC, errno.EROFS, errno.ESTALE, errno.EMFILE)
PLAUSIBLE = {
    "open_append": _OPENING,
    "open_new": _OPENING,
    "open_existing": (errno.EACCES, errno.EIO, errno.ESTALE),
    "open_side": (errno.EACCES, errno.EIO, errno.EMFILE),
    "open_side_of": (errno.EACCES, errno.EIO, errno.EMFILE),
    "open_lock": _OPENING,
    "open_read": (errno.EACCES, errno.EIO),
    "open_new_private": _OPENING,
    "write": (errno.ENOSPC, errno.EIO, errno.ESTALE, errno.EINTR),
    "read_at": (errno.EIO, errno.ESTALE),
    "write_at": (errno.ENOSPC, errno.EIO),
    "stat_path": (errno.EACCES, errno.EIO, errno.ESTALE),
    "stat_fd": (errno.ESTALE,),
    "rename_new": (errno.EACCES, errno.EIO, errno.ENOSPC, errno.EROFS, errno.ESTALE),
    "rename_once": (errno.EACCES, errno.EIO, errno.ENOSPC, errno.EROFS, errno.ESTALE),
    "rename_over": (errno.EACCES, errno.EIO, errno.ENOSPC, errno.EROFS, errno.ESTALE),
    "unlink": (errno.EACCES, errno.EIO, errno.EROFS),
    "names": (errno.EACCES, errno.EIO),
    "set_mode": (errno.EPERM, errno.EROFS),
    "set_times": (errno.EPERM, errno.EROFS),
    "fsync": (errno.EIO, errno.ENOSPC),
    "fsync_folder": (errno.EIO,),
    "try_lock": (errno.EINTR, errno.EIO, errno.ENOLCK),
    "unlock": (errno.EIO,),
}
_MOST_STEPS = 100_000


class Stuck(AssertionError):
    """The world does not come to an end."""


class Pruned(Exception):
    """This state has been seen already: everything that can follow is known or waiting to be run."""


class Refused(NamedTuple):
    """A lock that somebody else has."""

    name: str
    inode: Inode
    kind: str


@dataclass
class Thread:
    """One thread of a simulated process."""

    process: Process
    name: str
    identity: int
    frames: greenlet
    daemon: bool
    pending: tuple[str, tuple[Any, ...]] = ("start", ())
    until: float = -math.inf  # sleeps till then (uptime, ns)
    slept_at: int = -1  # how many changes there had been when it went to sleep; -1: does not sleep
    refused: Refused | None = None  # the lock that it could not have, and is waiting for if it sleeps now
    condition: Callable[[], bool] | None = None  # waits for this
    slept: float = 0.0  # seconds in all
    waited: float = 0.0  # seconds in all that others slept while it waited for a lock between threads that they had
    waits_for: Callable[[], int] | None = None  # gives the identity of who has that lock
    done: bool = False
    error: BaseException | None = None
    call: Call | None = None  # of the engine, that is under way
    failures: int = 0  # of operations in it
    refusals: int = 0  # of the rotation lock

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end, as `threading.Thread.join` does."""
        self.process.scheduler.wait_until(lambda: self.done, timeout)


class Call:
    """A call of the engine: what has happened to its thread and its process since it began.

    Args:
        thread: that makes it.
        patience: seconds for which the lock may be waited for.
    """

    def __init__(self, thread: Thread, patience: float) -> None:
        process = thread.process
        self._thread, self._slept, self._waited = thread, thread.slept, thread.waited
        self._before = self._refusals(), process.followed, self._failures()
        self.begun = process.kernel.uptime_ns
        self._patience = patience
        self.stalled, self.may_wait = process.stalled, process.may_wait

    @property
    def slept(self) -> float:
        """Seconds."""
        return self._thread.slept - self._slept

    @property
    def waited(self) -> float:
        """Seconds that it has waited, itself or behind other threads of its process."""
        return self.slept + self._thread.waited - self._waited

    @property
    def worth(self) -> int:
        """How often there was a reason to wait for the lock: it has not been waited for in vain since somebody had it."""
        return self.may_wait + self._thread.process.followed - self._before[1]

    @property
    def refused(self) -> bool:
        """Its process could not have the lock, as far as this call knows: another one that is under way speaks for itself."""
        return self._refusals() > self._before[0]

    @property
    def followed(self) -> bool:
        """It or somebody else has had it."""
        return self._thread.process.followed > self._before[1]

    @property
    def failed(self) -> bool:
        """An operation of its process has, in the same sense."""
        return self._failures() > self._before[2]

    def _refusals(self) -> int:
        return sum(one.refusals for one in self._thread.process.threads if one is self._thread or one.daemon)

    def _failures(self) -> int:
        return sum(one.failures for one in self._thread.process.threads if one is self._thread or one.daemon)

    @property
    def in_vain(self) -> bool:
        """It has waited for the lock as long as it may, or need not have waited."""
        in_vain = self.refused or self.failed  # a lock whose file cannot be looked at is no lock
        process = self._thread.process
        return in_vain and (self.stalled or process.kernel.uptime_ns - self.begun >= self._patience * 1e9)

    def verdict_state(self) -> tuple[object, ...]:
        """What will decide whether it has slept too long, and what its process is excused of after it."""
        waited = self.slept, self.waited, self.worth
        return self.begun, self.stalled, self.may_wait, waited, self.refused, self.followed, self.failed


@dataclass(unsafe_hash=True)
class Budget:
    """How much may go wrong in one run."""

    kills: int = 0
    tears: bool = False  # a kill in the middle of a write leaves a part of it
    faults: int = 0
    short_writes: int = 0
    stops: int = 0
    preemptions: int | None = None  # None: any number
    stopped: bool = False  # somebody was

    def any(self) -> bool:
        """Whether anything may go wrong, or has been made to."""
        return bool(self.kills or self.faults or self.short_writes or self.stops or self.stopped)

    def key(self) -> tuple[object, ...]:
        return self.kills, self.faults, self.short_writes, self.stops, self.preemptions


@dataclass
class Event:
    """Something that happens from outside, at most `times` times."""

    name: str
    act: Callable[[], None]
    times: int = 1
    clock: bool = False  # changes the clock


class Watcher:
    """Is told what processes do to files; this one does not mind."""

    def created(self, process: Process, inode: Inode) -> None:
        """A file is new."""

    def written(self, process: Process, inode: Inode, *, over: bool = False) -> None:
        """A write was whole, behind everything else or over something."""

    def incomplete(self, process: Process, inode: Inode, data: bytes) -> None:
        """A write was cut off."""

    def deleting(self, process: Process, path: str) -> None:
        """A name is about to be removed."""

    def takes_a_name(self, process: Process, path: str) -> bool:
        """Whether this is a file that a process has made to rename another one onto it."""
        return False

    def overwriting(self, process: Process, path: str) -> None:
        """A name is about to be renamed onto."""

    def failing(self, process: Process, name: str, arguments: tuple[Any, ...]) -> None:
        """An operation is made to fail."""

    def is_segment(self, path: str) -> bool:
        """Whether this is the name of a segment of the log."""
        return False

    def is_lock(self, inode: Inode) -> bool:
        """Whether this is the file of the rotation lock."""
        return False

    def verdict_state(self) -> object:
        """What it remembers, as far as that decides what it will say at the end."""
        return ()


class Move(NamedTuple):
    """What may happen next."""

    kind: str  # go, fail, short, kill, tear, stop, resume, event
    thread: Thread | None = None
    detail: Any = None

    def __str__(self) -> str:
        who = self.thread.name if self.thread is not None else ""
        what = self.detail.name if isinstance(self.detail, Event) else self.detail or ""
        return f"{self.kind} {who} {what}".rstrip()


@dataclass
class Scheduler:
    """One run.

    Attributes:
        see: is called at each choice with a function that gives a number for the state, and with the number of moves; raises
            `Pruned` to end the run. None: states are not told apart.
        every: every schedule is run, or one of those is replayed: steps that make no difference to others are no points.
        granularity: torn writes end at multiples of this (bytes).
        step_ns: how long an operation takes.
        patience: seconds for which a call may wait for the rotation lock.
    """

    kernel: Kernel
    choices: Choices
    budget: Budget = field(default_factory=Budget)
    events: list[Event] = field(default_factory=list)
    see: Callable[[Callable[[], int], int], None] | None = None
    every: bool = False
    granularity: int = 4096
    step_ns: int = 0
    patience: float = 0.0
    plain: float = 0.8
    traced: bool = False
    watcher: Watcher = field(default_factory=Watcher)  # is told what happens to files

    def __post_init__(self) -> None:
        self.main = getcurrent()
        self.outside = Table()  # what somebody has open who is no process of the world
        self.processes: list[Process] = []
        self.threads: list[Thread] = []
        self.current: Thread = None  # type: ignore[assignment]
        self.trace: list[str] = []
        self.steps = 0
        self.points = 0  # choices with more than one move
        self.broken = ""  # why this run shows nothing
        self._outcome: OSError | None = None

    # what a world builds

    def process(self, name: str) -> Process:
        """A new process with no thread yet."""
        process = Process(self, self.kernel, 1000 + len(self.processes), name)
        self.processes.append(process)
        return process

    def child(self, parent: Process, name: str) -> Process:
        """A forked one."""
        process = parent.fork(1000 + len(self.processes), name)
        self.processes.append(process)
        return process

    def start(
        self, process: Process, name: str, work: Callable[[], None], *, daemon: bool = False, identity: int | None = None
    ) -> Thread:
        """A new thread, which runs when it is chosen."""
        frames = greenlet(lambda: self._run_thread(thread, work), self.main)
        number = max((one.identity for one in self.threads), default=0) + 1 if identity is None else identity
        thread = Thread(process, name, number, frames, daemon)
        self.threads.append(thread)
        process.threads.append(thread)
        return thread

    # the run

    def run(self) -> None:
        """Until every thread has ended, or only stopped and daemon ones are left.

        Raises:
            Stuck: threads wait for each other, or there is no end.
        """
        while self._unfinished():
            self.steps += 1
            if self.steps > _MOST_STEPS:
                raise Stuck(f"no end after {_MOST_STEPS} steps")
            if self.broken:
                raise Stuck(self.broken)
            move = self._next()
            if move is None:
                self._pass_time()
                continue
            self._carry_out(move)
            self.kernel.uptime_ns += self.step_ns

    def close(self) -> None:
        """Take down what is left of every process."""
        for process in self.processes:
            self._end(process)

    # what a thread calls

    def point(self, process: Process, name: str, arguments: tuple[Any, ...]) -> OSError | None:
        """Stop before an operation until it is this thread's turn; the error that the operation is to give, if any."""
        thread = self.current
        thread.pending = (name, arguments)
        self._leave(thread)
        outcome, self._outcome = self._outcome, None
        if outcome is not None:
            self.seen(process, name, arguments, ("made to fail", outcome.errno))
        return outcome

    def exhaustive(self, name: str) -> bool:
        """Whether every schedule is run, and this operation cannot be made to fail."""
        return self.every and not (self.budget.faults and name in PLAUSIBLE)

    def seen(self, process: Process, name: str, arguments: tuple[Any, ...], result: Any) -> Any:
        """What a process has learnt decides what it does next. Gives the result."""
        if self.see is not None:
            told = tuple(result) if isinstance(result, list) else result
            if self.every and isinstance(result, FileStat):
                told = result.id  # of the rest only what is looked at, see `Look`
            process.history = hash((process.history, self.current.identity, name, told))
        if self.traced:
            self.trace.append(f"{self.kernel.wall():.6f} {self.current.name:<12} {name}{arguments} → {result}")
        return result

    def sleep(self, seconds: float) -> None:
        """Until the uptime has advanced so far."""
        thread = self.current
        thread.pending = ("sleep", (seconds,))
        thread.until = self.kernel.uptime_ns + round(seconds * 1e9)
        thread.slept_at = self.kernel.changes
        thread.slept += seconds
        for other in thread.process.threads:
            if other.waits_for is not None and other.waits_for() == thread.identity:
                other.waited += seconds
        self._leave(thread)
        thread.refused = None

    def refused(self, inode: Inode, kind: str) -> None:
        """The present thread cannot have a lock."""
        name = next((name for name, there in self.kernel.names.items() if there is inode), "")
        self.current.refused = Refused(name, inode, kind)

    def nap(self, seconds: float) -> None:
        """What a program does between two records: no change wakes it."""
        self.current.until = self.kernel.uptime_ns + round(seconds * 1e9)
        self.current.pending = ("nap", (seconds,))
        self._leave(self.current)

    def wait_until(self, condition: Callable[[], bool], timeout: float | None) -> None:
        """Until the condition holds, or the time is over."""
        thread = self.current
        if condition():
            return
        thread.pending = ("wait", (timeout,))
        thread.condition = condition
        thread.until = math.inf if timeout is None else self.kernel.uptime_ns + round(timeout * 1e9)
        self._leave(thread)

    def clock_may_change(self) -> bool:
        """Whether a look at the clock is a point."""
        return any(event.clock and event.times for event in self.events)

    # moves

    def _next(self) -> Move | None:
        """What happens now; None: nothing does before time passes. Where the plainest choice is made, no other is looked for."""
        first = self._first() if self.see is None and self._has_others() else None
        if first is not None and self.choices.plain(self.plain):
            self.points += 1
            return Move("go", first)
        moves = self._moves()
        if len(moves) < 2:
            return moves[0] if moves else None
        if self.see is not None:
            self.see(self.picture, len(moves))
        self.points += 1
        return moves[self.choices.other(len(moves)) if first is not None else self.choices.pick(len(moves), self.plain)]

    def _first(self) -> Thread | None:
        """The thread that goes on if nothing special happens."""
        if self.current is not None and self._ready(self.current):
            return self.current
        return next((thread for thread in self.threads if self._ready(thread)), None)

    def _has_others(self) -> bool:
        """Whether a thread that can go on is not the only choice, for sure."""
        return bool(self.budget.kills or self.budget.stops) or any(event.times for event in self.events)

    def _unfinished(self) -> bool:
        return any(not (t.done or t.daemon or t.process.stopped) and t.process.alive for t in self.threads)

    def _ready(self, thread: Thread) -> bool:
        if thread.done or not thread.process.alive or thread.process.stopped:
            return False
        now = self.kernel.uptime_ns
        if thread.condition is not None:
            return thread.condition() or now >= thread.until
        if now >= thread.until:
            return True
        return thread.slept_at not in (-1, self.kernel.changes) and (not self.every or self._may_be_had(thread.refused))

    def _may_be_had(self, refused: Refused | None) -> bool:
        """Whether a new try could be worth it: one that fails again leaves everything as it is, so it is left out where every
        schedule is run."""
        if refused is None or self.kernel.names.get(refused.name) is not refused.inode:
            return True
        return refused.inode.writer is None and not (refused.kind == EXCLUSIVE and refused.inode.shared)

    def _moves(self) -> list[Move]:
        ready = [thread for thread in self.threads if self._ready(thread)]
        last = self.current
        budget = self.budget
        if last in ready:
            ready.remove(last)
            ready.insert(0, last)
            if budget.preemptions == 0:
                ready = ready[:1]
        moves = [Move("go", thread) for thread in ready]
        if budget.any():
            for thread in ready:
                moves += self._mishaps(thread)
            moves += [Move("resume", p.threads[0]) for p in self.processes if p.stopped and p.alive]
        if ready:
            moves += [Move("event", None, event) for event in self.events if event.times]
        return moves

    def _mishaps(self, thread: Thread) -> list[Move]:
        budget, (name, arguments) = self.budget, thread.pending
        found: list[Move] = []
        if budget.kills:
            found.append(Move("kill", thread))
            if budget.tears and name == "write":
                found += [Move("tear", thread, count) for count in self._tears(thread.process, *arguments)]
        if budget.faults:
            found += [Move("fail", thread, number) for number in PLAUSIBLE.get(name, ())]
        if budget.short_writes and name == "write" and len(arguments[1]) > 1:
            size = len(arguments[1])
            found += [Move("short", thread, count) for count in sorted({1, size // 2, size - 1})]
        if budget.stops:
            found.append(Move("stop", thread))
        return found

    def _tears(self, process: Process, fd: int, data: bytes) -> list[int]:
        """How much of a write a kill may leave: up to a page boundary within it."""
        description = process.table.open.get(fd)
        if description is None or not description.append:
            return []
        start = len(description.inode.data)
        first = (start // self.granularity + 1) * self.granularity
        return [end - start for end in range(first, start + len(data), self.granularity)]

    def _carry_out(self, move: Move) -> None:
        thread = move.thread
        if self.traced and move.kind != "go":
            self.trace.append(f"{self.kernel.wall():.6f} **** {move} {thread.pending if thread else ''}")
        if move.kind == "go":
            self._go(thread)
        elif move.kind == "event":
            move.detail.times -= 1
            move.detail.act()
        else:
            getattr(self, f"_{move.kind}")(thread, move.detail)

    def _go(self, thread: Thread) -> None:
        budget = self.budget
        if budget.preemptions is not None and self.current is not thread and self.current and self._ready(self.current):
            budget.preemptions -= 1
        if thread.until > self.kernel.uptime_ns and thread.condition is None:  # woken by a change: its time has come
            self.kernel.uptime_ns = int(thread.until)
        thread.until, thread.slept_at, thread.condition = -math.inf, -1, None
        self._switch(thread)

    def _fail(self, thread: Thread, number: int) -> None:
        self.budget.faults -= 1
        thread.process.fails(thread.pending[0], thread)
        self.watcher.failing(thread.process, *thread.pending)
        self._outcome = fail(number)
        self._go(thread)

    def _short(self, thread: Thread, count: int) -> None:
        """Only a part is written, as on a disk that is just full."""
        self.budget.short_writes -= 1
        thread.process.short = count
        self._go(thread)

    def _kill(self, thread: Thread, _detail: object) -> None:
        self.budget.kills -= 1
        self._end(thread.process)

    def _tear(self, thread: Thread, count: int) -> None:
        fd, data = thread.pending[1]
        self.watcher.incomplete(thread.process, thread.process.table.open[fd].inode, data)
        self.kernel.write(thread.process.table, fd, data[:count])
        self._kill(thread, None)

    def _stop(self, thread: Thread, _detail: object) -> None:
        self.budget.stops -= 1
        self.budget.stopped = True
        thread.process.stopped = True

    def _resume(self, thread: Thread, _detail: object) -> None:
        thread.process.stopped = False

    def _end(self, process: Process) -> None:
        process.end()
        for thread in process.threads:
            if not thread.done and thread.frames:
                before, self.current = self.current, thread
                thread.frames.throw(Killed)
                self.current = before
            thread.done = True

    def _pass_time(self) -> None:
        """Nobody can go on: the next one's time comes."""
        waiting = [t.until for t in self.threads if not t.done and t.process.alive and not t.process.stopped]
        soonest = min(waiting, default=math.inf)
        if soonest == math.inf:
            raise Stuck("threads wait for each other: " + ", ".join(t.name for t in self.threads if not t.done))
        self.kernel.uptime_ns = int(soonest)

    # greenlets

    def _switch(self, thread: Thread) -> None:
        self.current = thread
        thread.frames.switch()

    def _leave(self, thread: Thread) -> None:
        self.main.switch()
        self.current = thread

    def _run_thread(self, thread: Thread, work: Callable[[], None]) -> None:
        try:
            work()
        except Killed:
            pass
        except BaseException as error:
            thread.error = error
        thread.done = True
        thread.pending = ("end", ())

    # states

    def picture(self) -> int:
        """A number that tells this state of the world from any other: the same can follow, and the same will be said of it."""
        tables = [self.outside, *(process.table for process in self.processes if process.alive)]
        threads = tuple(
            (t.identity, t.pending[0], t.until, t.slept_at == self.kernel.changes, t.done, t.process.alive, t.process.stopped)
            for t in self.threads
        )
        histories = tuple(process.knows() for process in self.processes)
        events = tuple(event.times for event in self.events)
        last = self.current.identity if self.current is not None and self.budget.preemptions is not None else 0
        kernel = self.kernel.picture(tables), self.kernel.uptime_ns
        calls = tuple(t.call.verdict_state() for t in self.threads if t.call and t.process.alive)
        verdict = self.watcher.verdict_state(), tuple(process.verdict_state() for process in self.processes), calls
        return hash((kernel, threads, histories, events, self.budget.key(), last, verdict))
