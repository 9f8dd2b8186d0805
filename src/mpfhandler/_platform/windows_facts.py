"""What Windows tells of a file, and its times.

`os.stat` would not do: its ctime is the time of creation, its numbers of a file differ between versions of Python, and while
another program has a file open without sharing it may fail. These are asked of a handle that was opened for attributes alone,
which nobody can refuse to share. A file's number is that within its volume: all files of a log are on one.
"""

from __future__ import annotations

import ctypes
import sys
from ctypes import wintypes

assert sys.platform == "win32"  # noqa: S101  (which type checkers understand)

from .table import FileId, FileStat
from .win32 import (
    BACKUP_SEMANTICS,
    OPEN_EXISTING,
    READ_ATTRIBUTES,
    WRITE_ATTRIBUTES,
    call,
    handle_of,
    kernel32,
    open_again,
    open_handle,
)

__all__ = ["VOLUME", "accessed", "set_times", "stat_fd", "stat_link", "stat_path", "touch"]

VOLUME = 1  # whichever it is; 0 is said of a file that other machines may have, too
_DISK = 1  # FILE_TYPE_DISK
_READ_ONLY, _FOLDER, _DEVICE, _REPARSE = 0x1, 0x10, 0x40, 0x400  # attributes
_SYMLINK = 0xA000000C  # IO_REPARSE_TAG_SYMLINK
_OPEN_LINK = 0x00200000  # FILE_FLAG_OPEN_REPARSE_POINT
_BASIC, _STANDARD, _TAG = 0, 1, 9  # FileBasicInfo, FileStandardInfo, FileAttributeTagInfo
_EPOCH = 116_444_736_000_000_000  # 1970, in units of 100 ns since 1601


class _Handle(ctypes.Structure):
    """BY_HANDLE_FILE_INFORMATION."""

    _fields_ = (
        ("attributes", wintypes.DWORD),
        ("times", wintypes.DWORD * 6),
        ("volume", wintypes.DWORD),
        ("size_high", wintypes.DWORD),
        ("size_low", wintypes.DWORD),
        ("links", wintypes.DWORD),
        ("index_high", wintypes.DWORD),
        ("index_low", wintypes.DWORD),
    )


class _Basic(ctypes.Structure):
    """FILE_BASIC_INFO."""

    _fields_ = (
        ("created", ctypes.c_int64),
        ("accessed", ctypes.c_int64),
        ("written", ctypes.c_int64),
        ("changed", ctypes.c_int64),
        ("attributes", wintypes.DWORD),
    )


class _Standard(ctypes.Structure):
    """FILE_STANDARD_INFO."""

    _fields_ = (
        ("allocated", ctypes.c_int64),
        ("size", ctypes.c_int64),
        ("links", wintypes.DWORD),
        ("pending", ctypes.c_ubyte),
        ("folder", ctypes.c_ubyte),
    )


class _Tag(ctypes.Structure):
    """FILE_ATTRIBUTE_TAG_INFO."""

    _fields_ = (("attributes", wintypes.DWORD), ("tag", wintypes.DWORD))


_TIME = ctypes.POINTER(ctypes.c_int64)
kernel32.GetFileType.argtypes = [wintypes.HANDLE]
kernel32.GetFileInformationByHandle.argtypes = [wintypes.HANDLE, ctypes.POINTER(_Handle)]
kernel32.GetFileInformationByHandleEx.argtypes = [wintypes.HANDLE, ctypes.c_int, ctypes.c_void_p, wintypes.DWORD]
kernel32.SetFileTime.argtypes = [wintypes.HANDLE, _TIME, _TIME, _TIME]
kernel32.GetSystemTimeAsFileTime.argtypes = [_TIME]
kernel32.GetSystemTimeAsFileTime.restype = None


def stat_path(path: str) -> FileStat:
    """Of what the name leads to."""
    return _stat_named(path, BACKUP_SEMANTICS)


def stat_link(path: str) -> FileStat:
    """Of a symbolic link itself."""
    return _stat_named(path, BACKUP_SEMANTICS | _OPEN_LINK)


def stat_fd(fd: int) -> FileStat:
    """Of what is open."""
    return _facts(handle_of(fd), None)


def accessed(fd: int) -> int:
    """When it was last read (ns)."""
    return _unix(int(_basic(handle_of(fd), None).accessed))


def touch(fd: int) -> None:
    """Modification time := now."""
    now = ctypes.c_int64()
    kernel32.GetSystemTimeAsFileTime(ctypes.byref(now))
    _set_times(fd, None, now)


def set_times(fd: int, accessed_ns: int, modified_ns: int) -> None:
    """When it was last read and written (ns)."""
    _set_times(fd, ctypes.c_int64(accessed_ns // 100 + _EPOCH), ctypes.c_int64(modified_ns // 100 + _EPOCH))


def _set_times(fd: int, read: ctypes.c_int64 | None, written: ctypes.c_int64) -> None:
    """Through a handle of its own: NTFS does not note the writes of one any more through which the time was set."""
    again = open_again(handle_of(fd), WRITE_ATTRIBUTES)
    try:
        call(kernel32.SetFileTime(again, None, None if read is None else ctypes.byref(read), ctypes.byref(written)))
    finally:
        kernel32.CloseHandle(again)


def _stat_named(path: str, flags: int) -> FileStat:
    handle = open_handle(path, READ_ATTRIBUTES, OPEN_EXISTING, flags)
    try:
        return _facts(handle, path)
    finally:
        kernel32.CloseHandle(handle)


def _facts(handle: int, path: str | None) -> FileStat:
    kind = kernel32.GetFileType(handle)
    if kind != _DISK:  # a device or a pipe, of which nothing else is asked
        return FileStat(FileId(VOLUME, kind), 0, 0, 0, 0o666, 0, 0, regular=False, links=1)
    found, basic, standard = _Handle(), _basic(handle, path), _Standard()
    call(kernel32.GetFileInformationByHandle(handle, ctypes.byref(found)), path)
    _ask(handle, _STANDARD, standard, path)
    attributes = int(found.attributes)
    return FileStat(
        id=FileId(VOLUME, int(found.index_high) << 32 | int(found.index_low)),
        size=int(found.size_high) << 32 | int(found.size_low),
        mtime_ns=_unix(int(basic.written)),
        ctime_ns=_unix(int(basic.changed)),
        mode=0o444 if attributes & _READ_ONLY else 0o666,
        uid=0,
        gid=0,
        regular=not attributes & (_FOLDER | _DEVICE) and not _is_link(handle, attributes, path),
        links=0 if standard.pending else int(found.links),
    )


def _is_link(handle: int, attributes: int, path: str | None) -> bool:
    """What else is no plain file to Windows (in a cloud, deduplicated) is one to everybody else."""
    if not attributes & _REPARSE:
        return False
    tag = _Tag()
    _ask(handle, _TAG, tag, path)
    return int(tag.tag) == _SYMLINK


def _basic(handle: int, path: str | None) -> _Basic:
    basic = _Basic()
    _ask(handle, _BASIC, basic, path)
    return basic


def _ask(handle: int, what: int, answer: ctypes.Structure, path: str | None) -> None:
    call(kernel32.GetFileInformationByHandleEx(handle, what, ctypes.byref(answer), ctypes.sizeof(answer)), path)


def _unix(time: int) -> int:
    return (time - _EPOCH) * 100
