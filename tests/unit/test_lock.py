"""The rotation lock on real files: exclusion between descriptions, the state record, deletion, forks."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from _opened import opened_in

from mpfhandler._platform import OPERATIONS, FileId, Operations
from mpfhandler._pure.options import Access
from mpfhandler._pure.schedule import Period
from mpfhandler._pure.state import SIZE, State, pack
from mpfhandler._resources.lock import RotationLock

AS_IT_IS = Access()
STATE = State(FileId(1, 2), 3, Period(4, 5), "0123456789abcdef")


class Reports(list[str]):
    """Collects what was reported."""

    def __call__(self, what: str, error: Exception) -> None:
        self.append(f"{what}: {type(error).__name__}")


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Of a lock file that is not there yet."""
    return str(tmp_path / "app.log.lock")


def lock_on(path: str, ops: Operations = OPERATIONS, access: Access = AS_IT_IS, report: Reports | None = None) -> RotationLock:
    """Another process's view of the lock: each has descriptions of its own."""
    return RotationLock(ops, path, access, Reports() if report is None else report)


def test_lock_excludes_another_description(path: str) -> None:
    """Who has the lock has it alone, until it is released."""
    first = lock_on(path).acquire(0)
    assert first is not None
    assert lock_on(path).acquire(0) is None
    first.release()
    second = lock_on(path).acquire(0)
    assert second is not None
    second.release()


def test_lock_is_given_up_only_by_its_holder(path: str) -> None:
    """A failed try of somebody else, which opens and closes the file, leaves the lock held (POSIX record locks would go)."""
    first = lock_on(path).acquire(0)
    assert first is not None
    other = lock_on(path)
    assert [other.acquire(0) for _ in range(3)] == [None] * 3
    first.release()


def test_release_twice_is_harmless(path: str) -> None:
    """A second release closes nothing of anybody's."""
    held = lock_on(path).acquire(0)
    assert held is not None
    held.release()
    strangers = {os.open(path, os.O_RDONLY) for _ in range(4)}  # have the numbers that were given up
    held.release()
    held.abandon()
    assert opened_in(path) == strangers
    for number in strangers:
        os.close(number)


def test_nothing_stays_open(path: str) -> None:
    """Neither a lock that was had nor one that was not leaves a descriptor behind."""
    held = lock_on(path).acquire(0)
    assert held is not None
    lock_on(path).acquire(0)
    lock_on(path).peek()
    assert opened_in(path)
    held.release()
    assert not opened_in(path)


def test_wait_is_bounded_by_polling(path: str) -> None:
    """A lock that is never given up costs the wait that was asked for, in growing pauses, and not more."""
    held = lock_on(path).acquire(0)
    time, pauses = [100.0], []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        time[0] += seconds

    ops = replace(OPERATIONS, monotonic=lambda: time[0], sleep=sleep)
    assert lock_on(path, ops).acquire(2.0) is None
    assert time[0] == pytest.approx(102.0)
    assert pauses[:3] == [0.0005, 0.001, 0.002]
    assert max(pauses) == 0.02
    assert held is not None
    held.release()


def test_no_wait_is_one_try(path: str) -> None:
    """With nothing to wait there is no sleep at all."""
    held = lock_on(path).acquire(0)

    def never(_seconds: float) -> None:
        raise AssertionError("slept")

    assert lock_on(path, replace(OPERATIONS, sleep=never)).acquire(0) is None
    assert held is not None
    held.release()


def test_lock_is_had_as_soon_as_it_is_free(path: str) -> None:
    """A waiting process gets the lock when the holder lets go."""
    held = lock_on(path).acquire(0)
    assert held is not None
    ops = replace(OPERATIONS, sleep=lambda _seconds: held.release())
    second = lock_on(path, ops).acquire(5.0)
    assert second is not None
    second.release()


def test_lock_that_nobody_is_at_any_more_is_let_go(path: str) -> None:
    """A signal handler's exception came just before the release: the next look, or the next try, lets the lock go."""
    interrupted = lock_on(path)
    assert interrupted.acquire(0) is not None
    again = interrupted.acquire(0)
    assert again is not None
    interrupted.settle()
    other = lock_on(path).acquire(0)
    assert other is not None
    other.release()


def test_released_lock_is_not_kept_by_an_inherited_description(path: str) -> None:
    """A child between fork and exec shares the description: the release must reach it too, not only our descriptor."""
    fds: list[int] = []

    def open_lock(name: str, mode: int) -> tuple[int, bool]:
        opened = OPERATIONS.open_lock(name, mode)
        fds.append(os.dup(opened[0]))  # what a fork does
        return opened

    held = lock_on(path, replace(OPERATIONS, open_lock=open_lock)).acquire(0)
    assert held is not None
    held.release()
    second = lock_on(path).acquire(0)
    assert second is not None
    second.release()
    os.close(fds[0])


