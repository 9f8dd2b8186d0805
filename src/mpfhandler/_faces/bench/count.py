"""What the files hold afterwards: every whole record that was logged, wherever a rotation has put it."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator

from .contender import MARK, TAIL

__all__ = ["logs_in", "surviving"]

_SIDE_FILES = (".lock", ".debug")


def surviving(folder: str, *, distinct: bool = True) -> int:
    """How many whole records stand in all files of a folder that one log had to itself; equal ones count once, if they differ."""
    if not distinct:
        return sum(1 for name in logs_in(folder) for _ in _whole(name))
    found: set[bytes] = set()
    for name in logs_in(folder):
        found.update(_whole(name))
    return len(found)


def logs_in(folder: str) -> list[str]:
    """The log, and what rotations made of it, under whatever name."""
    return sorted(one.path for one in os.scandir(folder) if one.is_file() and not one.name.endswith(_SIDE_FILES))


def _whole(name: str) -> Iterator[bytes]:
    """What identifies each line that begins and ends as a record of ours does; as far as the file can be read."""
    try:
        with gzip.open(name, "rb") if name.endswith(".gz") else open(name, "rb") as log:
            for line in log:
                _, mark, rest = line.rpartition(MARK)
                if mark and rest.endswith(TAIL):
                    yield rest
    except (OSError, EOFError, zlib.error):
        return  # a compression that two processes have spoilt: what cannot be read is lost
