"""Who has to write what it holds in memory before the process is replaced, starts another one, or ends.

Nothing is installed before the first one registers. The audit hook can never be taken out again, so it does nothing but look up
the event's name for every event that is none of these. Entries are held weakly. Nothing raised here reaches the program.
"""

from __future__ import annotations

import atexit
import sys
from collections.abc import Callable
from typing import Protocol
from weakref import WeakValueDictionary

__all__ = ["Flushable", "at_end_of_process", "register"]

_STARTS = frozenset({"os.exec", "os.posix_spawn", "os.spawn", "os.system", "subprocess.Popen"})


class Flushable(Protocol):
    """What holds something in memory."""

    def flush(self) -> None:
        """Write it."""

    def at_exit(self) -> None:
        """Write it, and hold nothing from now on: the interpreter ends."""


_everyone: WeakValueDictionary[int, Flushable] = WeakValueDictionary()
_installed = False
_process = 0  # whose end is known of


def register(one: Flushable) -> None:
    """Tell this object of every such moment from now on, as long as it lives."""
    global _installed
    _everyone[id(one)] = one
    if not _installed:
        _installed = True
        atexit.register(_at_exit)
        try:
            sys.addaudithook(_audit)
        except Exception:  # another hook does not want one
            return


def at_end_of_process(pid: int) -> None:
    """A child of `multiprocessing` ends without the interpreter's exit handlers (before Python 3.13), but with its own."""
    global _process
    util = sys.modules.get("multiprocessing.util")
    if util is not None and _process != pid:
        _process = pid
        util.Finalize(None, _flush, exitpriority=-100)  # after the program's own, which may log


def _alive() -> list[Flushable]:
    """A snapshot in one step of the interpreter: another thread may be registering."""
    return [one for reference in _everyone.valuerefs() if (one := reference()) is not None]


def _audit(event: str, _arguments: tuple[object, ...]) -> None:
    if event in _STARTS:
        _flush()


def _flush() -> None:
    _tell(lambda one: one.flush())


def _at_exit() -> None:
    _tell(lambda one: one.at_exit())


def _tell(call: Callable[[Flushable], None]) -> None:
    for one in _alive():
        try:
            call(one)
        except Exception:
            continue
