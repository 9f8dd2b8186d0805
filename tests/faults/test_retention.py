"""`backupCount`: the oldest segments of this log go, whatever their names sort like, and nothing else does."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from _disk_support import (
    Clock,
    all_lines,
    attribute,
    collect,
    handler_at,
    lines,
    log_at,
    needs_root,
    record,
    segments,
    use,
    use_clock,
    wait_for,
)

from mpfhandler import TimedLogFile

FOREIGN = [
    "app.error.log",
    "app.log.bak",
    "app.log.1",
    "app.log.debug",
    "app.log.2026-03-04_09.csv",
    "app.log.2.2026-03-04_09",
    "app.log.2026-13-45_99",
    "app.log.2026-02-30_09",
    "app.log.2026-03-04",
    "app.log.2026-03-04_9",
    "app.log.2026-03-04_09-30",
    "app.log.2026-03-04_09.01",
    "app.log.2026-03-04_09.0",
    "app.log.2026-03-04_09.-1",
    "app.log.2026-03-04_09.1.2",
    "app.log.2026-03-04_09.gz.1",
    "app.log.2026-03-04_09.zip",
    "app.log.2026-03-04_09\n",
    "app.log.2026-03-04_09 ",
    "app.log.\u0662\u0660\u0662\u0666-03-04_09",  # digits of another script
    "xapp.log.2026-03-04_09",
    "app.log2026-03-04_09",
    ".app.log.2026-03-04_09",
    "app.log.2026-03-04_09~",
    "App.log.2026-03-04_09",
]


def make(folder: Path, *suffixes: str) -> None:
    """Segments of former times."""
    for suffix in suffixes:
        (folder / f"app.log.{suffix}").write_text(suffix + "\n")


def closed(folder: Path) -> list[str]:
    """The suffixes of what is left beside the log."""
    return [name.removeprefix("app.log.") for name in segments(folder) if name != "app.log"]


def test_oldest_go_by_time_and_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments are counted by parsed period, then by number: `.2` is older than `.10`, and an old `.10` older than a new one."""
    use_clock(monkeypatch)
    make(
        tmp_path,
        *(f"2026-03-04_09{number}" for number in ("", ".1", ".2", ".9", ".10", ".11")),
        "2026-03-03_23.10",
        "2025-12-31_00",
    )
    log = log_at(tmp_path / "app.log", "H", backup_count=4)
    log.write("now")
    assert log.rotate()
    assert closed(tmp_path) == ["2026-03-04_09.10", "2026-03-04_09.11", "2026-03-04_09.9", "2026-03-04_10"]


@pytest.mark.parametrize("keep", [1, 2, 5])
def test_so_many_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: int) -> None:
    """Exactly the newest `backupCount` closed segments stay, rotation after rotation."""
    clock = use_clock(monkeypatch)
    log = log_at(tmp_path / "app.log", "H", backup_count=keep)
    names: list[str] = []
    for _ in range(7):
        log.write("record")
        names.append(f"2026-03-04_{10 + len(names)}")
        clock.step(3600)
        log.write("record of the next hour, which rotates")
        wait_for(lambda: closed(tmp_path) == names[-keep:], f"only {names[-keep:]} are left")


def test_without_a_count_everything_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`backupCount=0` deletes nothing."""
    use_clock(monkeypatch)
    make(tmp_path, *(f"2020-01-01_{hour:02}" for hour in range(24)))
    log = log_at(tmp_path / "app.log", "H")
    log.write("record")
    log.rotate()
    assert len(closed(tmp_path)) == 25


def test_foreign_files_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not in full a name of this log's segments is neither counted nor deleted, nor is a folder that has one (P4)."""
    use_clock(monkeypatch)
    for name in FOREIGN:
        (tmp_path / name).write_text("somebody else's")
    folders = {"app.log.2026-03-04_08", "app.log.2026-03-04_23"}
    for name in folders:
        (tmp_path / name).mkdir()
    make(tmp_path, "2026-03-04_07", "2026-03-04_09")
    log = log_at(tmp_path / "app.log", "H", backup_count=1)
    log.write("record")
    log.rotate()
    log.close()
    assert log.stats().last_error is None
    assert {name for name in os.listdir(tmp_path) if (tmp_path / name).is_dir()} == folders
    left = {name for name in segments(tmp_path) if (tmp_path / name).is_file()}
    assert left == {"app.log", "app.log.2026-03-04_10", *FOREIGN}
    assert all((tmp_path / name).read_text() == "somebody else's" for name in FOREIGN)


