"""The table of operations of Windows, and what becomes of a log there while other programs hold its files."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

if sys.platform != "win32":
    pytest.skip("of Windows", allow_module_level=True)

import winreg

import portalocker

from mpfhandler import MultProcTimedRotatingFileHandler, TimedLogFile, UnsupportedPlatform
from mpfhandler._platform import OPERATIONS, Fault, mounts, win32, windows_drives
from mpfhandler._platform.looking import id_of, is_locked, open_shared, read_from
from mpfhandler._platform.windows_drives import drive_of
from mpfhandler._pure.options import Access
from mpfhandler._pure.schedule import Period
from mpfhandler._pure.state import State
from mpfhandler._resources.lock import RotationLock

MODE = 0o666
PATIENCE = 60.0  # seconds; only a failing test, or a machine with too much to do, waits that long


@pytest.fixture
def log(tmp_path: Path) -> str:
    """Where a log may be."""
    return str(tmp_path / "app.log")


@pytest.fixture
def opened(log: str) -> Any:
    """A log that is open for appending."""
    fd = OPERATIONS.open_append(log, MODE)
    yield fd
    OPERATIONS.close(fd)


def let_go_after(seconds: float, file: Any) -> threading.Thread:
    """As a virus scanner does."""
    timer = threading.Timer(seconds, file.close)
    timer.start()
    return timer


# --- sharing ----------------------------------------------------------------------------------------------------------


def test_an_open_log_is_renamed(log: str, opened: int) -> None:
    """By whoever rotates, while it is written: what follows goes to the same file, under its new name."""
    OPERATIONS.write(opened, b"before\n")
    OPERATIONS.rename_new(log, f"{log}.1")
    OPERATIONS.write(opened, b"after\n")
    assert Path(f"{log}.1").read_bytes() == b"before\nafter\n"
    assert OPERATIONS.stat_fd(opened).id == OPERATIONS.stat_path(f"{log}.1").id
    assert not os.path.exists(log)


def test_an_open_file_is_deleted(log: str) -> None:
    """A segment that somebody reads goes; its name at the latest when the last one has closed it."""
    Path(log).write_bytes(b"old\n")
    fd = open_shared(log)
    OPERATIONS.unlink(log)
    assert read_from(fd, 10, 0) == b"old\n"
    OPERATIONS.close(fd)
    assert not os.path.exists(log)


@pytest.mark.parametrize(
    "opens",
    [
        lambda path: OPERATIONS.open_append(path, MODE), OPERATIONS.open_existing, OPERATIONS.open_side, OPERATIONS.open_read,
        lambda path: OPERATIONS.open_lock(path, MODE)[0], lambda path: OPERATIONS.open_debug(path, MODE), open_shared,
    ],
)  # fmt: skip
def test_nothing_of_ours_is_in_the_way_of_a_rename(log: str, opens: Callable[[str], int]) -> None:
    """Whatever a process of ours has open, also one that only looks, can be renamed; and no program that it starts has it."""
    Path(log).write_bytes(b"")
    fd = opens(log)
    assert not os.get_inheritable(fd)
    OPERATIONS.rename_new(log, f"{log}.1")
    OPERATIONS.close(fd)


def test_appends_go_to_the_end(log: str, opened: int) -> None:
    """Wherever others have written meanwhile; and the position tells where the own record ends."""
    for text in (b"mine\n", b"mine, too\n"):
        with open(log, "ab") as other:
            other.write(b"others\n")
        OPERATIONS.write(opened, text)
        assert OPERATIONS.seek(opened, 0, 1) == os.path.getsize(log)
    assert Path(log).read_bytes() == b"others\nmine\nothers\nmine, too\n"


def test_bytes_stay_as_they_are(log: str, opened: int) -> None:
    """No end of line is made two, and no byte ends the file."""
    data = bytes(range(256))
    assert OPERATIONS.write(opened, data) == 256
    side = OPERATIONS.open_side(log)
    assert OPERATIONS.read_at(side, 300, 0) == data
    assert OPERATIONS.write_at(side, b"\n\r\x1a", 7) == 3
    assert OPERATIONS.read_at(side, 3, 7) == b"\n\r\x1a"
    assert OPERATIONS.read_at(side, 3, 256) == b""
    OPERATIONS.close(side)


def test_the_same_file_without_its_name(log: str, opened: int) -> None:
    """A second descriptor of a file that is called otherwise by now."""
    OPERATIONS.rename_new(log, f"{log}.1")
    try:
        side = OPERATIONS.open_side_of(opened)
    except FileNotFoundError:
        assert win32.under_wine()  # which looks for the name that it had
        return
    assert OPERATIONS.stat_fd(side).id == OPERATIONS.stat_fd(opened).id
    OPERATIONS.close(side)


# --- what others hold -------------------------------------------------------------------------------------------------


def test_a_rename_that_is_possible_soon(log: str) -> None:
    """A scanner that holds the file for a moment is waited for."""
    Path(log).write_bytes(b"x")
    timer = let_go_after(0.05, open(log, "rb"))  # noqa: SIM115
    OPERATIONS.rename_new(log, f"{log}.1")
    timer.join()
    assert os.listdir(os.path.dirname(log)) == ["app.log.1"]


@pytest.mark.parametrize(
    "call",
    [
        lambda path: OPERATIONS.rename_new(path, f"{path}.1"),
        lambda path: OPERATIONS.rename_over(path, f"{path}.1"),
        OPERATIONS.unlink,
    ],
)
def test_what_is_not_possible(log: str, call: Callable[[str], None]) -> None:
    """It is insisted for a quarter of a second and not for seconds; the error says what is the matter, without a number of
    Windows', and the file is as it was."""
    with open(log, "wb") as held:
        held.write(b"x")
        begun = time.monotonic()
        with pytest.raises(OSError, match="another program has it open and does not share it") as caught:
            call(log)
        assert 0.1 < time.monotonic() - begun < 5
    assert OPERATIONS.fault(caught.value) is Fault.BUSY
    assert "WinError" not in str(caught.value)
    assert caught.value.filename == log
    assert Path(log).read_bytes() == b"x"


