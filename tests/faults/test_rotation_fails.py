"""Rotations that cannot succeed, or only with another name: records go on, nobody's file is overwritten."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from _disk_support import (
    Clock,
    Switch,
    all_lines,
    attribute,
    collect,
    ended,
    failing,
    handler_at,
    lines,
    log_at,
    needs_root,
    other_user,
    python,
    record,
    segments,
    start_python,
    tmpfs,
    use,
    use_clock,
    wait_for,
)

from mpfhandler._platform import OPERATIONS, FileStat
from mpfhandler._protocols.rotation import Outcome, _ChangedUnderUs
from mpfhandler._pure.plan import Demand


def test_records_go_on_while_the_rename_is_forbidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rename that is refused keeps no record from being written, and is reported once (P5, I7)."""
    rename = Switch(OPERATIONS.rename_new, errno.EACCES)
    clock = use_clock(monkeypatch, rename_new=rename)
    handler = handler_at(tmp_path / "app.log", "S")
    reports = collect(handler)
    rename.on = True
    for number in range(30):
        handler.emit(record(f"{number:02}", clock.now()))
        clock.step(1)
    assert lines(tmp_path / "app.log") == [f"{number:02}" for number in range(30)]
    assert segments(tmp_path) == ["app.log"]
    assert len(reports) == 1, reports
    assert "Permission denied" in reports[0]
    assert handler.stats().rotations == 0
    assert rename.calls > 1


def test_rotation_goes_on_once_the_rename_is_possible_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the obstacle is gone the file gets the name of its own period, and the failure is news again when it comes back."""
    rename = Switch(OPERATIONS.rename_new, errno.EACCES)
    clock = use_clock(monkeypatch, rename_new=rename)
    handler = handler_at(tmp_path / "app.log", "M")
    reports = collect(handler)
    handler.emit(record("in its minute", clock.now()))
    rename.on = True
    clock.step(60)
    handler.emit(record("stays in the old file", clock.now()))
    rename.on = False
    clock.step(60)
    handler.emit(record("in a new file", clock.now()))
    assert lines(tmp_path / "app.log.2026-03-04_10-20") == ["in its minute", "stays in the old file"]
    assert lines(tmp_path / "app.log") == ["in a new file"]
    assert len(reports) == 1
    rename.on = True
    clock.step(60)
    handler.emit(record("once more", clock.now()))
    assert len(reports) == 2


def test_failed_rotation_is_tried_less_and_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rotation that fails is tried again after 1, 2, 4 … and at most 60 seconds, not with every record (P5)."""
    rename = Switch(OPERATIONS.rename_new, errno.EPERM)
    clock = use_clock(monkeypatch, rename_new=rename)
    log = log_at(tmp_path / "app.log", "S")
    log.write("first")
    rename.on = True
    tries: list[float] = []
    start = clock.now()
    for _ in range(3000):
        before = rename.calls
        clock.step(0.1)
        log.write("record")
        if rename.calls > before:
            tries.append(round(clock.now() - start, 1))
    pauses = [round(later - earlier) for earlier, later in pairwise(tries)]
    for pause, wanted in zip(pauses, [1, 2, 4, 8, 16, 32], strict=False):
        assert wanted - 1 <= pause <= wanted + 2, tries  # looked at once a second, by a clock with steps
    assert all(55 <= pause <= 62 for pause in pauses[6:]), tries


@pytest.mark.parametrize("by", ["this process", "another"])
def test_pause_after_a_failed_rotation_starts_anew_after_a_good_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    """Rotations fail until the pauses are long, then the log is rotated: the next failure is tried again after a second, not
    after the double of the last pause (P5)."""
    rename = Switch(OPERATIONS.rename_new, errno.EPERM)
    clock = use_clock(monkeypatch)
    other = log_at(tmp_path / "app.log", "M")
    use(monkeypatch, **clock.entries(), rename_new=rename)
    log = log_at(tmp_path / "app.log", "M")
    log.write("first")
    rename.on = True
    clock.step(60)
    for _ in range(20):
        log.write("in the old file")
        clock.step(1)
    assert 4 <= rename.calls <= 6
    rename.on = by == "another"
    clock.step(60)
    if by == "another":
        other.write("rotated")
    log.write("in the new file")
    assert "in the new file" in lines(tmp_path / "app.log")
    rename.on, rename.calls = True, 0
    clock.step(60)
    log.write("fails at once")
    assert rename.calls == 1
    clock.step(1.5)
    log.write("fails again")
    assert rename.calls == 2


