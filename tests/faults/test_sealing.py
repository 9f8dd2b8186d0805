"""Sealing: what is done to a closed segment, when, by whom, and to which files it is never done (promises P1, P4, P5)."""

from __future__ import annotations

import errno
import fcntl
import gzip
import itertools
import json
import os
import stat
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from _disk_support import needs_root, tmpfs
from _seal_support import (
    AT,
    CONTENT,
    END,
    GRACE,
    HOUR,
    METHODS,
    NAME,
    Doomed,
    Hook,
    Killed,
    Told,
    contents,
    hidden,
    leased,
    make,
    rules,
    seal,
    unpack,
)

from mpfhandler import SealedSegment
from mpfhandler._platform import OPERATIONS, Operations
from mpfhandler._platform.renaming import take_and_rename
from mpfhandler._protocols.markers import Marker, Pen
from mpfhandler._protocols.sealing import Memory, Sealed
from mpfhandler._pure.naming import Names
from mpfhandler._pure.schedule import Schedule

IS_ROOT = os.geteuid() == 0
LATER = replace(OPERATIONS, now=lambda: time.time() + 60)  # nobody is unpacking any more


@pytest.mark.parametrize("method", METHODS)
def test_segment_is_compressed_as_it_was(tmp_path: Path, method: str) -> None:
    """The content is there once, under the compressed name, with mode and times of the plain segment; nothing else is left."""
    plain = make(tmp_path)
    before = plain.stat()
    done = seal(tmp_path, rules(method))
    assert (done.done, done.failed, done.held, done.next_at) == (1, False, set(), None)
    after = (tmp_path / f"{NAME}.{method}").stat()
    assert contents(tmp_path) == {f"{NAME}.{method}": CONTENT}
    assert hidden(tmp_path) == []
    assert (after.st_mtime_ns, after.st_mode, after.st_uid, after.st_gid) == (
        before.st_mtime_ns,
        before.st_mode,
        before.st_uid,
        before.st_gid,
    )
    assert after.st_atime_ns == before.st_atime_ns
    assert seal(tmp_path, rules(method)).done == 0


def test_owner_and_odd_mode_are_kept(tmp_path: Path) -> None:
    """Another user's segment stays another user's, with its set-id bit."""
    if not IS_ROOT:
        pytest.skip("only root gives files away")
    plain = make(tmp_path)
    os.chown(plain, 1234, 2345)
    plain.chmod(0o2664)
    seal(tmp_path, rules())
    found = (tmp_path / f"{NAME}.gz").stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1234, 2345, 0o2664)


def of_another_owner(folder: Path) -> Operations:
    """Makes a segment, and what a process has that may not give its own files to that owner."""

    def refuse(_fd: int, _uid: int, _gid: int) -> None:
        raise PermissionError(errno.EPERM, "not yours")

    if not IS_ROOT:
        pytest.skip("only root gives files away")
    os.chown(make(folder), 1234, 2345)
    return replace(OPERATIONS, set_owner=refuse)


def test_owner_that_cannot_be_kept_leaves_it_plain(tmp_path: Path) -> None:
    """It waits for a process that can do that; it is told once, and the hook is called all the same."""
    told, hook, memory, read = Told(), Hook(), Memory(), list[int]()
    ops = replace(of_another_owner(tmp_path), write=lambda _fd, data: read.append(len(data)) or len(data))
    for _ in range(3):
        done = seal(tmp_path, rules("gz", hook.step), ops=ops, told=told, memory=memory)
        assert not done.failed
    assert read == [], "nothing is compressed in vain"
    assert contents(tmp_path) == {NAME: CONTENT}
    assert [one.path for one in hook.seen] == [str(tmp_path / NAME)]
    assert len(told.texts) == 1
    assert "1234:2345" in told.texts[0]
    assert hidden(tmp_path) == [f".{NAME}.sealed"]
    seal(tmp_path, rules("gz", hook.step), memory=memory)
    assert (list(contents(tmp_path)), len(hook.seen)) == ([f"{NAME}.gz"], 1), "when it can be kept, it is compressed"


@pytest.mark.parametrize(
    ("now", "due"),
    [(AT + 1800.0, END + GRACE), (END + GRACE - 0.01, END + GRACE), (END + GRACE, None), (END + 86400.0, None)],
)
def test_nothing_happens_before_the_grace_is_over(tmp_path: Path, now: float, due: float | None) -> None:
    """Also to a segment that was split off in the midst of the present period; and it is told when it will be time."""
    make(tmp_path, name=NAME)
    make(tmp_path, name=f"{NAME}.1")
    assert seal(tmp_path, rules(), now=now).next_at == due
    assert sorted(contents(tmp_path)) == ([NAME, f"{NAME}.1"] if due else [f"{NAME}.1.gz", f"{NAME}.gz"])


def test_compression_waits_for_its_delay_and_all_steps_with_it(tmp_path: Path) -> None:
    """Shippers follow a renamed file for a while; the hook is to see the compressed file."""
    make(tmp_path)
    hook = Hook()
    how = rules("gz", hook.step, delay=300.0)
    for now in (END, END + GRACE, END + GRACE + 299.9):
        assert seal(tmp_path, how, now=now).next_at == END + GRACE + 300
        assert (list(contents(tmp_path)), hook.seen) == ([NAME], [])
    seal(tmp_path, how, now=END + GRACE + 300)
    assert [one.path for one in hook.seen] == [str(tmp_path / f"{NAME}.gz")]


def test_next_time_is_the_earliest(tmp_path: Path) -> None:
    """Of several segments that are not due yet, whatever their order."""
    make(tmp_path)
    make(tmp_path, name="app.log.2026-11-23_18", written=AT + 7300.0)
    make(tmp_path, name="app.log.2026-11-23_17", written=AT + 3700.0)
    assert seal(tmp_path, rules(), now=END + GRACE).next_at == END + 3600 + GRACE


@pytest.mark.parametrize("how", [rules("gz"), rules(None, Hook().step), rules(None, fsync="seal")])
def test_leased_segment_is_left_for_the_next_time(tmp_path: Path, how: Any) -> None:
    """A writer that still has a lease is waited for, and it is told whose file it is."""
    plain = make(tmp_path)
    fd = leased(plain)
    try:
        done = seal(tmp_path, how)
        assert done.held == {OPERATIONS.stat_fd(fd).id}
        assert (done.done, contents(tmp_path), hidden(tmp_path)) == (0, {NAME: CONTENT}, [])
    finally:
        os.close(fd)
    assert seal(tmp_path, how).done == 1


def test_hook_gets_everything_about_the_segment_and_is_called_once(tmp_path: Path) -> None:
    """Path, period, size of the file, and the times of its first and last record; never again for the same segment."""
    make(tmp_path)
    hook = Hook()
    for _ in range(3):
        seal(tmp_path, rules("gz", hook.step))
    path = tmp_path / f"{NAME}.gz"
    last = AT + 59.0
    assert hook.seen == [SealedSegment(str(path), float(AT), float(END), path.stat().st_size, float(AT), last)]
    told = json.loads((tmp_path / f".{NAME}.sealed").read_text())
    assert told["done"] == {"on_seal": {"calls": 1}}
    assert told["size"] == len(CONTENT)


def test_hook_without_compression_sees_the_plain_segment(tmp_path: Path) -> None:
    """As soon as the grace is over; times that cannot be read are not known."""
    make(tmp_path, b"no time at all\n")
    hook = Hook()
    seal(tmp_path, rules(None, hook.step))
    assert hook.seen == [SealedSegment(str(tmp_path / NAME), float(AT), float(END), 15, None, None)]


@pytest.mark.parametrize("twin_is_there", [False, True])
def test_plain_segment_goes_when_all_is_safe(tmp_path: Path, twin_is_there: bool) -> None:
    """The data, then the name: a file system may keep the removal and forget the rename, unless the folder was synced."""
    make(tmp_path)
    if twin_is_there:
        seal(tmp_path, rules())
        make(tmp_path)
    names = ("fsync", "rename_once", "fsync_folder", "unlink")
    calls: list[str] = []

    def noted(name: str) -> Any:
        def call(*arguments: Any) -> Any:
            calls.append(name)
            return getattr(OPERATIONS, name)(*arguments)

        return call

    seal(tmp_path, rules(), ops=replace(LATER, **{name: noted(name) for name in names}))
    wanted = ["fsync", "fsync_folder", "unlink"] if twin_is_there else ["fsync", *names]  # of the plain one, too
    assert calls == wanted


@pytest.mark.parametrize("method", METHODS)
def test_hook_for_segments_that_were_compressed_before(tmp_path: Path, method: str) -> None:
    """Compressed by a process without hook, or before there was one: times are read from within."""
    make(tmp_path)
    seal(tmp_path, rules(method))
    hook = Hook()
    for _ in range(2):
        seal(tmp_path, rules("gz", hook.step))
    assert [(one.path, one.first, one.last) for one in hook.seen] == [(str(tmp_path / f"{NAME}.{method}"), AT, AT + 59.0)]


@pytest.mark.parametrize("error", [ValueError("hook"), OSError(errno.EIO, "hook"), SystemExit(3)])
def test_hook_that_fails_is_told_once_and_called_again(tmp_path: Path, error: BaseException) -> None:
    """It holds up neither the compression, nor other steps, nor other segments; and it is over when it succeeds."""
    make(tmp_path)
    make(tmp_path, name=f"{NAME}.1")
    told, hook, archive = Told(), Hook(), Hook("archive")
    hook.fails = [error] * 4
    how = rules("gz", hook.step, archive.step)
    for _ in range(2):
        assert seal(tmp_path, how, told=told).failed
    assert len(told.errors) == 1
    assert len(archive.seen) == 2
    assert sorted(contents(tmp_path)) == [f"{NAME}.1.gz", f"{NAME}.gz"]
    assert not seal(tmp_path, how, told=told).failed
    assert len(hook.seen) == 6
    hook.fails = [error]
    make(tmp_path, name=f"{NAME}.2")
    seal(tmp_path, how, told=told)
    assert len(told.errors) == 2, "after a success a failure is news"


