"""Handing a closed file to the user's `rotator` without losing what other processes still write to it.

A rotator of the standard library's kind may copy, compress and delete. Called on a file that others have open it
loses their records. So the rotation renames the log to a hidden waiting name first (one step, nothing lost), and the
rotator is called on that file once nobody holds a lease on it: at once in a single process, otherwise as soon as the
last writer has noticed the rotation, by whichever process looks first. A process with a rotator keeps no descriptor
for late records.

Any step may be lost with the process: the waiting file stays, and the next one that looks hands it over.
"""

from __future__ import annotations

import os.path
from collections.abc import Callable
from dataclasses import replace
from enum import Enum

from .._platform import Fault, Operations
from .._pure.naming import Names, SegmentName
from .._resources.report import Reporter

__all__ = ["Handover", "hand_over"]


class Handover(Enum):
    """How it went; the order is from good to bad."""

    DONE = 0  # no file is waiting any more
    WAITING = 1  # somebody still writes to one
    FAILED = 2  # the rotator failed


def hand_over(ops: Operations, names: Names, rotator: Callable[[str, str], None], report: Reporter) -> Handover:
    """Give every waiting file that nobody writes to any more to the rotator.

    A rotator that raises is reported; its file goes on waiting. Safe to repeat, in any process, at any time.
    """
    try:
        files = ops.names(names.folder)
    except OSError as error:
        report("rotator", error)
        return Handover.FAILED
    waiting = [(found, text) for text in files if (found := names.read_pending(text)) is not None]
    results = [_hand_over_one(ops, names, rotator, report, found, text) for found, text in sorted(waiting)]
    return max(results, key=lambda result: result.value, default=Handover.DONE)


def _hand_over_one(
    ops: Operations, names: Names, rotator: Callable[[str, str], None], report: Reporter, name: SegmentName, text: str
) -> Handover:
    source = os.path.join(names.folder, text)
    try:
        side = ops.open_side(source)
    except OSError as error:
        return Handover.DONE if ops.fault(error) is Fault.MISSING else Handover.FAILED  # somebody else has handed it over
    try:
        if not ops.try_lock(side, True):
            return Handover.WAITING
        if ops.stat_path(source).id != ops.stat_fd(side).id:
            return Handover.DONE
        rotator(source, _free_target(ops, names, name))
        _after(ops, names, source, name, report)
    except Exception as error:
        report("rotator", error)
        return Handover.FAILED
    finally:
        ops.close(side)
    report.solved("rotator")
    return Handover.DONE


def _free_target(ops: Operations, names: Names, name: SegmentName) -> str:
    """The user's name for the segment, or the next one that is free (promise P4)."""
    target = names.write(name)
    for index in range(name.index + 1, name.index + 1000):
        following = names.write(replace(name, index=index))
        if following == target or not _exists(ops, target):
            break
        target = following
    return target


def _after(ops: Operations, names: Names, source: str, name: SegmentName, report: Reporter) -> None:
    """A rotator that left its source behind: an emptied one goes, one with content is kept under a default name."""
    if not _exists(ops, source):
        return
    if ops.stat_path(source).size == 0:
        ops.unlink(source)
        return
    for index in range(name.index, name.index + 1000):
        target = names.default(replace(name, index=index))
        try:
            ops.rename_new(source, target)
        except FileExistsError:
            continue
        report("rotator", RuntimeError(f"the rotator left its source behind; it is kept as {target}"))
        return


def _exists(ops: Operations, path: str) -> bool:
    try:
        ops.stat_path(path)
    except OSError as error:
        return ops.fault(error) is not Fault.MISSING
    return True
