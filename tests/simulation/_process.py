"""A simulated process: its descriptors, its threads and the table of operations that the engine runs on.

The table is put together from the kernel's calls just as `_platform/posix.py` does it. Every operation is a point: the
thread stops before it, and the scheduler says what happens there (`Scheduler.point`).
"""

from __future__ import annotations

import copy
import dataclasses
import errno
import functools
import math
import os
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from _kernel import EXCLUSIVE, SHARED, UNLOCK, Kernel, Stat, Table, fail

from mpfhandler._engine.writer import Writer
from mpfhandler._platform import Fault, FileId, FileStat, Operations, Threads
from mpfhandler._platform.posix import POSIX
from mpfhandler._platform.renaming import take_and_rename
from mpfhandler._resources import descriptors

if TYPE_CHECKING:
    from _scheduler import Scheduler, Thread

_HIGH = 512
_NOBODYS = (".zst", ".xz", ".bz2")  # endings of names that no world has
# What is done to a segment, or a hidden file, by who has the exclusive lock on it: nobody else may change it then (a write is a
# violation in itself) or looks at what is in it; but a kill leaves each of these steps behind.
_UNDER_LOCK = {"read_at", "accessed", "stat_fd", "write", "set_mode", "set_times", "fsync"}
_PERHAPS_LOCAL = {"seek", "close", "unlock", *_UNDER_LOCK}
_PAUSE, _LONGEST_PAUSE = 1.0, 60.0  # seconds before something that failed is tried again: at first, at most
_LOOK = 1.0  # seconds between two looks at the log's name
LOCK_RETRY = 2.0  # seconds: the pause before a lock that was busy is tried again, and the time between two looks
_FREE = ("now", "monotonic", "pid", "granularity", "prepare")  # not points: nobody else can make a difference to them


class Killed(BaseException):
    """The process is no more; takes its Python frames down."""


