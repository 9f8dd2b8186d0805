"""`mpfhandler ls`: every file of a log with its state, content and holders; the logs of a folder."""

from __future__ import annotations

import argparse
import contextlib
import errno
import fcntl
import gzip
import io
import json
import os
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from _terminal import run_on_terminal

from mpfhandler import TimedLogFile
from mpfhandler._faces.cli import main
from mpfhandler._faces.read import holders as holders_module
from mpfhandler._faces.read import ls as ls_module
from mpfhandler._faces.read.files import Log, LogFile, add_log_arguments, find_log
from mpfhandler._faces.read.histogram import histogram
from mpfhandler._faces.read.states import Survey, survey
from mpfhandler._platform import OPERATIONS
from mpfhandler._protocols.markers import Marker, Pen
from mpfhandler._pure.facts import FileId
from mpfhandler._pure.naming import Names, SegmentName

HOUR = "2026-11-23_16"
START = datetime(2026, 11, 23, 16, tzinfo=timezone.utc).timestamp()
TRACE = "2026-11-23 16:00:01,5 first\nTraceback\n  line\n2026-11-23 16:59:59,250 last\nValueError: x\n"


def ls(*words: str | Path) -> tuple[int, str, str]:
    """Exit code, output, complaints."""
    out, complaints = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(complaints):
        code = main(["ls", *map(str, words)])
    return code, out.getvalue(), complaints.getvalue()


def told(log: Path, *options: str, code: int = 0) -> dict[str, Any]:
    """The JSON document."""
    exit_code, out, complaints = ls(log, "--json", "--utc", *options)
    assert exit_code == code, complaints
    document: dict[str, Any] = json.loads(out)
    return document


def states(log: Path, *options: str) -> dict[str, str]:
    """By file name."""
    return {Path(one["path"]).name: one["state"] for one in told(log, "--fast", *options)["files"]}


def put(folder: Path, name: str, text: str = TRACE) -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    os.utime(path, (START + 3599, START + 3599))
    return path


def test_content(tmp_path: Path) -> None:
    """Lines, also of a traceback, and the first and last time; compressed or not, and without the line's end at the end."""
    put(tmp_path, f"app.log.{HOUR}")
    put(tmp_path, f"app.log.{HOUR}.1.gz", TRACE.removesuffix("\n"))
    put(tmp_path, "app.log", "no time\n")
    found = told(tmp_path / "app.log")
    assert [one["lines"] for one in found["files"]] == [5, 5, 1]
    assert [(one["first"], one["last"]) for one in found["files"]] == [
        *[("2026-11-23T16:00:01.500000+00:00", "2026-11-23T16:59:59.250000+00:00")] * 2, (None, None),
    ]  # fmt: skip
    assert [one["content_size"] for one in found["files"]] == [len(TRACE), len(TRACE) - 1, 8]
    assert [(one["start"], one["number"]) for one in found["files"]] == [
        ("2026-11-23T16:00:00+00:00", 0), ("2026-11-23T16:00:00+00:00", 1), (None, 0),
    ]  # fmt: skip
    assert (found["lines"], found["size"]) == (11, sum(path.stat().st_size for path in tmp_path.iterdir()))
    assert {one["lines"] for one in told(tmp_path / "app.log", "--fast")["files"]} == {None}


