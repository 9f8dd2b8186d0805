"""Where the kernel has no rename that refuses an existing name, a rotation makes an empty file of that name first. Whoever takes
that file for a closed segment must not have the one that is renamed onto it (promise P1)."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from _disk_support import all_lines, log_at, segments, use_clock
from _seal_support import CONTENT, END, GRACE, HOUR, NAME, Told, contents, leased, rules, seal

from mpfhandler._platform import OPERATIONS, FileStat, Operations
from mpfhandler._platform.renaming import take_and_rename
from mpfhandler._protocols.handover import Handover, hand_over
from mpfhandler._protocols.retention import Rules, Shelf, sweep
from mpfhandler._pure.naming import Names
from mpfhandler._pure.options import Retention

PENDING = f".{NAME}.rotating"
LATER = replace(OPERATIONS, now=lambda: END + 1e9)


class Rotator:
    """A process that renames the log and is stopped on the way: when the name is taken, or just before it is renamed onto."""

    def __init__(self, folder: Path, target: str, stops: str) -> None:
        self._log, self._target = folder / "app.log", folder / target
        self._stops = stops
        self._stopped, self._goes = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._rename, daemon=True)

        def open_and_stop(path: str) -> int:
            fd = OPERATIONS.open_new_private(path)
            self._stop("taken")
            return fd

        def stop_and_rename(source: str, target: str) -> None:
            self._stop("renamed")
            OPERATIONS.rename_over(source, target)

        self._ops = replace(OPERATIONS, open_new_private=open_and_stop, rename_over=stop_and_rename)
        self._log.write_bytes(CONTENT)
        self._thread.start()
        assert self._stopped.wait(10)

    def _stop(self, where: str) -> None:
        if where == self._stops:
            self._stopped.set()
            assert self._goes.wait(10)

    def _rename(self) -> None:
        try:
            take_and_rename(self._ops, str(self._log), str(self._target))
        except FileExistsError:
            pass  # then it tries the next name, or another time

    def go(self) -> None:
        """Until it has done."""
        self._goes.set()
        self._thread.join(10)
        assert not self._thread.is_alive()


def visit(kind: str, folder: Path, meanwhile: Callable[[], None], ops: Operations = LATER) -> object:
    """What another process does to closed files, and what happens just before the first call that would lose one."""
    names, told = Names(str(folder / "app.log"), HOUR.suffix), Told()

    def copy(source: str, target: str) -> None:
        meanwhile()
        Path(target).write_bytes(Path(source).read_bytes())
        os.unlink(source)

    def name(source: str, target: str) -> None:
        meanwhile()
        os.link(source, target)
        os.unlink(source)

    def unlink(path: str) -> None:
        meanwhile()
        os.unlink(path)

    ops = replace(ops, unlink=unlink)
    if kind == "seal":
        return seal(folder, rules("gz"), ops=ops, now=END + 1e9, told=told)
    if kind == "sweep":
        shelf = Shelf(names, str(folder), HOUR, GRACE)
        return sweep(ops, shelf, Rules(1, Retention()), told.report, lambda: False)
    return hand_over(ops, names, copy if kind == "rotator" else name, told.report)


def test_name_that_waits_for_the_rotator() -> None:
    """It is the one that these tests go by."""
    names = Names("/app.log", HOUR.suffix)
    assert names.read_pending(PENDING) is not None


@pytest.mark.parametrize("stops", ["taken", "renamed"])
@pytest.mark.parametrize("kind", ["rotator", "late_grace=0", "seal", "sweep"])
def test_file_that_only_takes_a_name_is_nobodys(tmp_path: Path, kind: str, stops: str) -> None:
    """P1: whoever looks at closed files while the rotator is stopped has that empty one, or none: never what comes after it."""
    if kind == "sweep":  # the empty file is the older one, and one is kept
        (tmp_path / "app.log.2026-11-23_17").write_bytes(b"kept\n")
    rotator = Rotator(tmp_path, NAME if kind in {"seal", "sweep"} else PENDING, stops)
    went: list[str] = []

    def meanwhile() -> None:
        if not went:
            went.append(stops)
            rotator.go()

    visit(kind, tmp_path, meanwhile)
    assert went == (["taken"] if stops == "taken" else [])
    rotator.go()
    left = b"".join(contents(tmp_path).values()) + b"".join(path.read_bytes() for path in tmp_path.glob(".*.rotating"))
    assert left.replace(b"kept\n", b"") == CONTENT
    if kind in {"rotator", "late_grace=0"}:
        assert visit(kind, tmp_path, lambda: None) is Handover.DONE
        assert b"".join(contents(tmp_path).values()) == CONTENT


@pytest.mark.parametrize("kind", ["rotator", "late_grace=0"])
def test_empty_file_is_no_business_of_a_rotator(tmp_path: Path, kind: str) -> None:
    """Nobody is given it, and the log gets this name: no empty segment, and no number that nobody has asked for. An empty log
    that waits since long ago is handed over."""
    rotator = Rotator(tmp_path, PENDING, "taken")
    went: list[str] = []
    ops = replace(OPERATIONS, now=time.time)
    assert visit(kind, tmp_path, lambda: went.append("called"), ops) is Handover.WAITING
    rotator.go()
    assert went == []
    assert visit(kind, tmp_path, lambda: None, ops) is Handover.DONE
    assert contents(tmp_path) == {NAME: CONTENT}
    (tmp_path / PENDING).touch(0o600)
    assert visit(kind, tmp_path, lambda: None, replace(OPERATIONS, now=lambda: time.time() + 2)) is Handover.DONE
    assert contents(tmp_path) == {NAME: CONTENT, f"{NAME}.1": b""}


def test_file_that_took_the_name_was_opened_before(tmp_path: Path) -> None:
    """What waits by then is to be looked at once more: it is not all done."""
    rotator = Rotator(tmp_path, PENDING, "renamed")

    def lock(fd: int, exclusive: bool) -> bool:
        rotator.go()
        return OPERATIONS.try_lock(fd, exclusive)

    names, told = Names(str(tmp_path / "app.log"), HOUR.suffix), Told()
    given: list[str] = []
    ops = replace(OPERATIONS, try_lock=lock)
    assert hand_over(ops, names, lambda source, _target: given.append(source), told.report) is Handover.WAITING
    assert (given, (tmp_path / PENDING).read_bytes()) == ([], CONTENT)


@pytest.mark.parametrize("there", ["nobody", "no locks"])
def test_name_is_renamed_onto(tmp_path: Path, there: str) -> None:
    """Where nobody has it; also on a file system without locks, where nobody can have it."""

    def refuse(_fd: int, _exclusive: bool) -> bool:
        raise OSError(errno.ENOLCK, "no locks available")

    (tmp_path / "app.log").write_bytes(CONTENT)
    ops = OPERATIONS if there == "nobody" else replace(OPERATIONS, try_lock=refuse)
    take_and_rename(ops, str(tmp_path / "app.log"), str(tmp_path / NAME))
    assert contents(tmp_path) == {NAME: CONTENT}
    os.close(leased(tmp_path / NAME))


@pytest.mark.parametrize("then", ["removed", "replaced"])
def test_name_that_was_lost_at_once_is_not_taken(tmp_path: Path, then: str) -> None:
    """P4: somebody has removed the empty file before it could be locked, and perhaps taken the name."""
    taken = tmp_path / NAME

    def lose(fd: int, exclusive: bool) -> bool:
        taken.unlink()
        if then == "replaced":
            taken.write_bytes(b"theirs\n")
        return OPERATIONS.try_lock(fd, exclusive)

    (tmp_path / "app.log").write_bytes(CONTENT)
    with pytest.raises(FileExistsError):
        take_and_rename(replace(OPERATIONS, try_lock=lose), str(tmp_path / "app.log"), str(taken))
    assert contents(tmp_path) == {"app.log": CONTENT, **({NAME: b"theirs\n"} if then == "replaced" else {})}


@pytest.mark.parametrize(
    ("error", "left"), [(errno.EACCES, False), (errno.EXDEV, False), (errno.EIO, True), (errno.ETIMEDOUT, True)]
)
def test_rename_that_fails_gives_the_name_back(tmp_path: Path, error: int, left: bool) -> None:
    """Nothing is left that somebody would have to ask about, unless the server may do it yet: then that would be deleted."""

    def refuse(_source: str, _target: str) -> None:
        raise OSError(error, os.strerror(error))

    (tmp_path / "app.log").write_bytes(CONTENT)
    with pytest.raises(OSError, match=os.strerror(error)):
        take_and_rename(replace(OPERATIONS, rename_over=refuse), str(tmp_path / "app.log"), str(tmp_path / NAME))
    assert contents(tmp_path) == {"app.log": CONTENT, **({NAME: b""} if left else {})}


def test_log_is_not_put_back_in_two_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P1: a log that was moved by mistake gets a segment's name then. Somebody who finds an empty file under the log's name
    writes to it, and that would be gone by the rename."""
    clock = use_clock(monkeypatch, rename_once=lambda _source, _target: False)
    log = log_at(tmp_path / "app.log", "H")
    log.write("one")
    moved = tmp_path / "app.log.2026-03-04_09"
    os.rename(tmp_path / "app.log", moved)
    os.utime(moved, (clock.now(), clock.now()))
    made: list[str] = []

    def open_new_private(path: str) -> int:
        made.append(path)
        return OPERATIONS.open_new_private(path)

    use_clock(monkeypatch, rename_once=lambda _source, _target: False, open_new_private=open_new_private)
    log._writer._active.rotation.segments.put_back(str(moved))
    assert segments(tmp_path) == ["app.log.2026-03-04_10"]
    assert str(tmp_path / "app.log") not in made
    log.write("two")
    assert sorted(all_lines(tmp_path)) == ["one", "two"]


