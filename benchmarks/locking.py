"""Records per second with `locking="record"`, beside `locking="append"`: what a lock, a look and a flush for each record cost.

Processes that share a log write records of 100 bytes to it with `TimedLogFile.write` for a fixed time, and close it; the time of
that counts, too. Without a grace, as a program that follows the log's name needs it. Rounds of all ways alternate, and the ratio
is taken within each. Afterwards all records have to stand in the files. `--dir` chooses the file system: on a local disk it is
the flush that costs, on a network drive the server's answers.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import NamedTuple

from report import header, middle, quartiles, table

from mpfhandler import TimedLogFile

SIZE = 100  # bytes, the end of the line included
WAYS = tuple((locking, delivery) for delivery in ("direct", "buffered") for locking in ("append", "record"))


class Turn(NamedTuple):
    """One process in one round."""

    records: int
    start: float  # monotonic, the same clock for all
    end: float


def write(path: str, way: tuple[str, str], seconds: float, ready: Barrier) -> Turn:
    """Log for so long."""
    locking, delivery = way
    text, count = "x" * (SIZE - 1), 0
    log = TimedLogFile(path, "D", locking=locking, delivery=delivery, late_grace=0, lock_timeout=60.0)
    ready.wait()
    start = time.monotonic()
    while time.monotonic() < start + seconds:
        log.write(text)
        count += 1
    log.close()
    if log.stats().lost or log.stats().spilled:
        raise SystemExit(f"records were lost: {log.stats()}")
    return Turn(count, start, time.monotonic())


def run(way: tuple[str, str], processes: int, seconds: float, folder: str) -> float:
    """Records per second of all processes together."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(dir=folder) as place, context.Manager() as manager:
        ready = manager.Barrier(processes)
        path = os.path.join(place, "app.log")
        with context.Pool(processes) as pool:
            turns = pool.starmap(write, [(path, way, seconds, ready)] * processes, chunksize=1)
        records = sum(turn.records for turn in turns)
        there = sum(file.stat().st_size for file in Path(place).glob("app.log*") if file.suffix != ".lock") // SIZE
    if records != there:
        raise SystemExit(f"{way}: {records} records were written, {there} are there")
    return records / (max(turn.end for turn in turns) - min(turn.start for turn in turns))


def show(rates: dict[tuple[str, str], list[float]], processes: int) -> None:
    """Print the table of one number of processes."""
    rows = []
    for (locking, delivery), found in rates.items():
        low, high = quartiles(found)
        base = rates["append", delivery]
        ratio = middle([mine / other for mine, other in zip(found, base, strict=True)])
        rows.append((f'locking="{locking}", {delivery}', f"{middle(found):,.0f}", f"{low:,.0f}–{high:,.0f}", f"{ratio:.4f}"))
    table((f"{processes} process{'es' if processes > 1 else ''}, one file", "records/s", "middle half", "of append"), rows)


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--procs", default="1,4", help="numbers of processes, with commas (default: 1,4)")
    parser.add_argument("--rounds", type=int, default=7, help="of each way (default: 7)")
    parser.add_argument("--secs", type=float, default=2.0, help="of each round (default: 2)")
    parser.add_argument("--dir", default=None, help="where the logs are written (default: a temporary folder)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        header("A lock, a look and a flush for each record", folder)
        for processes in map(int, options.procs.split(",")):
            rates: dict[tuple[str, str], list[float]] = {way: [] for way in WAYS}
            for number in range(options.rounds):
                turn = number % len(WAYS)
                for way in WAYS[turn:] + WAYS[:turn]:
                    rates[way].append(run(way, processes, options.secs, folder))
            show(rates, processes)


if __name__ == "__main__":
    sys.exit(main())