def test_states(tmp_path: Path) -> None:
    """Each of the six, by what lies there."""
    sealed = put(tmp_path, f"app.log.{HOUR}")
    put(tmp_path, f"app.log.{HOUR}.1.gz")
    put(tmp_path, f".app.log.{HOUR}.2.rotating")
    archived = put(tmp_path, f"app.log.{HOUR}.3")
    names = Names(str(tmp_path / "app.log"), "%Y-%m-%d_%H")
    name = SegmentName(datetime(2026, 11, 23, 16), 3)
    seen = OPERATIONS.stat_link(str(archived))
    Pen(OPERATIONS, names, name).write(Marker(seen.size, seen.mtime_ns, done={"archive": {"key": "x"}}), seen)
    lost = SegmentName(datetime(2026, 11, 23, 15))
    Pen(OPERATIONS, names, lost).write(Marker(77, seen.mtime_ns - 3600 * 10**9, 1.0, 2.0, done={"archive": {}}), seen)
    Pen(OPERATIONS, names, SegmentName(datetime(2026, 11, 23, 14))).write(Marker(7, 7, done={"hook": {}}), seen)
    put(tmp_path, "app.log")
    log = tmp_path / "app.log"
    assert list(states(log).items()) == [
        ("app.log.2026-11-23_15", "archived"),
        (sealed.name, "sealed"),
        (f"{sealed.name}.1.gz", "compressed"),
        (f".{sealed.name}.2.rotating", "waiting"),
        (archived.name, "archived"),
        ("app.log", "active"),
    ]
    first = told(log)["files"][0]
    assert (first["only_in_archive"], first["size"], first["last"]) == (True, 77, "1970-01-01T00:00:02+00:00")
    assert told(log)["size"] == sum(path.stat().st_size for path in tmp_path.iterdir() if not path.name.endswith(".sealed"))
    archived.write_text("another file of the same name\n")
    assert states(log)[archived.name] != "archived"


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="the system does not tell who has a lock")
def test_closed_while_somebody_may_write(tmp_path: Path) -> None:
    """In its grace, or as long as somebody has the lease: who only reads it does not count."""
    path = put(tmp_path, f"app.log.{HOUR}")
    grace = str(time.time() - START)
    assert states(path.parent / "app.log", "--late-grace", grace)[path.name] == "closed"
    with path.open("rb") as file:
        assert states(tmp_path / "app.log")[path.name] == "sealed"
        fcntl.flock(file, fcntl.LOCK_SH)
        assert states(tmp_path / "app.log")[path.name] == "closed"


HOLD = "import sys; from mpfhandler import TimedLogFile; f=TimedLogFile(sys.argv[1]); f.write('x'); print(flush=True); input()"


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the system does not tell who has a file open")
def test_holders(tmp_path: Path) -> None:
    """Pid and program of another process that logs."""
    log = tmp_path / "app.log"
    with subprocess.Popen([sys.executable, "-c", HOLD, log], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        [one] = told(log, "--fast")["files"][-1]["held_by"]
        shown = ls(log)[1]
        other.communicate(b"\n")
    assert one["pid"] == other.pid
    assert one["program"].startswith("python")
    assert f"{one['program']} {other.pid}" in shown
    assert told(log, "--fast")["files"][-1]["held_by"] == []


def test_processes_of_other_machines(tmp_path: Path) -> None:
    """A log that several machines may write to: who has it open on another one is not seen, and that is told."""
    log = tmp_path / "app.log"
    with TimedLogFile(log, "D", locking="record") as writer:
        writer.write("here")
        code, out, complaints = ls(log)
    assert code == 0
    assert "active" in out
    assert "on another machine" in complaints
    assert "on another machine" not in ls(put(tmp_path, "other.log"))[2]


def test_system_that_does_not_tell_who_has_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is said, to readers and to programs; everything else is as always."""
    put(tmp_path, f"app.log.{HOUR}")
    log = put(tmp_path, "app.log")
    monkeypatch.setattr(holders_module, "_PROC", str(tmp_path / "none"))
    assert told(log)["holders_told"] is False
    code, out, complaints = ls(log)
    assert (code, "2 files, 176 B, 10 lines" in out) == (0, True)
    assert complaints == "mpfhandler ls: this system does not tell who has a file open\n"


def test_processes_that_end_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are told by their number, and a segment that one of them has locked is not sealed yet."""
    folder, proc = tmp_path / "logs", tmp_path / "proc"
    for path in (folder, proc / "self" / "fd", proc / "4242" / "fd", proc / "4343"):
        path.mkdir(parents=True)
    locked, free, log = put(folder, f"app.log.{HOUR}"), put(folder, "app.log.2026-11-23_17"), put(folder, "app.log")
    for number, target in enumerate((locked, log, tmp_path / "gone")):
        (proc / "4242" / "fd" / str(number)).symlink_to(target)
    seen = locked.stat()
    where = f"{os.major(seen.st_dev):02x}:{os.minor(seen.st_dev):02x}"
    (proc / "locks").write_text(
        f"1: POSIX  ADVISORY  WRITE 1 {where}:{free.stat().st_ino} 0 EOF\n"
        f"2: FLOCK  ADVISORY  READ 4242 {where}:{seen.st_ino} 0 EOF\n"
        f"2: -> FLOCK  ADVISORY  WRITE 4343 {where}:{free.stat().st_ino} 0 EOF\n"
    )
    monkeypatch.setattr(holders_module, "_PROC", str(proc))
    assert states(log) == {locked.name: "closed", free.name: "sealed", "app.log": "active"}
    held = {Path(one["path"]).name: one["held_by"] for one in told(log, "--fast")["files"]}
    assert held == {name: [{"pid": 4242, "program": ""}] if name != free.name else [] for name in held}
    assert ls(log)[1].count(" ? 4242 ") == 2


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EACCES])
def test_file_that_cannot_be_read_any_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """It is listed without its lines; who may read it is told. What has been deleted since is no error."""
    bad = put(tmp_path, f"app.log.{HOUR}")
    log, really = put(tmp_path, "app.log"), os.open

    def opening(name: str, flags: int, mode: int = 0o777) -> int:
        if name == str(bad):
            raise OSError(number, os.strerror(number), name)
        return really(name, flags, mode)

    monkeypatch.setattr(os, "open", opening)
    code, out, complaints = ls(log, "--utc")
    assert (code, "2 files, 176 B, 5 lines" in out) == (0, True)
    assert (f"mpfhandler ls: {bad}: may not be read by" in complaints) == (number == errno.EACCES)
    assert [one["lines"] for one in told(log)["files"]] == [None, 5]


