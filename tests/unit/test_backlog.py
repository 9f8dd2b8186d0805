"""What waits for the disk is written in order, with an exact line where something is missing."""

from __future__ import annotations

import math

import pytest

from mpfhandler._engine.backlog import Backlog
from mpfhandler._engine.backoff import Backoff
from mpfhandler._pure.options import Options
from mpfhandler._pure.schedule import Schedule

AT = 1_700_000_000.25  # 2023-11-14 22:13:20.250 UTC


class Disk:
    """Takes so many records, then none."""

    def __init__(self, room: int = 1000) -> None:
        self.room = room
        self.written: list[tuple[bytes, float]] = []

    def __call__(self, data: bytes, created: float) -> bool:
        if not self.room:
            return False
        self.room -= 1
        self.written.append((data, created))
        return True


def backlog(limit: int = 100, encoding: str = "utf-8") -> Backlog:
    """One with a universal clock."""
    return Backlog(Options(Schedule.create("H", 1, utc=True), encoding=encoding, spill_bytes=limit))


def test_what_waits_is_written_oldest_first() -> None:
    """Draining keeps the order and each record's own time."""
    waiting, disk = backlog(), Disk()
    waiting.spill.add(b"one\n", 1.0)
    waiting.spill.add(b"two\n", 2.0)
    assert waiting.drain(disk, b"\n")
    assert disk.written == [(b"one\n", 1.0), (b"two\n", 2.0)]
    assert not waiting


def test_draining_stops_where_the_disk_does() -> None:
    """What could not be written still waits, first in the queue, and nothing is written past it."""
    waiting, disk = backlog(), Disk(room=1)
    for text in (b"one\n", b"two\n", b"three\n"):
        waiting.spill.add(text, 1.0)
    assert not waiting.drain(disk, b"\n")
    assert [data for data, _ in disk.written] == [b"one\n"]
    assert waiting.spill.waiting == 2
    assert waiting.spill.take() == (b"two\n", 1.0)


@pytest.mark.parametrize("landed", [False, True])
def test_delivery_that_is_interrupted_neither_loses_nor_doubles(landed: bool) -> None:
    """A signal handler's exception comes out of it; the record still waits, first in the queue, unless it is in its file."""
    waiting, disk = backlog(), Disk()
    for data in (b"one\n", b"two\n"):
        waiting.spill.add(data, 1.0)

    def interrupted(data: bytes, created: float) -> bool:
        if landed and disk(data, created):
            waiting.landed = True
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        waiting.drain(interrupted, b"\n")
    assert waiting.spill.waiting == 2
    assert waiting.drain(disk, b"\n")
    assert [data for data, _ in disk.written] == [b"one\n", b"two\n"]


def test_records_of_the_same_bytes_are_all_written() -> None:
    """Empty lines are one object to the interpreter, and so may any records be: each of them waits for itself."""
    waiting, disk = backlog(), Disk()
    for _ in range(3):
        waiting.spill.add(b"\n", 1.0)

    def delivered(data: bytes, created: float) -> bool:
        waiting.landed = disk(data, created)
        return waiting.landed

    assert waiting.drain(delivered, b"\n")
    assert [data for data, _ in disk.written] == [b"\n"] * 3


def test_lost_line_that_is_interrupted_is_written_once() -> None:
    """A signal handler's exception right after the line was written: the next call knows the line again and takes it out."""
    waiting, disk = backlog(limit=0), Disk()
    waiting.spill.add(b"x", AT)

    def interrupted(data: bytes, created: float) -> bool:
        assert disk(data, created)
        waiting.landed = True
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        waiting.drain(interrupted, b"\n")
    waiting.spill.add(b"x", AT)
    assert waiting.drain(disk, b"\n")
    assert [data.split(b" lost")[0] for data, _ in disk.written] == [b"mpfhandler: 1 records", b"mpfhandler: 1 records"]


