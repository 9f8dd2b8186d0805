"""The segments of one log in their folder: which names are taken, which one is next, which one takes a late record."""

from __future__ import annotations

import math
import os.path
from collections.abc import Callable, Iterator
from dataclasses import replace

from .._platform import Fault, Operations
from .._pure.naming import Names, SegmentName, show
from .._pure.schedule import Period, Schedule
from .._resources.append import Opening
from .._resources.report import Reporter
from .folders import like_any
from .hooks import Hooks, names_of

__all__ = ["Segments"]

_NAMES = 10_000  # segments that one period can have
_FOLDERS = 8  # folders that are remembered


class Segments:
    """Looks at the folder anew each time; keeps nothing but the last folders that segments went to.

    Args:
        ops: the system calls.
        path: of the log.
        schedule: of this process.
        hooks: the user's suffix, namer and rotator.
        report: is told of a namer that fails.
        late_grace: seconds after a period's end in which its records still come.
        hides: a closing segment first gets a hidden waiting name, also without a rotator.
    """

    def __init__(
        self,
        ops: Operations,
        path: str,
        schedule: Schedule,
        hooks: Hooks,
        report: Reporter,
        *,
        late_grace: float,
        hides: bool,
    ) -> None:
        self._ops = ops
        self.log = path
        self._schedule = schedule
        self._hooks = hooks
        self._report = report
        self._grace = late_grace
        self._hides = hides
        self._used: dict[str, None] = {}  # folders, the last one last; another thread may be looking

    def names(self) -> Names:
        """The names of the segments as the user's hooks have them now."""
        return names_of(self._ops, self.log, self._schedule, self._hooks, self._report)

    @property
    def rotates(self) -> bool:
        """Whether a user's rotator gets what is closed."""
        return self._hooks.rotator() is not None

    def folder(self, names: Names) -> str:
        """Where the segments of the present period go: a `namer` may have chosen another folder."""
        return _folder_of(names, names.at(self._schedule.wall(int(self._ops.now()))))

    def folders(self, names: Names) -> set[str]:
        """Where those of the present period go, those of the one before, which has just been closed, and those that this process
        has closed lately: of a program that was down for long they are of another period."""
        start = self._schedule.period(self._ops.now()).start
        before = _folder_of(names, names.at(self._schedule.wall(self._schedule.period(start - 1).start)))
        return {self.folder(names), before, *list(self._used)}

    def all_folders(self, names: Names) -> set[str]:
        """Where segments can be that any process has closed at any time. A `namer` may give each day, or month, a folder of its
        own: then all are looked at that differ in digits alone from one that is known; what it calls otherwise is not found. What
        it has failed for is in the log's own."""
        if not names.altered:
            return {names.folder}
        return like_any(self._ops, self.folders(names), names.folder) | {names.folder}

    def targets(self, closing: Period) -> Iterator[str]:
        """Paths to try for a closing segment, in order: after the last one of the same period, so that `.1`, `.2` … are in
        order of time. Where the segment is to be handed over they are hidden waiting names."""
        names = self.names()
        first = names.at(self._schedule.wall(closing.start))
        self._use(_folder_of(names, first))
        index = self._next_index(names, first)
        place = names.pending if self._hides or self._hooks.rotator() else names.write
        last = ""
        for number in range(index, index + _NAMES):
            name = replace(first, index=number)
            target = place(name)
            yield target if target != last else names.default(name)  # a namer that forgets the number
            last = target

    def _use(self, folder: str) -> None:
        self._used.pop(folder, None)
        self._used[folder] = None
        for oldest in list(self._used)[:-_FOLDERS]:
            self._used.pop(oldest, None)

    def put_back(self, path: str) -> None:
        """Give a file the log's name again, which it has lost by mistake. If another one has that by now, or may get it in
        between, it gets a segment's name of the period of its last write: who made it did so just now. Never raises; what fails
        is reported.
        """
        try:
            period = self._schedule.period(self._ops.stat_path(path).mtime_ns / 1e9)
            back = self._renamed(path, self.log, self._ops.rename_once)  # else others would write to what takes the name first
            if not back and not any(self._renamed(path, name, self._ops.rename_new) for name in self.targets(period)):
                raise FileExistsError(f"{path}: is another log, and no name is free for it")
        except (OSError, OverflowError, ValueError) as error:
            self._report("rotation", error)

    def _renamed(self, source: str, target: str, rename: Callable[[str, str], bool | None]) -> bool:
        """Rename, if the name is free."""
        try:
            return rename(source, target) is not False
        except OSError as error:
            if self._ops.fault(error) is not Fault.EXISTS:
                raise
            return False

    def late(self, period: Period, last: int, *, beside: bool) -> tuple[str, Opening] | None:
        """The last plain segment of a period, or the path for its first one, where something may be: what somebody has just made,
        or a file that is none of ours, since a namer may give any name. None where it is compressed already, or waits for another
        process's rotator, which is to have the name to itself. What is there may be sealed meanwhile: it must not be created
        again, for it would stand beside its compressed form and have another content.

        Args:
            period: of the record.
            last: inode of the period's last segment; 0 if it had none, or that is not known.
            beside: the path for another one: who deletes or seals the last one does not let it go.

        Raises:
            OSError: the folder or the name cannot be looked at.
        """
        names = self.names()
        first = names.at(self._schedule.wall(period.start))
        folder = _folder_of(names, first)
        files = self._files_of(names, first, folder)
        if _waiting(names, first, files if folder == names.folder else self._files_of(names, first, names.folder)):
            return None
        same = [(found, path) for found, path in names.known(folder, files) if found.wall == first.wall]
        own = self._own(names, first, period, same, last)
        if own and own[-1][0].compression:
            return None
        if own and not beside:
            return own[-1][1], Opening.EXISTING
        path = names.write(replace(first, index=self._next_index(names, first) if same else 0))
        return path, Opening.NEW

    def _own(
        self, names: Names, first: SegmentName, period: Period, same: list[tuple[SegmentName, str]], last: int
    ) -> list[tuple[SegmentName, str]]:
        """Of the segments with the period's text those that are its own. Where its neighbours have the same text (the hour that
        clocks which are set back repeat, a suffix of whole days) and it is not known which is its last, the last write tells. One
        after the period's end is a late record's, or one to a segment that the next period has closed by then: that counts for
        nothing, and at worst the period gets a second segment of its own."""
        grace = min(self._grace, (period.end - period.start) / 2)
        least = period.start + grace if self._has_text(names, first, period.start - 1) else -math.inf
        most = period.end if self._has_text(names, first, period.end) else math.inf
        if least == -math.inf and most == math.inf:
            return same
        found = [(one, self._ops.stat_path(one[1])) for one in same]
        known = [one for one, file in found if file.id.inode == last]
        return known or [one for one, file in found if least <= file.mtime_ns / 1e9 < most]

    def _has_text(self, names: Names, first: SegmentName, instant: int) -> bool:
        """Whether the period of this instant has segments of the same name."""
        return names.at(self._schedule.wall(self._schedule.period(instant).start)).wall == first.wall

    def _next_index(self, names: Names, first: SegmentName) -> int:
        """A default name takes no number away from a `namer` that makes another one."""
        taken, default = [-1], names.write(first) == names.default(first)
        for folder in {names.folder, _folder_of(names, first)}:
            try:
                files = self._files_of(names, first, folder)
            except OSError:
                continue  # not readable: names are tried from the first on
            same = [found for found, _ in names.known(folder, files) if found.wall == first.wall]
            taken += [found.index for found in same if default or not found.unaltered]
            taken += [found.index for found in _waiting(names, first, files)]
        return max(taken) + 1

    def _files_of(self, names: Names, name: SegmentName, folder: str) -> list[str]:
        """The file names that can belong to a period. Reading in full all names of a folder with thousands
        of segments takes long, and the lock is held; those of one period have its text in them."""
        text = show(name.wall, names.suffix)
        return [file for file in self._ops.names(folder) if text in file]


def _waiting(names: Names, first: SegmentName, files: list[str]) -> list[SegmentName]:
    """The segments of a period among these files that wait under hidden names."""
    return [found for text in files if (found := names.read_pending(text)) is not None and found.wall == first.wall]


def _folder_of(names: Names, name: SegmentName) -> str:
    return os.path.dirname(names.write(name)) or names.folder