def held_exclusively(log: str) -> int:
    """A handle that shares nothing at all, as a backup program's."""
    handle = win32.kernel32.CreateFileW(log, win32.READ, 0, None, win32.OPEN_EXISTING, 0x80, None)
    assert handle
    return int(handle)


def test_a_file_that_nobody_else_may_open(log: str) -> None:
    """Its facts can be had all the same; opening it is an error without a number of Windows', and succeeds soon after."""
    Path(log).write_bytes(b"abc")
    handle = held_exclusively(log)
    assert OPERATIONS.stat_path(log).size == 3
    with pytest.raises(OSError, match="does not share it") as caught:
        OPERATIONS.open_append(log, MODE)
    assert OPERATIONS.fault(caught.value) is Fault.BUSY
    timer = threading.Timer(0.05, win32.kernel32.CloseHandle, [handle])
    timer.start()
    OPERATIONS.close(OPERATIONS.open_append(log, MODE))
    timer.join()


def test_nothing_is_overwritten(log: str) -> None:
    """A name that is taken is an error of its own kind (promise P4)."""
    Path(log).write_bytes(b"a")
    Path(f"{log}.1").write_bytes(b"b")
    with pytest.raises(FileExistsError):
        OPERATIONS.rename_new(log, f"{log}.1")
    with pytest.raises(FileExistsError):
        OPERATIONS.open_new(f"{log}.1", MODE)
    assert (Path(log).read_bytes(), Path(f"{log}.1").read_bytes()) == (b"a", b"b")
    OPERATIONS.rename_over(log, f"{log}.1")
    assert Path(f"{log}.1").read_bytes() == b"a"


def test_what_is_missing(log: str) -> None:
    """A file, its folder, a source of a rename."""
    for call in (
        lambda: OPERATIONS.open_existing(log),
        lambda: OPERATIONS.stat_path(os.path.join(log, "x")),
        lambda: OPERATIONS.rename_new(log, f"{log}.1"),
        lambda: OPERATIONS.unlink(log),
    ):
        with pytest.raises(OSError) as caught:
            call()
        assert OPERATIONS.fault(caught.value) is Fault.MISSING


def closed_descriptor(log: str) -> int:
    """One that was a file's."""
    fd = OPERATIONS.open_append(log, MODE)
    OPERATIONS.close(fd)
    return fd


def test_a_descriptor_that_is_closed(log: str) -> None:
    """Or never was one: an error of the package's vocabulary from each call."""
    for fd in (closed_descriptor(log), -1):
        for call in (
            lambda fd=fd: OPERATIONS.stat_fd(fd),
            lambda fd=fd: OPERATIONS.try_lock(fd, True),
            lambda fd=fd: OPERATIONS.unlock(fd),
            lambda fd=fd: OPERATIONS.write(fd, b"x"),
            lambda fd=fd: OPERATIONS.read_at(fd, 1, 0),
        ):
            with pytest.raises(OSError) as caught:
                call()
            assert OPERATIONS.fault(caught.value) is Fault.CLOSED


