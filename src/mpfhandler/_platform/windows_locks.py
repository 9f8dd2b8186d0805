"""Locks of Windows: the rotation lock, which is portalocker's, and a byte far behind the end of a file, for leases.

A lock of Windows is mandatory: what is locked nobody else can read or write. So leases are on a byte that no log will ever have,
and whoever reads a log never notices one. The rotation lock is on the lock file's first 64 KiB, where portalocker puts it, and
with that on the state record: who reads that without the lock tries for some milliseconds.

They belong to the handle, as those of flock(2) belong to the open file description, and go with it. Unlike there, a handle that
asks twice has two of them: `unlock` gives up all. They are only ever tried, never waited for: portalocker's own wait sleeps a
second at a time.
"""

from __future__ import annotations

import ctypes
import errno
import sys
from ctypes import wintypes
from types import ModuleType

assert sys.platform == "win32"  # noqa: S101  (which type checkers understand)

from .win32 import LOCK_VIOLATION, error_of, handle_of, kernel32

__all__ = ["forget", "is_locked", "load", "of_lock_file", "try_lock", "unlock"]

_LEASE = 1 << 62  # the offset of one byte
_EXCLUSIVE, _NOW = 2, 1  # LOCKFILE_EXCLUSIVE_LOCK, LOCKFILE_FAIL_IMMEDIATELY
_IO_PENDING = 997


class Place(ctypes.Structure):
    """OVERLAPPED: an offset in a file, for functions that take one."""

    _fields_ = (
        ("internal", ctypes.c_void_p),
        ("internal_high", ctypes.c_void_p),
        ("low", wintypes.DWORD),
        ("high", wintypes.DWORD),
        ("event", wintypes.HANDLE),
    )

    @classmethod
    def at(cls, offset: int) -> Place:
        """This offset."""
        return cls(low=offset & 0xFFFFFFFF, high=offset >> 32)


kernel32.LockFileEx.argtypes = [wintypes.HANDLE, *[wintypes.DWORD] * 4, ctypes.POINTER(Place)]
kernel32.UnlockFileEx.argtypes = [wintypes.HANDLE, *[wintypes.DWORD] * 3, ctypes.POINTER(Place)]

_lock_files: set[int] = set()  # descriptors of lock files: what is locked in them is portalocker's to lock


def load() -> ModuleType:
    """portalocker, imported while a handler is made and not in the middle of a rotation.

    Raises:
        ImportError: it is not installed.
    """
    import portalocker

    return portalocker


def of_lock_file(fd: int) -> int:
    """Note that this descriptor is that of a lock file; the same descriptor."""
    _lock_files.add(fd)
    return fd


def forget(fd: int) -> int:
    """Note that it is another file's, or will be; the same descriptor."""
    _lock_files.discard(fd)
    return fd


def try_lock(fd: int, exclusive: bool) -> bool:
    """The lease of a segment, or the rotation lock; without waiting.

    Raises:
        OSError: it cannot be told.
    """
    handle = handle_of(fd)
    if fd in _lock_files:
        return _try_rotation_lock(fd)
    if exclusive:
        _unlock_all(handle, _LEASE)  # a shared one of this handle would be in the way
    return _try_byte(handle, _LEASE, exclusive=exclusive)


def unlock(fd: int) -> None:
    """Give up what `try_lock` has given; nothing, where it has not."""
    handle = handle_of(fd)
    if fd not in _lock_files:
        _unlock_all(handle, _LEASE)
        return
    portalocker = load()
    try:
        portalocker.unlock(fd)
    except portalocker.LockException:  # it was not locked
        pass


def _try_rotation_lock(fd: int) -> bool:
    portalocker = load()
    try:
        portalocker.lock(fd, portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING)
    except portalocker.AlreadyLocked:
        return False
    except portalocker.LockException as error:
        number = getattr(error.__cause__, "errno", None)
        if number == 0:  # Wine's C library says that it has failed, and not with what
            return False
        raise OSError(number or errno.EIO, f"the lock file cannot be locked: {error}") from None
    return True


def _try_byte(handle: int, offset: int, *, exclusive: bool) -> bool:
    flags = _NOW | (_EXCLUSIVE if exclusive else 0)
    if kernel32.LockFileEx(handle, flags, 0, 1, 0, ctypes.byref(Place.at(offset))):
        return True
    code = ctypes.get_last_error()
    if code in {LOCK_VIOLATION, _IO_PENDING}:
        return False
    raise error_of(code)


def _unlock_all(handle: int, offset: int) -> None:
    while kernel32.UnlockFileEx(handle, 0, 1, 0, ctypes.byref(Place.at(offset))):
        pass


def is_locked(fd: int, *, lease: bool) -> bool:
    """Whether somebody else has the lease, or the rotation lock, by a descriptor that may be for reading alone."""
    handle = handle_of(fd)
    place = Place.at(_LEASE if lease else 0)
    if not kernel32.LockFileEx(handle, _NOW | _EXCLUSIVE, 0, 1, 0, ctypes.byref(place)):
        return ctypes.get_last_error() in {LOCK_VIOLATION, _IO_PENDING}
    kernel32.UnlockFileEx(handle, 0, 1, 0, ctypes.byref(place))
    return False
