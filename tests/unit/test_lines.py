"""`Lines`: blocks of whole lines, each line of which has the promises of a record."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mpfhandler import TimedLogFile
from mpfhandler._engine.lines import Lines, split
from mpfhandler._platform import OPERATIONS

BLOCK = b"".join(b"line %04d\n" % number for number in range(1000))


class Disk:
    """write(2) with so much room for regular files: then short writes, and ENOSPC."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.calls = 0

    def write(self, fd: int, data: bytes) -> int:
        """Take what there is room for."""
        self.calls += 1
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done = OPERATIONS.write(fd, data[: self.room])
        self.room -= done
        return done


def now() -> float:
    """The time of what comes."""
    return OPERATIONS.now()


def test_block_is_one_write(tmp_path: Path, system: Callable[..., None], closing: Callable[[Any], Any]) -> None:
    """In the steady state a block costs one write, whatever is in it, and counts as one record."""
    disk = Disk(1 << 30)
    system(write=disk.write)
    log = closing(TimedLogFile(tmp_path / "app.log", when="D"))
    lines = Lines(log)
    lines.write(b"first\n", now())
    before = disk.calls
    lines.write(BLOCK, now())
    assert disk.calls == before + 1
    assert (tmp_path / "app.log").read_bytes() == b"first\n" + BLOCK
    assert (log.stats().records, log.stats().bytes) == (2, 6 + len(BLOCK))


@pytest.mark.parametrize("room", [0, 1, 9, 10, 11, 300, 301, len(BLOCK) - 1])
@pytest.mark.parametrize("opened", [True, False])
def test_full_disk(tmp_path: Path, system: Callable[..., None], closing: Callable[[Any], Any], room: int, opened: bool) -> None:
    """What was whole when the disk was full is there once; of the line in the middle there may be a part, as a line of its own;
    the rest comes when there is room. Nothing is dropped, although there is no memory for dropped records at all."""
    disk = Disk(room if not opened else room + 6)
    system(write=disk.write)
    log = closing(TimedLogFile(tmp_path / "app.log", when="D", spill_bytes=0))
    lines = Lines(log)
    if opened:
        lines.write(b"first\n", now())
    lines.write(BLOCK, now())
    assert lines.behind
    disk.room = 1 << 30
    lines.retry()
    assert not lines.behind
    there = split((tmp_path / "app.log").read_bytes(), b"\n")[1 if opened else 0 :]
    wanted = split(BLOCK, b"\n")
    strange = [line for line in there if line not in wanted]
    assert len(strange) <= 1
    assert all(any(whole.startswith(part.rstrip(b"\n")) for whole in wanted) for part in strange)
    assert [line for line in there if line in wanted] == wanted
    assert log.stats().lost == 0


def test_without_waiting_what_does_not_fit_is_counted(
    tmp_path: Path, system: Callable[..., None], closing: Callable[[Any], Any]
) -> None:
    """Who goes on while the disk is full loses what `spill_bytes` cannot keep, and is told how much."""
    disk = Disk(0)
    system(write=disk.write)
    log = closing(TimedLogFile(tmp_path / "app.log", when="D", spill_bytes=100))
    lines = Lines(log, waits=False)
    lines.write(BLOCK, now())
    assert (log.stats().spilled, log.stats().lost) == (10, 990)
    disk.room = 1 << 30
    lines.retry()
    assert b"mpfhandler: 990 records lost" in (tmp_path / "app.log").read_bytes()


def test_block_is_divided_at_max_bytes(tmp_path: Path, closing: Callable[[Any], Any]) -> None:
    """A block larger than `max_bytes` fills several segments; no line is divided, and none has more than that and a line."""
    log = closing(TimedLogFile(tmp_path / "app.log", when="D", max_bytes=2000))
    lines = Lines(log)
    for _ in range(3):
        lines.write(b"short\n", now())  # after it there is room for a line, but not for the block
        lines.write(BLOCK, now())
    files = sorted(tmp_path.glob("app.log.2*"), key=lambda file: (len(file.name), file.name))
    parts = [file.read_bytes() for file in (*files, tmp_path / "app.log")]
    assert len(parts) > 10
    assert all(part.endswith(b"\n") and 2000 <= len(part) < 2010 for part in parts[:-1])
    assert len(parts[-1]) < 2010
    assert b"".join(parts) == (b"short\n" + BLOCK) * 3