class Process:
    """One process of a world. `alive` ends with `kill` or `exit`."""

    def __init__(self, scheduler: Scheduler, kernel: Kernel, pid: int, name: str, table: Table | None = None) -> None:
        self.scheduler = scheduler
        self.kernel = kernel
        self.pid = pid
        self.name = name
        self.table = Table() if table is None else table
        self.alive = True
        self.stopped = False
        self.failures = 0  # of its operations, so far
        self.failed_at = -math.inf  # uptime (s) when the last one was known
        self.segment_failed_at = -math.inf  # the same for what is no write
        self.failed_in: Thread | None = None
        self.misplaced = 0  # failures of what keeps files right, since it has last had the lock and all went well
        self.hindered_until = -math.inf  # uptime (s) until which it may be waiting to try that again
        self.failed_last = False  # one of those, and it has not had the lock since
        self.refused_last = False  # somebody else had the rotation lock, or its file was deleted
        self.refused_in: Thread | None = None
        self.asked_at = -math.inf  # uptime (s) when the background thread has begun to wait for the lock
        self.followed = 0  # how often it had the lock, or opened the log that somebody with the lock has made
        self.followed_last = False  # one of those was after it was refused last
        self.may_wait = True  # for the lock; not again after it has waited in vain, until it or somebody else has had it
        self.stalled = False  # it has waited for the lock as long as it may, and has not had it since
        self.slow_until = -math.inf  # uptime (s) until which it may be waiting to try the lock again
        self.in_order = False  # it has had the lock since it was refused, for no late record
        self.before_grant = self.slow_until, self.in_order, self.failed_last
        self.late_until = -math.inf  # the same for the segment of a late record: it is not asked for when the lock is had again
        self.asks = ""  # how far it has come with asking whether somebody has rotated: the state record, the log's name
        self.short = 0  # so many bytes of the next write are taken, if not 0
        self.history = 0  # everything it has seen, as one number: with the same history it does the same next
        self.looks: weakref.WeakSet[Look] = weakref.WeakSet()
        self.threads: list[Thread] = []
        self.locks_records = False  # each record is written under the rotation lock
        self.looked = False  # since it has that it has read the state record: for a rotation, or a late record
        self.ops = self._operations()

    def end(self) -> None:
        """What the kernel does when a process ends, however it ends."""
        if self.alive:
            self.alive = False
            self.kernel.exit(self.table)

    def fork(self, pid: int, name: str) -> Process:
        """A child with the same open descriptions and nothing else yet."""
        return Process(self.scheduler, self.kernel, pid, name, self.kernel.fork(self.table))

    def copy_of(self, writer: Writer, child: Process, keep: tuple[object, ...]) -> Writer:
        """The engine in the memory of a forked child."""
        memo: dict[int, Any] = {id(one): one for one in (self.scheduler, self.kernel, *keep)}
        memo |= {id(thread): thread for thread in self.scheduler.threads}
        memo |= {id(self): child, id(self.ops): child.ops, id(self.table): child.table, id(writer.options): writer.options}
        twin = copy.deepcopy(writer, memo)
        for (table, number), owner in list(descriptors._owners.items()):
            if table == id(self.ops) and id(owner) in memo:
                descriptors._owners[id(child.ops), number] = memo[id(owner)]
        return twin

    def fails(self, name: str, thread: Thread | None = None) -> None:
        """An operation fails. A write is tried again on its own; everything else may be what keeps the files right."""
        self.failures += 1
        (thread or self.scheduler.current).failures += 1
        self.failed_in, self.refused_in = self.scheduler.current, None
        self.misplaced += name != "write"
        self.failed_last |= name != "write"
        self.notice_failure()

    def notice_failure(self) -> None:
        """What has failed is tried again after a pause that doubles with each failure, by who looks once a second."""
        self.failed_at = self.kernel.uptime_ns / 1e9
        if self.misplaced:
            self.segment_failed_at = self.failed_at
            self.hindered_until = self.failed_at + min(_PAUSE * 2 ** (self.misplaced - 1), _LONGEST_PAUSE) + _LOOK

    def refuse(self, *, deleted: bool = False) -> None:
        """Somebody else has the lock, or it was one whose file is deleted."""
        for thread in self.threads if deleted else [self.scheduler.current]:
            thread.refusals += 1
        self.refused_last, self.in_order = True, False
        self.followed_last = False
        self.refused_in = self.scheduler.current
        if self.locks_records:  # what waits for the lock waits in memory, as for a disk that is full
            self.failures += 1
            self.failed_at = self.kernel.uptime_ns / 1e9

    def grant(self) -> None:
        """It has the lock."""
        self.before_grant = self.slow_until, self.in_order, self.failed_last
        self.refused_last = self.stalled = self.failed_last = self.looked = False
        self.slow_until, self.in_order = -math.inf, True
        self.follow()

    def follow(self) -> None:
        """It or somebody else has had the lock: it is worth waiting for again."""
        self.followed += 1
        self.followed_last = self.may_wait = True

    def fails_now(self) -> bool:
        """Whether what its present thread does is so for a failure: in the call that is under way, or in the background; and it
        has not had the lock since."""
        current = self.scheduler.current
        if not self.failed_last or self.failed_in is not current:
            return False
        return current.daemon or (current.call is not None and self.failed_at > current.call.begun / 1e9)

    def waits_in_vain(self) -> bool:
        """Whether one of its calls that are under way has waited for the lock as long as it may."""
        return any(thread.call is not None and thread.call.in_vain for thread in self.threads)

    def fails_in_background(self) -> bool:
        """Whether its background thread has met a failure and is at it still."""
        return self.failed_in is not None and self.failed_in.daemon and not self.failed_in.done

    # the table

    def _operations(self) -> Operations:
        plain: dict[str, Callable[..., Any]] = {
            "now": self._now,
            "monotonic": self._monotonic,
            "pid": self._pid,
            "granularity": self._granularity,
            "prepare": _nothing,
            "fault": POSIX.fault,
        }
        threads = Threads(
            identity=self._identity,
            lock=self._lock,
            start=self._start,
            signal=self._signal,
            pause=self.scheduler.nap,
            low_priority=lambda: _nothing,
            end_process=_never,
        )
        points = {name: functools.partial(self._call, name) for name in CALLS}
        points |= {"stat_path": self._look_at_path, "stat_link": self._look_at_path, "stat_fd": self._look_at_fd}
        if not self.kernel.exclusive_rename:
            points["rename_new"] = self._take_and_rename
        return Operations(threads=threads, **plain, **points)

    def _call(self, name: str, *arguments: Any) -> Any:
        if not self.alive:
            return self._call_of_the_dead(name)
        outcome = None if self._local(name, arguments) else self.scheduler.point(self, name, arguments)
        if outcome is not None:
            raise outcome
        try:
            result = CALLS[name](self, *arguments)
        except OSError as error:
            self.scheduler.seen(self, name, arguments, ("error", error.errno))
            raise
        return self.scheduler.seen(self, name, arguments, result)

    def knows(self) -> tuple[object, ...]:
        """What it has seen, and what it has been told and can still look at."""
        return self.history, tuple(sorted(look.rest() for look in self.looks))

    def verdict_state(self) -> tuple[object, ...]:
        """What it is excused of from now on."""
        failed = self.failed_at, self.segment_failed_at, self.misplaced, self.hindered_until, self.fails_in_background()
        return (
            failed,
            self.refused_last,
            self.failed_last,
            self.in_order,
            self.before_grant,
            self.followed_last,
            self.may_wait,
            self.stalled,
            self.slow_until,
            self.late_until,
            (self.asked_at, self.refused_in and self.refused_in.daemon),
        )

    def _local(self, name: str, arguments: tuple[Any, ...]) -> bool:
        """Whether nobody else can notice this operation or change what it gives: then it is no point of its own where every
        schedule is run, for all of them with it before or after somebody else's are the same."""
        if not self.scheduler.exhaustive(name):
            return False
        if name not in _PERHAPS_LOCAL:
            return name == "stat_path" and arguments[0].endswith(_NOBODYS)
        description = self.table.open.get(arguments[0])
        if description is None or description.refs > 1:
            return False
        inode = description.inode
        if name in _UNDER_LOCK:
            return inode.writer is description and not self.scheduler.budget.kills and not self._is_rotation_lock(arguments[0])
        locked = inode.writer is description or description in inode.shared
        if name == "seek":
            return bool(arguments[2] == os.SEEK_CUR)
        return not locked and (name == "unlock" or bool(inode.links or inode.openings > 1))

    def _call_of_the_dead(self, name: str) -> Any:
        """Python frames and objects outlive a simulated process for a moment; what they call changes nothing."""
        if name in {"close", "unlock"}:
            return None
        if name in {"stat_fd", "stat_path"}:
            raise fail(errno.EBADF)
        raise Killed

    def _now(self) -> float:
        if self.alive and self.scheduler.clock_may_change():
            self.scheduler.point(self, "now", ())
        now = self.kernel.wall()
        self.scheduler.seen(self, "now", (), now)
        return now

    def _monotonic(self) -> float:
        uptime: float = self.scheduler.seen(self, "monotonic", (), self.kernel.uptime_ns / 1e9)
        if self.scheduler.current.daemon:
            self._look_in_background(uptime)
        return uptime

    def _look_in_background(self, uptime: float) -> None:
        """No call notices what the background thread cannot do for want of the lock, nor that it has waited in vain."""
        if self.refused_last:
            self.slow_until = self.late_until = uptime + LOCK_RETRY
        if not self.refused_last or self.followed_last or self.refused_in is not self.scheduler.current:
            self.asked_at = uptime
        elif uptime >= self.asked_at + self.scheduler.patience:
            self.stalled, self.may_wait = True, False

    def _pid(self) -> int:
        return self.pid

    def _granularity(self, _fd: int) -> int:
        return self.scheduler.granularity

    def _identity(self) -> int:
        return self.scheduler.current.identity

    def _signal(self) -> SimulatedSignal:
        return SimulatedSignal(self.scheduler)

    def _lock(self) -> SimulatedLock:
        return SimulatedLock(self.scheduler)

    def _start(self, work: Callable[[], None], name: str) -> Thread:
        return self.scheduler.start(self, f"{self.name}/{name}", work, daemon=True)

    # the calls, as the POSIX module puts them together

    def _open(self, path: str, flags: int, mode: int = 0o666) -> int:
        new, self.asks = path not in self.kernel.names, ""
        fd = self.kernel.open(self.table, path, flags, mode, _HIGH)
        if new:
            self.scheduler.watcher.created(self, self.kernel.names[path])
        return fd

    def _open_append(self, path: str, mode: int) -> int:
        return self._open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, mode)

    def _open_new(self, path: str, mode: int) -> int:
        self._opens(path)
        return self._open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, mode)

    def _open_existing(self, path: str) -> int:
        late, inode, asked = self._opens(path), self.kernel.names.get(path), self.asks == "name"
        mine = [one.inode for one in self.table.open.values() if one.append]
        fd = self._open(path, os.O_WRONLY | os.O_APPEND)
        if asked and not late and mine and inode not in mine:  # another one than before: somebody has rotated
            self.follow()  # who opens his own log once more for another thread does not ask, nor look what he has got
        return fd

    def _opens(self, path: str) -> bool:
        """Whether it has the lock for nothing but a late record."""
        late = self.scheduler.watcher.is_segment(path)
        if late:
            self.slow_until, self.in_order, self.failed_last = self.before_grant
        return late

    def _open_side(self, path: str) -> int:
        return self._open(path, os.O_RDWR)

    def _open_side_of(self, fd: int) -> int:
        return self.kernel.open_again(self.table, fd, os.O_RDWR, _HIGH)

    def _open_lock(self, path: str, mode: int) -> tuple[int, bool]:
        return self._open(path, os.O_RDWR | os.O_CREAT, mode), True

    def _open_new_private(self, path: str) -> int:
        return self._open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)

    def _open_read(self, path: str) -> int:
        fd = self._open(path, os.O_RDONLY)
        self.asks = "record" if path.endswith(".lock") else ""
        return fd

    def _close(self, fd: int) -> None:
        self.kernel.close(self.table, fd)

    def _write(self, fd: int, data: bytes) -> int:
        """On a disk that is full, or made to look so, a part of the data or nothing is taken."""
        count, self.short = self.short or len(data), 0
        try:
            written = self.kernel.write(self.table, fd, data[:count])
        except OSError:
            self.fails("write")
            raise
        if written == len(data):
            self.scheduler.watcher.written(self, self.table.open[fd].inode)
        else:
            self.fails("write")
            self.scheduler.watcher.incomplete(self, self.table.open[fd].inode, data)
        return written

    def _seek(self, fd: int, offset: int, whence: int) -> int:
        return self.kernel.lseek(self.table, fd, offset, whence)

    def _read_at(self, fd: int, count: int, offset: int) -> bytes:
        data = self.kernel.pread(self.table, fd, count, offset)
        self.looked |= self.locks_records and self._is_rotation_lock(fd)
        return data

    def _write_at(self, fd: int, data: bytes, offset: int) -> int:
        written = self.kernel.pwrite(self.table, fd, data, offset)
        self.scheduler.watcher.written(self, self.table.open[fd].inode, over=True)
        return written

    def _stat_path(self, path: str) -> FileStat:
        self.asks = "name" if self.asks and not path.endswith(".lock") else ""
        return file_stat(self.kernel.stat(path, self.table))

    def _stat_fd(self, fd: int) -> FileStat:
        return file_stat(self.kernel.fstat(self.table, fd))

    def _look_at_path(self, path: str) -> Any:
        return self._looked_at(self._call("stat_path", path))

    def _look_at_fd(self, fd: int) -> Any:
        description = self.table.open.get(fd) if self.alive and self.scheduler.exhaustive("stat_fd") else None
        if description is None:
            return self._looked_at(self._call("stat_fd", fd))
        inode = description.inode
        identity = self.scheduler.seen(self, "id", (fd,), FileId(self.kernel.device, inode.number))
        return Look(self, identity, regular=not inode.folder, found=None, fd=fd)

    def _looked_at(self, found: FileStat) -> Any:
        if not self.scheduler.every:
            return found
        return Look(self, found.id, regular=found.regular, found=found)

    def _set_mode(self, fd: int, mode: int) -> None:
        self.kernel.fchmod(self.table, fd, mode)

    def _set_owner(self, fd: int, uid: int, gid: int) -> None:
        self.kernel.fchown(self.table, fd, uid, gid)

    def _touch(self, fd: int) -> None:
        self.kernel.touch(self.table, fd)

    def _accessed(self, fd: int) -> int:
        return self.kernel.fstat(self.table, fd).mtime_ns

    def _set_times(self, fd: int, _accessed_ns: int, modified_ns: int) -> None:
        self.kernel.utimens(self.table, fd, modified_ns)

    def _fsync(self, fd: int) -> None:
        self.kernel.fsync(self.table, fd)

    def _fsync_folder(self, path: str) -> None:
        self.kernel.sync_folder(path, self.table)

    def _open_folder(self, path: str) -> None:
        self.kernel.open_folder(path, self.table)

    def _free_bytes(self, _folder: str) -> int:
        return self.kernel.room()

    def _rename_over(self, source: str, target: str) -> None:
        self.scheduler.watcher.overwriting(self, target)
        self.kernel.rename(source, target, self.table)

    def _rename_new(self, source: str, target: str) -> None:
        self.kernel.rename(source, target, self.table, replace=False)

    def _rename_once(self, source: str, target: str) -> bool:
        if self.kernel.exclusive_rename:
            self.kernel.rename(source, target, self.table, replace=False)
        return self.kernel.exclusive_rename

    def _link(self, path: str, name: str) -> None:
        self.kernel.link(path, name)

    def _take_and_rename(self, source: str, target: str) -> None:
        take_and_rename(self.ops, source, target)

    def _unlink(self, path: str) -> None:
        if not self.scheduler.watcher.takes_a_name(self, path):
            self.scheduler.watcher.deleting(self, path)
        self.kernel.unlink(path, self.table)

    def _names(self, path: str) -> list[str]:
        return self.kernel.listdir(path, self.table)

    def _make_folder(self, path: str) -> None:
        self.kernel.mkdir(path)

    def _remove_folder(self, path: str) -> None:
        self.kernel.rmdir(path)

    def _try_lock(self, fd: int, exclusive: bool) -> bool:
        try:
            self.kernel.flock(self.table, fd, EXCLUSIVE if exclusive else SHARED)
        except BlockingIOError:
            self.scheduler.refused(self.table.open[fd].inode, EXCLUSIVE if exclusive else SHARED)
            if exclusive and self._is_rotation_lock(fd):
                self.refuse()
            return False
        if exclusive and self._is_rotation_lock(fd):
            self.grant()
        return True

    def _is_rotation_lock(self, fd: int) -> bool:
        return self.scheduler.watcher.is_lock(self.table.open[fd].inode)

    def _unlock(self, fd: int) -> None:
        if self._is_rotation_lock(fd) and self.in_order and not self.failed_last and (self.looked or not self.locks_records):
            self.misplaced = 0
        self.kernel.flock(self.table, fd, UNLOCK)

    def _sleep(self, seconds: float) -> None:
        self.scheduler.sleep(seconds)


