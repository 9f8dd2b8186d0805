"""The last records of a log, without reading all of it: from the end of each plain file backwards."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain

from .asked import Asked
from .files import LogFile
from .moments import Clock
from .reading import begins_too_late, chunks_of, shape_at, sieve_for
from .records import Shape, whole
from .source import first_place

__all__ = ["last_of"]

_SPAN = 1 << 16  # bytes from the end that are read first
_GROWS = 8
_LINE = 4 << 20  # bytes of a line whose beginning is kept


def last_of(file: LogFile, fd: int, end: int, most: int | None, asked: Asked, clock: Clock) -> Iterable[bytes]:
    """The last wanted records of a file, in its order.

    Args:
        file: which one.
        fd: of it; stays the caller's.
        end: bytes of a plain file that count.
        most: how many; None: all.
        asked: which records.
        clock: of the log.
    """
    since = asked.wanted.since
    least = 0 if since is None or file.compression else first_place(fd, end, since, clock)
    if file.compression or most is None or begins_too_late(file, asked.wanted):  # the last have what comes first
        kept = _records(file, fd, least, end, asked, clock)
        return kept if most is None else deque(kept, maxlen=most)
    span = _SPAN
    while True:
        start = max(least, end - span)
        found = deque(_records(file, fd, start, end, asked, clock), maxlen=most)
        if start == least or len(found) == most:
            return found
        span *= _GROWS


def _records(file: LogFile, fd: int, start: int, end: int, asked: Asked, clock: Clock) -> Iterator[bytes]:
    chunks = chunks_of(file, fd, start, end, asked)
    first = next(chunks, b"")
    shape = shape_at(fd, start, first, clock)
    content = chain((first,), chunks)
    sieve = sieve_for(file, shape, asked.wanted, clock)
    if sieve is None:
        return
    for block in whole(_from_a_record(content, shape) if start else content, shape):
        for _, record in sieve.records(block):
            yield record
        if sieve.over:
            return


def _from_a_record(chunks: Iterator[bytes], shape: Shape) -> Iterator[bytes]:
    """Without what comes before the first record that begins there: it belongs to one that began before."""
    kept = b""
    for chunk in chunks:
        data = kept + chunk
        line = data.find(b"\n") + 1
        begin = shape.start.search(data, line) if line else None
        if begin is not None:
            yield data[begin.start() :]
            yield from chunks
            return
        end = data.rfind(b"\n")
        kept = data[end:] if end >= 0 and len(data) - end < _LINE else b""
