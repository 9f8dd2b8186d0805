"""Compressing a sealed segment so that its content is there once whatever happens: a kill at any instruction, a full disk, two
processes, files of others in the way.

The caller has the exclusive lock on the plain segment, so it is the only one of ours at it. Steps:

  C1 temporary   a hidden file, created exclusively, for this user alone, with an exclusive lock, and given to the owner of the
                 plain one; what a killed process has left under its name goes first
  C2 copy        read, compress, write; asked between two chunks whether to stop
  C3 look        is the plain one still what was read?
  C4 dress       mode and times of the plain one, then fsync of both: else a power cut may take the end of the plain one and
                 leave a twin that has more, which looks like somebody's file
  C5 name        rename without overwriting; from here on both stand side by side
  C6 fsync       of the folder: the name is safe
  C7 unlink      of the plain one, if its name still leads to what was read, and the other one's to what was made of it

- **K1** The plain segment goes only when a file with the same content has its name, both safe from a power cut.
- **K2** No file is ever overwritten; what is removed is a hidden file of ours, an unfinished twin of ours, or the plain one. A
  twin of ours has the time of the plain one before it has its name (C4); one that was written later, or whose time nobody has
  set, may be what somebody's `gzip` is just writing, which knows no locks, and removes the plain one at its end.
- **K3** Dying between any two steps leaves the plain segment, or its twin, or both; and both are told apart by `compare`.
- **K4** The lock goes with the file: who has the temporary one has the compressed segment, so that no other process takes
  that for its own before the last step is done.

After a failure the plain segment is as it was; calling it again is safe.
"""

from __future__ import annotations

import os.path
from collections.abc import Callable
from dataclasses import dataclass, replace

from .._platform import Fault, FileStat, Operations
from .._platform.renaming import name_at_once
from .._pure.naming import COMPRESSIONS, Names, SegmentName
from .._pure.options import Compression
from .._resources.codec import packer
from .._resources.descriptors import unlock_and_close
from .twins import Twin, chunks_of, compare

__all__ = ["Busy", "NotOurs", "Plain", "Refused", "compress", "create", "has_our_time", "lock_file", "remove_temporary"]

_UNPACKING = 10.0  # seconds in which who has just unpacked a segment removes the compressed one


class Refused(RuntimeError):
    """The segment stays as it is, for a reason that does not go away by itself: a file of somebody's has the name."""


class NotOurs(Refused):
    """The segment stays as it is, because its owner cannot be kept: it waits for a process that can do that."""


class Busy(Exception):
    """Somebody has a file, or has changed it meanwhile: another time."""


@dataclass(frozen=True)
class Plain:
    """A plain segment on which the caller has the exclusive lock."""

    fd: int  # the caller's
    path: str
    found: FileStat  # when the lock was had
    accessed_ns: int  # before it was read for this


def compress(
    ops: Operations,
    names: Names,
    plain: Plain,
    name: SegmentName,
    how: Compression,
    stop: Callable[[], bool],
    progress: Callable[[int], None],
) -> tuple[int, SegmentName] | None:
    """Put a compressed file in the place of a plain segment. Without a method: only finish what another process of ours
    has begun, and died between C5 and C7; a file of somebody's is none of our business then.

    Args:
        ops: the system calls.
        names: of the log.
        plain: the segment.
        name: of the plain one.
        how: method and level.
        stop: is asked between two chunks.
        progress: is told how many bytes of the plain one have been read so far.

    Returns:
        The descriptor of the compressed file, with the exclusive lock on it, which is the caller's now; and its name. None:
        there is none, and the plain one stays.

    Raises:
        OSError: of the system; the disk may be full.
        ImportError: this Python has no such method.
        Refused: see there.
        Busy: see there.
        Stopped: `stop` said so.
    """
    low = [ops.threads.low_priority()]

    def asked() -> bool:
        """With the thread's own priority: a rotation that has come due is done in there, under the locks that others wait for."""
        low.pop()()
        try:
            return stop()
        finally:
            low.append(ops.threads.low_priority())

    try:
        twin = _settle_twins(ops, names, plain, name, asked, ours_alone=how.method is None)
        if twin is None and how.method is not None:
            twin = _pack(ops, names, plain, name, how, asked, progress)
    finally:
        for as_before in low:
            as_before()
    if twin is None:
        return None
    try:
        _end(ops, plain, twin[0], names.write(twin[1]))
    except BaseException:
        unlock_and_close(ops, twin[0])
        raise
    return twin


def create(ops: Operations, temporary: str) -> int:
    """A hidden file of ours, made anew, with the exclusive lock on it; one that a killed process has left goes first.

    Raises:
        Busy: somebody has it.
        Refused: something else has the name.
        OSError: it cannot be made.
    """
    if not remove_temporary(ops, temporary):
        raise Busy(f"{temporary} is being written by somebody")
    fd = ops.open_new_private(temporary)
    if _lock(ops, fd, temporary):
        return fd
    unlock_and_close(ops, fd)
    raise Busy(f"{temporary} was taken for a dead process's")


