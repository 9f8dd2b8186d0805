"""System calls per record in the steady state, counted by strace between two marker calls.

A child process logs a few records, then several rounds of records; before and after each round it looks up a path that
does not exist, which is what the trace is cut by. Shown is the round with the fewest calls (the steady state) and next
to it the one with the most: once a second ours looks whether the name of the log still leads to its file, and now and
then the interpreter asks for memory. `getpid` is the LogRecord's own, in every handler. Reading the clock is no system
call where the kernel's vDSO serves it; where it is one, it is left out, since the LogRecord makes it.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter

from handlers import KEYS, OURS, label, make, select
from report import header, table

_MARK = "/nowhere/benchmark-mark"
_CALL = re.compile(r"^(?:\d+ +)?(\w+)\(")
_CLOCK = {"clock_gettime", "gettimeofday", "time"}


def child(key: str, path: str, rounds: int, count: int) -> None:
    """Log rounds of records, with a mark before and after each."""
    logger = logging.Logger("benchmark")
    handler = make(key, path)
    logger.addHandler(handler)
    for number in range(100):
        logger.info("record %d", number)
    for _ in range(rounds):
        os.access(_MARK, os.F_OK)
        for number in range(count):
            logger.info("record %d", number)
    os.access(_MARK, os.F_OK)
    handler.close()


def unavailable() -> str | None:
    """Why system calls cannot be traced here, or None if they can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(["strace", "-o", os.devnull, sys.executable, "-c", ""], capture_output=True, text=True)
    return None if tried.returncode == 0 else f"strace: {(tried.stderr.strip().splitlines() or ['failed'])[-1]}"


def trace(key: str, folder: str, rounds: int, count: int) -> list[Counter[str]]:
    """The system calls of each round, of all threads of the child."""
    path, out = os.path.join(folder, f"{key}.log"), os.path.join(folder, f"{key}.trace")
    command = [sys.executable, os.path.abspath(__file__), "--child", key, path, str(rounds), str(count)]
    subprocess.run(["strace", "-f", "-o", out, *command], check=True)
    found: list[Counter[str]] = []
    with open(out, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if _MARK in line:
                if "execve(" not in line:
                    found.append(Counter())
            elif found and (call := _CALL.match(line)) and call[1] not in _CLOCK:
                found[-1][call[1]] += 1
    return found[:-1]  # what follows the last mark is closing


def show(key: str, rounds: list[Counter[str]], count: int) -> tuple[str, ...]:
    """One line of the table."""
    least = min(rounds, key=lambda calls: calls.total())
    kinds = ", ".join(f"{name} {number / count:g}" for name, number in sorted(least.items()))
    most = max(calls.total() for calls in rounds)
    return label(key), f"{least.total() / count:g}", f"{most / count:g}", kinds


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description="system calls per record")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--records", type=int, default=200, help="per round")
    parser.add_argument("--only", nargs="+", choices=KEYS, default=list(KEYS))
    parser.add_argument("--dir", default=None, help="where the logs are written")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        key, path, rounds, count = options.child
        child(key, path, int(rounds), int(count))
        return
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        header("System calls per record in the steady state", folder)
        problem = unavailable()
        if problem is not None:
            print(f"Skipped: {problem}\n")
            return
        keys = select(options.only)
        traced = {key: trace(key, folder, options.rounds, options.records) for key in keys}
    columns = ("handler", "fewest in a round", "most in a round", "which, in the round with the fewest")
    table(columns, [show(key, rounds, options.records) for key, rounds in traced.items()])
    if OURS in traced:
        wanted = dict.fromkeys(("getpid", "write", "lseek"), options.records)
        exact = any(dict(calls) == wanted for calls in traced[OURS])
        print(f"mpfhandler: exactly getpid, write, lseek once a record: {'met' if exact else 'MISSED'}.\n")


if __name__ == "__main__":
    main()