def test_interrupt_of_a_hook_goes_through(tmp_path: Path) -> None:
    """Control-C in `mpfhandler seal` ends it, and no lock is left behind."""
    make(tmp_path)
    hook = Hook()
    hook.fails = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        seal(tmp_path, rules("gz", hook.step))
    assert seal(tmp_path, rules("gz", hook.step)).done == 1


def test_new_segment_of_a_deleted_ones_name_is_not_taken_for_done(tmp_path: Path) -> None:
    """The marker speaks of another file; one without a segment is removed."""
    make(tmp_path)
    hook = Hook()
    how = rules("gz", hook.step)
    seal(tmp_path, how)
    (tmp_path / f"{NAME}.gz").unlink()
    make(tmp_path, CONTENT, written=AT + 3100.0)
    seal(tmp_path, how)
    assert len(hook.seen) == 2
    (tmp_path / f"{NAME}.gz").unlink()
    seal(tmp_path, how)
    assert hidden(tmp_path) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 2}', '{"version": 1, "done": 7}', "x" * 5000, "\0" * 200])
def test_marker_that_cannot_be_read_is_as_none(tmp_path: Path, text: str) -> None:
    """At worst a hook is called a second time; nothing is left undone."""
    make(tmp_path)
    (tmp_path / f".{NAME}.sealed").write_text(text)
    hook = Hook()
    for _ in range(2):
        seal(tmp_path, rules(None, hook.step))
    assert len(hook.seen) == 1


def test_marker_of_another_user_is_not_taken_for_none(tmp_path: Path) -> None:
    """A hook is not called again because the marker may not be read; that is told."""
    make(tmp_path)
    hook, told = Hook(), Told()
    seal(tmp_path, rules(None, hook.step))

    def refuse(_path: str) -> int:
        raise PermissionError(errno.EACCES, "not yours")

    seal(tmp_path, rules(None, hook.step), ops=replace(OPERATIONS, open_read=refuse), told=told)
    assert (len(hook.seen), len(told.errors)) == (1, 1)


def test_marker_is_read_by_who_reads_the_segment(tmp_path: Path) -> None:
    """Processes of several users log to one file: the marker has the segment's mode and owner."""
    plain = make(tmp_path)
    if IS_ROOT:
        os.chown(plain, 1234, 2345)
    seal(tmp_path, rules(None, Hook().step))
    found = (tmp_path / f".{NAME}.sealed").stat()
    assert (found.st_uid, found.st_gid) == (plain.stat().st_uid, plain.stat().st_gid)
    assert stat.S_IMODE(found.st_mode) == 0o640


def test_evidence_that_is_long_or_strange_does_not_matter(tmp_path: Path) -> None:
    """The step counts as done."""
    make(tmp_path)
    hook = Hook()
    huge = replace(hook.step, run=lambda *seen: {**hook.step.run(*seen), "huge": "x" * 9999, "odd": object()})
    for _ in range(2):
        seal(tmp_path, rules(None, huge))
    assert len(hook.seen) == 1
    assert (tmp_path / f".{NAME}.sealed").stat().st_size == 4096


def test_archived_segment_is_removed_when_all_is_done(tmp_path: Path) -> None:
    """After the archive and the hook, and its marker with it."""
    make(tmp_path)
    hook, archive = Hook(), Hook("archive")
    hook.fails = [ValueError("not yet")]
    how = rules("gz", hook.step, archive.step, delete_after="archive")
    seal(tmp_path, how, told=Told())
    assert list(contents(tmp_path)) == [f"{NAME}.gz"]
    seal(tmp_path, how)
    assert (len(hook.seen), len(archive.seen)) == (2, 1)
    assert (contents(tmp_path), hidden(tmp_path)) == ({}, [])


def test_plain_segment_that_may_not_be_removed_is_archived_once(tmp_path: Path) -> None:
    """D3: its compressed form stands beside it already, and both are to go together: it is archived plain, and the next time they
    go without being archived once more."""
    path, archive, denied = make(tmp_path), Hook("archive"), list[str]()

    def unlink(name: str) -> None:
        if name == str(path) and not denied:
            denied.append(name)
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), name)
        os.unlink(name)

    how = rules("gz", archive.step, delete_after="archive")
    seal(tmp_path, how, ops=replace(OPERATIONS, unlink=unlink), told=Told())
    assert [one.path for one in archive.seen] == [str(path)]
    assert sorted(contents(tmp_path)) == [NAME, f"{NAME}.gz"]
    seal(tmp_path, how)
    assert len(archive.seen) == 1
    assert (contents(tmp_path), hidden(tmp_path)) == ({}, [])


def test_removal_that_failed_is_made_up_for(tmp_path: Path) -> None:
    """The archive is not asked again."""
    make(tmp_path)
    archive = Hook("archive")
    how = rules(None, archive.step, delete_after="archive")

    def refuse(path: str) -> None:
        if path.endswith(NAME):
            raise OSError(errno.EIO, "disk")
        os.unlink(path)

    told = Told()
    assert seal(tmp_path, how, ops=replace(OPERATIONS, unlink=refuse), told=told).failed
    assert len(told.errors) == 1
    seal(tmp_path, how)
    assert (len(archive.seen), contents(tmp_path), hidden(tmp_path)) == (1, {}, [])


def test_hook_may_remove_or_compress_the_segment_itself(tmp_path: Path) -> None:
    """Then there is nothing left to do for it, and it is not called for its own work."""
    make(tmp_path)
    hook, archive = Hook(), Hook("archive")
    hook.does = lambda segment: os.unlink(segment.path)
    seal(tmp_path, rules(None, hook.step, archive.step))
    assert (len(hook.seen), archive.seen, hidden(tmp_path)) == (1, [], [])

    make(tmp_path)
    hook.does = pack_itself
    for _ in range(3):
        seal(tmp_path, rules(None, hook.step))
    assert len(hook.seen) == 2
    assert contents(tmp_path) == {f"{NAME}.gz": CONTENT}


def pack_itself(segment: SealedSegment) -> None:
    """A hook that compresses."""
    Path(segment.path + ".gz").write_bytes(gzip.compress(Path(segment.path).read_bytes()))
    os.unlink(segment.path)


def write_anew(segment: SealedSegment) -> None:
    """A hook that puts another file in the segment's place, as `sed -i` does."""
    Path(segment.path + "~").write_bytes(CONTENT.upper())
    os.replace(segment.path + "~", segment.path)


@pytest.mark.parametrize(("does", "ending"), [(pack_itself, ".gz"), (write_anew, "")])
@pytest.mark.parametrize("delete", [None, "archive"])
def test_steps_after_a_hook_have_what_it_has_left(
    does: Callable[[SealedSegment], None], ending: str, delete: str | None, tmp_path: Path
) -> None:
    """The file that stands there then, with the lock on that one: nobody else comes in between, and nothing fails."""
    make(tmp_path)
    hook, archive, others = Hook(), Hook("archive"), list[Sealed]()
    hook.does = does
    how = rules(None, hook.step, archive.step, delete_after=delete)
    archive.does = lambda _: others.append(seal(tmp_path, how))
    seal(tmp_path, how)
    assert [one.path for one in archive.seen] == [f"{tmp_path / NAME}{ending}"]
    assert archive.seen[0].size == (len(CONTENT) if not ending else len(gzip.compress(CONTENT)))
    assert [len(one.held) for one in others] == [1]
    assert list(contents(tmp_path)) == ([] if delete else [NAME + ending])
    seal(tmp_path, how)
    assert (len(hook.seen), len(archive.seen)) == (1, 1)


@pytest.mark.parametrize("kind", ["held", "folder"])
def test_what_a_hook_has_left_may_be_somebodys(kind: str, tmp_path: Path) -> None:
    """In use by another process it is left for the next time; what is no file is told of and left alone. The hook is not called
    once more."""
    make(tmp_path)
    hook, archive, told = Hook(), Hook("archive"), Told()
    how = rules(None, hook.step, archive.step)
    fds: list[int] = []

    def leave(segment: SealedSegment) -> None:
        if kind == "folder":
            os.unlink(segment.path)
            os.mkdir(segment.path)
        else:
            write_anew(segment)
            fds.append(os.open(segment.path, os.O_RDWR))
            fcntl.flock(fds[0], fcntl.LOCK_SH)

    hook.does = leave
    done = seal(tmp_path, how, told=told)
    assert (len(done.held), done.failed, archive.seen) == (int(kind == "held"), False, [])
    assert [text.rpartition(": ")[2] for text in told.texts] == (
        [] if kind == "held" else ["is no regular file, and is left alone; move it away"]
    )
    for fd in fds:
        os.close(fd)
    seal(tmp_path, how)
    assert (len(hook.seen), len(archive.seen)) == (1, int(kind == "held"))


def test_marker_that_somebody_is_writing_is_no_failure(tmp_path: Path) -> None:
    """Another process has been at the segment since a hook has put another file in its place."""
    make(tmp_path)
    hook = Hook()
    fd = os.open(tmp_path / f".{NAME}.sealed.tmp", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX)
    done = seal(tmp_path, rules(None, hook.step))
    assert (len(done.held), hook.seen) == (1, [])
    os.close(fd)
    seal(tmp_path, rules(None, hook.step))
    assert (len(hook.seen), hidden(tmp_path)) == (1, [f".{NAME}.sealed"])


