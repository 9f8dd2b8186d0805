"""Mode, owner and time of the files that a log consists of."""

from __future__ import annotations

from .._platform import FileStat, Operations
from .._pure.errors import path_error
from .._pure.options import Access

__all__ = ["NEW_FILE", "apply_access", "dated"]

_AS_IT_IS = (-1, -1)
NEW_FILE = 0o666  # for open(2), less the umask, where no mode is asked for


def apply_access(ops: Operations, fd: int, found: FileStat, access: Access, path: str = "") -> OSError | None:
    """Give an open file the mode and owner that were asked for, where they differ.

    Returns the error instead of raising it: a file with another owner still takes records. The owner goes first,
    because chown(2) clears the set-id bits. The path is for the message. Does not own the descriptor; safe to repeat.
    """
    file = path or "a file of the log"
    owner = _wanted_owner(found, access)
    failed = None if owner == _AS_IT_IS else _give(ops, fd, owner, access, file)
    if failed is not None or access.mode is None or (access.mode == found.mode and owner == _AS_IT_IS):
        return failed
    return _change_mode(ops, fd, access.mode, file)


def dated(ops: Operations, fd: int, start: float, end: float) -> FileStat:
    """What an open file is like; an empty one whose time is not within these (epoch seconds) is given the present one first,
    where that is allowed. Does not own the descriptor.

    Raises:
        OSError: the file cannot be looked at.
    """
    found = ops.stat_fd(fd)
    if not found.size and not start <= found.mtime_ns / 1e9 < end:
        try:
            ops.touch(fd)
        except OSError:
            pass  # what is written down counts more
        found = ops.stat_fd(fd)
    return found


def _wanted_owner(found: FileStat, access: Access) -> tuple[int, int]:
    uid = -1 if access.uid is None or access.uid == found.uid else access.uid
    gid = -1 if access.gid is None or access.gid == found.gid else access.gid
    return uid, gid


def _give(ops: Operations, fd: int, owner: tuple[int, int], access: Access, file: str) -> OSError | None:
    uid, gid = owner
    try:
        ops.set_owner(fd, uid, gid)
    except OSError as error:
        return _named(error, file, "owner", _ids(access), "run as root to give files away, or leave owner out")
    return None


def _change_mode(ops: Operations, fd: int, mode: int, file: str) -> OSError | None:
    try:
        ops.set_mode(fd, mode)
    except OSError as error:
        return _named(error, file, "chmod", f"{mode:#o}", "only the file's owner can do it; leave chmod out")
    return None


def _named(error: OSError, file: str, parameter: str, value: str, remedy: str) -> OSError:
    return path_error(type(error), parameter, value, f"{file} cannot be given that ({error.strerror or error})", remedy)


def _ids(access: Access) -> str:
    user, group = ("" if one is None else str(one) for one in (access.uid, access.gid))
    return f"{user}:{group}" if group else user
