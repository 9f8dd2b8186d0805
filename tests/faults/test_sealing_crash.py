"""Sealing, with a kill or an error at every system call: whatever happens, the content is there once in the end (promise P1)."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from _seal_support import (
    CONTENT,
    METHODS,
    NAME,
    Doomed,
    Hook,
    Killed,
    Told,
    contents,
    hidden,
    make,
    rules,
    seal,
    unpack,
)
from _support import ended, finish, start

from mpfhandler._platform import OPERATIONS
from mpfhandler._protocols.duties import Sealing

LARGE = bytes(random.Random(7).choices(b"abcdefgh \n", k=600_000))  # three chunks


class Scene:
    """A folder before a run, the run, and what must be true of it."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.folder = folder
        self.kind = kind
        self.content = LARGE if kind == "large" else CONTENT
        self.hook, self.archive = Hook(), Hook("archive")
        self.method = None if kind == "plain" else "zst" if kind == "zst" else "gz"
        make(folder, self.content)
        if kind in {"equal twin", "unfinished twin", "leftovers"}:
            self._prepare(folder)

    def _prepare(self, folder: Path) -> None:
        if self.kind == "leftovers":
            (folder / f".{NAME}.gz.tmp").write_bytes(b"half")
            (folder / f".{NAME}.sealed.tmp").write_bytes(b"half")
            (folder / ".app.log.2020-01-01_00.sealed").write_bytes(b"{}")
            return
        seal(folder, rules("gz"))
        if self.kind == "unfinished twin":
            path = folder / f"{NAME}.gz"
            path.write_bytes(path.read_bytes()[:-20])
        plain, path = make(folder, self.content), folder / f"{NAME}.gz"
        os.utime(path, ns=(1, plain.stat().st_mtime_ns))

    @property
    def rules(self) -> Sealing:
        steps = () if self.kind == "zst" else (self.hook.step, self.archive.step)
        delete = "archive" if self.kind == "archived" else None
        return rules(self.method, *steps, fsync="seal", delete_after=delete)

    def check_now(self) -> None:
        """At any moment: what can be seen of the segment is whole, but for a twin that was not before, and if nothing can be seen
        the archive has it."""
        seen = [path for path in self.folder.glob("app.log.*") if self.kind != "unfinished twin" or path.name == NAME]
        if self.kind == "unfinished twin" and not (self.folder / NAME).exists():
            seen = [self.folder / f"{NAME}.gz"]
        assert {unpack(path) for path in seen} == {self.content} or (not seen and self.archive.seen)
        assert not [path for path in self.folder.iterdir() if path.name not in self.names() and path.name not in self.former()]

    def names(self) -> set[str]:
        """All names that sealing gives."""
        return {NAME, f"{NAME}.{self.method}", f".{NAME}.{self.method}.tmp", f".{NAME}.sealed", f".{NAME}.sealed.tmp"}

    def former(self) -> set[str]:
        """What was there before."""
        return {".app.log.2020-01-01_00.sealed"} if self.kind == "leftovers" else set()

    def check_end(self, most: int = 1) -> None:
        """When a process has been through: the content is there once, and nothing is left but the marker."""
        if self.kind == "archived":
            assert (contents(self.folder), hidden(self.folder)) == ({}, [])
        else:
            name = f"{NAME}.{self.method}" if self.method else NAME
            assert contents(self.folder) == {name: self.content}
            assert hidden(self.folder) == ([] if self.kind == "zst" else [f".{NAME}.sealed"])
        if self.kind != "zst":
            assert 1 <= len(self.hook.seen) <= most
            assert 1 <= len(self.archive.seen) <= most
            assert self.kind == "archived" or {one.size for one in self.hook.seen} == {self.hook.seen[0].size}


KINDS = ["plain", "zst", "large", "archived", "equal twin", "unfinished twin", "leftovers"]
SMALL = [kind for kind in KINDS if kind != "large"]


def every_call(tmp_path: Path, kind: str, error: Callable[[], BaseException], check: Callable[[Scene, Doomed], None]) -> int:
    """Run once for each call that a run makes, with this happening there; how many there are."""
    position = 0
    while True:
        folder = tmp_path / f"{position}"
        folder.mkdir()
        scene, doomed = Scene(folder, kind), Doomed(position, error)
        check(scene, doomed)
        if doomed.calls <= position:
            return position
        position += 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_any_call(tmp_path: Path, kind: str) -> None:
    """A SIGKILL before each call: the content is there all the time, the next process brings it to its end, and a step is done
    again only if the kill came between its end and the marker."""
    again = 0

    def check(scene: Scene, doomed: Doomed) -> None:
        nonlocal again
        try:
            seal(scene.folder, scene.rules, ops=doomed.ops, told=Told())
        except Killed:
            pass
        doomed.bury()
        scene.check_now()
        seal(scene.folder, scene.rules)
        scene.check_end(most=2)
        again += len(scene.hook.seen) + len(scene.archive.seen) - 2

    calls = every_call(tmp_path, kind, Killed, check)
    assert calls > 20
    if kind != "zst":
        assert 0 < again < calls