def _nothing(*_: object) -> Any:
    return None


def _never(_code: int) -> NoReturn:
    raise AssertionError("no process of a world is forked in the middle of a hook")


def _yes(*_: object) -> bool:
    return True


CALLS: dict[str, Callable[..., Any]] = {
    "sleep": Process._sleep,
    "open_append": Process._open_append,
    "open_new": Process._open_new,
    "open_existing": Process._open_existing,
    "open_side": Process._open_side,
    "open_side_of": Process._open_side_of,
    "open_lock": Process._open_lock,
    "open_new_private": Process._open_new_private,
    "open_read": Process._open_read,
    "open_stream": Process._open_existing,
    "open_debug": Process._open_append,
    "close": Process._close,
    "write": Process._write,
    "write_stream": Process._write,
    "seek": Process._seek,
    "read_at": Process._read_at,
    "write_at": Process._write_at,
    "wait_writable": _yes,
    "stat_path": Process._stat_path,
    "stat_link": Process._stat_path,
    "stat_fd": Process._stat_fd,
    "set_mode": Process._set_mode,
    "set_owner": Process._set_owner,
    "touch": Process._touch,
    "accessed": Process._accessed,
    "set_times": Process._set_times,
    "fsync": Process._fsync,
    "fsync_folder": Process._fsync_folder,
    "rename_new": Process._rename_new,
    "rename_once": Process._rename_once,
    "rename_over": Process._rename_over,
    "link": Process._link,
    "unlink": Process._unlink,
    "names": Process._names,
    "open_folder": Process._open_folder,
    "make_folder": Process._make_folder,
    "give_folder": _nothing,
    "remove_folder": Process._remove_folder,
    "may_create_in": _yes,
    "free_bytes": Process._free_bytes,
    "try_lock": Process._try_lock,
    "unlock": Process._unlock,
}