def test_rename_that_is_stuck_does_not_slow_the_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a rotation waits to be tried again, a record costs its write and no look at the folder (P3, P5)."""
    rename = Switch(OPERATIONS.rename_new, errno.EPERM)
    stat = Switch(OPERATIONS.stat_path)
    clock = use_clock(monkeypatch, rename_new=rename, stat_path=stat)
    log = log_at(tmp_path / "app.log", "S")
    rename.on = True
    log.write("first")
    clock.step(1)
    log.write("fails to rotate")
    looked = stat.calls
    for _ in range(500):
        log.write("record")
    assert stat.calls - looked <= 3


@needs_root
def test_folder_that_became_read_only() -> None:
    """In a folder that an unprivileged process may no longer write to, records go on in the file that is open; after the folder
    is writable again the log is rotated (P5, I7)."""
    code = """
import _strptime, ctypes, threading
from _disk_support import *
os.setgid(NOBODY), os.setuid(NOBODY)
folder = Path(sys.argv[1])
handler = handler_at(folder / "app.log", "S")
reports = collect(handler)
handler.emit(record("first"))
folder.chmod(0o555)
sent = ["first"]
end = int(time.time()) + 3
while time.time() < end:
    sent.append(f"record {len(sent)}")
    handler.emit(record(sent[-1]))
    time.sleep(0.01)
assert segments(folder) == ["app.log"], segments(folder)
assert lines(folder / "app.log") == sent
assert len(reports) == 1, reports
folder.chmod(0o755)

def rotated():
    sent.append(f"record {len(sent)}")
    handler.emit(record(sent[-1]))
    return len(segments(folder)) > 1

wait_for(rotated, "the rotation")
assert sorted(all_lines(folder)) == sorted(sent)
assert len(reports) == 1, reports
"""
    with other_user() as folder:
        python(code, folder)


def test_program_that_can_import_nothing_any_more(tmp_path: Path) -> None:
    """After a chroot, without descriptors or without the right to read Python's own folder no module can be imported: the
    rotation of a handler that is open does not need one (P5)."""
    code = """
from _disk_support import *
folder = Path(sys.argv[1])
handler = handler_at(folder / "app.log", "S", backupCount=2)
reports = collect(handler)
handler.emit(record("first"))

class Nothing:
    def find_spec(self, name, path=None, target=None):
        print(name)
        raise ModuleNotFoundError(f"No module named {name!r}")

sys.meta_path[:] = [Nothing()]
sys.path_importer_cache.clear()
sent = ["first"]

def rotated():
    sent.append(f"record {len(sent)}")
    handler.emit(record(sent[-1]))
    time.sleep(0.01)
    return handler.stats().rotations

wait_for(rotated, f"the rotation; {reports}", 5)
assert sorted(all_lines(folder)) == sorted(sent)
assert reports == [], reports
"""
    python(code, tmp_path)


@needs_root
def test_file_that_may_only_be_appended_to(tmp_path: Path) -> None:
    """A log with the append-only attribute cannot be renamed: records go on; it is rotated once the attribute is gone (P5)."""
    path = tmp_path / "app.log"
    handler = handler_at(path, "S", lock_dir=str(tmp_path))
    reports = collect(handler)
    handler.emit(record("first"))
    sent = ["first"]

    def another() -> int:
        sent.append(f"record {len(sent)}")
        handler.emit(record(sent[-1]))
        time.sleep(0.005)
        return handler.stats().rotations

    with attribute(path, "a") as take_away:
        end = int(time.time()) + 2
        while time.time() < end:
            another()
        rotated = handler.stats().rotations
        assert sorted(all_lines(tmp_path)) == sorted(sent)
        assert len(reports) == 1, reports
        take_away()
        wait_for(lambda: another() > rotated, "the rotation")
    assert sorted(all_lines(tmp_path)) == sorted(sent)


def test_name_of_the_segment_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else's file with exactly the name of the segment is left as it is; ours takes the next number (P4, I2)."""
    clock = use_clock(monkeypatch)
    foreign = tmp_path / "app.log.2026-03-04_10-20"
    foreign.write_text("somebody else's")
    log = log_at(tmp_path / "app.log", "M")
    log.write("ours")
    clock.step(60)
    log.write("next")
    assert foreign.read_text() == "somebody else's"
    assert lines(tmp_path / "app.log.2026-03-04_10-20.1") == ["ours"]
    assert lines(tmp_path / "app.log") == ["next"]


