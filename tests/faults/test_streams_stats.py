"""What a handler tells of itself: the debug file, `stats()`, `repr`; and its copies."""

from __future__ import annotations

import copy
import errno
import fcntl
import logging
import multiprocessing
import os
import pickle
import re
import subprocess
from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from typing import Any

import pytest
from _disk_support import (
    Switch,
    all_lines,
    collect,
    ended,
    handler_at,
    lines,
    log_at,
    record,
    segments,
    start_python,
    use,
    use_clock,
)

import mpfhandler

LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} (\d+) ([a-z][a-z ]*?)((?: \w+=.*)?)")


def told(folder: Path) -> list[tuple[int, str, str]]:
    """Process, event and details of each line of the debug file."""
    found: list[tuple[int, str, str]] = []
    for line in lines(folder / "app.log.debug"):
        match = LINE.fullmatch(line)
        assert match, f"no line of the debug file: {line!r}"
        found.append((int(match[1]), match[2], match[3]))
    return found


def events(folder: Path) -> list[str]:
    """The events in the debug file."""
    return [event for _, event, _ in told(folder)]


def test_debug_file_tells_open_and_rotate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`debug=True` tells of each file that is opened and each rotation, with the segment's name and the process."""
    clock = use_clock(monkeypatch)
    handler = handler_at(tmp_path / "app.log", "S", debug=True)
    handler.emit(record("one", clock.now()))
    clock.step(1)
    handler.emit(record("two", clock.now()))
    found = told(tmp_path)
    assert [event for _, event, _ in found] == ["open", "rotate", "open"]
    assert {process for process, _, _ in found} == {os.getpid()}
    assert "app.log.2026-03-04_10-20-00" in found[1][2]


def test_debug_file_tells_late_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that goes to the segment of a period before is told of, with that segment."""
    clock = use_clock(monkeypatch)
    handler = handler_at(tmp_path / "app.log", "S", debug=True)
    made = clock.now()
    handler.emit(record("one", made))
    clock.step(1)
    handler.emit(record("two", clock.now()))
    handler.emit(record("late", made))
    assert events(tmp_path).count("late record") == 1
    assert handler.stats().late == 1
    assert all_lines(tmp_path) == ["one", "late", "two"]


def test_debug_file_tells_lock_timeouts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rotation lock that is not to be had is told of, and counted."""
    clock = use_clock(monkeypatch)
    handler = handler_at(tmp_path / "app.log", "S", debug=True)
    reports = collect(handler)
    handler.emit(record("one", clock.now()))
    fd = os.open(tmp_path / "app.log.lock", os.O_RDWR)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        clock.step(1)
        handler.emit(record("two", clock.now()))
    finally:
        os.close(fd)
    assert events(tmp_path).count("lock timeout") == 1
    assert handler.stats().lock_timeouts == 1
    assert len(reports) == 1


def test_debug_file_tells_repairs(tmp_path: Path) -> None:
    """A stump that is ended is told of, and counted."""
    handler = handler_at(tmp_path / "app.log", debug=True)
    (tmp_path / "app.log").write_bytes(b"s" * 4096)
    handler.emit(record("record"))
    assert events(tmp_path).count("repair") == 1
    assert handler.stats().repaired == 1


def test_debug_file_tells_failures_and_deletions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed is told of each time, with its cause, and a deleted segment with its name."""
    write = Switch(os.write, errno.ENOSPC)
    use(monkeypatch, write=write)
    handler = handler_at(tmp_path / "app.log", debug=True, backupCount=1)
    collect(handler)
    handler.emit(record("one"))
    handler.doRollover()
    handler.emit(record("two"))
    handler.doRollover()
    found = told(tmp_path)
    deleted = [details for _, event, details in found if event == "delete"]
    assert len(deleted) == 1
    assert "app.log." in deleted[0]
    write.on = True
    handler.emit(record("three"))
    write.on = False  # the debug file is written through the same entry
    handler.flush()
    assert "three" in (tmp_path / "app.log").read_text()


def test_failing_debug_file_is_no_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A debug file that cannot be written keeps nothing from being logged, and is not reported (P5)."""

    def refuse(_path: str, _mode: int) -> int:
        raise PermissionError(13, "made to fail")

    clock = use_clock(monkeypatch, open_debug=refuse)
    handler = handler_at(tmp_path / "app.log", "S", debug=True)
    reports = collect(handler)
    for number in range(3):
        handler.emit(record(f"record {number}", clock.now()))
        clock.step(1)
    assert all_lines(tmp_path) == ["record 0", "record 1", "record 2"]
    assert reports == []


def test_no_debug_file_without_debug(tmp_path: Path) -> None:
    """Without `debug=True` there is none."""
    handler = handler_at(tmp_path / "app.log")
    handler.emit(record("record"))
    handler.doRollover()
    assert not (tmp_path / "app.log.debug").exists()