@pytest.mark.slow
@pytest.mark.parametrize("kind", SMALL)
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.ENOENT, errno.EACCES, errno.EEXIST])
def test_any_call_fails_once(tmp_path: Path, kind: str, number: int) -> None:
    """Nothing is raised, no descriptor is left open, and the next run brings it to its end."""

    def check(scene: Scene, doomed: Doomed) -> None:
        seal(scene.folder, scene.rules, ops=doomed.ops, told=Told())
        assert doomed.fds == set(), doomed.names[doomed._at - 3 : doomed._at + 4]
        scene.check_now()
        seal(scene.folder, scene.rules, told=Told())
        scene.check_end(most=2)

    every_call(tmp_path, kind, lambda: OSError(number, os.strerror(number)), check)


@pytest.mark.slow
@pytest.mark.parametrize("kind", SMALL)
def test_interrupted_at_any_call(tmp_path: Path, kind: str) -> None:
    """Control-C in a command: it goes through, every lock is given back at once, and the next run brings it to its end."""

    def check(scene: Scene, doomed: Doomed) -> None:
        try:
            seal(scene.folder, scene.rules, ops=doomed.ops, told=Told())
        except KeyboardInterrupt:
            pass
        assert len(doomed.fds) <= (doomed.names[-1] == "close")
        doomed.bury()
        scene.check_now()
        seal(scene.folder, scene.rules)
        scene.check_end(most=2)

    every_call(tmp_path, kind, KeyboardInterrupt, check)


SEAL = """
    import sys, time
    from _seal_support import *
    folder, method, calls = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    hook = Hook()
    def note(segment):
        with open(calls, "a") as file:
            file.write(segment.path + "\\n")
    hook.does = note
    print("ready", flush=True)
    sys.stdin.readline()
    while True:
        done = seal(folder, rules(method, hook.step, fsync="seal"), now=time.time())
        if not done.held and not done.failed:
            break
        time.sleep(0.01)
"""


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_killed_processes_leave_the_content_once(tmp_path: Path, method: str) -> None:
    """Real processes, killed at any time, one after the other; the last one may finish."""
    folder, calls = tmp_path / "logs", tmp_path / "calls"
    folder.mkdir()
    wanted = {f"app.log.2026-01-0{day}_00": LARGE[day:] * {"gz": 3, "zst": 6, "xz": 1, "bz2": 2}[method] for day in range(1, 5)}
    for name, content in wanted.items():
        make(folder, content, name, written=1_767_225_600.0)
    luck, unfinished = random.Random(method), 0
    for number in range(8):
        child = start(SEAL, folder, method, calls)
        with ended(child):
            begin(child)
            if number % 2:
                time.sleep(luck.random() * 0.3)
            else:  # however slow the machine is, some are in the middle of it
                while not list(folder.glob(".*.tmp")) and child.poll() is None:
                    pass
            child.send_signal(signal.SIGKILL)
        for path in folder.glob("app.log.*"):
            assert unpack(path) == wanted[path.name.removesuffix(f".{method}")]
        unfinished += bool(list(folder.glob(".*.tmp")))
    assert unfinished, "no process was killed in the middle of its work"
    finish_one(folder, method, calls)
    assert contents(folder) == {f"{name}.{method}": content for name, content in wanted.items()}
    assert hidden(folder) == sorted(f".{name}.sealed" for name in wanted)


def begin(child: subprocess.Popen[str]) -> None:
    """Let it go on, once it is ready."""
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    child.stdin.write("\n")
    child.stdin.flush()


def finish_one(folder: Path, method: str, calls: Path) -> None:
    """A process that may come to its end."""
    child = start(SEAL, folder, method, calls)
    with ended(child):
        begin(child)
        finish(child)


@pytest.mark.slow
def test_several_processes_seal_each_segment_once(tmp_path: Path) -> None:
    """Four at the same time: each segment is compressed by one of them, and its hook called by one of them."""
    folder, calls = tmp_path / "logs", tmp_path / "calls"
    folder.mkdir()
    wanted = {f"app.log.2026-01-{day:02}_00": CONTENT + b"%d" % day for day in range(1, 29)}
    for name, content in wanted.items():
        make(folder, content, name, written=1_767_225_600.0)
    children = [start(SEAL, folder, "gz", calls) for _ in range(4)]
    with ended(*children):
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
        for child in children:
            assert child.stdin is not None
            child.stdin.write("\n")
            child.stdin.flush()
        for child in children:
            finish(child)
    assert contents(folder) == {f"{name}.gz": content for name, content in wanted.items()}
    assert sorted(calls.read_text().split()) == sorted(str(folder / f"{name}.gz") for name in wanted)
    assert hidden(folder) == sorted(f".{name}.sealed" for name in wanted)


def test_locks_are_given_back_where_a_child_shares_them(tmp_path: Path) -> None:
    """A child that a hook forks has the descriptors, and must not keep the locks."""
    make(tmp_path)
    hook = Hook()
    children: list[int] = []

    def fork(_segment: object) -> None:
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
        children.append(child)

    hook.does = fork
    try:
        seal(tmp_path, rules("gz", hook.step))
        fd = OPERATIONS.open_side(str(tmp_path / f"{NAME}.gz"))
        try:
            assert OPERATIONS.try_lock(fd, True)
        finally:
            os.close(fd)
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
