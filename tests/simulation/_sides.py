"""The same calls on two sides: the real kernel, and the simulated one. `answer` gives what both must agree in.

A side is a process: it has descriptors, and children that it has forked. A call is a tuple, its name first; descriptors are told
by their place in the list of those that are open, children likewise.
"""

from __future__ import annotations

import errno
import fcntl
import multiprocessing
import os
import stat
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from _kernel import EXCLUSIVE, SHARED, UNLOCK, Kernel, Stat, Table

from mpfhandler._platform.posix import POSIX

ROOT = "/d"
NAMES = ("a", "b", "c", "sub/a", "missing/a")
LOCKS = {EXCLUSIVE: fcntl.LOCK_EX, SHARED: fcntl.LOCK_SH, UNLOCK: fcntl.LOCK_UN}
IS_ROOT = os.geteuid() == 0
Call = tuple[Any, ...]


class Side:
    """What both have in common."""

    def __init__(self) -> None:
        self.fds: list[int] = []
        self.children: list[Any] = []

    def call(self, name: str, *arguments: Any) -> Any:
        return getattr(self, name)(*arguments)

    def _fd(self, handle: int) -> int:
        return self.fds[handle % len(self.fds)] if self.fds else -1

    def _child(self, which: int) -> Any:
        if not self.children:
            raise OSError(errno.ECHILD, "")
        return self.children[which % len(self.children)]

    def child(self, which: int, call: Call) -> Any:
        """The answer of a child to a call that it makes."""
        return self._child(which).answer(call)

    def exit(self, which: int) -> None:
        """The end of a child, and of those that it has forked."""
        child = self._child(which)
        self.children.remove(child)
        child.leave()

    def look(self) -> Iterator[tuple[str | int, Stat]]:
        """The files of all names and descriptors that there are."""
        for name in NAMES:
            try:
                yield name, self.call("stat", name)
            except OSError:
                continue
        for handle in range(len(self.fds)):
            yield handle, self.call("fstat", handle)


