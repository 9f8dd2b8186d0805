"""The table of operations on this system, with each of its fallbacks switched on by force."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("fcntl", reason="of POSIX systems")

import fcntl
import resource

from mpfhandler._platform import OPERATIONS, SYSTEM_THREADS, THREADS, Fault, FileId, Threads, current, posix, priority, threads
from mpfhandler._pure.errors import UnsupportedPlatform

Rename = Callable[[str, str], None]


@pytest.fixture
def descriptor(tmp_path: Path) -> Any:
    """Of a file that is open for reading and writing."""
    fd = os.open(tmp_path / "some file", os.O_RDWR | os.O_CREAT, 0o600)
    yield fd
    os.close(fd)


# --- rename without overwriting ---------------------------------------------------------------------------------------


def without_function(monkeypatch: pytest.MonkeyPatch) -> None:
    """A C library that has no such function."""
    monkeypatch.setattr(posix, "_find_exclusive_rename", lambda: None)


def without_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python without a loadable C library."""

    def refuse(*_arguments: object, **_options: object) -> None:
        raise OSError("no library")

    monkeypatch.setattr("ctypes.CDLL", refuse)


def refusing(number: int) -> Callable[[pytest.MonkeyPatch], None]:
    """A kernel or file system whose function answers with this errno."""

    def switch(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(posix, "_find_exclusive_rename", lambda: lambda _source, _target: number)

    return switch


KERNELS = {
    "this one": lambda _monkeypatch: None,
    "no function": without_function,
    "no library": without_library,
    "ENOSYS": refusing(errno.ENOSYS),
    "EINVAL": refusing(errno.EINVAL),
    "ENOTSUP": refusing(errno.ENOTSUP),
}


@pytest.fixture(params=KERNELS)
def rename(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Rename:
    """`rename_new`, on kernels that can and on ones that cannot."""
    monkeypatch.setattr(posix, "_searched", False)
    monkeypatch.setattr(posix, "_exclusive_rename", None)
    KERNELS[request.param](monkeypatch)
    return OPERATIONS.rename_new


def test_rename_moves(rename: Rename, tmp_path: Path) -> None:
    """A free name is taken, by the same file."""
    source = tmp_path / "a"
    source.write_text("a")
    before = source.stat().st_ino
    rename(str(source), str(tmp_path / "b"))
    assert (tmp_path / "b").stat().st_ino == before
    assert not source.exists()


@pytest.mark.parametrize("kind", ["file", "folder", "dangling link"])
def test_rename_never_overwrites(rename: Rename, tmp_path: Path, kind: str) -> None:
    """A name that is taken, by whatever, is an error that says so, and both stay as they are (promise P4)."""
    (tmp_path / "a").write_text("a")
    target = tmp_path / "b"
    if kind == "file":
        target.write_text("b")
    elif kind == "folder":
        target.mkdir()
    else:
        target.symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError) as caught:
        rename(str(tmp_path / "a"), str(target))
    assert OPERATIONS.fault(caught.value) is Fault.EXISTS
    assert (tmp_path / "a").read_text() == "a"
    assert kind != "file" or target.read_text() == "b"
    assert target.is_symlink() == (kind == "dangling link")


def test_rename_of_nothing_is_missing(rename: Rename, tmp_path: Path) -> None:
    """A source that is gone is an error of its own kind."""
    with pytest.raises(FileNotFoundError) as caught:
        rename(str(tmp_path / "a"), str(tmp_path / "b"))
    assert OPERATIONS.fault(caught.value) is Fault.MISSING


def test_rename_takes_names_that_are_no_text(rename: Rename, tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are names too."""
    source = os.path.join(tmp_path, "a\udcff")
    Path(source).write_text("a")
    rename(source, source + "b")
    assert os.path.exists(source + "b")


def test_rename_across_file_systems_is_an_error(tmp_path: Path) -> None:
    """What the kernel refuses for another reason is not tried in another way."""
    (tmp_path / "a").write_text("a")
    if os.stat("/dev/shm").st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is only one file system here")
    with pytest.raises(OSError, match=r"ross-device"):
        OPERATIONS.rename_new(str(tmp_path / "a"), "/dev/shm/mpfhandler-never-there")
    assert (tmp_path / "a").exists()


# --- descriptors ------------------------------------------------------------------------------------------------------

OPENERS: dict[str, Callable[[str], int]] = {
    "append": lambda path: OPERATIONS.open_append(path, 0o600),
    "existing": OPERATIONS.open_existing,
    "side": OPERATIONS.open_side,
    "lock": lambda path: OPERATIONS.open_lock(path, 0o600)[0],
}


@pytest.mark.parametrize("opener", OPENERS)
def test_log_descriptors_are_high_and_not_inherited(tmp_path: Path, opener: str) -> None:
    """Low numbers are left to daemons that close everything, and no descriptor goes into a started program."""
    (tmp_path / "log").write_bytes(b"")
    fd = OPENERS[opener](str(tmp_path / "log"))
    assert fd >= 512
    assert not os.get_inheritable(fd)
    os.close(fd)


@pytest.mark.parametrize("error", [OSError(errno.EINVAL, "not supported"), OSError(errno.EMFILE, "limit"), ValueError("limit")])
@pytest.mark.parametrize("opener", OPENERS)
def test_refused_high_number_leaves_the_low_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opener: str, error: Exception
) -> None:
    """Where a high number is not to be had, the descriptor is used as it is, and none is lost."""

    def refuse(*_arguments: object) -> int:
        raise error

    (tmp_path / "log").write_bytes(b"")
    before = set(os.listdir("/dev/fd"))
    monkeypatch.setattr(posix.fcntl, "fcntl", refuse)
    fd = OPENERS[opener](str(tmp_path / "log"))
    assert fd < 512
    assert not os.get_inheritable(fd)
    os.close(fd)
    assert set(os.listdir("/dev/fd")) == before


def test_low_number_that_does_not_close_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is open, under its high number; what close(2) says of the low one changes nothing."""
    close = os.close

    def fail(fd: int) -> None:
        close(fd)
        raise OSError(errno.EINTR, os.strerror(errno.EINTR))

    monkeypatch.setattr(os, "close", fail)
    fd = OPERATIONS.open_append(str(tmp_path / "app.log"), 0o600)
    monkeypatch.undo()
    assert os.write(fd, b"x") == 1
    close(fd)


def test_system_without_duplicates_that_close_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system without F_DUPFD_CLOEXEC gives one in two steps."""
    monkeypatch.delattr(fcntl, "F_DUPFD_CLOEXEC")
    fd = OPERATIONS.open_append(str(tmp_path / "log"), 0o600)
    assert fd >= min(512, resource.getrlimit(resource.RLIMIT_NOFILE)[0] * 3 // 4)
    assert not os.get_inheritable(fd)
    assert os.write(fd, b"x") == 1
    os.close(fd)


def test_append_goes_to_the_end_and_creates_with_the_mode(tmp_path: Path) -> None:
    """A new file has the mode, less the umask; each write goes to the end."""
    path = tmp_path / "log"
    before = os.umask(0o027)
    fd = OPERATIONS.open_append(str(path), 0o666)
    os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640
    path.write_bytes(b"others\n")
    os.write(fd, b"mine\n")
    assert path.read_bytes() == b"others\nmine\n"
    os.close(fd)


@pytest.mark.parametrize("opener", ["append", "existing"])
def test_log_that_is_there_grows_at_its_end(tmp_path: Path, opener: str) -> None:
    """Each write goes to the end, also of a file that is only ever opened, wherever others have written meanwhile."""
    path = tmp_path / "log"
    path.write_bytes(b"old\n")
    fd = OPENERS[opener](str(path))
    for text in (b"mine\n", b"mine, too\n"):
        with path.open("ab") as other:
            other.write(b"others\n")
        os.write(fd, text)
    assert path.read_bytes() == b"old\nothers\nmine\nothers\nmine, too\n"
    os.close(fd)


@pytest.mark.parametrize("opener", ["existing", "side"])
def test_existing_files_are_not_created(tmp_path: Path, opener: str) -> None:
    """Two of the openings only ever open what is there."""
    with pytest.raises(FileNotFoundError):
        OPENERS[opener](str(tmp_path / "log"))
    assert not (tmp_path / "log").exists()


def test_lock_file_of_another_user_is_opened_for_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock file that may only be read is a lock that cannot be written to."""
    (tmp_path / "lock").write_bytes(b"")
    real = os.open

    def guarded(path: str, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_RDWR:
            raise PermissionError(errno.EACCES, "denied")
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", guarded)
    fd, writable = OPERATIONS.open_lock(str(tmp_path / "lock"), 0o600)
    assert not writable
    assert OPERATIONS.try_lock(fd, True)
    os.close(fd)


def test_lock_file_with_another_error_is_an_error(tmp_path: Path) -> None:
    """Only a missing permission is worked around."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        OPERATIONS.open_lock(str(tmp_path / "file" / "lock"), 0o600)


# --- streams ----------------------------------------------------------------------------------------------------------


def test_pipe_without_reader_is_busy(tmp_path: Path) -> None:
    """Opening a fifo that nobody reads returns at once, with an error that means: not yet."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError) as caught:
        OPERATIONS.open_stream(str(tmp_path / "pipe"))
    assert OPERATIONS.fault(caught.value) is Fault.BUSY


def test_full_pipe_does_not_block(tmp_path: Path) -> None:
    """A reader that does not read makes a write fail instead of hang, and waiting for it is bounded."""
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    fd = OPERATIONS.open_stream(str(tmp_path / "pipe"))
    with pytest.raises(BlockingIOError):
        while OPERATIONS.write(fd, b"x" * 65536):
            pass
    assert not OPERATIONS.wait_writable(fd, 0.01)
    os.read(reader, 1 << 20)
    assert OPERATIONS.wait_writable(fd, 5.0)
    os.close(fd)
    os.close(reader)


def test_full_socket_does_not_block() -> None:
    """A socket that the program has left blocking is written to without waiting for its reader, and stays as it is."""
    mine, theirs = socket.socketpair()
    with mine, theirs, pytest.raises(BlockingIOError):
        mine.settimeout(20)  # of the test's own calls; the description is a blocking one for ours
        os.set_blocking(mine.fileno(), True)
        assert OPERATIONS.write_stream(mine.fileno(), b"hello") == 5
        assert theirs.recv(10) == b"hello"
        while OPERATIONS.write_stream(mine.fileno(), b"x" * 65536):
            assert os.get_blocking(mine.fileno())


def test_lock_of_a_closed_descriptor_is_told() -> None:
    """The number of a closed descriptor is an error of the system's vocabulary, not a `ValueError` that nobody expects."""
    for call in (lambda: OPERATIONS.try_lock(-1, True), lambda: OPERATIONS.unlock(-1)):
        with pytest.raises(OSError, match="descriptor") as caught:
            call()
        assert OPERATIONS.fault(caught.value) is Fault.CLOSED


@pytest.mark.parametrize("seconds", [-1.0, 0.0, 3e6, 1e9])
def test_any_wait_is_taken(descriptor: int, seconds: float) -> None:
    """A month is as good a bound as a second, and a bound in the past is none at all."""
    assert OPERATIONS.wait_writable(descriptor, seconds)


def test_standard_output_on_a_socket_is_duplicated(monkeypatch: pytest.MonkeyPatch) -> None:
    """`/dev/stdout` of a service leads to a socket, which cannot be opened by name: its descriptor is duplicated."""
    mine, theirs = socket.socketpair()
    with mine, theirs:
        monkeypatch.setattr(posix, "_standard_stream", lambda _path: mine.fileno())
        fd = OPERATIONS.open_stream("/nowhere/stdout")
        os.write(fd, b"hello")
        os.close(fd)
        assert theirs.recv(10) == b"hello"


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("/dev/stdout", 1),
        ("/dev/stderr", 2),
        ("/dev/fd/7", 7),
        ("/proc/self/fd/12", 12),
        ("/dev/null", None),
        ("/dev/fd/x", None),
    ],
)
def test_standard_streams_are_known_by_name(path: str, number: int | None) -> None:
    """Names of descriptors are told from names of devices."""
    assert posix._standard_stream(path) == number


def test_stream_that_is_nowhere_is_missing(tmp_path: Path) -> None:
    """A device that does not exist is an error, and no file is created in its place."""
    with pytest.raises(FileNotFoundError):
        OPERATIONS.open_stream(str(tmp_path / "device"))
    assert not (tmp_path / "device").exists()


# --- facts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("block", "wanted"), [(4096, 4096), (512, 512), (1024, 1024), (65536, 4096), (1 << 20, 4096), (0, 4096), (3000, 4096)]
)
def test_granularity_is_the_smaller_of_page_and_block(
    monkeypatch: pytest.MonkeyPatch, descriptor: int, block: int, wanted: int
) -> None:
    """A killed write ends at a page or at a smaller block; a block size that is no power of two tells nothing."""
    monkeypatch.setattr(os, "fstatvfs", lambda _fd: SimpleNamespace(f_bsize=block))
    assert OPERATIONS.granularity(descriptor) == wanted


