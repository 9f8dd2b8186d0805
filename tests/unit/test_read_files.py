"""Which files a log has, in which order, and what is known of its schedule that nobody told."""

from __future__ import annotations

import argparse
import os
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest

from mpfhandler import TimedLogFile
from mpfhandler._faces.read import files as files_module
from mpfhandler._faces.read.files import Log, add_log_arguments, find_log, list_again
from mpfhandler._faces.read.folder import denied, lock_is_ours, logs_in, nearest, refused
from mpfhandler._faces.read.show import iso, wall
from mpfhandler._platform import OPERATIONS
from mpfhandler._platform.looking import id_of
from mpfhandler._pure.errors import InvalidOption
from mpfhandler._pure.schedule import Period, Schedule
from mpfhandler._pure.state import State, pack
from mpfhandler._pure.zone import UtcZone


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
    state = State(id_of(seen), seen.st_mtime_ns, period, schedule.fingerprint)
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


@pytest.mark.parametrize(
    ("schedule", "options"),
    [
        (Schedule.create("D", at_time="03:30"), ["--at-time", "03:30"]),
        (Schedule.create("W2", 2, "06:00"), ["--interval", "2", "--at-time", "06:00"]),
        (Schedule.create("H", 5), ["--interval", "5"]),
    ],
    ids=["day", "week", "hours"],
)
def test_part_of_the_schedule_is_given(tmp_path: Path, schedule: Schedule, options: list[str]) -> None:
    """The state record tells the rest; an option that does not go with it leaves a guess."""
    log = tmp_path / "app.log"
    touch(tmp_path, log.name)
    record(log, schedule, time.time())
    found = find(log, *options)
    assert (found.sure, found.schedule.fingerprint) == (True, schedule.fingerprint)
    assert not find(log, "--interval", "11").sure
    with pytest.raises(InvalidOption):
        find(log, "--interval", "some")


def test_the_state_record_does_not_go_with_the_names(tmp_path: Path) -> None:
    """Names of minutes, and processes that rotate every 7 s by now: what their segments are called is not known yet."""
    touch(tmp_path, "app.log", "app.log.2026-11-23_16-01")
    record(tmp_path / "app.log", Schedule.create("S", 7), time.time())
    log = find(tmp_path / "app.log")
    assert (log.schedule.when, log.sure, len(log.files)) == ("M", False, 2)


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
    with pytest.raises(FileNotFoundError, match=r"did you mean \S+[/\\]access\.log\?$"):
        find(tmp_path / "acess.log")
    with pytest.raises(FileNotFoundError, match=r"did you mean \S+[/\\]db\.txt\?$"):
        find(tmp_path / "dd.txt")
    assert find(tmp_path / "acess.log", must_exist=False).files == []
    with pytest.raises(FileNotFoundError, match=rf"did you mean {re.escape(str(tmp_path))}\b"):
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


@pytest.mark.skipif(os.sep != "/", reason="files have no such modes on Windows")
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


def test_log_that_other_machines_write_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `locking="record"` the state record has no device number: the period is told all the same. The server is asked what
    the names lead to before they are looked at."""
    log, asked = tmp_path / "app.log", list[str]()
    with TimedLogFile(log, "H", interval=4, utc=True, locking="record") as writer:
        writer.write("here")
    found = find(log)
    assert found.state is not None
    assert found.state.shared
    period = Schedule.create("H", 4, utc=True).period(time.time())
    assert [(one.start, one.end) for one in found.files] == [(period.start, period.end)]

    def look(path: str) -> os.stat_result:
        asked.append("look")
        return os_lstat(path)

    os_lstat = os.lstat
    monkeypatch.setattr(os, "lstat", look)
    entries = {name: lambda _given, name=name: asked.append(name) or 0 for name in ("open_folder", "open_read", "close")}
    monkeypatch.setattr(files_module, "OPERATIONS", replace(OPERATIONS, **entries))
    list_again(found)
    assert asked[:4] == ["open_folder", "open_read", "close", "look"]
    asked.clear()
    found.state = replace(found.state, file=id_of(log.stat()))
    list_again(found)
    assert "open_folder" not in asked


def test_a_folder_that_does_not_stop_moving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is listed all the same, with what the last look has seen."""
    touch(tmp_path, "app.log")
    log = find(tmp_path / "app.log", "--when", "S")
    list_folder, looks = os.listdir, list[int]()

    def listdir(folder: str) -> list[str]:
        found = list_folder(folder)
        looks.append(1)
        (tmp_path / "app.log").rename(tmp_path / f"app.log.2026-11-23_16-00-{len(looks):02}")
        touch(tmp_path, "app.log")
        return found

    monkeypatch.setattr(os, "listdir", listdir)
    list_again(log)
    assert shown(log) == [*(f"app.log.2026-11-23_16-00-{second:02}" for second in range(1, len(looks))), "app.log"]
    assert len(looks) < 100


