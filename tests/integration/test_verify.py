"""`mpfhandler verify` on logs that the handler itself has made, sound and damaged by hand."""

from __future__ import annotations

import argparse
import contextlib
import errno
import fcntl
import gzip
import io
import json
import lzma
import os
import pwd
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from mpfhandler import TimedLogFile
from mpfhandler._faces.cli import main
from mpfhandler._faces.read import checks as checks_module
from mpfhandler._faces.read import holders as holders_module
from mpfhandler._faces.read import locks as locks_module
from mpfhandler._faces.read import verify as verify_module
from mpfhandler._faces.read.checks import check_content, check_twins
from mpfhandler._faces.read.content import measure_where_it_is
from mpfhandler._faces.read.files import Log, find_log
from mpfhandler._faces.read.findings import Finding
from mpfhandler._faces.read.states import Survey, survey
from mpfhandler._platform.mounts import FileSystem
from mpfhandler._pure.naming import Names

GUESSED = ("when", "interval", "at_time", "tz", "suffix", "lock_dir")  # arguments that tell how a log is rotated


def line(text: str = "text") -> str:
    """As `logging` writes it."""
    return f"{datetime.now():%Y-%m-%d %H:%M:%S},123 {text}"


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The command, as the program runs it."""
    words, out, complaints = ["verify", *map(str, arguments)], io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(complaints):
        code = main(words)
    return subprocess.CompletedProcess(words, code, out.getvalue(), complaints.getvalue())


def verify(log: Path, *options: str, code: int) -> list[tuple[str, str, str]]:
    """Kind, level and file name of each finding."""
    done = run(log, "--json", *options)
    assert done.returncode == code, done.stdout + done.stderr
    return [(one["kind"], one["level"], Path(one["path"]).name) for one in json.loads(done.stdout)["findings"]]


def findings(log: Path, kind: str) -> list[dict[str, Any]]:
    """Those of one kind, in full."""
    return [one for one in json.loads(run(log, "--json").stdout)["findings"] if one["kind"] == kind]


def segments(log: Path) -> list[Path]:
    """Plain and compressed ones, oldest first."""
    return sorted(path for path in log.parent.glob(f"{log.name}.2*"))


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """A log of the present and the last hour, the older one made as the handler names it."""
    log = tmp_path / "app.log"
    with TimedLogFile(log, "H") as file:
        file.write(line())
    before = time.time() - 3600
    text = f"{datetime.fromtimestamp(before):%Y-%m-%d %H:%M:%S},1 x\n"
    path = tmp_path / f"app.log.{datetime.fromtimestamp(before):%Y-%m-%d_%H}"
    path.write_text(text * 10)
    os.utime(path, (before, before))
    return log


def closed(log: Path) -> Path:
    return segments(log)[0]


def test_sound_logs_have_no_problem(sound: Path) -> None:
    """One that was just made: nothing is found, and nothing has changed."""
    before = {path: path.stat() for path in sound.parent.iterdir()}
    done = run(sound)
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 files, 0 problems, 0 notices" in done.stdout
    after = {path: path.stat() for path in sound.parent.iterdir()}
    assert {path: (one.st_ino, one.st_size, one.st_mtime_ns) for path, one in before.items()} == {
        path: (one.st_ino, one.st_size, one.st_mtime_ns) for path, one in after.items()
    }


def test_real_rotations_have_no_problem(tmp_path: Path) -> None:
    """Rotated by the handler every second, some of it compressed, while it is written to."""
    log = tmp_path / "app.log"
    with TimedLogFile(log, "S", compress="gz", compress_delay=0, late_grace=1) as file:
        begun = time.time()
        while not list(tmp_path.glob("*.gz")):
            assert time.time() < begun + 30
            file.write(line())
            time.sleep(0.1)
        found = verify(log, "--when", "s", code=0)
    assert [one for one in found if one[0] not in {"gap", "outside"}] == []


def test_gap(sound: Path) -> None:
    """Hours without a file are told, as a notice: perhaps nothing was logged. With --strict that is an exit code."""
    path = closed(sound)
    at = path.stat().st_mtime - 3 * 3600
    old = path.with_name(f"app.log.{datetime.fromtimestamp(at):%Y-%m-%d_%H}")
    old.write_text(f"{datetime.fromtimestamp(at):%Y-%m-%d %H:%M:%S} x\n")
    os.utime(old, (at, at))
    assert verify(sound, code=0) == [("gap", "notice", "app.log")]
    assert verify(sound, "--strict", code=1) == [("gap", "notice", "app.log")]


def test_many_gaps(sound: Path) -> None:
    """A log that is seldom written: they are told together."""
    for hours in range(4, 24, 2):
        at = time.time() - hours * 3600
        sound.with_name(f"app.log.{datetime.fromtimestamp(at):%Y-%m-%d_%H}").touch()
    [one] = findings(sound, "gap")
    assert one["text"].startswith("10 times no file")


def test_misnamed(sound: Path) -> None:
    """A segment under another hour's name: the command gives its own back."""
    path = closed(sound)
    at = path.stat().st_mtime - 3600
    wrong = path.with_name(f"app.log.{datetime.fromtimestamp(at):%Y-%m-%d_%H}")
    path.rename(wrong)
    [one] = findings(sound, "misnamed")
    assert one["path"] == str(wrong)
    subprocess.run(one["remedy"].split(": ", 1)[1].split(";")[0], shell=True, check=True)
    assert path.exists()
    assert verify(sound, code=0) == []