def test_granularity_without_answer_is_a_page(monkeypatch: pytest.MonkeyPatch, descriptor: int) -> None:
    """A file system that does not tell has pages."""

    def refuse(_fd: int) -> None:
        raise OSError(errno.ENOSYS, "not here")

    monkeypatch.setattr(os, "fstatvfs", refuse)
    assert OPERATIONS.granularity(descriptor) == 4096


def test_stat_of_path_and_descriptor_agree(tmp_path: Path, descriptor: int) -> None:
    """Both give the same facts of one file."""
    os.write(descriptor, b"12345")
    os.fchmod(descriptor, 0o4750)
    facts = OPERATIONS.stat_fd(descriptor)
    assert facts == OPERATIONS.stat_path(str(tmp_path / "some file"))
    assert (facts.size, facts.mode, facts.regular, facts.links) == (5, 0o4750, True, 1)
    os.link(tmp_path / "some file", tmp_path / "second name")
    os.unlink(tmp_path / "some file")
    os.unlink(tmp_path / "second name")
    assert OPERATIONS.stat_fd(descriptor).links == 0


def test_stat_follows_links_and_knows_devices(tmp_path: Path) -> None:
    """A link is what it leads to; a pipe is no regular file."""
    (tmp_path / "log").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "log")
    assert OPERATIONS.stat_path(str(tmp_path / "link")).id == OPERATIONS.stat_path(str(tmp_path / "log")).id
    os.mkfifo(tmp_path / "pipe")
    assert not OPERATIONS.stat_path(str(tmp_path / "pipe")).regular
    assert isinstance(OPERATIONS.stat_path(str(tmp_path / "pipe")).id, FileId)


