"""System calls per record in the steady state, counted by strace between two marker calls.

A child process logs a few records, then several rounds of records; before and after each round it looks up a path that does
not exist, which is what the trace is cut by. The round with the fewest calls is the steady state: once a second ours
looks whether the name of the log still leads to its file, and now and then the interpreter asks for memory. `getpid` is
the LogRecord's own, in every handler. Reading the clock is left out, where it is a system call: the LogRecord makes it.

A round ends when everything is written: what a handler has in a buffer is flushed, and where another thread writes for all,
there is one round, at whose end that thread has come to its end.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter

from .contender import Setup, Target
from .handlers import contender
from .results import Calls

__all__ = ["count_calls", "parse", "unavailable"]

_MARK = "/nowhere/benchmark-mark"
_CALL = re.compile(r"^(?:\d+ +)?(\w+)\(")
_CLOCK = {"clock_gettime", "gettimeofday", "time"}
_WARM = 100


def unavailable() -> str | None:
    """Why system calls cannot be traced here, or None if they can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(["strace", "-o", os.devnull, sys.executable, "-c", ""], capture_output=True, text=True, check=False)
    return None if tried.returncode == 0 else f"strace: {(tried.stderr.strip().splitlines() or ['failed'])[-1]}"


def count_calls(key: str, folder: str, rounds: int, records: int) -> Calls:
    """The calls of all threads of a process that logs through this handler.

    Raises:
        OSError: it could not be traced.
    """
    with tempfile.TemporaryDirectory(dir=folder) as place:
        out = os.path.join(place, "trace")
        job = json.dumps([key, os.path.join(place, "app.log"), rounds, records])
        command = ["strace", "-f", "-o", out, sys.executable, "-m", __name__, job]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            raise OSError(f"the traced process failed: {done.stderr[-500:]}")
        with open(out, encoding="utf-8", errors="replace") as lines:
            found = parse(list(lines))
    least = min(found, key=lambda calls: calls.total())
    kinds = {name: number / records for name, number in sorted(least.items())}
    return Calls(key, least.total() / records, max(calls.total() for calls in found) / records, kinds)


def parse(lines: list[str]) -> list[Counter[str]]:
    """The calls of each round: what lies between two marks. What precedes the first or follows the last is no round.

    Raises:
        OSError: there are no two marks.
    """
    found: list[Counter[str]] = []
    for line in lines:
        if _MARK in line:
            if "execve(" not in line:
                found.append(Counter())
        elif found and (call := _CALL.match(line)) and call[1] not in _CLOCK:
            found[-1][call[1]] += 1
    if len(found) < 2:
        raise OSError("the trace has no marks")
    return found[:-1]


def main(arguments: list[str]) -> None:
    """The traced process: log rounds of records, with a mark before and after each."""
    key, path, rounds, records = json.loads(arguments[0])
    logging.raiseExceptions = False
    chosen, setup = contender(key), Setup(path)
    service = chosen.serve(setup) if chosen.serve is not None else None
    target = chosen.open(setup, None if service is None else service.shared)
    _log(target, _WARM)
    target.settle()
    for _ in range(rounds if service is None else 1):
        os.access(_MARK, os.F_OK)
        _log(target, records)
        target.settle()
    if service is not None:
        if key != "queue":
            target.close()
        service.stop()
    os.access(_MARK, os.F_OK)
    if service is None:
        target.close()


def _log(target: Target, records: int) -> None:
    if target.bare is not None:
        for _ in range(records):
            target.bare()
        return
    for number in range(records):
        target.call(target.message, 0, number)


if __name__ == "__main__":
    main(sys.argv[1:])
