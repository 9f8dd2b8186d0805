"""Runs a function in three processes at once. It logs for a second and a half, so there is a rotation while all of them do."""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator

__all__ = ["ORDERS", "WORKERS", "main", "orders"]

WORKERS, ORDERS = 3, 150


def main(work: Callable[[str, int], None]) -> int:
    """`work` gets a folder, the first argument of the command line, and the number of its process."""
    folder = sys.argv[1] if len(sys.argv) > 1 else "."
    processes = [multiprocessing.Process(target=work, args=(folder, worker)) for worker in range(WORKERS)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return max(abs(process.exitcode or 0) for process in processes)


def orders() -> Iterator[int]:
    """The numbers of the orders that a process logs, one each ten milliseconds."""
    for order in range(ORDERS):
        yield order
        time.sleep(0.01)
