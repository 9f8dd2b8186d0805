"""Shared by the tests of sealing: a folder with segments, a run over it, processes that die at a chosen call, and an account
that reads files with Python's own modules and the system's programs, not with the package."""

from __future__ import annotations

import bz2
import dataclasses
import gzip
import lzma
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from mpfhandler import SealedSegment
from mpfhandler._platform import OPERATIONS, Operations
from mpfhandler._protocols.duties import Sealed, Sealing, Step
from mpfhandler._protocols.sealing import seal_all
from mpfhandler._pure.naming import Names, SegmentName
from mpfhandler._pure.options import Access, Compression
from mpfhandler._pure.schedule import Schedule
from mpfhandler._resources.report import Reporter
from mpfhandler._resources.tracefile import Trace

HOUR = Schedule.create("H", utc=True)
AT = 1_795_449_600  # 2026-11-23 16:00:00 UTC
END = AT + 3600
NAME = "app.log.2026-11-23_16"
GRACE = 10.0
CONTENT = b"".join(b"2026-11-23 16:00:%02d,000 record %d\n" % (number % 60, number) for number in range(300))
METHODS = ("gz", "zst", "xz", "bz2")


def unpack(path: Path) -> bytes:
    """The content of a file, by its name's ending."""
    data = path.read_bytes()
    if path.suffix == ".zst":
        from backports import zstd

        return bytes(zstd.decompress(data))
    readers: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.decompress, ".xz": lzma.decompress, ".bz2": bz2.decompress}
    return readers.get(path.suffix, bytes)(data)


def make(folder: Path, content: bytes = CONTENT, name: str = NAME, written: float = AT + 3000.5) -> Path:
    """A closed segment."""
    path = folder / name
    path.write_bytes(content)
    path.chmod(0o640)
    os.utime(path, (written + 7, written))
    return path


def contents(folder: Path) -> dict[str, bytes]:
    """What can be seen in a folder, unpacked."""
    return {path.name: unpack(path) for path in sorted(folder.iterdir()) if not path.name.startswith(".")}


def hidden(folder: Path) -> list[str]:
    """The names of what cannot be seen."""
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


class Told:
    """What a run reports."""

    def __init__(self) -> None:
        self.errors: list[Exception] = []
        self.report = Reporter(Trace(OPERATIONS, "", Access(), enabled=False), self.errors.append)

    @property
    def texts(self) -> list[str]:
        return [str(error) for error in self.errors]


class Hook:
    """A user's hook that remembers what it was called with."""

    def __init__(self, name: str = "on_seal") -> None:
        self.seen: list[SealedSegment] = []
        self.fails: list[BaseException] = []
        self.does: Callable[[SealedSegment], object] = lambda _segment: None
        self.step = Step(name, self._run)

    def _run(self, segment: SealedSegment, name: SegmentName, stop: Callable[[], bool]) -> dict[str, object]:
        self.seen.append(segment)
        if self.fails:
            raise self.fails.pop(0)
        self.does(segment)
        return {"calls": len(self.seen)}


def rules(method: str | None = "gz", *steps: Step, delay: float = 0.0, **options: Any) -> Sealing:
    """What is to be done."""
    return Sealing(**{"grace": GRACE, "compression": Compression(method, None, delay), "steps": steps, **options})


def seal(
    folder: Path,
    how: Sealing,
    *,
    ops: Operations = OPERATIONS,
    told: Told | None = None,
    stop: Callable[[], bool] = lambda: False,
    schedule: Schedule = HOUR,
    names: Names | None = None,
    **options: Any,
) -> Sealed:
    """One run, with these options of `seal_all`; whatever it reports fails the test, unless the test asks for it."""
    mine = Told() if told is None else told
    names = Names(str(folder / "app.log"), schedule.suffix) if names is None else names
    options = {"now": END + GRACE, **options}
    done = seal_all(ops, names, str(folder), schedule, how, mine.report, stop, **options)
    if told is None:
        assert mine.errors == []
        assert not done.failed
    return done


class Killed(BaseException):
    """The process is no more."""


OPENERS = {"open_side", "open_new_private", "open_read"}
FREE = {"now", "monotonic", "pid", "threads", "fault", "forbidden", "prepare"}


class Doomed:
    """A process that dies just before a chosen call, or to which a chosen call fails. `calls` counts them."""

    def __init__(self, at: int, error: Callable[[], BaseException] = Killed, ops: Operations = OPERATIONS) -> None:
        self.calls = 0
        self.names: list[str] = []
        self.fds: set[int] = set()
        self._at, self._error = at, error
        self._real = ops
        entries = [entry.name for entry in dataclasses.fields(Operations) if entry.name not in FREE]
        self.ops = dataclasses.replace(ops, **{name: self._entry(name) for name in entries})

    def _entry(self, name: str) -> Callable[..., Any]:
        real: Callable[..., Any] = getattr(self._real, name)

        def call(*arguments: Any) -> Any:
            position, self.calls = self.calls, self.calls + 1
            self.names.append(name)
            error = self._error() if position == self._at else None
            if isinstance(error, Killed) or (position > self._at and self._error is Killed):
                raise Killed
            if error is not None and name not in {"close", "unlock"}:
                raise error
            result = real(*arguments)
            if name in OPENERS:
                self.fds.add(result)
            elif name == "close":
                self.fds.discard(arguments[0])
            return result

        return call

    def bury(self) -> None:
        """What the kernel does: every descriptor is closed, and with it every lock."""
        for fd in self.fds:
            self._real.close(fd)
        self.fds.clear()


def leased(path: Path) -> int:
    """A descriptor with a writer's lease."""
    fd = OPERATIONS.open_side(str(path))
    assert OPERATIONS.try_lock(fd, False)
    return fd


def once(found: Iterable[bytes], content: bytes = CONTENT) -> bool:
    """Whether the content is there in exactly one file."""
    return list(found) == [content]
