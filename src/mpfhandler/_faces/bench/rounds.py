"""Throughput and latency: one handler, so many processes and threads, once.

They are two runs: taking the time of every call costs a part of the call, which must not count as throughput.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass

from .contender import Setup
from .count import surviving
from .crew import Job, Outcome, run
from .figures import percentile
from .handlers import contender
from .results import Round, Tail

__all__ = ["Load", "latency", "tail", "throughput"]


@dataclass(frozen=True)
class Load:
    """How long, or how much, each run logs; and the schedule."""

    seconds: float
    records: int
    when: str


def throughput(key: str, folder: str, procs: int, threads: int, load: Load) -> Round:
    """Log as fast as it goes, then count.

    Raises:
        Broken: the run came to nothing.
    """
    with tempfile.TemporaryDirectory(dir=folder) as place:
        done = run(_job(key, place, threads, load, timed=False), procs)
        there = surviving(place, distinct=contender(key).distinct)
    records = max(done.records, 1)
    return Round(done.records / done.seconds, done.cpu / records * 1e6, done.records, done.records - there)


def latency(key: str, folder: str, procs: int, threads: int, load: Load) -> Tail:
    """Log as fast as it goes, and take the time of every call.

    Raises:
        Broken: the run came to nothing.
    """
    with tempfile.TemporaryDirectory(dir=folder) as place:
        return tail(run(_job(key, place, threads, load, timed=True), procs))


def tail(done: Outcome) -> Tail:
    """What the times of all calls come to."""
    half, most, nearly, worst = (percentile(done.calls, share) / 1000 for share in (0.5, 0.99, 0.999, 1.0))
    return Tail(half, most, nearly, worst, len(done.calls))


def _job(key: str, place: str, threads: int, load: Load, *, timed: bool) -> Job:
    setup = Setup(os.path.join(place, "app.log"), load.when)
    return Job(key, setup, threads, load.seconds, load.records, timed=timed)
