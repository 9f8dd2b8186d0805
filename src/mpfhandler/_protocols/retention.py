"""The deletion of closed segments. Counted by what a name means, not by how it sorts; by the last write where the name means no
date. Which ones go, and why, is decided in `keeping`.

Only regular files whose names read in full as segments of this log are counted or deleted (promise P4). A segment that
somebody may still write to is left for the next time: every writer holds a shared lock on it, the lease, so an exclusive
one is taken before the name goes (promise P1: no record into a file without a name). Who compresses or archives a segment has
the exclusive lock, too. A plain file and its compressed one are one segment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from .._platform import Fault, FileId, FileStat, Operations
from .._pure.closing import closing
from .._pure.errors import InvalidOption
from .._pure.keeping import Closed, Doomed, Rules, doomed, next_too_old
from .._pure.naming import Names, SegmentName
from .._pure.schedule import Schedule
from .._resources.descriptors import unlock_and_close
from .._resources.held import HeldDescriptors
from .._resources.report import Reporter

__all__ = ["Rules", "Shelf", "Swept", "plan", "survey", "sweep"]

_LOOK = 60.0  # seconds between two looks at the free space


@dataclass(frozen=True)
class Shelf:
    """Where the closed segments of a log are, and how their names are read.

    Attributes:
        names: of its segments.
        folder: of its segments; its file system is the one that is kept free.
        schedule: of the log.
        grace: seconds after a period's end in which late records come.
        others: folders in which segments can be, too.
    """

    names: Names
    folder: str
    schedule: Schedule
    grace: float
    others: frozenset[str] = frozenset()


@dataclass
class Swept:
    """What came of a sweep."""

    gone: list[str] = field(default_factory=list[str])  # paths
    held: set[FileId] = field(default_factory=set[FileId])  # somebody may still write to them, or is at them
    failures: list[tuple[str, Exception]] = field(
        default_factory=list[tuple[str, Exception]]
    )  # by rule: what could not be deleted, or looked at
    next_at: float | None = None  # when the next segment may be due (epoch seconds); None: not before another rotation

    @property
    def failed(self) -> bool:
        """Whether there was any failure: those are tried again the next time."""
        return bool(self.failures)


def survey(ops: Operations, shelf: Shelf, *, dated: bool, unread: list[OSError] | None = None) -> list[Closed]:
    """The closed segments, oldest first; none where the suffix cannot be read back.

    Args:
        ops: the system calls.
        shelf: where they are.
        dated: also when the period of each has ended, which takes longer than everything else.
        unread: gets why others of the folders cannot be read. What is in them is not counted, so more is kept.

    Raises:
        OSError: the log's folder, or that of its present segments, cannot be read.
    """
    unread = [] if unread is None else unread
    names, found = shelf.names, dict[SegmentName, list[tuple[str, FileStat]]]()
    folders = {shelf.folder, *shelf.others} if names.readable else ()
    for name, path in sorted(one for folder in folders for one in names.known(folder, _files(ops, shelf, folder, unread))):
        seen = _look(ops, path)
        if seen is not None and seen.regular:
            found.setdefault(replace(name, compression=""), []).append((path, seen))
    if not names.chronological:
        found = dict(sorted(found.items(), key=lambda one: max(seen.mtime_ns for _, seen in one[1])))  # stable: then by name
    return [_closed(shelf, name, files, dated=dated) for name, files in found.items()]


def _files(ops: Operations, shelf: Shelf, folder: str, unread: list[OSError]) -> list[str]:
    try:
        return ops.names(folder)
    except OSError as error:
        missing = ops.fault(error) is Fault.MISSING  # a `namer` has one in mind that nobody has made yet, or it is no folder
        if folder == shelf.names.folder or (folder == shelf.folder and not missing):
            raise
        if not missing:  # it only differs in digits from ours, and may be somebody else's
            unread.append(error)
        return []


def _free_bytes(ops: Operations, shelf: Shelf) -> int:
    """Of the segments' file system; of the log's as long as there is no folder of theirs."""
    try:
        return ops.free_bytes(shelf.folder)
    except OSError as error:
        if ops.fault(error) is not Fault.MISSING or shelf.folder == shelf.names.folder:
            raise
        return ops.free_bytes(max((one for one in shelf.others if _look(ops, one) is not None), default=shelf.names.folder))


def plan(ops: Operations, shelf: Shelf, rules: Rules) -> list[Doomed]:
    """What a sweep would delete now, oldest first.

    Raises:
        OSError: the log's folder, or that of its present segments, cannot be read, or its free space is not told.
    """
    free = _free_bytes(ops, shelf) if rules.retention.min_free_bytes else None
    return doomed(survey(ops, shelf, dated=rules.retention.max_age > 0), rules, ops.now(), free)


def sweep(
    ops: Operations,
    shelf: Shelf,
    rules: Rules,
    report: Reporter,
    stop: Callable[[], bool],
    progress: Callable[[Doomed], None] | None = None,
) -> Swept:
    """Delete what the rules do not keep. One that cannot be deleted is reported once and does not hold up the others. Safe to
    repeat, to run in several processes at once, and to lose at any point.

    Args:
        ops: the system calls.
        shelf: where the segments are.
        rules: to go by.
        report: is told what fails, under the rule that asked for it.
        stop: is asked between two segments.
        progress: is told of each segment that is looked at, before that.
    """
    run = _Sweep(HeldDescriptors(ops).table(), shelf, rules, report)
    if not rules.names:
        return run.swept
    if not shelf.names.readable:
        report(rules.names[0], _unreadable(shelf.names))
        return run.swept
    unread: list[OSError] = []
    try:
        closed = survey(ops, shelf, dated=rules.retention.max_age > 0, unread=unread)
        run.all(closed, run.free(), stop, progress or (lambda _: None))
    except OSError as error:
        unread.insert(0, error)
    for one in unread:  # last, so that what cannot be deleted is told first
        run.failed(rules.names[0], one)
    run.tell()
    return run.swept


class _Sweep:
    """One run.

    Args: as of `sweep`.
    """

    def __init__(self, ops: Operations, shelf: Shelf, rules: Rules, report: Reporter) -> None:
        self.swept = Swept()
        self._ops = ops
        self._shelf = shelf
        self._rules = rules
        self._report = report

    def free(self) -> int | None:
        """Free bytes, if a rule asks for them and the system tells."""
        if self._rules.retention.min_free_bytes:
            try:
                return _free_bytes(self._ops, self._shelf)
            except OSError as error:
                self.failed("min_free_bytes", error)
        return None

    def all(self, closed: list[Closed], free: int | None, stop: Callable[[], bool], progress: Callable[[Doomed], None]) -> None:
        """Delete, and once more where something could not be deleted: a rule about bytes then asks for others."""
        now, tried, stuck = self._ops.now(), set[SegmentName](), set[SegmentName]()
        while todo := [one for one in doomed(closed, self._rules, now, free, stuck) if one.name not in tried]:
            for one in todo:
                if stop():
                    return
                progress(one)
                tried.add(one.name)
                if not self._try(one):
                    stuck.add(one.name)
            if not stuck & {one.name for one in todo}:
                break
        self.swept.next_at = next_too_old(closed, self._rules, now)
        if self._rules.retention.min_free_bytes:
            self.swept.next_at = min(self.swept.next_at or now + _LOOK, now + _LOOK)

    def _try(self, one: Doomed) -> bool:
        """Whether it is gone, or will be once somebody lets go of it."""
        try:
            _delete(self._ops, one.paths, self._shelf.names.marker(one.name), self.swept)
        except OSError as error:
            self.failed(one.rule, error)
            return False
        return True

    def failed(self, rule: str, error: Exception) -> None:
        """Remember for the end of the run."""
        self.swept.failures.append((rule, error))

    def tell(self) -> None:
        """Report the failures: the first one of each rule, which is of its oldest segment. So two causes do not take turns in
        being news, run after run."""
        first = dict(reversed(self.swept.failures))
        for rule in self._rules.names:
            error = first.get(rule)
            if error is None:
                self._report.solved(rule)
            else:
                self._report(rule, error)


def _delete(ops: Operations, paths: tuple[str, ...], marker: str, swept: Swept) -> None:
    """Delete the files of one segment, unless somebody has one of them. Where there are no locks, or a file may not be opened,
    nobody is waited for. The plain one goes last: it is the truth of the two. After it goes what is written down about it."""
    locked: list[int] = []
    try:
        there = [path for path in paths if _take(ops, path, locked, swept)]
        if len(there) < len(paths):
            return
        for path in reversed(there):
            try:
                ops.unlink(path)
            except OSError as error:
                if ops.fault(error) is not Fault.MISSING:  # another process was faster
                    raise
                continue
            swept.gone.append(path)
        _forget(ops, marker)
    finally:
        for fd in locked:
            unlock_and_close(ops, fd)


def _forget(ops: Operations, marker: str) -> None:
    """If there is one; what cannot be removed now goes with the next segment that is sealed."""
    try:
        ops.stat_link(marker)
        ops.unlink(marker)
    except OSError:
        pass


def _take(ops: Operations, path: str, locked: list[int], swept: Swept) -> bool:
    """Whether a file may go: nobody has it, and it is still the one that the name leads to."""
    try:
        fd = ops.open_side(path)
    except OSError as error:
        return ops.fault(error) is not Fault.MISSING
    locked.append(fd)
    if not _free(ops, fd):
        swept.held.add(ops.stat_fd(fd).id)
        return False
    seen = _look(ops, path)
    return seen is not None and seen.regular and seen.id == ops.stat_fd(fd).id


def _free(ops: Operations, fd: int) -> bool:
    try:
        return ops.try_lock(fd, True)
    except OSError:
        return True


def _unreadable(names: Names) -> InvalidOption:
    problem = "what it writes cannot be read back, so nothing is deleted"
    return InvalidOption("suffix", names.suffix, problem, "use year, month and day, such as '%Y-%m-%d'")


def _closed(shelf: Shelf, name: SegmentName, files: list[tuple[str, FileStat]], *, dated: bool) -> Closed:
    ended = written = max(seen.mtime_ns for _, seen in files) / 1e9
    if dated:
        try:
            ended = closing(shelf.schedule, shelf.names, name, written, shelf.grace).period.end
        except (OverflowError, ValueError):  # there is no calendar then
            pass
    return Closed(name, tuple(path for path, _ in files), sum(seen.size for _, seen in files), ended)


def _look(ops: Operations, path: str) -> FileStat | None:
    """The name's own facts: what a symbolic link leads to is somebody else's, and so is the link."""
    try:
        return ops.stat_link(path)
    except OSError:
        return None
