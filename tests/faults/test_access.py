"""Who may do what: mode and owner of everything that a log consists of, and workers with fewer rights than the first process."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest
from _disk_support import (
    NOBODY,
    all_lines,
    collect,
    failing,
    handler_at,
    lines,
    log_at,
    needs_root,
    other_user,
    python,
    record,
    segments,
    use,
    use_clock,
)

from mpfhandler._platform import OPERATIONS


def mode_of(path: Path) -> int:
    """Its permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


def owner_of(path: Path) -> tuple[int, int]:
    """Its user and group."""
    found = path.stat()
    return found.st_uid, found.st_gid


@pytest.fixture
def closed_umask() -> object:
    """A umask that shuts everybody out, for the time of the test."""
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.usefixtures("closed_umask")
@pytest.mark.parametrize("chmod", [0o666, 0o640, "0o664", "0600"])
def test_mode_of_every_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chmod: int | str) -> None:
    """`chmod` applies to the log, to each segment, to the lock file and to the debug file, whatever the umask is."""
    clock = use_clock(monkeypatch)
    handler = handler_at(tmp_path / "app.log", "S", chmod=chmod, debug=True, maxBytes=30)
    for number in range(12):
        handler.emit(record(f"record {number}", clock.now()))
        clock.step(0.3)
    handler.doRollover()
    wanted = int(chmod.removeprefix("0o"), 8) if isinstance(chmod, str) else chmod
    names = os.listdir(tmp_path)
    assert {"app.log", "app.log.lock", "app.log.debug"} < set(names)
    assert len(names) > 6
    assert {name: oct(mode_of(tmp_path / name)) for name in names} == dict.fromkeys(names, oct(wanted))


@pytest.mark.usefixtures("closed_umask")
def test_umask_decides_without_chmod(tmp_path: Path) -> None:
    """Without `chmod` new files have the mode that the umask leaves, and existing ones keep theirs."""
    (tmp_path / "app.log").write_text("")
    (tmp_path / "app.log").chmod(0o604)
    log = log_at(tmp_path / "app.log")
    log.write("record")
    log.rotate()
    assert mode_of(tmp_path / "app.log") == 0o600
    assert [mode_of(tmp_path / name) for name in segments(tmp_path) if name != "app.log"] == [0o604]


def test_existing_file_gets_the_mode(tmp_path: Path) -> None:
    """A log that another program has made gets the mode when it is opened."""
    (tmp_path / "app.log").write_text("")
    (tmp_path / "app.log").chmod(0o600)
    log_at(tmp_path / "app.log", chmod=0o644)
    assert mode_of(tmp_path / "app.log") == 0o644


@needs_root
@pytest.mark.parametrize(
    ("owner", "wanted"),
    [
        (NOBODY, (NOBODY, os.getegid())),
        (f"{NOBODY}:{NOBODY}", (NOBODY, NOBODY)),
        (f":{NOBODY}", (os.geteuid(), NOBODY)),
        ((NOBODY, None), (NOBODY, os.getegid())),
        ((NOBODY, NOBODY), (NOBODY, NOBODY)),
        ("nobody", None),
    ],
)
def test_owner_of_every_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: object, wanted: tuple[int, int] | None
) -> None:
    """`owner`, by names or ids, applies to the log, to each segment and to the lock file."""
    if wanted is None:
        pwd = pytest.importorskip("pwd")
        if owner not in {entry.pw_name for entry in pwd.getpwall()}:
            pytest.skip("this system has no such user")
        wanted = pwd.getpwnam(owner).pw_uid, os.getegid()
    clock = use_clock(monkeypatch)
    handler = handler_at(tmp_path / "app.log", "S", owner=owner)
    for number in range(3):
        handler.emit(record(f"record {number}", clock.now()))
        clock.step(1)
    names = os.listdir(tmp_path)
    assert len(names) == 4
    assert {name: owner_of(tmp_path / name) for name in names} == dict.fromkeys(names, wanted)


@needs_root
def test_owner_of_the_debug_file(tmp_path: Path) -> None:
    """The debug file belongs to the owner too, so that unprivileged workers can write theirs (P5)."""
    handler = handler_at(tmp_path / "app.log", owner=(NOBODY, NOBODY), debug=True)
    handler.emit(record("record"))
    assert owner_of(tmp_path / "app.log.debug") == (NOBODY, NOBODY)


@needs_root
def test_owner_of_new_folders(tmp_path: Path) -> None:
    """The folders that `mkdir=True` makes belong to the owner: a worker without privileges must be able to rotate in them."""
    handler = handler_at(tmp_path / "a" / "b" / "app.log", mkdir=True, owner=(NOBODY, NOBODY))
    handler.emit(record("record"))
    assert owner_of(tmp_path / "a") == owner_of(tmp_path / "a" / "b") == (NOBODY, NOBODY)
    assert owner_of(tmp_path) == (os.geteuid(), os.getegid())


