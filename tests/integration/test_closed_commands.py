"""`mpfhandler prune` and `mpfhandler seal`: what they print, what they do to the files, how they end."""

from __future__ import annotations

import fcntl
import gzip
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mpfhandler import TimedLogFile
from mpfhandler._faces import cli
from mpfhandler._platform import OPERATIONS


def make(folder: Path, *suffixes: str, size: int = 1000) -> None:
    """Segments of former times, last written at the end of their hour."""
    for suffix in suffixes:
        (folder / f"app.log.{suffix}").write_bytes(b"x" * (size - 1) + b"\n")


def left(folder: Path) -> list[str]:
    """The suffixes of what is there."""
    return sorted(name.removeprefix("app.log.") for name in os.listdir(folder) if name.startswith("app.log."))


HOURS = [f"2026-03-04_{hour:02}" for hour in range(1, 6)]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log with five segments of an hour and one of somebody else's files."""
    make(tmp_path, *HOURS)
    (tmp_path / "app.log").write_text("active\n")
    (tmp_path / "app.log.notes").write_text("somebody else's\n")
    return tmp_path / "app.log"


def test_dry_run_tells_what_would_go_and_why(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each file with its rule and the reason, then the sum; nothing is deleted."""
    before = left(log.parent)
    assert cli.main(["prune", str(log), "--dry-run", "--backup-count", "4", "--max-total-bytes", "3kB"]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [
        f"would delete {log}.{HOURS[0]}: backupCount: 4 are newer, 4 are kept",
        f"would delete {log}.{HOURS[1]}: max_total_bytes: with it the closed segments have 4 kB, 3 kB are allowed",
        "would delete 2 segments, 2 kB",
    ]
    assert printed.err == ""
    assert left(log.parent) == before


def test_dry_run_foretells_what_goes(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the same rules the same files are deleted, and told with the same words."""
    make(log.parent, f"{HOURS[0]}.gz", size=100)
    rules = ["--max-total-bytes", "2500", "--max-age", "1d", "--backup-count", "3"]
    assert cli.main(["prune", str(log), "--dry-run", *rules]) == 0
    foretold = capsys.readouterr().out
    assert cli.main(["prune", str(log), *rules]) == 0
    done = capsys.readouterr().out
    assert sorted(foretold.replace("would delete", "deleted").splitlines()) == sorted(done.splitlines())
    assert left(log.parent) == ["notes"]
    assert log.read_text() == "active\n"


def test_schedule_from_a_lock_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where `lock_dir` was set, `--lock-dir` is enough to know which names are segments."""
    log, locks = tmp_path / "app.log", tmp_path / "locks"
    locks.mkdir()
    with TimedLogFile(log, "MONTH", lock_dir=locks) as writer:
        writer.write("line")
    make(tmp_path, "2026-03")
    words = ["prune", str(log), "--dry-run", "--max-age", "1d"]
    assert cli.main(words) == 0
    assert "would delete 0 segments" in capsys.readouterr().out
    assert cli.main([*words, "--lock-dir", str(locks)]) == 0
    assert "would delete 1 segment," in capsys.readouterr().out


def test_free_space(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """So much free space as the file system cannot have takes every segment."""
    assert cli.main(["prune", str(log), "--min-free-bytes", "1000PB", "--quiet"]) == 0
    assert left(log.parent) == ["notes"]
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "")


def test_segment_in_use_is_left(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One that a process may still write to stays, is told, and is no failure."""
    with Path(f"{log}.{HOURS[0]}").open() as writer:
        fcntl.flock(writer, fcntl.LOCK_SH)
        assert cli.main(["prune", str(log), "--backup-count", "3"]) == 0
    assert left(log.parent) == [HOURS[0], *HOURS[2:], "notes"]
    printed = capsys.readouterr()
    assert "deleted 1 segment, 1 kB" in printed.out
    assert printed.err == "mpfhandler prune: 1 in use, left for the next time\n"


def test_every_segment_that_cannot_be_deleted_is_told(
    log: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are named, the others are deleted, and the exit code says so."""
    from dataclasses import replace

    from mpfhandler._faces import closed, prune

    def unlink(path: str) -> None:
        if path.endswith(("_01", "_02")):
            raise PermissionError(1, "Operation not permitted", path)
        os.unlink(path)

    ops = replace(OPERATIONS, unlink=unlink)
    monkeypatch.setattr(prune, "find", lambda name, arguments: closed.find(name, arguments, ops))
    assert cli.main(["prune", str(log), "--backup-count", "1"]) == 1
    assert left(log.parent) == [HOURS[0], HOURS[1], HOURS[4], "notes"]
    told = capsys.readouterr().err.splitlines()
    assert [line.partition("2026")[2][:9] for line in told] == ["-03-04_01", "-03-04_02"]


def test_link_to_the_log_means_the_log(log: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """As for the handler, the segments are those of the real path."""
    link = tmp_path_factory.mktemp("links") / "link.log"
    link.symlink_to(log)
    assert cli.main(["prune", str(link), "--backup-count", "1", "--quiet"]) == 0
    assert left(log.parent) == [HOURS[4], "notes"]


def test_names_of_another_schedule_are_told(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the wrong `--when` nothing is deleted, and it is said why that may be."""
    assert cli.main(["prune", str(log), "--backup-count", "1", "--when", "D"]) == 0
    printed = capsys.readouterr()
    assert "deleted 0 segments" in printed.out
    assert f"app.log.{HOURS[0]}; see --when and --suffix" in printed.err
    assert len(left(log.parent)) == 6


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["prune", "LOG"], "--backup-count='0': is no rule"),
        (["prune", "LOG", "--backup-count", "many"], "--backup-count='many': is not a number"),
        (["prune", "LOG", "--max-age", "two weeks"], "--max-age='two weeks': is not an age; use"),
        (["prune", "LOG", "--max-total-bytes", "10%"], "--max-total-bytes='10%': is not a size; use"),
        (["prune", "LOG", "--min-free-bytes", "-1"], "--min-free-bytes='-1': is negative; use"),
        (["prune", "LOG", "--backup-count", "1", "--when", "X"], "--when='X': is not a unit"),
        (["prune", "LOG", "--backup-count", "1", "--at-time", "noon", "--when", "D"], "--at-time='noon': is not a time"),
        (["prune", "LOG", "--backup-count", "1", "--tz", "Nowhere"], "--tz='Nowhere':"),
        (["prune", "LOG", "--backup-count", "1", "--suffix", "%Y-%W"], "--suffix='%Y-%W': what it writes cannot be read"),
        (["prune", "LOG", "--backup-count", "1", "--late-grace", "-1"], "--late-grace='-1': is negative"),
        (["prune", "FOLDER", "--backup-count", "1"], "is a folder; name the log in it"),
        (["prune", "FOLDER/no/app.log", "--backup-count", "1"], "does not exist; name a log"),
        (["prune", "/dev/stdout", "--backup-count", "1"], "LOG='/dev/stdout': is a stream"),
        (["prune", "", "--backup-count", "1"], "LOG=''"),
        (["seal", "LOG"], "give --compress"),
        (["seal", "LOG", "--compress", "zip"], "--compress='zip': is not known; use 'gz'"),
        (["seal", "LOG", "--compress", "gz", "--compress-level", "11"], "--compress-level='11': is no level of gz; use 0 to 9"),
        (["seal", "LOG", "--compress", "gz", "--compress-delay", "soon"], "--compress-delay='soon': is not a number"),
        (["seal", "LOG", "--on-seal", "no_such_package_here.f"], "--on-seal='no_such_package_here.f': there is no module"),
        (["seal", "LOG", "--fsync", "often"], "--fsync='often': is not known"),
        (["seal", "LOG", "--archive", "/mnt"], "--archive='/mnt'"),
        (["seal", "FOLDER/no/app.log", "--compress", "gz"], "does not exist; name a log"),
    ],
)
def test_wrong_usage(log: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str) -> None:
    """The message names the option as it is written on the command line; nothing is touched, and the exit code is 2."""
    before = sorted(os.listdir(log.parent))
    given = [one.replace("LOG", str(log)).replace("FOLDER", str(log.parent)) for one in arguments]
    assert cli.main(given) == 2
    printed = capsys.readouterr()
    assert told in printed.err, printed.err
    assert printed.out == ""
    assert sorted(os.listdir(log.parent)) == before


