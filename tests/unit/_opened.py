"""Which descriptors of this process lead to which files."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable
from pathlib import Path


def opened_in(place: Path | str) -> set[int]:
    """The numbers of the descriptors that are open on this file or in this folder, whatever else goes on in the process."""
    inside = os.path.realpath(place)
    found = set()
    for number in _numbers():
        with contextlib.suppress(OSError):  # the listing's own, or closed since by another thread
            name = _name_of(number)
            if name == inside or name.startswith(inside + os.sep):
                found.add(number)
    return found


def _numbers() -> Iterable[int]:
    return range(3, 1024) if sys.platform == "win32" else map(int, os.listdir("/dev/fd"))


def _name_of(number: int) -> str:
    if sys.platform == "win32":
        import ctypes
        import msvcrt

        text = ctypes.create_unicode_buffer(1024)
        handle = ctypes.c_void_p(msvcrt.get_osfhandle(number))
        if not ctypes.WinDLL("kernel32").GetFinalPathNameByHandleW(handle, text, len(text), 0):
            raise OSError(number)
        return text.value.removeprefix("\\\\?\\")
    if sys.platform == "darwin":
        import fcntl

        return os.fsdecode(fcntl.fcntl(number, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0"))
    return os.readlink(f"/proc/self/fd/{number}")
