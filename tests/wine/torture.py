"""Four processes, begun by `spawn` as on Windows, write 600 records each to one log that is rotated every second; then the lines
are counted. The argument is the handler: `ours` (the default), `stdlib` or `concurrent` (concurrent-log-handler). `unlocked` is
ours with `locking="append"`, without the lock that Wine needs around each record.

Prints a line of JSON: the records that were logged, the lines that are there, whole and once, and the files.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from typing import Any

PROCESSES, RECORDS = 4, 600
PAUSE = 0.005  # seconds between two records, so that there are rotations
LINE = re.compile(r"(\d+) (\d+) x{60}")


def handler(which: str, path: str) -> logging.Handler:
    """The one that is tried."""
    if which == "stdlib":
        from logging.handlers import TimedRotatingFileHandler

        return TimedRotatingFileHandler(path, when="S")
    if which == "concurrent":
        from concurrent_log_handler import ConcurrentTimedRotatingFileHandler

        return ConcurrentTimedRotatingFileHandler(path, when="S")
    from mpfhandler import MultProcTimedRotatingFileHandler

    return MultProcTimedRotatingFileHandler(path, when="S", locking="append" if which == "unlocked" else "auto")


def work(which: str, path: str, process: int, answers: Any) -> None:
    """One process."""
    logging.raiseExceptions = which in {"ours", "unlocked"}  # what the others cannot do they tell for each record
    logger = logging.getLogger("torture")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    one = handler(which, path)
    logger.addHandler(one)
    for number in range(RECORDS):
        logger.info("%d %d %s", process, number, "x" * 60)
        time.sleep(PAUSE)
    stats: Any = getattr(one, "stats", None)
    told = ("rotations", "splits", "last_error")
    answers.put(None if stats is None else {name: getattr(stats(), name) for name in told})
    one.close()


def main(which: str) -> None:
    """Start them and count."""
    folder = tempfile.mkdtemp()
    path = os.path.join(folder, "app.log")
    context = multiprocessing.get_context("spawn")
    answers: Any = context.Queue()
    processes = [context.Process(target=work, args=(which, path, number, answers)) for number in range(PROCESSES)]
    for process in processes:
        process.start()
    stats = [answers.get(timeout=300) for _ in processes]
    for process in processes:
        process.join()
    names = [name for name in sorted(os.listdir(folder)) if name.startswith("app.log") and not name.endswith(".lock")]
    lines: list[str] = []
    for name in names:
        with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
            lines += file.read().splitlines()
    whole = Counter(line for line in lines if LINE.fullmatch(line))
    print(json.dumps({
        "handler": which, "logged": PROCESSES * RECORDS, "kept": len(whole), "doubled": sum(whole.values()) - len(whole),
        "broken": len(lines) - sum(whole.values()), "files": len(names), "processes": stats,
    }))  # fmt: skip
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "ours")