def test_every_name_of_the_segment_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P1, P4: where each name is taken at the last moment, the log goes on as it is, and nothing is overwritten."""
    monkeypatch.setattr("mpfhandler._protocols.segments._NAMES", 3)
    tried: list[str] = []

    def rename(_source: str, target: str) -> None:
        tried.append(os.path.basename(target))
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)

    clock = use_clock(monkeypatch, rename_new=rename)
    log = log_at(tmp_path / "app.log", "M")
    log.write("ours")
    clock.step(60)
    log.write("next")
    assert tried == ["app.log.2026-03-04_10-20", "app.log.2026-03-04_10-20.1", "app.log.2026-03-04_10-20.2"]
    assert lines(tmp_path / "app.log") == ["ours", "next"]


def test_name_that_is_taken_between_the_look_and_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that gets the name at the last moment is not overwritten either: the kernel refuses, and the next number is taken
    (P4, I2)."""
    foreign = tmp_path / "app.log.2026-03-04_10-20"

    def rename(source: str, target: str) -> None:
        if not foreign.exists():
            foreign.write_text("faster")
        OPERATIONS.rename_new(source, target)

    clock = use_clock(monkeypatch, rename_new=rename)
    log = log_at(tmp_path / "app.log", "M")
    log.write("ours")
    clock.step(60)
    log.write("next")
    assert foreign.read_text() == "faster"
    assert lines(tmp_path / "app.log.2026-03-04_10-20.1") == ["ours"]


def test_name_that_is_taken_right_after_a_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the kernel has a rename that refuses an existing name, no look is relied on: a file that appears after any look at
    the name is not overwritten (P4, I2)."""
    from mpfhandler._platform import posix

    if posix._find_exclusive_rename() is None:
        pytest.skip("this platform has no exclusive rename")
    foreign = tmp_path / "app.log.2026-03-04_10-20"
    look = os.lstat
    looks: list[str] = []

    def look_and_lose(path: str) -> os.stat_result:
        try:
            return look(path)
        finally:
            looks.append(str(path))
            if str(path) == str(foreign):
                foreign.write_text("faster")

    clock = use_clock(monkeypatch)
    log = log_at(tmp_path / "app.log", "M")
    log.write("ours")
    clock.step(60)
    with monkeypatch.context() as patch:
        patch.setattr(os, "lstat", look_and_lose)
        log.write("next")
    taken = looks.count(str(foreign)) > 0
    assert foreign.read_text() == ("faster" if taken else "ours\n")


def test_platform_without_an_exclusive_rename_looks_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the kernel has no rename that refuses an existing name, a name that is taken is seen and left alone (P4)."""
    from mpfhandler._platform import posix

    monkeypatch.setattr(posix, "_kernel_rename", lambda _source, _target: False)
    test_name_of_the_segment_is_taken(tmp_path, monkeypatch)


@pytest.mark.parametrize("kind", ["folder", "symlink"])
def test_name_of_the_segment_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """A folder, or a link that leads nowhere, takes a name as a file does (P4)."""
    clock = use_clock(monkeypatch)
    taken = tmp_path / "app.log.2026-03-04_10-20"
    if kind == "folder":
        taken.mkdir()
    else:
        taken.symlink_to("nowhere")
    log = log_at(tmp_path / "app.log", "M")
    log.write("ours")
    clock.step(60)
    log.write("next")
    assert taken.is_dir() or taken.is_symlink()
    assert lines(tmp_path / "app.log.2026-03-04_10-20.1") == ["ours"]
    assert lines(tmp_path / "app.log") == ["next"]


