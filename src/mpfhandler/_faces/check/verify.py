"""Reads what was written and compares it with what was promised. Shares no code with the handler.

Where a record belongs is computed here from the C library's local time: the seconds since midnight on the clock's
face, floored to the interval, as `strftime` shows them. A line is whole if it carries its own checksum. What is not
whole is torn, unless it is what a killed writer may leave behind: the beginning of the one record that it had not
been promised yet. Two such beginnings may stand on one line, when two writers died one after the other.
"""

from __future__ import annotations

import os
import re
import time
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from .line import CHECKSUM, MAGIC, Recipe, is_whole, slot_name

__all__ = ["Findings", "Period", "Writer", "verify"]

_SECONDS = {"S": 1, "M": 60, "H": 3600}
_WEEKDAYS = {f"W{day}": day for day in range(7)}
_SUFFIX = {
    "S": "%Y-%m-%d_%H-%M-%S",
    "M": "%Y-%m-%d_%H-%M",
    "H": "%Y-%m-%d_%H",
    "D": "%Y-%m-%d",
    "MIDNIGHT": "%Y-%m-%d",
    "MONTH": "%Y-%m",
}
_SEGMENT = re.compile(r"(\d{4}-\d\d(?:-\d\d(?:_\d\d(?:-\d\d(?:-\d\d)?)?)?)?)(?:\.\d+)?")
_BESIDES = {"lock", "debug"}  # the handler's own files: app.log.lock, app.log.debug (and .app.log.host)
_EXAMPLES = 8


@dataclass(frozen=True)
class Writer:
    """What one writer was promised: the last acknowledged number of each thread; `killed`: it may have left a stump."""

    name: str
    acked: tuple[int, ...]
    killed: bool = False


@dataclass(frozen=True)
class Period:
    """The schedule: `when` one of S M H D MIDNIGHT W0 to W6 MONTH, `interval` of these, counted from midnight, from 1970-01-01,
    from the week that has it, or from January. A week ends with the named day (0 is Monday)."""

    when: str
    interval: int

    def suffix(self, created: int) -> str:
        """The suffix that the file of this instant has, in the local time of this process."""
        local = time.localtime(created)
        if self.when not in _SECONDS:
            return self._day(date(local.tm_year, local.tm_mon, local.tm_mday))
        length = self.interval * _SECONDS[self.when]
        passed = local.tm_hour * 3600 + local.tm_min * 60 + local.tm_sec
        start = passed - passed % length
        face = (*local[:3], start // 3600, start // 60 % 60, start % 60, *local[6:])
        return time.strftime(_SUFFIX[self.when], face)

    def _day(self, day: date) -> str:
        if self.when == "MONTH":
            return day.replace(day=1, month=day.month - (day.month - 1) % self.interval).strftime("%Y-%m")
        passed, length = (day - date(1970, 1, 1)).days, self.interval
        if self.when in _WEEKDAYS:
            passed += (
                date(1970, 1, 1).weekday() - _WEEKDAYS[self.when] - 1
            ) % 7  # days since the boundary that was the last in 1969
            length *= 7
        return date.fromordinal(day.toordinal() - passed % length).strftime("%Y-%m-%d")


@dataclass(frozen=True)
class Findings:
    """What was found.

    Args:
        acknowledged: records that were promised.
        records: whole lines in the files.
        files: the active file and its segments.
        rotations: segments.
        lost: promised records that are nowhere.
        doubled: whole lines too many.
        torn: lines that are not whole, nor what a killed writer may leave.
        misfiled: records in the file of another period.
        strange: whole lines that nobody of this run can have written.
        fragments: stumps of killed writers' unacknowledged records.
        examples: the first of everything that is wrong, in words.
        unexpected: files beside the log that are neither segments nor the handler's own.
    """

    acknowledged: int
    records: int
    files: int
    rotations: int
    lost: int
    doubled: int
    torn: int
    misfiled: int
    strange: int
    fragments: int
    examples: tuple[str, ...]
    unexpected: tuple[str, ...]

    @property
    def clean(self) -> bool:
        """Whether every promise was kept."""
        return not (self.lost or self.doubled or self.torn or self.misfiled or self.strange)


def verify(log: str, writers: Sequence[Writer], recipe: Recipe, period: Period) -> Findings:
    """Read the log and all of its segments.

    Args:
        log: path of the active file.
        writers: everybody who wrote.
        recipe: how the payloads were made.
        period: the schedule that the handler was given.

    Raises:
        OSError: a file cannot be read.
    """
    reading = _Reading(writers, recipe)
    segments, unexpected = _segments(log)
    for path in [*(path for path, _ in segments), *([log] if os.path.exists(log) else [])]:
        reading.file(path)
    reading.judge_broken()
    misfiled = _misfiled(reading, log, dict(segments), period)
    return Findings(
        acknowledged=sum(sum(writer.acked) for writer in writers),
        records=reading.whole,
        files=len(reading.seconds),
        rotations=len(segments),
        lost=reading.lost(),
        doubled=reading.doubled,
        torn=reading.torn,
        misfiled=misfiled,
        strange=reading.strange,
        fragments=reading.fragments,
        examples=tuple(reading.examples.taken),
        unexpected=tuple(unexpected),
    )


@dataclass
class _Examples:
    """A few cases of each kind of trouble, for the report."""

    taken: list[str] = field(default_factory=list)
    _kinds: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, what: str) -> None:
        self._kinds[kind] += 1
        if self._kinds[kind] <= 2 and len(self.taken) < _EXAMPLES:
            self.taken.append(f"{kind}: {what}")


