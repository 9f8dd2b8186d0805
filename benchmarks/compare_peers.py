"""Who is compared by `compare.py`, each in the way that its documentation shows, rotating every second unless told otherwise.

A line has the time at which its record was made before the message, so that a file can be held against the clock.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.metadata
import importlib.util
import logging
import logging.handlers
import multiprocessing
import os
import platform
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from compare_log import FORMAT, Log, Wanted, gz, pack, timed_handler
from compare_others import APART, OTHERS, open_other, serving_other

__all__ = ["FORKED", "PEERS", "QUEUES", "open_log", "problem", "serving", "version"]

PATIENCE = 10.0  # seconds for the end of a queue
LOGROTATE = shutil.which("logrotate", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
PEERS = {
    "mpfhandler": "mpfhandler",
    "timed": "TimedRotatingFileHandler",
    "watched": "WatchedFileHandler + logrotate",
    "clh": "concurrent-log-handler",
    "loguru": "loguru",
    "queue": "QueueHandler + TimedRotatingFileHandler",
    "pico": "picologging",
    **OTHERS,
}
DISTRIBUTIONS = {
    "mpfhandler": "mpfhandler", "clh": "concurrent-log-handler", "loguru": "loguru", "pico": "picologging",
    "original": "mpfhandler", "nb": "nb-log", "logbook": "Logbook", "aio": "aiologger", "mplog": "multiprocessing-logging",
}  # fmt: skip
QUEUES = ("queue", "mplog")  # through a queue of multiprocessing's, whose processes are to be multiprocessing's, too
FORKED = ("mplog",)  # their processes are forked; others' are spawned


def version(peer: str, apart: Path | None = None) -> str:
    """What was compared."""
    if peer in APART and apart is not None:
        found = importlib.metadata.distributions(name=DISTRIBUTIONS[peer], path=[str(apart / peer)])
        return next(iter(found)).version
    if peer in DISTRIBUTIONS:
        return importlib.metadata.version(DISTRIBUTIONS[peer])
    if peer == "watched" and LOGROTATE is not None:
        told = subprocess.run([LOGROTATE, "--version"], capture_output=True, text=True, check=False)
        return f"CPython {platform.python_version()}, {(told.stdout + told.stderr).splitlines()[0]}"
    return f"CPython {platform.python_version()}"


def problem(peer: str, apart: Path | None = None) -> str | None:
    """Why it cannot be compared here."""
    name = DISTRIBUTIONS.get(peer, "")
    module = name.replace("-", "_").lower()
    if peer in APART:
        if apart is None or importlib.machinery.PathFinder.find_spec(module, [str(apart / peer)]) is None:
            return f"no {name} in a folder of its own (--apart)"
    elif name and importlib.util.find_spec(module) is None:
        return f"not installed: {name}"
    if peer == "aio" and importlib.util.find_spec("aiofiles") is None:
        return "not installed: aiofiles"
    if peer == "watched" and LOGROTATE is None:
        return "not installed: logrotate"
    return None


def open_log(peer: str, path: str, wanted: Wanted, shared: Any = None) -> Log:
    """A process's own."""
    if peer in OTHERS:
        return open_other(peer, path, wanted)
    if peer in {"loguru", "pico"}:
        return _loguru(path, wanted) if peer == "loguru" else _pico(path, wanted)
    handler = _handler(peer, path, wanted, shared)
    if peer != "queue":
        handler.setFormatter(logging.Formatter(FORMAT))
    logger = logging.Logger("compared")
    logger.addHandler(handler)
    return Log(logger.info, handler.close)


def _handler(peer: str, path: str, wanted: Wanted, shared: Any) -> logging.Handler:
    if peer == "mpfhandler":
        from mpfhandler import MultProcTimedRotatingFileHandler

        packed: dict[str, Any] = {"compress": "gz", "compress_delay": 0, "late_grace": 1} if wanted.packed else {}
        return MultProcTimedRotatingFileHandler(path, "S", wanted.interval, wanted.keep, "utf-8", **packed)
    if peer == "watched":
        return logging.handlers.WatchedFileHandler(path, encoding="utf-8")
    if peer == "clh":
        module: Any = importlib.import_module("concurrent_log_handler")
        made: logging.Handler = module.ConcurrentTimedRotatingFileHandler(
            path, when="S", interval=wanted.interval, backupCount=wanted.keep, encoding="utf-8", use_gzip=wanted.packed
        )
        return made
    if peer == "queue":
        return logging.handlers.QueueHandler(shared)
    return timed_handler(path, wanted)


def _loguru(path: str, wanted: Wanted) -> Log:
    logger: Any = importlib.import_module("loguru").logger
    logger.remove()
    sink = logger.add(
        path, format=lambda record: f"{record['time'].timestamp()!r} {{message}}\n", rotation=f"{wanted.interval} seconds",
        retention=wanted.keep or None, compression="gz" if wanted.packed else None, watch=True, encoding="utf-8",
    )  # fmt: skip
    return Log(logger.info, lambda: logger.remove(sink))


def _pico(path: str, wanted: Wanted) -> Log:
    """It has no attribute for a record's time that is as exact as the others'; a program puts it there."""
    module: Any = importlib.import_module("picologging")
    handler = importlib.import_module("picologging.handlers").TimedRotatingFileHandler(
        path, "S", wanted.interval, wanted.keep, "utf-8"
    )
    if wanted.packed:
        handler.namer, handler.rotator = gz, pack
    handler.setFormatter(module.Formatter("%(message)s"))
    logger = module.Logger("compared", module.INFO)
    logger.addHandler(handler)
    return Log(lambda text: logger.info(f"{time.time()!r} {text}"), handler.close)


@contextmanager
def serving(peer: str, path: str, wanted: Wanted) -> Iterator[Any]:
    """What runs beside the processes that log: logrotate, once in a period; what writes the records that others have queued.
    Gives what they need to know of it."""
    if peer == "watched":
        with _rotated(path, wanted):
            yield None
    elif peer in OTHERS:
        with serving_other(peer, path, wanted):
            yield None
    elif peer == "queue":
        shared: Any = multiprocessing.get_context("spawn").Queue()
        handler = timed_handler(path, wanted)
        listener = logging.handlers.QueueListener(shared, handler)
        listener.start()
        try:
            yield shared
        finally:
            shared.cancel_join_thread()
            stopping = threading.Thread(target=listener.stop, daemon=True)
            stopping.start()
            stopping.join(PATIENCE)  # a process that was killed may have taken the queue's lock with it
    else:
        yield None


@contextmanager
def _rotated(path: str, wanted: Wanted) -> Iterator[None]:
    """By logrotate, as cron would begin it."""
    folder, ended = Path(path).parent / "logrotate", threading.Event()
    folder.mkdir(exist_ok=True)
    rules = ["nocreate", "missingok", f"rotate {wanted.keep or 1000}", "compress" if wanted.packed else "nocompress"]
    (folder / "conf").write_text(f"{path} {{\n" + "\n".join(rules) + "\n}\n")

    def rotate() -> None:
        while not ended.wait(wanted.interval):
            command = [str(LOGROTATE), "--force", "--state", str(folder / "state"), str(folder / "conf")]
            subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)

    thread = threading.Thread(target=rotate)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
