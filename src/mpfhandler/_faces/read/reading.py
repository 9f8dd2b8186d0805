"""The wanted records of one log, file by file in its order. Only files are opened whose period has some of what is wanted.
 Files move while they are read: the active one is renamed, a segment is compressed. Who is looked for and not found under its
name is looked for in the folder again. The active file is opened first of all, and is then read whatever becomes of its name.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

from ..._platform.looking import id_of, open_shared, read_from
from ..._pure.naming import COMPRESSIONS
from .asked import Asked
from .files import Log, LogFile, find_log, list_again
from .folder import denied
from .moments import Clock
from .records import HEAD, MARGIN, NO_SHAPE, Shape, Sieve, Wanted, shape_of, whole
from .source import Damaged, contents_ahead, first_place, raw

__all__ = [
    "Reading",
    "begins_too_late",
    "chunks_of",
    "find",
    "key_of",
    "may_have_some",
    "open_file",
    "open_segment",
    "shape_at",
    "sieve_for",
]

_TRIES = 20  # looks at a folder in which files go on to move


def find(command: str, arguments: argparse.Namespace, path: str | None = None, *, must_exist: bool = True) -> Log:
    """As `find_log`; who names a compressed segment itself gets its content.

    Raises:
        InvalidOption, OSError: as there.
    """
    log = find_log(command, arguments, path, must_exist=must_exist)
    ending = log.path.rpartition(".")[2]
    if ending in COMPRESSIONS:
        log.files = [replace(one, compression=ending) if one.name is None else one for one in log.files]
    return log


def key_of(log: Log, file: LogFile) -> str:
    """What a file is called as long as it is this segment: its plain name, compressed or not, or waiting for somebody. The active
    file has none: "". A compressed one that the user has named itself is no active file: its path."""
    if file.name is None:
        return file.path if file.compression else ""
    return log.names.default(log.names.at(file.name.wall)) + (f".{file.name.index}" if file.name.index else "")


def open_file(path: str) -> int:
    """A descriptor to read from, which is the caller's.

    Raises:
        PermissionError: the message tells who owns the file, and what would help.
        OSError: it cannot be opened.
    """
    try:
        return open_shared(path)
    except PermissionError:
        raise denied(path) from None


def chunks_of(file: LogFile, fd: int, start: int, end: int, asked: Asked) -> Iterator[bytes]:
    """The content of a file: all of a compressed one, a part of a plain one. What fails is told, and the content ends there."""
    try:
        yield from contents_ahead(fd, file.compression, asked.beside) if file.compression else raw(fd, start, end, asked.beside)
    except Damaged as error:
        asked.fail(f"{file.path}: damaged: {error}; what can be read of it is all here, fetch it from the archive or a backup")
    except ImportError as error:
        remedy = "pip install 'mpfhandler[zstd]'" if file.compression == "zst" else "use a Python that has it"
        asked.fail(f"{file.path}: this Python cannot unpack {file.compression} ({error}); {remedy}")
    except OSError as error:
        asked.fail(f"{file.path}: {error}")


def may_have_some(file: LogFile, wanted: Wanted) -> bool:
    """Whether a file is needed, by its period: a record stands in the file of its own one, or in the next, if it was written
    after the boundary and the log has `late_grace=0`. An active file that was written to since then is needed in any case: where
    it cannot be rotated it goes on."""
    early = wanted.since is not None and file.end is not None and file.end <= wanted.since
    if early and file.name is None and wanted.since is not None:
        early = file.mtime < wanted.since
    late = wanted.until is not None and file.start is not None and file.start > wanted.until + MARGIN
    return not early and not late


def begins_too_late(file: LogFile, wanted: Wanted) -> bool:
    """Whether a file has only what is late, if it has anything that is wanted: its period is not asked for."""
    return wanted.until is not None and file.start is not None and file.start >= wanted.until


def sieve_for(file: LogFile, shape: Shape, wanted: Wanted, clock: Clock) -> Sieve | None:
    """What lets the wanted records of a file through; None if there are none: without times it is not known which are late."""
    if not begins_too_late(file, wanted):
        return Sieve(wanted, shape, clock)
    return Sieve(wanted, shape, clock, file.start) if shape.timed else None


def shape_at(fd: int, start: int, first: bytes, clock: Clock) -> Shape:
    """How records begin in a file that is read from some place on.

    Args:
        fd: of the file.
        start: from where on; 0 for a compressed one.
        first: of what was read from there.
        clock: of the log.
    """
    shape = shape_of(read_from(fd, HEAD, 0), clock) if start else NO_SHAPE
    return shape if shape.timed else shape_of(first[:HEAD], clock)


def open_segment(log: Log, file: LogFile, asked: Asked) -> tuple[LogFile, int] | None:
    """A segment, under whatever name it has by now, with a descriptor that is the caller's; None if it cannot be had,
    which is told."""
    key = key_of(log, file)
    for _ in range(_TRIES):
        try:
            return file, open_file(file.path)
        except FileNotFoundError:
            again = [one for one in list_again(log) if key_of(log, one) == key]
            if not again:
                break
            file = again[0]
        except OSError as error:
            asked.fail(str(error))
            return None
    asked.fail(f"{file.path}: was deleted meanwhile")
    return None


class Reading:
    """Reads the files of one log once.

    Args:
        log: with its files.
        asked: which records, and who is told what fails.
    """

    def __init__(self, log: Log, asked: Asked) -> None:
        self.log = log
        self._asked = asked
        self._clock = asked.clock()

    def pieces(self) -> Iterator[bytes]:
        """What is wanted, in big pieces. The last line of a file gets an end if it has none and more follows."""
        end = b"\n"
        for file, fd in self._opened():
            first = True
            for piece in self._of_file(file, fd):
                if first and end != b"\n":
                    yield b"\n"
                first, end = False, piece[-1:]
                yield piece

    def records(self) -> Iterator[tuple[float | None, bytes]]:
        """Each wanted record with its time, and with the end of a line."""
        for file, fd in self._opened():
            blocks, sieve = self._sieved(file, fd)
            for block in blocks:
                for time, record in sieve.records(block):
                    yield time, record if record.endswith(b"\n") else record + b"\n"
                if sieve.over:
                    break

    def _of_file(self, file: LogFile, fd: int) -> Iterator[bytes]:
        if self._asked.wanted.everything:
            yield from self._chunks(file, fd)[1]
            return
        blocks, sieve = self._sieved(file, fd)
        for block in blocks:
            yield from sieve.pieces(block)
            if sieve.over:
                return

    def _sieved(self, file: LogFile, fd: int) -> tuple[Iterator[bytes], Sieve]:
        start, chunks = self._chunks(file, fd)
        first = next(chunks, b"")
        shape = shape_at(fd, start, first, self._clock)
        sieve = sieve_for(file, shape, self._asked.wanted, self._clock)
        if sieve is None:
            return iter(()), Sieve(self._asked.wanted, shape, self._clock)
        if self._asked.wanted.timed and first and not shape.timed:
            self._asked.complain(f"{file.path}: no line begins with a time that is understood, so all of the file is taken")
        return whole(chain((first,), chunks), shape), sieve

    def _chunks(self, file: LogFile, fd: int) -> tuple[int, Iterator[bytes]]:
        """From where on, and what stands there."""
        size = os.fstat(fd).st_size  # what comes later is not asked for: it could go on for ever
        since = self._asked.wanted.since
        start = 0 if since is None or file.compression else first_place(fd, size, since, self._clock)
        return start, chunks_of(file, fd, start, size, self._asked)

    def _opened(self) -> Iterator[tuple[LogFile, int]]:
        """The files, each open until the next one is asked for."""
        log, done = self.log, set[str]()
        active = self._open_active()
        try:
            for file in [one for one in log.files if self._may_have_some(one)]:
                if file.name is None:
                    if active is not None:
                        yield file, active
                    continue
                found = open_segment(log, file, self._asked)
                if found is not None and key_of(log, file) not in done:
                    done.add(key_of(log, file))
                    if active is not None and id_of(os.fstat(found[1])) == id_of(os.fstat(active)):
                        os.close(found[1])  # the log has got this name since it was opened
                        continue
                    try:
                        yield found
                    finally:
                        os.close(found[1])
        finally:
            if active is not None:
                os.close(active)

    def _may_have_some(self, file: LogFile) -> bool:
        """By its period: a record stands in the file of its own one."""
        return may_have_some(file, self._asked.wanted)

    def _open_active(self) -> int | None:
        """The log as it was listed: after that nothing can happen to it."""
        for _ in range(_TRIES):
            file = self.log.files[-1] if self.log.files else None
            if file is None or file.name is not None:
                return None
            try:
                fd = open_file(file.path)
            except FileNotFoundError:
                pass
            except OSError as error:
                self._asked.fail(str(error))
                return None
            else:
                if id_of(os.fstat(fd)).inode == file.inode.inode:
                    return fd
                os.close(fd)
            list_again(self.log)
        return None
