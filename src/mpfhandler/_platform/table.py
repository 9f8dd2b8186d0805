"""The table of operations: everything the package asks of the operating system, by name.

The layers above call nothing else, so the same protocol runs on the kernel and on a simulation of it, and a test
can replace one entry. An entry raises `OSError` as the system gave it; `fault` turns that into the small vocabulary
that the layers above decide by. A descriptor belongs to who opened it; no entry but `close` closes one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import NoReturn, Protocol

from .._pure.facts import FileId, FileStat

__all__ = ["Fault", "FileId", "FileStat", "Joinable", "Lock", "Operations", "Signal", "Threads"]


class Fault(Enum):
    """What an `OSError` means to the protocol."""

    MISSING = "missing"  # the name leads nowhere
    EXISTS = "exists"  # the name is taken
    DENIED = "denied"  # permission, read-only file system
    CLOSED = "closed"  # the descriptor is not open any more
    BUSY = "busy"  # would block, or no reader yet
    FULL = "full"  # no space, quota, size limit
    LOOP = "loop"  # symbolic links that lead to each other, or one where none is followed
    STALE = "stale"  # a network file system has forgotten the file
    INVALID = (
        "invalid"  # the call makes no sense; an SMB server says so where a name leads to another file than the client believes
    )
    OTHER = "other"


class Lock(Protocol):
    """A re-entrant lock between the threads of one process."""

    def acquire(self, blocking: bool = ..., timeout: float = ...) -> bool: ...
    def release(self) -> None: ...
    def __enter__(self) -> bool: ...
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /) -> None: ...


class Joinable(Protocol):
    """A thread that was started."""

    def join(self, timeout: float | None = ...) -> None: ...


class Signal(Protocol):
    """What one thread waits for and another one gives, also from a signal handler, and also before it is waited for."""

    def wait(self, seconds: float) -> bool: ...
    def give(self) -> None: ...


@dataclass(frozen=True)
class Threads:
    """What is asked of the interpreter's threads."""

    identity: Callable[[], int]  # of the calling thread
    lock: Callable[[], Lock]
    start: Callable[[Callable[[], None], str], Joinable]  # a daemon with this name; RuntimeError: no more threads are to be had
    signal: Callable[[], Signal]
    pause: Callable[[float], None]  # of a thread that nobody waits for, seconds
    low_priority: Callable[[], Callable[[], None]]  # of the calling thread alone, where that can be had, until this is called
    end_process: Callable[[int], NoReturn]  # at once: no exit handlers, nothing in memory is written; the exit code


@dataclass(frozen=True)
class Operations:
    """One entry for each thing that is asked of the operating system."""

    now: Callable[[], float]  # the wall clock, epoch seconds
    monotonic: Callable[[], float]  # seconds
    sleep: Callable[[float], None]
    pid: Callable[[], int]
    threads: Threads

    open_append: Callable[[str, int], int]  # path, mode for a new file; created if missing; every write goes to the end
    open_new: Callable[[str, int], int]  # the same; FileExistsError if there is one
    open_existing: Callable[[str], int]  # the same, never creates
    open_side: Callable[[str], int]  # read and write at offsets, never creates
    open_side_of: Callable[[int], int]  # the same for the file behind a descriptor, whatever its name; not on every system
    open_lock: Callable[[str, int], tuple[int, bool]]  # path, mode for a new file → descriptor, may be written
    open_new_private: Callable[[str], int]  # read and write at offsets, nobody else may; FileExistsError if there is one
    open_read: Callable[[str], int]
    open_stream: Callable[[str], int]  # a device, pipe or terminal; never waits for a reader
    open_debug: Callable[[str, int], int]
    close: Callable[[int], None]

    write: Callable[[int, bytes], int]
    write_stream: Callable[[int, bytes], int]  # BlockingIOError instead of waiting for the reader
    seek: Callable[
        [int, int, int], int
    ]  # descriptor, offset, whence; (fd, 0, 1) after an append: the end of what was just written
    read_at: Callable[[int, int, int], bytes]  # descriptor, length, offset
    write_at: Callable[[int, bytes, int], int]
    wait_writable: Callable[[int, float], bool]  # descriptor, seconds
    granularity: Callable[[int], int]  # a killed write can end at multiples of this many bytes

    stat_path: Callable[[str], FileStat]
    stat_link: Callable[[str], FileStat]  # of a symbolic link itself, not of what it leads to
    stat_fd: Callable[[int], FileStat]
    set_mode: Callable[[int, int], None]
    set_owner: Callable[[int, int, int], None]  # -1 leaves as it is
    touch: Callable[[int], None]  # modification time := now, by the clock of the file system
    accessed: Callable[[int], int]  # when it was last read, as far as the file system tells (ns)
    set_times: Callable[[int, int, int], None]  # descriptor, last read (ns), last write (ns)
    fsync: Callable[[int], None]  # returns when the file would survive a power cut
    fsync_folder: Callable[[str], None]  # the same for the names in it

    prepare: Callable[[], None]  # imports what `rename_new` needs: not in a thread while another one forks, nor under a lock
    rename_new: Callable[[str, str], None]  # FileExistsError if the new name is taken; nothing is ever overwritten
    rename_once: Callable[[str, str], bool]  # the same in one step; False: there is no such thing here, and nothing was done
    rename_over: Callable[[str, str], None]  # what has the new name is gone
    link: Callable[[str, str], None]  # file, further name; FileExistsError if that is taken
    unlink: Callable[[str], None]
    names: Callable[[str], list[str]]  # of a folder
    open_folder: Callable[[str], None]  # and close it: a client of a server asks how old what it knows of the names is
    make_folder: Callable[[str], None]
    give_folder: Callable[[str, int, int], None]  # path, user, group; -1 leaves as it is
    remove_folder: Callable[[str], None]
    may_create_in: Callable[[str], bool]
    free_bytes: Callable[[str], int]  # of the folder's file system, for who is not root

    try_lock: Callable[[int, bool], bool]  # descriptor, exclusive; belongs to the open file description
    unlock: Callable[[int], None]

    fault: Callable[[BaseException], Fault]

    forbidden: str = ""  # characters that no name of a file may have
