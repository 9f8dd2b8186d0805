"""Following a log: every line once, whatever becomes of its files, also when the follower itself stands still for a while.

- **F1** A file is known by its descriptor while it is open, and by its segment's name afterwards: a name is given to one file
  at a time, and keeps its content when it is compressed. An active file that has become a compressed segment while nobody
  looked is known by its time of modification, which compression keeps, and its content.
- **F2** What the folder has and is not known is read from its start, in the order of the log. So a segment that comes late, for
  a late record, is not missed, nor is one that came and was compressed between two looks.
- **F3** The files of one poll are read in the order of the log, each as far as it went when that was looked at, and the newest
  one was looked at first. So what a process has written to two files comes in the order in which it has written it.
- **F4** A file that is not the active one any more is read on, for late records: until its name is gone, for it has been sealed
  or deleted then, or some minutes have passed.
- **F5** The last line is held back until it has its end, or its file is left.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from ..._platform.looking import id_of, read_from
from ..._pure.facts import FileId
from .asked import Asked
from .files import Log, LogFile, unread_note
from .known import Known
from .last import last_of
from .reading import chunks_of, key_of, may_have_some, open_file, open_segment
from .records import HEAD, NO_SHAPE, Shape, Sieve, shape_of, whole

__all__ = ["Follower"]

_KEEP = 600.0  # seconds that a closed segment is read on
_GONE = 2.0  # seconds after which nobody writes to a file without a name any more
_RECENT = 60.0  # seconds since the last write in which a segment is followed that was closed before the start
_FILES = 64  # that are open at once; beyond that the oldest ones are left
_AT_ONCE = 16  # new files in one poll
_LINE = 4 << 20  # bytes of a line that are held back
_TRIES = 20  # looks at the start, while files move
_SAME = 1 << 12  # bytes that are compared


class _Moved(Exception):
    """A file has another name since it was listed."""


@dataclass
class _Open:
    """A file that is being followed.

    Attributes:
        file: as it was listed last.
        fd: owned by the follower.
        key: the segment's name, see `key_of`; "" as long as it is the active file, or is not known.
        at: bytes that have been read.
        held: a line without an end, from the last of them.
        left: since when it is not the active file any more (seconds of the monotonic clock).
        gone: since when no name leads to it.
    """

    file: LogFile
    fd: int
    key: str
    at: int = 0
    held: bytes = b""
    left: float | None = None
    gone: float | None = None
    place: tuple[int, int] = (0, 0)
    shape: Shape = NO_SHAPE
    sieve: Sieve | None = None
    done: bool = field(default=False)


class Follower:
    """Reads on from where it was.

    Args:
        look: looks at the folder anew; FileNotFoundError: there is no such log.
        asked: which records are wanted.
        patient: a log that is not there is waited for.
    """

    def __init__(self, look: Callable[[], Log], asked: Asked, *, patient: bool) -> None:
        self._look = look
        self._asked = asked
        self._patient = patient
        self._clock = asked.clock()
        self._open: list[_Open] = []  # in the order of the log
        self._known = Known()  # segments that have been read, or are open
        self._log: Log | None = None
        self._folder = -1, 0.0  # its time of modification before the last look (ns), and when that was (epoch seconds)
        self.behind = False  # there is more to be read at once

    def begin(self, most: int | None) -> Iterator[bytes]:
        """The last records, and where the first poll goes on.

        Args:
            most: how many; None: all.

        Raises:
            OSError: there is no such log, and it is not waited for; or its folder may not be read.
        """
        files = self._open_first()
        for one in reversed(self._open):  # the newest first: F3
            one.at = os.fstat(one.fd).st_size
            if self._patient:  # a line without an end is held back
                one.at -= _length_of_last_line(one.fd, one.at)
        opened = {one.file.path: one for one in self._open}
        yield from self._last(files, opened, most)

    def poll(self) -> Iterator[bytes]:
        """What has come since the last time. Whole lines, but for one that is longer than can be held back."""
        if self.behind or self._has_changed():
            self.behind = False
            self._look_again()
        ends = [(one, os.fstat(one.fd)) for one in reversed(self._open)]  # the newest first: F3
        for one, seen in reversed(ends):
            yield from self._read(one, seen.st_size)
        now = time.monotonic()
        for one, seen in ends:
            if seen.st_nlink == 0 and one.gone is None:
                one.gone = now
        yield from self._leave(now)

    def close(self) -> None:
        """Close what is open."""
        while self._open:
            os.close(self._open.pop().fd)

    # --- the beginning ------------------------------------------------------------------------------------------------

    def _open_first(self) -> list[LogFile]:
        """The files that there are; those that are followed are open, which may need several looks while files move."""
        for _ in range(_TRIES):
            log = self._listed()
            if log is None:
                return []
            try:
                for file in log.files:
                    if self._is_followed(file):
                        self._take(file, key_of(log, file))
                return log.files
            except _Moved:
                self.close()
                self._log = None
        return []

    def _is_followed(self, file: LogFile) -> bool:
        """The active file, and plain segments to which late records may come."""
        if file.name is None or file.compression:
            return not file.compression
        return time.time() - max(file.mtime, file.end or 0.0) < _RECENT

    def _last(self, files: list[LogFile], opened: dict[str, _Open], most: int | None) -> Iterator[bytes]:
        if most is None:
            yield from self._ended(chain.from_iterable(self._last_of(file, opened.get(file.path), None) for file in files))
            return
        found: list[bytes] = []
        for file in reversed(files):
            if len(found) < most:
                found[:0] = self._last_of(file, opened.get(file.path), most - len(found))
        yield from self._ended(found)

    def _ended(self, records: Iterable[bytes]) -> Iterator[bytes]:
        """The last line of a file gets an end if it has none, and more follows."""
        end = b"\n"
        for record in records:
            yield record if end == b"\n" else b"\n" + record
            end = record[-1:]
        if self._patient and end != b"\n":
            yield b"\n"

    def _last_of(self, file: LogFile, one: _Open | None, most: int | None) -> Iterable[bytes]:
        if not may_have_some(file, self._asked.wanted):
            return
        if one is not None:
            yield from last_of(file, one.fd, one.at, most, self._asked, self._clock)
            return
        found = None if self._log is None else open_segment(self._log, file, self._asked)
        if found is None:
            return
        file, fd = found
        try:
            yield from last_of(file, fd, os.fstat(fd).st_size, most, self._asked, self._clock)
        finally:
            os.close(fd)

    # --- which files there are ----------------------------------------------------------------------------------------

    def _has_changed(self) -> bool:
        """Without a look at every file. Times of modification come in steps, so a look just after a change is repeated."""
        if self._log is None:
            return True
        active = next((one for one in reversed(self._open) if not one.key and one.left is None), None)
        try:
            seen = os.lstat(self._log.path)
            if active is None or id_of(seen) != active.file.inode:
                return True
        except OSError:
            if active is not None and active.gone is None:
                return True
        try:
            changed = os.stat(self._log.names.folder).st_mtime_ns
        except OSError:
            return True
        return changed != self._folder[0] or abs(self._folder[1] - changed / 1e9) < 1.0

    def _listed(self) -> Log | None:
        """The log with its files; all that is there at the first look is known."""
        first = self._log is None
        try:
            log = self._look()
            self._log = log
        except FileNotFoundError:
            if not self._patient:
                raise
            return None
        if first:
            self._asked.note(unread_note(log))
            for file in log.files:
                self._known.add(key_of(log, file), file)
        return log

    def _look_again(self) -> None:
        before = self._seen_folder()
        first, log = self._log is None, self._listed()
        self._folder = before
        if log is None:
            return
        if first:
            self._known.clear()  # there was none when the follower began, so all of it is new
        open_ones = {one.file.inode: one for one in self._open}
        fresh: list[tuple[int, LogFile]] = []
        now, listed = time.monotonic(), set[FileId]()
        self._known.look({key: file for file in log.files if (key := key_of(log, file))}, now)
        for place, file in enumerate(log.files):
            one = None if file.compression else open_ones.get(file.inode)
            if one is None:
                fresh.append((place, file))
                continue
            listed.add(file.inode)
            one.file, one.key, one.place = file, key_of(log, file), (place, 0)
            if one.key:
                self._known.add(one.key, file)
                one.left = now if one.left is None else one.left
            else:
                one.left = None
        self._place_vanished([one for one in self._open if one.file.inode not in listed], now)
        self._take_fresh(log, fresh)
        self._open.sort(key=lambda one: one.place)

    def _place_vanished(self, vanished: list[_Open], now: float) -> None:
        """They keep their place behind the one before."""
        for one in vanished:
            one.left = now if one.left is None else one.left
            at = self._open.index(one)
            before = self._open[at - 1].place if at else (-1, 0)
            one.place = before[0], before[1] + 1

    def _take_fresh(self, log: Log, fresh: list[tuple[int, LogFile]]) -> None:
        """What is not known, in order; where one cannot be had because it moves, the next ones wait as well."""
        taken = 0
        for place, file in fresh:
            key = key_of(log, file)
            if (key and key in self._known) or (file.compression and self._is_twin(file, key, place)):
                continue
            if taken == _AT_ONCE:
                self.behind = True
                return
            try:
                one = self._take(file, key)
            except _Moved:
                self._folder = -1, 0.0
                return
            if one is not None:
                one.place = place, 0
                taken += 1

    def _is_twin(self, file: LogFile, key: str, place: int) -> bool:
        """Whether it has the content of a file that is open, and has lost its name while nobody looked."""
        for one in self._open:
            if one.key or one.left is None:
                continue
            seen = os.fstat(one.fd)
            if seen.st_nlink == 0 and seen.st_mtime == file.mtime and self._same(one.fd, seen.st_size, file):
                one.key, one.place = key, (place, 0)
                self._known.add(key, file)
                return True
        return False

    def _same(self, fd: int, size: int, file: LogFile) -> bool:
        """By the beginning and the size."""
        try:
            other = open_file(file.path)
        except OSError:
            return False
        try:
            length = 0
            for chunk in chunks_of(file, other, 0, 0, self._asked):
                if not length and chunk[:_SAME] != read_from(fd, min(_SAME, len(chunk)), 0):
                    return False
                length += len(chunk)
            return length == size
        finally:
            os.close(other)

    def _take(self, file: LogFile, key: str) -> _Open | None:
        """Open it; None if it may not be read, which is told.

        Raises:
            _Moved: its name does not lead to it any more.
        """
        try:
            fd = open_file(file.path)
        except FileNotFoundError:
            raise _Moved from None
        except OSError as error:
            self._asked.fail(str(error))
            self._known.add(key, file)
            return None
        seen = os.fstat(fd)
        if id_of(seen) != file.inode:
            os.close(fd)
            raise _Moved
        one = _Open(file, fd, key, left=time.monotonic() if key else None, place=(len(self._open), 0))
        self._open.append(one)
        self._known.add(key, file)
        return one

    def _seen_folder(self) -> tuple[int, float]:
        try:
            folder = "" if self._log is None else self._log.names.folder
            return os.stat(folder).st_mtime_ns, time.time()
        except OSError:
            return -1, 0.0

    # --- what they say ------------------------------------------------------------------------------------------------

    def _read(self, one: _Open, size: int) -> Iterator[bytes]:
        if one.file.compression:
            one.done = True
        elif size < one.at:  # somebody has emptied it, and it is written anew
            one.at, one.held = 0, b""
        elif size == one.at:
            return
        yield from self._let_through(one, self._lines(one, size))

    def _lines(self, one: _Open, size: int) -> Iterator[bytes]:
        """Whole lines, as the chunks have them."""
        for chunk in chunks_of(one.file, one.fd, one.at, size, self._asked):
            one.at += len(chunk)
            data = one.held + chunk
            cut = data.rfind(b"\n") + 1
            if not cut and len(data) > _LINE:
                cut = len(data)
            one.held = data[cut:]
            if cut:
                yield data[:cut]

    def _let_through(self, one: _Open, lines: Iterator[bytes]) -> Iterator[bytes]:
        if self._asked.wanted.everything:
            yield from lines
            return
        for data in lines:
            if one.sieve is None or not one.shape.timed:
                head = data if one.file.compression else read_from(one.fd, HEAD, 0)
                shape = shape_of(head[:HEAD], self._clock)
                if one.sieve is None or shape.timed:
                    one.shape, one.sieve = shape, Sieve(self._asked.wanted, shape, self._clock)
            for block in whole((data,), one.shape):
                yield from one.sieve.pieces(block)

    def _leave(self, now: float) -> Iterator[bytes]:
        """Close what nobody writes to any more."""
        many = len(self._open) - _FILES
        for place, one in enumerate(list(self._open)):
            old = one.left is not None and now - one.left > _KEEP
            gone = one.gone is not None and now - one.gone > _GONE
            if one.done or old or gone or place < many:
                self._open.remove(one)
                try:
                    if one.held:
                        held, one.held = one.held + b"\n", b""
                        yield from self._let_through(one, iter((held,)))
                finally:
                    os.close(one.fd)


def _length_of_last_line(fd: int, size: int) -> int:
    """Of one without an end; 0 where there is none."""
    end = size
    while end > 0:
        start = max(0, end - _LINE)
        found = read_from(fd, end - start, start).rfind(b"\n")
        if found >= 0:
            return size - start - found - 1
        end = start
    return size