def test_step_that_another_process_has_just_done_is_not_done_again(tmp_path: Path) -> None:
    """It had the lock on the file in whose place its hook has put this one, and writes that down after we have looked."""
    path, hook = make(tmp_path), Hook()
    names, done = Names(str(tmp_path / "app.log"), HOUR.suffix), list[str]()
    segment = names.read(str(path))
    assert segment is not None

    def create(text: str) -> int:
        if not done:
            done.append(text)
            found = OPERATIONS.stat_path(str(path))
            Pen(OPERATIONS, names, segment).write(Marker(found.size, found.mtime_ns, done={"on_seal": {}}), found)
        return OPERATIONS.open_new_private(text)

    seal(tmp_path, rules(None, hook.step), ops=replace(OPERATIONS, open_new_private=create))
    assert (hook.seen, hidden(tmp_path)) == ([], [f".{NAME}.sealed"])


def test_fsync_of_a_sealed_segment(tmp_path: Path) -> None:
    """The file and its folder, once, as soon as the grace is over, though the compression comes later."""
    make(tmp_path)
    synced: list[str] = []
    ops = replace(
        OPERATIONS,
        fsync=lambda fd: synced.append(os.readlink(f"/proc/self/fd/{fd}")),
        fsync_folder=lambda path: synced.append(path),
    )
    how, memory = rules("gz", delay=300.0, fsync="seal"), Memory()
    assert seal(tmp_path, how, ops=ops, now=END, memory=memory).next_at == END + GRACE
    assert synced == []
    for _ in range(3):
        assert seal(tmp_path, how, ops=ops, memory=memory).next_at == END + GRACE + 300
    assert synced == [str(tmp_path / NAME), str(tmp_path)]
    assert list(contents(tmp_path)) == [NAME]
    assert seal(tmp_path, rules(None, fsync="seal"), ops=ops, memory=memory).next_at is None


def test_fsync_that_fails_comes_before_everything_else(tmp_path: Path) -> None:
    """Nothing is done to a segment that could not be made safe; it is told and tried again."""
    make(tmp_path)
    told, hook = Told(), Hook()

    def refuse(_fd: int) -> None:
        raise OSError(errno.EIO, "disk")

    how = rules(None, hook.step, fsync="always")
    assert seal(tmp_path, how, ops=replace(OPERATIONS, fsync=refuse), told=told).failed
    assert (hook.seen, len(told.errors)) == ([], 1)
    seal(tmp_path, how)
    assert len(hook.seen) == 1


# --- files of others ---------------------------------------------------------------------------------------------------

FOREIGN = [
    "app.log",
    "app.log.lock",
    "app.error.log.2026-11-23_16",
    "app.log.bak",
    "app.log.2026-11-23_16.csv",
    "app.log.2026-11-23",
    "xapp.log.2026-11-23_16",
    ".app.error.log.2026-11-23_16.rotating",
    ".app.log.2026-11-23_16.rotating~",
    ".app.log.2026-11-23_16.tmp",
    ".app.error.log.2026-11-23_16.gz.tmp",
    ".app.log.2026-11-23_16.gz.tmp~",
    ".app.error.log.2026-11-23_16.sealed",
]


def test_files_of_others_are_never_touched(tmp_path: Path) -> None:
    """Only names that read in full as a segment of this log are compressed, handed to a hook or removed."""
    for name in FOREIGN:
        make(tmp_path, name.encode(), name)
    (tmp_path / "theirs").write_text("theirs")
    (tmp_path / f"{NAME}.7").symlink_to(tmp_path / "theirs")
    (tmp_path / f"{NAME}.8").mkdir()
    os.mkfifo(tmp_path / f"{NAME}.9")
    before = {path.name: path.lstat() for path in tmp_path.iterdir()}
    hook = Hook()
    seal(tmp_path, rules("gz", hook.step, fsync="seal"), now=END + 1e6)
    assert hook.seen == []
    after = {path.name: path.lstat() for path in tmp_path.iterdir()}
    assert {name: (found.st_ino, found.st_mtime_ns, found.st_size) for name, found in after.items()} == {
        name: (found.st_ino, found.st_mtime_ns, found.st_size) for name, found in before.items()
    }


def test_link_to_a_segment_is_not_reported(tmp_path: Path) -> None:
    """It is somebody's, and no failure: nothing is told of it, run after run."""
    make(tmp_path, name="elsewhere")
    (tmp_path / NAME).symlink_to(tmp_path / "elsewhere")
    opened: list[str] = []

    def count(path: str) -> int:
        opened.append(path)
        return OPERATIONS.open_side(path)

    for now in (END, END + GRACE):
        done = seal(tmp_path, rules("gz", Hook().step), ops=replace(OPERATIONS, open_side=count), now=now)
        assert (opened, done.held, done.next_at) == ([], set(), None)


@pytest.mark.parametrize("method", ["gz", None])
def test_file_that_loses_its_name_before_the_lock_is_left_alone(tmp_path: Path, method: str | None) -> None:
    """Another process has just compressed and removed it, and somebody has put another file in its place: the lock that was had
    is on neither."""
    plain = make(tmp_path)

    def replaced(path: str) -> int:
        fd = OPERATIONS.open_side(path)
        if path == str(plain):
            plain.unlink()
            make(tmp_path, b"another one")
        return fd

    hook = Hook()
    done = seal(tmp_path, rules(method, hook.step), ops=replace(OPERATIONS, open_side=replaced))
    assert (len(done.held), hook.seen, contents(tmp_path)) == (1, [], {NAME: b"another one"})


def test_segment_of_another_schedule_is_nobodys(tmp_path: Path) -> None:
    """A name with whole days is no segment of an hourly log."""
    make(tmp_path, name="app.log.2026-11-22")
    seal(tmp_path, rules(), now=END + 1e6)
    assert list(contents(tmp_path)) == ["app.log.2026-11-22"]


def test_suffix_that_cannot_be_read_back_seals_nothing(tmp_path: Path) -> None:
    """No file can be told from other people's; that is told."""
    make(tmp_path, name="app.log.50%")
    told = Told()
    seal(tmp_path, rules(), told=told, names=Names(str(tmp_path / "app.log"), "%H%"), now=END + 1e6)
    assert list(contents(tmp_path)) == ["app.log.50%"]
    assert "suffix" in told.texts[0]


def test_names_without_a_date_are_sealed_by_their_last_write(tmp_path: Path) -> None:
    """After the end of the period that it was written in, and some quiet."""
    names = Names(str(tmp_path / "app.log"), "%H")
    make(tmp_path, name="app.log.16")
    assert seal(tmp_path, rules(), names=names, now=END).next_at == END + GRACE
    seal(tmp_path, rules(), names=names, now=END + GRACE)
    assert list(contents(tmp_path)) == ["app.log.16.gz"]


def test_segments_in_another_folder_and_with_another_name(tmp_path: Path) -> None:
    """A `namer` may put them anywhere: hidden files of the compression lie there, markers beside the log."""
    (tmp_path / "old").mkdir()
    names = Names(
        str(tmp_path / "app.log"), HOURLY, lambda path: os.path.join(os.path.dirname(path), "old", "x" + os.path.basename(path))
    )
    make(tmp_path / "old", name=f"x{NAME}")
    (tmp_path / "old" / f".x{NAME}.gz.tmp").write_text("of a killed process")
    (tmp_path / ".app.log.2026-11-23_15.sealed").write_text("{}")
    hook = Hook()
    for _ in range(2):
        told = Told()
        done = seal(tmp_path / "old", rules("gz", hook.step), names=names, told=told)
        assert (told.errors, done.failed) == ([], False)
    assert contents(tmp_path / "old") == {f"x{NAME}.gz": CONTENT}
    assert len(hook.seen) == 1
    assert (hidden(tmp_path), hidden(tmp_path / "old")) == ([f".{NAME}.named"], [])


def test_segment_that_a_namer_calls_compressed_is_not_compressed(tmp_path: Path) -> None:
    """The standard library's cookbook has a namer that appends `.gz` and a rotator that compresses."""
    names = Names(str(tmp_path / "app.log"), HOURLY, lambda path: path + ".gz")
    import gzip

    make(tmp_path, gzip.compress(CONTENT), f"{NAME}.gz")
    hook = Hook()
    seal(tmp_path, rules("gz", hook.step), names=names)
    assert contents(tmp_path) == {f"{NAME}.gz": CONTENT}
    assert len(hook.seen) == 1


# --- what is left of a killed process, and twins -----------------------------------------------------------------------


@pytest.mark.parametrize("name", [f".{NAME}.gz.tmp", f".{NAME}.xz.tmp", ".app.log.2020-01-01_00.gz.tmp"])
@pytest.mark.parametrize("how", [rules("gz"), rules(None)])
def test_temporary_file_of_a_killed_process_is_reclaimed(tmp_path: Path, name: str, how: Any) -> None:
    """Whatever the method it was for, whether its segment is there or not, and though nothing is compressed any more."""
    make(tmp_path)
    (tmp_path / name).write_bytes(b"half of it")
    seal(tmp_path, how)
    assert hidden(tmp_path) == []


def test_temporary_file_that_is_being_written_is_left_alone(tmp_path: Path) -> None:
    """Its writer has the lock on it."""
    make(tmp_path)
    path = tmp_path / f".{NAME}.gz.tmp"
    path.write_bytes(b"half of it")
    fd = OPERATIONS.open_side(str(path))
    assert OPERATIONS.try_lock(fd, True)
    try:
        done = seal(tmp_path, rules())
        assert done.held
        assert (hidden(tmp_path), list(contents(tmp_path))) == ([path.name], [NAME])
    finally:
        os.close(fd)
    seal(tmp_path, rules())
    assert (hidden(tmp_path), list(contents(tmp_path))) == ([], [f"{NAME}.gz"])


def test_marker_without_a_segment_goes(tmp_path: Path) -> None:
    """With the temporary one that was to replace it; that of a segment that is there stays."""
    make(tmp_path)
    seal(tmp_path, rules(None, Hook().step))
    (tmp_path / ".app.log.2020-01-01_00.sealed").write_text("{}")
    (tmp_path / ".app.log.2020-01-01_00.sealed.tmp").write_text("{}")
    seal(tmp_path, rules(None, Hook().step))
    assert hidden(tmp_path) == [f".{NAME}.sealed"]


