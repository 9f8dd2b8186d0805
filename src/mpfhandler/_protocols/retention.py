"""Which closed segments go, and their deletion. Counted by what a name means, not by how it sorts; by the last write where
the name means no date.

Only regular files whose names read in full as segments of this log are counted or deleted (promise P4). A segment that
somebody may still write to is left for the next time: every writer holds a shared lock on it, the lease, so an exclusive
one is taken before the name goes (promise P1: no record into a file without a name).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from .._platform import Fault, FileId, FileStat, Operations
from .._pure.errors import InvalidOption
from .._pure.naming import Names
from .._resources.descriptors import close_quietly
from .._resources.report import Reporter

__all__ = ["Swept", "excess", "sweep"]


def excess(ops: Operations, names: Names, folder: str, keep: int) -> list[str]:
    """The paths of the segments beyond the newest `keep`, oldest first; no path where the suffix cannot be read back.

    Raises:
        OSError: the folder cannot be read.
    """
    if not names.readable:
        return []
    closed = _closed(ops, names, folder)
    return closed[: max(0, len(closed) - keep)]


@dataclass
class Swept:
    """What came of a sweep."""

    gone: list[str] = field(default_factory=list)  # paths
    held: set[FileId] = field(default_factory=set)  # somebody may still write to them


def sweep(ops: Operations, names: Names, folder: str, keep: int, report: Reporter, stop: Callable[[], bool]) -> Swept:
    """Delete what is beyond the newest `keep`. One that cannot be deleted is reported once and does not hold up the others. Safe
    to repeat, to run in several processes at once, and to lose at any point."""
    swept = Swept()
    if not names.readable:
        report("backupCount", _unreadable(names))
        return swept
    try:
        candidates = excess(ops, names, folder, keep)
    except OSError as error:
        report("backupCount", error)
        return swept
    failed = False
    for path in candidates:
        if stop():
            break
        try:
            _delete(ops, path, swept)
        except OSError as error:
            if ops.fault(error) is not Fault.MISSING:  # another process was faster
                failed = True
                report("backupCount", error)
    if not failed:
        report.solved("backupCount")
    return swept


def _delete(ops: Operations, path: str, swept: Swept) -> None:
    """Delete one segment, unless a writer has a lease. Where there are no locks, or the file may not be opened, nobody is waited
    for."""
    try:
        fd = ops.open_side(path)
    except OSError as error:
        if ops.fault(error) is Fault.MISSING:
            raise
        ops.unlink(path)
        swept.gone.append(path)
        return
    try:
        if _free(ops, fd):
            ops.unlink(path)
            swept.gone.append(path)
        else:
            swept.held.add(ops.stat_fd(fd).id)
    finally:
        close_quietly(ops, fd)


def _free(ops: Operations, fd: int) -> bool:
    try:
        return ops.try_lock(fd, True)
    except OSError:
        return True


def _unreadable(names: Names) -> InvalidOption:
    problem = "what it writes cannot be read back, so backupCount deletes nothing"
    return InvalidOption("suffix", names.suffix, problem, "use year, month and day, such as '%Y-%m-%d'")


def _closed(ops: Operations, names: Names, folder: str) -> list[str]:
    """The segments in the folder, oldest first: by their names, or by their last write where the names do not tell."""
    known = names.known(folder, ops.names(folder))
    found = [(name, path, seen) for name, path in known if (seen := _look(ops, path)) is not None and seen.regular]
    if not names.chronological:
        found.sort(key=lambda one: one[2].mtime_ns)  # a stable sort: the name decides between equals
    return [path for _, path, _ in found]


def _look(ops: Operations, path: str) -> FileStat | None:
    """The name's own facts: what a symbolic link leads to is somebody else's, and so is the link."""
    try:
        return ops.stat_link(path)
    except OSError:
        return None