def test_forked_child_does_not_unlock_its_parents_lock(path: str) -> None:
    """The child closes what it inherited; the parent still has the lock."""
    mine = lock_on(path)
    held = mine.acquire(0)
    assert held is not None
    child = os.fork()
    if child == 0:
        mine.after_fork_in_child()
        held.release()  # what a `finally` on the forked stack would do
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert lock_on(path).acquire(0) is None
    held.release()


# --- deleted and replaced lock files ----------------------------------------------------------------------------------


def test_deleted_lock_file_is_noticed_by_its_holder(path: str) -> None:
    """The holder can ask whether its lock still means anything."""
    held = lock_on(path).acquire(0)
    assert held is not None
    assert held.current()
    os.unlink(path)
    assert not held.current()
    other = lock_on(path).acquire(0)
    assert other is not None
    assert not held.current(), "the name leads to another file"
    assert other.current()
    held.release()
    other.release()


def test_file_deleted_between_open_and_lock_is_not_the_lock(path: str) -> None:
    """A lock on a file that has no name any more excludes nobody, so it is not taken for the lock."""
    deleted: list[str] = []

    def try_lock(fd: int, exclusive: bool) -> bool:
        if not deleted:
            deleted.append(path)
            os.unlink(path)
        return OPERATIONS.try_lock(fd, exclusive)

    ops = replace(OPERATIONS, try_lock=try_lock, sleep=lambda _seconds: None)
    held = lock_on(path, ops).acquire(1.0)
    assert held is not None
    assert held.current()
    held.release()


def test_lock_knows_whether_its_file_is_the_same(path: str) -> None:
    """A process that had the lock before sees that the file, and with it the state record, was deleted since."""
    lock = lock_on(path)
    assert not lock.unchanged(), "never seen"
    held = lock.acquire(0)
    assert held is not None
    held.write_state(STATE)
    lock.release(held)
    assert lock.unchanged()
    os.unlink(path)
    assert not lock.unchanged()
    other = lock_on(path).acquire(0)
    assert other is not None
    other.release()
    assert not lock.unchanged(), "perhaps with the same inode number, but without the record"


def test_lock_that_cannot_be_had_raises(tmp_path: Path) -> None:
    """A folder that is gone is an error, not a wait; nothing stays open."""
    with pytest.raises(FileNotFoundError):
        lock_on(str(tmp_path / "gone" / "app.log.lock")).acquire(5.0)
    assert not opened_in(tmp_path)


@pytest.mark.parametrize("broken", ["try_lock", "stat_fd", "stat_path"])
def test_failing_step_leaves_nothing_open(path: str, broken: str) -> None:
    """Whatever fails while the lock is taken, its descriptor is closed."""

    def fail(*_arguments: object) -> None:
        raise OSError(5, "input/output error")

    with pytest.raises(OSError, match="input/output"):
        lock_on(path, replace(OPERATIONS, **{broken: fail})).acquire(0)  # type: ignore[arg-type]
    assert not opened_in(path)


def test_fifo_in_the_place_of_the_lock_is_refused(path: str) -> None:
    """Only a regular file can be the lock of a log: anything else is told, and not held open."""
    os.mkfifo(path)
    with pytest.raises(OSError, match="no regular file"):
        lock_on(path).acquire(0)
    assert not opened_in(path)


# --- the state record -------------------------------------------------------------------------------------------------


def test_state_is_written_and_read_under_the_lock(path: str) -> None:
    """What one holder wrote, the next one reads, and a peek without the lock sees it too."""
    held = lock_on(path).acquire(0)
    assert held is not None
    assert held.read_state() is None
    held.write_state(STATE)
    assert held.read_state() == STATE
    assert lock_on(path).peek() == STATE
    held.release()
    assert os.path.getsize(path) == SIZE


@pytest.mark.parametrize("content", [b"", b"1763913600", pack(STATE)[:100], b"\0" * SIZE, b"2026-11-23 16:00:00.5\n"])
def test_file_without_a_whole_record_has_no_state(path: str, content: bytes) -> None:
    """An empty, old or torn lock file is no obstacle: there is no state, and writing one makes it whole."""
    Path(path).write_bytes(content)
    lock = lock_on(path)
    assert lock.peek() is None
    held = lock.acquire(0)
    assert held is not None
    assert held.read_state() is None
    held.write_state(STATE)
    assert held.read_state() == STATE
    held.release()


def test_peek_creates_nothing(path: str) -> None:
    """Looking without the lock leaves no file behind."""
    assert lock_on(path).peek() is None
    assert not os.path.exists(path)


@pytest.mark.parametrize("content", [b"my own notes\n", b"x" * 5000, bytes(range(256)), b"1795478962 and a word"])
def test_file_of_somebody_else_is_left_as_it_is(path: str, content: bytes) -> None:
    """P4: what may be somebody's file is locked, but no state record is written over it."""
    Path(path).write_bytes(content)
    held = lock_on(path).acquire(0)
    assert held is not None
    with pytest.raises(FileExistsError, match="left as it is"):
        held.write_state(STATE)
    held.release()
    assert Path(path).read_bytes() == content


