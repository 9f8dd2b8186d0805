"""`maxBytes`: a period's log is split by size, in order of time, by any number of processes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from _disk_support import Switch, all_lines, ended, handler_at, lines, log_at, record, segments, start_python, use_clock

from mpfhandler._platform import OPERATIONS

NAME = "app.log.2026-03-04_10"


def test_splits_are_numbered_in_order_of_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a period the segments are the bare name, `.1`, `.2` …, the older the smaller, beyond `.9` too."""
    use_clock(monkeypatch)
    log = log_at(tmp_path / "app.log", "H", max_bytes=100)
    sent = [f"record {number:03}" for number in range(105)]
    for text in sent:
        log.write(text)
    names = [NAME, *(f"{NAME}.{number}" for number in range(1, 12))]
    found = [line for name in [*names, "app.log"] if (tmp_path / name).exists() for line in lines(tmp_path / name)]
    assert found == sent
    assert all(100 <= (tmp_path / name).stat().st_size < 111 for name in names if (tmp_path / name).exists())
    assert len(segments(tmp_path)) == 11


def test_record_larger_than_the_limit_has_a_file_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that is larger than maxBytes is written whole."""
    use_clock(monkeypatch)
    log = log_at(tmp_path / "app.log", "H", max_bytes=50)
    log.write("a" * 500)
    log.write("b" * 500)
    log.write("c")
    assert lines(tmp_path / NAME) == ["a" * 500]
    assert lines(tmp_path / f"{NAME}.1") == ["b" * 500]
    assert lines(tmp_path / "app.log") == ["c"]


def test_periods_and_splits_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new period begins with the bare name again, and each segment holds records of one period alone (P2)."""
    clock = use_clock(monkeypatch)
    log = log_at(tmp_path / "app.log", "H", max_bytes=60)
    sent: list[str] = []
    for hour in range(10, 14):
        for number in range(14):
            sent.append(f"hour {hour} record {number:02}")
            log.write(sent[-1])
        clock.step(3600)
    for hour in range(10, 13):
        names = [name for name in segments(tmp_path) if re.fullmatch(rf"app\.log\.2026-03-04_{hour}(\.\d+)?", name)]
        names.sort(key=lambda name: int(name.rpartition(".")[2]) if name.count(".") == 3 else 0)
        assert len(names) == 4
        assert [line for name in names for line in lines(tmp_path / name)] == [line for line in sent if f"hour {hour}" in line]
    assert sorted(all_lines(tmp_path)) == sorted(sent)


def test_restart_goes_on_with_the_next_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that starts again in the middle of a period neither begins to count anew nor splits what is not full."""
    use_clock(monkeypatch)
    for start in range(5):
        with log_at(tmp_path / "app.log", "H", max_bytes=100) as log:
            for number in range(7):
                log.write(f"start {start} record {number}")
    found = [line for name in (NAME, f"{NAME}.1", f"{NAME}.2", f"{NAME}.3", f"{NAME}.4", f"{NAME}.5", f"{NAME}.6")
             if (tmp_path / name).exists() for line in lines(tmp_path / name)]  # fmt: skip
    found += lines(tmp_path / "app.log")
    assert found == [f"start {start} record {number}" for start in range(5) for number in range(7)]


def test_file_that_is_full_at_the_start_is_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that has reached the limit before the program starts gets one record more at most."""
    use_clock(monkeypatch)
    log_at(tmp_path / "app.log", "H").close()
    (tmp_path / "app.log").write_text("x" * 500 + "\n")
    log = log_at(tmp_path / "app.log", "H", max_bytes=100)
    for number in range(3):
        log.write(f"record {number}")
    assert len(lines(tmp_path / NAME)) <= 2
    assert all_lines(tmp_path)[1:] == ["record 0", "record 1", "record 2"]


def test_splits_count_for_retention(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`backupCount` counts splits as segments; the newest ones stay."""
    use_clock(monkeypatch)
    with log_at(tmp_path / "app.log", "H", max_bytes=19, backup_count=3) as log:
        for number in range(30):
            log.write(f"number {number:03} of this")
    names = [name for name in segments(tmp_path) if name != "app.log"]
    assert sorted(int(name.rpartition(".")[2]) for name in names) == [26, 27, 28]


_WRITER = """
from _disk_support import *
tag = sys.argv[2]
handler = handler_at(Path(sys.argv[1]), "D", maxBytes=4000)
sys.stdin.readline()
for number in range(1500):
    handler.emit(record(f"{tag} {number} ".ljust(79, tag)))
print(handler.stats().rotations)
"""


def test_overshoot_of_four_processes(tmp_path: Path) -> None:
    """Four busy processes overshoot the limit by one record each at most, and lose none (P1)."""
    children = {tag: start_python(_WRITER, tmp_path / "app.log", tag) for tag in "abcd"}
    for child in children.values():
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    rotations = sum(int(ended(child)) for child in children.values())
    sent = [f"{tag} {number} ".ljust(79, tag) for tag in "abcd" for number in range(1500)]
    assert sorted(all_lines(tmp_path)) == sorted(sent)
    sizes = [(tmp_path / name).stat().st_size for name in segments(tmp_path) if name != "app.log"]
    assert len(sizes) == rotations
    assert max(sizes) <= 4000 + 4 * 80
    assert min(sizes) >= 4000


def test_split_that_another_process_made_is_not_made_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two processes that reach the limit one splits and the other follows: no segment is smaller than the limit."""
    use_clock(monkeypatch)
    one, two = (handler_at(tmp_path / "app.log", "H", maxBytes=100) for _ in range(2))
    for number in range(10):
        one.emit(record(f"one {number:05}", 1_772_619_600.0))
        two.emit(record(f"two {number:05}", 1_772_619_600.0))
    sizes = [(tmp_path / name).stat().st_size for name in segments(tmp_path) if name != "app.log"]
    assert len(sizes) == 1
    assert 100 <= sizes[0] <= 120
    assert len(all_lines(tmp_path)) == 20


def test_records_after_a_split_take_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P3: a split that is done, by this process or another, is forgotten: the records after it take the short way again."""
    locks: list[str] = []

    def open_lock(path: str, mode: int) -> tuple[int, bool]:
        locks.append(path)
        return OPERATIONS.open_lock(path, mode)

    use_clock(monkeypatch, open_lock=open_lock)
    one, two = (log_at(tmp_path / "app.log", "H", max_bytes=100) for _ in range(2))
    for number in range(5):
        one.write(f"one {number:05}")
        two.write(f"two {number:05}")
    for log in (one, two):
        log.write("splits or follows")
    assert one.stats().rotations + two.stats().rotations == 1
    locks.clear()
    for number in range(3):
        one.write(f"one {number:05}")
        two.write(f"two {number:05}")
    assert locks == []


def test_what_has_waited_for_the_disk_is_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records that a full disk kept waiting split the log as others do: no file is larger than maxBytes and a record."""
    write = Switch(OPERATIONS.write)
    use_clock(monkeypatch, write=write)
    log = log_at(tmp_path / "app.log", "H", max_bytes=1000)
    sent = [f"record {number:04} ".ljust(59, "x") for number in range(500)]
    log.write(sent[0])
    write.on = True
    for text in sent[1:]:
        log.write(text)
    assert log.stats().spilled == 499
    write.on = False
    log.flush()
    names = [NAME, *(f"{NAME}.{number}" for number in range(1, 100))]
    names = [name for name in [*names, "app.log"] if (tmp_path / name).exists()]
    assert [line for name in names for line in lines(tmp_path / name)] == sent
    assert max((tmp_path / name).stat().st_size for name in names) < 1060
    assert len(names) > 25
