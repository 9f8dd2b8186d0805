"""N processes of T threads that log into one file, begun together, and what they did.

The processes are spawned, not forked: each has its own handler from its first record, as the workers of a server have. A
run ends by the clock or by a number of records. By the clock nobody runs alone at the end; by a number two runs do the same work.
Nobody reports or ends while others still log: with many processes that takes the processors longer than the logging.

What a record costs is taken from the processes that log and, where one process writes for all (`Contender.serve`), from
that one too. The clock stops when everything is written, not when the last call has returned.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Barrier
from typing import Any

from .contender import Service, Setup, Target
from .handlers import contender

__all__ = ["Broken", "Job", "Outcome", "run"]

_START_SECONDS, _SPARE_SECONDS = 120.0, 30.0
_WARM = "not counted: "  # the first record of a process opens, imports and looks; what is measured is what comes after it
_CHUNK = 20  # records between two looks at the clock, so that it does not count
_ALL_TIMES = 4_000_000  # of single calls that are kept, all threads together


class Broken(Exception):
    """A run that came to nothing; the message says why."""


@dataclass(frozen=True)
class Job:
    """What every process of a run does.

    Args:
        key: of the contender.
        setup: for its handler.
        threads: in each process.
        seconds: of logging; the limit, where `records` are given.
        records: of each thread; 0: as many as go.
        timed: take the time of every single call.
        rate: records per second and thread; 0: as many as go.
    """

    key: str
    setup: Setup
    threads: int = 1
    seconds: float = 1.0
    records: int = 0
    timed: bool = False
    rate: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """What all processes did together.

    Args:
        records: logging calls that returned.
        seconds: from the first process's start to everything being written.
        cpu: seconds of all processes, user and system.
        calls: nanoseconds of every call, in order of length, if they were timed.
    """

    records: int
    seconds: float
    cpu: float
    calls: list[int]


@dataclass(frozen=True)
class _Work:
    """What one process did; instants are of the system's monotonic clock."""

    records: int
    begun: float
    ended: float
    cpu: float
    calls: list[bytes]


def run(job: Job, processes: int) -> Outcome:
    """Let that many processes do the job at the same time. Whatever ends this call, none of them is left.

    Raises:
        Broken: one of them failed.
    """
    serve = contender(job.key).serve
    service = serve(job.setup) if serve is not None else None
    try:
        before = cpu_seconds()
        done = _crew(job, processes, service)
    finally:
        if service is not None:
            service.stop()
    served = cpu_seconds() - before if service is not None else 0.0
    ended = time.monotonic() if service is not None else max(work.ended for work in done)
    return Outcome(
        records=sum(work.records for work in done),
        seconds=ended - min(work.begun for work in done),
        cpu=served + sum(work.cpu for work in done),
        calls=sorted(nanoseconds for work in done for calls in work.calls for nanoseconds in array("Q", calls)),
    )


def cpu_seconds() -> float:
    """What this process has taken so far, in user and system mode."""
    return time.process_time()


def _crew(job: Job, processes: int, service: Service | None) -> list[_Work]:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(processes + 1)
    shared = None if service is None else service.shared
    workers: list[BaseProcess] = []
    pipes: list[Any] = []
    finished = False
    try:
        for number in range(processes):
            receiving, sending = context.Pipe(duplex=False)
            pipes.append(receiving)
            workers.append(context.Process(target=_worker, args=(job, number, processes, barrier, sending, shared), daemon=True))
            workers[-1].start()
            sending.close()  # so that the end of the process is the end of what can be read
        for patience in _START_SECONDS, 3 * job.seconds + _SPARE_SECONDS:  # until all are ready, until all have logged
            for pipe in pipes:
                _received(pipe, patience)
            barrier.wait(_START_SECONDS)
        done: list[_Work] = [_received(pipe, _START_SECONDS) for pipe in pipes]
        finished = True
        return done
    finally:
        for worker in workers:
            if not (finished and _ends(worker)):
                worker.kill()
            worker.join()
        for pipe in pipes:
            pipe.close()


def _ends(worker: BaseProcess) -> bool:
    """Whether it ends by itself soon."""
    worker.join(timeout=5.0)
    return not worker.is_alive()


