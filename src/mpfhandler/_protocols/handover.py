"""Handing a closed file to the user's `rotator` without losing what other processes still write to it.

A rotator of the standard library's kind may copy, compress and delete. Called on a file that others have open it
loses their records. So the rotation renames the log to a hidden waiting name first (one step, nothing lost), and the
rotator is called on that file once nobody holds a lease on it: at once in a single process, otherwise as soon as the
last writer has noticed the rotation, by whichever process looks first. A process with a rotator keeps no descriptor
for late records.

Any step may be lost with the process: the waiting file stays, and the next one that looks hands it over. If no later process
has a rotator, the one that seals gives the file its name, after a day (`take_over`).
"""

from __future__ import annotations

import os.path
from collections.abc import Callable
from dataclasses import replace
from enum import Enum

from .._platform import Fault, FileId, Operations
from .._platform.renaming import only_takes_a_name
from .._pure.naming import Names, SegmentName
from .._resources.calling import called
from .._resources.descriptors import unlock_and_close
from .._resources.held import HeldDescriptors
from .._resources.report import Reporter

__all__ = ["Begun", "Handover", "hand_over", "take_over"]

_NAMES = 1000  # that are tried
_ABANDONED = 86400.0  # seconds since it was written or renamed: a rotator that fails is tried again, by who has begun its target


class Handover(Enum):
    """How it went; the order is from good to bad."""

    DONE = 0  # no file is waiting any more
    WAITING = 1  # somebody still writes to one
    FAILED = 2  # the rotator failed


# What a rotator that failed had begun: by waiting file (path and identity) the target, as it was left.
Begun = dict[tuple[str, FileId], tuple[str, FileId]]


def hand_over(
    ops: Operations,
    names: Names,
    rotator: Callable[[str, str], None],
    report: Reporter,
    begun: Begun | None = None,
    before: float | None = None,
) -> Handover:
    """Give every waiting file that nobody writes to any more to the rotator.

    A rotator that raises is reported; its file goes on waiting. Safe to repeat, in any process, at any time.

    Args:
        ops: the system calls.
        names: of the segments, as they are now.
        rotator: the user's.
        report: is told what fails.
        begun: belongs to the caller, who passes the same one each time: a target that a failing rotator has written is
            given to it again for the same file, so that no record stands in two segments. Another process does not know of it.
        before: only those that were last written, and have got their waiting name, before that (epoch seconds).
    """
    ops = HeldDescriptors(ops).table()  # a child that the rotator forks has nothing of it
    targets = _Targets(ops, names, {} if begun is None else begun)
    try:
        files = ops.names(names.folder)
    except OSError as error:
        report("rotator", error)
        return Handover.FAILED
    waiting = [(found, text) for text in files if (found := names.read_pending(text)) is not None]
    targets.forget_all_but({os.path.join(names.folder, text) for _, text in waiting})
    results: list[Handover] = []
    for found, text in sorted(waiting):
        beside = [os.path.join(names.folder, other) for one, other in waiting if one.wall == found.wall and other != text]
        if before is None or _was_left(ops, os.path.join(names.folder, text), before):
            results.append(_hand_over_one(ops, names, rotator, report, found, text, targets, beside))
        else:
            results.append(Handover.WAITING)
    return max(results, key=lambda result: result.value, default=Handover.DONE)


def take_over(ops: Operations, names: Names, report: Reporter, now: float) -> Handover:
    """Give its name to what has waited for a day: perhaps no process has a rotator any more, or gives names by itself. Not for a
    process that has one: it is to have what waits.

    Args:
        ops: the system calls.
        names: of the segments, as they are now.
        report: is told what fails.
        now: wall clock (epoch seconds).
    """
    return hand_over(ops, names, ops.rename_new, report, before=now - _ABANDONED)


