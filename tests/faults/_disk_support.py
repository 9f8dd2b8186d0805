"""Shared by the tests of disks, hooks, access and re-entrancy: a table of operations with entries replaced, a clock that is set
by hand, small file systems, and accounts of what stands in which file.

What a test asserts is read from the disk without the package.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import mpfhandler
from mpfhandler._engine import build, timedlogfile
from mpfhandler._platform import OPERATIONS, Operations

NOBODY = 65534  # an unprivileged user and group; it needs no name
PATIENCE = 60.0  # seconds until a test gives up waiting; nothing else depends on it
START = 1_772_619_600.0  # 2026-03-04 10:20:00 UTC

_HERE = os.path.dirname(os.path.abspath(__file__))


# the table of operations


def use(monkeypatch: pytest.MonkeyPatch, **entries: Callable[..., Any]) -> Operations:
    """Engines that are made from now on have these entries of the table replaced."""
    table = replace(OPERATIONS, **entries)  # type: ignore[arg-type]
    with_table = functools.partial(build.build, ops=table)
    monkeypatch.setattr(build, "build", with_table)
    monkeypatch.setattr(timedlogfile, "build", with_table)
    monkeypatch.setattr(timedlogfile, "OPERATIONS", table)
    return table


class Clock:
    """Wall and monotonic clock of an engine, moved by the test alone."""

    def __init__(self, start: float = START) -> None:
        self.wall = start
        self.steady = 1000.0

    def now(self) -> float:
        """The wall clock."""
        return self.wall

    def step(self, seconds: float) -> None:
        """Time passes."""
        self.wall += seconds
        self.steady += seconds

    def entries(self) -> dict[str, Callable[..., Any]]:
        """For `use`."""
        return {"now": self.now, "monotonic": lambda: self.steady, "sleep": self.step}


def use_clock(monkeypatch: pytest.MonkeyPatch, **entries: Callable[..., Any]) -> Clock:
    """Engines that are made from now on have a clock that is set by hand, and these entries."""
    clock = Clock()
    use(monkeypatch, **{**clock.entries(), **entries})
    return clock


def failing(number: int, text: str = "made to fail") -> Callable[..., Any]:
    """An entry that always fails with this errno."""

    def fail(*arguments: object) -> Any:
        raise OSError(number, os.strerror(number), *(part for part in arguments[:1] if isinstance(part, str)))

    fail.__doc__ = text
    return fail


class Switch:
    """An entry that fails with an errno while it is on, and counts how often it was asked."""

    def __init__(self, entry: Callable[..., Any], number: int = errno.ENOSPC) -> None:
        self.entry = entry
        self.fail = failing(number)
        self.on = False
        self.calls = 0

    def __call__(self, *arguments: Any) -> Any:
        self.calls += 1
        return self.fail(*arguments) if self.on else self.entry(*arguments)


# handlers and records


def collect(handler: logging.Handler) -> list[str]:
    """What the handler reports from now on."""
    reports: list[str] = []
    handler.handleError = lambda _record: reports.append(repr(sys.exc_info()[1]))  # type: ignore[method-assign]
    return reports


def record(text: str, created: float | None = None) -> logging.LogRecord:
    """A record of this message."""
    made = logging.LogRecord("test", logging.INFO, __file__, 1, text, None, None)
    if created is not None:
        made.created = created
    return made


def handler_at(path: Path, when: str = "D", **options: Any) -> mpfhandler.MultProcTimedRotatingFileHandler:
    """A handler in UTC that writes bare messages."""
    return mpfhandler.MultProcTimedRotatingFileHandler(str(path), when, **{"tz": "UTC", **options})


def log_at(path: Path, when: str = "D", **options: Any) -> mpfhandler.TimedLogFile:
    """An engine in UTC."""
    return mpfhandler.TimedLogFile(path, when, **{"tz": "UTC", **options})


def segments(folder: Path, base: str = "app.log") -> list[str]:
    """The names in a folder, without the log's lock file."""
    return sorted(name for name in os.listdir(folder) if name != f"{base}.lock")


def lines(path: Path) -> list[str]:
    """The lines of one file, which must end with a whole one."""
    text = path.read_text()
    assert not text or text.endswith("\n"), f"{path.name} ends in the middle of a line"
    return text.splitlines()


