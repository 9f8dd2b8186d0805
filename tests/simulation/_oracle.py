"""What must be true of a world at its end, told without the package: from the names and bytes on the simulated disk and from
what the programs of the world were told.

A record is a line `<name> <filler>`. Periods are counted by the calendar here, not by the package's schedule.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from _kernel import Inode, Kernel
from _process import Process

LOG = "/logs/app.log"
OLD = "old"  # wrote the log that was there already; who has no lock in time goes on with that file
SUFFIX = {"S": "%Y-%m-%d_%H-%M-%S", "M": "%Y-%m-%d_%H-%M", "H": "%Y-%m-%d_%H", "D": "%Y-%m-%d"}
UNIT = {"S": 1, "M": 60, "H": 3600, "D": 86400}


class Violation(AssertionError):
    """A promise is broken."""


@dataclass
class Record:
    """One logging call."""

    name: str
    line: bytes  # without its terminator
    created: float
    process: Process
    begun: float  # wall clock
    returned: float | None = None  # wall clock
    lowest: float = 0.0  # the wall clock may be set meanwhile
    highest: float = 0.0
    slow: bool = False  # it, or one before it in its process, may have run into the lock's timeout


@dataclass
class Ledger:
    """What was logged and what happened to the files from outside.

    Attributes:
        when: the unit of the schedule; interval 1.
        grace: seconds that late records have.
    """

    kernel: Kernel
    when: str = "S"
    grace: float = 10.0
    zone: str = "UTC"
    records: dict[bytes, Record] = field(default_factory=dict)
    torn: set[bytes] = field(default_factory=set)  # lines whose writing was interrupted or incomplete
    taken: list[tuple[str, Inode, float]] = field(default_factory=list)  # log files that were moved or removed, and when
    foreign: dict[str, bytes] = field(default_factory=dict)  # files of somebody else
    occupied: dict[str, bytes] = field(default_factory=dict)  # names of segments that were there already; late records may follow
    deletes: bool = False  # the world has a backupCount: old segments go
    keeps: int = 0
    blind: bool = False  # the state record was taken away, or could not be read, just after the end of a period

    def begin(self, process: Process, name: str, line: bytes, created: float) -> Record:
        """A logging call starts."""
        now = self.kernel.wall()
        record = self.records[line] = Record(name, line, created, process, now, None, now, now)
        return record

    def end(self, record: Record) -> None:
        """It has returned."""
        record.returned = self.kernel.wall()
        self._clock_is(record.returned, record)
        record.slow = record.process.slow

    def clock_set(self, before: float) -> None:
        """The wall clock was set; it showed this before."""
        for record in self.records.values():
            if record.returned is None:
                self._clock_is(before, record)
                self._clock_is(self.kernel.wall(), record)

    @staticmethod
    def _clock_is(now: float, record: Record) -> None:
        record.lowest, record.highest = min(record.lowest, now), max(record.highest, now)

    def incomplete(self, _process: Process, data: bytes) -> None:
        """A write was cut off."""
        for line in data.split(b"\n"):
            if line:
                self.torn.add(line)

    # the verdict

    def check(self) -> None:
        """Everything, at the end.

        Raises:
            Violation: with the promise that is broken.
        """
        self.check_foreign()
        places = self._places()
        self._check_exactly_once(places)
        self._check_periods(places)

    def check_foreign(self) -> None:
        """P4: what belongs to somebody else is as it was."""
        for name, data in self.foreign.items():
            inode = self.kernel.names.get(name)
            if inode is None or bytes(inode.data) != data:
                raise Violation(f"P4: {name}, a file of somebody else, was changed or deleted")
        for name, data in self.occupied.items():
            inode = self.kernel.names.get(name)
            if inode is None or not inode.data.startswith(data):
                raise Violation(f"P4: {name} was there before, and was overwritten or deleted")

    def _places(self) -> dict[bytes, list[str]]:
        places: dict[bytes, list[str]] = defaultdict(list)
        for name, data in self._contents():
            *lines, rest = data.split(b"\n")
            for line in lines:
                if line + b"\n" == self.occupied.get(name):
                    continue
                if line in self.records:
                    places[line].append(name)
                else:
                    self._check_fragment(name, line)
            if rest and not self._is_fragment(rest):
                raise Violation(f"P1: {name} ends with {rest[:80]!r}")
        return places

    def _contents(self) -> list[tuple[str, bytes]]:
        found = [
            (name, bytes(inode.data))
            for name, inode in self.kernel.names.items()
            if not inode.folder and name not in self.foreign and not name.endswith(".lock")
        ]
        named = {id(inode) for inode in self.kernel.names.values()}
        gone = {id(inode): (f"removed {name}", bytes(inode.data)) for name, inode, _ in self.taken if id(inode) not in named}
        return [*found, *gone.values()]

    def _check_fragment(self, name: str, line: bytes) -> None:
        if line.startswith(b"mpfhandler: ") and b" records lost between " in line:
            return
        if not self._is_fragment(line):
            raise Violation(f"P1: {name} has a line that nobody wrote: {line[:200]!r}")

    def _is_fragment(self, text: bytes) -> bool:
        """The beginning of a record whose writing was cut off. It stands alone on its line, but for records behind it whose calls
        never returned either: their writer was killed before it could mend the line."""
        if any(torn.startswith(text) for torn in self.torn):
            return True
        unpromised = {line for line, record in self.records.items() if record.returned is None}
        return any(
            text.endswith(line) and self._is_fragment(text[: -len(line)])
            for line in (*unpromised, *self._beginnings(text))
            if line and line != text
        )

    def _beginnings(self, text: bytes) -> list[bytes]:
        """The ends of this text that are beginnings of cut off records."""
        return [text[start:] for start in range(1, len(text)) if any(torn.startswith(text[start:]) for torn in self.torn)]

    def _check_exactly_once(self, places: dict[bytes, list[str]]) -> None:
        for line, record in self.records.items():
            found = places.get(line, [])
            if len(found) > 1:
                raise Violation(f"P1: {record.name} stands {len(found)} times: {found}")
            if not found and record.returned is not None and not self._excused(record):
                raise Violation(f"P1: {record.name} of {record.process.name} was acknowledged and is nowhere")

    def _excused(self, record: Record) -> bool:
        """It may have waited in memory when its process was killed, or gone with an old segment."""
        return (record.process.hurt and not record.process.alive) or self.deletes

    def _check_periods(self, places: dict[bytes, list[str]]) -> None:
        active: dict[str, list[Record]] = defaultdict(list)
        for line, (name, *_) in places.items():
            record = self.records[line]
            if record.returned is None or self._may_be_anywhere(record):
                continue
            suffix = self._suffix_of(name)
            if suffix is None:
                active[name].append(record)
            elif suffix != self._period(record.created):
                raise Violation(f"P2: {record.name}, created {record.created}, stands in {name}")
        for name, records in active.items():
            if name == LOG and len({self._period(record.created) for record in records}) > 1:
                periods = sorted({(self._period(record.created), record.name) for record in records})
                raise Violation(f"P2: the active file has records of several periods: {periods}")

    def _may_be_anywhere(self, record: Record) -> bool:
        """Later than the grace, or from the future: it goes to the active file. The same for a process that did not get the
        lock in time (promise P3 goes before P2), or for which an operation failed. And where the state record is gone just
        after the end of a period, the file's last write tells its period: perhaps a record that was still on its way."""
        if self.blind or record.slow or record.process.hurt:
            return True
        if record.process.name == OLD and any(one.slow for one in self.records.values()):
            return True
        end = self._end(record.created)
        return record.highest >= end + self.grace or self._start(record.created) > record.lowest

    def _suffix_of(self, name: str) -> str | None:
        if not name.startswith(LOG + "."):
            return None
        return re.sub(r"\.[1-9]\d*\Z", "", name[len(LOG) + 1 :])

    # the calendar

    def _period(self, created: float) -> str:
        return datetime.fromtimestamp(created // 1, ZoneInfo(self.zone)).strftime(SUFFIX[self.when])

    def _start(self, created: float) -> float:
        return created // UNIT[self.when] * UNIT[self.when] if self.zone == "UTC" else self._edge(created, -1)

    def _end(self, created: float) -> float:
        return self._start(created) + UNIT[self.when] if self.zone == "UTC" else self._edge(created, 1)

    def _edge(self, created: float, direction: int) -> float:
        """The first minute before or after which the wall clock has another text or another offset; H and shorter."""
        zone = ZoneInfo(self.zone)
        here = self._text(created, zone)
        minute = created // 60 * 60
        while self._text(minute, zone) == here:
            minute += 60 * direction
        return minute if direction > 0 else minute + 60

    def _text(self, moment: float, zone: ZoneInfo) -> tuple[str, timedelta | None]:
        wall = datetime.fromtimestamp(moment // 1, timezone.utc).astimezone(zone)
        return wall.strftime(SUFFIX[self.when]), wall.utcoffset()
