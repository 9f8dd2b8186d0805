"""Buffered delivery: what is written when, by how many writes, into which file, and what a broken disk makes of it."""

from __future__ import annotations

import copy
import errno
import logging
import os
import pickle
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from _buffer_support import PAGE, Writes, without_flusher
from _disk_support import (
    START,
    Clock,
    Switch,
    collect,
    failing,
    fill,
    handler_at,
    lines,
    log_at,
    record,
    segments,
    tmpfs,
    use,
    wait_for,
    whole_and_fragments,
)

from mpfhandler._engine.entries import Batch
from mpfhandler._platform import OPERATIONS

BUFFERED = {"delivery": "buffered"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


def texts(kind: str, count: int) -> list[str]:
    return [f"{kind} {number}" for number in range(count)]


# when


def test_records_are_written_together(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record is in the buffer until the flush, and counted as that; then all of them are written by one write(2), in order."""
    write = Writes()
    without_flusher(monkeypatch, write=write)
    log = log_at(path, **BUFFERED)
    for text in texts("record", 100):
        log.write(text)
    assert (log.stats().records, log.stats().buffered, write.seen) == (0, 100, [])
    log.flush()
    assert (log.stats().records, log.stats().buffered, len(write.seen)) == (100, 0, 1)
    assert log.stats().bytes == path.stat().st_size
    assert lines(path) == texts("record", 100)
    log.close()


def test_flusher_writes_after_the_interval_and_goes(path: Path) -> None:
    """Without anybody's help a record is in the file after `flush_interval`; the thread goes when nothing more comes, and is
    back with the next record."""
    handler = handler_at(path, flush_interval=0.02, **BUFFERED)
    for text in ("one", "two"):
        handler.emit(record(text))
        wait_for(lambda text=text: lines(path)[-1:] == [text], "the flush")
        wait_for(lambda: handler._sink._flusher.thread is None, "the flusher's end")
    handler.close()
    assert lines(path) == ["one", "two"]


@pytest.mark.parametrize("size", [1, 10, 100, 1000])
def test_no_write_is_longer_than_the_buffer_and_none_splits_a_record(
    path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """One write has at most `buffer_bytes`, or one record that is longer by itself; it ends with the end of a record."""
    write = Writes()
    without_flusher(monkeypatch, write=write)
    log = log_at(path, buffer_bytes=size, **BUFFERED)
    written = [f"{number}".rjust(number % 50 + 1, "x") for number in range(200)]
    for text in written:
        log.write(text)
        assert log._sink._size <= size  # type: ignore[union-attr]
    log.close()
    assert lines(path) == written
    assert all(data.endswith(b"\n") for data in write.seen)
    assert [data for data in write.seen if len(data) > size and data.count(b"\n") > 1] == []


@pytest.mark.parametrize("late", [False, True])
def test_full_buffer_is_one_write(path: Path, monkeypatch: pytest.MonkeyPatch, late: bool) -> None:
    """What fits into the buffer is written together: no write is of one record beside a full one, and none is built up record by
    record where all of them are of the present period."""
    write, wholes = Writes(), []
    without_flusher(monkeypatch, write=write)
    monkeypatch.setattr(Batch, "whole", lambda self, entry, whole=Batch.whole: wholes.append(entry) or whole(self, entry))
    handler = handler_at(path, buffer_bytes=1000, **BUFFERED)
    handler.handle(record("opens the log"))
    handler.flush()
    write.seen.clear()
    wholes.clear()
    for number in range(400):
        one = record(f"record {number:92}")
        one.created -= 7200 if late and number == 395 else 0
        handler.handle(one)
    handler.flush()
    assert [len(data) for data in write.seen[:39]] == [1000] * 39
    assert sum(map(len, write.seen)) == 40_000
    assert len(wholes) < 100, "a few looks at the next one for each write"
    handler.close()


@pytest.mark.parametrize("formatter", [None, logging.Formatter("%(message)s"), logging.BufferingFormatter()])
def test_record_of_the_level_is_written_before_its_call_returns(
    path: Path, monkeypatch: pytest.MonkeyPatch, formatter: Any
) -> None:
    """P1: from `flush_level` on as with direct delivery, and everything before it, too; below it not."""
    without_flusher(monkeypatch)
    handler = handler_at(path, flush_level="WARNING", **BUFFERED)
    if isinstance(formatter, logging.BufferingFormatter):
        formatter.format = lambda one: one.getMessage()  # type: ignore[method-assign]
    handler.setFormatter(formatter)
    expected = []
    for level in (logging.INFO, logging.WARNING, logging.DEBUG, logging.CRITICAL):
        one = record(f"at {level}")
        one.levelno = level
        handler.handle(one)
        expected.append(f"at {level}")
        if level >= logging.WARNING:
            assert lines(path) == expected
        else:
            assert lines(path) == expected[:-1]
    handler.close()


def test_record_without_a_level(path: Path) -> None:
    """`logging.makeLogRecord` makes records of no level: they are written like any other."""
    handler = handler_at(path, **BUFFERED)
    handler.handle(logging.makeLogRecord({"msg": "no level"}))
    handler.close()
    assert lines(path) == ["no level"]


def test_everything_that_flushes_does(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`flush`, `stream.flush`, `doRollover`, `close`, `logging.shutdown`: the buffer is empty afterwards, and the log goes on."""
    without_flusher(monkeypatch)
    handler = handler_at(path, **BUFFERED)
    steps = {
        "flush": handler.flush,
        "stream": lambda: handler.stream.flush(),
        "rollover": handler.doRollover,
        "close": handler.close,
        "shutdown": lambda: logging.shutdown([weakref.ref(handler)]),
    }
    for number, (name, step) in enumerate(steps.items()):
        handler.emit(record(name))
        assert handler.stats().buffered == 1
        step()
        assert (handler.stats().buffered, handler.stats().records) == (0, number + 1), name
    found = [line for name in reversed(segments(path.parent)) for line in lines(path.parent / name)]
    assert found == list(steps)


def test_stream_and_handler_keep_the_order(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written through `handler.stream` goes through the buffer as well; a changed terminator counts from there."""
    without_flusher(monkeypatch)
    handler = handler_at(path, **BUFFERED)
    handler.emit(record("first"))
    handler.stream.write("second")
    handler.emit(record("third"))
    handler.terminator = "\r\n"
    handler.emit(record("fourth"))
    handler.close()
    assert path.read_bytes() == b"first\nsecond\nthird\nfourth\r\n"


def test_no_thread_to_be_had(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no thread can be started (no more are to be had, the interpreter ends) a record is written at once."""

    def start(_work: object, _name: str) -> Any:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    use(monkeypatch, threads=replace(OPERATIONS.threads, start=start))
    handler = handler_at(path, **BUFFERED)
    for text in ("one", "two"):
        handler.emit(record(text))
        assert lines(path)[-1] == text
    handler.close()


# where


def by_period(folder: Path) -> dict[str, list[str]]:
    return {name: lines(folder / name) for name in segments(folder)}


@pytest.mark.parametrize("idle", [0.0, 5.0])
def test_each_record_goes_to_the_file_of_its_period(path: Path, monkeypatch: pytest.MonkeyPatch, idle: float) -> None:
    """P2: records of two periods in one buffer: the older ones are written before the rotation, so none of them is late, whether
    the log was looked at a moment ago or not."""
    clock = Clock(START + 58.0 - idle)
    without_flusher(monkeypatch, **clock.entries())
    log = log_at(path, "M", **BUFFERED)
    log.write("opens")
    log.flush()
    clock.step(idle)
    log.write("old 0")
    log.write("old 1")
    clock.step(3)
    log.write("new 0")
    log.write("old 2", clock.now() - 2)
    log.write("new 1")
    log.flush()
    stats = log.stats()
    log.close()
    assert by_period(path.parent) == {
        "app.log": ["new 0", "new 1"],
        "app.log.2026-03-04_10-20": ["opens", "old 0", "old 1", "old 2"],
    }
    assert (stats.rotations, stats.late, stats.records) == (1, 1, 6)


def test_rotator_gets_the_records_that_were_in_the_buffer(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P2: with a user's `rotator`, for which no late record can be written, the records of the old period are in its file."""
    clock = Clock(START + 50.0)
    without_flusher(monkeypatch, **clock.entries())
    handler = handler_at(path, "M", **BUFFERED)
    handler.rotator = os.rename
    handler.emit(record("opens", clock.now()))
    handler.flush()
    clock.step(9)
    handler.emit(record("old", clock.now()))
    clock.step(2)
    handler.emit(record("new", clock.now()))
    handler.flush()
    handler.close()
    handler._writer._active.closed.run_rotator()
    assert by_period(path.parent) == {"app.log": ["new"], "app.log.2026-03-04_10-20": ["opens", "old"]}


def test_buffer_of_many_periods(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P2: whatever the order of their times, records that are flushed within the grace are in the file of their period."""
    clock = Clock(START)
    without_flusher(monkeypatch, **clock.entries())
    log = log_at(path, "S", **BUFFERED)
    for number in range(40):
        log.write(f"{number % 8}", START + number % 8 + 0.5)
    clock.step(8)
    log.write("now")
    log.flush()
    log.close()
    found = by_period(path.parent)
    assert found.pop("app.log") == ["now"]
    assert found == {f"app.log.2026-03-04_10-20-{second:02}": [f"{second}"] * 5 for second in range(8)}


def test_split_after_a_batch(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`maxBytes` splits behind the record that reaches it, also of many that are written together."""
    without_flusher(monkeypatch)
    log = log_at(path, max_bytes=100, **BUFFERED)
    written = [f"record {number:03}" for number in range(100)]
    for text in written:
        log.write(text)
    log.flush()
    log.close()
    files = [path.parent / name for name in segments(path.parent)]
    assert sorted(line for file in files for line in lines(file)) == written
    assert len(files) > 5
    assert max(file.stat().st_size for file in files) < 100 + len("record 000\n")


def test_log_that_was_removed_is_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P1: after an `rm` of the log in the last second of a period, the records of both periods are in files with a name."""
    clock = Clock(START + 58.0)
    without_flusher(monkeypatch, **clock.entries())
    log = log_at(path, "M", **BUFFERED)
    log.write("opens")
    log.flush()
    path.unlink()
    log.write("old")
    clock.step(3)
    log.write("new")
    log.flush()
    log.close()
    assert sorted(line for found in by_period(path.parent).values() for line in found) == ["new", "old"]


def test_pipe_gets_every_record_by_itself(tmp_path: Path) -> None:
    """A pipe that several processes write to takes 4096 bytes at once in one piece, so records are not joined there."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    log = log_at(fifo, **BUFFERED)
    for text in texts("record", 50):
        log.write(text)
    log.flush()
    assert os.read(reader, 65536).decode().splitlines() == texts("record", 50)
    log.write("last")
    log.close()
    assert os.read(reader, 65536) == b"last\n"
    os.close(reader)


# a disk that is full or broken


def test_records_wait_for_space_in_order(tmp_path: Path) -> None:
    """P1: what cannot be written while a real disk is full is all there afterwards, once, in order, ahead of newer records."""
    before, during, after = (texts(kind, count) for kind, count in (("before", 20), ("during", 3000), ("after", 20)))
    with tmpfs(tmp_path / "disk", "size=256k") as disk:
        handler = handler_at(disk / "app.log", buffer_bytes=8000, **BUFFERED)
        reports = collect(handler)
        for text in before:
            handler.emit(record(text))
        handler.flush()
        filler = fill(disk)
        for text in during:
            handler.emit(record(text))
        handler.flush()
        assert handler.stats().spilled > 0
        filler.unlink()
        for text in after:
            handler.emit(record(text))
        handler.flush()
        whole, _ = whole_and_fragments(lines(disk / "app.log"), before + during + after)
        stats = handler.stats()
        handler.close()
    assert whole == before + during + after
    assert (stats.spilled, stats.lost, stats.records) == (0, 0, len(whole))
    assert 1 <= len(reports) <= 2, reports


@pytest.mark.parametrize("blind", [False, True], ids=["", "may not be read"])
@pytest.mark.parametrize("crlf", [False, True])
def test_short_write_anywhere_in_a_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blind: bool, crlf: bool) -> None:
    """P1: wherever a short write ends, the records that are whole by then are not written again, the part of one is a line of its
    own, and the others follow in order; also where the log may not be read, and what ends the part is owed."""
    write = Writes()
    entries: dict[str, Any] = {"open_side": failing(errno.EACCES)} if blind else {}
    without_flusher(monkeypatch, write=write, **entries)
    written = ["zero", *texts("rec", 5)]
    ending = "\r\n" if crlf else "\n"
    size = sum(len(text + ending) for text in written[1:])
    for cut in range(size):
        log = log_at(tmp_path / f"{cut}.log", terminator=ending, **BUFFERED)
        log.write("zero")
        log.flush()
        for text in written[1:]:
            log.write(text)
        write.cut = cut
        log._sink._flush_all()  # type: ignore[union-attr]
        log.flush()
        log.write("last")
        log.close()
        content = (tmp_path / f"{cut}.log").read_text().replace("\r\n", "\n")
        found = content.splitlines()
        whole = [line for line in found if line in {*written, "last"}]
        assert whole == [*written, "last"], (cut, found)
        rest = [line for line in found if line and line not in {*written, "last"}]  # an empty one is what a part of "\r\n" leaves
        assert len(rest) <= 1, (cut, found)
        assert all(any(text.startswith(line.rstrip("\r")) for text in written) for line in rest), (cut, found)
        assert (log.stats().records, log.stats().lost) == (7, 0), cut


@pytest.mark.parametrize("cut", [None, 3, 8, 20])
def test_stump_before_a_batch_is_ended(path: Path, monkeypatch: pytest.MonkeyPatch, cut: int | None) -> None:
    """P1: what a killed writer has left before a batch becomes a line of its own, also when the write of the batch is short."""
    write = Writes()
    without_flusher(monkeypatch, write=write)
    path.write_bytes(b"x" * PAGE)
    log = log_at(path, **BUFFERED)
    for text in texts("rec", 4):
        log.write(text)
    write.cut = cut
    log.close()
    stump, *found = lines(path)
    assert stump == ("x" * PAGE + "re" if cut == 3 else "x" * (PAGE - 1))  # one piece of rubbish behind another
    whole, _ = whole_and_fragments(found, texts("rec", 4))
    assert whole == texts("rec", 4)


def test_stump_that_cannot_be_ended_costs_one_record_a_second_line(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P1: the first record of the batch is a part of the stump's line, and is written again; those behind it are not."""
    without_flusher(monkeypatch, write_at=failing(errno.ENOSPC))
    path.write_bytes(b"x" * PAGE)
    log = log_at(path, **BUFFERED)
    for text in texts("rec", 4):
        log.write(text)
    log.close()
    assert lines(path) == ["x" * PAGE + "rec 0", "rec 1", "rec 2", "rec 3", "rec 0"]
    assert log.stats().records == 4


def test_descriptor_that_somebody_closed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P1: a daemon that closes everything costs no record; where that does not end, they wait."""
    write = Switch(os.write, errno.EBADF)
    without_flusher(monkeypatch, write=write)
    log = log_at(path, **BUFFERED)
    log.write("zero")
    log.flush()
    os.close(log.fileno())
    log.write("one")
    log.write("two")
    log.flush()
    write.on = True
    log.write("three")
    log.write("four")
    log.flush()
    assert log.stats().spilled == 2
    write.on = False
    log.close()
    assert lines(path) == ["zero", "one", "two", "three", "four"]


def test_records_that_fail_wait_and_are_counted(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P5: a disk that takes nothing is told once; what `spill_bytes` does not hold is counted, and one line says how many."""
    write = Switch(os.write, errno.EIO)
    without_flusher(monkeypatch, write=write)
    handler = handler_at(path, spill_bytes=50, **BUFFERED)
    reports = collect(handler)
    write.on = True
    for text in texts("rec", 10):
        handler.emit(record(text))
    handler.flush()
    assert (handler.stats().spilled, handler.stats().lost, len(reports)) == (8, 2, 1)
    write.on = False
    handler.close()
    found = lines(path)
    assert found[:8] == texts("rec", 8)
    assert found[8].startswith("mpfhandler: 2 records lost between ")
    assert len(found) == 9


# copies


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_copies_have_a_buffer_of_their_own(path: Path, monkeypatch: pytest.MonkeyPatch, how: Any) -> None:
    """A copy has the same options, and nothing of what is in the other's buffer."""
    without_flusher(monkeypatch)
    options = {"flush_interval": 0.5, "buffer_bytes": 1000, "overflow": "drop", **BUFFERED}
    for one in (handler_at(path, flush_level=logging.WARNING, **options), log_at(path, **options)):
        write = one.emit if isinstance(one, logging.Handler) else lambda made, one=one: one.write(made.getMessage())
        write(record("first"))
        twin = how(one)
        assert twin._writer.options == one._writer.options
        assert (twin._sink._interval, twin._sink._limit, twin._sink._drops) == (0.5, 1000, True)
        assert getattr(twin, "flush_level", None) == getattr(one, "flush_level", None)
        assert (twin.stats().buffered, one.stats().buffered) == (0, 1)
        twin.close()
        one.close()
    assert lines(path) == ["first", "first"]
