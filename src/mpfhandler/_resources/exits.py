"""Who has to write what it holds in memory before the process is replaced, starts another one, or ends.

Nothing is installed before the first one registers. The audit hook can never be taken out again, so it does nothing but look up
the event's name for every event that is none of these. It is called until the very end of the interpreter, when the globals of
this module are gone: what it needs it has with it. Entries are held weakly. Nothing raised here reaches the program.

CPython 3.13.0 may crash at its end if there is any audit hook: there is none in that version, and `os.exec*` loses what is in
memory.
"""

from __future__ import annotations

import atexit
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar
from weakref import WeakValueDictionary

from .._platform import Patience

__all__ = ["Ending", "Flushable", "register", "register_end", "watch_end_of_process"]

_STARTS = frozenset({"os.exec", "os.posix_spawn", "os.spawn", "os.system", "subprocess.Popen"})
_PATIENCE = 1.0  # seconds that the start of another program waits for the disk, and the interpreter's end for all threads
_CRASHES = sys.implementation.name == "cpython" and sys.version_info[:3] == (3, 13, 0)
_UTIL = "multiprocessing.util"
_T = TypeVar("_T")


class Flushable(Protocol):
    """What holds something in memory."""

    def begin_to_settle(self) -> None:
        """Have it written, without waiting."""

    def settle(self, patience: Patience) -> None:
        """Wait for that."""

    def begin_to_end(self) -> None:
        """The interpreter ends: have it written, without waiting, and hold nothing from now on."""

    def at_exit(self, patience: Patience) -> None:
        """Write what is left of it. The patience is for threads, not for the disk."""


class Ending(Protocol):
    """What has a thread that must not be frozen anywhere."""

    def begin_to_end(self) -> None:
        """The interpreter ends: have it end, without waiting."""

    def at_exit(self, patience: Patience) -> None:
        """Wait for that."""


_everyone: WeakValueDictionary[int, Flushable] = WeakValueDictionary()
_ending: WeakValueDictionary[int, Ending] = WeakValueDictionary()
_installed = _installed_end = False
_finalizer: Any = None  # of multiprocessing, in this process
_watched = False  # multiprocessing makes another one in every child


def register(one: Flushable) -> None:
    """Tell this object of every such moment from now on, as long as it lives."""
    global _installed
    if not threading.main_thread().is_alive():  # the interpreter is ending, and calls nobody who registers now
        one.begin_to_end()
        one.at_exit(Patience(_PATIENCE))
    _everyone[id(one)] = one
    if not _installed:
        _installed = True
        atexit.register(_at_exit)
        try:
            if not _CRASHES:
                sys.addaudithook(_audit)
        except Exception:  # another hook does not want one
            return


def register_end(one: Ending) -> None:
    """Tell this object of the end of the interpreter alone, as long as it lives; at once, if that has come."""
    global _installed_end
    if not threading.main_thread().is_alive():
        one.begin_to_end()
        return
    _ending[id(one)] = one
    if not _installed_end:
        _installed_end = True
        atexit.register(_end)


def watch_end_of_process() -> None:
    """A child of `multiprocessing` ends without the interpreter's exit handlers (before Python 3.13), but with its own. It
    forgets those that were there before its function began, and then does what it was asked to do after a fork."""
    global _watched
    util = sys.modules.get(_UTIL)
    if util is None or not hasattr(util, "Finalize"):  # another thread is just importing it: a child asks once more
        return
    if not _watched:
        _watched = True
        util.register_after_fork(_everyone, _finalize)
    if _finalizer is None or not _finalizer.still_active():
        _finalize()


def _finalize(_registered: object = None) -> None:
    global _finalizer
    _finalizer = sys.modules[_UTIL].Finalize(None, _at_exit, exitpriority=-100)  # after the program's own, which may log


def _alive() -> list[Flushable]:
    """A snapshot in one step of the interpreter: another thread may be registering."""
    return [one for reference in _everyone.valuerefs() if (one := reference()) is not None]


def _end() -> None:
    """Everyone is told to end, and waited for together, however many there are."""
    _end_all([one for reference in _ending.valuerefs() if (one := reference()) is not None])


def _end_all(everyone: Sequence[Ending | Flushable]) -> None:
    _tell(everyone, lambda one: one.begin_to_end())
    patience = Patience(_PATIENCE)
    _tell(everyone, lambda one: one.at_exit(patience))


def _before_start() -> None:
    everyone, patience = _alive(), Patience(_PATIENCE)
    _tell(everyone, lambda one: one.begin_to_settle())
    _tell(everyone, lambda one: one.settle(patience))


def _audit(
    event: str,
    _arguments: tuple[object, ...],
    _starts: frozenset[str] = _STARTS,
    _call: Callable[[], None] = _before_start,
    _error: type[Exception] = Exception,
) -> None:
    if event in _starts:
        try:
            _call()
        except _error:  # the interpreter is coming to its end
            return


def _at_exit() -> None:
    _end_all(_alive())


def _tell(everyone: Sequence[_T], call: Callable[[_T], None]) -> None:
    for one in everyone:
        try:
            call(one)
        except Exception:
            continue
