"""All that a program may do with its logs, in one process and its children: each option, threads, forks while threads of ours
run, other programs, hooks, copies, `close` and none, the commands. Counts what it has logged, and says `fine`.

It is for `-W error -X dev`: a warning anywhere, also in a thread or at the interpreter's end, is seen on standard error.
"""

from __future__ import annotations

import _thread
import bz2
import copy
import gc
import gzip
import logging
import lzma
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mpfhandler
from mpfhandler import MultProcTimedRotatingFileHandler as Handler
from mpfhandler import TimedLogFile
from mpfhandler._faces import cli

PATIENCE = 60.0  # seconds; only on a machine with too much to do something takes so long
FORKS = 8
OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}
ME = f"{os.getuid()}:{os.getgid()}"
SECONDS: dict[str, Any] = {"when": "S", "late_grace": 5}
# What becomes of its closed segments is counted where nothing is deleted.
COUNTED: dict[str, dict[str, Any]] = {
    "plain": {**SECONDS, "interval": 1, "debug": True, "escape": True, "chmod": "0640", "owner": ME, "encoding": "utf-8"},
    "buffered": {**SECONDS, "delivery": "buffered", "flush_interval": 0.05, "buffer_bytes": 1000, "overflow": "drop"},
    "packed": {**SECONDS, "late_grace": 0.5, "compress": "gz", "compress_delay": 0, "compress_level": 1, "fsync": "seal"},
    "naive": {**SECONDS, "late_grace": 0, "compress": "xz", "compress_delay": 0},
    "split": {"when": "D", "tz": "Asia/Shanghai", "atTime": "03:00", "maxBytes": 500, "lock_dir": "locks", "compress": "bz2"},
    "idle": {**SECONDS, "utc": True, "rotate_idle": True, "delay": True, "lock_timeout": 1.0, "spill_bytes": 1000},
    "sure": {"when": "MONTH", "fsync": "always", "errors": "strict", "mkdir": True},
}
DELETED: dict[str, dict[str, Any]] = {
    "kept": {**SECONDS, "backupCount": 1, "max_age": "1h", "max_total_bytes": "1MB", "min_free_bytes": 1, "late_grace": 0.1},
    "stored": {**SECONDS, "late_grace": 0.1, "archive_delete": True},
}
sealed: list[str] = []


def on_seal(segment: mpfhandler.SealedSegment) -> None:
    """A hook."""
    sealed.append(segment.path)


def handlers() -> dict[str, logging.Handler]:
    """One for each log, which is its logger's."""
    more: dict[str, dict[str, Any]] = {"packed": {"on_seal": on_seal}, "stored": {"archive": (Path.cwd() / "far").as_uri()}}
    made: dict[str, logging.Handler] = {
        name: Handler(f"{name}.log", **options, **more.get(name, {})) for name, options in {**COUNTED, **DELETED}.items()
    }
    hooked = Handler("hooked.log", "S")
    hooked.namer = lambda name: name + ".named"
    hooked.rotator = os.rename
    made |= {"hooked": hooked, "nowhere": Handler("/dev/null")}
    made["clh"] = mpfhandler.ConcurrentRotatingFileHandler("clh.log", maxBytes=300, backupCount=2)
    for name, handler in made.items():
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.propagate = False
        logger.setLevel(logging.INFO)
    return made


def log(who: str, names: list[str], count: int = 20) -> None:
    """So many records to each log."""
    for number in range(count):
        for name in names:
            logging.getLogger(name).log(logging.ERROR if number == 5 else logging.INFO, "%s %d", who, number)


def child(who: str, names: list[str]) -> None:
    """What a child of `multiprocessing` does."""
    if not logging.getLogger(names[0]).handlers:
        handlers()
    log(who, names)


