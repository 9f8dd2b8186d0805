"""The torn-tail guard: what a killed writer leaves behind never costs the record that follows it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from _disk_support import all_lines, handler_at, lines, log_at, python, record, small_blocks, use, use_clock
from _proof import PROOF


def leave_stump(path: Path, size: int) -> None:
    """What write(2) leaves of a killed writer: bytes without a newline, up to this size of the file."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(fd, b"s" * (size - os.fstat(fd).st_size))
    finally:
        os.close(fd)


@pytest.mark.parametrize("pages", [1, 2, 7])
def test_record_after_a_stump_has_a_line_of_its_own(tmp_path: Path, pages: int) -> None:
    """A record that follows a stump which ends at a page boundary begins a line, and only a byte of the stump is changed (P1)."""
    path = tmp_path / "app.log"
    log = log_at(path)
    log.write("before")
    leave_stump(path, pages * 4096)
    log.write("after")
    log.write("last")
    size = pages * 4096
    assert path.read_bytes() == b"before\n" + b"s" * (size - 8) + b"\nafter\nlast\n"
    assert log.stats().repaired == 1
    assert log.stats().records == 3


def test_stump_is_ended_by_a_process_that_comes_later(tmp_path: Path) -> None:
    """The victim is whoever writes next, also the first record of a new process (P1)."""
    path = tmp_path / "app.log"
    log_at(path).close()
    leave_stump(path, 4096)
    handler = handler_at(path)
    handler.emit(record("first"))
    assert lines(path)[-1] == "first"
    assert handler.stats().repaired == 1


def test_whole_record_that_ends_at_a_page_boundary_is_left_alone(tmp_path: Path) -> None:
    """Nothing is repaired where the byte before the record is a newline already."""
    path = tmp_path / "app.log"
    log = log_at(path)
    log.write("x" * 4095)
    before = path.read_bytes()
    assert len(before) == 4096
    log.write("after")
    assert path.read_bytes() == before + b"after\n"
    assert log.stats().repaired == 0


def test_bytes_that_end_elsewhere_are_left_alone(tmp_path: Path) -> None:
    """What does not end at a page boundary is no stump of a kill, and no byte of it is changed."""
    path = tmp_path / "app.log"
    log = log_at(path)
    log.write("before")
    leave_stump(path, 4097)
    before = path.read_bytes()
    log.write("after")
    assert path.read_bytes() == before + b"after\n"
    assert log.stats().repaired == 0


def test_stump_in_an_encoding_with_a_wide_newline(tmp_path: Path) -> None:
    """The terminator that ends a stump is the encoding's, all of its bytes (P1)."""
    path = tmp_path / "app.log"
    handler = handler_at(path, encoding="utf-16-le")
    handler.emit(record("before"))
    fd = os.open(path, os.O_WRONLY | os.O_APPEND)
    os.write(fd, ("s" * 4096).encode("utf-16-le")[: 4096 - os.fstat(fd).st_size])
    os.close(fd)
    handler.emit(record("after"))
    text = path.read_bytes().decode("utf-16-le")
    assert text.splitlines()[0] == "before"
    assert text.splitlines()[-1] == "after"
    assert handler.stats().repaired == 1


@pytest.mark.parametrize("terminator", ["\r\n", "\0", "--\n"])
def test_stump_before_another_terminator(tmp_path: Path, terminator: str) -> None:
    """The guard looks for the terminator that the log has, and ends a stump with it (P1)."""
    path = tmp_path / "app.log"
    log = log_at(path, terminator=terminator)
    log.write("before")
    leave_stump(path, 8192)
    log.write("after")
    parts = path.read_bytes().split(terminator.encode())
    assert (parts[0], parts[2], parts[3:]) == (b"before", b"after", [b""])
    assert log.stats().repaired == 1


