"""The interpreter's own threads, for every system.

gevent puts greenlets in the place of threads and locks. What is to happen by itself must not be one: it would wait for a program
that computes and never yields, and one that was begun in a thread of gevent's own pool would never run. So `SYSTEM_THREADS` are
the real ones, whatever was patched, and whether that was done before this package was imported or afterwards.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from .priority import low_priority
from .table import Joinable, Lock, Signal, Threads

__all__ = ["SYSTEM_THREADS", "THREADS", "block_signals", "forks_unannounced", "threads_run_freely"]

_LOOKS, _LOOK = 100, 0.0002  # whether a thread has gone, seconds between two
_FAULTS = ("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT", "SIGTRAP", "SIGSYS")
_OWN_FAULTS = {getattr(signal, name) for name in _FAULTS if hasattr(signal, name)}


def _original(module: str, name: str) -> Any:
    """The interpreter's own, also where gevent has put another one in its place."""
    monkey = sys.modules.get("gevent.monkey")
    return getattr(sys.modules[module], name) if monkey is None else monkey.get_original(module, name)


class _Signal:
    """A lock that is held from the beginning: waiting is taking it. A `threading.Event` would not do: its `set` takes a lock
    that a signal handler in the same thread would wait for."""

    def __init__(self, lock: Any) -> None:
        self._lock = lock
        lock.acquire()

    def wait(self, seconds: float) -> bool:
        """Wait at most so long; whether it was given, now or since the last time."""
        return bool(self._lock.acquire(timeout=min(seconds, threading.TIMEOUT_MAX)))

    def give(self) -> None:
        """Have one that waits go on, or the next one that comes."""
        try:
            self._lock.release()
        except RuntimeError:  # given already, and not taken yet
            pass


class _Thread:
    """A daemon. Not one of `threading`: there `start` waits for the thread's first step, and if a signal handler forks meanwhile
    the child waits for a thread that it does not have."""

    def __init__(self, work: Callable[[], None], begin: Callable[..., Any], end: Signal) -> None:
        self._work = work
        self._end = end
        self._native = 0  # its number in the system
        begin(self._run, ())

    def _run(self) -> None:
        try:
            self._native = _native_id()
            block_signals()
            self._work()
        finally:
            self._end.give()

    def join(self, timeout: float | None = None) -> None:
        """Wait at most so long for its end; a moment longer until the system has let it go, for a fork counts threads."""
        if self._end.wait(threading.TIMEOUT_MAX if timeout is None else timeout):
            self._end.give()
            for _ in range(_LOOKS if self._native != _native_id() else 0):
                if not os.path.exists(f"/proc/self/task/{self._native}"):
                    return
                _pause(_LOOK)


def _native_id() -> int:
    """The calling thread's number in the system; 0 where that is not told: then nobody looks whether the system has let it go."""
    tell: Callable[[], int] | None = getattr(threading, "get_native_id", None)
    return 0 if tell is None else tell()


def block_signals() -> None:
    """Let the program's threads take the signals: one that they all block is to wait, not to be taken here. What a fault of this
    thread itself raises is not blocked."""
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - _OWN_FAULTS)


def threads_run_freely() -> bool:
    """Whether a thread runs by itself. In uWSGI before 2.0.27 without `enable-threads` it runs only while a request is served:
    one that has a lock keeps it until the next request, perhaps for hours."""
    server = sys.modules.get("uwsgi")
    runs: object = getattr(server, "has_threads", None)
    if runs is not None:
        return bool(runs)
    options: dict[object, object] | None = getattr(server, "opt", None)
    if options is None:
        return True
    return any(_is_on(options.get(name)) for name in ("threads", b"threads", "enable-threads", b"enable-threads"))


def forks_unannounced() -> bool:
    """Whether this process may fork at any moment without Python's hooks: uWSGI's master, or who becomes it, or the first worker,
    once the application is loaded. A thread could be in the middle of anything then."""
    server: Any = sys.modules.get("uwsgi")
    try:
        return server is not None and server.worker_id() == 0 and server.masterpid() in {0, os.getpid()}
    except Exception:  # another module of that name
        return False


def _is_on(value: object) -> bool:
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
    return text.lower() not in {"", "0", "false", "no", "none", "off"}


def _start(work: Callable[[], None], _name: str) -> Joinable:
    """A greenlet, if gevent has made those of threads."""
    return _begin(work, _thread.start_new_thread, _Signal(_thread.allocate_lock()))


def _start_system(work: Callable[[], None], _name: str) -> Joinable:
    return _begin(work, _original("_thread", "start_new_thread"), _signal())


def _begin(work: Callable[[], None], begin: Callable[..., Any], end: Signal) -> Joinable:
    if forks_unannounced() or not threads_run_freely():
        raise RuntimeError("no thread in a process that forks without telling, or that lets it run only now and then")
    return _Thread(work, begin, end)


def _signal() -> Signal:
    return _Signal(_original("_thread", "allocate_lock")())


def _identity() -> int:
    return int(_original("_thread", "get_ident")())


def _lock() -> Lock:
    made: Lock = _original("_thread", "RLock")()
    return made


def _pause(seconds: float) -> None:
    _original("time", "sleep")(seconds)


THREADS = Threads(
    identity=threading.get_ident,
    lock=threading.RLock,
    start=_start,
    signal=_signal,
    pause=time.sleep,
    low_priority=low_priority,
    end_process=os._exit,
)
SYSTEM_THREADS = replace(THREADS, identity=_identity, lock=_lock, start=_start_system, signal=_signal, pause=_pause)
