"""Faults of real machines: the power goes, a quota is reached, somebody sits on the lock, a process is stopped by the kernel in
the middle of a rotation, the clocks change, and everybody is killed all the time.

MPFHANDLER_PROOF=1 makes the long ones longer.
"""

from __future__ import annotations

import collections
import contextlib
import datetime as dt
import json
import math
import mmap
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import zoneinfo
from collections.abc import Callable, Iterator
from pathlib import Path

import _sweep
import pytest
from _disk_support import fill, is_root
from _proof import COUNTS, PROOF
from _support import (
    FakeClock,
    Worker,
    ended,
    finish,
    log_files,
    misfiled,
    next_second,
    record_names,
    segment_names,
    start,
    verify,
    wait_for,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

LOCK_TIMEOUT = 1.0


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The path of the log."""
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs" / "app.log"


# file systems of their own


class LoopFileSystem:
    """A file system in an image file, which can lose its power."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.image, self.mount_point, self.kind = folder / "image", folder / "mnt", kind
        needed = [f"mkfs.{kind}", "mount", "umount"]
        missing = [tool for tool in needed if shutil.which(tool) is None]
        if missing or not is_root():
            pytest.skip(f"not installed: {missing}" if missing else "only root may mount")
        self.image.write_bytes(b"")
        os.truncate(self.image, 320 << 20)  # mkfs.xfs wants 300 MB; the image is sparse
        quiet = ["-f"] if kind == "btrfs" else ["-q"]
        subprocess.run([f"mkfs.{kind}", *quiet, str(self.image)], check=True, capture_output=True)
        self.mount_point.mkdir()
        self.mount()

    def mount(self) -> None:
        """Mount it; skips where that is not possible."""
        done = subprocess.run(
            ["mount", "-o", "loop", str(self.image), str(self.mount_point)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.skip(f"{self.kind} cannot be mounted here: {done.stderr.strip()}")

    def cut_power(self) -> None:
        """What is not on the disk yet will never be."""
        if shutil.which("xfs_io") is None:
            pytest.skip("xfs_io is not installed")
        subprocess.run(["xfs_io", "-x", "-c", "shutdown", str(self.mount_point)], check=True, capture_output=True)

    def unmount(self) -> None:
        """Take it away."""
        subprocess.run(["umount", str(self.mount_point)], check=True, capture_output=True)

    def close(self) -> None:
        """Whatever happened: leave nothing mounted."""
        if os.path.ismount(self.mount_point):
            subprocess.run(["umount", "-l", str(self.mount_point)], check=False, capture_output=True)


@contextlib.contextmanager
def file_system(folder: Path, kind: str) -> Iterator[LoopFileSystem]:
    """For one test."""
    made = LoopFileSystem(folder, kind)
    try:
        yield made
    finally:
        made.close()


WRITER = """
    import ctypes, mmap, os, sys
    from _support import *
    tag, path, ledger, options = sys.argv[1:5]
    fd = os.open(ledger, os.O_RDWR)
    returned = ctypes.c_uint64.from_buffer(mmap.mmap(fd, 0), 8 * int(tag))
    stop = ctypes.c_uint64.from_buffer(mmap.mmap(fd, 0), 0)
    seen = []
    logger, handler = make_logger(path, seen, **eval(options))
    worst = long = 0
    while not stop.value:
        before = time.monotonic()
        logger.info("%s-%d", tag, returned.value)
        took = time.monotonic() - before
        returned.value += 1
        worst = max(worst, took)
        long += took > 0.5 * handler.lock_timeout
        time.sleep(0.005)
    say(returned.value, long, worst, handler.stats().lock_timeouts)
"""


class Writers:
    """Processes that log all the time; how many records each has acknowledged is in shared memory."""

    def __init__(self, folder: Path, log: Path, number: int, **options: object) -> None:
        ledger = folder / "ledger"
        ledger.write_bytes(bytes(8 * (number + 1)))
        with open(ledger, "r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 0)
        self.tags = [str(tag) for tag in range(1, number + 1)]
        self.processes = [start(WRITER, tag, log, ledger, repr(options)) for tag in self.tags]

    def counts(self) -> dict[str, int]:
        """What has been acknowledged by now."""
        return {tag: int.from_bytes(self._memory[8 * int(tag) : 8 * int(tag) + 8], sys.byteorder) for tag in self.tags}

    def names(self) -> set[str]:
        """The same, by name."""
        return {name for tag, count in self.counts().items() for name in record_names(tag, count)}

    def stop(self) -> list[list[float]]:
        """Let them end; each says how many records it has logged, how many calls took long, how long the longest took, and how
        often it did not get the lock."""
        self._memory[0:8] = (1).to_bytes(8, sys.byteorder)
        return [[float(word) for word in finish(process).split()] for process in self.processes]


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_what_was_synced_survives_a_power_cut(tmp_path: Path, kind: str) -> None:
    """Two processes log and rotate when the power goes: what was synced is there afterwards, once, in its period, no process has
    died of it, and rotation goes on by the right periods."""
    with file_system(tmp_path, kind) as disk:
        log = disk.mount_point / "app.log"
        writers = Writers(tmp_path, log, 2)
        with ended(*writers.processes):
            wait_for(lambda: log.exists() and len(segment_names(log.parent)) >= 2, "two rotations")
            synced = writers.names()
            os.sync()
            known = len(segment_names(log.parent))
            wait_for(lambda: len(segment_names(log.parent)) >= known + 2, "two rotations more")
            disk.cut_power()
            before = writers.counts()
            wait_for(lambda: all(count > before[tag] + 5 for tag, count in writers.counts().items()), "them to log on")
            writers.stop()
        disk.unmount()
        disk.mount()
        left = whole_lines(log.parent)
        assert not synced - set(left), f"{len(synced - set(left))} of {len(synced)} synced records lost"
        end_stumps(log.parent)
        assert_rotation_goes_on(log, synced, left)
        COUNTS["power cuts"] += 1


def whole_lines(folder: Path) -> collections.Counter[str]:
    """The names of the records that are there; after a power cut there may be parts of some, and zeros."""
    return collections.Counter(
        match[1]
        for path in log_files(folder)
        for line in path.read_bytes().decode(errors="replace").split("\n")
        if (match := re.fullmatch(r"\d+\.\d+ (\d+-\d+)", line))
    )


def end_stumps(folder: Path) -> None:
    """Take away what is no record, as a power cut leaves it, so that all the rest can be checked; times stay."""
    for path in log_files(folder):
        found, kept = os.stat(path), path.read_bytes().split(b"\n")
        whole = [line for line in kept if re.fullmatch(rb"\d+\.\d+ \d+-\d+", line)]
        if whole != kept[:-1] or kept[-1]:
            path.write_bytes(b"".join(line + b"\n" for line in whole))
            os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def assert_rotation_goes_on(log: Path, synced: set[str], left: collections.Counter[str]) -> None:
    """New processes log over two boundaries: all in its period, what was there before, too."""
    assert max(left.values()) == 1, "doubled"
    with Worker("new", log) as one, Worker("other", log) as other:
        for _ in range(3):
            next_second()
            one.log(3)
            other.log(3)
        lines = verify(log.parent, set(left) | one.names() | other.names())
    wrong = [line for line in misfiled(lines, "S") if line.name in synced or line.name.startswith(("new", "other"))]
    assert not wrong, wrong[:5]


def test_a_quota_is_reached_and_lifted(tmp_path: Path) -> None:
    """P1, P5: with its quota used up two processes go on, their records wait, and are all there once the quota is lifted."""
    if shutil.which("btrfs") is None:
        pytest.skip("btrfs is not installed")
    with file_system(tmp_path, "btrfs") as disk:
        volume = disk.mount_point / "volume"
        limit = lambda size: ["btrfs", "qgroup", "limit", size, str(volume)]  # noqa: E731
        commands = [
            ["btrfs", "quota", "enable", str(disk.mount_point)],
            ["btrfs", "subvolume", "create", str(volume)],
            limit("2M"),
        ]
        for command in commands:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"{command[:3]}: {done.stderr.strip()}")
        with Worker("a", volume / "app.log", when="D") as a, Worker("b", volume / "app.log", when="D") as b:
            a.log(10)
            b.log(10)
            filler = fill(volume)
            wait_for(lambda: waits(a, 50) and waits(b, 50), "the quota to be felt")
            assert not a.ask("handler.stats().lost")
            subprocess.run(limit("none"), check=True, capture_output=True)
            filler.unlink()
            wait_for(lambda: nothing_waits(a) and nothing_waits(b), "the records to be written")
            verify(volume, a.names() | b.names())


def waits(worker: Worker, records: int) -> bool:
    """Log some more; whether some of them wait in memory."""
    worker.log(records)
    return bool(worker.ask("handler.stats().spilled"))


def nothing_waits(worker: Worker) -> bool:
    """Flush; whether all is written."""
    return bool(worker.ask("handler.flush() or handler.stats().spilled == 0"))


# the lock in other hands


HOLDERS = {
    "flock": ["flock", "-x", "{lock}", "sh", "-c", "echo held; exec sleep 1000"],
    "portalocker": [
        sys.executable,
        "-c",
        "import portalocker, time\nwith portalocker.Lock({lock!r}, 'a'):\n    print('held', flush=True)\n    time.sleep(1000)",
    ],
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_another_program_holds_the_lock_for_long(log: Path, tmp_path: Path, holder: str) -> None:
    """P1, P3: while somebody sits on the lock over many boundaries each process stalls once, for `lock_timeout`; nothing is lost,
    and the rotation is made up for afterwards."""
    if holder == "portalocker":
        pytest.importorskip("portalocker", reason="portalocker is not installed")
    elif shutil.which("flock") is None:
        pytest.skip("flock is not installed")
    writers = Writers(tmp_path, log, 3, lock_timeout=LOCK_TIMEOUT)
    with ended(*writers.processes):
        wait_for(lambda: all(writers.counts().values()) and segment_names(log.parent), "them to log and rotate")
        with held(HOLDERS[holder], f"{log}.lock"):
            before = segment_names(log.parent)
            time.sleep(60 if PROOF else 5)  # the fault itself
            assert segment_names(log.parent) == before
        released = time.time()
        wait_for(lambda: time.time() > released + 7, "rotations to go on")
        told = writers.stop()
        names = writers.names()
    for _, long, worst, timeouts in told:
        assert long <= 1, told
        assert worst < LOCK_TIMEOUT + 2, told
        assert timeouts == 1, told
    lines = verify(log.parent, names)
    assert len(segment_names(log.parent)) >= len(before) + 3
    settled = released + 5  # seconds: the lock is tried once a second, and somebody else may have it just then
    wrong = [line.created - released for line in misfiled(lines, "S") if line.created > settled]
    assert not wrong, wrong


@contextlib.contextmanager
def held(command: list[str], lock: str) -> Iterator[None]:
    """While another program has the lock; it may have to wait for its turn."""
    with subprocess.Popen(
        [word.format(lock=lock) for word in command], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            yield
        finally:
            os.killpg(holder.pid, signal.SIGKILL)  # its children hold the lock, too


STOPS = {  # the call after which the process stops, and which one of them in a rotation
    "with the lock just taken": ("flock", 1),
    "with the log renamed": ("renameat2", 1),
    "with the new log made": ("openat", 4),
    "with the state just written": ("pwrite64", 1),
}


@pytest.mark.parametrize("moment", STOPS)
def test_a_process_stopped_by_the_kernel_within_its_rotation(log: Path, moment: str) -> None:
    """P1, P3: a process that a SIGSTOP meets in any step of its rotation holds the lock; the others, also a new one, stall once,
    and every record is right when it goes on."""
    why = _sweep.why_not()
    if why:
        pytest.skip(why)
    with Worker("stopped", log) as stopped, Worker("old", log, lock_timeout=LOCK_TIMEOUT) as old:
        stopped.log()
        old.log()
        next_second()
        pid = stopped.process.pid
        with strace(pid, log, *STOPS[moment]):
            call = threading.Thread(target=stopped.log)
            call.start()
            wait_for(lambda: status(pid) in "tT", "the process to stop")
            with Worker("new", log, lock_timeout=LOCK_TIMEOUT) as new:
                stalls = [took(worker.log) for worker in (old, new) * 20]
                assert sum(stall > 0.5 * LOCK_TIMEOUT for stall in stalls) <= 2, stalls  # `new` may have met it when it started
                os.kill(pid, signal.SIGCONT)
                call.join(60)
                assert not call.is_alive()
                rest = [name for _ in range(3) for name in in_a_second_of_their_own(stopped, old, new)]
                lines = verify(log.parent, stopped.names() | old.names() | new.names())
        assert not [line for line in misfiled(lines, "S") if line.name in rest[3:]]
        COUNTS["stopped rotations"] += 1


def in_a_second_of_their_own(*workers: Worker) -> list[str]:
    """A record of each in the next second; their names."""
    next_second()
    for worker in workers:
        worker.log()
    return [f"{worker.tag}-{worker.count - 1}" for worker in workers]


def took(call: Callable[[], object]) -> float:
    """How long a call takes (seconds)."""
    before = time.monotonic()
    call()
    return time.monotonic() - before


def status(pid: int) -> str:
    """The state of a process as the kernel tells it; `t` and `T` are stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@contextlib.contextmanager
def strace(pid: int, log: Path, call: str, count: int) -> Iterator[None]:
    """Stop this process after a system call on the log's files."""
    real = os.path.realpath(log)
    paths = [word for path in (real, f"{real}.lock") for word in ("-P", path)]
    inject = f"inject={call}:signal=STOP:when={count}"
    command = ["strace", "-f", "-o", f"{log.parent.parent}/trace", *paths, "-e", inject, "-p", str(pid)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        assert any("attached" in line for line in iter(tracer.stderr.readline, ""))
        try:
            yield
        finally:
            tracer.terminate()
            tracer.stderr.read()


# the odd nights


@pytest.mark.parametrize(
    ("zone", "change"),
    [
        ("Europe/Berlin", "2026-10-25 01:00"),
        ("Europe/Berlin", "2026-03-29 01:00"),
        ("Australia/Lord_Howe", "2026-04-04 15:00"),
        ("Australia/Lord_Howe", "2026-10-03 15:30"),
    ],
)
def test_three_processes_log_through_a_clock_change(tmp_path: Path, log: Path, zone: str, change: str) -> None:
    """P1, P2: over a clock change and the boundaries around it, with the clock running, each hour by the wall and each of its
    repetitions is a file of its own, named for its beginning, and holds its records."""
    if not FakeClock.library():
        pytest.skip("libfaketime is not installed")
    moment = dt.datetime.fromisoformat(f"{change}+00:00").timestamp()
    place = zoneinfo.ZoneInfo(zone)
    clock = FakeClock(tmp_path)
    ends = [moment - 3600, moment, *boundaries(moment, place)]
    clock.set(ends[0] - 1)
    environment = {**clock.env, "TZ": zone}
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(Worker(tag, log, environment, when="H")) for tag in "abc"]
        for worker in workers:
            worker.ask(SLEEP)
        for end in ends:
            clock.set(end - 0.5)
            at_once(workers, lambda: clock.now() < end + 0.3)  # noqa: B023  called before the next round
        lines = verify(log.parent, {name for worker in workers for name in worker.names()})
    expected = names_of_hours({line.created for line in lines}, place)
    wrong = [line for line in lines if line.file != expected[line.created]]
    assert not wrong, wrong[:5]
    COUNTS["clock changes"] += 1


# libfaketime makes Python's `time.sleep` fail with EINVAL, and with it the wait for the rotation lock.
SLEEP = "replace_operation('sleep', lambda seconds: __import__('select').select([], [], [], seconds)) and None"


def boundaries(moment: float, place: zoneinfo.ZoneInfo) -> list[float]:
    """The next two full hours by the wall after an instant, which itself may be none."""
    minutes = (moment + 1800 * number for number in range(1, 6))
    return [at for at in minutes if dt.datetime.fromtimestamp(at, place).minute == 0][:2]


def at_once(workers: list[Worker], condition: Callable[[], bool]) -> None:
    """All of them log while it holds."""

    def log(worker: Worker) -> None:
        while condition():
            worker.log(5)

    threads = [threading.Thread(target=log, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def names_of_hours(moments: set[float], place: zoneinfo.ZoneInfo) -> dict[float, str]:
    """The file for each instant: an hour of the wall clock with one offset to UTC, in order of time."""
    hours: dict[tuple[str, dt.timedelta | None], str] = {}
    taken: collections.Counter[str] = collections.Counter()
    file_of: dict[float, tuple[str, dt.timedelta | None]] = {}
    for moment in sorted(moments):
        wall = dt.datetime.fromtimestamp(math.floor(moment), place)  # a float would be rounded, into the next hour even
        text = wall.strftime("%Y-%m-%d_%H")
        hour = file_of[moment] = text, wall.utcoffset()
        if hour not in hours:
            hours[hour] = f"app.log.{text}" + (f".{taken[text]}" if taken[text] else "")
            taken[text] += 1
    last = file_of[max(moments)]
    return {moment: "app.log" if hour == last else hours[hour] for moment, hour in file_of.items()}


# kills


KILLED = """
import ctypes, mmap, os, random, signal, sys, time
import mpfhandler

path, seconds = sys.argv[1], float(sys.argv[2])
SLOTS = 16384
shared = mmap.mmap(-1, 16 * SLOTS)


def cell(index):
    return ctypes.c_uint64.from_buffer(shared, 8 * index)


def write(slot):
    returned, hurry = cell(slot), cell(SLOTS + slot)
    log = mpfhandler.TimedLogFile(path, "S", tz="UTC")
    number = 0
    while True:
        log.write(f"{slot} {number} ".ljust(9000, "x") + "!")
        number += 1
        returned.value = number
        if not hurry.value:
            time.sleep(0.003)


def begin(slot):
    pid = os.fork()
    if not pid:
        try:
            write(slot)
        finally:
            os._exit(1)
    return pid


slots = iter(range(SLOTS))
alive = {slot: begin(slot) for slot in (next(slots) for _ in range(4))}
end = time.monotonic() + seconds
kills = 0
while time.monotonic() < end:
    victim = random.choice([slot for slot in alive if cell(slot).value] or list(alive))
    time.sleep(0.018)
    cell(SLOTS + victim).value = 1  # from now on it writes all the time
    time.sleep(0.0003 + 0.001 * random.random())
    os.kill(alive[victim], signal.SIGKILL)
    assert os.waitpid(alive.pop(victim), 0)[1] == signal.SIGKILL
    kills += 1
    fresh = next(slots)
    alive[fresh] = begin(fresh)
for pid in alive.values():
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
import json
print(json.dumps([kills, [cell(slot).value for slot in range(kills + 4)]]))
"""


@pytest.mark.timeout(900)
def test_long_records_under_kills_all_the_time(log: Path) -> None:
    """P1: four processes with records of 9 kB, one of which is killed in the middle of its writing every 20 ms, over rotations:
    no acknowledged record is glued to what a killed writer has left, lost or doubled."""
    seconds = 60 if PROOF else 20
    kills, returned = json.loads(finish(start(KILLED, log, seconds), seconds=seconds))
    counts: collections.Counter[tuple[int, int]] = collections.Counter()
    stumps = 0
    for path in log_files(log.parent):
        for line in path.read_bytes().split(b"\n"):
            whole = len(line) == 9001 and re.fullmatch(rb"(\d+) (\d+) x+!", line)
            if whole:
                counts[int(whole[1]), int(whole[2])] += 1
            else:
                stumps += bool(line)
        path.unlink()
    acknowledged = {(slot, number) for slot, count in enumerate(returned) for number in range(count)}
    missing = sorted(acknowledged - set(counts))
    assert not missing, f"{len(missing)} of {len(acknowledged)} acknowledged records lost or glued, the first: {missing[:3]}"
    assert max(counts.values()) == 1
    assert kills > 10 * seconds
    assert stumps, "no write was hit"
    COUNTS["kills in the middle of a write"] += stumps
