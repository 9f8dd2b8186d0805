"""Where a log lives: its real path, its lock, and the checks that a constructor makes before anything is created.

Every check that can be made without touching the disk for writing is made here, so that a constructor that fails
leaves nothing behind.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .._platform import FileId, Operations
from .._platform.host import host_name
from .._platform.links import FOLLOWS_ALL, may_follow
from .._pure.convert import spelled
from .._pure.errors import InvalidOptionType, path_error
from .._pure.naming import cannot_be_named, lock_name
from .._pure.options import Access
from .streams import find_stream, is_among_streams

__all__ = ["Place", "absolute", "find_log", "find_place", "lasting_path", "make_folders", "remove_folders"]

_HOST = "{host}"  # in a path: the machine's name
_LONGEST_NAME = 255  # bytes, where the system does not tell
_LINKS = 40  # behind each other, as for Linux
_TRIES, _PAUSE = 20, 0.005  # looks whether the log may be written; seconds between two


@dataclass(frozen=True)
class Place:
    """The paths of one log, all derived from its real path: a symbolic link and its target share one lock."""

    log: str
    lock: str
    debug: str
    special: bool  # no regular file: written to, never rotated
    missing: tuple[str, ...] = ()  # folders to be created, outermost first
    warning: str = ""  # what the user is to be told, although the log can be written


def find_place(ops: Operations, path: object, lock_dir: object, mkdir: bool, names: Mapping[str, str], ending: int = 0) -> Place:
    """Where this log lives.

    Args:
        ops: the system calls.
        path: as the user gave it.
        lock_dir: the same.
        mkdir: whether missing folders are to be created.
        names: the caller's spelling of parameters.
        ending: bytes that the longest name beside the log has more than its own.

    Raises:
        OSError: the folder does not exist or is not writable, the path is a folder, or a link that another user has made, a
            name is too long, `lock_dir` cannot be used.
        InvalidOptionType: the path is none.
    """
    parameter = spelled(names, "path")
    given = _here(parameter, path)
    _check_name(ops, parameter, given)
    log = _followed(parameter, given)
    stream = find_stream(parameter, given, log)
    if stream is not None:
        return Place(os.path.abspath(stream), "", "", special=True)
    folder = os.path.dirname(log)
    missing = _missing_folders(folder)
    if missing and not mkdir:
        _check_links(parameter, given, log)
        raise path_error(
            FileNotFoundError, parameter, given, f"the folder {folder} does not exist", "create it, or pass mkdir=True"
        )
    nearest = os.path.dirname(missing[0]) if missing else folder
    _check_links(parameter, given, log)
    _check_log(ops, parameter, given, log, nearest)
    _check_lengths(parameter, given, log, nearest, ending)
    locks = _lock_folder(ops, lock_dir)
    lock = lock_of(log, locks)
    _check_lock(parameter, given, lock)
    fixed = _fixed(ops, parameter, given, log)
    return Place(log, lock, f"{log}.debug", special=False, missing=missing, warning=fixed)


def find_log(parameter: str, path: object, *, trusting: bool = True) -> str:
    """The real path of a log of which only the closed segments are looked at. It need not exist, its folder must.

    Args:
        parameter: for messages.
        path: as the user gave it.
        trusting: whether a link may be another user's: for who only reads.

    Raises:
        OSError: there is no such folder, or the path is that of a folder, of a stream, or a link that is not to be followed.
        InvalidOptionType: the path is none.
    """
    given = _here(parameter, path)
    log = _followed(parameter, given, trusting=trusting)
    if find_stream(parameter, given, log) is not None:
        raise path_error(OSError, parameter, given, "is a stream, which has no closed segments", "name a log file")
    if os.path.isdir(log):
        raise path_error(IsADirectoryError, parameter, given, "is a folder", "name the log in it")
    if not os.path.isdir(os.path.dirname(log)):
        problem = f"the folder {os.path.dirname(log)} does not exist"
        raise path_error(FileNotFoundError, parameter, given, problem, "name a log in an existing folder")
    return log


def absolute(path: object) -> str:
    """A path that `find_place` has accepted, as it is to be written where the current folder is another one."""
    return os.path.abspath(_here("path", path))


def lasting_path(path: object) -> str:
    """The path of a log, or of its locks' folder, as it is to be written where the machine may be another one, too."""
    return os.path.abspath(_text("path", path))


