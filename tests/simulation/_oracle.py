"""What must be true of a world at its end, told without the package: from the names and bytes on the simulated disk and from
what the programs of the world were told.

A record is a line `<name> <filler>`. Periods are counted by the calendar here, not by the package's schedule.
"""

from __future__ import annotations

import functools
import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from _kernel import Description, Inode, Kernel
from _process import Process
from _scheduler import Watcher

LOG = "/logs/app.log"
OLD = "old"  # wrote the log that was there already; who has no lock in time goes on with that file
SUFFIX = {"S": "%Y-%m-%d_%H-%M-%S", "M": "%Y-%m-%d_%H-%M", "H": "%Y-%m-%d_%H", "D": "%Y-%m-%d"}
UNIT = {"S": 1, "M": 60, "H": 3600, "D": 86400}


_HIDDEN = re.compile(r"/logs/\.app\.log\.(.+)\.rotating")  # a segment that waits for its name

LOOK = 1.0  # seconds between two looks at the log's name
PATIENCE = 3.0  # seconds after which what failed has been tried again


def _is_there(inode: Inode) -> bool:
    """Whether a file has a name, or is open."""
    return bool(inode.links or inode.openings)


def _state_in(data: bytes) -> tuple[int, int, int] | None:
    """The inode number, the start and the end (epoch seconds) that a whole state record tells."""
    found = re.fullmatch(rb"mpfhandler-state 1 \d+ (\d+) \d+ (-?\d+) (-?\d+) \S+ \d+ [\da-f]{8} *\n", data)
    return None if found is None else (int(found[1]), int(found[2]), int(found[3]))


def _when_landed(record: Record) -> float:
    return record.begun if record.landed is None else record.landed


def _turn(record: Record) -> float:
    """What sorts records by when they were written, whatever the clock was set to."""
    return record.begun_up if record.landed is None else record.landed_up


@functools.cache
def _period_of(second: float, zone: str, when: str) -> tuple[str, timedelta | None]:
    wall = datetime.fromtimestamp(second, ZoneInfo(zone))
    return wall.strftime(SUFFIX[when]), None if when == "D" else wall.utcoffset()


@functools.lru_cache(1 << 16)
def _shown(second: float, zone: ZoneInfo, suffix: str) -> tuple[str, timedelta | None]:
    wall = datetime.fromtimestamp(second, timezone.utc).astimezone(zone)
    return wall.strftime(suffix), wall.utcoffset()


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
    begun_up: float = 0.0  # uptime (s)
    failures: int = 0  # of its process before it
    landed: float | None = None  # wall clock when it stood in a file as a line of its own
    landed_up: float = 0.0  # uptime (s) of that
    stands_in: Inode | None = None  # that file
    hindered: bool = False  # its process may not have got the lock in time, or an operation that keeps the files right failed
    in_log: bool = False  # it was written to what was the log, or had been when the process looked last
    at_home: bool = False  # it was written within its period, to a log that was made within it
    given_up: bool = False  # it could not be written before its program called close, and is to be counted as lost
    perhaps: bool = False  # so it may be: it began to wait while close was under way, or after its last try
    buffered: bool = False  # its call has returned, and promises nothing yet
    doubted: bool = False  # its flush has failed: its process cannot know that it is there, and may write it to the next log, too