def test_locks_belong_to_descriptions(tmp_path: Path) -> None:
    """Shared locks go together, an exclusive one goes with none, and unlocking reaches every copy."""
    path = str(tmp_path / "log")
    first, second = OPERATIONS.open_append(path, 0o600), OPERATIONS.open_append(path, 0o600)
    assert OPERATIONS.try_lock(first, False)
    assert OPERATIONS.try_lock(second, False)
    assert not OPERATIONS.try_lock(first, True)
    copy = os.dup(second)
    OPERATIONS.unlock(second)
    assert OPERATIONS.try_lock(first, True)
    for fd in (first, second, copy):
        os.close(fd)


def test_touch_sets_the_time_of_now(tmp_path: Path, descriptor: int) -> None:
    """The modification time becomes now, whatever it was."""
    os.utime(descriptor, (1.0, 1.0))
    OPERATIONS.touch(descriptor)
    assert os.fstat(descriptor).st_mtime > 1_600_000_000


def test_times_are_set_by_descriptor(descriptor: int) -> None:
    """To the nanosecond, both of them, and told again."""
    OPERATIONS.set_times(descriptor, 1_600_000_000_123_456_789, 1_700_000_000_987_654_321)
    assert OPERATIONS.accessed(descriptor) == 1_600_000_000_123_456_789
    assert OPERATIONS.stat_fd(descriptor).mtime_ns == 1_700_000_000_987_654_321


