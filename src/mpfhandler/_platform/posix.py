"""Linux, macOS and the BSDs. The only module that reads `errno` and `sys.platform` for them.

Log descriptors are moved to high numbers: a daemon that closes everything and then opens a database gets the low
numbers back, so a stale one of ours gives EBADF and a reopen, never a log line in somebody's data.
"""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import select
import stat
import sys
import time
from collections.abc import Callable

assert sys.platform != "win32"  # noqa: S101  (which type checkers understand)

from .links import may_follow
from .renaming import take_and_rename
from .table import Fault, FileId, FileStat, Operations
from .threads import THREADS

__all__ = ["POSIX"]

_PAGE = 4096  # a fatal signal ends a write at a page boundary (measured on ext4, XFS, btrfs, tmpfs)
_CLOEXEC = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOCTTY", 0)  # without it the interpreter sets it itself, after the open
# The names that are opened are real paths: a symbolic link in the place of one was put there by somebody else, perhaps
# to have a privileged process write to, or give away, another file. O_NONBLOCK means nothing to a regular file, and
# keeps a fifo in its place from stopping the program.
_OWN_NAME = _CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_HIGH = 512
_RENAME_EXCL = 4  # sys/stdio.h of macOS
_AT_FDCWD, _RENAME_NOREPLACE = -100, 1  # fcntl.h and linux/fs.h

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
    errno.ENXIO: Fault.BUSY,
    errno.ENOSPC: Fault.FULL,
    errno.EDQUOT: Fault.FULL,
    errno.EFBIG: Fault.FULL,
    errno.ELOOP: Fault.LOOP,
    errno.ESTALE: Fault.STALE,
    errno.EINVAL: Fault.INVALID,
}


def _fault(error: BaseException) -> Fault:
    number = error.errno if isinstance(error, OSError) else None
    return _FAULTS.get(number, Fault.OTHER) if number is not None else Fault.OTHER


def _file_stat(found: os.stat_result) -> FileStat:
    return FileStat(
        id=FileId(found.st_dev, found.st_ino),
        size=found.st_size,
        mtime_ns=found.st_mtime_ns,
        ctime_ns=found.st_ctime_ns,
        mode=stat.S_IMODE(found.st_mode),
        uid=found.st_uid,
        gid=found.st_gid,
        regular=stat.S_ISREG(found.st_mode),
        links=found.st_nlink,
    )


def _lift(fd: int) -> int:
    """The same open file on a high descriptor number, or on the one it has where that is not to be had."""
    at_once = getattr(fcntl, "F_DUPFD_CLOEXEC", None)
    lowest = min(_HIGH, resource.getrlimit(resource.RLIMIT_NOFILE)[0] * 3 // 4)
    if fd >= lowest:
        return fd
    try:
        high: int = fcntl.fcntl(fd, fcntl.F_DUPFD if at_once is None else at_once, lowest)
        if at_once is None:
            os.set_inheritable(high, False)
    except (OSError, ValueError):  # RLIMIT_NOFILE is lower than that
        return fd
    try:
        os.close(fd)
    except OSError:  # it is gone whatever close(2) says
        pass
    return high


def _open_append(path: str, mode: int) -> int:
    return _lift(_open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, mode))


def _open_new(path: str, mode: int) -> int:
    return _lift(_open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, mode))


def _open_existing(path: str) -> int:
    return _lift(_open(path, os.O_WRONLY | os.O_APPEND))


def _open_side(path: str) -> int:
    return _lift(_open(path, os.O_RDWR))


def _open_side_of(fd: int) -> int:
    """By the name that Linux gives to every open file; a system without it tells that there is none."""
    return _lift(os.open(f"/proc/self/fd/{fd}", os.O_RDWR | _OWN_NAME & ~os.O_NOFOLLOW))


def _open(path: str, flags: int, mode: int = 0) -> int:
    """Open by a name of ours; through a symbolic link only if that may be followed, as after somebody has moved a log to another
    disk while it is written."""
    try:
        return os.open(path, flags | _OWN_NAME, mode)
    except OSError as error:
        if error.errno != errno.ELOOP or not may_follow(os.lstat(path).st_uid, os.path.dirname(path)):
            raise
    return os.open(path, flags | _OWN_NAME & ~os.O_NOFOLLOW, mode)


def _open_lock(path: str, mode: int) -> tuple[int, bool]:
    try:
        return _lift(os.open(path, os.O_RDWR | os.O_CREAT | _OWN_NAME, mode)), True
    except OSError as error:  # flock(2) needs no permission to write: a lock of another user's is still a lock
        if _fault(error) is not Fault.DENIED:
            raise
        denied = error
    try:
        return _lift(os.open(path, os.O_RDONLY | _OWN_NAME)), False
    except FileNotFoundError:
        raise denied from None  # that it is missing is not the trouble, but that it may not be created


def _open_new_private(path: str) -> int:
    return _lift(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _OWN_NAME, 0o600))


def _open_read(path: str) -> int:
    return os.open(path, os.O_RDONLY | _OWN_NAME)


def _open_debug(path: str, mode: int) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | _OWN_NAME, mode)


def _open_stream(path: str) -> int:
    """A pipe without a reader gives BUSY (ENXIO) at once instead of a program that hangs in open(2). Links of the system's
    folders are the system's, whoever has them; elsewhere one may have been put in the place of the pipe."""
    flags = os.O_WRONLY | os.O_APPEND
    try:
        if path.startswith(("/dev/", "/proc/")):
            return _lift(os.open(path, flags | _OWN_NAME & ~os.O_NOFOLLOW))
        return _lift(_open(path, flags))
    except OSError:
        number = _standard_stream(path)
        if number is None:
            raise
        return _lift(os.dup(number))  # /dev/stdout on a socket can be written, but not opened


