"""A rename that overwrites nothing where the kernel has none (NFS, SMB, C libraries without the function), made of operations
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

from .table import Fault, Operations

__all__ = ["take_and_rename"]


def take_and_rename(ops: Operations, source: str, target: str) -> None:
    """Rename onto a free name.

    Args:
        ops: the system calls; all but `rename_new`.
        source: path.
        target: path.

    Raises:
        FileExistsError: the name is taken; or somebody was faster with the empty file, and has it.
        OSError: it cannot be done. The name is free then, unless that cannot be done either.
    """
    ops.stat_link(source)
    fd = ops.open_new_private(target)
    try:
        if not _has(ops, target, fd):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
        try:
            ops.rename_over(source, target)
        except OSError:
            if not _is_another(ops, target, fd):
                with suppress(OSError):
                    ops.unlink(target)
                raise
    finally:
        with suppress(OSError):  # what has become of the rename is known already
            ops.close(fd)


def _has(ops: Operations, path: str, fd: int) -> bool:
    """Whether a file that was just made is locked for us, and has its name still. Where there are no locks, nobody has one."""
    try:
        if not ops.try_lock(fd, True):
            return False
    except OSError:
        pass
    try:
        return ops.stat_link(path).id == ops.stat_fd(fd).id
    except OSError as error:
        if ops.fault(error) is not Fault.MISSING:
            raise
        return False


def _is_another(ops: Operations, path: str, fd: int) -> bool:
    """Whether a name leads to another file by now. A server may have renamed one onto it although the call has failed: its answer
    was lost, and to the same question asked again it says that there is no such file."""
    try:
        other = ops.open_read(path)
    except OSError:
        return False
    try:
        return ops.stat_fd(other).id != ops.stat_fd(fd).id
    except OSError:
        return False
    finally:
        with suppress(OSError):
            ops.close(other)