def all_lines(folder: Path, base: str = "app.log") -> list[str]:
    """The lines of the log and all of its segments, also of those that wait for a rotator; oldest file first."""
    ours = [path for path in folder.iterdir() if path.name.lstrip(".").startswith(base) and path.is_file()]
    ours = [path for path in ours if path.suffix not in {".lock", ".debug"}]
    return [line for path in sorted(ours, key=lambda one: (one.name == base, one.name)) for line in lines(path)]


def whole_and_fragments(found: list[str], expected: list[str]) -> tuple[list[str], list[str]]:
    """The lines that are records, and the others, each of which must be the beginning of a record (cut by a full disk; its
    last character was made the line's end)."""
    known = set(expected)
    whole = [line for line in found if line in known]
    rest = [line for line in found if line not in known]
    strange = [line for line in rest if not any(one.startswith(line) for one in expected)]
    assert not strange, f"neither records nor beginnings of some: {strange[:3]}"
    return whole, rest


# waiting, children


def wait_for(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> None:
    """Poll until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)


def python(code: str, *arguments: object, prefix: tuple[str, ...] = (), **options: Any) -> subprocess.CompletedProcess[str]:
    """Run Python on a piece of code until its end, which must be a good one; what it printed."""
    done = subprocess.run(
        [*prefix, sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True, text=True, timeout=PATIENCE * 3, env={**os.environ, "PYTHONPATH": _paths()}, **options,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def start_python(code: str, *arguments: object, **options: Any) -> subprocess.Popen[str]:
    """Start Python on a piece of code, with pipes."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": _paths()}, **options,
    )  # fmt: skip


def ended(child: subprocess.Popen[str]) -> str:
    """Wait for the good end of a child; what it printed."""
    try:
        out, err = child.communicate(timeout=PATIENCE * 3)
    except subprocess.TimeoutExpired:
        child.kill()
        _, err = child.communicate()
        raise AssertionError(f"a child hangs: {err[-3000:]}") from None
    assert child.returncode == 0, err[-3000:]
    return out


def _paths() -> str:
    return os.pathsep.join(filter(None, [_HERE, os.environ.get("PYTHONPATH", "")]))


# what this machine can do


def is_root() -> bool:
    """Whether this process may act as other users."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


needs_root = pytest.mark.skipif(not is_root(), reason="only root may act as another user")


@contextlib.contextmanager
def other_user() -> Iterator[Path]:
    """A folder that the unprivileged user owns and can reach; pytest's own folders are closed to others."""
    with tempfile.TemporaryDirectory(prefix="mpfhandler-test-") as name:
        os.chmod(name, 0o755)
        folder = Path(name) / "own"
        folder.mkdir()
        os.chown(folder, NOBODY, NOBODY)
        yield folder


@contextlib.contextmanager
def tmpfs(folder: Path, options: str) -> Iterator[Path]:
    """A file system in memory, mounted for the test; skips where that is not possible."""
    folder.mkdir(exist_ok=True)
    _mount(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)])
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


@contextlib.contextmanager
def small_blocks(folder: Path) -> Iterator[Path]:
    """An ext4 with blocks of 1024 bytes; skips where that is not possible."""
    image, mount = folder / "image", folder / "small"
    mount.mkdir()
    if shutil.which("mkfs.ext4") is None:
        pytest.skip("mkfs.ext4 is not installed")
    image.write_bytes(b"")
    os.truncate(image, 8 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-b", "1024", str(image)], check=True, capture_output=True)
    _mount(["mount", "-o", "loop", str(image), str(mount)])
    try:
        yield mount
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=False)


def _mount(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False) if is_root() else None
    if done is None or done.returncode:
        pytest.skip(f"file systems cannot be mounted here: {done.stderr.strip() if done else 'not root'}")


@contextlib.contextmanager
def attribute(path: Path, letter: str) -> Iterator[Callable[[], None]]:
    """chattr(1) +letter; the value takes it away again. Skips where the file system has no such attributes."""
    if shutil.which("chattr") is None:
        pytest.skip("chattr is not installed")
    done = subprocess.run(["chattr", f"+{letter}", str(path)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"chattr +{letter}: {done.stderr.strip()}")
    try:
        yield lambda: subprocess.run(["chattr", f"-{letter}", str(path)], check=True) and None
    finally:
        subprocess.run(["chattr", f"-{letter}", str(path)], capture_output=True, check=False)


def fill(folder: Path) -> Path:
    """Use up all the space of a small file system; the file that holds it."""
    filler = folder / "filler"
    with open(filler, "wb", buffering=0) as file:
        size = 65536
        while size:
            try:
                file.write(b"\0" * size)
            except OSError:
                size //= 2
    return filler