def test_new_private_file_is_for_nobody_else(tmp_path: Path) -> None:
    """It has mode 0600 whatever the umask, can be read and written, and takes no name that is there, be it a dangling link's."""
    path = tmp_path / "new"
    before = os.umask(0)
    fd = OPERATIONS.open_new_private(str(path))
    os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (os.write(fd, b"abc"), os.pread(fd, 9, 0), os.get_inheritable(fd)) == (3, b"abc", False)
    os.close(fd)
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for taken in ("new", "link"):
        with pytest.raises(FileExistsError):
            OPERATIONS.open_new_private(str(tmp_path / taken))
    assert not (tmp_path / "nowhere").exists()


def test_rename_over_replaces(tmp_path: Path) -> None:
    """What had the name is gone."""
    (tmp_path / "a").write_text("new")
    (tmp_path / "b").write_text("old")
    OPERATIONS.rename_over(str(tmp_path / "a"), str(tmp_path / "b"))
    assert (tmp_path / "b").read_text() == "new"
    assert not (tmp_path / "a").exists()


def test_what_is_to_survive_a_power_cut_is_synced(tmp_path: Path, descriptor: int) -> None:
    """Files and folders are; what is no folder is an error, and no descriptor is left open."""
    before = set(os.listdir("/dev/fd"))
    OPERATIONS.fsync(descriptor)
    OPERATIONS.fsync_folder(str(tmp_path))
    with pytest.raises(NotADirectoryError):
        OPERATIONS.fsync_folder(str(tmp_path / "some file"))
    with pytest.raises(FileNotFoundError):
        OPERATIONS.fsync_folder(str(tmp_path / "gone"))
    assert set(os.listdir("/dev/fd")) == before


