"""`late_grace=0`: nothing is written to a segment once it has its name, whoever is between which two steps."""

from __future__ import annotations

import errno
import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from _disk_support import all_lines, log_at, use_clock
from _support import Worker, ended, segment_names, start_writers, verify, wait_for, written

from mpfhandler._engine.build import Parameters, build
from mpfhandler._engine.writer import Writer
from mpfhandler._platform import OPERATIONS, Operations
from mpfhandler._protocols.hooks import Hooks


def engine(path: Path, ops: Operations, late_grace: float) -> Writer:
    given = Parameters(
        path=str(path), when="D", interval=1, backup_count=0, at_time=None, utc=False, tz=None, max_bytes=0,
        encoding="utf-8", errors="strict", escape=False, debug=False, chmod=None, owner=None, mkdir=False, lock_dir=None,
        lock_timeout=5.0, late_grace=late_grace, spill_bytes=1000, delivery="direct",
        flush_interval=0.2, buffer_bytes=65536, overflow="block",
        compress=None, compress_level=None, compress_delay=300.0, max_age=None, max_total_bytes=None, min_free_bytes=None,
        on_seal=None, fsync="never", archive=None, archive_delete=False, rotate_idle=False, locking="append",
    )  # fmt: skip
    return build(given, "\n", "utf-8", Hooks(), None, {}, ops)


def write_while_another_rotates(log: Path, late_grace: float) -> list[str]:
    """One engine is stopped right before its write(2) while another one rotates; what the segment holds in the end."""
    rotator = engine(log, OPERATIONS, late_grace)
    rotator.write(b"first\n", rotator.now())
    threads: list[threading.Thread] = []

    def write_slowly(fd: int, data: bytes) -> int:
        if data == b"second\n" and not threads:
            threads.append(threading.Thread(target=rotator.rotate))
            threads[0].start()
            threads[0].join(0.5)
        return os.write(fd, data)

    writer = engine(log, replace(OPERATIONS, write=write_slowly), late_grace)
    writer.open()
    writer.write(b"zero\n", writer.now())
    writer.write(b"second\n", writer.now())
    threads[0].join()
    writer.write(b"third\n", writer.now())
    sizes = {path.name: path.read_text().split() for path in log.parent.iterdir() if path.name.startswith("app.log.2")}
    assert len(sizes) == 1
    active = log.read_text().split()
    writer.close()
    rotator.close()
    (segment,) = sizes.values()
    assert sorted(segment + active) == ["first", "second", "third", "zero"]
    return segment


def test_a_rename_waits_for_a_writer_that_has_looked_but_not_written(tmp_path: Path) -> None:
    """The record of a writer between its look and its write stands in the file before that file gets its name (P2)."""
    os.mkdir(tmp_path / "strict")
    rotated_at: list[str] = []
    log = tmp_path / "strict" / "app.log"
    original = OPERATIONS.rename_new

    def rename(source: str, target: str) -> None:
        if os.path.basename(target).startswith("app.log.2"):
            rotated_at.extend(Path(source).read_text().split())
        original(source, target)

    watched = replace(OPERATIONS, rename_new=rename)
    rotator = engine(log, watched, 0.0)
    rotator.write(b"first\n", rotator.now())
    threads: list[threading.Thread] = []

    def write_slowly(fd: int, data: bytes) -> int:
        if data == b"second\n" and not threads:
            threads.append(threading.Thread(target=rotator.rotate))
            threads[0].start()
            threads[0].join(0.5)
        return os.write(fd, data)

    writer = engine(log, replace(watched, write=write_slowly), 0.0)
    writer.write(b"zero\n", writer.now())
    writer.write(b"second\n", writer.now())
    threads[0].join()
    writer.write(b"third\n", writer.now())
    (segment,) = [path for path in log.parent.iterdir() if path.name.startswith("app.log.2")]
    assert segment.read_text().split() == rotated_at
    assert log.read_text().split() == ["third"]
    writer.close()
    rotator.close()


def test_with_a_grace_no_rename_waits_for_a_writer(tmp_path: Path) -> None:
    """With the default grace a writer between its look and its write finds its file renamed, and that is fine (P3)."""
    assert "second" in write_while_another_rotates(tmp_path / "app.log", 10.0)


