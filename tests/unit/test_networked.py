"""Looking at a folder that other machines write to: what this one remembers is not believed."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mpfhandler._platform import OPERATIONS, FileStat
from mpfhandler._resources.network import networked

OPENS = ("open_append", "open_existing", "open_side", "open_lock", "open_read")


def test_name_is_looked_at_by_opening_it(tmp_path: Path) -> None:
    """What the client remembers of the name is not asked for; a device number is no part of who a file is."""
    path = tmp_path / "app.log"
    path.write_text("here\n")

    def remembered(_path: str) -> None:
        raise FileNotFoundError

    ops = networked(replace(OPERATIONS, stat_path=remembered, stat_link=remembered), str(path))
    for look in (ops.stat_path, ops.stat_link):
        assert look(str(path)).id == (0, path.stat().st_ino)
        assert look(str(path)).size == 5


def test_descriptor_and_name_agree(tmp_path: Path) -> None:
    """The same file is the same by both."""
    path = tmp_path / "app.log"
    with path.open("w") as file:
        ops = networked(OPERATIONS, str(path))
        assert ops.stat_fd(file.fileno()) == ops.stat_path(str(path))


def test_log_that_is_taken_for_missing(tmp_path: Path) -> None:
    """It is in the list of the folder, so it is looked for until the client knows better."""
    path, tries, slept = tmp_path / "app.log", [3], list[float]()
    path.write_text("here\n")

    def open_read(name: str) -> int:
        if tries[0]:
            tries[0] -= 1
            raise FileNotFoundError(2, "made to fail", name)
        return OPERATIONS.open_read(name)

    ops = networked(replace(OPERATIONS, open_read=open_read, sleep=slept.append), str(path))
    assert ops.stat_path(str(path)).size == 5
    assert len(slept) == 3


@pytest.mark.parametrize("there", [True, False])
def test_name_that_leads_to_a_file_of_before(tmp_path: Path, there: bool) -> None:
    """ESTALE: the client remembers a file that the server has no more, and a look at the name tells the same. Once the folder was
    listed it asks again."""
    path, listed, slept = tmp_path / "app.log", [False], [0.0]
    if there:
        path.write_text("another\n")

    def open_read(name: str) -> int:
        if not listed[0]:
            raise OSError(errno.ESTALE, "made to fail", name)
        return OPERATIONS.open_read(name)

    def stat_path(name: str) -> FileStat:
        os.close(open_read(name))
        return OPERATIONS.stat_path(name)

    def names(folder: str) -> list[str]:
        listed[0] = True
        return OPERATIONS.names(folder)

    entries = replace(OPERATIONS, open_read=open_read, stat_path=stat_path, names=names, sleep=slept.append)
    ops = networked(entries, str(path))
    if there:
        assert ops.stat_path(str(path)).size == 8
    else:
        with pytest.raises(FileNotFoundError):
            ops.stat_path(str(path))


@pytest.mark.parametrize("number", [errno.ESTALE, errno.EINVAL])
@pytest.mark.parametrize(
    "entry", ["open_append", "open_existing", "open_side", "open_lock", "open_read", "stat_path", "stat_link"]
)
def test_name_that_another_machine_has_given_to_another_file(tmp_path: Path, entry: str, number: int) -> None:
    """It is opened, or looked at, as soon as the folder was listed; of a log as of any other file."""
    listed, slept, opened = [False], [0.0], list[int]()

    def refusing(call: Callable[..., Any]) -> Callable[..., Any]:
        def refuse(path: str, *mode: int) -> Any:
            if not listed[0]:
                raise OSError(number, "made to fail", path)
            return call(path, *mode)

        return refuse

    def names(folder: str) -> list[str]:
        listed[0] = True
        return OPERATIONS.names(folder)

    entries = {name: refusing(getattr(OPERATIONS, name)) for name in (*OPENS, "stat_path", "stat_link")}
    ops = networked(replace(OPERATIONS, **entries, names=names, sleep=slept.append), str(tmp_path / "app.log"))
    for name in ("app.log", "app.log.2"):
        (tmp_path / name).write_text("here\n")
        listed[0] = False
        mode = (0o600,) if entry in {"open_append", "open_lock"} else ()
        found = getattr(ops, entry)(str(tmp_path / name), *mode)
        if entry in OPENS:
            opened.append(found[0] if entry == "open_lock" else found)
        else:
            assert found.size == 5
    for fd in opened:
        os.close(fd)
    assert slept == [0.0] or entry not in OPENS  # opened at once; a look at the log pauses first


def test_name_that_stays_wrong(tmp_path: Path) -> None:
    """That is told in the end; anything else at once."""
    slept: list[float] = []
    for number, least in ((errno.EINVAL, 10), (errno.EACCES, 0)):

        def open_append(path: str, _mode: int, number: int = number) -> int:
            raise OSError(number, "made to fail", path)

        slept.clear()
        ops = networked(replace(OPERATIONS, open_append=open_append, sleep=slept.append), str(tmp_path / "app.log"))
        with pytest.raises(OSError, match="made to fail"):
            ops.open_append(str(tmp_path / "app.log"), 0o600)
        assert len(slept) >= least
        assert bool(slept) == bool(least)


def test_file_that_is_missing(tmp_path: Path) -> None:
    """It is told at once, after the folder was opened."""
    opened: list[str] = []
    ops = networked(replace(OPERATIONS, open_folder=opened.append), str(tmp_path / "app.log"))
    for name in ("app.log", "app.log.2"):
        with pytest.raises(FileNotFoundError):
            ops.stat_path(str(tmp_path / name))
    assert opened == [str(tmp_path)] * 2


def test_folder_is_opened_first(tmp_path: Path) -> None:
    """An NFS client opens what it remembers the name to lead to, as long as it does not know that the folder has changed."""
    old, new = tmp_path / "moved", tmp_path / "app.log"
    old.write_text("of before\n")
    new.write_text("of now\n")
    known = [False]

    def open_read(path: str) -> int:
        return OPERATIONS.open_read(path if known[0] else str(old))

    ops = networked(replace(OPERATIONS, open_read=open_read, open_folder=lambda _path: known.__setitem__(0, True)), str(new))
    assert ops.stat_path(str(new)).id.inode == new.stat().st_ino


def test_folder_that_may_not_be_listed(tmp_path: Path) -> None:
    """One to which anybody may write, and nobody look: a name is looked at all the same."""

    def denied(_folder: str) -> list[str]:
        raise PermissionError(13, "Permission denied")

    log = tmp_path / "app.log"
    ops = networked(replace(OPERATIONS, open_folder=denied, names=denied), str(log))
    with pytest.raises(FileNotFoundError):
        ops.stat_path(str(log))
    log.write_text("here\n")
    assert ops.stat_path(str(log)).size == 5


def test_symbolic_link(tmp_path: Path) -> None:
    """It is followed, or not, as without."""
    (tmp_path / "link").symlink_to("app.log")
    (tmp_path / "app.log").write_text("here\n")
    ops = networked(OPERATIONS, str(tmp_path / "app.log"))
    assert ops.stat_path(str(tmp_path / "link")).regular
    assert not ops.stat_link(str(tmp_path / "link")).regular


def test_shared_lock_is_not_kept(tmp_path: Path) -> None:
    """It is had if nobody has an exclusive one, and keeps nobody from writing."""
    path = tmp_path / "app.log"
    with path.open("w") as one, path.open("w") as other:
        ops = networked(OPERATIONS, str(path))
        assert ops.try_lock(one.fileno(), False)
        assert ops.try_lock(other.fileno(), True)
        assert not ops.try_lock(one.fileno(), False)


def test_lock_that_is_not_given_back_at_once(tmp_path: Path) -> None:
    """A server that fails once is asked again; a descriptor that is closed is not."""
    failures = [errno.EIO]

    def unlock(fd: int) -> None:
        if failures:
            raise OSError(failures.pop(), "made to fail")
        OPERATIONS.unlock(fd)

    path = tmp_path / "app.log"
    with path.open("w") as one, path.open("w") as other:
        ops = networked(replace(OPERATIONS, unlock=unlock), str(path))
        assert ops.try_lock(one.fileno(), False)
        assert OPERATIONS.try_lock(other.fileno(), True)
        failures += [errno.EIO, errno.EBADF]
        with pytest.raises(OSError, match="made to fail"):
            ops.unlock(other.fileno())
        assert failures == [errno.EIO]


def test_lock_that_a_server_denies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An SMB client tells of another's lock as of a missing permission."""
    import fcntl

    def denied(_fd: int, _how: int) -> None:
        raise PermissionError(13, "Permission denied")

    with (tmp_path / "lock").open("w") as file:
        monkeypatch.setattr(fcntl, "flock", denied)
        assert not OPERATIONS.try_lock(file.fileno(), True)


def test_nothing_stays_open(tmp_path: Path) -> None:
    """A look closes what it opens."""
    path = tmp_path / "app.log"
    path.write_text("here\n")
    ops = networked(OPERATIONS, str(path))
    lowest = os.open(path, os.O_RDONLY)
    os.close(lowest)
    ops.stat_path(str(path))
    again = os.open(path, os.O_RDONLY)
    os.close(again)
    assert again == lowest