def test_segments_of_another_log_in_the_folder_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two logs of which one's name begins with the other's keep out of each other's segments (P4)."""
    use_clock(monkeypatch)
    for base in ("app", "app.log", "app.log.2"):
        for hour in range(5):
            (tmp_path / f"{base}.2026-03-04_0{hour}").write_text("old\n")
    log = log_at(tmp_path / "app", "H", backup_count=1)
    log.write("record")
    log.rotate()
    assert len([name for name in os.listdir(tmp_path) if name.startswith("app.log.2026")]) == 5
    assert len([name for name in os.listdir(tmp_path) if name.startswith("app.log.2.2026")]) == 5
    assert [name for name in sorted(os.listdir(tmp_path)) if name.startswith("app.2026")] == ["app.2026-03-04_10"]


def test_link_that_is_named_like_a_segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A symbolic link or a folder with the name of a segment is somebody else's: neither counted nor deleted (P4)."""
    use_clock(monkeypatch)
    (tmp_path / "elsewhere").mkdir()
    precious = tmp_path / "elsewhere" / "precious"
    precious.write_text("somebody else's")
    (tmp_path / "app.log.2026-03-04_01").symlink_to(precious)
    (tmp_path / "app.log.2026-03-04_02").symlink_to("nowhere")
    (tmp_path / "app.log.2026-03-04_03").mkdir()
    (tmp_path / "app.log.2026-03-04_04").write_text("ours\n")
    before = sorted(os.listdir(tmp_path))
    log = log_at(tmp_path / "app.log", "H", backup_count=2)
    log.write("record")
    log.rotate()
    assert precious.read_text() == "somebody else's"
    assert set(before) <= set(os.listdir(tmp_path))


