"""The longest logging calls of four processes that share a file which is rotated every second.

Every call is timed from outside, `logger.info(...)` to its return. By default each process logs at a steady rate that
leaves the processors idle most of the time: what is seen then is what the handler makes a call wait for. At `--rate 0`
they log as fast as they can; on a machine with fewer cores than processes the longest calls are then those in which
the scheduler gave the processor to another one, for every handler alike. `logging.FileHandler` does not rotate: it
shows what the machine itself contributes.

At the default rate one call in 2000 is one that meets a rotation: it is seen beyond p99.9.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from dataclasses import dataclass

from handlers import KEYS, label, select
from report import header, middle, table

from mpfhandler._faces.bench.contender import Setup
from mpfhandler._faces.bench.count import logs_in, surviving
from mpfhandler._faces.bench.crew import Job, run


@dataclass(frozen=True)
class Round:
    """One handler, once; times in microseconds."""

    calls: int
    lost: int
    rotated: int  # files besides the active one
    half: float
    slow: float  # 99.9 % of the calls were faster
    slower: float  # 99.99 %
    worst: float


def one_round(key: str, folder: str, options: argparse.Namespace) -> Round:
    """Run the processes, gather the times of all calls."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        setup = Setup(os.path.join(place, "app.log"), "S")
        times = run(Job(key, setup, seconds=options.secs, timed=True, rate=options.rate), options.procs).calls
        files = [name for name in logs_in(place) if os.path.basename(name).startswith("app.log.")]
        return Round(
            calls=len(times),
            lost=len(times) - surviving(place),
            rotated=len(files),
            half=times[len(times) // 2] / 1000,
            slow=times[int(len(times) * 0.999)] / 1000,
            slower=times[int(len(times) * 0.9999)] / 1000,
            worst=times[-1] / 1000,
        )


def show(key: str, rounds: list[Round]) -> tuple[str, ...]:
    """One line of the table: medians of the rounds, and the worst call of all of them."""
    return (
        label(key),
        f"{middle([one.half for one in rounds]):,.0f}",
        f"{middle([one.slow for one in rounds]):,.0f}",
        f"{middle([one.slower for one in rounds]):,.0f}",
        f"{middle([one.worst for one in rounds]):,.0f}",
        f"{max(one.worst for one in rounds):,.0f}",
        f"{sum(one.calls for one in rounds):,}",
        f"{sum(one.rotated for one in rounds)}",
        f"{sum(one.lost for one in rounds):,}",
    )


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description="the longest logging calls over rotations")
    parser.add_argument("--procs", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--secs", type=float, default=5.0, help="of each round")
    parser.add_argument("--rate", type=float, default=2000.0, help="records per second and process; 0: no limit")
    parser.add_argument("--only", nargs="+", choices=KEYS, default=list(KEYS))
    parser.add_argument("--dir", default=None, help="where the logs are written")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        header(f"Longest calls of {options.procs} processes, a rotation every second", folder)
        keys = select(options.only)
        rounds: dict[str, list[Round]] = {key: [] for key in keys}
        for number in range(options.rounds):
            turn = number % len(keys)
            for key in keys[turn:] + keys[:turn]:
                rounds[key].append(one_round(key, folder, options))
    columns = (
        "handler",
        "p50 µs",
        "p99.9 µs",
        "p99.99 µs",
        "worst µs",
        "worst of all rounds µs",
        "calls",
        "rotated files",
        "lost",
    )
    table(columns, [show(key, rounds[key]) for key in keys])


if __name__ == "__main__":
    main()