def test_a_long_path(tmp_path: Path) -> None:
    """Longer than the 260 characters that old functions take."""
    folder = str(tmp_path / ("d" * 100))
    os.mkdir(folder)
    deep = os.path.join(folder, "e" * 100)
    os.mkdir("\\\\?\\" + deep)
    log = os.path.join(deep, "l" * 60)
    assert len(log) > 260
    fd = OPERATIONS.open_append(log, MODE)
    OPERATIONS.write(fd, b"x")
    OPERATIONS.rename_new(log, log + ".1")
    assert OPERATIONS.stat_path(log + ".1").size == 1
    OPERATIONS.close(fd)
    OPERATIONS.unlink(log + ".1")


# --- facts ------------------------------------------------------------------------------------------------------------


def test_facts(log: str, opened: int) -> None:
    """By name and by descriptor the same, with a number that Python's own look gives, too."""
    OPERATIONS.write(opened, b"12345")
    by_name, by_descriptor = OPERATIONS.stat_path(log), OPERATIONS.stat_fd(opened)
    assert by_name.id == by_descriptor.id == id_of(os.stat(log))
    assert (by_name.size, by_name.regular, by_name.links) == (5, True, 1)
    assert abs(by_name.mtime_ns / 1e9 - time.time()) < PATIENCE
    folder = OPERATIONS.stat_path(os.path.dirname(log))
    assert not folder.regular
    other = OPERATIONS.open_append(f"{log}.1", MODE)
    assert OPERATIONS.stat_fd(other).id != by_name.id
    OPERATIONS.close(other)


def test_times(log: str, opened: int) -> None:
    """Set to the steps of 100 ns that there are; and a write through the same descriptor is noted afterwards."""
    OPERATIONS.set_times(opened, 1_700_000_000_123_456_700, 1_600_000_000_765_432_100)
    assert OPERATIONS.accessed(opened) == 1_700_000_000_123_456_700
    assert OPERATIONS.stat_path(log).mtime_ns == 1_600_000_000_765_432_100
    OPERATIONS.touch(opened)
    assert abs(OPERATIONS.stat_path(log).mtime_ns / 1e9 - time.time()) < PATIENCE
    OPERATIONS.set_times(opened, 0, 0)
    OPERATIONS.write(opened, b"x")
    assert OPERATIONS.stat_fd(opened).mtime_ns > 1_600_000_000_000_000_000


def test_devices() -> None:
    """The one that takes everything is a stream."""
    fd = OPERATIONS.open_stream("NUL")
    assert OPERATIONS.write_stream(fd, b"x") == 1
    assert not OPERATIONS.stat_fd(fd).regular
    OPERATIONS.close(fd)


# --- locks ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def sides(log: str) -> Any:
    """A file twice."""
    Path(log).write_bytes(b"content\n")
    both = OPERATIONS.open_side(log), OPERATIONS.open_side(log)
    yield both
    for fd in both:
        OPERATIONS.close(fd)


def test_leases(sides: tuple[int, int]) -> None:
    """Shared by many; exclusive for one, who may have shared it before; given up as a whole, and again without an error."""
    first, second = sides
    assert OPERATIONS.try_lock(first, False)
    assert OPERATIONS.try_lock(first, False)
    assert OPERATIONS.try_lock(second, False)
    assert not OPERATIONS.try_lock(second, True)
    OPERATIONS.unlock(first)
    assert OPERATIONS.try_lock(second, True)
    assert not OPERATIONS.try_lock(first, False)
    OPERATIONS.unlock(second)
    OPERATIONS.unlock(second)
    assert OPERATIONS.try_lock(first, True)
    OPERATIONS.unlock(first)


def test_a_lease_is_in_no_readers_way(log: str, sides: tuple[int, int]) -> None:
    """Not even an exclusive one: it is on a byte that no log has."""
    assert OPERATIONS.try_lock(sides[0], True)
    with open(log, "r+b") as other:
        assert other.read() == b"content\n"
        other.write(b"more\n")
    looking = open_shared(log)
    assert is_locked(looking, lease=True)
    OPERATIONS.unlock(sides[0])
    assert not is_locked(looking, lease=True)
    OPERATIONS.close(looking)


