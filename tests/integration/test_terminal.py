"""The command line on a real terminal and in pipes: colours in the one, none in the others, and a quiet end when nobody reads."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from _terminal import ENVIRONMENT, Seen, read_to_end, run_on_terminal

from mpfhandler import TimedLogFile
from mpfhandler._faces.cli import COMMANDS

COMMAND = [sys.executable, "-m", "mpfhandler"]
PRUNE = ["--max-total-bytes", "3kB", "--dry-run"]
TABLE = (
    "from mpfhandler._faces.look import Column, Painted, say, table\n"
    "table([Column('file'), Column('bytes', right=True)], [('app.log', Painted('7', 'bold red')), ('日誌.log', '1234')])\n"
    "say('done', 'green')"
)
PLAIN = "file      bytes\napp.log       7\n日誌.log   1234\ndone\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log with five segments of an hour."""
    for hour in range(1, 6):
        (tmp_path / f"app.log.2026-03-04_{hour:02}").write_bytes(b"x" * 999 + b"\n")
    (tmp_path / "app.log").write_text("active\n")
    return tmp_path / "app.log"


def table(**how: object) -> Seen:
    return run_on_terminal([sys.executable, "-c", TABLE], **how)  # type: ignore[arg-type]


def test_a_terminal_has_colours_and_drawn_tables() -> None:
    """With rich: a rule below the titles, styles, nothing wider than the terminal."""
    pytest.importorskip("rich")
    seen = table(columns=40)
    assert seen.code == 0
    assert "─" in seen.screen
    assert "\x1b[1;31m" in seen.screen
    assert "\x1b[32mdone" in seen.screen


def test_a_pipe_has_neither() -> None:
    """The same text, aligned by blanks, whatever standard error is."""
    seen = table(piped="stdout")
    assert (seen.piped, seen.screen, seen.code) == (PLAIN, "", 0)


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
def test_a_user_who_wants_no_colours(env: dict[str, str]) -> None:
    """The terminal gets what a pipe gets."""
    assert table(env=env).screen == PLAIN


@pytest.mark.parametrize("env", [{}, {"NO_COLOR": "1"}], ids=str)
def test_the_bar_is_on_the_terminal_and_the_result_in_the_pipe(log: Path, env: dict[str, str]) -> None:
    """`seal > file` shows its progress, and wipes it."""
    seen = run_on_terminal([*COMMAND, "seal", str(log), "--compress", "gz"], piped="stdout", env=env)
    assert (seen.piped, seen.code) == ("done now: 5 of 5 segments\n", 0)
    assert "app.log.2026-03-04_0" in seen.screen
    assert "\x1b[" in seen.screen


def test_a_dumb_terminal_gets_plain_lines_alone(log: Path) -> None:
    """No bar, no colours, nothing that it could not show."""
    seen = run_on_terminal([*COMMAND, "seal", str(log), "--compress", "gz"], env={"TERM": "dumb"})
    assert seen == Seen("done now: 5 of 5 segments\n", "", 0)


def test_json_is_json_on_a_terminal_too(log: Path) -> None:
    """Without colours in it, and without what else the command prints."""
    seen = run_on_terminal([*COMMAND, "prune", str(log), *PRUNE, "--json"])
    assert seen.code == 0
    found = json.loads(seen.screen)
    assert (found["segments"], found["bytes"], found["dry_run"], found["in_use"]) == (2, 2000, True, None)
    assert found["files"][0]["path"] == f"{log}.2026-03-04_01"


@pytest.mark.slow
def test_the_verdict_of_check_has_a_colour_on_a_terminal(tmp_path: Path) -> None:
    """Green on a terminal, plain in a pipe."""
    pytest.importorskip("rich")
    command = [*COMMAND, "check", str(tmp_path), "--secs", "0.5", "--procs", "1"]
    assert "\x1b[1;32mPASS" in run_on_terminal(command).screen
    piped = run_on_terminal(command, piped="stdout").piped
    assert "\nPASS" in piped
    assert "\x1b" not in piped


