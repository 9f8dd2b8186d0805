"""Sealing: what happens to a closed segment once nobody writes to it any more.

A segment is sealed when (1) the grace of its period is over, (2) an exclusive lock on it is had without waiting, so nobody has
a lease, and (3) its name still leads to it then. For as long as the lock is held exactly one process is at the segment, and does
what is not done yet:

  S1 fsync       of the plain file, where that is asked for
  S2 compress    after a delay, see `compression`; the steps below then see the compressed file
  S3 steps       the user's hook, the archive: each at its end is written down in the segment's marker
  S4 delete      where the archive is to be the only place, once all steps are done

- **L1** Any process may run this at any time, also from the command line; what one leaves undone, the next one does.
- **L2** A step is called again only if the process died between its end and the marker, or the marker was removed.
- **L3** A segment that fails does not hold up the others; what somebody has is left for the next time.
- **L4** Nothing is looked at, opened or removed but names that read in full as this log's.
- **L5** No segment is touched while a file of its period waits for a user's rotator. What has waited for a day is given its
  name, but by who has a rotator.
- **L6** A compression that was begun by one of us is finished, or what there is of it removed, also by who has none to do.
"""

from __future__ import annotations

import os.path
from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import replace

from .._platform import Fault, FileStat, Operations
from .._pure.closing import closing
from .._pure.errors import InvalidOption
from .._pure.naming import Names, SegmentName
from .._pure.schedule import Schedule
from .._resources.descriptors import unlock_and_close
from .._resources.held import HeldDescriptors
from .._resources.report import Reporter
from .compression import Busy, Refused, lock_file
from .duties import Key, Memory, Progress, Sealed, Sealing, Step
from .handover import take_over
from .markers import read_marker, reclaim
from .treating import Held, Segment, Tell, Treatment, exists
from .twins import Stopped

__all__ = ["Memory", "Sealed", "Sealing", "Step", "seal_all"]


def seal_all(
    ops: Operations,
    names: Names,
    folder: str,
    schedule: Schedule,
    rules: Sealing,
    report: Reporter,
    stop: Callable[[], bool],
    *,
    now: float,
    progress: Progress | None = None,
    memory: Memory | None = None,
    skip: Collection[str] = (),
    home: bool = True,
    rotates: bool = False,
) -> Sealed:
    """Do to every closed segment what is due, the oldest first, and remove hidden files that nobody needs any more. Never raises,
    but for what is no `Exception`. Safe to repeat, to run in several processes at once, and to lose at any instruction.

    Args:
        ops: the system calls.
        names: of the log's segments.
        folder: where they are.
        schedule: of the log.
        rules: what is to be done.
        report: is told what fails, under "seal", "fsync", "compress" and the names of the steps.
        stop: is asked between two segments, and between two pieces of one that is being compressed.
        now: wall clock (epoch seconds).
        progress: is told how far the compression of a segment is.
        memory: of the runs before.
        skip: steps that are left out, for another process is at them.
        home: hidden files are looked for in the log's folder, too, where `folder` is another one. All markers are there, so once
            is enough for any number of folders.
        rotates: this process has a user's rotator, which is to have what waits for one, however long that takes.
    """
    tell = Tell(report, Sealed(busy=set(skip)))
    treatment = Treatment(HeldDescriptors(ops).table(), names, schedule, rules, stop, progress, tell)
    if rules.wanted and not names.readable:
        problem = "what it writes cannot be read back, so no segment is compressed, archived or handed to a hook"
        report("seal", InvalidOption("suffix", names.suffix, problem, "use year, month and day, such as '%Y-%m-%d'"))
        return tell.sealed
    _Run(treatment, now, Memory() if memory is None else memory).folder(folder, home=home, rotates=rotates)
    return tell.sealed


