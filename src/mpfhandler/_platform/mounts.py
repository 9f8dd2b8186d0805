"""Which file system a folder is on: Linux tells by /proc/self/mountinfo (proc(5)), Windows by functions of its own; elsewhere it
is unknown here."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

__all__ = ["FileSystem", "below", "is_local", "mount_of", "parse_mountinfo", "unescape"]

_MOUNTINFO = "/proc/self/mountinfo"
_PIECE = 1 << 16
# statfs(2): the numbers of ext2 to ext4, XFS, btrfs, tmpfs, overlayfs, ZFS, F2FS and JFS.
_LOCAL = {0xEF53, 0x58465342, 0x9123683E, 0x01021994, 0x794C7630, 0x2FC12FC1, 0xF2F52010, 0x3153464A}
_LOCAL_OF_WINDOWS = {"ntfs", "refs"}
_STATFS_SIZE = 512  # bytes, and more than any system's


@dataclass(frozen=True)
class FileSystem:
    """The type as the system calls it, or `unknown`, and where it is mounted; its own options, as far as the system tells."""

    kind: str
    mount_point: str
    options: frozenset[str] = field(default=frozenset(), compare=False)

    def __str__(self) -> str:
        return f"{self.kind} ({self.mount_point})" if self.mount_point else self.kind


def is_local(folder: str) -> bool:
    """Whether a folder is on a file system that is known to be of this machine alone; False may mean anything.

    A tenth of the time that the table of mounts takes, and every log that is made asks this.
    """
    drive = _drive_of(folder)
    if drive is not None:
        return drive[0] in _LOCAL_OF_WINDOWS
    statfs = _find_statfs()
    if statfs is None:
        return False
    import ctypes

    told = ctypes.create_string_buffer(_STATFS_SIZE)
    return statfs(os.fsencode(folder), told) == 0 and ctypes.c_long.from_buffer(told).value in _LOCAL


@functools.cache
def _find_statfs() -> Callable[..., int] | None:
    """Of Linux; elsewhere the structure is another one."""
    if sys.platform != "linux":
        return None
    try:
        import ctypes  # which every log has imported by then

        return ctypes.CDLL(None).statfs
    except (ImportError, OSError, AttributeError):
        return None


def _drive_of(folder: str) -> tuple[str, str] | None:
    """On Windows; None elsewhere."""
    if sys.platform == "win32":
        from .windows_drives import drive_of

        return drive_of(folder)
    return None


def mount_of(folder: str) -> FileSystem:
    """The file system of an existing folder, by its real path. Never raises for what it cannot find out."""
    drive = _drive_of(folder)
    if drive is not None:
        return FileSystem(*drive)
    if sys.platform == "win32":
        raise NotImplementedError
    try:
        device = os.stat(folder).st_dev
        table = _read(_MOUNTINFO)
    except OSError:
        return FileSystem("unknown", "")
    number = f" {os.major(device)}:{os.minor(device)} ".encode()
    lines = [line for line in table.split(b"\n") if number in line] or [table]
    best = FileSystem("unknown", "")
    for found in parse_mountinfo(os.fsdecode(b"\n".join(lines))):  # a later mount on the same point hides the earlier one
        if below(folder, found.mount_point) and len(found.mount_point) >= len(best.mount_point):
            best = found
    return best


def _read(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY)
    try:
        pieces = [os.read(fd, _PIECE)]
        while pieces[-1]:
            pieces.append(os.read(fd, _PIECE))
    finally:
        os.close(fd)
    return b"".join(pieces)


def parse_mountinfo(text: str) -> Iterator[FileSystem]:
    """The lines of /proc/self/mountinfo: the fifth field is the mount point, the type follows a lone hyphen."""
    for line in text.splitlines():
        before, hyphen, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if hyphen and len(fields) >= 5 and kind:
            yield FileSystem(kind[0], unescape(fields[4]), frozenset(",".join(kind[2:]).split(",")))


def below(path: str, folder: str) -> bool:
    """Whether a path is that of a folder, or leads into it."""
    return folder in {"/", path} or path.startswith(folder + "/")


def unescape(text: str) -> str:
    """Blanks and backslashes are written as octal numbers there."""
    first, *others = text.split("\\")
    return first + "".join(chr(int(other[:3], 8)) + other[3:] if other[:3].isdigit() else "\\" + other for other in others)
