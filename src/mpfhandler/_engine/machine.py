"""`.<log>.host`: the machine that a log belongs to, where locks exclude the processes of one machine only.

The first machine makes the file; the server lets one do that. Who comes later on the same machine changes it under a lock on
it, which excludes just those: a new name (a container) and a new run of the kernel (the machine was started anew) are added, so
that the next process is known by either.
"""

from __future__ import annotations

import os.path

from .._platform import Fault, Operations
from .._platform.host import boot_id, host_name
from .._pure.machine import LONGEST, Machine, machine_of
from .._resources.access import NEW_FILE
from .._resources.descriptors import close_quietly

__all__ = ["another", "claim", "host_file"]

_TRIES, _PAUSE = 20, 0.05  # looks at a file that is just being written, or locked; seconds between two


def host_file(log: str) -> str:
    """Of a log."""
    folder, name = os.path.split(log)
    return os.path.join(folder, f".{name}.host")


def claim(ops: Operations, path: str) -> str:
    """Have a log belong to this machine, if it belongs to none; the name of the other one that has it, or "".

    What cannot be read, made or changed (a folder that is to be made yet, another user's file) is no reason to refuse anybody.
    After a failure the file is as before, or empty: then the next process makes it its machine's. Never raises an `OSError`.

    Args:
        ops: the system calls.
        path: of the host file.
    """
    name, run = _own_name(), boot_id()
    for _ in range(_TRIES):
        try:
            fd = ops.open_new(path, NEW_FILE)
        except OSError as error:
            if ops.fault(error) is not Fault.EXISTS:
                return ""
        else:
            _write_new(ops, fd, Machine((name,), (run,) if run else ()))
            return ""
        found = _join(ops, path, name, run, empty=False)
        if found is not None:
            return found
        ops.sleep(_PAUSE)  # who has made it has not written it yet, or never will
    return _join(ops, path, name, run, empty=True) or ""


def another(ops: Operations, path: str) -> str:
    """The name of the other machine that a log belongs to, or "". Changes nothing, and never raises an `OSError`.

    Args:
        ops: the system calls.
        path: of the host file.
    """
    try:
        fd = ops.open_read(path)
    except OSError:
        return ""
    try:
        known = machine_of(ops.read_at(fd, LONGEST, 0).decode("utf-8", "surrogateescape"))
    except OSError:
        return ""
    finally:
        close_quietly(ops, fd)
    return "" if known is None or known.admit(_own_name(), boot_id()) is not None else known.names[-1]


def _own_name() -> str:
    return "_".join(host_name().split())


def _write_new(ops: Operations, fd: int, machine: Machine) -> None:
    try:
        ops.write(fd, machine.text().encode("utf-8", "surrogateescape"))
        ops.fsync(fd)
    except OSError:
        pass
    finally:
        close_quietly(ops, fd)


def _join(ops: Operations, path: str, name: str, run: str, *, empty: bool) -> str | None:
    """As `claim`, with a file that is there; None: it is empty or gone, unless `empty` may be filled."""
    try:
        fd, writable = ops.open_lock(path, NEW_FILE)
    except OSError:
        return ""
    try:
        _lock(ops, fd)
        data = ops.read_at(fd, LONGEST, 0)
        known = machine_of(data.decode("utf-8", "surrogateescape"))
        if known is None and not empty:
            return None
        admitted = Machine((name,), (run,) if run else ()) if known is None else known.admit(name, run)
        if known is not None and admitted is None:
            return known.names[-1]
        if writable and admitted is not None and admitted != known:
            ops.write_at(fd, admitted.text().encode("utf-8", "surrogateescape").ljust(len(data)), 0)
            ops.fsync(fd)
    except OSError:
        pass
    finally:
        close_quietly(ops, fd)
    return ""


def _lock(ops: Operations, fd: int) -> None:
    """Until the descriptor is closed. Without one two processes may each add something, and one of both is forgotten."""
    for _ in range(_TRIES):
        if ops.try_lock(fd, True):
            return
        ops.sleep(_PAUSE)
