"""The content of a log's files, plain or compressed, from any place on, in pieces of bounded size."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from ..._platform.looking import read_from
from ..._resources.codec import Malformed, unpacked
from .moments import Clock
from .records import BACK, MARGIN

__all__ = ["BACK", "CHUNK", "Damaged", "behind", "contents", "contents_ahead", "first_place", "raw", "rest"]

CHUNK = 1 << 20  # bytes of content that are worked on at once
_LEAST = 1 << 14  # of one of very many files
_PACKED = 1 << 16  # bytes of a compressed file that are read at once
_LOOK = 1 << 16  # bytes in which a line with a time is looked for
_SMALL = 1 << 18  # bytes of a compressed file that is not worth a thread
_FAR = 16  # times as many, before a half is given up


class Damaged(Exception):
    """A compressed file cannot be read from some place on; what stands before it has been given."""


def raw(fd: int, start: int, end: int, beside: int = 1) -> Iterator[bytes]:
    """A plain file's bytes from `start` to `end`, or to where it ends meanwhile. The descriptor stays the caller's."""
    at = start
    while at < end:
        data = read_from(fd, min(_chunk(beside), end - at), at)
        if not data:
            return
        at += len(data)
        yield data


def contents(fd: int, compression: str, beside: int = 1) -> Iterator[bytes]:
    """A compressed file's content.

    Args:
        fd: of the file, which stays the caller's.
        compression: "gz", "zst", "xz" or "bz2".
        beside: so many files are read beside each other, so that the more there are the less of each is in memory.

    Raises:
        Damaged: after all that can be read.
        ImportError: this Python has no such method.
        OSError: it cannot be read.
    """
    given = 0
    try:
        for piece in unpacked(compression, _Reader(fd, _PACKED), _chunk(beside)):
            given += len(piece)
            yield piece
    except Malformed as error:
        yield from rest(fd, compression, given)
        raise Damaged(str(error)) from error


def contents_ahead(fd: int, compression: str, beside: int = 1) -> Iterator[bytes]:
    """The same; while the caller works on one piece, the next one is being unpacked on another processor. The descriptor may be
    closed meanwhile.

    Raises: as `contents`.
    """
    if os.fstat(fd).st_size < _SMALL:
        yield from contents(fd, compression, beside)
        return
    own = os.dup(fd)
    pieces = contents(own, compression, beside)
    try:
        with ThreadPoolExecutor(1) as unpacker:
            following = unpacker.submit(next, pieces, b"")
            while piece := following.result():
                following = unpacker.submit(next, pieces, b"")
                yield piece
    finally:
        os.close(own)


def _chunk(beside: int) -> int:
    return max(CHUNK // beside, min(CHUNK, _LEAST))


def behind(chunks: Iterable[bytes], offset: int) -> Iterator[bytes]:
    """What stands behind so many bytes."""
    left = offset
    for chunk in chunks:
        if left >= len(chunk):
            left -= len(chunk)
            continue
        yield chunk[left:] if left else chunk
        left = 0


def first_place(fd: int, size: int, since: float, clock: Clock) -> int:
    """From where on a plain file is to be read for what is of `since` or later.

    By halves, for the times of a log ascend but for some disorder: records that are up to `MARGIN` seconds older than those
    before them are found, and those that are not further than `BACK` bytes before the place. It is only gone forward where
    all times of some lines are older, so one that came hours late, or a date in a text, hides nothing. Where there are no times
    to be seen it is not gone forward either.

    Args:
        fd: of the file, which stays the caller's.
        size: of the file in bytes.
        since: epoch seconds.
        clock: of the log.

    Returns:
        An offset, 0 or just behind the end of a line.
    """
    low, high = 0, size
    while high - low > BACK:
        middle = (low + high) // 2
        if _is_before(fd, middle, high, since - MARGIN, clock):
            low = middle
        else:
            high = middle
    start = max(low - BACK, 0)
    if not start:
        return 0
    end = read_from(fd, BACK, start).find(b"\n")
    return start + end + 1 if end >= 0 else 0


def _is_before(fd: int, start: int, end: int, moment: float, clock: Clock) -> bool:
    """Whether the lines that begin after `start` have times, and all of them are before that moment: those of the next 64 KiB,
    or of the first ones that have any."""
    at, kept = start, b""
    for _ in range(_FAR):
        if at >= end:
            break
        data = kept + read_from(fd, _LOOK, at)
        at += _LOOK
        line, seen = data.find(b"\n") + 1, False
        while 0 < line < len(data):
            time = clock.moment(data, line)
            if time is not None and time >= moment:
                return False
            seen = seen or time is not None
            line = data.find(b"\n", line) + 1
        if seen:
            return True
        kept = data[data.rfind(b"\n") :] if b"\n" in data else b""
    return False


def rest(fd: int, compression: str, given: int) -> Iterator[bytes]:
    """What can be read of a file that is broken beyond what has been given of it, once more from the start: near the place where
    it is broken byte by byte, for what comes of a piece in which something is wrong is lost."""
    first = _Reader(fd, _PACKED)
    with suppress(Malformed):
        for _ in unpacked(compression, first, CHUNK):
            pass
    found = bytearray()
    with suppress(Malformed):
        for piece in behind(unpacked(compression, _Reader(fd, _PACKED, first.at - 2 * _PACKED), CHUNK), given):
            found += piece
            if len(found) >= CHUNK:
                yield bytes(found)
                found.clear()
    if found:
        yield bytes(found)


class _Reader:
    """Reads on from where it was, whatever others do with the descriptor.

    Args:
        fd: to read from.
        size: of a piece in bytes.
        fine: from where on the pieces are single bytes (default: nowhere).
    """

    def __init__(self, fd: int, size: int, fine: int | None = None) -> None:
        self._fd = fd
        self._size = size
        self._fine = fine
        self.at = 0  # bytes that have been read

    def __call__(self) -> bytes:
        fine = self._fine is not None and self.at >= self._fine
        data = read_from(self._fd, 1 if fine else self._size, self.at)
        self.at += len(data)
        return data
