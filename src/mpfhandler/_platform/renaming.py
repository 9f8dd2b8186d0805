"""A rename that overwrites nothing where the kernel has none (NFS, C libraries without the function), made of operations
that it has. The simulated kernel runs it, too.

Look-then-rename would overwrite a segment when two rotators meet (the lock file was deleted under one of them), or where the
look is at what this machine remembers of a server's folder; link-then-unlink would unlink the log that another has just created,
or leave two names. So an empty file takes the name first, which one process alone can make, and the rename is onto that. It is
locked meanwhile: who seals, deletes or hands over what is closed would take it for that, and then have the file that is renamed
onto it. A kill in between leaves an empty segment.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress

from .table import Fault, FileId, FileStat, Operations

__all__ = ["name_at_once", "only_takes_a_name", "take_and_rename"]

_TRIES, _PAUSE = 5, 0.002  # of the lock on the empty file; seconds between two
_MODE, _YOUNG = 0o600, 1.0  # of the empty file; seconds for which it is taken for that
_PERHAPS_DONE = {errno.ETIMEDOUT, errno.EIO}  # what a mount says that gives up: the server may have been asked


def take_and_rename(ops: Operations, source: str, target: str) -> None:
    """Rename onto a free name.

    Args:
        ops: the system calls; all but `rename_new`.
        source: path.
        target: path.

    Raises:
        FileExistsError: the name is taken; or somebody was faster with the empty file, and has it.
        OSError: it cannot be done, as far as can be seen. The empty file is gone then, if it is known to be that.
    """
    moving = ops.stat_link(source).id
    fd = ops.open_new_private(target)
    try:
        _rename_onto(ops, source, target, fd, moving)
    finally:
        with suppress(OSError):  # what has become of the rename is known already
            ops.close(fd)


def _rename_onto(ops: Operations, source: str, target: str, fd: int, moving: FileId) -> None:
    """A server may have done it although the call has failed: its answer was lost, and to the same question asked again it says
    that there is no such file. So it is looked at what the name leads to; where that cannot be told, or the server may be about
    to do it, the empty file is left."""
    try:
        mine = _has(ops, target, fd)
        if mine:
            ops.rename_over(source, target)
    except OSError as error:
        there = _file_at(ops, target)
        if there == moving:
            return
        with suppress(OSError):
            if there == ops.stat_fd(fd).id and error.errno not in _PERHAPS_DONE:
                ops.unlink(target)
        raise
    if not mine:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)


def only_takes_a_name(ops: Operations, found: FileStat) -> bool:
    """Whether a file may be one that is about to be renamed onto. Who takes it for something else keeps that from the name."""
    return not found.size and found.mode == _MODE and ops.now() - found.ctime_ns / 1e9 < _YOUNG


def name_at_once(ops: Operations, temporary: str, target: str) -> None:
    """Give a whole file that nobody else knows its name, in one step: where there is no such rename, by a second name, so that a
    kill leaves no empty file. On a file system that has no hard links either it is `rename_new`, and may.

    Args:
        ops: the system calls.
        temporary: path; after a kill it may stand beside the target.
        target: path.

    Raises:
        FileExistsError: the name is taken, perhaps by this very file: a server's answer was lost.
        OSError: it cannot be done.
    """
    if ops.rename_once(temporary, target):
        return
    try:
        ops.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:
        ops.rename_new(temporary, target)
    else:
        ops.unlink(temporary)


def _has(ops: Operations, path: str, fd: int) -> bool:
    """Whether a file that was just made is locked for us, is empty, and has its name still. Where there are no locks, nobody has
    one."""
    try:
        if not any(_locked(ops, fd) for _ in range(_TRIES)):
            return False
    except OSError:
        pass
    try:
        found = ops.stat_fd(fd)
        return found.size == 0 and ops.stat_link(path).id == found.id
    except OSError as error:
        if ops.fault(error) is not Fault.MISSING:
            raise
        return False


def _locked(ops: Operations, fd: int) -> bool:
    """Whether the lock is had. Who just looks what this file is gives it back at once."""
    if ops.try_lock(fd, True):
        return True
    ops.sleep(_PAUSE)
    return False


def _file_at(ops: Operations, path: str) -> FileId | None:
    """What a name leads to, as the server has it; None: nothing, or it cannot be told."""
    try:
        other = ops.open_read(path)
    except OSError:
        return None
    try:
        return ops.stat_fd(other).id
    except OSError:
        return None
    finally:
        with suppress(OSError):
            ops.close(other)
