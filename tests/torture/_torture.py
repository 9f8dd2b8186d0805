"""Processes that log, and somebody who hurts them. The account is kept outside of the package: each thread counts its records in
shared memory right after the logging call has returned, and the files are read as text.
"""

from __future__ import annotations

import calendar
import collections
import gzip
import mmap
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

SLOTS = 64  # of one process: two threads, and its forked children
PROCESSES = 2000  # started in one test, at most
PATIENCE = 120.0  # seconds for the last ones to end

# A folder a minute, and a name without the number: what has one keeps its default name in the log's own folder.
NAMER = """
import os


def namer(default):
    folder, name = os.path.split(default)
    closed = os.path.join(folder, "closed-" + name[8:24])
    os.makedirs(closed, exist_ok=True)
    return os.path.join(closed, "app-" + name[8:27])
"""

WORKER = """
import ctypes, logging, mmap, os, sys, threading, time
import mpfhandler

path, ledger, first, options = sys.argv[1], sys.argv[2], int(sys.argv[3]), eval(sys.argv[4])
fd = os.open(ledger, os.O_RDWR)
memory = mmap.mmap(fd, 0)
stop = ctypes.c_uint64.from_buffer(memory, 0)
namer = options.pop("namer", None)
handler = mpfhandler.MultProcTimedRotatingFileHandler(path, "S", tz="UTC", **options)
if namer is not None:
    exec(namer)
    handler.namer = namer
handler.setFormatter(logging.Formatter("%(created)r %(message)s"))
logger = logging.Logger("torture")
logger.addHandler(handler)


def body(number):
    return "x" * (9000 if number % 40 == 39 else number * 7919 % 200) + "!"


def work(slot, most):
    done, since = (ctypes.c_uint64.from_buffer(memory, half * (len(memory) // 2) + 8 * slot) for half in range(2))
    for number in range(most):
        if stop.value:
            return
        now = time.time()
        logger.info("%d %d %s", slot, number, body(number))
        done.value = number + 1
        since.value = int(now * 1e6)
        time.sleep(0.001)


def fork(slot):
    pid = os.fork()
    if pid == 0:
        try:
            work(slot, 25)
        finally:
            os._exit(0)
    return pid


threads = [threading.Thread(target=work, args=(first + one, 1 << 60)) for one in range(2)]
for thread in threads:
    thread.start()
slot, last = first + 2, first + 64
if not getattr(sys, "_is_gil_enabled", lambda: True)():
    last = 0  # a child may hang in the interpreter itself: see tests/integration/programs/threads.py
while not stop.value:
    pid = fork(slot) if slot < last else 0
    slot += 1
    if pid:
        os.waitpid(pid, 0)
    time.sleep(0.05)
for thread in threads:
    thread.join()
handler.close()
"""

LINE = re.compile(r"(\d+\.\d+) (\d+) (\d+) (x*)!")
SEGMENT = re.compile(r"app(?:\.log\.|-)(\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d)(?:\.[1-9]\d*)?(\.gz)?")


def length(number: int) -> int:
    """Of the body of a record, without its mark."""
    return 9000 if number % 40 == 39 else number * 7919 % 200


@dataclass
class Found:
    """What the files say."""

    records: collections.Counter[tuple[int, int]] = field(default_factory=collections.Counter)
    fragments: list[str] = field(default_factory=list)
    misfiled: list[str] = field(default_factory=list)
    made: dict[tuple[int, int], float] = field(default_factory=dict)  # when, by the record itself
    periods: list[str] = field(default_factory=list)  # of the segments
    packed: int = 0

    @property
    def segments(self) -> int:
        """How many there are."""
        return len(self.periods)