def test_gap_in_the_numbers_is_not_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where retention has deleted the first segments of a period the numbers go on after the last one, in order of time."""
    use_clock(monkeypatch)
    log = log_at(tmp_path / "app.log", "M")
    for number in range(3):
        log.write(f"record {number}")
        log.rotate()
    (tmp_path / "app.log.2026-03-04_10-20").unlink()
    (tmp_path / "app.log.2026-03-04_10-20.1").unlink()
    log.write("record 3")
    log.rotate()
    assert lines(tmp_path / "app.log.2026-03-04_10-20.2") == ["record 2"]
    assert lines(tmp_path / "app.log.2026-03-04_10-20.3") == ["record 3"]
    assert segments(tmp_path) == ["app.log", "app.log.2026-03-04_10-20.2", "app.log.2026-03-04_10-20.3"]


def test_compressed_segment_takes_its_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A segment that was compressed still has its number: the next one does not take its name."""
    use_clock(monkeypatch)
    (tmp_path / "app.log.2026-03-04_10-20.1.gz").write_bytes(b"")
    log = log_at(tmp_path / "app.log", "M")
    log.write("record")
    log.rotate()
    assert lines(tmp_path / "app.log.2026-03-04_10-20.2") == ["record"]


_RACE = """
from _disk_support import *
path, tag = Path(sys.argv[1]), sys.argv[2]
log = log_at(path)
sys.stdin.readline()
end = time.monotonic() + 3
count = 0
while time.monotonic() < end:
    log.write(f"{tag} {count}")
    count += 1
    log.rotate()
print(count, log.stats().rotations)
"""


def test_rotators_without_a_common_lock_overwrite_nothing(tmp_path: Path) -> None:
    """Three processes rotate as fast as they can while the lock file is deleted all the time, so that two hold "the" lock at
    once: no segment is overwritten, every record is there once (P1, P4, I2, I3)."""
    children = {tag: start_python(_RACE, tmp_path / "app.log", tag) for tag in "abc"}
    for child in children.values():
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    done = threading.Event()

    def delete() -> None:
        while not done.wait(0.0005):
            (tmp_path / "app.log.lock").unlink(missing_ok=True)

    deleter = threading.Thread(target=delete)
    deleter.start()
    try:
        counts = {tag: [int(part) for part in ended(child).split()] for tag, child in children.items()}
    finally:
        done.set()
        deleter.join()
    expected = [f"{tag} {number}" for tag, (count, _) in counts.items() for number in range(count)]
    found = Counter(all_lines(tmp_path))
    assert sum(rotations for _, rotations in counts.values()) > 20
    assert not (missing := set(expected) - set(found)), f"{len(missing)} of {len(expected)} lost"
    assert not (twice := [line for line, count in found.items() if count > 1]), twice[:3]


def test_new_file_cannot_be_created(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the rename and the new file there is no descriptor to be had: records stay in the renamed file, and the log is
    created as soon as that is possible (P1, P5, I4, I7)."""
    create, create_new = Switch(OPERATIONS.open_append, errno.EMFILE), Switch(OPERATIONS.open_new, errno.EMFILE)
    clock = use_clock(monkeypatch, open_append=create, open_new=create_new)
    handler = handler_at(tmp_path / "app.log", "M")
    reports = collect(handler)
    handler.emit(record("one", clock.now()))
    create.on = create_new.on = True
    clock.step(60)
    for _ in range(5):
        handler.emit(record("two", clock.now()))
        clock.step(0.1)
    assert lines(tmp_path / "app.log.2026-03-04_10-20") == ["one"] + ["two"] * 5
    assert not (tmp_path / "app.log").exists()
    assert len(reports) == 1, reports
    create.on = False
    clock.step(2)
    handler.emit(record("three", clock.now()))
    assert lines(tmp_path / "app.log") == ["three"]
    assert handler.stats().spilled == 0


def test_no_descriptor_at_all_while_the_period_ends(tmp_path: Path) -> None:
    """A program without free descriptors (RLIMIT_NOFILE) logs on over boundaries, and rotates when it has some again (P5)."""
    code = """
import resource
from _disk_support import *
folder = Path(sys.argv[1])
handler = handler_at(folder / "app.log", "S")
reports = collect(handler)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 1024))
sent, taken = [], []

def send(text):
    sent.append(text)
    handler.emit(record(text))

send("first")
try:
    while True:
        taken.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    pass
end = int(time.time()) + 3
while time.time() < end:
    send(f"record {len(sent)}")
    time.sleep(0.01)
assert handler.stats().spilled == 0 and handler.stats().lost == 0
assert 1 <= len(reports) <= 2, reports
for fd in taken:
    os.close(fd)
before = len(segments(folder))

