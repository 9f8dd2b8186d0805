"""System calls per record in the steady state, counted by strace between two marker calls, as `mpfhandler bench` does
(`mpfhandler._faces.bench.syscalls` tells how).

Shown is the round with the fewest calls (the steady state) and next to it the one with the most.
"""

from __future__ import annotations

import argparse
import tempfile

from handlers import KEYS, OURS, label, select
from report import header, table

from mpfhandler._faces.bench.results import Calls
from mpfhandler._faces.bench.syscalls import count_calls, unavailable


def show(found: Calls) -> tuple[str, ...]:
    """One line of the table."""
    kinds = ", ".join(f"{name} {number:g}" for name, number in found.kinds.items())
    return label(found.key), f"{found.fewest:g}", f"{found.most:g}", kinds


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description="system calls per record")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--records", type=int, default=200, help="per round")
    parser.add_argument("--only", nargs="+", choices=KEYS, default=list(KEYS))
    parser.add_argument("--dir", default=None, help="where the logs are written")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        header("System calls per record in the steady state", folder)
        problem = unavailable()
        if problem is not None:
            print(f"Skipped: {problem}\n")
            return
        traced = {key: count_calls(key, folder, options.rounds, options.records) for key in select(options.only)}
    columns = ("handler", "fewest in a round", "most in a round", "which, in the round with the fewest")
    table(columns, [show(found) for found in traced.values()])
    if OURS in traced:
        exact = traced[OURS].kinds == dict.fromkeys(("getpid", "write", "lseek"), 1.0)
        print(f"mpfhandler: exactly getpid, write, lseek once a record: {'met' if exact else 'MISSED'}.\n")


if __name__ == "__main__":
    main()