class Torture:
    """Starts the processes, hurts them, and keeps the account."""

    def __init__(self, folder: Path, processes: int, options: dict[str, object]) -> None:
        self.folder = folder / "logs"
        self.folder.mkdir()
        self.log = self.folder / "app.log"
        self.options = options
        self.random = random.Random(20260304)
        self.ledger = folder / "ledger"
        with open(self.ledger, "wb") as file:
            file.truncate(2 * 8 * SLOTS * (PROCESSES + 1))  # how many records, and when the last one was begun
        self.file = open(self.ledger, "r+b")  # noqa: SIM115  closed in `end`
        self.memory = mmap.mmap(self.file.fileno(), 0)
        self.started = self.kills = self.moves = self.stops = 0
        self.count = 0  # acknowledged records, when all have ended
        self.workers: dict[int, subprocess.Popen[bytes]] = {}
        self.killed: set[int] = set()
        for _ in range(processes):
            self.start()

    def start(self) -> None:
        """One process more."""
        self.started += 1
        first = SLOTS * self.started
        command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", WORKER]
        arguments = [str(self.log), str(self.ledger), str(first), repr(self.options)]
        self.workers[first] = subprocess.Popen([*command, *arguments], stderr=subprocess.PIPE)

    def told(self, slot: int) -> int:
        """How many records a slot has acknowledged."""
        return int.from_bytes(self.memory[8 * slot : 8 * slot + 8], sys.byteorder)

    def since(self, slot: int) -> float:
        """A time at which the last of them was not made yet, seconds."""
        start = len(self.memory) // 2 + 8 * slot
        return int.from_bytes(self.memory[start : start + 8], sys.byteorder) / 1e6

    def kill_and_restart(self) -> None:
        """SIGKILL to one that is at work."""
        working = [first for first in self.workers if self.told(first)]
        if not working or self.started >= PROCESSES:
            return
        first = self.random.choice(working)
        worker = self.workers.pop(first)
        worker.kill()
        worker.wait()
        assert worker.stderr is not None
        worker.stderr.close()
        self.killed.add(first)
        self.kills += 1
        self.start()

    def stop_and_continue(self) -> None:
        """SIGSTOP to one, wherever it is, and SIGCONT a little later."""
        worker = self.random.choice(list(self.workers.values()))
        worker.send_signal(signal.SIGSTOP)
        try:
            time.sleep(self.random.random() * 0.3)
        finally:
            worker.send_signal(signal.SIGCONT)
        self.stops += 1

    def delete_lock(self) -> None:
        """As somebody who cleans up."""
        (self.folder / "app.log.lock").unlink(missing_ok=True)

    def move_away(self) -> None:
        """As a foreign rotation tool."""
        try:
            os.rename(self.log, self.folder / f"moved.{self.moves}")
            self.moves += 1
        except FileNotFoundError:
            return

    def end(self) -> list[str]:
        """Let all of them end by themselves; what they had to complain about."""
        self.memory[0:8] = (1).to_bytes(8, sys.byteorder)
        complaints: list[str] = []
        for worker in self.workers.values():
            try:
                _, err = worker.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                worker.kill()
                _, err = worker.communicate()
                complaints.append(f"a process hangs: {err.decode()[-2000:]}")
            if err or worker.returncode:
                complaints.append(f"exit code {worker.returncode}: {err.decode()[-2000:]}")
        return complaints

    def close(self) -> None:
        """Whatever happened: leave no process behind."""
        for worker in self.workers.values():
            if worker.poll() is None:
                worker.kill()
                worker.wait()
            if worker.stderr is not None:
                worker.stderr.close()
        self.memory.close()
        self.file.close()

    def wait_for_orphans(self) -> None:
        """Forked children of killed processes have seen the sign, too, once nothing is counted any more."""
        before = b""
        while before != (before := self.memory[:]):
            time.sleep(0.3)

    def acknowledged(self) -> set[tuple[int, int]]:
        """Every record whose logging call has returned."""
        slots = range(SLOTS, SLOTS * (self.started + 1))
        return {(slot, number) for slot in slots for number in range(self.told(slot))}

    def read(self) -> Found:
        """All files of the log, wherever they went."""
        found = Found()
        for path in sorted(self.folder.rglob("*")):
            if path.suffix in {".lock", ".debug"} or path.is_dir():
                continue
            match = SEGMENT.fullmatch(path.name)
            assert match or path.name == "app.log" or path.name.startswith("moved."), f"a file of unknown name: {path.name}"
            if match:
                found.periods.append(match[1])
                found.packed += bool(match[2])
            self._read_one(path, match[1] if match else None, found)
        return found

    def _read_one(self, path: Path, period: str | None, found: Found) -> None:
        periods = collections.Counter[str]()
        text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
        for line in text.split("\n")[:-1]:
            whole = LINE.fullmatch(line)
            if whole is None or len(whole[4]) != length(int(whole[3])):
                found.fragments.append(f"{path.name}: {line[:60]}… ({len(line)})")
                continue
            found.records[int(whole[2]), int(whole[3])] += 1
            found.made[int(whole[2]), int(whole[3])] = float(whole[1])
            second = time.strftime("%Y-%m-%d_%H-%M-%S", time.gmtime(float(whole[1])))
            periods[second] += 1
            if period is not None and second != period:
                found.misfiled.append(f"{path.name}: {line[:60]}")
        if path.name == "app.log" and len(periods) > 1:
            found.misfiled.append(f"{path.name}: {dict(periods)}")


