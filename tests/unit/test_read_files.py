"""Which files a log has, in which order, and what is known of its schedule that nobody told."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import pytest

from mpfhandler import TimedLogFile
from mpfhandler._faces.read.files import Log, add_log_arguments, find_log, list_again
from mpfhandler._faces.read.folder import denied, logs_in
from mpfhandler._pure.errors import InvalidOption
from mpfhandler._pure.facts import FileId
from mpfhandler._pure.schedule import Period, Schedule
from mpfhandler._pure.state import State, pack


def find(path: Path, *options: str, must_exist: bool = True) -> Log:
    """As a command does."""
    parser = argparse.ArgumentParser()
    add_log_arguments(parser)
    return find_log("test", parser.parse_args([str(path), *options]), must_exist=must_exist)


def shown(log: Log) -> list[str]:
    """Names of its files."""
    return [os.path.basename(one.path) for one in log.files]


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_text("x\n")


def record(log: Path, schedule: Schedule, at: float) -> State:
    """What a process writes down that has just opened the log."""
    seen = log.stat()
    period = schedule.period(at)
    state = State(FileId(seen.st_dev, seen.st_ino), seen.st_mtime_ns, period, schedule.fingerprint)
    log.with_name(f"{log.name}.lock").write_bytes(pack(state))
    return state


def test_order(tmp_path: Path) -> None:
    """Oldest period first, by number in a period (10 after 9), a waiting one in its place, the active file last; other people's
    files are not there."""
    hour = "app.log.2026-11-23_16"
    names = [hour, f"{hour}.1.gz", f"{hour}.2", f"{hour}.9.zst", f"{hour}.10", "app.log.2026-11-23_17.xz", "app.log"]
    touch(
        tmp_path, *names, f".{hour}.3.rotating", "app.log.bak", "app.log.2026-13-23_16", "app.error.log", f"{hour}.csv", "b.log"
    )
    (tmp_path / "app.log.2026-11-23_15").symlink_to("b.log")
    assert shown(find(tmp_path / "app.log")) == [*names[:3], f".{hour}.3.rotating", *names[3:]]


def test_a_twin_is_no_content(tmp_path: Path) -> None:
    """Where a plain segment and its compressed one stand, the plain one counts."""
    touch(tmp_path, "app.log.2026-11-23", "app.log.2026-11-23.gz", "app.log.2026-11-24.gz")
    assert shown(find(tmp_path / "app.log")) == ["app.log.2026-11-23", "app.log.2026-11-24.gz"]


@pytest.mark.parametrize(
    ("name", "when"),
    [("2026-11-23_16-01-02", "S"), ("2026-11-23_16-01", "M"), ("2026-11-23_16", "H"), ("2026-11-23", "D"), ("2026-11", "MONTH")],
)
def test_the_unit_is_seen_from_the_names(tmp_path: Path, name: str, when: str) -> None:
    """Also if there is no lock file; it is a guess then."""
    touch(tmp_path, f"app.log.{name}")
    log = find(tmp_path / "app.log")
    assert (log.schedule.when, log.sure, len(log.files)) == (when, False, 1)


def test_most_files_count(tmp_path: Path) -> None:
    """A leftover of another schedule does not hide the log."""
    touch(tmp_path, "app.log.2026-11", "app.log.2026-11-23", "app.log.2026-11-24")
    assert find(tmp_path / "app.log").schedule.when == "D"


def test_the_present_schedule_counts_more(tmp_path: Path) -> None:
    """The state record's: the files that the log's processes make now are not hidden by many of a schedule that it had before."""
    old = [f"app.log.2026-10-{day}" for day in range(10, 30)]
    touch(tmp_path, "app.log", "app.log.2026-11-23_15", *old)
    record(tmp_path / "app.log", Schedule.create("H"), time.time())
    log = find(tmp_path / "app.log")
    assert (log.schedule.when, log.sure, shown(log)) == ("H", True, ["app.log.2026-11-23_15", "app.log"])
    assert sorted(log.unread) == old
    (tmp_path / "app.log.2026-11-23_15").unlink()
    assert find(tmp_path / "app.log").schedule.when == "D"  # none of those yet: the old ones are the log


@pytest.mark.parametrize(
    ("names", "unread"),
    [
        (["app.log.20261123", "app.log.2.2026-11-23", "app.log.1"], ["app.log.1", "app.log.20261123"]),
        (["app.log.2026-11-23", "app.log.1", "app.log.2.2026-11-23"], []),
        (["app.log.2026-11-23", "app.log.2026-11-24", "app.log.2026-11"], ["app.log.2026-11"]),
    ],
)
def test_names_that_look_like_segments(tmp_path: Path, names: list[str], unread: list[str]) -> None:
    """Of another schedule, or, where no segment is known, with anything that begins with a digit."""
    touch(tmp_path, "app.log", *names)
    assert sorted(find(tmp_path / "app.log").unread) == unread


SCHEDULES = [
    Schedule.create("S", 7), Schedule.create("M", 5), Schedule.create("H", 4), Schedule.create("H", 5),
    Schedule.create("H", utc=True),
    Schedule.create("D"), Schedule.create("D", 3, "03:30"), Schedule.create("W2"), Schedule.create("W6", 2, "06:00", utc=True),
    Schedule.create("MONTH"), Schedule.create("MONTH", 3, "01:00"),
]  # fmt: skip


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda one: f"{one.when}{one.interval}")
def test_the_state_record_tells_the_schedule(tmp_path: Path, schedule: Schedule) -> None:
    """Then the end of each period is known."""
    now = time.time()
    log = tmp_path / "app.log"
    touch(tmp_path, log.name)
    before = schedule.period(schedule.period(now).start - 1)
    touch(tmp_path, f"app.log.{schedule.wall(before.start).strftime(schedule.suffix)}")
    state = record(log, schedule, now)
    found = find(log)
    assert found.sure
    assert found.schedule.fingerprint == schedule.fingerprint
    assert [(one.start, one.end) for one in found.files] == [before, state.period]


def test_without_the_state_record_no_period_ends_too_early(tmp_path: Path) -> None:
    """Days that begin at 03:30 have the names of those that begin at midnight: records of the next morning are in the file."""
    touch(tmp_path, "app.log.2026-11-23", "app.log.2026-11-23.1", "app.log.2026-11-24", "app.log.2026-11-27", "app.log")
    schedule = Schedule.create("D", at_time="03:30")
    log = find(tmp_path / "app.log")
    ends = [one.end for one in log.files]
    true = [Period(*schedule.period(one.start + 86399)).end for one in log.files if one.start is not None]
    assert [end is None or end >= least for end, least in zip(ends, true, strict=False)] == [True] * 4
    assert ends[0] == ends[1]
    assert ends[3:] == [None, None]


def test_given_counts(tmp_path: Path) -> None:
    """What the user says is not questioned."""
    touch(tmp_path, "app.log.2026-11-23_16", "app.log.20261123", "app.log")
    record(tmp_path / "app.log", Schedule.create("H"), time.time())
    log = find(tmp_path / "app.log", "--when", "d", "--suffix", "%Y%m%d")
    assert (shown(log), log.sure) == (["app.log.20261123", "app.log"], True)
    with pytest.raises(InvalidOption):
        find(tmp_path / "app.log", "--suffix", "%")


@pytest.mark.parametrize("content", [b"", b"torn", b"\0" * 192, b"mpfhandler-state 1 2 3"])
def test_a_damaged_lock_file_does_not_matter(tmp_path: Path, content: bytes) -> None:
    """It is as if there were none."""
    touch(tmp_path, "app.log.2026-11-23_16", "app.log")
    (tmp_path / "app.log.lock").write_bytes(content)
    log = find(tmp_path / "app.log")
    assert (len(log.files), log.sure, log.state) == (2, False, None)


def test_no_such_log(tmp_path: Path) -> None:
    """The nearest names are told, logs among them whose active file is gone, but no segments and locks."""
    touch(tmp_path, "access.log.2026-11-23_16", "access.log.2026-11-23_17", "db.txt", "db.txt.lock")
    with pytest.raises(FileNotFoundError, match=r"did you mean \S+/access\.log\?$"):
        find(tmp_path / "acess.log")
    with pytest.raises(FileNotFoundError, match=r"did you mean \S+/db\.txt\?$"):
        find(tmp_path / "dd.txt")
    assert find(tmp_path / "acess.log", must_exist=False).files == []
    with pytest.raises(FileNotFoundError, match=rf"did you mean {tmp_path}\b"):
        find(tmp_path.with_name(f"{tmp_path.name}x") / "app.log")


def test_real_logs(tmp_path: Path) -> None:
    """What the handler makes is found again, file by file, with the periods it meant; a rotation is seen by looking again."""
    with TimedLogFile(tmp_path / "app.log", "S") as log:
        log.write("one")
        found = find(tmp_path / "app.log")
        assert shown(found) == ["app.log"]
        begun = time.time()
        while len(found.files) < 3:
            assert time.time() < begun + 20
            time.sleep(0.4)
            log.write("more")
            list_again(found)
        assert found.sure
        ends = [one.end for one in found.files]
        assert all(start is not None and end == start + 1 for start, end in ((one.start, one.end) for one in found.files))
        assert ends == sorted(ends, key=lambda end: end or 0.0)


def test_logs_of_a_folder(tmp_path: Path) -> None:
    """By a lock of ours, or segments with a standard suffix; other programs' locks are none."""
    with TimedLogFile(tmp_path / "new.log") as log:
        log.write("x")
    touch(
        tmp_path, "old.log.2026-11.zst", "day.log.2026-11-23.1.gz", "no.log.2026-11-33", "plain.log", "yarn.lock", ".h.2026-11-23"
    )
    (tmp_path / "apt.lock").touch()
    (tmp_path / "gone.log.lock").write_bytes((tmp_path / "new.log.lock").read_bytes())
    assert logs_in(str(tmp_path)) == ["day.log", "gone.log", "new.log", "old.log"]


def test_denied_says_who_may(tmp_path: Path) -> None:
    """The file's owner and mode, or those of the folder that is in the way."""
    touch(tmp_path, "app.log")
    (tmp_path / "app.log").chmod(0o640)
    text = str(denied(str(tmp_path / "app.log")))
    assert "-rw-r-----" in text
    assert "as a member of" in text


def test_a_rotation_in_the_middle_of_a_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever it comes, no file is missing, and none is there twice."""
    touch(tmp_path, "app.log", "app.log.2026-11-23_15")
    log = find(tmp_path / "app.log", "--when", "H")
    list_folder, rotated = os.listdir, list[str]()

    def rotate() -> None:
        rotated.append(f"app.log.2026-11-23_{16 + len(rotated)}")
        (tmp_path / "app.log").rename(tmp_path / rotated[-1])
        touch(tmp_path, "app.log")

    def listdir(folder: str) -> list[str]:
        found = list_folder(folder)
        if len(rotated) < 3:
            rotate()  # after the listing, before the next look at the active file
        return found

    monkeypatch.setattr(os, "listdir", listdir)
    list_again(log)
    assert shown(log) == ["app.log.2026-11-23_15", *rotated, "app.log"]
    assert len({one.inode for one in log.files}) == 5
