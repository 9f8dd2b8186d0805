"""Where a log lives: its real path, its lock, and the checks that a constructor makes before anything is created.

Every check that can be made without touching the disk for writing is made here, so that a constructor that fails
leaves nothing behind.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass

from .._platform import Operations
from .._pure.errors import InvalidOptionType, path_error
from .._pure.naming import lock_name
from .._pure.options import Access, spelled

__all__ = ["Place", "absolute", "find_place", "make_folders"]

_STREAM_FOLDERS = ("/dev/", "/proc/")


@dataclass(frozen=True)
class Place:
    """The paths of one log, all derived from its real path: a symbolic link and its target share one lock."""

    log: str
    lock: str
    debug: str
    special: bool  # no regular file: written to, never rotated
    missing: tuple[str, ...] = ()  # folders to be created, outermost first


def find_place(ops: Operations, path: object, lock_dir: object, mkdir: bool, names: Mapping[str, str]) -> Place:
    """Where this log lives.

    Raises:
        OSError: the folder does not exist or is not writable, the path is a folder, `lock_dir` cannot be used.
        InvalidOptionType: the path is none.
    """
    parameter = spelled(names, "path")
    given = _text(parameter, path)
    log = os.path.realpath(given)
    if _is_special(given):
        return Place(os.path.abspath(given), "", "", special=True)
    folder, base = os.path.split(log)
    missing = _missing_folders(folder)
    if missing and not mkdir:
        raise path_error(
            FileNotFoundError, parameter, given, f"the folder {folder} does not exist", "create it, or pass mkdir=True"
        )
    _check_log(ops, parameter, given, log, os.path.dirname(missing[0]) if missing else folder)
    locks = _lock_folder(ops, lock_dir)
    lock = lock_name(log, base, None if locks is None else _digest(log))
    return Place(log, lock if locks is None else os.path.join(locks, lock), f"{log}.debug", special=False, missing=missing)


def absolute(path: object) -> str:
    """A path that `find_place` has accepted, as it is to be written where the current folder is another one."""
    return os.path.abspath(_text("path", path))


def make_folders(ops: Operations, log: str, access: Access) -> list[str]:
    """Create the folders that a log needs, owned as the log is to be; those that were created, outermost first.

    Raises:
        OSError: one cannot be created; those before it stay. Safe to repeat.
    """
    made: list[str] = []
    for folder in _missing_folders(os.path.dirname(log)):
        try:
            ops.make_folder(folder)
        except FileExistsError:
            continue
        made.append(folder)
        if access.uid is not None or access.gid is not None:
            try:
                ops.give_folder(folder, -1 if access.uid is None else access.uid, -1 if access.gid is None else access.gid)
            except OSError:  # not privileged: the log's own owner will be reported
                pass
    return made


def _text(parameter: str, path: object) -> str:
    try:
        text = os.fspath(path)  # type: ignore[call-overload]
    except TypeError:
        text = None
    if isinstance(text, bytes):
        text = os.fsdecode(text)
    if not isinstance(text, str):
        raise InvalidOptionType(parameter, path, "is not a path", "use a str or an os.PathLike object")
    if not text or "\0" in text:
        raise path_error(FileNotFoundError, parameter, text, "is not a usable path", "name a file")
    return text


def _is_special(given: str) -> bool:
    """Standard streams count as special even where they are redirected to a file: that file is the shell's."""
    absolute = os.path.abspath(given)
    if absolute.startswith(_STREAM_FOLDERS) and not absolute.startswith("/dev/shm/"):  # noqa: S108  not a name of ours: tmpfs holds real files
        return True
    try:
        mode = os.stat(given).st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _missing_folders(folder: str) -> tuple[str, ...]:
    missing: list[str] = []
    while folder and not os.path.isdir(folder) and not os.path.exists(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    return tuple(reversed(missing))


def _check_log(ops: Operations, parameter: str, given: str, log: str, nearest: str) -> None:
    if os.path.isdir(log):
        raise path_error(IsADirectoryError, parameter, given, "is a folder", "name a file in it")
    if not os.path.isdir(nearest):
        raise path_error(NotADirectoryError, parameter, given, f"{nearest} is not a folder", "name another path")
    if os.path.exists(log):
        if not os.access(log, os.W_OK):
            raise path_error(PermissionError, parameter, given, "the file may not be written by this user", _PERMISSION)
    elif not ops.may_create_in(nearest):
        raise path_error(PermissionError, parameter, given, f"no file may be created in {nearest} by this user", _PERMISSION)


_PERMISSION = "change the permissions (see chmod and owner), or name another path"


def _digest(log: str) -> str:
    import hashlib

    return hashlib.sha256(os.fsencode(log)).hexdigest()[:16]


def _lock_folder(ops: Operations, lock_dir: object) -> str | None:
    if lock_dir is None:
        return None
    folder = os.path.realpath(_text("lock_dir", lock_dir))
    if not os.path.isdir(folder):
        raise path_error(FileNotFoundError, "lock_dir", lock_dir, "is not an existing folder", "create it, or leave lock_dir out")
    if not ops.may_create_in(folder):
        raise path_error(
            PermissionError, "lock_dir", lock_dir, "no file may be created there by this user", "name another folder"
        )
    return folder