def torture(
    folder: Path,
    seconds: float,
    processes: int,
    options: dict[str, object],
    *harms: str,
    kill_every: float = 0.25,
    settle: Callable[[Torture], None] | None = None,
    deletes: bool = False,
) -> tuple[Torture, Found]:
    """Run, hurt, and verify promise P1; P2 is left to the caller.

    Args:
        folder, seconds, processes, options: where, for how long, how many, and the handler's.
        harms: methods of `Torture`.
        kill_every: seconds.
        settle: is called when all have ended, before the files are read.
        deletes: what is older than the oldest segment may be gone.
    """
    run = Torture(folder, processes, options)
    try:
        _hurt(run, seconds, {**_PAUSES, "kill_and_restart": kill_every}, harms)
        complaints = run.end()
        run.wait_for_orphans()
        if settle is not None:
            settle(run)
        acknowledged = run.acknowledged()
        run.count = len(acknowledged)
        found = run.read()
        in_flight = {(slot, run.told(slot)) for slot, _ in found.records}
        lost = acknowledged - set(found.records)
        if deletes:
            lost = {record for record in lost if _is_of_the_kept(run, found, record)}
    finally:
        run.close()
    assert not complaints, complaints[0]
    assert not lost, f"{len(lost)} of {len(acknowledged)} acknowledged records lost: {sorted(lost)[:5]}; {found.fragments[:5]}"
    doubled = [record for record, count in found.records.items() if count > 1]
    assert not doubled, f"{len(doubled)} doubled: {doubled[:5]}"
    unknown = set(found.records) - acknowledged - in_flight
    assert not unknown, f"more than the record in flight was written: {sorted(unknown)[:5]}"
    assert len(found.fragments) <= run.kills * 3, found.fragments[:5]  # two threads and a child
    assert "compress" in options or not found.packed, f"{found.packed} segments are compressed, which nobody has asked for"
    assert len(acknowledged) > 50 * processes
    assert found.segments >= 2
    return run, found


_PAUSES = {"stop_and_continue": 0.4, "delete_lock": 0.15, "move_away": 2.5}  # seconds


def _hurt(run: Torture, seconds: float, pauses: dict[str, float], harms: tuple[str, ...]) -> None:
    deadline = time.monotonic() + 60
    while not all(run.told(first) for first in run.workers):
        assert time.monotonic() < deadline, "the processes do not begin to log"
        time.sleep(0.01)
    end = time.monotonic() + seconds
    due = dict.fromkeys(harms, 0.0)
    while (now := time.monotonic()) < end:
        for harm in harms:
            if now >= due[harm]:
                getattr(run, harm)()
                due[harm] = time.monotonic() + pauses[harm]
        time.sleep(0.005)


def _is_of_the_kept(run: Torture, found: Found, record: tuple[int, int]) -> bool:
    """Whether a record is certainly younger than the oldest period that is still there: one before it of the same thread is, or
    it was begun after that itself."""
    slot, number = record
    oldest = calendar.timegm(time.strptime(min(found.periods), "%Y-%m-%d_%H-%M-%S")) + 1
    before = (found.made.get((slot, one), 0.0) for one in range(number - 1, -1, -1))
    return next(filter(None, before), 0.0) >= oldest or (number == run.told(slot) - 1 and run.since(slot) >= oldest)
