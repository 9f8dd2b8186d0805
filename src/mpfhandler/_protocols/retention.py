"""Which closed segments go, and their deletion. Counted by what a name means, not by how it sorts.

Only regular files whose names read in full as segments of this log are counted or deleted (promise P4).
"""

from __future__ import annotations

from collections.abc import Callable

from .._platform import Fault, Operations
from .._pure.naming import Names
from .._resources.report import Reporter

__all__ = ["excess", "sweep"]


def excess(ops: Operations, names: Names, folder: str, keep: int) -> list[str]:
    """The paths of the segments beyond the newest `keep`, oldest first.

    Raises:
        OSError: the folder cannot be read.
    """
    closed = [path for _, path in names.known(folder, ops.names(folder)) if _regular(ops, path)]
    return closed[: max(0, len(closed) - keep)]


def sweep(ops: Operations, names: Names, folder: str, keep: int, report: Reporter, stop: Callable[[], bool]) -> list[str]:
    """Delete what is beyond the newest `keep`; the paths that went. One that cannot be deleted is reported once and does
    not hold up the others. Safe to repeat, to run in several processes at once, and to lose at any point."""
    gone: list[str] = []
    try:
        candidates = excess(ops, names, folder, keep)
    except OSError as error:
        report("backupCount", error)
        return gone
    failed = False
    for path in candidates:
        if stop():
            break
        try:
            ops.unlink(path)
            gone.append(path)
        except OSError as error:
            if ops.fault(error) is not Fault.MISSING:  # another process was faster
                failed = True
                report("backupCount", error)
    if not failed:
        report.solved("backupCount")
    return gone


def _regular(ops: Operations, path: str) -> bool:
    try:
        return ops.stat_path(path).regular
    except OSError:
        return False