def twin(folder: Path, data: bytes, method: str = "gz", *, ours: bool = False) -> Path:
    """A compressed file beside the segment. One of ours has its time."""
    path = folder / f"{NAME}.{method}"
    path.write_bytes(data)
    if ours:
        os.utime(path, ns=(1, (folder / NAME).stat().st_mtime_ns))
    return path


def packed(tmp_path: Path, method: str, content: bytes = CONTENT) -> bytes:
    """What a run makes of a content."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    make(folder, content)
    seal(folder, rules(method))
    data = (folder / f"{NAME}.{method}").read_bytes()
    (folder / f"{NAME}.{method}").unlink()
    folder.rmdir()
    return data


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("wanted", METHODS)
def test_equal_twin_makes_the_plain_one_superfluous(tmp_path: Path, method: str, wanted: str) -> None:
    """A process was killed between rename and removal, perhaps one that compressed otherwise: nothing is compressed twice."""
    data = packed(tmp_path, method)
    make(tmp_path)
    before = twin(tmp_path, data, method).stat().st_ino
    seal(tmp_path, rules(wanted))
    assert contents(tmp_path) == {f"{NAME}.{method}": CONTENT}
    assert (tmp_path / f"{NAME}.{method}").stat().st_ino == before


@pytest.mark.parametrize("method", ["gz", "xz"])
def test_segment_that_is_just_being_unpacked_is_left_for_the_next_time(tmp_path: Path, method: str) -> None:
    """`gunzip` has written the plain one, and removes the compressed one at its end: until then both are needed."""
    twin(tmp_path, gzip.compress(CONTENT))
    time.sleep(0.02)  # the file system's clock goes in steps
    since = make(tmp_path).stat().st_ctime
    for later, left in ((1.0, {NAME, f"{NAME}.gz"}), (11.0, {f"{NAME}.gz"})):
        clock = replace(OPERATIONS, now=lambda later=later: since + later)
        assert bool(seal(tmp_path, rules(method), ops=clock).held) == (later < 10)
        assert set(contents(tmp_path)) == left


def test_segment_that_somebody_else_has_compressed_is_as_it_was(tmp_path: Path) -> None:
    """With a copy beside it that is readable by all and of now: mode and time are the segment's, and its hook, which was called
    before, is not called again."""
    hook, before = Hook(), make(tmp_path).stat()
    seal(tmp_path, rules(None, hook.step))
    twin(tmp_path, gzip.compress(CONTENT)).chmod(0o644)
    seal(tmp_path, rules("gz", hook.step))
    after = (tmp_path / f"{NAME}.gz").stat()
    assert (after.st_mode, after.st_mtime_ns) == (before.st_mode, before.st_mtime_ns)
    assert (contents(tmp_path), len(hook.seen)) == ({f"{NAME}.gz": CONTENT}, 1)


def unfinished(tmp_path: Path, method: str) -> dict[str, bytes]:
    """What may be left of a compressed file."""
    whole = packed(tmp_path, method)
    return {
        "nothing": b"",
        "zeros": bytes(len(whole)),
        "header": whole[:6],
        "half": whole[: len(whole) // 2],
        "half and zeros": whole[: len(whole) // 2] + bytes(len(whole) // 2),
        "all but a byte": whole[:-1],
        "start of the content": packed(tmp_path, method, CONTENT[:1000]),
    }


@pytest.mark.parametrize("method", METHODS)
def test_unfinished_twin_is_replaced(tmp_path: Path, method: str) -> None:
    """A power cut leaves less than was written: what there is says no more than the plain segment."""
    for what, data in unfinished(tmp_path, method).items():
        make(tmp_path)
        twin(tmp_path, data, method, ours=True)
        seal(tmp_path, rules(method))
        assert contents(tmp_path) == {f"{NAME}.{method}": CONTENT}, what
        (tmp_path / f"{NAME}.{method}").unlink()


@pytest.mark.parametrize("wanted", [None, "gz"])
@pytest.mark.parametrize("method", METHODS)
def test_file_that_somebody_is_writing_is_left_alone(tmp_path: Path, method: str, wanted: str | None) -> None:
    """P1: a user's `gzip` takes no lock, and removes the plain file at its end: without its own file all would be lost."""
    for what, data in unfinished(tmp_path, method).items():
        make(tmp_path)
        told, hook, path = Told(), Hook(), twin(tmp_path, data, method)
        seal(tmp_path, rules(wanted, hook.step), told=told)
        assert (path.read_bytes(), (tmp_path / NAME).read_bytes(), len(hook.seen)) == (data, CONTENT, 1), what
        assert len(told.errors) == (wanted is not None), what
        path.unlink()
        (tmp_path / f".{NAME}.sealed").unlink()


@pytest.mark.parametrize("wanted", [None, "gz"])
@pytest.mark.parametrize("ahead", [0, 3600])
def test_file_that_is_being_written_has_no_time_of_ours(tmp_path: Path, wanted: str | None, ahead: int) -> None:
    """P1: the same where somebody has touched the plain segment meanwhile, or its time is in the future."""
    plain, path, told = make(tmp_path), twin(tmp_path, gzip.compress(CONTENT)[:300]), Told()
    later = path.stat().st_mtime_ns + ahead * 1_000_000_000
    os.utime(plain, ns=(later, later))
    seal(tmp_path, rules(wanted, fsync="seal"), told=told)
    assert (path.exists(), plain.exists(), len(told.errors)) == (True, True, wanted is not None)


def test_file_that_somebody_is_unpacking_is_left_alone(tmp_path: Path) -> None:
    """P1: who does not compress takes it for no half-done work, for `xz -d` removes the compressed file at its end."""
    seal(make(tmp_path).parent, rules("xz"))
    path = tmp_path / f"{NAME}.xz"
    plain, hook = make(tmp_path, written=path.stat().st_mtime), Hook()
    seal(tmp_path, rules(None, hook.step))
    assert (plain.exists(), path.exists(), len(hook.seen)) == (True, True, 1)


@pytest.mark.parametrize("wanted", [None, "gz"])
@pytest.mark.parametrize("what", ["removed", "another", "begun anew"])
@pytest.mark.parametrize("whole", [False, True])
def test_twin_that_changes_while_it_is_read(tmp_path: Path, wanted: str | None, what: str, whole: bool) -> None:
    """P1, P4: somebody removes it, or begins it anew, since there are two: then the plain one stays, and what is new, too."""
    data = gzip.compress(CONTENT)
    plain = make(tmp_path)
    path, done = twin(tmp_path, data if whole else data[:300], ours=True), list[int]()

    def read_at(fd: int, size: int, position: int) -> bytes:
        found = OPERATIONS.read_at(fd, size, position)
        if not done and os.fstat(fd).st_ino == there and len(found) > 99:
            done.append(fd)
            if what != "begun anew":
                path.unlink()
            if what != "removed":
                path.write_bytes(data[:99])
        return found

    there = path.stat().st_ino
    seal(tmp_path, rules(wanted, fsync="seal"), told=Told(), ops=replace(OPERATIONS, read_at=read_at))
    assert done
    assert plain.read_bytes() == CONTENT
    assert not path.exists() if what == "removed" else path.read_bytes() == data[:99]


def test_twin_that_somebody_has_ended_since_is_looked_at_again(tmp_path: Path) -> None:
    """L1: by a process that remembers it."""
    make(tmp_path)
    path, memory = twin(tmp_path, gzip.compress(CONTENT)[:300]), Memory()
    seal(tmp_path, rules(), told=Told(), memory=memory)
    path.write_bytes(gzip.compress(CONTENT))
    seal(tmp_path, rules(), memory=memory)
    assert contents(tmp_path) == {f"{NAME}.gz": CONTENT}


def test_compression_of_another_users_process_is_finished(tmp_path: Path) -> None:
    """Who may write to a file may not set its times, if it is not his; but there is nothing to set."""

    def refuse(_fd: int, _accessed: int, _modified: int) -> None:
        raise PermissionError(errno.EPERM, "not yours")

    make(tmp_path)
    twin(tmp_path, gzip.compress(CONTENT), ours=True).chmod(0o640)
    seal(tmp_path, rules(None, fsync="seal"), ops=replace(OPERATIONS, set_times=refuse))
    assert contents(tmp_path) == {f"{NAME}.gz": CONTENT}


def test_segment_with_a_twin_of_another_owner_is_archived_once(tmp_path: Path) -> None:
    """It is not deleted then, or the twin would be archived as well."""
    ops, archive = of_another_owner(tmp_path), Hook("archive")
    twin(tmp_path, gzip.compress(CONTENT))
    how = rules("gz", archive.step, delete_after="archive")
    for _ in range(3):
        seal(tmp_path, how, ops=ops, told=Told())
    assert [one.path for one in archive.seen] == [str(tmp_path / NAME)]
    seal(tmp_path, how)
    assert (contents(tmp_path), len(archive.seen)) == ({}, 1)


@pytest.mark.parametrize("kind", ["copy", "link", "folder", "another"])
def test_file_of_somebody_is_no_business_of_who_does_not_compress(tmp_path: Path, kind: str) -> None:
    """The hook is called once, nothing is removed, and nothing told."""
    make(tmp_path)
    path, hook = tmp_path / f"{NAME}.gz", Hook()
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.hardlink_to(tmp_path / NAME)
    else:
        path.write_bytes(gzip.compress(CONTENT if kind == "copy" else b"another"))
    for _ in range(2):
        seal(tmp_path, rules(None, hook.step))
    assert (path.exists(), (tmp_path / NAME).read_bytes(), len(hook.seen)) == (True, CONTENT, 1)


