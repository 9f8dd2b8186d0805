"""A kernel in memory: directory entries, inodes, open file descriptions, descriptors, locks, a disk, a clock.

One level below the platform's table of operations: its methods are system calls, with Linux's rules for those calls that the
package makes. `test_kernel.py` runs the same random calls on it and on the real kernel (tmpfs, ext4) and compares.

What it knows: O_APPEND, positions shared by a fork, flock(2) by description (a conversion that fails loses the lock it had),
rename over and without an existing name, links, files without a name, inode numbers used again, modification times in
coarse ticks, a disk with an end, data and entries that a power cut loses. What it does not: symbolic links, permissions (a
fault that a world injects), renaming folders, times of folders, when a file was last read.
"""

from __future__ import annotations

import errno
import heapq
import os
from collections.abc import Callable, Iterable
from typing import NamedTuple

BLOCK = 4096
SHARED, EXCLUSIVE, UNLOCK = "shared", "exclusive", "unlock"


def fail(number: int, *names: object) -> OSError:
    """The error that the system would give."""
    return OSError(number, os.strerror(number), *names)


class Inode:
    """A file or a folder."""

    __slots__ = (
        "ctime_ns",
        "data",
        "folder",
        "gid",
        "links",
        "mode",
        "mtime_ns",
        "number",
        "openings",
        "shared",
        "synced",
        "uid",
        "writer",
    )

    def __init__(self, number: int, mode: int, mtime_ns: int, *, folder: bool = False) -> None:
        self.number = number
        self.folder = folder
        self.data = bytearray()
        self.synced = b""  # what a power cut leaves
        self.mode = mode
        self.uid = self.gid = 0
        self.links = 1
        self.mtime_ns = self.ctime_ns = mtime_ns
        self.openings = 0  # descriptions
        self.writer: Description | None = None  # who has the exclusive lock
        self.shared: set[Description] = set()  # who has the shared one


class Description:
    """What open(2) makes and fork(2) shares: a position and a lock."""

    __slots__ = ("append", "inode", "offset", "readable", "refs", "writable")

    def __init__(self, inode: Inode, flags: int) -> None:
        self.inode = inode
        self.offset = 0
        self.append = bool(flags & os.O_APPEND)
        access = flags & os.O_ACCMODE
        self.readable = access in (os.O_RDONLY, os.O_RDWR)
        self.writable = access in (os.O_WRONLY, os.O_RDWR)
        self.refs = 1


