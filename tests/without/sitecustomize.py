"""Takes away what another system, C library or interpreter does not have, before anything of the program is imported.

The variable `WITHOUT` names it; the folder of this file is in `PYTHONPATH`, so programs that a program starts do without it, too.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import NoReturn


def _delete(module: str, *names: str) -> Callable[[], None]:
    def take_away() -> None:
        for name in names:
            if hasattr(found := __import__(module), name):
                delattr(found, name)

    return take_away


def _hide(*names: str) -> Callable[[], None]:
    """Functions of the C library."""

    def take_away() -> None:
        import ctypes

        get = ctypes.CDLL.__getattr__

        def has(library: ctypes.CDLL, name: str) -> object:
            if name in names:
                raise AttributeError(name)
            return get(library, name)

        ctypes.CDLL.__getattr__ = has  # type: ignore[method-assign]

    return take_away


def _no_ctypes() -> None:
    sys.modules["ctypes"] = None  # type: ignore[assignment]


def _no_thread_numbers() -> None:
    import threading

    threading._HAVE_THREAD_NATIVE_ID = False  # type: ignore[attr-defined]
    _delete("threading", "get_native_id")()


def _no_schedulers() -> None:
    """As musl has them: they are there, and answer that they are not."""

    def refuse(*_arguments: object) -> NoReturn:
        raise OSError(38, "Function not implemented")

    for name in ("sched_getscheduler", "sched_setscheduler"):
        if hasattr(os, name):
            setattr(os, name, refuse)


SWITCHES: dict[str, Callable[[], None]] = {
    "F_DUPFD_CLOEXEC": _delete("fcntl", "F_DUPFD_CLOEXEC"),
    "O_CLOEXEC": _delete("os", "O_CLOEXEC", "O_NOCTTY"),
    "renameat2": _hide("renameat2", "renamex_np"),
    "statfs": _hide("statfs"),
    "ctypes": _no_ctypes,
    "statx": _delete("os", "statx", "STATX_BTIME"),
    "posix_spawn": _delete("os", "posix_spawn", "posix_spawnp"),
    "get_native_id": _no_thread_numbers,
    "sched_setscheduler": _delete("os", "sched_getscheduler", "sched_setscheduler", "SCHED_BATCH", "SCHED_IDLE", "sched_param"),
    "ENOSYS": _no_schedulers,
}

for _name in os.environ.get("WITHOUT", "").split():
    SWITCHES[_name]()
