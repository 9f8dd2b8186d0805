"""What a writer has been promised, kept where SIGKILL cannot reach it: a shared mapping of a small file.

A number is stored there after the logging call has returned, by one aligned 8-byte store and without a system call;
the kernel keeps the page when the process dies. Each writer has a ledger of its own and is the only one that writes
it; everybody may read. The switch is the same thing the other way round: two words, written by the conductor alone.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
from dataclasses import dataclass

__all__ = ["DONE", "GO", "RUNNING", "SLOTS", "STOP", "THREADS", "WAIT", "Account", "Ledger", "Switch", "accounts"]

THREADS = 2
SLOTS = 2 * THREADS  # each thread counts its huge records apart

RUNNING, DONE = 1, 2  # states of a writer; 0 is a ledger that is still being set up
WAIT, GO, STOP = 0, 1, 2  # positions of the switch

_WORDS = 4 + 2 * SLOTS
_BYTES = 8 * _WORDS
_PID, _GROUP, _STATE, _FIRST = 0, 1, 2, 4
_PREFIX = "ledger-"


class _Words:
    """A file of 8-byte words mapped into this process."""

    def __init__(self, path: str, *, create: bool) -> None:
        descriptor = os.open(path, os.O_RDWR | (os.O_CREAT | os.O_EXCL if create else 0), 0o600)
        try:
            if create:
                os.ftruncate(descriptor, _BYTES)
            self._map = mmap.mmap(descriptor, _BYTES)
        finally:
            os.close(descriptor)
        self.words = memoryview(self._map).cast("Q")

    def close(self) -> None:
        self.words.release()
        self._map.close()


class Switch(_Words):
    """Tells all writers to wait, to go, or to stop, and one of them that it will be killed in a moment."""

    @classmethod
    def create(cls, folder: str) -> Switch:
        return cls(os.path.join(folder, "switch"), create=True)

    @classmethod
    def join(cls, folder: str) -> Switch:
        return cls(os.path.join(folder, "switch"), create=False)

    def set(self, position: int) -> None:
        self.words[0] = position

    def position(self) -> int:
        return self.words[0]

    def doom(self, number: int) -> None:
        """Have this worker (-1: none) write huge records, so that its end is likely to come inside a write(2)."""
        self.words[1] = number + 1

    def doomed(self, number: int) -> bool:
        return self.words[1] == number + 1


class Ledger(_Words):
    """The ledger of the calling process."""

    def __init__(self, folder: str, writer: str) -> None:
        if sys.platform == "win32":
            raise NotImplementedError
        super().__init__(os.path.join(folder, _PREFIX + writer), create=True)
        self.words[_PID] = os.getpid()
        self.words[_GROUP] = os.getpgrp()

    def state(self, state: int) -> None:
        self.words[_STATE] = state

    def acknowledge(self, slot: int, number: int, took_ns: int) -> None:
        """The logging call for this record has returned; the longest call is kept."""
        place = _FIRST + 2 * slot
        self.words[place] = number
        self.words[place + 1] = max(self.words[place + 1], took_ns)


@dataclass(frozen=True)
class Account:
    """A ledger as it was read: per slot the last acknowledged number, and the longest call of all, nanoseconds."""

    writer: str
    pid: int
    group: int
    state: int
    acked: tuple[int, ...]
    worst_ns: int


def accounts(folder: str) -> list[Account]:
    """Every ledger in the folder that has been set up."""
    names = sorted(name for name in os.listdir(folder) if name.startswith(_PREFIX))
    return [found for name in names if (found := _read(os.path.join(folder, name))) is not None]


def _read(path: str) -> Account | None:
    with open(path, "rb") as file:
        data = file.read(_BYTES)
    if len(data) < _BYTES:  # created a moment ago
        return None
    words: tuple[int, ...] = struct.unpack(f"={_WORDS}Q", data)
    return Account(
        writer=os.path.basename(path)[len(_PREFIX) :],
        pid=words[_PID],
        group=words[_GROUP],
        state=words[_STATE],
        acked=words[_FIRST::2],
        worst_ns=max(words[_FIRST + 1 :: 2]),
    )
