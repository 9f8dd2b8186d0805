"""Several records with one write: each is there once, as a line of its own, whatever is owed, fails or forks on the way."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mpfhandler._platform import OPERATIONS
from mpfhandler._pure.options import Access
from mpfhandler._pure.schedule import Period
from mpfhandler._resources.append import Incomplete, Opening, OpenSegment, open_segment
from mpfhandler._resources.together import append_together

RECORDS = [b"one\n", b"two\n", b"three\n"]
DATA = b"".join(RECORDS)


class Disk:
    """write(2) that gives these answers first: so many bytes at most, or an error of this number (negative)."""

    def __init__(self) -> None:
        self.answers: list[int] = []

    def write(self, fd: int, data: bytes) -> int:
        """Take what the answer says."""
        answer = self.answers.pop(0) if self.answers else len(data)
        if answer < 0:
            raise OSError(-answer, os.strerror(-answer))
        return OPERATIONS.write(fd, data[:answer])


@pytest.fixture
def disk() -> Disk:
    """Takes everything at first."""
    return Disk()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The path of the log."""
    return tmp_path / "app.log"


def opened(log: Path, **entries: Callable[..., object]) -> OpenSegment:
    """The log, with entries of the table replaced."""
    ops = replace(OPERATIONS, **entries)  # type: ignore[arg-type]
    segment, _ = open_segment(ops, str(log), Period(0, 3600), b"\n", Access(), opening=Opening.ANY)
    return segment


@pytest.fixture
def owing(log: Path, disk: Disk) -> Iterator[OpenSegment]:
    """A segment with a fragment that has no end: it could not be read back (EIO), so the next record has to end it."""

    def unreadable(fd: int, size: int, offset: int) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    segment = opened(log, write=disk.write, read_at=unreadable)
    disk.answers = [4]
    with pytest.raises(Incomplete):
        segment.append(b"fragment\n")
    assert log.read_bytes() == b"frag"
    yield segment
    segment.close()


def together(segment: OpenSegment, ours: list[bytes] | None = None) -> int:
    """Append the three records."""
    return append_together(segment, DATA, lambda: list(RECORDS), RECORDS if ours is None else ours)


def test_fragment_is_ended_first(owing: OpenSegment, log: Path) -> None:
    """None of the records becomes a part of the fragment's line, and each is there once."""
    assert together(owing) == log.stat().st_size
    assert log.read_bytes() == b"frag\n" + DATA


@pytest.mark.parametrize(
    ("answers", "there"), [([100, -errno.ENOSPC], 1), ([100, 100, -errno.ENOSPC], 2), ([100, 2], 1), ([3], 0)]
)
def test_what_is_missing_behind_a_fragment_is_told(
    owing: OpenSegment, log: Path, disk: Disk, answers: list[int], there: int
) -> None:
    """Who writes the records that are not there again has each of them once."""
    disk.answers = answers
    with pytest.raises(Incomplete) as caught:
        together(owing)
    assert caught.value.there == (0, there)
    for record in RECORDS[there:]:
        owing.append(record)
    lines = log.read_bytes().splitlines(keepends=True)
    assert [line for line in lines if line in RECORDS] == RECORDS


def test_nothing_is_written_behind_a_fragment(owing: OpenSegment, log: Path, disk: Disk) -> None:
    """It is the error of the system, for all of them wait; the fragment is still ended by whatever comes next."""
    disk.answers = [-errno.ENOSPC]
    with pytest.raises(OSError, match="No space left") as caught:
        together(owing)
    assert not isinstance(caught.value, Incomplete)
    assert log.read_bytes() == b"frag"
    together(owing)
    assert log.read_bytes() == b"frag\n" + DATA


def test_child_of_a_signal_handlers_fork_writes_nothing(owing: OpenSegment, log: Path, tmp_path: Path) -> None:
    """The records are its parent's: what was to be written is emptied there, before the first write or between two of them."""
    assert together(owing, ours=[]) == 0
    assert log.read_bytes() == b"frag"
    ours = list(RECORDS)

    def write_and_fork(fd: int, data: bytes) -> int:
        ours.clear()
        return OPERATIONS.write(fd, data)

    owing._write = write_and_fork
    together(owing, ours)
    assert log.read_bytes() == b"frag\n" + RECORDS[0]
    plain = opened(tmp_path / "plain.log")
    assert together(plain, ours=[]) == 0
    plain.close()
    assert (tmp_path / "plain.log").read_bytes() == b""


def test_descriptor_that_is_closed_right_after_the_write(log: Path) -> None:
    """By a signal handler that logs and rotates: what is written is written, and is not written again."""

    def closed(fd: int, offset: int, whence: int) -> int:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    segment = opened(log, seek=closed)
    assert together(segment) == 0
    segment.close()
    assert log.read_bytes() == DATA