@pytest.mark.parametrize("told", [errno.ENOENT, errno.ETIMEDOUT])
@pytest.mark.parametrize("look", [None, errno.EMFILE, errno.EACCES, errno.ETIMEDOUT])
def test_rename_that_was_done_and_is_told_to_have_failed(tmp_path: Path, look: int | None, told: int) -> None:
    """P1: a server's answer was lost, and perhaps it cannot even be looked at what the name leads to. Nothing is deleted then."""

    def lose(source: str, target: str) -> None:
        os.rename(source, target)
        raise OSError(told, os.strerror(told))

    def refuse(path: str) -> int:
        if look is None:
            return OPERATIONS.open_read(path)
        raise OSError(look, os.strerror(look))

    (tmp_path / "app.log").write_bytes(CONTENT)
    ops = replace(OPERATIONS, rename_over=lose, open_read=refuse)
    with nullcontext() if look is None else pytest.raises(OSError, match=os.strerror(told)):
        take_and_rename(ops, str(tmp_path / "app.log"), str(tmp_path / NAME))
    assert contents(tmp_path) == {NAME: CONTENT}


@pytest.mark.parametrize("error", [errno.EIO, errno.ETIMEDOUT])
def test_name_that_somebody_has_taken_after_a_failure_is_his(tmp_path: Path, error: int) -> None:
    """P4: what is there is neither ours nor the log."""

    def lose(_source: str, target: str) -> None:
        os.unlink(target)
        Path(target).write_bytes(b"theirs\n")
        raise OSError(error, os.strerror(error))

    (tmp_path / "app.log").write_bytes(CONTENT)
    with pytest.raises(OSError, match=os.strerror(error)):
        take_and_rename(replace(OPERATIONS, rename_over=lose), str(tmp_path / "app.log"), str(tmp_path / NAME))
    assert contents(tmp_path) == {"app.log": CONTENT, NAME: b"theirs\n"}


def test_file_that_somebody_has_written_to_is_his(tmp_path: Path) -> None:
    """P1: a late record found it as the last segment of its period, before it was locked."""

    def late(path: str) -> int:
        fd = OPERATIONS.open_new_private(path)
        Path(path).write_bytes(b"late\n")
        return fd

    (tmp_path / "app.log").write_bytes(CONTENT)
    with pytest.raises(FileExistsError):
        take_and_rename(replace(OPERATIONS, open_new_private=late), str(tmp_path / "app.log"), str(tmp_path / NAME))
    assert contents(tmp_path) == {"app.log": CONTENT, NAME: b"late\n"}


def test_failing_look_leaves_no_file(tmp_path: Path) -> None:
    """What is known to be the empty one goes."""
    looks: list[str] = []

    def fail(path: str) -> FileStat:
        looks.append(path)
        if len(looks) == 2:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return OPERATIONS.stat_link(path)

    (tmp_path / "app.log").write_bytes(CONTENT)
    with pytest.raises(OSError, match=os.strerror(errno.ESTALE)):
        take_and_rename(replace(OPERATIONS, stat_link=fail), str(tmp_path / "app.log"), str(tmp_path / NAME))
    assert os.listdir(tmp_path) == ["app.log"]
