"""How long a logging call waits at most while a large file is rotated and compressed.

The log is filled beforehand, with text as compressible as a log is. Then some processes log at a steady rate that leaves the
processors idle most of the time, so that what is seen is what the handler makes a call wait for; a few seconds later
the schedule has the large file rotated, and compressed by whatever way the handler has for that. Smaller ones follow it.
"""

from __future__ import annotations

import os
import random
import tempfile
import time

from .contender import Setup
from .count import logs_in, surviving
from .crew import Job, run
from .handlers import contender
from .results import Stall
from .rounds import tail

__all__ = ["INTERVAL", "stall", "together"]

INTERVAL = 5  # seconds between rotations
_RATE = 200.0  # records per second and process
_FILLING = 1 << 20  # bytes that are made once and repeated


def stall(key: str, folder: str, procs: int, megabytes: int, seconds: float) -> Stall:
    """One round.

    Raises:
        Broken: the run came to nothing.
    """
    with tempfile.TemporaryDirectory(dir=folder) as place:
        path = os.path.join(place, "app.log")
        _fill(path, megabytes)
        setup = Setup(path, "S", INTERVAL, compress=contender(key).compresses())
        done = run(Job(key, setup, seconds=seconds, timed=True, rate=_RATE), procs)
        found = tail(done)
        names = [os.path.basename(name) for name in logs_in(place)]
        packed = sum(name.endswith(".gz") for name in names)
        there = surviving(place)
    lost = done.records - there
    return Stall(key, [found.max_us / 1000], [found.p50_us], len(names) - 1, packed, done.records, lost)


def together(rounds: list[Stall]) -> Stall:
    """Several rounds of one handler as one."""
    first = rounds[0]
    return Stall(
        key=first.key,
        max_ms=[one.max_ms[0] for one in rounds],
        p50_us=[one.p50_us[0] for one in rounds],
        files=sum(one.files for one in rounds),
        packed=sum(one.packed for one in rounds),
        records=sum(one.records for one in rounds),
        lost=sum(one.lost for one in rounds),
    )


def _fill(path: str, megabytes: int) -> None:
    """A log of that size that was begun just after a boundary of the schedule: it is not due before its handlers are there."""
    filling = _lines()
    with open(path, "wb") as log:
        log.writelines(filling for _ in range(megabytes))
    time.sleep(INTERVAL - time.time() % INTERVAL + 0.01)
    now = time.time()
    os.utime(path, (now, now))


def _lines() -> bytes:
    chance = random.Random(1)  # noqa: S311  repeatable, not secret
    lines, size = list[bytes](), 0
    while size < _FILLING:
        took, status, article = chance.randrange(2000), chance.choice((200, 200, 200, 304, 404, 500)), chance.randrange(10**9)
        lines.append(b"2026-01-01 00:00:00,%03d INFO GET /articles/%d %d in %d ms\n" % (took % 1000, article, status, took))
        size += len(lines[-1])
    return b"".join(lines)