@dataclass
class _Slot:
    """One thread of a writer. `seen` has a byte for each number that may exist, the last one without a promise."""

    writer: str
    name: str
    acked: int
    killed: bool
    seen: bytearray
    stump_seen: bool = False

    @property
    def may_stump(self) -> bool:
        """A killed writer leaves its next record whole, in part, or not at all: once."""
        return self.killed and not self.stump_seen and not self.seen[self.acked + 1]


class _Reading:
    """The tally of one verification."""

    def __init__(self, writers: Sequence[Writer], recipe: Recipe) -> None:
        self._recipe = recipe
        self._slots = {slot.name.encode(): slot for slot in _slots(writers)}
        self.seconds: dict[str, Counter[int]] = {}  # path → second of creation → records
        self.examples = _Examples()
        self._broken: list[tuple[str, bytes]] = []  # path and line, judged when every whole line is known
        self.whole = self.doubled = self.torn = self.strange = self.fragments = 0

    def file(self, path: str) -> None:
        """Read one file. The loop is the hot one: a million lines take a few seconds."""
        seconds, slots, crc32 = Counter[int](), self._slots, zlib.crc32
        self.seconds[path] = seconds
        with open(path, "rb", buffering=1 << 20) as file:
            for line in file:
                body = line[: -CHECKSUM - 1]
                if line[-CHECKSUM - 1 :] != b"%08x\n" % crc32(body) or body[: len(MAGIC)] != MAGIC:
                    self._broken.append((path, line))
                    continue
                _, name, number, created, _ = body.split(b" ", 4)
                slot = slots.get(name)
                if slot is None:
                    self._odd(path, line)
                    continue
                self._count(slot, int(number), path)
                seconds[int(float(created))] += 1

    def judge_broken(self) -> None:
        """After the last file. The longest lines come first: a stump of few bytes could be anybody's."""
        for path, line in sorted(self._broken, key=lambda broken: -len(broken[1])):
            self._judge(path, line)

    def lost(self) -> int:
        for slot in self._slots.values():
            missing = slot.seen.find(0, 1, slot.acked + 1)
            if missing >= 0:
                self.examples.add("lost", f"record {missing} of {slot.name}, who was promised {slot.acked}")
        return sum(slot.seen.count(0, 1, slot.acked + 1) for slot in self._slots.values())

    def _count(self, slot: _Slot, number: int, path: str) -> None:
        if not 0 < number <= slot.acked + slot.killed or (number > slot.acked and slot.stump_seen):
            self._odd(path, f"record {number} of {slot.name}, who was promised {slot.acked}".encode())
            return
        self.whole += 1
        if slot.seen[number]:
            self.doubled += 1
            self.examples.add("doubled", f"record {number} of {slot.name}, again in {os.path.basename(path)}")
        slot.seen[number] = 1

    def _odd(self, path: str, line: bytes) -> None:
        self.strange += 1
        self.examples.add("strange", _quote(path, line))

    def _judge(self, path: str, line: bytes) -> None:
        """A line without a valid checksum: stumps that are allowed, or torn. Whole records in it are not lost."""
        pieces = _pieces(line.removesuffix(b"\n"))
        stumps = [self._stump(piece) for piece in pieces]
        if None not in stumps and len(set(map(id, stumps))) == len(stumps):
            self.fragments += len(stumps)
            for stump in stumps:
                assert stump is not None
                stump.stump_seen = True
            return
        self.torn += 1
        self.examples.add("torn", _quote(path, line))
        for piece in pieces:
            self._salvage(piece, path)

    def _salvage(self, piece: bytes, path: str) -> None:
        parts = piece.split(b" ")
        if is_whole(piece) and len(parts) == 6 and (slot := self._slots.get(parts[1])) is not None:
            self._count(slot, int(parts[2]), path)
            self.seconds[path][int(float(parts[3]))] += 1

    def _stump(self, piece: bytes) -> _Slot | None:
        """The killed slot whose unacknowledged record begins with this piece (or is it)."""
        if not piece:
            return self._silent()
        parts = piece.split(b" ")
        if len(parts) < 4:  # cut before the creation time
            return next((slot for slot in self._slots.values() if slot.may_stump and _begins(slot, piece)), None)
        slot = self._slots.get(parts[1])
        if slot is None or not slot.may_stump or parts[2] != b"%d" % (slot.acked + 1):
            return None
        if len(parts) == 4:
            return slot if re.fullmatch(rb"[0-9.e+]*", parts[3]) else None
        whole = self._recipe.line(slot.name, slot.acked + 1, parts[3].decode("ascii", "replace"))
        return slot if whole.startswith(piece) else None

    def _silent(self) -> _Slot | None:
        """A slot of a killed writer that has left no stump so far: a kill explains one empty line, not one for each thread."""
        heard = {slot.writer for slot in self._slots.values() if slot.stump_seen}
        return next((slot for slot in self._slots.values() if slot.may_stump and slot.writer not in heard), None)


