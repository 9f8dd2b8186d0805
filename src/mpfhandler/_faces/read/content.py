"""What a file says when it is read from its start to its end: lines, times, damage. In bounded memory, whatever its size."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from ..._platform.looking import id_of, open_shared
from ..._pure.facts import FileId
from ..._pure.moment import Head, Tail, first_moment, last_moment, read_moment
from ..._pure.zone import Zone
from ..._resources.codec import Malformed, unpacked
from .files import Log, LogFile, list_again
from .folder import denied
from .source import rest

__all__ = ["Content", "Stray", "measure", "measure_where_it_is"]

_CHUNK = 1 << 18
_LOOKS = 20  # for a file that goes on to move
_LONG = 1 << 16  # bytes of a line that may begin with a time; of a longer one the rest is not kept
_STAMP = re.compile(rb"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d", re.ASCII)
_STAMPED = 19  # characters of that


@dataclass
class Stray:
    """Lines whose time is on one side of a period.

    Attributes:
        count: of them.
        line: number of the first one, from 1.
        moment: of the one that is farthest away (epoch seconds).
    """

    count: int = 0
    line: int = 0
    moment: float = 0.0


@dataclass
class Content:
    """What was read.

    Attributes:
        lines: also counts one at the end that is not ended.
        size: uncompressed (bytes).
        first, last: times of the first and last line that begins with one (epoch seconds).
        ended: the last line is.
        zeros: NUL bytes; only counted where that was asked for.
        broken: why it cannot be read from some place on; "" if it can.
        early, late: lines from before and after the period.
        timed: lines that begin with a time; only counted where a period was given.
    """

    lines: int = 0
    size: int = 0
    first: float | None = None
    last: float | None = None
    ended: bool = True
    zeros: int = 0
    broken: str = ""
    early: Stray | None = None
    late: Stray | None = None
    timed: int = 0


def measure(
    path: str,
    compression: str,
    zone: Zone,
    period: tuple[float, float] | None = None,
    tell: Callable[[int], None] | None = None,
    *,
    zeros: bool = False,
    inode: FileId | None = None,
    others: tuple[Zone, ...] = (),
) -> Content:
    """Read a file. One that cannot be read to its end tells what stands before.

    Args:
        path: of the file.
        compression: "" if it is plain, else the method.
        zone: of times that name none.
        period: where every line's time is to be looked at: what it should lie in (epoch seconds).
        tell: is told now and then how many bytes of the file have been read.
        zeros: count NUL bytes.
        inode: which file it has to be; None: any.
        others: zones of which any one may put a line's time into the period.

    Raises:
        FileNotFoundError: it is gone, or the name leads to another one.
        PermissionError: it may not be read; the message says by whom.
    """
    content, head, tail = Content(), Head(), Tail()
    check = None if period is None else _Check(content, (zone, *others), *period)
    try:
        for piece in _pieces(path, compression, tell or (lambda _: None), inode):
            content.lines += piece.count(b"\n")
            if zeros and b"\0" in piece:
                content.zeros += len(piece) - len(piece.translate(None, b"\0"))  # `count` is slow where there are many
            content.size += len(piece)
            head.add(piece)
            tail.add(piece)
            if check is not None:
                check.add(piece)
    except Malformed as error:
        content.broken = str(error)
    except ImportError:
        remedy = "pip install 'mpfhandler[zstd]'" if compression == "zst" else "use a Python that has it"
        content.broken = f"this Python cannot unpack {compression}; {remedy}"
    except (FileNotFoundError, PermissionError):
        raise
    except OSError as error:
        content.broken = error.strerror or str(error)
    if check is not None:
        check.end()
    content.ended = tail.data[-1:] in (b"\n", b"")
    content.lines += not content.ended
    content.first, content.last = first_moment(head.data, zone), last_moment(tail.data, zone)
    return content


def measure_where_it_is(
    log: Log,
    file: LogFile,
    zones: tuple[Zone, ...],
    period: tuple[float, float] | None = None,
    tell: Callable[[int], None] | None = None,
    *,
    zeros: bool = False,
) -> tuple[LogFile, Content]:
    """The same of a file that may have got another name, or have been compressed, since it was listed: with what it is now.

    Raises:
        FileNotFoundError: it is gone.
        PermissionError: it may not be read; the message says by whom.
    """
    for _ in range(_LOOKS):
        try:
            content = measure(
                file.path, file.compression, zones[0], period, tell, zeros=zeros, inode=file.inode, others=zones[1:]
            )  # fmt: skip
        except FileNotFoundError:
            found = [one for one in list_again(log) if _is_same(log, one, file)]
            if not found:
                raise
            file = found[0]
        else:
            return file, content
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), file.path)


def _is_same(log: Log, one: LogFile, file: LogFile) -> bool:
    """Whether that is this file now. Compressed, it has the same segment's name, or, where it had none, the same last write. A
    deleted file's inode is soon that of a new one, which as a rule is of another period."""
    if one.inode == file.inode:
        other = log.sure and None not in (one.start, file.start) and one.start != file.start
        return (one.name is not None or file.name is None) and not other
    if file.name is None:
        return bool(one.compression) and one.mtime == file.mtime
    return one.name is not None and replace(one.name, compression="") == replace(file.name, compression="")