def _write_stream(fd: int, data: bytes) -> int:
    """write(2), which never waits: the description of a socket is the program's own, and may be a blocking one."""
    if not stat.S_ISSOCK(os.fstat(fd).st_mode):
        return os.write(fd, data)
    import socket

    with socket.socket(fileno=os.dup(fd)) as connection:
        return connection.send(data, socket.MSG_DONTWAIT)


def _standard_stream(path: str) -> int | None:
    folder, _, name = path.rpartition("/")
    if path in {"/dev/stdout", "/dev/stderr"}:
        return 1 if name == "stdout" else 2
    return int(name) if folder in {"/dev/fd", "/proc/self/fd"} and name.isdigit() else None


def _wait_writable(fd: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(max(0, int(min(seconds, 86400) * 1000))))


def _granularity(fd: int) -> int:
    try:
        block = os.fstatvfs(fd).f_bsize
    except OSError:
        return _PAGE
    return min(_PAGE, block) if block > 0 and block & (block - 1) == 0 else _PAGE


def _touch(fd: int) -> None:
    os.utime(fd)


def _set_times(fd: int, accessed_ns: int, modified_ns: int) -> None:
    os.utime(fd, ns=(accessed_ns, modified_ns))


def _fsync_folder(path: str) -> None:
    """A file system that cannot do that (some network ones) says EINVAL, and has its own ideas of what is safe."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | _CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:
            raise
    finally:
        os.close(fd)


def _open_folder(path: str) -> None:
    os.close(os.open(path, os.O_RDONLY | os.O_DIRECTORY | _CLOEXEC))


def _free_bytes(folder: str) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def _try_lock(fd: int, exclusive: bool) -> bool:
    """A lock that another client of an SMB server has is "denied" there."""
    _check(fd)
    try:
        fcntl.flock(fd, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _check(fd: int) -> None:
    """A descriptor that was closed meanwhile is an `OSError` like any other; fcntl says `ValueError`."""
    if fd < 0:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))


def _unlock(fd: int) -> None:
    _check(fd)
    fcntl.flock(fd, fcntl.LOCK_UN)


def _may_create_in(folder: str) -> bool:
    return os.access(folder, os.W_OK | os.X_OK)


def _rename_new(source: str, target: str) -> None:
    """In one step of the kernel's, where it has that."""
    if not _kernel_rename(source, target):
        take_and_rename(POSIX, source, target)


_exclusive_rename: Callable[[bytes, bytes], int] | None = None
_searched = False


def _prepare() -> None:
    """Find the exclusive rename, once a process, while a handler is made: ctypes takes milliseconds to import, and a child
    that is forked while another thread is importing it waits for ever for that import."""
    global _searched, _exclusive_rename
    if not _searched:
        _exclusive_rename, _searched = _find_exclusive_rename(), True


def _kernel_rename(source: str, target: str) -> bool:
    _prepare()
    if _exclusive_rename is None:
        return False
    number = _exclusive_rename(os.fsencode(source), os.fsencode(target))
    if number in {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP}:  # this file system cannot
        return False
    if number:
        raise OSError(number, os.strerror(number), source, None, target)
    return True


def _find_exclusive_rename() -> Callable[[bytes, bytes], int] | None:
    """renameat2(RENAME_NOREPLACE) of Linux or renamex_np(RENAME_EXCL) of macOS, returning an errno or 0."""
    try:
        import ctypes

        library = ctypes.CDLL(None, use_errno=True)
        macos = sys.platform == "darwin"
        move = library.renamex_np if macos else library.renameat2
    except (ImportError, OSError, AttributeError):  # musl before 1.2.6 has no such function
        return None

    def call(source: bytes, target: bytes) -> int:
        failed = move(source, target, _RENAME_EXCL) if macos else move(_AT_FDCWD, source, _AT_FDCWD, target, _RENAME_NOREPLACE)
        return ctypes.get_errno() if failed else 0

    return call


POSIX = Operations(
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
    open_debug=_open_debug,
    close=os.close,
    write=os.write,
    write_stream=_write_stream,
    seek=os.lseek,
    read_at=os.pread,
    write_at=os.pwrite,
    wait_writable=_wait_writable,
    granularity=_granularity,
    stat_path=lambda path: _file_stat(os.stat(path)),
    stat_link=lambda path: _file_stat(os.lstat(path)),
    stat_fd=lambda fd: _file_stat(os.fstat(fd)),
    set_mode=os.fchmod,
    set_owner=os.fchown,
    touch=_touch,
    accessed=lambda fd: os.fstat(fd).st_atime_ns,
    set_times=_set_times,
    fsync=os.fsync,
    fsync_folder=_fsync_folder,
    prepare=_prepare,
    rename_new=_rename_new,
    rename_once=_kernel_rename,
    rename_over=os.rename,
    link=os.link,
    unlink=os.unlink,
    names=os.listdir,
    open_folder=_open_folder,
    make_folder=os.mkdir,
    give_folder=os.lchown,  # whoever may write beside it may put a link in its place
    remove_folder=os.rmdir,
    may_create_in=_may_create_in,
    free_bytes=_free_bytes,
    try_lock=_try_lock,
    unlock=_unlock,
    fault=_fault,
)