def test_owner_that_cannot_be_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the owner cannot be changed the records are written all the same, and it is reported once (P5)."""

    def refuse(_fd: int, _uid: int, _gid: int) -> None:
        raise PermissionError(1, "made to fail")

    clock = use_clock(monkeypatch, set_owner=refuse)
    handler = handler_at(tmp_path / "app.log", "S", owner=os.getuid() + 1, delay=True)
    reports = collect(handler)
    for number in range(4):
        handler.emit(record(f"record {number}", clock.now()))
        clock.step(1)
    assert all_lines(tmp_path) == [f"record {number}" for number in range(4)]
    assert 1 <= len(reports) <= 2, reports  # the log and the lock file


def test_deleted_lock_file_gets_the_mode_again(tmp_path: Path) -> None:
    """A lock file that has to be made anew gets the mode again."""
    before = os.umask(0o077)
    try:
        log = log_at(tmp_path / "app.log", chmod=0o666)
        log.write("record")
        (tmp_path / "app.log.lock").unlink()
        log.rotate()
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "app.log.lock") == 0o666


_WORKER = """
from _disk_support import *
folder = Path(sys.argv[1])
os.umask(0o077)
import _strptime, ctypes

def worker(tag, handler, reports):
    count, end = 0, int(time.time()) + 3
    while time.time() < end:
        handler.emit(record(f"{tag} {count}"))
        count += 1
        time.sleep(0.005)
    return count

options = eval(sys.argv[2])
first = handler_at(folder / "app.log", "S", **options)
first.emit(record("root 0"))
first.close()
pid = os.fork()
if pid == 0:
    status = 1
    try:
        os.setgroups([])
        os.setgid(NOBODY), os.setuid(NOBODY)
        handler = handler_at(folder / "app.log", "S", **options)
        reports = collect(handler)
        count = worker("nobody", handler, reports)
        stats = handler.stats()
        assert stats.rotations >= 1, stats
        assert stats.lost == stats.spilled == 0, stats
        assert reports == [], reports
        expected = [f"nobody {n}" for n in range(count)] + ["root 0"]
        assert sorted(all_lines(folder)) == sorted(expected)
        status = 0
    finally:
        if status:
            import traceback
            traceback.print_exc()
        os._exit(status)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
"""


@needs_root
@pytest.mark.parametrize("options", [{"chmod": 0o666}, {"owner": (NOBODY, NOBODY)}, {"chmod": 0o666, "debug": True}])
def test_worker_without_privileges_after_a_process_of_root(options: dict[str, object]) -> None:
    """root's first process, with umask 077, does not shut out a worker without privileges: it logs and rotates, in a folder that
    it may write to, without a complaint (P5)."""
    with other_user() as folder:
        python(_WORKER, folder, repr(options))


@needs_root
def test_lock_file_that_can_only_be_read() -> None:
    """A lock file of root's with mode 0644 excludes all the same: the worker locks it through a read-only descriptor, and goes by
    the files where it cannot write the state (P1)."""
    code = """
import _strptime, ctypes
from _disk_support import *
os.setgroups([]), os.setgid(NOBODY), os.setuid(NOBODY)
folder = Path(sys.argv[1])
log = log_at(folder / "app.log", "S")
count, end = 0, int(time.time()) + 3
while time.time() < end:
    log.write(f"record {count}")
    count += 1
    time.sleep(0.005)
assert log.stats().rotations >= 2, log.stats()
assert log.stats().last_error is None, log.stats()
assert all_lines(folder) == [f"record {n}" for n in range(count)]
import fcntl
before = log.stats().lock_timeouts
fd = os.open(folder / "app.log.lock", os.O_RDONLY)
fcntl.flock(fd, fcntl.LOCK_EX)
log.rotate()
assert log.stats().lock_timeouts == before + 1, log.stats()
"""
    with other_user() as folder:
        lock = folder / "app.log.lock"
        lock.write_text("")
        lock.chmod(0o644)
        python(code, folder)
        assert owner_of(lock) == (0, 0)


@needs_root
def test_lock_file_of_another_user_that_cannot_be_read() -> None:
    """A lock file that may not even be opened keeps an open log from being rotated, but no record from being written (P5)."""
    code = """
import _strptime, ctypes
from _disk_support import *
folder = Path(sys.argv[1])
os.setgroups([]), os.setegid(NOBODY), os.seteuid(NOBODY)
handler = handler_at(folder / "app.log", "S")
reports = collect(handler)
handler.emit(record("first"))
os.seteuid(0)
(folder / "app.log.lock").unlink()
(folder / "app.log.lock").write_text("")
(folder / "app.log.lock").chmod(0o600)
os.seteuid(NOBODY)
sent, end = ["first"], int(time.time()) + 3
while time.time() < end:
    sent.append(f"record {len(sent)}")
    handler.emit(record(sent[-1]))
    time.sleep(0.005)
