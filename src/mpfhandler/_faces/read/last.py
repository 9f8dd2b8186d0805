"""The last records of a log, without reading all of it: from the end of each plain file backwards."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from .asked import Asked
from .files import LogFile
from .moments import Clock
from .reading import chunks_of
from .records import HEAD, Sieve, shape_of, whole
from .source import first_place

__all__ = ["last_of"]

_SPAN = 1 << 16  # bytes from the end that are read first
_GROWS = 8


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
    if file.compression or most is None:
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
    shape = shape_of(first[:HEAD], clock)
    if start:  # in the middle of a record, which belongs to what comes before
        begin = shape.start.search(first, first.find(b"\n") + 1)
        first = b"" if begin is None else first[begin.start() :]
    sieve = Sieve(asked.wanted, shape, clock)
    for block in whole(_chain(first, chunks), shape):
        for _, record in sieve.records(block):
            yield record


def _chain(first: bytes, others: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from others
