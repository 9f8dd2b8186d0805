"""Starts the worker processes, kills some, starts others in their place, and ends all of them.

No process is ever signalled by a name or by a number that may have been given to somebody else: a worker is our own
child that we have not reaped; its forked child is one that the worker has not reaped, and is only killed while the
worker lives; a group is only killed while somebody still holds the other end of our lifeline. That is a pair of
sockets: every writer inherits one end, and ours meets the end of file when the last writer is dead. Theirs does when
we are, however we died: then they end by themselves.
"""

from __future__ import annotations

import os
import random
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from .job import MAX_RATE, Job, Setup
from .ledger import DONE, GO, RUNNING, STOP, THREADS, Account, Switch, accounts

__all__ = ["NothingStartedError", "Outcome", "conduct"]

_START_SECONDS = 60.0
_STOP_SECONDS = 20.0
_SPARE_SECONDS = 120.0  # a worker ends by itself this long after the planned end
_DOOM_SECONDS = 0.01  # of huge records before a kill
_LITTLE_SPACE = 32 << 20
_CRASHES = 5
_WORKER = [sys.executable, "-m", f"{__package__}.worker"]


class NothingStartedError(Exception):
    """Not one worker could be started; the message is what they said."""


@dataclass(frozen=True)
class Outcome:
    """What happened.

    Args:
        accounts: the ledger of every writer.
        killed: names of the writers that were sent SIGKILL.
        kills: how many that were while the run went on.
        seconds: from the start signal to the stop signal.
        problems: each one makes the run a failure: crashes, processes that did not end.
        complaints: what the processes wrote to stderr.
    """

    accounts: tuple[Account, ...]
    killed: frozenset[str]
    kills: int
    seconds: float
    problems: tuple[str, ...]
    complaints: tuple[str, ...]


def conduct(setup: Setup) -> Outcome:
    """Run the processes of one self-test to their end.

    Whatever ends this call, also an interrupt, no process of the run is left.

    Raises:
        NothingStartedError: no worker got as far as its first record.
    """
    with _lifeline() as (ours, theirs), _switch(setup.ledgers) as switch:
        crew = _Crew(setup, switch, theirs)
        try:
            crew.start()
            seconds = crew.work()
            crew.end(ours, patience=_STOP_SECONDS)
        except BaseException:
            crew.end(ours, patience=1.0)
            raise
        return crew.outcome(seconds)


@contextmanager
def _lifeline() -> Generator[tuple[socket.socket, socket.socket], None, None]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@contextmanager
def _switch(folder: str) -> Generator[Switch, None, None]:
    switch = Switch.create(folder)
    try:
        yield switch
    finally:
        switch.close()


@dataclass
class _Member:
    """A worker: its number and name, its process, the file that takes its stderr."""

    number: int
    name: str
    process: subprocess.Popen[bytes]
    errors: str


