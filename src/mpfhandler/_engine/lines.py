"""Whole lines in bulk, for a program that passes on what another one writes: a block of them is one write(2).

A block belongs to the time at which it came, so all of it stands in one period's file; one with which that would be larger than
`max_bytes` is divided behind the line that reaches it. What holds for a record holds for each line of it: after a short write
those that are whole stay, the part of one becomes a line, and the others wait for the disk, in order, and are not written twice.

A block that is written at once counts as one record in `stats()`, and its bytes as what they are.

Who waits with the next block until nothing waits any more (`behind`, `retry`) loses nothing to a full disk, however long it is
full, and needs memory for one block.
"""

from __future__ import annotations

from functools import partial

from .._pure.escaping import escaped_record
from .._pure.schedule import Period
from .._resources.append import OpenSegment
from .._resources.together import append_together
from .batch import Batches
from .buffer import Buffer
from .entries import Batch, Group, Waiting
from .timedlogfile import TimedLogFile

__all__ = ["Lines", "split"]

_WRITE = 1 << 22  # bytes of one write at most, but for a line that is longer
_EVER = Period(-(1 << 62), 1 << 62)


class Lines:
    """Writes blocks of lines to a log. For one thread.

    Args:
        log: stays the caller's to close.
        waits: the caller brings nothing new while `behind`; else what a full disk does not take has `spill_bytes` of memory, and
            is dropped and counted beyond that.
    """

    def __init__(self, log: TimedLogFile, *, waits: bool = True) -> None:
        self._log = log
        self._writer = log._writer
        self._end = log._terminator
        self._batches = Batches(log._writer, _WRITE, bounded=not waits)
        self._buffered = isinstance(log._sink, Buffer)

    def write(self, data: bytes, created: float) -> None:
        """Write whole lines.

        Args:
            data: ends with the log's terminator.
            created: when they came (epoch seconds).

        Never raises an `OSError`: what cannot be written waits in memory.
        """
        if self._buffered:
            for line in split(data, self._end):
                self._log._append(line, created)
            return
        writer = self._writer
        if writer.options.escape:
            encoding = writer.options.encoding
            data = b"".join(escaped_record(line, self._end, encoding) for line in split(data, self._end))
        with writer.lock:
            if not self._quickly(data, created):
                batch = Batch(self._end, Waiting(_EVER), created)
                batch.entries += split(data, self._end)
                self._batches.write(batch)

    @property
    def behind(self) -> bool:
        """Whether something waits for the disk."""
        return bool(self._writer._backlog)

    def retry(self) -> None:
        """Try once more to write what waits."""
        self._log.flush()

    def _quickly(self, data: bytes, created: float) -> bool:
        """In the steady state a block is not taken apart; else False. As `Writer.write`, whose window it is."""
        writer, segment = self._writer, self._writer._active.segment
        if not isinstance(segment, OpenSegment):
            return False
        if not (writer._lo <= created < writer._due and writer.clock() < writer._look) or len(data) > self._batches.room(segment):
            return False
        lines = partial(split, data, self._end)
        try:
            end = append_together(segment, data, lines, data)
        except OSError as error:
            self._go_on(lines(), created, segment, error)
            return True
        writer._appender.sync(segment)
        self._batches._count(segment, 1, len(data))  # to count its lines would nearly take as long as the write
        if self._batches.wrote(segment, end):
            writer._ask_split()
        return True

    def _go_on(self, lines: list[bytes], created: float, segment: OpenSegment, error: OSError) -> None:
        """Only some of the lines are there, or none: what is missing is written again, or waits."""
        batch = Batch(self._end, Waiting(_EVER), created)
        batch.entries += lines
        self._batches._failed(batch, segment, Group(b"", len(lines), batch, 0), error)
        self._batches.write(batch)


def split(data: bytes, end: bytes) -> list[bytes]:
    """The lines of a block, each with its end."""
    return [line + end for line in data.removesuffix(end).split(end)]
