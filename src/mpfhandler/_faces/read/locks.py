"""The rotation lock of a log, and those on hidden files: does somebody have them?"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from ..._engine.locking import needs_lock
from ..._platform.looking import id_of, is_locked, open_to_lock
from ..._platform.mounts import mount_of
from ..._pure.facts import FileId
from .files import Log
from .findings import PROBLEM, Finding, command
from .folder import denied, lock_is_ours
from .holders import Holder, Locks, holders

__all__ = ["check_lock", "is_free"]

_PATIENCE = 2.0  # seconds; a rotation takes a fraction of a millisecond, and nobody waits longer than this by default
_PAUSE = 0.02
_SETTLE = 0.1  # seconds in which a file that was just made is locked


def check_lock(log: Log) -> Iterator[Finding]:
    """Whether the rotation lock can be had, and if not, who has it.

    It is taken for an instant, as a process of the log takes it; where somebody has it, for 2 s nobody else is seen to let it go.
    """
    path = log.lock
    if not os.path.lexists(path):
        return
    if not lock_is_ours(path, alone=False):
        if not os.access(path, os.R_OK, effective_ids=os.access in os.supports_effective_ids):
            yield Finding(
                "lock", PROBLEM, path, str(denied(path)), f"let the log's users have it: {command('chmod', 'a+rw', path)}"
            )
        else:
            text = "is no lock file of ours: processes write nothing there, and do not know the present period after a restart"
            yield Finding("lock", PROBLEM, path, text, command("mv", "-n", path, f"{path}.other"))
        return
    free, file = _had(path)
    if not free and file is not None:
        yield _stuck(path, file)


def is_free(path: str) -> bool:
    """Whether this file is there and nobody has a lock on it; False where that cannot be told. Who makes a file has the lock an
    instant later, and who is done with it lets go as soon as it has another name, so it is looked at twice."""
    try:
        fd = open_to_lock(path, follow=False)
    except OSError:
        return False
    try:
        if is_locked(fd, lease=True) or not _leads_to(path, fd):
            return False
        time.sleep(_SETTLE)
        return not is_locked(fd, lease=True) and _leads_to(path, fd)
    finally:
        os.close(fd)


def _leads_to(path: str, fd: int) -> bool:
    try:
        return os.path.samestat(os.lstat(path), os.fstat(fd))
    except OSError:
        return False


def _had(path: str) -> tuple[bool, FileId | None]:
    """Whether the lock was free once in the time that is given to it."""
    try:
        fd = open_to_lock(path)
    except OSError:
        return True, None
    try:
        seen = os.fstat(fd)
        deadline = time.monotonic() + _PATIENCE
        while is_locked(fd):
            if time.monotonic() >= deadline:
                return False, id_of(seen)
            time.sleep(_PAUSE)
        return True, None
    finally:
        os.close(fd)


def _stuck(path: str, file: FileId) -> Finding:
    openers = holders([file])
    having = openers.by_file.get(file, [])
    takers = Locks().of(file, having)
    alive = [one for one in takers if one.program] or having
    who = ", ".join(map(str, alive))
    whose = f"held by {who}{' (stopped)' if _stopped(alive) else ''}" if who else "the system does not tell by whom it is held"
    network = not who and needs_lock(mount_of(os.path.dirname(os.path.realpath(path))))
    if network:
        whose = "held by nobody whom this machine sees, so perhaps by a process of another one"
    text = f"the rotation lock has not been free for {_PATIENCE:g} s; {whose}"
    return Finding("lock", PROBLEM, path, text, f"{_let_go(path, alive)}{' (on each machine)' if network else ''}")


def _stopped(having: list[Holder]) -> list[int]:
    return [one.pid for one in having if one.state in {"T", "t"}]


def _let_go(path: str, having: list[Holder]) -> str:
    stopped = _stopped(having)
    if stopped:
        return command("kill", "-CONT", *map(str, stopped))
    if having:
        return f"see what it does, and end it if it hangs: {command('kill', *(str(one.pid) for one in having))}"
    return f"ask as root: {command('fuser', '-v', path)}"