class Real(Side):
    """The calls on the kernel."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def _path(self, name: str) -> str:
        return str(self.folder / name)

    def _fd(self, handle: int) -> int:
        fd = super()._fd(handle)
        if fd < 0:  # Python's functions take it for something else, some of them
            raise OSError(errno.EBADF, "")
        return fd

    def open(self, name: str, flags: int) -> None:
        self.fds.append(os.open(self._path(name), flags, 0o666))

    def close(self, handle: int) -> None:
        fd = self._fd(handle)
        os.close(fd)
        self.fds.remove(fd)

    def dup(self, handle: int) -> None:
        self.fds.append(os.dup(self._fd(handle)))

    def open_again(self, handle: int, flags: int) -> None:
        self.fds.append(os.open(f"/proc/self/fd/{super()._fd(handle)}", flags))

    def write(self, handle: int, size: int) -> int:
        return os.write(self._fd(handle), filler(size))

    def pwrite(self, handle: int, size: int, offset: int) -> int:
        return os.pwrite(self._fd(handle), filler(size), offset)

    def pread(self, handle: int, size: int, offset: int) -> bytes:
        return os.pread(self._fd(handle), size, offset)

    def lseek(self, handle: int, offset: int, whence: int) -> int:
        return os.lseek(self._fd(handle), offset, whence)

    def flock(self, handle: int, kind: str) -> None:
        fcntl.flock(self._fd(handle), LOCKS[kind] | fcntl.LOCK_NB)

    def fstat(self, handle: int) -> Stat:
        return _stat(os.fstat(self._fd(handle)))

    def fchmod(self, handle: int, mode: int) -> None:
        os.fchmod(self._fd(handle), mode)

    def fchown(self, handle: int, uid: int, gid: int) -> None:
        os.fchown(self._fd(handle), uid, gid)

    def touch(self, handle: int) -> None:
        POSIX.touch(self._fd(handle))

    def utimens(self, handle: int, modified_ns: int) -> int:
        POSIX.set_times(self._fd(handle), 1_000_000_000, modified_ns)
        return os.fstat(self._fd(handle)).st_mtime_ns

    def fsync(self, handle: int) -> None:
        os.fsync(self._fd(handle))

    def sync_folder(self, name: str) -> None:
        fd = os.open(self._path(name), os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def stat(self, name: str) -> Stat:
        return _stat(os.stat(self._path(name)))

    def rename(self, source: str, target: str) -> None:
        os.rename(self._path(source), self._path(target))

    def rename_new(self, source: str, target: str) -> None:
        POSIX.rename_new(self._path(source), self._path(target))

    def link(self, source: str, target: str) -> None:
        os.link(self._path(source), self._path(target))

    def unlink(self, name: str) -> None:
        os.unlink(self._path(name))

    def truncate(self, name: str, size: int) -> None:
        os.truncate(self._path(name), size)

    def listdir(self, name: str) -> list[str]:
        return sorted(os.listdir(self._path(name)))

    def mkdir(self, name: str) -> None:
        os.mkdir(self._path(name))

    def rmdir(self, name: str) -> None:
        os.rmdir(self._path(name))

    def fork(self) -> None:
        self.children.append(RealChild(self))

    def leave(self) -> None:
        """The end of its children, and of what it has open."""
        while self.children:
            self.exit(0)
        while self.fds:
            os.close(self.fds.pop())

    def end(self) -> dict[str, bytes]:
        self.leave()
        return {str(p.relative_to(self.folder)): p.read_bytes() for p in self.folder.rglob("*") if p.is_file()}


class RealChild:
    """A forked process that makes the calls which its parent asks for."""

    def __init__(self, parent: Real) -> None:
        self._line, theirs = multiprocessing.Pipe()
        self._pid = os.fork()
        if self._pid == 0:
            _serve(parent, theirs)
        theirs.close()

    def answer(self, call: Call) -> Any:
        """Of the process to this call."""
        self._line.send(call)
        return self._line.recv()

    def leave(self) -> None:
        """The process ends, and is waited for."""
        self._line.send(None)
        self._line.close()
        _, status = os.waitpid(self._pid, 0)
        assert status == 0


def _serve(side: Real, line: Connection) -> None:
    status = 1
    try:
        side.children = []
        while (call := line.recv()) is not None:
            line.send(answer(side, call))
        while side.children:
            side.exit(0)
        status = 0
    finally:
        os._exit(status)


class Simulated(Side):
    """The same calls on the simulation."""

    def __init__(self, parent: Simulated | None = None) -> None:
        super().__init__()
        if parent is None:
            self.kernel, self.table = Kernel(), Table()
            self.kernel.mkdir(ROOT)
        else:
            self.kernel, self.table = parent.kernel, parent.kernel.fork(parent.table)
            self.fds = list(parent.fds)

    def _path(self, name: str) -> str:
        return ROOT if name == "." else f"{ROOT}/{name}"

    def open(self, name: str, flags: int) -> None:
        self.fds.append(self.kernel.open(self.table, self._path(name), flags))

    def close(self, handle: int) -> None:
        fd = self._fd(handle)
        self.kernel.close(self.table, fd)
        self.fds.remove(fd)

    def dup(self, handle: int) -> None:
        self.fds.append(self.kernel.dup(self.table, self._fd(handle)))

    def open_again(self, handle: int, flags: int) -> None:
        self.fds.append(self.kernel.open_again(self.table, self._fd(handle), flags))

    def write(self, handle: int, size: int) -> int:
        return self.kernel.write(self.table, self._fd(handle), filler(size))

    def pwrite(self, handle: int, size: int, offset: int) -> int:
        return self.kernel.pwrite(self.table, self._fd(handle), filler(size), offset)

    def pread(self, handle: int, size: int, offset: int) -> bytes:
        return self.kernel.pread(self.table, self._fd(handle), size, offset)

    def lseek(self, handle: int, offset: int, whence: int) -> int:
        return self.kernel.lseek(self.table, self._fd(handle), offset, whence)

    def flock(self, handle: int, kind: str) -> None:
        self.kernel.flock(self.table, self._fd(handle), kind)

    def fstat(self, handle: int) -> Stat:
        return self.kernel.fstat(self.table, self._fd(handle))

    def fchmod(self, handle: int, mode: int) -> None:
        self.kernel.fchmod(self.table, self._fd(handle), mode)

    def fchown(self, handle: int, uid: int, gid: int) -> None:
        self.kernel.fchown(self.table, self._fd(handle), uid, gid)

    def touch(self, handle: int) -> None:
        self.kernel.touch(self.table, self._fd(handle))

    def utimens(self, handle: int, modified_ns: int) -> int:
        self.kernel.utimens(self.table, self._fd(handle), modified_ns)
        return self.kernel.fstat(self.table, self._fd(handle)).mtime_ns

    def fsync(self, handle: int) -> None:
        self.kernel.fsync(self.table, self._fd(handle))

    def sync_folder(self, name: str) -> None:
        self.kernel.sync_folder(self._path(name))

    def stat(self, name: str) -> Stat:
        return self.kernel.stat(self._path(name))

    def rename(self, source: str, target: str) -> None:
        self.kernel.rename(self._path(source), self._path(target))

    def rename_new(self, source: str, target: str) -> None:
        self.kernel.rename(self._path(source), self._path(target), replace=False)

    def link(self, source: str, target: str) -> None:
        self.kernel.link(self._path(source), self._path(target))

    def unlink(self, name: str) -> None:
        self.kernel.unlink(self._path(name))

    def truncate(self, name: str, size: int) -> None:
        self.kernel.truncate(self._path(name), size)

    def listdir(self, name: str) -> list[str]:
        return self.kernel.listdir(self._path(name))

    def mkdir(self, name: str) -> None:
        self.kernel.mkdir(self._path(name))

    def rmdir(self, name: str) -> None:
        self.kernel.rmdir(self._path(name))

    def fork(self) -> None:
        self.children.append(Simulated(self))

    def answer(self, call: Call) -> Any:
        return answer(self, call)

    def leave(self) -> None:
        while self.children:
            self.exit(0)
        self.kernel.exit(self.table)

    def end(self) -> dict[str, bytes]:
        self.leave()
        return {name.removeprefix(ROOT + "/"): data for name, data in self.kernel.files().items()}


def answer(side: Side, call: Call) -> Any:
    """What a call gives, in a form that both sides share."""
    try:
        result = side.call(*call)
    except OSError as error:
        return "error", errno.errorcode[error.errno or 0]
    if not isinstance(result, Stat):
        return result
    owner = (result.uid, result.gid) if IS_ROOT else ()
    return ("file", result.size, result.links, result.mode, owner, same(side, result.inode)) if result.regular else ("folder",)


def same(side: Side, inode: int) -> list[str | int]:
    """The names and descriptors that are this file now. Only files that live at the same time are compared: tmpfs does not use
    the number of one that is gone again, ext4 does."""
    return [one for one, found in side.look() if found.inode == inode]


def filler(size: int) -> bytes:
    """Bytes that tell where they come from."""
    return (b"0123456789abcdef" * (size // 16 + 1))[:size]


def _stat(found: os.stat_result) -> Stat:
    return Stat(
        found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_mode & 0o7777, found.st_uid,
        found.st_gid, stat.S_ISREG(found.st_mode), found.st_nlink,
    )  # fmt: skip