def test_a_rotation_is_told_in_colour_on_a_terminal(tmp_path: Path) -> None:
    """What was done; a complaint is as it is in a pipe."""
    pytest.importorskip("rich")
    log = tmp_path / "app.log"
    with TimedLogFile(log, "MONTH") as writer:
        writer.write("line")
    command = [*COMMAND, "rotate", str(log)]
    name = f"{log}.{time.strftime('%Y-%m')}"
    assert run_on_terminal(command) == Seen(f"\x1b[32m{log} is {name} now; a new one has begun\x1b[0m\n", "", 0)
    assert run_on_terminal(command, piped="stdout") == Seen("", f"{log} is {name}.1 now; a new one has begun\n", 0)
    assert run_on_terminal(command, env={"NO_COLOR": "1"}).screen == f"{log} is {name}.2 now; a new one has begun\n"
    told = f"mpfhandler rotate: {log} is rotated by another schedule than every hour (local time): "
    for piped in ("", "stderr"):
        seen = run_on_terminal([*command, "--when", "H"], piped=piped)
        text = seen.piped if piped else seen.screen
        assert text.startswith(told)
        assert ("\x1b" in text, text.count("\n"), seen.code) == (False, 1, 1)


@pytest.mark.parametrize("piped", ["", "stdout", "stderr"])
def test_what_pipe_tells(tmp_path: Path, piped: str) -> None:
    """The same on a terminal and in a pipe, in whole lines; of the lines that go to the log nothing is on either."""
    log = tmp_path / "app.log"
    line = f"printf 'one\\nendless' | {' '.join(COMMAND)} pipe {log} --max-line 4"
    seen = run_on_terminal(["bash", "-c", line], piped=piped)
    told = "mpfhandler pipe: a line is longer than --max-line; what follows goes on the next line, also with later ones\n"
    assert seen == Seen("" if piped == "stderr" else told, told if piped == "stderr" else "", 0)
    assert log.read_text() == "one\nendl\ness\n"


def test_pipe_reads_from_a_terminal(tmp_path: Path) -> None:
    """Lines as they are typed, until Ctrl-D."""
    log = tmp_path / "app.log"
    master, slave = pty.openpty()
    with subprocess.Popen([*COMMAND, "pipe", str(log)], env=ENVIRONMENT, stdin=slave, stdout=slave, stderr=slave) as running:
        os.close(slave)
        for text in ("one\n", "two\n"):
            os.write(master, text.encode())
            deadline = time.monotonic() + 60
            while not (log.exists() and log.read_text().endswith(text)):
                assert time.monotonic() < deadline, "the line does not come"
                time.sleep(0.01)
        os.write(master, b"\x04")
        assert read_to_end(master) == "one\ntwo\n"  # the terminal's echo
        assert running.wait(60) == 0
    os.close(master)
    assert log.read_text() == "one\ntwo\n"


def test_tables_of_bench_are_drawn_on_a_terminal(tmp_path: Path) -> None:
    """In a pipe they are Markdown, while the bar is on the terminal."""
    pytest.importorskip("rich")
    command = [*COMMAND, "bench", str(tmp_path), "--handlers", "file", "--parts", "import", "--rounds", "1"]
    seen = run_on_terminal(command)
    assert seen.code == 0
    assert "━" in seen.screen
    assert "\x1b[1m" in seen.screen
    assert "|--" not in seen.screen
    seen = run_on_terminal(command, piped="stdout")
    assert seen.code == 0
    assert "|--" in seen.piped
    assert "\x1b" not in seen.piped
    assert "\x1b[" in seen.screen
    assert "|--" not in seen.screen
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["--help"], *([command.name, "--help"] for command in COMMANDS)], ids=" ".join)
def test_nobody_reads_the_help(arguments: list[str]) -> None:
    """The reader is gone before the first byte: the code of SIGPIPE, and nothing on standard error."""
    assert unread(arguments) == (141, "")


