"""An archive in a folder, such as one of another machine that is mounted here.

A file gets its name when its content is safe: hidden temporary file → content, mode → fsync → read back → rename onto a free name
→ fsync of the folder. The URL's own folder must exist: what is not mounted now must not fill the disk below it.

A temporary file that a killed process has left is removed by the next one that stores anything of the same log (`temporary_key`):
its own segment may never come again. Whoever stores below a log's folder has the lock of `owner_id`, so it is nobody's.
"""

from __future__ import annotations

import hashlib
import os.path
from collections.abc import Iterator

from .._platform import Fault, Operations
from .._platform.renaming import name_at_once
from .._pure.target import temporary_key
from .content import Content
from .descriptors import close_quietly
from .store import Facts

__all__ = ["FolderStore"]

_BLOCK = 1 << 18


class FolderStore:
    """Objects as files. Keys are `<host>/<log>/…`.

    Args:
        ops: the system calls.
        root: the folder of the URL.
    """

    def __init__(self, ops: Operations, root: str) -> None:
        self._ops = ops
        self._root = root

    def facts(self, key: str) -> Facts | None:
        """See `Store`. What is no regular file is taken, too."""
        try:
            found = self._ops.stat_link(self._path(key))
        except OSError as error:
            if self._ops.fault(error) is not Fault.MISSING:
                raise
            self._check_root()
            return None
        return Facts(found.size if found.regular else -1)

    def blocks(self, key: str) -> Iterator[bytes]:
        """See `Store`."""
        fd = self._ops.open_read(self._path(key))
        try:
            yield from self._read(fd)
        finally:
            close_quietly(self._ops, fd)

    def create(self, key: str, content: Content) -> None:
        """See `Store`. After a failure there is no such file, or the whole one; safe to repeat."""
        self._check_root()
        path = self._path(key)
        folder = os.path.dirname(path)
        self._make_folders(key)
        temporary = self._path(temporary_key(key))
        try:
            fd = self._ops.open_new_private(temporary)
        except OSError as error:
            if self._ops.fault(error) is not Fault.EXISTS:
                raise
            self._ops.unlink(temporary)
            fd = self._ops.open_new_private(temporary)
        try:
            self._fill(fd, content, temporary)
            name_at_once(self._ops, temporary, path)
        except BaseException:
            self._remove(temporary)
            raise
        finally:
            close_quietly(self._ops, fd)
        self._ops.fsync_folder(folder)

    def _fill(self, fd: int, content: Content, temporary: str) -> None:
        sent, found = hashlib.sha256(), hashlib.sha256()
        for block in content.blocks():
            sent.update(block)
            rest = memoryview(block)
            while rest:
                rest = rest[self._ops.write(fd, rest.tobytes()) :]
        self._ops.set_mode(fd, content.mode)
        self._ops.fsync(fd)
        for block in self._read(fd):
            found.update(block)
        if found.digest() != sent.digest():
            raise OSError(f"{temporary}: reads back otherwise than it was written")

    def _read(self, fd: int) -> Iterator[bytes]:
        position = 0
        while block := self._ops.read_at(fd, _BLOCK, position):
            position += len(block)
            yield block

    def _path(self, key: str) -> str:
        return os.path.join(self._root, key)

    def _check_root(self) -> None:
        try:
            self._ops.stat_path(self._root)
        except OSError as error:
            if self._ops.fault(error) is not Fault.MISSING:
                raise
            raise FileNotFoundError(f"{self._root}: there is no such folder; create it, or mount what it is to be on") from None

    def _make_folders(self, key: str) -> None:
        folder = self._root
        for part in key.split("/")[:-1]:
            parent, folder = folder, os.path.join(folder, part)
            try:
                self._ops.make_folder(folder)
            except OSError as error:
                if self._ops.fault(error) is not Fault.EXISTS:
                    raise
            else:
                self._ops.fsync_folder(parent)

    def _remove(self, path: str) -> None:
        try:
            self._ops.unlink(path)
        except OSError:
            pass