def rotated():
    send(f"record {len(sent)}")
    time.sleep(0.01)
    return len(segments(folder)) > before

wait_for(rotated, "the rotation")
assert sorted(all_lines(folder)) == sorted(sent)
"""
    python(code, tmp_path)


def test_file_system_without_inodes(tmp_path: Path) -> None:
    """Where no file can be created any more, records go on in the one there is, whatever name it has (P1, P5, I7)."""
    with tmpfs(tmp_path / "disk", "size=1m,nr_inodes=8") as disk:
        handler = handler_at(disk / "app.log", "S")
        reports = collect(handler)
        sent: list[str] = []

        def another() -> int:
            sent.append(f"record {len(sent)}")
            handler.emit(record(sent[-1]))
            time.sleep(0.005)
            return handler.stats().records

        another()
        fillers = []
        try:
            for number in range(20):
                fillers.append(disk / f"filler{number}")
                fillers[-1].write_bytes(b"")
        except OSError:
            fillers.pop()
        end = int(time.time()) + 3
        while time.time() < end:
            another()
        assert sorted(all_lines(disk)) == sorted(sent)
        assert len(reports) == 1, reports
        for filler in fillers:
            filler.unlink()
        wait_for(lambda: another() and (disk / "app.log").exists(), "the new file")
        assert sorted(all_lines(disk)) == sorted(sent)
        assert handler.stats().spilled == 0
        handler.close()


def test_state_record_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a state record the next process tells the period from the file; the failure is reported once (I4, P5)."""
    write_at = Switch(os.pwrite, errno.ENOSPC)
    clock = use_clock(monkeypatch, write_at=write_at)
    write_at.on = True
    handler = handler_at(tmp_path / "app.log", "M")
    reports = collect(handler)
    for number in range(3):
        handler.emit(record(f"record {number}", clock.now()))
        clock.step(60)
    assert all_lines(tmp_path) == ["record 0", "record 1", "record 2"]
    assert len(segments(tmp_path)) == 3
    assert len(reports) <= 1


class _Victim(BaseException):
    """Stands for a SIGKILL: nothing of the package may catch it and go on."""


def test_process_may_die_between_any_two_steps_of_a_rotation(tmp_path: Path) -> None:
    """Whichever system call of a rotation is a process's last one, the next process finds everything and goes on (P1, I4)."""
    for last in range(1, 200):
        folder = tmp_path / str(last)
        folder.mkdir()
        with pytest.MonkeyPatch.context() as patch:
            clock = Clock()
            ended_early = _rotate_and_die(folder / "app.log", clock, last, patch)
        with pytest.MonkeyPatch.context() as patch:
            use(patch, **clock.entries())
            log = log_at(folder / "app.log", "M")
            log.write("three")
            log.close()
        found = all_lines(folder)
        assert found[:1] == ["one"], (last, found)
        assert found in (["one", "three"], ["one", "two", "three"]), (last, found)
        assert lines(folder / "app.log")[-1] == "three"
        assert len(segments(folder)) == 2, (last, segments(folder))
        if not ended_early:
            assert found == ["one", "two", "three"]
            break
    else:
        pytest.fail("a rotation of more than 200 system calls")
    assert last > 15


def _rotate_and_die(path: Path, clock: Clock, last: int, patch: pytest.MonkeyPatch) -> bool:
    """Write, let the period end, write again in a child that dies after so many system calls; whether it died."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            counted = {"on": False, "calls": 0}

            def counting(entry: object) -> object:
                def call(*arguments: object) -> object:
                    counted["calls"] += counted["on"]
                    if counted["calls"] > last:
                        os._exit(77)
                    return entry(*arguments)  # type: ignore[operator]

                return call

            named = ("open_append", "open_existing", "open_side", "open_lock", "open_read", "close", "write", "seek", "write_at",
                     "stat_path", "stat_fd", "rename_new", "names", "try_lock", "unlock")  # fmt: skip
            use(patch, **clock.entries(), **{name: counting(getattr(OPERATIONS, name)) for name in named})  # type: ignore[arg-type]
            log = log_at(path, "M")
            log.write("one")
            clock.step(60)
            counted["on"] = True
            log.write("two")
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(pid, 0)
    clock.step(60)
    assert os.waitstatus_to_exitcode(status) in {0, 77}
    return os.waitstatus_to_exitcode(status) == 77


def test_log_that_cannot_be_opened_is_news_again_after_it_could(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P5: a failure to open the log is reported once, and again when it comes back after the log was open."""
    opening, creating = Switch(OPERATIONS.open_append, errno.EMFILE), Switch(OPERATIONS.open_new, errno.EMFILE)
    clock = use_clock(monkeypatch, open_append=opening, open_new=creating)
    handler = handler_at(tmp_path / "app.log")
    reports = collect(handler)
    handler.emit(record("0", clock.now()))
    for turn in (1, 2):
        os.rename(tmp_path / "app.log", tmp_path / f"moved.{turn}")
        opening.on = creating.on = True
        for _ in range(3):
            clock.step(100)
            handler.emit(record("no file", clock.now()))
        assert len(reports) == turn, reports
        opening.on = creating.on = False
        clock.step(100)
        handler.emit(record("file", clock.now()))
        assert lines(tmp_path / "app.log")[-1] == "file"
    assert all("Too many open files" in report for report in reports)