@pytest.mark.parametrize(
    "arguments",
    [
        ["completion", "bash"],
        ["completion", "fish"],
        ["prune", "LOG", *PRUNE],
        ["prune", "LOG", *PRUNE, "--json"],
        ["seal", "LOG", "--compress", "gz"],
    ],
    ids=" ".join,
)
def test_nobody_reads_what_a_command_prints(log: Path, arguments: list[str]) -> None:
    """The same for what each prints."""
    assert unread([text.replace("LOG", str(log)) for text in arguments]) == (141, "")


def unread(arguments: list[str]) -> tuple[int, str]:
    """How a command ends whose output's reader has gone, and its complaints."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([*COMMAND, *arguments], text=True, env=ENVIRONMENT, **pipes) as running:  # type: ignore[call-overload]
        running.stdout.close()
        complaints = running.stderr.read()
    return running.returncode, complaints


def test_head_takes_the_first_line_of_much(tmp_path: Path) -> None:
    """More than a pipe holds: `head` gets its line, the command ends quietly."""
    for number in range(1500):
        (tmp_path / f"app.log.2026-03-{1 + number // 1440:02}_{number // 60 % 24:02}-{number % 60:02}").touch()
    line = f"{sys.executable} -m mpfhandler prune {tmp_path}/app.log --when M --backup-count 1 --dry-run | head -n 1; "
    done = subprocess.run(
        ["bash", "-c", f"{line} echo ${{PIPESTATUS[0]}}"], capture_output=True, text=True, env=ENVIRONMENT, timeout=120
    )
    first, code = done.stdout.splitlines()
    assert first.startswith(f"would delete {tmp_path}/app.log.2026-03-01_00-00: backupCount")
    assert (code, done.stderr) == ("141", "")


@pytest.mark.parametrize("command", ["completion", "ls", "cat", "tail", "verify", "prune"])
def test_a_full_disk_below_the_output_is_told(log: Path, command: str) -> None:
    """In one line, with exit code 1."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    words = {"completion": ["bash"], "prune": [str(log), "--backup-count", "1", "--dry-run"]}.get(command, [str(log)])
    with open("/dev/full", "w") as full:
        done = subprocess.run([*COMMAND, command, *words], stdout=full, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "mpfhandler: standard output: No space left on device"
    assert len(done.stderr.splitlines()) == (2 if command == "verify" else 1)  # that the schedule is a guess


@pytest.mark.parametrize("words", [["cat"], ["tail", "-n", "1000000"]])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_who_is_stopped_while_it_writes_loses_nothing(tmp_path: Path, words: list[str], unbuffered: str) -> None:
    """The kernel takes a part of what it was given then, also with PYTHONUNBUFFERED, as in many containers."""
    log = tmp_path / "app.log"
    log.write_bytes(b"".join(b"%0127d\n" % number for number in range(20_000)))
    env = {**ENVIRONMENT, "PYTHONUNBUFFERED": unbuffered}
    with subprocess.Popen([*COMMAND, *words, str(log)], stdout=subprocess.PIPE, env=env) as process:
        assert process.stdout is not None
        got = os.read(process.stdout.fileno(), 1)
        for _ in range(5):
            time.sleep(0.05)  # until the pipe is full
            process.send_signal(signal.SIGSTOP)
            process.send_signal(signal.SIGCONT)
            got += os.read(process.stdout.fileno(), 200_000)
        got += process.stdout.read()
    assert process.returncode == 0
    assert got == log.read_bytes()


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_do_not_matter(log: Path, closed: str) -> None:
    """The command does its work; no log of the user's becomes its standard output."""
    line = f'"$0" -m mpfhandler seal "$1" --compress gz {closed}'
    done = subprocess.run(["bash", "-c", line, sys.executable, str(log)], capture_output=True, text=True, env=ENVIRONMENT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert log.read_text() == "active\n"
    assert len(list(log.parent.glob("app.log.*.gz"))) == 5
