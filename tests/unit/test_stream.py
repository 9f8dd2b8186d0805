"""A log that is no regular file, on a made-up device: how long its reader is waited for, and what a child has of it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from mpfhandler._engine.place import find_place
from mpfhandler._platform import OPERATIONS
from mpfhandler._resources.stream import OpenStream


class Device:
    """Takes so many bytes, and then none; waiting for it takes all the time there is."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.taken = b""
        self.time = 0.0

    def write(self, _fd: int, data: bytes) -> int:
        if not self.room:
            raise BlockingIOError
        part = data[: self.room]
        self.taken += part
        self.room -= len(part)
        return len(part)

    def wait(self, _fd: int, seconds: float) -> bool:
        self.time += seconds
        return False

    def open(self, patience: float) -> OpenStream:
        ops = replace(OPERATIONS, write_stream=self.write, wait_writable=self.wait, monotonic=lambda: self.time)
        return OpenStream(ops, os.devnull, patience)


def refused(stream: OpenStream, data: bytes) -> bool:
    """Whether the record was not taken."""
    try:
        stream.append(data)
    except BlockingIOError:
        return True
    return False


def test_reader_that_does_not_read_is_waited_for_once() -> None:
    """The first record waits for the patience, no later one waits until the reader reads again; then there is patience anew."""
    device = Device(0)
    stream = device.open(2.0)
    assert [refused(stream, b"record\n") for _ in range(5)] == [True] * 5
    assert device.time == 2.0
    device.room = 7
    assert not refused(stream, b"record\n")
    assert device.taken == b"record\n"
    assert [refused(stream, b"record\n") for _ in range(5)] == [True] * 5
    assert device.time == 4.0
    stream.close()


def test_record_that_was_begun_is_the_parents_to_end() -> None:
    """What is left of a record in the parent is not written by a forked child."""
    device = Device(3)
    stream = device.open(0.0)
    assert not refused(stream, b"record\n")
    stream.after_fork_in_child()
    device.room = 100
    stream.append(b"child\n")
    assert device.taken == b"recchild\n"
    stream.close()


def test_stream_that_fails_to_end_is_closed_all_the_same() -> None:
    """P5: a reader that goes away with half a record, and a close(2) that fails, are no exception out of `close`."""
    gone: list[int] = []

    def write(_fd: int, data: bytes) -> int:
        if len(data) < 7:
            raise BrokenPipeError
        return 3

    def close(fd: int) -> None:
        OPERATIONS.close(fd)
        gone.append(fd)
        raise OSError(5, "input/output error")

    stream = OpenStream(replace(OPERATIONS, write_stream=write, wait_writable=lambda *_: False, close=close), os.devnull, 0.0)
    fd = stream.fileno()
    with pytest.raises(BrokenPipeError):
        stream.append(b"record\n")
    stream._rest = b"ord\n"
    stream.close()
    assert gone == [fd]
    assert not stream.intact()


def test_number_of_a_stream_that_is_somebody_elses_is_left_alone() -> None:
    """A descriptor number that the system has given out again is forgotten, not closed."""
    stream = OpenStream(OPERATIONS, os.devnull, 0.0)
    fd = stream.fileno()
    stream.disown(fd + 1)
    assert stream.intact()
    stream.disown(fd)
    assert not stream.intact()
    stream.close()
    os.close(fd)  # would fail if we had


@pytest.mark.parametrize("name", ["/proc/self/fd/1", "/dev/fd/1", "/dev/stdout", "/proc/self/../self/fd/1"])
def test_a_standard_stream_keeps_its_name(name: str, tmp_path: Path) -> None:
    """Also where a link leads there: `/proc/self` is another process's in a forked child, so its real path is not kept."""
    (tmp_path / "link").symlink_to(name)
    for path in (name, str(tmp_path / "link")):
        place = find_place(OPERATIONS, path, None, False, {})
        assert (place.log, place.special) == (os.path.normpath(name), True)