def test_lock_that_is_busy_is_news_again_after_it_was_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P5: a rotation lock that cannot be had is reported once, and again when that comes back after it was had."""
    clock = use_clock(monkeypatch)
    handler = handler_at(tmp_path / "app.log", "H")
    reports = collect(handler)
    handler.emit(record("0", clock.now()))
    for turn in (1, 2):
        with open(tmp_path / "app.log.lock") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            clock.step(3600)
            for _ in range(5):
                handler.emit(record("busy", clock.now()))
                clock.step(5)
        assert len(reports) == turn, reports
        handler.emit(record("free", clock.now()))
        assert handler.stats().rotations == turn
    assert handler.stats().lock_timeouts == 2


@pytest.mark.parametrize("broken", ["lock file", "suffix"])
def test_look_that_fails_is_not_repeated_with_every_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    """P3, P5: whatever keeps a rotation from being begun, it is tried less and less, and every record is written."""
    opening = Switch(OPERATIONS.open_lock, errno.EACCES)
    clock = use_clock(monkeypatch, open_lock=opening)
    handler = handler_at(tmp_path / "app.log", "H")
    reports = collect(handler)
    handler.emit(record("first", clock.now()))
    if broken == "suffix":
        handler.suffix = object()  # type: ignore[assignment]
    else:
        opening.on = True
    clock.step(3600)
    opening.calls = 0
    for _ in range(50):
        handler.emit(record("record", clock.now()))
    assert opening.calls == 1
    for _ in range(600):
        clock.step(1)
        handler.emit(record("record", clock.now()))
    assert opening.calls < 20
    assert len(reports) == 1, reports
    assert lines(tmp_path / "app.log") == ["first"] + ["record"] * 650


@pytest.mark.parametrize(
    "late_grace",
    [10.0, 0.0],
)
@pytest.mark.parametrize("delay", [False, True])
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_file_system_without_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, delay: bool, late_grace: float
) -> None:
    """P5: where flock(2) is not supported the log is opened, every record is written, over boundaries, too, and that is reported
    once."""
    clock = use_clock(monkeypatch, try_lock=failing(number))
    told: list[Exception] = []
    handler = handler_at(tmp_path / "app.log", "H", delay=True, late_grace=late_grace)
    reports = collect(handler)
    if not delay:
        log_at(tmp_path / "app.log", "H", late_grace=late_grace, on_error=told.append).close()
    for text in range(200):
        handler.emit(record(f"record {text}", clock.now()))
        clock.step(100)
    handler.close()
    assert lines(tmp_path / "app.log") == [f"record {text}" for text in range(200)]
    assert (handler.stats().records, handler.stats().lost) == (200, 0)
    assert len(reports) == 1, reports
    assert len(told) == (0 if delay else 1), told


def test_log_that_is_removed_in_the_moment_of_its_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P5: somebody's `rm`, as late as can be: the record goes to a new log, and nothing is reported."""
    path = tmp_path / "app.log"
    removed: list[str] = []

    def rename_new(source: str, target: str) -> None:
        if not removed:
            removed.append(source)
            os.unlink(source)
        OPERATIONS.rename_new(source, target)

    clock = use_clock(monkeypatch, rename_new=rename_new)
    told: list[Exception] = []
    log = log_at(path, "M", on_error=told.append)
    log.write("removed")
    clock.step(60)
    log.write("next")
    assert removed == [str(path)]
    assert (segments(tmp_path), lines(path), told) == (["app.log"], ["next"], [])


