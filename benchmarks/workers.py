"""N processes that log into one file for a fixed time, begun together, and what the files hold afterwards.

The processes are spawned, not forked: each has its own handler from its first record, as the workers of a server have.
They are timed by the clock, not by a number of records: with a fixed number the last one would run alone.
"""

from __future__ import annotations

import glob
import logging
import multiprocessing
import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier

from handlers import make

__all__ = ["Job", "Work", "run", "surviving"]

_SIDE_FILES = (".lock", ".debug")


@dataclass(frozen=True)
class Job:
    """What every process of a round does."""

    key: str
    path: str
    when: str
    seconds: float
    timed: bool = False  # time every single call, too
    rate: float = 0.0  # records per second and process; 0: as many as go


@dataclass(frozen=True)
class Work:
    """What one process did."""

    records: int  # logging calls that returned
    seconds: float
    cpu: float  # seconds
    calls: array[int]  # nanoseconds of every call, if they were timed


def run(job: Job, processes: int) -> list[Work]:
    """Let that many processes do the job at the same time."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(processes)
    pipes = [context.Pipe(duplex=False) for _ in range(processes)]
    workers = [context.Process(target=_worker, args=(job, number, barrier, pipes[number][1])) for number in range(processes)]
    for worker in workers:
        worker.start()
    done: list[Work] = [receiving.recv() for receiving, _ in pipes]
    for worker in workers:
        worker.join()
    return done


def surviving(path: str) -> int:
    """How many different whole records stand in the log and in all files made from it."""
    found: set[bytes] = set()
    for name in glob.glob(glob.escape(path) + "*"):
        if not name.endswith(_SIDE_FILES):
            found.update(_whole(name))
    return len(found)


def _whole(name: str) -> Iterator[bytes]:
    """What identifies each line that begins and ends as a record of ours does."""
    with open(name, "rb") as log:
        for line in log:
            _, mark, rest = line.rpartition(b" INFO worker ")
            if mark and rest.endswith(b" of the benchmark.\n"):
                yield rest


def _worker(job: Job, number: int, barrier: Barrier, report: Connection) -> None:
    logger = logging.Logger("benchmark")
    handler = make(job.key, job.path, job.when)
    logger.addHandler(handler)
    logging.raiseExceptions = False  # the stock timed handler would fill the screen with what goes wrong in it
    barrier.wait()
    begun, cpu = time.monotonic(), time.process_time()
    loop = _paced if job.rate else _timed if job.timed else _plain
    records, calls = loop(logger, number, job, begun + job.seconds)
    work = Work(records, time.monotonic() - begun, time.process_time() - cpu, calls)
    handler.close()
    report.send(work)


def _plain(logger: logging.Logger, number: int, job: Job, end: float) -> tuple[int, array[int]]:
    """As fast as it goes; the clock is asked once in 20 records, so that it does not count."""
    info, clock, sent = logger.info, time.monotonic, 0
    while clock() < end:
        for _ in range(20):
            info("worker %d record %d of the benchmark.", number, sent)
            sent += 1
    return sent, array("Q")


def _timed(logger: logging.Logger, number: int, job: Job, end: float) -> tuple[int, array[int]]:
    """As fast as it goes, with the time of every call."""
    info, clock, calls = logger.info, time.perf_counter_ns, array("Q")
    note, sent, last = calls.append, 0, clock() + int((end - time.monotonic()) * 1e9)
    before = clock()
    while before < last:
        info("worker %d record %d of the benchmark.", number, sent)
        after = clock()
        note(after - before)
        before = after
        sent += 1
    return sent, calls


def _paced(logger: logging.Logger, number: int, job: Job, end: float) -> tuple[int, array[int]]:
    """At a steady rate, so that the processors are not what is waited for."""
    info, clock, calls = logger.info, time.perf_counter_ns, array("Q")
    start, sent = time.monotonic(), 0
    while (due := start + sent / job.rate) < end:
        ahead = due - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)
        before = clock()
        info("worker %d record %d of the benchmark.", number, sent)
        calls.append(clock() - before)
        sent += 1
    return sent, calls
