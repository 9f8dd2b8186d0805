"""Looking at a file system that several machines write to: what this one remembers of it is not believed.

A client of NFS or SMB remembers which file a name leads to, that there is none, and how long a file is, for seconds. So a name is
looked at by opening its folder, and then it. By the first an NFS client learns whether it has to ask again what the name leads to
(since NFSv4.1 its open goes by what it remembers of that); by the second an SMB client asks. What the server answers of the file
is what the next write goes by ("close-to-open"). The log, which an SMB client takes for missing for up to a second, is looked for
in the list of the folder, too. Where another machine has renamed a file that is open here, an SMB client may go on to take the
old name for it: then an open of that name fails (EINVAL, for the server gets the "lease key" of another file), until the folder
was listed. An NFS client has ESTALE for the like.

Two mounts of one folder have two device numbers, so a file is known by its inode alone: a log and its segments are in one file
system. A shared lock would keep everybody from writing where locks are mandatory (SMB), so nobody keeps a lease: who asks for
one learns only whether somebody has the file for himself just now.
"""

from __future__ import annotations

import os.path
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from .._platform import Fault, FileId, FileStat, Operations
from .descriptors import close_quietly

__all__ = ["networked"]

_OUTDATED = {Fault.STALE, Fault.INVALID}  # this machine takes a name for another file than the server
_REMEMBERED = {Fault.MISSING, *_OUTDATED}  # what it may tell of a name without having asked
_T = TypeVar("_T")
_TRIES, _PAUSE = 30, 0.1  # looks at a log that is there by the list of its folder; seconds between two


def networked(ops: Operations, log: str) -> Operations:
    """The same calls, for a log whose folder other machines may write to.

    Args:
        ops: the system calls.
        log: its path.
    """
    network = _Network(ops, log)
    return replace(
        ops,
        stat_path=network.stat_path,
        stat_link=network.stat_link,
        stat_fd=network.stat_fd,
        try_lock=network.try_lock,
        unlock=network.unlock,
        open_append=network.open_append,
        open_new=network.open_new,
        open_existing=network.open_existing,
        open_side=network.open_side,
        open_lock=network.open_lock,
        open_read=network.open_read,
    )


class _Network:
    """Keeps nothing. Every descriptor that it opens it closes."""

    def __init__(self, ops: Operations, log: str) -> None:
        self._ops = ops
        self._log = log

    def stat_path(self, path: str) -> FileStat:
        """What the name leads to, as the server has it."""
        return self._look(path, self._ops.stat_path)

    def stat_link(self, path: str) -> FileStat:
        """The same, of a symbolic link itself."""
        return self._look(path, self._ops.stat_link)

    def stat_fd(self, fd: int) -> FileStat:
        """Of an open file."""
        return _anywhere(self._ops.stat_fd(fd))

    def try_lock(self, fd: int, exclusive: bool) -> bool:
        """A shared one is given back at once: it tells that nobody has an exclusive one."""
        if not self._ops.try_lock(fd, True):
            return False
        if not exclusive:
            self.unlock(fd)
        return True

    def unlock(self, fd: int) -> None:
        """A lock that stays would keep other machines from the file, so a failure is not believed at once.

        Raises:
            OSError: it cannot be given back.
        """
        try:
            self._ops.unlock(fd)
        except OSError as error:
            if self._ops.fault(error) is Fault.CLOSED:
                raise
            self._ops.unlock(fd)

    def open_append(self, path: str, mode: int) -> int:
        """To write at the end; made if it is missing."""
        return self._open(path, lambda: self._ops.open_append(path, mode))

    def open_new(self, path: str, mode: int) -> int:
        """The same, of a new file."""
        return self._open(path, lambda: self._ops.open_new(path, mode))

    def open_existing(self, path: str) -> int:
        """The same, of one that is there."""
        return self._open(path, lambda: self._ops.open_existing(path))

    def open_side(self, path: str) -> int:
        """To read and write at offsets."""
        return self._open(path, lambda: self._ops.open_side(path))

    def open_lock(self, path: str, mode: int) -> tuple[int, bool]:
        """To lock."""
        return self._open(path, lambda: self._ops.open_lock(path, mode))

    def open_read(self, path: str) -> int:
        """To read."""
        return self._open(path, lambda: self._ops.open_read(path))

    def _open(self, path: str, opens: Callable[[], _T]) -> _T:
        """By a name that may lead to another file by now: then the folder is listed, and it is tried again.

        Raises:
            OSError: it cannot be opened.
        """
        for number in range(_TRIES):
            try:
                return opens()
            except OSError as error:
                if self._ops.fault(error) not in _OUTDATED:
                    raise
            if number:
                self._ops.sleep(_PAUSE)
            self._ops.names(os.path.dirname(path))
        return opens()

    def _look(self, path: str, stat: Callable[[str], FileStat]) -> FileStat:
        folder, name = os.path.split(path)
        listed = self._open_folder(folder)
        if path != self._log:
            return self._open(path, lambda: self._opened(path, stat))
        for _ in range(_TRIES):
            try:
                return self._opened(path, stat)
            except OSError as error:
                fault = self._ops.fault(error)
                if fault not in _REMEMBERED:
                    raise
                there = listed and name in self._ops.names(folder)  # asked in any case: it has a stale name looked up anew
                if fault is Fault.MISSING and not there:
                    raise
            self._ops.sleep(_PAUSE)
        return self._opened(path, stat)

    def _open_folder(self, folder: str) -> bool:
        """Whether it may be listed; one that may only be written to is looked at as far as that goes."""
        try:
            self._ops.open_folder(folder)
        except OSError as error:
            if self._ops.fault(error) is not Fault.DENIED:
                raise
            return False
        return True

    def _opened(self, path: str, stat: Callable[[str], FileStat]) -> FileStat:
        try:
            fd = self._ops.open_read(path)
        except OSError as error:
            if self._ops.fault(error) in _REMEMBERED:
                raise
            return _anywhere(stat(path))  # a link, or a file that this user may only write to
        try:
            return _anywhere(self._ops.stat_fd(fd))
        finally:
            close_quietly(self._ops, fd)


def _anywhere(found: FileStat) -> FileStat:
    return FileStat(
        FileId(0, found.id.inode), found.size, found.mtime_ns, found.ctime_ns, found.mode, found.uid, found.gid, found.regular,
        found.links,
    )  # fmt: skip