def foreign(tmp_path: Path, method: str) -> dict[str, bytes]:
    """What is somebody's."""
    other = packed(tmp_path, method, b"X" + CONTENT)
    middle = len(other) // 2
    return {
        "another content, damaged": other[:middle] + bytes([other[middle] ^ 0x55]) + other[middle + 1 :],
        "the header alone, and then something else": other[:6] + b"something else",
        "text": b"my notes\n",
        "text and zeros": b"my notes\n" + bytes(5000),
        "the segment itself": CONTENT,
        "another content": other,
        "more": packed(tmp_path, method, CONTENT + b"more\n"),
        "other end": packed(tmp_path, method, CONTENT[:-1] + b"!"),
    }


@pytest.mark.parametrize("method", METHODS)
def test_foreign_twin_is_left_alone_and_told_once(tmp_path: Path, method: str) -> None:
    """The segment stays plain, and hooks are called with it (promise P4)."""
    for what, data in foreign(tmp_path, method).items():
        make(tmp_path)
        path = twin(tmp_path, data, method)
        told, hook, memory = Told(), Hook(), Memory()
        for _ in range(3):
            assert not seal(tmp_path, rules(method, hook.step), told=told, memory=memory).failed
        assert (path.read_bytes(), (tmp_path / NAME).read_bytes()) == (data, CONTENT), what
        assert len(told.texts) == 1, what
        assert str(path) in told.texts[0]
        assert [one.path for one in hook.seen] == [str(tmp_path / NAME)], what
        path.unlink()
        told = Told()
        seal(tmp_path, rules(method, hook.step), memory=memory)
        assert contents(tmp_path) == {f"{NAME}.{method}": CONTENT}, "when it was moved away, the segment is compressed"
        assert len(hook.seen) == 1, what
        (tmp_path / f"{NAME}.{method}").unlink()
        (tmp_path / f".{NAME}.sealed").unlink()


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_twin_that_is_no_file_is_foreign(tmp_path: Path, kind: str) -> None:
    """Whatever has the name, it is not overwritten, and nothing is written through it."""
    make(tmp_path)
    (tmp_path / "theirs").write_text("theirs")
    if kind == "folder":
        (tmp_path / f"{NAME}.gz").mkdir()
    else:
        (tmp_path / f"{NAME}.gz").symlink_to(tmp_path / "theirs")
    told = Told()
    seal(tmp_path, rules(), told=told)
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert (tmp_path / "theirs").read_text() == "theirs"
    assert len(told.errors) == 1


def test_twin_that_comes_in_the_last_moment_is_not_overwritten(tmp_path: Path) -> None:
    """The rename is one step of the kernel's that fails then; the next run looks at it."""
    make(tmp_path)

    def rename(source: str, target: str) -> bool:
        Path(target).write_text("somebody's")
        return OPERATIONS.rename_once(source, target)

    done = seal(tmp_path, rules(), ops=replace(OPERATIONS, rename_once=rename))
    assert done.held
    assert (tmp_path / f"{NAME}.gz").read_text() == "somebody's"
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert hidden(tmp_path) == []


def test_kill_where_there_is_no_exclusive_rename_leaves_no_empty_twin(tmp_path: Path) -> None:
    """On a network drive: an empty file with the name of a compressed segment is perhaps just being written by somebody, so the
    segment would never be compressed."""
    ops = replace(LATER, rename_once=lambda _source, _target: False)
    for at in itertools.count():
        make(tmp_path)
        dead = Doomed(at, ops=ops)
        dead.ops = replace(dead.ops, rename_new=partial(take_and_rename, dead.ops))
        killed = False
        try:
            seal(tmp_path, rules(), ops=dead.ops)
        except Killed:
            killed = True
            dead.bury()
        assert not [path for path in tmp_path.iterdir() if not path.name.startswith(".") and not path.stat().st_size], at
        seal(tmp_path, rules(), ops=ops)
        assert contents(tmp_path) == {f"{NAME}.gz": CONTENT}, at
        if not killed:
            return
        (tmp_path / f"{NAME}.gz").unlink()


def test_segment_is_compressed_where_there_are_no_links_either(tmp_path: Path) -> None:
    """Then the name is taken first."""

    def no(_path: str, _name: str) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    make(tmp_path)
    seal(tmp_path, rules(), ops=replace(OPERATIONS, rename_once=lambda _source, _target: False, link=no))
    assert contents(tmp_path) == {f"{NAME}.gz": CONTENT}
    assert hidden(tmp_path) == []


def test_missing_method_for_a_twin_is_no_reason_to_remove_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A twin that cannot be read here may be anybody's."""
    data = packed(tmp_path, "zst")
    make(tmp_path)
    twin(tmp_path, data, "zst")
    told = Told()
    with monkeypatch.context() as patch:
        patch.setitem(__import__("sys").modules, "backports.zstd", None)
        patch.setitem(__import__("sys").modules, "compression.zstd", None)
        seal(tmp_path, rules("gz"), told=told)
    assert sorted(contents(tmp_path)) == [NAME, f"{NAME}.zst"]
    assert len(told.errors) == 1


# --- while it is at it -------------------------------------------------------------------------------------------------


def test_somebody_who_knows_no_lease_writes_meanwhile(tmp_path: Path) -> None:
    """`echo >>` on a segment that is being compressed: nothing of it is lost."""
    for call in ("fsync", "rename_once", "fsync_folder"):
        plain = make(tmp_path)
        done: list[object] = []

        def late(*arguments: Any, call: str = call, plain: Path = plain, done: list[object] = done) -> Any:
            given = getattr(OPERATIONS, call)(*arguments)
            if not done:
                done.append(plain.write_bytes(plain.read_bytes() + b"late\n"))
            return given

        first = seal(tmp_path, rules(), ops=replace(OPERATIONS, **{call: late}))
        assert first.held, call
        assert plain.read_bytes() == CONTENT + b"late\n"
        seal(tmp_path, rules())
        assert contents(tmp_path) == {f"{NAME}.gz": CONTENT + b"late\n"}, call
        (tmp_path / f"{NAME}.gz").unlink()


def test_segment_that_somebody_removes_meanwhile(tmp_path: Path) -> None:
    """An `rm` in the middle of the compression is no failure, and what was removed does not come back."""
    plain = make(tmp_path)

    def remove(*arguments: Any) -> None:
        plain.unlink()
        OPERATIONS.set_times(*arguments)

    told = Told()
    done = seal(tmp_path, rules(), ops=replace(OPERATIONS, set_times=remove), told=told)
    assert (told.errors, done.failed) == ([], False)
    assert hidden(tmp_path) == []


def test_stop_is_asked_between_pieces(tmp_path: Path) -> None:
    """A fork or the end of the program does not wait for a large segment; nothing is left behind, and the next run does it."""
    plain = make(tmp_path, os.urandom(1 << 20) * 4)
    make(tmp_path, name=f"{NAME}.1")
    asked, told = [0], list[tuple[str, int, int]]()

    def stop() -> bool:
        asked[0] += 1
        return asked[0] > 5

    done = seal(tmp_path, rules(), stop=stop, progress=lambda *seen: told.append(seen))
    assert (done.stopped, done.done) == (True, 0)
    assert (hidden(tmp_path), sorted(contents(tmp_path))) == ([], [NAME, f"{NAME}.1"])
    assert told
    assert told[0] == (str(plain), 256 * 1024, 4 << 20)
    assert seal(tmp_path, rules(), progress=lambda *seen: told.append(seen)).done == 2
    assert (str(plain), 4 << 20, 4 << 20) in told


def test_folder_that_may_only_be_read_leaves_it_plain(tmp_path: Path) -> None:
    """Told once; when it may be written to, the same process compresses the segment."""
    make(tmp_path)

    def denied(_path: str) -> int:
        raise PermissionError(errno.EACCES, "folder")

    told, memory = Told(), Memory()
    for _ in range(2):
        assert not seal(tmp_path, rules(), ops=replace(OPERATIONS, open_new_private=denied), told=told, memory=memory).failed
    assert len(told.errors) == 1
    assert seal(tmp_path, rules(), memory=memory).done == 1


def test_stop_is_asked_between_steps(tmp_path: Path) -> None:
    """An upload may take long: what comes after it is left to the next run, which does not do the first step again."""
    make(tmp_path)
    hook, archive = Hook(), Hook("archive")
    how = rules(None, hook.step, archive.step)
    assert seal(tmp_path, how, stop=lambda: bool(hook.seen)).stopped
    assert (len(hook.seen), len(archive.seen)) == (1, 0)
    seal(tmp_path, how)
    assert (len(hook.seen), len(archive.seen)) == (1, 1)


