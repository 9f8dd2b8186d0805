"""Who has a file open, and who has the lock on it, as far as the system tells: /proc on Linux (proc(5)), else nothing."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..._pure.facts import FileId

__all__ = ["Holder", "Holders", "Locks", "holders"]

_PROC = "/proc"
_LOCK = re.compile(r"\d+: FLOCK +\w+ +\w+ +(?P<pid>-?\d+) +(?P<major>[0-9a-f]+):(?P<minor>[0-9a-f]+):(?P<inode>\d+) ")


@dataclass(frozen=True, order=True)
class Holder:
    """A process.

    Attributes:
        pid: of it.
        program: its name, "" where that is not told.
        state: as proc(5) has it: "T" is stopped, "" not told.
    """

    pid: int
    program: str = ""
    state: str = ""

    def __str__(self) -> str:
        return f"{self.program or '?'} {self.pid}"


@dataclass
class Holders:
    """Who has which file.

    Attributes:
        by_file: the processes that have it open.
        hidden: processes whose files this user may not see.
        told: whether this system tells anything.
        elsewhere: other machines may have the files, too, whose processes nobody sees here.
    """

    by_file: dict[FileId, list[Holder]] = field(default_factory=dict[FileId, list[Holder]])
    hidden: int = 0
    told: bool = True
    elsewhere: bool = False

    @property
    def note(self) -> str:
        """What is not known, for a reader; "" if everything is."""
        if not self.told:
            return "this system does not tell who has a file open"
        many = "process of another user" if self.hidden == 1 else "processes of other users"
        hidden = f"not seen: the files of {self.hidden} {many}; run this as root to see them" if self.hidden else ""
        others = "not seen: who has a file open on another machine" if self.elsewhere else ""
        return "; ".join(filter(None, [hidden, others]))


def holders(files: Iterable[FileId]) -> Holders:
    """Who has these files open now; this process does not count."""
    wanted, found = set(files), Holders()
    try:
        pids = [int(text) for text in os.listdir(_PROC) if text.isdecimal()]
    except OSError:
        pids = []
    if not os.path.isdir(f"{_PROC}/self/fd"):
        return Holders(told=False)
    for pid in sorted(set(pids) - {os.getpid()}):
        try:
            there = _open_files(pid) & wanted
        except PermissionError:
            found.hidden += 1
            continue
        except OSError:
            continue  # it has ended
        for file in there:
            found.by_file.setdefault(file, []).append(_process(pid))
    return found


class Locks:
    """All flock(2) locks of this moment, those that wait for one left out. `told`: whether this system tells them."""

    def __init__(self) -> None:
        self._found: list[tuple[int, FileId]] = []
        self.told = sys.platform != "win32"
        if sys.platform == "win32":
            return
        try:
            with open(f"{_PROC}/locks", encoding="ascii", errors="replace") as locks:
                lines = locks.readlines()
        except OSError:
            self.told = False
            return
        for line in lines:
            match = _LOCK.match(line)
            if match is not None:
                device = os.makedev(int(match["major"], 16), int(match["minor"], 16))
                self._found.append((int(match["pid"]), FileId(device, int(match["inode"]))))

    def of(self, file: FileId, openers: Iterable[Holder]) -> list[Holder]:
        """Who took a lock on this file; its children may hold it, too.

        Args:
            file: that is locked.
            openers: who has it open: some file systems have another device number here.
        """
        opened = {one.pid for one in openers}
        pids = {pid for pid, found in self._found if found.inode == file.inode and (found == file or pid in opened)}
        return [_process(pid) for pid in sorted(pids)]


def _open_files(pid: int) -> set[FileId]:
    found = set[FileId]()
    with os.scandir(f"{_PROC}/{pid}/fd") as entries:
        for entry in entries:
            try:
                seen = os.stat(entry.path)
            except OSError:
                continue
            found.add(FileId(seen.st_dev, seen.st_ino))
    return found


def _process(pid: int) -> Holder:
    """Its name and state; the name may have blanks and brackets in it."""
    try:
        with open(f"{_PROC}/{pid}/stat", encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return Holder(pid)
    return Holder(pid, text[text.find("(") + 1 : text.rfind(")")], text[text.rfind(")") + 2 :][:1])
