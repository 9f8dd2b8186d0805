"""Records: which lines belong together, and which records are wanted.

A record begins with a line that begins with a time, or that is a JSON object; lines without either, such as those of a
traceback, belong to the record before. In a file in whose beginning no line has a time each line is a record, but for those
that begin with a blank.

The work is done on blocks of many records, not on lines: a pattern is searched for in the block, and only around what is found
the record's first and last line are looked for.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .far import sees_far
from .lines import Lines
from .moments import Clock

__all__ = ["BACK", "HEAD", "MARGIN", "NO_SHAPE", "Shape", "Sieve", "Wanted", "shape_of", "whole"]

MARGIN = 60.0  # seconds that records of one file may be out of order
BACK = 1 << 16  # bytes of them that may be more out of order than that
HEAD = 1 << 16  # bytes in whose lines a time is looked for
_MOST = 4 << 20  # bytes of a record that are kept together in memory; of a longer one the rest is taken as it comes

_DATE = rb"[\[(<\"']?\d{4}-\d\d-\d\d[ T]\d\d:\d\d"
_NUMBER = rb"[\[(<\"']?\d{9,19}(?:\.\d{1,9})?(?![\w.:/-])"
_OBJECT = rb"\{[ \t]*\"[^\n]*\}[ \t\r]*$"
_TIMED = re.compile(rb"^(?:%s|%s)" % (_DATE, _OBJECT), re.MULTILINE)
_NUMBERED = re.compile(rb"^(?:%s|%s|%s)" % (_DATE, _NUMBER, _OBJECT), re.MULTILINE)
_LINES = re.compile(rb"^[^\s]", re.MULTILINE)
_PART = 1 << 16  # bytes
_STEPS, _WINDOW = 8, 1 << 12  # lines that are looked at one by one; bytes that are searched after that
_SPARSE = 1000  # bytes for each finding, and more
_SPECIAL = re.compile(rb"[\\.^$*+?{}\[\]|()]")


@dataclass(frozen=True)
class Shape:
    """How the records of a file begin.

    Attributes:
        start: matches at the start of a record's first line, and nowhere else.
        timed: whether lines have times.
    """

    start: re.Pattern[bytes]
    timed: bool

    def parts(self, data: bytes) -> Iterator[bytes]:
        """The same in smaller parts of whole records, so that one traceback does not make all of it slow."""
        at = 0
        while at < len(data):
            end = self.next_start(data, at + _PART) if at + _PART < len(data) else len(data)
            yield data[at:end]
            at = end

    def last_start(self, data: bytes, end: int, least: int = 0) -> int:
        """Where the record begins that the byte before `end` is in; -1 if it began before `least`."""
        at = end
        for _ in range(_STEPS):
            if at <= least:
                return -1
            at = data.rfind(b"\n", least, at - 1) + 1 or least
            if self.start.match(data, at):
                return at
        return self._last_in_windows(data, at, least)

    def _last_in_windows(self, data: bytes, end: int, least: int) -> int:
        """The same from the start of a line backwards: a record of many lines would take long, one line after the other."""
        at, window = end, _WINDOW
        while at > least:
            low = max(at - window, least)
            low = data.rfind(b"\n", least, low) + 1 or least
            last = deque(self.start.finditer(data, low, at), maxlen=1)
            if last:
                return last[0].start()
            at, window = low, min(window * 2, _PART)
        return -1

    def next_start(self, data: bytes, at: int) -> int:
        """Where the first record behind the line of `at` begins; the end of the data if none does."""
        line = data.find(b"\n", at)
        found = self.start.search(data, line + 1) if line >= 0 else None
        return len(data) if found is None else found.start()


@dataclass(frozen=True)
class Wanted:
    """Which records are asked for.

    Attributes:
        since: epoch seconds, the first instant; None: from the beginning.
        until: epoch seconds, the first instant that is not asked for any more; None: to the end.
        pattern: is found in the record; None: any record. Its `^` and `$` are those of lines.
    """

    since: float | None = None
    until: float | None = None
    pattern: re.Pattern[bytes] | None = None

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return self.since is None and self.until is None and self.pattern is None

    @property
    def timed(self) -> bool:
        """Whether times matter."""
        return self.since is not None or self.until is not None


NO_SHAPE = Shape(_LINES, timed=False)  # of a file in which no time was seen


def shape_of(head: bytes, clock: Clock) -> Shape:
    """How records begin in a file with this beginning: as the first line that has a time does."""
    at = 0
    while 0 <= at < len(head):
        if clock.moment(head, at) is not None:
            return Shape(_TIMED if _TIMED.match(head, at) else _NUMBERED, timed=True)
        at = head.find(b"\n", at) + 1 or -1
    return NO_SHAPE


def whole(chunks: Iterable[bytes], shape: Shape) -> Iterator[bytes]:
    """The same bytes in blocks that end with a record, as far as one can tell. What comes without an end is given in pieces."""
    kept = b""
    for chunk in chunks:
        data = kept + chunk if kept else chunk
        cut = shape.last_start(data, len(data), max(len(kept) - 1, 0))
        if cut <= 0 and len(data) >= _MOST:
            cut = data.rfind(b"\n") + 1 or len(data)
        if cut > 0:
            yield data[:cut]
            kept = data[cut:]
        else:
            kept = data
    if kept:
        yield kept


class Sieve:
    """Lets the wanted records of one file through.

    Args:
        wanted: which they are.
        shape: of the file.
        clock: of the log.
        begins: counts as the time of what has none and stands before the first record that has one (epoch seconds).
    """

    def __init__(self, wanted: Wanted, shape: Shape, clock: Clock, begins: float | None = None) -> None:
        self._wanted = wanted
        self._shape = shape
        self._clock = clock
        self._timed = wanted.timed and shape.timed
        self._literal = _literal(wanted.pattern)
        self._far_seeing = wanted.pattern is not None and sees_far(wanted.pattern)
        alone = self._timed or self._far_seeing  # each record is looked at by itself
        search = None if alone else wanted.pattern
        self._lines = None if search is None else Lines(search, shape.start, shape.timed)
        self._dense = False  # whether much of the last block was found
        self._passed = wanted.pattern is None  # whether the last record was let through: what goes on with it goes with it
        self._time = begins  # of the last record that had one
        self._far = 0  # bytes of records far behind the end, one after the other
        self.over = False  # there were many of them: nothing that is wanted comes any more

    def pieces(self, block: bytes) -> Iterator[bytes]:
        """What is wanted of the next block, in its order; neighbours are one piece."""
        lines = self._lines
        if lines is None or not self._dense:
            yield from self._joined(block)
            return
        for part in self._shape.parts(block):
            found = lines.found(part)
            if found is None:
                yield from self._joined(part)
                continue
            self._passed = found.to_end
            self._dense = found.number * _SPARSE > len(part)
            if found.text:
                yield found.text

    def _joined(self, block: bytes) -> Iterator[bytes]:
        start, end = 0, -1
        for first, behind in self._found(block):
            if first == end:
                end = behind
                continue
            if end > start:
                yield block[start:end]
            start, end = first, behind
        if end > start:
            yield block[start:end]

    def records(self, block: bytes) -> Iterator[tuple[float | None, bytes]]:
        """Each wanted record with its time, or with that of the last one that had one."""
        least = 0
        for first, behind in self._found(block):
            if not self._timed:
                self._time, least = self._at(block, first, least), behind
            yield self._time, block[first:behind]

    def _found(self, block: bytes) -> Iterator[tuple[int, int]]:
        pattern = self._wanted.pattern
        if pattern is None:
            found = self._all(block)
        else:
            found = self._one_by_one(block, pattern) if self._far_seeing else self._matching(block, pattern)
        return found if not self._timed else self._in_time(block, found)

    def _all(self, block: bytes) -> Iterator[tuple[int, int]]:
        start = 0
        for match in self._shape.start.finditer(block):
            if match.start() > start:
                yield start, match.start()
            start = match.start()
        if start < len(block):
            yield start, len(block)

    def _one_by_one(self, block: bytes, pattern: re.Pattern[bytes]) -> Iterator[tuple[int, int]]:
        """As `_matching`, for patterns that must not see other records."""
        goes_on = self._passed and not self._shape.start.match(block)
        for first, behind in self._all(block):
            hit = pattern.search(block[first:behind])
            passed = goes_on or (hit is not None and not _is_behind(hit, block, first))
            self._passed, goes_on = passed, False
            if passed:
                yield first, behind

    def _matching(self, block: bytes, pattern: re.Pattern[bytes]) -> Iterator[tuple[int, int]]:
        shape, at, passed, hits = self._shape, 0, False, 0
        if not shape.start.match(block):  # goes on with the last record of the block before
            at = shape.next_start(block, 0)
            passed = self._passed or pattern.search(block, 0, at) is not None
            if passed:
                yield 0, at
        while at < len(block):
            hit = self._search(block, at, pattern)
            if hit is None:
                passed = False
                break
            hits += 1
            first = max(shape.last_start(block, min(hit[0] + 1, len(block)), at), at)
            at = shape.next_start(block, max(hit[0], first))
            passed = hit[1] <= at or pattern.search(block, first, at) is not None
            if passed:
                yield first, at
        self._passed = passed
        self._dense = hits * _SPARSE > len(block)

    def _search(self, block: bytes, at: int, pattern: re.Pattern[bytes]) -> tuple[int, int] | None:
        if self._literal:
            start = block.find(self._literal, at)
            return None if start < 0 else (start, start + len(self._literal))
        match = pattern.search(block, at)
        return None if match is None or _is_behind(match, block) else match.span()

    def _in_time(self, block: bytes, found: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        since, until, least = self._wanted.since, self._wanted.until, 0
        for first, behind in found:
            self._time = time = self._at(block, first, least)
            least = behind
            if since is not None and (time is None or time < since):
                continue  # without a time: the end of a record whose beginning was not read
            if until is not None and time is not None and time >= until:
                self._far = self._far + behind - first if time >= until + MARGIN else 0
                self.over = self.over or self._far >= BACK
                continue
            self._far = 0
            yield first, behind

    def _at(self, block: bytes, first: int, least: int) -> float | None:
        """A record without a time, a JSON object that has none, counts as made with the one before it. What stands before `least`
        has been looked at."""
        at = first if self._shape.timed else -1
        while at >= 0:
            time = self._clock.moment(block, at) if self._shape.start.match(block, at) else None
            if time is not None:
                return time
            at = self._shape.last_start(block, at, least) if at > least else -1
        return self._time


def _is_behind(hit: re.Match[bytes], block: bytes, first: int = 0) -> bool:
    """Whether it is what comes behind the end of the last line: no part of it, if it has an end.

    Args:
        hit: in the block, or in a record of it.
        block: whole lines, but perhaps for the last one.
        first: where the record begins.
    """
    end = first + hit.endpos
    return hit.start() == hit.endpos and block[end - 1 : end] == b"\n"


def _literal(pattern: re.Pattern[bytes] | None) -> bytes:
    """What a pattern stands for that has nothing special in it: that is searched for much faster."""
    if pattern is None or pattern.flags != re.MULTILINE or _SPECIAL.search(pattern.pattern):
        return b""
    return pattern.pattern