def test_a_lease_goes_with_its_descriptor(log: str, sides: tuple[int, int]) -> None:
    """As with its process: nobody has to unlock for a dead one."""
    third = OPERATIONS.open_side(log)
    assert OPERATIONS.try_lock(third, True)
    assert not OPERATIONS.try_lock(sides[0], False)
    OPERATIONS.close(third)
    assert OPERATIONS.try_lock(sides[0], False)


def test_the_rotation_lock_is_portalockers(log: str) -> None:
    """Who locks the file by portalocker keeps ours out, and the other way round; neither waits."""
    fd, writable = OPERATIONS.open_lock(log, MODE)
    assert writable
    begun = time.monotonic()
    with open(log, "r+b") as theirs:
        portalocker.lock(theirs, portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING)
        assert not OPERATIONS.try_lock(fd, True)
        portalocker.unlock(theirs)
        assert OPERATIONS.try_lock(fd, True)
        with pytest.raises(portalocker.LockException):
            portalocker.lock(theirs, portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING)
        looking = open_shared(log)
        assert is_locked(looking)
        OPERATIONS.unlock(fd)
        OPERATIONS.unlock(fd)
        assert not is_locked(looking)
        OPERATIONS.close(looking)
    assert time.monotonic() - begun < 0.9  # portalocker's own wait takes a second
    OPERATIONS.close(fd)


def test_a_number_of_a_lock_file_that_is_anothers_by_now(log: str, sides: tuple[int, int]) -> None:
    """A descriptor that was a lock file's, and is a segment's, takes leases."""
    fd, _ = OPERATIONS.open_lock(f"{log}.lock", MODE)
    OPERATIONS.close(fd)
    again = OPERATIONS.open_side(log)
    assert again == fd
    assert OPERATIONS.try_lock(again, False)
    assert OPERATIONS.try_lock(sides[0], False)
    OPERATIONS.close(again)


def test_the_state_record_while_it_is_locked(log: str) -> None:
    """It cannot be read then, which is no record, and can be once the lock is free, also by who waited for that a moment."""
    Path(log).write_bytes(b"")
    lock = RotationLock(OPERATIONS, f"{log}.lock", Access(), lambda _what, _error: None)
    held = lock.acquire(PATIENCE)
    assert held is not None
    state = State(OPERATIONS.stat_path(log).id, 5, Period(0, 3600), "fingerprint")
    assert held.write_state(state)
    assert held.read_state() == state
    assert lock.peek() in {None, state}  # Wine lets it be read
    other = RotationLock(OPERATIONS, f"{log}.lock", Access(), lambda _what, _error: None)
    begun = time.monotonic()
    assert other.acquire(0.2) is None
    assert 0.15 < time.monotonic() - begun < 0.9
    lock.release(held)
    assert other.peek() == state


# --- drives -----------------------------------------------------------------------------------------------------------


def test_wine_is_known() -> None:
    """By what it says of itself; its registry has a key of its own, too."""
    try:
        winreg.OpenKey(winreg.HKEY_CURRENT_USER, r"Software\Wine").Close()
        is_wine = True
    except OSError:
        is_wine = False
    assert win32.under_wine() == is_wine


def test_under_wine_each_record_is_locked(log: str, monkeypatch: pytest.MonkeyPatch, closing: Callable[[Any], Any]) -> None:
    """Its appends meet. So `auto` locks them, and says so; while somebody has the lock nothing is written, and nothing lost."""
    monkeypatch.setattr(windows_drives, "under_wine", lambda: True)
    monkeypatch.setattr(mounts, "_drive_of", drive_of)
    with pytest.warns(RuntimeWarning, match="is on wine .*: each record is written under the rotation lock"):
        ours = closing(TimedLogFile(log, when="D", lock_timeout=0.2, on_error=lambda _error: None))
    ours.write("one")
    lock = RotationLock(OPERATIONS, f"{log}.lock", Access(), lambda _what, _error: None)
    held = lock.acquire(PATIENCE)
    assert held is not None
    ours.write("two")
    assert Path(log).read_bytes() == b"one\n"
    lock.release(held)
    ours.close()
    assert Path(log).read_bytes() == b"one\ntwo\n"
    assert ours.stats().lost == 0


@pytest.mark.parametrize(("kind", "way"), [(3, "append"), (4, "record")])
def test_a_share_is_no_disk(
    log: str, monkeypatch: pytest.MonkeyPatch, closing: Callable[[Any], Any], kind: int, way: str
) -> None:
    """On a disk of this machine records go as appends, without a word; on a share each one is locked."""
    monkeypatch.setattr(windows_drives, "under_wine", lambda: False)
    monkeypatch.setattr(mounts, "_drive_of", drive_of)
    monkeypatch.setattr(windows_drives.kernel32, "GetDriveTypeW", lambda _root: kind)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ours = closing(TimedLogFile(log))
    assert ours._writer.options.locking == way
    assert ["is on share" in str(one.message) for one in caught] == [True] * (kind == 4)


