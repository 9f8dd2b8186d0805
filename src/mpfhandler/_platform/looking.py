"""Opening and reading the files of a log for who only looks at them: the commands beside the handler.

Python's own `open` would do on a POSIX system. On Windows it would keep a log from being renamed as long as somebody reads it.
"""

from __future__ import annotations

import os
import sys

from .._pure.facts import FileId

__all__ = ["id_of", "is_locked", "open_shared", "open_to_lock", "read_from", "user_id"]

if sys.platform == "win32":
    from .windows import WINDOWS
    from .windows_facts import VOLUME
    from .windows_locks import is_locked as _is_locked

    def open_shared(path: str, *, follow: bool = True) -> int:
        """A descriptor to read from, in nobody's way. Without `follow` a symbolic link is none of ours."""
        if not follow and os.path.islink(path):
            raise OSError(f"{path}: is a symbolic link")
        return WINDOWS.open_read(path)

    def open_to_lock(path: str, *, follow: bool = True) -> int:
        """The same, for a lock."""
        return open_shared(path, follow=follow)

    def read_from(fd: int, length: int, offset: int) -> bytes:
        """At most so many bytes from there."""
        return WINDOWS.read_at(fd, length, offset)

    def id_of(found: os.stat_result) -> FileId:
        """What tells a file from others, of what Python has found."""
        return FileId(VOLUME, found.st_ino & (1 << 64) - 1)

    def is_locked(fd: int, *, lease: bool = False) -> bool:
        """Whether somebody has the lock; it is taken for an instant."""
        return _is_locked(fd, lease=lease)

    def user_id() -> int:
        """As whom this process acts: here as whom is not told by a number, and all files seem to be of one user."""
        return 0

else:
    import fcntl

    def open_shared(path: str, *, follow: bool = True) -> int:
        """A descriptor to read from, in nobody's way. Without `follow` a symbolic link is none of ours."""
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW))

    def open_to_lock(path: str, *, follow: bool = True) -> int:
        """The same, for a lock: on NFS only who may write to a file can have it for himself. Nothing is written."""
        try:
            return os.open(path, os.O_RDWR | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW))
        except OSError:
            return open_shared(path, follow=follow)

    def read_from(fd: int, length: int, offset: int) -> bytes:
        """At most so many bytes from there."""
        return os.pread(fd, length, offset)

    def id_of(found: os.stat_result) -> FileId:
        """What tells a file from others, of what Python has found."""
        return FileId(found.st_dev, found.st_ino)

    def is_locked(fd: int, *, lease: bool = False) -> bool:  # noqa: ARG001  (here both are one lock)
        """Whether somebody has the lock; it is taken for an instant. Not, where there are no locks. A lock that another client of
        an SMB server has is "denied" there."""
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return True
        except OSError:
            return False
        fcntl.flock(fd, fcntl.LOCK_UN)
        return False

    def user_id() -> int:
        """As whom this process acts."""
        return os.geteuid()