def test_segment_of_no_period(tmp_path: Path) -> None:
    """Every four hours a period begins; this one is named for an hour at which none does."""
    for hour in ("04", "05"):
        (tmp_path / f"app.log.2020-11-23_{hour}").write_text(f"2020-11-23 {hour}:00:00,0 x\n")
    words = ["--when", "H", "--interval", "4", "--utc", "--lines-tz", "UTC"]
    assert ("misnamed", "problem", "app.log.2020-11-23_05") in verify(tmp_path / "app.log", *words, code=1)
    (tmp_path / "app.log.2020-11-23_05").unlink()
    assert verify(tmp_path / "app.log", *words, code=0) == []


def test_segment_of_the_future(sound: Path) -> None:
    """Its period has not begun yet."""
    at = time.time() + 86400
    closed(sound).rename(sound.with_name(f"app.log.{datetime.fromtimestamp(at):%Y-%m-%d_%H}"))
    assert ("misnamed", "problem") in {one[:2] for one in verify(sound, "--fast", code=1)}


def test_names_that_are_none(sound: Path) -> None:
    """Other people's files beside the log are told; lock files and other logs are none."""
    for name in (
        "app.log.bak",
        "app.log.2026-13-23_16",
        "app.log.2.2026-11-23_16",
        "app.log.2",
        "app.log.debug",
        "app.error.log",
    ):
        sound.with_name(name).write_text("x\n")
    foreign = [one[2] for one in verify(sound, code=0) if one[0] == "foreign"]
    assert foreign == ["app.log.2026-13-23_16", "app.log.bak"]


def test_torn_line(sound: Path) -> None:
    """A closed segment that does not end with a line's end: the command ends it. In the active file the next writer does."""
    path = closed(sound)
    with path.open("a") as file:
        file.write("half a li")
    [one] = findings(sound, "torn")
    assert (one["level"], one["path"]) == ("problem", str(path))
    subprocess.run(["sh", "-c", one["remedy"].split(": ", 1)[1]], check=True)
    assert path.read_text().endswith("half a li\n")
    with sound.open("a") as file:
        file.write("half a li")
    assert verify(sound, code=0) == [("torn", "notice", "app.log")]


def test_nul_bytes(sound: Path) -> None:
    """As a power cut leaves them."""
    with closed(sound).open("ab") as file:
        file.write(b"\0" * 7 + b"\n")
    [one] = findings(sound, "torn")
    assert "7 NUL bytes" in one["text"]
    subprocess.run(["sh", "-c", one["remedy"].split(", then")[0]], check=True)
    assert closed(sound).with_name(f"{closed(sound).name}.clean").read_bytes().count(0) == 0