def test_debug_file_of_several_processes(tmp_path: Path) -> None:
    """Processes that write the debug file at the same time keep its lines whole; each rotation is told of once."""
    code = """
from _disk_support import *
handler = handler_at(Path(sys.argv[1]), "D", debug=True, maxBytes=300)
sys.stdin.readline()
for number in range(300):
    handler.emit(record(f"{sys.argv[2]} {number}"))
print(os.getpid(), handler.stats().rotations)
"""
    children = [start_python(code, tmp_path / "app.log", tag) for tag in "abc"]
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    rotations = {}
    for child in children:
        process, count = ended(child).split()
        rotations[int(process)] = int(count)
    found = told(tmp_path)
    assert {process for process, _, _ in found} == set(rotations)
    for process, count in rotations.items():
        assert [event for one, event, _ in found if one == process].count("rotate") == count
    assert sum(rotations.values()) == len(segments(tmp_path)) - 2


def test_line_of_the_debug_file_is_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line of the debug file reaches the kernel in one call, so that lines of other processes stand before or after it."""
    opened: list[int] = []
    calls: list[bytes] = []

    def open_debug(path: str, mode: int) -> int:
        opened.append(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, mode))
        return opened[-1]

    def write(fd: int, data: bytes) -> int:
        if fd in opened:
            calls.append(data)
        return os.write(fd, data)

    def close(fd: int) -> None:
        if fd in opened:
            opened.remove(fd)
        os.close(fd)

    clock = use_clock(monkeypatch, open_debug=open_debug, write=write, close=close)
    handler = handler_at(tmp_path / "app.log", "S", debug=True)
    for number in range(3):
        handler.emit(record(f"record {number}", clock.now()))
        clock.step(1)
    assert len(calls) >= 5
    assert calls == [line.encode() + b"\n" for line in lines(tmp_path / "app.log.debug")]
    assert opened == []


def test_stats_of_an_ordinary_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`stats()` counts records, bytes, rotations and late records; the rest is zero while nothing fails."""
    clock = use_clock(monkeypatch)
    log = log_at(tmp_path / "app.log", "S")
    assert log.stats() == mpfhandler.Stats()
    made = clock.now()
    log.write("twelve bytes")
    clock.step(1)
    log.write("x")
    log.write("late", made)
    assert log.stats() == mpfhandler.Stats(records=3, bytes=13 + 2 + 5, rotations=1, late=1)


def test_stats_of_a_failing_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`spilled`, `lost` and `last_error` tell what waits, what is gone and why; they are values of their moment."""
    write = Switch(os.write, errno.EIO)
    use(monkeypatch, write=write)
    log = log_at(tmp_path / "app.log", spill_bytes=20)
    write.on = True
    for number in range(5):
        log.write(f"record {number}")
    before = log.stats()
    assert (before.records, before.spilled, before.lost) == (0, 2, 3)
    assert before.last_error is not None
    assert "Input/output error" in before.last_error
    write.on = False
    log.flush()
    after = log.stats()
    assert (after.records, after.spilled, after.lost) == (3, 0, 3)  # two records, and the line about the others
    assert before.spilled == 2


def test_stats_are_frozen() -> None:
    """`Stats` is a value, with these fields."""
    names = [field.name for field in fields(mpfhandler.Stats)]
    counters = ["records", "bytes", "rotations", "late", "repaired", "lock_timeouts", "spilled", "lost"]
    assert names == [*counters, "last_error", "buffered", "splits"]
    with pytest.raises(FrozenInstanceError):
        mpfhandler.Stats().records = 1  # type: ignore[misc]


# copies


def configured(path: Path) -> mpfhandler.MultProcTimedRotatingFileHandler:
    """A handler of which nearly nothing is at its default."""
    handler = mpfhandler.MultProcTimedRotatingFileHandler(
        str(path), "M", 5, 7, "utf-16", True, True, True, errors="replace", maxBytes=1000, chmod=0o640, lock_timeout=1.5,
        late_grace=3, spill_bytes=5000,
    )  # fmt: skip
    handler.setLevel(logging.WARNING)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    handler.set_name("configured")
    handler.suffix = "%Y_%m_%d_%H_%M"
    handler.terminator = "\r\n"
    return handler


def same(one: Any, other: Any) -> None:
    """The same configuration."""
    for name in (
        "when",
        "interval",
        "backupCount",
        "utc",
        "atTime",
        "suffix",
        "level",
        "terminator",
        "baseFilename",
        "encoding",
        "errors",
    ):
        assert getattr(one, name) == getattr(other, name), name
    assert one.formatter._fmt == other.formatter._fmt
    assert one._writer.options == other._writer.options
    assert one._writer.place == other._writer.place
    assert one._writer.terminator == other._writer.terminator


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_carries_the_configuration(tmp_path: Path, protocol: int) -> None:
    """A pickled handler comes back with the same configuration, in whatever protocol, and writes to the same log."""
    handler = configured(tmp_path / "app.log")
    handler.emit(record("from the first"))
    twin = pickle.loads(pickle.dumps(handler, protocol))
    same(handler, twin)
    twin.emit(record("from the twin"))
    text = (tmp_path / "app.log").read_bytes().decode("utf-16-le")
    assert text == "INFO from the first\r\nINFO from the twin\r\n"
    assert twin.stats().records == 1


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy])
def test_copies_are_handlers_of_their_own(tmp_path: Path, how: Any) -> None:
    """A copy has its own lock, files and counters, and the same configuration; closing one leaves the other open."""
    handler = configured(tmp_path / "app.log")
    handler.emit(record("one"))
    twin = how(handler)
    same(handler, twin)
    assert twin.lock is not handler.lock
    assert twin._writer is not handler._writer
    twin.emit(record("two"))
    twin.close()
    handler.emit(record("three"))
    assert (handler.stats().records, twin.stats().records) == (2, 1)
    text = (tmp_path / "app.log").read_bytes().decode("utf-16-le")
    assert [line.split()[1] for line in text.splitlines()] == ["one", "two", "three"]


def module_namer(name: str) -> str:
    """A namer that can be pickled."""
    return name + ".named"


def test_pickle_carries_the_hooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A namer and a rotator that can be pickled come along."""
    clock = use_clock(monkeypatch)
    handler = handler_at(tmp_path / "app.log", "S")
    handler.namer, handler.rotator = module_namer, os.rename
    twin = pickle.loads(pickle.dumps(handler))
    handler.close()  # a rotator waits until nobody else has the file open
    assert (twin.namer, twin.rotator) == (module_namer, os.rename)
    twin.emit(record("one", clock.now()))
    clock.step(1)
    twin.emit(record("two", clock.now()))
    twin.close()  # waits for the rotator
    assert segments(tmp_path) == ["app.log", "app.log.2026-03-04_10-20-00.named"]


