"""What the programs of this folder share: two logs, and records that are accounted for.

A record is acknowledged when its logging call has returned: its time is appended to a file of its writer's own then, so the
account outlives any end of the process. Who ends a process in a way that may cost it something writes that down before.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import random
import struct
import threading
import time
import zlib

LOGS = ("direct", "buffered")  # by delivery
WORKERS = 4
FORMAT = "%(created)r %(message)s"
HANDLER = os.environ.get("WORK_HANDLER", "mpfhandler.MultProcTimedRotatingFileHandler")
INTERVAL = int(os.environ.get("WORK_INTERVAL", "1"))  # seconds of a period
SECONDS = float(os.environ.get("WORK_SECONDS", "2.5"))  # that a program logs
PAUSE = float(os.environ.get("WORK_PAUSE", "0.002"))  # after some records
FOLDER = os.environ.get("WORK_FOLDER", ".")
OPTIONS = json.loads(os.environ.get("WORK_OPTIONS", "{}"))  # of the handlers, beside the delivery
PIDS_FROM = int(os.environ.get("WORK_PIDS_FROM", "0"))  # in the account: in another namespace another process has the same number


def path(log: str) -> str:
    """Of a log."""
    return os.path.join(FOLDER, f"{log}.log")


def handler(log: str, file: str | None = None) -> logging.Handler:
    """One for this log, as a program makes its own."""
    module, _, name = HANDLER.rpartition(".")
    options = {**OPTIONS, "delivery": log} if module == "mpfhandler" else {}
    made: logging.Handler = getattr(importlib.import_module(module), name)(file or path(log), "S", INTERVAL, **options)
    made.setFormatter(logging.Formatter(FORMAT))
    return made


def logger(log: str, *handlers: logging.Handler, prefix: str = "") -> logging.Logger:
    """The logger of this name with these handlers and no others."""
    found = logging.getLogger(prefix + log)
    found.handlers[:] = handlers
    found.setLevel(logging.INFO)
    found.propagate = False
    return found


def configure() -> None:
    """A logger with a handler of its own for each log, of the log's name."""
    for log in LOGS:
        logger(log, handler(log))


class Writer:
    """Numbered records of one thread, or greenlet, to one log. In a forked child it begins anew, under another name."""

    def __init__(self, log: str, to: logging.Logger | None = None, kind: str = "main") -> None:
        self._log, self._logger, self._kind = log, to or logging.getLogger(log), kind
        self._begin()

    def _begin(self) -> None:
        self._pid, self._number = os.getpid(), 0
        self._name = f"{PIDS_FROM + self._pid}-{self._kind}-{os.urandom(6).hex()}"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._account = os.open(os.path.join(FOLDER, "acknowledged", f"{self._log}.{self._name}"), flags, 0o666)

    def log(self) -> None:
        """One record, and its acknowledgement."""
        if os.getpid() != self._pid:
            os.close(self._account)
            self._begin()
        body = "x" * (5000 if self._number % 100 == 99 else self._number * 7919 % 120)
        text = f"{self._name} {self._number} {body}"
        self._logger.info("%s %08x", text, zlib.crc32(text.encode()))
        os.write(self._account, struct.pack("<d", time.time()))
        self._number += 1

    def flush(self) -> None:
        """Have what is in a buffer written."""
        logger: logging.Logger | None = self._logger
        while logger:
            for one in logger.handlers:
                one.flush()
            logger = logger.parent

    def close(self) -> None:
        """No more records."""
        os.close(self._account)


def writers(kind: str = "main", prefix: str = "") -> list[Writer]:
    """One for each log."""
    return [Writer(log, logging.getLogger(prefix + log), kind) for log in LOGS]


def work(until: float, kind: str = "main", prefix: str = "", logs: tuple[str, ...] = LOGS) -> None:
    """Log until then (epoch seconds), alternately to the logs; something also where the machine was too busy before that."""
    everyone = [one for one in writers(kind, prefix) if one._log in logs]
    while True:
        for _ in range(4):
            for one in everyone:
                one.log()
        time.sleep(PAUSE * random.uniform(0.5, 1.5))  # with zero it lets others in all the same
        if time.time() >= until:
            break
    for one in everyone:
        one.close()


def threads(count: int, until: float, kind: str, prefix: str = "") -> None:
    """The same in so many threads at once."""
    started = [threading.Thread(target=work, args=(until, kind, prefix)) for _ in range(count)]
    for one in started:
        one.start()
    for one in started:
        one.join()


def wait_for_records(pid: int) -> None:
    """Of this process, which has just been started."""
    folder = os.path.join(FOLDER, "acknowledged")
    while not any(
        name.startswith(f"{LOGS[-1]}.{PIDS_FROM + pid}-") and os.stat(os.path.join(folder, name)).st_size
        for name in os.listdir(folder)
    ):
        time.sleep(0.02)


def dies(pid: int) -> None:
    """This process is about to be ended from now on."""
    with open(os.path.join(FOLDER, "deaths", str(PIDS_FROM + pid)), "w", encoding="ascii") as file:
        file.write(repr(time.time()))


def leave() -> None:
    """End this process without any exit handler."""
    dies(os.getpid())
    os._exit(0)


def say(*words: object) -> None:
    """To who has started the program."""
    print(*words, flush=True)


def until() -> float:
    """When a process that begins now is to have logged (epoch seconds)."""
    return time.time() + SECONDS