@pytest.mark.parametrize(("number", "raises"), [(errno.EINVAL, False), (errno.ENOTSUP, False), (errno.EIO, True)])
def test_folder_that_cannot_be_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, raises: bool) -> None:
    """A file system that has no such thing is no failure, a disk that fails is one; neither costs a descriptor."""

    def refuse(_fd: int) -> None:
        raise OSError(number, os.strerror(number))

    before = set(os.listdir("/dev/fd"))
    monkeypatch.setattr(os, "fsync", refuse)
    if raises:
        with pytest.raises(OSError, match=os.strerror(number)):
            OPERATIONS.fsync_folder(str(tmp_path))
    else:
        OPERATIONS.fsync_folder(str(tmp_path))
    assert set(os.listdir("/dev/fd")) == before


def test_free_bytes_are_those_of_an_ordinary_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is reserved for root does not count, and blocks are counted in the size that they have."""
    monkeypatch.setattr(os, "statvfs", lambda _path: SimpleNamespace(f_bavail=7, f_bfree=9, f_frsize=512, f_bsize=4096))
    assert OPERATIONS.free_bytes(str(tmp_path)) == 7 * 512


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere priorities are not a thread's own")
@pytest.mark.parametrize("which", [THREADS, SYSTEM_THREADS], ids=["threads", "system threads"])
def test_low_priority_is_of_one_thread_for_a_while(which: Threads) -> None:
    """The thread that asks yields to others until it takes that back; the program keeps its own priority."""
    found: list[int] = []

    def work() -> None:
        thread = threading.get_native_id()
        found.append(os.sched_getscheduler(thread))
        as_before = which.low_priority()
        found.extend([os.sched_getscheduler(thread), os.sched_getscheduler(os.getpid())])
        as_before()
        found.append(os.sched_getscheduler(thread))

    which.start(work, "low").join(60)
    assert found == [os.SCHED_OTHER, os.SCHED_BATCH, os.SCHED_OTHER, os.SCHED_OTHER]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere priorities are not a thread's own")
def test_low_priority_is_of_the_disk_too() -> None:
    """As the kernel tells it."""
    number = priority._IOPRIO_GET.get(os.uname().machine)
    if number is None:
        pytest.skip("the number of this system call is not known here")
    call: Any = ctypes.CDLL(None).syscall
    classes: list[int] = []

    def work() -> None:
        as_before = priority.low_priority()
        classes.append(call(number, 1, threading.get_native_id()) >> 13)
        as_before()
        classes.append(call(number, 1, threading.get_native_id()) >> 13)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert classes[0] == 3
    assert classes[1] != 3


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere priorities are not a thread's own")
def test_disk_priority_without_a_class_is_given_back_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux before 5.15 tells a level with it, and refuses that when it is to be set."""
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine="x86_64"))
    calls: list[tuple[int, ...]] = []

    def syscall(number: int, *arguments: int) -> int:
        calls.append((number, *arguments[2:]))
        return 4 if number == 252 else 0

    monkeypatch.setattr(priority, "_syscall", lambda: syscall)
    priority.low_priority()()
    assert calls == [(252,), (251, 3 << 13), (251, 0)]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere priorities are not a thread's own")
