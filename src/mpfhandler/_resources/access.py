"""Mode and owner of the files that a log consists of."""

from __future__ import annotations

from .._platform import FileStat, Operations
from .._pure.options import Access

__all__ = ["NEW_FILE", "apply_access"]

NEW_FILE = 0o666  # for open(2), less the umask, where no mode is asked for


def apply_access(ops: Operations, fd: int, found: FileStat, access: Access) -> OSError | None:
    """Give an open file the mode and owner that were asked for, where they differ.

    Returns the error instead of raising it: a file with another owner still takes records. The owner goes first,
    because chown(2) clears the set-id bits. Does not own the descriptor; safe to repeat.
    """
    try:
        uid = -1 if access.uid in {None, found.uid} else access.uid
        gid = -1 if access.gid in {None, found.gid} else access.gid
        if (uid, gid) != (-1, -1):
            ops.set_owner(fd, -1 if uid is None else uid, -1 if gid is None else gid)
        if access.mode is not None and access.mode != found.mode:
            ops.set_mode(fd, access.mode)
    except OSError as error:
        return error
    return None
