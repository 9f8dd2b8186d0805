"""Do two mounts of one folder exclude each other? For a log that several machines are to write to.

On one machine the two mounts of a network drive have to be of two clients to tell anything of two machines: run it where both are
seen, or mount the drive twice (NFS: in two network namespaces).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass

from ..._engine.timedlogfile import TimedLogFile
from ..._platform import OPERATIONS
from ..._resources.descriptors import close_quietly
from .filesystem import FileSystem, file_system
from .probe import appends_by

__all__ = ["PAIR_RATE", "Pair", "compare", "not_one_folder"]

PAIR_RATE = 1 << 20  # bytes a second of all records; fewer come, for each is flushed before the next one
_PATIENCE = 5.0  # seconds until the other mount shows what has changed: clients remember for some
_PAUSE = 0.05
_MODULE = f"{__package__}.pair" if __package__ else "pair"
_REMEDY = (
    "give each machine a file of its own (a path may contain {host}), log to a local disk and have a shipper or archive= bring "
    "it together, or name a folder whose locks exclude by lock_dir"
)


@dataclass(frozen=True)
class Pair:
    """What was found out; None where it could not be tried out."""

    first: str
    second: str
    kinds: tuple[str, str]
    one_mount: bool  # the two are the same mount: what is told is of one machine
    locks: bool  # what one has locked, the other is refused, and has afterwards
    appends: bool | None  # of two processes all lines are there
    acknowledged: int
    lost: int
    doubled: int
    torn: int
    mute: int = 0  # of the processes, those that could not log

    @property
    def excludes(self) -> bool:
        """Whether one log may be written to by way of both, with `locking="record"`."""
        return self.locks and self.acknowledged > 0 and not (self.lost or self.doubled or self.torn or self.mute)

    def text(self) -> str:
        """For people."""
        appends = {None: "not tried", True: "one after the other", False: "overwrite each other"}[self.appends]
        rows = {
            "first": f"{self.first}, {self.kinds[0]}",
            "second": f"{self.second}, {self.kinds[1]}",
            "locks": "exclude" if self.locks else "do not exclude",
            "appends without a lock": appends,
        }
        if self.locks:
            rows |= {
                "records with locking='record'": str(self.acknowledged),
                "lost": str(self.lost),
                "doubled": str(self.doubled),
                "torn": str(self.torn),
            }
        if self.mute:
            rows["processes that could not log"] = str(self.mute)
        width = max(map(len, rows))
        lines = [f"{key.ljust(width)}  {value}" for key, value in rows.items()]
        if self.one_mount:
            lines.append("warning: both are one mount, so nothing is told of two machines")
        return "\n".join([*lines, self._verdict()])

    def json(self) -> str:
        """For programs."""
        return json.dumps({**asdict(self), "excludes": self.excludes, "verdict": self._verdict()})

    def _verdict(self) -> str:
        if self.excludes and self.appends:
            return "PASS: they exclude each other; all lines were there without the lock, too, which may have been luck"
        if self.excludes:
            return "PASS: they exclude each other; both may write to one log with locking='record' (or 'auto')"
        if self.mute and not (self.lost or self.doubled or self.torn):
            return "FAIL: not every process could log, so nothing is told of both"
        return f"FAIL: they do not exclude each other; {_REMEDY}"


def not_one_folder(first: str, second: str) -> str | None:
    """Why the two are not the same folder; None if they are: what is put into one is in the other one, too."""
    fd, path = tempfile.mkstemp(prefix=".mpfhandler-check-", dir=first)
    text = os.path.basename(path).encode()
    try:
        os.write(fd, text)
        os.fsync(fd)
        os.close(fd)
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            try:
                os.listdir(second)
                with open(os.path.join(second, os.path.basename(path)), "rb") as file:
                    if file.read() == text:
                        return None
            except OSError:
                pass
            time.sleep(_PAUSE)
    finally:
        os.unlink(path)
    return f"DIR2={second!r}: what is put into {first!r} does not appear there; name two mounts of one folder"


def compare(first: str, second: str, seconds: float) -> Pair:
    """Try it out, in a folder that is removed again.

    Args:
        first: a folder.
        second: the same one, by way of another mount.
        seconds: of logging.
    """
    where: list[FileSystem] = [file_system(first), file_system(second)]
    folder = tempfile.mkdtemp(prefix="mpfhandler-check-", dir=first)
    twin = os.path.join(second, os.path.basename(folder))
    try:
        _wait_for(twin)
        locks = _excludes(folder, twin) and _excludes(twin, folder)
        appends = appends_by([os.path.join(folder, ".probe-append"), os.path.join(twin, ".probe-append")])
        counts = _log(folder, twin, seconds) if locks else (0, 0, 0, 0, 0)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    one = os.stat(first).st_dev == os.stat(second).st_dev
    return Pair(first, second, (where[0].kind, where[1].kind), one, locks, appends, *counts)


def _wait_for(path: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not os.path.exists(path) and time.monotonic() < deadline:
        os.listdir(os.path.dirname(path))
        time.sleep(_PAUSE)


def _excludes(folder: str, twin: str) -> bool:
    """While the lock is held here it is not had there; once it is given back it is, and only then."""
    ops = OPERATIONS
    held, other = -1, -1
    try:
        held, _ = ops.open_lock(os.path.join(folder, "lock"), 0o600)
        if not ops.try_lock(held, True):
            return False
        other, _ = ops.open_lock(os.path.join(twin, "lock"), 0o600)
        if ops.try_lock(other, True):
            return False
        ops.unlock(held)
        deadline = time.monotonic() + _PATIENCE
        while not (had := ops.try_lock(other, True)) and time.monotonic() < deadline:
            time.sleep(_PAUSE)
        return had and not ops.try_lock(held, True)
    except OSError:
        return False
    finally:
        for fd in (held, other):
            if fd >= 0:
                close_quietly(ops, fd)


def _log(folder: str, twin: str, seconds: float) -> tuple[int, int, int, int, int]:
    """Two processes on each mount log for a while; records acknowledged, lost, doubled, torn lines, and who wrote none."""
    names = [(os.path.join(one, "app.log"), f"p{number}") for number, one in enumerate([folder, twin] * 2)]
    writers = [
        subprocess.Popen([sys.executable, "-m", _MODULE, path, name, str(seconds)], stdout=subprocess.PIPE)
        for path, name in names
    ]
    counts = [int(one.communicate()[0] or 0) for one in writers]
    acknowledged = {(name, number) for (_, name), count in zip(names, counts, strict=True) for number in range(count)}
    seen: Counter[tuple[str, int]] = Counter()
    torn = 0
    for file in os.listdir(folder):
        if file.startswith("app.log") and not file.endswith(".lock"):
            with open(os.path.join(folder, file), "rb") as log:
                for line in log.read().splitlines():
                    name, _, rest = line.decode("ascii", "replace").partition(" ")
                    number, _, filling = rest.partition(" ")
                    if number.isdigit() and filling == _filling(int(number)):
                        seen[name, int(number)] += 1
                    else:
                        torn += 1
    doubled = sum(times > 1 for times in seen.values())
    return len(acknowledged), len(acknowledged - set(seen)), doubled, torn, counts.count(0)


def _filling(number: int) -> str:
    return "x" * (20 + number * 37 % 400)


def _write(path: str, name: str, seconds: float) -> int:
    """How many of this process's records were acknowledged."""
    number = 0
    with TimedLogFile(path, "S", locking="record") as log:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            log.write(f"{name} {number} {_filling(number)}")
            number += 1
        log.close()
        return number - log.stats().lost


if __name__ == "__main__":
    print(_write(sys.argv[1], sys.argv[2], float(sys.argv[3])))
