"""Which descriptors of this process lead to which files."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
from pathlib import Path


def opened_in(place: Path | str) -> set[int]:
    """The numbers of the descriptors that are open on this file or in this folder, whatever else goes on in the process."""
    inside = os.path.realpath(place)
    found = set()
    for number in map(int, os.listdir("/dev/fd")):
        with contextlib.suppress(OSError):  # the listing's own, or closed since by another thread
            name = _name_of(number)
            if name == inside or name.startswith(inside + os.sep):
                found.add(number)
    return found


def _name_of(number: int) -> str:
    if sys.platform == "darwin":
        return os.fsdecode(fcntl.fcntl(number, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0"))
    return os.readlink(f"/proc/self/fd/{number}")