class _Crew:
    """The workers of one run. Owned by one thread, so nothing is locked."""

    def __init__(self, setup: Setup, switch: Switch, lifeline: socket.socket) -> None:
        self._setup, self._switch, self._lifeline = setup, switch, lifeline
        self._random = random.Random(setup.seed)  # noqa: S311  repeatable, not secret
        self._members: list[_Member] = []
        self._gone: list[_Member] = []
        self._killed: set[str] = set()
        self._problems: list[str] = []
        self._started = self._kills = self._crashes = 0

    def start(self) -> None:
        """Start all workers and wait until they are ready to log; the ones that are not in time are a problem."""
        for place in range(self._setup.procs):
            self._add("h" if place % 4 == min(3, self._setup.procs - 1) else "w")
        limit = time.monotonic() + _START_SECONDS
        while (ready := self._ready()) < len(self._members) and time.monotonic() < limit:
            self._bury_crashed(replace=False)
            time.sleep(0.01)
        if not ready:
            raise NothingStartedError("\n".join(self._complaints()) or "the workers said nothing")
        if ready < self._setup.procs:
            self._problems.append(f"only {ready} of {self._setup.procs} workers started")

    def work(self) -> float:
        """Let them log for the planned time; returns the seconds that it really was."""
        begin = time.monotonic()
        self._switch.set(GO)
        end, next_kill, next_look = begin + self._setup.secs, begin + self._pause(), begin
        while (now := time.monotonic()) < end and self._crashes < _CRASHES:
            if now >= next_kill:
                self._kill_one()
                next_kill = now + self._pause()
            if now >= next_look:
                if self._no_space():
                    break
                self._bury_crashed(replace=True)
                next_look = now + 0.25
            time.sleep(max(0.0, min(next_kill, next_look, end) - time.monotonic()))
        return time.monotonic() - begin

    def end(self, ours: socket.socket, patience: float) -> None:
        """Stop everybody, first by asking, then by force. Afterwards no writer is left. Safe to call again."""
        self._bury_crashed(replace=False)
        self._switch.set(STOP)
        for member in self._members:
            member.process.terminate()
        self._lifeline.close()  # else our own copy would keep the other end from its end of file
        if not _all_gone(ours, patience):
            self._end_by_force(ours)
        for member in self._members:
            self._settle(member)

    def outcome(self, seconds: float) -> Outcome:
        found = accounts(self._setup.ledgers)
        lonely = [one.writer for one in found if one.state != DONE and one.writer not in self._killed]
        already = " ".join(self._problems)
        self._problems += [f"writer {name} ended before its time" for name in lonely if f" {name} " not in already]
        return Outcome(
            accounts=tuple(found),
            killed=frozenset(self._killed),
            kills=self._kills,
            seconds=seconds,
            problems=tuple(self._problems),
            complaints=tuple(self._complaints()),
        )

    def _add(self, letter: str) -> None:
        number, self._started = self._started, self._started + 1
        name = f"{letter}{number}"
        errors = os.path.join(self._setup.ledgers, f"stderr-{name}")
        with open(errors, "wb") as stderr:
            process = subprocess.Popen(
                [*_WORKER, self._job(name, number).to_json()],
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
                start_new_session=True,  # a terminal's Ctrl-C is ours to handle, not theirs
                pass_fds=(self._lifeline.fileno(),),
            )
        self._members.append(_Member(number, name, process, errors))

    def _job(self, name: str, number: int) -> Job:
        setup = self._setup
        return Job(
            log=setup.log,
            ledgers=setup.ledgers,
            lifeline=self._lifeline.fileno(),
            number=number,
            writer=name,
            when=setup.when,
            interval=setup.interval,
            size=setup.size,
            seed=setup.seed,
            rate=MAX_RATE / (setup.procs * (THREADS + 1)),  # the third is a forked child
            limit=setup.secs + _SPARE_SECONDS,
            fork_at=self._random.randint(50, 1000) if setup.forks and number % 3 == 0 else 0,
            factory=setup.factory,
        )

    def _ready(self) -> int:
        running = {one.writer for one in accounts(self._setup.ledgers) if one.state == RUNNING}
        return sum(member.name in running for member in self._members)

    def _pause(self) -> float:
        every = self._setup.kill_every
        return every * self._random.uniform(0.5, 1.5) if every else self._setup.secs + 1

    def _kill_one(self) -> None:
        """One worker that is logging, or the child that it forked; a killed worker gets a successor."""
        found = accounts(self._setup.ledgers)
        logging_now = {one.writer: one for one in found if one.state == RUNNING and any(one.acked)}
        candidates = [member for member in self._members if member.name in logging_now]
        if not candidates:
            return
        member = self._random.choice(candidates)
        self._switch.doom(member.number)
        time.sleep(_DOOM_SECONDS)
        self._strike(member, logging_now.get(member.name + "c"))
        self._switch.doom(-1)

    def _strike(self, member: _Member, child: Account | None) -> None:
        if sys.platform == "win32":
            raise NotImplementedError
        if member.process.poll() is not None:  # buried at the next look
            return
        self._kills += 1
        if child is not None and child.writer not in self._killed and self._random.random() < 0.3:
            self._killed.add(child.writer)
            os.kill(child.pid, signal.SIGKILL)
            return
        self._killed.add(member.name)
        member.process.kill()
        member.process.wait()
        self._retire(member)
        self._add(member.name[0])

    def _bury_crashed(self, *, replace: bool) -> None:
        for member in [one for one in self._members if one.process.poll() is not None]:
            self._retire(member)
            self._crashes += 1
            self._problems.append(f"worker {member.name} ended by itself with code {member.process.returncode}")
            if replace:
                self._add(member.name[0])

    def _retire(self, member: _Member) -> None:
        self._members.remove(member)
        self._gone.append(member)

    def _no_space(self) -> bool:
        if shutil.disk_usage(self._setup.folder).free >= _LITTLE_SPACE:
            return False
        self._problems.append("ended early: less than 32 MiB of free space left")
        return True

    def _end_by_force(self, ours: socket.socket) -> None:
        left = [member for member in self._members if member.process.poll() is None]
        over = self._killed | {member.name for member in self._gone + self._members if member not in left}  # their codes tell why
        stuck = [one for one in accounts(self._setup.ledgers) if one.state != DONE and one.writer not in over]
        self._problems += [f"writer {one.writer} did not stop when asked and was killed" for one in stuck]
        self._killed.update(one.writer for one in stuck)
        if sys.platform == "win32":
            raise NotImplementedError
        for group in {one.group for one in stuck} | {member.process.pid for member in left}:
            if _all_gone(ours, 0.0):
                return
            try:
                os.killpg(group, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass  # the group is empty already, or not yet one of its own
        for member in left:
            member.process.kill()
        if not _all_gone(ours, 5.0):
            self._problems.append("a process of the run could not be ended")

    def _settle(self, member: _Member) -> None:
        try:
            code = member.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return  # in the kernel, beyond our reach; `_end_by_force` has said so
        if code not in {0, -signal.SIGTERM} and member.name not in self._killed:
            self._problems.append(f"worker {member.name} ended with code {code}")

    def _complaints(self) -> list[str]:
        members = sorted(self._gone + self._members, key=lambda member: member.name)
        return [f"{member.name}: {text}" for member in members if (text := _tail(member.errors))]


def _all_gone(ours: socket.socket, seconds: float) -> bool:
    ready, _, _ = select.select([ours], [], [], seconds)  # nobody writes: readable means end of file
    return bool(ready)


def _tail(path: str) -> str:
    with open(path, "rb") as file:
        file.seek(max(0, os.path.getsize(path) - 2000))
        return file.read().decode("utf-8", "replace").strip()