assert all_lines(folder) == sent
assert len(reports) == 1, reports
"""
    with other_user() as folder:
        python(code, folder)


def test_mode_is_not_set_where_it_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that has the mode already is left alone, so that only its owner needs the right to change it."""

    def refuse(_fd: int, _mode: int) -> None:
        raise PermissionError(1, "made to fail")

    (tmp_path / "app.log").write_text("")
    (tmp_path / "app.log").chmod(0o664)
    (tmp_path / "app.log.lock").write_text("1795478962")
    (tmp_path / "app.log.lock").chmod(0o664)
    use(monkeypatch, set_mode=refuse)
    log = log_at(tmp_path / "app.log", chmod=0o664)
    log.write("record")
    assert log.stats().last_error is None
    assert lines(tmp_path / "app.log") == ["record"]


def test_new_file_is_never_more_open_than_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`chmod` is the mode that log, segments and lock file are created with: there is no moment in which others may read them."""
    modes: list[int] = []

    def open_append(path: str, mode: int) -> int:
        modes.append(mode)
        return OPERATIONS.open_append(path, mode)

    def open_new(path: str, mode: int) -> int:
        modes.append(mode)
        return OPERATIONS.open_new(path, mode)

    def open_lock(path: str, mode: int) -> tuple[int, bool]:
        modes.append(mode)
        return OPERATIONS.open_lock(path, mode)

    clock = use_clock(monkeypatch, open_append=open_append, open_new=open_new, open_lock=open_lock)
    log = log_at(tmp_path / "app.log", "H", chmod=0o600)
    log.write("record")
    log.rotate()
    log.write("late", clock.now() - 1800)
    assert len(modes) > 3
    assert set(modes) == {0o600}


def test_segment_that_is_made_for_a_late_record_has_the_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`chmod` applies to the segment of a period that had no record before, too."""
    clock = use_clock(monkeypatch)
    log = log_at(tmp_path / "app.log", "H", chmod=0o604, late_grace=7200)
    log.write("record")
    log.write("late", clock.now() - 3600)
    assert lines(tmp_path / "app.log.2026-03-04_09") == ["late"]
    assert mode_of(tmp_path / "app.log.2026-03-04_09") == 0o604


@needs_root
@pytest.mark.parametrize("mode", [0o4777, 0o4755])
def test_mode_survives_the_change_of_owner(tmp_path: Path, mode: int) -> None:
    """The owner is changed first: chown(2) takes the set-id bits away, also where open(2) had given them."""
    log_at(tmp_path / "app.log", chmod=mode, owner=(NOBODY, NOBODY)).close()
    assert {owner_of(tmp_path / name) for name in os.listdir(tmp_path)} == {(NOBODY, NOBODY)}
    assert {mode_of(tmp_path / name) for name in os.listdir(tmp_path)} == {mode}


def test_mode_and_owner_that_cannot_be_given_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may not give files away is told the parameter, its value and the remedy, and logs all the same (P5)."""
    for parameter, value, entry in (("owner", "65533:65532", "set_owner"), ("chmod", "0o677", "set_mode")):
        use(monkeypatch, **{entry: failing(errno.EPERM, "Operation not permitted")})
        told: list[Exception] = []
        with log_at(tmp_path / f"{parameter}.log", on_error=told.append, **{parameter: value}) as log:
            log.write("record")
        assert {str(error).partition(":")[0] for error in told} == {f"{parameter}={value!r}".partition(":")[0]}
        assert all("Operation not permitted" in str(error) and "; " in str(error) for error in told)
        assert (tmp_path / f"{parameter}.log").read_text() == "record\n"


@pytest.mark.parametrize("back", [False, True])
def test_log_that_is_just_being_rotated_may_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, back: bool) -> None:
    """P5: another process renames the log, and perhaps makes the new one, between two looks of a constructor whether it may be
    written: that is no lack of rights."""
    log, turns, may_write = tmp_path / "app.log", [True], os.access
    log.write_text("before\n")

    def access(path: str, mode: int) -> bool:
        if not turns:
            return may_write(path, mode)
        turns.clear()
        log.rename(tmp_path / "app.log.moved")
        found = may_write(path, mode)
        if back:
            log.touch()
        return found

    monkeypatch.setattr("mpfhandler._engine.place.os.access", access)
    handler = handler_at(log)
    handler.close()
    assert not turns


def test_log_that_is_missing_for_a_moment_may_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P5: a worker that may write the log, but make none, comes between the two steps of another process's rotation."""
    log, turns = tmp_path / "app.log", [True]

    def sleep(seconds: float) -> None:
        OPERATIONS.sleep(seconds)
        if turns:
            turns.clear()
            log.touch()

    use(monkeypatch, sleep=sleep, may_create_in=lambda _folder: False)
    handler_at(log).close()
    assert not turns
