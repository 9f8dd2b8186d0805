"""A lower priority for one thread, where the system has priorities of threads."""

from __future__ import annotations

import os
import sys
import threading

__all__ = ["low_priority"]

_NICEST = 19
_OF_THREAD = 1  # IOPRIO_WHO_PROCESS of linux/ioprio.h: a thread by its number
_IDLE = 3 << 13  # IOPRIO_CLASS_IDLE: the disk only when nobody else wants it
_IOPRIO_SET = {"x86_64": 251, "aarch64": 30, "riscv64": 30, "ppc64le": 273, "s390x": 282}  # the C library has no function for it


def low_priority() -> None:
    """Give the calling thread the lowest priority for processor and disk, for the rest of its life. Only on Linux, where these
    are a thread's own: elsewhere the whole program would be slowed down. Never raises: it is a courtesy.
    """
    if sys.platform != "linux":
        return
    thread = threading.get_native_id()
    try:
        os.setpriority(os.PRIO_PROCESS, thread, _NICEST)
    except OSError:
        pass
    number = _IOPRIO_SET.get(os.uname().machine)
    if number is None or sys.maxsize < 1 << 32:
        return
    try:
        import ctypes

        ctypes.CDLL(None).syscall(number, _OF_THREAD, thread, _IDLE)
    except (ImportError, OSError, AttributeError):
        pass
