"""Four processes of a pool, and the program that has made it, log to one file that is rotated every second; then it is counted.

    python run.py --method spawn --records 100000

Exit code 0: each record is there once, in the file of its own second.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from mpfhandler import MultProcTimedRotatingFileHandler

log = logging.getLogger("shop")


def configure(path: str) -> None:
    """The pool's initializer, and the program's own set-up: each process makes a handler for the same file."""
    handler = MultProcTimedRotatingFileHandler(path, when="S")
    handler.setFormatter(logging.Formatter("%(created)r %(process)d %(message)s"))
    log.handlers[:] = [handler]  # a forked process has its parent's; that may be used as well
    log.setLevel(logging.INFO)


def task(number: int) -> None:
    """What a worker does: one record."""
    log.info("task %d", number)


def count(folder: Path) -> tuple[Counter[str], int]:
    """How often each message is there, and how many stand in another second's file."""
    found: Counter[str] = Counter()
    misfiled = 0
    for path in sorted(folder.glob("shop.log*")):
        if path.suffix == ".lock":
            continue
        lines = [line.split(maxsplit=2) for line in path.read_text().splitlines()]
        found.update(message for _, _, message in lines)
        seconds = [time.strftime("%Y-%m-%d_%H-%M-%S", time.localtime(float(created))) for created, _, _ in lines]
        own = path.name.removeprefix("shop.log").strip(".") or max(seconds, default="")
        misfiled += sum(second != own for second in seconds)
    return found, misfiled


def main() -> int:
    """Logs, and counts."""
    parser = argparse.ArgumentParser(description="A pool of four processes logs to one file, and all records are counted.")
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--method", choices=multiprocessing.get_all_start_methods())
    parser.add_argument("--logs", type=Path, help="an empty folder to log into (default: a temporary one)")
    options = parser.parse_args()
    folder = options.logs or Path(tempfile.mkdtemp(prefix="multiprocessing_pool_"))
    path = os.fspath(folder / "shop.log")

    configure(path)
    context = multiprocessing.get_context(options.method)
    with context.Pool(4, initializer=configure, initargs=(path,), maxtasksperchild=50) as pool:
        for done, _ in enumerate(pool.imap_unordered(task, range(options.records), chunksize=100)):
            if done % 1000 == 0:
                log.info("done %d", done)
        pool.close()
        pool.join()

    expected = {f"task {number}" for number in range(options.records)} | {
        f"done {number}" for number in range(0, options.records, 1000)
    }
    found, misfiled = count(folder)
    lost, more = len(expected - set(found)), found.total() - len(found)
    print(f"{found.total()} records in {len(list(folder.glob('shop.log*'))) - 1} files of {folder}")
    print(f"{lost} lost, {more} doubled, {misfiled} in another second's file")
    return 1 if lost or more or misfiled or set(found) - expected else 0


if __name__ == "__main__":
    sys.exit(main())