def make_folders(ops: Operations, log: str, access: Access) -> list[str]:
    """Create the folders that a log needs, owned as the log is to be; those that were created, outermost first.

    Raises:
        OSError: one cannot be created; those before it are removed again. Safe to repeat.
    """
    made: list[str] = []
    for folder in _missing_folders(os.path.dirname(log)):
        try:
            ops.make_folder(folder)
        except FileExistsError:
            continue
        except OSError:
            remove_folders(ops, made)
            raise
        made.append(folder)
        if access.uid is not None or access.gid is not None:
            try:
                ops.give_folder(folder, -1 if access.uid is None else access.uid, -1 if access.gid is None else access.gid)
            except OSError:  # not privileged: the log's own owner will be reported
                pass
    return made


def remove_folders(ops: Operations, made: list[str]) -> None:
    """Remove folders that were made for nothing, the innermost first. Never raises; what has something in it stays."""
    for folder in reversed(made):
        try:
            ops.remove_folder(folder)
        except OSError:
            return


def _followed(parameter: str, given: str, *, trusting: bool = False) -> str:
    """The real path; among streams the first one there. Unless trusting, a link in the log's own place is followed only if its
    maker may choose what this program writes to. The folders are believed.

    What is looked at is looked at again after it was read, so nobody puts another link in its place meanwhile.

    Raises:
        OSError: such a link is another user's.
    """
    if FOLLOWS_ALL:
        return os.path.realpath(given)
    path = given.rstrip("/") or given
    for _ in range(_LINKS):
        folder, name = os.path.split(path)
        if name in {"", ".", ".."}:
            break
        if is_among_streams(path):  # with the system's own links; the real path of /proc/self is another process's after a fork
            return os.path.abspath(path)
        path = os.path.join(os.path.realpath(folder), name)
        link = _link_at(path)
        if link is None:
            return path
        try:
            target = os.readlink(path)
        except OSError:  # it is none any more
            continue
        if not trusting and not may_follow(link[0], os.path.dirname(path)):
            problem = f"{path} is a symbolic link that another user has made"
            remedy = "name the file that is meant, or have root make the link"
            raise path_error(PermissionError, parameter, given, problem, remedy)
        if _link_at(path) == link:
            path = os.path.join(os.path.dirname(path), target).rstrip("/")
    return os.path.realpath(given)  # a folder; or a loop, which is told