@dataclass
class Ledger(Watcher):
    """What was logged and what happened to the files from outside.

    Attributes:
        when: the unit of the schedule; interval 1.
        grace: seconds that late records have.
        keeps: backupCount.
    """

    kernel: Kernel
    when: str = "S"
    grace: float = 10.0
    zone: str = "UTC"
    keeps: int = 0
    records: dict[bytes, Record] = field(default_factory=dict)
    forgotten: set[bytes] = field(default_factory=set)  # lines of records that a power cut may have taken
    torn: set[bytes] = field(default_factory=set)  # lines whose writing was interrupted or incomplete
    taken: list[tuple[str, Inode, float]] = field(default_factory=list)  # log files that were moved or removed, and when
    vanished: set[int] = field(default_factory=set)  # numbers of logs that a power cut has taken, but not what tells of them
    foreign: dict[str, bytes] = field(default_factory=dict)  # files of somebody else
    occupied: dict[str, bytes] = field(default_factory=dict)  # names of segments that were there already; late records may follow
    blind: bool = False  # the state record was taken away, or could not be read
    blind_since: float = 0.0  # uptime
    born: list[tuple[Inode, float]] = field(default_factory=list)  # files that processes have made, and the wall clock
    unrecorded: list[Inode] = field(default_factory=list)  # those of which no state record tells yet
    unlocked: list[Inode] = field(default_factory=list)  # those of them that were made by who did not have the lock
    making: list[tuple[Inode, float]] = field(default_factory=list)  # made under the lock: what the clock has shown since
    makers: list[tuple[Inode, Process]] = field(default_factory=list)  # who made them
    clock_was_set: bool = False
    straddling: list[Inode] = field(default_factory=list)  # logs whose last write was one of another period
    survived: dict[bytes, Inode] = field(default_factory=dict)  # lines that a power cut has left, and where
    retained: set[bytes] = field(default_factory=set)  # lines that were in segments which backupCount has deleted
    to_mend: list[Record] = field(default_factory=list)  # stood behind a fragment when their program ended
    processes: Sequence[Process] = ()  # of the world
    unknown: list[tuple[Process, Description | None]] = field(default_factory=list)  # what was given up, and by whom
    well: list[Process] = field(default_factory=list)  # those that have come to a good end
    mistaken: list[Inode] = field(default_factory=list)  # logs whose state record tells a wrong guess
    recorded: list[Inode] = field(default_factory=list)  # logs of which a whole state record has told
    overruled: list[tuple[Inode, float, list[Process]]] = field(default_factory=list)  # of another period since, and who had it
    logs: list[tuple[Inode | None, float]] = field(default_factory=list)  # what has had the log's name, and since when (uptime)
    placed: int = 0  # acknowledged records that stand in a file
    checked: int = 0  # those of them whose place is held against P2
    excused: Counter[str] = field(default_factory=Counter)  # why not
    broken: list[str] = field(default_factory=list)  # promises that were seen to be broken on the way

    def begin(self, process: Process, name: str, line: bytes, created: float) -> Record:
        """A logging call starts."""
        now, uptime = self.kernel.wall(), self.kernel.uptime_ns / 1e9
        self._look_at_log()
        record = self.records[line] = Record(name, line, created, process, now, None, now, now, uptime, process.failures)
        return record

    def end(self, record: Record) -> None:
        """It has returned."""
        record.returned = self.kernel.wall()
        self._clock_is(record.returned, record)
        process = record.process
        in_background = process.fails_in_background()
        under_way = [one.call for one in process.threads if one.call is not None]  # of other threads
        record.hindered |= record.begun_up < self._hindered_until(record) or in_background or process.waits_in_vain()
        failed = process.failures > record.failures
        failed_for_others = any(call.failed for call in under_way)
        waits = process.segment_failed_at + PATIENCE > record.begun_up and not self._has_a_file(process)
        others = [one for one in self.waiting(process) if one is not record]
        waiting = [one for one in others if not one.given_up]
        without = process.locks_records and (process.refused_last or process.failed_last)  # the lock, as of the last try
        missed = without and process.failed_at + PATIENCE > record.begun_up
        excused = failed or failed_for_others or waits or missed or waiting or any(one.perhaps for one in others)
        doubts = process.failed_at + PATIENCE > record.begun_up and any(one.doubted for one in self.records_of(process))
        if record.landed is None and not excused and not doubts and not self._stands_behind_a_fragment(record):
            self.broken.append(f"P1: {record.name} was acknowledged before it was written, though nothing had failed")
        waiting = [one for one in waiting if not self._stands_behind_a_fragment(one)]
        if waiting and not failed and not in_background and record.begun_up > process.failed_at + PATIENCE:
            self.broken.append(f"P5: {waiting[0].name} still waits {PATIENCE} s after the last failure")

    def _has_a_file(self, process: Process) -> bool:
        """Whether it could write to something that has a name."""
        opened = process.table.open.values()
        return any(one.append and one.inode.links and (process, one) not in self.unknown for one in opened)

    def _hindered_until(self, record: Record) -> float:
        """Uptime (s) until which its process may be waiting to try again what would put it right."""
        late = {self._period(record.lowest), self._period(record.highest)} != {self._period(record.created)}
        log = self.kernel.names.get(LOG)  # of a later period than the clock's, if that was set back
        late |= any(self._start(moment) > self._start(record.created) for one, moment in self.born if one is log)
        process = record.process
        return max(process.late_until if late else process.slow_until, process.hindered_until)

    def _stands_behind_a_fragment(self, record: Record) -> bool:
        """Whose writer is just about to make it a line of its own."""
        lines = [one for _, data in self._contents() for one in data.split(b"\n")]
        return any(one.endswith(record.line) and self._is_fragment(one[: -len(record.line)]) for one in lines)

    def left(self, process: Process, lost: int) -> None:
        """A program has ended well, and says that it has lost so many records."""
        self.well.append(process)
        behind = [record for record in self.waiting(process) if self._stands_behind_a_fragment(record)]
        self.to_mend += behind
        waiting = [record.name for record in self.waiting(process) if record not in behind]
        if len(waiting) != lost:
            self.broken.append(f"P5: {process.name} has lost {waiting}, and counts {lost}")

    def remembered(self, process: Process, number: int) -> None:
        """A program is about to end, and knows that so many records of it wait."""
        waiting = [one for one in self.waiting(process) if not one.given_up and not one.buffered]
        missing = [one.name for one in waiting if not self._stands_behind_a_fragment(one)]
        if len(missing) > number:
            self.broken.append(f"P1: {process.name} waits to write {number} records, and {missing} are nowhere")

    def closed(self, process: Process, waited: Sequence[Record]) -> None:
        """A program has called close: what waited before no disk will get, nor perhaps what began to wait meanwhile."""
        for record in self.waiting(process):
            record.given_up, record.perhaps = True, all(one is not record for one in waited)

    def waiting(self, process: Process) -> list[Record]:
        return [one for one in self.records.values() if one.process is process and one.landed is None and one.returned]

    def records_of(self, process: Process) -> list[Record]:
        """Those that it has begun."""
        return [one for one in self.records.values() if one.process is process]

    def clock_set(self, before: float) -> None:
        """The wall clock was set; it showed this before."""
        self.clock_was_set = True
        self.making += [(inode, moment) for inode in {one for one, _ in self.making} for moment in (before, self.kernel.wall())]
        for record in self.records.values():
            if record.returned is None or record.landed is None:  # its call is under way, or it waits
                self._clock_is(before, record)
                self._clock_is(self.kernel.wall(), record)

    @staticmethod
    def _clock_is(now: float, record: Record) -> None:
        record.lowest, record.highest = min(record.lowest, now), max(record.highest, now)

    def forget(self) -> None:
        """The power was cut: what was not synced may be gone or cut, and so may be the state record."""
        self.forgotten |= {line for line, record in self.records.items() if record.process.name != OLD}
        self.records = {line: record for line, record in self.records.items() if record.process.name == OLD}
        self.torn |= self.forgotten
        for inode in self.kernel.names.values():
            for line in bytes(inode.data).split(b"\n")[:-1]:
                if line in self.forgotten:
                    self.survived[line] = inode
        lock, there = self.kernel.names.get(LOG + ".lock"), {inode.number for inode in self.kernel.names.values()}
        state = None if lock is None else _state_in(bytes(lock.data))
        if state is not None and state[0] not in there:
            self.vanished.add(state[0])
        self.lose_state()

    def _look_at_log(self) -> None:
        inode = self.kernel.names.get(LOG)
        if not self.logs or self.logs[-1][0] is not inode:
            self.logs.append((inode, self.kernel.uptime_ns / 1e9))

    def _logs_since(self, uptime: float) -> list[Inode | None]:
        """What has been the log at some time since then."""
        ends = [since for _, since in self.logs[1:]] + [math.inf]
        return [inode for (inode, _), end in zip(self.logs, ends, strict=True) if end >= uptime]

    # what happens to files

    def created(self, process: Process, inode: Inode) -> None:
        """A file is new."""
        self.born.append((inode, self.kernel.wall()))
        self._look_at_log()
        if self.kernel.names.get(LOG) is not inode:
            return  # the segment of a late record
        self.unrecorded.append(inode)
        holder = self._holder()
        if holder is None or holder not in process.table.open.values():
            self.unlocked.append(inode)
        else:
            self.making.append((inode, self.kernel.wall()))
            self.makers.append((inode, process))

    def _holder(self) -> Description | None:
        lock = self.kernel.names.get(LOG + ".lock")
        return None if lock is None else lock.writer

    def written(self, process: Process, inode: Inode, *, over: bool = False) -> None:
        """A write was whole: which records stand in the file from now on? Whose last byte alone was missing may have stood there
        for a moment, by somebody else's first byte, until its writer ended it as a fragment."""
        if self.is_lock(inode):
            self._state_stands(process, inode)
            return
        state = _state_in(bytes(inode.data))
        if state is not None:  # in a lock file that was deleted: it is made, and its maker has no better guess than others
            self.makers = [one for one in self.makers if one[0].number != state[0] or one[1] is not process]
            return
        self._check_gate(process, inode)
        self._touched(inode)
        self._look_into(inode, over=over)

    def _look_into(self, inode: Inode, *, over: bool) -> None:
        lines = [self._behind_zeros(line) for line in bytes(inode.data).split(b"\n")[:-1]]
        for record in self.records.values() if over else ():
            if record.stands_in is inode and record.line in self.torn and record.line not in lines:
                record.landed = record.stands_in = None
        for line in lines:
            record = self.records.get(line)
            if record is not None and record.landed is None:
                self._landed(record, inode)

    def _landed(self, record: Record, inode: Inode) -> None:
        now, uptime = self.kernel.wall(), self.kernel.uptime_ns / 1e9
        record.landed, record.landed_up, record.stands_in = now, uptime, inode
        self._look_at_log()
        record.in_log = any(one is inode for one in self._logs_since(record.begun_up - LOOK))
        self._clock_is(now, record)
        process = record.process
        decided = process.refused_last or process.fails_now() or process.waits_in_vain()
        if (record.returned is not None or record.buffered) and (decided or uptime < self._hindered_until(record)):
            record.hindered = True
        # Who has made it without the lock, or found it so, has its own period for it.
        overruled = [had for one, since, had in self.overruled if one is inode and record.begun_up < since]
        record.hindered |= any(one is process for had in overruled for one in had)
        period = self._period(record.created)
        if self.kernel.names.get(LOG) is inode and self._period(now) == period and not self.clock_was_set:
            record.at_home = any(one is inode and self._period(moment) == period for one, moment in self.born)
        if period != self._period(now):
            self.straddling.append(inode)
        known = not self.blind and any(one is inode for one in self.recorded)
        if not known and not self._born_now(inode) and self._holder():  # by who has no lock; who has it may not have recorded it
            self.unrecorded.append(inode)
            self.unlocked.append(inode)
        self._touched(inode)
        if inode.links:
            return
        removed = [when for _, one, when in self.taken if one is inode]
        if not removed:
            self.broken.append(f"P1: {record.name} was written to a segment that had been deleted")
        elif record.begun_up > removed[0] + LOOK and uptime >= self._hindered_until(record) and not process.fails_now():
            self.broken.append(f"P1: {record.name} was written to a log that was removed at {removed[0]}")

    def _born_now(self, inode: Inode) -> bool:
        """Whether the period that it was made in lasts."""
        return self._period(self.kernel.wall()) in {self._period(moment) for one, moment in self.born if one is inode}

    def _touched(self, inode: Inode) -> None:
        """A write, of whatever, gives a file its time: also a part of a record, or the end of such a part."""
        if not self._born_now(inode) and not any(one is inode for one in self.straddling):
            self.straddling.append(inode)

    def _state_stands(self, process: Process, lock: Inode) -> None:
        """Who has the lock has written down the log's period: from now on nobody guesses it. If this was a guess that could be
        wrong, and is, it stays wrong for this file."""
        inode, state = self.kernel.names.get(LOG), _state_in(bytes(lock.data))
        if inode is None or state is None or state[0] != inode.number:
            return
        right = any(one is inode and state[1] <= moment < state[2] for one, moment in self.born)
        if not right and any(low < state[2] and state[1] <= high for low, high in self._making_of(inode, process)):
            right = True  # who has made it looks at the clock once more before that is written down
            self._born_in(inode, state[1])
        self.making = [found for found in self.making if found[0] is not inode]
        self.makers = [found for found in self.makers if found[0] is not inode]
        guessed = [one for one in self._logs_since(self.blind_since) if one is not inode] if self.blind else []
        guessed += [] if right else [inode]
        self.mistaken += [one for one in guessed if one is not None and self._may_be_guessed_wrong(one)]
        if not right and any(one is inode for one in self.unlocked):
            self._born_in(inode, state[1])
            had = [one for one in self.processes if any(opened.inode is inode for opened in one.table.open.values())]
            self.overruled.append((inode, self.kernel.uptime_ns / 1e9, had))
        if not any(one is inode for one in self.recorded):
            self.recorded.append(inode)
        self.blind = False
        self.unrecorded = [one for one in self.unrecorded if one is not inode]
        self.unlocked = [one for one in self.unlocked if one is not inode]
        if not self._is_old(inode):
            self.straddling = [one for one in self.straddling if one is not inode]

    def _making_of(self, inode: Inode, process: Process) -> list[tuple[float, float]]:
        """What the clock has shown since a log was made that no state record tells of yet: a stretch more each time it is set.
        To others than its maker only that it was then."""
        shown = [moment for one, moment in self.making if one is inode]
        if not any(one is inode and maker is process for one, maker in self.makers):
            return [(moment, moment) for moment in shown]
        return list(zip(shown[::2], [*shown, self.kernel.wall()][1::2], strict=True)) if shown else []

    def _born_in(self, inode: Inode, start: float) -> None:
        """It was made by who did not have the lock; who had it, and looked at the clock earlier, has written down this period."""
        self.born = [one for one in self.born if one[0] is not inode] + [(inode, start)]
        for line in bytes(inode.data).split(b"\n"):
            if line in self.records:
                self.records[line].at_home = False

    def lose_state(self) -> None:
        """The state record is gone, or cannot be read."""
        if not self.blind:
            self.blind, self.blind_since = True, self.kernel.uptime_ns / 1e9

    def _may_be_guessed_wrong(self, inode: Inode) -> bool:
        """Where there is no state record, the file's last write tells its period: perhaps one that was still on its way, or by a
        process that did not get the lock in time (promise P3 goes before P2)."""
        if not self.blind and not any(one is inode for one in self.unrecorded):
            return False
        if inode.number in self.vanished or any(one.number == inode.number for _, one, _ in self.taken):
            return True  # the record of the removed log that had this number before could not be cleared
        return any(one is inode for one in self.straddling)

    def _is_old(self, inode: Inode) -> bool:
        return any(inode.data.startswith(line) for line, record in self.records.items() if record.process.name == OLD)

    def _check_gate(self, process: Process, inode: Inode) -> None:
        """With no grace nothing is written to a segment once it has its name."""
        names = [] if self.grace else [name for name, there in self.kernel.names.items() if there is inode]
        if any(self._order_of(name) for name in names):
            self.broken.append(f"P2: {process.name} wrote to {names[0]}, though late_grace is 0")

    def incomplete(self, process: Process, inode: Inode, data: bytes) -> None:
        """A write was cut off. Of several records that it had some may be whole."""
        self._check_gate(process, inode)
        self._touched(inode)
        self._look_into(inode, over=False)
        self.torn.update(line for line in data.split(b"\n") if line)

    def deleting(self, process: Process, path: str) -> None:
        """Only segments go, and only those older than the newest that are to be kept."""
        mine = self._order_of(path)
        newer = [name for name in self.kernel.names if mine is not None and (order := self._order_of(name)) and order > mine]
        if mine is None or not 0 < self.keeps <= len(newer):
            self.broken.append(f"P4: {path} was deleted while there were {len(newer)} newer segments")
        if path in self.kernel.names:
            self.retained.update(bytes(self.kernel.names[path].data).split(b"\n"))

    def overwriting(self, process: Process, path: str) -> None:
        """A rename onto a name that is taken: by what the process has made for that, or by what it wrote about a segment."""
        if path in self.kernel.names and not (path.endswith(".sealed") or self.takes_a_name(process, path)):
            self.broken.append(f"P4: {process.name} renames onto {path}, which is there")

    def takes_a_name(self, process: Process, path: str) -> bool:
        """Whether this is an empty file that the process has open, and nobody else may read."""
        inode = self.kernel.names.get(path)
        if self.kernel.exclusive_rename or inode is None or inode.data or inode.mode & 0o077:
            return False
        return any(one.inode is inode for one in process.table.open.values())

    def failing(self, process: Process, name: str, arguments: tuple[Any, ...]) -> None:
        """Who cannot read the state record goes by the file's last write; what a descriptor leads to that cannot be looked at is
        not known any more, nor whether a record arrived whose flush has failed."""
        if name == "fsync" and process.locks_records:
            landed = [one for one in self.records_of(process) if one.landed is not None]
            if landed:
                max(landed, key=_turn).doubted = True
        if name == "stat_fd":
            self.unknown.append((process, process.table.open.get(arguments[0])))
        if name == "read_at" and self.is_lock(process.table.open[arguments[0]].inode):
            self.lose_state()

    def is_segment(self, path: str) -> bool:
        """Whether this is the name of a segment of the log."""
        return self._order_of(path) is not None

    def is_lock(self, inode: Inode) -> bool:
        """Whether this is the file of the rotation lock."""
        return self.kernel.names.get(LOG + ".lock") is inode

    def verdict_state(self) -> tuple[object, ...]:
        """What is remembered and decides the verdict: two paths to the same disk may have different excuses. Of times only what
        they are compared with, of files that nobody can write to or find any more nothing."""
        files = tuple(
            frozenset((one.number, self._period(moment)) for one, moment in found if _is_there(one))
            for found in (self.born, self.making)
        )
        guesses = [
            frozenset(one.number for one in found if _is_there(one))
            for found in (self.unrecorded, self.unlocked, self.straddling, self.mistaken)
        ]
        taken = tuple((name, one.number, when, one.links or bytes(one.data)) for name, one, when in self.taken)
        sets = (self.forgotten, self.torn, self.retained, self.foreign, self.occupied, self.vanished)
        lines = [frozenset(one) for one in sets] + [frozenset((line, one.number) for line, one in self.survived.items())]
        marks = self.blind and self.blind_since, self.blind, self.clock_was_set, tuple(record.name for record in self.to_mend)
        records = tuple(self._state_of(record) for _, record in sorted(self.records.items()))
        oldest = min((one.begun_up for one in self.records.values() if one.landed is None), default=self.kernel.uptime_ns / 1e9)
        logs = tuple(one and one.number for one in self._logs_since(oldest - LOOK))
        since = tuple(moment for _, moment in self.logs[-len(logs) :])
        overruled = frozenset((one.number, moment) for one, moment, _ in self.overruled if _is_there(one))
        known = frozenset(one.number for one in self.recorded if _is_there(one))
        makers = frozenset((one.number, maker.name) for one, maker in self.makers if _is_there(one))
        return *files, makers, overruled, known, *guesses, taken, *lines, marks, records, logs, since

    def _state_of(self, record: Record) -> tuple[object, ...]:
        over = self._end(record.created) + self.grace
        clock = record.highest >= over, record.lowest >= over, self._start(record.created) > record.lowest
        landed = record.landed is not None and self._period(record.landed)
        fixed = record.name, record.created, record.returned is not None, landed
        marks = record.hindered, record.at_home, record.in_log, record.given_up, record.perhaps
        open_still = record.returned is None or record.landed is None
        return *fixed, *marks, *clock, open_still and (record.begun_up, record.process.failures > record.failures)

    # the verdict

    def check(self) -> None:
        """Everything, at the end.

        Raises:
            Violation: with the promise that is broken.
        """
        if self.broken:
            raise Violation(self.broken[0])
        for record in self.to_mend:
            if record.landed is None:
                raise Violation(f"P1: {record.name} still stands behind a fragment")
        self.check_foreign()
        self._check_hidden()
        places = self._places()
        self._check_exactly_once(places)
        self._check_periods(places)

    def _check_hidden(self) -> None:
        """Every segment has its name in the end, unless somebody was killed or stopped, or something failed."""
        hidden = [name for name in self.kernel.names if _HIDDEN.fullmatch(name)]
        if hidden and all(process in self.well and not process.failures for process in self.processes):
            raise Violation(f"P5: {hidden} still wait for their names")

    def check_foreign(self) -> None:
        """P4: what belongs to somebody else is as it was."""
        for name, data in self.foreign.items():
            inode = self.kernel.names.get(name)
            if inode is None or bytes(inode.data) != data:
                raise Violation(f"P4: {name}, a file of somebody else, was changed or deleted")
        contents = dict(self._contents()) if self.occupied else {}
        for name, data in self.occupied.items():
            if not contents.get(name, b"").startswith(data):
                raise Violation(f"P4: {name} was there before, and was overwritten or deleted")

    def _places(self) -> dict[bytes, list[str]]:
        places: dict[bytes, list[str]] = defaultdict(list)
        for name, data in self._contents():
            *lines, rest = data.split(b"\n")
            for line in lines:
                if line + b"\n" == self.occupied.get(name):
                    continue
                own = self._behind_zeros(line)
                if own in self.records or own in self.forgotten:
                    places[own].append(name)
                else:
                    self._check_fragment(name, own)
                if own != line:
                    self._check_fragment(name, line[: len(line) - len(own)].rstrip(b"\0"))
            if rest and not self._is_fragment(rest.rstrip(b"\0") if self.forgotten else rest):
                raise Violation(f"P1: {name} ends with {rest[:80]!r}")
        return places

    def _behind_zeros(self, line: bytes) -> bytes:
        """The record on a line. A file system may leave zeros at the end of a file, and nobody ends them."""
        return line.rpartition(b"\0")[2] if self.forgotten else line

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
        for line, found in places.items():
            if len(found) > 1 and not (self.records[line].doubted and len(set(found)) == len(found)):
                raise Violation(f"P1: {line[:20]!r} stands {len(found)} times: {found}")
        for line, inode in self.survived.items():
            if line not in self.retained and not any(self.kernel.names.get(name) is inode for name in places.get(line, [])):
                raise Violation(f"P1: {line[:20]!r} was there after the power cut and is gone")
        for line, record in self.records.items():
            found = places.get(line, [])
            if not found and record.landed is not None and line not in self.retained:
                raise Violation(f"P1: {record.name} of {record.process.name} stood in a file and is gone")

    def _check_periods(self, places: dict[bytes, list[str]]) -> None:
        active: list[Record] = []
        closed: dict[str, list[Record]] = defaultdict(list)
        for record, name in [(self.records[line], names[0]) for line, names in places.items() if line in self.records]:
            suffix = self._suffix_of(name)
            if record.returned is None:
                continue
            self.placed += 1
            mistaken = self._is_mistaken(name, record)
            if mistaken or (record.hindered and not record.at_home):
                self.excused["mistaken" if mistaken else "hindered"] += 1
                continue
            if suffix is None and name != LOG:
                self.excused["moved"] += 1
                continue
            self.checked += 1
            if self._may_be_anywhere(record):
                self._check_overdue(record, name)
            elif suffix is None:
                active.append(record)
            elif suffix != self._period(record.created)[0]:
                raise Violation(f"P2: {record.name}, created {record.created}, stands in {name}")
            else:
                closed[name].append(record)
        self._check_active(active)
        self._check_repeated(closed, places)

    def _check_active(self, records: list[Record]) -> None:
        """The log has records of one period, and if the state record tells of it of that one."""
        periods = sorted({(self._period(record.created), record.name) for record in records})
        if len({period for period, _ in periods}) > 1:
            raise Violation(f"P2: the active file has records of several periods: {periods}")
        inode, lock = self.kernel.names.get(LOG), self.kernel.names.get(LOG + ".lock")
        state = None if lock is None else _state_in(bytes(lock.data))
        if inode is None or state is None or state[0] != inode.number:
            return
        for record in records:
            if not state[1] <= record.created < state[2]:
                raise Violation(
                    f"P2: {record.name}, created {record.created}, stands in the log, which is of {state[1]} to {state[2]}"
                )

    def _check_repeated(self, closed: dict[str, list[Record]], places: dict[bytes, list[str]]) -> None:
        """An hour that comes twice has segments of one name: each has records of one of the two, and those not made for a
        late record are in order of time."""
        last: dict[str, tuple[float, str]] = {}
        for name in sorted(closed, key=self._number_of):
            first = min(closed[name], key=_turn)
            start, text = self._start(first.created), self._period(first.created)[0]
            written = [self.records[line] for line, found in places.items() if line in self.records and found[0] == name]
            self._check_one_hour(name, first, sorted(written, key=_turn), closed[name])
            in_time = [one for one in closed[name] if one.landed is not None and self._start(one.landed) == start]
            if self.clock_was_set or not in_time:
                continue
            if text in last and start < last[text][0]:
                raise Violation(f"P2: {name} is of an earlier period than {last[text][1]}")
            last[text] = start, name

    def _check_one_hour(self, name: str, first: Record, written: list[Record], checked: list[Record]) -> None:
        """The last write to a segment tells which of two hours of one name it is of: not any more if that was outside of this
        hour and its grace, by a process that was stopped for so long just before it, or by a clock that was set."""
        start, end = self._start(first.created), self._end(first.created)
        for record in written:
            if record in checked and self._start(record.created) != start:
                raise Violation(f"P2: {name} has {first.name} and {record.name} of another period with the same text")
            if not start <= _when_landed(record) < end + self.grace:
                break

    def _is_mistaken(self, name: str, record: Record) -> bool:
        """Somebody has, or may have, guessed the period of this file wrongly."""
        inode = self._file_of(name)
        if inode is None:
            return False
        straddled = any(one is inode for one in self.straddling)
        if straddled and record.process.name == OLD and any(one.hindered for one in self.records.values()):
            return True
        return any(one is inode for one in self.mistaken) or self._may_be_guessed_wrong(inode)

    def _file_of(self, name: str) -> Inode | None:
        """What has had this name while records were written to it."""
        return self.kernel.names.get(name)

    def _may_be_anywhere(self, record: Record) -> bool:
        """Later than the grace, or from the future: it goes to the active file."""
        end = self._end(record.created)
        return record.highest >= end + self.grace or self._start(record.created) > record.lowest

    def _check_overdue(self, record: Record, name: str) -> None:
        """Later than the grace it does not go to its own period's segment any more; and to no other but the log."""
        overdue = record.lowest >= self._end(record.created) + self.grace
        own = self._suffix_of(name) == self._period(record.created)[0]
        elsewhen = record.landed is not None and self._period(record.landed) != self._period(record.created)
        if overdue and own and elsewhen and not record.in_log:  # the log of an hour that comes again has the same text
            raise Violation(f"P2: {record.name}, created {record.created}, was written to {name} at {record.landed}")
        if not own and not record.in_log:
            raise Violation(
                f"P2: {record.name}, created {record.created}, stands in {name}, which was not the log at {record.landed}"
            )

    def _suffix_of(self, name: str) -> str | None:
        """The period that a segment's name tells, also where that is still hidden; None: the log, or somebody else's file."""
        hidden = _HIDDEN.fullmatch(name)
        if hidden is None and not name.startswith(LOG + "."):
            return None
        return re.sub(r"\.[1-9]\d*\Z", "", hidden[1] if hidden else name[len(LOG) + 1 :])

    @staticmethod
    def _number_of(name: str) -> int:
        found = re.search(r"\.([1-9]\d*)(?:\.rotating)?\Z", name)
        return int(found[1]) if found else 0

    def _order_of(self, name: str) -> tuple[str, int] | None:
        """What sorts segments by their age; None for another file."""
        found = re.fullmatch(re.escape(LOG) + r"\.(\d{4}(?:[-_]\d\d)+)(?:\.([1-9]\d*))?", name)
        return None if found is None else (found[1], int(found[2] or 0))

    # the calendar

    def _period(self, created: float) -> tuple[str, timedelta | None]:
        """What its name tells, and which of two hours of that name it is."""
        return _period_of(created // 1, self.zone, self.when)

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
        return _shown(moment // 1, zone, SUFFIX[self.when])
