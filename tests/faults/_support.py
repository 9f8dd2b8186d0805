"""Shared by the fault tests: children that log, a clock that can be set, and an account of every record.

A record is one line: `<created> <name>`. The account is kept without the package: files are found by listing the
folder, and the period of a record is told by `time.strftime`.
"""

from __future__ import annotations

import collections
import contextlib
import fcntl
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

PATIENCE = 60.0  # seconds until a test gives up on another process; nothing is asserted about it
FORMAT = "%(created)r %(message)s"
SUFFIXES = {"S": "%Y-%m-%d_%H-%M-%S", "M": "%Y-%m-%d_%H-%M", "H": "%Y-%m-%d_%H", "D": "%Y-%m-%d"}

_HERE = os.path.dirname(os.path.abspath(__file__))
_FAKETIME = (
    "/usr/lib/*/faketime/libfaketime.so.1",
    "/usr/lib*/faketime/libfaketime.so.1",
    "/usr/local/lib/faketime/libfaketime.so.1",
)


# an account of every record


@dataclass(frozen=True)
class Line:
    """One record as it stands on disk."""

    file: str
    created: float
    name: str


def log_files(folder: Path, base: str = "app.log") -> list[Path]:
    """The log and its segments, whatever they are called, but for the lock and the debug file."""
    ours = (path for path in folder.iterdir() if path.name.startswith(base))
    return sorted(path for path in ours if path.suffix not in {".lock", ".debug"} and path.is_file())


def read_lines(paths: Iterable[Path]) -> list[Line]:
    """Every record of these files; a line that is none (torn, glued) fails the test."""
    found: list[Line] = []
    for path in paths:
        text = path.read_text()
        assert not text or text.endswith("\n"), f"{path.name} ends in the middle of a line"
        for line in text.splitlines():
            match = re.fullmatch(r"(-?[0-9.e+]+|-?inf|nan) (\S+)", line)
            assert match, f"{path.name} has a line that is no record: {line!r}"
            found.append(Line(path.name, float(match[1]), match[2]))
    return found


def verify(folder: Path, expected: Iterable[str], when: str | None = None, base: str = "app.log") -> list[Line]:
    """Every expected record is there once and whole and nothing else is; with `when`, each in the file of its period."""
    lines = read_lines(log_files(folder, base))
    counts = collections.Counter(line.name for line in lines)
    names = set(expected)
    assert not (lost := sorted(names - set(counts))), f"{len(lost)} of {len(names)} records lost: {lost[:5]}"
    assert not (strange := sorted(set(counts) - names)), f"{len(strange)} unknown records: {strange[:5]}"
    assert not (doubled := [name for name, count in counts.items() if count > 1]), f"doubled: {doubled[:5]}"
    if when is not None:
        assert not (wrong := misfiled(lines, when, base)), f"{len(wrong)} misfiled: {wrong[:5]}"
    return lines


def misfiled(lines: Iterable[Line], when: str, base: str = "app.log") -> list[Line]:
    """The records that are not in the file of their period; the active file holds one period, that of its last line."""
    lines = list(lines)
    active = [line for line in lines if line.file == base]
    here = period_name(active[-1].created, when) if active else ""
    names = {base: here}
    for line in lines:
        names.setdefault(line.file, re.sub(r"\.[1-9]\d*\Z", "", line.file[len(base) + 1 :]))
    return [line for line in lines if names[line.file] != period_name(line.created, when)]


def period_name(created: float, when: str) -> str:
    """The suffix of the segment that a record belongs to (interval 1)."""
    return time.strftime(SUFFIXES[when], time.localtime(created))


def segment_names(folder: Path, base: str = "app.log") -> list[str]:
    """The suffixes of the closed segments, sorted."""
    return [path.name[len(base) + 1 :] for path in log_files(folder, base) if path.name != base]