def remove_temporary(ops: Operations, path: str) -> bool:
    """Remove a hidden file that nobody writes any more; whether it is gone.

    Raises:
        OSError: it cannot be.
    """
    try:
        fd = lock_file(ops, path)
    except Busy:
        return False
    if fd is None:
        return True
    try:
        ops.unlink(path)
    finally:
        unlock_and_close(ops, fd)
    return True


def lock_file(ops: Operations, path: str) -> int | None:
    """Open a regular file and take the exclusive lock on it; None where there is none (any more).

    Raises:
        Busy: somebody has it.
        Refused: it is no regular file.
        OSError: it cannot be opened, or there are no locks here.
    """
    try:
        if not ops.stat_link(path).regular:
            raise Refused(f"{path}: is no regular file, and is left alone; move it away")
        fd = ops.open_side(path)
    except OSError as error:
        if ops.fault(error) is Fault.MISSING:
            return None
        raise
    if _lock(ops, fd, path):
        return fd
    unlock_and_close(ops, fd)
    raise Busy(f"{path} is held by somebody, or is another file by now")


def has_our_time(twin: FileStat, plain: FileStat) -> bool:
    """Whether a file may have been dressed by C4. One that is just being written has one time for its content and for everything,
    which may be the plain one's or earlier, if somebody has set that to the present or a later time."""
    return twin.mtime_ns <= plain.mtime_ns and twin.mtime_ns != twin.ctime_ns


def _settle_twins(
    ops: Operations, names: Names, plain: Plain, name: SegmentName, stop: Callable[[], bool], *, ours_alone: bool
) -> tuple[int, SegmentName] | None:
    """Look at every compressed file of the same name. One that is equal is given back, safe on the disk and locked; unfinished
    ones of ours are removed.

    Raises: as `compress`.
    """
    equal: tuple[int, SegmentName] | None = None
    for method in COMPRESSIONS:
        other = replace(name, compression=method)
        try:
            path = names.write(other)
            fd = None if ours_alone and not _may_be_ours(ops, path, plain) else _settle(ops, path, plain, method, stop)
        except BaseException:
            if equal is not None:
                unlock_and_close(ops, equal[0])
            raise
        if fd is not None and equal is None:
            equal = fd, other
        elif fd is not None:
            unlock_and_close(ops, fd)  # the same content a third time is nothing to decide here
    return equal


def _may_be_ours(ops: Operations, path: str, plain: Plain) -> bool:
    """Whether there is a file that may have come to be by C5."""
    try:
        found = ops.stat_link(path)
    except OSError as error:
        if ops.fault(error) is not Fault.MISSING:
            raise
        return False
    if not found.regular or found.id == plain.found.id or found.ctime_ns < plain.found.ctime_ns:
        return False  # a plain one that came later: somebody is perhaps just unpacking it, and removes the other one at the end
    return has_our_time(found, plain.found)


def _settle(ops: Operations, path: str, plain: Plain, method: str, stop: Callable[[], bool]) -> int | None:
    fd = lock_file(ops, path)
    if fd is None:
        return None
    try:
        found = ops.stat_fd(fd)  # before it is read: somebody may end it meanwhile
        twin = _told(ops, plain, fd, method, path, stop, ours=has_our_time(found, plain.found))
        _check_stands(ops, path, fd, found)
        if twin is Twin.EQUAL:
            _check_nobody_unpacks(ops, plain, found)
            _give_away(ops, plain, fd)  # somebody else may have made it
            _dress(ops, plain, fd)
            found = ops.stat_fd(fd)
            ops.fsync(fd)
            _check_stands(ops, path, fd, found)
            return fd
        ops.unlink(path)
    except BaseException:
        unlock_and_close(ops, fd)
        raise
    unlock_and_close(ops, fd)
    return None


def _told(ops: Operations, plain: Plain, fd: int, method: str, path: str, stop: Callable[[], bool], *, ours: bool) -> Twin:
    try:
        twin = compare(ops, plain.fd, fd, method, stop)
    except ImportError as error:
        raise Refused(f"{path}: cannot be read here ({error}), so {plain.path} stays as it is") from error
    if twin is Twin.FOREIGN:
        raise Refused(f"{path}: has another content than {plain.path}, which stays as it is; move one of them away")
    if twin is Twin.UNFINISHED and not ours:
        problem = f"has a part of the content of {plain.path}, which stays as it is"
        raise Refused(f"{path}: {problem}; if nobody is just writing it, remove it")
    return twin


