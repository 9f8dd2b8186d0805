"""What is put into an archive: a file that nobody writes to any more, or a few bytes.

A file is opened once, and everything is read through that descriptor: whatever its name leads to later, sums and upload are of
the same file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType

from .._platform import Operations
from .descriptors import close_quietly

__all__ = ["Content", "FileContent", "Sums", "part_size"]

_BLOCK = 1 << 18  # bytes read at a time: between two, `stop` is asked
_PART = 8 << 20  # bytes of one part of an upload, at least
_PARTS = 9000  # of one upload, at most; S3 takes 10,000


def part_size(size: int) -> int:
    """Bytes of each part of an upload of this size, whole MiB."""
    return max(_PART, -(-size // _PARTS) + (1 << 20) - 1 >> 20 << 20)


@dataclass(frozen=True)
class Sums:
    """What tells content.

    Attributes:
        size: bytes.
        sha256: hexadecimal.
        e_tags: what S3 calls such content if it was uploaded at once, or in parts of `part_size`; none where the interpreter is
            not allowed to make MD5 sums.
    """

    size: int
    sha256: str
    e_tags: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Content:
    """Something to store.

    Attributes:
        size: bytes.
        blocks: reads it from its beginning; raises OSError if it cannot be read in full.
        mode: permission bits of a file that it becomes.
        uid, gid: who it belongs to here; -1 for what is no file.
    """

    size: int
    blocks: Callable[[], Iterator[bytes]]
    mode: int = 0o640
    uid: int = -1
    gid: int = -1

    def sums(self) -> Sums:
        """Of the whole; reads it once."""
        whole = hashlib.sha256()
        quick = _Md5(part_size(self.size))
        for block in self.blocks():
            whole.update(block)
            quick.update(block)
        return Sums(self.size, whole.hexdigest(), quick.e_tags())


class FileContent:
    """Opens a file in `with`, which gives the content, and owns the descriptor until its end.

    Args:
        ops: the system calls.
        path: of the file.
        stop: is asked between two blocks; InterruptedError is raised once it says so.

    Raises:
        OSError: it cannot be opened, or is no regular file.
    """

    def __init__(self, ops: Operations, path: str, stop: Callable[[], bool]) -> None:
        self._ops = ops
        self._path = path
        self._stop = stop
        self._fd = -1

    def __enter__(self) -> Content:
        self._fd = self._ops.open_read(self._path)
        try:
            return self._looked_at()
        except BaseException:
            self._close()
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /) -> None:
        self._close()

    def _looked_at(self) -> Content:
        found = self._ops.stat_fd(self._fd)
        if not found.regular:
            raise OSError(f"{self._path}: is no regular file")
        return Content(found.size, lambda: self._read(found.size), found.mode, found.uid, found.gid)

    def _close(self) -> None:
        close_quietly(self._ops, self._fd)

    def _read(self, size: int) -> Iterator[bytes]:
        position = 0
        while block := self._ops.read_at(self._fd, _BLOCK, position):
            if self._stop():
                raise InterruptedError(f"{self._path}: reading was stopped")
            position += len(block)
            yield block
        if position != size:
            raise OSError(f"{self._path}: has changed while it was read ({position} bytes instead of {size})")


class _Md5:
    """Both kinds of e-tag, made on the way."""

    def __init__(self, part: int) -> None:
        self._part = part
        self._whole, self._current = _md5(), _md5()
        self._filled = 0
        self._parts: list[bytes] = []

    def update(self, block: bytes) -> None:
        if self._whole is None or self._current is None:
            return
        self._whole.update(block)
        view = memoryview(block)
        while view:
            taken = view[: self._part - self._filled]
            self._current.update(taken)
            self._filled += len(taken)
            view = view[len(taken) :]
            if self._filled == self._part:
                self._end_part()

    def _end_part(self) -> None:
        if self._current is not None:
            self._parts.append(self._current.digest())
        self._current, self._filled = _md5(), 0

    def e_tags(self) -> frozenset[str]:
        if self._whole is None:
            return frozenset()
        if self._filled or not self._parts:
            self._end_part()
        together = hashlib.md5(b"".join(self._parts), usedforsecurity=False).hexdigest()
        return frozenset({self._whole.hexdigest(), f"{together}-{len(self._parts)}"})


def _md5() -> hashlib._Hash | None:
    try:
        return hashlib.md5(usedforsecurity=False)  # compared with what a store says of its own; the proof is the SHA-256
    except ValueError:  # this system forbids it whatever it is for
        return None
