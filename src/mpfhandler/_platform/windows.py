"""Windows. With the modules that it is made of the only one that reads its error codes.

Every file of a log is opened by CreateFileW with FILE_SHARE_READ, WRITE and DELETE, so that whoever rotates can rename a log that
others have open, and delete a segment that somebody reads; Python's own `open` shares neither. A log is opened with
FILE_APPEND_DATA and without FILE_WRITE_DATA: then Windows itself puts each write behind the last one (and Wine does not, see
`windows_drives`).

What differs from a POSIX system, and what follows:

- A program that has opened a file without FILE_SHARE_DELETE (Python's `open`, many editors) keeps it from being renamed or
  deleted. It is insisted for a quarter of a second; then the error is that of any rename that fails, and the layers above go on
  with the file that is there.
- A deleted file keeps its name until the last handle is closed, on file systems (and before Windows 10 1809) that know no
  other way. Such a name counts as missing; nothing can be created under it until then.
- There are no users and groups of a file, and of its mode only whether it may be written. Neither is set.
- A symbolic link in the place of a file of ours is followed: only administrators can make one.
- Nothing has to be done to make a name survive a power cut but what NTFS does with its journal: `fsync_folder` does nothing.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import sys
import time
from ctypes import wintypes

assert sys.platform == "win32"  # noqa: S101  (which type checkers understand)

from .._pure.errors import UnsupportedPlatform
from .table import Fault, Operations
from .threads import THREADS
from .win32 import (
    APPEND_DATA,
    CREATE_NEW,
    END_OF_FILE,
    LOCK_VIOLATION,
    OPEN_ALWAYS,
    OPEN_EXISTING,
    READ,
    READ_ATTRIBUTES,
    SYNCHRONIZE,
    WRITE,
    call,
    descriptor,
    error_of,
    handle_of,
    insist,
    kernel32,
    native,
    open_again,
    open_handle,
)
from .windows_facts import accessed, set_times, stat_fd, stat_link, stat_path, touch
from .windows_locks import Place, forget, load, of_lock_file, try_lock, unlock

__all__ = ["WINDOWS"]

_APPEND = APPEND_DATA | READ_ATTRIBUTES | SYNCHRONIZE
_REPLACE = 1  # MOVEFILE_REPLACE_EXISTING
_GRANULARITY = 4096  # bytes of a page
_LOOKS, _LOOK = 5, 0.002  # at a state record that somebody is just writing; seconds between two
_FORBIDDEN = '<>:"/\\|?*' + "".join(map(chr, range(32)))

_FAULTS = {
    errno.ENOENT: Fault.MISSING,
    errno.ENOTDIR: Fault.MISSING,
    errno.EEXIST: Fault.EXISTS,
    errno.ENOTEMPTY: Fault.EXISTS,
    errno.EACCES: Fault.DENIED,
    errno.EPERM: Fault.DENIED,
    errno.EROFS: Fault.DENIED,
    errno.EBADF: Fault.CLOSED,
    errno.EAGAIN: Fault.BUSY,
    errno.EBUSY: Fault.BUSY,
    errno.ENOSPC: Fault.FULL,
    errno.EFBIG: Fault.FULL,
    errno.ELOOP: Fault.LOOP,
    errno.ESTALE: Fault.STALE,
    errno.EINVAL: Fault.INVALID,
}

_BYTES = ctypes.POINTER(wintypes.DWORD)
kernel32.ReadFile.argtypes = [wintypes.HANDLE, ctypes.c_void_p, wintypes.DWORD, _BYTES, ctypes.POINTER(Place)]
kernel32.WriteFile.argtypes = [wintypes.HANDLE, ctypes.c_char_p, wintypes.DWORD, _BYTES, ctypes.POINTER(Place)]


def _fault(error: BaseException) -> Fault:
    number = error.errno if isinstance(error, OSError) else None
    return _FAULTS.get(number, Fault.OTHER) if number is not None else Fault.OTHER


def _open(path: str, access: int, creation: int) -> int:
    return forget(descriptor(insist(lambda: open_handle(path, access, creation))))


def _open_append(path: str, _mode: int) -> int:
    return _open(path, _APPEND, OPEN_ALWAYS)


def _open_new(path: str, _mode: int) -> int:
    return _open(path, _APPEND, CREATE_NEW)


def _open_existing(path: str) -> int:
    return _open(path, _APPEND, OPEN_EXISTING)


def _open_side(path: str) -> int:
    return _open(path, READ | WRITE, OPEN_EXISTING)


def _open_side_of(fd: int) -> int:
    return forget(descriptor(open_again(handle_of(fd), READ | WRITE)))


def _open_lock(path: str, _mode: int) -> tuple[int, bool]:
    """A file that may only be read is locked as well as any other."""
    try:
        return of_lock_file(_open(path, READ | WRITE, OPEN_ALWAYS)), True
    except OSError as error:
        if _fault(error) is not Fault.DENIED:
            raise
        denied = error
    try:
        return of_lock_file(_open(path, READ, OPEN_EXISTING)), False
    except FileNotFoundError:
        raise denied from None


def _open_new_private(path: str) -> int:
    return _open(path, READ | WRITE, CREATE_NEW)


def _open_read(path: str) -> int:
    return _open(path, READ, OPEN_EXISTING)


def _open_stream(path: str) -> int:
    return forget(os.open(path, os.O_WRONLY | os.O_BINARY | os.O_NOINHERIT))


def _close(fd: int) -> None:
    forget(fd)
    os.close(fd)


def _read_at(fd: int, length: int, offset: int) -> bytes:
    """Where another handle has a lock, which it has for the time of a rotation, once more after a moment."""
    handle, block, got = handle_of(fd), ctypes.create_string_buffer(length), wintypes.DWORD()
    code = 0
    for look in range(_LOOKS):
        if kernel32.ReadFile(handle, block, length, ctypes.byref(got), ctypes.byref(Place.at(offset))):
            return block.raw[: got.value]
        code = ctypes.get_last_error()
        if code == END_OF_FILE:
            return b""
        if code != LOCK_VIOLATION or look == _LOOKS - 1:
            break
        time.sleep(_LOOK)
    raise error_of(code)


def _write_at(fd: int, data: bytes, offset: int) -> int:
    done = wintypes.DWORD()
    call(kernel32.WriteFile(handle_of(fd), data, len(data), ctypes.byref(done), ctypes.byref(Place.at(offset))))
    return done.value


def _wait_writable(_fd: int, seconds: float) -> bool:
    """There is no way to ask: the next write tells."""
    time.sleep(min(max(seconds, 0.0), 0.01))
    return True


def _nothing(*_arguments: object) -> None:
    """What there is no need for here, or no means."""


def _prepare() -> None:
    """Import what the rotation lock needs.

    Raises:
        UnsupportedPlatform: it is not installed.
    """
    try:
        load()
    except ImportError as error:
        raise UnsupportedPlatform(f"mpfhandler needs portalocker on Windows (pip install portalocker): {error}") from None


def _rename_new(source: str, target: str) -> None:
    insist(lambda: _move(source, target, 0), denied=True)


def _rename_once(source: str, target: str) -> bool:
    _rename_new(source, target)
    return True


def _rename_over(source: str, target: str) -> None:
    insist(lambda: _move(source, target, _REPLACE), denied=True)


def _move(source: str, target: str, flags: int) -> None:
    """A target that was deleted, and whose name is not free yet, is one that is taken."""
    try:
        call(kernel32.MoveFileExW(native(source), native(target), flags), source, target)
    except FileNotFoundError:
        try:
            stat_link(source)
        except OSError:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), source) from None
        if not os.path.isdir(os.path.dirname(target) or "."):
            raise
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target) from None


def _unlink(path: str) -> None:
    insist(lambda: call(kernel32.DeleteFileW(native(path)), path), denied=True)


def _may_create_in(folder: str) -> bool:
    return os.path.isdir(folder)


def _free_bytes(folder: str) -> int:
    return shutil.disk_usage(folder).free


WINDOWS = Operations(
    now=time.time,
    monotonic=time.monotonic,
    sleep=time.sleep,
    pid=os.getpid,
    threads=THREADS,
    open_append=_open_append,
    open_new=_open_new,
    open_existing=_open_existing,
    open_side=_open_side,
    open_side_of=_open_side_of,
    open_lock=_open_lock,
    open_new_private=_open_new_private,
    open_read=_open_read,
    open_stream=_open_stream,
    open_debug=_open_append,
    close=_close,
    write=os.write,
    write_stream=os.write,
    seek=os.lseek,
    read_at=_read_at,
    write_at=_write_at,
    wait_writable=_wait_writable,
    granularity=lambda _fd: _GRANULARITY,
    stat_path=stat_path,
    stat_link=stat_link,
    stat_fd=stat_fd,
    set_mode=_nothing,
    set_owner=_nothing,
    touch=touch,
    accessed=accessed,
    set_times=set_times,
    fsync=os.fsync,
    fsync_folder=_nothing,
    prepare=_prepare,
    rename_new=_rename_new,
    rename_once=_rename_once,
    rename_over=_rename_over,
    link=os.link,
    unlink=_unlink,
    names=os.listdir,
    open_folder=_nothing,
    make_folder=os.mkdir,
    give_folder=_nothing,
    remove_folder=os.rmdir,
    may_create_in=_may_create_in,
    free_bytes=_free_bytes,
    try_lock=try_lock,
    unlock=unlock,
    fault=_fault,
    forbidden=_FORBIDDEN,
)
