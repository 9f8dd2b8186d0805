"""What else lies in a folder: its logs, names like one that was mistyped, and why something may not be read."""

from __future__ import annotations

import difflib
import os
import re
import stat
from collections.abc import Iterable
from importlib import import_module
from typing import Any

from ..._platform.looking import user_id
from ..._pure.naming import COMPRESSIONS, Names
from ..._pure.schedule import Schedule
from ..._pure.state import SIZE, is_ours
from .findings import command
from .guess import UNITS

__all__ = ["denied", "is_segment", "lock_is_ours", "logs_in", "nearest", "owned", "refused", "unwritable"]

_LOCK, _MAGIC = ".lock", b"mpfhandler-state"
_NEAR, _MOST = 0.5, 3  # likeness from 0 to 1 from which on a name is offered; how many are
_TAIL = re.compile(
    rf"(?P<log>.+?)\.\d{{4}}-\d\d(?:-\d\d(?:_\d\d(?:-\d\d(?:-\d\d)?)?)?)?(?:\.[1-9]\d*)?(?:\.(?:{'|'.join(COMPRESSIONS)}))?",
    re.ASCII | re.DOTALL,
)


def logs_in(folder: str, files: Iterable[str] | None = None) -> list[str]:
    """The names of the logs in a folder: of what has a lock file of ours, and of what has segments with a standard suffix.

    Raises:
        OSError: the folder cannot be read.
    """
    listed = list(os.listdir(folder) if files is None else files)
    there, found = set(listed), set[str]()
    for text in listed:
        if text.endswith(_LOCK) and len(text) > len(_LOCK):
            log = text[: -len(_LOCK)]
            if lock_is_ours(os.path.join(folder, text), alone=log not in there):
                found.add(log)
        match = _TAIL.fullmatch(text)
        if match is None or match["log"] in found or text.startswith("."):
            continue
        if is_segment(os.path.join(folder, match["log"]), text):
            found.add(match["log"])
    return sorted(found)


def lock_is_ours(lock: str, *, alone: bool) -> bool:
    """Whether a file is the lock of a log. Many programs leave an empty one: where there is no log beside it (`alone`) only one
    that says so counts."""
    try:
        if not stat.S_ISREG(os.lstat(lock).st_mode):
            return False
        with open(lock, "rb") as file:
            data = file.read(SIZE)
    except OSError:
        return False
    return data.startswith(_MAGIC) or (not alone and is_ours(data))


def nearest(path: str, *, folders: bool = False) -> list[str]:
    """Names like the last one of a path in its folder: logs and other files that are no segments, or folders."""
    folder, base = os.path.split(path)
    try:
        files = os.listdir(folder or ".")
        if folders:
            names = {text for text in files if os.path.isdir(os.path.join(folder, text))}
        else:
            names = {
                text for text in files if not text.endswith(_LOCK) and not text.startswith(".") and not _TAIL.fullmatch(text)
            }
            names |= set(logs_in(folder or ".", files))
    except OSError:
        return []
    return [os.path.join(folder, text) for text in difflib.get_close_matches(base, sorted(names - {base}), _MOST, _NEAR)]


def denied(path: str) -> PermissionError:
    """Who may read this, and what would help."""
    blocked, seen = _nearest_seen(path)
    wanted = stat.S_IRGRP | (stat.S_IXGRP if stat.S_ISDIR(seen.st_mode) else 0)
    what = f"{blocked} is {_whose(seen)}"
    return PermissionError(f"{path}: may not be read by {_user(user_id())}: {what}; run this as {_who(seen, wanted)}")


def unwritable(*paths: str) -> str:
    """The first of these paths that this user may not write to, with whose it and its folder are, and what would help; "" if
    there is none. A file that does not exist may be made, a folder may get files."""
    for path in map(os.path.realpath, paths):
        blocked, seen = _nearest_seen(path)
        folder, user = stat.S_ISDIR(seen.st_mode), _user(user_id())
        if os.access(blocked, os.W_OK | (os.X_OK if folder else 0)):
            continue
        if not folder:
            what = f"{_whose(seen)}, in {owned(os.path.dirname(blocked))}"
            return f"{path}: may not be written by {user}: {what}; {_do(seen, 'u+w', blocked, 'a user who may write to both')}"
        who = _who(seen, stat.S_IWGRP | stat.S_IXGRP)
        what = "no file may be made there" if path == blocked else "may not be made"
        where = "it" if path == blocked else blocked
        return f"{path}: {what} by {user}: {where} is {_whose(seen)}; {_do(seen, 'u+wx', blocked, who)}, or name another path"
    return ""


def owned(path: str) -> str:
    """Whose something is: "a folder of root, group adm, drwxr-x---".

    Raises:
        OSError: it cannot be looked at.
    """
    return _whose(os.stat(path))


def refused(error: PermissionError) -> str:
    """What the system has said of a file that is to be worked on, with whose it is and whose its folder is."""
    path = error.filename
    if not isinstance(path, str):
        return str(error)
    try:
        folder = owned(os.path.dirname(path) or ".")
        file = f"{_whose(os.lstat(path))}, " if os.path.lexists(path) else ""
    except OSError:
        return str(error)
    return f"{error}: {file}in {folder}; run this as a user who may write to {'both' if file else 'it'}"


def _nearest_seen(path: str) -> tuple[str, os.stat_result]:
    """What there is of a path that can be looked at."""
    while True:
        try:
            return path, os.stat(path)
        except OSError:
            path = os.path.dirname(path)


def _who(seen: os.stat_result, wanted: int) -> str:
    """Who may do what needs these bits of a group."""
    member = f", or as a member of {_group(seen.st_gid)}" if seen.st_mode & wanted == wanted else ""
    return f"{_user(seen.st_uid)}{member}"


def _do(seen: os.stat_result, mode: str, path: str, who: str) -> str:
    """What helps: the owner has the right to take the rights."""
    return command("chmod", mode, path) if seen.st_uid == user_id() else f"run this as {who}"


def _whose(seen: os.stat_result) -> str:
    kind = "a folder" if stat.S_ISDIR(seen.st_mode) else "a file"
    return f"{kind} of {_user(seen.st_uid)}, group {_group(seen.st_gid)}, {stat.filemode(seen.st_mode)}"


def is_segment(log: str, text: str) -> bool:
    """Whether a file name is one of a segment of this log by any standard suffix. The date must be one of the calendar."""
    path = os.path.join(os.path.dirname(log), text)
    return any(Names(log, Schedule.create(unit, utc=True).suffix).read(path) is not None for unit in UNITS)


def _user(uid: int) -> str:
    try:
        users: Any = import_module("pwd")
        return str(users.getpwuid(uid).pw_name)
    except (KeyError, ImportError):  # the library, too, may be another user's
        return f"user {uid}"


def _group(gid: int) -> str:
    try:
        groups: Any = import_module("grp")
        return str(groups.getgrgid(gid).gr_name)
    except (KeyError, ImportError):
        return f"group {gid}"