def _link_at(path: str) -> tuple[int, int, int, int] | None:
    """Whose link is there, and which."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return (found.st_uid, found.st_dev, found.st_ino, found.st_ctime_ns) if stat.S_ISLNK(found.st_mode) else None


def _here(parameter: str, path: object) -> str:
    """The path of a log on this machine."""
    text = _text(parameter, path)
    return text.replace(_HOST, host_name().replace("/", "_")) if _HOST in text else text


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


def _missing_folders(folder: str) -> tuple[str, ...]:
    missing: list[str] = []
    while folder and not os.path.isdir(folder) and not os.path.exists(folder):
        missing.append(folder)
        above = os.path.dirname(folder)
        if above == folder:  # a drive that is not there
            break
        folder = above
    return tuple(reversed(missing))


def _check_name(ops: Operations, parameter: str, given: str) -> None:
    """A name that this system would take for another one, for a part of another file, or for a device. `NUL` alone is meant as
    one."""
    name = os.path.basename(given)
    problem = "" if given.upper() == "NUL" else cannot_be_named(name, ops.forbidden)
    if problem:
        raise path_error(OSError, parameter, given, f"no file can be named {name!r} here: {problem}", "name another one")


def _check_log(ops: Operations, parameter: str, given: str, log: str, nearest: str) -> None:
    if os.path.isdir(log):
        raise path_error(IsADirectoryError, parameter, given, "is a folder", "name a file in it")
    if not os.path.isdir(nearest):
        raise path_error(NotADirectoryError, parameter, given, f"{nearest} is not a folder", "name another path")
    for _ in range(_TRIES):
        there = _file_at(ops, log)
        may = ops.may_create_in(nearest) if there is None else os.access(log, os.W_OK)
        if may:
            return
        if there is not None and _file_at(ops, log) == there:
            raise path_error(PermissionError, parameter, given, "the file may not be written by this user", _PERMISSION)
        ops.sleep(_PAUSE)  # another process is just rotating: between its two steps there is no log
    raise path_error(PermissionError, parameter, given, f"no file may be created in {nearest} by this user", _PERMISSION)


def _file_at(ops: Operations, log: str) -> FileId | None:
    """What is there; None if nothing is, or that cannot be told."""
    try:
        return ops.stat_path(log).id
    except OSError:
        return None


def _check_links(parameter: str, given: str, log: str) -> None:
    """A real path has no symbolic link in it, unless one leads back to itself."""
    path = log
    while path != os.path.dirname(path):
        if os.path.islink(path):
            raise path_error(OSError, parameter, given, f"the symbolic link {path} leads back to itself", "remove that link")
        path = os.path.dirname(path)


def _check_lengths(parameter: str, given: str, log: str, nearest: str, ending: int) -> None:
    """The log, its lock, its segments, and what they are called before a `rotator` has had them."""
    remedy = "choose a shorter name"
    longest = _limit(nearest, "PC_NAME_MAX", _LONGEST_NAME)
    folders, base = os.path.split(log)
    for name, more in ((base, ending), *((name, 0) for name in folders.split(os.sep))):
        if len(os.fsencode(name)) + more > longest:
            problem = (
                f"{name!r} is too long: with the {more} bytes of its segments' endings" if more else f"{name!r} is too long:"
            )
            raise path_error(OSError, parameter, given, f"{problem} more than {longest} bytes", remedy)
    if len(os.fsencode(log)) + ending >= _limit(nearest, "PC_PATH_MAX", 4096):
        raise path_error(OSError, parameter, given, "the path is too long", remedy)


def _limit(folder: str, name: str, default: int) -> int:
    ask: Callable[[str, str], int] | None = getattr(os, "pathconf", None)
    try:
        limit = 0 if ask is None else ask(folder, name)
    except (OSError, ValueError):
        return default
    return limit if limit > 0 else default  # -1: there is none


def _check_lock(parameter: str, given: str, lock: str) -> None:
    try:
        mode = os.lstat(lock).st_mode
    except OSError:
        mode = stat.S_IFREG  # not there yet
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "no regular file"
        raise path_error(
            IsADirectoryError if stat.S_ISDIR(mode) else OSError,
            parameter, given, f"its lock file {lock} is {kind}", "remove that, or name another log",
        )  # fmt: skip
    folder, name = os.path.split(lock)
    longest = _limit(folder, "PC_NAME_MAX", _LONGEST_NAME)
    if len(os.fsencode(name)) > longest:
        problem = f"the name of its lock file {name!r} is longer than {longest} bytes"
        raise path_error(OSError, parameter, given, problem, "choose a shorter name")


def _fixed(ops: Operations, parameter: str, given: str, log: str) -> str:
    """A warning where the log may be written, but not renamed."""
    folder = os.path.dirname(log)
    if not os.path.exists(log) or ops.may_create_in(folder):
        return ""
    problem = f"this user may not create or rename files in {folder}, so the log is written, but never rotated"
    return str(path_error(PermissionError, parameter, given, problem, "give this user the right to write to that folder"))


_PERMISSION = "change the permissions (see chmod and owner), or name another path"


def lock_of(log: str, folder: str | None) -> str:
    """Where the lock file of a log is, by the log's real path: beside it, or in a folder of locks."""
    name = lock_name(log, os.path.basename(log), None if folder is None else _digest(log))
    return name if folder is None else os.path.join(folder, name)


def _digest(log: str) -> str:
    import hashlib

    return hashlib.sha256(os.fsencode(os.path.normcase(log))).hexdigest()[:16]


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