@pytest.mark.parametrize("fails", [False, True])
def test_compression_has_a_low_priority_and_gives_it_back(tmp_path: Path, fails: bool) -> None:
    """Before any other step, and whatever happens: hooks are the user's."""
    make(tmp_path)
    seen: list[str] = []

    def low_priority() -> Callable[[], None]:
        seen.append("low")
        return lambda: seen.append("as before")

    def denied(path: str) -> int:
        if ".gz" in path:
            raise PermissionError(errno.EACCES, "denied")
        return OPERATIONS.open_new_private(path)

    hook = Hook()
    hook.does = lambda _segment: seen.append("hook")

    def stop() -> bool:
        seen.append("asked")
        return False

    threads = replace(OPERATIONS.threads, low_priority=low_priority)
    ops = replace(OPERATIONS, threads=threads, **({"open_new_private": denied} if fails else {}))
    seal(tmp_path, rules("gz", hook.step), ops=ops, told=Told(), stop=stop)
    assert "low" in seen
    changes = [one for one in seen if one != "asked"]
    assert changes == ["low", "as before"] * (len(changes) // 2) + ["hook"]
    assert ("low", "asked") not in itertools.pairwise(seen), "what is done meanwhile has the thread's own priority"


@pytest.mark.parametrize("stops", [True, False], ids=["it was stopped", "another process is at it"])
def test_step_that_leaves_off_is_no_failure(tmp_path: Path, stops: bool) -> None:
    """An upload is left off for a fork, or because another process uploads: nothing is told, and it is done by a later run.
    Nobody has the segment: this process is not to let go of it."""
    make(tmp_path)
    archive = Hook("archive")
    archive.fails = [InterruptedError()]
    how = rules(None, archive.step)
    done = seal(tmp_path, how, stop=lambda: stops and bool(archive.seen))
    assert (done.stopped, done.busy, done.held) == (stops, set() if stops else {"archive"}, set())
    assert done.goes_on
    assert seal(tmp_path, how).done == 1
    assert len(archive.seen) == 2


def test_step_that_another_process_is_at_is_left_out_for_the_rest_of_the_run(tmp_path: Path) -> None:
    """It was waited for once, perhaps for half a minute. What else there is to do is done to all of them."""
    later = make(tmp_path, name="app.log.2026-11-23_15", written=AT - 3000.5), make(tmp_path)
    archive, hook = Hook("archive"), Hook()
    archive.fails = [InterruptedError(), AssertionError("asked again")]
    how = rules("gz", archive.step, hook.step)
    done = seal(tmp_path, how)
    assert (len(archive.seen), len(hook.seen), done.done) == (1, 2, 0)
    assert not any(path.exists() for path in later)
    archive.fails = []
    assert seal(tmp_path, how, skip=done.busy).busy == {"archive"}
    assert (len(archive.seen), seal(tmp_path, how).done, len(archive.seen)) == (1, 2, 3)


def test_compressed_segment_that_is_broken_is_handed_over_all_the_same(tmp_path: Path) -> None:
    """Only its records' times are not known."""
    make(tmp_path, b"\x1f\x8bno gzip file", f"{NAME}.gz")
    hook = Hook()
    seal(tmp_path, rules("gz", hook.step))
    assert [(one.first, one.last) for one in hook.seen] == [(None, None)]


def test_compressed_segment_whose_plain_one_comes_back_is_left_for_the_next_time(tmp_path: Path) -> None:
    """A backup is being restored: the plain one is the truth, and is looked at first then."""
    make(tmp_path)
    seal(tmp_path, rules())

    def back(path: str) -> int:
        make(tmp_path)
        return OPERATIONS.open_side(path)

    hook = Hook()
    seal(tmp_path, rules("gz", hook.step), ops=replace(OPERATIONS, open_side=back))
    assert hook.seen == []
    seal(tmp_path, rules("gz", hook.step), ops=LATER)
    assert (len(hook.seen), contents(tmp_path)) == (1, {f"{NAME}.gz": CONTENT})


def test_foreign_twin_beside_an_equal_one(tmp_path: Path) -> None:
    """The plain segment stays as long as somebody's file makes it doubtful what is what, and no lock does."""
    data = packed(tmp_path, "gz")
    make(tmp_path)
    twin(tmp_path, data, "gz")
    twin(tmp_path, b"somebody's", "xz")
    told = Told()
    seal(tmp_path, rules(), told=told)
    assert len(told.errors) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [NAME, f"{NAME}.gz", f"{NAME}.xz"]
    twin(tmp_path, packed(tmp_path, "xz"), "xz")
    seal(tmp_path, rules())
    assert contents(tmp_path) == {f"{NAME}.gz": CONTENT, f"{NAME}.xz": CONTENT}


def test_full_disk_is_told_and_made_up_for(tmp_path: Path) -> None:
    """The segment stays plain, nothing is left behind, other segments are tried, and later it is compressed."""
    make(tmp_path)
    make(tmp_path, b"small", name=f"{NAME}.1")

    def write(fd: int, data: bytes) -> int:
        if len(data) > 100:
            raise OSError(errno.ENOSPC, "disk full")
        return os.write(fd, data)

    told, hook = Told(), Hook()
    how = rules("gz", hook.step)
    assert seal(tmp_path, how, ops=replace(OPERATIONS, write=write), told=told).failed
    assert len(told.errors) == 1
    assert contents(tmp_path) == {NAME: CONTENT, f"{NAME}.1.gz": b"small"}
    assert [one.path for one in hook.seen] == [str(tmp_path / f"{NAME}.1.gz")]
    assert hidden(tmp_path) == [f".{NAME}.1.sealed"]
    seal(tmp_path, how)
    assert sorted(contents(tmp_path)) == [f"{NAME}.1.gz", f"{NAME}.gz"]


@needs_root
def test_disk_that_is_really_full(tmp_path: Path) -> None:
    """A compressed file that does not fit beside the plain one leaves nothing behind; with room it is made up for."""
    with tmpfs(tmp_path, "size=1m") as folder:
        content = os.urandom(600_000)
        make(folder, content)
        told, hook = Told(), Hook()
        for _ in range(2):
            assert seal(folder, rules("zst", hook.step), told=told).failed
        assert ([error.errno for error in told.errors if isinstance(error, OSError)], hook.seen) == ([errno.ENOSPC], [])
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == {NAME: content}
        _run("mount", "-o", "remount,size=4m", str(folder))
        seal(folder, rules("zst", hook.step))
        assert contents(folder) == {f"{NAME}.zst": content}
        assert len(hook.seen) == 1


def _run(*command: str) -> None:
    import subprocess

    subprocess.run(command, check=True)


def test_hook_is_not_called_when_that_cannot_be_written_down(tmp_path: Path) -> None:
    """Else it would be called at every run for as long as the disk is full, or the folder may only be read. Room for it is taken
    before: a disk that becomes full while the hook runs does no harm."""
    make(tmp_path)
    hook = Hook()

    def full(_fd: int, _data: bytes, _at: int) -> int:
        raise OSError(errno.ENOSPC, "disk full")

    def denied(_path: str) -> int:
        raise PermissionError(errno.EACCES, "folder")

    told = Told()
    for _ in range(2):
        assert seal(tmp_path, rules(None, hook.step), ops=replace(OPERATIONS, write_at=full), told=told).failed
    for _ in range(2):
        assert not seal(tmp_path, rules(None, hook.step), ops=replace(OPERATIONS, open_new_private=denied), told=told).failed
    assert (hook.seen, len(told.errors), hidden(tmp_path)) == ([], 2, [])
    sizes: list[int] = []
    hook.does = lambda _segment: sizes.append((tmp_path / f".{NAME}.sealed.tmp").stat().st_size)
    seal(tmp_path, rules(None, hook.step))
    assert sizes == [4096]
    assert (tmp_path / f".{NAME}.sealed").stat().st_size == 4096


def test_segment_that_may_not_be_opened_is_told_and_holds_up_nobody(tmp_path: Path) -> None:
    """Another user's segment, and his temporary files, are left to his processes; that is no reason to try again soon."""
    make(tmp_path)
    make(tmp_path, name=f"{NAME}.1")
    (tmp_path / ".app.log.2020-01-01_00.gz.tmp").write_bytes(b"his")

    def denied(path: str) -> int:
        if path.endswith((NAME, "00.gz.tmp")):
            raise PermissionError(errno.EACCES, "his")
        return OPERATIONS.open_side(path)

    told = Told()
    for _ in range(2):
        assert not seal(tmp_path, rules(), ops=replace(OPERATIONS, open_side=denied), told=told).failed
    assert sorted(contents(tmp_path)) == [NAME, f"{NAME}.1.gz"]
    assert len(told.errors) == 1


@pytest.mark.parametrize("entries", [("write",), ("write", "write_at"), ("open_new_private",)])
def test_full_disk_does_not_keep_the_archive_from_making_room(tmp_path: Path, entries: tuple[str, ...]) -> None:
    """What is removed after it was archived is archived plain, then, also where there is no room for a marker; a hook that is
    to be called once is not called."""
    make(tmp_path)

    def full(*_arguments: object) -> int:
        raise OSError(errno.ENOSPC, "disk full")

    archive, hook = Hook("archive"), Hook()
    how, disk = rules("gz", archive.step, delete_after="archive"), replace(OPERATIONS, **dict.fromkeys(entries, full))
    if len(entries) > 1:
        seal(tmp_path, replace(how, steps=(hook.step, archive.step)), ops=disk, told=Told())
        assert (hook.seen, contents(tmp_path)) == ([], {NAME: CONTENT})
    archive.fails = [OSError("the store is away")]
    for _ in range(2):
        seal(tmp_path, how, ops=disk, told=Told())
    assert [one.path for one in archive.seen] == [str(tmp_path / NAME)] * 2
    assert (contents(tmp_path), hidden(tmp_path)) == ({}, [])


@pytest.mark.parametrize("number", ["", ".3"])
def test_what_a_rotator_is_writing_is_left_alone(tmp_path: Path, number: str) -> None:
    """A user's `rotator` that copies, in another process: the period is long over, the name is there, and it has no lock on it.
    The file that waits for the rotator is there until it has done."""
    half, hook = make(tmp_path, CONTENT[:99]), Hook()
    waiting = make(tmp_path, name=f".{NAME}{number}.rotating")
    make(tmp_path, name="app.log.2026-11-23_15", written=AT - 9)
    assert len(seal(tmp_path, rules("gz", hook.step)).held) == 1
    assert (half.read_bytes(), len(hook.seen)) == (CONTENT[:99], 1)
    half.write_bytes(CONTENT)
    waiting.unlink()
    seal(tmp_path, rules("gz", hook.step))
    assert (contents(tmp_path)[f"{NAME}.gz"], len(hook.seen)) == (CONTENT, 2)


def renamed_at(instant: float) -> Operations:
    """A system in which every file got its name then."""
    return replace(OPERATIONS, stat_link=lambda path: replace(OPERATIONS.stat_link(path), ctime_ns=int(instant * 1e9)))


@pytest.mark.parametrize("kind", ["folder", "link", "fifo"])
def test_what_is_no_file_is_not_given_a_name(tmp_path: Path, kind: str) -> None:
    """P4: it is none of ours, and is no failure that the others wait for."""
    path = tmp_path / f".{NAME}.rotating"
    (tmp_path / "theirs").write_text("theirs")
    {"folder": path.mkdir, "link": lambda: path.symlink_to(tmp_path / "theirs"), "fifo": lambda: os.mkfifo(path)}[kind]()
    assert not seal(tmp_path, rules(), now=END + 1e9).failed
    assert hidden(tmp_path) == [path.name]


def refuse(path: str) -> None:
    """A folder that may only be read."""
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)