def test_a_period_outside_the_calendar(tmp_path: Path) -> None:
    """The file is listed, without the times of its period, which no reader leaves out then."""
    touch(tmp_path, "app.log.9999-12", "app.log.2026-11", "app.log")
    log = find(tmp_path / "app.log", "--when", "MONTH", "--utc")
    assert {one.path[-7:]: one.end is None for one in log.files[:-1]} == {"9999-12": True, "2026-11": False}


def test_names_that_do_not_tell_their_order(tmp_path: Path) -> None:
    """The last write does."""
    touch(tmp_path, "app.log.12-31", "app.log.01-01", "app.log")
    os.utime(tmp_path / "app.log.12-31", (1e9, 1e9))
    assert shown(find(tmp_path / "app.log", "--when", "D", "--suffix", "%m-%d")) == ["app.log.12-31", "app.log.01-01", "app.log"]


def test_a_lock_file_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with its name, or one that may not be read, tells nothing, and does not matter."""
    touch(tmp_path, "app.log", "app.log.2026-11-23_16")
    lock = tmp_path / "app.log.lock"
    lock.mkdir()
    assert (find(tmp_path / "app.log").state, lock_is_ours(str(lock), alone=False)) == (None, False)
    assert logs_in(str(tmp_path)) == ["app.log"]  # by its segment
    lock.rmdir()
    record(tmp_path / "app.log", Schedule.create("H"), time.time())
    assert lock_is_ours(str(lock), alone=True)

    def refusing(name: str, _mode: str) -> None:
        raise PermissionError(13, "Permission denied", name)

    monkeypatch.setattr("builtins.open", refusing)
    assert not lock_is_ours(str(lock), alone=True)
    assert find(tmp_path / "app.log").state is None


@pytest.mark.skipif(os.sep != "/", reason="files have no such modes on Windows")
def test_a_folder_that_may_not_be_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose it is, and what is in the way, instead of a guess from nothing."""
    touch(tmp_path, "app.log")

    def refusing(name: str = ".") -> list[str]:
        raise PermissionError(13, "Permission denied", name)

    with monkeypatch.context() as patch:
        patch.setattr(os, "listdir", refusing)
        with pytest.raises(PermissionError, match=f"^{tmp_path}: may not be read by .* is a folder of .*; run this as "):
            find(tmp_path / "app.log")
        assert nearest(str(tmp_path / "ap.log")) == []
    log = find(tmp_path / "app.log")
    monkeypatch.setattr(os, "lstat", refusing)
    with pytest.raises(PermissionError, match=f"^{tmp_path}/app.log: may not be read by .* is a file of "):
        list_again(log)


def test_denied_names_the_folder_that_is_in_the_way(tmp_path: Path) -> None:
    """Where the file itself cannot be seen."""
    assert f"{tmp_path} is a folder of " in str(denied(str(tmp_path / "hidden" / "app.log")))


def test_owners_without_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their numbers are told."""

    def unknown(number: int) -> None:
        raise KeyError(number)

    import grp
    import pwd

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(grp, "getgrgid", unknown)
    seen = tmp_path.stat()
    text = str(denied(str(tmp_path)))
    assert f"is a folder of user {seen.st_uid}, group group {seen.st_gid}, d" in text
    assert text.endswith(f"; run this as user {seen.st_uid}")


def test_refused_without_a_file_to_look_at(tmp_path: Path) -> None:
    """What the system has said stays as it is."""
    assert refused(PermissionError("no")) == "no"
    gone = PermissionError(13, "Permission denied", str(tmp_path / "gone" / "app.log"))
    assert refused(gone) == str(gone)


@pytest.mark.parametrize("at", [1e18, -1e18, 4e11])
def test_times_outside_the_calendar_are_shown(at: float) -> None:
    """As a number for a reader, as none for a program."""
    assert (iso(UtcZone(), at), wall(UtcZone(), at)) == (None, f"{at:.0f}")