def test_records_outside(sound: Path) -> None:
    """From after the period: a problem; from before it: they may have come late. The line is told."""
    path = closed(sound)
    at = path.stat().st_mtime
    with path.open("a") as file:
        file.write(f"{datetime.fromtimestamp(at + 7200):%Y-%m-%d %H:%M:%S},1 x\n")
        file.write(f"{datetime.fromtimestamp(at - 7200):%Y-%m-%d %H:%M:%S},1 x\n")
    os.utime(path, (at, at))
    found = findings(sound, "outside")
    assert [(one["level"], one["text"].split(": ")[0].rpartition(" ")[2]) for one in found] == [
        ("notice", "12"),
        ("problem", "11"),
    ]
    shown = subprocess.run(["sh", "-c", found[1]["remedy"].split(": ", 1)[1]], capture_output=True, text=True, check=True)
    assert f"{datetime.fromtimestamp(at + 7200):%Y-%m-%d %H:%M:%S}" in shown.stdout


@pytest.mark.parametrize("same", [True, False])
def test_inode_of_a_deleted_file_is_given_to_a_new_one(sound: Path, same: bool) -> None:
    """While the log is looked at: the new one is no file of the old one's period."""
    log = find_log("verify", argparse.Namespace(**dict.fromkeys(GUESSED), log=str(sound), utc=False))
    file, here = log.files[-1], sound.with_name(f"{sound.name}.{datetime.now():%Y-%m-%d_%H}")
    assert (log.sure, file.name, here.exists()) == (True, None, False)
    sound.rename(here)
    if same:
        assert list(check_content(log, file, None, lambda _: None)) == []
        assert measure_where_it_is(log, file, (log.zone,))[0].path == str(here)
        return
    assert file.start is not None
    before = replace(file, start=file.start - 3600, end=file.start)
    assert list(check_content(log, before, None, lambda _: None)) == []
    with pytest.raises(FileNotFoundError):
        measure_where_it_is(log, before, (log.zone,))


