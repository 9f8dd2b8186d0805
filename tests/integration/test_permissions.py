"""`pipe` and `rotate` by a user who may not write: whose the file and the folder are, and what would help."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mpfhandler import TimedLogFile

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

NOBODY = 65534
PROGRAM = """
import grp, hashlib, os, pwd, sys, tempfile
from mpfhandler import TimedLogFile
from mpfhandler._faces import cli
cli.whole_parser()  # what lies where the other user may not read is imported before
with tempfile.TemporaryDirectory() as folder, TimedLogFile(folder + "/app.log") as log:
    log.write("line")
os.setgroups([]), os.setgid(%(user)d), os.setuid(%(user)d)
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that everybody may come to; pytest's are in one that is root's alone."""
    made = Path(tempfile.mkdtemp())
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def make(folder: Path, *, file: int = 0, mode: int = 0o644, folders: int = 0) -> Path:
    """A log of days, of these users."""
    log = folder / "app.log"
    with TimedLogFile(log, "D") as writer:
        writer.write("line")
    log.chmod(mode)
    os.chown(log, file, -1)
    os.chown(folder, folders, -1)
    return log


def run(*arguments: object) -> tuple[int, str]:
    """As nobody, with a line on standard input: the exit code and the complaints."""
    command = [sys.executable, "-c", PROGRAM % {"user": NOBODY}, *map(str, arguments)]
    done = subprocess.run(command, input="more\n", capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


def whose(path: Path) -> str:
    """As `ls -l` has it."""
    done = subprocess.run(["ls", "-ld", path], capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C"})
    mode = done.stdout.split()[0].rstrip(".+")
    seen = path.stat()
    kind = "a folder" if path.is_dir() else "a file"
    return f"{kind} of {pwd.getpwuid(seen.st_uid).pw_name}, group {grp.getgrgid(seen.st_gid).gr_name}, {mode}"


NAME = pwd.getpwuid(NOBODY).pw_name if os.geteuid() == 0 else ""


@pytest.mark.parametrize("command", ["pipe", "rotate"])
def test_file_of_somebody_else(folder: Path, command: str) -> None:
    """Its owner and the folder's, and who should do it; nothing is done."""
    log = make(folder)
    code, told = run(command, log)
    what = f"{log}: may not be written by {NAME}: {whose(log)}, in {whose(folder)}; run this as a user who may write to both"
    assert (code, told) == (2, f"mpfhandler {command}: {what}\n")
    assert log.read_text() == "line\n"
    assert sorted(os.listdir(folder)) == ["app.log", "app.log.lock"]


@pytest.mark.parametrize("command", ["pipe", "rotate"])
def test_own_file_without_the_right(folder: Path, command: str) -> None:
    """Another user would not be of more help than the owner."""
    log = make(folder, file=NOBODY, mode=0o400, folders=NOBODY)
    code, told = run(command, log)
    assert code == 2
    assert told.endswith(f"; chmod u+w {log}\n")


@pytest.mark.parametrize("mode", [0o755, 0o775])
def test_file_that_cannot_be_made(folder: Path, mode: int) -> None:
    """Who may write to the folder: the owner, and where its mode says so, the group."""
    folder.chmod(mode)
    code, told = run("pipe", folder / "sub" / "new.log", "--mkdir")
    group = f", or as a member of {grp.getgrgid(folder.stat().st_gid).gr_name}" if mode & 0o020 else ""
    what = f"{folder}/sub/new.log: may not be made by {NAME}: {folder} is {whose(folder)}"
    assert (code, told) == (2, f"mpfhandler pipe: {what}; run this as {pwd.getpwuid(0).pw_name}{group}, or name another path\n")
    assert os.listdir(folder) == []


@pytest.mark.parametrize("command", ["pipe", "rotate"])
def test_folder_for_locks(folder: Path, command: str) -> None:
    """The one that is wrong is named, and not the log."""
    (folder / "locks").mkdir(mode=0o755)
    log = make(folder, file=NOBODY, folders=NOBODY)
    code, told = run(command, log, "--lock-dir", folder / "locks", "--when", "D")
    assert code == 2
    assert told.startswith(
        f"mpfhandler {command}: {folder}/locks: no file may be made there by {NAME}: it is {whose(folder / 'locks')}; "
    )


def test_rename_that_is_refused(folder: Path) -> None:
    """The file is ours, the folder is not: `rotate` tells both, `pipe` writes the line and tells that it never rotates."""
    log = make(folder, file=NOBODY)
    code, told = run("rotate", log)
    assert code == 1
    assert f": {whose(log)}, in {whose(folder)}; run this as a user who may write to both" in told
    code, told = run("pipe", log, "--when", "D")
    assert code == 0
    assert told.startswith(f"mpfhandler pipe: LOG='{log}': ")
    assert told.endswith(f"the right to write to that folder: it is {whose(folder)}\n")
    assert log.read_text() == "line\nmore\n"
    assert sorted(os.listdir(folder)) == ["app.log", "app.log.lock"]
