"""`multiprocessing.Pool`, with workers that are recycled, and `ProcessPoolExecutor`; some of them ended in the middle.

pools.py pool fork|spawn|forkserver
pools.py executor fork|spawn|forkserver
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import BaseContext
from multiprocessing.pool import Pool
from typing import Any

import _work

SIZE = 5 if _work.PAUSE else 100  # records of a task, to each log
RECYCLED = 20  # tasks of a worker
WAITING = 12  # tasks at a time
_kind = "pool"
_writers: list[_work.Writer] = []


def begin(kind: str, own: bool) -> None:
    """The initializer: the worker has handlers of its own from now on, or its parent's."""
    global _kind
    _kind = kind
    if own:
        _work.configure()


def task(records: int) -> int:
    """A task that logs; its worker's number."""
    if not _writers:
        _writers.extend(_work.writers(_kind))
    for _ in range(records):
        for writer in _writers:
            writer.log()
        time.sleep(_work.PAUSE)
    return os.getpid()


def last_task() -> None:
    """It ends its worker in the middle."""
    task(20)
    _work.leave()


def tasks(until: float, places: threading.Semaphore, least: int = _work.WORKERS) -> Any:
    """Sizes of tasks, until then, and more than so many: no more at a time than there are places."""
    for number in itertools.count():
        if number > least and time.time() > until:
            return
        places.acquire()
        yield SIZE


def all_die(processes: list[Any]) -> None:
    """Of a pool that is about to be terminated."""
    for process in processes:
        _work.dies(process.pid)


def recycled(context: BaseContext, until: float) -> None:
    """Each worker makes its own handlers, does some tasks, and is replaced by another one."""
    with context.Pool(_work.WORKERS, begin, ("recycled", True), maxtasksperchild=RECYCLED) as pool:
        places, workers = threading.Semaphore(WAITING), set()
        for worker in pool.imap_unordered(task, tasks(until, places, _work.WORKERS * RECYCLED)):
            workers.add(worker)
            places.release()
        pool.close()
        pool.join()
    assert len(workers) > _work.WORKERS, workers


def terminated(context: BaseContext, inherited: bool) -> None:
    """A pool is terminated while its workers log, as the end of a `with` block does it."""
    pool: Pool = context.Pool(_work.WORKERS, begin, ("terminated", not inherited))
    with pool:
        results = [pool.apply_async(task, (100_000,)) for _ in range(_work.WORKERS)]
        processes = pool._pool  # type: ignore[attr-defined]
        for process in processes:
            _work.wait_for_records(process.pid)
        time.sleep(0.3)
        all_die(processes)
    assert not any(result.ready() for result in results)


def executor(context: BaseContext, until: float) -> None:
    """Some, one after the other: workers end with the `with` block. (Recycling them by `max_tasks_per_child` is left out: CPython
    3.11.7 hangs with it, whatever the tasks do, python/cpython#115634.)"""
    workers: set[int] = set()
    while time.time() < until or len(workers) <= _work.WORKERS:
        end = min(until, time.time() + 2)
        with ProcessPoolExecutor(_work.WORKERS, context, begin, ("executor", True)) as pool:
            places, futures = threading.Semaphore(WAITING), []
            for size in tasks(end, places):
                futures.append(pool.submit(task, size))
                futures[-1].add_done_callback(lambda _, places=places: places.release())  # type: ignore[misc]
            workers.update(future.result() for future in futures)


def broken(context: BaseContext, inherited: bool) -> None:
    """One worker is killed, or ends without a word: the executor ends all others by SIGTERM, and no task gets a result."""
    for end in ("killed", "left"):
        with ProcessPoolExecutor(_work.WORKERS, context, begin, (end, not inherited)) as pool:
            futures = [pool.submit(task, 100_000) for _ in range(_work.WORKERS - 1)]
            futures.append(pool.submit(*((task, 100_000) if end == "killed" else (last_task,))))
            processes = list(pool._processes.values())
            for process in processes:
                _work.wait_for_records(process.pid)
            time.sleep(0.2)
            all_die(processes)
            if end == "killed":
                os.kill(processes[0].pid, signal.SIGKILL)
            for future in futures:
                try:
                    future.result()
                except BrokenProcessPool:
                    continue
                raise AssertionError("a task of a broken pool has ended well")


def main() -> None:
    """The parent logs before each pool: its workers are forked from a process with open logs."""
    what, method = sys.argv[1:]
    context = multiprocessing.get_context(method)
    _work.configure()
    _work.work(time.time() + 0.1, "parent")
    until = _work.until() - 0.5
    inherited = method == "fork"
    if what == "pool":
        recycled(context, until)
        terminated(context, inherited)
    else:
        executor(context, until)
        broken(context, inherited)
    _work.work(time.time() + 0.1, "parent")


if __name__ == "__main__":
    main()