def test_pickle_of_a_waiting_handler_doubles_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records that wait for the disk stay with the original."""
    write = Switch(os.write)
    use(monkeypatch, write=write)
    handler = handler_at(tmp_path / "app.log")
    collect(handler)
    del handler.handleError
    write.on = True
    logging.raiseExceptions, before = False, logging.raiseExceptions
    try:
        handler.emit(record("waiting"))
    finally:
        logging.raiseExceptions = before
    twin = pickle.loads(pickle.dumps(handler))
    write.on = False
    twin.emit(record("twin"))
    twin.close()
    handler.close()
    assert lines(tmp_path / "app.log") == ["twin", "waiting"]


def log_as(handler: logging.Handler, text: str) -> None:
    """What a process of `multiprocessing` runs."""
    handler.handle(record(text))


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_handler_is_an_argument_of_a_process(tmp_path: Path, method: str) -> None:
    """`multiprocessing` takes a handler as an argument, with whatever start method."""
    handler = handler_at(tmp_path / "app.log")
    handler.handle(record("parent"))
    process = multiprocessing.get_context(method).Process(target=log_as, args=(handler, "child"))
    process.start()
    process.join(120)
    assert process.exitcode == 0
    assert lines(tmp_path / "app.log") == ["parent", "child"]


def test_repr_tells_file_schedule_and_state(tmp_path: Path) -> None:
    """`repr` names the file, the level, the schedule with its zone, and whether the log is open."""
    handler = mpfhandler.MultProcTimedRotatingFileHandler(str(tmp_path / "app.log"), "M", 15, tz="Asia/Shanghai", delay=True)
    handler.setLevel(logging.ERROR)
    assert str(tmp_path / "app.log") in repr(handler)
    for part in ("MultProcTimedRotatingFileHandler", "ERROR", "when=M", "interval=15", "Asia/Shanghai", "closed"):
        assert part in repr(handler), part
    handler.emit(record("record"))
    assert "open" in repr(handler)
    assert "closed" not in repr(handler)
    handler.close()
    assert "closed" in repr(handler)
    assert "when=D interval=1" in repr(log_at(tmp_path / "other.log"))


def test_repr_of_a_handler_that_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`repr` says so while records wait for the disk."""
    write = Switch(os.write)
    use(monkeypatch, write=write)
    log = log_at(tmp_path / "app.log")
    write.on = True
    log.write("record")
    assert "waiting" in repr(log)
    write.on = False
    log.flush()
    assert "waiting" not in repr(log)


def test_module_says_nothing_when_it_is_imported() -> None:
    """An import prints nothing and starts no thread."""
    import sys

    code = "import mpfhandler, threading; assert threading.active_count() == 1"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
