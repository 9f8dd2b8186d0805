"""A log of root's in a folder that somebody else may write to, and does: what is linked there is not written to, read, given away
or deleted, and the program goes on."""

from __future__ import annotations

import io
import os
import random
import signal
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from _disk_support import NOBODY, handler_at, needs_root, record

from mpfhandler import MultProcTimedRotatingFileHandler, TimedLogFile
from mpfhandler._engine.place import find_log
from mpfhandler._platform import OPERATIONS

SECONDS = 4.0
SECRET = "nobody's business\n"


def attack(folder: Path, precious: Path) -> None:
    """Put links where files of the log are, or will be, over and over; in a process of its own, as another user."""
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    choice = random.Random(7)
    while True:
        second = time.strftime("%Y-%m-%d_%H-%M-%S", time.gmtime(time.time() + choice.choice([-1, 0, 1])))
        names = {"app.log.lock", "app.log.debug", f"app.log.{second}", f"app.log.{second}.gz", *os.listdir(folder)} - {"app.log"}
        name = folder / (choice.choice(sorted(names)) if choice.random() < 0.99 else "app.log")
        with suppress(OSError):
            os.rename(name, folder / f"aside.{choice.randrange(20)}")
        with suppress(OSError):
            os.symlink(choice.choice([precious, folder.parent / "made"]), name)
        time.sleep(0.002)
        if time.monotonic() % 0.85 > 0.35:  # a pause: the log is to be written as well
            for left in (folder / "app.log", folder / "app.log.lock"):
                with suppress(OSError):
                    os.readlink(left)
                    left.unlink()
            time.sleep(0.5)