@pytest.mark.parametrize("first", [0.0, 10.0])
def test_processes_of_different_graces_do_not_wait_for_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: float
) -> None:
    """P1, P3: whoever rotates, no call of either process waits for what the other one holds, and nothing is lost."""
    clock = use_clock(monkeypatch)
    log = tmp_path / "app.log"
    logs = [log_at(log, "S", late_grace=grace) for grace in (first, 10.0 - first)]
    sent: list[str] = []
    for number in range(40):
        for who, one in enumerate(logs if number % 3 else logs[::-1]):
            sent.append(f"{who} {number}")
            before = clock.steady
            one.write(sent[-1])
            assert clock.steady - before < 0.5
        clock.step(0.4)
    assert sorted(all_lines(tmp_path)) == sorted(sent)
    assert sum(one.stats().rotations for one in logs) >= 10
    assert [one.stats().lock_timeouts for one in logs] == [0, 0]


@pytest.mark.slow
def test_rollovers_under_load_are_all_done_and_nothing_follows_them(tmp_path: Path) -> None:
    """P1, P2: six processes write as fast as they can while a seventh calls `doRollover()`: each call gives a segment, none of
    them grows once it has its name, and every record is there once."""
    log = tmp_path / "app.log"
    writers = start_writers("abcdef", log, 4, when="D", late_grace=0)
    sizes: dict[str, int] = {}

    def named() -> list[str]:
        return [name for name in segment_names(tmp_path) if name not in sizes]

    with ended(*writers.values()), Worker("r", log, when="D", late_grace=0) as roller:
        for _ in range(5):
            roller.log()
            wait_for(lambda: log.exists() and log.stat().st_size > 10_000, "the writers")
            roller.ask("handler.doRollover()")
            wait_for(lambda: roller.log() or named(), "the segment's name")
            sizes.update({name: (tmp_path / f"app.log.{name}").stat().st_size for name in named()})
        outcome = roller.ask("(handler.stats().rotations, handler.stats().lock_timeouts, errors)")
        names = written(writers) | roller.names()
    assert outcome == (5, 0, [])
    assert len(sizes) == 5
    assert {name: (tmp_path / f"app.log.{name}").stat().st_size for name in sizes} == sizes
    verify(tmp_path, names)


def test_a_failure_while_a_segment_gets_its_name_costs_no_record(tmp_path: Path) -> None:
    """P1, P5: whatever fails while a closed segment gets its name, also the close(2) of a descriptor, the record that is on its
    way is written."""
    log = tmp_path / "app.log"
    failing = 1

    def close(fd: int) -> None:
        nonlocal failing
        OPERATIONS.close(fd)
        if failing and any(path.name.endswith(".rotating") for path in tmp_path.iterdir()):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    writer = engine(log, replace(OPERATIONS, close=close, rename_new=rename_once_hidden), 0.0)
    writer.write(b"first\n", writer.now())
    writer.rotate()
    writer.write(b"second\n", writer.now())
    assert log.read_text() == "second\n"
    failing = 0
    writer.close()


def rename_once_hidden(source: str, target: str) -> None:
    """A closed segment never gets its name."""
    if source.endswith(".rotating"):
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    OPERATIONS.rename_new(source, target)


def test_names_that_cannot_be_given_are_tried_less_and_less(tmp_path: Path) -> None:
    """With a suffix that makes no names the records are written, and the naming is tried with a pause that grows (P5)."""
    moment, asked = [1000.0], list[float]()
    wrong = False

    def suffix() -> None:
        if wrong:
            asked.append(moment[0])
            raise ValueError("no names")

    ops = replace(OPERATIONS, monotonic=lambda: moment[0])
    writer = engine(tmp_path / "app.log", ops, 0.0)
    writer._active.closed._hooks = writer._active.closed._segments._hooks = Hooks(suffix=suffix)
    wrong = True
    for _ in range(100):
        writer._active.closed.give_names()
        moment[0] += 1
    assert [round(moment - 1000) for moment in asked] == [0, 1, 3, 7, 15, 31, 63]
    wrong = False
    writer.write(b"record\n", writer.now())
    writer.close()
    assert (tmp_path / "app.log").read_bytes() == b"record\n"


def test_a_record_that_comes_too_late_twice_is_not_written_without_the_gate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is stopped once more between its second look and its write still writes to no file that has its name."""
    log = tmp_path / "app.log"
    slow, other = log_at(log, "D", late_grace=0), log_at(log, "D", late_grace=0)
    slow.write("first")
    other.rotate()
    refresh, turns = slow._writer._refresh, iter([False, True, True])

    def stopped() -> None:
        refresh()
        if next(turns, False):
            other.rotate()

    monkeypatch.setattr(slow._writer, "_refresh", stopped)
    slow.write("second")
    assert log.read_text() == "second\n"
    assert [(log.parent / f"app.log.{name}").read_text() for name in segment_names(tmp_path)] == ["first\n", "", ""]
