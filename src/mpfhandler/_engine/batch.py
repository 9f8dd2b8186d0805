"""Many whole records written together, as the buffer gives them: consecutive ones of one segment with one write(2).

The same slow path as for a single record, and the same rules: each record goes to the segment of its period (P2), the world is
brought in order first, and what cannot be written waits in the backlog, in order. Before a rotation the records of the period
that is over go to the segment that is still open, so that a rotation makes no record late.

The engine's lock guards everything here. A signal handler's exception may come out of every call: what is in a file by then is
marked as done in the batch, and the next call goes on behind it. One that forks leaves the child an empty batch: the records
are its parent's.
"""

from __future__ import annotations

from functools import partial

from .._resources.append import Incomplete, OpenSegment
from .._resources.spill import Lost
from .._resources.together import append_together, count_whole
from .._resources.watch import Watch
from .entries import Batch, Group, Whole
from .writer import Writer

__all__ = ["Batches"]

_EVER = float("inf")
_MOST = 4096  # records in one write
_TRIES = 5  # of one write, where the file is renamed or its descriptor closed under us each time


class Batches:
    """Writes batches through the engine.

    Args:
        writer: the engine.
        size: bytes of one write at most, but for a single record that is longer.
        bounded: what waits for the disk has `spill_bytes` at most, the rest is dropped and counted; else who calls brings nothing
            new until it is written.
    """

    def __init__(self, writer: Writer, size: int, *, bounded: bool = True) -> None:
        self._writer = writer
        self._size = size
        self._bounded = bounded
        self._grown: tuple[OpenSegment | None, int] = None, 0  # the segment that was last written to; its size after that
        self.writing_since: float | None = None  # a hint for other threads: since when the disk is at one write

    def write(self, batch: Batch) -> None:
        """Write what is left of a batch: afterwards it is in the files or in the backlog. Not to be called inside the slow path.
        Never raises an `OSError`."""
        self._writer._run(lambda: self._write(batch))

    def room(self, segment: OpenSegment) -> int:
        """Bytes that the active segment has before `max_bytes`. What other processes have written since our last write is not
        asked for: that would be a system call for each."""
        limit = self._writer._limit
        if not self._writer.options.max_bytes:
            return limit
        if self._grown[0] is not segment:
            try:
                self._grown = segment, self._writer._ops.stat_fd(segment.fileno()).size
            except OSError:  # the write will tell
                return limit
        return limit - self._grown[1]

    def wrote(self, segment: OpenSegment, end: int) -> bool:
        """So far the active segment reaches now. Whether it is to be split."""
        self._grown = segment, end
        return end >= self._writer._limit

    def _write(self, batch: Batch) -> None:
        writer = self._writer
        if not writer._backlog:
            self._end_period(batch)
        writer._refresh()
        writer._drain()
        while (entry := batch.first()) is not None:
            if writer._backlog or isinstance(entry, Lost):
                self._keep(batch, entry)
                writer._drain()
            else:
                writer._refresh()  # the batch before may have reached maxBytes, or lasted into another period
                self._write_some(batch, entry)

    def _end_period(self, batch: Batch) -> None:
        """If a rotation is due: first what belongs to the open segment, while it is certainly ours and not out of its grace; with
        `late_grace=0` while it has the log's name."""
        writer, segment = self._writer, self._writer._active.segment
        now, grace = writer.now(), writer.options.late_grace or _EVER
        if not isinstance(segment, OpenSegment) or not segment.period.end <= now < segment.period.end + grace:
            return
        if segment.shared or not segment.agreed or not segment.intact() or segment.nameless():
            return
        while (entry := batch.first()) is not None and not writer._backlog:
            if isinstance(entry, Lost) or not segment.period.start <= entry[1] < segment.period.end:
                return
            before = batch.done
            self._append(batch, segment, segment.period.end)
            if batch.done == before:
                return

    def _write_some(self, batch: Batch, entry: tuple[bytes, float]) -> None:
        """The next record, with those behind it that go to the same segment."""
        active = self._writer._active
        segment = active.target(entry[1])
        if isinstance(segment, OpenSegment):
            self._append(batch, segment, _EVER if segment is active.segment else segment.period.end)
        else:  # a pipe takes 4096 bytes at once without mixing them with another process's
            self._write_one(batch, entry)

    def _write_one(self, batch: Batch, entry: tuple[bytes, float]) -> None:
        writer, start, watch = self._writer, batch.done, Watch()
        writer._backlog.landed = False
        self.writing_since = writer._ops.monotonic()
        try:
            if not writer._deliver(*entry, watch):
                self._keep(batch, entry)
            batch.done = start + 1
        except BaseException:
            if writer._backlog.landed or watch.moved(len(entry[0])):
                batch.done = start + 1
            raise
        finally:
            self.writing_since = None

    def _append(self, batch: Batch, segment: OpenSegment, until: float) -> None:
        writer, start, watch = self._writer, batch.done, Watch()
        group = self._gather(batch, segment, until)
        watch.begin(segment)
        try:
            end = self._appended(segment, group)
            batch.done = start + group.number
        except OSError as error:
            self._failed(batch, segment, group, error)
            return
        except BaseException:
            batch.done = start + count_whole(group.records(), watch.advance())[0]
            raise
        self._count(segment, group.number, len(group.data))
        if segment is writer._active.segment and self.wrote(segment, end):
            writer._active.ask_split()

    def _appended(self, segment: OpenSegment, group: Group) -> int:
        entries = group.batch.entries
        self.writing_since = self._writer._ops.monotonic()
        try:
            together = partial(append_together, segment, group.data, group.records, entries)
            return self._writer._appender.run(segment, group.data, together)
        finally:
            self.writing_since = None

    def _gather(self, batch: Batch, segment: OpenSegment, until: float) -> Group:
        """The next record and those behind it whose `created` is before `until` and which this segment takes: up to the one that
        reaches `max_bytes`, as if each were written alone."""
        active, start = self._writer._active, batch.done
        since = segment.period.start if segment is not active.segment or active._keeps_late() else -_EVER
        left, room = self._size, self.room(segment) if segment is active.segment else self._writer._limit
        if start == 0 and (data := batch.joined(since, until)) is not None and len(data) <= min(left, room):
            return Group(data, len(batch.entries), batch, 0)
        group: list[bytes] = []
        for entry in batch.entries[start : start + _MOST]:
            whole = batch.whole(entry)
            if not isinstance(whole, tuple):
                break
            size = len(whole[0])
            if group and (room <= 0 or size > left or not since <= whole[1] < until):
                break
            left, room = left - size, room - size
            group.append(whole[0])
        return Group(b"".join(group), len(group), batch, start)

    def _failed(self, batch: Batch, segment: OpenSegment, group: Group, error: OSError) -> None:
        """Some of a group or nothing is there: the others wait, in order, and with them everything behind."""
        writer, start = self._writer, batch.done
        first, last = error.there if isinstance(error, Incomplete) else (0, 0)
        self._count(segment, last - first, sum(map(len, group.records()[first:last])))
        times = batch.tried[1] + 1 if batch.tried[0] == start else 1
        if not last and times < _TRIES and writer._active.gone(error, segment):
            batch.tried = start, times  # again, with a descriptor that works
            return
        if first and (glued := batch.first()) is not None:
            self._keep(batch, glued)
        batch.done = start + last
        if last < group.number and (missing := batch.first()) is not None:
            self._keep(batch, missing)
        writer._not_written(error)

    def _keep(self, batch: Batch, entry: Whole) -> None:
        """The next of the batch waits for the disk."""
        spill, start = self._writer._backlog.spill, batch.done
        try:
            if isinstance(entry, Lost):
                spill.mark(entry)
            else:
                spill.add(*entry, bounded=self._bounded)
            batch.done = start + 1
        except BaseException:
            if spill.ends_with(entry):
                batch.done = start + 1
            raise

    def _count(self, segment: OpenSegment, records: int, size: int) -> None:
        writer = self._writer
        writer._records += records
        writer._bytes += size
        if segment is not writer._active.segment:
            writer._late += records