def refuse_listing(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Whoever runs this may not read that folder."""
    really = os.listdir

    def listing(path: str = ".") -> list[str]:
        if os.path.realpath(path) == str(folder):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return really(path)

    monkeypatch.setattr(os, "listdir", listing)


def test_folder_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose it is, and the exit code of a log that is not there; also where that has become so after the first look."""
    log = put(tmp_path, "app.log")

    def too_late(found: Log, now: float, grace: float) -> Survey:
        refuse_listing(monkeypatch, tmp_path)
        return survey(found, now, grace)

    monkeypatch.setattr(ls_module, "survey", too_late)
    for asked in (log, tmp_path):  # the first one takes the right to read it away
        code, out, complaints = ls(asked)
        assert (code, out) == (2, "")
        assert f"{tmp_path}: may not be read by " in complaints


def test_folder_in_which_one_log_cannot_be_looked_at(tmp_path: Path) -> None:
    """That is told, and the others are listed."""
    put(tmp_path, f"app.log.{HOUR}")
    (tmp_path / "bad.log").mkdir()
    put(tmp_path, f"bad.log.{HOUR}")
    code, out, complaints = ls(tmp_path)
    assert (code, "bad.log" in out, "1 log, 88 B" in out) == (0, False, True)
    assert f"{tmp_path}/bad.log" in complaints


def test_segment_outside_the_calendar(tmp_path: Path) -> None:
    """Its last write tells whether late records may come."""
    old, new = put(tmp_path, "app.log.9999-12"), put(tmp_path, "app.log.9999-11.1")
    os.utime(old, (1e9, 1e9))
    os.utime(new)
    put(tmp_path, "app.log")
    found = states(tmp_path / "app.log", "--when", "MONTH")
    assert (found[old.name], found[new.name]) == ("sealed", "closed")


@pytest.mark.parametrize("what", ["damaged", "a folder", "of a file that is gone"])
def test_marker_that_tells_nothing(tmp_path: Path, what: str) -> None:
    """It is as if there were none."""
    path = put(tmp_path, f"app.log.{HOUR}")
    names, name = Names(str(tmp_path / "app.log"), "%Y-%m-%d_%H"), SegmentName(datetime(2026, 11, 23, 16), 0)
    marker = Path(names.marker(name))
    if what == "damaged":
        marker.write_bytes(b"{")
    elif what == "a folder":
        marker.mkdir()
    else:
        seen = OPERATIONS.stat_link(str(path))
        Pen(OPERATIONS, names, name).write(Marker(seen.size, seen.mtime_ns, done={"archive": {"key": "x"}}), seen)
        assert states(tmp_path / "app.log") == {path.name: "archived"}
    parser = argparse.ArgumentParser()
    add_log_arguments(parser)
    log = find_log("ls", parser.parse_args([str(tmp_path / "app.log"), "--utc"]))
    if what == "of a file that is gone":
        path.rename(tmp_path / "away")  # a deleted file's inode may be another test's log by now, with a lease
    assert [one.state for one in survey(log, START + 9999, 10.0).files] == ["sealed"]


def test_for_readers(tmp_path: Path) -> None:
    """A table, totals, and a bar for each period."""
    put(tmp_path, f"app.log.{HOUR}", TRACE * 10)
    put(tmp_path, "app.log.2026-11-23_17", TRACE)
    put(tmp_path, "app.log")
    code, out, complaints = ls(tmp_path / "app.log", "--utc")
    lines = out.splitlines()
    assert code == 0
    assert complaints == "" or "not seen: the files of" in complaints
    assert lines[0].split() == ["PERIOD", "STATE", "SIZE", "LINES", "FIRST", "LAST", "HELD", "BY", "FILE"]
    assert lines[1].split() == ["2026-11-23", "16:00", "sealed", "880", "B", "50", "16:00:01", "16:59:59", f"app.log.{HOUR}"]
    assert "3 files, 1.1 kB, 60 lines; the names tell of H, UTC" in out
    assert [line.count("#") for line in lines[-2:]] == [
        40,
        8,
    ]  # the active file, of which no state record tells, is counted to the last period
    assert "\x1b" not in out


def test_damaged_file(tmp_path: Path) -> None:
    """What can be read is counted, the rest is told; the exit code is 1."""
    path = put(tmp_path, f"app.log.{HOUR}.gz", "".join(f"{number * 7919 % 10007}\n" for number in range(9999)))
    path.write_bytes(path.read_bytes()[:-5000])
    code, out, complaints = ls(tmp_path / "app.log")
    assert code == 1
    assert f"{path}: the gz stream ends too early" in complaints
    counted = told(tmp_path / "app.log", code=1)["files"][0]
    assert 1000 < counted["lines"] < 9999
    assert f"{counted['lines']}+" in out


def test_folder(tmp_path: Path) -> None:
    """All logs in it, also those whose active file is gone; a folder without any is no error."""
    with TimedLogFile(tmp_path / "new.log") as log:
        log.write("x")
    put(tmp_path, f"old.log.{HOUR}")
    put(tmp_path, "notes.txt")
    document = told(tmp_path)
    assert [(Path(one["log"]).name, one["files"]) for one in document["logs"]] == [("new.log", 1), ("old.log", 1)]
    assert document["logs"][1]["from"] == "2026-11-23T16:00:00+00:00"
    code, out, _ = ls(tmp_path)
    assert (code, [line.split()[0] for line in out.splitlines()]) == (0, ["LOG", "new.log", "old.log", "2"])
    (tmp_path / "empty").mkdir()
    assert ls(tmp_path / "empty")[:2] == (0, "0 logs, 0 B\n")


def test_folder_whose_locks_are_elsewhere(tmp_path: Path) -> None:
    """With `--lock-dir` the logs are known by their locks there, and how they are rotated; other files are none."""
    locks, log = tmp_path / "locks", tmp_path / "app.log"
    locks.mkdir()
    with TimedLogFile(log, "H", interval=6, lock_dir=locks) as writer:
        writer.write("x")
    put(tmp_path, "notes.txt")
    assert told(tmp_path)["logs"] == []
    assert "give --lock-dir" in ls(log)[2]
    [one] = told(tmp_path, "--lock-dir", str(locks))["logs"]
    assert (Path(one["log"]).name, one["schedule"]["interval"], one["schedule"]["sure"]) == ("app.log", 6, True)
    assert "--lock-dir" not in ls(log, "--lock-dir", locks)[2]


def test_no_such_log(tmp_path: Path) -> None:
    """The nearest names, and the exit code of wrong usage."""
    put(tmp_path, f"access.log.{HOUR}")
    code, out, complaints = ls(tmp_path / "acces.log")
    assert (code, out) == (2, "")
    assert f"did you mean {tmp_path}/access.log?" in complaints
    assert ls(tmp_path / "access.log", "--when", "never")[0] == 2


def test_not_a_log_of_ours(tmp_path: Path) -> None:
    """It is listed like one without segments, and that is told."""
    path = put(tmp_path, "notes.txt")
    code, out, complaints = ls(path)
    assert (code, "1 file, 88 B, 5 lines" in out) == (0, True)
    assert f"{path}: has neither a lock file nor segments" in complaints


def test_histogram_of_many_periods() -> None:
    """At most 24 bars, nothing left out, and what is not empty is seen."""
    files = [LogFile("", None, float(at), None, 1 if at else 10**9, FileId(0, at), 0.0) for at in range(1000)]
    bars = histogram([*files, LogFile("", None, None, None, 5, FileId(0, 0), 0.0)])
    assert len(bars) <= 24
    assert sum(bar.size for bar in bars) == sum(one.size for one in files) + 5
    assert {bar.width for bar in bars} == {40, 1}
    assert histogram([]) == []


@pytest.mark.slow
@pytest.mark.parametrize("command", ["ls", "verify"])
def test_memory(tmp_path: Path, command: str) -> None:
    """A file of 10 GB, without a line's end in it: less than 64 MiB. Sparse."""
    log = tmp_path / "app.log"
    with TimedLogFile(log) as file:
        file.write("x")
    with log.open("r+b") as sparse:
        sparse.truncate(10 * 10**9)
    done = subprocess.run([sys.executable, "-c", MEASURED, command, log], capture_output=True, text=True, check=True)
    code, kilobytes = map(int, done.stdout.split())
    assert code == (command == "verify")
    assert kilobytes < 64 * 1024


MEASURED = """
import resource, subprocess, sys
done = subprocess.run([sys.executable, "-m", "mpfhandler", *sys.argv[1:]], stdout=subprocess.DEVNULL)
most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(done.returncode, most // 1024 if sys.platform == "darwin" else most)
"""


COMMAND = [sys.executable, "-m", "mpfhandler"]


def test_on_a_terminal(tmp_path: Path) -> None:
    """Colours and a drawn table there, none in a pipe."""
    pytest.importorskip("rich")
    put(tmp_path, f"app.log.{HOUR}")
    words = [*COMMAND, "ls", str(tmp_path / "app.log"), "--utc"]
    seen = run_on_terminal(words, columns=200)
    assert (seen.code, "─" in seen.screen, "\x1b[" in seen.screen) == (0, True, True)
    assert "sealed" in seen.screen
    piped = run_on_terminal(words, piped="stdout").piped
    assert "sealed" in piped
    assert "\x1b" not in piped
    assert "─" not in piped


@pytest.mark.parametrize("command", [["ls"], ["ls", "--json"], ["verify", "--json"]], ids=" ".join)
def test_nobody_reads_what_it_prints(tmp_path: Path, command: list[str]) -> None:
    """The code of SIGPIPE, and nothing on standard error but what it says at once."""
    put(tmp_path, f"app.log.{HOUR}")
    words = [*COMMAND, *command, str(tmp_path / "app.log")]
    with subprocess.Popen(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        complaints = [line for line in running.stderr.read().splitlines() if "not seen" not in line and "is a guess" not in line]
    assert (running.returncode, complaints) == (141, [])