@pytest.mark.parametrize(
    ("before", "after", "encoding"), [("\n", "\r\n", "utf-8"), ("\n", "--\n", "utf-8"), ("\n", "\r\n", "utf-16-le")]
)
def test_record_with_another_line_end_is_left_alone(tmp_path: Path, before: str, after: str, encoding: str) -> None:
    """P1: a record that was written before the program's terminator was another one costs no byte."""
    path = tmp_path / "app.log"
    log = log_at(path, terminator=before, encoding=encoding)
    log.write("x" * (4096 // len("x".encode(encoding)) - len(before)))
    log.close()
    written = path.read_bytes()
    assert len(written) == 4096
    log = log_at(path, terminator=after, encoding=encoding)
    log.write("after")
    assert path.read_bytes() == written + f"after{after}".encode(encoding)
    assert log.stats().repaired == 0


@pytest.mark.parametrize("delivery", ["direct", "buffered"])
def test_record_of_before_a_fork_and_another_terminator_is_left_alone(tmp_path: Path, delivery: str) -> None:
    """P1: a forked child ends its records otherwise than its parent; what the parent has written costs no byte."""
    path = tmp_path / "app.log"
    handler = handler_at(path, delivery=delivery)
    handler.emit(record("x" * 4095))
    handler.flush()
    if not (pid := os.fork()):
        handler.terminator = "\0"
        handler.emit(record("of the child"))
        handler.flush()
        os._exit(0)
    os.waitpid(pid, 0)
    assert path.read_bytes() == b"x" * 4095 + b"\nof the child\0"


def test_stump_in_a_segment_that_takes_late_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A late record is guarded as any other, and its repair is counted (P1, P2)."""
    clock = use_clock(monkeypatch)
    log = log_at(tmp_path / "app.log", "H")
    made = clock.now()
    log.write("early")
    clock.wall = 3600 * (clock.wall // 3600 + 1) + 1
    log.write("next")
    segment = tmp_path / "app.log.2026-03-04_10"
    leave_stump(segment, 4096)
    log.write("late", made)
    assert lines(segment)[0] == "early"
    assert lines(segment)[-1] == "late"
    assert (log.stats().late, log.stats().repaired) == (1, 1)


def test_repairs_are_counted_over_the_life_of_a_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`stats().repaired` counts the repairs in files that have been closed since, too."""
    path = tmp_path / "app.log"
    clock = use_clock(monkeypatch)
    log = log_at(path, "H")
    log.write("before")
    leave_stump(path, 4096)
    log.write("after")
    made = clock.now()
    clock.step(3600)
    log.write("next")
    leave_stump(tmp_path / "app.log.2026-03-04_10", 8192)
    clock.wall = 3600 * (clock.wall // 3600) + 5
    log.write("late", made)
    assert log.stats().repaired == 2
    clock.step(60)
    log.write("later")
    assert log.stats().repaired == 2
    leave_stump(path, 4096)
    log.write("after")
    log.close()
    assert log.stats().repaired == 3
    log.write("again")
    assert log.stats().repaired == 3


def test_position_that_somebody_else_moved_costs_nobody_a_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A position that points into another record (a child shares the descriptor) repairs nothing: the guard looks for its own
    record first (P1)."""
    path = tmp_path / "app.log"

    def seek(_fd: int, _offset: int, _whence: int) -> int:
        return 4096 + len(b"mine\n")

    log_at(path).close()
    path.write_bytes(b"a" * 5000 + b"\n")
    before = path.read_bytes()
    use(monkeypatch, seek=seek)
    log = log_at(path)
    log.write("mine")
    assert path.read_bytes() == before + b"mine\n"
    assert log.stats().repaired == 0


def test_stump_on_a_file_system_with_small_blocks(tmp_path: Path) -> None:
    """Where blocks are smaller than a page a write can end at each of them, and the guard knows it (P1)."""
    with small_blocks(tmp_path) as folder:
        path = folder / "app.log"
        with log_at(path) as log:
            log.write("before")
            leave_stump(path, 5 * 1024)
            log.write("after")
            assert lines(path)[-1] == "after"
            assert log.stats().repaired == 1


_KILLED = """
import ctypes, mmap, os, random, signal, sys, time
import mpfhandler

path, kills = sys.argv[1], int(sys.argv[2])
SLOTS = 4096
acknowledged = mmap.mmap(-1, 8 * SLOTS)


def write(slot):
    count = ctypes.c_uint64.from_buffer(acknowledged, 8 * slot)
    log = mpfhandler.TimedLogFile(path, "D")
    number = 0
    while True:
        log.write(f"{slot} {number} ".ljust(9000, "x") + "!")
        number += 1
        count.value = number


def start(slot):
    pid = os.fork()
    if not pid:
        try:
            write(slot)
        finally:
            os._exit(1)
    return pid


def told(slot):
    return int.from_bytes(acknowledged[8 * slot : 8 * slot + 8], sys.byteorder)


slots = iter(range(SLOTS))
alive = {slot: start(slot) for slot in (next(slots) for _ in range(2))}
for _ in range(kills):
    victim = random.choice(list(alive))
    deadline = time.monotonic() + 30
    while not told(victim) and time.monotonic() < deadline:
        time.sleep(0.0005)
    time.sleep(random.random() * 0.001)
    os.kill(alive[victim], signal.SIGKILL)
    os.waitpid(alive.pop(victim), 0)
    fresh = next(slots)
    alive[fresh] = start(fresh)
for pid in alive.values():
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
print(*(told(slot) for slot in range(SLOTS) if told(slot) or slot in alive or slot < kills))
"""


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_no_acknowledged_record_is_lost_to_kills(tmp_path: Path) -> None:
    """Records of 9 kB whose writers are killed in the middle of writing: each one that was acknowledged is whole and on a line
    of its own (P1)."""
    total, rounds = 0, 4 if PROOF else 2
    for round_number in range(rounds):
        folder = tmp_path / f"round{round_number}"
        folder.mkdir()
        counts = [int(text) for text in python(_KILLED, folder / "app.log", 30).stdout.split()]
        found = [line.split(" ") for line in all_lines_but_the_last(folder) if line.endswith("!") and len(line) == 9001]
        whole = {(int(parts[0]), int(parts[1])) for parts in found}
        assert len(found) == len(whole), "doubled"
        missing = [(slot, number) for slot, count in enumerate(counts) for number in range(count) if (slot, number) not in whole]
        assert not missing, f"{len(missing)} acknowledged records lost, the first: {missing[:3]}"
        total += sum(counts)
        shutil.rmtree(folder)
    assert total > 150 * rounds / 4


def all_lines_but_the_last(folder: Path) -> list[str]:
    """The last line may be the stump of the last kill, which nobody has had to end."""
    log = folder / "app.log"
    text = log.read_text()
    if not text.endswith("\n"):
        log.write_text(text[: text.rfind("\n") + 1])
    return all_lines(folder)