def _pack(
    ops: Operations,
    names: Names,
    plain: Plain,
    name: SegmentName,
    how: Compression,
    stop: Callable[[], bool],
    progress: Callable[[int], None],
) -> tuple[int, SegmentName]:
    """C1 to C5."""
    packed = replace(name, compression=how.method or "")
    target = names.write(packed)
    temporary = names.temporary(target)
    fd = create(ops, temporary)
    try:
        _give_away(ops, plain, fd)
        _copy(ops, plain, fd, how, stop, progress)
        _check_unchanged(ops, plain)
        _dress(ops, plain, fd)
        for one in (plain.fd, fd):
            ops.fsync(one)
        name_at_once(ops, temporary, target)
    except BaseException as error:
        _discard(ops, temporary, fd)
        if isinstance(error, OSError) and ops.fault(error) is Fault.EXISTS:
            raise Busy(f"{target} has just come to be") from error  # looked at the next time
        raise
    return fd, packed


def _end(ops: Operations, plain: Plain, fd: int, path: str) -> None:
    """C6 and C7."""
    packed = ops.stat_fd(fd)
    ops.fsync_folder(os.path.dirname(plain.path))
    _check_stands(ops, path, fd, packed)
    _check_unchanged(ops, plain)
    ops.unlink(plain.path)


def _lock(ops: Operations, fd: int, path: str) -> bool:
    """Whether the exclusive lock on an open file is had, and the name leads to it then. If the system fails, it is closed."""
    try:
        return ops.try_lock(fd, True) and ops.stat_link(path).id == ops.stat_fd(fd).id
    except BaseException as error:
        if isinstance(error, OSError) and ops.fault(error) is Fault.MISSING:
            return False
        unlock_and_close(ops, fd)
        raise


def _copy(
    ops: Operations, plain: Plain, fd: int, how: Compression, stop: Callable[[], bool], progress: Callable[[int], None]
) -> None:
    """C2."""
    stream = packer(how.method or "", how.level, plain.found.mtime_ns // 1_000_000_000)
    done = 0
    for chunk in chunks_of(ops, plain.fd, stop):
        _write(ops, fd, stream.compress(chunk))
        done += len(chunk)
        progress(done)
    _write(ops, fd, stream.flush())
    if done != plain.found.size:
        raise Busy(f"{plain.path} has another size than it had")


def _write(ops: Operations, fd: int, data: bytes) -> None:
    """All of it. A disk that is getting full takes a part, and then fails."""
    while data:
        data = data[ops.write(fd, data) :]


def _check_unchanged(ops: Operations, plain: Plain) -> None:
    """C3, and again before C7: nobody has written to it, and its name still leads to it. Programs that know nothing of leases
    may write to any file."""
    for now in (ops.stat_fd(plain.fd), ops.stat_link(plain.path)):
        if (now.id, now.size, now.mtime_ns) != (plain.found.id, plain.found.size, plain.found.mtime_ns):
            raise Busy(f"{plain.path} is not what it was")


def _check_stands(ops: Operations, path: str, fd: int, before: FileStat) -> None:
    """Before C7, and before an unfinished twin goes: it takes long to read one, and somebody who knows no locks may meanwhile
    have removed it, or begun another one."""
    try:
        found = [ops.stat_fd(fd), ops.stat_link(path)]
    except OSError as error:
        if ops.fault(error) is not Fault.MISSING:
            raise
        raise Busy(f"{path} has just been removed") from error
    if any((now.id, now.size, now.mtime_ns) != (before.id, before.size, before.mtime_ns) for now in found):
        raise Busy(f"{path} is not what it was")


def _check_nobody_unpacks(ops: Operations, plain: Plain, twin: FileStat) -> None:
    """A plain one that has just come to be beside the compressed one: who has unpacked that removes it next."""
    if plain.found.ctime_ns > twin.ctime_ns and ops.now() < plain.found.ctime_ns / 1e9 + _UNPACKING:
        raise Busy(f"{plain.path} has just been unpacked")


def _give_away(ops: Operations, plain: Plain, fd: int) -> None:
    """C1. It comes before the work, which would be in vain, and before the mode, because chown(2) clears the set-id bits."""
    mine, wanted = ops.stat_fd(fd), plain.found
    uid, gid = (-1 if mine.uid == wanted.uid else wanted.uid), (-1 if mine.gid == wanted.gid else wanted.gid)
    if (uid, gid) == (-1, -1):
        return
    try:
        ops.set_owner(fd, uid, gid)
    except OSError as error:
        if ops.fault(error) is not Fault.DENIED:
            raise
        raise NotOurs(f"{plain.path}: its owner {wanted.uid}:{wanted.gid} cannot be kept, so it stays plain") from error


def _dress(ops: Operations, plain: Plain, fd: int) -> None:
    """C4, also where somebody else has compressed the segment: what is written down about it goes by its time."""
    found = ops.stat_fd(fd)
    if found.mode != plain.found.mode:
        ops.set_mode(fd, plain.found.mode)
    if found.mtime_ns != plain.found.mtime_ns:  # who may write to it may still not set it, but for its owner
        ops.set_times(fd, plain.accessed_ns, plain.found.mtime_ns)


def _discard(ops: Operations, temporary: str, fd: int) -> None:
    """Give a temporary file up; what cannot be removed now is reclaimed the next time."""
    try:
        ops.unlink(temporary)
    except OSError:
        pass
    unlock_and_close(ops, fd)
