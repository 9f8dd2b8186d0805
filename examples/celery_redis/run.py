"""Starts Celery's worker with four processes, sends it tasks, stops it, and counts the records.

    python run.py --tasks 2000
    python run.py --broker redis://127.0.0.1:6379/0        (else a redis-server is started for the run)

Exit code 0: one record for each task, in the file of its own second, beside the two that Celery writes about it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent


@contextmanager
def process(*command: str, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program that is ended with the block: Celery does what is begun, then stops."""
    with subprocess.Popen(command, cwd=HERE, env={**os.environ, **variables}, stdout=subprocess.DEVNULL) as running:
        try:
            yield running
        finally:
            running.terminate()


@contextmanager
def redis() -> Iterator[str]:
    """A server for this run; its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with process("redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", ""):
        yield f"redis://127.0.0.1:{port}/0"


def send(tasks: int) -> None:
    """All tasks, and wait for them."""
    from tasks import order

    deadline = time.monotonic() + 300
    results = []
    for number in range(tasks):
        while True:
            try:
                results.append(order.delay(number))
                break
            except order.OperationalError:  # the server is not up yet
                if time.monotonic() > deadline:
                    raise
    for result in results:
        result.get(timeout=max(1.0, deadline - time.monotonic()))


def count(folder: Path) -> tuple[Counter[str], int, int]:
    """How often each task has logged, how many ends Celery has logged, and how many records stand in another second's file."""
    orders: Counter[str] = Counter()
    succeeded = misfiled = 0
    for path in sorted(folder.glob("celery.log*")):
        if path.suffix == ".lock":
            continue
        seconds = []
        for line in path.read_text().splitlines():
            created, _process, name, message = line.split(maxsplit=3)
            seconds.append(time.strftime("%Y-%m-%d_%H-%M-%S", time.localtime(float(created))))
            orders.update([message] if name == "shop" else [])
            succeeded += " succeeded in " in message
        own = path.name.removeprefix("celery.log").strip(".") or max(seconds, default="")
        misfiled += sum(second != own for second in seconds)
    return orders, succeeded, misfiled


def main() -> int:
    """Runs it all."""
    parser = argparse.ArgumentParser(
        description="Celery logs to one file from all of its processes, and all records are counted."
    )
    parser.add_argument("--tasks", type=int, default=2000)
    parser.add_argument("--broker", help="URL of a server with nothing else in its queue (default: one is started)")
    parser.add_argument("--logs", type=Path, help="an empty folder to log into (default: a temporary one)")
    options = parser.parse_args()
    if options.broker is None and shutil.which("redis-server") is None:
        parser.error("no redis-server here: install it, or name one with --broker")
    folder = options.logs or Path(tempfile.mkdtemp(prefix="celery_redis_"))
    worker = (sys.executable, "-m", "celery", "-A", "tasks", "worker", "--concurrency", "4", "--max-tasks-per-child", "100")
    with redis() if options.broker is None else nothing(options.broker) as broker:
        os.environ["BROKER"] = broker
        with process(*worker, BROKER=broker, LOGS=str(folder)):
            send(options.tasks)
    orders, succeeded, misfiled = count(folder)
    lost, more = len({f"order {number}" for number in range(options.tasks)} - set(orders)), orders.total() - len(orders)
    print(f"{orders.total()} records of tasks in {len(list(folder.glob('celery.log*'))) - 1} files of {folder}")
    print(f"{lost} lost, {more} doubled, {misfiled} in another second's file; Celery has told of {succeeded} ends")
    return 1 if lost or more or misfiled or succeeded != options.tasks else 0


@contextmanager
def nothing(url: str) -> Iterator[str]:
    """A server that is there already."""
    yield url


if __name__ == "__main__":
    sys.exit(main())