def _received(pipe: Any, patience: float) -> Any:
    """What a worker says next: that it is ready, that it has logged, what it did; or what went wrong."""
    try:
        if not pipe.poll(patience):
            raise Broken("a process does not come to its end")
        found: object = pipe.recv()
    except EOFError:
        raise Broken("a process ended before its time") from None
    if isinstance(found, str):
        raise Broken(found)
    return found


def _worker(job: Job, number: int, processes: int, barrier: Barrier, report: Connection, shared: Any) -> None:
    """One process. What a handler prints about its troubles goes nowhere: they are counted as lost records."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started us ends us
    logging.raiseExceptions = False
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        report.send(_work(job, number, processes, barrier, report, shared))
    except Exception as error:
        report.send(f"{type(error).__name__}: {error}")


def _work(job: Job, number: int, processes: int, barrier: Barrier, report: Connection, shared: Any) -> _Work:
    target = contender(job.key).open(job.setup, shared)
    if target.bare is None:
        target.call(_WARM + target.message, 0, 0)
    room = _ALL_TIMES // (processes * job.threads)
    threads = [_Thread(job, target, number * job.threads + each, room) for each in range(job.threads)]
    report.send(None)
    barrier.wait(_START_SECONDS)
    begun, cpu = time.monotonic(), cpu_seconds()
    end = begun + job.seconds
    others = [threading.Thread(target=one.run, args=(end,)) for one in threads[1:]]
    for other in others:
        other.start()
    threads[0].run(end)
    for other in others:
        other.join()
    target.close()
    ended, spent = time.monotonic(), cpu_seconds() - cpu
    report.send(None)
    barrier.wait(_START_SECONDS)
    calls = [one.times[: one.sent].tobytes() for one in threads if job.timed]
    return _Work(sum(one.sent for one in threads), begun, ended, spent, calls)


class _Thread:
    """One thread's records: how many it has sent, and how long each call took, in room that was there before."""

    def __init__(self, job: Job, target: Target, number: int, room: int) -> None:
        self.sent = 0
        self._limit = job.records or 1 << 62
        self._rate = job.rate
        self._target = target
        self._number = number
        if job.timed:
            paced = int(job.rate * job.seconds) + 1 if job.rate else room
            self._limit = min(self._limit, room, paced)
            self.times = array("Q", bytes(8 * self._limit))
        self._loop: Callable[[float], None] = self._plain
        if job.timed:
            self._loop = self._paced if job.rate else self._timed
        elif target.bare is not None:
            self._loop = self._bare

    def run(self, end: float) -> None:
        """Log until then (monotonic clock), or until the records are all sent."""
        self._loop(end)

    def _plain(self, end: float) -> None:
        call, message, number, clock = self._target.call, self._target.message, self._number, time.monotonic
        sent, limit = 0, self._limit
        while clock() < end and sent < limit:
            for _ in range(min(_CHUNK, limit - sent)):
                call(message, number, sent)
                sent += 1
        self.sent = sent

    def _bare(self, end: float) -> None:
        write, clock, sent, limit = self._target.bare, time.monotonic, 0, self._limit
        assert write is not None
        while clock() < end and sent < limit:
            chunk = min(_CHUNK, limit - sent)
            for _ in range(chunk):
                write()
            sent += chunk
        self.sent = sent

    def _timed(self, end: float) -> None:
        call, message, number, clock = self._target.call, self._target.message, self._number, time.perf_counter_ns
        times, sent, limit = self.times, 0, self._limit
        before = clock()
        last = before + int((end - time.monotonic()) * 1e9)
        while before < last and sent < limit:
            call(message, number, sent)
            after = clock()
            times[sent] = after - before
            before = after
            sent += 1
        self.sent = sent

    def _paced(self, end: float) -> None:
        """At a steady rate, so that the processors are not what is waited for."""
        call, message, number, clock = self._target.call, self._target.message, self._number, time.perf_counter_ns
        start, sent = time.monotonic(), 0
        while sent < self._limit and (due := start + sent / self._rate) < end:
            ahead = due - time.monotonic()
            if ahead > 0:
                time.sleep(ahead)
            before = clock()
            call(message, number, sent)
            self.times[sent] = clock() - before
            sent += 1
        self.sent = sent