def _pieces(path: str, compression: str, tell: Callable[[int], None], inode: FileId | None) -> Iterator[bytes]:
    try:
        fd = open_shared(path)
    except PermissionError:
        raise denied(path) from None
    read = 0

    def chunk() -> bytes:
        nonlocal read
        data = os.read(fd, _CHUNK)
        read += len(data)
        tell(read)
        return data

    try:
        seen = os.fstat(fd)
        if inode is not None and id_of(seen) != inode:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        if compression:
            yield from _unpacked(fd, compression, chunk)
        else:
            yield from iter(chunk, b"")
    finally:
        os.close(fd)


def _unpacked(fd: int, compression: str, chunk: Callable[[], bytes]) -> Iterator[bytes]:
    """Of a damaged file all that can be read, as `cat` prints it."""
    given = 0
    try:
        for piece in unpacked(compression, chunk, _CHUNK):
            given += len(piece)
            yield piece
    except Malformed:
        yield from rest(fd, compression, given)
        raise


class _Check:
    """Whether each line's time lies in a period. Looks at the text of a second once."""

    def __init__(self, content: Content, zones: tuple[Zone, ...], start: float, end: float) -> None:
        self._content = content
        self._zones = zones
        self._start = start
        self._end = end
        self._rest = b""
        self._line = 0

    def add(self, piece: bytes) -> None:
        """The next piece."""
        *lines, rest = (self._rest + piece).split(b"\n")
        self._rest = rest[:_LONG]
        good = b""  # a second whose lines need no second look
        for line in lines:
            self._line += 1
            if line[:_STAMPED] != good:
                good = self._one(line)
            else:
                self._content.timed += 1

    def end(self) -> None:
        """What is left is a line, too."""
        if self._rest:
            self._line += 1
            self._one(self._rest)

    def _one(self, line: bytes) -> bytes:
        """Look at a line; its start, where every line that starts so is as good."""
        text = line[:_LONG].decode("utf-8", "replace")
        moment = read_moment(text, self._zones[0])
        if moment is None:
            return b""
        self._content.timed += 1
        distance = self._outside(moment, self._zones[0])
        if distance == 0.0 or self._fits_elsewhere(text):
            return line[:_STAMPED] if self._alone(line) else b""
        side = "early" if distance < 0 else "late"
        stray = getattr(self._content, side) or Stray(0, self._line, moment)
        setattr(self._content, side, stray)
        stray.count += 1
        stray.moment = min(stray.moment, moment) if distance < 0 else max(stray.moment, moment)
        return b""

    def _alone(self, line: bytes) -> bool:
        """Whether a line begins with a wall time of whole seconds, and no zone stands behind it."""
        return _STAMP.match(line) is not None and line[_STAMPED : _STAMPED + 1] in (b",", b" ", b"") and b"+" not in line[:32]

    def _fits_elsewhere(self, text: str) -> bool:
        """Whether it is in the period by the time of another zone."""
        for zone in self._zones[1:]:
            moment = read_moment(text, zone)
            if moment is not None and self._outside(moment, zone) == 0.0:
                return True
        return False

    def _outside(self, moment: float, zone: Zone) -> float:
        """How far, less than 0 if it is earlier. What the wall clock shows twice counts as the time that fits."""
        if self._start <= moment < self._end:
            return 0.0
        try:
            again = moment + zone.offset(int(moment)) - zone.offset(int(self._start))
        except (OverflowError, ValueError, OSError):
            again = moment
        if self._start <= again < self._end:
            return 0.0
        return moment - self._start if moment < self._start else moment - self._end + 1
