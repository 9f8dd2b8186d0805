"""joblib with loky: tasks whose workers configure logging once, tasks that are given a handler each time, and an executor that is
shut down by SIGKILL in the middle.
"""

from __future__ import annotations

import itertools
import logging
import os
import time
from typing import Any

import _work
from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor

_writers: list[_work.Writer] = []


def log(writers: list[_work.Writer], records: int) -> int:
    """So many records to each; the worker's number."""
    for _ in range(records):
        for writer in writers:
            writer.log()
        time.sleep(_work.PAUSE)
    return os.getpid()


def task(records: int) -> int:
    """Of a worker that configures itself in its first one."""
    if not _writers:
        _work.configure()
        _writers.extend(_work.writers("loky"))
    return log(_writers, records)


def given(handlers: dict[str, logging.Handler], records: int) -> tuple[int, int]:
    """With a handler that came with the task, and is never closed: each one is another copy. The worker's number, and how many
    files it has open."""
    kind = [_work.Writer(name, _work.logger(name, one, prefix="given."), "given") for name, one in handlers.items()]
    worker = log(kind, records)
    for writer in kind:
        writer.close()
    return worker, len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


def cut() -> None:
    """A task that has no end of its own."""
    _work.configure()
    log(_work.writers("cut"), 1_000_000)


def sizes(until: float, least: int) -> Any:
    """Of tasks, until then, and so many at least."""
    for number in itertools.count():
        if number >= least and time.time() > until:
            return
        yield 5 if _work.PAUSE else 20


def killed() -> None:
    """The workers are killed while they log."""
    executor = get_reusable_executor(max_workers=_work.WORKERS)
    for _ in range(_work.WORKERS):
        executor.submit(cut)
    for worker in executor._processes:
        _work.wait_for_records(worker)
    time.sleep(0.5)
    for worker in executor._processes:
        _work.dies(worker)
    executor.shutdown(kill_workers=True)


def main() -> None:
    """Half the time for each way, then the kill."""
    _work.configure()
    handlers = {log: logging.getLogger(log).handlers[0] for log in _work.LOGS}
    half = time.time() + _work.SECONDS / 2
    workers = set(Parallel(n_jobs=_work.WORKERS)(delayed(task)(size) for size in sizes(half, 0)))
    assert len(workers) > 1, workers
    half = time.time() + _work.SECONDS / 2
    answers = Parallel(n_jobs=_work.WORKERS)(delayed(given)(handlers, size) for size in sizes(half, 120))
    _work.say(
        f"{len(answers)} handlers came with a task, no worker has more than {max(files for _, files in answers)} open files"
    )
    killed()
    _work.work(time.time() + 0.1, "parent")


if __name__ == "__main__":
    main()