def _slots(writers: Sequence[Writer]) -> Iterator[_Slot]:
    for writer in writers:
        for thread, acked in enumerate(writer.acked):
            yield _Slot(writer.name, slot_name(writer.name, thread), acked, writer.killed, bytearray(acked + 2))


def _begins(slot: _Slot, piece: bytes) -> bool:
    return (MAGIC + f"{slot.name} {slot.acked + 1} ".encode()).startswith(piece)


def _pieces(line: bytes) -> list[bytes]:
    """The line cut before each magic; a line of nothing is one empty piece (a stump of one byte, repaired)."""
    first, *others = line.split(MAGIC)
    pieces = [MAGIC + other for other in others]
    return [first, *pieces] if first or not pieces else pieces


def _segments(log: str) -> tuple[list[tuple[str, str]], list[str]]:
    """Paths of the segments with their suffixes (without index), and names that are nothing of the handler's."""
    folder, base = os.path.split(log)
    found: list[tuple[str, str]] = []
    unexpected: list[str] = []
    for name in sorted(os.listdir(folder)):
        tail = name[len(base) + 1 :] if name.startswith(base + ".") else ""
        matched = _SEGMENT.fullmatch(tail)
        if matched:
            found.append((os.path.join(folder, name), matched[1]))
        elif name not in {base, f".{base}.host"} and tail not in _BESIDES:
            unexpected.append(name)
    return found, unexpected


def _misfiled(reading: _Reading, log: str, segments: Mapping[str, str], period: Period) -> int:
    """Records outside their file. The active file is that of the newest period that has a record anywhere."""
    suffixes = {second: period.suffix(second) for seconds in reading.seconds.values() for second in seconds}
    newest = suffixes[max(suffixes)] if suffixes else ""
    misfiled = 0
    for path, seconds in reading.seconds.items():
        expected = newest if path == log else segments[path]
        wrong = {second: count for second, count in seconds.items() if suffixes[second] != expected}
        for second, count in wrong.items():
            what = f"{os.path.basename(path)} (period {expected}) has {count} records of {suffixes[second]}"
            reading.examples.add("misfiled", what)
        misfiled += sum(wrong.values())
    return misfiled


def _quote(path: str, line: bytes) -> str:
    shown = line if len(line) <= 120 else line[:60] + b" ... " + line[-55:]
    return f"{os.path.basename(path)}: {len(line)} bytes {shown!r}"