def test_process_that_is_stopped_in_the_middle_of_every_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An overloaded machine: whenever the clock has been read, an hour has passed. What was found may be of another period then,
    so nothing is decided by it; the record is written once, and later the log is rotated as ever."""
    clock = use_clock(monkeypatch)
    slow = [0]

    def now() -> float:
        if slow[0]:
            slow[0] -= 1
            clock.step(3600)
        return clock.wall

    use(monkeypatch, **{**clock.entries(), "now": now})
    told: list[Exception] = []
    log = log_at(tmp_path / "app.log", "H", on_error=told.append)
    log.write("one")
    clock.step(3600)
    slow[0] = 60
    log.write("two")
    slow[0] = 0
    clock.step(7200)
    log.write("three")
    assert sorted(all_lines(tmp_path)) == ["one", "three", "two"]
    assert lines(tmp_path / "app.log") == ["three"]
    assert told == []
    rotation = log._writer._active.rotation
    held = rotation._lock.acquire(1.0)
    assert held is not None
    slow[0] = 60
    with pytest.raises(_ChangedUnderUs):
        rotation._look(held, None)
    slow[0] = 0
    assert rotation._look(held, None).now == clock.wall
    rotation._lock.release(held)


def test_file_that_cannot_get_its_name_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another log has the name by now, and every other one is taken, too: it stays where it is, whole, and that is told."""
    monkeypatch.setattr("mpfhandler._protocols.segments._NAMES", 5)
    told: list[Exception] = []
    tried: list[str] = []

    def taken(_source: str, target: str) -> bool:
        tried.append(target)
        raise FileExistsError(errno.EEXIST, "File exists")

    use_clock(monkeypatch, rename_new=taken, rename_once=taken)
    log = log_at(tmp_path / "app.log", "H", on_error=told.append)
    log.write("one")
    (tmp_path / "elsewhere").write_text("record\n")
    log._writer._active.rotation.segments.put_back(str(tmp_path / "elsewhere"))
    assert (tmp_path / "elsewhere").read_text() == "record\n"
    assert len(tried) == len(set(tried)) == 6
    assert [type(error) for error in told] == [FileExistsError]


def test_so_many_folders_of_a_namer_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that gives each hour a folder of its own: the last ones are known, and a process that runs for years does not grow."""
    clock = use_clock(monkeypatch)
    handler = handler_at(tmp_path / "app.log", "H", mkdir=True)

    def namer(default: str) -> str:
        folder = tmp_path / default[-2:]
        folder.mkdir(exist_ok=True)
        return str(folder / os.path.basename(default))

    handler.namer = namer
    for number in range(13):
        handler.emit(record(f"record {number}", clock.now()))
        clock.step(3600)
    segments = handler._writer._active.rotation.segments
    assert list(segments._used) == [str(tmp_path / f"{hour:02}") for hour in range(14, 22)]
    assert len(list(tmp_path.glob("*/app.log.*"))) == 12
    handler.close()


def test_new_log_that_was_made_during_a_stop_and_cannot_be_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody may have written to it for the period that was then: it is not taken for one of the new period. The next round
    finds it, and the record is written once, in the file of its period."""
    path, armed, broken, failed = tmp_path / "app.log", [True], list[bool](), list[bool]()

    def try_lock(fd: int, exclusive: bool) -> bool:
        if not exclusive and armed:
            armed.clear()
            clock.step(3600)
            broken.append(True)
        return OPERATIONS.try_lock(fd, exclusive)

    def stat_fd(fd: int) -> FileStat:
        found = OPERATIONS.stat_fd(fd)
        if broken and path.exists() and found.id.inode == path.stat().st_ino:
            broken.clear()
            failed.append(True)
            raise OSError(errno.EIO, "input/output error")
        return found

    clock = use_clock(monkeypatch, try_lock=try_lock, stat_fd=stat_fd)
    told: list[Exception] = []
    log = log_at(path, "H", delay=True, on_error=told.append)
    log.write("one")
    assert failed == [True]
    assert all_lines(tmp_path) == ["one"]
    clock.step(3600)
    log.write("two")
    assert (sorted(all_lines(tmp_path)), lines(path), told) == (["one", "two"], ["two"], [])


