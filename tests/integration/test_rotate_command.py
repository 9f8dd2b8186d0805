"""`mpfhandler rotate`: beside programs that write, by what the log itself tells."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mpfhandler import TimedLogFile
from mpfhandler._faces import cli, rotate
from mpfhandler._platform import OPERATIONS

PATIENCE = 60.0  # seconds until a test gives up waiting; nothing else depends on it
WRITER = """
import sys, time
from mpfhandler import TimedLogFile
log = TimedLogFile(sys.argv[1], when="D", late_grace=float(sys.argv[2]))
number = 0
while not sys.stdin.closed:
    log.write(f"{number} {time.time()}")
    number += 1
    time.sleep(0.005)
    import select
    if select.select([sys.stdin], [], [], 0)[0]:
        break
log.close()
print(number)
"""


def made(path: Path, **options: Any) -> None:
    """A log with a line in it, closed again."""
    with TimedLogFile(path, **options) as log:
        log.write("line")


def closed_files(log: Path) -> list[Path]:
    """Its segments, by name."""
    return sorted(log.parent.glob(f"{log.name}.2*"))


@pytest.mark.parametrize(
    "options",
    [
        {"when": "S", "interval": 3600},
        {"when": "M", "interval": 15},
        {"when": "H"},
        {"when": "H", "utc": True},
        {"when": "D", "at_time": "03:30"},
        {"when": "W2"},
        {"when": "MONTH"},
    ],
)
def test_learns_how_the_log_is_rotated(tmp_path: Path, capsys: pytest.CaptureFixture[str], options: dict[str, Any]) -> None:
    """Nothing is told: the closed file has the name that the handler gives the next one of the same period."""
    log = tmp_path / "app.log"
    with TimedLogFile(log, **options) as handler:
        handler.write("first")
        handler.rotate()
        handler.write("second")
    assert cli.main(["rotate", str(log), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    (first,) = [file for file in closed_files(log) if not file.name.endswith(".1")]
    assert told["segment"] == f"{first}.1"
    assert Path(told["segment"]).read_text() == "second\n"
    assert (told["when"], told["interval"]) == (options["when"], options.get("interval", 1))
    assert log.read_bytes() == b""


@pytest.mark.parametrize("grace", ["10", "0"])
def test_running_program_follows(tmp_path: Path, grace: str) -> None:
    """A busy program writes to the new file within a second (and a bit, for it has to be scheduled), loses nothing, and needs no
    signal; two rotations give two files."""
    log = tmp_path / "app.log"
    command = [sys.executable, "-c", WRITER, str(log), grace]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        for count in (1, 2):
            deadline = time.monotonic() + PATIENCE
            while not log.exists() or not log.stat().st_size:
                assert time.monotonic() < deadline, "nothing comes"
                time.sleep(0.01)
            assert cli.main(["rotate", str(log), "--quiet", "--late-grace", grace]) == 0
            rotated = time.time()
            assert len(closed_files(log)) == count
        while not log.stat().st_size:
            assert time.monotonic() < deadline, "nothing comes"
            time.sleep(0.01)
        number = int(writer.communicate("end\n", timeout=PATIENCE)[0])
    texts = [file.read_text() for file in (*closed_files(log), log)]
    assert [int(line.split()[0]) for line in "".join(texts).splitlines()] == list(range(number))
    late = max(float(line.split()[1]) for line in texts[1].splitlines())
    assert late < rotated + 1.5 or os.getloadavg()[0] > 2 * (os.cpu_count() or 1)


def test_idle_program_writes_to_the_new_file(tmp_path: Path) -> None:
    """Its first record after more than a second stands in the new file."""
    log = tmp_path / "app.log"
    with TimedLogFile(log, when="D") as handler:
        handler.write("before")
        assert cli.main(["rotate", str(log), "--quiet"]) == 0
        time.sleep(1.1)
        handler.write("after")
    (closed,) = closed_files(log)
    assert (closed.read_text(), log.read_text()) == ("before\n", "after\n")


def test_new_file_is_like_the_old_one(tmp_path: Path) -> None:
    """Mode and owner: whoever runs the command, the programs go on."""
    log = tmp_path / "app.log"
    made(log, when="D", chmod="0660")
    if os.geteuid() == 0:
        os.chown(log, 65534, 65534)
    before, lock = log.stat(), Path(f"{log}.lock").stat()
    old = os.umask(0o077)
    try:
        assert cli.main(["rotate", str(log), "--quiet"]) == 0
    finally:
        os.umask(old)
    after = log.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert after.st_ino != before.st_ino
    now = Path(f"{log}.lock").stat()
    assert (now.st_mode, now.st_uid) == (lock.st_mode, lock.st_uid), "the lock file is left as it is"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_another_users_log(tmp_path: Path) -> None:
    """Its programs could not write to a file of ours: it is said what to do, and nothing is done without --force."""
    log = tmp_path / "app.log"
    made(log, when="D", chmod="0666")
    tmp_path.chmod(0o777)
    Path(f"{log}.lock").chmod(0o666)
    for folder in tmp_path.parents:
        if folder.stat().st_uid == 0 and "pytest-of-" in str(folder):
            folder.chmod(0o755)
    rehearsal = f"cli.main(['rotate', '{log}x', '--json']); cli.main(['rotate', '{log}', '--when', 'H'])"
    program = f"""