def in_threads(who: str, names: list[str]) -> None:
    """Several at the same log meet there."""
    threads = [threading.Thread(target=log, args=(f"{who}{one}", names, 40)) for one in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def wait_until(true: Callable[[], object], what: str) -> None:
    """Until this holds."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.01)


def fork(who: str, names: list[str]) -> None:
    """While threads of ours are at work: a fork tells of no other threads, for there are none."""
    log(f"before {who}", names)
    assert _thread._count() > 0, "no thread of ours is at work"  # one flushes, others seal and store
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            log(who, names)
            logging.shutdown()
            code = 0
        finally:
            os._exit(code)
    log(f"beside {who}", names)
    assert os.waitpid(pid, 0)[1] == 0, who


def start_programs(names: list[str]) -> None:
    """In each way that Python has; what is in a buffer is written before."""
    log("before programs", names)
    subprocess.run([sys.executable, "-c", ""], check=True)
    assert os.system("true") == 0
    if hasattr(os, "posix_spawn"):
        assert os.waitpid(os.posix_spawn("/bin/sh", ["sh", "-c", "true"], os.environ), 0)[1] == 0


def use_timed_log_file(folder: Path) -> None:
    """The engine without `logging`, closed, left to the collector, copied, and forked."""
    with TimedLogFile(folder / "timed.log", "S", compress="gz") as timed:
        timed.write("line")
        timed.rotate()
        pickle.loads(pickle.dumps(timed)).write("line")  # nobody closes it
        copy.copy(timed).write("line")
    TimedLogFile(folder / "left.log", "D", delivery="buffered").write("line")
    gc.collect()
    wait_until(lambda: (folder / "left.log").read_text() == "line\n", "what nobody has closed is not written")


def disturb(everyone: dict[str, Any]) -> None:
    """The log is moved away, the lock file deleted, descriptors are closed; the handler is reopened, copied, and closed."""
    os.rename("plain.log", "plain.log.moved")
    os.unlink("packed.log.lock")
    for name in ("plain", "packed", "idle"):
        everyone[name].doRollover()
    everyone["split"].close()
    everyone["split"].stream = everyone["split"]._open()
    pickle.loads(pickle.dumps(everyone["plain"])).handle(logging.makeLogRecord({"msg": "copy 0"}))
    gc.collect()


def run_commands() -> None:
    """Those that look, and some that do something."""
    for command in (
        "ls packed.log", "ls --json packed.log", "verify packed.log", "cat packed.log", "tail packed.log",
        "seal --compress gz packed.log", "prune --dry-run --backup-count 1 packed.log", "rotate hooked.log",
    ):  # fmt: skip
        code = cli.main(command.split())
        assert code in {0, None}, (command, code)


def found(name: str) -> Counter[str]:
    """All records of a log."""
    lines: Counter[str] = Counter()
    for path in Path().glob(f"{name}.log*"):
        if path.name.endswith((".lock", ".debug")):
            continue
        with OPENERS.get(path.suffix, open)(path, "rb") as file:
            lines.update(file.read().decode().splitlines())
    return lines


def main() -> None:
    """Each log is counted at the end."""
    everyone = handlers()
    names, counted = list(everyone), list(COUNTED)
    began = time.time()
    in_threads("thread", names)
    for number in range(FORKS):
        fork(f"fork {number}", names)
        time.sleep(0.1)
    started = [multiprocessing.get_context(method) for method in ("fork", "spawn", "forkserver")]
    for context in started:
        process = context.Process(target=child, args=(context.get_start_method(), counted))
        process.start()
        process.join()
        assert process.exitcode == 0, context
        process.close()
    start_programs(names)
    use_timed_log_file(Path.cwd())
    disturb(everyone)
    time.sleep(max(0.0, began + 3 - time.time()))
    log("last", names)
    wait_until(lambda: sealed, "no segment was sealed")
    wait_until(lambda: list(Path("far").rglob("stored.log.*")), "no segment was stored")
    fork("at the end", names)
    run_commands()
    logging.shutdown()
    wanted = Counter({f"{who} {number}": 1 for who in spoken() for number in range(40 if who.startswith("thread") else 20)})
    for name in counted:
        there = found(name)
        there.pop("copy 0", None)
        assert there == wanted, (name, dict(wanted - there), dict(there - wanted))
    print("fine")


def spoken() -> list[str]:
    """Who has logged to each log that is counted."""
    forks = [way + f"fork {number}" for number in range(FORKS) for way in ("", "before ", "beside ")]
    last = [f"{way}at the end" for way in ("", "before ", "beside ")]
    return [*(f"thread{one}" for one in range(4)), *forks, "fork", "spawn", "forkserver", "before programs", *last, "last"]


if __name__ == "__main__":
    main()