@pytest.mark.parametrize("suffix", ["%m-%d", "%d", "%j"])
def test_newest_stays_where_the_suffix_has_no_year(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    """Where the names do not tell which segment is older, the time of the last write does."""
    clock = use_clock(monkeypatch)
    handler = handler_at(tmp_path / "app.log", "D", backupCount=2)
    handler.suffix = suffix
    for days in (64, 63):  # the last days of the year before have the greater numbers
        then = time.localtime(clock.now() - days * 86400)
        old = tmp_path / f"app.log.{time.strftime(suffix, then)}"
        old.write_text("old\n")
        os.utime(old, (time.mktime(then), time.mktime(then)))
    handler.handle(record("precious", clock.now()))
    handler.doRollover()
    handler.close()
    kept = [name for name in segments(tmp_path) if name != "app.log"]
    assert len(kept) == 2
    assert "precious" in all_lines(tmp_path)


def test_suffix_that_cannot_be_read_back_deletes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments whose names mean nothing all stay, and that is told once, with the remedy."""
    clock = use_clock(monkeypatch)
    handler = handler_at(tmp_path / "app.log", "D", backupCount=1)
    handler.suffix = "%Y-%W"
    reports = collect(handler)
    for number in range(4):
        handler.handle(record(f"record {number}", clock.now()))
        handler.doRollover()
    handler.close()
    assert all_lines(tmp_path) == [f"record {number}" for number in range(4)]
    assert len(reports) == 1
    assert "suffix='%Y-%W'" in str(reports[0])


@pytest.mark.parametrize("ending", ["gz", "zst", "xz", "bz2"])
def test_compressed_segments_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    """A compressed segment counts and goes as a plain one."""
    use_clock(monkeypatch)
    make(tmp_path, f"2026-03-04_07.{ending}", f"2026-03-04_08.2.{ending}", f"2026-03-04_08.10.{ending}", "2026-03-04_09")
    log = log_at(tmp_path / "app.log", "H", backup_count=3)
    log.write("record")
    log.rotate()
    assert closed(tmp_path) == [f"2026-03-04_08.10.{ending}", "2026-03-04_09", "2026-03-04_10"]


def test_segment_that_cannot_be_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that cannot be deleted is reported once, in however many rotations, and the others go all the same (P5)."""

    def unlink(path: str) -> None:
        if path.endswith("_02"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        os.unlink(path)

    clock = use_clock(monkeypatch, unlink=unlink)
    make(tmp_path, *(f"2026-03-04_{hour:02}" for hour in range(9)))
    handler = handler_at(tmp_path / "app.log", "H", backupCount=2)
    reports = collect(handler)
    for _ in range(4):
        handler.emit(record("record", clock.now()))
        handler.doRollover()
    assert closed(tmp_path) == ["2026-03-04_02", "2026-03-04_10.2", "2026-03-04_10.3"]
    assert len(reports) == 1, reports
    assert "2026-03-04_02" in reports[0] or "Permission" in reports[0]
    assert handler.stats().records == 4


@needs_root
def test_immutable_segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A segment with the immutable attribute stays, is reported once, and holds up nothing (P5)."""
    clock = use_clock(monkeypatch)
    make(tmp_path, "2026-03-04_01", "2026-03-04_02", "2026-03-04_03")
    with attribute(tmp_path / "app.log.2026-03-04_01", "i"):
        handler = handler_at(tmp_path / "app.log", "H", backupCount=1)
        reports = collect(handler)
        for _ in range(3):
            handler.emit(record("record", clock.now()))
            handler.doRollover()
        assert closed(tmp_path) == ["2026-03-04_01", "2026-03-04_10.2"]
        assert len(reports) == 1, reports


def test_logging_call_does_not_wait_for_a_deletion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deletion that hangs holds up no record: it is done in the background, begun by the rotation (P3)."""
    entered, go = threading.Event(), threading.Event()

    def unlink(path: str) -> None:
        entered.set()
        assert go.wait(60)
        os.unlink(path)

    clock = use_clock(monkeypatch, unlink=unlink)
    make(tmp_path, "2026-03-04_01", "2026-03-04_02")
    log = log_at(tmp_path / "app.log", "H", backup_count=1)
    log.write("before")
    clock.step(3600)
    log.write("after the rotation")
    assert entered.wait(60)
    for number in range(100):
        log.write(f"while the deletion hangs {number}")
    assert log.stats().records == 102
    assert len(closed(tmp_path)) == 3
    go.set()
    wait_for(lambda: closed(tmp_path) == ["2026-03-04_10"], "the deletion")
    assert len(lines(tmp_path / "app.log")) == 101


def test_deletion_is_over_when_close_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A short program that rotates and ends has deleted what it had to."""
    clock = use_clock(monkeypatch)
    make(tmp_path, *(f"2026-03-03_{hour:02}" for hour in range(20)))
    with log_at(tmp_path / "app.log", "H", backup_count=2) as log:
        log.write("before")
        clock.step(3600)
        log.write("after")
    assert closed(tmp_path) == ["2026-03-03_19", "2026-03-04_10"]


def test_unreadable_folder_is_reported_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that cannot be listed keeps no record from being written, and is reported once (P5)."""

    def names(_folder: str) -> list[str]:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    clock = use_clock(monkeypatch, names=names)
    handler = handler_at(tmp_path / "app.log", "H", backupCount=1)
    reports = collect(handler)
    for number in range(3):
        handler.emit(record(f"record {number}", clock.now()))
        handler.doRollover()
    assert len(closed(tmp_path)) == 3
    assert len(reports) == 1


def _by_attribute(handler: Any, namer: Callable[[str], str]) -> None:
    handler.namer = namer


def test_files_to_delete_are_told_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`getFilesToDelete` names the segments beyond `backupCount`, oldest first, those with a namer's names, and those for which
    it has failed; nobody else's (P4)."""
    use_clock(monkeypatch)
    handler = handler_at(tmp_path / "app.log", "H", backupCount=1)
    _by_attribute(handler, lambda name: name.replace("app.log.", "app.") + ".log")
    for suffix in ("2026-03-04_09.10", "2026-03-04_09.2", "2026-03-04_08"):
        (tmp_path / f"app.{suffix}.log").write_text("old\n")
    make(tmp_path, "2026-03-04_07")  # the namer had failed
    make(tmp_path, "2026-03-04_01.txt")
    (tmp_path / "app.2026-03-04_01.log.bak").write_text("somebody else's")
    folder = str(tmp_path)
    assert handler.getFilesToDelete() == [
        f"{folder}/app.log.2026-03-04_07", f"{folder}/app.2026-03-04_08.log", f"{folder}/app.2026-03-04_09.2.log"
    ]  # fmt: skip
    handler.emit(record("record"))
    handler.doRollover()
    assert sorted(os.listdir(tmp_path)) == sorted(
        ["app.2026-03-04_10.log", "app.2026-03-04_01.log.bak", "app.log", "app.log.2026-03-04_01.txt", "app.log.lock"]
    )


def test_segment_that_somebody_may_still_write_to_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where another process has a lease on a segment, it is deleted only once that is given up (P1)."""
    clock = use_clock(monkeypatch)
    make(tmp_path, "2026-03-04_07", "2026-03-04_08")
    log = log_at(tmp_path / "app.log", "H", backup_count=1)
    with (tmp_path / "app.log.2026-03-04_07").open() as writer:
        fcntl.flock(writer, fcntl.LOCK_SH)
        log.write("a")
        log.rotate()
        assert closed(tmp_path) == ["2026-03-04_07", "2026-03-04_10"]
    clock.step(3600)
    log.write("b")
    log.rotate()
    # the background thread, which the record has started, may be just at it
    wait_for(lambda: closed(tmp_path) == ["2026-03-04_11"], "the segment is deleted")


def test_two_processes_delete_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A segment that another process deletes at the same moment is no failure."""

    def unlink(path: str) -> None:
        os.unlink(path)
        os.unlink(path)

    use(monkeypatch, unlink=unlink)
    make(tmp_path, "2026-03-04_01", "2026-03-04_02")
    handler = handler_at(tmp_path / "app.log", "H", backupCount=1)
    reports = collect(handler)
    handler.emit(record("record"))
    handler.doRollover()
    assert reports == []
    assert len(closed(tmp_path)) == 1


# segments that somebody may still write to


def other_engine(clock: Clock, monkeypatch: pytest.MonkeyPatch, path: Path, **options: Any) -> TimedLogFile:
    """Another process's engine on the same log, with the same clock."""
    use(monkeypatch, **clock.entries())
    return log_at(path, "H", **options)


def test_segment_that_another_process_writes_to_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P1: a process that has not noticed splits yet logs into a segment which would be too old to keep: it stays until that
    process has followed, and then it goes."""
    clock = use_clock(monkeypatch)
    busy = log_at(tmp_path / "app.log", "H", backup_count=2)
    slow = other_engine(clock, monkeypatch, tmp_path / "app.log")
    slow.write("slow 0")
    for number in range(8):
        busy.write(f"busy {number}")
        busy.rotate()
    slow.write("slow 1")
    assert os.fstat(slow.fileno()).st_nlink == 1
    assert {"slow 0", "slow 1"} <= set(all_lines(tmp_path))
    assert closed(tmp_path) == ["2026-03-04_10", "2026-03-04_10.6", "2026-03-04_10.7"]
    clock.step(1)
    slow.write("slow 2")
    assert lines(tmp_path / "app.log") == ["slow 2"]
    busy.rotate()
    assert closed(tmp_path) == ["2026-03-04_10.7", "2026-03-04_10.8"]


def test_segment_with_a_lease_goes_at_a_later_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A segment that another process keeps for late records is passed over, not waited for and not reported, and goes once the
    other process has let it go."""
    clock = use_clock(monkeypatch)
    told: list[Exception] = []
    log = log_at(tmp_path / "app.log", "H", backup_count=1, on_error=told.append)
    other = other_engine(clock, monkeypatch, tmp_path / "app.log", late_grace=3 * 3600)
    for number in range(4):
        log.write(f"record {number}")
        other.write(f"other {number}")
        clock.step(3600)
    steady = clock.steady
    log.rotate()
    assert clock.steady == steady, "a sweep waited"
    assert len(closed(tmp_path)) == 4
    clock.step(3 * 3600)
    for _ in range(2):  # the grace is over: at the next look it lets everything go
        other.write("other again")
        clock.step(1)
    log.write("record again")
    log.rotate()
    wait_for(lambda: closed(tmp_path) == ["2026-03-04_17"], "the older ones are deleted")
    assert told == []


def test_our_own_late_segments_are_let_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process itself keeps open for late records is not kept by that: exactly `backupCount` segments stay, sweep after
    sweep, and a late record of a deleted one is written all the same (P1)."""
    clock = use_clock(monkeypatch)
    log = log_at(tmp_path / "app.log", "S", backup_count=2)
    for number in range(8):
        log.write(f"record {number}")
        clock.step(1)
        log.write(f"record {number} of the next second")
        wait_for(lambda: log._writer._housekeeper._thread is None, "the housekeeper's end")
        assert len(closed(tmp_path)) == min(2, number + 1)
    log.write("late", clock.now() - 5)
    assert "late" in all_lines(tmp_path)
    assert log.stats().records == 17


def test_segments_go_where_there_are_no_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the file system has no locks, or a segment may not be opened, nobody is waited for."""
    for trouble in ("try_lock", "open_side"):
        folder = tmp_path / trouble
        folder.mkdir()
        make(folder, *(f"2026-03-04_{hour:02}" for hour in range(5)))
        number = errno.EACCES if trouble == "open_side" else errno.EOPNOTSUPP

        def refuse(*_: object, number: int = number) -> Any:
            raise OSError(number, os.strerror(number))

        use_clock(monkeypatch, **{trouble: refuse})
        log = log_at(folder / "app.log", "H", backup_count=2)
        log.write("record")
        log._writer._active.closed.delete(lambda: False, lambda _files: None)
        assert closed(folder) == ["2026-03-04_03", "2026-03-04_04"]


def test_suffix_that_cannot_be_read_back_names_nothing_to_delete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`getFilesToDelete` tells of no file where no name can be read back (P4)."""
    use_clock(monkeypatch)
    handler = handler_at(tmp_path / "app.log", "H", backupCount=1)
    make(tmp_path, *(f"2026-03-04_{hour:02}" for hour in range(5)))
    assert len(handler.getFilesToDelete()) == 4
    handler.suffix = "%Y-%U"
    assert handler.getFilesToDelete() == []