class SimulatedLock:
    """A re-entrant lock between the threads of one simulated process."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._owner = 0
        self._depth = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        me = self._scheduler.current.identity
        if self._owner not in (0, me):
            if not blocking:
                return False
            waiting = self._scheduler.current
            waiting.waits_for = lambda: self._owner
            self._scheduler.wait_until(self._free, None if timeout < 0 else timeout)
            waiting.waits_for = None
            if not self._free():
                return False
        self._owner = me
        self._depth += 1
        return True

    def release(self) -> None:
        if self._owner != self._scheduler.current.identity:
            raise RuntimeError("not the owner's to release")
        self._depth -= 1
        if self._depth == 0:
            self._owner = 0

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def _free(self) -> bool:
        return self._owner == 0


class CrowdedLock(SimulatedLock):
    """One that somebody has for a moment (to read the counters, say) when it is asked for, so that who does not wait does not get
    it; where there are choices, not always."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        free = blocking or self._owner == self._scheduler.current.identity
        return (free or self._scheduler.choices.pick(2, 0.6) > 0) and super().acquire(blocking, timeout)


class SimulatedSignal:
    """What one thread of a simulated process waits for and another one gives."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._given = False

    def wait(self, seconds: float) -> bool:
        self._scheduler.wait_until(lambda: self._given, seconds)
        given, self._given = self._given, False
        return given

    def give(self) -> None:
        self._given = True


class Look:
    """What a process is told of a file where every schedule is run. Only what it looks at counts as seen, and, while the object
    lives, what it still can look at: states which differ in nothing else are one state.

    Args:
        found: everything, as of now; None for an open file: it is looked up, a point of its own, when more than its identity
            is asked for, which must be at once.
    """

    def __init__(self, process: Process, identity: FileId, *, regular: bool, found: FileStat | None, fd: int = -1) -> None:
        self.id = identity
        self.regular = regular
        self._process = process
        self._found = found
        self._fd = fd
        self._step = process.scheduler.steps
        self._known: set[str] = set()
        process.looks.add(self)

    def __getattr__(self, name: str) -> Any:
        if name not in FIELDS:
            raise AttributeError(name)
        scheduler = self._process.scheduler
        if self._found is None:
            if scheduler.steps != self._step:
                scheduler.broken = f"{name} of an open file is looked at when others may have come in between"
            self._found = self._process._call("stat_fd", self._fd)
        value = getattr(self._found, name)
        if name not in self._known:
            self._known.add(name)
            scheduler.seen(self._process, name, (), value)
        return value

    def rest(self) -> tuple[Any, ...]:
        """What can still be looked at."""
        return () if self._found is None else tuple(getattr(self._found, name) for name in FIELDS)

    def __deepcopy__(self, memo: dict[int, Any]) -> Look:
        """In a forked child."""
        child = memo[id(self._process)]
        return Look(child, self.id, regular=self.regular, found=self._found, fd=self._fd)


FIELDS = [field.name for field in dataclasses.fields(FileStat) if field.name not in {"id", "regular"}]


def file_stat(found: Stat) -> FileStat:
    return FileStat(
        FileId(found.device, found.inode),
        found.size,
        found.mtime_ns,
        found.ctime_ns,
        found.mode,
        found.uid,
        found.gid,
        found.regular,
        found.links,
    )


__all__ = ["CALLS", "CrowdedLock", "Fault", "Killed", "Process", "SimulatedLock", "file_stat"]
