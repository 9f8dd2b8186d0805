"""What has been done to a segment and its name does not tell: the hook was called, the archive has it.

It stands in a small hidden file beside the log. It is written only by who has the exclusive lock on the segment, in one step:
whoever reads it finds what was there before or what is there now. One that is torn or speaks of another file is as none;
then something is done a second time, and nothing is left undone.
"""

from __future__ import annotations

import os.path
from dataclasses import dataclass, field, replace

from .._platform import Fault, FileStat, Operations
from .._pure.naming import COMPRESSIONS, Names, SegmentName
from .._resources.descriptors import close_quietly, unlock_and_close
from .compression import Refused, create, remove_temporary

__all__ = ["Marker", "Pen", "Unwritten", "forget", "read_marker", "reclaim"]

_VERSION = 1
_MOST = 4096  # bytes, and every marker has so many
Evidence = dict[str, object]


@dataclass(frozen=True)
class Marker:
    """What is known of one segment. Its time of modification tells it from a later file of the same name: it is that of the plain
    segment, and the compressed one has it, too."""

    size: int  # of the plain content (bytes)
    mtime_ns: int
    first: float | None = None  # times of records (epoch seconds)
    last: float | None = None
    done: dict[str, Evidence] = field(default_factory=dict[str, Evidence])  # by step: what it has to tell
    file: str = ""  # the plain segment, from the log's folder on if it lies there, for who does not know the user's `namer`

    def tells_of(self, found: FileStat, *, packed: bool) -> bool:
        """Whether it speaks of this file."""
        return self.mtime_ns == found.mtime_ns and (packed or self.size == found.size)

    def with_step(self, step: str, evidence: Evidence) -> Marker:
        """The same with one step done."""
        return replace(self, done={**self.done, step: evidence})


def read_marker(ops: Operations, path: str) -> Marker | None:
    """What stands there; None where there is no such file, or nothing that reads as a marker.

    Raises:
        OSError: it cannot be read; another user's process may have written it.
    """
    try:
        fd = ops.open_read(path)
    except OSError as error:
        if ops.fault(error) is Fault.MISSING:
            return None
        raise
    try:
        return _unpack(ops.read_at(fd, _MOST + 1, 0))
    finally:
        close_quietly(ops, fd)


class Pen:
    """Writes a marker. Room for it is taken before the step is run: a disk that is full, or a folder that may not be written to,
    keeps a step from being run, not from being written down, after which it would be run again and again.

    The caller has the exclusive lock on the segment, for as long as this lives; this has one on what it writes, for those who
    take the segment for gone. What was written down before stays until `write` is through.

    Args:
        ops: the system calls.
        names: of the log.
        name: of the segment.

    Raises:
        OSError: there is no room.
        Busy: somebody has it.
    """

    def __init__(self, ops: Operations, names: Names, name: SegmentName) -> None:
        self._ops = ops
        self._folder = names.folder
        self._path = names.marker(name)
        self._file = names.write(name).removeprefix(os.path.join(names.folder, ""))
        self._temporary = names.marker_temporary(name)
        self._fd = create(ops, self._temporary)
        try:
            self._fill(b" " * _MOST)
        except BaseException:
            self.drop()
            raise

    def write(self, marker: Marker, like: FileStat) -> None:
        """Write it down, and be done. Who may read the segment may read what is written about it.

        Raises:
            OSError: it cannot be written.
        """
        try:
            self._fill(_pack(replace(marker, file=self._file)).ljust(_MOST))
            _share(self._ops, self._fd, like)
            self._ops.fsync(self._fd)
            self._ops.rename_over(self._temporary, self._path)
        except BaseException:
            self.drop()
            raise
        unlock_and_close(self._ops, self._fd)
        self._ops.fsync_folder(self._folder)

    def drop(self) -> None:
        """Nothing is to be written down. What cannot be removed now goes the next time."""
        try:
            self._ops.unlink(self._temporary)
        except OSError:
            pass
        unlock_and_close(self._ops, self._fd)

    def _fill(self, data: bytes) -> None:
        done = 0
        while done < len(data):
            done += self._ops.write_at(self._fd, data[done:], done)


