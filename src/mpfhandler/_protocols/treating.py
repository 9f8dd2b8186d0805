"""What is done to one sealed segment, under its lock: S2 to S4 of `sealing`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from .._platform import Fault, FileStat, Operations
from .._pure.closing import Closing
from .._pure.moment import Head, Tail, first_moment, last_moment
from .._pure.naming import COMPRESSIONS, Names, SegmentName
from .._pure.schedule import Schedule
from .._pure.sealed import SealedSegment
from .._resources.codec import Malformed, unpacked
from .._resources.descriptors import unlock_and_close
from .._resources.report import Reporter
from .compression import Busy, NotOurs, Plain, Refused, compress, lock_file
from .duties import Progress, Sealed, Sealing, Step
from .markers import Marker, Pen, Unwritten, forget, read_marker
from .twins import Stopped, chunks_of

__all__ = ["Held", "Segment", "Tell", "Treatment", "exists"]


@dataclass
class Segment:
    """The files of one segment."""

    name: SegmentName  # of the plain one
    plain: str = ""  # path
    packed: list[tuple[SegmentName, str]] = field(default_factory=list[tuple[SegmentName, str]])
    waits: bool = False  # for a user's rotator that may be just writing it


@dataclass
class Held:
    """The file that the steps see, with the exclusive lock on it."""

    segment: Segment
    closing: Closing
    path: str
    fd: int
    method: str  # "" for a plain one
    settles: bool = True  # what is not done cannot be done by this process later either, as long as the file is what it is


@dataclass
class Tell:
    """Who is told what fails in one run."""

    report: Reporter
    sealed: Sealed = field(default_factory=Sealed)
    what: set[str] = field(default_factory=set[str])

    def failed(self, what: str, error: BaseException) -> None:
        """It is to be tried again."""
        self.what.add(what)
        self.report(what, error if isinstance(error, Exception) else RuntimeError(repr(error)))
        self.sealed.failed = True

    def refused(self, what: str, error: Exception) -> None:
        """It will not be otherwise the next time, unless somebody does something about it."""
        self.what.add(what)
        self.report(what, error)


@dataclass(frozen=True)
class Treatment:
    """How segments are treated in one run."""

    ops: Operations
    names: Names
    schedule: Schedule
    rules: Sealing
    stop: Callable[[], bool]
    progress: Progress | None
    tell: Tell

    def packs(self, path: str) -> bool:
        """Whether the file is to be compressed. A user's `namer` may have given it the ending of one that is."""
        return self.rules.compression.method is not None and path.rpartition(".")[2] not in COMPRESSIONS

    def treat(self, held: Held, stack: ExitStack) -> bool:
        """S2 to S4, under the lock; whether there is nothing left to do."""
        marker = self._known(held) if self.rules.steps else None
        begun = bool(held.segment.packed) and not held.method  # by a process that died; else the content is there twice
        if (begun or self.packs(held.path)) and not self._compress(held, stack):
            return False
        if marker is None:
            return True
        for step in self.rules.steps:
            if step.name in marker.done or step.name in self.tell.sealed.busy:
                continue
            if self.stop():
                raise Stopped
            marker = self._step(held, step, marker)
            if marker is None:
                return True  # the step has removed the segment
            if not self._follow(held, stack):
                return False
        if any(step.name not in marker.done for step in self.rules.steps):
            return False
        if self.rules.delete_after in marker.done and not self._has_packed(held):  # else that would be archived once more
            self._delete(held)
        return True

    def _known(self, held: Held) -> Marker:
        """What the marker tells, or a new one."""
        marker = self._written(held)
        if marker is not None:
            return marker
        found = self.ops.stat_fd(held.fd)
        head, tail = Head(), Tail()
        try:
            if held.method:
                raw = chunks_of(self.ops, held.fd, self.stop)
                for chunk in unpacked(held.method, lambda: next(raw, b"")):
                    head.add(chunk)
                    tail.add(chunk)
            else:
                head.add(self.ops.read_at(held.fd, head.MOST, 0))
                tail.add(self.ops.read_at(held.fd, tail.MOST, max(0, found.size - tail.MOST)))
                tail.size = found.size
        except (Malformed, ImportError):
            pass  # the times are not known then
        zone = self.schedule.zone
        return Marker(tail.size, found.mtime_ns, first_moment(head.data, zone), last_moment(tail.data, zone))

    def _written(self, held: Held) -> Marker | None:
        """The marker, if there is one of this file."""
        marker = read_marker(self.ops, self.names.marker(held.segment.name))
        return marker if marker is not None and marker.tells_of(self.ops.stat_fd(held.fd), packed=bool(held.method)) else None

    def _compress(self, held: Held, stack: ExitStack) -> bool:
        """S2; whether to go on. What cannot be compressed stays plain, and goes its way so."""
        path, ops = held.path, self.ops
        found = ops.stat_fd(held.fd)
        told = self.progress

        def progress(done: int) -> None:
            if told is not None:
                told(path, done, found.size)

        plain = Plain(held.fd, path, found, ops.accessed(held.fd))
        how = self.rules.compression
        try:
            packed = compress(ops, self.names, plain, held.segment.name, how, self.stop, progress)
        except Refused as error:
            held.settles = not isinstance(error, NotOurs)
            self.tell.refused("compress", error)
            return True
        except Busy:
            self.tell.sealed.held.add(found.id)
            return False
        except OSError as error:
            if ops.fault(error) is Fault.MISSING and not exists(ops, path):
                return False
            if ops.fault(error) is Fault.DENIED:
                held.settles = False
                self.tell.refused("compress", error)
                return True
            self.tell.failed("compress", error)
            return ops.fault(error) is Fault.FULL and self.rules.delete_after is not None  # the archive makes room
        if packed is not None:
            fd, name = packed
            stack.callback(unlock_and_close, ops, fd)
            held.path, held.fd, held.method = self.names.write(name), fd, name.compression
        return True

    def _has_packed(self, held: Held) -> bool:
        """Whether a plain segment has a compressed form beside it: made just before it could not be removed, or somebody's."""
        forms = [] if held.method else [replace(held.segment.name, compression=one) for one in COMPRESSIONS]
        return any(exists(self.ops, self.names.write(one)) for one in forms)

    def _step(self, held: Held, step: Step, marker: Marker) -> Marker | None:
        """S3: one step, and what stands in the marker then: the same as before if it fails, None if the segment is gone."""
        start, end = held.closing.period
        before = self.ops.stat_fd(held.fd)
        segment = SealedSegment(held.path, float(start), float(end), before.size, marker.first, marker.last)
        try:
            pen = self._pen(held, step)
        except Busy:
            self.tell.sealed.held.add(before.id)
            return marker
        try:
            marker = self._written(held) or marker  # perhaps just now, by who had the lock on another file that had this name
            if step.name in marker.done:
                pen.drop()
                return marker
            evidence = step.run(segment, held.segment.name, self.stop)
        except InterruptedError:
            pen.drop()
            if self.stop():
                raise Stopped from None
            self.tell.sealed.busy.add(step.name)
            return marker
        except (Exception, SystemExit) as error:  # the latter of a hook that calls `sys.exit`
            pen.drop()
            self.tell.failed(step.name, error)
            return marker
        except BaseException:
            pen.drop()
            raise
        try:
            after = self.ops.stat_fd(held.fd)
        except BaseException:
            pen.drop()
            raise
        if step.reads and (after.size, after.mtime_ns) != (before.size, before.mtime_ns):
            pen.drop()
            self.tell.sealed.held.add(after.id)
            return marker
        return self._write_down(held, pen, marker.with_step(step.name, evidence))

    def _pen(self, held: Held, step: Step) -> Pen | Unwritten:
        """What the step is written down with. On a disk that is full the step after which the segment goes is run all the same:
        it makes room, and finds what it has done."""
        try:
            return Pen(self.ops, self.names, held.segment.name)
        except OSError as error:
            if step.name != self.rules.delete_after or self.ops.fault(error) is not Fault.FULL:
                raise
        return Unwritten()

    def _write_down(self, held: Held, pen: Pen | Unwritten, marker: Marker) -> Marker | None:
        """The end of a step, which may have changed the segment."""
        try:
            standing = self._standing(held)
        except BaseException:
            pen.drop()
            raise
        if standing is None:
            pen.drop()
            forget(self.ops, self.names, held.segment.name)
            return None
        _, found, method = standing
        marker = replace(marker, size=marker.size if method else found.size, mtime_ns=found.mtime_ns)
        pen.write(marker, found)
        return marker

    def _follow(self, held: Held, stack: ExitStack) -> bool:
        """Whether the next step may come. If a hook has put another file in the segment's place, with the lock on that one."""
        standing = self._standing(held)
        if standing is None or standing[1].id == self.ops.stat_fd(held.fd).id:
            return standing is not None
        path, found, method = standing
        try:
            fd = lock_file(self.ops, path)
        except Busy:
            self.tell.sealed.held.add(found.id)
            return False
        except Refused as error:
            self.tell.refused("seal", error)
            return False
        if fd is None:
            return False
        stack.callback(unlock_and_close, self.ops, fd)
        held.path, held.fd, held.method = path, fd, method
        return True

    def _standing(self, held: Held) -> tuple[str, FileStat, str] | None:
        """What there is of the segment after a hook, which may have compressed or removed it; how it is compressed."""
        name = held.segment.name
        others = [(self.names.write(replace(name, compression=one)), one) for one in ("", *COMPRESSIONS)]
        for path, method in [(held.path, held.method), *others]:
            try:
                return path, self.ops.stat_link(path), method
            except OSError as error:
                if self.ops.fault(error) is not Fault.MISSING:
                    raise
        return None

    def _delete(self, held: Held) -> None:
        """S4, if the name still leads to the file that was archived."""
        if self.ops.stat_link(held.path).id == self.ops.stat_fd(held.fd).id:
            self.ops.unlink(held.path)
            forget(self.ops, self.names, held.segment.name)


def exists(ops: Operations, path: str) -> bool:
    """Whether there may be something of this name."""
    try:
        ops.stat_link(path)
    except OSError as error:
        return ops.fault(error) is not Fault.MISSING
    return True
