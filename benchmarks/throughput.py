"""Records per second of N processes that log into one file, and how many of the records stand in it afterwards.

The whole logging call is timed, `logger.info(...)` to its return: what a program sees. The processes start together and
log for a fixed time, as in `mpfhandler bench`; then all files are read and the different whole records counted. What is
missing of the calls that returned is the column "lost". With `--when S` the timed handlers rotate every second while
they are measured.

Rounds of all handlers alternate; the ratio to the others is taken within each round.
"""

from __future__ import annotations

import argparse
import tempfile

from handlers import BASELINE, INCUMBENT, KEYS, OURS, label, select
from report import header, middle, quartiles, table, target

from mpfhandler._faces.bench.results import Round
from mpfhandler._faces.bench.rounds import Load, throughput


def measure(keys: list[str], folder: str, processes: int, options: argparse.Namespace) -> dict[str, list[Round]]:
    """Every handler in every round, in an order that rotates."""
    rounds: dict[str, list[Round]] = {key: [] for key in keys}
    load = Load(options.secs, 0, options.when)
    for number in range(options.rounds):
        turn = number % len(keys)
        for key in keys[turn:] + keys[:turn]:
            rounds[key].append(throughput(key, folder, processes, 1, load))
    return rounds


def ratio(rounds: dict[str, list[Round]], key: str, base: str) -> float | None:
    """How much faster than another, in the middle of the rounds; None if the other is not here."""
    if base not in rounds:
        return None
    return middle([mine.rate / other.rate for mine, other in zip(rounds[key], rounds[base], strict=True)])


def show(rounds: dict[str, list[Round]], processes: int) -> None:
    """Print the table of one number of processes."""
    rows = []
    for key, found in rounds.items():
        low, high = quartiles([one.rate for one in found])
        lost = sum(one.lost for one in found) / sum(one.records for one in found)
        compared = [ratio(rounds, key, base) for base in (BASELINE, INCUMBENT)]
        rows.append(
            (
                label(key),
                f"{middle([one.rate for one in found]):,.0f}",
                f"{low:,.0f}–{high:,.0f}",
                f"{middle([one.cpu_us for one in found]):.1f}",
                *("" if value is None else f"{value:.2f}" for value in compared),
                f"{sum(one.lost for one in found):,} ({lost:.1%})",
            )
        )
    columns = ("records/s", "middle half", "CPU µs per record", "of FileHandler", "of CLH", "lost")
    table((f"{processes} process{'es' if processes > 1 else ''}, one file", *columns), rows)


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description="records per second of N processes on one file")
    parser.add_argument("--procs", default="1,8", help="numbers of processes, with commas")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--secs", type=float, default=2.0, help="of each round")
    parser.add_argument("--when", default="h", help="schedule of the timed handlers; S rotates every second")
    parser.add_argument("--only", nargs="+", choices=KEYS, default=list(KEYS))
    parser.add_argument("--dir", default=None, help="where the logs are written")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        header("Throughput of processes that share a file", folder)
        keys = select(options.only)
        for processes in map(int, options.procs.split(",")):
            rounds = measure(keys, folder, processes, options)
            show(rounds, processes)
            faster = ratio(rounds, OURS, INCUMBENT) if OURS in rounds else None
            if faster is not None and processes >= 8:
                claim = f"Throughput of mpfhandler over concurrent-log-handler, {processes} processes"
                target(claim, faster, 5, at_most=False)


if __name__ == "__main__":
    main()