class _Run:
    """One run over one folder.

    Args:
        treatment: of a segment that is due.
        now: wall clock (epoch seconds).
        memory: of the runs before.
    """

    def __init__(self, treatment: Treatment, now: float, memory: Memory) -> None:
        self.ops = treatment.ops
        self.names = treatment.names
        self.rules = treatment.rules
        self.stop = treatment.stop
        self.tell = treatment.tell
        self.sealed = treatment.tell.sealed
        self.treatment = treatment
        self.now = now
        self.memory = memory

    def folder(self, folder: str, *, home: bool, rotates: bool) -> None:
        """Everything in it; `home` and `rotates` as of `seal_all`."""
        try:
            files = self._files(folder)
            if home and self.rules.wanted and not rotates and self._waiting(folder, files):
                take_over(self.ops, self.names, _TakenOver(self.ops, self.tell), self.now)
                files = self._files(folder)
            segments = self._segments(folder, files) if self.rules.wanted else []
            self.memory.keep_only({one.plain or one.packed[0][1] for one in segments})
            for segment in segments:
                if self.stop():
                    self.sealed.stopped = True
                    return
                self._try(segment)
            reclaim(self.ops, self.names, folder, files)
            if home and folder != self.names.folder:
                reclaim(self.ops, self.names, self.names.folder, self.ops.names(self.names.folder))
        except Stopped:
            self.sealed.stopped = True
            return
        except Exception as error:
            self.tell.failed("seal", error)
        for what in {"seal", "fsync", "compress", *(step.name for step in self.rules.steps)} - self.tell.what:
            self.tell.report.solved(what)

    def _files(self, folder: str) -> list[str]:
        try:
            return self.ops.names(folder)
        except OSError as error:
            fault = Fault.OTHER if folder == self.names.folder else self.ops.fault(error)
            if fault in {Fault.DENIED, Fault.LOOP}:  # it only differs in digits from ours, and may be somebody else's
                self.tell.refused("seal", error)
            elif fault is not Fault.MISSING:  # else a `namer` has one in mind that nobody has made yet
                raise
            return []

    def _segments(self, folder: str, files: list[str]) -> list[Segment]:
        found: dict[SegmentName, Segment] = {}
        waiting = self._waiting(folder, files)
        for name, path in self.names.known(folder, files):
            plain = replace(name, compression="")
            segment = found.setdefault(plain, Segment(plain, waits=name.wall in waiting))
            if name.compression:
                segment.packed.append((name, path))
            else:
                segment.plain = path
        return list(found.values())

    def _waiting(self, folder: str, files: list[str]) -> set[object]:
        """The periods of which a file waits for a user's rotator. It may be just at it, and a segment of that period what it is
        writing: it takes no lock on that, and the file that waits goes when it has done."""
        beside = files if folder == self.names.folder else self.ops.names(self.names.folder)
        return {found.wall for text in beside if (found := self.names.read_pending(text)) is not None}

    def _try(self, segment: Segment) -> None:
        path = segment.plain or segment.packed[0][1]
        try:
            self._one(segment, path)
        except Stopped:
            raise
        except Exception as error:
            fault = self.ops.fault(error)
            if fault is Fault.DENIED:  # another user's, or in a folder that may only be read: for a process that may
                self.tell.refused("seal", error)
            elif fault is not Fault.MISSING:  # else somebody has removed it meanwhile
                self.tell.failed("seal", error)

    def _one(self, segment: Segment, path: str) -> None:
        """One segment, if it is due and nobody has it."""
        found = self.ops.stat_link(path)
        key = (found.id, found.size, found.mtime_ns, self._beside(segment))
        if not found.regular or self.memory.settled.get(path) == key or not (segment.plain or self.rules.steps):
            return
        try:
            told = closing(self.treatment.schedule, self.names, segment.name, found.mtime_ns / 1e9, self.rules.grace)
        except (OverflowError, ValueError):
            return  # there is no calendar then
        full = told.over + (self.rules.compression.delay if self.treatment.packs(path) else 0.0)
        syncs = bool(segment.plain) and self.rules.fsync != "never" and self.memory.synced.get(path) != key
        if self.now < full:
            self.sealed.wait_until(full if self.now >= told.over or not syncs else told.over)
            if self.now < told.over or not syncs:
                return
        elif not syncs and not self.treatment.packs(path) and self._is_done(segment, found):
            self.memory.settled[path] = key
            return
        if segment.waits:
            self.sealed.held.add(found.id)
            return
        with ExitStack() as stack:
            fd = self._lock(segment, path, found, stack)
            if fd is None or (syncs and not self._sync(fd, path, key)) or self.now < full:
                return
            held = Held(segment, told, path, fd, "" if segment.plain else segment.packed[0][0].compression)
            if self.treatment.treat(held, stack) and held.settles:
                self.memory.settled[path] = key
                self.sealed.done += 1

    def _beside(self, segment: Segment) -> tuple[tuple[int, int], ...]:
        """Size and last write of what stands beside a plain segment: somebody may have ended it since it was looked at."""
        found: list[tuple[int, int]] = []
        for _, path in segment.packed if segment.plain else ():
            try:
                there = self.ops.stat_link(path)
            except OSError as error:
                if self.ops.fault(error) is not Fault.MISSING:
                    raise
                continue
            found.append((there.size, there.mtime_ns))
        return tuple(found)

    def _is_done(self, segment: Segment, found: FileStat) -> bool:
        """Whether the marker says that there is nothing to do, without a lock: it only ever becomes true."""
        if self.rules.delete_after is not None or (segment.plain and segment.packed):
            return False
        marker = read_marker(self.ops, self.names.marker(segment.name)) if self.rules.steps else None
        done = marker.done if marker is not None and marker.tells_of(found, packed=not segment.plain) else {}
        return all(step.name in done for step in self.rules.steps)

    def _lock(self, segment: Segment, path: str, found: FileStat, stack: ExitStack) -> int | None:
        """The exclusive lock on the file, for as long as the stack lasts."""
        try:
            fd = lock_file(self.ops, path)
        except Busy:
            self.sealed.held.add(found.id)
            return None
        except Refused:
            return None
        if fd is not None:
            stack.callback(unlock_and_close, self.ops, fd)
            if not segment.plain and exists(self.ops, self.names.write(segment.name)):
                return None  # it has just come to be
            if exists(self.ops, self.names.pending(segment.name)):
                self.sealed.held.add(found.id)
                return None
        return fd

    def _sync(self, fd: int, path: str, key: Key) -> bool:
        """S1, of the name, too."""
        try:
            self.ops.fsync(fd)
            self.ops.fsync_folder(os.path.dirname(path))
        except OSError as error:
            self.tell.failed("fsync", error)
            return False
        self.memory.synced[path] = key
        return True


class _TakenOver(Reporter):
    """Of files that no rotator has taken: what fails is a failure of sealing, and what is denied waits for a process that may.

    Args:
        ops: the system calls.
        tell: what is told in this run.
    """

    def __init__(self, ops: Operations, tell: Tell) -> None:
        self._ops = ops
        self._tell = tell

    def __call__(self, what: str, error: Exception) -> None:  # noqa: ARG002
        """See `Reporter`."""
        denied = self._ops.fault(error) is Fault.DENIED
        (self._tell.refused if denied else self._tell.failed)("seal", error)

    def solved(self, what: str) -> None:
        """Said at the end of the run."""
