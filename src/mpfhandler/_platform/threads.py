"""The interpreter's own threads, for every system.

gevent puts greenlets in the place of threads and locks. What is to happen by itself must not be one: it would wait for a program
that computes and never yields, and one that was begun in a thread of gevent's own pool would never run. So `SYSTEM_THREADS` are
the real ones, whatever was patched, and whether that was done before this package was imported or afterwards.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from .table import Joinable, Lock, Threads

__all__ = ["SYSTEM_THREADS", "THREADS"]


def _original(module: str, name: str) -> Any:
    """The interpreter's own, also where gevent has put another one in its place."""
    monkey = sys.modules.get("gevent.monkey")
    return getattr(sys.modules[module], name) if monkey is None else monkey.get_original(module, name)


def _start(work: Callable[[], None], name: str) -> Joinable:
    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    return thread


class _Signal:
    """A lock that is held from the beginning: waiting is taking it. A `threading.Event` would not do: its `set` takes a lock
    that a signal handler in the same thread would wait for."""

    def __init__(self) -> None:
        self._lock = _original("_thread", "allocate_lock")()
        self._lock.acquire()

    def wait(self, seconds: float) -> bool:
        """Wait at most so long; whether it was given, now or since the last time."""
        return bool(self._lock.acquire(timeout=min(seconds, threading.TIMEOUT_MAX)))

    def give(self) -> None:
        """Have one that waits go on, or the next one that comes."""
        try:
            self._lock.release()
        except RuntimeError:  # given already, and not taken yet
            pass


class _SystemThread:
    """A thread that gevent knows nothing of."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._end = _Signal()
        _original("_thread", "start_new_thread")(self._run, ())

    def _run(self) -> None:
        try:
            self._work()
        finally:
            self._end.give()

    def join(self, timeout: float | None = None) -> None:
        """Wait at most so long for its end."""
        if self._end.wait(threading.TIMEOUT_MAX if timeout is None else timeout):
            self._end.give()


def _start_system(work: Callable[[], None], name: str) -> Joinable:
    return _start(work, name) if sys.modules.get("gevent.monkey") is None else _SystemThread(work)


def _identity() -> int:
    return int(_original("_thread", "get_ident")())


def _lock() -> Lock:
    made: Lock = _original("_thread", "RLock")()
    return made


def _pause(seconds: float) -> None:
    _original("time", "sleep")(seconds)


THREADS = Threads(identity=threading.get_ident, lock=threading.RLock, start=_start, signal=_Signal, pause=time.sleep)
SYSTEM_THREADS = Threads(identity=_identity, lock=_lock, start=_start_system, signal=_Signal, pause=_pause)