import os, sys, pwd
from mpfhandler._faces import cli
{rehearsal}  # imports what nobody may not be able to read
os.setgid(65534)
os.setuid(65534)
sys.exit(cli.main(["rotate", "{log}"]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done
    assert "belongs to root" in done.stderr
    assert "sudo -u root mpfhandler rotate" in done.stderr
    assert closed_files(log) == []


def test_schedule_that_does_not_match(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is said, and nothing is done; with --force it is done."""
    log = tmp_path / "app.log"
    made(log, when="H")
    assert cli.main(["rotate", str(log), "--when", "D"]) == 1
    said = capsys.readouterr().err
    assert "another schedule than every day (local time)" in said
    assert "3600 s" in said
    assert closed_files(log) == []
    assert cli.main(["rotate", str(log), "--when", "D", "--force"]) == 0
    assert len(closed_files(log)) == 1


def test_unknown_schedule(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file without a lock file tells nothing: a name is not guessed. With the option it is rotated."""
    log = tmp_path / "app.log"
    log.write_text("line\n")
    assert cli.main(["rotate", str(log)]) == 2
    assert "give --when" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["app.log"]
    assert cli.main(["rotate", str(log), "--when", "D"]) == 0
    assert len(closed_files(log)) == 1


def test_names_of_two_units_with_the_same_boundaries(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A log of hours may have been one of minutes before: its closed file gets no name that would be one of 60 minutes."""
    log = tmp_path / "app.log"
    made(log, when="H")
    for minute in range(5):
        Path(f"{log}.2026-03-04_10-0{minute}").touch()
    assert cli.main(["rotate", str(log)]) == 2
    assert "give --when" in capsys.readouterr().err
    assert len(closed_files(log)) == 5
    assert cli.main(["rotate", str(log), "--when", "H", "--quiet"]) == 0
    (closed,) = [file for file in closed_files(log) if file.read_text()]
    assert len(closed.name) == len("app.log.2026-03-04_10")


def test_no_such_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The nearest name is told."""
    made(tmp_path / "app.log", when="D")
    assert cli.main(["rotate", str(tmp_path / "apq.log")]) == 2
    assert f"did you mean {tmp_path / 'app.log'}" in capsys.readouterr().err


def test_log_that_has_no_file_now(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It was taken away, and nothing was written since: there is nothing to rotate, and no file is made."""
    log = tmp_path / "app.log"
    made(log, when="D")
    log.unlink()
    assert cli.main(["rotate", str(log)]) == 2
    said = capsys.readouterr().err
    assert "has no file now" in said
    assert "its next record begins one" in said
    assert not log.exists()


def test_log_that_is_taken_away_meanwhile(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was closed, so it is not said to be; the programs go on with the file that has begun."""
    log = tmp_path / "app.log"
    made(log, when="D")
    monkeypatch.setattr(rotate, "_check", lambda *_given: log.rename(tmp_path / "elsewhere"))
    assert cli.main(["rotate", str(log)]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == f"mpfhandler rotate: {log}: somebody has taken it away meanwhile; a new one has begun\n"
    assert (tmp_path / "elsewhere").read_bytes() == b"line\n"
    assert log.read_bytes() == b""
    assert closed_files(log) == []


def test_rename_that_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Why is told once, and nothing else; the log is as it was."""

    def refuse(_old: str, _new: str) -> None:
        raise OSError(errno.EIO, "Input/output error")

    log = tmp_path / "app.log"
    made(log, when="D")
    monkeypatch.setattr(rotate, "_find", partial(rotate._find, ops=replace(OPERATIONS, rename_new=refuse)))
    assert cli.main(["rotate", str(log)]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert "Input/output error" in printed.err
    assert log.read_bytes() == b"line\n"
    assert closed_files(log) == []


def test_user_without_a_name(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container there may be none: the number is told, and nothing is done."""
    log = tmp_path / "app.log"
    made(log, when="D")
    monkeypatch.setattr(os, "geteuid", lambda: 424_242_424)
    assert cli.main(["rotate", str(log)]) == 1
    assert "the new file would belong to #424242424; run this as " in capsys.readouterr().err
    assert closed_files(log) == []


def test_lock_that_is_held(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is waited for as long as is wanted, and then said."""
    log = tmp_path / "app.log"
    made(log, when="D")
    with open(f"{log}.lock", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert cli.main(["rotate", str(log), "--lock-timeout", "0.2"]) == 1
    assert "held by another process for over 0.2 s" in capsys.readouterr().err
    assert closed_files(log) == []


def test_lock_folder(tmp_path: Path) -> None:
    """With the handler's folder for locks it is learnt from there."""
    (tmp_path / "locks").mkdir()
    log = tmp_path / "app.log"
    made(log, when="MONTH", lock_dir=tmp_path / "locks")
    assert cli.main(["rotate", str(log), "--lock-dir", str(tmp_path / "locks"), "--quiet"]) == 0
    (closed,) = closed_files(log)
    assert closed.name == f"app.log.{time.strftime('%Y-%m')}"
    assert not Path(f"{log}.lock").exists()


def test_suffix_of_its_own(tmp_path: Path, closing: Callable[[Any], Any]) -> None:
    """Where `handler.suffix` was set, it is to be told."""
    log = tmp_path / "app.log"
    made(log, when="D")
    assert cli.main(["rotate", str(log), "--suffix", "%Y%m%d", "--quiet"]) == 0
    assert [file.name for file in closed_files(log)] == [f"app.log.{time.strftime('%Y%m%d')}"]


def test_json_tells_the_closed_segments_period(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not the one of the file that has begun: they differ where nothing was written since. As `ls` has it."""
    log = tmp_path / "app.log"
    made(log, when="D", utc=True)
    two_days_ago = time.time() - 2 * 86400
    os.utime(log, (two_days_ago, two_days_ago))
    assert cli.main(["rotate", str(log), "--json", "--utc"]) == 0
    told = json.loads(capsys.readouterr().out)
    day = [time.strftime("%Y-%m-%dT00:00:00+00:00", time.gmtime(two_days_ago + 86400 * number)) for number in range(2)]
    assert told["segment"] == time.strftime(f"{log}.%Y-%m-%d", time.gmtime(two_days_ago))
    assert told["period"] == {"start": day[0], "end": day[1]}
    assert cli.main(["ls", str(log), "--json", "--utc"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert told["zone"] == listed["schedule"]["zone"] == "UTC"
    closed = next(one for one in listed["files"] if one["path"] == told["segment"])
    assert told["period"] == {"start": closed["start"], "end": closed["end"]}


def test_zone_of_the_system_is_called_local_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In JSON, for both commands that tell it, and in the message about another schedule: never what it is called inside."""
    log = tmp_path / "app.log"
    made(log, when="D")
    assert cli.main(["rotate", str(log), "--when", "H"]) == 1
    assert f"{log} is rotated by another schedule than every hour (local time): " in capsys.readouterr().err
    assert cli.main(["rotate", str(log), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["zone"] == "local time"
    assert cli.main(["ls", str(log), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["schedule"]["zone"] == "local time"
