"""A server's file system as its clients see it: each process is a machine of its own, and remembers.

What NFS and SMB clients do, at their worst: a name leads to what it led to until its folder is opened; a name that was missing
stays missing; a file ends where it ended when it was last opened or locked, so an append may go where another machine
has written meanwhile. Nothing is forgotten by itself: the real ones do that after seconds.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable
from weakref import WeakKeyDictionary

from _kernel import Description, Inode, Kernel, Stat, Table, fail

__all__ = ["RemoteKernel"]

_UNKNOWN = Inode(0, 0, 0)


class Memory:
    """Of one machine."""

    def __init__(self) -> None:
        self.names: dict[str, Inode | None] = {}
        self.ends: dict[Inode, int] = {}


class RemoteKernel(Kernel):
    """The same file system for all, with a memory of it for each table of descriptors."""

    def __init__(self, wall: float = 1_700_000_000.0, capacity: int | None = None, tick_ns: int = 4_000_000) -> None:
        super().__init__(wall, capacity, tick_ns)
        self.memories: WeakKeyDictionary[Table, Memory] = WeakKeyDictionary()

    def memory(self, table: Table) -> Memory:
        """Of this machine."""
        return self.memories.setdefault(table, Memory())

    def open(self, table: Table, path: str, flags: int, mode: int = 0o666, least: int = 3) -> int:
        """By the file that the name is known to lead to, as NFSv4.1 does it; an exclusive one asks the server."""
        memory = self.memory(table)
        known = memory.names.get(path, _UNKNOWN)
        if known is None and not flags & os.O_CREAT:
            raise fail(errno.ENOENT, path)
        if known not in (None, _UNKNOWN, self.names.get(path)) and not flags & os.O_EXCL:
            number = self._open_known(table, path, known, flags, least)
        else:
            try:
                number = super().open(table, path, flags, mode, least)
            except FileNotFoundError:
                memory.names[path] = None
                raise
        inode = table.open[number].inode
        memory.names[path], memory.ends[inode] = inode, len(inode.data)
        return number

    def _open_known(self, table: Table, path: str, inode: Inode | None, flags: int, least: int) -> int:
        if inode is None or (not inode.links and not inode.openings):
            self.memory(table).names[path] = self.names.get(path)
            raise fail(errno.ESTALE, path)
        number = table.lowest(least)
        table.open[number] = Description(inode, flags)
        inode.openings += 1
        return number

    def stat(self, path: str, table: Table | None = None) -> Stat:
        if table is None:
            return super().stat(path)
        memory = self.memory(table)
        if path not in memory.names:
            memory.names[path] = self.names.get(path)
        inode = memory.names[path]
        if inode is None:
            raise fail(errno.ENOENT, path)
        return self._stat(inode)

    def rename(self, source: str, target: str, table: Table | None = None, *, replace: bool = True) -> None:
        super().rename(source, target, replace=replace)
        if table is not None:
            names = self.memory(table).names
            names[target], names[source] = names.pop(source, self.names[target]), None

    def unlink(self, path: str, table: Table | None = None) -> None:
        super().unlink(path)
        if table is not None:
            self.memory(table).names[path] = None

    def listdir(self, path: str, table: Table | None = None) -> list[str]:
        self._forget(path, table)
        return super().listdir(path)

    def open_folder(self, path: str, table: Table | None = None) -> None:
        self._forget(path, table)
        super().open_folder(path)

    def write(self, table: Table, fd: int, data: bytes) -> int:
        description = self._description(table, fd, writing=True)
        if not data or not description.append:
            return super().write(table, fd, data)
        inode, ends = description.inode, self.memory(table).ends
        offset = ends.get(inode, len(inode.data))
        count = self._put(inode, data, offset)
        description.offset = ends[inode] = offset + count
        return count

    def lseek(self, table: Table, fd: int, offset: int, whence: int) -> int:
        if whence == os.SEEK_END:
            inode = self._description(table, fd).inode
            return super().lseek(table, fd, self.memory(table).ends.get(inode, len(inode.data)) + offset, os.SEEK_SET)
        return super().lseek(table, fd, offset, whence)

    def flock(self, table: Table, fd: int, kind: str) -> None:
        super().flock(table, fd, kind)
        inode = self._description(table, fd).inode
        self.memory(table).ends[inode] = len(inode.data)

    def power_cut(self, tables: Iterable[Table], pick: Callable[[int], int] = lambda _count: 0, block: int = 4096) -> None:
        self.memories.clear()
        super().power_cut(tables, pick, block)

    def _forget(self, folder: str, table: Table | None) -> None:
        if table is not None:
            names = self.memory(table).names
            for name in [one for one in names if one.rpartition("/")[0] == folder]:
                del names[name]