def test_what_has_no_drive() -> None:
    """Nothing is known of it, and that is said."""
    assert drive_of("") == ("unknown", "")


# --- a log ------------------------------------------------------------------------------------------------------------

HOUR = 1_700_000_000 // 3600 * 3600


def names_in(folder: Path) -> list[str]:
    """What lies there, the lock left out."""
    return sorted(name for name in os.listdir(folder) if not name.endswith((".lock", ".debug")))


def test_a_log_that_somebody_holds_is_written_on(tmp_path: Path, clock: list[float], closing: Callable[[Any], Any]) -> None:
    """A program that does not share it keeps it from being renamed: every record is written, into the same file, each boundary
    is a split, told in `stats()` and in the debug file and once to the user, without a number of Windows'; afterwards it is
    rotated."""
    errors: list[Exception] = []
    log = closing(TimedLogFile(tmp_path / "app.log", when="H", utc=True, debug=True, on_error=errors.append))
    clock[0] = HOUR + 10.0
    log.write("one")
    held = open(tmp_path / "app.log", "rb")  # noqa: SIM115
    for hour in (1, 2):
        clock[0] = HOUR + hour * 3600 + 10.0
        log.write(f"in hour {hour}")
    assert (tmp_path / "app.log").read_bytes() == b"one\nin hour 1\nin hour 2\n"
    stats = log.stats()
    assert (stats.records, stats.rotations, stats.lost, stats.splits) == (3, 0, 0, 1)
    assert len(errors) == 1
    assert "another program has it open and does not share it" in str(errors[0])
    held.close()
    clock[0] += 3600
    deadline = time.monotonic() + PATIENCE
    number = 0
    while not log.stats().rotations:
        assert time.monotonic() < deadline
        log.write(f"later {number}")
        number += 1
        time.sleep(0.05)
    assert len(names_in(tmp_path)) == 2
    debug = (tmp_path / "app.log.debug").read_text()
    assert " split " in debug
    assert " split over " in debug
    assert "WinError" not in debug + str(errors) + str(log.stats())


def test_a_colon_in_a_suffix(tmp_path: Path, clock: list[float], closing: Callable[[Any], Any]) -> None:
    """Is no part of a name here: a hyphen stands for it, and the segments are known again."""
    handler = closing(MultProcTimedRotatingFileHandler(tmp_path / "app.log", when="H", utc=True, backupCount=1))
    handler.suffix = "%Y-%m-%d %T"
    for hour in range(4):
        clock[0] = HOUR + hour * 3600 + 10.0
        handler.acquire()
        handler._sink.write(b"x\n", clock[0])
        handler.release()
    handler.close()
    assert names_in(tmp_path) == ["app.log", "app.log.2023-11-15 00-00-00"]


@pytest.mark.parametrize("name", ["app.log:part", "con", "NUL.txt", "lpt1.log", "app.log.", "app.log "])
def test_names_that_no_file_has(tmp_path: Path, name: str) -> None:
    """Would be another file, a part of one, or a device: refused by the constructor, with nothing made."""
    with pytest.raises(OSError, match=r"no file can be named|is a stream|there is no such stream"):
        MultProcTimedRotatingFileHandler(os.path.join(tmp_path, name))
    assert os.listdir(tmp_path) == []


def test_a_namer_with_a_colon(tmp_path: Path, clock: list[float], closing: Callable[[Any], Any]) -> None:
    """Its name is made one that can be had."""
    handler = closing(MultProcTimedRotatingFileHandler(tmp_path / "app.log", when="H", utc=True))
    handler.namer = lambda default: default.replace("log.", "log=>")
    for hour in range(2):
        clock[0] = HOUR + hour * 3600 + 10.0
        handler._sink.write(b"x\n", clock[0])
    assert names_in(tmp_path) == ["app.log", "app.log=-2023-11-14_22"]


@pytest.mark.timeout(20)
def test_a_drive_that_is_not_there() -> None:
    """Is refused by a message, and makes no constructor look for its parent for ever."""
    with pytest.raises(OSError, match="does not exist"):
        MultProcTimedRotatingFileHandler("Q:\\logs\\app.log")
    with pytest.raises(OSError, match="Q:"):
        MultProcTimedRotatingFileHandler("Q:\\logs\\app.log", mkdir=True)