class Stat(NamedTuple):
    """What stat(2) tells."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int
    mode: int
    uid: int
    gid: int
    regular: bool
    links: int


class Table:
    """The descriptors of one process."""

    def __init__(self) -> None:
        self.open: dict[int, Description] = {}

    def lowest(self, least: int = 3) -> int:
        """The lowest free number, as open(2) gives it."""
        number = least
        while number in self.open:
            number += 1
        return number


class Kernel:
    """One machine with one file system.

    Args:
        wall: what its clock shows at the start (epoch seconds).
        capacity: bytes that the disk has, in whole blocks; None is endless.
        tick_ns: modification times are multiples of this.
    """

    def __init__(self, wall: float = 1_700_000_000.0, capacity: int | None = None, tick_ns: int = 4_000_000) -> None:
        self.base_ns = round(wall * 1e9)  # wall clock = base + uptime
        self.uptime_ns = 0
        self.capacity = capacity
        self.tick_ns = tick_ns
        self.exclusive_rename = True  # there is a rename that refuses a name that is taken
        self.device = 7
        self._free: list[int] = []
        self._last = 1
        self.used = 0  # blocks
        self.changes = 0  # of anything that somebody who waits could be waiting for
        self.names: dict[str, Inode] = {"/": Inode(1, 0o755, self._stamp(), folder=True)}
        self._durable: dict[str, Inode] = dict(self.names)
        self._journal: list[list[tuple[str, Inode | None]]] = []  # changes of names since then, in order

    # the clock

    @property
    def wall_ns(self) -> int:
        return self.base_ns + self.uptime_ns

    def wall(self) -> float:
        """Epoch seconds."""
        return self.wall_ns / 1e9

    def step(self, seconds: float) -> None:
        """Somebody sets the clock."""
        self.base_ns += round(seconds * 1e9)
        self.changes += 1

    def _written(self, inode: Inode) -> None:
        inode.mtime_ns = inode.ctime_ns = self._stamp()

    def _stamp(self) -> int:
        return self.wall_ns // self.tick_ns * self.tick_ns

    # names

    def open(self, table: Table, path: str, flags: int, mode: int = 0o666, least: int = 3) -> int:
        inode = self.names.get(path)
        if inode is None:
            self._check_parent(path)
            if not flags & os.O_CREAT:
                raise fail(errno.ENOENT, path)
            inode = self._make(path, mode & ~0o022, folder=False)
        elif flags & os.O_CREAT and flags & os.O_EXCL:
            raise fail(errno.EEXIST, path)
        elif inode.folder and flags & (os.O_ACCMODE | os.O_CREAT):
            raise fail(errno.EISDIR, path)
        if flags & os.O_TRUNC and not inode.folder:
            self._resize(inode, 0)
            self._written(inode)
            self.changes += 1
        number = table.lowest(least)
        table.open[number] = Description(inode, flags)
        inode.openings += 1
        return number

    def open_again(self, table: Table, fd: int, flags: int, least: int = 3) -> int:
        """open(2) of /proc/self/fd/N: the file itself, whatever its name, and without one too."""
        description = table.open.get(fd)
        if description is None:
            raise fail(errno.ENOENT)
        inode = description.inode
        if inode.folder and flags & os.O_ACCMODE:
            raise fail(errno.EISDIR)
        number = table.lowest(least)
        table.open[number] = Description(inode, flags)
        inode.openings += 1
        return number

    def stat(self, path: str, _table: Table | None = None) -> Stat:
        return self._stat(self._find(path))

    def fstat(self, table: Table, fd: int) -> Stat:
        return self._stat(self._description(table, fd).inode)

    def rename(self, source: str, target: str, _table: Table | None = None, *, replace: bool = True) -> None:
        """rename(2), or renameat2(2) with RENAME_NOREPLACE."""
        self._check_parent(source)
        self._check_parent(target)
        inode = self._find(source)
        there = self.names.get(target)
        if there is not None and not replace:
            raise fail(errno.EEXIST, source, None, target)
        if there is inode:
            return
        if there is not None and there.folder:
            raise fail(errno.EISDIR, source, None, target)
        if there is not None:
            self._drop_name(target)
        del self.names[source]
        self.names[target] = inode
        self._journal.append([(source, None), (target, inode)])
        inode.ctime_ns = self._stamp()
        self.changes += 1

    def link(self, source: str, target: str) -> None:
        inode = self._find(source)
        self._check_parent(target)
        if target in self.names:
            raise fail(errno.EEXIST, source, None, target)
        if inode.folder:
            raise fail(errno.EPERM, source, None, target)
        self.names[target] = inode
        self._journal.append([(target, inode)])
        inode.links += 1
        inode.ctime_ns = self._stamp()
        self.changes += 1

    def unlink(self, path: str, _table: Table | None = None) -> None:
        if self._find(path).folder:
            raise fail(errno.EISDIR, path)
        self._drop_name(path)

    def mkdir(self, path: str) -> None:
        self._check_parent(path)
        if path in self.names:
            raise fail(errno.EEXIST, path)
        self._make(path, 0o755, folder=True)

    def rmdir(self, path: str) -> None:
        if not self._find(path).folder:
            raise fail(errno.ENOTDIR, path)
        if self.listdir(path):
            raise fail(errno.ENOTEMPTY, path)
        self._drop_name(path)

    def listdir(self, path: str, _table: Table | None = None) -> list[str]:
        if not self._find(path).folder:
            raise fail(errno.ENOTDIR, path)
        start = path.rstrip("/") + "/"
        return sorted(name[len(start) :] for name in self.names if _folder_of(name) == path and name != "/")

    # open files

    def close(self, table: Table, fd: int) -> None:
        description = self._description(table, fd)
        del table.open[fd]
        self._release(description)

    def dup(self, table: Table, fd: int, least: int = 3) -> int:
        description = self._description(table, fd)
        number = table.lowest(least)
        table.open[number] = description
        description.refs += 1
        return number

    def fork(self, table: Table) -> Table:
        """A child's descriptors: the same descriptions."""
        child = Table()
        child.open = dict(table.open)
        for description in child.open.values():
            description.refs += 1
        return child

    def exit(self, table: Table) -> None:
        """The end of a process."""
        for fd in list(table.open):
            self.close(table, fd)

    def write(self, table: Table, fd: int, data: bytes) -> int:
        description = self._description(table, fd, writing=True)
        if not data:
            return 0
        offset = len(description.inode.data) if description.append else description.offset
        count = self._put(description.inode, data, offset)
        description.offset = offset + count
        return count

    def pwrite(self, table: Table, fd: int, data: bytes, offset: int) -> int:
        """Appends if the description says so, whatever the offset (pwrite(2), BUGS)."""
        description = self._description(table, fd, writing=True)
        if not data:
            return 0
        return self._put(description.inode, data, len(description.inode.data) if description.append else offset)

    def pread(self, table: Table, fd: int, count: int, offset: int) -> bytes:
        description = self._description(table, fd)
        if not description.readable:
            raise fail(errno.EBADF)
        return bytes(description.inode.data[offset : offset + count])

    def lseek(self, table: Table, fd: int, offset: int, whence: int) -> int:
        description = self._description(table, fd)
        base = (0, description.offset, len(description.inode.data))[whence]
        if base + offset < 0:
            raise fail(errno.EINVAL)
        description.offset = base + offset
        return description.offset

    def truncate(self, path: str, size: int) -> None:
        inode = self._find(path)
        if inode.folder:
            raise fail(errno.EISDIR, path)
        self._resize(inode, size)
        self._written(inode)
        self.changes += 1

    def flock(self, table: Table, fd: int, kind: str) -> None:
        """Never waits (LOCK_NB). A conversion gives the old lock up first and does not get it back if it fails."""
        description = self._description(table, fd)
        inode = description.inode
        if kind == EXCLUSIVE and inode.writer is description:
            return
        if kind == SHARED and description in inode.shared:
            return
        self._let_go(description)
        if kind == UNLOCK:
            return
        if inode.writer is not None or (kind == EXCLUSIVE and inode.shared):
            raise fail(errno.EAGAIN)
        if kind == EXCLUSIVE:
            inode.writer = description
        else:
            inode.shared.add(description)

    def fchmod(self, table: Table, fd: int, mode: int) -> None:
        inode = self._description(table, fd).inode
        inode.mode, inode.ctime_ns = mode, self._stamp()
        self.changes += 1

    def fchown(self, table: Table, fd: int, uid: int, gid: int) -> None:
        inode = self._description(table, fd).inode
        inode.uid = inode.uid if uid < 0 else uid
        inode.gid = inode.gid if gid < 0 else gid
        inode.ctime_ns = self._stamp()
        self.changes += 1

    def touch(self, table: Table, fd: int) -> None:
        self._written(self._description(table, fd).inode)
        self.changes += 1

    def utimens(self, table: Table, fd: int, modified_ns: int) -> None:
        """futimens(2); the time of the last read is not kept."""
        inode = self._description(table, fd).inode
        inode.mtime_ns, inode.ctime_ns = modified_ns, self._stamp()
        self.changes += 1

    # the disk

    def fsync(self, table: Table, fd: int) -> None:
        inode = self._description(table, fd).inode
        inode.synced = bytes(inode.data)

    def open_folder(self, path: str, _table: Table | None = None) -> None:
        """open(2) and close(2) of a folder."""
        if not self._find(path).folder:
            raise fail(errno.ENOTDIR, path)

    def sync_folder(self, path: str, _table: Table | None = None) -> None:
        """fsync(2) of a folder: its entries are safe."""
        if not self._find(path).folder:
            raise fail(errno.ENOTDIR, path)
        for name in {*self.names, *self._durable}:
            if _folder_of(name) == path:
                inode = self.names.get(name)
                if inode is None:
                    self._durable.pop(name, None)
                else:
                    self._durable[name] = inode
        self._journal = [left for change in self._journal if (left := [one for one in change if _folder_of(one[0]) != path])]

    def sync(self) -> None:
        """sync(2)"""
        self._durable, self._journal = dict(self.names), []
        for inode in self.names.values():
            inode.synced = bytes(inode.data)

    def power_cut(self, tables: Iterable[Table], pick: Callable[[int], int] = lambda _count: 0, block: int = BLOCK) -> None:
        """The processes are gone, and of what was not synced any part: names are as they were after one of their changes, a file
        ends with one of its lines or at the end of a block, or has zeros from there on.

        Args:
            tables: of the processes.
            pick: a number below its argument; 0 leaves nothing.
            block: what the file system writes at once (bytes).
        """
        for table in tables:
            self.exit(table)
        self.names = dict(self._durable)
        for change in self._journal[: pick(len(self._journal) + 1)]:
            for name, inode in change:
                if inode is None:
                    self.names.pop(name, None)
                else:
                    self.names[name] = inode
        numbers: set[int] = set()
        for inode in sorted(dict.fromkeys(self.names.values()), key=lambda one: one.number):
            if inode.number in numbers:  # it was deleted, and who has its number now is in a folder that was synced alone
                self._last += 1
                inode.number = self._last
            numbers.add(inode.number)
            inode.links = sum(other is inode for other in self.names.values())
            inode.data = bytearray(_left_of(inode, pick, block))
        self.used = sum(_blocks(len(inode.data)) for inode in set(self.names.values()))
        self._free = sorted({*range(1, self._last + 1)} - {inode.number for inode in self.names.values()})
        self.sync()
        self.changes += 1

    def room(self) -> int:
        """Free bytes, in whole blocks."""
        return 1 << 60 if self.capacity is None else max(0, self.capacity // BLOCK - self.used) * BLOCK

    # what there is, for oracles and for comparing worlds

    def files(self) -> dict[str, bytes]:
        """Every file that has a name."""
        return {name: bytes(inode.data) for name, inode in self.names.items() if not inode.folder}

    def picture(self, tables: Iterable[Table]) -> int:
        """A number that tells this state from any other (but for a collision of hashes)."""
        inodes = sorted({*self.names.values(), *(d.inode for t in tables for d in t.open.values())}, key=lambda one: one.number)
        known: dict[int, int] = {}
        opened = [
            (fd, known.setdefault(id(d), len(known)), d.inode.number, d.offset, d.append, d.readable)
            for table in tables
            for fd, d in sorted(table.open.items())
        ]
        files = [
            (one.number, bytes(one.data), one.mode, one.uid, one.gid, one.mtime_ns, one.ctime_ns, one.links,
             known.get(id(one.writer)), tuple(sorted(known.get(id(d), -1) for d in one.shared)))
            for one in inodes
        ]  # fmt: skip
        names = sorted((name, inode.number) for name, inode in self.names.items())
        return hash((tuple(names), tuple(files), tuple(opened), tuple(sorted(self._free)), self.wall_ns, self.used))

    # how

    def _find(self, path: str) -> Inode:
        inode = self.names.get(path)
        if inode is None:
            self._check_parent(path)
            raise fail(errno.ENOENT, path)
        return inode

    def _check_parent(self, path: str) -> None:
        parent = self.names.get(_folder_of(path))
        if parent is None:
            raise fail(errno.ENOENT, path)
        if not parent.folder:
            raise fail(errno.ENOTDIR, path)

    def _description(self, table: Table, fd: int, *, writing: bool = False) -> Description:
        description = table.open.get(fd)
        if description is None or (writing and not description.writable):
            raise fail(errno.EBADF)
        return description

    def _make(self, path: str, mode: int, *, folder: bool) -> Inode:
        if self._free:
            number = heapq.heappop(self._free)  # as ext4 does: a new file often has the number of one just deleted
        else:
            self._last += 1
            number = self._last
        inode = self.names[path] = Inode(number, mode, self._stamp(), folder=folder)
        self._journal.append([(path, inode)])
        self.changes += 1
        return inode

    def _drop_name(self, path: str) -> None:
        inode = self.names.pop(path)
        self._journal.append([(path, None)])
        inode.links -= 1
        inode.ctime_ns = self._stamp()
        self._reap(inode)
        self.changes += 1

    def _reap(self, inode: Inode) -> None:
        if inode.links or inode.openings:
            return
        self.used -= _blocks(len(inode.data))
        heapq.heappush(self._free, inode.number)

    def _release(self, description: Description) -> None:
        description.refs -= 1
        if description.refs:
            return
        self._let_go(description)
        description.inode.openings -= 1
        self._reap(description.inode)

    def _let_go(self, description: Description) -> None:
        inode = description.inode
        if inode.writer is description:
            inode.writer = None
            self.changes += 1
        elif description in inode.shared:
            inode.shared.discard(description)
            self.changes += 1

    def _put(self, inode: Inode, data: bytes, offset: int) -> int:
        fits = _blocks(len(inode.data)) * BLOCK + self.room()
        count = min(len(data), fits - offset)
        if count <= 0:
            raise fail(errno.ENOSPC)
        if offset + count > len(inode.data):
            self._resize(inode, offset + count)
        inode.data[offset : offset + count] = data[:count]
        self._written(inode)
        self.changes += 1
        return count

    def _resize(self, inode: Inode, size: int) -> None:
        self.used += _blocks(size) - _blocks(len(inode.data))
        if size < len(inode.data):
            del inode.data[size:]
        else:
            inode.data.extend(bytes(size - len(inode.data)))

    def _stat(self, inode: Inode) -> Stat:
        return Stat(
            self.device, inode.number, len(inode.data), inode.mtime_ns, inode.ctime_ns, inode.mode, inode.uid, inode.gid,
            not inode.folder, inode.links,
        )  # fmt: skip


def _left_of(inode: Inode, pick: Callable[[int], int], block: int) -> bytes:
    """What a power cut leaves of a file."""
    data, synced = bytes(inode.data), inode.synced
    if not data.startswith(synced):  # written over: one or the other
        return data if pick(2) else synced
    known = len(synced)
    ends = [at for at in range(known, len(data) + 1) if at == known or at % block == 0 or data[at - 1] == ord("\n")]
    end = ends[pick(len(ends))]
    return data[:end] + bytes(len(data) - end if pick(3) == 2 else 0)


def _blocks(size: int) -> int:
    return -(-size // BLOCK)


def _folder_of(path: str) -> str:
    return path.rpartition("/")[0] or "/"
