"""What a folder of Windows lies on: a disk of this machine, a share of another one, or what Wine makes of either.

Wine says itself that it is Wine: a function of its own is in the library that programs of Windows find theirs in. It has to be
known because `FILE_APPEND_DATA` lets Windows choose the place of a write in one step with the write. Wine looks where the end is
and writes there, in two steps, so that appends of two processes meet.
"""

from __future__ import annotations

import ctypes
import sys
from ctypes import wintypes

assert sys.platform == "win32"  # noqa: S101  (which type checkers understand)

from .win32 import kernel32, native, under_wine

__all__ = ["drive_of"]

_REMOTE = 4  # DRIVE_REMOTE
_LONGEST = 1 << 15  # characters of a path; a file system's name has at most 260

kernel32.GetVolumePathNameW.argtypes = [wintypes.LPCWSTR, wintypes.LPWSTR, wintypes.DWORD]
kernel32.GetDriveTypeW.argtypes = [wintypes.LPCWSTR]
kernel32.GetVolumeInformationW.argtypes = [
    *(wintypes.LPCWSTR, wintypes.LPWSTR, wintypes.DWORD),
    *[ctypes.POINTER(wintypes.DWORD)] * 3,
    *(wintypes.LPWSTR, wintypes.DWORD),
]


def drive_of(folder: str) -> tuple[str, str]:
    """The type of the file system ("ntfs"; "share", whatever the server has; "wine"; "unknown") and where it begins."""
    root = ctypes.create_unicode_buffer(_LONGEST)
    if not kernel32.GetVolumePathNameW(native(folder), root, _LONGEST):
        return "unknown", ""
    if under_wine():
        return "wine", root.value
    if kernel32.GetDriveTypeW(root.value) == _REMOTE:
        return "share", root.value
    name = ctypes.create_unicode_buffer(_LONGEST)
    told = kernel32.GetVolumeInformationW(root.value, None, 0, None, None, None, name, _LONGEST)
    return (name.value.lower() if told and name.value else "unknown"), root.value