def test_block_is_divided_where_the_file_has_less_room(
    tmp_path: Path, system: Callable[..., None], closing: Callable[[Any], Any]
) -> None:
    """Blocks that are smaller than `max_bytes`: the first of a file is whole, the one that does not fit any more is divided, also
    in a file that had something in it. It costs no more calls than the writes, but for one look at a file that is new to us."""
    looks, disk = [], Disk(1 << 30)
    system(write=disk.write, stat_fd=lambda fd: looks.append(fd) or OPERATIONS.stat_fd(fd))
    (tmp_path / "app.log").write_bytes(BLOCK[:5000])
    log = closing(TimedLogFile(tmp_path / "app.log", when="D", max_bytes=26_000))
    lines = Lines(log)
    lines.write(BLOCK[5000:], now())
    looked, wrote = len(looks), disk.calls
    lines.write(BLOCK, now())
    assert (len(looks), disk.calls) == (looked, wrote + 1)
    for _ in range(8):
        lines.write(BLOCK, now())
    files = sorted(tmp_path.glob("app.log.2*"), key=lambda file: (len(file.name), file.name))
    parts = [file.read_bytes() for file in (*files, tmp_path / "app.log")]
    assert [len(part) for part in parts] == [26_000, 26_000, 26_000, 22_000]
    assert b"".join(parts) == BLOCK * 10


def test_lines_go_to_the_period_of_their_time(tmp_path: Path, clock: list[float], closing: Callable[[Any], Any]) -> None:
    """A block from before the boundary that is written after it stands in the file of the period before."""
    log = closing(TimedLogFile(tmp_path / "app.log", when="M", utc=True))
    lines = Lines(log)
    clock[0] += 39  # a second before the minute ends
    lines.write(b"a\nb\n", clock[0])
    clock[0] += 3
    lines.write(b"c\n", clock[0])
    lines.write(b"late\n", clock[0] - 3)
    assert (tmp_path / "app.log").read_bytes() == b"c\n"
    (closed,) = tmp_path.glob("app.log.2*")
    assert closed.read_bytes() == b"a\nb\nlate\n"


@pytest.mark.parametrize("options", [{"late_grace": 0}, {"delivery": "buffered"}, {"fsync": "always"}, {"terminator": "\0"}])
def test_every_way_of_delivery(tmp_path: Path, closing: Callable[[Any], Any], options: dict[str, Any]) -> None:
    """The same bytes arrive whatever the options, empty lines, too."""
    end = str(options.get("terminator", "\n")).encode()
    log = closing(TimedLogFile(tmp_path / "app.log", when="D", **options))
    lines = Lines(log)
    sent = [b"one" + end + end + b"\xff\r" + end, BLOCK + end, end]
    for block in sent:
        lines.write(block, now())
    log.flush()
    assert (tmp_path / "app.log").read_bytes() == b"".join(sent)


def test_block_that_reaches_max_bytes_is_divided(tmp_path: Path, closing: Callable[[Any], Any]) -> None:
    """Behind the line that reaches it: what follows is in the next segment, in order, and no line is divided."""
    log = closing(TimedLogFile(tmp_path / "app.log", when="D", max_bytes=2000))
    lines = Lines(log)
    for _ in range(3):
        lines.write(BLOCK[:1500], now())
    (first, *others) = sorted(tmp_path.glob("app.log.2*"), key=lambda path: (len(path.name), path.name))
    content = first.read_bytes()
    assert len(content.rpartition(b"\n")[0].rpartition(b"\n")[0]) < 2000 <= len(content)
    whole = content + b"".join(path.read_bytes() for path in (*others, tmp_path / "app.log"))
    assert whole == BLOCK[:1500] * 3


def test_block_for_a_pipe(tmp_path: Path, closing: Callable[[Any], Any]) -> None:
    """Line by line, in order: a pipe takes no block in one piece."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        lines = Lines(closing(TimedLogFile(fifo, when="D")))
        for _ in range(3):
            lines.write(BLOCK[:100], now())
        assert os.read(reader, 1000) == BLOCK[:100] * 3
    finally:
        os.close(reader)