@contextlib.contextmanager
def zone(name: str) -> Iterator[None]:
    """The system's time zone, for this process."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = name
    time.tzset()
    try:
        yield
    finally:
        os.environ.pop("TZ")
        if before is not None:
            os.environ["TZ"] = before
        time.tzset()


# waiting


def wait_for(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> None:
    """Poll until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)


def early_in_a_second() -> float:
    """Wait until a second has just begun, so that several steps fit into it; the time then."""
    wait_for(lambda: time.time() % 1 < 0.2, "the beginning of a second")
    return time.time()


def next_second() -> float:
    """Wait until the next second has begun; the time then."""
    now = int(time.time())
    wait_for(lambda: int(time.time()) > now, "the next second")
    return time.time()


# children


def start(code: str, *arguments: object, env: dict[str, str] | None = None, **options: Any) -> subprocess.Popen[str]:
    """Start Python on a piece of code, with pipes; `from _support import *` works in it."""
    paths = [_HERE, os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), **(env or {})}
    options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    command = [sys.executable, "-c", dedent(code), *map(str, arguments)]
    return subprocess.Popen(command, env=environment, text=True, **options)


def finish(child: subprocess.Popen[str], quiet: bool = True, seconds: float = 0.0) -> str:
    """Wait for a child that must end well, without a word on stderr from `logging` or of an exception; its stdout.

    Args:
        seconds: that it works by design, on top of the patience.
    """
    try:
        out, err = child.communicate(timeout=seconds + PATIENCE)
    except subprocess.TimeoutExpired:
        child.kill()
        out, err = child.communicate()
        raise AssertionError(f"a child hangs; stdout {out!r}, stderr {err!r}") from None
    assert child.returncode == 0, err
    if quiet:
        assert "Traceback" not in err and "Logging error" not in err and "Exception ignored" not in err, err  # noqa: PT018
    return out


def run(code: str, *arguments: object, env: dict[str, str] | None = None, quiet: bool = True, **options: Any) -> str:
    """Start a child and wait for its good end; its stdout."""
    return finish(start(code, *arguments, env=env, **options), quiet)


@contextlib.contextmanager
def ended(*children: subprocess.Popen[str]) -> Iterator[None]:
    """Whatever the test does, these children do not outlive it (stopped ones die of SIGKILL, too)."""
    try:
        yield
    finally:
        for child in children:
            if child.poll() is None:
                child.kill()
            child.wait()
            for pipe in (child.stdin, child.stdout, child.stderr):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()


class Worker:
    """A process with a handler that logs on command, so that a test decides what happens between two records.

    Options are written as Python, for example `when="H"`.
    """

    _CODE = """
        import sys
        from _support import *
        tag, path = sys.argv[1:3]
        errors = []
        logger, handler = make_logger(path, errors, **eval(sys.argv[3]))
        say("ready")
        count = 0
        for line in sys.stdin:
            command, _, rest = line.strip().partition(" ")
            if command == "log":
                for _ in range(int(rest)):
                    logger.info("%s-%d", tag, count)
                    count += 1
                say(count)
            elif command == "eval":
                say(repr(eval(rest)))
    """

    def __init__(self, tag: str, path: Path, env: dict[str, str] | None = None, **options: object) -> None:
        self.tag = tag
        self.count = 0
        self.process = start(self._CODE, tag, path, repr(options), env=env)
        assert self._answer() == "ready"

    def log(self, number: int = 1) -> None:
        """Log so many records; returns when the last call has returned."""
        self.count = int(self._ask(f"log {number}"))

    def ask(self, expression: str) -> Any:
        """The value of an expression in the worker, where `handler`, `logger` and `errors` are known."""
        return eval(self._ask(f"eval {expression}"))

    def names(self) -> set[str]:
        """The names of the records whose calls have returned."""
        return record_names(self.tag, self.count)

    def stop(self) -> None:
        """End the process as a program ends."""
        finish(self.process)

    def __enter__(self) -> Worker:  # noqa: PYI034  Self is not in Python 3.10
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.process.communicate(timeout=PATIENCE)  # closes its stdin, and that ends it
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()

    def _ask(self, line: str) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> str:
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        return line.strip()


