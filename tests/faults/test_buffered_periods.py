"""Buffered delivery and the clock: the flusher writes at the end of a period, whatever its interval; and `late_grace=0`."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from _buffer_support import Writes, without_flusher
from _disk_support import START, Clock, handler_at, lines, log_at, record, segments, use, wait_for

BUFFERED = {"delivery": "buffered"}
SOON = 20.0  # seconds; the interval of these tests is an hour


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


def by_period(folder: Path) -> dict[str, list[str]]:
    return {name: lines(folder / name) for name in segments(folder)}


class WatchedClock(Clock):
    """Engines that are made from now on go by this clock, their threads wait by the real one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, start: float) -> None:
        super().__init__(start)
        self.asked = 0  # how often by a flusher: twice before it waits
        use(monkeypatch, now=self.ask)

    def ask(self) -> float:
        """The wall clock."""
        self.asked += threading.get_ident() != threading.main_thread().ident
        return self.wall


# the flusher


@pytest.mark.slow
@pytest.mark.parametrize("late_grace", [10.0, 0.0])
def test_flush_at_the_end_of_a_period(path: Path, late_grace: float) -> None:
    """P2: with a `flush_interval` of an hour, what was logged in a period of a second is in its file when that is over, without
    another record, and also where nothing is written to a file that has its name."""
    log = log_at(path, "S", flush_interval=3600, late_grace=late_grace, **BUFFERED)
    for number in range(3):
        log.write(f"record {number}")
        wait_for(lambda number=number: len(segments(path.parent)) == number + 2, "the rotation", SOON)
        assert log.stats().buffered == 0
    log.close()
    found = by_period(path.parent)
    assert found.pop("app.log") == []
    assert sorted(found.values()) == [["record 0"], ["record 1"], ["record 2"]]


