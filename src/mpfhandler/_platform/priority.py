"""A lower priority for one thread for a while, where the system has priorities of threads that can be taken back.

A nice value can be raised by everybody and lowered by nobody but root, and a thread that is as nice as that may be kept from the
processor while it has the interpreter's lock. So it is the scheduler's class for batch work, which yields to whoever wakes up,
and the disk's idle class.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from functools import cache
from typing import Any

__all__ = ["low_priority"]

_OF_THREAD = 1  # IOPRIO_WHO_PROCESS of linux/ioprio.h: a thread by its number
_IDLE = 3 << 13  # IOPRIO_CLASS_IDLE: the disk only when nobody else wants it
_IOPRIO_SET = {"x86_64": 251, "aarch64": 30, "riscv64": 30, "ppc64le": 273, "s390x": 282}  # the C library has no function; …
_IOPRIO_GET = {machine: number + 1 for machine, number in _IOPRIO_SET.items()}  # … the other one is next to it


def low_priority() -> Callable[[], None]:
    """Give the calling thread a low priority for processor and disk, until what this returns is called by it. Only on Linux,
    where these are a thread's own: elsewhere the whole program would be slowed down. Never raises: it is a courtesy.
    """
    if sys.platform != "linux" or not hasattr(threading, "get_native_id"):
        return _nothing
    thread = threading.get_native_id()
    undo = _batch(thread), _idle_disk(thread)

    def as_before() -> None:
        for one in undo:
            one()

    return as_before


def _batch(thread: int) -> Callable[[], None]:
    if sys.platform != "linux":
        return _nothing

    def as_before() -> None:
        try:
            os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))
        except OSError:
            pass

    try:
        if os.sched_getscheduler(thread) != os.SCHED_OTHER:
            return _nothing  # somebody has chosen another one
        os.sched_setscheduler(thread, os.SCHED_BATCH, os.sched_param(0))
    except (AttributeError, OSError):  # not every interpreter has them, and in musl they answer that there are none
        return _nothing
    return as_before


def _idle_disk(thread: int) -> Callable[[], None]:
    if sys.platform != "linux":
        return _nothing
    machine = os.uname().machine
    if machine not in _IOPRIO_SET or sys.maxsize < 1 << 32:
        return _nothing
    call = _syscall()
    if call is None:
        return _nothing
    before = call(_IOPRIO_GET[machine], _OF_THREAD, thread)
    if before >= 0 and not before >> 13:
        before = 0  # no class: Linux before 5.15 tells a level with it, and does not take that back (EINVAL)
    if before < 0 or call(_IOPRIO_SET[machine], _OF_THREAD, thread, _IDLE) != 0:
        return _nothing

    def as_before() -> None:
        call(_IOPRIO_SET[machine], _OF_THREAD, thread, before)

    return as_before


@cache
def _syscall() -> Any:
    try:
        import ctypes

        return ctypes.CDLL(None).syscall
    except (ImportError, OSError, AttributeError):
        return None


def _nothing() -> None:
    return None