def test_nothing_to_drain_is_drained() -> None:
    """An empty backlog is done at once."""
    assert backlog().drain(Disk(room=0), b"\n")


def test_lost_records_are_told_in_one_exact_line() -> None:
    """The line says how many were lost and between which times, in the schedule's zone, and stands where they stood."""
    waiting, disk = backlog(limit=4), Disk()
    waiting.spill.add(b"one\n", AT - 1)
    waiting.spill.add(b"x", AT + 1.5)
    waiting.spill.add(b"x", AT)
    waiting.spill.add(b"x", AT + 1)
    assert waiting.drain(disk, b"\n")
    assert disk.written[0][0] == b"one\n"
    line, created = disk.written[1]
    assert line.startswith(b"mpfhandler: 3 records lost between 2023-11-14 22:13:20.250 and 2023-11-14 22:13:21.750")
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert created == AT + 1.5


def test_lost_line_waits_for_the_disk_too() -> None:
    """A line that could not be written is tried again, and counts what was lost meanwhile."""
    waiting = backlog(limit=0)
    waiting.spill.add(b"x", AT)
    assert not waiting.drain(Disk(room=0), b"\n")
    waiting.spill.add(b"x", AT)
    disk = Disk()
    assert waiting.drain(disk, b"\n")
    assert [data.split(b" lost")[0] for data, _ in disk.written] == [b"mpfhandler: 2 records"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "cp037", "utf-8"])
def test_lost_line_is_in_the_logs_encoding(encoding: str) -> None:
    """The line is text of the log, with the log's terminator."""
    waiting, disk = backlog(0, encoding), Disk()
    waiting.spill.add(b"x", AT)
    waiting.drain(disk, "\r\n".encode(encoding))
    text = disk.written[0][0].decode(encoding)
    assert text.startswith("mpfhandler: 1 records lost")
    assert text.endswith("\r\n")


def test_lost_line_ends_even_without_terminator() -> None:
    """Where records have no terminator the line gets one, so that it can be found."""
    waiting, disk = backlog(0), Disk()
    waiting.spill.add(b"x", AT)
    waiting.drain(disk, b"")
    assert disk.written[0][0].endswith(b"\n")


@pytest.mark.parametrize("created", [math.nan, math.inf, 1e30, -1e30])
def test_times_that_no_calendar_has_are_told_as_numbers(created: float) -> None:
    """An odd `created` cannot keep the line from being written."""
    waiting, disk = backlog(0), Disk()
    waiting.spill.add(b"x", created)
    assert waiting.drain(disk, b"\n")
    assert repr(created).encode() in disk.written[0][0]


def test_drained_backlog_may_be_tried_at_once() -> None:
    """A disk that works again ends the back-off."""
    waiting = backlog()
    waiting.retry.failed(100.0)
    waiting.spill.add(b"one\n", 1.0)
    assert waiting.drain(Disk(), b"\n")
    assert waiting.retry.until == -math.inf


def test_pause_doubles_up_to_its_bound() -> None:
    """A failure is followed by a pause, each next one by twice that, at most the longest."""
    backoff = Backoff(1.0, 5.0)
    pauses = []
    for _ in range(5):
        backoff.failed(100.0)
        pauses.append(backoff.until - 100.0)
    assert pauses == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_cleared_pause_begins_anew() -> None:
    """After a success the next failure is followed by the first pause again."""
    backoff = Backoff(1.0, 60.0)
    backoff.failed(0.0)
    backoff.failed(0.0)
    backoff.clear()
    assert backoff.until == -math.inf
    backoff.failed(10.0)
    assert backoff.until == 11.0


def test_fixed_pause_does_not_count_as_failure() -> None:
    """Waiting for a busy lock leaves the doubling alone."""
    backoff = Backoff(1.0, 60.0)
    backoff.wait(10.0, 7.0)
    assert backoff.until == 17.0
    backoff.failed(20.0)
    assert backoff.until == 21.0