def test_priority_that_cannot_be_had_is_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another machine, a scheduler that refuses, another system."""
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine="vax"))
    priority.low_priority()()

    def refused(*_: object) -> None:
        raise PermissionError(errno.EPERM, "refused")

    monkeypatch.setattr(os, "sched_setscheduler", refused)
    priority.low_priority()()
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.delattr(os, "sched_setscheduler")
    priority.low_priority()()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere priorities are not a thread's own")
def test_priority_that_somebody_has_chosen_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that runs in a class of its own, or idles at the disk already, is left as it is; and it gets back its own one."""
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine="x86_64"))
    monkeypatch.setattr(os, "sched_getscheduler", lambda _thread: os.SCHED_BATCH)
    chosen: list[object] = []
    monkeypatch.setattr(os, "sched_setscheduler", lambda *given: chosen.append(given))
    set_to: list[int] = []

    def syscall(number: int, *arguments: int) -> int:
        set_to.extend(arguments[2:])
        return 2 << 13 | 4 if number == 252 else 0

    monkeypatch.setattr(priority, "_syscall", lambda: syscall)
    priority.low_priority()()
    assert chosen == []
    assert set_to == [3 << 13, 2 << 13 | 4]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere priorities are not a thread's own")
@pytest.mark.parametrize(("before", "answer", "calls"), [(-1, 0, [252]), (0, -1, [252, 251])])
def test_disk_priority_that_is_refused_is_not_given_back(
    before: int, answer: int, calls: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sandbox may forbid to look, or to set: what was not set is not set back."""
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine="x86_64"))
    made: list[int] = []

    def syscall(number: int, *_arguments: int) -> int:
        made.append(number)
        return before if number == 252 else answer

    monkeypatch.setattr(priority, "_syscall", lambda: syscall)
    priority.low_priority()()
    assert made == calls


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere priorities are not a thread's own")
def test_priority_that_cannot_be_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a courtesy: a refusal is nobody's failure. Nor is a C library that is not to be had."""
    classes: list[int] = []

    def once(_thread: int, chosen: int, _parameter: object) -> None:
        classes.append(chosen)
        if len(classes) > 1:
            raise PermissionError(errno.EPERM, "refused")

    def no_library(_name: object) -> None:
        raise OSError("cannot be loaded")

    monkeypatch.setattr(os, "sched_getscheduler", lambda _thread: os.SCHED_OTHER)
    monkeypatch.setattr(os, "sched_setscheduler", once)
    monkeypatch.setattr(ctypes, "CDLL", no_library)
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine="x86_64"))
    priority._syscall.cache_clear()
    try:
        priority.low_priority()()
        assert priority._syscall() is None
    finally:
        priority._syscall.cache_clear()
    assert classes == [os.SCHED_BATCH, os.SCHED_OTHER]