def test_unreadable_state_is_no_state(path: str) -> None:
    """A read error under the lock is like a missing record."""

    def fail(*_arguments: object) -> bytes:
        raise OSError(5, "input/output error")

    ops = replace(OPERATIONS, read_at=fail)
    held = lock_on(path, ops).acquire(0)
    assert held is not None
    held.write_state(STATE)
    assert held.read_state() is None
    assert lock_on(path, ops).peek() is None
    held.release()


@pytest.mark.skipif(os.sep != "/", reason="files have no such modes on Windows")
def test_file_that_may_only_be_read_is_a_lock_without_record(path: str) -> None:
    """Another user's lock file excludes as well; the record is left to who may write it."""
    Path(path).write_bytes(b"")

    def open_lock(name: str, _mode: int) -> tuple[int, bool]:
        return os.open(name, os.O_RDONLY), False

    held = lock_on(path, replace(OPERATIONS, open_lock=open_lock)).acquire(0)
    assert held is not None
    assert lock_on(path).acquire(0) is None
    held.write_state(STATE)
    assert os.path.getsize(path) == 0
    held.release()


# --- mode and owner ---------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.sep != "/", reason="files have no such modes on Windows")
def test_new_lock_file_gets_the_mode(path: str) -> None:
    """A mode that is asked for holds whatever the umask is, so that other users are not shut out."""
    before = os.umask(0o077)
    try:
        held = lock_on(path, access=Access(mode=0o660)).acquire(0)
    finally:
        os.umask(before)
    assert held is not None
    held.release()
    assert os.stat(path).st_mode & 0o7777 == 0o660


def test_used_lock_file_gets_the_mode_too(path: str) -> None:
    """A lock file from before `chmod` was asked for does not keep its mode and shut the workers out."""
    Path(path).write_bytes(pack(STATE))
    os.chmod(path, 0o600)
    held = lock_on(path, access=Access(mode=0o666)).acquire(0)
    assert held is not None
    held.release()
    assert os.stat(path).st_mode & 0o777 == 0o666


def test_used_lock_file_without_a_wish_is_left_alone(path: str) -> None:
    """Without `chmod` the mode is the administrator's."""
    Path(path).write_bytes(pack(STATE))
    os.chmod(path, 0o600)
    held = lock_on(path).acquire(0)
    assert held is not None
    held.release()
    assert os.stat(path).st_mode & 0o777 == 0o600


def test_owner_that_cannot_be_given_is_reported_and_the_lock_is_had(path: str) -> None:
    """Without the privilege to change owners the lock works all the same."""

    def refuse(*_arguments: int) -> None:
        raise PermissionError(1, "not permitted")

    reports = Reports()
    access = Access(uid=os.getuid() + 1)
    held = lock_on(path, replace(OPERATIONS, set_owner=refuse), access, reports).acquire(0)
    assert held is not None
    held.release()
    assert reports == ["chmod/owner of the lock file: PermissionError"]


def test_every_way_out_closes(path: str) -> None:
    """Letting the holder go by release and by abandonment both close the descriptor."""
    ways: list[Callable[[RotationLock], None]] = [lambda lock: lock.after_fork_in_child(), lambda lock: None]
    for way in ways:
        lock = lock_on(path)
        held = lock.acquire(0)
        assert held is not None
        way(lock)
        held.release()
        assert not opened_in(path)


def test_state_that_cannot_be_read_is_not_written_over(path: str) -> None:
    """P4: others may be able to read what this process cannot; what it has to say is said by the next one that can."""
    first = lock_on(path).acquire(0)
    assert first is not None
    first.write_state(STATE)
    first.release()

    def fail(*_arguments: object) -> bytes:
        raise OSError(5, "input/output error")

    held = lock_on(path, replace(OPERATIONS, read_at=fail)).acquire(0)
    assert held is not None
    assert held.read_state() is None
    held.clear_state()
    held.write_state(replace(STATE, mtime_ns=77))
    held.release()
    assert lock_on(path).peek() == STATE


def test_cleared_state_is_none_and_can_be_written_again(path: str) -> None:
    """Clearing leaves a lock file in which a record may be written, and no other file's content (P4)."""
    held = lock_on(path).acquire(0)
    assert held is not None
    held.write_state(STATE)
    held.clear_state()
    assert held.read_state() is None
    held.write_state(STATE)
    assert held.read_state() == STATE
    Path(path).write_bytes(b"somebody's\n")
    held.clear_state()
    held.release()
    assert Path(path).read_bytes() == b"somebody's\n"


def test_state_that_cannot_be_cleared_stays(path: str) -> None:
    """P5: a full or failing disk under the lock file is no reason to raise; the old record stands."""

    def fail(*_arguments: object) -> int:
        raise OSError(28, "No space left on device")

    first = lock_on(path).acquire(0)
    assert first is not None
    first.write_state(STATE)
    first.release()
    held = lock_on(path, replace(OPERATIONS, write_at=fail)).acquire(0)
    assert held is not None
    held.clear_state()
    assert held.read_state() == STATE
    held.release()