def record_names(tag: str, count: int) -> set[str]:
    """The names that a writer with this tag gives to its records."""
    return {f"{tag}-{number}" for number in range(count)}


# in the children


def make_logger(path: object, seen: list[str] | None = None, **options: Any) -> tuple[logging.Logger, Any]:
    """A logger of its own with one of our handlers; what that reports goes to `seen`, if given, instead of to stderr."""
    import mpfhandler

    class Collecting(mpfhandler.MultProcTimedRotatingFileHandler):
        def handleError(self, record: logging.LogRecord) -> None:
            assert seen is not None
            seen.append(record.getMessage() if record.name == "mpfhandler" else repr(sys.exc_info()[1]))

    kind = mpfhandler.MultProcTimedRotatingFileHandler if seen is None else Collecting
    handler = kind(str(path), **{"when": "S", **options})
    handler.setFormatter(logging.Formatter(FORMAT))
    logger = logging.Logger(f"test {path}")
    logger.addHandler(handler)
    return logger, handler


def replace_operation(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Put a function in the place of an entry of this process's table of operations; the entry that was there."""
    from mpfhandler._platform import OPERATIONS

    before: Callable[..., Any] = getattr(OPERATIONS, name)
    object.__setattr__(OPERATIONS, name, function)
    return before


def say(*words: object) -> None:
    """Tell the test something."""
    print(*words, flush=True)


def log_for(tag: str, path: object, seconds: float, pause: float = 0.0, **options: Any) -> None:
    """Log as `tag` for some seconds and say how many records that were."""
    logger, _handler = make_logger(path, **options)
    end = time.monotonic() + seconds
    count = 0
    while time.monotonic() < end:
        logger.info("%s-%d", tag, count)
        count += 1
        if pause:
            time.sleep(pause)
    say(count)


LOG_FOR = "import sys; from _support import *; log_for(sys.argv[1], sys.argv[2], float(sys.argv[3]), **eval(sys.argv[4]))"


def start_writers(tags: Iterable[str], path: object, seconds: float, **options: object) -> dict[str, subprocess.Popen[str]]:
    """One process for each tag, logging for some seconds."""
    return {tag: start(LOG_FOR, tag, path, seconds, repr(options)) for tag in tags}


def written(writers: dict[str, subprocess.Popen[str]]) -> set[str]:
    """Wait for these writers; the names of everything they logged."""
    names: set[str] = set()
    for tag, child in writers.items():
        names |= record_names(tag, int(finish(child)))
    return names


# a clock that can be set


class FakeClock:
    """The wall clock of child processes, by libfaketime: it runs, and a test sets it at any time."""

    def __init__(self, folder: Path) -> None:
        self._library = self.library()
        self._file = folder / "clock"
        self._folder = folder
        self.env = {
            "LD_PRELOAD": self._library,
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
        self.offset = 0.0

    @staticmethod
    def library() -> str:
        """The path of libfaketime, or nothing."""
        import glob

        return next((path for pattern in _FAKETIME for path in glob.glob(pattern)), "")

    def set(self, moment: str | float) -> None:
        """Set it to a local time such as `2026-03-01 12:00:00`, or to epoch seconds."""
        when = time.mktime(time.strptime(moment, "%Y-%m-%d %H:%M:%S")) if isinstance(moment, str) else moment
        self._write(when - time.time())

    def step(self, seconds: float) -> None:
        """Set it forward, or back."""
        self._write(self.offset + seconds)

    def now(self) -> float:
        """What the children's clock shows."""
        return time.time() + self.offset

    def _write(self, offset: float) -> None:
        """In one step: a child reads the file at every look at the clock."""
        self.offset = round(offset, 3)
        fresh = self._folder / "clock.new"
        fresh.write_text(f"{self.offset:+.3f}")
        os.replace(fresh, self._file)


def leased(path: Path) -> bool:
    """Whether somebody has a lock on the file."""
    fd = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