@pytest.mark.parametrize("damage", ["cut", "flipped", "sum"])
def test_damaged_gz(sound: Path, damage: str) -> None:
    """It is told how many lines can be read, and the command that saves them does."""
    path = closed(sound)
    text = "".join(f"{path.stat().st_mtime_ns // 10**9 + number % 60} {number}\n" for number in range(20_000))
    packed = bytearray(gzip.compress(text.encode()))
    if damage == "cut":
        del packed[-2000:]
    elif damage == "sum":
        packed[-5] ^= 0xFF
    else:
        packed[len(packed) // 2] ^= 0xFF
    path.with_name(f"{path.name}.gz").write_bytes(packed)
    path.unlink()
    [one] = findings(sound, "damaged")
    assert one["path"] == f"{path}.gz"
    printed = subprocess.run([sys.executable, "-m", "mpfhandler", "cat", f"{path}.gz"], capture_output=True, check=False)
    assert printed.returncode == 1
    readable = len(printed.stdout.splitlines())
    assert readable == 20_000 if damage == "sum" else readable > 1000
    assert one["text"].endswith(f"; {readable} lines can be read")
    listed = subprocess.run([sys.executable, "-m", "mpfhandler", "ls", "--json", str(sound)], capture_output=True, check=False)
    assert [file["lines"] for file in json.loads(listed.stdout)["files"] if file["path"] == f"{path}.gz"] == [readable]
    saved = subprocess.run(["sh", "-c", one["remedy"].split(": ", 1)[1]], capture_output=True)
    assert saved.returncode != 0
    assert path.with_name(f"{path.name}.readable").read_text().startswith(text[:1000])


@pytest.mark.parametrize("becomes", ["a segment", "locked"])
def test_temporary_file_of_a_process_that_is_at_it(sound: Path, monkeypatch: pytest.MonkeyPatch, becomes: str) -> None:
    """It was free for an instant: it had just been made, or was just done with."""
    packed = sound.with_name(f"{sound.name}.2026-11-23_16.gz")
    path = Path(Names(str(sound), "%Y-%m-%d_%H").temporary(str(packed)))
    path.write_bytes(gzip.compress(b"x\n"))
    is_locked, locked = locks_module.is_locked, list[int]()

    def meanwhile(fd: int, *, lease: bool = False) -> bool:
        found = is_locked(fd, lease=lease)
        if becomes == "locked" and not locked:
            locked.append(os.open(path, os.O_RDONLY))
            fcntl.flock(locked[0], fcntl.LOCK_EX)
        elif path.exists() and not locked:
            path.rename(packed)
        return found

    monkeypatch.setattr(locks_module, "is_locked", meanwhile)
    assert not locks_module.is_free(str(path))
    assert path.exists() == (becomes == "locked")
    for fd in locked:
        os.close(fd)


def test_orphan_temporary_file(sound: Path) -> None:
    """Unfinished work of a killed process is told, with the command that removes it; that of a living one is not."""
    left = sound.with_name(f".{closed(sound).name}.gz.tmp")
    left.write_bytes(b"half")
    with left.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert verify(sound, code=0) == []
    [one] = findings(sound, "orphan")
    subprocess.run(["sh", "-c", one["remedy"]], check=True)
    assert verify(sound, code=0) == []


def test_twins(sound: Path) -> None:
    """An equal one, or an unfinished one of ours, is mended by sealing; one with other content, or that somebody may be at, is
    somebody's."""
    path = closed(sound)
    packed = path.with_name(f"{path.name}.gz")
    packed.write_bytes(gzip.compress(path.read_bytes())[:-9])
    [one] = findings(sound, "twin")
    assert (one["level"], one["remedy"]) == ("problem", f"if nobody is at it: rm {packed}")
    os.utime(packed, ns=(1, path.stat().st_mtime_ns))
    [one] = findings(sound, "twin")
    assert "unfinished" in one["text"]
    mend = one["remedy"].replace("mpfhandler", f"{sys.executable} -m mpfhandler", 1)
    at_once = "--late-grace 0 --compress-delay 0"  # the hour may have ended a moment ago
    subprocess.run(["sh", "-c", f"{mend} {at_once}"], check=True, capture_output=True)
    assert segments(sound) == [packed]
    path.write_bytes(b"other\n")
    assert [one["level"] for one in findings(sound, "twin")] == ["problem"]


def test_twin_that_somebody_works_on(sound: Path) -> None:
    """Who compresses a segment has both for an instant: none of it is told, nor of a plain one that has gone since."""
    path = closed(sound)
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    log = find_log("verify", argparse.Namespace(**{"log": str(sound), "utc": False, **dict.fromkeys(GUESSED)}))
    files = os.listdir(sound.parent)
    assert len(list(check_twins(log, files))) == 1
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        assert list(check_twins(log, files)) == []
    path.unlink()
    assert list(check_twins(log, files)) == []


def test_twin_that_cannot_be_compared(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be another's, so that is told, with why."""
    path = closed(sound)
    path.with_name(f"{path.name}.xz").write_bytes(lzma.compress(path.read_bytes()))
    monkeypatch.setitem(sys.modules, "lzma", None)
    [one] = findings(sound, "twin")
    assert one["level"] == "problem"
    assert one["text"].startswith("stands beside its plain form, and cannot be compared: ")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("which", ["plain", "packed"])
def test_twin_that_goes_meanwhile(sound: Path, monkeypatch: pytest.MonkeyPatch, when: str, which: str) -> None:
    """Whoever compressed the segment has taken the plain one away, before it was compared or after: then there is no twin."""
    path = closed(sound)
    packed = path.with_name(f"{path.name}.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    gone, really = path if which == "plain" else packed, checks_module.compare

    def free(_: str) -> bool:
        if when == "before":
            gone.unlink(missing_ok=True)
        return True

    def comparing(*arguments: Any) -> Any:
        found = really(*arguments)
        gone.unlink()
        return found

    monkeypatch.setattr(checks_module, "is_free", free)
    monkeypatch.setattr(checks_module, "compare", comparing)
    log = find_log("verify", argparse.Namespace(**{"log": str(sound), "utc": False, **dict.fromkeys(GUESSED)}))
    found = [one.kind for one in check_twins(log, os.listdir(sound.parent))]
    assert found == (["twin"] if (when, which) == ("after", "packed") else [])


def opening(path: Path, number: int) -> Callable[..., int]:
    """`os.open` that cannot open that file, whoever runs this."""
    really = os.open

    def refusing(name: str, flags: int, mode: int = 0o777) -> int:
        if name == str(path):
            raise OSError(number, os.strerror(number), name)
        return really(name, flags, mode)

    return refusing


@pytest.mark.parametrize("how", ["deleted", "never there"])
def test_file_that_is_deleted_meanwhile(sound: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """It is no damage, and it is not looked for for ever."""
    path = closed(sound)
    path.write_text("NUL \0\n")

    def take(_: object) -> list[Finding]:
        if how == "deleted":
            path.unlink()
        else:
            monkeypatch.setattr(os, "open", opening(path, errno.ENOENT))
        return []

    monkeypatch.setattr(verify_module, "check_lock", take)
    assert verify(sound, code=0) == []


@pytest.mark.parametrize("call", ["open", "read"])
def test_disk_that_fails(sound: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """The file is damaged, as far as one can tell; the lines that came before are counted."""
    path, really, seen = closed(sound), os.read, list[int]()

    def reading(fd: int, size: int) -> bytes:
        if os.path.samestat(os.fstat(fd), path.stat()):
            seen.append(fd)
            if len(seen) % 2 == 0:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
        return really(fd, size)

    monkeypatch.setattr(os, call, opening(path, errno.EIO) if call == "open" else reading)
    [one] = findings(sound, "damaged")
    lines = 10 if call == "read" else 0
    assert (one["path"], one["text"]) == (str(path), f"{os.strerror(errno.EIO)}; {lines} lines can be read")
    assert one["remedy"] == "fetch it from the archive or a backup"


@pytest.mark.parametrize(("method", "remedy"), [("xz", "use a Python that has it"), ("zst", "pip install 'mpfhandler[zstd]'")])
def test_python_without_a_way_to_unpack(sound: Path, monkeypatch: pytest.MonkeyPatch, method: str, remedy: str) -> None:
    """What would help is told."""
    path = closed(sound)
    path.rename(path.with_name(f"{path.name}.{method}"))
    for name in ("lzma", "compression.zstd", "backports.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    [one] = findings(sound, "damaged")
    assert one["text"] == f"this Python cannot unpack {method}; {remedy}; 0 lines can be read"


@pytest.mark.parametrize("what", ["goes on", "is ended", "is gone"])
def test_line_that_somebody_is_at(sound: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """The last line of the active file is told only if it stays without an end."""
    with sound.open("a") as file:
        file.write("no end")

    def meanwhile(_: float) -> None:
        if what == "is ended":
            with sound.open("a") as file:
                file.write("\n")
        elif what == "is gone":
            sound.unlink()

    monkeypatch.setattr(time, "sleep", meanwhile)
    assert verify(sound, code=0) == ([("torn", "notice", "app.log")] if what == "goes on" else [])


def test_records_outside_a_compressed_file(tmp_path: Path) -> None:
    """How to look at the first of them; a date behind the end of the calendar does not matter."""
    text = "2020-11-23 16:00:00,0 x\n2020-11-23 19:00:00,0 late\n9999-12-31 23:59:59-12:00 never\n"
    path = tmp_path / "app.log.2020-11-23_16.gz"
    path.write_bytes(gzip.compress(text.encode()))
    done = run(tmp_path / "app.log", "--when", "H", "--tz", "Europe/Berlin", "--json")
    [one] = [one for one in json.loads(done.stdout)["findings"] if one["kind"] == "outside"]
    assert "2 of 3 times are from after the file's period, as far as 253402343999, the first in line 2: " in one["text"]
    shown = subprocess.run(["sh", "-c", one["remedy"].split(": ", 1)[1]], check=True, capture_output=True, text=True).stdout
    assert shown == "2020-11-23 19:00:00,0 late\n"


def test_schedule_that_is_a_guess(tmp_path: Path) -> None:
    """That periods are not looked at is told."""
    (tmp_path / "app.log.2020-11-23_16").write_text("x\n")
    done = run(tmp_path / "app.log")
    assert (done.returncode, done.stderr.count("the schedule is a guess from the names")) == (0, 1)


def test_folder_that_may_not_be_read_any_more(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose it is, and no verdict."""

    def refusing(path: str) -> list[str]:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    def last(log: Log, now: float, grace: float) -> Survey:
        found = survey(log, now, grace)
        monkeypatch.setattr(os, "listdir", refusing)
        return found

    monkeypatch.setattr(verify_module, "survey", last)
    done = run(sound)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{sound.parent}: may not be read by " in done.stderr


def test_rotation_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that has another name since it was listed is read under that one; the new log's lines are not taken for its own."""
    log = tmp_path / "app.log"
    with TimedLogFile(log, "S") as file:
        file.write(line("zero \0"))

        def rotate(_: object) -> list[Finding]:
            while not segments(log):
                time.sleep(0.3)
                file.write(line())
            return []

        monkeypatch.setattr(verify_module, "check_lock", rotate)
        assert verify(log, code=1) == [("torn", "problem", segments(log)[0].name)]


def test_compression_meanwhile(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A segment that has been compressed since it was listed is read all the same."""
    path = closed(sound)
    packed = path.with_name(f"{path.name}.gz")
    path.write_bytes(path.read_bytes() + b"\0\n")

    def compress(_: object) -> list[Finding]:
        packed.write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
        return []

    monkeypatch.setattr(verify_module, "check_lock", compress)
    assert verify(sound, code=1) == [("torn", "problem", packed.name)]


def test_lines_of_local_time(tmp_path: Path) -> None:
    """Periods of universal time, and the system's in the lines, as `logging` writes it: that is as it should be."""
    log = tmp_path / "app.log"
    program = (
        "import logging, mpfhandler, sys\n"
        "h = mpfhandler.MultProcTimedRotatingFileHandler(sys.argv[1], 'H', utc=True)\n"
        "h.setFormatter(logging.Formatter('%(asctime)s %(message)s'))\n"
        "logging.getLogger().addHandler(h)\n"
        "logging.warning('x')\n"
    )
    away = {**os.environ, "TZ": "Asia/Kolkata"}
    subprocess.run([sys.executable, "-c", program, str(log)], check=True, env=away)
    for options, code in (([], 0), (["--lines-tz", "UTC"], 1), (["--lines-tz", "Asia/Kolkata"], 0)):
        words = [sys.executable, "-m", "mpfhandler", "verify", str(log), *options]
        assert subprocess.run(words, check=False, env=away, capture_output=True).returncode == code


def test_waiting_for_a_rotator(sound: Path) -> None:
    """A segment that nobody fetches is told once it is old."""
    path = closed(sound)
    waiting = path.with_name(f".{path.name}.rotating")
    path.rename(waiting)
    [one] = findings(sound, "waiting")
    subprocess.run(["sh", "-c", one["remedy"].split(": ", 1)[1]], check=True)
    assert path.exists()


HOLD = "import fcntl,sys,time; f=open(sys.argv[1]); fcntl.flock(f,fcntl.LOCK_EX); print(flush=True); time.sleep(600)"


@pytest.mark.parametrize("stopped", [False, True])
def test_stuck_lock_holder(sound: Path, stopped: bool) -> None:
    """Who does not let go of the rotation lock is named, and a stopped one is to be continued."""
    holder = subprocess.Popen([sys.executable, "-c", HOLD, f"{sound}.lock"], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        if stopped:
            holder.send_signal(signal.SIGSTOP)
        [one] = findings(sound, "lock")
        if Path("/proc/locks").exists():
            assert f" {holder.pid}" in one["text"]
            assert f"kill {'-CONT ' if stopped else ''}{holder.pid}" in one["remedy"]
    finally:
        holder.kill()
        holder.communicate()
    assert findings(sound, "lock") == []


def test_stuck_lock_of_another_machine(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a network drive who has the lock may be elsewhere: that is told, and where to ask. A lock that an SMB server denies is
    had by somebody; on NFS only who opens it to write can try it."""
    opened: list[int] = []

    def denied(fd: int, how: int) -> None:
        opened.append(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE)
        raise PermissionError(errno.EACCES, "made to fail")

    monkeypatch.setattr(locks_module, "_PATIENCE", 0.0)
    monkeypatch.setattr(locks_module, "mount_of", lambda folder: FileSystem("nfs4", folder))
    monkeypatch.setattr(fcntl, "flock", denied)
    log = find_log("verify", argparse.Namespace(**dict.fromkeys(GUESSED), log=str(sound), utc=False))
    [one] = list(locks_module.check_lock(log))
    assert opened == [os.O_RDWR]
    assert "by a process of another one" in one.text
    assert one.remedy.endswith("(on each machine)")


def test_lock_in_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the handler's `lock_dir` the state record and the rotation lock are looked at there; a folder that is none is told."""
    locks, log = tmp_path / "locks", tmp_path / "app.log"
    locks.mkdir()
    with TimedLogFile(log, "H", interval=4, utc=True, lock_dir=locks) as writer:
        writer.write("line")
    assert "no log of ours" in run(log).stderr
    there = ("--lock-dir", str(locks))
    assert run(log, "--json", *there).returncode == 0
    assert json.loads(run(log, "--json", *there).stdout)["schedule_sure"]
    [lock] = locks.iterdir()
    monkeypatch.setattr(locks_module, "_PATIENCE", 0.05)
    with lock.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        found = verify(log, *there, code=1)
    assert found == [("lock", "problem", lock.name)]
    assert verify(log, *there, "--when", "D", code=1) == [("schedule", "problem", lock.name)]
    done = run(log, "--lock-dir", str(tmp_path / "none"))
    told = "is not an existing folder; name the one that the handler has"
    assert (done.returncode, done.stderr) == (2, f"mpfhandler verify: --lock-dir={str(tmp_path / 'none')!r}: {told}\n")


def test_stuck_lock_of_an_unknown_holder(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system tells nothing, how to ask it."""
    monkeypatch.setattr(holders_module, "_PROC", str(sound.parent / "none"))
    monkeypatch.setattr(locks_module, "_PATIENCE", 0.05)
    with open(f"{sound}.lock", "rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        [one] = findings(sound, "lock")
    assert one["text"].endswith("the system does not tell by whom it is held")
    assert one["remedy"] == f"ask as root: fuser -v {sound}.lock"


def test_file_system_without_locks(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can have one there."""

    def flock(_fd: object, _what: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    assert verify(sound, code=0) == []


def test_a_rotation_is_no_stuck_lock(sound: Path) -> None:
    """Somebody who has it for a second."""
    code = HOLD.replace("600", "1")
    with subprocess.Popen([sys.executable, "-c", code, f"{sound}.lock"], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert verify(sound, code=0) == []


def test_lock_file_that_is_none(sound: Path) -> None:
    """What somebody else has written is not ours to use."""
    sound.with_name("app.log.lock").write_text("somebody's notes, which are longer than any timestamp that ever was")
    assert ("lock", "problem", "app.log.lock") in verify(sound, "--when", "H", code=1)


def test_schedule_mismatch(sound: Path) -> None:
    """Against what the user says, and against names of another unit."""
    assert ("schedule", "problem", "app.log.lock") in verify(sound, "--when", "D", code=1)
    sound.with_name("app.log.2026-11-23").write_text("2026-11-23 00:00:00 x\n")
    assert ("schedule", "problem", "app.log") in verify(sound, code=1)


def test_names_of_days_and_a_period_of_an_hour(tmp_path: Path) -> None:
    """Processes that have been given another unit than the ones before."""
    with TimedLogFile(tmp_path / "app.log", "H") as file:
        file.write(line())
    (tmp_path / "app.log.2026-11-23").write_text("2026-11-23 00:00:00 x\n")
    assert [one["level"] for one in findings(tmp_path / "app.log", "schedule")] == ["problem"]


def test_another_zone_is_no_damage(tmp_path: Path) -> None:
    """A schedule that cannot be told is a notice, until it is."""
    log = tmp_path / "app.log"
    with TimedLogFile(log, "D", tz="Pacific/Chatham") as file:
        file.write(f"{datetime.now(timezone.utc).isoformat()} x")
    assert verify(log, code=0) == [("schedule", "notice", "app.log.lock")]
    assert verify(log, "--tz", "Pacific/Chatham", code=0) == []


def test_the_hour_that_is_repeated(tmp_path: Path) -> None:
    """Lines of its second turn show a time of the first one, and are in their period."""
    second = datetime(2026, 10, 25, 1, 30, tzinfo=timezone.utc).timestamp()  # 02:30 on the wall, once more
    path = tmp_path / "app.log.2026-10-25_02"
    path.write_text("2026-10-25 02:30:00,1 x\n")
    os.utime(path, (second, second))
    assert verify(tmp_path / "app.log", "--when", "H", "--tz", "Europe/Berlin", code=0) == []
    assert verify(tmp_path / "app.log", "--when", "H", "--tz", "Europe/Berlin", "--lines-tz", "UTC", code=1) != []


def test_not_a_log_of_ours(tmp_path: Path) -> None:
    """A file alone is none, and what is not there has near names; the exit code is that of wrong usage."""
    (tmp_path / "notes.txt").write_text("x\n")
    done = run(tmp_path / "notes.txt")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no log of ours" in done.stderr
    done = run(tmp_path / "note.txt")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"did you mean {tmp_path}/notes.txt?" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_unreadable_file() -> None:
    """Whose it is, is told, and what helps; the others are looked at all the same. A folder that may not be read ends it."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "app.log"
        with TimedLogFile(log, "H") as file:
            file.write(line())
        log.with_name("app.log.2026-11-23_16").touch(0o600)
        lock = log.with_name("app.log.lock")
        lock.chmod(0o600)
        log.chmod(0o644)
        Path(folder).chmod(0o755)
        run(log)  # imports what another user perhaps may not
        os.seteuid(65534)
        try:
            [one] = findings(log, "unread")
            assert one["path"] == f"{folder}/app.log.2026-11-23_16"
            assert f"may not be read by {pwd.getpwuid(65534).pw_name}: {one['path']} is a file of root, group " in one["text"]
            assert one["text"].endswith("-rw-------; run this as root")
            [one] = findings(log, "lock")
            assert f"{lock} is a file of root, group " in one["text"]
            assert one["remedy"] == f"let the log's users have it: chmod a+rw {lock}"
            os.seteuid(0)
            Path(folder).chmod(0o700)
            os.seteuid(65534)
            done = run(log)
        finally:
            os.seteuid(0)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"{folder} is a folder of root, group " in done.stderr


@pytest.mark.parametrize("name", ["a b.log", "a\nb.log", "a'\\\t\x1b.log", "\udcff\u2028.log"], ids=ascii)
def test_names_that_are_more_than_a_line(tmp_path: Path, name: str) -> None:
    """What is printed of one is one line, and the command that mends it can be pasted into a shell as it stands."""
    log = tmp_path / name
    try:
        log.touch()
    except OSError as error:
        pytest.skip(f"no such names here: {error}")
    with TimedLogFile(log, "H", utc=True) as writer:
        writer.write("line")
    strange = log.with_name(f"{log.name}.strange")
    strange.touch()
    lines = run(log, "--fast").stdout.splitlines()
    assert len(lines) == 4
    remedy = lines[2].partition(": ")[2]
    subprocess.run(["bash", "-c", remedy], check=True)
    assert not strange.exists()
    assert sorted(os.listdir(tmp_path)) == sorted([log.name, f"{log.name}.lock", f"other-{log.name}.strange"])