@pytest.mark.parametrize("which", [THREADS, SYSTEM_THREADS], ids=["threads", "system threads"])
def test_thread_that_the_system_does_not_let_go(which: Threads, monkeypatch: pytest.MonkeyPatch) -> None:
    """`join` looks for it so many times at most, and not for ever: its work is over."""
    monkeypatch.setattr(threads, "_LOOKS", 3)
    pauses: list[float] = []
    done: list[bool] = []
    thread = which.start(lambda: done.append(True), "stays")
    with monkeypatch.context() as patch:
        patch.setattr(os.path, "exists", lambda _path: True)
        patch.setattr(threads, "_pause", pauses.append)
        thread.join(60)
    assert done == [True]
    assert len(pauses) == 3


def test_folder_that_may_be_created_in(tmp_path: Path) -> None:
    """A folder that is there and open to us, nothing else."""
    assert OPERATIONS.may_create_in(str(tmp_path))
    assert not OPERATIONS.may_create_in(str(tmp_path / "gone"))


@pytest.mark.parametrize(
    ("number", "fault"),
    [
        (errno.ENOENT, Fault.MISSING), (errno.ENOTDIR, Fault.MISSING), (errno.EEXIST, Fault.EXISTS), (errno.EACCES, Fault.DENIED),
        (errno.EPERM, Fault.DENIED), (errno.EROFS, Fault.DENIED), (errno.EBADF, Fault.CLOSED), (errno.EAGAIN, Fault.BUSY),
        (errno.ENOSPC, Fault.FULL), (errno.EDQUOT, Fault.FULL), (errno.EFBIG, Fault.FULL), (errno.ESTALE, Fault.STALE),
        (errno.ELOOP, Fault.LOOP), (errno.EINVAL, Fault.INVALID), (errno.EIO, Fault.OTHER), (99999, Fault.OTHER),
    ],
)  # fmt: skip
def test_errors_become_a_small_vocabulary(number: int, fault: Fault) -> None:
    """The layers above decide by meaning, not by number."""
    assert OPERATIONS.fault(OSError(number, "text")) is fault


@pytest.mark.parametrize("error", [OSError("no number"), ValueError("no system error"), BlockingIOError()])
def test_errors_without_number_mean_nothing_particular(error: Exception) -> None:
    """What no system call has raised is `OTHER`."""
    assert OPERATIONS.fault(error) is Fault.OTHER


def test_other_systems_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a system without a platform module the import says which have one, and not only something about `fcntl`."""
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.delitem(sys.modules, "mpfhandler._platform.posix")
    with pytest.raises(UnsupportedPlatform, match=r"Linux, macOS, the BSDs and Windows: .*fcntl") as caught:
        current._operations()
    assert isinstance(caught.value, ImportError)


def test_the_import_works_everywhere() -> None:
    """A program for several systems may import the package, and is told when it makes a log; by an `ImportError`."""
    code = """
import logging.handlers, sys
sys.modules["fcntl"], sys.modules["resource"] = None, None
import mpfhandler
try:
    mpfhandler.MultProcTimedRotatingFileHandler("app.log")