def test_no_owner(tmp_path: Path) -> None:
    """Files have none that could be set: the parameter is refused, and says so."""
    with pytest.raises(ValueError, match="owner='www': this system has no such owners"):
        MultProcTimedRotatingFileHandler(tmp_path / "app.log", owner="www")


def test_a_process_that_is_killed(tmp_path: Path) -> None:
    """Leaves a log that the next one goes on with, and no lock."""
    code = (
        "import sys, time, mpfhandler; log = mpfhandler.TimedLogFile(sys.argv[1]); log.write('mine'); print('there', flush=True);"
        "time.sleep(600)"
    )
    path = str(tmp_path / "app.log")
    with subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == b"there"
        other.kill()
        other.wait()
    log = TimedLogFile(path)
    assert log.rotate()
    log.write("next")
    assert (log.stats().lock_timeouts, log.stats().splits) == (0, 0)
    log.close()
    assert len(names_in(tmp_path)) == 2


def run(*arguments: str, given: bytes = b"") -> tuple[int, bytes, bytes]:
    """A command: its exit code, output and complaints, with the ends of lines of any system."""
    done = subprocess.run([sys.executable, "-m", "mpfhandler", *arguments], input=given, capture_output=True, check=False)
    return done.returncode, done.stdout.replace(b"\r\n", b"\n"), done.stderr


def test_closed_segments_are_compressed_archived_and_deleted(tmp_path: Path, closing: Callable[[Any], Any]) -> None:
    """All that happens in the background happens here, too, beside processes that have the log open."""
    there = tmp_path / "archive"
    there.mkdir()
    log = closing(
        TimedLogFile(
            tmp_path / "app.log",
            when="S",
            late_grace=0.5,
            compress="gz",
            compress_delay=0,
            archive=there.as_uri(),
            backup_count=3,
        )
    )
    deadline = time.monotonic() + PATIENCE
    number = 0
    while len(list(there.rglob("app.log.*.gz"))) < 3 or log.stats().rotations < 6:
        assert time.monotonic() < deadline, (names_in(tmp_path), log.stats())
        log.write(f"record {number}")
        number += 1
        time.sleep(0.05)
    log.close()
    assert log.stats().last_error is None
    lines = b"".join(gzip.decompress(path.read_bytes()) for path in sorted(there.rglob("app.log.*.gz")))
    assert lines.startswith(b"record 0\nrecord 1\n")
    assert len(list(there.rglob("app.log.*.gz"))) >= 3


def test_the_commands_that_read(tmp_path: Path) -> None:
    """Beside a process that has the log open, whose next rotation they are not in the way of."""
    path = str(tmp_path / "app.log")
    log = TimedLogFile(path, when="D")
    first, second = (time.strftime(f"%Y-%m-%d %H:%M:%S,00{number} {number}") for number in (1, 2))
    log.write(first)
    assert log.rotate()
    log.write(second)
    assert run("cat", path) == (0, f"{first}\n{second}\n".encode(), b"")
    assert run("tail", "-n", "1", path)[:2] == (0, f"{second}\n".encode())
    code, text, told = run("ls", path)
    assert (code, told) == (0, b"")
    assert text.count(b"app.log") >= 2
    code, text, told = run("verify", path)
    assert code == 0, text + told
    assert log.rotate()
    log.close()


def test_a_pipe(tmp_path: Path) -> None:
    """Lines of another program, as they are."""
    path = tmp_path / "app.log"
    assert run("pipe", str(path), given=b"one\ntwo\r\nthree") == (0, b"", b"")
    assert path.read_bytes() == b"one\ntwo\r\nthree\n"
    assert run("rotate", str(path))[0] == 0
    assert len(names_in(tmp_path)) == 2


def test_what_cannot_be_had(tmp_path: Path) -> None:
    """A command for POSIX systems says so."""
    code, _, told = run("check", str(tmp_path))
    assert code == 2
    assert b"forked" in told


def test_without_portalocker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who makes a log is told what is missing, by an `ImportError`."""
    monkeypatch.setitem(sys.modules, "portalocker", None)
    with pytest.raises(UnsupportedPlatform, match="pip install portalocker") as caught:
        MultProcTimedRotatingFileHandler(tmp_path / "app.log")
    assert isinstance(caught.value, ImportError)
    assert os.listdir(tmp_path) == []