def test_look_that_fails_after_a_log_was_opened_leaves_nothing_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """I7: the log is made at the end of a period, so it is looked at once more whether the lock is still ours, and that fails.
    Whoever keeps the exception would keep the lease, and nobody could seal the segment."""
    path = tmp_path / "app.log"
    opened: list[int] = []

    def slowly(name: str, mode: int) -> int:
        clock.step(1)
        opened.append(OPERATIONS.open_new(name, mode))
        return opened[-1]

    def look(name: str) -> FileStat:
        if name.endswith(".lock") and len(opened) == 1:
            opened.append(-1)
            raise OSError(errno.EACCES, os.strerror(errno.EACCES), name)
        return OPERATIONS.stat_path(name)

    clock = use_clock(monkeypatch, open_new=slowly, stat_path=look)
    log = log_at(path, "S", delay=True)
    rotation = log._writer._active.rotation
    kept: list[object] = []
    try:
        kept.append(rotation.run(None, b"\n", Demand.NOTHING, 1.0))
    except OSError as error:
        kept.append(error)
    fd = os.open(path, os.O_RDWR)
    got = [one.segment for one in kept if isinstance(one, Outcome)]
    for segment in got:
        segment.close()
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(fd)
    assert -1 in opened
    assert got


def test_look_that_fails_after_the_log_was_followed_leaves_nothing_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for a process that finds the log rotated by another one."""
    path = tmp_path / "app.log"
    looks: list[str] = []

    def look(name: str) -> FileStat:
        if name == str(path):
            looks.append(name)
            if len(looks) == 2:
                raise OSError(errno.EACCES, os.strerror(errno.EACCES), name)
        return OPERATIONS.stat_path(name)

    other = log_at(path)
    other.write("first")
    other.close()
    use(monkeypatch, stat_path=look)
    rotation = log_at(path, delay=True)._writer._active.rotation
    looks.clear()
    kept: list[object] = []
    try:
        kept.append(rotation.follow(None, b"\n"))
    except OSError as error:
        kept.append(error)
    assert len(looks) == 2
    fd = os.open(path, os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(fd)
    assert kept == [None]


def test_a_period_that_begins_in_the_file_of_the_one_before_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the log may not be renamed, a split is counted for the boundary, once however often the rename is tried, and the
    debug file says when it begins and when it is over."""
    rename = Switch(OPERATIONS.rename_new, errno.EBUSY)
    clock = use_clock(monkeypatch, rename_new=rename)
    log = log_at(tmp_path / "app.log", "M", debug=True)
    log.write("in its minute")
    assert log.stats().splits == 0
    rename.on = True
    clock.step(60)
    for _ in range(200):
        clock.step(0.1)
        log.write("of the next one")
    assert rename.calls > 3
    assert log.stats().splits == 1
    rename.on = False
    clock.step(60)
    log.write("in a new file")
    assert (log.stats().rotations, log.stats().splits) == (1, 1)
    rename.on = True
    clock.step(60)
    log.write("again")
    assert log.stats().splits == 2
    told = [line.split()[3:5] for line in (tmp_path / "app.log.debug").read_text().splitlines()]
    assert [one[:2] for one in told if one[0] == "split"] == [
        ["split", f"segment={tmp_path}/app.log"],
        ["split", "over"],
        ["split", f"segment={tmp_path}/app.log"],
    ]


def test_a_rotation_by_hand_that_fails_splits_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a period the records are in their own file, whatever becomes of the wish."""
    rename = Switch(OPERATIONS.rename_new, errno.EACCES)
    use_clock(monkeypatch, rename_new=rename)
    log = log_at(tmp_path / "app.log", "M")
    log.write("one")
    rename.on = True
    assert not log.rotate()
    assert log.stats().splits == 0


def test_a_split_is_the_parents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A forked child counts its own."""
    rename = Switch(OPERATIONS.rename_new, errno.EACCES)
    clock = use_clock(monkeypatch, rename_new=rename)
    log = log_at(tmp_path / "app.log", "M")
    log.write("one")
    rename.on = True
    clock.step(60)
    log.write("two")
    assert log.stats().splits == 1
    child = os.fork()
    if not child:
        os._exit(log.stats().splits)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert log.stats().splits == 1