def test_seal_compresses_what_is_old_enough(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every closed segment becomes a file that gzip reads; the log and others' files stay; a second run finds nothing to do."""
    content = {suffix: Path(f"{log}.{suffix}").read_bytes() for suffix in HOURS}
    assert cli.main(["seal", str(log), "--compress", "gz", "--fsync", "seal"]) == 0
    assert capsys.readouterr().out == "done now: 5 of 5 segments\n"
    assert left(log.parent) == [*(f"{suffix}.gz" for suffix in HOURS), "notes"]
    assert {suffix: gzip.decompress(Path(f"{log}.{suffix}.gz").read_bytes()) for suffix in HOURS} == content
    assert log.read_text() == "active\n"
    assert cli.main(["seal", str(log), "--compress", "gz"]) == 0
    assert left(log.parent) == [*(f"{suffix}.gz" for suffix in HOURS), "notes"]


def test_seal_leaves_a_log_that_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Beside a program that logs: its open segment, and one that was closed just now, stay as they are."""
    log = tmp_path / "app.log"
    make(tmp_path, HOURS[0])
    with TimedLogFile(log, "H") as writer:
        writer.write("one")
        writer.rotate()
        writer.write("two")
        assert cli.main(["seal", str(log), "--compress", "gz"]) == 0
        assert f"{HOURS[0]}.gz" in left(tmp_path)
        assert len([name for name in left(tmp_path) if name.startswith("20") and not name.endswith(".gz")]) == 1
        writer.write("three")
    assert log.read_text() == "two\nthree\n"


def test_seal_calls_a_function_of_the_current_folder_once(log: Path) -> None:
    """`--on-seal` finds a module beside the user, calls it with each segment, and not again in the next run."""
    (log.parent / "shipping_by_hand.py").write_text(
        "def ship(segment):\n    with open('shipped', 'a') as out:\n        print(segment.path[-13:], segment.size, file=out)\n"
    )
    source = os.path.dirname(os.path.dirname(os.path.abspath(cli.__file__))) + "/.."
    command = [sys.executable, "-m", "mpfhandler", "seal", "app.log", "--on-seal", "shipping_by_hand.ship"]
    for _ in range(2):
        done = subprocess.run(
            command, cwd=log.parent, capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONPATH": source}
        )
        assert (done.returncode, done.stderr) == (0, "")
    assert (log.parent / "shipped").read_text().splitlines() == [f"{suffix} 1000" for suffix in HOURS]


def test_seal_tells_a_hook_that_fails(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is told once, the exit code is 1, and every segment stays."""
    assert cli.main(["seal", str(log), "--on-seal", "os.path.getsize"]) == 1
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1
    assert told[0].startswith("mpfhandler seal: ")
    assert left(log.parent)[:5] == HOURS


@pytest.mark.parametrize(
    ("cause", "told"),
    [("AssertionError", "AssertionError"), ("Odd('x')", "Odd: <its text cannot be had: ZeroDivisionError>")],
)
def test_seal_tells_a_failure_that_has_no_text(
    cause: str, told: str, log: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An `assert` of the hook's, or an error that cannot even be shown: what kind it is."""
    odd = "class Odd(Exception):\n    def __str__(self):\n        return 1 // 0\n\n\n"
    (log.parent / "failing_without_a_word.py").write_text(f"{odd}def ship(segment):\n    raise {cause}\n")
    monkeypatch.syspath_prepend(str(log.parent))
    monkeypatch.delitem(sys.modules, "failing_without_a_word", raising=False)
    assert cli.main(["seal", str(log), "--on-seal", "failing_without_a_word.ship"]) == 1
    assert capsys.readouterr().err.splitlines() == [f"mpfhandler seal: {told}"]


def test_seal_without_an_archive_names_the_option(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--archive-delete` alone: the remedy is one for a command line."""
    assert cli.main(["seal", str(log), "--archive-delete"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("mpfhandler seal: --archive-delete: ")
    assert "--archive s3://bucket/prefix" in told
    assert "archive=" not in told
    assert left(log.parent)[:5] == HOURS


def test_seal_archives_into_a_folder(log: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """With `--archive-delete` the segments stand there, and not here any more."""
    archive = tmp_path_factory.mktemp("archive")
    assert cli.main(["seal", str(log), "--archive", f"file://{archive}", "--archive-delete", "--quiet"]) == 0
    assert left(log.parent) == ["notes"]
    assert sorted(path.read_bytes() for path in archive.rglob("*2026-03-04*") if path.is_file()) == [b"x" * 999 + b"\n"] * 5


def test_seal_leaves_the_archive_to_who_is_at_it(
    log: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another process stores segments of the log they stay here, whole; that is told and is no failure."""
    archive = tmp_path_factory.mktemp("archive")
    monkeypatch.setattr("mpfhandler._resources.owner_id._PATIENCE", 0.0)
    with (log.parent / ".app.log.owner").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert cli.main(["seal", str(log), "--archive", f"file://{archive}", "--archive-delete"]) == 0
    assert [hour for hour in HOURS if hour not in left(log.parent)] == []
    assert [path for path in archive.rglob("*2026-03-04*") if path.is_file()] == []
    printed = capsys.readouterr()
    assert "done now: 0 of 5 segments\n" in printed.out
    assert printed.err == "mpfhandler seal: archive: another process is at it, left for the next time\n"


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("command", [["seal", "--compress", "gz"], ["prune", "--backup-count", "1"]])
def test_progress_is_shown_on_a_terminal(log: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]) -> None:
    """A bar names each segment, and is gone at the end."""
    screen = Screen()
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys, "stderr", screen)
    assert cli.main([command[0], str(log), *command[1:]]) == 0
    shown = screen.getvalue()
    assert all(f"app.log.{suffix}" in shown for suffix in HOURS[:4])
    assert shown.endswith("\r\x1b[K")


def test_progress_tells_how_far_a_large_segment_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its share in percent grows while the count of segments stays."""
    make(tmp_path, HOURS[0], size=2_000_000)
    screen = Screen()
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys, "stderr", screen)
    assert cli.main(["seal", str(tmp_path / "app.log"), "--compress", "gz"]) == 0
    shown = [text for text in screen.getvalue().split("\r\x1b[K") if text]
    shares = [int(text.rpartition(", ")[2].removesuffix(" %")) for text in shown]
    assert len(shares) > 3
    assert shares == sorted(shares)
    assert shares[-1] == 100
    assert all("] 0/1, " in text for text in shown)


def sealing(tmp_path: Path, before: Callable[[], object]) -> subprocess.Popen[bytes]:
    """A process that has begun to compress what takes long."""
    with open(tmp_path / "app.log.2026-03-04_01", "wb") as segment:
        segment.truncate(4 << 30)
    command = [sys.executable, "-m", "mpfhandler", "seal", str(tmp_path / "app.log"), "--compress", "gz"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, preexec_fn=before)
    hidden, deadline = tmp_path / ".app.log.2026-03-04_01.gz.tmp", time.monotonic() + 60
    while not (hidden.exists() and hidden.stat().st_size):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_seal_that_is_ended_leaves_nothing(tmp_path: Path, number: int) -> None:
    """However it is asked to: what was begun may be as large as the segment."""
    process = sealing(tmp_path, lambda: None)
    process.send_signal(number)
    assert process.communicate(timeout=60) == (None, b"")
    assert process.returncode == 130
    assert [file.name for file in tmp_path.iterdir()] == ["app.log.2026-03-04_01"]


def test_seal_goes_on_where_a_signal_is_ignored(tmp_path: Path) -> None:
    """As `nohup` has it, and a shell for what a script runs in the background."""
    process = sealing(tmp_path, lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 130


def test_json_tells_what_was_done(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One object for each command, with what the lines tell; nothing else on standard output."""
    assert cli.main(["seal", str(log), "--compress", "gz", "--json"]) == 0
    sealed = json.loads(capsys.readouterr().out)
    counts = {"segments": 5, "done_now": 5, "in_use": 0, "left_to_others": [], "next_due": None}
    assert sealed == {"log": str(log), **counts, "failed": False}
    with Path(f"{log}.{HOURS[0]}.gz").open() as reader:
        fcntl.flock(reader, fcntl.LOCK_SH)
        assert cli.main(["prune", str(log), "--backup-count", "3", "--json"]) == 0
    printed = capsys.readouterr()
    pruned = json.loads(printed.out)
    size = pruned.pop("bytes")
    assert 0 < size < 1000
    gone = {"path": f"{log}.{HOURS[1]}.gz", "rule": "backupCount", "reason": "3 are newer, 3 are kept"}
    assert pruned == {"log": str(log), "dry_run": False, "files": [gone], "segments": 1, "in_use": 1}
    assert printed.err == "mpfhandler prune: 1 in use, left for the next time\n"
    with pytest.raises(json.JSONDecodeError):
        assert cli.main(["prune", str(log), "--backup-count", "3"]) == 0
        json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("command", [["seal", "--compress", "gz"], ["prune", "--backup-count", "1"]])
def test_no_such_log(log: Path, capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    """Neither a file nor a segment: the nearest name is told. A log of which only the lock is there is no mistake."""
    wrong = log.with_name("ap.log")
    log.with_name("app.log.notes").unlink()
    assert cli.main([command[0], str(wrong), *command[1:]]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == (
        f"mpfhandler {command[0]}: LOG={str(wrong)!r}: there is neither such a file nor a segment of it; did you mean {log}?\n"
    )
    Path(f"{wrong}.lock").touch()
    assert cli.main([command[0], str(wrong), *command[1:]]) == 0


def as_nobody(*command: str) -> int:
    """Run the command without root's rights; its exit code."""
    os.seteuid(65534)
    try:
        return cli.main(command)
    finally:
        os.seteuid(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a user that may read what another may not")
@pytest.mark.parametrize("command", [["seal", "--compress", "gz"], ["prune", "--backup-count", "1"]])
def test_folder_of_somebody_else(log: Path, capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    """Whose it is, and who may do it."""
    import grp  # noqa: F401  may lie where the other user cannot read
    import pwd

    assert cli.main([command[0], "--help"]) == 0
    capsys.readouterr()
    log.parent.chmod(0o311)
    opened = [one for one in log.parents if not one.stat().st_mode & 0o001]
    for one in opened:
        one.chmod(one.stat().st_mode | 0o011)
    code = as_nobody(command[0], str(log), *command[1:])
    told = capsys.readouterr().err
    assert code == 2
    assert f"{log.parent}: may not be read by {pwd.getpwuid(65534).pw_name}" in told
    assert f"run this as {pwd.getpwuid(0).pw_name}" in told


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a user that may read what another may not")
@pytest.mark.parametrize("command", [["seal", "--compress", "gz"], ["prune", "--max-age", "1d"]])
def test_segment_of_somebody_else(log: Path, capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    """Nothing can be done to it by this user: that is a failure, and it is told whose it is."""
    import grp  # noqa: F401  may lie where the other user cannot read
    import pwd

    with pytest.raises(SystemExit):
        cli.whole_parser().parse_args([command[0], "--help"])
    capsys.readouterr()
    for hour in HOURS:
        os.chmod(f"{log}.{hour}", 0o600)
    for one in [one for one in log.parents if not one.stat().st_mode & 0o001]:
        one.chmod(one.stat().st_mode | 0o055)
    code = as_nobody(command[0], str(log), *command[1:])
    told = capsys.readouterr().err
    assert code == 1
    assert f"{log}.{HOURS[0]}': a file of {pwd.getpwuid(0).pw_name}, group " in told
    assert "-rw-------, in a folder of " in told
    assert "run this as a user who may write to both" in told


def test_help_is_for_users(capsys: pytest.CaptureFixture[str]) -> None:
    """Both commands are in the overview, and describe each option that the handler has for it."""
    assert cli.main(["--help"]) == 0
    overview = capsys.readouterr().out
    assert "prune" in overview
    assert "seal" in overview
    wanted: dict[str, Any] = {
        "prune": ["--backup-count", "--max-age", "--max-total-bytes", "--min-free-bytes", "--dry-run"],
        "seal": ["--compress", "--compress-level", "--compress-delay", "--on-seal", "--fsync", "--archive", "--archive-delete"],
    }
    for name, options in wanted.items():
        assert cli.main([name, "--help"]) == 0
        text = capsys.readouterr().out
        assert [option for option in [*options, "--when", "--tz", "--suffix"] if option not in text] == []


def test_deleting_thousands_is_quick(tmp_path: Path) -> None:
    """Two thousand segments are listed, judged and deleted in seconds."""
    for number in range(2000):
        (tmp_path / f"app.log.2026-03-{1 + number // 1440:02}_{number // 60 % 24:02}-{number % 60:02}").touch()
    begun = time.monotonic()
    assert cli.main(["prune", str(tmp_path / "app.log"), "--when", "M", "--backup-count", "1", "--quiet"]) == 0
    assert len(os.listdir(tmp_path)) == 1
    assert time.monotonic() - begun < 60


def test_seal_leaves_what_is_in_use(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A segment that a process may still write to stays plain, is told, and is no failure."""
    with Path(f"{log}.{HOURS[0]}").open() as writer:
        fcntl.flock(writer, fcntl.LOCK_SH)
        assert cli.main(["seal", str(log), "--compress", "gz"]) == 0
        assert left(log.parent) == [HOURS[0], *(f"{hour}.gz" for hour in HOURS[1:]), "notes"]
    printed = capsys.readouterr()
    assert "done now: 4 of 5 segments\n" in printed.out
    assert printed.err == "mpfhandler seal: 1 in use, left for the next time\n"


def test_seal_says_until_when_a_segment_stays_plain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing was done, and that has a reason: it is told when there will be something to do."""
    at = time.time() - 3600
    log = tmp_path / "app.log"
    Path(f"{log}.{time.strftime('%Y-%m-%d_%H', time.gmtime(at))}").write_text("line\n")
    options = ["seal", str(log), "--utc", "--compress", "gz", "--compress-delay", "9000"]
    assert cli.main(options) == 0
    told = capsys.readouterr()
    due = (int(at // 3600) + 1) * 3600 + 9000 + 10
    assert told.err == ""
    wall = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(due))
    assert told.out == f"done now: 0 of 1 segment\nthe next one is due at {wall}\n"
    assert cli.main([*options, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["next_due"] == due


DAYS = [f"2026-03-{day:02}" for day in range(1, 6)]
COMMANDS = [["prune", "--backup-count", "1"], ["seal", "--compress", "gz", "--quiet"]]


def done_to(folder: Path, before: list[str]) -> list[str]:
    """The suffixes of the segments that are not there as they were."""
    return sorted({*before} - {*left(folder)})


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_schedule_is_learned_where_it_is_sure(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    """The lock file and the names say that it is a log of days: its days are worked on, and nothing else."""
    log = tmp_path / "app.log"
    with TimedLogFile(log, "D") as writer:
        writer.write("one")
    make(tmp_path, *DAYS, *HOURS)
    before = left(tmp_path)
    assert cli.main([command[0], str(log), *command[1:]]) == 0
    assert done_to(tmp_path, before) == (DAYS[:4] if command[0] == "prune" else DAYS)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("command", COMMANDS, ids=str)
@pytest.mark.parametrize("given", [["--when", "H"], ["--suffix", "%Y-%m-%d_%H"]], ids=str)
def test_schedule_that_is_given_wins(tmp_path: Path, command: list[str], given: list[str]) -> None:
    """Over what the lock file tells."""
    log = tmp_path / "app.log"
    with TimedLogFile(log, "D") as writer:
        writer.write("one")
    make(tmp_path, *DAYS, *HOURS)
    before = left(tmp_path)
    assert cli.main([command[0], str(log), *command[1:], *given]) == 0
    assert done_to(tmp_path, before) == (HOURS[:4] if command[0] == "prune" else HOURS)


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_schedule_that_is_not_sure_is_that_of_hours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    """Names alone may be anybody's: nothing is done to days, and it is said what could be given. So for a log of another zone."""
    log = tmp_path / "app.log"
    make(tmp_path, *DAYS)
    with TimedLogFile(log, "D", tz="Asia/Kathmandu") as writer:
        writer.write("one")
    for lock in (True, False):
        if not lock:
            Path(f"{log}.lock").unlink()
        before = left(tmp_path)
        assert cli.main([command[0], str(log), *command[1:]]) == 0
        assert left(tmp_path) == before
        assert f"but there is app.log.{DAYS[0]}; see --when and --suffix" in capsys.readouterr().err
    make(tmp_path, *HOURS)
    before = left(tmp_path)
    assert cli.main([command[0], str(log), *command[1:]]) == 0
    assert done_to(tmp_path, before) == (HOURS[:4] if command[0] == "prune" else HOURS)


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_names_of_two_units_with_the_same_boundaries(tmp_path: Path, command: list[str]) -> None:
    """An hour may be 60 minutes: many names of minutes from another time do not make them segments of today's log of hours."""
    log = tmp_path / "app.log"
    minutes = [f"2026-03-03_07-{minute:02}" for minute in range(20)]
    with TimedLogFile(log, "H") as writer:
        writer.write("one")
    make(tmp_path, *minutes)
    assert cli.main([command[0], str(log), *command[1:]]) == 0
    assert {*minutes} <= {*left(tmp_path)}
    make(tmp_path, *HOURS)
    assert cli.main([command[0], str(log), *command[1:]]) == 0
    assert {*minutes} <= {*left(tmp_path)}
    assert not {*HOURS[:4]} & {*left(tmp_path)}


def test_segments_of_sixty_minutes_are_learned(tmp_path: Path) -> None:
    """Where no others are there, the names tell which unit it is. A time of day is told with the lock file, too."""
    log = tmp_path / "app.log"
    with TimedLogFile(log, "M", 60) as writer:
        writer.write("one")
    make(tmp_path, *(f"{hour}-00" for hour in HOURS))
    assert cli.main(["prune", str(log), "--backup-count", "1"]) == 0
    assert left(tmp_path) == [f"{HOURS[4]}-00", "lock"]
    other = tmp_path / "other.log"
    with TimedLogFile(other, "D", at_time="03:30") as writer:
        writer.write("one")
    for day in DAYS:
        Path(f"{other}.{day}").touch()
    assert cli.main(["prune", str(other), "--backup-count", "1", "--at-time", "03:30"]) == 0
    assert not Path(f"{other}.{DAYS[0]}").exists()
    assert Path(f"{other}.{DAYS[4]}").exists()
