"""The last records of a log, without reading all of it: from the end of each plain file backwards."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain

from .asked import Asked
from .files import LogFile
from .moments import Clock
from .reading import begins_too_late, chunks_of, shape_at, sieve_for
from .records import Shape, Sieve, Wanted, whole
from .source import first_place

__all__ = ["last_of"]

_SPAN = 1 << 16  # bytes from the end that are read first
_GROWS = 8
_LINE = 4 << 20  # bytes of a line whose beginning is kept
_KEPT = 4 << 20  # bytes of what is wanted, before it is looked whether the first of it is needed


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
    if most is None:
        return _records(file, fd, least, end, asked, clock)
    if file.compression or begins_too_late(file, asked.wanted):  # the last have what comes first
        return _last_of_all(file, fd, least, end, most, asked, clock)
    span = _SPAN
    while True:
        start = max(least, end - span)
        found = deque(_records(file, fd, start, end, asked, clock), maxlen=most)
        if start == least or len(found) == most:
            return found
        span *= _GROWS


def _last_of_all(file: LogFile, fd: int, start: int, end: int, most: int, asked: Asked, clock: Clock) -> Iterable[bytes]:
    """The same for what has to be read from its start: it goes by in big pieces, and only the last ones are taken apart."""
    blocks, sieve, shape = _sieved(file, fd, start, end, asked, clock)
    kept, size, limit = list[bytes](), 0, _KEPT
    for block in blocks:
        for piece in (block,) if asked.wanted.everything else sieve.pieces(block):
            kept.append(piece)
            size += len(piece)
        if size > limit:
            del kept[: _needless(kept, most, shape)]
            size = sum(map(len, kept))
            limit = max(_KEPT, 2 * size)
        if sieve.over:
            break
    everything = Sieve(Wanted(), shape, clock)
    return deque((record for piece in kept for _, record in everything.records(piece)), maxlen=most)


def _needless(pieces: list[bytes], most: int, shape: Shape) -> int:
    """How many pieces stand before those that have the last records, so many as are wanted."""
    found, at = 0, len(pieces)
    while at and found < most:
        at -= 1
        found += sum(1 for _ in shape.start.finditer(pieces[at]))
    return at


def _records(file: LogFile, fd: int, start: int, end: int, asked: Asked, clock: Clock) -> Iterator[bytes]:
    blocks, sieve, _ = _sieved(file, fd, start, end, asked, clock)
    for block in blocks:
        for _, record in sieve.records(block):
            yield record
        if sieve.over:
            return


def _sieved(file: LogFile, fd: int, start: int, end: int, asked: Asked, clock: Clock) -> tuple[Iterator[bytes], Sieve, Shape]:
    """What is to be looked through, by what, and how records begin there."""
    chunks = chunks_of(file, fd, start, end, asked)
    first = next(chunks, b"")
    shape = shape_at(fd, start, first, clock)
    content = chain((first,), chunks)
    sieve = sieve_for(file, shape, asked.wanted, clock)
    if sieve is None:
        return iter(()), Sieve(asked.wanted, shape, clock), shape
    return whole(_from_a_record(content, shape) if start else content, shape), sieve, shape


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
