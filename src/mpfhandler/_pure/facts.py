"""Facts about files as values, for the layers that decide without touching one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["FileId", "FileStat"]


class FileId(NamedTuple):
    """What tells one file from every other that exists at the same time."""

    device: int
    inode: int


@dataclass(frozen=True)
class FileStat:
    """What decisions about one file are taken from."""

    id: FileId
    size: int  # bytes
    mtime_ns: int  # of the content, by the clock of the file system
    ctime_ns: int  # of anything, by the same clock
    mode: int  # permission bits
    uid: int
    gid: int
    regular: bool
    links: int  # 0: no name leads to it any more