class Unwritten:
    """In the place of a `Pen`: nothing is written down."""

    def write(self, marker: Marker, like: FileStat) -> None:
        """See `Pen`."""

    def drop(self) -> None:
        """See `Pen`."""


def forget(ops: Operations, names: Names, name: SegmentName) -> None:
    """The segment is gone: so is what was written down about it.

    Raises:
        OSError: it cannot be removed.
    """
    _remove(ops, names.marker(name))


def reclaim(ops: Operations, names: Names, folder: str, files: list[str]) -> None:
    """Remove the hidden files of segments that are gone, and of writers that were killed.

    Args:
        ops: the system calls.
        names: of the log.
        folder: with these files.
        files: all names in it.

    Raises:
        OSError: the last of them that cannot be removed; the others are. Those of another user are his.
    """
    failed: OSError | None = None
    for text in files:
        path = os.path.join(folder, text)
        marked, unwritten = (
            (names.read_marker(text), names.read_marker_temporary(text)) if folder == names.folder else (None, None)
        )
        try:
            if marked is not None and not _stands(ops, names, marked) and not _stands_elsewhere(ops, folder, path):
                _remove(ops, path)
            left = unwritten is not None and not _stands(ops, names, unwritten)
            if left or names.read_temporary(folder, text) is not None:
                remove_temporary(ops, path)
        except Refused:
            continue  # something else has the name
        except OSError as error:
            failed = failed if ops.fault(error) is Fault.DENIED else error
    if failed is not None:
        raise failed


def _stands(ops: Operations, names: Names, name: SegmentName) -> bool:
    """Whether there is such a segment, plain or compressed. First the plain one: it goes when the other one is there."""
    return any(_exists(ops, names.write(replace(name, compression=method))) for method in ("", *COMPRESSIONS))


def _stands_elsewhere(ops: Operations, folder: str, marker: str) -> bool:
    """Whether there is such a segment under the name that a user's `namer` has given to it. A command does not know that one."""
    found = read_marker(ops, marker)
    plain = os.path.join(folder, found.file) if found is not None and found.file else ""
    return bool(plain) and any(_exists(ops, f"{plain}{ending}") for ending in ("", *(f".{method}" for method in COMPRESSIONS)))


def _exists(ops: Operations, path: str) -> bool:
    try:
        ops.stat_link(path)
    except OSError as error:
        return ops.fault(error) is not Fault.MISSING
    return True


def _share(ops: Operations, fd: int, like: FileStat) -> None:
    mine = ops.stat_fd(fd)
    try:
        if (mine.uid, mine.gid) != (like.uid, like.gid):
            ops.set_owner(fd, like.uid, like.gid)
        ops.set_mode(fd, like.mode & 0o666)
    except OSError:
        pass  # another user's processes report that they cannot read it


def _remove(ops: Operations, path: str) -> None:
    try:
        ops.unlink(path)
    except OSError as error:
        if ops.fault(error) is not Fault.MISSING:
            raise


def _pack(marker: Marker) -> bytes:
    """As JSON, for people. Evidence that is too long is left out: that the step was done is what counts."""
    import json

    def text(done: dict[str, Evidence]) -> bytes:
        fields = {"size": marker.size, "mtime_ns": marker.mtime_ns, "first": marker.first, "last": marker.last}
        return json.dumps({"version": _VERSION, "file": marker.file, **fields, "done": done}, default=str).encode() + b"\n"

    whole = text(marker.done)
    return whole if len(whole) <= _MOST else text({step: {} for step in marker.done})


def _unpack(data: bytes) -> Marker | None:
    import json

    if len(data) > _MOST:
        return None
    try:
        found = json.loads(data)
        if found["version"] != _VERSION:
            return None
        done = {str(step): dict(evidence) for step, evidence in found["done"].items()}
        first, last = (None if found[key] is None else float(found[key]) for key in ("first", "last"))
        return Marker(int(found["size"]), int(found["mtime_ns"]), first, last, done, str(found.get("file", "")))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        return None
