"""The functions of Windows that the table of operations is made of, with their errors in the package's own vocabulary.

An error of Windows has a number of its own, which nobody outside knows ("[WinError 32] The process cannot access the file because
it is being used by another process"). Here it becomes an `OSError` with the errno that it stands for and a text that says what is
the matter, so no such number reaches a user.

`insist` is what a moment's patience is: virus scanners, indexers and backup programs open a file as soon as it is closed or
renamed, without sharing it, and let it go some milliseconds later.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
import time
from collections.abc import Callable
from ctypes import wintypes
from typing import TypeVar

assert sys.platform == "win32"  # noqa: S101  (which type checkers understand)

import msvcrt

__all__ = ["call", "descriptor", "error_of", "handle_of", "insist", "kernel32", "native", "open_handle", "under_wine"]

_T = TypeVar("_T")

READ, WRITE = 0x80000000, 0x40000000  # GENERIC_READ, GENERIC_WRITE
APPEND_DATA, READ_ATTRIBUTES, WRITE_ATTRIBUTES, SYNCHRONIZE = 0x0004, 0x0080, 0x0100, 0x00100000
SHARE_ALL = 1 | 2 | 4  # FILE_SHARE_READ, FILE_SHARE_WRITE, FILE_SHARE_DELETE
CREATE_NEW, OPEN_EXISTING, OPEN_ALWAYS = 1, 3, 4
BACKUP_SEMANTICS = 0x02000000  # also folders
_NORMAL = 0x80
_INVALID_HANDLE = ctypes.c_void_p(-1).value

ACCESS_DENIED, SHARING_VIOLATION, LOCK_VIOLATION, NOT_LOCKED, END_OF_FILE = 5, 32, 33, 158, 38
_DELETE_PENDING = 0xC0000056  # STATUS_DELETE_PENDING
_FULL = {39, 112, 1295}  # ERROR_HANDLE_DISK_FULL, ERROR_DISK_FULL, ERROR_DISK_QUOTA_EXCEEDED
_HELD = {SHARING_VIOLATION, LOCK_VIOLATION, 1224}  # the last one: ERROR_USER_MAPPED_FILE
_LONG = 240  # characters; longer paths are understood with a prefix alone, unless the machine is set up otherwise

_PAUSES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.05, 0.05, 0.05)  # a quarter of a second in all

kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_ntdll = ctypes.WinDLL("ntdll")
_HANDLE, _DWORD, _BOOL = wintypes.HANDLE, wintypes.DWORD, wintypes.BOOL

kernel32.CreateFileW.restype = _HANDLE
kernel32.CreateFileW.argtypes = [wintypes.LPCWSTR, _DWORD, _DWORD, ctypes.c_void_p, _DWORD, _DWORD, _HANDLE]
kernel32.ReOpenFile.restype = _HANDLE
kernel32.ReOpenFile.argtypes = [_HANDLE, _DWORD, _DWORD, _DWORD]
kernel32.CloseHandle.argtypes = [_HANDLE]
kernel32.MoveFileExW.argtypes = [wintypes.LPCWSTR, wintypes.LPCWSTR, _DWORD]
kernel32.DeleteFileW.argtypes = [wintypes.LPCWSTR]
_ntdll.RtlGetLastNtStatus.restype = ctypes.c_uint32
_ntdll.RtlGetLastNtStatus.argtypes = []


def under_wine() -> bool:
    """Whether this is Wine, which says so itself."""
    return hasattr(_ntdll, "wine_get_version")


def error_of(code: int, path: str | None = None, other: str | None = None) -> OSError:
    """What an error code of Windows means. Call it at once: whether a file is only waiting to be removed is asked of the thread's
    last status."""
    pending = code == ACCESS_DENIED and path is not None and _ntdll.RtlGetLastNtStatus() == _DELETE_PENDING
    if pending:
        return _error(errno.ENOENT, "it was deleted, and its name is free as soon as the last program has closed it", path, other)
    if code in _HELD:
        return _error(errno.EBUSY, "another program has it open and does not share it", path, other)
    if code in _FULL:
        return _error(errno.ENOSPC, "no space is left, or a quota is reached", path, other)
    number = OSError(0, "", None, code).errno or errno.EIO
    return _error(number, ctypes.FormatError(code).strip().rstrip("."), path, other)


def _error(number: int, text: str, path: str | None, other: str | None) -> OSError:
    if path is None:
        return OSError(number, text)
    error = OSError(number, text, path)
    error.filename2 = other
    return error


def insist(attempt: Callable[[], _T], *, denied: bool = False) -> _T:
    """Try for a quarter of a second what another program may be in the way of for a moment.

    Args:
        attempt: is called until it succeeds.
        denied: a denial counts as such a moment, too: so it is for names, of which scanners hold one, or its folder.

    Raises:
        OSError: it still is, or something else is the matter.
    """
    passing = {errno.EBUSY, errno.EACCES} if denied else {errno.EBUSY}
    for pause in _PAUSES:
        try:
            return attempt()
        except OSError as error:
            if error.errno not in passing:
                raise
        time.sleep(pause)
    return attempt()


def call(done: object, path: str | None = None, other: str | None = None) -> None:
    """Raise what the function that has just answered this has failed with, if it has.

    Raises:
        OSError: it has failed.
    """
    if not done:
        raise error_of(ctypes.get_last_error(), path, other)


def native(path: str) -> str:
    """The path as functions of Windows take it, however long it is."""
    if len(path) < _LONG or path.startswith("\\\\?\\"):
        return path
    full = os.path.abspath(path)
    return f"\\\\?\\UNC\\{full[2:]}" if full.startswith("\\\\") else f"\\\\?\\{full}"


def open_handle(path: str, access: int, creation: int, flags: int = _NORMAL) -> int:
    """CreateFileW, sharing everything and inherited by nobody.

    Raises:
        OSError: it cannot be opened.
    """
    return _checked(kernel32.CreateFileW(native(path), access, SHARE_ALL, None, creation, flags, None), path)


def open_again(handle: int, access: int) -> int:
    """The same file once more, whatever its name is by now.

    Raises:
        OSError: it cannot be opened with this access.
    """
    return _checked(kernel32.ReOpenFile(handle, access, SHARE_ALL, 0), None)


def _checked(handle: int | None, path: str | None) -> int:
    if handle is None or handle == _INVALID_HANDLE:
        raise error_of(ctypes.get_last_error(), path)
    return handle


def handle_of(fd: int) -> int:
    """The handle behind a descriptor, still owned by that.

    Raises:
        OSError: the descriptor is not open.
    """
    if fd < 0:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    return msvcrt.get_osfhandle(fd)


def descriptor(handle: int) -> int:
    """A descriptor that owns this handle from now on; bytes go through it as they are.

    Raises:
        OSError: there are no more of them. The handle is closed.
    """
    try:
        return msvcrt.open_osfhandle(handle, os.O_NOINHERIT | os.O_BINARY)
    except BaseException:
        kernel32.CloseHandle(handle)
        raise