@contextmanager
def attacked(folder: Path, precious: Path) -> Iterator[None]:
    """While it goes on."""
    child = os.fork()
    if not child:
        try:
            attack(folder, precious)
        finally:
            os._exit(1)
    try:
        yield
        assert os.waitpid(child, os.WNOHANG) == (0, 0), "the attacker has given up"
    finally:
        os.kill(child, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(child, 0)


@needs_root
def test_nothing_that_is_linked_is_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rotation, compression, deletion, a mode and an owner that are given to every file: none of it reaches the target of a link
    that somebody has made, neither one that is there nor one that would be. No call raises, and none waits for long."""
    monkeypatch.setattr(sys, "stderr", io.StringIO())  # what is refused is told, again and again
    folder, precious = tmp_path / "logs", tmp_path / "precious"
    for above in (tmp_path, *list(tmp_path.parents)[:3]):
        with suppress(OSError):
            above.chmod(above.stat().st_mode | 0o011)
    folder.mkdir()
    folder.chmod(0o777)
    precious.write_text(SECRET)
    precious.chmod(0o600)
    before = precious.stat()
    handler = handler_at(
        folder / "app.log", "S", backupCount=3, compress="gz", compress_delay=0, late_grace=0.1, lock_timeout=0.2,
        chmod=0o666, owner=NOBODY, debug=True, rotate_idle=True,
    )  # fmt: skip
    longest, number = 0.0, 0
    with attacked(folder, precious):
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            begun = time.monotonic()
            handler.handle(record(f"record {number}"))
            longest = max(longest, time.monotonic() - begun)
            number += 1
            if number % 100 == 0:
                with suppress(OSError):
                    handler.doRollover()
            time.sleep(0.001)
    handler.close()
    after = precious.stat()
    assert precious.read_text() == SECRET
    assert (after.st_mode, after.st_uid, after.st_gid, after.st_mtime_ns) == (
        before.st_mode, before.st_uid, before.st_gid, before.st_mtime_ns,
    )  # fmt: skip
    assert not (tmp_path / "made").exists()
    assert not any(SECRET.encode() in path.read_bytes() for path in folder.iterdir() if stat.S_ISREG(path.lstat().st_mode))
    assert handler.stats().rotations > 0
    assert longest < 5


@needs_root
@pytest.mark.parametrize("hops", [1, 2])
@pytest.mark.parametrize("target", ["precious", "made"])
def test_a_link_that_is_there_from_the_start_is_not_followed(target: str, hops: int, tmp_path: Path) -> None:
    """A program that starts again finds a link in the place of its log, which somebody has made meanwhile: it is refused by its
    name, and nothing is made, written or given away where it leads. Also if a link of root's leads there; and by the commands."""
    folder, precious = tmp_path / "logs", tmp_path / "precious"
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    precious.write_text(SECRET)
    link = folder / "app.log"
    link.symlink_to(tmp_path / target)
    os.chown(link, NOBODY, NOBODY, follow_symlinks=False)
    log = tmp_path / "roots.log" if hops == 2 else link
    if hops == 2:
        log.symlink_to(link)
    before = sorted(os.listdir(tmp_path)), precious.stat()
    for make in (MultProcTimedRotatingFileHandler, TimedLogFile):
        for delay in (False, True):
            with pytest.raises(OSError, match=rf"{link} is a symbolic link that another user has made"):
                make(log, chmod=0o666, owner=NOBODY, delay=delay)
    with pytest.raises(OSError, match="that another user has made"):
        find_log("log", str(log), trusting=False)
    assert (sorted(os.listdir(tmp_path)), precious.stat()) == before
    assert os.listdir(folder) == ["app.log"]
    os.chown(link, 0, 0, follow_symlinks=False)
    handler = MultProcTimedRotatingFileHandler(log)
    handler.handle(record("through a link of root's"))
    handler.close()
    assert (tmp_path / target).read_text().endswith("through a link of root's\n")


@needs_root
@pytest.mark.parametrize(
    ("user", "owner", "followed"), [(1234, 1234, True), (1234, 4321, False), (4321, 4321, True), (0, 1234, False)]
)
def test_a_link_of_the_folders_owner(
    user: int, owner: int, followed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Is followed by the programs of other users, as a deployment has it (`user` logs, the folder is 1234's); not by root's."""
    folder, link = tmp_path / "logs", tmp_path / "logs" / "app.log"
    folder.mkdir()
    os.chown(folder, 1234, 1234)
    link.symlink_to(tmp_path / "elsewhere.log")
    os.chown(link, owner, owner, follow_symlinks=False)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    if followed:
        MultProcTimedRotatingFileHandler(link).close()
        assert (tmp_path / "elsewhere.log").exists()
    else:
        with pytest.raises(OSError, match="that another user has made"):
            MultProcTimedRotatingFileHandler(link)


@needs_root
@pytest.mark.parametrize("target", ["/dev/full", "/proc/sysrq-trigger-of-a-test", "fifo"])
def test_a_link_to_a_device_is_not_followed(target: str, tmp_path: Path) -> None:
    """What a program of root's logs does not go to a disk, or to the kernel as a command, because somebody has put a link there.
    One of root's, as in containers, is followed."""
    folder = tmp_path / "logs"
    folder.mkdir()
    os.mkfifo(tmp_path / "fifo")
    link = folder / "app.log"
    link.symlink_to(tmp_path / target)
    os.chown(link, NOBODY, NOBODY, follow_symlinks=False)
    for delay in (False, True):
        with pytest.raises(OSError, match=rf"{link} is a symbolic link that another user has made"):
            MultProcTimedRotatingFileHandler(link, delay=delay)
    if target == "/dev/full":
        os.chown(link, 0, 0, follow_symlinks=False)
        handler = MultProcTimedRotatingFileHandler(link)
        assert handler.stream.name == "/dev/full"
        handler.close()


@needs_root
def test_a_new_folder_is_given_to_nobody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: object) -> None:
    """Between the making of a folder and its owner somebody may put a link in its place: the target keeps its owner."""
    precious = tmp_path / "precious"
    precious.mkdir()

    def swapped(path: str, mode: int = 0o777) -> None:
        os.mkdir(path, mode)
        os.rename(path, f"{path}.aside")
        os.symlink(precious, path)

    assert callable(system)
    system(make_folder=swapped)
    MultProcTimedRotatingFileHandler(tmp_path / "logs" / "app.log", mkdir=True, owner=NOBODY, delay=True).close()
    with suppress(OSError):
        MultProcTimedRotatingFileHandler(tmp_path / "logs" / "app.log", mkdir=True, owner=NOBODY).close()
    assert (tmp_path / "logs").is_symlink(), "the test has come too late"
    assert precious.stat().st_uid == 0
    OPERATIONS.give_folder(str(tmp_path / "logs"), NOBODY, -1)
    assert precious.stat().st_uid == 0
