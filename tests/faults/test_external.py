"""The log in other hands: moved, deleted, replaced, restored from a backup, while processes log."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest
from _support import (
    Worker,
    ended,
    log_files,
    make_logger,
    next_second,
    period_name,
    read_lines,
    record_names,
    segment_names,
    start_writers,
    verify,
    wait_for,
    written,
)

DAY = 86400.0


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The path of the log."""
    return tmp_path / "app.log"


def set_age(path: Path, seconds: float) -> float:
    """Give a file a modification time in the past; that time."""
    moment = time.time() - seconds
    os.utime(path, (moment, moment))
    return moment


@pytest.mark.slow
@pytest.mark.parametrize("when", ["D", "S"])
def test_a_log_that_is_moved_away_again_and_again_loses_nothing(log: Path, when: str) -> None:
    """P1, I5: every record is in the moved files or in what came after them, and the log is there again each time."""
    writers = start_writers("abc", log, 3.5, pause=0.002, when=when)
    moves = 0
    with ended(*writers.values()):
        while any(child.poll() is None for child in writers.values()):
            try:
                os.rename(log, f"{log}-moved.{moves}")
                moves += 1
            except FileNotFoundError:
                pass
            time.sleep(0.2)
        verify(log.parent, written(writers))
    assert moves >= 2


def test_a_deleted_log_is_back_within_about_a_second(log: Path) -> None:
    """P1: after an `rm` the file is back at the next look, a second later at most, and holds every later record."""
    with Worker("a", log, when="D") as worker:
        worker.log(5)
        os.unlink(log)
        deleted = time.monotonic()

        def back() -> bool:
            worker.log()
            return log.exists()

        wait_for(back, "the log")
        took = time.monotonic() - deleted
        first = worker.count
        worker.log(50)
        names = {line.name for line in read_lines([log])}
        assert record_names("a", worker.count) - record_names("a", first) <= names
        assert took < 5  # 1 s by design; the rest is for a busy machine


def test_a_log_in_a_folder_that_was_moved_away_goes_on(tmp_path: Path) -> None:
    """P1, P5: with its whole folder gone the process writes on into the file it has, reports it, and raises nothing."""
    folder, moved = tmp_path / "logs", tmp_path / "old"
    folder.mkdir()
    with Worker("a", folder / "app.log", when="D") as worker:
        worker.log(3)
        folder.rename(moved)
        next_second()
        next_second()
        worker.log(3)
        verify(moved, worker.names())
        assert worker.ask("len(errors)") >= 1
        folder.mkdir()

        def back() -> bool:
            worker.log()
            return (folder / "app.log").exists()

        wait_for(back, "the log")
        lines = read_lines(log_files(folder) + log_files(moved))
        assert sorted(line.name for line in lines) == sorted(worker.names())


def test_a_log_moved_and_recreated_in_the_way_of_logrotate_goes_on_in_the_new_file(log: Path) -> None:
    """P1, P2: `mv app.log app.log-x; touch app.log` beside a state record of the old file: the empty file belongs to now,
    nothing is lost, and the next rotation names it rightly."""
    with Worker("a", log) as worker:
        worker.log(3)
        os.rename(log, f"{log}-moved")
        log.touch()
        worker.log(3)
        next_second()
        worker.log(3)
        next_second()
        worker.log(3)
        lines = verify(log.parent, worker.names())
        by_us = [line for line in lines if line.file != "app.log-moved"]
        assert not [line for line in by_us if line.file == f"app.log.{period_name(line.created, 'D')}"]
        assert {line.name for line in lines if line.file == "app.log"} >= {"a-9", "a-10", "a-11"}
        for suffix in segment_names(log.parent):
            if suffix.startswith("2"):
                held = [line for line in by_us if line.file == f"app.log.{suffix}"]
                assert {period_name(line.created, "S") for line in held} <= {suffix}


def test_a_log_that_was_emptied_in_place_goes_on(log: Path) -> None:
    """P1: after `: > app.log` (copytruncate) records follow at the new end: no hole of zeros, no record lost after it."""
    with Worker("a", log, when="D") as worker:
        worker.log(100)
        os.truncate(log, 0)
        worker.log(3)
        assert [line.name for line in read_lines([log])] == ["a-100", "a-101", "a-102"]


def test_a_restored_older_file_goes_to_its_own_period(log: Path) -> None:
    """P2, P4: while nobody logs, the log is replaced by one from a backup, three days old: it becomes the segment of that day."""
    with Worker("a", log, when="D") as worker:
        worker.log()
    log.unlink()
    log.write_text("1.0 old-0\n")
    moment = set_age(log, 3 * DAY)
    with Worker("b", log, when="D") as worker:
        worker.log()
    assert segment_names(log.parent) == [period_name(moment, "D")]
    assert [line.name for line in read_lines([log])] == ["b-0"]


def test_a_restored_older_file_under_a_running_process_goes_to_its_own_period(log: Path, tmp_path: Path) -> None:
    """P1, P2: the same, put in place by a rename while a process logs: the file that the process had is the backup's owner's."""
    with Worker("a", log, when="D") as worker:
        worker.log()
        backup = tmp_path / "backup"
        backup.write_text("1.0 old-0\n")
        moment = set_age(backup, 3 * DAY)
        os.rename(log, f"{log}-moved")
        os.rename(backup, log)

        def rotated() -> bool:
            worker.log()
            return f"app.log.{period_name(moment, 'D')}" in os.listdir(log.parent)

        wait_for(rotated, "the old file's own name")
        verify(log.parent, worker.names() | {"old-0"})
        old = [path for path in log_files(log.parent) if path.name.endswith(period_name(moment, "D"))]
        assert [line.name for line in read_lines(old)] == ["old-0"]


def test_a_file_that_was_overwritten_from_a_backup_is_believed_by_its_time(log: Path) -> None:
    """P2: the same inode with an older content and time (`cp -p`) than the state record says: the time is believed."""
    logger, handler = make_logger(log, when="D")
    logger.info("a-0")
    handler.close()
    log.write_text("1.0 old-0\n")
    moment = set_age(log, 2 * DAY)
    logger, handler = make_logger(log, when="D")
    logger.info("b-0")
    handler.close()
    assert segment_names(log.parent) == [period_name(moment, "D")]
    assert [line.name for line in read_lines([log])] == ["b-0"]


def test_a_copy_of_the_log_put_in_its_place_keeps_the_records_apart(log: Path) -> None:
    """P1: a log that was copied over itself (`cp app.log x; mv x app.log`) is another file: the process follows the name."""
    with Worker("a", log, when="D") as worker:
        worker.log(3)
        shutil.copy2(log, f"{log}.tmp")
        os.replace(f"{log}.tmp", log)

        def follows() -> bool:
            worker.log()
            return log.read_text().endswith(f"a-{worker.count - 1}\n")

        wait_for(follows, "the process to follow the name")
        worker.log(5)
        assert [line.name for line in read_lines([log])][-5:] == [f"a-{n}" for n in range(worker.count - 5, worker.count)]