except mpfhandler.UnsupportedPlatform as error:
    print(isinstance(error, ImportError), error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("True ")
    assert "Windows" in done.stdout


def test_modes_and_owners_are_set_by_descriptor(descriptor: int) -> None:
    """Mode and owner go to the open file, whatever its name leads to by now."""
    OPERATIONS.set_mode(descriptor, 0o604)
    OPERATIONS.set_owner(descriptor, -1, -1)
    assert stat.S_IMODE(os.fstat(descriptor).st_mode) == 0o604


OF_OURS = [
    lambda path: OPERATIONS.open_append(path, 0o600),
    lambda path: OPERATIONS.open_existing(path),
    lambda path: OPERATIONS.open_side(path),
    lambda path: OPERATIONS.open_lock(path, 0o600)[0],
    lambda path: OPERATIONS.open_read(path),
    lambda path: OPERATIONS.open_debug(path, 0o600),
]


@pytest.mark.parametrize("opener", OF_OURS)
def test_link_in_the_place_of_a_file_of_ours_is_not_followed(tmp_path: Path, opener: Callable[[str], int]) -> None:
    """Names are real paths by the time they are opened: a symbolic link was put there by somebody, and is refused."""
    (tmp_path / "theirs").write_text("theirs")
    (tmp_path / "link").symlink_to(tmp_path / "theirs")
    if os.geteuid():
        pytest.skip("only root can make a link that belongs to somebody else")
    os.lchown(tmp_path / "link", 12345, 12345)
    with pytest.raises(OSError, match="symbolic link"):
        opener(str(tmp_path / "link"))


def test_link_in_the_place_of_a_pipe_is_not_followed(tmp_path: Path) -> None:
    """A stream that is no device of the system's is one of the folder's: what has become somebody's link leads nowhere. A link of
    root's or our own, and those below /dev, are followed."""
    link = tmp_path / "link"
    link.symlink_to("/dev/full")
    for path in (link, "/dev/stdout", "/dev/fd/1"):
        os.close(OPERATIONS.open_stream(str(path)))
    if os.geteuid():
        pytest.skip("only root can make a link that belongs to somebody else")
    os.lchown(link, 12345, 12345)
    with pytest.raises(OSError, match="symbolic link"):
        OPERATIONS.open_stream(str(link))


@pytest.mark.parametrize("opener", OF_OURS[:3])
def test_link_of_our_own_in_the_place_of_the_log_is_followed(tmp_path: Path, opener: Callable[[str], int]) -> None:
    """Who runs the program may move its log to another disk and leave a symbolic link: records go on there."""
    (tmp_path / "moved").write_text("before")
    (tmp_path / "link").symlink_to(tmp_path / "moved")
    fd = opener(str(tmp_path / "link"))
    try:
        assert os.fstat(fd).st_ino == (tmp_path / "moved").stat().st_ino
    finally:
        os.close(fd)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a link that belongs to somebody else")
@pytest.mark.parametrize(("user", "followed"), [(12346, True), (0, False)])
def test_link_of_the_folders_owner_in_the_place_of_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: int, followed: bool
) -> None:
    """Who has the folder may move the log of others' programs to another disk, but not of root's."""
    folder, moved = tmp_path / "logs", tmp_path / "moved"
    folder.mkdir()
    os.chown(folder, 12345, 12345)
    moved.write_text("before")
    (folder / "link").symlink_to(moved)
    os.lchown(folder / "link", 12345, 12345)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    if followed:
        os.close(OPERATIONS.open_existing(str(folder / "link")))
    else:
        with pytest.raises(OSError, match="symbolic link"):
            OPERATIONS.open_existing(str(folder / "link"))


@pytest.mark.timeout(20)
@pytest.mark.parametrize("opener", OF_OURS)
def test_fifo_in_the_place_of_a_file_of_ours_hangs_nobody(tmp_path: Path, opener: Callable[[str], int]) -> None:
    """Opening a pipe without another end returns at once, or fails at once."""
    os.mkfifo(tmp_path / "pipe")
    faults: list[Fault] = []
    try:
        os.close(opener(str(tmp_path / "pipe")))
    except OSError as error:
        faults.append(OPERATIONS.fault(error))
    assert faults in ([], [Fault.BUSY])