def test_clock_that_is_set_forward_ends_a_period(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P2: a period that is over because somebody has set the clock is noticed within a second, whatever the interval."""
    clock = WatchedClock(monkeypatch, START + 10)
    log = log_at(path, "M", flush_interval=3600, **BUFFERED)
    log.write("old", clock.now())
    wait_for(lambda: clock.asked >= 2, "the flusher")
    clock.step(52)
    wait_for(lambda: len(segments(path.parent)) == 2, "the flush", SOON)
    log.close()
    assert by_period(path.parent) == {"app.log": [], "app.log.2026-03-04_10-20": ["old"]}


def test_late_record_does_not_wait_for_a_long_interval(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P2: a record of a period that is over is written within a second or two: it has only the grace."""
    clock = WatchedClock(monkeypatch, START + 1)
    log = log_at(path, "M", flush_interval=3600, **BUFFERED)
    log.write("of now", clock.now())
    wait_for(lambda: clock.asked >= 2, "the flusher")
    log.write("late", clock.now() - 2)
    wait_for(lambda: len(segments(path.parent)) == 2, "the flush", SOON)
    wait_for(lambda: log.stats().buffered == 0, "the flush", SOON)
    log.close()
    assert by_period(path.parent) == {"app.log": ["of now"], "app.log.2026-03-04_10-19": ["late"]}


# late_grace=0


@pytest.mark.parametrize("many", [1, 3])
def test_old_records_go_before_the_rotation(path: Path, monkeypatch: pytest.MonkeyPatch, many: int) -> None:
    """`late_grace=0`: as long as the file has the log's name, records of its period go there by one write, then it is renamed."""
    clock, write = Clock(START + 50), Writes()
    without_flusher(monkeypatch, **clock.entries(), write=write)
    log = log_at(path, "M", late_grace=0, **BUFFERED)
    for number in range(many):
        log.write(f"old {number}")
    clock.step(11)
    log.write("new")
    log.flush()
    log.close()
    found = by_period(path.parent)
    assert found.pop("app.log") == ["new"]
    assert list(found.values()) == [[f"old {number}" for number in range(many)]]
    assert len(write.seen) == 2


def test_nothing_is_written_to_a_file_that_has_its_name(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`late_grace=0`: where another process was faster with the rotation, what was in the buffer goes to the active file."""
    clock = Clock(START + 50)
    without_flusher(monkeypatch, **clock.entries())
    log, other = log_at(path, "M", late_grace=0, **BUFFERED), log_at(path, "M", late_grace=0)
    other.write("first")
    log.write("one")
    log.flush()
    log.write("in the buffer")
    clock.step(11)
    other.write("rotates")
    named = by_period(path.parent)
    assert named["app.log.2026-03-04_10-20"] == ["first", "one"]
    log.flush()
    log.close()
    other.close()
    assert by_period(path.parent) == {**named, "app.log": ["rotates", "in the buffer"]}
    assert log.stats().records == 2


# records with and without their time


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16-le", "utf-8-sig", "gb18030", "shift_jis", "utf-7"])
@pytest.mark.parametrize("terminator", ["\n", "\r\n", "", "é\n"])
def test_bytes_are_those_of_direct_delivery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str, terminator: str
) -> None:
    """Whatever the encoding, the terminator, the formatter and the characters, the file is the same, byte for byte."""
    clock = Clock(START)
    without_flusher(monkeypatch, **clock.entries())
    texts = ["plain", "", "plain", "é", "二", "+~\\", "two\nlines", "\ud800", "plain"]
    made = [record(text, clock.now()) for text in texts]
    content = []
    for delivery in ("direct", "buffered"):
        path = tmp_path / f"{delivery}.log"
        handler = handler_at(path, "M", delivery=delivery, encoding=encoding)
        handler.terminator = terminator
        for formatter in (None, logging.Formatter("%(asctime)s %(levelname)s %(message)s")):
            handler.setFormatter(formatter)
            for one in made:
                handler.handle(one)
            handler.flush()
            for _ in range(3):
                handler.handle(made[0])
            handler.flush()
        handler.terminator = "|\n"
        handler.handle(made[1])
        handler.close()
        content.append(path.read_bytes())
    assert content[0] == content[1] != b""


def test_periods_and_times_in_any_order(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P2: records of the present period, of the one before and of the next one, as bytes and as text, with the clock going on
    between them: each is in the file of its time, and a file has them in the order of their calls."""
    clock = Clock(START)
    without_flusher(monkeypatch, **clock.entries())
    handler = handler_at(path, "S", **BUFFERED)
    expected: dict[int, list[str]] = {}
    for number in range(300):
        text = f"{number}" if number % 3 else f"é {number}"
        created = clock.now() - (number % 7 == 3)
        handler.handle(record(text, created))
        expected.setdefault(int(created), []).append(text)
        clock.step(0.013)
        if number % 97 == 50:
            handler.flush()
    clock.step(1)
    handler.flush()
    handler.close()
    found = by_period(path.parent)
    assert found.pop("app.log") == []
    assert [found[name] for name in sorted(found)] == [expected[second] for second in sorted(expected)]


def test_clock_that_is_set_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P1: a clock that is set back by a day neither loses nor doubles a record."""
    clock = Clock(START)
    without_flusher(monkeypatch, **clock.entries())
    handler = handler_at(path, "M", **BUFFERED)
    for number in range(30):
        handler.handle(record(f"{number:02}", clock.now()))
        if number % 10 == 5:
            clock.wall -= 86400
    handler.close()
    found = by_period(path.parent)
    assert sorted(line for name in found for line in found[name]) == [f"{number:02}" for number in range(30)]


# who changes a handler


@pytest.mark.parametrize("delivery", ["direct", "buffered"])
@pytest.mark.parametrize("what", ["format", "emit", "filter", "handle"])
@pytest.mark.parametrize("where", ["instance", "class"])
def test_what_a_program_replaces_is_called(
    path: Path, monkeypatch: pytest.MonkeyPatch, what: str, where: str, delivery: str
) -> None:
    """A method that is replaced while the handler is in use counts from the next record on, and so does taking it back."""
    without_flusher(monkeypatch)
    handler = handler_at(path, delivery=delivery)
    handler.setFormatter(logging.Formatter("%(message)s"))
    for _ in range(3):
        handler.handle(record("before"))
    seen: list[Any] = []
    target: Any = handler if where == "instance" else type(handler)
    with monkeypatch.context() as patched:
        patched.setattr(target, what, lambda *arguments: seen.append(arguments[-1]) or "")
        handler.handle(record("replaced"))
        assert [one.msg for one in seen] == ["replaced"]
    handler.handle(record("after"))
    handler.close()
    assert [line for line in lines(path) if line] == ["before"] * 3 + ["after"]


def test_level_and_terminator_that_are_changed_count_at_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`flush_level` may be set at any time; a terminator of its own at the class or the instance, too."""
    without_flusher(monkeypatch)
    handler = handler_at(path, **BUFFERED)
    handler.handle(record("in the buffer"))
    handler.flush_level = logging.INFO
    handler.handle(record("written"))
    assert path.read_bytes() == f"in the buffer{os.linesep}written{os.linesep}".encode()
    handler.flush_level = logging.ERROR
    handler.terminator = ";\n"
    handler.handle(record("one"))
    handler.handle(record("two"))
    handler.close()
    assert path.read_bytes().endswith(b"written\none;\ntwo;\n")


def test_terminator_that_is_not_ascii_and_another_thread(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P1: while the terminator is changed, another thread puts a record into the buffer by the way for ASCII. It is written, and
    holds up nothing behind it."""
    without_flusher(monkeypatch)
    handler = handler_at(path, encoding="utf-8", **BUFFERED)
    handler.handle(record("first"))
    change = handler._writer.change_terminator

    def meanwhile(terminator: bytes) -> None:
        handler._sink.write_text("of another thread", handler._writer.now())
        change(terminator)

    monkeypatch.setattr(handler._writer, "change_terminator", meanwhile)
    handler.terminator = "\u2028\n"
    handler._change_terminator(handler.terminator)
    handler.flush()
    handler.handle(record("last"))
    handler.close()
    assert path.read_text("utf-8").split("\n") == ["first", "of another thread\u2028", "last\u2028", ""]


@pytest.mark.parametrize("delivery", ["direct", "buffered"])
def test_change_of_the_terminator_that_is_interrupted(path: Path, monkeypatch: pytest.MonkeyPatch, delivery: str) -> None:
    """An exception of a signal handler while the terminator is changed: the next record changes it, in every part."""
    handler = handler_at(path, encoding="utf-8", delivery=delivery)
    change = handler._writer.change_terminator

    def interrupted(_terminator: bytes) -> None:
        monkeypatch.setattr(handler._writer, "change_terminator", change)
        raise KeyboardInterrupt

    handler.handle(record("one"))
    monkeypatch.setattr(handler._writer, "change_terminator", interrupted)
    handler.terminator = ";\n"
    with pytest.raises(KeyboardInterrupt):
        handler.handle(record("interrupted"))
    handler.handle(record("two"))
    handler.handle(record("three é"))
    handler.close()
    assert path.read_text("utf-8") == "one\ntwo;\nthree é;\n"
    assert handler._writer._active.terminator == b";\n"
