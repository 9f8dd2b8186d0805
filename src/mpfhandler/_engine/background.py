"""What an engine does in its housekeeper's thread: the work that a record has asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from .._platform import FileId, Lock, Operations
from .active import Active
from .backlog import Backlog

__all__ = ["Background", "Engine"]

_BACKLOG_PAUSE = 0.05  # seconds between two looks whether records that wait can be tried again


class Engine(Protocol):
    """What is needed of the engine; its lock guards all of it."""

    lock: Lock
    _ops: Operations
    _active: Active
    _backlog: Backlog
    _busy: bool

    def _run(self, prepare: Callable[[], None]) -> None: ...
    def _refresh(self) -> None: ...


class Background:
    """The background work of one engine. Takes the engine's lock only for moments in which nothing waits for a disk's work."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def work(self, stop: Callable[[], bool]) -> None:
        """Everything that no logging call is to wait for."""
        self._engine._active.closed.tidy(stop, self.let_go)
        self.write_waiting(stop)

    def let_go(self, files: set[FileId]) -> None:
        """Close those of these files that are kept for late records."""
        engine = self._engine
        with engine.lock:
            if not engine._busy:
                engine._active.let_go(files)

    def write_waiting(self, stop: Callable[[], bool]) -> None:
        """Try what waits for the disk again: perhaps no further record comes to do it."""
        engine = self._engine
        ops = engine._ops
        while engine._backlog and not stop():
            ops.threads.pause(_BACKLOG_PAUSE)
            if ops.monotonic() >= engine._backlog.retry.until and engine.lock.acquire(timeout=_BACKLOG_PAUSE):
                try:
                    if not engine._busy:
                        engine._run(engine._refresh)
                finally:
                    engine.lock.release()
