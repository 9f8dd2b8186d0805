"""Shared by the tests of buffered delivery: logs whose flusher never runs, a disk that stalls, a signal at any point."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from _disk_support import handler_at, record, use

import mpfhandler
from mpfhandler import TimedLogFile
from mpfhandler._engine.buffer import Buffer
from mpfhandler._platform import OPERATIONS

PAGE = 4096
PACKAGE = os.path.dirname(mpfhandler.__file__) + os.sep


class NeverRuns:
    """A thread that was started, as far as anybody can tell."""

    def join(self, timeout: float | None = None) -> None:
        """It has ended."""


def without_flusher(monkeypatch: pytest.MonkeyPatch, **entries: Any) -> None:
    """Logs that are made from now on have no thread: what is in the buffer stays there until something else flushes it."""
    threads = replace(OPERATIONS.threads, start=lambda _work, _name: NeverRuns())
    use(monkeypatch, threads=threads, **entries)


def buffer_of(log: TimedLogFile) -> Buffer:
    """What it writes to."""
    sink = log._sink
    assert isinstance(sink, Buffer)
    return sink


class Writes:
    """The entry `write`, which takes down what it was given. If `cut` is set, the next write takes only so many bytes."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []
        self.cut: int | None = None

    def __call__(self, fd: int, data: bytes) -> int:
        self.seen.append(data)
        cut, self.cut = self.cut, None
        return os.write(fd, data[:cut])


class Stall:
    """The entry `write` of a disk that takes nothing while it is `closed`, and then everything."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.open.set()
        self.waiting = threading.Event()  # somebody waits for it

    def __call__(self, fd: int, data: bytes) -> int:
        if not self.open.is_set():
            self.waiting.set()
            assert self.open.wait(60)
        return os.write(fd, data)

    @contextlib.contextmanager
    def closed(self) -> Iterator[None]:
        """Stalled until the end of the block."""
        self.waiting.clear()
        self.open.clear()
        try:
            yield
        finally:
            self.open.set()


def on_a_stalling_disk(
    path: Path, monkeypatch: pytest.MonkeyPatch, **options: Any
) -> tuple[Stall, mpfhandler.MultProcTimedRotatingFileHandler]:
    """A handler with a quick flusher, whose log is open and holds one record, and its disk."""
    stall = Stall()
    use(monkeypatch, write=stall)
    handler = handler_at(path, delivery="buffered", flush_interval=0.01, **options)
    handler.handle(record("opens"))
    handler.flush()
    return stall, handler


def at_point(point: int, act: Callable[[], object], run: Callable[[], object]) -> str | None:
    """Run, and act at the n-th place where the interpreter could run a signal handler; where that was, or None if it was over
    before. Places are function entries and returns from C of this package."""
    count, where = 0, None

    def trace(frame: FrameType, event: str, arg: object) -> None:
        nonlocal count, where
        if event in {"call", "c_return"} and frame.f_code.co_filename.startswith(PACKAGE) and frame.f_code.co_name != "__del__":
            count += 1
            if count == point:
                where = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno} {event} {getattr(arg, '__name__', '')}"
                sys.setprofile(None)
                act()

    sys.setprofile(trace)
    try:
        run()
    finally:
        sys.setprofile(None)
    return where