def test_file_that_may_not_be_given_its_name_is_told(tmp_path: Path) -> None:
    """It waits for a process that may: trying again soon does not help, and would hold up the others."""
    make(tmp_path, name=f".{NAME}.rotating")
    told, ops = Told(), replace(OPERATIONS, rename_new=lambda source, _target: refuse(source))
    assert not seal(tmp_path, rules(None, fsync="seal"), now=END + 1e9, ops=ops, told=told).failed
    assert len(told.errors) == 1


@pytest.mark.parametrize("taken", [False, True])
def test_file_that_nobody_has_handed_over_for_a_day_is_given_its_name(tmp_path: Path, taken: bool) -> None:
    """Of a killed process, after which no other one has a rotator: it is sealed as all others are, and they with it. Not
    earlier, and not while somebody has it."""
    hook, hourly = Hook(), NAME + (".1" if taken else "")
    waiting = make(tmp_path, name=f".{NAME}.rotating")
    if taken:
        make(tmp_path, b"before it\n")
    written = waiting.stat().st_mtime
    lease = leased(waiting)
    seal(tmp_path, rules("gz", hook.step), now=written + 86401, ops=renamed_at(written))
    os.close(lease)
    seal(tmp_path, rules("gz", hook.step), now=written + 86400, ops=renamed_at(written))
    seal(tmp_path, rules("gz", hook.step), now=written + 86401, ops=renamed_at(written + 2))  # a quiet log: its last write is old
    seal(tmp_path, rules("gz", hook.step), now=written + 86401, ops=renamed_at(written), rotates=True)
    assert (waiting.read_bytes(), hook.seen) == (CONTENT, [])
    done = seal(tmp_path, rules("gz", hook.step), now=written + 86401, ops=renamed_at(written))
    assert contents(tmp_path) == ({f"{NAME}.gz": b"before it\n"} if taken else {}) | {f"{hourly}.gz": CONTENT}
    assert (len(hook.seen), done.held, waiting.exists()) == (1 + taken, set(), False)


def test_file_that_cannot_be_given_its_name_is_told_and_tried_again(tmp_path: Path) -> None:
    """The other segments do not wait for it."""
    waiting, told = make(tmp_path, name=f".{NAME}.rotating"), Told()
    make(tmp_path, name="app.log.2026-11-23_15", written=AT - 9)

    def rename_new(source: str, target: str) -> None:
        if source == str(waiting):
            raise OSError(errno.EIO, os.strerror(errno.EIO), source)
        OPERATIONS.rename_new(source, target)

    broken = seal(tmp_path, rules(), now=END + 1e9, ops=replace(OPERATIONS, rename_new=rename_new), told=told)
    assert (broken.failed, len(told.errors), waiting.exists()) == (True, 1, True)
    assert list(contents(tmp_path)) == ["app.log.2026-11-23_15.gz"]
    assert not seal(tmp_path, rules(), now=END + 1e9, told=told).failed
    assert list(contents(tmp_path)) == ["app.log.2026-11-23_15.gz", f"{NAME}.gz"]


def test_rotator_that_begins_during_a_run_is_seen(tmp_path: Path) -> None:
    """The folder was read before."""
    half = make(tmp_path, CONTENT[:99])

    def names(folder: str) -> list[str]:
        found = OPERATIONS.names(folder)
        make(tmp_path, name=f".{NAME}.rotating")
        return found

    assert len(seal(tmp_path, rules(), ops=replace(OPERATIONS, names=names)).held) == 1
    assert half.read_bytes() == CONTENT[:99]


@pytest.mark.parametrize("known", [False, True])
def test_compression_that_was_begun_is_finished_without_a_method(tmp_path: Path, known: bool) -> None:
    """A process died between the rename of the compressed file and the removal of the plain one, and no later one is to compress:
    the content is there once, and the hook or the archive gets it once; also where the marker tells that it has it."""
    hook = Hook()
    if known:
        make(tmp_path)
        seal(tmp_path, rules(None, hook.step))
        hook.seen.clear()
    (tmp_path / f"{NAME}.gz").write_bytes(gzip.compress(CONTENT))
    plain = make(tmp_path)
    os.utime(tmp_path / f"{NAME}.gz", ns=(plain.stat().st_atime_ns, plain.stat().st_mtime_ns))
    done = seal(tmp_path, rules(None, hook.step))
    assert (contents(tmp_path), done.done) == ({f"{NAME}.gz": CONTENT}, 1)
    assert [one.path for one in hook.seen] == ([] if known else [str(tmp_path / f"{NAME}.gz")])


def test_segment_beside_somebodys_copy_of_it_is_archived_once(tmp_path: Path) -> None:
    """Without compression nobody knows whose the copy is, so both stay, and the archive gets one of them."""
    archive = Hook("archive")
    make(tmp_path)
    twin(tmp_path, gzip.compress(CONTENT))
    for _ in range(3):
        seal(tmp_path, rules(None, archive.step, delete_after="archive"))
    assert [os.path.basename(one.path) for one in archive.seen] == [NAME]
    assert set(contents(tmp_path)) == {NAME, f"{NAME}.gz"}


def test_half_of_a_compression_goes_without_a_method(tmp_path: Path) -> None:
    """What was begun is not begun anew; a file of somebody's is told of, and stays."""
    hook, told = Hook(), Told()
    somebodys = gzip.compress(b"somebody's")
    for content in (gzip.compress(CONTENT)[:300], somebodys):
        make(tmp_path)
        twin(tmp_path, content, ours=True)
        seal(tmp_path, rules(None, hook.step), told=told)
        assert (tmp_path / NAME).read_bytes() == CONTENT
    assert (tmp_path / f"{NAME}.gz").read_bytes() == somebodys
    assert [len(told.errors), len(hook.seen)] == [1, 1]


@pytest.mark.parametrize("method", [None, "gz"])
def test_segment_for_which_the_namer_has_failed_is_sealed_once(tmp_path: Path, method: str | None) -> None:
    """Under its default name, also beside one of its period that has the namer's; the hook gets each once, also when the namer
    fails again in between, and a command has done nothing twice."""
    fails = [False]

    def namer(default: str) -> str:
        return default if fails[0] else default.replace("app.log.", "app-")

    names, hook = Names(str(tmp_path / "app.log"), HOURLY, namer), Hook()
    make(tmp_path)
    make(tmp_path, b"another one\n", name="app-2026-11-23_16")
    make(tmp_path, b"somebody's\n", name=f"{NAME}.txt")
    for fails[0] in (False, True, False, False):
        seal(tmp_path, rules(method, hook.step), names=names)
    seal(tmp_path, rules(method, hook.step))
    ending = f".{method}" if method else ""
    assert contents(tmp_path) == {
        f"{NAME}{ending}": CONTENT, f"app-2026-11-23_16{ending}": b"another one\n", f"{NAME}.txt": b"somebody's\n"
    }  # fmt: skip
    assert sorted(os.path.basename(one.path) for one in hook.seen) == [f"app-2026-11-23_16{ending}", f"{NAME}{ending}"]
    assert hidden(tmp_path) == [f".{NAME}.named", f".{NAME}.sealed"]
    (tmp_path / f"{NAME}{ending}").unlink()
    seal(tmp_path, rules(method, hook.step), names=names)
    assert hidden(tmp_path) == [f".{NAME}.named"]


@pytest.mark.parametrize("place", ["", "closed/"])
def test_who_does_not_know_the_namer_leaves_what_is_written_down(tmp_path: Path, place: str) -> None:
    """A command takes no `namer`, so it finds no segment of these names. Their markers, and one that is just being written, stay
    for as long as the segments; else the hook would be called twice."""
    (tmp_path / "closed").mkdir()

    def namer(default: str) -> str:
        return default.replace("app.log.", f"{place}app-")

    def command(_segment: object = None) -> None:
        seal(tmp_path, rules(None, fsync="seal"))

    knows, hook = Names(str(tmp_path / "app.log"), "%Y-%m-%d_%H", namer), Hook()
    path = make(tmp_path, name=f"{place}app-2026-11-23_16")
    hook.does = command
    seal(path.parent, rules("gz", hook.step), names=knows)
    command()
    seal(path.parent, rules("gz", hook.step), names=knows)
    assert (len(hook.seen), hidden(tmp_path)) == (1, [f".{NAME}.named"])
    path.with_suffix(".gz").unlink()
    command()
    assert hidden(tmp_path) == []


def test_child_that_is_forked_meanwhile_has_nothing_of_it(tmp_path: Path) -> None:
    """Else it keeps the lock of a parent that is killed, and the space of the removed file, for as long as it lives."""
    make(tmp_path)
    hook, codes = Hook(), list[int]()

    def fork(_segment: object) -> None:
        child = os.fork()
        if child:
            codes.append(os.waitpid(child, 0)[1])
            return
        found = [os.path.join("/proc/self/fd", number) for number in os.listdir("/proc/self/fd")]
        open_here = [os.readlink(link) for link in found if os.path.islink(link)]
        os._exit(len([path for path in open_here if path.startswith(str(tmp_path))]))

    hook.does = fork
    seal(tmp_path, rules("gz", hook.step))
    assert codes == [0]
    assert (len(hook.seen), contents(tmp_path)) == (1, {f"{NAME}.gz": CONTENT})