def _hand_over_one(
    ops: Operations,
    names: Names,
    rotator: Callable[[str, str], None],
    report: Reporter,
    name: SegmentName,
    text: str,
    targets: _Targets,
    beside: list[str],
) -> Handover:
    source = os.path.join(names.folder, text)
    try:
        side = ops.open_side(source)
    except OSError as error:
        fault = ops.fault(error)
        if fault not in {Fault.MISSING, Fault.DENIED}:
            report("rotator", error)
        return Handover.DONE if fault is Fault.MISSING else Handover.FAILED  # somebody else has handed it over, or may
    try:
        if not ops.try_lock(side, True) or any(_at_hand(ops, other) for other in beside):
            return Handover.WAITING
        found = ops.stat_fd(side)
        file = found.id
        if only_takes_a_name(ops, found) or ops.stat_path(source).id != file:
            return Handover.WAITING  # what comes onto the name, or has come there since that was opened, is to be looked at
        target = targets.choose(source, file, name)
        try:
            called(ops, lambda: rotator(source, target))
        except BaseException:
            targets.remember(source, file, target)
            raise
        _after(ops, names, source, name, report)
    except Exception as error:
        if ops.fault(error) is Fault.MISSING and not _exists(ops, source):
            return Handover.DONE  # somebody else has handed it over while we looked
        report("rotator", error)
        return Handover.FAILED
    finally:
        unlock_and_close(ops, side)
    report.solved("rotator")
    return Handover.DONE


def _was_left(ops: Operations, path: str, before: float) -> bool:
    """Whether a file has waited since before that. Its last write alone does not tell: a quiet log is rotated days after that."""
    try:
        found = ops.stat_link(path)
    except OSError:
        return False  # somebody else has handed it over, or it is told the next time
    return found.regular and max(found.mtime_ns, found.ctime_ns) / 1e9 < before


def _at_hand(ops: Operations, path: str) -> bool:
    """Whether another process is just handing this file over, perhaps under the very name that is free for one beside it."""
    try:
        side = ops.open_side(path)
    except OSError:
        return False
    try:
        return not ops.try_lock(side, False)
    finally:
        unlock_and_close(ops, side)


class _Targets:
    """The names that a rotator is given. Keeps nothing but what the caller keeps for it."""

    def __init__(self, ops: Operations, names: Names, begun: Begun) -> None:
        self._ops = ops
        self._names = names
        self._begun = begun

    def choose(self, source: str, file: FileId, name: SegmentName) -> str:
        """The target that was begun for this file, if it is still the same one, else a free name."""
        begun = self._begun.pop((source, file), None)
        if begun is not None and _identity(self._ops, begun[0]) == begun[1]:
            return begun[0]
        return _free_target(self._ops, self._names, name)

    def remember(self, source: str, file: FileId, target: str) -> None:
        """The rotator failed. The target was free before, so what is there now is what the rotator has begun."""
        there = _identity(self._ops, target)
        if there is not None and there != file:
            self._begun[source, file] = target, there

    def forget_all_but(self, waiting: set[str]) -> None:
        """Files that do not wait any more: another process has handed them over."""
        for key in list(self._begun):
            if key[0] not in waiting:
                self._begun.pop(key, None)  # another thread may be at it, too


def _free_target(ops: Operations, names: Names, name: SegmentName) -> str:
    """The user's name for the segment, or the next one that is free; a default name where the user's `namer` forgets the
    number. Never a name that is taken (promise P4).

    Raises:
        FileExistsError: there is none. The file goes on waiting.
    """
    for write in (names.write, names.default):
        last = ""
        for index in range(name.index, name.index + _NAMES):
            target = write(replace(name, index=index))
            if target == last:
                break
            if not _exists(ops, target):
                return target
            last = target
    raise FileExistsError(f"{names.write(name)}: no free name for a segment")


def _identity(ops: Operations, path: str) -> FileId | None:
    try:
        return ops.stat_path(path).id
    except OSError:
        return None


def _after(ops: Operations, names: Names, source: str, name: SegmentName, report: Reporter) -> None:
    """A rotator that left its source behind: an emptied one goes, one with content is kept under a default name."""
    if not _exists(ops, source):
        return
    if ops.stat_path(source).size == 0:
        ops.unlink(source)
        return
    for index in range(name.index, name.index + _NAMES):
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
