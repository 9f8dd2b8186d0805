"""A plain segment and a compressed one of the same name stand side by side: what is the second one?

That is so after a process was killed between the rename of the compressed file and the removal of the plain one, after a
power cut, or because somebody else has made one. The plain one is the truth. A twin whose content is the same makes it
superfluous; one that is a part of it is an unfinished piece of work, in which nothing is that the plain one does not have;
anything else is somebody's file (promise P4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum

from .._platform import Operations
from .._resources.codec import CHUNK, MAGIC, Malformed, Torn, unpacked

_SMALL = 512  # bytes, to see what can be unpacked just before a stream breaks off
_ZEROS = 16  # bytes at the end that a stream itself hardly has; the size of a gzip file's content may end with some

__all__ = ["Stopped", "Twin", "chunks_of", "compare"]


class Twin(Enum):
    """What a compressed file is to the plain one beside it."""

    EQUAL = "equal"  # the same content, read to its end
    UNFINISHED = "unfinished"  # a start of it
    FOREIGN = "foreign"


class Stopped(Exception):
    """The work was told to stop; nothing has changed that cannot be done again."""


def compare(ops: Operations, plain: int, packed: int, method: str, stop: Callable[[], bool]) -> Twin:
    """Read both from their starts.

    Args:
        ops: the system calls.
        plain: descriptor, which is not owned, as is the other.
        packed: descriptor.
        method: that the name of the packed one tells.
        stop: is asked between two chunks.

    Raises:
        OSError: one of them cannot be read.
        ImportError: this Python has no such method.
        Stopped: `stop` said so.
    """
    end = _end(ops, packed)
    try:
        return _compare(ops, plain, packed, method, stop, end, CHUNK)
    except Malformed:
        pass
    try:
        return _compare(ops, plain, packed, method, stop, end, _SMALL)
    except Torn:  # not even a piece can be read
        head = _read(ops, packed, min(end, len(MAGIC[method])), 0)
        return Twin.UNFINISHED if MAGIC[method].startswith(head) else Twin.FOREIGN
    except Malformed:
        return Twin.FOREIGN


def _compare(ops: Operations, plain: int, packed: int, method: str, stop: Callable[[], bool], end: int, size: int) -> Twin:
    """By chunks of this size. Where nothing but small ones show what comes before the place at which a stream breaks off, they
    decide.

    Raises:
        Malformed: it breaks off before anything can be told.
    """
    raw = chunks_of(ops, packed, stop, size, end)
    position = 0
    try:
        for piece in unpacked(method, lambda: next(raw, b""), size):
            if _read(ops, plain, len(piece), position) != piece:
                return Twin.FOREIGN
            position += len(piece)
    except Malformed as error:
        if not position or not (isinstance(error, Torn) or size == _SMALL):
            raise
        return Twin.UNFINISHED
    return Twin.EQUAL if position == ops.stat_fd(plain).size else Twin.UNFINISHED


def _end(ops: Operations, packed: int) -> int:
    """Where the file ends, less the zeros that a power cut has left there: they would be unpacked to something."""
    size = at = ops.stat_fd(packed).size
    while at > 0:
        start = max(0, at - CHUNK)
        filled = len(_read(ops, packed, at - start, start).rstrip(b"\0"))
        at = start + filled
        if filled:
            break
    return at if size - at >= _ZEROS else size


def chunks_of(ops: Operations, fd: int, stop: Callable[[], bool], size: int = CHUNK, end: int | None = None) -> Iterator[bytes]:
    """A file from its start to its end, or to this place; other threads come in between.

    Raises:
        OSError: it cannot be read.
        Stopped: `stop` said so.
    """
    position = 0
    while True:
        if stop():
            raise Stopped
        chunk = ops.read_at(fd, size if end is None else min(size, end - position), position)
        if not chunk:
            return
        position += len(chunk)
        yield chunk
        ops.threads.pause(0)


def _read(ops: Operations, fd: int, size: int, position: int) -> bytes:
    """So many bytes, fewer at the end of the file."""
    found = b""
    while len(found) < size:
        more = ops.read_at(fd, size - len(found), position + len(found))
        if not more:
            break
        found += more
    return found