def test_what_is_written_while_it_is_archived_is_archived_too(tmp_path: Path) -> None:
    """By a program that knows nothing of leases. The segment goes only when the archive has all of it."""
    path, archive, stored = make(tmp_path), Hook("archive"), list[bytes]()

    def store(_segment: object) -> None:
        stored.append(path.read_bytes())
        if len(stored) == 1:
            path.write_bytes(CONTENT + b"another one\n")

    archive.does = store
    how = rules(None, replace(archive.step, reads=True), delete_after="archive")
    assert len(seal(tmp_path, how).held) == 1
    assert contents(tmp_path) == {NAME: CONTENT + b"another one\n"}
    seal(tmp_path, how, now=END + 1e6)
    assert (stored[-1], contents(tmp_path), hidden(tmp_path)) == (CONTENT + b"another one\n", {}, [])


def test_short_writes_are_completed(tmp_path: Path) -> None:
    """A write may take a part."""
    make(tmp_path)
    ops = replace(
        OPERATIONS,
        write=lambda fd, data: os.write(fd, data[:7]),
        write_at=lambda fd, data, at: os.pwrite(fd, data[:7], at),
    )
    hook = Hook()
    for _ in range(2):
        seal(tmp_path, rules("gz", hook.step), ops=ops)
    assert len(hook.seen) == 1
    assert contents(tmp_path) == {f"{NAME}.gz": CONTENT}


def test_empty_segment_is_compressed_too(tmp_path: Path) -> None:
    """A late record's segment whose writer died before the record."""
    make(tmp_path, b"")
    hook = Hook()
    seal(tmp_path, rules("gz", hook.step))
    assert contents(tmp_path) == {f"{NAME}.gz": b""}
    assert (hook.seen[0].first, hook.seen[0].last) == (None, None)


def test_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    """Never raised."""
    told = Told()
    assert seal(tmp_path / "gone", rules(), told=told).failed
    assert len(told.errors) == 1


def test_memory_makes_a_run_cost_a_look_for_each_segment(tmp_path: Path) -> None:
    """A process that has seen a segment done does not open it again; one that has become another is looked at."""
    for hour in range(10):
        make(tmp_path, name=f"app.log.2026-11-22_{hour:02}")
    memory, hook, opened = Memory(), Hook(), list[str]()

    def count(path: str) -> int:
        opened.append(path)
        return OPERATIONS.open_side(path)

    ops = replace(OPERATIONS, open_side=count)
    how = rules(None, hook.step, fsync="seal")
    seal(tmp_path, how, memory=memory, ops=ops)
    assert (len(opened), len(hook.seen)) == (10, 10)
    seal(tmp_path, how, memory=memory, ops=ops)
    assert len(opened) == 10
    make(tmp_path, b"new", name="app.log.2026-11-22_03")
    seal(tmp_path, how, memory=memory, ops=ops)
    assert (len(opened), len(hook.seen)) == (11, 11)
    for path in tmp_path.glob("app.log.*"):
        path.unlink()
    seal(tmp_path, how, memory=memory)
    assert memory == Memory()


def test_order_is_that_of_time(tmp_path: Path) -> None:
    """The oldest period first, `.2` before `.10`."""
    wanted = ["app.log.2025-12-31_23", f"{NAME}", f"{NAME}.2", f"{NAME}.10"]
    for name in reversed(wanted):
        make(tmp_path, name=name)
    hook = Hook()
    seal(tmp_path, rules(None, hook.step))
    assert [os.path.basename(one.path) for one in hook.seen] == wanted


def test_clock_that_was_set_back_makes_everybody_wait(tmp_path: Path) -> None:
    """A segment of the future is not due."""
    make(tmp_path, name="app.log.2030-01-01_00", written=AT)
    done = seal(tmp_path, rules(), now=END)
    assert list(contents(tmp_path)) == ["app.log.2030-01-01_00"]
    assert done.next_at is not None
    assert done.next_at > END + 9e7


def test_segment_of_no_calendar_is_left_alone(tmp_path: Path) -> None:
    """A name may tell a year in which there is none."""
    make(tmp_path, name="app.log.9999-12-31_23")
    seal(tmp_path, rules(), now=END)
    assert list(contents(tmp_path)) == ["app.log.9999-12-31_23"]


def test_programs_read_what_is_compressed(tmp_path: Path) -> None:
    """And gzip's own header has the time of the segment."""
    import subprocess

    make(tmp_path)
    seal(tmp_path, rules())
    done = subprocess.run(["zcat", str(tmp_path / f"{NAME}.gz")], capture_output=True, check=True)
    assert done.stdout == CONTENT
    assert int.from_bytes((tmp_path / f"{NAME}.gz").read_bytes()[4:8], "little") == AT + 3000
    assert unpack(tmp_path / f"{NAME}.gz") == CONTENT


HOURLY = Schedule.create("H", utc=True).suffix


def test_segment_that_grows_while_it_is_read(tmp_path: Path) -> None:
    """By somebody who knows no lease: it stays plain and whole, nobody is told, and the next run compresses all of it."""
    plain = make(tmp_path)
    grown: list[int] = []

    def write(fd: int, data: bytes) -> int:
        if not grown:
            grown.append(plain.write_bytes(CONTENT + b"late\n"))
        return OPERATIONS.write(fd, data)

    def read_late(fd: int, size: int, offset: int) -> bytes:
        if offset >= len(CONTENT) and not grown:
            grown.append(plain.write_bytes(CONTENT + b"late\n"))
        return OPERATIONS.read_at(fd, size, offset)

    assert seal(tmp_path, rules(), ops=replace(OPERATIONS, write=write, read_at=read_late)).held
    assert grown
    assert ([one.name for one in tmp_path.iterdir()], plain.read_bytes()) == ([NAME], CONTENT + b"late\n")
    seal(tmp_path, rules())
    assert contents(tmp_path) == {f"{NAME}.gz": CONTENT + b"late\n"}


def test_private_segment_stays_private(tmp_path: Path) -> None:
    """One that has the mode of a new hidden file already needs none set, and has it afterwards."""
    make(tmp_path).chmod(0o600)
    seal(tmp_path, rules())
    assert stat.S_IMODE((tmp_path / f"{NAME}.gz").stat().st_mode) == 0o600


def test_owner_that_fails_otherwise_is_told(tmp_path: Path) -> None:
    """A file system that errs is no question of rights: it is reported, and tried again."""
    make(tmp_path)

    def another(path: str) -> Any:
        found = OPERATIONS.stat_link(path)
        return replace(found, uid=found.uid + 1) if path.endswith(NAME) else found

    def another_by_fd(fd: int) -> Any:
        found = OPERATIONS.stat_fd(fd)
        return replace(found, uid=found.uid + 1) if found.size else found

    def broken(_fd: int, _uid: int, _gid: int) -> None:
        raise OSError(errno.EIO, "input/output error")

    told = Told()
    ops = replace(OPERATIONS, stat_link=another, stat_fd=another_by_fd, set_owner=broken)
    assert seal(tmp_path, rules(), ops=ops, told=told).failed
    assert [getattr(error, "errno", None) for error in told.errors] == [errno.EIO]
    assert (contents(tmp_path), hidden(tmp_path)) == ({NAME: CONTENT}, [])
    seal(tmp_path, rules())
    assert contents(tmp_path) == {f"{NAME}.gz": CONTENT}


def test_temporary_file_that_cannot_be_removed_is_reclaimed_later(tmp_path: Path) -> None:
    """The error is that of the disk, not that of the clearing up; the next run removes it, before a step as before a copy."""
    make(tmp_path)

    def full(*_arguments: Any) -> int:
        raise OSError(errno.ENOSPC, "disk full")

    def not_now(_path: str) -> None:
        raise OSError(errno.EIO, "input/output error")

    told, hook = Told(), Hook()
    seal(tmp_path, rules(), ops=replace(OPERATIONS, write=full, unlink=not_now), told=told)
    seal(tmp_path, rules(None, hook.step), ops=replace(OPERATIONS, write_at=full, unlink=not_now), told=told)
    assert next(error.errno for error in told.errors if isinstance(error, OSError)) == errno.ENOSPC
    assert "input/output error" not in told.texts[0]
    assert (hidden(tmp_path), hook.seen) == ([f".{NAME}.gz.tmp", f".{NAME}.sealed.tmp"], [])
    seal(tmp_path, rules("gz", hook.step))
    assert (hidden(tmp_path), list(contents(tmp_path)), len(hook.seen)) == ([f".{NAME}.sealed"], [f"{NAME}.gz"], 1)


def test_folder_of_the_name_of_a_temporary_file_is_left_alone(tmp_path: Path) -> None:
    """It is somebody's, and no reason to leave what is behind it."""
    folder = tmp_path / ".app.log.2020-01-01_00.gz.tmp"
    folder.mkdir()
    (tmp_path / ".app.log.2020-01-01_01.gz.tmp").write_bytes(b"half of it")
    (tmp_path / ".app.log.2020-01-01_02.sealed").write_text("{}")
    seal(tmp_path, rules())
    assert hidden(tmp_path) == [folder.name]


def test_segment_that_becomes_something_else_before_its_lock(tmp_path: Path) -> None:
    """A folder or a link has the name since the look: nothing is done to it, and nobody is told of a failure."""
    plain = make(tmp_path)
    looks: list[str] = []

    def look(path: str) -> Any:
        if path == str(plain):
            looks.append(path)
            if len(looks) == 2:
                plain.unlink()
                plain.mkdir()
        return OPERATIONS.stat_link(path)

    done = seal(tmp_path, rules(), ops=replace(OPERATIONS, stat_link=look))
    assert len(looks) == 2
    assert (plain.is_dir(), done.done, done.held, hidden(tmp_path)) == (True, 0, set(), [])
